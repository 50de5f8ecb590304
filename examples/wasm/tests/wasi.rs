//! What WASI gives a program, and what it keeps from it.
#![cfg(target_os = "wasi")]

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process, thread};

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(start: *mut u8, length: usize) -> u16;
    fn clock_res_get(clock: u32, resolution: *mut u64) -> u16;
}

#[test]
fn arguments_and_environment_are_the_hosts() {
    assert!(env::args().next().unwrap().contains("wasi"));
    assert_eq!(env::var("CARGO_PKG_NAME").as_deref(), Ok("wasm"));
}

#[test]
fn the_monotonic_clock_waits_for_a_sleep() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(30));
    let slept = start.elapsed();
    assert!(slept >= Duration::from_millis(30) && slept < Duration::from_secs(60), "{slept:?}");
}

#[test]
fn both_clocks_say_how_fine_they_are() {
    for clock in [0, 1] {
        let mut nanoseconds = 0;
        // SAFETY: it writes the one number.
        assert_eq!(unsafe { clock_res_get(clock, &mut nanoseconds) }, 0);
        assert!((1..=1_000_000_000).contains(&nanoseconds), "{nanoseconds}");
    }
}

#[test]
fn a_files_time_is_that_of_the_wall_clock() {
    let file = folder("time").join("file");
    let before = SystemTime::now() - Duration::from_secs(2);
    fs::write(&file, "now").unwrap();
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert!(written >= before && written <= SystemTime::now() + Duration::from_secs(2), "{written:?}");
}

#[test]
fn random_bytes_are_new_each_time() {
    let random = || {
        let mut bytes = [0; 32];
        // SAFETY: it fills the array.
        assert_eq!(unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) }, 0);
        bytes
    };
    assert_ne!(random(), random());
}

#[test]
fn paths_are_those_of_the_machine() {
    // The row's runner opened its folders, and the current one for relative paths.
    let absolute = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    assert_eq!(fs::read_to_string("Cargo.toml").unwrap(), absolute.unwrap());
}

#[test]
fn nothing_above_an_opened_folder_can_be_named() {
    let error = fs::read_dir("..").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(63), "EPERM: {error}");
}

#[test]
fn there_are_no_threads_and_no_processes() {
    assert!(thread::Builder::new().spawn(|| ()).is_err());
    assert_eq!(process::Command::new("true").status().unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A new folder for one test.
fn folder(test: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wasm-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
