//! Rows whose programs need no emulator here.

use std::path::Path;

use crate::targets::Target;

/// Returns true if the host itself runs the row's programs: its kernel takes them and their loader is there.
pub fn is_native(target: &Target) -> bool {
    let arch = match (target.arch(), std::env::consts::ARCH) {
        (target, host) if target == host => true,
        // Where the kernel has IA-32 emulation it runs static programs of 32 bits, too.
        ("i586" | "i686", "x86_64") => target.interpreter.is_none() && kernel_runs_i686(),
        _ => false,
    };
    arch && !target.always_emulated && target.is_linux() && target.interpreter.as_deref().is_none_or(Path::exists)
}

/// Returns true if the kernel takes 32-bit x86 programs. vDSO for them is what it shows of CONFIG_IA32_EMULATION.
fn kernel_runs_i686() -> bool {
    Path::new("/proc/sys/abi/vsyscall32").exists()
}
