//! A package that can be fetched.

use super::index::{Dependency, Entry};
use super::pieces::{self, Pieces};

/// One package that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub arch: String,
    /// Bytes to fetch.
    pub bytes: u64,
    /// Bytes of the whole.
    pub(super) whole_bytes: u64,
    /// Where the whole of it is.
    pub(super) url: String,
    /// The hash of the whole, from the signed lists.
    pub(super) sha256: String,
    /// The names of packages that it depends on, of alternatives the first.
    pub needs: Vec<String>,
    /// Ranges that are fetched instead of the whole.
    pub(super) pieces: Option<&'static Pieces>,
}

impl Package {
    /// The package of an entry whose file is an address.
    pub(super) fn new(entry: &Entry) -> Package {
        let first = |alternatives: &Vec<Dependency>| alternatives.first().map(|wanted| wanted.name.clone());
        let package = Package {
            name: entry.name.clone(),
            version: entry.version.clone(),
            arch: entry.arch.clone(),
            bytes: entry.bytes,
            whole_bytes: entry.bytes,
            url: entry.file.clone(),
            sha256: entry.sha256.clone(),
            needs: entry.depends.iter().filter_map(first).collect(),
            pieces: None,
        };
        package.with_pieces(None)
    }

    /// Tells if less than the whole is fetched.
    pub fn is_part(&self) -> bool {
        self.pieces.is_some()
    }

    /// With the pieces that this bundle takes of it, or whole if none are known.
    pub fn for_bundle(self, bundle: &str) -> Package {
        self.with_pieces(Some(bundle))
    }

    fn with_pieces(self, bundle: Option<&str>) -> Package {
        let known = pieces::find(&self.name, &self.version, &self.arch, bundle);
        let pieces = known.filter(|pieces| pieces.sha256 == self.sha256);
        Package { bytes: pieces.map_or(self.whole_bytes, Pieces::bytes), pieces, ..self }
    }

    /// The same version for another architecture, if its pieces are known: it lies beside this one, so no list of that
    /// architecture is needed.
    pub fn for_arch(&self, arch: &str) -> Option<Package> {
        let pieces = pieces::find(&self.name, &self.version, arch, None)?;
        let url = self.url.strip_suffix(&format!("_{}.deb", self.arch))?;
        Some(Package {
            arch: arch.to_owned(),
            bytes: pieces.bytes(),
            url: format!("{url}_{arch}.deb"),
            sha256: pieces.sha256.clone(),
            pieces: Some(pieces),
            ..self.clone()
        })
    }
}
