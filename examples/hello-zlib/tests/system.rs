//! Time, files, memory of the system's and programs of the target's own.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// A new folder for one test: wasm has no temporary directory, and cargo's own exists on every
/// target (on wasm the runner must have opened it).
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{test}-{}-{}",
        env::consts::ARCH,
        hello_zlib::platform::OS
    ));
    // Left by a run that was stopped.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no clock")]
fn the_monotonic_clock_runs_forward() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    let mut last = Instant::now();
    assert!(last - start >= Duration::from_millis(20));
    for _ in 0..1000 {
        let now = Instant::now();
        assert!(now >= last);
        last = now;
    }
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no clock")]
fn it_is_later_than_2020_and_earlier_than_2100() {
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let years = age.as_secs() / (365 * 24 * 3600);
    assert!((50..130).contains(&years), "{years} years after 1970");
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no files")]
fn files_are_written_renamed_listed_and_read() {
    let folder = folder("files");
    let (first, second) = (folder.join("first"), folder.join("größer → 大きい 🦀"));
    fs::write(&first, "line\nzeile\n").unwrap();
    fs::rename(&first, &second).unwrap();
    assert!(!first.exists());
    File::options().append(true).open(&second).unwrap().write_all(b"\r\n\0").unwrap();
    assert_eq!(fs::read(&second).unwrap(), b"line\nzeile\n\r\n\0");
    for i in 0..50 {
        fs::write(folder.join(format!("{i}")), []).unwrap();
    }
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 51);
    assert!(names.iter().any(|name| name.as_os_str() == second.file_name().unwrap()));
    let written = fs::metadata(&second).unwrap().modified().unwrap();
    assert!(written.elapsed().unwrap_or_default() < Duration::from_secs(3600));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no files")]
fn a_file_may_be_longer_than_four_gigabytes() {
    // A 32-bit off_t ends before; the hole costs no space.
    let folder = folder("long");
    let path = folder.join("sparse");
    {
        let mut file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        let end = 5 << 30;
        file.seek(SeekFrom::Start(end)).unwrap();
        file.write_all(b"end").unwrap();
        assert_eq!(file.metadata().unwrap().len(), end + 3);
        let mut tail = [0; 4];
        file.seek(SeekFrom::End(-4)).unwrap();
        file.read_exact(&mut tail).unwrap();
        assert_eq!(&tail, b"\0end");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no files")]
fn a_missing_file_is_the_error_that_rust_names() {
    let error = File::open(folder("missing").join("nothing")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
#[cfg_attr(not(has_temp_dir), ignore = "wasm has no temporary directory")]
fn the_temporary_directory_is_writable() {
    let path = env::temp_dir().join(format!("hello-zlib-{}", std::process::id()));
    fs::write(&path, "x").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    fs::remove_file(&path).unwrap();
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no environment")]
fn the_environment_can_be_changed_and_read() {
    let name = "HELLO_ZLIB_ÄNDERUNG";
    // SAFETY: no other test in this program reads or writes the environment from C.
    unsafe { env::set_var(name, "naïve = ✓") };
    assert_eq!(env::var(name).as_deref(), Ok("naïve = ✓"));
    assert!(env::vars().any(|(key, _)| key == name));
    unsafe { env::remove_var(name) };
    assert_eq!(env::var(name), Err(env::VarError::NotPresent));
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no arguments")]
fn the_first_argument_is_the_program() {
    assert!(env::args().next().unwrap().contains("system"));
}

#[test]
#[cfg_attr(not(has_sockets), ignore = "this target has no sockets")]
fn a_connection_to_oneself_carries_bytes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    sender.write_all(b"over the loopback").unwrap();
    sender.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    receiver.read_to_string(&mut text).unwrap();
    assert_eq!(text, "over the loopback");
}
