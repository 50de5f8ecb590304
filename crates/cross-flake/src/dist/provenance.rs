//! Where a release comes from: an in-toto statement with SLSA's predicate, and a signature where there is a key.
//!
//! <https://slsa.dev/spec/v1.0/provenance>, <https://github.com/secure-systems-lab/dsse>

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::archive::sha256;
use super::manifest::{Artifact, Manifest};

/// The type of what is signed, by in-toto.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// Returns the statement about the archives of a release.
pub fn statement(manifest: &Manifest, remote: Option<&str>) -> Value {
    let source = &manifest.source;
    let subject = |one: &Artifact| json!({ "name": one.name, "digest": { "sha256": one.sha256() } });
    let packages: Vec<&str> = manifest.releases.iter().map(|release| release.app_name.as_str()).collect();
    let mut targets: Vec<&String> = manifest.artifacts.values().flat_map(|one| &one.target_triples).collect();
    targets.sort();
    targets.dedup();
    let commit = source.commit.as_ref().map(|commit| {
        let uri = remote.map_or_else(|| "git".to_owned(), |remote| format!("git+{remote}"));
        json!({ "uri": uri, "digest": { "gitCommit": commit } })
    });
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": manifest.artifacts.values().map(subject).collect::<Vec<_>>(),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:cross-flake:dist:v1",
                "externalParameters": { "packages": packages, "profile": source.profile, "targets": targets },
                "internalParameters": { "provider": source.provider, "dirty": source.dirty },
                "resolvedDependencies": commit.into_iter().chain([json!({ "name": "rust", "annotations": { "version": source.rust } })])
                    .collect::<Vec<_>>(),
            },
            "runDetails": {
                "builder": { "id": builder(), "version": { "cross-flake": source.version } },
            },
        },
    })
}

/// The workflow, where a CI names one (GitHub Docs, "Variables reference").
fn builder() -> String {
    let of = |name: &str| std::env::var(name).ok();
    match (of("GITHUB_SERVER_URL"), of("GITHUB_WORKFLOW_REF")) {
        (Some(server), Some(workflow)) => format!("{server}/{workflow}"),
        _ => "urn:cross-flake:unattested".to_owned(),
    }
}

/// A key with which statements are signed.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// Reads an Ed25519 key, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// The file is not there, or holds something else.
    pub fn read(file: &Path) -> Result<Key> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let of_pem = || -> Option<Vec<u8>> {
            let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----")?;
            let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
            BASE64_STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
        };
        let pair = of_pem().and_then(|der| Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok());
        pair.map(Key).ok_or_else(|| {
            anyhow!("{} holds no Ed25519 key: `openssl genpkey -algorithm ed25519 -out FILE` makes one", file.display())
        })
    }

    /// Returns a statement in the envelope of a signature.
    pub fn sign(&self, statement: &Value) -> Value {
        let payload = statement.to_string();
        // What is signed, by DSSE's "PAE".
        let text = format!("DSSEv1 {} {PAYLOAD} {} {payload}", PAYLOAD.len(), payload.len());
        let signature = BASE64_STANDARD.encode(self.0.sign(text.as_bytes()).as_ref());
        json!({
            "payloadType": PAYLOAD,
            "payload": BASE64_STANDARD.encode(payload),
            "signatures": [{ "keyid": sha256(self.0.public_key().as_ref()), "sig": signature }],
        })
    }
}
