//! The variables of a program: its caller's, those of its spec, and those of its room.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use cross_flake_inspect::inspect;

use super::room::{ROOM_VARIABLE, Room};
use super::spec::{PREFIX, ROOT_VARIABLE, RunnerKind, RunnerSpec, STATUS_VARIABLE};
use super::watch::WATCH_VARIABLE;

/// Variables of a spec that say where things are. They replace the caller's; of all others the caller's wins, so
/// that `QEMU_CPU=cortex-a53 cargo test` does what it says.
const PLACES: [&str; 7] = ["HOME", "QEMU_LD_PREFIX", "WINEARCH", "WINELOADER", "WINEPATH", "WINEPREFIX", "WINESERVER"];

/// Returns the variables of a program: the caller's and those of the spec. A place replaces the caller's, anything else yields to it.
pub(super) fn environment(spec: &RunnerSpec, program: &Path, room: Option<&Room>) -> BTreeMap<OsString, OsString> {
    let ours = [STATUS_VARIABLE, ROOM_VARIABLE, WATCH_VARIABLE].map(OsStr::new);
    let mut all: BTreeMap<_, _> = env::vars_os().filter(|(name, _)| !ours.contains(&name.as_os_str())).collect();
    for (name, value) in room.iter().flat_map(|room| &room.variables) {
        match value {
            Some(value) => all.insert(name.into(), value.into()),
            None => all.remove(OsStr::new(name)),
        };
    }
    for (name, value) in &spec.env {
        if name == "LD_LIBRARY_PATH"
            && let Some(callers) = all.get_mut(OsStr::new(name)).filter(|path| !path.is_empty())
        {
            // cargo sets it for every program that it starts, and the emulator needs its own libraries all the same.
            *callers = [OsStr::new(value), callers].join(OsStr::new(":"));
        } else if name == GUEST {
            // A static program loads no library, and so none would take itself out of what the program sees.
            let loads = inspect(program).is_ok_and(|program| program.interpreter.is_some());
            let ours = value.strip_prefix(PRELOAD).unwrap_or_default();
            let callers = |name: &str| all.get(OsStr::new(name)).map(|text| text.to_string_lossy().into_owned());
            match for_guest((ours, loads), callers(GUEST).as_deref(), callers("LD_PRELOAD").as_deref()) {
                Some(value) => all.insert(name.into(), value.into()),
                None => all.remove(OsStr::new(name)),
            };
        } else if PLACES.contains(&name.as_str()) || !all.contains_key(OsStr::new(name)) {
            all.insert(name.into(), value.into());
        }
    }
    if spec.kind == RunnerKind::Wine {
        // Windows starts a program by itself. Who starts it by its target's runner, as the crate assert_cmd does where cargo's variable
        // names one, would look for a program of this name there.
        all.retain(|name, value| !is_own_runner(name, value));
    }
    if spec.kind == RunnerKind::QemuUser
        && let Some(root) = root_in(&all)
    {
        all.insert("QEMU_LD_PREFIX".into(), root.into());
    }
    all
}

/// Tells if a variable is cargo's for the runner of a target, and names one of ours.
fn is_own_runner(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER") && value.to_string_lossy().starts_with(PREFIX)
}

/// The variables that qemu sets for an emulated program and not for itself: `NAME=VALUE,…`. Those of a spec are
/// `LD_PRELOAD=LIBRARY`, of our own (`spawn.c`).
const GUEST: &str = "QEMU_SET_ENV";

/// The start of the variable that names libraries to load before all others.
const PRELOAD: &str = "LD_PRELOAD=";

/// Returns [`GUEST`] with our library, if the program loads it, in front of the caller's own, given what the caller has in it and in
/// `LD_PRELOAD`. A caller that was started by a runner itself has ours already.
fn for_guest((ours, loads): (&str, bool), callers: Option<&str>, preloaded: Option<&str>) -> Option<String> {
    let words = callers.unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let (preloads, mut words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with(PRELOAD));
    let preloaded = preloaded.filter(|_| loads);
    let callers = preloads.last().map(|word| &word[PRELOAD.len()..]).or(preloaded).unwrap_or_default();
    let others = callers.split(':').filter(|library| !library.is_empty() && *library != ours);
    let libraries: Vec<&str> = loads.then_some(ours).into_iter().chain(others).collect();
    let preload = format!("{PRELOAD}{}", libraries.join(":"));
    if !libraries.is_empty() {
        words.push(&preload);
    }
    (!words.is_empty()).then(|| words.join(","))
}

/// Returns the directory that [`ROOT_VARIABLE`] names in a program's environment.
pub(super) fn root_in(environment: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    environment.get(OsStr::new(ROOT_VARIABLE)).filter(|root| !root.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windows_program_hears_of_no_runner_of_ours() {
        let is_ours = |name: &str, value: &str| is_own_runner(OsStr::new(name), OsStr::new(value));
        assert!(is_ours("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "cross-flake-run-windows-x64"));
        assert!(!is_ours("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine"));
        assert!(!is_ours("RUNNER", "cross-flake-run-windows-x64"));
    }

    #[test]
    fn a_program_has_our_library_and_those_of_its_caller() {
        for (loads, callers, preloaded, expected) in [
            (true, None, None, Some("LD_PRELOAD=/a.so")),
            (true, None, Some("/b.so"), Some("LD_PRELOAD=/a.so:/b.so")),
            (true, Some("X=1,LD_PRELOAD=/c.so"), Some("/b.so"), Some("X=1,LD_PRELOAD=/a.so:/c.so")),
            (true, Some("LD_PRELOAD=/a.so:/b.so,X=1"), None, Some("X=1,LD_PRELOAD=/a.so:/b.so")),
            (false, None, None, None),
            (false, Some("LD_PRELOAD=/a.so"), None, None),
            (false, None, Some("/b.so"), None),
            (false, Some("X=1"), None, Some("X=1")),
            (false, Some("LD_PRELOAD=/b.so"), None, Some("LD_PRELOAD=/b.so")),
        ] {
            let value = for_guest(("/a.so", loads), callers, preloaded);
            assert_eq!(value.as_deref(), expected, "{loads} {callers:?} {preloaded:?}");
        }
    }
}
