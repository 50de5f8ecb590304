//! WASI programs under wasmtime.

use std::fs;
use std::path::Path;

/// Returns the arguments of wasmtime that let paths of the build machine mean the same in a WASI program: they open its whole file
/// system, and `.` for relative paths.
///
/// wasi-libc takes a leading `/` or `./` off directories and paths alike, and then the longest directory that a path begins with,
/// or of two the last (its preopens.c). So `/` would be one with `.`, and the directories in it are opened each by its own name;
/// but for those that are also names in the current directory, which relative paths begin with.
pub fn opened_folders(root: &Path, current: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // wasmtime ends when it cannot open one, and takes what follows `::` for another name.
    let opens = |name: &String| !name.contains("::") && root.join(name).read_dir().is_ok();
    let mut folders: Vec<String> = names.filter(|name| opens(name) && !current.join(name).exists()).collect();
    folders.sort();
    let folders = folders.iter().map(|name| format!("--dir={}", root.join(name).display()));
    folders.chain(["--dir=.".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wasi_program_sees_each_folder_of_the_root_and_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (root, current) = (dir.path().join("root"), dir.path().join("current"));
        for folder in ["root/home", "root/etc", "root/odd::name", "current/etc"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(root.join("file"), []).unwrap();
        let home = format!("--dir={}", root.join("home").display());
        assert_eq!(opened_folders(&root, &current), [home, "--dir=.".to_owned()]);
    }
}
