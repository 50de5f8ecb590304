//! The scripts and files that make zig and the emulators look like the tools that builds expect.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};

use super::clang::{self, Clang, Programs};
use super::programs::text;
use super::rust_std;
use super::sysroot::Sysroot;
use super::wheels::ZIG;
use super::{host_cc, prefix};
use crate::cache::Cache;
use crate::environment::{Environment, Values, runners, variables};
use crate::host::child::{clean_command, quote, which};
use crate::host::digest::StableHasher;
use crate::provider::toolchain;
use crate::targets::{Go, Target};
use crate::workspace::Toolchain;
use cross_flake_runner::{self as runner, RunnerKind, RunnerSpec};

/// Starts Go programs in node.
const GO_WASM: &str = include_str!("../../../data/go-wasm.cjs");

/// Compiles resources for Windows.
const WINDRES: &str = include_str!("../../../data/clang/windres.sh");

/// Answers what Apple's xcrun is asked.
const XCRUN: &str = include_str!("../../../data/clang/xcrun.sh");

/// A copy of cross-flake in the cache, under whose other names programs of a target are started.
const RUNNER: &str = "cross-flake-runner";

/// Writes the scripts.
pub struct Wrappers {
    cache: Cache,
    bin: PathBuf,
    toolchain: Toolchain,
}

impl Wrappers {
    /// The scripts that all rows share.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn new(cache: &Cache, toolchain: &Toolchain) -> Result<Wrappers> {
        let wrappers = Wrappers { cache: cache.clone(), bin: cache.path("bin"), toolchain: toolchain.clone() };
        let zig = quote(&ZIG.program(cache));
        for tool in ["ar", "ranlib", "dlltool"] {
            wrappers.script(&format!("zig-{tool}"), &format!("exec {zig} {tool} \"$@\"\n"))?;
        }
        // Those of Microsoft's tools that crates ask for by LLVM's names.
        let zig_cache = quote(&cache.path("zig-cache"));
        wrappers.script("llvm-lib", &format!("exec {zig} lib \"$@\"\n"))?;
        let caches = format!("ZIG_GLOBAL_CACHE_DIR={zig_cache} ZIG_LOCAL_CACHE_DIR={zig_cache}");
        wrappers.script("llvm-rc", &format!("{caches} exec {zig} rc /:auto-includes gnu \"$@\"\n"))?;
        // The names under which rustc looks for a dlltool.
        for arch in ["x86_64", "i686", "aarch64"] {
            wrappers.script(&format!("{arch}-w64-mingw32-dlltool"), &format!("exec {zig} dlltool \"$@\"\n"))?;
        }
        // Those under which crates look for windres, and for the ar that goes with it.
        let windres = WINDRES.replace("@ZIG@", &zig).replace("@CACHE@", &quote(&cache.path("zig-cache")));
        for prefix in ["x86_64-w64-mingw32-", "i686-w64-mingw32-", "aarch64-w64-mingw32-", "llvm-", ""] {
            cache.write(&format!("bin/{prefix}windres"), windres.as_bytes(), true)?;
            if prefix.ends_with("mingw32-") {
                wrappers.script(&format!("{prefix}ar"), &format!("exec {zig} ar \"$@\"\n"))?;
            }
        }
        if let Some(lld) = wrappers.rust_program("rust-lld") {
            wrappers.start_llvm("rust-lld", &lld)?;
        }
        // `cargo cross-flake clean` and a rebuild of cross-flake must not take the runner away from an open shell.
        let own = std::env::current_exe().context("cannot find this program itself")?;
        let copy = wrappers.bin.join(RUNNER);
        if !same_file(&own, &copy) {
            let content = std::fs::read(&own).with_context(|| format!("cannot read {}", own.display()))?;
            crate::cache::write_whole(&copy, &content, true)?;
            let time = std::fs::metadata(&own).and_then(|m| m.modified()).context("cannot read a time")?;
            std::fs::File::options()
                .append(true)
                .open(&copy)
                .and_then(|f| f.set_modified(time))
                .context("cannot set a time")?;
        }
        Ok(wrappers)
    }

    /// The copy of this program in the cache.
    pub fn program(&self) -> PathBuf {
        self.bin.join(RUNNER)
    }

    /// The folder of the scripts.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    fn script(&self, name: &str, body: &str) -> Result<PathBuf> {
        self.cache.write(&format!("bin/{name}"), format!("#!/bin/sh\n{body}").as_bytes(), true)
    }

    /// One of LLVM's programs that the toolchain has beside rustc. `None` if it has not.
    fn rust_program(&self, name: &str) -> Option<PathBuf> {
        let Toolchain { sysroot, host, .. } = &self.toolchain;
        Some(sysroot.join("lib/rustlib").join(host).join("bin").join(name)).filter(|program| program.exists())
    }

    /// rust-objcopy, which is llvm-objcopy, llvm-strip and more, for every format and machine.
    fn llvm(&self) -> Option<PathBuf> {
        self.rust_program("rust-objcopy")
    }

    /// A script that starts one of LLVM's programs. It looks for libLLVM in a folder beside its own (`RUNPATH` is
    /// `$ORIGIN/../lib`), where a minimal toolchain has none, so it is told where rustc's is.
    fn start_llvm(&self, name: &str, program: &Path) -> Result<PathBuf> {
        let libraries = quote(&self.toolchain.sysroot.join("lib"));
        self.script(name, &format!("LD_LIBRARY_PATH={libraries} exec {} \"$@\"\n", quote(program)))
    }

    /// Writes the program that copies and strips.
    fn objcopy(&self) -> Result<Option<PathBuf>> {
        self.llvm().map(|program| self.start_llvm("rust-objcopy", &program)).transpose()
    }

    /// Writes the program that changes the names by which a Mach-O file knows libraries: the same program, which goes by its own name.
    fn install_name_tool(&self) -> Result<Option<PathBuf>> {
        let Some(program) = self.llvm() else { return Ok(None) };
        let name = self.cache.path("tools/llvm-install-name-tool");
        std::fs::create_dir_all(self.cache.path("tools")).context("cannot write the cache")?;
        toolchain::link(&program, &name).context("cannot write the cache")?;
        self.start_llvm("install-name-tool", &name).map(Some)
    }

    /// Puts what a row's builds need into its environment.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn write(&self, target: &Target, environment: &mut Environment) -> Result<()> {
        let mut values = variables::of_row(target);
        let mut flags = target.rustflags.clone();
        values.set_if("rustdocflags", (!flags.is_empty()).then(|| flags.join(" ")));
        // cargo knows the target by name only; this makes it build everything again when the specification changes.
        flags.extend(target.spec.as_deref().map(|spec| format!("-Cmetadata={}", rust_std::spec_key(spec))));
        values.set_if("rustflags", (!flags.is_empty()).then(|| flags.join(" ")));
        if let Some(runner) = &environment.runner {
            let spec = serde_json::to_vec_pretty(runner)?;
            self.cache.write(&format!("{}/{}.json", cross_flake_runner::SPECS, target.name), &spec, false)?;
            let program = self.bin.join(format!("{}{}", runner::PREFIX, target.name));
            toolchain::link(Path::new(RUNNER), &program).context("cannot write the cache")?;
            values.set("runner", text(&program));
            if let Some(go) = &target.go {
                environment.path.push(self.go_exec(target, go, runner, &program)?);
            }
        }
        if let Some(clang) = Clang::new(&self.cache, target) {
            self.tools(&clang, target, &mut values)?;
            if target.is_macos() {
                let folder = format!("rows/{}/bin", target.name);
                let script = XCRUN.replace("@SYSROOT@", &quote(&clang.sysroot()));
                self.cache.write(&format!("{folder}/xcrun"), script.as_bytes(), true)?;
                environment.path.push(self.cache.path(&folder));
            }
            if target.has_libc() {
                self.libraries(&clang, target, &mut values)?;
            }
        }
        variables::set(environment, target, &values);
        Ok(())
    }

    /// Says which programs builds start.
    fn tools(&self, clang: &Clang<'_>, target: &Target, values: &mut Values) -> Result<()> {
        let Programs { cc, cxx, ld, clang_cl } = clang.write()?;
        let (ar, ranlib) = (self.bin.join("zig-ar"), self.bin.join("zig-ranlib"));
        if let Some(clang_cl) = clang_cl {
            values.set("clang-cl", text(&clang_cl));
            values.set("lld-link", text(&ld));
            values.set("link-flags", "/MANIFEST:NO");
            values.set("lib", text(&self.bin.join("llvm-lib")));
            values.set("rc", text(&self.bin.join("llvm-rc")));
        }
        for (name, tool) in [("cc", cc), ("cxx", cxx), ("ld", ld), ("ar", ar), ("ranlib", ranlib)] {
            values.set(name, text(&tool));
        }
        values.set("linker-flavor", "lld");
        if target.is_windows() {
            values.set("windres", text(&self.bin.join(format!("{}-w64-mingw32-windres", target.arch()))));
        }
        if let Some(objcopy) = self.objcopy()? {
            let strip = self.script("rust-strip", &format!("exec {} --strip-all \"$@\"\n", quote(&objcopy)))?;
            values.set("objcopy", text(&objcopy));
            values.set("strip", text(&strip));
        }
        if target.is_macos() {
            values.set_if("install-name-tool", self.install_name_tool()?.map(|tool| text(&tool)));
        }
        let host = host_cc::write(&self.cache, &self.toolchain)?;
        for (name, tool) in [
            ("host-cc", "cc"),
            ("host-cxx", "c++"),
            ("host-ar", "ar"),
            ("host-ranlib", "ranlib"),
            ("pkg-config", "pkg-config"),
        ] {
            let found = which(tool).or_else(|| Some(host.as_ref()?.join(tool)).filter(|tool| tool.exists()));
            values.set_if(name, found.map(|tool| text(&tool)));
        }
        values.set("host-pkg-config-libdir", host_descriptions());
        Ok(())
    }

    /// Says where builds find the row's libraries, and writes the files by which CMake and Meson learn of it.
    fn libraries(&self, clang: &Clang<'_>, target: &Target, values: &mut Values) -> Result<()> {
        let prefix = prefix::prefix(&self.cache, target);
        let packages = Sysroot::of_builds(target);
        let mut descriptions = packages.as_ref().map(|root| root.pkg_config(&self.cache)).unwrap_or_default();
        descriptions.push(prefix.join("lib/pkgconfig"));
        let descriptions = std::env::join_paths(&descriptions).context("a directory with a colon in its name")?;
        values.set("pkg-config-libdir", descriptions.to_string_lossy());
        let view = packages.as_ref().map(|root| root.view(&self.cache));
        let roots: Vec<String> = view.iter().chain([&clang.sysroot(), &prefix]).map(|root| text(root)).collect();
        values.set("roots", roots.join(";"));
        values.set("prefixes", text(&prefix));
        values.set_if("multiarch", packages.and_then(|root| root.multiarch(&self.cache)));
        values.set("libclang", shell_words::join(clang.libclang()?));
        let write = |name: &str, content: String| -> Result<String> {
            let file = format!("rows/{}/{name}", target.name);
            Ok(text(&self.cache.write(&file, content.as_bytes(), false)?))
        };
        let cmake = write("toolchain.cmake", variables::cmake(values))?;
        let host_cmake = write("host.cmake", variables::host_cmake(values))?;
        let meson = write("cross.meson", variables::meson(values))?;
        values.set("cmake", cmake);
        values.set("host-cmake", host_cmake);
        values.set("meson", meson);
        Ok(())
    }

    /// Returns what differs between two C toolchains of a row of which objects are not the same: their scripts and options, which name the
    /// compiler by its version, the processor, the oldest glibc and folders of libraries.
    pub fn key(&self, target: &Target) -> String {
        let name = &target.name;
        let files = [format!("bin/{name}-cc"), format!("bin/{name}-c++"), clang::linker(target)];
        let mut hasher = StableHasher::default();
        for file in files.iter().chain([&format!("rows/{name}/clang.cfg")]) {
            std::fs::read(self.cache.path(file)).ok().hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    /// Writes the program by which the Go toolchain starts what it built, in a directory of the row alone: rows that differ in their C
    /// library have the same name in Go.
    fn go_exec(&self, target: &Target, go: &Go, runner: &RunnerSpec, program: &Path) -> Result<PathBuf> {
        let mut values = Values::default();
        values.set_if("program", runner.command.first());
        if runner.kind == RunnerKind::Node {
            values.set("go-script", text(&self.cache.write("runners/go-wasm.cjs", GO_WASM.as_bytes(), false)?));
        }
        let start = match runners::go(runner.kind, &values).as_slice() {
            [] => quote(program),
            words => shell_words::join(words),
        };
        let folder = format!("rows/{}/bin", target.name);
        let script = format!("#!/bin/sh\nexec {start} \"$@\"\n");
        self.cache.write(&format!("{folder}/{}", go.exec()), script.as_bytes(), true)?;
        Ok(self.cache.path(&folder))
    }
}

/// Returns the directories in which the host's pkg-config looks of its own accord; empty if there is none.
fn host_descriptions() -> &'static str {
    static FOUND: LazyLock<String> = LazyLock::new(|| {
        let mut command = clean_command("pkg-config");
        let output = command.args(["--variable", "pc_path", "pkg-config"]).output();
        let output = output.ok().filter(|output| output.status.success());
        output.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    &FOUND
}

/// Same length and time, as `write_whole` and `set_modified` leave them.
fn same_file(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) else { return false };
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}
