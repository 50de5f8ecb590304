//! The directory with a row's own libraries.

use std::path::PathBuf;

use super::wheels::ZIG;
use crate::cache::Cache;
use crate::targets::Target;

/// The version of the crate libz-sys whose zlib stands there.
pub const ZLIB: &str = "1.1.31";

/// Returns the directory with a row's own libraries, in `include` and `lib`.
pub fn prefix(cache: &Cache, target: &Target) -> PathBuf {
    cache.path(name(target))
}

/// The name tells all that the library depends on, so that a row that changes gets another.
pub fn name(target: &Target) -> String {
    let zig = target.zig_target().unwrap_or_default();
    let cpu = target.zig_cpu.as_deref().map(|c| format!("-{c}")).unwrap_or_default();
    format!("prefix/{zig}{cpu}-zlib-{}-zig-{}", ZLIB, ZIG.version)
}
