//! The files by which CMake and Meson learn of a target.

use std::path::{Path, PathBuf};

use crate::targets::Target;

/// What a build system wants to know of a row.
pub struct Tools<'a> {
    /// The C compiler.
    pub cc: &'a Path,
    /// The C++ compiler.
    pub cxx: &'a Path,
    /// Makes libraries.
    pub ar: &'a Path,
    /// Makes the list of symbols of a library.
    pub ranlib: &'a Path,
    /// Strips; not every Rust toolchain has one.
    pub strip: Option<&'a Path>,
    /// Changes the names of libraries in Mach-O files; for macOS only.
    pub install_name_tool: Option<&'a Path>,
    /// Compiles resources; for Windows only.
    pub windres: Option<&'a Path>,
    /// The build machine's pkg-config, if it has one.
    pub pkg_config: Option<&'a Path>,
    /// The folder with the row's own libraries.
    pub prefix: &'a Path,
    /// That folder and the one with the C library.
    pub roots: &'a [PathBuf],
    /// Folders with the descriptions that pkg-config reads.
    pub descriptions: &'a [PathBuf],
    /// Debian's name for the architecture in the names of folders, where there are packages of Debian.
    pub multiarch: Option<String>,
    /// Starts the row's programs; none for a row of level `link`.
    pub runner: Option<&'a Path>,
}

/// A toolchain file (the manual page cmake-toolchains(7)).
pub fn cmake(target: &Target, tools: &Tools<'_>) -> String {
    let processor = match target.arch() {
        "i686" if target.is_windows() => "X86",
        "riscv64gc" => "riscv64",
        "powerpc64le" => "ppc64le",
        arch => arch,
    };
    let mut lines =
        vec![format!("set(CMAKE_SYSTEM_NAME {})", system(target)), format!("set(CMAKE_SYSTEM_PROCESSOR {processor})")];
    let mut set = |name: &str, value: &Path| lines.push(format!("set({name} [=[{}]=])", value.display()));
    set("CMAKE_C_COMPILER", tools.cc);
    set("CMAKE_CXX_COMPILER", tools.cxx);
    set("CMAKE_ASM_COMPILER", tools.cc);
    set("CMAKE_AR", tools.ar);
    set("CMAKE_RANLIB", tools.ranlib);
    // Where CMake knows nothing of the system, as of WASI, it has no places to look in below the root.
    set("CMAKE_PREFIX_PATH", tools.prefix);
    if let Some(program) = tools.windres {
        set("CMAKE_RC_COMPILER", program);
    }
    if let Some(program) = tools.install_name_tool {
        set("CMAKE_INSTALL_NAME_TOOL", program);
    }
    if let Some(runner) = tools.runner {
        set("CMAKE_CROSSCOMPILING_EMULATOR", runner);
    }
    for kind in ["LIBRARY", "INCLUDE", "PACKAGE"] {
        lines.push(format!("set(CMAKE_FIND_ROOT_PATH_MODE_{kind} ONLY)"));
    }
    if let Some(name) = &tools.multiarch {
        lines.push(format!("set(CMAKE_LIBRARY_ARCHITECTURE {name})"));
    }
    let roots: String = tools.roots.iter().map(|root| format!(" [=[{}]=]", root.display())).collect();
    lines.push(format!("set(CMAKE_FIND_ROOT_PATH{roots})"));
    lines.push("set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)".to_owned());
    lines.join("\n") + "\n"
}

/// A cross file (Meson's manual, "Cross compilation", and its reference tables of systems and processors).
pub fn meson(target: &Target, tools: &Tools<'_>) -> String {
    let family = match target.arch() {
        "i686" => "x86",
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        "powerpc64le" => "ppc64",
        arch => arch,
    };
    let endian = if target.arch() == "s390x" { "big" } else { "little" };
    // Meson escapes in strings as Python does.
    let quote = |text: &str| format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"));
    let path = |path: &Path| quote(&path.to_string_lossy());
    let mut binaries = vec![("c", tools.cc), ("cpp", tools.cxx), ("ar", tools.ar), ("ranlib", tools.ranlib)];
    binaries.extend(tools.windres.map(|program| ("windres", program)));
    binaries.extend(tools.strip.map(|program| ("strip", program)));
    // Meson 1.3 renamed it.
    binaries.extend(tools.pkg_config.iter().flat_map(|program| [("pkg-config", *program), ("pkgconfig", *program)]));
    binaries.extend(tools.runner.map(|program| ("exe_wrapper", program)));
    let descriptions: Vec<String> = tools.descriptions.iter().map(|folder| path(folder)).collect();
    let lines = |pairs: Vec<(&str, String)>| -> String {
        pairs.into_iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
    };
    format!(
        "[binaries]\n{}\n[properties]\n{}\n[host_machine]\n{}",
        lines(binaries.into_iter().map(|(name, program)| (name, path(program))).collect()),
        lines(vec![
            ("pkg_config_libdir", format!("[{}]", descriptions.join(", "))),
            // Also where the build machine could run the programs by itself.
            ("needs_exe_wrapper", "true".to_owned()),
        ]),
        lines(vec![
            ("system", quote(&system(target).to_lowercase())),
            ("cpu_family", quote(family)),
            ("cpu", quote(target.arch())),
            ("endian", quote(endian)),
        ]),
    )
}

/// CMake's name of the operating system; Meson's is the same in lower case.
fn system(target: &Target) -> &'static str {
    match () {
        () if target.is_linux() => "Linux",
        () if target.is_windows() => "Windows",
        () if target.is_macos() => "Darwin",
        () if target.triple.contains("freebsd") => "FreeBSD",
        () if target.is_wasi() => "WASI",
        () => "Generic",
    }
}
