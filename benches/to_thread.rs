//! A call that runs on another thread while the loop goes on. An iteration is one round trip.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::{threads, tokio};
use criterion::{Criterion, criterion_group, criterion_main};

type Program = fn(u64) -> Duration;

fn to_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("to_thread");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(500));
    let contenders: [(&str, Program); 3] = [
        ("corobin", contenders::corobin::to_thread),
        ("tokio", tokio::to_thread),
        ("threads", threads::to_thread),
    ];
    for (name, program) in contenders {
        group.bench_function(name, |b| b.iter_custom(program));
    }
    group.finish();
}

criterion_group!(benches, to_thread);
criterion_main!(benches);
