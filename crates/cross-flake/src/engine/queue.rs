//! Jobs that wait for a worker, and the turns that some of them take.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::job::{Job, Turn};

/// Jobs that wait for a worker. The one that is expected to take longest comes first, so that none is left alone at the end;
/// of one that was never run nothing is known, and it comes before all of them. Jobs that take turns keep their order.
#[derive(Default)]
pub struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<(Job, Option<f64>)>,
    closed: bool,
    /// The turns of jobs that run.
    taken: Vec<Turn>,
    /// Jobs that run, and jobs that were ever started.
    running: usize,
    started: usize,
}

/// A job that was given out.
pub(super) struct Taken {
    pub(super) job: Job,
    turn: Option<Turn>,
    /// The number of jobs started by then, if no other ran.
    alone_since: Option<usize>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and the seconds that it took the last time.
    pub fn push(&self, job: Job, seconds: Option<f64>) {
        self.state().jobs.push((job, seconds));
        self.changed.notify_one();
    }

    /// When this is dropped no job will be added any more.
    pub fn closed_at_the_end(&self) -> impl Drop {
        Closing(self)
    }

    /// The next job; none when all are taken and no more will come.
    pub(super) fn next(&self, has_room: impl Fn(&Job) -> bool) -> Option<Taken> {
        let turn = |job: &Job| job.turn(has_room(job));
        let mut state = self.state();
        loop {
            let mut seen: Vec<Turn> = state.taken.clone();
            let mut ready: Vec<(usize, f64)> = Vec::new();
            for (index, (job, seconds)) in state.jobs.iter().enumerate() {
                let turn = turn(job);
                if turn.as_ref().is_none_or(|turn| !seen.contains(turn)) {
                    ready.push((index, seconds.unwrap_or(f64::INFINITY)));
                    seen.extend(turn);
                }
            }
            if let Some((index, _)) = ready.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }) {
                let (job, _) = state.jobs.remove(index);
                let turn = turn(&job);
                state.taken.extend(turn.clone());
                let alone = state.running == 0;
                (state.running, state.started) = (state.running + 1, state.started + 1);
                return Some(Taken { job, turn, alone_since: alone.then_some(state.started) });
            }
            if state.closed && state.jobs.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job has ended; says whether another ran meanwhile.
    pub(super) fn ended(&self, taken: &Taken) -> bool {
        let mut state = self.state();
        state.running -= 1;
        if let Some(index) = state.taken.iter().position(|turn| Some(turn) == taken.turn.as_ref()) {
            state.taken.swap_remove(index);
        }
        self.changed.notify_all();
        taken.alone_since != Some(state.started)
    }
}

struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod unit {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::super::job::{Owner, Program};
    use super::*;

    fn job(row: usize, package: &str, title: &str) -> Job {
        Job {
            owner: Owner::Row(row),
            step: None,
            package: package.to_owned(),
            title: title.to_owned(),
            harness: true,
            program: Program::Doctests { command: Vec::new(), runner: None },
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: PathBuf::new(),
        }
    }

    #[test]
    fn the_unknown_and_the_longest_come_first() {
        let queue = Queue::default();
        let past = [("short", Some(0.1)), ("new", None), ("long", Some(9.0)), ("newer", None), ("as long", Some(9.0))];
        for (title, seconds) in past {
            // Of packages of their own.
            queue.push(job(0, title, title), seconds);
        }
        drop(queue.closed_at_the_end());
        let order: Vec<String> = std::iter::from_fn(|| queue.next(|_| true)).map(|taken| taken.job.title).collect();
        assert_eq!(order, ["new", "newer", "long", "as long", "short"]);
    }

    #[test]
    fn programs_of_a_package_take_turns_and_keep_their_order() {
        for (has_rooms, expected) in [(true, vec!["a1 on 1", "b on 0", "a1 on 0"]), (false, vec!["a1 on 1", "b on 0"])]
        {
            let queue = Queue::default();
            queue.push(job(1, "a", "a1 on 1"), None);
            queue.push(job(0, "a", "a1 on 0"), Some(1.0));
            queue.push(job(0, "a", "a2 on 0"), Some(9.0));
            queue.push(job(0, "b", "b on 0"), Some(3.0));
            drop(queue.closed_at_the_end());
            let first: Vec<Taken> = (0..expected.len()).map(|_| queue.next(|_| has_rooms).unwrap()).collect();
            assert_eq!(first.iter().map(|taken| taken.job.title.as_str()).collect::<Vec<_>>(), expected);
            // Others ran while they did.
            assert!(first.iter().all(|taken| queue.ended(taken)));
            let rest: Vec<String> = std::iter::from_fn(|| {
                let taken = queue.next(|_| has_rooms)?;
                assert!(!queue.ended(&taken), "it was alone");
                Some(taken.job.title)
            })
            .collect();
            assert_eq!(rest, if has_rooms { vec!["a2 on 0"] } else { vec!["a1 on 0", "a2 on 0"] });
        }
    }
}
