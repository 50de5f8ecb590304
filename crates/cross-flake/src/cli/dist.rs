//! `dist`.

mod merge;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Package;
use clap::{Args, Subcommand};

use super::options::{CargoOptions, TIMEOUT};
use super::{Place, events, find_or_usual_targets, set_up};
use crate::dist::evidence::Evidence;
use crate::dist::manifest::Manifest;
use crate::dist::origin::EPOCH;
use crate::dist::provenance::{self, Key};
use crate::dist::release::{Fit, Release};
use crate::dist::{difference, reproducible, sizes, sources};
use crate::engine::build::Mode;
use crate::engine::shard::ShardId;
use crate::engine::{self, Request, stale};
use crate::events::Events;
use crate::host::git::git;
use crate::host::signals;
use crate::outcome::{Report, Share, Status};
use crate::provider::Prepared;
use crate::report::{ReportOptions, table};
use crate::targets::{Level, Target};
use crate::workspace::{Selection, Workspace};

/// Test, build and pack a release for many targets
///
/// Nothing untested is packed: the tests of each target run first, in the profile that is packed (`dist` where Cargo.toml has one, else
/// `release`), and a target whose tests fail gets no archive. Then each archive is unpacked into an empty folder and its programs are
/// started there, on the oldest processor that the target promises.
///
/// An archive, NAME-VERSION-TRIPLE.tar.xz or .zip for Windows, holds the programs of one package, its licence, README and changelog, and
/// what `[package.metadata.cross-flake.dist] include` names. Each program holds the list of its packages, as cargo-auditable writes it.
/// Beside the archives stand bills of materials (CycloneDX and SPDX), a statement of provenance, an installer where `url` says from where,
/// dist-manifest.json, sha256.sum and release-notes.md.
/// Packages with programs are meant; the targets are those of `test-all-targets` if none is named.
///
/// The bytes of an archive depend on the sources, the Rust release and cross-flake alone; `--check` builds twice to see that.
///
/// Several machines share a release by `--shard`, and `dist merge` makes one of their parts.
///
/// Exits with 0 only if every target was packed, and with --check was the same twice.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Dist {
    #[command(subcommand)]
    command: Option<DistCommand>,
    /// Names, triples or patterns of targets, `common` or `all` [default: those that the workspace lists, else the common ones]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// The folder for the archives [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Pack for targets whose tests cannot run here, too; the manifest says that they were not run
    #[arg(long)]
    allow_untested: bool,
    /// Pack although files are not as git's commit has them; the manifest says so
    #[arg(long)]
    allow_dirty: bool,
    /// Build everything a second time, from a copy of the sources in another folder, with another locale, time zone, umask and number of
    /// jobs, and fail if an archive differs
    #[arg(long)]
    check: bool,
    /// Pack for one part of the targets, as one of several machines; `dist merge` joins the parts
    #[arg(long, value_name = "K/N", conflicts_with = "sizes")]
    shard: Option<ShardId>,
    /// Sign the provenance with this Ed25519 key, as `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Pack nothing: print what strip, opt-level, panic and lto would make of the programs' sizes
    #[arg(long, conflicts_with_all = ["check", "key", "out"])]
    sizes: bool,
    /// Pack without tests: the second build of --check
    #[arg(long, hide = true)]
    packs_alone: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    report: ReportOptions,
}

#[derive(Subcommand)]
enum DistCommand {
    Merge(merge::Merge),
}

impl Dist {
    /// Runs the command.
    ///
    /// # Errors
    /// The sources or the options are not fit for a release, or something cannot be written.
    pub fn run(mut self) -> Result<ExitCode> {
        if let Some(DistCommand::Merge(merge)) = self.command.take() {
            return merge.run();
        }
        self.report.check()?;
        let key = self.key.as_deref().map(Key::read).transpose()?;
        let workspace = self.place.workspace()?;
        let selection = self.cargo.selection(Vec::new()).0;
        let events = events();
        let (targets, share) = self.rows(&workspace, &selection, &events)?;
        let release = self.release(&workspace, &targets, &selection)?;
        let provider = self.place.provider(&workspace)?;
        let mut prepared = set_up(&*provider, &workspace, &targets, &events)?;
        signals::check()?;
        let objects = tempfile::Builder::new().prefix("dist-objects-").tempdir().context("cannot make a directory")?;
        let evidence = self.evidence(&release, &mut prepared, objects.path())?;
        let environments: Vec<_> = prepared.iter().filter_map(|row| row.environment.as_ref().ok()).collect();
        stale::remove(&workspace, &environments, &[], &events)?;
        let request = |mode| Request { objects: Some(objects.path().to_owned()), ..self.request(mode, &release) };
        if self.sizes {
            let request = request(Mode::Build);
            let lines = sizes::measure(&release, &request, &prepared, provider.name(), &events)?;
            println!("{}", table::markdown(&lines));
            return Ok(ExitCode::SUCCESS);
        }
        let run = |mode, rows: &[Prepared], events: &Events| {
            engine::run(&workspace, &request(mode), rows, provider.name(), events)
        };
        let (tested, others): (Vec<_>, Vec<_>) = prepared.into_iter().partition(|row| self.is_tested(&row.target));
        let mut report = Report { provider: provider.name().to_owned(), ..Report::default() };
        if !tested.is_empty() {
            report = run(Mode::Test, &tested, &events)?;
        }
        let passed = |row: &Prepared| {
            report.targets.iter().any(|outcome| outcome.name == row.target.name && outcome.status == Status::Passed)
        };
        let fit: Vec<Prepared> = tested.into_iter().filter(passed).chain(others).collect();
        let built = if fit.is_empty() { Report::default() } else { run(Mode::Build, &fit, &Events::none())? };
        let mut manifest = self.pack(&release, &evidence, &fit, &built, &mut report, &events)?;
        match share {
            // What is made of several archives is made of all parts.
            Some(_) => manifest.source.shard = share,
            None => {
                let more = release.pack_for_all(&mut manifest)?;
                if !more.is_empty() {
                    events.note(&format!("and {}", more.join(", ")));
                }
            }
        }
        let differs = match self.check && !manifest.artifacts.is_empty() {
            true => self.differences(&release, &fit, &manifest, &events)?,
            false => Vec::new(),
        };
        let code = self.report.finish(&report)?;
        if !manifest.artifacts.is_empty() {
            publish(&release, &manifest, key.as_ref())?;
        }
        for difference in &differs {
            eprintln!("not reproducible: {difference}");
        }
        Ok(if differs.is_empty() { code } else { ExitCode::from(1) })
    }

    /// Tells if the tests of a row are run.
    fn is_tested(&self, row: &Target) -> bool {
        row.level == Level::Run && !self.packs_alone
    }

    /// The rows of this machine, and which part of all they are.
    fn rows(
        &self,
        workspace: &Workspace,
        selection: &Selection,
        events: &Events,
    ) -> Result<(Vec<Target>, Option<Share>)> {
        let rows = self.all_rows(workspace, selection, events)?;
        Ok(match self.shard.map(|shard| shard.whole_rows(&rows)).transpose()? {
            Some((own, share)) => (own, Some(share)),
            None => (rows, None),
        })
    }

    /// The rows, less those that cannot be tested, unless that is allowed.
    fn all_rows(&self, workspace: &Workspace, selection: &Selection, events: &Events) -> Result<Vec<Target>> {
        let rows = find_or_usual_targets(workspace, &self.targets, selection)?;
        let (run, linked): (Vec<Target>, Vec<Target>) = rows.iter().cloned().partition(|row| row.level == Level::Run);
        if linked.is_empty() || self.allow_untested || self.packs_alone || self.sizes {
            return Ok(rows);
        }
        let names: Vec<&str> = linked.iter().map(|row| row.name.as_str()).collect();
        let names = names.join(", ");
        let usual = self.targets.is_empty();
        ensure!(usual, "tests for {names} cannot run here: --allow-untested packs without, and the manifest says so");
        events.note(&format!("left out, as their tests cannot run here: {names} (--allow-untested packs them)"));
        ensure!(!run.is_empty(), "no target is left");
        Ok(run)
    }

    fn release<'a>(&self, workspace: &'a Workspace, targets: &[Target], selection: &Selection) -> Result<Release<'a>> {
        let mut packages: Vec<&Package> = Vec::new();
        for target in targets {
            for package in workspace.packages_for(target, selection)? {
                let has_program = package.targets.iter().any(cargo_metadata::Target::is_bin);
                if has_program && !packages.iter().any(|known| known.id == package.id) {
                    packages.push(package);
                }
            }
        }
        let out = out_of(self.out.clone(), workspace);
        let profile = self.cargo.profile().map_or_else(|| own_profile(workspace), Ok)?;
        Release::of(workspace, &packages, profile, out, self.allow_dirty || self.packs_alone || self.sizes)
    }

    /// Takes what belongs to this machine out of the environments, and has the programs hold the lists of their packages.
    fn evidence(&self, release: &Release<'_>, prepared: &mut [Prepared], objects: &Path) -> Result<Evidence> {
        let environments = prepared.iter_mut().filter_map(|row| row.environment.as_mut().ok());
        reproducible::apply(environments, release.workspace, release.origin.time);
        reproducible::without_debug_map(prepared.iter_mut());
        let request = self.request(Mode::Build, release);
        let evidence = Evidence::gather(release.workspace, prepared, &request, objects)?;
        let without_debug = prepared.iter_mut().filter(|row| !evidence.has_debug_information(&row.target.name));
        reproducible::without_pdb(without_debug);
        Ok(evidence)
    }

    fn request(&self, mode: Mode, release: &Release<'_>) -> Request {
        let mut args = self.cargo.args();
        if self.cargo.profile().is_none() {
            args.extend(["--profile".to_owned(), release.profile.clone()]);
        }
        // Of what the user has chosen, what has programs.
        let only = release.packages().iter().map(|package| package.id.clone()).collect();
        let selection = Selection { only: Some(only), ..self.cargo.selection(Vec::new()).0 };
        let request = Request::without_tests(mode, selection, self.cargo.with_jobs(args, release.workspace));
        match mode {
            Mode::Test => Request {
                timeout: Duration::from_secs(TIMEOUT),
                jobs: self.cargo.jobs(),
                binfmt: true,
                isolation: true,
                ..request
            },
            _ => request,
        }
    }

    /// Packs what was built and starts it; the report learns what became of each row.
    fn pack(
        &self,
        release: &Release<'_>,
        evidence: &Evidence,
        rows: &[Prepared],
        built: &Report,
        report: &mut Report,
        events: &Events,
    ) -> Result<Manifest> {
        let rust = &release.workspace.toolchain.release;
        let mut manifest = Manifest::new(&release.origin, rust, &release.profile, &report.provider);
        let tested = report.targets.clone();
        for (row, made) in rows.iter().zip(&built.targets) {
            signals::check()?;
            let tested = tested.iter().find(|outcome| outcome.name == made.name).unwrap_or(made);
            let mut outcome = tested.clone();
            let fit = Fit { row, made, tested, starts: !self.packs_alone };
            if made.status == Status::Linked {
                match release.pack(&fit, evidence, &mut manifest)? {
                    Ok(names) => events.note(&format!("{}: {}", row.target, names.join(", "))),
                    Err(failure) => {
                        outcome.status = Status::Failed;
                        outcome.reason = Some(format!("packed: {}", failure.lines().next().unwrap_or_default()));
                        outcome.build_output = Some(failure);
                    }
                }
            } else {
                outcome = made.clone();
            }
            match report.targets.iter_mut().find(|known| known.name == outcome.name) {
                Some(known) => *known = outcome,
                None => report.targets.push(outcome),
            }
        }
        Ok(manifest)
    }

    /// Builds all of it once more under other circumstances, and says what differs.
    fn differences(
        &self,
        release: &Release<'_>,
        fit: &[Prepared],
        manifest: &Manifest,
        events: &Events,
    ) -> Result<Vec<String>> {
        events.note("building a second time, to compare");
        let workspace = release.workspace;
        let directory = tempfile::Builder::new().prefix("dist-check-").tempdir().context("cannot make a directory")?;
        let out = directory.path().join("out");
        let copy = sources::copy(workspace.root(), &directory.path().join("another/place/sources"))?;
        let program = std::env::current_exe().context("cannot find this program")?;
        // A shell sets the umask for it.
        let mut command = Command::new("sh");
        command.args(["-c", "umask 077 && exec \"$0\" \"$@\""]).arg(program).arg("dist");
        command.args(fit.iter().map(|row| &row.target.name)).arg("--packs-alone").arg("--out").arg(&out);
        let here = workspace.folder.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
        let here = here.and_then(|here| here.strip_prefix(workspace.root()).ok()).unwrap_or(Path::new(""));
        command
            .arg("--manifest-path")
            .arg(copy.join(here).join("Cargo.toml"))
            .args(["--provider", &manifest.source.provider]);
        command.args(self.cargo.again(&release.profile));
        command.env(EPOCH, release.origin.time.to_string()).env("CARGO_TARGET_DIR", directory.path().join("built"));
        command.envs([("LC_ALL", "C"), ("TZ", "Pacific/Chatham")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output().context("cannot start the second build")?;
        signals::check()?;
        ensure!(output.status.success(), "the second build failed\n{}", String::from_utf8_lossy(&output.stderr).trim());
        let mut differs = Vec::new();
        for name in manifest.artifacts.keys() {
            let difference = difference::first(&release.out.join(name), &out.join(name))?;
            differs.extend(difference.map(|difference| format!("{name}: {difference}")));
        }
        if differs.is_empty() {
            events.note(&format!("{} archives are the same, byte for byte", manifest.archives().count()));
        }
        Ok(differs)
    }
}

/// The folder for archives.
fn out_of(chosen: Option<PathBuf>, workspace: &Workspace) -> PathBuf {
    chosen.unwrap_or_else(|| workspace.metadata.target_directory.join("dist").into())
}

/// Writes what tells of a release, which is the last of it.
fn publish(release: &Release<'_>, manifest: &Manifest, key: Option<&Key>) -> Result<()> {
    let remote = git(release.workspace.root(), &["remote", "get-url", "origin"]).ok();
    let statement = provenance::statement(manifest, remote.as_deref());
    manifest.write(&release.out, &key.map_or(statement.clone(), |key| key.sign(&statement)))?;
    eprintln!("{} archives in {}", manifest.archives().count(), release.out.display());
    Ok(())
}

/// The profile for releases: `dist` where the workspace has one.
fn own_profile(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.root().join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: toml::Table = text.parse()?;
    let has_own = manifest.get("profile").and_then(|profiles| profiles.get("dist")).is_some();
    Ok(if has_own { "dist" } else { "release" }.to_owned())
}
