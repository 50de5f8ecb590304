//! The variables of a row, as `data/environment.toml` has them, and the files that some of them name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Environment;
use super::fill::Values;
use crate::targets::{Linker, Target};

const DATA: &str = include_str!("../../data/environment.toml");
const CMAKE: &str = include_str!("../../data/templates/toolchain.cmake");
const HOST_CMAKE: &str = include_str!("../../data/templates/host.cmake");
const MESON: &str = include_str!("../../data/templates/cross.meson");

/// The content of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variables {
    scoped: Vec<Variable>,
    shell: Vec<Variable>,
    placeholders: BTreeMap<String, String>,
}

/// A variable.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Variable {
    /// Its name, with placeholders.
    name: String,
    /// Conditions for it to be set.
    #[serde(default)]
    when: Vec<Condition>,
    /// Its value, with placeholders.
    value: String,
    /// The programs that read it.
    read_by: String,
}

/// A condition for a variable to be set.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Condition {
    Compiler,
    Libc,
    Runner,
    Cc,
    Ld,
    Gnu,
    Msvc,
    Linux,
    Windows,
    Macos,
}

impl Condition {
    fn holds(self, target: &Target, values: &Values) -> bool {
        match self {
            Condition::Compiler => values.has("cc"),
            Condition::Libc => target.has_libc(),
            Condition::Runner => values.has("runner"),
            Condition::Cc => target.linker == Linker::Cc,
            Condition::Ld => target.linker == Linker::Ld,
            Condition::Gnu => !target.is_msvc(),
            Condition::Msvc => target.is_msvc(),
            Condition::Linux => target.is_linux(),
            Condition::Windows => target.is_windows(),
            Condition::Macos => target.is_macos(),
        }
    }

    /// Returns the condition as a person reads it after a value; nothing for those that most rows fulfil.
    fn in_words(self) -> &'static str {
        match self {
            Condition::Compiler | Condition::Libc | Condition::Runner | Condition::Gnu => "",
            Condition::Cc => "; rows with `linker = \"cc\"`, which is the default",
            Condition::Ld => "; rows with `linker = \"ld\"`",
            Condition::Msvc => "; rows with Microsoft's ABI",
            Condition::Linux => "; Linux rows only",
            Condition::Windows => "; Windows rows only",
            Condition::Macos => "; macOS rows only",
        }
    }
}

static VARIABLES: LazyLock<Variables> =
    LazyLock::new(|| toml::from_str(DATA).expect("environment.toml is what this program was built with"));

/// Returns the values of the placeholders that follow from a row alone.
pub fn of_row(target: &Target) -> Values {
    let mut values = Values::default();
    values.set("row", &target.name);
    values.set("triple", &target.triple);
    values.set("lower", target.lower());
    values.set("upper", target.upper());
    values.set("arch", target.arch());
    values.set_if("macos-floor", target.macos_floor());
    if let Some(go) = &target.go {
        values.set("go-os", &go.os);
        values.set("go-arch", &go.arch);
        values.set_if("go-arm", go.arm.as_deref());
        values.set("go-cgo", if go.cgo { "1" } else { "0" });
    }
    let platform = target.platform();
    values.set("cmake-system", platform.cmake_system);
    values.set("cmake-processor", platform.cmake_processor);
    values.set("meson-system", platform.cmake_system.to_lowercase());
    values.set("meson-family", platform.meson_family);
    values.set("endian", platform.endian);
    values
}

/// Sets the variables of a row.
pub fn set(environment: &mut Environment, target: &Target, values: &Values) {
    let filled = |variables: &[Variable]| -> Vec<(String, String)> {
        let set = variables.iter().filter(|variable| variable.when.iter().all(|one| one.holds(target, values)));
        set.filter_map(|variable| Some((values.fill(&variable.name)?, values.fill(&variable.value)?))).collect()
    };
    environment.scoped.extend(filled(&VARIABLES.scoped));
    environment.shell.extend(filled(&VARIABLES.shell));
}

/// Returns CMake's toolchain file.
pub fn cmake(values: &Values) -> String {
    values.fill_lines(CMAKE, str::to_owned)
}

/// Returns CMake's toolchain file for the host.
pub fn host_cmake(values: &Values) -> String {
    values.fill_lines(HOST_CMAKE, str::to_owned)
}

/// Returns Meson's cross file, whose strings are escaped as Python's.
pub fn meson(values: &Values) -> String {
    values.fill_lines(MESON, |value| value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Returns the tables of `docs/environment.md`.
pub fn markdown() -> String {
    let shell = "## Shell variables\n\nOf a shell that is inside one target. Bare names are the target's; what belongs to the build \
                 machine says so in its name.";
    format!("{}\n{shell}\n\n{}", table(&VARIABLES.scoped), table(&VARIABLES.shell))
}

fn table(variables: &[Variable]) -> String {
    let lines: String = variables.iter().map(line).collect();
    format!("| variable | read by | value |\n| --- | --- | --- |\n{lines}")
}

fn line(variable: &Variable) -> String {
    let name = variable.name.replace("{lower}", "<triple>").replace("{upper}", "<TRIPLE>");
    let placeholder = variable.value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let value = match placeholder {
        Some(placeholder) => VARIABLES.placeholders[placeholder].clone(),
        None => format!("`{}`", variable.value.replace("{row}", "aarch64-linux")),
    };
    let conditions: String = variable.when.iter().map(|condition| condition.in_words()).collect();
    format!("| `{name}` | {} | {value}{conditions} |\n", variable.read_by)
}

#[cfg(test)]
mod tests {
    use super::super::fill::placeholders;
    use super::*;
    use crate::targets::Table;

    #[test]
    fn every_placeholder_is_explained_and_every_explanation_used() {
        let all = VARIABLES.scoped.iter().chain(&VARIABLES.shell);
        let mut used: Vec<&str> = all.flat_map(|v| [&v.name, &v.value]).flat_map(|text| placeholders(text)).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, VARIABLES.placeholders.keys().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn scoped_variables_have_the_triple_in_their_names_and_shell_variables_have_not() {
        let names = |variables: &[Variable]| variables.iter().map(|v| v.name.contains("er}")).collect::<Vec<_>>();
        assert!(names(&VARIABLES.scoped).iter().all(|has| *has) && !names(&VARIABLES.shell).contains(&true));
    }

    #[test]
    fn a_variable_is_set_where_its_conditions_hold_and_its_value_is_known() {
        let table = Table::built_in().unwrap();
        let set = |row: &str, known: &[&'static str]| {
            let target = table.find(row).unwrap();
            let mut environment = Environment::new("portable", target);
            let mut values = of_row(target);
            known.iter().for_each(|name| values.set(name, format!("/{name}")));
            super::set(&mut environment, target, &values);
            environment
        };
        let arm = set("armv7hf-linux", &["cc", "strip", "windres"]);
        assert_eq!((&*arm.shell["CC"], &*arm.shell["GOARM"], &*arm.shell["STRIP"]), ("/cc", "7", "/strip"));
        assert_eq!(arm.scoped["CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER"], "/cc");
        assert!(!arm.shell.contains_key("RC") && !arm.shell.contains_key("AR"));
        assert!(!arm.shell.contains_key("CROSSCOMPILING_EMULATOR"));
        let wasi = set("wasm32-wasi", &["cc", "ld"]);
        assert_eq!(wasi.scoped["CARGO_TARGET_WASM32_WASIP1_LINKER"], "/ld");
        assert!(set("windows-x64", &["windres"]).scoped.keys().all(|name| !name.starts_with("RC_")));
    }

    #[test]
    fn cmake_and_meson_have_their_own_names_of_processors() {
        let table = Table::built_in().unwrap();
        let files = |row: &str| {
            let values = of_row(table.find(row).unwrap());
            (cmake(&values), meson(&values))
        };
        for (row, system, processor, family, endian) in [
            ("riscv64-linux", "Linux", "riscv64", "riscv64", "little"),
            ("powerpc64le-linux", "Linux", "ppc64le", "ppc64", "little"),
            ("s390x-linux", "Linux", "s390x", "s390x", "big"),
            ("i686-linux", "Linux", "i686", "x86", "little"),
            ("windows-x86", "Windows", "X86", "x86", "little"),
            ("macos-arm64", "Darwin", "aarch64", "aarch64", "little"),
            ("x86_64-freebsd", "FreeBSD", "x86_64", "x86_64", "little"),
            ("wasm32-wasi", "WASI", "wasm32", "wasm32", "little"),
            ("cortex-m4f", "Generic", "thumbv7em", "thumbv7em", "little"),
        ] {
            let (cmake, meson) = files(row);
            assert!(cmake.contains(&format!("NAME {system})\nset(CMAKE_SYSTEM_PROCESSOR {processor})\n")), "{cmake}");
            let system = system.to_lowercase();
            let expected = format!("system = '{system}'\ncpu_family = '{family}'\n");
            assert!(meson.contains(&expected) && meson.ends_with(&format!("endian = '{endian}'\n")), "{meson}");
        }
    }
}
