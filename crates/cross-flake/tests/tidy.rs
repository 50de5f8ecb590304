//! The house is kept: who may import whom, how long files and functions are, and what no file may name.
//!
//! Files are formatted by rustfmt, which `checks/all` sees to, so a line's indentation tells where an item begins and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules of the product from the ground floor up: each may import those before it.
const FLOORS: [&str; 14] = [
    "settings",
    "outcome",
    "events",
    "host",
    "cache",
    "targets",
    "environment",
    "workspace",
    "suites",
    "provider",
    "engine",
    "dist",
    "report",
    "cli",
];

/// The crates, each of which may use those before it.
const CRATES: [&str; 4] = ["crates/inspect", "crates/runner", "crates/cross-flake", "xtask"];

/// Lines that a product file may have, tests included, and a function.
const FILE: usize = 500;
const FUNCTION: usize = 80;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Files that git knows of, or would add.
fn files(below: &[&str]) -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]).args(below).current_dir(repository());
    let listed = String::from_utf8(git.output().unwrap().stdout).unwrap();
    let paths = listed.lines().map(|path| repository().join(path)).filter(|path| path.is_file());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.dedup();
    assert!(!paths.is_empty(), "git knows no file below {below:?}");
    paths
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

fn product() -> Vec<PathBuf> {
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let below = |folder: &str| files(&[&format!("{folder}/src")]);
    CRATES.iter().flat_map(|folder| below(folder)).filter(is_source).collect()
}

/// A file's code before its unit tests, without comments.
fn code(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that a file of a crate takes from its own crate, as segments from the crate's root.
fn imports(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for (start, base) in [("crate::", 0), ("super::super::", 2), ("super::", 1)] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let base: Vec<String> = match base {
                0 => Vec::new(),
                up => module[..module.len().saturating_sub(up)].to_vec(),
            };
            paths(&text[at + start.len()..], &base, &mut found);
        }
    }
    found
}

/// Reads one path, or several in braces.
fn paths(text: &str, base: &[String], found: &mut BTreeSet<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        rest = &rest[word.len()..];
        if !word.is_empty() {
            path.push(word);
        }
        match rest.strip_prefix("::") {
            Some(more) if more.starts_with('{') => {
                let mut depth = 0;
                let end = more.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth == 0
                });
                let inside = &more[1..end.unwrap()];
                let mut depth = 0;
                let parts = inside.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                parts.map(str::trim).filter(|part| !part.is_empty()).for_each(|part| paths(part, &path, found));
                return;
            }
            Some(more) => rest = more,
            None => break,
        }
    }
    if rest.starts_with('{') && path.len() == base.len() {
        return paths(&format!("::{rest}"), base, found);
    }
    found.insert(path);
}

/// The modules of a crate with the files that they are in, by their segments.
fn modules(folder: &str) -> BTreeMap<Vec<String>, PathBuf> {
    let source = repository().join(folder).join("src");
    let below = product().into_iter().filter(|path| path.starts_with(&source));
    let module = |path: &PathBuf| {
        let relative = path.strip_prefix(&source).unwrap().with_extension("");
        let mut names: Vec<String> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if names.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            names.pop();
        }
        names
    };
    below.map(|path| (module(&path), path)).collect()
}

/// Every import of a crate: a module, and the module that what it takes is in.
fn arrows(folder: &str) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let modules = modules(folder);
    let mut arrows = BTreeSet::new();
    for (module, path) in &modules {
        for import in imports(&code(&read(path)), module) {
            let is_in = |length: &usize| modules.contains_key(&import[..*length]);
            let owner = (0..=import.len()).rev().find(is_in).map(|length| import[..length].to_vec());
            arrows.extend(owner.filter(|owner| owner != module).map(|owner| (module.clone(), owner)));
        }
    }
    arrows
}

#[test]
fn nothing_is_imported_from_a_floor_above() {
    let floor = |module: &[String]| FLOORS.iter().position(|floor| module.first().is_some_and(|name| name == floor));
    let mut wrong = Vec::new();
    for (from, to) in arrows("crates/cross-flake") {
        // The root declares the floors, and says nothing itself.
        let (Some(own), Some(other)) = (floor(&from), floor(&to)) else { continue };
        if other > own {
            wrong.push(format!("{} imports {}", from.join("::"), to.join("::")));
        }
    }
    assert!(wrong.is_empty(), "these import what stands above them:\n{}", wrong.join("\n"));
    let known = modules("crates/cross-flake");
    assert!(known.len() > FLOORS.len() && !arrows("crates/runner").is_empty(), "no imports are found");
    let missing = known.keys().filter(|module| module.len() == 1 && floor(module).is_none());
    assert_eq!(missing.count(), 0, "FLOORS lacks a module");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in &CRATES[..3] {
        let arrows = arrows(folder);
        // A module and the file of its directory are one room: the one declares the other.
        let is_room = |from: &[String], to: &[String]| from.starts_with(to) || to.starts_with(from);
        let mut next: BTreeMap<&[String], Vec<&[String]>> = BTreeMap::new();
        for (from, to) in arrows.iter().filter(|(from, to)| !is_room(from, to)) {
            next.entry(from).or_default().push(to);
        }
        // What imports nothing that is left goes, and what nothing imports, until only circles are left.
        loop {
            let left: BTreeSet<&[String]> = next.keys().copied().collect();
            next.values_mut().for_each(|to| to.retain(|to| left.contains(to)));
            let imported: BTreeSet<&[String]> = next.values().flatten().copied().collect();
            let before = next.len();
            next.retain(|from, to| !to.is_empty() && imported.contains(from));
            if next.len() == before {
                break;
            }
        }
        let circle: Vec<String> = next
            .iter()
            .map(|(from, to)| {
                let to: Vec<String> = to.iter().map(|to| to.join("::")).collect();
                format!("{} -> {}", from.join("::"), to.join(", "))
            })
            .collect();
        assert!(circle.is_empty(), "{folder}: files import each other in a circle:\n{}", circle.join("\n"));
    }
}

#[test]
fn crates_use_those_below_them_only() {
    let dependency = |name: &str| format!("\ncross-flake{}.", name.trim_start_matches("crates/cross-flake"));
    for (at, folder) in CRATES.iter().enumerate() {
        let manifest = read(&repository().join(folder).join("Cargo.toml"));
        for above in &CRATES[at..] {
            let name = match *above {
                "crates/cross-flake" => dependency(""),
                other => dependency(&format!("-{}", other.trim_start_matches("crates/"))),
            };
            assert!(!manifest.contains(&name), "{folder} uses {above}");
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for path in product() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE {
            wrong.push(format!("{}: {} lines", shown(&path), lines.len()));
        }
        for (at, line) in lines.iter().enumerate() {
            let indentation = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let is_function = words.starts_with("fn ") || (words.starts_with("pub") && words.contains(" fn "));
            if !is_function || words.ends_with(';') || words.ends_with('}') {
                continue;
            }
            let closing = format!("{}}}", " ".repeat(indentation));
            let length = lines[at..].iter().position(|line| *line == closing).unwrap_or(0) + 1;
            if length > FUNCTION {
                wrong.push(format!("{}:{}: a function of {length} lines", shown(&path), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "longer than {FILE} lines a file or {FUNCTION} a function:\n{}", wrong.join("\n"));
}

#[test]
fn few_doc_comments_open_with_a_question() {
    let (mut all, mut questions) = (0, Vec::new());
    for path in product() {
        let mut is_inside = false;
        for (at, line) in read(&path).lines().enumerate() {
            let comment = ["/// ", "//! "].iter().find_map(|mark| line.trim_start().strip_prefix(mark));
            let is_comment = line.trim_start().starts_with("///") || line.trim_start().starts_with("//!");
            if let Some(comment) = comment.filter(|_| !is_inside) {
                all += 1;
                let first = comment.split([' ', ',']).next().unwrap_or_default();
                if ["What", "Whether", "How", "Where", "Why"].contains(&first) {
                    questions.push(format!("{}:{}: {comment}", shown(&path), at + 1));
                }
            }
            is_inside = is_comment;
        }
    }
    assert!(questions.len() * 20 < all, "{} of {all}:\n{}", questions.len(), questions.join("\n"));
}

#[test]
fn links_of_documents_lead_somewhere() {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let mut wrong = Vec::new();
    for path in files(&["."]).into_iter().filter(is_document) {
        let text = read(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") || link.contains(char::is_whitespace) {
                continue;
            }
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let has_anchor = || read(&to).lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            if !to.exists() || !(anchor.is_empty() || has_anchor()) {
                wrong.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "these links lead nowhere:\n{}", wrong.join("\n"));
}

/// The anchor that a heading gets where markdown is shown.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn no_file_names_a_machine() {
    // Pieces, so that this file is not one of them. Mirrors and registries are found by apt, pip, cargo and npm.
    let home = ["/root/", "/home/"].map(|start| format!("{start}{}", if start == "/root/" { "." } else { "user" }));
    let hosts =
        [["deb.debian", ".org"], ["files.python", "hosted.org"], ["static.crates", ".io"], ["registry.npm", "js.org"]];
    let hosts = hosts.map(|parts| parts.concat());
    let forbidden: Vec<String> = home.into_iter().chain(hosts).collect();
    let mut wrong = Vec::new();
    for path in files(&["."]) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in forbidden.iter().filter(|word| text.contains(word.as_str())) {
            wrong.push(format!("{} names {word}", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shell_and_nix_files_are_as_their_tools_want_them() {
    let of_kind = |extension: &str| {
        let is = |path: &PathBuf| path.extension().is_some_and(|e| e == extension);
        files(&["."]).into_iter().filter(is).collect::<Vec<PathBuf>>()
    };
    // Where they are not installed, CI has them.
    for (tool, arguments, files) in [
        ("shellcheck", &["--severity=error", "--shell=sh"][..], of_kind("sh")),
        ("nixfmt", &["--check"][..], of_kind("nix")),
    ] {
        let Ok(output) = Command::new(tool).args(arguments).args(&files).output() else { continue };
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{tool}:\n{}", String::from_utf8_lossy(&said));
    }
}
