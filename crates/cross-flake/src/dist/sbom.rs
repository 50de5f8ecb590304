//! The packages of an archive's programs as bills of materials: CycloneDX 1.6 and SPDX 2.3, both JSON.

use serde_json::{Value, json};

use super::archive::sha256;
use super::dependencies::{Dependencies, Dependency, Origin};

/// One bill.
pub struct Bill<'a> {
    /// The archive's name without its suffix.
    pub archive: &'a str,
    /// The packages.
    pub dependencies: &'a Dependencies,
    /// The Rust release, whose std is in the programs.
    pub rust: &'a str,
    /// The time of the release, in seconds since 1970.
    pub time: u64,
}

/// The terms of Rust's std (its COPYRIGHT file).
const STD_LICENSE: &str = "MIT OR Apache-2.0";

impl Bill<'_> {
    /// Returns CycloneDX, by <https://cyclonedx.org/docs/1.6/json/>.
    pub fn cyclone_dx(&self) -> Value {
        let all = &self.dependencies.all;
        let component = |dependency: &Dependency, kind: &str| {
            let mut component = json!({
                "type": kind,
                "bom-ref": reference(dependency),
                "name": dependency.name,
                "version": dependency.version,
                // Others are not in the program.
                "scope": if dependency.is_linked { "required" } else { "excluded" },
                "purl": purl(dependency),
            });
            if let Some(license) = &dependency.license {
                component["licenses"] = json!([{ "expression": expression(license) }]);
            }
            if let Some(sha256) = &dependency.sha256 {
                component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
            }
            component
        };
        let root = &all[self.dependencies.root];
        let others = all.iter().filter(|dependency| *dependency != root).map(|other| component(other, "library"));
        let std = json!({
            "type": "library",
            "bom-ref": "std",
            "name": "std",
            "version": self.rust,
            "scope": "required",
            "licenses": [{ "expression": STD_LICENSE }],
        });
        let needs = |dependency: &Dependency| -> Value {
            let others = dependency.needs.iter().map(|place| reference(&all[*place]));
            let std = (dependency == root).then(|| "std".to_owned());
            json!({ "ref": reference(dependency), "dependsOn": others.chain(std).collect::<Vec<_>>() })
        };
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": timestamp(self.time),
                "tools": { "components": [tool()] },
                "component": component(root, "application"),
            },
            "components": others.chain([std]).collect::<Vec<_>>(),
            "dependencies": all.iter().map(needs).collect::<Vec<_>>(),
        })
    }

    /// Returns SPDX, by <https://spdx.github.io/spdx-spec/v2.3/>.
    pub fn spdx(&self) -> Value {
        let all = &self.dependencies.all;
        let package = |(place, dependency): (usize, &Dependency)| {
            let mut package = json!({
                "SPDXID": format!("SPDXRef-{place}"),
                "name": dependency.name,
                "versionInfo": dependency.version,
                "downloadLocation": "NOASSERTION",
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": dependency.license.as_deref().map_or("NOASSERTION".to_owned(), expression),
                "copyrightText": "NOASSERTION",
                "filesAnalyzed": false,
                "externalRefs": [{
                    "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(dependency),
                }],
            });
            if let Some(sha256) = &dependency.sha256 {
                package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
            }
            package
        };
        let std = json!({
            "SPDXID": "SPDXRef-std",
            "name": "std",
            "versionInfo": self.rust,
            "downloadLocation": "NOASSERTION",
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": STD_LICENSE,
            "copyrightText": "NOASSERTION",
            "filesAnalyzed": false,
        });
        let relation = |from: String, kind: &str, to: String| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
        let name = |place: usize| format!("SPDXRef-{place}");
        let of_package = |(place, dependency): (usize, &Dependency)| {
            let needs = dependency.needs.iter().map(move |other| match all[*other].is_linked {
                true => relation(name(place), "DEPENDS_ON", name(*other)),
                false => relation(name(*other), "BUILD_DEPENDENCY_OF", name(place)),
            });
            needs.collect::<Vec<_>>()
        };
        let root = name(self.dependencies.root);
        let first = [
            relation("SPDXRef-DOCUMENT".to_owned(), "DESCRIBES", root.clone()),
            relation(root, "STATIC_LINK", "SPDXRef-std".to_owned()),
        ];
        let packages: Vec<Value> = all.iter().enumerate().map(package).chain([std]).collect();
        // The same for the same content, and for no other.
        let hash = sha256(Value::from(packages.clone()).to_string().as_bytes());
        json!({
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": self.archive,
            "documentNamespace": format!("https://spdx.org/spdxdocs/{}-{hash}", self.archive),
            "creationInfo": {
                "created": timestamp(self.time),
                "creators": [format!("Tool: cross-flake-{}", env!("CARGO_PKG_VERSION"))],
            },
            "packages": packages,
            "relationships": first.into_iter().chain(all.iter().enumerate().flat_map(of_package)).collect::<Vec<_>>(),
        })
    }
}

fn tool() -> Value {
    json!({ "type": "application", "name": "cross-flake", "version": env!("CARGO_PKG_VERSION") })
}

/// A name within one bill.
fn reference(dependency: &Dependency) -> String {
    format!("{}@{}", dependency.name, dependency.version)
}

/// The package's address (<https://github.com/package-url/purl-spec>, `cargo`).
fn purl(dependency: &Dependency) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    // A plus sign means a space in an address.
    let version = dependency.version.replace('+', "%2B");
    let url = dependency.url.as_deref().unwrap_or(".");
    let qualifier = match dependency.origin {
        Origin::CratesIo => String::new(),
        Origin::Registry => format!("?repository_url={}", encode(url)),
        Origin::Git => format!("?vcs_url={}", encode(url)),
        Origin::Path => format!("?download_url={}", encode("file://.")),
    };
    format!("pkg:cargo/{}@{version}{qualifier}", dependency.name)
}

/// A licence as SPDX writes it: older manifests have a slash for `OR`.
fn expression(license: &str) -> String {
    license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

/// A time as both formats write it, in UTC.
pub fn timestamp(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    time.unwrap_or_default().format("%FT%TZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_versions_and_times_are_written_as_the_formats_want_them() {
        assert_eq!(expression("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(expression("(MIT OR Apache-2.0) AND Unicode-3.0"), "(MIT OR Apache-2.0) AND Unicode-3.0");
        assert_eq!(timestamp(1_000_000_000), "2001-09-09T01:46:40Z");
        let dependency = Dependency {
            name: "a".to_owned(),
            version: "1.0.0+b".to_owned(),
            origin: Origin::CratesIo,
            url: None,
            is_linked: true,
            license: None,
            sha256: None,
            needs: Vec::new(),
        };
        assert_eq!(purl(&dependency), "pkg:cargo/a@1.0.0%2Bb");
    }
}
