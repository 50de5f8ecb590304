//! System and processor of a triple, as `data/platforms.toml` has them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

const DATA: &str = include_str!("../../data/platforms.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Platforms {
    system: Vec<SystemRow>,
    arch: BTreeMap<String, Arch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemRow {
    name: System,
    infix: String,
    cmake: String,
    #[serde(default)]
    suffix: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Arch {
    /// For the Nix provider: zig's toolchains name their target themselves.
    #[serde(rename = "clang")]
    _clang: Option<String>,
    cmake: Option<String>,
    cmake_windows: Option<String>,
    meson: Option<String>,
    endian: Option<String>,
}

/// An operating system.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// FreeBSD.
    Freebsd,
    /// WebAssembly with WASI.
    Wasi,
    /// Bare metal, and WebAssembly without WASI.
    None,
}

impl System {
    /// Returns the system's name in `platforms.toml`.
    pub fn name(self) -> &'static str {
        match self {
            System::Linux => "linux",
            System::Windows => "windows",
            System::Macos => "macos",
            System::Freebsd => "freebsd",
            System::Wasi => "wasi",
            System::None => "none",
        }
    }
}

/// System and processor of a triple.
pub struct Platform<'a> {
    /// The system.
    pub system: System,
    /// The end of the names of programs, such as `.exe`.
    pub suffix: &'static str,
    /// CMake's name of the system; Meson's is the same in lower case.
    pub cmake_system: &'static str,
    /// CMake's name of the processor.
    pub cmake_processor: &'a str,
    /// Meson's name of the family of processors.
    pub meson_family: &'a str,
    /// `big` or `little`.
    pub endian: &'static str,
}

/// Returns the platform of a triple whose processor is `arch`.
pub fn of<'a>(triple: &str, arch: &'a str) -> Platform<'a> {
    static PLATFORMS: LazyLock<Platforms> =
        LazyLock::new(|| toml::from_str(DATA).expect("platforms.toml is what this program was built with"));
    static COMMON: Arch = Arch { _clang: None, cmake: None, cmake_windows: None, meson: None, endian: None };
    let fits = |row: &&SystemRow| triple.contains(&row.infix);
    let row = PLATFORMS.system.iter().find(fits).expect("the last system of platforms.toml fits all");
    let names = PLATFORMS.arch.get(arch).unwrap_or(&COMMON);
    let on_windows = names.cmake_windows.as_deref().filter(|_| row.name == System::Windows);
    Platform {
        system: row.name,
        suffix: &row.suffix,
        cmake_system: &row.cmake,
        cmake_processor: on_windows.or(names.cmake.as_deref()).unwrap_or(arch),
        meson_family: names.meson.as_deref().unwrap_or(arch),
        endian: names.endian.as_deref().unwrap_or("little"),
    }
}

#[cfg(test)]
mod tests {
    use cross_flake_inspect as inspect;

    use crate::targets::Table;

    #[test]
    fn files_have_the_order_of_bytes_that_build_systems_are_told() {
        for row in Table::built_in().unwrap().rows().iter().filter(|row| row.spec.is_none()) {
            let machine = inspect::expected_of_triple(&row.triple).unwrap_or_else(|| panic!("{row}: no machine"));
            let endian = format!("{:?}", machine.endian).to_lowercase();
            assert_eq!(row.platform().endian, endian, "{row}");
        }
    }
}
