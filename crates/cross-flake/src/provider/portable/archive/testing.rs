//! Archives for the tests: made, signed and served by the test itself.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lzma_rust2::{CheckType, XzOptions, XzWriter};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, Tag, Timestamp};
use rand::thread_rng;

use super::fetch::sha256;

/// A key that signs.
pub struct Signing {
    key: SignedSecretKey,
    public: SignedPublicKey,
}

impl Signing {
    pub fn new() -> Signing {
        Signing::with_life(None)
    }

    /// A key that expires so many seconds after it is made.
    pub fn with_life(seconds: Option<u32>) -> Signing {
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("t <t@t.example>".into());
        let key = params.build().unwrap().generate(thread_rng()).unwrap();
        let mut public = SignedPublicKey::from(key.clone());
        if let Some(seconds) = seconds {
            let mut config =
                SignatureConfig::from_key(thread_rng(), &key.primary_key, SignatureType::CertPositive).unwrap();
            let mut flags = KeyFlags::default();
            flags.set_sign(true);
            config.hashed_subpackets = [
                SubpacketData::SignatureCreationTime(Timestamp::now()),
                SubpacketData::IssuerFingerprint(key.fingerprint()),
                SubpacketData::KeyFlags(flags),
                SubpacketData::KeyExpirationTime(Duration::from_secs(seconds)),
            ]
            .map(|data| Subpacket::regular(data).unwrap())
            .to_vec();
            let user = &mut public.details.users[0];
            let signed = config.sign_certification(
                &key.primary_key,
                &public.primary_key,
                &Password::empty(),
                Tag::UserId,
                &user.id,
            );
            user.signatures = vec![signed.unwrap()];
        }
        Signing { key, public }
    }

    pub fn public(&self) -> String {
        self.public.to_armored_string(ArmorOptions::default()).unwrap()
    }

    pub fn sign(&self, text: &str) -> String {
        let message =
            CleartextSignedMessage::sign(thread_rng(), text, &self.key.primary_key, &Password::empty()).unwrap();
        message.to_armored_string(ArmorOptions::default()).unwrap()
    }
}

/// A member of a package.
pub enum Member<'a> {
    Dir(&'a str),
    File(&'a str, &'a [u8], u32),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Device(&'a str),
}

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let (path, kind, content, mode, link): (&str, _, &[u8], _, _) = match *member {
            Member::Dir(path) => (path, tar::EntryType::Directory, &[], 0o755, ""),
            Member::File(path, content, mode) => (path, tar::EntryType::Regular, content, mode, ""),
            Member::Link(path, to) => (path, tar::EntryType::Symlink, &[], 0o777, to),
            Member::Hard(path, to) => (path, tar::EntryType::Link, &[], 0o644, to),
            Member::Device(path) => (path, tar::EntryType::Block, &[], 0o644, ""),
        };
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        // The crate itself writes no path that leads out.
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Compresses bytes, in blocks of so many of them.
pub fn xz(bytes: &[u8], block: Option<u64>) -> Vec<u8> {
    let mut options = XzOptions::with_preset(1);
    options.set_check_sum_type(CheckType::Crc64);
    options.set_block_size(block.and_then(NonZeroU64::new));
    let mut writer = XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Puts members into an `ar` archive. Gives where each begins.
fn ar(members: &[(&str, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut begins) = (b"!<arch>\n".to_vec(), Vec::new());
    for (name, bytes) in members {
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, bytes.len()).unwrap();
        begins.push(out.len());
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    (out, begins)
}

/// A package; `compression` is the end of its data's name.
pub fn deb(control: &str, members: &[Member<'_>], compression: &str) -> Vec<u8> {
    let data = tar(members);
    let (name, data) = match compression {
        "xz" => ("data.tar.xz", xz(&data, None)),
        "gz" => ("data.tar.gz", gz(&data)),
        "zst" => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ("data.tar.zst", ruzstd::encoding::compress_to_vec(&data[..], level))
        }
        _ => ("data.tar", data),
    };
    let control = gz(&tar(&[Member::File("./control", control.as_bytes(), 0o644)]));
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), (name, &data)]).0
}

/// A package whose data is compressed in blocks of so many bytes, and where each block begins and ends.
pub fn in_blocks(members: &[Member<'_>], size: u64) -> (Vec<u8>, Vec<(usize, usize)>) {
    let data = xz(&tar(members), Some(size));
    // The index at the end lists the blocks (The .xz File Format, 4).
    let backward = u32::from_le_bytes(data[data.len() - 8..data.len() - 4].try_into().unwrap());
    let index = &data[data.len() - 12 - (backward as usize + 1) * 4..];
    let mut at = 1;
    let mut number = || {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = index[at];
            at += 1;
            value |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return value;
            }
        }
    };
    let count = number();
    let lengths: Vec<usize> = (0..count).map(|_| (number().next_multiple_of(4), number()).0).collect();
    let (deb, begins) = ar(&[("debian-binary", b"2.0\n"), ("data.tar.xz", &data)]);
    let mut begin = begins[1] + 12;
    let block = |length: usize| {
        begin += length;
        (begin - length, begin)
    };
    (deb, lengths.into_iter().map(block).collect())
}

/// An answer before it is sent.
pub struct Answer {
    pub path: String,
    pub body: Vec<u8>,
}

/// A server of files.
pub struct Server {
    root: tempfile::TempDir,
    address: String,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one; `change` may spoil an answer. It lives as long as the test's process.
    pub fn start(mut change: impl FnMut(&mut Answer) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let root = tempfile::tempdir().unwrap();
        let (asked, files): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), root.path().to_owned());
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who goes away before the end is not the server's matter.
                let _ = answer(stream, &files, &heard, &mut change);
            }
        });
        Server { root, address, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &Path,
    heard: &Mutex<Vec<String>>,
    change: &mut impl FnMut(&mut Answer),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let path =
        lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().trim_start_matches('/').to_owned();
    heard.lock().unwrap().push(path.clone());
    let Ok(body) = fs::read(files.join(&path)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let range = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let (status, body) = match range.as_deref().and_then(|range| range.split_once('-')) {
        Some((first, last)) => {
            let last: usize = last.parse().unwrap();
            ("206 Partial Content", body[first.parse().unwrap()..body.len().min(last + 1)].to_vec())
        }
        None => ("200 OK", body),
    };
    let length = body.len();
    let mut answer = Answer { path, body };
    change(&mut answer);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&answer.body)
}

/// A package of an archive: the component and architecture of its list, its fields, its file.
struct Listed {
    component: &'static str,
    arch: &'static str,
    paragraph: String,
}

/// An archive that is made by a test.
pub struct Repository {
    pub server: Server,
    pub signing: Signing,
    listed: Vec<Listed>,
}

impl Repository {
    pub fn new(change: impl FnMut(&mut Answer) + Send + 'static) -> Repository {
        Repository { server: Server::start(change), signing: Signing::new(), listed: Vec::new() }
    }

    /// Adds a package with these fields and members.
    pub fn add(
        &mut self,
        component: &'static str,
        arch: &'static str,
        name: &str,
        fields: &str,
        members: &[Member<'_>],
        compression: &str,
    ) {
        let control = format!("Package: {name}\nVersion: 1\nArchitecture: {arch}\n{fields}");
        let bytes = deb(&control, members, compression);
        let file = format!("pool/{name}_1_{arch}.deb");
        self.server.write(&file, &bytes);
        let (size, hash) = (bytes.len(), sha256(&bytes));
        let paragraph = format!("{control}Filename: {file}\nSize: {size}\nSHA256: {hash}\n\n");
        self.listed.push(Listed { component, arch, paragraph });
    }

    /// Writes the lists and the signed release of a suite.
    pub fn publish(&self, suite: &str, date: &str, more: &str) {
        self.publish_by(&self.signing, suite, date, more);
    }

    pub fn publish_by(&self, signing: &Signing, suite: &str, date: &str, more: &str) {
        let mut release =
            format!("Suite: {suite}\nCodename: {suite}\nDate: {date}\nAcquire-By-Hash: yes\n{more}SHA256:\n");
        let mut lists: Vec<(&str, &str)> = self.listed.iter().map(|one| (one.component, one.arch)).collect();
        lists.sort_unstable();
        lists.dedup();
        for (component, arch) in lists {
            let of_list = self.listed.iter().filter(|one| one.component == component && one.arch == arch);
            let list = xz(of_list.map(|one| one.paragraph.as_str()).collect::<String>().as_bytes(), None);
            let (dir, hash) = (format!("{component}/binary-{arch}"), sha256(&list));
            writeln!(release, " {hash} {} {dir}/Packages.xz", list.len()).unwrap();
            self.server.write(&format!("dists/{suite}/{dir}/by-hash/SHA256/{hash}"), &list);
        }
        self.server.write(&format!("dists/{suite}/InRelease"), signing.sign(&release).as_bytes());
    }
}
