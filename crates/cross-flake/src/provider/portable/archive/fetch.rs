//! Files of a mirror: over HTTP and HTTPS, through a proxy where one is set, or from a directory.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result};
use ring::digest;
use tempfile::NamedTempFile;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::proxy::Proxies;
use crate::host::signals;

/// The variable that names the machine's certificates, as OpenSSL reads it.
const CERTIFICATES: &str = "SSL_CERT_FILE";
/// Where distributions keep them: Debian, Fedora, openSUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The time after which a silent server is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time after which a signal is heard.
const SOON: Duration = Duration::from_millis(100);
/// The times that a server may send a request elsewhere.
const REDIRECTIONS: usize = 10;
/// The milliseconds before each further attempt, of which apt makes as many.
const PAUSES: [u64; 3] = if cfg!(test) { [1, 1, 1] } else { [200, 1000, 3000] };

/// Reasons for which a file could not be had.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server has no such file.
    Absent,
    /// It answered with another status than success.
    Status(u16),
    /// It gave fewer bytes than it should have.
    Truncated {
        /// Those that came.
        came: u64,
        /// Those that were to come, if that is known.
        expected: Option<u64>,
    },
    /// It gave more bytes than it should have.
    TooLong(u64),
    /// The bytes are others than those whose hash was signed.
    Changed,
    /// It gives whole files only.
    NoRanges,
    /// It did not answer, or not to the end.
    Network(String),
    /// No server of this name.
    NoHost,
}

/// A file that could not be had.
#[derive(Debug)]
pub struct Failure {
    /// Its address.
    pub url: String,
    /// The reason.
    pub fault: Fault,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.url;
        match &self.fault {
            Fault::Absent => write!(f, "{url}: the mirror has no such file (404)"),
            Fault::Status(status) => write!(f, "{url}: the mirror answers with status {status}"),
            Fault::Truncated { came, expected: Some(all) } => {
                write!(f, "{url}: the mirror gave {came} bytes of {all} and ended")
            }
            Fault::Truncated { came, expected: None } => write!(f, "{url}: the mirror ended after {came} bytes"),
            Fault::TooLong(limit) => write!(f, "{url}: the mirror gives more than the {limit} bytes that it may have"),
            Fault::Changed => write!(f, "{url}: its hash is not the one that the archive has signed"),
            Fault::NoRanges => write!(f, "{url}: the mirror gives no ranges of files"),
            Fault::Network(reason) => write!(f, "{url}: {reason}"),
            Fault::NoHost => write!(f, "{url}: no server of this name is found: is there a network?"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure with this file.
    pub fn new(url: &str, fault: Fault) -> Failure {
        Failure { url: url.to_owned(), fault }
    }

    /// Tells if another attempt may succeed.
    fn is_transient(&self) -> bool {
        match self.fault {
            Fault::Status(status) => status >= 500 || status == 429 || status == 408,
            Fault::Truncated { .. } | Fault::Network(_) => true,
            _ => false,
        }
    }
}

/// Tells if an error is that of a file that the server does not have.
pub fn is_absent(error: &anyhow::Error) -> bool {
    let failures = error.chain().filter_map(|cause| cause.downcast_ref::<Failure>());
    failures.into_iter().any(|failure| failure.fault == Fault::Absent)
}

/// Tells if an error comes from the network, or from what it gave.
pub fn is_of_network(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Failure>())
}

/// The bytes and the hash that a file must have.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: &'a str,
}

/// Fetches files.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    proxies: Arc<Proxies>,
}

/// A part of what a server says.
enum Part {
    /// The start, with the status and the bytes that are to come.
    Start(u16, Option<u64>),
    Bytes(Vec<u8>),
    End,
    Failed(Fault),
}

/// An answer that has begun.
struct Answer {
    status: u16,
    length: Option<u64>,
    body: Box<dyn Read>,
}

impl Client {
    /// A client with the machine's proxy and certificates.
    pub fn new() -> Client {
        Client::with(Proxies::of_machine())
    }

    /// A client with these proxies.
    pub fn with(proxies: Proxies) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(proxies.for_tunnels())
            .user_agent(concat!("cross-flake/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .tls_config(TlsConfig::builder().root_certs(certificates()).build())
            .build();
        Client { agent: config.into(), proxies: Arc::new(proxies) }
    }

    /// Returns a small file.
    ///
    /// # Errors
    /// It cannot be had, or is larger than that.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>> {
        retried(|| {
            let mut bytes = Vec::new();
            self.stream(url, None, limit, &mut |part| bytes.write_all(part).map_err(Into::into))?;
            Ok(bytes)
        })
    }

    /// Returns a range of a file.
    ///
    /// # Errors
    /// It cannot be had, or the server gives whole files only.
    pub fn range(&self, url: &str, at: u64, bytes: u64) -> Result<Vec<u8>> {
        retried(|| {
            let mut range = Vec::new();
            self.stream(url, Some((at, bytes)), bytes, &mut |part| range.write_all(part).map_err(Into::into))?;
            Ok(range)
        })
    }

    /// Fetches a file into a temporary one in a directory, which is there only if it is the one that is expected.
    ///
    /// # Errors
    /// It cannot be had, or is another one.
    pub fn save(&self, url: &str, expected: Expected<'_>, dir: &Path) -> Result<NamedTempFile> {
        retried(|| {
            let failed = || format!("cannot write {}", dir.display());
            let mut file = NamedTempFile::new_in(dir).with_context(failed)?;
            let mut hash = digest::Context::new(&digest::SHA256);
            let came = self.stream(url, None, expected.bytes, &mut |part| {
                hash.update(part);
                file.write_all(part).with_context(failed)
            })?;
            if came != expected.bytes {
                let fault = Fault::Truncated { came, expected: Some(expected.bytes) };
                return Err(Failure::new(url, fault).into());
            }
            if hex(hash.finish().as_ref()) != expected.sha256 {
                return Err(Failure::new(url, Fault::Changed).into());
            }
            Ok(file)
        })
    }

    /// Hands the bytes of a file on as they come. Returns their number.
    fn stream(
        &self,
        url: &str,
        range: Option<(u64, u64)>,
        limit: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let fail = |fault| anyhow::Error::from(Failure::new(url, fault));
        // A server may be silent for long, and an interrupted run is to end at once: the thread is left to itself then.
        let (sender, parts) = mpsc::sync_channel(4);
        let (client, address) = (self.clone(), url.to_owned());
        std::thread::spawn(move || client.hear(&address, range, &sender));
        let (mut came, mut expected) = (0, range.map(|(_, bytes)| bytes));
        loop {
            signals::check()?;
            match parts.recv_timeout(SOON) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Part::Start(status, length)) => {
                    match (status, range) {
                        (200, None) | (206, Some(_)) => {}
                        (200, Some(_)) => return Err(fail(Fault::NoRanges)),
                        (404 | 410, _) => return Err(fail(Fault::Absent)),
                        _ => return Err(fail(Fault::Status(status))),
                    }
                    expected = expected.or(length);
                    if expected.is_some_and(|length| length > limit) {
                        return Err(fail(Fault::TooLong(limit)));
                    }
                }
                Ok(Part::Bytes(bytes)) => {
                    came += bytes.len() as u64;
                    if came > limit {
                        return Err(fail(Fault::TooLong(limit)));
                    }
                    sink(&bytes)?;
                }
                Ok(Part::Failed(fault)) => return Err(fail(fault)),
                Ok(Part::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if expected.is_some_and(|length| came < length) {
            return Err(fail(Fault::Truncated { came, expected }));
        }
        Ok(came)
    }

    /// Hands on what a server says, until nobody listens.
    fn hear(&self, url: &str, range: Option<(u64, u64)>, listener: &SyncSender<Part>) {
        let answer = match self.open(url, range) {
            Ok(answer) => answer,
            Err(fault) => return drop(listener.send(Part::Failed(fault))),
        };
        let Answer { status, length, mut body } = answer;
        let mut part = Part::Start(status, length);
        while listener.send(part).is_ok() {
            let mut buffer = vec![0; 1 << 16];
            part = match body.read(&mut buffer) {
                Ok(0) => Part::End,
                Ok(length) => {
                    buffer.truncate(length);
                    Part::Bytes(buffer)
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Part::End,
                Err(error) => Part::Failed(Fault::Network(error.to_string())),
            };
            if !matches!(part, Part::Bytes(_)) {
                return drop(listener.send(part));
            }
        }
    }

    fn open(&self, url: &str, range: Option<(u64, u64)>) -> std::result::Result<Answer, Fault> {
        if let Some(path) = url.strip_prefix("file://") {
            return open_file(Path::new(path), range).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Fault::Absent,
                _ => Fault::Network(error.to_string()),
            });
        }
        let words = range.map(|(at, bytes)| format!("bytes={at}-{}", at + bytes - 1));
        let mut url = url.to_owned();
        for _ in 0..REDIRECTIONS {
            let Some(proxy) = self.proxies.for_plain(&url) else { return self.open_direct(&url, words.as_deref()) };
            let answer = proxy
                .get(&url, words.as_deref())
                .map_err(|error| Fault::Network(format!("the proxy {} fails: {error}", proxy.host)))?;
            match answer.location {
                // What is left of the way may be another scheme's.
                Some(location) => url = joined(&url, &location),
                None => return Ok(Answer { status: answer.status, length: answer.length, body: answer.body }),
            }
        }
        Err(Fault::Network(format!("it is moved more than {REDIRECTIONS} times")))
    }

    fn open_direct(&self, url: &str, range: Option<&str>) -> std::result::Result<Answer, Fault> {
        let mut request = self.agent.get(url);
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::HostNotFound => Fault::NoHost,
            ureq::Error::Io(error) if error.to_string().contains("failed to lookup address") => Fault::NoHost,
            ureq::Error::Timeout(_) => Fault::Network(format!("no answer for {} s", PATIENCE.as_secs())),
            other => Fault::Network(other.to_string()),
        })?;
        let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        Ok(Answer { status, length, body: Box::new(response.into_body().into_reader()) })
    }
}

/// Returns the address that a server means, which may lack the server.
fn joined(url: &str, location: &str) -> String {
    let host = url.match_indices('/').nth(2).map_or(url, |(at, _)| &url[..at]);
    if location.starts_with('/') { format!("{host}{location}") } else { location.to_owned() }
}

fn open_file(path: &Path, range: Option<(u64, u64)>) -> io::Result<Answer> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some((at, bytes)) = range else {
        return Ok(Answer { status: 200, length: Some(length), body: Box::new(file) });
    };
    file.seek(io::SeekFrom::Start(at))?;
    Ok(Answer { status: 206, length: Some(bytes), body: Box::new(file.take(bytes)) })
}

/// Tries again what may succeed then.
fn retried<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    for pause in PAUSES {
        match attempt() {
            Err(error) if error.downcast_ref().is_some_and(Failure::is_transient) => {}
            other => return other,
        }
        signals::check()?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    attempt()
}

/// Returns the machine's certificates, else those of the browsers.
fn certificates() -> RootCerts {
    static BUNDLE: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| {
        let wish = std::env::var_os(CERTIFICATES).filter(|value| !value.is_empty());
        let mut places = wish.into_iter().map(Into::into).chain(BUNDLES.map(Into::into));
        places.find_map(|place: PathBuf| std::fs::read(place).ok())
    });
    let Some(text) = BUNDLE.as_deref() else { return RootCerts::WebPki };
    let items = parse_pem(text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let all: Vec<_> = items.collect();
    if all.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&all) }
}

/// Returns the SHA-256 of these bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Server;
    use super::*;

    fn fault(error: &anyhow::Error) -> &Fault {
        &error.downcast_ref::<Failure>().unwrap_or_else(|| panic!("{error:#}")).fault
    }

    #[test]
    fn each_way_to_fail_is_told_from_the_others() {
        let server = Server::start(|_| {});
        server.write("x", b"0123456789");
        let (client, dir) = (Client::with(Proxies::default()), tempfile::tempdir().unwrap());
        let (url, right) = (server.url("x"), sha256(b"0123456789"));
        let expected = Expected { bytes: 10, sha256: &right };
        assert_eq!(client.get(&url, 10).unwrap(), b"0123456789");
        assert_eq!(client.range(&url, 3, 2).unwrap(), b"34");
        assert_eq!(std::fs::read(client.save(&url, expected, dir.path()).unwrap()).unwrap(), b"0123456789");
        let error = client.get(&server.url("no"), 10).unwrap_err();
        assert!(is_absent(&error.context("cannot fetch it")));
        assert_eq!(fault(&client.get(&url, 9).unwrap_err()), &Fault::TooLong(9));
        let other = Expected { bytes: 10, sha256: &"0".repeat(64) };
        assert_eq!(fault(&client.save(&url, other, dir.path()).unwrap_err()), &Fault::Changed);
        let longer = Expected { bytes: 11, sha256: &right };
        let error = client.save(&url, longer, dir.path()).unwrap_err();
        assert_eq!(fault(&error), &Fault::Truncated { came: 10, expected: Some(11) });
        // Nothing of it is kept.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = format!("file://{}", server.root().join("x").display());
        assert_eq!(client.range(&file, 3, 2).unwrap(), b"34");
        assert!(is_absent(&client.get(&format!("{file}y"), 9).unwrap_err()));
    }

    #[test]
    fn a_connection_that_breaks_is_tried_again_and_one_that_always_breaks_is_named() {
        let mut broken = 2;
        let server = Server::start(move |answer| {
            if broken > 0 || answer.path.ends_with("always") {
                broken -= 1;
                answer.body.truncate(4);
            }
        });
        server.write("x", b"0123456789");
        server.write("always", b"0123456789");
        let client = Client::with(Proxies::default());
        assert_eq!(client.get(&server.url("x"), 10).unwrap(), b"0123456789");
        let error = client.get(&server.url("always"), 10).unwrap_err();
        assert_eq!(fault(&error), &Fault::Truncated { came: 4, expected: Some(10) });
        assert!(error.to_string().contains("gave 4 bytes of 10"), "{error}");
    }

    #[test]
    fn plain_requests_go_through_the_proxy_whole_and_exempt_hosts_do_not() {
        let proxy = Server::start(|_| {});
        proxy.write("http://mirror.example/debian/x", b"from the proxy");
        assert_eq!(joined("http://a.example/x/y", "/z"), "http://a.example/z");
        assert_eq!(joined("http://a.example/x", "https://b.example/z"), "https://b.example/z");
        let address = proxy.url("");
        let client = Client::with(Proxies::new(Some(&address), None, "localhost, .internal.example"));
        assert_eq!(client.get("http://mirror.example/debian/x", 99).unwrap(), b"from the proxy");
        assert!(is_absent(&client.get("http://mirror.example/debian/y", 99).unwrap_err()));
        let server = Server::start(|_| {});
        server.write("x", b"direct");
        let exempt = Client::with(Proxies::new(Some(&address), None, "127.0.0.1"));
        assert_eq!(exempt.get(&server.url("x"), 99).unwrap(), b"direct");
    }
}
