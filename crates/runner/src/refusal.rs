//! The reasons for which a namespace is refused, in plain words.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::status_mask;

/// The steps of the way into the namespace. The numbers are those of [`Refusal::pack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Unshare = 1,
    Map,
    Mount,
    Register,
    Done,
}

/// The step at which the way into the namespace ended, the error, and the number of the entry that could not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) Step, pub(super) Errno, pub(super) u8);

impl Refusal {
    pub(super) fn at(step: Step) -> impl Fn(Errno) -> Self {
        move |errno| Self(step, errno, 0)
    }

    /// Packs it into the one number that a `pre_exec` hook may return: step and entry stand above the twelve bits that
    /// Linux uses for its own (MAX_ERRNO is 4095, linux/err.h).
    pub(super) fn pack(self) -> io::Error {
        let Self(step, errno, entry) = self;
        io::Error::from_raw_os_error(errno as i32 | (step as i32) << 12 | i32::from(entry) << 16)
    }

    pub(super) fn unpack(error: &io::Error) -> Option<Self> {
        use Step::*;
        let code = error.raw_os_error()?;
        let steps = [Unshare, Map, Mount, Register, Done];
        let step = steps.into_iter().find(|step| *step as i32 == code >> 12 & 0xf)?;
        Some(Self(step, Errno::from_raw(code & 0xfff), (code >> 16) as u8))
    }
}

/// The facts by which a refusal is explained: the kernel's release, whether a seccomp filter is on, and a reader of numbers
/// below /proc/sys.
pub(super) struct Facts<'a>(pub(super) &'a str, pub(super) bool, pub(super) &'a dyn Fn(&str) -> Option<u64>);

pub(super) fn explain(refusal: Refusal) -> String {
    let text = |path: &str| fs::read_to_string(Path::new("/proc/sys").join(path)).ok();
    let number = |path: &str| text(path)?.trim().parse().ok();
    let release = text("kernel/osrelease").unwrap_or_default();
    explain_from(refusal, Facts(release.trim(), status_mask("Seccomp") == 2, &number))
}

/// Returns the reason: the first row that holds.
pub(super) fn explain_from(Refusal(step, errno, _): Refusal, Facts(release, seccomp, number): Facts) -> String {
    use Step::*;
    let denied = matches!(errno, Errno::EPERM | Errno::EACCES);
    let absent = matches!(errno, Errno::ENODEV | Errno::ENOENT);
    let mut version = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    // Linux 6.7 gave every user namespace a binfmt_misc of its own.
    let old = (version.next().unwrap_or(0), version.next().unwrap_or(0)) < (6, 7);
    let set_to = |path, value| number(path) == Some(value);
    let apparmor = "kernel/apparmor_restrict_unprivileged_userns";
    let reasons = [
        (set_to("user/max_user_namespaces", 0), "user namespaces are off: user.max_user_namespaces is 0"),
        (step == Unshare && errno == Errno::ENOSPC, "no more user namespaces: see user.max_user_namespaces"),
        (
            denied && set_to("kernel/unprivileged_userns_clone", 0),
            "user namespaces are for root only: kernel.unprivileged_userns_clone is 0",
        ),
        (step == Mount && old, "binfmt_misc cannot be private before Linux 6.7"),
        (step == Mount && absent, "this kernel has no binfmt_misc, or has not loaded the module"),
        (
            denied && step != Register && set_to(apparmor, 1),
            "AppArmor restricts user namespaces: kernel.apparmor_restrict_unprivileged_userns is 1",
        ),
        (step == Unshare && denied && seccomp, "a seccomp filter forbids user namespaces, as containers do"),
        (step == Unshare && denied, "user namespaces are forbidden, as the kernel does in a chroot"),
        (step == Unshare, "no user namespace could be made"),
        (step == Map, "the ids of the user namespace could not be mapped"),
        (step == Mount, "binfmt_misc could not be mounted"),
    ];
    let reason = reasons.into_iter().find(|(holds, _)| *holds);
    let reason = reason.map_or("an emulator could not be registered", |(_, reason)| reason);
    format!("{reason} (Linux {release}, {})", errno.desc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_explained_in_plain_words() {
        let new = "6.18.44-x";
        let (clone, armor) = ("kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns");
        for (step, errno, release, seccomp, sysctl, word) in [
            (Step::Mount, Errno::EPERM, "6.1.0-13-amd64", false, ("", 0), "before Linux 6.7"),
            (Step::Mount, Errno::ENODEV, new, false, ("", 0), "no binfmt_misc"),
            (Step::Mount, Errno::EACCES, new, false, (armor, 1), "AppArmor"),
            (Step::Unshare, Errno::ENOSPC, new, false, ("user/max_user_namespaces", 0), "are off"),
            (Step::Unshare, Errno::EPERM, new, false, (clone, 0), "for root only"),
            (Step::Unshare, Errno::EPERM, new, true, (armor, 0), "seccomp"),
            (Step::Register, Errno::ENOENT, new, true, (armor, 1), "emulator"),
        ] {
            let number = |path: &str| (path == sysctl.0).then_some(sysctl.1);
            let text = explain_from(Refusal(step, errno, 0), Facts(release, seccomp, &number));
            assert!(text.contains(word), "{text}");
        }
        let refusal = Refusal(Step::Register, Errno::ENOENT, 200);
        assert_eq!(Refusal::unpack(&refusal.pack()), Some(refusal));
        assert_eq!(Refusal::unpack(&Errno::ENOENT.into()), None);
    }
}
