//! Alone in its process, since it measures that.

use corobin::{run, spawn};

#[test]
fn a_small_address_space_is_enough_for_a_small_run() {
    // One main stack is one mapping of that size, not many.
    let before = mapped();
    let inside = run(|| spawn(mapped).join().unwrap());
    assert!(inside - before < 32 << 20, "{} bytes", inside - before);
}

fn mapped() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
