//! wine, unpacked from the distribution's packages: one folder of wine, and for each row a prefix that is made once.
//!
//! 32-bit programs run in the 64-bit wine, in the mode that wine calls WoW64: all that it needs for them is a folder of Windows
//! libraries, and nothing on the build machine has to run 32-bit Linux programs.

mod prefix;

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::{User, geteuid};
use xshell::{Shell, cmd};

use super::programs::{library_folders, text, version_of};
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::environment::{Values, runners};
use crate::host::child::capture;
use crate::host::digest::StableHasher;
use crate::provider::toolchain;
use crate::targets::Target;
use cross_flake_runner::RunnerKind;

pub use prefix::Prefix;

/// The C source of the library that wine before 9 lacks.
const SHIM: &str = include_str!("../../../data/bcryptprimitives.c");
/// The name of that library.
const SHIMMED: &str = "bcryptprimitives.dll";
/// The folder of Windows libraries for 32-bit programs, as wine names it.
const MODULES_32: &str = "i386-windows";
/// The package of the same wine for 32-bit machines.
const BUNDLE_32: &str = "wine-i386";
/// The file that tells fontconfig what fonts there are.
const FONTS: &str = "/etc/fonts/fonts.conf";
/// The same for a machine that has no such file, which fontconfig would complain of.
const NO_FONTS: &str = "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig/>\n";
/// The place of that file in the cache.
const OWN_FONTS: &str = "wine/fonts.conf";
/// The seconds that making a prefix may take; it is done in ten where the machine has nothing else to do.
const LIMIT: &str = "600";
/// The file in a prefix that says for whom and by which wine it was made.
const MARK: &str = ".cross-flake-wine";

/// Returns true if a row is for 32-bit Windows.
fn is_32_bit(target: &Target) -> bool {
    target.arch() == "i686"
}

/// A library without which there is no folder of Windows libraries.
const NTDLL: &str = "ntdll.dll";

fn root(cache: &Cache) -> PathBuf {
    cache.path("packages/wine")
}

/// The parts of an unpacked wine. Every release of Debian, and WineHQ, keeps them elsewhere.
#[derive(Debug, PartialEq, Eq)]
struct Wine {
    /// The program that starts Windows programs.
    loader: PathBuf,
    /// wineserver itself, which may have a script of its name beside it.
    server: PathBuf,
    /// The folder of wine's libraries: `x86_64-unix`, `x86_64-windows` and perhaps [`MODULES_32`] are below it.
    modules: PathBuf,
    /// The folder with the tables of characters in `nls`.
    data: PathBuf,
}

impl Wine {
    /// Looks for the parts below a folder.
    ///
    /// # Errors
    /// One is not there.
    fn find(root: &Path) -> Result<Wine> {
        let (mut loaders, mut servers, mut modules, mut data) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut todo = vec![root.to_owned()];
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                match (entry.file_type(), &*name) {
                    (Ok(kind), "x86_64-unix") if kind.is_dir() => modules.push(folder.clone()),
                    (Ok(kind), "nls") if kind.is_dir() => data.push(folder.clone()),
                    (Ok(kind), "doc" | "fonts") if kind.is_dir() => {}
                    (Ok(kind), name) if kind.is_dir() && !name.ends_with("-windows") => todo.push(path),
                    (Ok(kind), "wine" | "wine64") if kind.is_file() && is_64_bit(&path) => loaders.push(path),
                    (Ok(kind), "wineserver" | "wineserver64") if kind.is_file() && is_64_bit(&path) => {
                        servers.push(path)
                    }
                    _ => {}
                }
            }
        }
        // Any order of the folders gives the same wine.
        let first = |what: &str, found: &mut Vec<PathBuf>| {
            found.sort();
            found.first().cloned().with_context(|| format!("the unpacked wine has no {what} below {}", root.display()))
        };
        Ok(Wine {
            loader: first("program `wine`", &mut loaders)?,
            server: first("program `wineserver`", &mut servers)?,
            modules: first("folder `x86_64-unix`", &mut modules)?,
            data: first("folder `nls`", &mut data)?,
        })
    }

    /// Returns the links that an installed system has from Debian's maintainer scripts and by absolute paths, as far as they are not
    /// here: what each means, and its place.
    fn missing_links(&self, cache: &Cache, target: &Target) -> Vec<(PathBuf, PathBuf)> {
        let mut links = Vec::new();
        // The loader starts what has this name beside it, and that may be a script that looks below /usr.
        let beside = self.loader.with_file_name("wineserver");
        if fs::canonicalize(&beside).ok() != fs::canonicalize(&self.server).ok() {
            links.push((self.server.clone(), beside));
        }
        // Debian 13's looks for share/wine/wine/nls from where it is, then for /usr/share/wine/nls.
        let data = self.data.join("wine");
        if fs::symlink_metadata(&data).is_err() {
            links.push((self.data.clone(), data));
        }
        let place = self.modules.join(MODULES_32);
        if is_32_bit(target) && !place.join(NTDLL).exists() {
            links.push((cache.path(format!("packages/{BUNDLE_32}/usr/lib/i386-linux-gnu/wine/{MODULES_32}")), place));
        }
        links
    }

    /// Makes these links.
    fn tie_together(&self, cache: &Cache, target: &Target) -> Result<()> {
        for (to, at) in self.missing_links(cache, target) {
            // The 64-bit package of Debian 12 and 13 has the folder for 32-bit libraries, empty.
            let _ = fs::remove_dir(&at);
            link(&to, &at).with_context(|| format!("cannot write {}", at.display()))?;
        }
        Ok(())
    }

    /// Returns the places of wine's parts, for its variables.
    fn values(&self, cache: &Cache, prefix: &Path) -> Values {
        let mut values = Values::default();
        values.set("prefix", text(prefix));
        values.set("program", text(&self.loader));
        values.set("loader", text(&self.loader));
        values.set("server", text(&self.server));
        let libraries: Vec<String> = library_folders(&root(cache)).iter().map(|folder| text(folder)).collect();
        values.set("libraries", libraries.join(":"));
        if !Path::new(FONTS).exists() {
            values.set("fonts", text(&cache.path("wine/fonts.conf")));
        }
        values
    }

    /// Returns what a prefix depends on: this user, and this wine with the libraries that it has, which are in every prefix.
    fn mark(&self, target: &Target) -> String {
        let user = user_name();
        let mut hasher = StableHasher::default();
        let folder_32 = is_32_bit(target).then_some(MODULES_32);
        for folder in std::iter::once("x86_64-windows").chain(folder_32) {
            let entries = fs::read_dir(self.modules.join(folder)).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            names.hash(&mut hasher);
        }
        fs::metadata(self.modules.join("x86_64-unix/ntdll.so")).map(|file| file.len()).ok().hash(&mut hasher);
        format!("{user}\n{:016x}\n", hasher.finish())
    }
}

/// A link that still holds when the cache is copied to another place.
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    let from = at.parent().unwrap_or(at);
    let shared = from.components().zip(to.components()).take_while(|(from, to)| from == to).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let to = std::iter::once(Component::CurDir).chain(up).chain(to.components().skip(shared));
    toolchain::link(&to.collect::<PathBuf>(), at)
}

/// The user by the name that wine takes for its folder in `drive_c/users`.
fn user_name() -> String {
    let id = geteuid();
    User::from_uid(id).ok().flatten().map_or_else(|| id.to_string(), |user| user.name)
}

/// Returns true if a file is a program for 64-bit machines, rather than a script or one for others.
fn is_64_bit(path: &Path) -> bool {
    let mut head = [0; 5];
    // EI_CLASS, from elf(5).
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF\x02"
}

/// Makes a row's prefix in an empty folder.
fn make_prefix(cache: &Cache, wine: &Wine, target: &Target, prefix: &Path) -> Result<()> {
    let sh = Shell::new()?;
    let root = root(cache);
    let windows = prefix.join("drive_c/windows");
    // Folders of Windows: what the machine calls it, zig's name, and wine's own copy of its libraries.
    let mut folders = vec![("system32", "x86_64", "x86_64-windows", "x86_64-w64-mingw32")];
    if is_32_bit(target) {
        folders.push(("syswow64", "x86", MODULES_32, "i686-w64-mingw32"));
    }
    sh.set_var("ZIG_GLOBAL_CACHE_DIR", cache.path("zig-cache"));
    sh.set_var("ZIG_LOCAL_CACHE_DIR", cache.path("zig-cache"));
    let scratch = cache.scratch()?;
    let source = scratch.path().join("shim.c");
    sh.write_file(&source, SHIM)?;
    let zig = ZIG.program(cache);
    for (folder, zig_arch, wines, mingw) in &folders {
        let folder = windows.join(folder);
        sh.create_dir(&folder)?;
        // Debian's wine links zlib as the library of another package.
        sh.copy_file(root.join("usr").join(mingw).join("lib/zlib1.dll"), &folder)?;
        if !wine.modules.join(wines).join(SHIMMED).exists() {
            let shim = folder.join(SHIMMED);
            capture(cmd!(sh, "{zig} cc -target {zig_arch}-windows-gnu -shared -nostdlib -O2 -s {source} -o {shim}"))?;
        }
    }
    // wine's libraries may fit no program of the machine's, as `timeout` is, so wine alone sees them.
    let variables = runners::variables(RunnerKind::Wine, &wine.values(cache, prefix));
    let variables: &Vec<String> = &variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (loader, server) = (&wine.loader, &wine.server);
    sh.change_dir(prefix);
    // Its exit code says nothing: with no display it always complains.
    let made = cmd!(sh, "timeout {LIMIT} env {variables...} {loader} wineboot --init");
    let made = made.quiet().ignore_status().output()?;
    // What wineboot started goes on for a while; the prefix is complete when the server has ended.
    let ended = capture(cmd!(sh, "timeout {LIMIT} env {variables...} {server} -w"));
    if ended.is_err() {
        let _ = capture(cmd!(sh, "env {variables...} {server} -k"));
    }
    if !prefix.join("system.reg").exists() {
        bail!("wine made no prefix: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    ended.context("wine does not end making a prefix")?;
    for (folder, _, wines, _) in folders {
        share(&wine.modules.join(wines), &windows.join(folder))?;
    }
    // wine would make a prefix whose `wine.inf` has another time, as in a copied cache, once more beneath the first program.
    fs::write(prefix.join(".update-timestamp"), "disable\n")?;
    Ok(fs::write(prefix.join(MARK), wine.mark(target))?)
}

/// wine copies its 700 libraries into every prefix; hard links do as well and take no room.
fn share(original: &Path, copies: &Path) -> Result<()> {
    for entry in fs::read_dir(copies).with_context(|| format!("cannot read {}", copies.display()))?.flatten() {
        let (copy, same) = (entry.path(), original.join(entry.file_name()));
        let length = |path: &Path| fs::metadata(path).map(|m| m.len()).ok();
        if length(&same).is_some() && length(&same) == length(&copy) && fs::read(&same)? == fs::read(&copy)? {
            fs::remove_file(&copy)?;
            fs::hard_link(fs::canonicalize(&same)?, &copy)?;
        }
    }
    Ok(())
}

/// Says of a Windows row where its wine is, and which version it is of.
///
/// # Errors
/// wine does not start.
pub fn runner(cache: &Cache, target: &Target, values: &mut Values) -> Result<()> {
    let wine = Wine::find(&root(cache))?;
    *values = wine.values(cache, &cache.path(Prefix::of(target).name()));
    let variables = runners::variables(RunnerKind::Wine, values);
    values.set("version", version_of(cache, &wine.loader, &variables)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Table;

    /// Files of an unpacked wine; of a program only its head counts.
    fn unpacked(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let (path, content) = match file.split_once(' ') {
                Some((path, content)) => (root.path().join(path), content),
                None => (root.path().join(file), ""),
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = content.replace("64", "\x7fELF\x02").replace("32", "\x7fELF\x01");
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn the_parts_of_every_wine_are_found() {
        let lib = "usr/lib/x86_64-linux-gnu/wine";
        let modules =
            |folder: &str| [format!("{folder}/x86_64-unix/ntdll.so"), format!("{folder}/x86_64-windows/wine.exe")];
        let found = |files: &[&str], folder: &str| {
            let modules = modules(folder);
            let files: Vec<&str> = files.iter().copied().chain(modules.iter().map(String::as_str)).collect();
            let root = unpacked(&files);
            let wine = Wine::find(root.path()).unwrap();
            let parts = [wine.loader, wine.server, wine.modules, wine.data];
            parts.map(|part| part.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
        };
        // Debian 12 and 13.
        let old = [
            "usr/lib/wine/wine64 64",
            "usr/lib/wine/wineserver64 64",
            "usr/lib/wine/wineserver #!/bin/sh",
            "usr/share/wine/nls/l",
        ];
        assert_eq!(found(&old, lib), ["usr/lib/wine/wine64", "usr/lib/wine/wineserver64", lib, "usr/share/wine"]);
        // Debian 14.
        let new = [
            &format!("{lib}/wine 64"),
            &format!("{lib}/wineserver 64"),
            "usr/share/wine/nls/l",
            "usr/share/doc/wine/wine 64",
        ];
        assert_eq!(found(&new, lib), [&format!("{lib}/wine"), &format!("{lib}/wineserver"), lib, "usr/share/wine"]);
        // WineHQ's, where `wine` is for 32-bit machines, and from wine 11 on one program for all beside a second of its name.
        for (loader, other) in [("wine64", "opt/wine/bin/wine 32"), ("wine", "opt/wine/lib/wine/x86_64-unix/wine 64")] {
            let loader = format!("opt/wine/bin/{loader}");
            let files = [&format!("{loader} 64"), other, "opt/wine/bin/wineserver 64", "opt/wine/share/wine/nls/l"];
            assert_eq!(
                found(&files, "opt/wine/lib/wine"),
                [&loader, "opt/wine/bin/wineserver", "opt/wine/lib/wine", "opt/wine/share/wine"]
            );
        }
        let none = Wine::find(unpacked(&["usr/lib/wine/wine64 #!/bin/sh"]).path()).unwrap_err().to_string();
        assert!(none.contains("no program `wine` below"), "{none}");
    }

    #[test]
    fn programs_find_the_server_the_tables_and_the_libraries_for_32_bit() {
        let cache = tempfile::tempdir().unwrap();
        let modules = "usr/lib/x86_64-linux-gnu/wine";
        let files = [
            "usr/lib/wine/wine64 64",
            "usr/lib/wine/wineserver64 64",
            "usr/lib/wine/wineserver #!/bin/sh",
            "usr/share/wine/nls/l",
        ];
        let files: Vec<String> =
            files.iter().map(|f| (*f).to_owned()).chain([format!("{modules}/x86_64-unix/ntdll.so")]).collect();
        let wine = unpacked(&files.iter().map(String::as_str).collect::<Vec<_>>());
        fs::create_dir(wine.path().join(modules).join(MODULES_32)).unwrap();
        let foreign = unpacked(&[&format!("usr/lib/i386-linux-gnu/wine/{MODULES_32}/{NTDLL}")]);
        fs::create_dir(cache.path().join("packages")).unwrap();
        fs::rename(foreign.path(), cache.path().join("packages").join(BUNDLE_32)).unwrap();
        let (table, cache) = (Table::built_in().unwrap(), Cache::at(cache.path()));
        let (wine_found, row) = (Wine::find(wine.path()).unwrap(), table.find("windows-x86").unwrap());
        wine_found.tie_together(&cache, row).unwrap();
        assert!(wine_found.missing_links(&cache, row).is_empty());
        assert!(is_64_bit(&wine.path().join("usr/lib/wine/wineserver")));
        assert!(wine.path().join("usr/share/wine/wine/nls/l").exists());
        assert!(wine.path().join(modules).join(MODULES_32).join(NTDLL).exists());
    }
}
