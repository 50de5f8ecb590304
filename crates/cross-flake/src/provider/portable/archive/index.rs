//! Lists of packages: a paragraph of fields for each (deb-control(5)).

use std::collections::HashMap;

use memchr::memmem::Finder;

use super::version;

/// The packages of a suite for an architecture, or those that a machine has installed.
#[derive(Default)]
pub struct Index {
    text: Vec<u8>,
    /// Where the paragraphs of a name begin.
    names: HashMap<Box<[u8]>, Vec<usize>>,
    /// Where the paragraphs begin that provide a name.
    provided: HashMap<Box<[u8]>, Vec<usize>>,
}

/// A package that a list tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub arch: String,
    /// Its place in the order of importance: the smaller, the more so.
    pub priority: usize,
    /// Each of these must be fulfilled by one of its alternatives.
    pub depends: Vec<Vec<Dependency>>,
    /// The same, before it is unpacked.
    pub pre_depends: Vec<Vec<Dependency>>,
    /// Names that it stands for, perhaps in a version.
    pub provides: Vec<Dependency>,
    /// Its file, below the archive.
    pub file: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// The hash of its file.
    pub sha256: String,
}

/// A package that another one needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// The architecture that is asked for, `any` among them.
    pub arch: Option<String>,
    /// A relation, and the version that it is to.
    pub version: Option<(String, String)>,
}

impl Dependency {
    /// Reads `name:arch (>= version)`.
    fn read(text: &str) -> Option<Dependency> {
        let (name, version) = match text.split_once('(') {
            Some((name, rest)) => {
                let rest = rest.split(')').next()?.trim();
                let at = rest.find(|c| !"<>=".contains(c)).unwrap_or(rest.len());
                (name, Some((rest[..at].to_owned(), rest[at..].trim().to_owned())))
            }
            None => (text, None),
        };
        let name = name.split_whitespace().next()?;
        let (name, arch) = name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch.to_owned())));
        Some(Dependency { name: name.to_owned(), arch, version })
    }

    /// Reads a field: what commas part must all be there, what bars part is a choice.
    fn read_field(text: &str) -> Vec<Vec<Dependency>> {
        let all = text.split(',').map(|one| one.split('|').filter_map(Dependency::read).collect::<Vec<_>>());
        all.filter(|one| !one.is_empty()).collect()
    }

    /// Tells if a package of the right name has a right version.
    pub fn is_met_by(&self, found: &str) -> bool {
        self.version.as_ref().is_none_or(|(relation, wanted)| version::fulfils(found, relation, wanted))
    }

    /// Tells if a package stands for this one.
    pub fn is_provided_by(&self, entry: &Entry) -> bool {
        entry.provides.iter().filter(|provided| provided.name == self.name).any(|provided| {
            // A relation to a version asks for one.
            let found = provided.version.as_ref().map(|(_, found)| found);
            self.version.is_none() || found.is_some_and(|found| self.is_met_by(found))
        })
    }
}

impl std::fmt::Display for Dependency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(arch) = &self.arch {
            write!(f, ":{arch}")?;
        }
        self.version.as_ref().map_or(Ok(()), |(relation, version)| write!(f, " ({relation} {version})"))
    }
}

/// The fields that are kept of a paragraph, which is a third of it.
const FIELDS: [&[u8]; 12] = [
    b"Package:",
    b"Version:",
    b"Architecture:",
    b"Status:",
    b"Priority:",
    b"Depends:",
    b"Pre-Depends:",
    b"Provides:",
    b"Filename:",
    b"Size:",
    b"SHA256:",
    b"\n",
];

/// Returns the lines with the fields that are kept.
fn only_needed(text: &[u8]) -> Vec<u8> {
    let mut needed = Vec::with_capacity(text.len() / 2);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        let line = &text[start..text.len().min(end + 1)];
        if line.first().is_some_and(|c| b"PVASDF\n".contains(c)) && FIELDS.iter().any(|field| line.starts_with(field)) {
            needed.extend_from_slice(line);
        }
        start = end + 1;
        if start >= text.len() {
            break;
        }
    }
    needed.shrink_to_fit();
    needed
}

impl Index {
    /// Reads lists that stand one after the other.
    pub fn new(text: Vec<u8>) -> Index {
        let text = only_needed(&text);
        let mut starts = vec![0];
        starts.extend(Finder::new("\n\n").find_iter(&text).map(|at| at + 2));
        // More than one empty line may stand between two paragraphs.
        for start in &mut starts {
            *start += text[*start..].iter().take_while(|c| **c == b'\n').count();
        }
        let mut names: HashMap<Box<[u8]>, Vec<usize>> = HashMap::with_capacity(starts.len());
        for start in &starts {
            let line = line_at(&text, *start);
            // In Debian's lists the name comes first.
            let name = line.strip_prefix(b"Package: ").or_else(|| field(&text, *start, b"Package"));
            if let Some(name) = name {
                names.entry(name.trim_ascii().into()).or_default().push(*start);
            }
        }
        let mut provided: HashMap<Box<[u8]>, Vec<usize>> = HashMap::new();
        for at in Finder::new("\nProvides: ").find_iter(&text) {
            let start = starts[starts.partition_point(|start| *start <= at) - 1];
            for one in line_at(&text, at + "\nProvides: ".len()).split(|c| *c == b',') {
                let name = one.trim_ascii().split(|c| *c == b' ' || *c == b':').next().unwrap_or_default();
                let places = provided.entry(name.into()).or_default();
                if places.last() != Some(&start) {
                    places.push(start);
                }
            }
        }
        Index { text, names, provided }
    }

    /// The packages of a name, the newest first.
    pub fn find(&self, name: &str) -> Vec<Entry> {
        let places = self.names.get(name.as_bytes()).into_iter().flatten();
        let mut entries: Vec<Entry> = places.map(|place| self.entry(*place)).collect();
        entries.sort_by(|a, b| version::compare(&b.version, &a.version));
        entries
    }

    /// The packages that stand for a name, the most important first.
    pub fn providers(&self, name: &str) -> Vec<Entry> {
        let places = self.provided.get(name.as_bytes()).into_iter().flatten();
        let mut entries: Vec<Entry> = places.map(|place| self.entry(*place)).collect();
        entries.sort_by_key(|entry| entry.priority);
        entries
    }

    /// Keeps what dpkg says is installed whole, for an architecture.
    pub fn only_installed(mut self, arch: &str) -> Index {
        let text = std::mem::take(&mut self.text);
        let is = |place: &usize| {
            let status = field(&text, *place, b"Status").unwrap_or_default();
            let of = field(&text, *place, b"Architecture").unwrap_or_default();
            status.ends_with(b" installed") && (of == arch.as_bytes() || of == b"all")
        };
        for places in self.names.values_mut().chain(self.provided.values_mut()) {
            places.retain(is);
        }
        Index { text, ..self }
    }

    fn entry(&self, start: usize) -> Entry {
        let field = |name: &str| {
            let value = field(&self.text, start, name.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let priorities = ["required", "important", "standard", "optional"];
        let priority = field("Priority");
        Entry {
            name: field("Package"),
            version: field("Version"),
            arch: field("Architecture"),
            priority: priorities.iter().position(|name| *name == priority).unwrap_or(priorities.len()),
            depends: Dependency::read_field(&field("Depends")),
            pre_depends: Dependency::read_field(&field("Pre-Depends")),
            provides: Dependency::read_field(&field("Provides")).into_iter().flatten().collect(),
            file: field("Filename"),
            bytes: field("Size").parse().unwrap_or_default(),
            sha256: field("SHA256").to_lowercase(),
        }
    }
}

fn line_at(text: &[u8], start: usize) -> &[u8] {
    let rest = &text[start.min(text.len())..];
    &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
}

/// The first line of a field of the paragraph that begins here; those that are read have one line in lists.
fn field<'a>(text: &'a [u8], start: usize, name: &[u8]) -> Option<&'a [u8]> {
    let mut at = start;
    loop {
        let line = line_at(text, at);
        if line.is_empty() {
            return None;
        }
        if let Some(value) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(b":")) {
            return Some(value.trim_ascii());
        }
        at += line.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Package: a\nVersion: 1:2-3\nArchitecture: amd64\nPriority: standard\nPre-Depends: libc6 (>= 2.36)\n\
                        Depends: b, c (<< 2) | d:any, e [x]\nProvides: v, w (= 4)\nSize: 12\nFilename: pool/a.deb\nSHA256: AB\n\n\
                        Package: b\nVersion: 1\nProvides: v\nPriority: required\nDescription: b\n Package: x\n\n\
                        Package: b\nVersion: 1.1\n\n";

    #[test]
    fn lists_are_read() {
        let index = Index::new(LIST.as_bytes().to_vec());
        let a = &index.find("a")[0];
        assert_eq!((a.version.as_str(), a.bytes, a.sha256.as_str(), a.priority), ("1:2-3", 12, "ab", 2));
        let shown: Vec<String> = a.depends.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(shown, ["b", "c (<< 2)", "d:any", "e"]);
        assert_eq!(a.pre_depends[0][0].version, Some((">=".into(), "2.36".into())));
        let versions: Vec<String> = index.find("b").into_iter().map(|entry| entry.version).collect();
        assert_eq!(versions, ["1.1", "1"]);
        let providers: Vec<String> = index.providers("v").into_iter().map(|entry| entry.name).collect();
        assert_eq!(providers, ["b", "a"]);
        assert!(index.find("x").is_empty() && index.providers("b").is_empty());
        assert!(Index::new(Vec::new()).find("a").is_empty());
    }

    #[test]
    fn versions_of_what_is_provided_count_where_one_is_asked_for() {
        let index = Index::new(LIST.as_bytes().to_vec());
        let a = &index.find("a")[0];
        let is = |text: &str| Dependency::read(text).unwrap().is_provided_by(a);
        assert!(is("v") && is("w") && is("w (>= 3)") && !is("w (>> 4)") && !is("v (>= 1)") && !is("a"));
    }

    #[test]
    fn what_is_removed_is_not_installed() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: b\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: c\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\nProvides: v\n\n\
                      Package: d\nStatus: hold ok installed\nArchitecture: all\nVersion: 1\nProvides: v\n";
        let installed = Index::new(status.as_bytes().to_vec()).only_installed("amd64");
        let has = |name: &str| !installed.find(name).is_empty();
        assert!(has("a") && !has("b") && !has("c") && has("d"));
        assert_eq!(installed.providers("v").len(), 1);
    }
}
