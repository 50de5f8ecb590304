//! Windows programs under wine.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::RunnerSpec;
use cross_flake_inspect as inspect;

/// Processes that all wine programs of a prefix share. The first to start brings them up, the last to end takes them down,
/// and a runner that killed them would break its neighbours.
pub const WINE_SHARED: [&str; 8] = [
    "wineserver",
    "wineserver64",
    "services.exe",
    "winedevice.exe",
    "plugplay.exe",
    "svchost.exe",
    "explorer.exe",
    "rpcss.exe",
];

/// The part of STATUS_DLL_NOT_FOUND, 0xC0000135, that fits into the eight bits of an exit code.
pub const DLL_NOT_FOUND: i32 = 0x35;

/// Names the libraries that wine did not find, because wine itself is told to be silent.
pub fn explain_libraries(spec: &RunnerSpec, program: &Path) {
    let Ok(inspection) = inspect::inspect(program) else { return };
    let Some(prefix) = spec.env.get("WINEPREFIX").map(Path::new) else { return };
    let system = if inspection.pointer_width == 32 { "syswow64" } else { "system32" };
    let windows = prefix.join("drive_c/windows");
    let folders = [windows.join(system), windows.join("system32"), program.parent().unwrap_or(program).to_owned()];
    let missing = not_in(&inspection.libraries, &folders);
    if !missing.is_empty() {
        eprintln!(
            "cross-flake: {} needs {}, and neither its folder nor wine has that. Of wine a part is fetched, without DirectX, \
             sound, HTML and Microsoft's C++ libraries: see CROSS_FLAKE_PACKAGES in docs/portable.md",
            program.display(),
            missing.join(", ")
        );
    }
}

/// Returns the libraries that are in none of these directories; Windows does not distinguish capitals. API sets are no files.
fn not_in<'a>(libraries: &'a [String], folders: &[PathBuf]) -> Vec<&'a str> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let known: HashSet<String> = entries.map(|e| e.file_name().to_string_lossy().to_lowercase()).collect();
    let is_there = |name: String| known.contains(&name) || name.starts_with("api-ms-") || name.starts_with("ext-ms-");
    libraries.iter().map(String::as_str).filter(|library| !is_there(library.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_looked_for_without_regard_to_capitals() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kernel32.dll"), "").unwrap();
        let libraries = ["KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll", "d3d11.dll"].map(str::to_owned);
        assert_eq!(not_in(&libraries, &[dir.path().to_owned(), dir.path().join("none")]), ["d3d11.dll"]);
    }
}
