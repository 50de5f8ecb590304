//! The members of a workspace that have changed, and those that depend on them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{Package, PackageId};

use super::Workspace;
use crate::host::git::git;

impl Workspace {
    /// Returns the members with a file that is not as a commit of git has it, committed since or not, and the members that depend on such
    /// ones. What two branches have in common counts as unchanged. A file of no member, such as Cargo.lock, may mean any of them.
    ///
    /// # Errors
    /// git does not know the commit, or the workspace is in no repository.
    pub fn changed_since(&self, commit: &str) -> Result<BTreeSet<PackageId>> {
        let git = |args: &[&str]| git(self.root(), args);
        let failed = || format!("git cannot say what has changed since {commit} in {}", self.root().display());
        let base = git(&["merge-base", commit, "HEAD"]).with_context(failed)?;
        let listed = git(&["diff", "--name-only", "--relative", "-z", &base]).with_context(failed)?;
        let new = git(&["ls-files", "--others", "--exclude-standard", "-z"]).with_context(failed)?;
        let files: Vec<&str> = listed.split('\0').chain(new.split('\0')).filter(|file| !file.is_empty()).collect();
        Ok(self.members_of(&files))
    }

    /// The members that these files, relative to the workspace, may have changed.
    fn members_of(&self, files: &[&str]) -> BTreeSet<PackageId> {
        let members = self.metadata.workspace_packages();
        let mut changed = BTreeSet::new();
        for file in files {
            let file = self.root().join(file);
            let owner = members.iter().filter(|member| file.starts_with(folder(member)));
            match owner.max_by_key(|member| folder(member).components().count()) {
                Some(owner) => drop(changed.insert(owner.id.clone())),
                None => return members.iter().map(|member| member.id.clone()).collect(),
            }
        }
        loop {
            let depends = |member: &&&Package| {
                let paths = member.dependencies.iter().filter_map(|dependency| dependency.path.as_ref());
                let mut of = paths.filter_map(|path| members.iter().find(|other| folder(other) == path.as_std_path()));
                !changed.contains(&member.id) && of.any(|other| changed.contains(&other.id))
            };
            let more: Vec<PackageId> = members.iter().filter(depends).map(|member| member.id.clone()).collect();
            if more.is_empty() {
                return changed;
            }
            changed.extend(more);
        }
    }
}

/// The directory of a member.
fn folder(member: &Package) -> &Path {
    member.manifest_path.as_std_path().parent().unwrap_or(Path::new("/"))
}
