//! What the portable provider needs of this machine, and what of it is in the cache.

use super::archive::Archive;
use super::wheels::{WASMTIME, Wheel, ZIG};
use crate::cache::Cache;
use crate::events::Events;
use crate::provider::finding::{Finding, State, first_line};

/// Looks for all of it.
pub fn diagnose(cache: &Cache, events: &Events) -> Vec<Finding> {
    let debian = Archive::open(cache, events);
    let limited = |name, what: String, costs: &str| Finding::bad(name, State::Limited, what, costs, "");
    let impossible = |name, reason: &str| limited(name, format!("cannot be had here: {reason}"), "");
    let wheel = |name, wheel: &Wheel, costs: &str| match wheel.obstacle(cache, events) {
        _ if wheel.is_installed(cache) => {
            Finding::ok(name, format!("{} in {}", wheel.version, wheel.program(cache).display()))
        }
        Some(reason) => impossible(name, &reason.to_string()),
        None => limited(name, "not here yet".to_owned(), costs),
    };
    let reason = debian.as_ref().err().map(|error| format!("{error:#}"));
    let entries = std::fs::read_dir(cache.path("packages")).into_iter().flatten().flatten();
    let mut unpacked: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    unpacked.sort();
    let emulators = match &reason {
        _ if !unpacked.is_empty() => Finding::ok("emulators", unpacked.join(", ")),
        Some(reason) => impossible("emulators", reason),
        None => limited("emulators", "not here yet".to_owned(), "first use of a target fetches its own"),
    };
    let distribution = match &debian {
        Ok(archive) => Finding::ok("distribution", format!("{} {}", archive.name(), archive.own_suite)),
        Err(error) => {
            let costs = "rows that need an emulator are skipped, unless the emulator is on PATH";
            limited("distribution", format!("{error:#}"), costs)
        }
    };
    vec![
        distribution,
        pip(debian.is_ok()),
        wheel("zig", &ZIG, "first use fetches it"),
        wheel("wasmtime", &WASMTIME, "first use of wasm32-wasi fetches it"),
        emulators,
        Finding::program("node", &["--version"], "first use of wasm32-web fetches it"),
    ]
}

fn pip(is_debian: bool) -> Finding {
    let version = first_line("python3", &["-m", "pip", "--version"]).or_else(|| first_line("pip", &["--version"]));
    match version {
        Some(version) => Finding::ok("pip", version),
        None if is_debian => Finding::ok("pip", "the distribution's, fetched when needed"),
        None => Finding::bad("pip", State::Limited, "not on PATH", "zig cannot be fetched until there is one", ""),
    }
}
