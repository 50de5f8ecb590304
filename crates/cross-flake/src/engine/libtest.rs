//! The output of a test program, read back.

use crate::outcome::{Case, CaseResult, Counts};

/// The output of libtest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Sum of the `test result:` lines; none where there was no such line.
    pub counts: Option<Counts>,
    /// A `running N tests` line has no `test result:` after it: the program ended early.
    pub unfinished: bool,
    /// Tests that the `running N tests` lines announced.
    pub announced: usize,
    /// The tests by name, in the order of their lines.
    pub cases: Vec<Case>,
}

/// Reads the output of a program that uses libtest, or prints as libtest does.
pub fn parse(output: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for line in output.lines().map(str::trim_end) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            if let Some(counts) = summary(rest) {
                parsed.counts.get_or_insert_default().add(counts);
                parsed.unfinished = false;
            }
        } else if let Some(number) = line.strip_prefix("running ").and_then(announced) {
            parsed.announced += number;
            parsed.unfinished = true;
        } else if let Some(case) = line.strip_prefix("test ").and_then(case) {
            parsed.cases.push(case);
        }
    }
    parsed
}

/// `3 tests`
fn announced(rest: &str) -> Option<usize> {
    rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?.parse().ok()
}

/// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`
fn summary(rest: &str) -> Option<Counts> {
    let (_, counts) = rest.split_once(". ")?;
    let mut out = Counts::default();
    for part in counts.split(';') {
        let mut words = part.split_whitespace();
        let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
        let Ok(number) = number.parse() else { continue };
        match what {
            "passed" => out.passed = number,
            "failed" => out.failed = number,
            "ignored" => out.ignored = number,
            _ => {}
        }
    }
    Some(out)
}

/// `module::name ... ok`, where a reason may follow `ignored`.
fn case(rest: &str) -> Option<Case> {
    let (name, result) = rest.rsplit_once(" ... ")?;
    let result = match result.split([',', ' ']).next()? {
        "ok" => CaseResult::Passed,
        // The short word is that of wasm-bindgen's tests.
        "FAILED" | "FAIL" => CaseResult::Failed,
        "ignored" => CaseResult::Ignored,
        _ => return None,
    };
    // `name - should panic` and doctests' `(line 7)` belong to the name.
    Some(Case { name: name.to_owned(), result })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_added_up() {
        let text = "running 2 tests\ntest a ... ok\ntest b::c ... FAILED\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    running 1 test\ntest d ... ignored, needs a network\r\ntest e ... FAIL\n\
                    test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let parsed = parse(text);
        assert_eq!(parsed.counts, Some(Counts { passed: 1, failed: 1, ignored: 1 }));
        assert!(!parsed.unfinished);
        let names: Vec<_> = parsed.cases.iter().map(|c| (c.name.as_str(), c.result)).collect();
        assert_eq!(
            names,
            [
                ("a", CaseResult::Passed),
                ("b::c", CaseResult::Failed),
                ("d", CaseResult::Ignored),
                ("e", CaseResult::Failed)
            ]
        );
    }

    #[test]
    fn a_program_that_dies_midway_is_unfinished() {
        assert!(parse("running 2 tests\ntest a ... ok\n").unfinished);
    }

    #[test]
    fn output_of_another_harness_has_no_counts() {
        assert_eq!(parse("all fine\n"), Parsed::default());
    }
}
