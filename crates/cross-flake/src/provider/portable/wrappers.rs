//! The scripts and files that make zig and the emulators look like the tools that builds expect.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::build_systems::{self, Tools};
use super::clang::{Clang, Programs};
use super::sysroot::Sysroot;
use super::wheels::ZIG;
use super::zlib;
use crate::cache::Cache;
use crate::environment::Environment;
use crate::host::child::which;
use crate::provider::toolchain;
use crate::targets::{Go, Linker, Target};
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

    /// What copies and strips.
    fn objcopy(&self) -> Result<Option<PathBuf>> {
        self.llvm().map(|program| self.start_llvm("rust-objcopy", &program)).transpose()
    }

    /// What changes the names by which a Mach-O file knows libraries: the same program, which goes by its own name.
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
        let (upper, lower) = (target.upper(), target.lower());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (scoped, shell) = (&mut environment.scoped, &mut environment.shell);
        shell.insert("CARGO_BUILD_TARGET".into(), target.triple.clone());

        let mut runner_program = None;
        if let Some(runner) = &environment.runner {
            // By name and not by path: cargo splits the variable at spaces.
            let name = format!("{}{}", runner::PREFIX, target.name);
            let spec = serde_json::to_vec_pretty(runner)?;
            self.cache.write(&format!("{}/{}.json", cross_flake_runner::SPECS, target.name), &spec, false)?;
            let program = self.bin.join(&name);
            toolchain::link(Path::new(RUNNER), &program).context("cannot write the cache")?;
            scoped.insert(format!("CARGO_TARGET_{upper}_RUNNER"), name);
            shell.insert("CROSSCOMPILING_EMULATOR".into(), text(&program));
            if let Some(go) = &target.go {
                environment.path.push(self.go_exec(target, go, runner, &program)?);
            }
            runner_program = Some(program);
        }
        if let Some(go) = &target.go {
            shell.extend(go.variables().into_iter().map(|(name, value)| (name.to_owned(), value)));
        }

        let Some(clang) = Clang::new(&self.cache, target) else { return Ok(()) };
        let Programs { cc, cxx, ld } = clang.write()?;
        let (ar, ranlib) = (self.bin.join("zig-ar"), self.bin.join("zig-ranlib"));
        for (name, tool) in [("CC", &cc), ("CXX", &cxx), ("AR", &ar), ("RANLIB", &ranlib)] {
            scoped.insert(format!("{name}_{lower}"), text(tool));
            shell.insert(name.into(), text(tool));
        }
        if let Some(floor) = target.macos_floor() {
            // zig has it in the target's name; maturin, setuptools and rustc ask for it by this.
            shell.insert("MACOSX_DEPLOYMENT_TARGET".into(), floor.to_owned());
        }
        let mut windres = None;
        if target.is_windows() {
            // The crate embed-resource asks for RC, winresource and autoconf for WINDRES, CMake for either.
            let program = self.bin.join(format!("{}-w64-mingw32-windres", target.arch()));
            scoped.insert(format!("RC_{lower}"), text(&program));
            shell.extend([("RC".into(), text(&program)), ("WINDRES".into(), text(&program))]);
            windres = Some(program);
        }
        if target.is_macos() {
            let folder = format!("rows/{}/bin", target.name);
            let script = XCRUN.replace("@SYSROOT@", &quote(&clang.sysroot()));
            self.cache.write(&format!("{folder}/xcrun"), script.as_bytes(), true)?;
            environment.path.push(self.cache.path(&folder));
        }
        if target.is_linux() {
            // Properties of .NET's Native AOT: MSBuild takes them from the environment.
            shell.insert("CppCompilerAndLinker".into(), text(&cc));
            shell.insert("LinkerFlavor".into(), "lld".into());
        }
        let linker = match target.linker {
            Linker::Cc => Some(&cc),
            Linker::Ld => Some(&ld),
            Linker::RustLld => None,
        };
        scoped.extend(linker.map(|linker| (format!("CARGO_TARGET_{upper}_LINKER"), text(linker))));
        let mut strip_program = None;
        if let Some(objcopy) = self.objcopy()? {
            let strip = self.script("rust-strip", &format!("exec {} --strip-all \"$@\"\n", quote(&objcopy)))?;
            shell.insert("OBJCOPY".into(), text(&objcopy));
            shell.insert("STRIP".into(), text(&strip));
            strip_program = Some(strip);
            if target.is_linux() {
                shell.insert("ObjCopyName".into(), text(&objcopy));
            }
        }
        for (name, tool) in [("CC", "cc"), ("CXX", "c++"), ("AR", "ar")] {
            if let Some(path) = which(tool) {
                // cc's name for the build machine's compiler is HOST_*, autoconf's is *_FOR_BUILD.
                shell.insert(format!("HOST_{name}"), text(&path));
                shell.insert(format!("{name}_FOR_BUILD"), text(&path));
            }
        }

        if target.has_libc() {
            let prefix = zlib::prefix(&self.cache, target);
            let mut roots = vec![clang.sysroot(), prefix.clone()];
            scoped.insert(format!("BINDGEN_EXTRA_CLANG_ARGS_{lower}"), shell_words::join(clang.libclang()?));
            scoped.insert(format!("PKG_CONFIG_ALLOW_CROSS_{lower}"), "1".into());
            // LIBDIR replaces the machine's own list, so that no library of the build machine is found.
            let packages = Sysroot::of_builds(target);
            let mut descriptions = packages.as_ref().map(|root| root.pkg_config(&self.cache)).unwrap_or_default();
            descriptions.push(prefix.join("lib/pkgconfig"));
            roots.splice(0..0, packages.as_ref().map(|root| root.view(&self.cache)));
            let folders = std::env::join_paths(&descriptions).context("a folder with a colon in its name")?;
            let folders = folders.to_string_lossy().into_owned();
            scoped.insert(format!("PKG_CONFIG_LIBDIR_{lower}"), folders.clone());
            shell.insert("PKG_CONFIG_LIBDIR".into(), folders);
            let pkg_config = which("pkg-config");
            let install_name_tool = if target.is_macos() { self.install_name_tool()? } else { None };
            let tools = Tools {
                cc: &cc,
                cxx: &cxx,
                ar: &ar,
                ranlib: &ranlib,
                strip: strip_program.as_deref(),
                install_name_tool: install_name_tool.as_deref(),
                windres: windres.as_deref(),
                pkg_config: pkg_config.as_deref(),
                prefix: &prefix,
                roots: &roots,
                descriptions: &descriptions,
                multiarch: packages.and_then(|root| root.multiarch(&self.cache)),
                runner: runner_program.as_deref(),
            };
            let folder = format!("rows/{}", target.name);
            let file = build_systems::cmake(target, &tools);
            let file = self.cache.write(&format!("{folder}/toolchain.cmake"), file.as_bytes(), false)?;
            scoped.insert(format!("CMAKE_TOOLCHAIN_FILE_{lower}"), text(&file));
            shell.insert("CMAKE_TOOLCHAIN_FILE".into(), text(&file));
            let file = build_systems::meson(target, &tools);
            let file = self.cache.write(&format!("{folder}/cross.meson"), file.as_bytes(), false)?;
            shell.insert("MESON_CROSS_FILE".into(), text(&file));
        }
        Ok(())
    }

    /// What differs between two C toolchains of a row of which objects are not the same: their scripts and options, which name the
    /// compiler by its version, the processor, the oldest glibc and folders of libraries.
    pub fn key(&self, target: &Target) -> String {
        let name = &target.name;
        let files = ["cc", "c++", "ld"].map(|tool| format!("bin/{name}-{tool}"));
        let mut hasher = DefaultHasher::new();
        for file in files.iter().chain([&format!("rows/{name}/clang.cfg")]) {
            std::fs::read(self.cache.path(file)).ok().hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    /// The program by which the Go toolchain starts what it built, in a folder of the row alone: rows that differ in their C
    /// library have the same name in Go.
    fn go_exec(&self, target: &Target, go: &Go, runner: &RunnerSpec, program: &Path) -> Result<PathBuf> {
        let start = if runner.kind == RunnerKind::Node {
            let script = self.cache.write("runners/go-wasm.cjs", GO_WASM.as_bytes(), false)?;
            // The stack that Go's own go_js_wasm_exec asks for.
            format!("{} --stack-size=8192 {}", quote(Path::new(&runner.command[0])), quote(&script))
        } else {
            quote(program)
        };
        let folder = format!("rows/{}/bin", target.name);
        let script = format!("#!/bin/sh\nexec {start} \"$@\"\n");
        self.cache.write(&format!("{folder}/{}", go.exec()), script.as_bytes(), true)?;
        Ok(self.cache.path(&folder))
    }
}

/// A path as one word of a POSIX shell.
pub fn quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Same length and time, as `write_whole` and `set_modified` leave them.
fn same_file(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) else { return false };
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}
