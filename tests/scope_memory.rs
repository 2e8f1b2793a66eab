//! One scope may take children for years: what a finished child used is free at once.
//! Alone in its file, since it measures the memory of the whole process.

use corobin::{run, scope, yield_now};

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn smoke() {
    run(|| scope(|s| s.spawn(|| 1).join().unwrap()));
    assert_ne!(resident_bytes(), 0);
}

#[test]
fn finished_children_give_their_memory_back_at_once() {
    run(|| {
        scope(|s| {
            let mut grown = 0;
            let mut settled = None;
            for round in 0..400 {
                for _ in 0..500 {
                    s.spawn(yield_now);
                }
                yield_now();
                yield_now();
                yield_now();
                if round < 20 {
                    continue;
                }
                let now = resident_bytes();
                grown = now.saturating_sub(*settled.get_or_insert(now));
            }
            assert!(
                grown < 16 << 20,
                "grew by {grown} bytes over 190 000 children"
            );
        });
    });
}
