//! The libraries that belong to Windows.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The names of all but those of API sets.
const NAMES: &str = include_str!("../data/windows.txt");

/// Tells if a library is a part of Windows 10 and of every later version.
fn belongs_to_windows(name: &str) -> bool {
    static OWN: LazyLock<HashSet<&str>> =
        LazyLock::new(|| NAMES.lines().filter(|line| !line.starts_with('#')).collect());
    ["api-ms-", "ext-ms-"].iter().any(|set| name.starts_with(set)) || OWN.contains(name)
}

/// Returns those of a program's libraries that neither Windows nor the program's directory has. Windows compares names without
/// regard to case.
pub fn missing(program: &Path, libraries: &[String]) -> Vec<String> {
    // The directory of a bare name is the current one.
    let program = std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
    let entries = program.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    let beside: HashSet<String> = entries.map(|entry| entry.file_name().to_string_lossy().to_lowercase()).collect();
    let is_missing = |name: &&String| {
        let name = name.to_lowercase();
        !belongs_to_windows(&name) && !beside.contains(&name)
    };
    libraries.iter().filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_missing_unless_it_is_windows_own_or_beside_the_program() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Own.dll"), "").unwrap();
        let needs =
            ["KERNEL32.dll", "api-ms-win-crt-runtime-l1-1-0.dll", "own.DLL", "VCRUNTIME140.dll", "d3dx9_43.dll"];
        let needs = needs.map(str::to_owned);
        assert_eq!(missing(&folder.path().join("a.exe"), &needs), ["VCRUNTIME140.dll", "d3dx9_43.dll"]);
    }
}
