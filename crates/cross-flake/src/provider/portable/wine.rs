//! wine, unpacked from the distribution's packages: one folder of wine, and for each row a prefix that is made once.
//!
//! 32-bit programs run in the 64-bit wine, in the mode that wine calls WoW64: all that it needs for them is a folder of Windows
//! libraries, and nothing on the build machine has to run 32-bit Linux programs.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::{User, geteuid};
use xshell::{Shell, cmd};

use super::emulators::{Bundle, library_folders, text, version_of};
use super::toolchain;
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::environment::{Values, runners};
use crate::events::Events;
use crate::host::child::capture;
use crate::targets::Target;
use cross_flake_runner::RunnerKind;

/// The C source of the library that wine before 9 lacks.
const SHIM: &str = include_str!("../../../data/bcryptprimitives.c");
/// The name of that library.
const SHIMMED: &str = "bcryptprimitives.dll";
/// The folder of Windows libraries for 32-bit programs, as wine names it.
const MODULES_32: &str = "i386-windows";
/// The package of the same wine for 32-bit machines.
const BUNDLE_32: &str = "wine-i386";
/// Where fontconfig is told what fonts there are.
const FONTS: &str = "/etc/fonts/fonts.conf";
/// The same for a machine that has no such file, which fontconfig would complain of.
const NO_FONTS: &str = "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig/>\n";
/// The seconds that making a prefix may take; it is done in ten where the machine has nothing else to do.
const LIMIT: &str = "600";
/// The file in a prefix that says for whom and by which wine it was made.
const MARK: &str = ".cross-flake-wine";

/// Whether a row is for 32-bit Windows.
fn is_32_bit(target: &Target) -> bool {
    target.arch() == "i686"
}

/// The packages that a row needs. wine's dependencies beyond these are for sound, cameras and printers, and it does without.
pub fn bundles(cache: &Cache, target: &Target) -> Vec<Bundle> {
    let packages = ["libwine", "wine64", "libz-mingw-w64", "libunwind8", "liblzma5"];
    // Debian 14 keeps the tables of characters in a package of their own. Without FreeType every program that loads user32
    // complains, whatever WINEDEBUG says; with FreeType and without fontconfig wine 10 starts one explorer.exe after the other.
    let libraries = ["libfreetype6", "libfontconfig1"];
    let mut bundles =
        vec![Bundle::own_suite("wine", &packages).with_parts(&["wine-common"]).with_libraries(&libraries)];
    let brings_32_bit =
        || Wine::find(&root(cache)).is_ok_and(|wine| wine.modules.join(MODULES_32).join(NTDLL).exists());
    // From Debian 14 on the 64-bit package has these libraries, too.
    if is_32_bit(target) && (cache.has(&format!("packages/{BUNDLE_32}")) || !brings_32_bit()) {
        bundles.push(Bundle::foreign(BUNDLE_32, "i386", &["libwine"]));
    }
    bundles
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

    /// Does what Debian's maintainer scripts and absolute paths do on an installed system.
    fn tie_together(&self, cache: &Cache, target: &Target) -> Result<()> {
        // The loader starts what has this name beside it, and that may be a script that looks below /usr.
        let beside = self.loader.with_file_name("wineserver");
        if beside != self.server {
            link(&self.server, &beside)?;
        }
        // Debian 13's looks for share/wine/wine/nls from where it is, then for /usr/share/wine/nls.
        let data = self.data.join("wine");
        if fs::symlink_metadata(&data).is_err() {
            toolchain::link(Path::new("."), &data)?;
        }
        let place = self.modules.join(MODULES_32);
        if is_32_bit(target) && !place.join(NTDLL).exists() {
            let foreign = cache.path(format!("packages/{BUNDLE_32}/usr/lib/i386-linux-gnu/wine/{MODULES_32}"));
            // The 64-bit package of Debian 12 and 13 has the folder, empty.
            let _ = fs::remove_dir(&place);
            link(&foreign, &place)?;
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

    /// What a prefix depends on: this user, and this wine with the libraries that it has, which are in every prefix.
    fn mark(&self, target: &Target) -> String {
        let user = user_name();
        let mut hasher = DefaultHasher::new();
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
    toolchain::link(&up.chain(to.components().skip(shared)).collect::<PathBuf>(), at)
}

/// The user by the name that wine takes for its folder in `drive_c/users`.
fn user_name() -> String {
    let id = geteuid();
    User::from_uid(id).ok().flatten().map_or_else(|| id.to_string(), |user| user.name)
}

/// Whether a file is a program for 64-bit machines, rather than a script or one for others.
fn is_64_bit(path: &Path) -> bool {
    let mut head = [0; 5];
    // EI_CLASS, from elf(5).
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF\x02"
}

/// The prefix of a row: what wine takes for the disk and the registry of a Windows machine.
fn prefix_name(target: &Target) -> String {
    format!("wine/{}", if is_32_bit(target) { "x86" } else { "x64" })
}

/// Makes the row's prefix, once; again if it is another user's, or another wine's.
///
/// # Errors
/// wine does not start.
pub fn provide(cache: &Cache, target: &Target, events: &Events) -> Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        bail!("Debian has wine for x86_64 build machines only");
    }
    let wine = Wine::find(&root(cache))?;
    wine.tie_together(cache, target)?;
    cache.write("wine/fonts.conf", NO_FONTS.as_bytes(), false)?;
    let name = prefix_name(target);
    let prefix = cache.path(&name);
    let why = match fs::symlink_metadata(&prefix) {
        Err(_) => "",
        // wine refuses a prefix that belongs to someone else, as in a cache that another user has filled or restored.
        Ok(file) if file.uid() != geteuid().as_raw() => " anew, for the old one belongs to another user",
        Ok(_) if fs::read_to_string(prefix.join(MARK)).ok() != Some(wine.mark(target)) => {
            " anew, for the old one is of another wine or user"
        }
        Ok(_) => return forget_session(&prefix, &std::env::temp_dir()),
    };
    events.step(&name, &format!("making a wine prefix for {target}{why}"), || {
        let old = cache.scratch()?;
        if fs::symlink_metadata(&prefix).is_ok() {
            fs::rename(&prefix, old.path().join("prefix"))
                .with_context(|| format!("cannot replace the wine prefix {}", prefix.display()))?;
        }
        cache.install(&name, |new| make_prefix(cache, &wine, target, new)).map(drop)
    })
}

/// Takes from a prefix what another machine's or user's wineserver has left: Debian's writes the name of its temporary folder
/// into the prefix, and refuses the folder where it is another user's or open to others.
fn forget_session(prefix: &Path, temporary: &Path) -> Result<()> {
    let file = prefix.join("wineserver");
    let Ok(name) = fs::read_to_string(&file) else { return Ok(()) };
    let is_refused = |folder: fs::Metadata| folder.uid() != geteuid().as_raw() || folder.mode() & 0o077 != 0;
    if fs::symlink_metadata(temporary.join(name.trim())).is_ok_and(is_refused) {
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

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
    for (name, value) in runners::variables(RunnerKind::Wine, &wine.values(cache, prefix)) {
        sh.set_var(name, value);
    }
    let (loader, server) = (&wine.loader, &wine.server);
    sh.change_dir(prefix);
    // Its exit code says nothing: with no display it always complains.
    let made = cmd!(sh, "timeout {LIMIT} {loader} wineboot --init").quiet().ignore_status().output()?;
    // What wineboot started goes on for a while; the prefix is complete when the server has ended.
    let ended = capture(cmd!(sh, "timeout {LIMIT} {server} -w"));
    if ended.is_err() {
        let _ = capture(cmd!(sh, "{server} -k"));
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
    *values = wine.values(cache, &cache.path(prefix_name(target)));
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
        // The second time there is nothing left to do.
        for _ in 0..2 {
            Wine::find(wine.path()).unwrap().tie_together(&cache, table.find("windows-x86").unwrap()).unwrap();
        }
        assert!(is_64_bit(&wine.path().join("usr/lib/wine/wineserver")));
        assert!(wine.path().join("usr/share/wine/wine/nls/l").exists());
        assert!(wine.path().join(modules).join(MODULES_32).join(NTDLL).exists());
    }

    #[test]
    fn the_session_of_another_user_is_forgotten_and_that_of_this_one_kept() {
        use std::os::unix::fs::PermissionsExt;
        let (prefix, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, folder) = (prefix.path().join("wineserver"), temporary.path().join("wine-abcdef"));
        fs::write(&file, "wine-abcdef").unwrap();
        let forget = || forget_session(prefix.path(), temporary.path()).unwrap();
        // wineserver makes a folder that is not there.
        forget();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        forget();
        assert!(file.exists());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        forget();
        assert!(!file.exists());
    }
}
