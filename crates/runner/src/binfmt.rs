//! Formats of programs as the kernel's binfmt_misc takes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use cross_flake_inspect::{Endian, MachineRow};

/// Returns the first bytes of a file, as many as a format is told by.
pub(super) fn head_of(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // A file that cannot be read matches nothing.
    let _ = File::open(path).and_then(|file| file.take(128).read_to_end(&mut head));
    head
}

/// A format of executable files and the program that interprets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BinfmtEntry {
    /// Name of the entry in `/proc/sys/fs/binfmt_misc`.
    name: String,
    /// The first bytes of such a file.
    magic: Vec<u8>,
    /// The bits of `magic` that count.
    mask: Vec<u8>,
    /// Absolute path of the program.
    pub(super) interpreter: PathBuf,
    /// The kernel's letters: `F` opens the interpreter once and for all, `P` hands over `argv[0]`.
    flags: String,
}

/// Returns the entries of a runner's document, less those of this very machine: it would run itself.
pub(super) fn entries(interpreters: &BTreeMap<String, PathBuf>) -> anyhow::Result<Vec<BinfmtEntry>> {
    let own = head_of(Path::new("/proc/self/exe"));
    let entries = interpreters.iter().map(|(format, interpreter)| BinfmtEntry::new(format, interpreter));
    let entries = entries.collect::<anyhow::Result<Vec<_>>>().context("the runner's document")?;
    Ok(entries.into_iter().filter(|entry| !entry.matches(&own)).collect())
}

impl BinfmtEntry {
    /// Returns the entry of a format by the name that [`RunnerSpec::binfmt`] has for it.
    pub(super) fn new(format: &str, interpreter: &Path) -> anyhow::Result<Self> {
        match (format, format.strip_prefix("qemu-")) {
            ("windows", _) => Ok(Self::plain(format, b"MZ", interpreter)),
            // Modules and components alike.
            ("wasm", _) => Ok(Self::plain(format, b"\0asm", interpreter)),
            (_, Some(arch)) => Self::elf(arch, interpreter),
            _ => Err(anyhow!("`{format}` is no format of programs: qemu-<architecture>, windows and wasm are")),
        }
    }

    /// Returns the entry for Linux programs of an architecture by qemu's name for it.
    ///
    /// A qemu that is a program gets the flags `PF`: opened once, so that it is found from a chroot too, and told the
    /// program's own `argv[0]` (qemu 6.0 and later understand). A wrapper script gets none.
    pub(super) fn elf(qemu_arch: &str, interpreter: &Path) -> anyhow::Result<Self> {
        let row = MachineRow::of_qemu(qemu_arch);
        let row = row.with_context(|| format!("qemu has no architecture `{qemu_arch}`"))?;
        let half = |value: u16| match row.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        // EI_CLASS and EI_DATA of glibc's elf.h.
        let class = if row.pointer_width == 64 { 2 } else { 1 };
        let data = if row.endian == Endian::Little { 1 } else { 2 };
        // e_ident: the magic, class, data and version count. Of EI_OSABI anything but System V (0) and GNU (3) is
        // another system's; the mask leaves 0 to 3. The rest is padding, in which AppImage keeps a mark.
        let ident = [0x7f, b'E', b'L', b'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let ident_mask = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut head = [0; 4];
        let program =
            File::open(interpreter).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF";
        Ok(Self {
            name: format!("qemu-{qemu_arch}"),
            // e_type: ET_EXEC (2) and ET_DYN (3) differ in the last bit.
            magic: [&ident[..], &half(2), &half(row.elf)].concat(),
            mask: [&ident_mask[..], &half(0xfffe), &half(0xffff)].concat(),
            interpreter: interpreter.into(),
            flags: if program { "PF".into() } else { String::new() },
        })
    }

    pub(super) fn plain(name: &str, magic: &[u8], interpreter: &Path) -> Self {
        let mask = vec![0xff; magic.len()];
        Self { name: name.into(), magic: magic.into(), mask, interpreter: interpreter.into(), flags: String::new() }
    }

    /// Returns true if the interpreter is told the program's own `argv[0]`.
    pub(super) fn keeps_name(&self) -> bool {
        self.flags.contains('P')
    }

    pub(super) fn matches(&self, head: &[u8]) -> bool {
        head.len() >= self.magic.len()
            && iter::zip(head, iter::zip(&self.magic, &self.mask))
                .all(|(byte, (magic, mask))| (byte ^ magic) & mask == 0)
    }

    /// Returns the line that registers the entry. The kernel's limits: 1920 bytes in all, and the magic within the first
    /// 128 bytes of a file (binfmt-misc.rst; the code of 6.18 allows 256). The 127 characters that
    /// the same page allows an interpreter are no limit in the code: 1000 work on 6.18.
    pub(super) fn register_line(&self) -> anyhow::Result<Vec<u8>> {
        let name = &self.name;
        let interpreter = self.interpreter.as_os_str().as_bytes();
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(anyhow!("`{name}` cannot name a binfmt entry"));
        }
        if self.magic.len() != self.mask.len() || self.magic.is_empty() || self.magic.len() > 128 {
            return Err(anyhow!("binfmt entry {name}: magic and mask must be 1 to 128 bytes and equally long"));
        }
        if !self.interpreter.is_absolute() {
            return Err(anyhow!("binfmt entry {name}: {} is not an absolute path", self.interpreter.display()));
        }
        // The first byte of the line is the separator, so any will do that occurs nowhere else.
        let taken = |mark: &u8| name.as_bytes().contains(mark) || interpreter.contains(mark);
        let mark = *b":|,;!@".iter().find(|mark| !taken(mark)).context("no separator is left for a binfmt entry")?;
        let escaped = |bytes: &[u8]| {
            let bytes = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
            bytes.collect::<String>().into_bytes()
        };
        let (magic, mask) = (escaped(&self.magic), escaped(&self.mask));
        let (name, flags) = (name.as_bytes(), self.flags.as_bytes());
        let line = [b"", name, b"M", b"0", &magic, &mask, interpreter, flags].join(&mark);
        if line.len() > 1920 {
            return Err(anyhow!("binfmt entry {} is longer than 1920 bytes", self.name));
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn this_test_matches_the_entry_of_its_own_machine_only() {
        let own = head_of(&env::current_exe().unwrap());
        let matching: Vec<_> = cross_flake_inspect::MACHINES
            .iter()
            .filter(|row| !row.qemu.is_empty())
            .map(|row| (row.qemu, BinfmtEntry::elf(row.qemu, Path::new("/qemu")).unwrap()))
            .filter(|(_, entry)| entry.matches(&own))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(matching, [env::consts::ARCH]);
        assert!(BinfmtEntry::new("windows", Path::new("/wine")).unwrap().matches(b"MZ\x90\0"));
        assert!(!BinfmtEntry::new("wasm", Path::new("/wasmtime")).unwrap().matches(b"\0as"));
    }

    #[test]
    fn a_register_line_is_what_the_kernel_reads() {
        let entry = BinfmtEntry::new("qemu-s390x", Path::new("/opt/a:b/qemu")).unwrap();
        let line = String::from_utf8(entry.register_line().unwrap()).unwrap();
        let magic = r"\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\xfc\x00\x00\x00\x00\x00\x00\x00\x00\xff\xfe\xff\xff";
        assert_eq!(line, format!("|qemu-s390x|M|0|{magic}|{mask}|/opt/a:b/qemu|"));
        assert!(BinfmtEntry::plain("long", &[7; 129], Path::new("/x")).register_line().is_err());
        assert!(BinfmtEntry::plain("a/b", b"MZ", Path::new("/x")).register_line().is_err());
        for unknown in ["qemu-z80", "amiga"] {
            assert!(
                BinfmtEntry::new(unknown, Path::new("/x"))
                    .unwrap_err()
                    .to_string()
                    .contains(unknown.trim_start_matches("qemu-"))
            );
        }
    }
}
