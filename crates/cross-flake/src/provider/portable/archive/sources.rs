//! The archive of a machine: the mirrors that its own package manager is set up with, or the one that a variable names.

use crate::settings::ARCHIVE;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::keys::Keys;

/// Debian's suites. Each mirror of Debian's has all of them.
const DEBIANS: [&str; 10] =
    ["bullseye", "bookworm", "trixie", "forky", "duke", "sid", "oldstable", "stable", "testing", "unstable"];
/// The parts of an archive in which everything is: the second is Ubuntu's.
const COMPONENTS: [&str; 2] = ["main", "universe"];

/// Where packages come from.
#[derive(Clone)]
pub struct Sources {
    /// The name of the distribution, for people: `Debian`.
    pub name: String,
    /// The suite whose programs fit the machine's libraries.
    pub own_suite: String,
    /// The mirror of that suite.
    main: Source,
    /// All mirrors.
    all: Vec<Source>,
}

/// A mirror, as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    url: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// The architectures for which it is asked, if not for all.
    arches: Vec<String>,
    /// Files with keys, keys themselves, or fingerprints.
    signed_by: String,
}

/// Where a suite is.
#[derive(Clone)]
pub struct Place {
    /// The mirror, without a slash at its end.
    pub url: String,
    /// The parts of the archive to take.
    pub components: Vec<String>,
}

impl Sources {
    /// The sources of a machine whose file system is at this root. `wish` is the value of [`ARCHIVE`].
    ///
    /// # Errors
    /// It has no archive of packages as Debian's; the error says what to type.
    pub fn read(root: &Path, wish: Option<&str>) -> Result<Sources> {
        let release = os_release(root);
        let codenames = ["UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_CODENAME"];
        let codename = codenames.iter().find_map(|name| release.get(*name)).map(String::as_str).unwrap_or_default();
        if let Some(wish) = wish.filter(|wish| !wish.trim().is_empty()) {
            return Sources::of_wish(wish, codename);
        }
        let word = |name: &str| release.get(name).cloned().unwrap_or_default();
        let ids = format!("{} {}", word("ID"), word("ID_LIKE"));
        let name = release.get("PRETTY_NAME").cloned().unwrap_or_else(|| "this system".to_owned());
        if !ids.split_whitespace().any(|id| id == "debian" || id == "ubuntu") {
            bail!(
                "emulators come from Debian's packages, and {name} has none: set {ARCHIVE} to a mirror of Debian's and a suite, \
                 as in {ARCHIVE}='http://mirror.example/debian trixie'"
            );
        }
        let all = configured(root)?;
        // A machine may also follow a name that changes its meaning.
        let moving = ["stable", "testing", "unstable", "sid", "oldstable"];
        let mut wanted = std::iter::once(codename).chain(moving).filter(|suite| !suite.is_empty());
        let found = wanted.find_map(|suite| Some((suite, all.iter().find(|source| source.has(suite))?)));
        let Some((own_suite, main)) = found else {
            let seen: Vec<&str> = all.iter().flat_map(|source| &source.suites).map(String::as_str).collect();
            let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
            bail!(
                "no mirror of {} is named in /etc/apt/sources.list or /etc/apt/sources.list.d, which name {seen}: add one there, \
                 or set {ARCHIVE} as in {ARCHIVE}='http://mirror.example/debian trixie'",
                if codename.is_empty() { &name } else { codename }
            );
        };
        let family = if ids.contains("ubuntu") { "Ubuntu" } else { "Debian" };
        Ok(Sources { name: family.to_owned(), own_suite: own_suite.to_owned(), main: main.clone(), all })
    }

    fn of_wish(wish: &str, codename: &str) -> Result<Sources> {
        let wrong = || format!("{ARCHIVE}={wish}: expected `URL SUITE…`, as in `http://mirror.example/debian trixie`");
        let (mut source, suites) = read_line(wish).with_context(wrong)?;
        if suites.is_empty() || !source.url.contains("://") {
            bail!("{}", wrong());
        }
        source.components = COMPONENTS.map(str::to_owned).to_vec();
        source.suites = suites;
        let own_suite = source.suites.iter().find(|suite| *suite == codename).unwrap_or(&source.suites[0]).clone();
        Ok(Sources { name: "Debian".to_owned(), own_suite, main: source.clone(), all: vec![source] })
    }

    /// Returns the suite that serves for one of Debian's: it, or the machine's own where its archive is another distribution's.
    pub fn serving(&self, suite: &str) -> String {
        let is_debians = DEBIANS.contains(&&*self.own_suite) || self.main.has(suite);
        let is_own = suite.starts_with(&self.own_suite);
        if is_debians || is_own { suite.to_owned() } else { self.own_suite.clone() }
    }

    fn source(&self, suite: &str, arch: &str) -> &Source {
        let takes = |source: &&Source| source.arches.is_empty() || source.arches.iter().any(|own| own == arch);
        let named = self.all.iter().filter(|source| source.has(suite)).find(takes);
        named.unwrap_or(&self.main)
    }

    /// Returns where a suite is for an architecture.
    ///
    /// # Errors
    /// Its mirror is of a kind that is not known.
    pub fn place(&self, suite: &str, arch: &str) -> Result<Place> {
        let source = self.source(suite, arch);
        let url = resolve_mirrors(&source.url)?;
        let wanted = |component: &&String| COMPONENTS.contains(&component.as_str());
        let mut components: Vec<String> = source.components.iter().filter(wanted).cloned().collect();
        if components.is_empty() {
            components.clone_from(&source.components);
        }
        Ok(Place { url: of_ports(&url, arch).trim_end_matches('/').to_owned(), components })
    }

    /// Returns the keys of which one must have signed a suite.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn keys(&self, suite: &str, arch: &str) -> Result<Keys> {
        let mut keys = self.source(suite, arch).keys()?;
        if DEBIANS.iter().any(|debians| suite.starts_with(debians)) {
            // A machine's keyring may be older than the suite.
            keys.extend(Keys::carried());
        }
        Ok(keys)
    }
}

impl Source {
    fn has(&self, suite: &str) -> bool {
        self.suites.iter().any(|own| own == suite)
    }

    fn keys(&self) -> Result<Keys> {
        let text = self.signed_by.trim();
        let mut keys = Keys::default();
        if text.contains("-----BEGIN") {
            if keys.add(text.as_bytes(), "those that the mirror is set up with") == 0 {
                bail!("the mirror {} is set up with a key that cannot be read", self.url);
            }
            return Ok(keys);
        }
        let (files, prints): (Vec<&str>, Vec<&str>) =
            text.split([',', ' ', '\n']).filter(|word| !word.is_empty()).partition(|word| word.starts_with('/'));
        for file in &files {
            keys.read(Path::new(file))?;
        }
        if files.is_empty() {
            keys = Keys::of_machine();
        }
        let prints: Vec<String> = prints.iter().map(|print| print.trim_end_matches('!').to_owned()).collect();
        Ok(if prints.is_empty() { keys } else { keys.only(&prints) })
    }
}

/// The fields of the file that tells a machine's distribution (os-release(5)).
fn os_release(root: &Path) -> HashMap<String, String> {
    let places = ["etc/os-release", "usr/lib/os-release"].map(|place| root.join(place));
    let text = places.iter().find_map(|place| fs::read_to_string(place).ok()).unwrap_or_default();
    let fields = text.lines().filter_map(|line| line.split_once('='));
    fields.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect()
}

/// The mirrors that apt is set up with, in both formats (sources.list(5)).
fn configured(root: &Path) -> Result<Vec<Source>> {
    let etc = root.join("etc/apt");
    let parts = fs::read_dir(etc.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut parts: Vec<PathBuf> = parts.collect();
    parts.sort();
    let mut sources = Vec::new();
    for file in std::iter::once(etc.join("sources.list")).chain(parts) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => {
                for line in text.lines().filter_map(|line| line.trim().strip_prefix("deb ")) {
                    let line = line.split('#').next().unwrap_or_default();
                    let read = read_line(line).with_context(|| format!("{}: cannot read `{line}`", file.display()));
                    let (source, mut words) = read?;
                    // A path in the place of a suite means an archive without any.
                    if !words.is_empty() && !words[0].ends_with('/') {
                        let components = words.split_off(1);
                        sources.push(Source { suites: words, components, ..source });
                    }
                }
            }
            Some("sources") => sources.extend(text.split("\n\n").flat_map(read_paragraph)),
            _ => {}
        }
    }
    Ok(sources)
}

/// Reads `[option=value …] URL word…`.
fn read_line(line: &str) -> Result<(Source, Vec<String>)> {
    let line = line.trim();
    let (options, rest) = match line.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(|| anyhow!("`[` without `]`"))?,
        None => ("", line),
    };
    let option = |name: &str| {
        let options = options.split_whitespace().filter_map(|option| option.split_once('='));
        let mut values = options.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
        values.next_back().unwrap_or_default()
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let url = words.next().context("no address")?;
    let arches = option("arch").split(',').filter(|arch| !arch.is_empty()).map(str::to_owned).collect();
    let source = Source { url, suites: Vec::new(), components: Vec::new(), arches, signed_by: option("signed-by") };
    Ok((source, words.collect()))
}

/// Reads a paragraph of fields; it may name several mirrors.
fn read_paragraph(text: &str) -> Vec<Source> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                let line = line.trim();
                // An empty line of a key is written as a dot.
                value.push('\n');
                value.push_str(if line == "." { "" } else { line });
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let words =
        |name: &str| -> Vec<String> { field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect() };
    let is_off = field("enabled").is_some_and(|value| ["no", "false", "0", "off"].contains(&value));
    if is_off || !words("types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let source = |url| Source {
        url,
        suites: words("suites"),
        components: words("components"),
        arches: words("architectures"),
        signed_by: field("signed-by").unwrap_or_default().to_owned(),
    };
    words("uris").into_iter().map(source).collect()
}

/// Returns the address of a mirror that a file names the list of.
fn resolve_mirrors(url: &str) -> Result<String> {
    if let Some(file) = url.strip_prefix("mirror+file:") {
        let file = format!("/{}", file.trim_start_matches('/'));
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read the list of mirrors {file}"))?;
        let mirrors = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = mirrors.filter_map(|line| line.split_whitespace().next()).next();
        return first.map(str::to_owned).with_context(|| format!("the list of mirrors {file} is empty"));
    }
    let known = ["http://", "https://", "file://"];
    if let Some(path) = url.strip_prefix("file:/").filter(|_| !url.starts_with("file://")) {
        return Ok(format!("file:///{path}"));
    }
    if !known.iter().any(|start| url.starts_with(start)) {
        bail!(
            "the mirror {url} is of a kind that is not known: set {ARCHIVE} to one that begins with http:// or https://"
        );
    }
    Ok(url.to_owned())
}

/// Ubuntu keeps the architectures beside Intel's on another server, `ports.…/ubuntu-ports` beside `archive.…/ubuntu`.
fn of_ports(url: &str, arch: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let swap = |from: [&str; 2], to: [&str; 2]| {
        let path = path.trim_end_matches('/');
        // A country's server, say, is ahead of the name.
        let at = host.split('.').position(|label| label == from[0])?;
        let rest: Vec<&str> = host.split('.').skip(at + 1).collect();
        let before = path.strip_suffix(from[1]).filter(|before| before.is_empty() || before.ends_with('/'))?;
        Some(format!("{scheme}://{}.{}/{before}{}", to[0], rest.join("."), to[1]))
    };
    let (intel, ports) = (["archive", "ubuntu"], ["ports", "ubuntu-ports"]);
    let swapped = if ["amd64", "i386"].contains(&arch) { swap(ports, intel) } else { swap(intel, ports) };
    swapped.unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(release: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let files = files.iter().map(|(name, text)| (format!("etc/apt/{name}"), *text));
        for (name, text) in files.chain([("etc/os-release".to_owned(), release)]) {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    const BOOKWORM: &str = "ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n";

    #[test]
    fn both_formats_are_read() {
        let list = "# deb http://no.example x main\n\
                    deb [arch=amd64,i386 signed-by=/k.gpg] http://a.example/debian bookworm main contrib # here\n\
                    deb-src http://a.example/debian bookworm main\ndeb http://flat.example ./\n";
        let paragraphs = "Types: deb deb-src\nURIs: http://b.example/debian/ http://c.example\nSuites: trixie\n trixie-updates\n\
                          Components: main\nArchitectures: arm64\nSigned-By:\n -----BEGIN X-----\n .\n a\n\n\
                          # off\nEnabled: no\nTypes: deb\nURIs: http://d.example\nSuites: trixie\nComponents: main\n";
        let files = [("sources.list", list), ("sources.list.d/b.sources", paragraphs), ("sources.list.d/c.save", list)];
        let root = machine(BOOKWORM, &files);
        let sources = Sources::read(root.path(), None).unwrap();
        assert_eq!((sources.own_suite.as_str(), sources.all.len()), ("bookworm", 3));
        assert_eq!(sources.main.url, "http://a.example/debian");
        assert_eq!(
            (sources.main.arches.as_slice(), sources.main.signed_by.as_str()),
            (&["amd64".into(), "i386".into()][..], "/k.gpg")
        );
        assert_eq!(sources.main.components, ["main", "contrib"]);
        assert_eq!(sources.all[1].suites, ["trixie", "trixie-updates"]);
        assert_eq!(sources.all[1].signed_by, "\n-----BEGIN X-----\n\na");
    }

    #[test]
    fn every_suite_of_debians_is_on_its_mirror_and_ubuntus_own_serves_for_them() {
        let debian = machine(BOOKWORM, &[("sources.list", "deb http://a.example/debian bookworm main contrib\n")]);
        let sources = Sources::read(debian.path(), None).unwrap();
        let place = sources.place("trixie", "arm64").unwrap();
        assert_eq!((place.url.as_str(), &place.components[..]), ("http://a.example/debian", &["main".to_owned()][..]));
        assert_eq!(sources.serving("trixie"), "trixie");
        let noble = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n";
        let line = "deb http://de.archive.ubuntu.example/ubuntu/ noble main restricted universe\n";
        let ubuntu = machine(noble, &[("sources.list", line)]);
        let sources = Sources::read(ubuntu.path(), None).unwrap();
        assert_eq!((sources.name.as_str(), sources.serving("trixie-backports").as_str()), ("Ubuntu", "noble"));
        assert_eq!(sources.serving("noble-backports"), "noble-backports");
        let place = sources.place("noble", "arm64").unwrap();
        assert_eq!(
            (place.url.as_str(), &place.components[..]),
            ("http://ports.ubuntu.example/ubuntu-ports", &["main".to_owned(), "universe".to_owned()][..])
        );
        assert_eq!(sources.place("noble", "i386").unwrap().url, "http://de.archive.ubuntu.example/ubuntu");
        assert_eq!(
            of_ports("http://ports.ubuntu.example/ubuntu-ports/", "amd64"),
            "http://archive.ubuntu.example/ubuntu"
        );
    }

    #[test]
    fn lists_of_mirrors_are_followed_and_other_kinds_named() {
        let list = tempfile::NamedTempFile::new().unwrap();
        fs::write(list.path(), "# mirrors\nhttp://first.example/ubuntu/\tpriority:1\nhttp://second.example/\n")
            .unwrap();
        let url = format!("mirror+file:{}", list.path().display());
        assert_eq!(resolve_mirrors(&url).unwrap(), "http://first.example/ubuntu/");
        assert_eq!(resolve_mirrors("file:/srv/debian").unwrap(), "file:///srv/debian");
        let error = resolve_mirrors("mirror://x.example/y").unwrap_err().to_string();
        assert!(error.contains("mirror://x.example/y") && error.contains(ARCHIVE), "{error}");
    }

    #[test]
    fn a_machine_without_an_archive_is_told_what_to_type_and_what_was_typed_counts() {
        let fedora = machine("ID=fedora\nPRETTY_NAME=\"Fedora 43\"\n", &[]);
        let error = Sources::read(fedora.path(), None).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("Fedora 43 has none") && error.contains("CROSS_FLAKE_ARCHIVE='http://"), "{error}");
        let empty = machine(BOOKWORM, &[]);
        let error = Sources::read(empty.path(), None).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("no mirror of bookworm") && error.contains("which name nothing"), "{error}");
        let sources =
            Sources::read(fedora.path(), Some("http://mirror.example/debian trixie trixie-backports")).unwrap();
        assert_eq!((sources.own_suite.as_str(), sources.serving("bookworm").as_str()), ("trixie", "bookworm"));
        assert_eq!(sources.place("bookworm", "amd64").unwrap().url, "http://mirror.example/debian");
        let own = Sources::read(empty.path(), Some("http://mirror.example/debian trixie bookworm")).unwrap();
        assert_eq!(own.own_suite, "bookworm");
        let error = Sources::read(fedora.path(), Some("trixie")).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("CROSS_FLAKE_ARCHIVE=trixie: expected `URL SUITE…`"), "{error}");
    }
}
