//! The wishes of a plan's parts for lists of packages.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use super::archive::Archive;
use crate::provider::Reason;

/// The wishes of all parts, and the archive that has the lists for them.
#[derive(Default)]
pub struct Wanted {
    /// The suites whose lists are wished for.
    pub(super) suites: Mutex<BTreeSet<String>>,
    /// The archive, once it was asked for. A failure stays one for the whole run.
    pub(super) archive: OnceLock<Result<Archive, Reason>>,
}
