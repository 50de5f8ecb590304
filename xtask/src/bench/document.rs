//! The results, and the page that shows them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::changes::{Change, Changes};
use super::evaluation::Evaluation;
use super::matrix::{Matrix, Mode, Sample};
use super::measure::{DISTURBED, Spread, Usage};
use super::own::Own;
use super::processes::KIND_NAMES;
use super::setup::Setup;
use super::{About, plot};
use cross_flake::cache::write_whole;
use cross_flake::cli::setup::Step;
use cross_flake::events::human_bytes;
use cross_flake::provider::Download;
use cross_flake::settings;

/// The line of the page after which everything stays as it is.
const MARKER: &str = "<!-- What follows is written by hand: `cargo xtask bench` keeps it. -->";

/// All results that there are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// See [`Matrix`].
    pub matrix: Option<Matrix>,
    /// See [`Changes`].
    pub changes: Option<Changes>,
    /// See [`Setup`].
    pub setup: Option<Setup>,
    /// See [`Own`].
    pub own: Option<Own>,
    /// See [`Evaluation`].
    pub nix: Option<Evaluation>,
}

/// The results and where they are written.
pub struct Results {
    file: PathBuf,
    /// The results.
    pub document: Document,
}

impl Results {
    /// Reads what former runs have found.
    ///
    /// # Errors
    /// The file is malformed.
    pub fn open(file: PathBuf) -> Result<Results> {
        let document = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("malformed {}", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Results { file, document })
    }

    /// Writes all of it: results, page and plot.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.document)? + "\n";
        write_whole(&self.file, json.as_bytes(), false)?;
        let (page, svg) = (self.file.with_extension("md"), self.file.with_extension("svg"));
        let plot = self.document.matrix.as_ref().and_then(plot::draw);
        if let Some(plot) = &plot {
            write_whole(&svg, plot.as_bytes(), false)?;
        }
        let image = svg.file_name().filter(|_| plot.is_some()).map(|name| name.to_string_lossy().into_owned());
        let former = fs::read_to_string(&page).unwrap_or_default();
        write_whole(&page, render(&self.document, image.as_deref(), &former).as_bytes(), false)
    }
}

/// Returns the page, with the text after the marker of the former one.
fn render(document: &Document, image: Option<&str>, former: &str) -> String {
    let mut out = "# Benchmarks\n\nEvery figure comes from a run, and the command above it runs it again: each part on one machine, its \
                   samples taken in\nturn. A figure is the median of its samples, and a range goes from the least to the most.\n"
        .to_owned();
    let parts = [
        ("Many targets", "matrix", document.matrix.as_ref().map(|m| matrix(m, image))),
        ("After a change", "changes", document.changes.as_ref().map(changes)),
        ("The first set-up", "setup", document.setup.as_ref().map(setup)),
        ("xtask itself", "own", document.own.as_ref().map(own)),
        ("Evaluating a dev shell", "nix", document.nix.as_ref().map(nix)),
    ];
    for (title, part, text) in parts {
        let text = text.unwrap_or_else(|| format!("Not measured: nobody has run `cargo xtask bench {part}` yet.\n"));
        let _ = write!(out, "\n## {title}\n\n{text}");
    }
    let kept = former.split_once(MARKER).map_or("\n", |(_, kept)| kept);
    format!("{out}\n{MARKER}{kept}")
}

/// Returns the command line of a run, its date and its machine.
fn about(about: &About) -> String {
    let a = about;
    format!(
        "    {}\n\n{} UTC: {}, {} cores, {} of memory, Linux {}; rustc {}, zig {}, cargo-zigbuild {}, xtask at {}.\n\n",
        a.command,
        a.date,
        a.cpu,
        a.cores,
        human_bytes(a.memory),
        a.kernel,
        a.rustc,
        a.zig,
        a.cargo_zigbuild,
        a.xtask
    )
}

/// Returns `1 target`, `20 targets`.
pub fn targets(count: usize) -> String {
    format!("{count} target{}", if count == 1 { "" } else { "s" })
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

/// Returns `12.3` and `11.9 to 13.0`.
fn with_range(spread: Option<Spread>, digits: usize) -> [String; 2] {
    match spread {
        Some(Spread { median, min, max }) => {
            [format!("{median:.digits$}"), format!("{min:.digits$} to {max:.digits$}")]
        }
        None => ["-".to_owned(), "-".to_owned()],
    }
}

/// Returns a sentence about the other things that the machine did meanwhile.
fn others<'a>(samples: impl Iterator<Item = &'a Usage>) -> String {
    match Spread::of(samples.map(|u| u.others_cpu / u.wall.max(1e-3))) {
        Some(s) => {
            format!(
                "\nOther programs, and in older samples the sampler, kept {:.2} cores busy meanwhile, from {:.2} to {:.2}.\n",
                s.median, s.min, s.max
            )
        }
        None => String::new(),
    }
}

fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(figures).map(|s| s.median)
}

fn number(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
}

impl Matrix {
    /// Returns the numbers of targets that there are samples of.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.samples.iter().map(|s| s.targets).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    fn usages(&self, targets: usize, mode: Mode) -> impl Iterator<Item = &Usage> {
        let chosen = move |s: &&Sample| s.targets == targets && s.mode == mode && !s.usage.is_disturbed();
        self.samples.iter().filter(chosen).map(|s| &s.usage)
    }

    /// Returns the seconds by the clock.
    pub fn wall(&self, targets: usize, mode: Mode) -> Option<Spread> {
        Spread::of(self.usages(targets, mode).map(|u| u.wall))
    }

    /// Returns the least time in which the machine can run what had to be run: CPU seconds of compilers, linkers and tests, on
    /// all cores at once.
    pub fn lower_bound(&self, targets: usize, mode: Mode) -> Option<f64> {
        // What a loop has to do is what xtask has to do for a developer.
        let mode = if mode == Mode::Ci { Mode::Ci } else { Mode::Engine };
        let needed = self.usages(targets, mode).map(|u| (u.cpu - u.own_cpu) / self.about.cores.max(1) as f64);
        median(needed)
    }
}

fn matrix(m: &Matrix, image: Option<&str>) -> String {
    let mut out: String = m.earlier.iter().chain([&m.about]).map(about).collect();
    if let Some(image) = image {
        let _ = writeln!(out, "![Seconds by number of targets, and busy cores over time]({image})\n");
    }
    let passed = m.counts().into_iter().filter_map(|count| {
        let sample = m.samples.iter().find(|s| s.targets == count)?;
        Some(format!("{} with {count}", sample.passed))
    });
    let passed: Vec<String> = passed.collect();
    let _ = writeln!(
        out,
        "The workspace is [checks/benchmark](../checks/benchmark), built from an empty target directory and tested for the first \
         so many of\n{}. *xtask* is `cargo xtask test` of all of them at once; *in CI*, where the variable `CI` is set, \
         it builds nothing incrementally. *cargo-zigbuild* is `cargo-zigbuild test` of one after \
         the other\n(`--no-run` where nothing here runs the programs), with the same std, zig, zig's cache and runners. *cargo* is `cargo \
         test` of one\nafter the other in the environments of xtask. Both loops also start rustdoc for each library, which xtask does only where \
         there\nis a documentation test. All of them pass the same tests: {}.\n",
        m.targets.join(", "),
        passed.join(", ")
    );
    let mut rows = Vec::new();
    for count in m.counts() {
        let zigbuild = m.wall(count, Mode::Zigbuild).map(|s| s.median);
        for mode in Mode::ALL {
            let Some(wall) = m.wall(count, mode) else { continue };
            let [seconds, range] = with_range(Some(wall), 1);
            let memory = median(m.usages(count, mode).map(|u| u.peak_bytes as f64));
            rows.push(vec![
                count.to_string(),
                mode.title().to_owned(),
                seconds,
                range,
                number(median(m.usages(count, mode).map(|u| u.cpu)), 1),
                memory.map_or("-".to_owned(), |bytes| human_bytes(bytes as u64)),
                number(zigbuild.map(|z| wall.median / z), 2),
                number(m.lower_bound(count, mode).map(|b| wall.median / b), 2),
            ]);
        }
    }
    let head = ["targets", "by", "seconds", "range", "CPU seconds", "peak memory", "/ cargo-zigbuild", "/ lower bound"];
    out += &table(&head, rows);
    let samples = |mode: Mode, count: usize| m.usages(count, mode).count().to_string();
    let each = |mode: Mode| m.counts().into_iter().map(|count| samples(mode, count)).collect::<Vec<_>>().join(", ");
    let all: Vec<String> = Mode::ALL.iter().map(|mode| format!("{}: {}", mode.title(), each(*mode))).collect();
    let bound = |mode: Mode| {
        let all = m.counts().into_iter().filter_map(|count| Some(format!("{:.1} s", m.lower_bound(count, mode)?)));
        all.collect::<Vec<_>>().join(", ")
    };
    let counts: Vec<String> = m.counts().iter().map(ToString::to_string).collect();
    let _ = writeln!(
        out,
        "\nSamples with {} targets: {}. The lower bound is the CPU time of the compilers, linkers and tests that xtask had to\nrun, \
         without its own and cargo's, divided by the cores: {}; in CI {}. Peak memory counts each\npage of all processes once (Pss).",
        counts.join(", "),
        all.join("; "),
        bound(Mode::Engine),
        bound(Mode::Ci)
    );
    out += &others(m.samples.iter().map(|s| &s.usage).filter(|usage| !usage.is_disturbed()));
    let disturbed = m.samples.iter().filter(|sample| sample.usage.is_disturbed()).count();
    if disturbed > 0 {
        let _ = writeln!(
            out,
            "\nSamples that do not count, for other programs kept more than {DISTURBED} cores busy: {disturbed}."
        );
    }
    for left_out in &m.left_out {
        let _ = writeln!(out, "\nLeft out: {}: {}", left_out.target, left_out.reason);
    }
    let crates = m.counts().into_iter().filter_map(|count| {
        let c = m.samples.iter().filter(|s| s.targets == count).find_map(|s| s.crates.as_ref())?;
        let each = c.for_targets as f64 / c.targets.max(1) as f64;
        Some(vec![count.to_string(), c.build_machine.to_string(), number(Some(each), 1)])
    });
    let head = ["targets", "crates compiled for the host", "for each target"];
    let _ = write!(out, "\n{}", table(&head, crates));
    out
}

fn changes(c: &Changes) -> String {
    let mut out = about(&c.about);
    let _ =
        writeln!(out, "`cargo xtask test` of {}, everything built before, after a change of:\n", targets(c.targets));
    let rows = Change::ALL.into_iter().map(|change| {
        let samples = || c.samples.iter().filter(move |s| s.change == change);
        let [seconds, range] = with_range(Spread::of(samples().map(|s| s.usage.wall)), 1);
        let beyond = samples().map(|s| s.usage.wall - s.tests / c.about.cores.max(1) as f64);
        let compiled =
            |count: fn(&super::Crates) -> usize| number(median(samples().map(|s| count(&s.crates) as f64)), 0);
        vec![
            change.title().to_owned(),
            seconds,
            range,
            number(median(samples().map(|s| s.usage.cpu)), 1),
            number(median(beyond), 1),
            compiled(|c| c.build_machine),
            compiled(|c| c.for_targets),
        ]
    });
    let head = [
        "change",
        "seconds",
        "range",
        "CPU seconds",
        "seconds beyond the tests",
        "crates for the host",
        "for all targets",
    ];
    out += &table(&head, rows);
    out += &others(c.samples.iter().map(|s| &s.usage));
    out += "\nBeyond the tests: without the seconds that the test programs ran, added up and divided by the cores.\n";
    out
}

fn setup(s: &Setup) -> String {
    let mut out = about(&s.about);
    let account = &s.account;
    let by_kind: Vec<String> =
        KIND_NAMES.iter().zip(s.cpu).map(|(name, seconds)| format!("{name} {seconds:.0}")).collect();
    let _ = writeln!(
        out,
        "`cargo xtask setup` of {} into an empty cache, once: {:.1} s, {:.1} s of CPU. It announced {} and the \
         machine received\n{}. {} was `{}`. CPU seconds by what took them: {}.\n",
        targets(account.targets.len()),
        s.usage.wall,
        s.usage.cpu,
        human_bytes(account.bytes),
        human_bytes(s.received),
        settings::STD,
        s.std,
        by_kind.join(", ")
    );
    let from = |d: &Download| vec![d.name.clone(), d.from.clone(), human_bytes(d.bytes)];
    out += &table(&["fetched", "from", "size"], account.downloads.iter().map(from));
    out += "\nSeveral steps go on at once:\n\n";
    let times = |s: &Step| vec![s.name.clone(), number(Some(s.start), 1), number(Some(s.seconds), 1)];
    out += &table(&["step", "starts after, s", "seconds"], account.done().map(times));
    out += "\nA file that several parts share counts in each of them:\n\n";
    out += &table(&["on disk", "size"], s.disk.iter().map(|d| vec![d.name.clone(), human_bytes(d.bytes)]));
    out
}

fn own(o: &Own) -> String {
    let mut out = about(&o.about);
    let rows = o.commands.iter().map(|c| {
        let [time, range] = with_range(Spread::of(c.starts.iter().copied()), 0);
        vec![format!("`{}`", c.command), time, range]
    });
    out += &table(&["command, started 20 times without cargo", "ms", "range"], rows);
    out += "\nWhat a test program takes that only lists its tests, started by its emulator alone and by the runner of its row, \
            without and\nwith a private binfmt_misc; then what the runner adds, start by start. Each is started 20 times, by all ways in \
            turn.\n\n";
    let rows = o.entries.iter().map(|e| {
        let time = |starts: &[f64]| number(median(starts.iter().copied()), 1);
        let added = |starts: &[f64]| with_range(Spread::of(starts.iter().zip(&e.bare).map(|(s, bare)| s - bare)), 1);
        let ([direct, range_of_direct], [binfmt, range]) = (added(&e.direct), added(&e.binfmt));
        let range = if e.binfmt.is_empty() { range_of_direct } else { range };
        vec![e.target.clone(), e.runner.clone(), time(&e.bare), time(&e.direct), time(&e.binfmt), direct, binfmt, range]
    });
    let head = [
        "target",
        "runner",
        "emulator, ms",
        "runner, ms",
        "with binfmt, ms",
        "runner adds",
        "with binfmt adds",
        "range",
    ];
    out + &table(&head, rows)
}

fn nix(e: &Evaluation) -> String {
    match (&e.tables, &e.missing) {
        (Some(tables), _) => {
            let what = "Function calls of the evaluator (`NIX_SHOW_STATS`), which do not depend on the machine.\n\n";
            about(&e.about) + what + tables.trim() + "\n"
        }
        (None, reason) => format!("Not measured: {}.\n", reason.as_deref().unwrap_or("no reason is known")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::measure::{Point, Timeline};
    use super::super::processes::KINDS;
    use super::*;
    use crate::bench::Crates;

    /// Returns two samples of each mode with one and with two targets; one more costs everybody `wall` seconds more.
    pub fn example() -> Matrix {
        let sample = |targets: usize, mode: Mode, wall: f64| Sample {
            targets,
            mode,
            usage: Usage {
                wall,
                cpu: wall + 1.0,
                own_cpu: 1.0,
                sampler_cpu: 0.0,
                others_cpu: 0.0,
                peak_bytes: 500_000_000,
            },
            passed: targets * 3,
            crates: Some(Crates { targets, build_machine: 9, for_targets: targets * 12 }),
        };
        let mut samples = Vec::new();
        for targets in [1, 2] {
            for (mode, wall) in [(Mode::Engine, 4.0), (Mode::Ci, 3.0), (Mode::Zigbuild, 8.0), (Mode::Cargo, 6.0)] {
                samples.extend([0.0, 1.0].map(|more| sample(targets, mode, wall * targets as f64 + more)));
            }
        }
        let points = (1..5).map(|n| Point { seconds: f64::from(n), busy: [0.4; KINDS] }).collect();
        Matrix {
            about: About { cores: 2, command: "cargo xtask bench".into(), ..About::default() },
            targets: vec!["aarch64-linux".into(), "x86_64-linux".into()],
            samples,
            timeline: Some(Timeline { cores: 2, points }),
            ..Matrix::default()
        }
    }

    #[test]
    fn what_was_written_by_hand_is_kept() {
        let document = Document::default();
        let first = render(&document, None, "");
        let findings = "\n\n## Findings\n\nIt is fast.\n";
        let second = render(&document, None, &(first.trim_end().to_owned() + findings));
        assert!(second.ends_with(findings), "{second}");
        assert_eq!(render(&document, None, &second), second);
        assert_eq!(second.matches("Not measured").count(), 5);
    }

    #[test]
    fn the_matrix_is_compared_with_zigbuild_and_with_the_lower_bound() {
        let page = matrix(&example(), Some("benchmarks.svg"));
        assert!(page.contains("| 1 | xtask | 4.5 | 4.0 to 5.0 | 5.5 | 500 MB | 0.53 | 2.00 |"), "{page}");
        assert!(page.contains("| 2 | cargo-zigbuild | 16.5 | 16.0 to 17.0 | 17.5 | 500 MB | 1.00 | 3.88 |"), "{page}");
        assert!(page.contains("the cores: 2.2 s, 4.2 s; in CI 1.8 s, 3.2 s."), "{page}");
        assert!(page.contains("3 with 1, 6 with 2") && page.contains("| 2 | 9 | 12.0 |"), "{page}");
    }

    #[test]
    fn results_are_read_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.json");
        let mut results = Results::open(file.clone()).unwrap();
        results.document.matrix = Some(example());
        results.save().unwrap();
        let again = Results::open(file.clone()).unwrap();
        assert_eq!(serde_json::to_string(&again.document).unwrap(), serde_json::to_string(&results.document).unwrap());
        assert!(fs::read_to_string(file.with_extension("md")).unwrap().contains("](results.svg)"));
        assert!(fs::read_to_string(file.with_extension("svg")).unwrap().starts_with("<svg "));
    }
}
