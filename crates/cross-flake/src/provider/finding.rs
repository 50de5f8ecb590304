//! What a look at the machine finds; `doctor` prints it.

use std::process::Command;

use serde::Serialize;

/// The state of one thing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there.
    Ok,
    /// It is not there, and something works less well.
    Limited,
    /// It is not there, and something does not work.
    Missing,
}

/// One thing that the machine has or lacks.
#[derive(Serialize)]
pub struct Finding {
    /// Its name.
    pub name: &'static str,
    /// Its state.
    pub state: State,
    /// Its version or place, or the reason why there is none.
    pub what: String,
    /// The price of its lack.
    pub costs: Option<String>,
    /// A line to type.
    pub remedy: Option<String>,
}

impl Finding {
    /// Makes a finding of something that is there.
    pub fn ok(name: &'static str, what: impl Into<String>) -> Finding {
        Finding { name, state: State::Ok, what: what.into(), costs: None, remedy: None }
    }

    /// Makes a finding of something that is not as it should be; what is empty is left out.
    pub fn bad(name: &'static str, state: State, what: impl Into<String>, costs: &str, remedy: &str) -> Finding {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        Finding { name, state, what: what.into(), costs: some(costs), remedy: some(remedy) }
    }

    /// Makes a finding of a program on `PATH`, by what it says of its version.
    pub fn program(name: &'static str, args: &[&str], costs: &str) -> Finding {
        match first_line(name, args) {
            Some(version) => Finding::ok(name, version),
            None => Finding::bad(name, State::Limited, "not on PATH", costs, ""),
        }
    }
}

/// Returns the first line that a program prints, if it succeeds.
pub fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}
