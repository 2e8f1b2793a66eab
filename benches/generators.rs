//! Numbers that take some 10 ns each to compute, taken one by one. An iteration is one number.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::generators::{corobin, iterator, raw, thread};
use criterion::{Criterion, criterion_group, criterion_main};

type Program = fn(u64) -> Duration;

fn generators(c: &mut Criterion) {
    let contenders: [(&str, Program); 5] = [
        ("corobin", corobin),
        ("iterator", iterator),
        ("raw", raw),
        ("thread_lazy", |items| thread(items, 0)),
        ("thread_64_ahead", |items| thread(items, 64)),
    ];
    let mut group = c.benchmark_group("generator");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(300));
    for (name, program) in contenders {
        group.bench_function(name, |b| b.iter_custom(program));
    }
    group.finish();
}

criterion_group!(benches, generators);
criterion_main!(benches);
