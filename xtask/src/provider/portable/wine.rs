//! wine, from the machine or from the distribution's packages.

use anyhow::{Result, bail};

use super::emulators::Bundle;
use crate::cache::Cache;
use crate::runner::RunnerSpec;

/// What has to be fetched.
pub fn bundles() -> Vec<Bundle> {
    Vec::new()
}

/// Completes the spec of a Windows row.
pub fn runner(_cache: &Cache, _spec: &mut RunnerSpec) -> Result<()> {
    bail!("wine is not here yet")
}
