//! Releases: programs that were tested, packed so that everybody gets the same bytes, with what is known of them beside.
//!
//! A [`release::Release`] is made in these steps:
//!
//! 1. [`Origin`] says which commit is packed, and refuses what is of none.
//! 2. [`contents`] finds what goes with the programs, before anything is built.
//! 3. [`reproducible`] takes out of the build what belongs to one machine alone.
//! 4. [`archive`] packs, [`smoke`] starts what was packed, and [`manifest`] tells of both.

pub mod archive;
pub mod contents;
pub mod difference;
pub mod manifest;
pub mod origin;
pub mod release;
pub mod reproducible;
pub mod smoke;

pub use origin::Origin;
