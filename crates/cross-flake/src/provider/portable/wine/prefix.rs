//! The prefix of a row, and the packages of wine that it is made by.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::{BUNDLE_32, MARK, MODULES_32, NO_FONTS, NTDLL, OWN_FONTS, Wine, is_32_bit, make_prefix, root};
use crate::cache::Cache;
use crate::provider::Reason;
use crate::provider::portable::bundle::{Bundle, Origin};
use crate::provider::portable::part::{Failures, Part, Site};
use crate::provider::portable::wheels::ZIG;
use crate::targets::Target;

/// Returns wine's packages. Its dependencies beyond these are for sound, cameras and printers, and it does without.
fn bundle() -> Bundle {
    let packages = ["libwine", "wine64", "libz-mingw-w64", "libunwind8", "liblzma5"];
    Bundle {
        // Debian 14 keeps the tables of characters in a package of their own.
        parts: &["wine-common"],
        // Without FreeType every program that loads user32 complains, whatever WINEDEBUG says; with FreeType and without fontconfig
        // wine 10 starts one explorer.exe after the other.
        libraries: &["libfreetype6", "libfontconfig1"],
        ..Bundle::new("wine", &packages, Origin::Own)
    }
}

/// Returns the package with the Windows libraries for 32-bit programs, which wine's own has from Debian 14 on.
fn bundle_32() -> Bundle {
    Bundle {
        unless: |cache| Wine::find(&root(cache)).is_ok_and(|wine| wine.modules.join(MODULES_32).join(NTDLL).exists()),
        ..Bundle::new(BUNDLE_32, &["libwine"], Origin::Foreign("i386"))
    }
}

/// A row's prefix: what wine takes for the disk and the registry of a Windows machine. It is made anew if it is another user's, or
/// another wine's.
pub struct Prefix(&'static str);

impl Prefix {
    /// The prefix of a row; rows share them.
    pub fn of(target: &Target) -> Prefix {
        Prefix(if is_32_bit(target) { "wine/x86" } else { "wine/x64" })
    }

    /// Returns its directory, below the cache.
    pub fn name(&self) -> &'static str {
        self.0
    }

    /// Returns what is wrong with the prefix that is there, as a step says it; "" if none is there, and `None` if nothing is wrong.
    fn fault(&self, cache: &Cache, wine: &Wine, row: &Target) -> Option<&'static str> {
        let prefix = cache.path(self.0);
        match fs::symlink_metadata(&prefix) {
            Err(_) => Some(""),
            // wine refuses a prefix that belongs to someone else, as in a cache that another user has filled or restored.
            Ok(file) if file.uid() != geteuid().as_raw() => Some(" anew, for the old one belongs to another user"),
            Ok(_) if fs::read_to_string(prefix.join(MARK)).ok() != Some(wine.mark(row)) => {
                Some(" anew, for the old one is of another wine or user")
            }
            Ok(_) => None,
        }
    }
}

impl Part for Prefix {
    fn key(&self) -> String {
        self.0.to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        Wine::find(&root(site.cache)).is_ok_and(|wine| {
            wine.missing_links(site.cache, row).is_empty()
                && site.cache.has(OWN_FONTS)
                && self.fault(site.cache, &wine, row).is_none()
                && refused_session(&site.cache.path(self.0), &std::env::temp_dir()).is_none()
        })
    }

    fn needs(&self, _: &Site<'_>, row: &Target) -> Vec<Box<dyn Part>> {
        // The library that wine lacks is compiled.
        let mut needs: Vec<Box<dyn Part>> = vec![Box::new(bundle()), Box::new(ZIG)];
        if is_32_bit(row) {
            // In the lane of bundles it is after the one that may make it needless.
            needs.push(Box::new(bundle_32()));
        }
        needs
    }

    /// They have links in the unpacked wine in common.
    fn lane(&self) -> Option<&'static str> {
        Some("wine")
    }

    fn obstacle(&self, _: &Site<'_>) -> Option<Reason> {
        let what = "Debian has wine for x86_64 build machines only";
        cfg!(not(target_arch = "x86_64")).then(|| Reason::new(what))
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        let (cache, row) = (site.cache, rows[0]);
        let wine = Wine::find(&root(cache))?;
        wine.tie_together(cache, row)?;
        cache.write(OWN_FONTS, NO_FONTS.as_bytes(), false)?;
        let prefix = cache.path(self.0);
        let Some(fault) = self.fault(cache, &wine, row) else {
            if let Some(file) = refused_session(&prefix, &std::env::temp_dir()) {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
            return Ok(Failures::new());
        };
        let old = cache.scratch()?;
        if fs::symlink_metadata(&prefix).is_ok() {
            fs::rename(&prefix, old.path().join("prefix"))
                .with_context(|| format!("cannot replace the wine prefix {}", prefix.display()))?;
        }
        let doing = format!("making a wine prefix for {row}{fault}");
        site.install(self.0, &doing, self.0, |new| make_prefix(cache, &wine, row, new))
    }
}

/// Returns the file of a prefix that speaks of a session which another machine's or user's wineserver has left: Debian's writes the
/// name of its temporary directory into the prefix, and refuses the directory where it is another user's or open to others.
fn refused_session(prefix: &Path, temporary: &Path) -> Option<PathBuf> {
    let file = prefix.join("wineserver");
    let name = fs::read_to_string(&file).ok()?;
    let is_refused = |folder: fs::Metadata| folder.uid() != geteuid().as_raw() || folder.mode() & 0o077 != 0;
    fs::symlink_metadata(temporary.join(name.trim())).is_ok_and(is_refused).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_of_another_user_is_forgotten_and_that_of_this_one_kept() {
        use std::os::unix::fs::PermissionsExt;
        let (prefix, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, folder) = (prefix.path().join("wineserver"), temporary.path().join("wine-abcdef"));
        fs::write(&file, "wine-abcdef").unwrap();
        let refused = || refused_session(prefix.path(), temporary.path());
        // wineserver makes a directory that is not there.
        assert_eq!(refused(), None);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(refused(), None);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(refused(), Some(file));
    }
}
