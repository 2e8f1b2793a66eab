//! What several test programs share.
#![allow(dead_code, reason = "each takes only what it needs")]

pub mod chrome;
pub mod chromium;
pub mod model;
pub mod temp_dir;
