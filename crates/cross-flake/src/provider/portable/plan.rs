//! A plan: the parts that rows need and that are not here, each once, with what each has to wait for.
//!
//! What has no need in common goes on side by side. A part that fails takes with it the rows that need it, directly or through
//! another part, and no others.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

use super::part::{Failures, Part, Site, all};
use crate::host::signals;
use crate::provider::{Download, Reason};
use crate::targets::Target;

/// A plan for some rows.
pub struct Plan<'a> {
    site: &'a Site<'a>,
    steps: Vec<Step<'a>>,
    /// The steps that each row asks for by itself, in the order in which its reasons count.
    rows: Vec<(&'a Target, Vec<usize>)>,
}

/// A part that is to be installed.
struct Step<'a> {
    part: Box<dyn Part>,
    key: String,
    /// The rows that need it.
    rows: Vec<&'a Target>,
    /// The steps that have to end before.
    needs: Vec<usize>,
    obstacle: Option<Reason>,
}

impl<'a> Plan<'a> {
    /// Collects what `parts` says that these rows need.
    pub fn new(
        site: &'a Site<'a>,
        rows: impl IntoIterator<Item = &'a Target>,
        parts: impl Fn(&Target) -> Vec<Box<dyn Part>>,
    ) -> Plan<'a> {
        let mut plan = Plan { site, steps: Vec::new(), rows: Vec::new() };
        for row in rows {
            let steps = parts(row).into_iter().filter_map(|part| plan.add(part, row)).collect();
            plan.rows.push((row, steps));
        }
        plan
    }

    /// Adds a part, and what it needs, for a row. Returns its step; `None` if it is here.
    fn add(&mut self, part: Box<dyn Part>, row: &'a Target) -> Option<usize> {
        let key = part.key();
        let known = self.steps.iter().position(|step| step.key == key);
        if known.is_some_and(|at| self.steps[at].rows.iter().any(|known| known.name == row.name)) {
            return known;
        }
        if part.is_here(self.site, row) {
            return None;
        }
        let obstacle = match known {
            Some(at) => self.steps[at].obstacle.clone(),
            None => part.obstacle(self.site),
        };
        // Where it cannot be had, what it needs is of no use.
        let needs = if obstacle.is_none() { part.needs(self.site, row) } else { Vec::new() };
        let needs: Vec<usize> = needs.into_iter().filter_map(|need| self.add(need, row)).collect();
        let at = self.steps.iter().position(|step| step.key == key).unwrap_or_else(|| {
            self.steps.push(Step { part, key, rows: Vec::new(), needs: Vec::new(), obstacle });
            self.steps.len() - 1
        });
        let step = &mut self.steps[at];
        step.rows.push(row);
        let new = needs.into_iter().filter(|need| !step.needs.contains(need)).collect::<Vec<_>>();
        step.needs.extend(new);
        Some(at)
    }

    /// Returns the first thing that is in the way on this machine.
    pub fn obstacle(&self) -> Option<Reason> {
        self.steps.iter().find_map(|step| step.obstacle.clone())
    }

    /// Returns what [`Plan::run`] would fetch. A size that cannot be had is told: rows that do not need it go on without.
    pub fn downloads(&self) -> Vec<Download> {
        let (mut downloads, mut told) = (Vec::new(), Vec::new());
        for step in &self.steps {
            match step.part.downloads(self.site, &step.rows) {
                Ok(more) => downloads.extend(more),
                Err(error) => {
                    let text = format!("{error:#}");
                    if !told.contains(&text) {
                        self.site.events.note(&text);
                        told.push(text);
                    }
                }
            }
        }
        downloads
    }

    /// Installs everything, and returns the rows that cannot be had.
    pub fn run(&self) -> Failures {
        let mut started = vec![false; self.steps.len()];
        // With the rows for which the step was not possible.
        let mut ended: Vec<Option<Failures>> = vec![None; self.steps.len()];
        thread::scope(|scope| {
            let (sender, ends) = mpsc::channel();
            loop {
                for at in 0..self.steps.len() {
                    if !self.may_start(at, &started, &ended) {
                        continue;
                    }
                    started[at] = true;
                    let lost = reasons(self.steps[at].rows.iter().map(|row| (*row, &self.steps[at].needs)), &ended);
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let result = catch_unwind(AssertUnwindSafe(|| self.install(at, &lost)));
                        // The receiver is there for as long as a step runs.
                        let _ = sender.send((at, result));
                    });
                }
                if std::iter::zip(&started, &ended).all(|(started, ended)| *started == ended.is_some()) {
                    break;
                }
                let Ok((at, result)) = ends.recv() else { break };
                ended[at] = Some(result.unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
        reasons(self.rows.iter().map(|(row, steps)| (*row, steps)), &ended)
    }

    fn may_start(&self, at: usize, started: &[bool], ended: &[Option<Failures>]) -> bool {
        let step = &self.steps[at];
        let is_ahead = |other: usize| {
            let lane = self.steps[other].part.lane();
            started[other] && ended[other].is_none() && lane.is_some() && lane == step.part.lane()
        };
        !started[at] && step.needs.iter().all(|need| ended[*need].is_some()) && !(0..self.steps.len()).any(is_ahead)
    }

    /// Installs a part for those of its rows that can have it and have not got it from another part meanwhile.
    fn install(&self, at: usize, lost: &Failures) -> Failures {
        let Step { part, rows, obstacle, .. } = &self.steps[at];
        let (mut failures, mut missing) = (Failures::new(), Vec::new());
        for row in rows.iter().filter(|row| !part.is_here(self.site, row)) {
            match lost.get(&row.name).or(obstacle.as_ref()) {
                Some(reason) => drop(failures.insert(row.name.clone(), reason.clone())),
                None => missing.push(*row),
            }
        }
        if !missing.is_empty() {
            let result = signals::check().and_then(|()| part.install(self.site, &missing));
            failures.extend(result.unwrap_or_else(|error| all(&missing, &error.into())));
        }
        failures
    }
}

/// Returns the rows of which one of these steps has failed, with the first reason.
fn reasons<'a>(rows: impl Iterator<Item = (&'a Target, &'a Vec<usize>)>, ended: &[Option<Failures>]) -> Failures {
    let reason = |(row, steps): (&Target, &Vec<usize>)| {
        let reason = steps.iter().find_map(|at| ended[*at].as_ref()?.get(&row.name))?;
        Some((row.name.clone(), reason.clone()))
    };
    rows.filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, Mutex};

    use anyhow::{Result, bail};

    use super::*;
    use crate::cache::Cache;
    use crate::events::Events;
    use crate::provider::portable::rust_std::RustStd;
    use crate::provider::portable::wanted::Wanted;
    use crate::targets::Table;
    use crate::workspace::Toolchain;

    /// Installs a toy, or fails.
    type Install = Arc<dyn Fn(&[&Target]) -> Result<Failures> + Send + Sync>;

    /// Toys by their names: the needs of each, and how it is installed.
    #[derive(Clone, Default)]
    struct Toys {
        toys: HashMap<&'static str, (Vec<&'static str>, Install)>,
        lane: Option<&'static str>,
        /// The toys that were installed so far, with their rows.
        log: Arc<Mutex<Vec<Entry>>>,
    }

    /// The name of a toy, and rows.
    type Entry = (&'static str, Vec<String>);

    struct Toy(&'static str, Toys);

    impl Toys {
        fn with(self, name: &'static str, needs: &[&'static str]) -> Toys {
            self.that(name, needs, |_| Ok(Failures::new()))
        }

        fn that(
            mut self,
            name: &'static str,
            needs: &[&'static str],
            install: impl Fn(&[&Target]) -> Result<Failures> + Send + Sync + 'static,
        ) -> Toys {
            self.toys.insert(name, (needs.to_vec(), Arc::new(install)));
            self
        }

        /// Makes a plan of these wishes, and does with it.
        fn plan<T>(&self, wishes: &[(&str, &[&'static str])], work: impl FnOnce(&Plan<'_>) -> T) -> T {
            let table = Table::built_in().unwrap();
            let rows: Vec<&Target> = wishes.iter().map(|(row, _)| table.find(row).unwrap()).collect();
            let wishes: HashMap<&str, &[&'static str]> = wishes.iter().copied().collect();
            let (cache, events, wanted) = (Cache::none(), Events::none(), Wanted::default());
            let [release, commit, host] = ["1.0.0", "c", "host"].map(str::to_owned);
            let std = RustStd::new(&cache, &Toolchain { sysroot: "/none".into(), release, commit, host });
            let site = Site { cache: &cache, std: &std, wanted: &wanted, events: &events };
            let parts = |row: &Target| wishes[&*row.name].iter().map(|name| self.toy(name)).collect();
            work(&Plan::new(&site, rows, parts))
        }

        fn toy(&self, name: &'static str) -> Box<dyn Part> {
            Box::new(Toy(name, self.clone()))
        }

        fn run(&self, wishes: &[(&str, &[&'static str])]) -> BTreeMap<String, String> {
            let failures = self.plan(wishes, |plan| plan.run());
            failures.into_iter().map(|(row, reason)| (row, reason.to_string())).collect()
        }

        fn installed(&self) -> Vec<&'static str> {
            self.log.lock().unwrap().iter().map(|(name, _)| *name).collect()
        }

        fn rows_of(&self, name: &str) -> Vec<String> {
            self.log.lock().unwrap().iter().find(|(known, _)| *known == name).unwrap().1.clone()
        }
    }

    impl Part for Toy {
        fn key(&self) -> String {
            self.0.to_owned()
        }

        fn is_here(&self, _: &Site<'_>, row: &Target) -> bool {
            self.0 == "here"
                || self.1.log.lock().unwrap().iter().any(|(_, rows)| self.0 == "optional" && rows.contains(&row.name))
        }

        fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
            self.1.toys[self.0].0.iter().map(|name| self.1.toy(name)).collect()
        }

        fn obstacle(&self, _: &Site<'_>) -> Option<Reason> {
            (self.0 == "impossible").then(|| Reason::new("not on this machine"))
        }

        fn downloads(&self, _: &Site<'_>, rows: &[&Target]) -> Result<Vec<Download>> {
            let name = format!("{} for {}", self.0, rows.len());
            Ok(vec![Download { name, from: "a shop".into(), bytes: 1 }])
        }

        fn lane(&self) -> Option<&'static str> {
            self.1.lane
        }

        fn install(&self, _: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
            self.1.log.lock().unwrap().push((self.0, rows.iter().map(|row| row.name.clone()).collect()));
            (self.1.toys[self.0].1)(rows)
        }
    }

    const ARM: &str = "aarch64-linux";
    const WASM: &str = "wasm32-wasi";

    #[test]
    fn each_part_is_installed_once_and_after_what_it_needs() {
        let toys = Toys::default().with("zlib", &["libc", "source"]).with("libc", &["zig"]).with("zig", &[]);
        let toys = toys.with("source", &["here"]).with("std", &["source", "zig"]);
        assert!(toys.run(&[(ARM, &["zlib", "std"]), (WASM, &["std", "here"])]).is_empty());
        let installed = toys.installed();
        assert_eq!(installed.len(), 5, "{installed:?}");
        let at = |name: &str| installed.iter().position(|known| *known == name).unwrap();
        for (first, second) in
            [("zig", "libc"), ("libc", "zlib"), ("source", "zlib"), ("source", "std"), ("zig", "std")]
        {
            assert!(at(first) < at(second), "{installed:?}");
        }
        assert_eq!(toys.rows_of("std"), [ARM, WASM]);
        assert_eq!(toys.rows_of("zlib"), [ARM]);
    }

    #[test]
    fn a_plan_of_what_is_here_is_empty_and_any_other_says_what_it_fetches() {
        let toys = Toys::default().with("std", &["here"]);
        assert!(toys.plan(&[(ARM, &["here"])], |plan| plan.downloads().is_empty() && plan.steps.is_empty()));
        let downloads = toys.plan(&[(ARM, &["std"]), (WASM, &["std"])], |plan| plan.downloads());
        assert_eq!(downloads.iter().map(|download| download.name.as_str()).collect::<Vec<_>>(), ["std for 2"]);
        assert!(toys.installed().is_empty());
    }

    #[test]
    fn a_failure_reaches_the_rows_that_need_the_part_and_no_others() {
        let toys =
            Toys::default().that("zig", &[], |_| bail!("no network")).with("libc", &["zig"]).with("zlib", &["libc"]);
        // Of a part for several rows, only what needs what failed is left out.
        let toys = toys.with("std", &[]).with("wasmtime", &["std"]);
        let failures = toys.run(&[(ARM, &["zlib", "std"]), (WASM, &["wasmtime"])]);
        assert_eq!(failures, BTreeMap::from([(ARM.to_owned(), "no network".to_owned())]));
        assert_eq!(toys.rows_of("std"), [ARM, WASM]);
        assert!(!toys.installed().contains(&"libc") && !toys.installed().contains(&"zlib"));
    }

    #[test]
    fn a_part_for_several_rows_may_fail_for_one_of_them() {
        let toys = Toys::default().with("runner", &["std"]);
        let toys = toys.that("std", &[], |rows| Ok(all(&rows[..1], &Reason::new("does not compile"))));
        let failures = toys.run(&[(ARM, &["runner"]), (WASM, &["runner"])]);
        assert_eq!(failures, BTreeMap::from([(ARM.to_owned(), "does not compile".to_owned())]));
        assert_eq!(toys.rows_of("runner"), [WASM]);
    }

    #[test]
    fn a_part_that_came_with_another_is_not_installed_whatever_else_it_needs() {
        let toys = Toys::default().with("wine", &[]).that("lists", &[], |_| bail!("no lists"));
        let toys = toys.with("optional", &["wine", "lists"]);
        assert!(toys.run(&[(ARM, &["optional"])]).is_empty());
        assert!(!toys.installed().contains(&"optional"));
    }

    #[test]
    fn nothing_is_fetched_for_what_cannot_be_had() {
        let toys = Toys::default().with("impossible", &["wine"]).with("wine", &[]);
        let wishes: [(&str, &[&'static str]); 1] = [(ARM, &["impossible"])];
        assert_eq!(toys.plan(&wishes, |plan| plan.obstacle()), Some(Reason::new("not on this machine")));
        assert_eq!(toys.run(&wishes)[ARM], "not on this machine");
        assert!(toys.installed().is_empty());
    }

    #[test]
    fn what_has_no_need_in_common_goes_on_side_by_side() {
        // Whoever comes first waits for the others.
        let barrier = Arc::new(Barrier::new(3));
        let mut toys = Toys::default().with("zig", &[]);
        for (name, needs) in [("std", &["zig"][..]), ("zlib", &["zig"]), ("wine", &[])] {
            let barrier = Arc::clone(&barrier);
            toys = toys.that(name, needs, move |_| {
                barrier.wait();
                Ok(Failures::new())
            });
        }
        assert!(toys.run(&[(ARM, &["std", "zlib"]), (WASM, &["wine"])]).is_empty());
    }

    #[test]
    fn a_lane_has_room_for_one() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut toys = Toys { lane: Some("apt"), ..Toys::default() };
        for name in ["first", "second", "third"] {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            toys = toys.that(name, &[], move |_| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(Failures::new())
            });
        }
        assert!(toys.run(&[(ARM, &["first", "second", "third"])]).is_empty());
        assert_eq!((toys.installed(), most.load(Ordering::SeqCst)), (vec!["first", "second", "third"], 1));
    }

    #[test]
    #[should_panic(expected = "a fault of the part")]
    fn a_panic_of_a_part_is_one_of_the_plan() {
        Toys::default()
            .that("bad", &[], |_| panic!("a fault of the part"))
            .with("after", &["bad"])
            .run(&[(ARM, &["after"])]);
    }
}
