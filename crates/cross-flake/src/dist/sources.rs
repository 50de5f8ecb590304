//! A copy of the sources elsewhere, which is built a second time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::git::git;

/// Copies the repository of a workspace: what git knows, with what was changed and not committed, and what git tells of it. Build scripts
/// ask git for the commit, the tags and the branch. Gives the workspace's place in the copy.
///
/// Nothing is checked out, so that no filter and no hook of the user's runs.
///
/// # Errors
/// The workspace is in no git repository, or a file cannot be copied.
pub fn copy(workspace: &Path, to: &Path) -> Result<PathBuf> {
    let needs = "--check builds a copy of the files that git knows, and there is no git repository";
    let from = PathBuf::from(git(workspace, &["rev-parse", "--show-toplevel"]).context(needs)?);
    let (source, copy) = (from.display().to_string(), to.display().to_string());
    git(workspace, &["clone", "--quiet", "--shared", "--no-checkout", &source, &copy])?;
    match git(&from, &["remote", "get-url", "origin"]) {
        Ok(url) => git(to, &["remote", "set-url", "origin", &url])?,
        Err(_) => git(to, &["remote", "remove", "origin"])?,
    };
    git(to, &["reset", "--quiet"])?;
    let list = git(&from, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    for name in list.split('\0').filter(|name| from.join(name).symlink_metadata().is_ok_and(|kept| !kept.is_dir())) {
        let file = to.join(name);
        fs::create_dir_all(file.parent().unwrap_or(to)).with_context(|| format!("cannot make {}", to.display()))?;
        copy_one(&from.join(name), &file).with_context(|| format!("cannot copy {name}"))?;
    }
    // The index learns what the files look like: some build scripts ask by commands that do not look themselves.
    git(to, &["status", "--porcelain"])?;
    Ok(to.join(workspace.canonicalize()?.strip_prefix(from.canonicalize()?)?))
}

/// A link stays a link, for git would call a file in its place changed.
fn copy_one(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    fs::copy(from, to).map(drop)
}
