//! What several tests share; none uses all of it.
#![allow(dead_code)]

pub mod chrome;
pub mod chromium;
pub mod folder;
