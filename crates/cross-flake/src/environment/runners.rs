//! The start of a row's programs, as `data/runners.toml` has it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::fill::Values;
use cross_flake_runner::{RunnerKind, RunnerSpec};

const DATA: &str = include_str!("../../data/runners.toml");

/// One kind of runner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runner {
    label: String,
    command: Vec<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    go: Vec<String>,
}

static RUNNERS: LazyLock<BTreeMap<String, Runner>> =
    LazyLock::new(|| toml::from_str(DATA).expect("runners.toml is what this program was built with"));

fn of(kind: RunnerKind) -> &'static Runner {
    &RUNNERS[match kind {
        RunnerKind::Native => "native",
        RunnerKind::QemuUser => "qemu-user",
        RunnerKind::QemuSystem => "qemu-system",
        RunnerKind::Wine => "wine",
        RunnerKind::Wasmtime => "wasmtime",
        RunnerKind::Node => "node",
    }]
}

/// Returns the variables of a program under a runner.
pub fn variables(kind: RunnerKind, values: &Values) -> BTreeMap<String, String> {
    let all = of(kind).env.iter();
    all.filter_map(|(name, value)| Some((name.clone(), values.fill(value)?))).collect()
}

/// Returns the words by which the go command starts a program, if the runner's own do not do.
pub fn go(kind: RunnerKind, values: &Values) -> Vec<String> {
    of(kind).go.iter().filter_map(|word| values.fill(word)).collect()
}

/// Returns the runner of a row, without what it is told of others.
pub fn spec(target: &str, kind: RunnerKind, values: &Values) -> RunnerSpec {
    let runner = of(kind);
    let group = |words: &Vec<String>| words.iter().map(|word| values.fill(word)).collect::<Option<Vec<_>>>();
    RunnerSpec {
        target: target.to_owned(),
        kind,
        label: values.fill(&runner.label).unwrap_or_default(),
        command: runner.command.iter().filter_map(group).flatten().collect(),
        env: variables(kind, values),
        binfmt: BTreeMap::new(),
        rows: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_belong_together_are_left_out_together() {
        let mut values = Values::default();
        for (name, value) in [("program", "/qemu"), ("machine", "virt"), ("qemu", "arm"), ("version", "9")] {
            values.set(name, value);
        }
        let spec = super::spec("board", RunnerKind::QemuSystem, &values);
        assert_eq!(
            (&*spec.label, &spec.command[..4]),
            ("qemu-system-arm 9", &["/qemu", "-machine", "virt", "-nographic"].map(String::from)[..])
        );
        assert!(spec.env.is_empty());
        values.set("qemu-cpu", "cortex-m4");
        let spec = super::spec("board", RunnerKind::QemuSystem, &values);
        assert_eq!(spec.command[3..5], ["-cpu", "cortex-m4"]);
    }
}
