//! Rows that are only checked: one cargo for a group of them, whose diagnostics say which rows have errors.

use anyhow::Result;

use super::build::{self, Ready};
use super::collect::Collector;
use super::{Run, reasons};
use crate::events::{Event, Phase};
use crate::host::signals;

impl Run<'_> {
    /// Checks the rows of one group.
    pub(super) fn check_group(&self, group: &[usize]) -> Result<()> {
        for index in group {
            let target = &self.rows[*index].target.name;
            self.events.send(Event::Phase { target, phase: Phase::Building { crates: 0 } });
        }
        let end = self.check_rows(group);
        for index in group {
            self.close(&self.rows[*index]);
        }
        end
    }

    /// Checks rows together. A row with an error of its own has failed. If cargo fails, the others may have failed as well, by a build
    /// script or by code for the host: they are asked again without those, and each alone where that tells nothing.
    fn check_rows(&self, rows: &[usize]) -> Result<()> {
        let ready: Vec<Ready<'_>> = rows.iter().map(|index| self.ready(*index)).collect();
        let mut collector = Collector::new(self, rows);
        let request = self.build_request(rows);
        let end = build::build(self.workspace, &request, &self.recorder, &ready, |built| collector.built(built))?;
        collector.check()?;
        signals::check()?;
        if end.success {
            return Ok(());
        }
        let (failed, rest): (Vec<usize>, Vec<usize>) =
            rows.iter().partition(|row| collector.errors.contains_key(&Some(**row)));
        for row in &failed {
            let error = collector.errors[&Some(*row)].clone();
            self.rows[*row].progress().build_failure = Some((error, String::new()));
        }
        match rest.as_slice() {
            [] => Ok(()),
            [one] if failed.is_empty() => {
                // Either the compiler has said it of code for the host, or only cargo has.
                let failure = match collector.errors.get(&None) {
                    Some(error) => (error.clone(), String::new()),
                    None => (reasons::of_build(&end.stderr), end.stderr),
                };
                self.rows[*one].progress().build_failure = Some(failure);
                Ok(())
            }
            rest if failed.is_empty() => rest.iter().try_for_each(|row| self.check_rows(&[*row])),
            rest => self.check_rows(rest),
        }
    }
}
