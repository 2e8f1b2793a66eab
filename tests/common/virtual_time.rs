//! Runs under virtual time.
#![allow(dead_code, reason = "not every file uses all of it")]

use std::time::Duration;

use corobin::Runtime;

pub fn virtual_runtime() -> Runtime {
    Runtime::builder().virtual_time(true).build().unwrap()
}

pub fn in_virtual_time<T>(f: impl FnOnce() -> T) -> T {
    virtual_runtime().run(f)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
