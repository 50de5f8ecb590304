//! The commit that a release is of.

use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use crate::host::git::git;

/// The variable that says what time a build shall be of, in seconds since 1970 (reproducible-builds.org, "SOURCE_DATE_EPOCH").
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The state of the sources.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The commit; none where the workspace is in no git repository.
    pub commit: Option<String>,
    /// Files differ from the commit.
    pub dirty: bool,
    /// The time of everything in an archive, in seconds since 1970: [`EPOCH`], or that of the commit.
    pub time: u64,
}

impl Origin {
    /// Reads the state of a workspace, for a release of these packages.
    ///
    /// # Errors
    /// Files differ from the commit and that is not allowed, or a version has a tag at another commit.
    pub fn of(root: &Path, packages: &[&Package], allow_dirty: bool) -> Result<Origin> {
        let given = std::env::var(EPOCH).ok().filter(|text| !text.is_empty());
        let given =
            given.map(|text| text.parse().with_context(|| format!("{EPOCH} is no number: {text}"))).transpose()?;
        let git = |args: &[&str]| git(root, args);
        let Ok(commit) = git(&["rev-parse", "HEAD"]) else {
            return Ok(Origin { commit: None, dirty: false, time: given.unwrap_or(0) });
        };
        let changed = git(&["status", "--porcelain", "--", "."]).context("cannot ask git what has changed")?;
        if !changed.is_empty() && !allow_dirty {
            let files: Vec<&str> = changed.lines().take(10).collect();
            bail!(
                "these files are not as the commit has them:\n{}\ncommit them, or take --allow-dirty: the manifest says so then",
                files.join("\n")
            );
        }
        for package in packages {
            let (name, version) = (&package.name, &package.version);
            for tag in
                [format!("v{version}"), version.to_string(), format!("{name}-v{version}"), format!("{name}-{version}")]
            {
                let at = git(&["rev-parse", "--verify", "--quiet", &format!("refs/tags/{tag}^{{commit}}")]);
                if let Some(other) = at.ok().filter(|at| *at != commit) {
                    bail!(
                        "{name} {version} is released already: the tag {tag} is at {}, and this is {}\n\
                         raise the version in {}, or check the tag out",
                        short(&other),
                        short(&commit),
                        package.manifest_path
                    );
                }
            }
        }
        let of_commit = || git(&["log", "-1", "--format=%ct"])?.parse().context("git's time is no number");
        let time = given.map_or_else(of_commit, Ok)?;
        Ok(Origin { commit: Some(commit), dirty: !changed.is_empty(), time })
    }
}

/// The start of a commit's name.
fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
