//! Helpers that several test files share.
#![allow(dead_code, reason = "no test file uses all of them")]

use std::env;

use corobin::{IoBackend, Runtime, RuntimeBuilder};

/// Set by `.ci/run`: what a test needs of the machine must be there.
pub const STRICT: &str = "COROBIN_TESTS_STRICT";

/// Says that a test is skipped for want of something; fails where that may not be.
pub fn skip(why: &str) {
    assert!(env::var_os(STRICT).is_none(), "{why}");
    println!("skipped: {why}");
}

/// The backends that this kernel has.
pub fn backends() -> Vec<IoBackend> {
    let mut backends = vec![IoBackend::Poll];
    match Runtime::builder().io_backend(IoBackend::IoUring).build() {
        Ok(_) => backends.push(IoBackend::IoUring),
        // Not for want of something that could be installed.
        Err(error) => println!("skipped: {error}"),
    }
    backends
}

/// Runs `f` on every backend, with more options.
pub fn on_each_with(options: impl Fn(RuntimeBuilder) -> RuntimeBuilder, f: impl Fn()) {
    for backend in backends() {
        let builder = options(Runtime::builder().io_backend(backend));
        println!("on {backend:?}");
        builder.build().unwrap().run(&f);
    }
}

/// Runs `f` on every backend.
pub fn on_each(f: impl Fn()) {
    on_each_with(|builder| builder, f);
}

/// How many descriptors this process has open.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
