//! A run parted among several machines: each builds few rows, and all take about as long.
//!
//! Every machine makes the whole plan, from the same rows and the same times of earlier runs, and then does its own part:
//!
//! 1. A row costs its share of cargo's time and the time of its programs. Where there are fewer rows than machines, or one row alone takes
//!    too long, the row is cut into slices, each of which is built.
//! 2. The most expensive slice goes to the machine that has least to do, and so on.
//! 3. Programs that are known go to slices in the same way. One that is not goes where a hash of its name says.
//!
//! A report holds a hash of the plan, so that reports of different plans, which would leave programs out, are not put together.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use anyhow::{Result, ensure};

use super::suites::Chosen;
use super::timings::{BUILD, Timings};
use crate::host::digest::StableHasher;
use crate::outcome::Share;
use crate::targets::Target;
use crate::workspace::{Selection, Workspace};

/// `--shard 2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardId {
    /// Counted from 1.
    number: usize,
    of: usize,
}

impl FromStr for ShardId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(ShardId { number, of }),
            _ => Err("expected K/N, such as 2/5 for the second of five".to_owned()),
        }
    }
}

impl ShardId {
    /// Parts rows that are built and run as a whole, whatever they cost: every machine must know of the same parts without any past.
    /// Returns this machine's, and what is said of it.
    ///
    /// # Errors
    /// There are more parts than rows.
    pub fn whole_rows(self, rows: &[Target]) -> Result<(Vec<Target>, Share)> {
        ensure!(self.of <= rows.len(), "{} parts are more than the {} targets", self.of, rows.len());
        let own = rows.iter().skip(self.number - 1).step_by(self.of).cloned().collect();
        Ok((own, self.share(rows.iter().map(|row| row.name.clone()).collect(), &rows.len())))
    }

    /// What is said of it, with a hash of the plan.
    fn share(self, rows: Vec<String>, plan: &impl Hash) -> Share {
        let mut hasher = StableHasher::default();
        (self.of, plan).hash(&mut hasher);
        Share { number: self.number, of: self.of, plan: format!("{:016x}", hasher.finish()), rows }
    }
}

/// One machine's part of a run, and the plan that it is from.
#[derive(Clone, Debug)]
pub struct Shard {
    id: ShardId,
    rows: Vec<Row>,
    /// The place of the first row that a package is built for, by the package's id: the tests of a procedural macro run there.
    hosts: BTreeMap<String, usize>,
}

/// A row in the plan.
#[derive(Clone, Debug, Hash)]
struct Row {
    name: String,
    /// The machine of each of its slices.
    slices: Vec<usize>,
    /// The slices of its known programs.
    programs: BTreeMap<String, usize>,
}

/// The cost of a row, in seconds.
struct Cost {
    build: f64,
    /// Suites, which are in the first slice.
    suites: f64,
    programs: Vec<(String, f64)>,
}

impl Cost {
    fn of(row: &str, suites: &[Chosen], past: &Timings) -> Cost {
        let mut cost = Cost { build: past.of(row, BUILD).unwrap_or(1.0), suites: 0.0, programs: Vec::new() };
        let of_suite = |title: &str| {
            let is =
                |chosen: &Chosen| title.strip_prefix(&chosen.suite.name).is_some_and(|rest| rest.starts_with(": "));
            suites.iter().any(is)
        };
        for (title, seconds) in past.of_row(row).filter(|(title, _)| *title != BUILD) {
            if of_suite(title) {
                cost.suites += seconds;
            } else {
                cost.programs.push((title.to_owned(), seconds));
            }
        }
        cost
    }

    fn run(&self) -> f64 {
        self.suites + self.programs.iter().map(|(_, seconds)| seconds).sum::<f64>()
    }

    /// The cost of each of so many slices.
    fn slice(&self, slices: usize) -> f64 {
        self.build + self.run() / slices as f64
    }

    /// The number of slices that are of use.
    fn most_slices(&self, machines: usize) -> usize {
        // Of a row that never ran nothing is known.
        if self.programs.is_empty() { machines } else { self.programs.len().min(machines) }
    }
}

/// Puts each thing where least is so far, the most expensive first. Gives the places.
fn spread(costs: &[f64], mut places: Vec<f64>, may: impl Fn(usize, usize, &[usize]) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    // Equal ones keep their order.
    order.sort_by(|a, b| costs[*b].total_cmp(&costs[*a]));
    let mut taken = vec![usize::MAX; costs.len()];
    for thing in order {
        let allowed = (0..places.len()).filter(|place| may(thing, *place, &taken));
        let least = allowed.min_by(|a, b| places[*a].total_cmp(&places[*b])).unwrap_or(0);
        places[least] += costs[thing];
        taken[thing] = least;
    }
    taken
}

/// The number of slices of each row.
fn cut(costs: &[Cost], machines: usize) -> Vec<usize> {
    let mut slices = vec![1; costs.len()];
    let ideal = costs.iter().map(|cost| cost.slice(1)).sum::<f64>() / machines as f64;
    loop {
        let can = |row: &usize| slices[*row] < costs[*row].most_slices(machines);
        let of = |row: usize| costs[row].slice(slices[row]);
        let Some(largest) = (0..costs.len()).filter(can).max_by(|a, b| of(*a).total_cmp(&of(*b)).then(b.cmp(a))) else {
            return slices;
        };
        let too_few = slices.iter().sum::<usize>() < machines;
        // Each slice is built, so that only its programs get fewer.
        let pays = of(largest) > ideal * 1.1 && costs[largest].run() / slices[largest] as f64 > costs[largest].build;
        if !(too_few || pays) {
            return slices;
        }
        slices[largest] += 1;
    }
}

impl Shard {
    /// Plans a run, and gives the part of one machine.
    ///
    /// # Errors
    /// A setting of the workspace is malformed.
    pub fn plan(
        id: ShardId,
        workspace: &Workspace,
        targets: &[Target],
        selection: &Selection,
        suites: &[Chosen],
    ) -> Result<Shard> {
        let past = Timings::load(workspace);
        let mut hosts = BTreeMap::new();
        for (place, target) in targets.iter().enumerate() {
            for package in workspace.packages_for(target, selection)? {
                hosts.entry(package.id.repr.clone()).or_insert(place);
            }
        }
        let costs = targets.iter().map(|target| (target.name.clone(), Cost::of(&target.name, suites, &past))).collect();
        Ok(Shard { id, rows: plan(costs, id.of), hosts })
    }

    /// Tells if a row is built here.
    pub fn has_row(&self, row: &str) -> bool {
        self.row(row).is_some_and(|row| row.slices.contains(&self.place()))
    }

    /// Tells if a program of a row runs here.
    pub(super) fn has_program(&self, row: &str, title: &str) -> bool {
        self.row(row).is_some_and(|row| {
            let slice = row.programs.get(title).copied().unwrap_or_else(|| {
                let mut hasher = StableHasher::default();
                title.hash(&mut hasher);
                (hasher.finish() % row.slices.len() as u64) as usize
            });
            row.slices[slice] == self.place()
        })
    }

    /// Tells if a test of the host's own runs here, by its package.
    pub(super) fn has_host_program(&self, package: &str) -> bool {
        let first = self.hosts.get(package).copied().unwrap_or(0);
        self.rows.get(first).is_some_and(|row| row.slices[0] == self.place())
    }

    /// Tells if the suites of a row run here.
    pub(super) fn has_suites(&self, row: &str) -> bool {
        self.row(row).is_some_and(|row| row.slices[0] == self.place())
    }

    /// Tells if other machines have a part of this row.
    pub(super) fn is_cut(&self, row: &str) -> bool {
        self.row(row).is_some_and(|row| row.slices.iter().any(|place| *place != self.place()))
    }

    /// What a report says of it.
    pub fn share(&self) -> Share {
        self.id.share(self.rows.iter().map(|row| row.name.clone()).collect(), &self.rows)
    }

    fn place(&self) -> usize {
        self.id.number - 1
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

fn plan(costs: Vec<(String, Cost)>, machines: usize) -> Vec<Row> {
    let (names, costs): (Vec<String>, Vec<Cost>) = costs.into_iter().unzip();
    let slices = cut(&costs, machines);
    let pieces: Vec<usize> = (0..costs.len()).flat_map(|row| vec![row; slices[row]]).collect();
    let of_pieces: Vec<f64> = pieces.iter().map(|row| costs[*row].slice(slices[*row])).collect();
    // A row is built once on a machine, so that two slices of it there would be one.
    let may = |piece: usize, machine: usize, taken: &[usize]| {
        (0..pieces.len()).all(|other| pieces[other] != pieces[piece] || taken[other] != machine)
    };
    let machine_of = spread(&of_pieces, vec![0.0; machines], may);
    let row = |(row, name): (usize, String)| {
        let of_row = pieces.iter().zip(&machine_of).filter(|(piece, _)| **piece == row);
        let mut loads = vec![0.0; slices[row]];
        loads[0] = costs[row].suites;
        let seconds: Vec<f64> = costs[row].programs.iter().map(|(_, seconds)| *seconds).collect();
        let titles = costs[row].programs.iter().map(|(title, _)| title.clone());
        Row {
            name,
            slices: of_row.map(|(_, machine)| *machine).collect(),
            programs: titles.zip(spread(&seconds, loads, |_, _, _| true)).collect(),
        }
    };
    names.into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, build: f64, programs: &[f64]) -> (String, Cost) {
        let programs = programs.iter().enumerate().map(|(at, seconds)| (format!("p{at}"), *seconds)).collect();
        (name.to_owned(), Cost { build, suites: 0.0, programs })
    }

    fn shards(costs: impl Fn() -> Vec<(String, Cost)>, machines: usize) -> Vec<Shard> {
        let shard = |number| Shard {
            id: ShardId { number, of: machines },
            rows: plan(costs(), machines),
            hosts: [("macro".to_owned(), 1)].into(),
        };
        (1..=machines).map(shard).collect()
    }

    fn rows_of(shard: &Shard) -> Vec<&str> {
        shard.rows.iter().map(|row| row.name.as_str()).filter(|row| shard.has_row(row)).collect()
    }

    #[test]
    fn a_part_is_read_and_one_that_is_none_refused() {
        assert_eq!("2/5".parse(), Ok(ShardId { number: 2, of: 5 }));
        for text in ["0/5", "6/5", "1/0", "2", "a/b", "-1/5", ""] {
            assert!(text.parse::<ShardId>().unwrap_err().contains("2/5"), "{text}");
        }
    }

    #[test]
    fn each_machine_builds_few_rows_and_takes_about_as_long() {
        let costs = || vec![row("a", 5.0, &[1.0]), row("b", 1.0, &[1.0]), row("c", 1.0, &[2.0]), row("d", 1.0, &[0.5])];
        let shards = shards(costs, 2);
        assert_eq!(rows_of(&shards[0]), ["a"]);
        assert_eq!(rows_of(&shards[1]), ["b", "c", "d"]);
        assert!(!shards[0].is_cut("a"));
        assert!(!shards[0].has_host_program("macro") && shards[1].has_host_program("macro"));
    }

    #[test]
    fn a_row_that_takes_long_is_cut_and_every_program_runs_once() {
        let costs = || vec![row("long", 1.0, &[9.0, 3.0, 3.0, 3.0]), row("short", 1.0, &[1.0]), row("new", 1.0, &[])];
        for machines in 1..6 {
            let shards = shards(costs, machines);
            let titles: Vec<String> =
                (0..4).map(|at| format!("p{at}")).chain(["unknown".into(), "other".into()]).collect();
            for (row, title) in ["long", "short", "new"].iter().flat_map(|row| titles.iter().map(move |t| (row, t))) {
                let with = shards.iter().filter(|shard| shard.has_program(row, title));
                let with: Vec<bool> = with.map(|shard| shard.has_row(row)).collect();
                assert_eq!(with, [true], "{row} {title} of {machines}");
            }
            for row in ["long", "short", "new"] {
                assert_eq!(shards.iter().filter(|shard| shard.has_suites(row)).count(), 1);
            }
            assert_eq!(shards.iter().filter(|shard| shard.has_host_program("macro")).count(), 1);
            assert!(shards.iter().all(|shard| shard.share().plan == shards[0].share().plan));
        }
        let two = shards(costs, 2);
        assert!(two.iter().all(|shard| shard.is_cut("long")));
        let with_long: Vec<bool> = two.iter().map(|shard| shard.has_program("long", "p0")).collect();
        let others = |shard: &Shard| ["p1", "p2", "p3"].iter().filter(|title| shard.has_program("long", title)).count();
        assert_eq!(two.iter().map(others).collect::<Vec<_>>(), if with_long[0] { [0, 3] } else { [3, 0] });
    }

    #[test]
    fn nothing_is_built_in_vain_where_there_is_less_to_do_than_machines() {
        let shards = shards(|| vec![row("a", 1.0, &[1.0, 1.0])], 5);
        assert_eq!(shards.iter().filter(|shard| shard.has_row("a")).count(), 2);
    }

    #[test]
    fn another_time_is_another_plan_only_if_it_moves_something() {
        let plan = |seconds: f64| shards(|| vec![row("a", 1.0, &[seconds]), row("b", 1.0, &[5.0])], 2)[0].share().plan;
        assert_eq!(plan(1.0), plan(1.1));
        assert_ne!(plan(1.0), plan(9.0));
    }
}
