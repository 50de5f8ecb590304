//! A C toolchain for each row: the clang and the LLD that zig holds, over a sysroot that a script makes of zig's libraries.
//!
//! The scripts are those of the Nix provider, too. `sysroot.sh` makes the toolchain, which rows with the same target and processor
//! share; `cc.sh` and `ld.sh` are compiler and linker of one row.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use super::part::{Failures, Part, Site, each};
use super::prefix;
use super::sysroot::Sysroot;
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::host::child::{capture, quote};
use crate::host::digest::StableHasher;
use crate::targets::Target;

/// The scripts that make a toolchain: `sysroot.sh`, and the families of targets that it knows.
const RECIPE: [(&str, &str); 10] = [
    ("sysroot.sh", include_str!("../../../data/clang/sysroot.sh")),
    ("elf.sh", include_str!("../../../data/clang/elf.sh")),
    ("freestanding.sh", include_str!("../../../data/clang/freestanding.sh")),
    ("windows.sh", include_str!("../../../data/clang/windows.sh")),
    ("msvc.sh", include_str!("../../../data/clang/msvc.sh")),
    ("msvc.c", include_str!("../../../data/clang/msvc.c")),
    ("wasi.sh", include_str!("../../../data/clang/wasi.sh")),
    ("macos.sh", include_str!("../../../data/clang/macos.sh")),
    ("frameworks.txt", include_str!("../../../data/clang/frameworks.txt")),
    ("libraries.txt", include_str!("../../../data/clang/libraries.txt")),
];

const CC: &str = include_str!("../../../data/clang/cc.sh");
const LD: &str = include_str!("../../../data/clang/ld.sh");
const MT: &str = include_str!("../../../data/clang/mt.sh");
const OPTIONS: &str = include_str!("../../../data/clang/linker-options.txt");

/// Folders of headers in what `xwin splat` makes.
const HEADERS: [&str; 5] =
    ["crt/include", "sdk/include/ucrt", "sdk/include/um", "sdk/include/shared", "sdk/include/winrt"];

/// The C toolchain of one row.
pub struct Clang<'a> {
    cache: &'a Cache,
    target: &'a Target,
    zig_target: String,
}

/// Its programs.
pub struct Programs {
    /// The C compiler, which links, too.
    pub cc: PathBuf,
    /// The C++ compiler.
    pub cxx: PathBuf,
    /// The linker.
    pub ld: PathBuf,
    /// The compiler of C and C++ with the options of Microsoft's, for rows with its ABI.
    pub clang_cl: Option<PathBuf>,
}

/// The toolchain of each row.
pub struct CToolchains;

impl Part for CToolchains {
    fn key(&self) -> String {
        "libc".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        Clang::new(site.cache, row).is_none_or(|clang| clang.folder().exists())
    }

    fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        vec![Box::new(ZIG)]
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        let make = |row: &Target| match Clang::new(site.cache, row) {
            Some(clang) => clang.provide().context("cannot make the C library"),
            None => Ok(()),
        };
        site.events.step("libc", &format!("making the C libraries of {} targets", rows.len()), || {
            Ok(each(rows, |row| Some(Clang::new(site.cache, row)?.name()), make))
        })
    }
}

impl<'a> Clang<'a> {
    /// The toolchain of a row; `None` for a row without a C compiler.
    pub fn new(cache: &'a Cache, target: &'a Target) -> Option<Clang<'a>> {
        Some(Clang { cache, target, zig_target: target.zig_target()? })
    }

    /// The toolchain's folder, by all that it depends on.
    pub fn folder(&self) -> PathBuf {
        self.cache.path(self.name())
    }

    fn name(&self) -> String {
        let mut hasher = StableHasher::default();
        RECIPE.hash(&mut hasher);
        let cpu = self.target.zig_cpu.iter().map(|cpu| format!("-{cpu}")).collect::<String>();
        format!("clang/{}{cpu}-zig-{}-{:08x}", self.zig_target, ZIG.version, hasher.finish() as u32)
    }

    /// The target's `/`, as far as compilers look into it.
    pub fn sysroot(&self) -> PathBuf {
        self.folder().join("sysroot")
    }

    /// Folders with `include` and `lib` that the compiler searches after the sysroot.
    pub fn prefixes(&self) -> Vec<PathBuf> {
        let packages = Sysroot::of_builds(self.target).map(|root| root.prefixes(self.cache)).unwrap_or_default();
        let zlib = self.target.has_libc().then(|| prefix::prefix(self.cache, self.target));
        packages.into_iter().chain(zlib).collect()
    }

    /// Makes the toolchain, if it is not there.
    ///
    /// # Errors
    /// zig cannot compile the target's C library.
    pub fn provide(&self) -> Result<()> {
        self.cache.install(&self.name(), |new| {
            let sh = Shell::new()?;
            let scratch = self.cache.scratch()?;
            for (name, text) in RECIPE {
                sh.write_file(scratch.path().join(name), text)?;
            }
            sh.set_var("ZIG_GLOBAL_CACHE_DIR", self.cache.path("zig-cache"));
            let (script, zig) = (scratch.path().join("sysroot.sh"), ZIG.program(self.cache));
            let (target, cpu) = (&self.zig_target, self.target.zig_cpu.as_deref().unwrap_or_default());
            capture(cmd!(sh, "sh {script} {zig} {target} {cpu} {new}")).map(drop)
        })?;
        Ok(())
    }

    /// Writes compiler and linker of the row.
    ///
    /// # Errors
    /// The cache cannot be written, or the row's SDK is not one.
    pub fn write(&self) -> Result<Programs> {
        if let Some(sdk) = &self.target.sdk {
            for folder in self.library_folders().into_iter().chain([sdk.join(HEADERS[0])]) {
                ensure!(folder.is_dir(), "field `sdk`: there is no {}, which `xwin splat` makes", folder.display());
            }
        }
        let Clang { cache, target, .. } = self;
        let (folder, name) = (self.folder(), &target.name);
        let options = cache.write("bin/linker-options.txt", OPTIONS.as_bytes(), false)?;
        let prefixes: Vec<String> = self.prefixes().iter().map(|prefix| quote(prefix)).collect();
        let libraries = self.library_folders().iter().map(|folder| quote(folder)).collect::<Vec<_>>();
        let (cc, ld) = (format!("bin/{name}-cc"), linker(target));
        let config = cache.write(&format!("rows/{name}/clang.cfg"), self.config(&cache.path(&ld)).as_bytes(), false)?;
        let zig = quote(&ZIG.program(cache));
        let values = [
            ("@ZIG@", zig.clone()),
            ("@ROW@", name.clone()),
            ("@TARGET@", quote(self.zig_target.as_ref())),
            ("@CPU@", quote(target.zig_cpu.as_deref().unwrap_or_default().as_ref())),
            ("@TOOLCHAIN@", quote(&folder)),
            ("@CONFIG@", quote(&config)),
            ("@LD@", quote(&cache.path(&ld))),
            ("@LLD@", quote(&cache.path("bin/rust-lld"))),
            ("@CXX@", quote(&folder.with_file_name(self.name().replace("clang/", "c++-")))),
            ("@OPTIONS@", quote(&options)),
            ("@SDK@", libraries.join(" ")),
            ("@DEBIAN@", target.debian.clone().unwrap_or_default()),
            ("@PREFIXES@", prefixes.join(" ")),
            ("@CACHE@", quote(&cache.path("zig-cache"))),
        ];
        let fill =
            |script: &str| values.iter().fold(script.to_owned(), |text, (mark, value)| text.replace(mark, value));
        let script = |path: &str, text: String| cache.write(path, text.as_bytes(), true);
        if target.is_msvc() {
            // Beside the linker, which looks for it there (ld.sh).
            script(&ld.replace("lld-link", "mt.exe"), MT.to_owned())?;
        }
        let cl = target.is_msvc().then(|| fill(CC).replace("@DRIVER@", "--driver-mode=cl"));
        Ok(Programs {
            clang_cl: cl.map(|text| script(&format!("bin/{name}-clang-cl"), text)).transpose()?,
            ld: script(&ld, fill(LD))?,
            cc: script(&cc, fill(CC).replace("@DRIVER@", ""))?,
            cxx: script(&format!("bin/{name}-c++"), fill(CC).replace("@DRIVER@", "--driver-mode=g++"))?,
        })
    }

    /// Folders with the libraries of Microsoft's ABI, which no sysroot has.
    fn library_folders(&self) -> Vec<PathBuf> {
        match &self.target.sdk {
            None => vec![self.sysroot().join("usr/lib")],
            Some(sdk) => {
                // xwin's names.
                let arch = if self.target.arch() == "i686" { "x86" } else { self.target.arch() };
                ["crt/lib", "sdk/lib/ucrt", "sdk/lib/um"].map(|folder| sdk.join(folder).join(arch)).to_vec()
            }
        }
    }

    /// Options for Microsoft's headers.
    fn options_for(&self, sdk: &Path) -> Vec<String> {
        let resource = self.folder().join("resource");
        let mut words =
            vec![format!("--target={}", self.target.triple), format!("-resource-dir={}", resource.display())];
        for folder in HEADERS {
            words.extend(["-Xclang", "-internal-isystem", "-Xclang"].map(str::to_owned));
            words.push(sdk.join(folder).to_string_lossy().into_owned());
        }
        words
    }

    /// Options of the row: a configuration file of clang's, one a line.
    fn config(&self, ld: &Path) -> String {
        let path = |path: &Path| escape(&path.to_string_lossy());
        let mut lines = match &self.target.sdk {
            None => vec![format!("@{}", path(&self.folder().join("clang.cfg")))],
            Some(sdk) => self.options_for(sdk).iter().map(|word| escape(word)).collect(),
        };
        // clang's driver for Microsoft's ABI has another option for it (cc.sh), and takes fewer when it plays Microsoft's.
        let msvc = self.target.is_msvc();
        lines.extend((!msvc).then(|| format!("--ld-path={}", path(ld))));
        lines.extend(self.target.cflags.iter().map(|flag| escape(flag)));
        let words = |prefix: &PathBuf| ["-idirafter".to_owned(), path(&prefix.join("include"))];
        let words = self.prefixes().iter().flat_map(words).collect::<Vec<_>>();
        let by_driver = |word: String| if msvc { vec!["-Xclang".to_owned(), word] } else { vec![word] };
        lines.extend(words.into_iter().flat_map(by_driver));
        lines.join("\n") + "\n"
    }

    /// Returns what `libclang` needs to see the same headers, for bindgen: the toolchain's own options, without those of which it knows better
    /// or nothing.
    ///
    /// # Errors
    /// The toolchain is not there.
    pub fn libclang(&self) -> Result<Vec<String>> {
        let folder = self.folder();
        let own = match &self.target.sdk {
            Some(sdk) => self.options_for(sdk),
            None => {
                let config = folder.join("clang.cfg");
                let text =
                    std::fs::read_to_string(&config).with_context(|| format!("cannot read {}", config.display()))?;
                text.lines().map(|line| line.replace("<CFGDIR>", &folder.to_string_lossy())).collect()
            }
        };
        let known_better = ["-resource-dir", "--rtlib", "--unwindlib"];
        let mut flags = own;
        flags.retain(|word| !known_better.iter().any(|option| word.starts_with(option)));
        flags.extend(self.target.cflags.iter().cloned());
        // Last, for a libclang that has headers of its own needs those; the one that pip installs has none.
        let after = self.prefixes().into_iter().chain([folder.join("resource")]).map(|p| p.join("include"));
        flags.extend(after.flat_map(|folder| ["-idirafter".to_owned(), folder.to_string_lossy().into_owned()]));
        Ok(flags)
    }
}

/// Returns the place of a row's linker in the cache. For Microsoft's ABI clang looks for one of this name.
pub fn linker(target: &Target) -> String {
    let name = &target.name;
    if target.is_msvc() { format!("rows/{name}/bin/lld-link") } else { format!("bin/{name}-ld") }
}

/// A word of a configuration file, whose quoting is a shell's.
fn escape(word: &str) -> String {
    word.chars().flat_map(|c| [Some('\\').filter(|_| " \t'\"\\#".contains(c)), Some(c)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;
    use crate::targets::Table;

    /// Compiler and linker of a row, over programs that only say how they were called.
    fn filled(folder: &Path, target: &str, zig: &str) -> (PathBuf, PathBuf) {
        let cache = Cache::at(folder);
        let table = Table::built_in().unwrap();
        let clang = Clang::new(&cache, table.find(target).unwrap()).unwrap();
        let real = ZIG.program(&cache);
        crate::cache::write_whole(&real, zig.as_bytes(), true).unwrap();
        let programs = clang.write().unwrap();
        (programs.cc, cache.path(format!("bin/{target}-ld")))
    }

    fn run(program: &Path, args: &[&str]) -> Output {
        Command::new(program).args(args).output().unwrap()
    }

    const PRINTS: &str = "#!/bin/sh\nprintf '%s ' \"$@\"\n";

    /// Returns what clang would get after its configuration file.
    fn passed_on(target: &str, args: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (cc, _) = filled(folder.path(), target, PRINTS);
        let output = run(&cc, args);
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        text.split_once("clang.cfg ").map_or(text.as_str(), |(_, rest)| rest).trim().to_owned()
    }

    #[test]
    fn the_target_and_the_processor_are_those_of_the_row() {
        let row = "aarch64-linux";
        for args in
            ["--target=x -c a.c", "-target x -c a.c", "-c a.c -march=native", "-mcpu=native -c -mtune=native a.c"]
        {
            assert_eq!(passed_on(row, &args.split(' ').collect::<Vec<_>>()), "-c a.c", "{args}");
        }
        assert_eq!(passed_on(row, &["-march=armv8-a+crc", "a b.c", "-Wp,-DX"]), "-march=armv8-a+crc a b.c -Wp,-DX");
    }

    #[test]
    fn start_files_that_rustc_names_are_those_of_the_sysroot() {
        let start =
            ["-nostartfiles", "rcrt1.o", "crti.o", "crtbeginS.o", "/r/self-contained/x.o", "-L/r/self-contained"];
        let line = [&start[..], &["-static-pie", "mycrt1.obj", "-nodefaultlibs", "crtendS.o", "crtn.o"]].concat();
        assert_eq!(passed_on("x86_64-linux-musl", &line), "-static-pie mycrt1.obj -nodefaultlibs");
        // Who brings start files of another name means them.
        assert_eq!(
            passed_on("x86_64-linux-musl", &["-nostartfiles", "-static", "start.o"]),
            "-nostartfiles -static start.o"
        );
    }

    #[test]
    fn programs_for_musl_are_static_and_nothing_else_is_called_so() {
        let row = "x86_64-linux-musl";
        assert_eq!(passed_on(row, &["a.c"]), "-static-pie a.c");
        assert_eq!(passed_on(row, &["-no-pie", "a.c"]), "-static -no-pie a.c");
        assert_eq!(passed_on(row, &["-static-libgcc", "a.c"]), "-static-pie -static-libgcc a.c");
        // clang would link libc.so after it.
        assert_eq!(passed_on(row, &["-static-libstdc++", "a.c"]), "-static-pie a.c");
        for args in [&["-c", "a.c"][..], &["-shared", "a.o"], &["-static", "a.o"], &["-r", "a.o"]] {
            assert_eq!(passed_on(row, args), args.join(" "));
        }
        assert_eq!(passed_on(row, &["-dynamic", "-pie", "a.o", "-nodefaultlibs"]), "-pie a.o -nodefaultlibs");
        // What rustc says with -crt-static, also where its line was too long.
        let refused = "cross-flake: `-crt-static` asks for a program that needs musl's loader";
        assert!(passed_on(row, &["-pie", "a.o", "-nodefaultlibs"]).starts_with(refused));
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = format!("@{}", file.path().display());
        std::fs::write(file.path(), "-pie\na.o\n-nodefaultlibs\n").unwrap();
        assert!(passed_on(row, &[&line]).starts_with(refused));
        std::fs::write(file.path(), "-static-pie\nrcrt1.o\n\"a b.o\"\n-nostartfiles\n").unwrap();
        assert_eq!(passed_on(row, &[&line]), "-static-pie a b.o");
    }

    /// Refuses one option, as LLD does, and prints what it takes.
    const LLD: &str = "#!/bin/sh\nfor a do case $a in --bad*|-I*) echo \"ld.lld: error: unknown argument '$a'\" >&2; exit 1 ;; esac; done\nprintf '%s ' \"$@\"\n";

    #[test]
    fn a_shared_library_that_needs_a_later_glibc_is_explained() {
        let zig = "#!/bin/sh\nfor version in 2.4 2.34 2.33; do\n\
                   echo \"ld.lld: error: undefined reference: stat@GLIBC_$version\" >&2\ndone\nexit 1\n";
        let folder = tempfile::tempdir().unwrap();
        let (_, ld) = filled(folder.path(), "aarch64-linux", zig);
        let output = run(&ld, &["x.o"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("a shared library needs glibc 2.34, this row promises 2.28") && !output.status.success(),
            "{said}"
        );
    }

    #[test]
    fn an_option_that_the_linker_does_not_know_is_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let (_, ld) = filled(folder.path(), "riscv64-linux-musl", LLD);
        let options = folder.path().join("bin/linker-options.txt");
        let table =
            "--bad-value drop VALUE x\n--bad-new replace --new x\n--bad drop - x\n--bad-no refuse - because of this\n";
        std::fs::write(&options, format!("{OPTIONS}{table}")).unwrap();
        let line = |args: &[&str]| {
            let output = run(&ld, args);
            let text = String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
            text.split(" -L").next().unwrap().to_owned()
        };
        assert_eq!(line(&["a b.o", "-Idir x"]), "ld.lld a b.o --dynamic-linker=dir x");
        assert_eq!(line(&["--bad", "a.o"]), "ld.lld a.o");
        assert_eq!(line(&["--bad-value", "5", "a.o"]), "ld.lld a.o");
        assert_eq!(line(&["--bad-new=5", "a.o"]), "ld.lld --new=5 a.o");
        assert!(
            line(&["--bad-no", "a.o"])
                .contains("option --bad-no cannot be had for riscv64-linux-musl: because of this")
        );
        assert!(line(&["--bad-other=x"]).contains("option --bad-other=x is unknown to LLD"));
    }

    #[test]
    fn the_table_of_options_is_well_formed() {
        let mut names = Vec::new();
        for line in OPTIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(words.len() > 3 && words[0].starts_with('-'), "{line}");
            let with_fits = match words[1] {
                "drop" => ["-", "VALUE"].contains(&words[2]),
                "replace" => words[2].starts_with('-') && words[2].len() > 1,
                "refuse" => words[2] == "-",
                _ => false,
            };
            assert!(with_fits, "{line}");
            assert!(!names.contains(&words[0]), "{line}");
            names.push(words[0]);
        }
    }

    #[test]
    fn a_path_with_spaces_is_a_word_of_a_configuration_file() {
        assert_eq!(escape("/a b/it's \\ #1"), "/a\\ b/it\\'s\\ \\\\\\ \\#1");
    }
}
