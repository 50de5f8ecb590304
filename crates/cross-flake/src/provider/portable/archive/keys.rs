//! Keys that sign archives, and signatures of theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

use super::date;

/// Debian's keys of the releases whose packages are used, for machines that have none of their own.
const CARRIED: &str = include_str!("../../../../data/keys/debian.asc");
/// The start of a block of keys as text.
const BLOCK: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// The keys that a machine trusts for every archive.
const TRUSTED: &str = "/etc/apt/trusted.gpg.d";
/// The keys of distributions, each in a file of its own.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"];
/// The seconds by which clocks may differ.
const SLACK: u64 = 24 * 60 * 60;

/// Keys of which each may sign an archive.
#[derive(Clone, Default)]
pub struct Keys {
    keys: Vec<SignedPublicKey>,
    /// The files that they came from.
    from: Vec<String>,
}

/// A part of a key that makes signatures.
struct Signer<'a> {
    part: Part<'a>,
    /// The reason why it may make none any more.
    fault: Option<String>,
}

/// A part of a key.
#[derive(Clone, Copy)]
enum Part<'a> {
    Primary(&'a PublicKey),
    Sub(&'a PublicSubkey),
}

impl Part<'_> {
    fn key(&self) -> &dyn VerifyingKey {
        match self {
            Part::Primary(key) => *key,
            Part::Sub(key) => *key,
        }
    }

    fn has_signed(&self, text: &str, signature: &Signature) -> bool {
        match self {
            Part::Primary(key) => signature.verify(key, text.as_bytes()).is_ok(),
            Part::Sub(key) => signature.verify(key, text.as_bytes()).is_ok(),
        }
    }
}

impl Keys {
    /// The keys that are carried in the program.
    pub fn carried() -> Keys {
        let mut keys = Keys::default();
        keys.add(CARRIED.as_bytes(), "the keys of Debian 12 and 13 that this program carries");
        keys
    }

    /// The keys that a machine trusts for archives that name none.
    pub fn of_machine() -> Keys {
        let mut files: Vec<PathBuf> =
            fs::read_dir(TRUSTED).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.extend(KEYRINGS.map(PathBuf::from));
        let mut keys = Keys::default();
        for file in files {
            // What cannot be read vouches for nothing.
            let _ = keys.read(&file);
        }
        keys
    }

    /// Adds the keys of a file.
    ///
    /// # Errors
    /// It cannot be read, or holds no keys.
    pub fn read(&mut self, file: &Path) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("cannot read the keys {}", file.display()))?;
        if self.add(&bytes, &file.display().to_string()) == 0 {
            bail!("{} holds no keys", file.display());
        }
        Ok(())
    }

    /// Adds keys, as text or not. Returns their number.
    pub fn add(&mut self, bytes: &[u8], from: &str) -> usize {
        let before = self.keys.len();
        match std::str::from_utf8(bytes).ok().filter(|text| text.contains(BLOCK)) {
            Some(text) => {
                for block in text.split(BLOCK).skip(1) {
                    let block = format!("{BLOCK}{block}");
                    let keys = SignedPublicKey::from_armor_many(block.as_bytes());
                    self.keys.extend(keys.into_iter().flat_map(|(keys, _)| keys.flatten()));
                }
            }
            None => {
                let keys = SignedPublicKey::from_bytes_many(bytes);
                self.keys.extend(keys.into_iter().flat_map(Iterator::flatten));
            }
        }
        let added = self.keys.len() - before;
        if added > 0 {
            self.from.push(from.to_owned());
        }
        added
    }

    /// Adds other keys.
    pub fn extend(&mut self, other: Keys) {
        self.keys.extend(other.keys);
        self.from.extend(other.from);
    }

    /// Keeps those keys whose fingerprint is among these, or that have a part whose is.
    pub fn only(mut self, fingerprints: &[String]) -> Keys {
        let is_wanted = |text: String| fingerprints.iter().any(|wish| text.eq_ignore_ascii_case(wish));
        self.keys.retain(|key| {
            let mut parts = key.public_subkeys.iter().map(|part| part.key.fingerprint().to_string());
            is_wanted(key.primary_key.fingerprint().to_string()) || parts.any(is_wanted)
        });
        self
    }

    /// Returns the text of a signed message, if one of the keys has signed it.
    ///
    /// # Errors
    /// It is not signed, or by none of them; the error says by whom.
    pub fn verify(&self, message: &str, now: SystemTime) -> Result<String> {
        if !message.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
            bail!("it is not signed");
        }
        let (message, _) = CleartextSignedMessage::from_string(message).context("its signature is damaged")?;
        let text = message.signed_text();
        let now = seconds(now);
        let mut reasons = Vec::new();
        for signature in message.signatures() {
            let mut is_known = false;
            // It takes time to find out that a part belongs to its key, so those of other keys are left alone.
            let named = self.keys.iter().filter(|key| parts(key).any(|part| is_by(signature, part.key())));
            for signer in named.flat_map(|key| signers(key, now)).filter(|signer| is_by(signature, signer.part.key())) {
                let name = signer.part.key().fingerprint().to_string().to_uppercase();
                is_known = true;
                let fault = signer.fault.or_else(|| fault(signature, now)).or_else(|| {
                    let is_right = signer.part.has_signed(&text, signature);
                    (!is_right).then(|| "the text is another one than the one that was signed".to_owned())
                });
                match fault {
                    None => return Ok(text.replace("\r\n", "\n")),
                    Some(fault) => reasons.push(format!("the signature of {name} is not valid: {fault}")),
                }
            }
            if !is_known {
                reasons.push(format!("{} is none of the keys that are trusted", issuer(signature)));
            }
        }
        reasons.dedup();
        let from = if self.from.is_empty() { "there are none".to_owned() } else { self.from.join(", ") };
        bail!("nobody who is trusted has signed it: {}\nkeys: {from}", reasons.join("; "))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// All parts of a key.
fn parts(key: &SignedPublicKey) -> impl Iterator<Item = Part<'_>> {
    let parts = key.public_subkeys.iter().map(|part| Part::Sub(&part.key));
    parts.chain([Part::Primary(&key.primary_key)])
}

/// The parts of a key that make signatures. Only what its first part has bound to itself is one.
fn signers(key: &SignedPublicKey, now: u64) -> Vec<Signer<'_>> {
    let primary = &key.primary_key;
    let own = key.details.users.iter().flat_map(|user| {
        let is_own = |s: &&Signature| s.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        user.signatures.iter().filter(move |s| s.is_certification()).filter(is_own)
    });
    let direct = key.details.direct_signatures.iter().filter(|s| s.verify_key(primary).is_ok());
    let is_revoked = key.details.revocation_signatures.iter().any(|s| s.verify_key(primary).is_ok());
    // Debian's keys also have one that names who may revoke them, and says nothing of their end.
    let Some(bound) = own.max_by_key(|s| created(s)).or_else(|| direct.max_by_key(|s| created(s))) else {
        return Vec::new();
    };
    let end = |key: &dyn VerifyingKey, bound: &Signature| {
        let life = bound.key_expiration_time().map(|life| u64::from(life.as_secs())).filter(|life| *life > 0);
        let end = life.map(|life| u64::from(key.created_at().as_secs()) + life);
        end.filter(|end| *end < now).map(|end| format!("the key has expired on {}", date::show(end)))
    };
    let fault = if is_revoked { Some("the key was revoked".to_owned()) } else { end(primary, bound) };
    let mut signers = Vec::new();
    for part in &key.public_subkeys {
        let is_binding = |s: &&Signature| {
            let back = s.embedded_signature();
            s.typ() == Some(SignatureType::SubkeyBinding)
                && s.key_flags().sign()
                && s.verify_subkey_binding(primary, &part.key).is_ok()
                // The part must want to belong to it, too.
                && back.is_some_and(|back| back.verify_primary_key_binding(&part.key, primary).is_ok())
        };
        let is_revocation = |s: &Signature| {
            s.typ() == Some(SignatureType::SubkeyRevocation) && s.verify_subkey_binding(primary, &part.key).is_ok()
        };
        let Some(bound) = part.signatures.iter().filter(is_binding).max_by_key(|s| created(s)) else { continue };
        let revoked = part.signatures.iter().any(is_revocation).then(|| "the key was revoked".to_owned());
        let fault = fault.clone().or(revoked).or_else(|| end(&part.key, bound));
        signers.push(Signer { part: Part::Sub(&part.key), fault });
    }
    // Old keys say nothing of their use.
    if bound.key_flags().sign() || bound.key_flags() == Default::default() {
        signers.push(Signer { part: Part::Primary(primary), fault });
    }
    signers
}

fn created(signature: &Signature) -> u64 {
    signature.created().map_or(0, |time| u64::from(time.as_secs()))
}

/// Returns the reason why a signature is none any more, whatever it signs.
fn fault(signature: &Signature, now: u64) -> Option<String> {
    let strong = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    if !signature.hash_alg().is_some_and(|hash| strong.contains(&hash)) {
        return Some("its hash is too weak".to_owned());
    }
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Some("it is none of a text".to_owned());
    }
    let made = created(signature);
    if made > now + SLACK {
        return Some(format!("it is of {}: is this machine's clock right?", date::show(made)));
    }
    let life = signature.signature_expiration_time().map(|life| u64::from(life.as_secs())).filter(|life| *life > 0);
    life.filter(|life| made + life < now).map(|life| format!("it has expired on {}", date::show(made + life)))
}

fn is_by(signature: &Signature, key: &dyn VerifyingKey) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().iter().any(|id| **id == key.legacy_key_id());
    }
    prints.iter().any(|print| **print == key.fingerprint())
}

/// Names the key of a signature.
fn issuer(signature: &Signature) -> String {
    let print = signature.issuer_fingerprint().first().map(|print| print.to_string());
    let id = || signature.issuer_key_id().first().map(|id| id.to_string());
    print.or_else(id).map_or_else(|| "its key".to_owned(), |name| name.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Signing;
    use super::*;

    #[test]
    fn carried_keys_are_those_of_the_releases_and_can_sign() {
        let keys = Keys::carried();
        // Two years after Debian 13, say.
        let now = 1_820_000_000;
        let able = keys.keys.iter().filter(|key| signers(key, now).iter().any(|signer| signer.fault.is_none()));
        assert_eq!((keys.keys.len(), able.count()), (4, 4));
        let expired = keys.keys.iter().flat_map(|key| signers(key, now * 2)).all(|signer| signer.fault.is_some());
        assert!(expired);
    }

    #[test]
    fn only_trusted_keys_and_whole_texts_are_believed() {
        let (own, other) = (Signing::new(), Signing::new());
        let mut keys = Keys::default();
        assert_eq!(keys.add(own.public().as_bytes(), "own.asc"), 1);
        let now = SystemTime::now();
        let signed = own.sign("Suite: x\n- dash\n");
        assert_eq!(keys.verify(&signed, now).unwrap(), "Suite: x\n- dash\n");
        let refused = |message: &str, now: SystemTime| format!("{:#}", keys.verify(message, now).unwrap_err());
        let changed = refused(&signed.replace("Suite: x", "Suite: y"), now);
        assert!(changed.contains("another one than the one that was signed"), "{changed}");
        let foreign = refused(&other.sign("Suite: x\n"), now);
        assert!(foreign.contains("none of the keys that are trusted") && foreign.contains("own.asc"), "{foreign}");
        assert!(refused("Suite: x\n", now).contains("it is not signed"));
        let before = format!("Suite: evil\n{signed}");
        assert!(refused(&before, now).contains("it is not signed"));
        assert!(keys.verify(&format!("{signed}Suite: evil\n"), now).is_err());
        let early = refused(&signed, now - std::time::Duration::from_secs(3 * SLACK));
        assert!(early.contains("clock"), "{early}");
    }

    #[test]
    fn a_key_that_has_expired_vouches_for_nothing() {
        let own = Signing::with_life(Some(1000));
        let mut keys = Keys::default();
        keys.add(own.public().as_bytes(), "own.asc");
        let (now, later) = (SystemTime::now(), SystemTime::now() + std::time::Duration::from_secs(2000));
        let signed = own.sign("Suite: x\n");
        assert!(keys.verify(&signed, now).is_ok());
        let error = format!("{:#}", keys.verify(&signed, later).unwrap_err());
        assert!(error.contains("the key has expired on 2"), "{error}");
    }
}
