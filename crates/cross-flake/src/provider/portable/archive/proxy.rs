//! Proxies between this machine and a mirror.
//!
//! A proxy takes a plain request whole, with the address of the server in it, and opens a tunnel for an encrypted one. Many
//! that keep packages for a network do the first only, and ureq the second only; so the first is done here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine;

/// The time after which a silent proxy is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The proxies of a machine.
#[derive(Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<ureq::Proxy>,
    /// Hosts that are asked without one.
    exempt: Vec<String>,
}

/// A proxy for plain requests.
#[derive(Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its host and port.
    pub host: String,
    /// A name and a password, as they are sent.
    credentials: Option<String>,
}

/// An answer that came by a proxy.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Bytes that are to come.
    pub length: Option<u64>,
    /// Where the file is instead.
    pub location: Option<String>,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl Proxies {
    /// The proxies that variables name, in small letters or large ones, else those of apt's configuration.
    pub fn of_machine() -> Proxies {
        let variable = |name: &str| {
            let names = [name.to_owned(), name.to_uppercase()];
            names.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
        };
        let apt = apt_settings();
        let find = |scheme: &str| {
            let named = variable(&format!("{scheme}_proxy")).or_else(|| variable("all_proxy"));
            named.or_else(|| apt_proxy(&apt, scheme)).filter(|value| value != "DIRECT")
        };
        Proxies::new(find("http").as_deref(), find("https").as_deref(), &variable("no_proxy").unwrap_or_default())
    }

    /// A proxy for each scheme, and the hosts that need none, as in `NO_PROXY`.
    pub fn new(http: Option<&str>, https: Option<&str>, exempt: &str) -> Proxies {
        let exempt: Vec<String> = exempt.split(',').map(|host| host.trim().to_lowercase()).collect();
        let tunnel = https.and_then(|address| {
            let plain = ureq::Proxy::new(address).ok()?;
            let mut builder = ureq::Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
            if let (Some(name), Some(password)) = (plain.username(), plain.password()) {
                builder = builder.username(name).password(password);
            }
            // ureq knows `x.example` and `.x.example` as two things.
            for host in exempt.iter().filter(|host| !host.is_empty()) {
                builder = builder.no_proxy(host);
                if !host.starts_with(['.', '*']) {
                    builder = builder.no_proxy(&format!(".{host}"));
                }
            }
            builder.build().ok()
        });
        Proxies { http: http.and_then(Proxy::parse), https: tunnel, exempt }
    }

    /// Returns the proxy of encrypted requests.
    pub fn for_tunnels(&self) -> Option<ureq::Proxy> {
        self.https.clone()
    }

    /// Returns the proxy of a plain request, if it needs one.
    pub fn for_plain(&self, url: &str) -> Option<&Proxy> {
        let rest = url.strip_prefix("http://")?;
        let host = rest.split(['/', ':']).next().unwrap_or_default().to_lowercase();
        let is_exempt = |entry: &String| {
            let name = entry.trim_start_matches('*').trim_start_matches('.');
            let name = name.split(':').next().unwrap_or_default();
            entry == "*" || (!name.is_empty() && (host == name || host.ends_with(&format!(".{name}"))))
        };
        self.http.as_ref().filter(|_| !self.exempt.iter().any(is_exempt))
    }
}

impl Proxy {
    /// Reads `http://name:password@host:port/`, of which only the host is needed.
    fn parse(address: &str) -> Option<Proxy> {
        let rest = address.strip_prefix("http://").unwrap_or(address);
        if rest.contains("://") {
            return None;
        }
        let rest = rest.split('/').next().unwrap_or_default();
        let (credentials, host) = rest.rsplit_once('@').map_or((None, rest), |(who, host)| (Some(who), host));
        if host.is_empty() {
            return None;
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        let credentials = credentials.map(|who| {
            let plain = percent_encoding::percent_decode_str(who).collect::<Vec<u8>>();
            base64::engine::general_purpose::STANDARD.encode(plain)
        });
        Some(Proxy { host, credentials })
    }

    /// Asks for a file, or a range of it.
    ///
    /// # Errors
    /// The proxy cannot be reached, or speaks no HTTP.
    pub fn get(&self, url: &str, range: Option<&str>) -> io::Result<Answer> {
        let address = self.host.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        // In version 1.0 an answer ends with its connection, or where it says.
        let mut request = format!("GET {url} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: cross-flake\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
        }
        if let Some(range) = range {
            request.push_str(&format!("Range: {range}\r\n"));
        }
        stream.write_all(format!("{request}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let read = |reader: &mut BufReader<TcpStream>, line: &mut String| -> io::Result<()> {
            line.clear();
            // No header is longer.
            reader.take(1 << 16).read_line(line).map(drop)
        };
        read(&mut reader, &mut line)?;
        let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("it speaks no HTTP"))?;
        let (mut length, mut location) = (None, None);
        loop {
            read(&mut reader, &mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok(),
                "location" if (300..400).contains(&status) => location = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        Ok(Answer { status, length, location, body: Box::new(reader) })
    }
}

/// The lines of apt's configuration.
fn apt_settings() -> Vec<String> {
    let parts = std::fs::read_dir("/etc/apt/apt.conf.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = parts.collect();
    files.sort();
    files.push("/etc/apt/apt.conf".into());
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Finds `Acquire::http::Proxy "…";`, of several the last.
fn apt_proxy(lines: &[String], scheme: &str) -> Option<String> {
    let key = format!("acquire::{scheme}::proxy");
    let value = |line: &String| {
        let (name, value) = line.trim().split_once(char::is_whitespace)?;
        (name.to_lowercase() == key).then(|| value.trim().trim_matches([';', '"', ' ']).to_owned())
    };
    lines.iter().rev().find_map(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies_are_read() {
        let host = |address: &str| Proxy::parse(address).unwrap().host;
        assert_eq!(host("http://proxy.example:3128/"), "proxy.example:3128");
        assert_eq!(host("proxy.example"), "proxy.example:80");
        let with_name = Proxy::parse("http://me:a%40b@proxy.example:1").unwrap();
        assert_eq!(with_name.credentials.as_deref(), Some("bWU6YUBi"));
        assert!(Proxy::parse("socks5://proxy.example").is_none() && Proxy::parse("http://").is_none());
    }

    #[test]
    fn apts_own_proxy_is_found() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let text =
            lines("// Acquire::http::Proxy \"http://no\";\nAcquire::http::Proxy \"http://cache.example:3142\";\n");
        assert_eq!(apt_proxy(&text, "http").as_deref(), Some("http://cache.example:3142"));
        assert_eq!(apt_proxy(&text, "https"), None);
    }

    #[test]
    fn hosts_are_exempt_by_name_and_by_domain() {
        let proxies = Proxies::new(Some("http://proxy.example:1"), None, "a.example, .b.example,*.c.example");
        for (url, is_asked) in [
            ("http://a.example/x", false),
            ("http://x.a.example:80/x", false),
            ("http://x.b.example/x", false),
            ("http://y.c.example/", false),
            ("http://aa.example/x", true),
            ("https://d.example/x", false),
        ] {
            assert_eq!(proxies.for_plain(url).is_some(), is_asked, "{url}");
        }
        assert!(Proxies::new(Some("http://proxy.example:1"), None, "*").for_plain("http://d.example").is_none());
    }
}
