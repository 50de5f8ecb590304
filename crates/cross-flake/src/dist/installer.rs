//! A script that brings the programs of a release to a machine with a shell.

use super::manifest::{Artifact, Manifest};
use crate::targets::platform::{self, System};

const TEMPLATE: &str = include_str!("../../data/templates/install.sh");

/// Returns the installer of a package, for the archives of the manifest that a shell can unpack, and its programs. `None` if there is no
/// such archive.
pub fn script(manifest: &Manifest, package: &str, url: &str, programs: &[&str]) -> Option<String> {
    let release = manifest.releases.iter().find(|release| release.app_name == package)?;
    let archives = release.artifacts.iter().filter_map(|name| manifest.artifacts.get(name));
    let mut lines: Vec<String> = archives.flat_map(lines_of).collect();
    // Where two fit, the one that takes the machine's own C library.
    lines.sort_by_key(|line| line.contains(" 0.0 "));
    if lines.is_empty() {
        return None;
    }
    let variable = format!("{}_URL", package.to_uppercase().replace('-', "_"));
    let version = &release.app_version;
    let text = TEMPLATE.replace("@archives@", &lines.join("\n")).replace("@programs@", &programs.join(" "));
    let text = text.replace("@url@", &url.replace("{version}", version)).replace("@variable@", &variable);
    Some(text.replace("@name@", package).replace("@version@", version))
}

/// `Linux aarch64 2.28 ARCHIVE SHA256` for each machine that an archive is for; a program that needs no glibc runs with 0.0.
fn lines_of(artifact: &Artifact) -> Vec<String> {
    let proof = artifact.proof.as_ref().filter(|_| artifact.name.ends_with(".tar.xz"));
    let Some(proof) = proof else { return Vec::new() };
    let glibc = proof.glibc.as_deref().unwrap_or("0.0");
    let machines = artifact.target_triples.iter().flat_map(|triple| machines(triple));
    machines.map(|machine| format!("{machine} {glibc} {} {}", artifact.name, artifact.sha256())).collect()
}

/// System and processor as `uname -sm` says them, as patterns of the shell; none for what has no shell.
fn machines(triple: &str) -> Vec<String> {
    let arch = triple.split('-').next().unwrap_or_default();
    let platform = platform::of(triple, arch);
    let system = match platform.system {
        System::Linux => "Linux",
        System::Macos => "Darwin",
        System::Freebsd => "FreeBSD",
        _ => return Vec::new(),
    };
    // Kernels for 32-bit Arm add the order of bytes, and those of 64 bits call themselves armv8l to 32-bit programs.
    let processors: &[&str] = match arch {
        "universal2" => &[],
        "aarch64" if platform.system == System::Macos => &["arm64"],
        "x86_64" if platform.system == System::Freebsd => &["amd64"],
        "arm" => &["armv6*", "armv7*", "armv8l"],
        "armv7" | "thumbv7neon" => &["armv7*", "armv8l"],
        "armv5te" => &["armv5*", "armv6*", "armv7*", "armv8l"],
        "i586" | "i686" => &["i?86"],
        _ => &[platform.cmake_processor],
    };
    processors.iter().map(|processor| format!("{system} {processor}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_called_as_uname_calls_them() {
        assert_eq!(machines("x86_64-unknown-linux-gnu"), ["Linux x86_64"]);
        assert_eq!(machines("powerpc64le-unknown-linux-gnu"), ["Linux ppc64le"]);
        assert_eq!(machines("riscv64gc-unknown-linux-musl"), ["Linux riscv64"]);
        assert_eq!(machines("aarch64-apple-darwin"), ["Darwin arm64"]);
        assert_eq!(machines("armv7-unknown-linux-gnueabihf"), ["Linux armv7*", "Linux armv8l"]);
        assert_eq!(machines("wasm32-wasip1"), [""; 0]);
        assert_eq!(machines(super::super::universal::TRIPLE), [""; 0]);
    }
}
