//! Packages of the distribution for a target, unpacked with all that they depend on into a root of their own.
//!
//! A row may name packages for its builds. Programs are run over the whole root. Compiler and linker see a part of it, without the C
//! library and the compiler's own, for those are the row's; and where a shared library needs a newer glibc than the row promises,
//! the static one stands alone there.

use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::archive::{self, Archive, Package, SYSROOT_SUITES};
use super::part::{Failures, Part, Site};
use crate::cache::Cache;
use crate::events::{Events, human_bytes};
use crate::host::child::capture;
use crate::host::digest::StableHasher;
use crate::provider::{Download, Reason};
use crate::targets::{Target, is_package};
use cross_flake_inspect::{self as inspect, GlibcVersion};

/// The file in a root that says what was asked for.
const MARK: &str = ".cross-flake-sysroot";

/// The folder in a root with what builds see.
const VIEW: &str = ".cross-flake-view";

/// The file in a root with what there is to say of it, a line each.
const NOTES: &str = ".cross-flake-notes";

/// Packages whose headers and libraries are the row's own matter: the C library and what belongs to a compiler. Debian's names
/// begin so.
const OF_THE_TOOLCHAIN: [&str; 9] =
    ["libc6", "libc-", "linux-libc-dev", "libgcc", "libstdc++", "gcc-", "cpp-", "libatomic", "rpcsvc-proto"];

/// A wish for packages.
pub struct Sysroot {
    target: String,
    arch: String,
    /// The oldest glibc that the row promises.
    glibc: Option<GlibcVersion>,
    packages: Vec<String>,
}

impl Sysroot {
    /// These packages for a row.
    ///
    /// # Errors
    /// The row has no architecture of Debian, or a name is none.
    pub fn new(target: &Target, packages: &[String]) -> Result<Sysroot> {
        let Some(arch) = target.debian.clone() else {
            bail!("{target} has no packages: its row in targets.toml names no architecture in the field `debian`");
        };
        if let Some(wrong) = packages.iter().find(|name| !is_package(name)) {
            bail!("`{wrong}` is no name of a package of Debian");
        }
        let mut packages = packages.to_vec();
        packages.sort();
        packages.dedup();
        let glibc = target.glibc.as_deref().and_then(|floor| floor.parse().ok());
        Ok(Sysroot { target: target.name.clone(), arch, glibc, packages })
    }

    /// The packages that a row names for its builds; `None` where it names none.
    pub fn of_builds(target: &Target) -> Option<Sysroot> {
        // The table has been checked.
        Sysroot::new(target, &target.packages).ok().filter(|root| !root.packages.is_empty())
    }

    /// Returns what [`MARK`] holds.
    fn mark(&self) -> String {
        let floor = self.glibc.map(|floor| format!(" for glibc {floor}")).unwrap_or_default();
        format!("{} {}{floor}\n{}\n", self.arch, SYSROOT_SUITES[0], self.packages.join("\n"))
    }

    fn name(&self) -> String {
        let mut hasher = StableHasher::default();
        self.mark().hash(&mut hasher);
        format!("sysroots/{}-{:016x}", self.arch, hasher.finish())
    }

    /// Returns the root's directory, which may not be there yet.
    pub fn folder(&self, cache: &Cache) -> PathBuf {
        cache.path(self.name())
    }

    /// Returns what builds see of it: folders with `include` and `lib`.
    pub fn prefixes(&self, cache: &Cache) -> Vec<PathBuf> {
        ["usr", MULTIARCH].map(|name| self.view(cache).join(name)).to_vec()
    }

    /// Returns what builds see of it, as a folder that stands for `/`.
    pub fn view(&self, cache: &Cache) -> PathBuf {
        self.folder(cache).join(VIEW)
    }

    /// Folders with the descriptions that pkg-config reads.
    pub fn pkg_config(&self, cache: &Cache) -> Vec<PathBuf> {
        let view = self.view(cache);
        [MULTIARCH, "usr"]
            .iter()
            .map(|name| view.join(name).join("lib/pkgconfig"))
            .chain([view.join("usr/share/pkgconfig")])
            .collect()
    }

    /// Debian's name for the architecture in the names of folders: `aarch64-linux-gnu`.
    pub fn multiarch(&self, cache: &Cache) -> Option<String> {
        let to = fs::read_link(self.view(cache).join(MULTIARCH).join("lib")).ok()?;
        Some(to.file_name()?.to_string_lossy().into_owned())
    }

    /// The root for a program that names this loader, if it is there: packages that need no C library bring none.
    pub fn for_programs(&self, cache: &Cache, interpreter: &Path) -> Option<PathBuf> {
        let folder = self.folder(cache);
        let loader = folder.join(interpreter.strip_prefix("/").unwrap_or(interpreter));
        loader.exists().then_some(folder)
    }

    /// Returns what there is to say of the libraries to whoever builds with them.
    pub fn notes(&self, cache: &Cache) -> Vec<String> {
        let text = fs::read_to_string(self.folder(cache).join(NOTES)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn resolve(&self, cache: &Cache, suite: &'static str, events: &Events) -> Result<(Archive, Vec<Package>)> {
        let archive = Archive::open(cache, events)?.of_sysroot(&self.arch, suite);
        let suites = [suite.to_owned()];
        if !archive.is_ready(&suites) {
            let doing = format!("fetching the lists of packages of Debian's {suite} for {}", self.arch);
            events.step("lists", &doing, || archive.update(&suites))?;
        }
        let names: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let packages = archive.closure(&names)?;
        Ok((archive, packages))
    }

    /// Unpacks the packages and all that they need, and the view between the two kinds of them, into a folder that is empty.
    fn unpack(&self, cache: &Cache, suite: &'static str, new: &Path, events: &Events) -> Result<()> {
        let (archive, packages) = self.resolve(cache, suite, events)?;
        let bytes = human_bytes(packages.iter().map(|p| p.bytes).sum());
        let doing = format!("fetching {} packages for {}, {bytes}", packages.len(), self.target);
        let is_of_toolchain = |p: &Package| OF_THE_TOOLCHAIN.iter().any(|start| p.name.starts_with(start));
        let (toolchain, own): (Vec<Package>, Vec<Package>) = packages.into_iter().partition(is_of_toolchain);
        events.step("packages", &doing, || {
            archive.unpack(&own, new)?;
            make_view(new)?;
            archive.unpack(&toolchain, new)
        })
    }

    /// The root in the cache, fetched if it is not there.
    ///
    /// # Errors
    /// Not Debian, no network, or a package that the distribution lacks.
    pub fn provide(&self, cache: &Cache, events: &Events) -> Result<PathBuf> {
        if cache.has(&self.name()) {
            return Ok(self.folder(cache));
        }
        let _lock = cache.lock(|| events.note("waiting for another run that is setting up"))?;
        self.fetch(cache, events)
    }

    /// The same for a caller that keeps others from the cache.
    fn fetch(&self, cache: &Cache, events: &Events) -> Result<PathBuf> {
        // Whoever held the lock may have wanted the same.
        cache.install(&self.name(), |new| {
            let [first, second] = SYSROOT_SUITES;
            if let Err(error) = self.unpack(cache, first, new, events) {
                if !archive::is_absent(&error) {
                    return Err(error);
                }
                events.note(&format!(
                    "the mirror lacks files of Debian's {first} for {}, so the packages for {} come from {second}",
                    self.arch, self.target
                ));
                fs::remove_dir_all(new)?;
                fs::create_dir(new)?;
                self.unpack(cache, second, new, events)?;
            }
            merge_usr(new)?;
            make_relative(new, new)?;
            let view = new.join(VIEW);
            let notes = match self.glibc {
                Some(floor) => prefer_static(&view.join(MULTIARCH).join("lib"), floor, &self.target)?,
                None => Vec::new(),
            };
            notes.iter().for_each(|note| events.note(note));
            fs::write(new.join(NOTES), notes.iter().map(|note| format!("{note}\n")).collect::<String>())?;
            // The place is where the folder will be, not where it is made.
            for folder in [MULTIARCH, "usr"]
                .map(|name| view.join(name).join("lib/pkgconfig"))
                .iter()
                .chain([&view.join("usr/share/pkgconfig")])
            {
                move_descriptions(folder, &self.view(cache))?;
            }
            Ok(fs::write(new.join(MARK), self.mark())?)
        })
    }

    /// Puts a copy of the root at `into`, which is not there yet or is an earlier copy.
    ///
    /// # Errors
    /// See [`Sysroot::provide`]; or something else is at `into`, or it cannot be written.
    pub fn copy(&self, cache: &Cache, into: &Path, events: &Events) -> Result<()> {
        let mark = fs::read_to_string(into.join(MARK)).ok();
        if mark.as_deref() == Some(&*self.mark()) {
            return Ok(());
        }
        let is_free = mark.is_some() || fs::read_dir(into).map_or(!into.exists(), |mut rows| rows.next().is_none());
        if !is_free {
            bail!("{} is in the way: it is there and is no sysroot of cross-flake", into.display());
        }
        let root = self.provide(cache, events)?;
        let failed = || format!("cannot write {}", into.display());
        let into = std::path::absolute(into).with_context(failed)?;
        let beside = into.parent().with_context(failed)?;
        fs::create_dir_all(beside).with_context(failed)?;
        // Beside its place, so that it appears there whole.
        let scratch = tempfile::tempdir_in(beside).with_context(failed)?;
        let new = scratch.path().join("new");
        let sh = Shell::new()?;
        capture(cmd!(sh, "cp -a --reflink=auto {root} {new}")).with_context(failed)?;
        if into.exists() {
            fs::rename(&into, scratch.path().join("old")).with_context(failed)?;
        }
        fs::rename(&new, &into).with_context(failed)
    }
}

impl Part for Sysroot {
    fn key(&self) -> String {
        self.name()
    }

    fn obstacle(&self, site: &Site<'_>) -> Option<Reason> {
        Archive::open(site.cache, site.events).err().map(Reason::from)
    }

    fn downloads(&self, site: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        let (archive, packages) = self.resolve(site.cache, SYSROOT_SUITES[0], site.events)?;
        let bytes = packages.iter().map(|package| package.bytes).sum();
        let name = format!("packages for {}: {}", self.target, self.packages.join(", "));
        let mut downloads = vec![Download { name, from: "Debian".into(), bytes }];
        downloads.extend(archive.fetched());
        Ok(downloads)
    }

    /// archive's state for an architecture is for one at a time.
    fn lane(&self) -> Option<&'static str> {
        Some("sysroots")
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        self.fetch(site.cache, site.events).map(|_| Failures::new())
    }
}

/// The folder of a view with links to what Debian keeps in folders for one architecture.
const MULTIARCH: &str = "multiarch";

/// Gives the root a second name for each header and library that it has so far.
fn make_view(root: &Path) -> Result<()> {
    let view = root.join(VIEW);
    let failed = || format!("cannot write {}", view.display());
    fs::create_dir_all(view.join("usr")).with_context(failed)?;
    let sh = Shell::new()?;
    for name in ["usr/include", "usr/lib", "usr/share/pkgconfig", "usr/share/cmake"] {
        let (from, to) = (root.join(name), view.join(name));
        if from.is_dir() {
            fs::create_dir_all(to.parent().with_context(failed)?).with_context(failed)?;
            capture(cmd!(sh, "cp -al {from} {to}")).with_context(failed)?;
        }
    }
    fs::create_dir_all(view.join(MULTIARCH)).with_context(failed)?;
    for kind in ["include", "lib"] {
        let entries = fs::read_dir(view.join("usr").join(kind)).into_iter().flatten().flatten();
        let is_multiarch = |name: &String| name.contains("-linux-gnu");
        let name = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).find(is_multiarch);
        if let Some(name) = name {
            let to = Path::new("../usr").join(kind).join(name);
            symlink(to, view.join(MULTIARCH).join(kind)).with_context(failed)?;
        }
    }
    Ok(())
}

/// Takes a shared library that needs a newer glibc than this from what the linker finds, if there is a static one. Gives what to say
/// of all those that need it.
fn prefer_static(folder: &Path, floor: GlibcVersion, row: &str) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "so")) {
        // A linker script, say, is no library.
        let Some(needed) = inspect::inspect(file).ok().and_then(|library| library.glibc) else { continue };
        if needed <= floor {
            continue;
        }
        let (name, archive) = (file.file_name().unwrap_or_default().to_string_lossy(), file.with_extension("a"));
        let advice = format!("glibc = \"{needed}\" for [target.{row}] in targets.toml");
        if archive.exists() {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
            let archive = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
            notes.push(format!(
                "{name} needs glibc {needed} and {row} promises {floor}, so {archive} is linked; {advice} links the shared one"
            ));
        } else {
            notes.push(format!(
                "{name} needs glibc {needed} and {row} promises {floor}: what is linked with it needs {advice}"
            ));
        }
    }
    Ok(notes)
}

/// Lets descriptions for pkg-config name the folder of the view instead of `/`.
fn move_descriptions(folder: &Path, view: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // The other name of the file stays as it is.
        fs::remove_file(&path)?;
        fs::write(&path, moved(&text, &view.to_string_lossy().replace(' ', "\\ ")))?;
    }
    Ok(())
}

/// A description in which paths below /usr are below another folder.
fn moved(text: &str, view: &str) -> String {
    ["=", " ", "-I", "-L"].iter().fold(text.to_owned(), |text, before| {
        ["/", "\n", " "].iter().fold(text, |text, after| {
            text.replace(&format!("{before}/usr{after}"), &format!("{before}{view}/usr{after}"))
        })
    })
}

/// Gives the root the links from /lib to /usr/lib and so on, which are in no package but that of the base system.
fn merge_usr(root: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
        let (link, folder) = (root.join(name), Path::new("usr").join(name));
        if root.join(&folder).is_dir() && fs::symlink_metadata(&link).is_err() {
            symlink(&folder, &link).with_context(|| format!("cannot write {}", link.display()))?;
        }
    }
    Ok(())
}

/// Makes links to absolute places relative: they mean places below the root, and not those of this machine.
fn make_relative(root: &Path, folder: &Path) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let kind = fs::symlink_metadata(&path).with_context(failed)?.file_type();
        if kind.is_dir() {
            make_relative(root, &path)?;
        } else if kind.is_symlink() {
            let to = fs::read_link(&path).with_context(failed)?;
            if let Ok(below) = to.strip_prefix("/") {
                let depth = folder.strip_prefix(root).map_or(0, |p| p.components().count());
                let up: PathBuf = std::iter::repeat_n(Component::ParentDir, depth).collect();
                fs::remove_file(&path)
                    .and_then(|()| symlink(up.join(below), &path))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_name_the_place_where_the_libraries_are() {
        let text = "prefix=/usr\nlibdir=${prefix}/lib/x\nincludedir=/usr/include\nLibs: -L${libdir} -L/usr/lib/y -lz /usr/lib/z.a\n";
        let expected = "prefix=/v/usr\nlibdir=${prefix}/lib/x\nincludedir=/v/usr/include\nLibs: -L${libdir} -L/v/usr/lib/y -lz /v/usr/lib/z.a\n";
        assert_eq!(moved(text, "/v"), expected);
        assert_eq!(moved("a=/usrlocal\n", "/v"), "a=/usrlocal\n");
    }

    #[test]
    fn builds_see_what_packages_bring_and_not_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let file = |path: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        };
        file("usr/lib/aarch64-linux-gnu/libx.a");
        file("usr/include/x.h");
        make_view(root).unwrap();
        file("usr/include/stdio.h");
        let view = root.join(VIEW);
        assert!(view.join("multiarch/lib/libx.a").exists() && view.join("usr/include/x.h").exists());
        assert!(!view.join("usr/include/stdio.h").exists() && !view.join("multiarch/include").exists());
    }

    #[test]
    fn a_root_has_the_links_of_a_merged_usr_and_none_to_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/lib/x")).unwrap();
        fs::write(root.join("usr/lib/x/real"), "text").unwrap();
        symlink("/usr/lib/x/real", root.join("usr/lib/x/link")).unwrap();
        symlink("real", root.join("usr/lib/x/near")).unwrap();
        merge_usr(root).unwrap();
        make_relative(root, root).unwrap();
        assert_eq!(fs::read_link(root.join("lib")).unwrap(), Path::new("usr/lib"));
        assert!(fs::symlink_metadata(root.join("bin")).is_err());
        assert_eq!(fs::read_link(root.join("usr/lib/x/link")).unwrap(), Path::new("../../../usr/lib/x/real"));
        assert_eq!(fs::read_to_string(root.join("lib/x/link")).unwrap(), "text");
        assert_eq!(fs::read_link(root.join("usr/lib/x/near")).unwrap(), Path::new("real"));
    }
}
