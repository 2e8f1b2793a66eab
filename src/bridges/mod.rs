//! Bridges to other crates, each behind a feature with the name of its crate.

#[cfg(feature = "ureq")]
pub mod ureq;
