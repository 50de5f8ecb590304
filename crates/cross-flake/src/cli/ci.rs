//! `ci`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::{Place, find_targets};
use crate::settings;
use crate::targets::Level;
use crate::workspace::{Selection, Workspace};

/// Print a workflow for CI that builds and tests for every target
///
/// Without Nix it is one job, or as many as `--shards` says with another that makes one report, or one release, of theirs; what is fetched is
/// kept from run to run. With a flake it is a job for each target.
#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  cargo cross-flake ci github > .github/workflows/cross.yml\n  cargo cross-flake ci gitlab \
                       aarch64-linux windows-x64 --shards 2 > .gitlab-ci.yml"
)]
pub struct Ci {
    /// The service
    service: Service,
    /// Names or triples of targets [default: all that `test-all-targets` means]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// A workflow that tests, packs and publishes when a version is tagged; targets whose tests cannot run are packed if they are named
    #[arg(long)]
    release: bool,
    /// Jobs that share the work
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..), default_value_t = 1)]
    shards: u8,
    #[command(flatten)]
    place: Place,
}

/// A service that runs workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// GitHub Actions, in .github/workflows
    Github,
    /// GitLab CI, in .gitlab-ci.yml
    Gitlab,
}

/// The workflows: for one job, for several, for Nix, and for a release by one job and by several. What is between `@` is filled in; the
/// line of `@install@` goes where a workspace has the program itself.
const fn workflows(service: Service) -> [&'static str; 5] {
    match service {
        Service::Github => [
            include_str!("../../data/ci/github.yml"),
            include_str!("../../data/ci/github-shards.yml"),
            include_str!("../../data/ci/github-nix.yml"),
            include_str!("../../data/ci/github-release.yml"),
            include_str!("../../data/ci/github-release-shards.yml"),
        ],
        Service::Gitlab => [
            include_str!("../../data/ci/gitlab.yml"),
            include_str!("../../data/ci/gitlab-shards.yml"),
            include_str!("../../data/ci/gitlab-nix.yml"),
            include_str!("../../data/ci/gitlab-release.yml"),
            include_str!("../../data/ci/gitlab-release-shards.yml"),
        ],
    }
}

/// Installs the program on a machine that has cargo.
const INSTALL: &str = "cargo install --locked --git https://github.com/cross-flake/cross-flake cross-flake";

impl Ci {
    /// Runs the command.
    ///
    /// # Errors
    /// A target is unknown, or Nix is asked for what a flake decides.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let targets = find_targets(&workspace, &self.targets)?;
        let [one, several, nix, release, parts] = workflows(self.service);
        let is_nix = !self.release && self.place.provider(&workspace)?.name() == "nix";
        if is_nix && (self.shards > 1 || (!targets.is_empty() && self.service == Service::Github)) {
            bail!(
                "with Nix there is a job for each target that the flake names; --provider portable takes targets and shards"
            );
        }
        let workflow = match self.shards {
            1 if self.release => release,
            _ if self.release => parts,
            _ if is_nix => nix,
            1 => one,
            _ => several,
        };
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let tests = if names.is_empty() { "test-all-targets".to_owned() } else { format!("test {}", names.join(" ")) };
        let numbers: Vec<String> = (1..=self.shards).map(|number| number.to_string()).collect();
        let rows = if names.is_empty() { all(&workspace)? } else { names.join(", ") };
        let dist = ["dist"].iter().chain(&names).copied().collect::<Vec<_>>().join(" ");
        let untested = if targets.iter().any(|target| target.level != Level::Run) { " --allow-untested" } else { "" };
        let dist = dist + untested;
        print!(
            "{}",
            fill(workflow, settings::program(), &Parts { tests: &tests, dist: &dist, numbers: &numbers, rows: &rows })
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// The names of the workspace's rows.
fn all(workspace: &Workspace) -> Result<String> {
    let (rows, _) = workspace.all_targets(&Default::default(), &Selection::default())?;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    Ok(names.join(", "))
}

/// What a workflow is filled in with.
#[derive(Clone, Copy)]
struct Parts<'a> {
    tests: &'a str,
    dist: &'a str,
    numbers: &'a [String],
    rows: &'a str,
}

fn fill(workflow: &str, program: &str, parts: &Parts<'_>) -> String {
    let Parts { tests, dist, numbers, rows } = *parts;
    // An xtask is built with the workspace, and `nix run` brings the program.
    let is_installed = program != "cargo cross-flake";
    let lines = workflow.lines().filter(|line| !(is_installed && line.contains("@install@")));
    let filled = lines.map(|line| {
        let line = line.replace("@install@", INSTALL).replace("@program@", program).replace("@tests@", tests);
        let line = line.replace("@dist@", dist);
        let line = line.replace("@numbers@", &numbers.join(", ")).replace("@shards@", &numbers.len().to_string());
        line.replace("@rows@", rows) + "\n"
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workflow_is_filled_in_whole() {
        let numbers = ["1".to_owned(), "2".to_owned()];
        let parts = Parts { tests: "test-all-targets", dist: "dist", numbers: &numbers, rows: "a, b" };
        for workflow in [Service::Github, Service::Gitlab].into_iter().flat_map(workflows) {
            let text = fill(workflow, "cargo cross-flake", &parts);
            let marks = ["@install@", "@program@", "@tests@", "@dist@", "@numbers@", "@shards@", "@rows@"];
            assert!(marks.iter().all(|mark| !text.contains(mark)), "{text}");
            assert_eq!(text.matches(INSTALL).count(), workflow.matches("@install@").count());
            let xtask = fill(workflow, "cargo xtask", &parts);
            assert!(!xtask.contains("cross-flake cross-flake") && !xtask.contains("cargo install"), "{xtask}");
        }
    }
}
