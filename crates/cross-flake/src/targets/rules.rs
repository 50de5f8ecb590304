//! Rules for rows that are more than the type of a field.

use cross_flake_inspect::GlibcVersion;
use cross_flake_runner::RunnerKind;

use super::{Level, Target};

/// Checks what serde cannot see: fields that need each other. The error is the field and what is wrong with it.
pub(super) fn check(row: &Target) -> std::result::Result<(), (&'static str, String)> {
    let bad = |field, what: &str| Err((field, what.to_owned()));
    let name_ok = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if row.triple.is_empty() || !row.triple.chars().all(name_ok) {
        return bad("triple", "must be letters, digits, `-`, `_` and `.`");
    }
    if row.name.is_empty() || !row.name.chars().all(name_ok) {
        return bad("triple", "the row's name must be letters, digits, `-`, `_` and `.`");
    }
    // Those for which data/clang has a recipe.
    let families = ["-linux-", "-windows-", "-macos", "-freebsd", "-wasi", "-freestanding"];
    if let Some(zig) = &row.zig
        && !families.iter().any(|family| zig.contains(family))
    {
        return bad(
            "zig",
            "is for Linux, Windows, macOS, FreeBSD, WASI and `freestanding`: there is no recipe for another system",
        );
    }
    match (row.level, row.runner, &row.reason) {
        (Level::Run, None, _) => return bad("runner", "is missing: a row of level `run` says what runs it"),
        (Level::Link, _, None) => return bad("reason", "is missing: a row of level `link` says why it is not run"),
        _ => {}
    }
    if let Some(floor) = &row.glibc
        && floor.parse::<GlibcVersion>().is_err()
    {
        return bad("glibc", "must be a version like \"2.28\"");
    }
    if row.zig_cpu.is_some() && !row.cflags.iter().any(|flag| flag.starts_with("-march=") || flag.starts_with("-mcpu="))
    {
        return bad(
            "zig-cpu",
            "is for zig's libraries alone: `cflags` says the same in clang's words, as `-march=` or `-mcpu=`",
        );
    }
    if let Some(debian) = &row.debian {
        if !debian.starts_with(|c: char| c.is_ascii_lowercase())
            || !debian.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return bad("debian", "must be a name like \"arm64\", as `dpkg --print-architecture` gives it");
        }
        if row.glibc.is_none() {
            return bad("debian", "needs `glibc`: Debian's packages are for no other C library");
        }
    }
    if let Some(package) = row.packages.first() {
        if row.debian.is_none() {
            return bad("packages", "needs `debian`: the architecture of which packages are taken");
        }
        let name = row.packages.iter().find(|name| !is_package(name)).unwrap_or(package);
        if !is_package(name) {
            return Err(("packages", format!("`{name}` is no name of a package of Debian")));
        }
    }
    match row.runner {
        Some(RunnerKind::QemuUser) if row.qemu.is_none() => bad("qemu", "is missing: runner `qemu-user` needs it"),
        Some(RunnerKind::QemuSystem) if row.qemu.is_none() || row.machine.is_none() => {
            bad("machine", "runner `qemu-system` needs both `qemu` and `machine`")
        }
        _ => Ok(()),
    }
}

/// Follows Debian's rule for names of packages (Debian Policy, 5.6.7). apt would take a `-` at the end for a wish to remove one.
pub fn is_package(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    first && rest && name.len() > 1 && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_package;

    #[test]
    fn a_name_of_a_package_is_not_an_option_nor_a_pattern() {
        for name in ["zlib1g", "g++", "libstdc++6", "python3.13-minimal", "0ad"] {
            assert!(is_package(name), "{name}");
        }
        for name in ["", "-y", "zlib1g-", "zlib*", "Zlib", "zlib1g=1", "zlib1g:arm64", "a/b", "a"] {
            assert!(!is_package(name), "{name}");
        }
    }
}
