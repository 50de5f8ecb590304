//! Takes out of a build what belongs to one machine: paths, and the time.

use super::origin::EPOCH;
use crate::environment::Environment;
use crate::provider::Prepared;
use crate::targets::lower;
use crate::workspace::{Workspace, cargo_home};

/// The flags of C compilers, from the most special name to the most general, as the crate `cc` looks for them.
fn names(language: &str, triple: &str) -> [String; 4] {
    let triple_name = lower(triple);
    [
        format!("{language}FLAGS_{triple}"),
        format!("{language}FLAGS_{triple_name}"),
        format!("TARGET_{language}FLAGS"),
        format!("{language}FLAGS"),
    ]
}

/// Has rustc and C compilers write other words for the folders of this machine, and everything be of this time.
pub fn apply<'a>(environments: impl Iterator<Item = &'a mut Environment>, workspace: &Workspace, time: u64) {
    let target = workspace.metadata.target_directory.as_std_path();
    let mut paths = vec![(workspace.root().to_owned(), "."), (target.to_owned(), "target")];
    if let Some(home) = cargo_home() {
        paths.push((home.join("git/checkouts"), "git"));
        // The name of a registry's folder holds a hash of its address, which is another where a mirror stands in for it.
        let registries = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        paths.extend(registries.map(|folder| (folder.path(), "registry")));
    }
    let words: Vec<String> = paths.iter().map(|(path, word)| format!("{}={word}", path.display())).collect();
    // Flags of a target keep those of `[build]` out.
    let mut flags = workspace.build_rustflags();
    // Of several that fit, rustc takes the last (The rustc Book, "Remap source paths").
    flags.extend(words.iter().map(|word| format!("--remap-path-prefix={word}")));
    // `cc` splits the variable at spaces.
    let of_c = words.iter().filter(|word| !word.contains(char::is_whitespace));
    let of_c: String = of_c.map(|word| format!(" -ffile-prefix-map={word}")).collect();
    for environment in environments {
        environment.flags.clone_from(&flags);
        for language in ["C", "CXX"] {
            let names = names(language, &environment.triple);
            let known = |name: &String| environment.scoped.get(name).cloned().or_else(|| std::env::var(name).ok());
            let users = names.iter().find_map(known).unwrap_or_default();
            let [_, name, ..] = names;
            environment.scoped.insert(name, format!("{users}{of_c}").trim().to_owned());
        }
        // clang takes it for __DATE__ and __TIME__, LLD for the header of Windows programs.
        environment.scoped.insert(EPOCH.to_owned(), time.to_string());
    }
}

/// Leaves out of programs for macOS where their object files are, in which their debug information stays: nobody else has these folders.
pub fn without_debug_map<'a>(rows: impl Iterator<Item = &'a mut Prepared>) {
    for row in rows.filter(|row| row.target.is_macos()) {
        if let Ok(environment) = &mut row.environment {
            // ld(1): "Do not put debug information (STABS or DWARF) in the output file."
            environment.flags.push("-Clink-arg=-Wl,-S".to_owned());
        }
    }
}

/// Has no .pdb made for programs of Microsoft's ABI that have no debug information. It would hold names of functions alone, and whether it is
/// packed or not, the program names it by a hash, of which the linker makes the folders of its object files a part.
pub fn without_pdb<'a>(rows: impl Iterator<Item = &'a mut Prepared>) {
    for row in rows.filter(|row| row.target.is_msvc()) {
        if let Ok(environment) = &mut row.environment {
            // rustc asks for one first, and the last word counts.
            environment.flags.push("-Clink-arg=/DEBUG:NONE".to_owned());
        }
    }
}
