//! The variables by which the program is told what to do, read once; and its own name.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Names the directory of the cache.
pub const CACHE: &str = "CROSS_FLAKE_CACHE";
/// Names the origin of Rust's std: `auto`, `rustup` or `source`.
pub const STD: &str = "CROSS_FLAKE_STD";
/// `whole` fetches the distribution's large packages whole.
pub const PACKAGES: &str = "CROSS_FLAKE_PACKAGES";
/// Names the archive of packages, `URL SUITE…`, where the host's own is not to be used or there is none.
pub const ARCHIVE: &str = "CROSS_FLAKE_ARCHIVE";
/// Names the flake for workspaces that have none of their own. The apps of a flake set it.
pub const FLAKE: &str = "CROSS_FLAKE_FLAKE";
/// Names the program as people call it, for its children: the scripts that compile give hints as well.
pub const CALLED: &str = "CROSS_FLAKE_CALLED";

/// The values of the variables.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The value of [`CACHE`].
    pub cache: Option<PathBuf>,
    /// The value of [`STD`], `auto` where there is none.
    pub std: String,
    /// The value of [`PACKAGES`] is `whole`.
    pub whole_packages: bool,
    /// The value of [`ARCHIVE`].
    pub archive: Option<String>,
    /// The value of [`FLAKE`].
    pub flake: Option<OsString>,
    /// This is a job of a CI service; all of them set the variable `CI`.
    pub ci: bool,
}

/// Returns the settings of this process.
pub fn get() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        // A variable without a value is none.
        let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Settings {
            cache: given(CACHE).map(PathBuf::from),
            std: given(STD).map_or("auto".into(), |std| std.to_string_lossy().into_owned()),
            whole_packages: given(PACKAGES).is_some_and(|packages| packages == "whole"),
            archive: given(ARCHIVE).map(|archive| archive.to_string_lossy().into_owned()),
            flake: given(FLAKE),
            ci: given("CI").is_some_and(|ci| ci != "0" && ci != "false"),
        }
    })
}

static PROGRAM: OnceLock<String> = OnceLock::new();

/// Remembers the name under which people call the program. The value of [`CALLED`] wins: an app of a flake sets it.
pub fn set_program(name: &str) {
    let called = env::var(CALLED).ok().filter(|called| !called.is_empty());
    PROGRAM.get_or_init(|| called.unwrap_or_else(|| name.to_owned()));
}

/// Returns the words that call this program: `cargo cross-flake`, `cargo xtask`.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("cargo cross-flake", String::as_str)
}
