//! git, which knows what belongs to a workspace and what has changed in it.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use super::child::capture;

/// Runs git in a directory and gives what it printed, without the end of the last line.
///
/// # Errors
/// git is not here, or it fails; the error holds its words.
pub fn git(folder: &Path, args: &[&str]) -> Result<String> {
    let shell = Shell::new()?;
    shell.change_dir(folder);
    let said = capture(cmd!(shell, "git {args...}"))?;
    Ok(said.strip_suffix('\n').unwrap_or(&said).to_owned())
}
