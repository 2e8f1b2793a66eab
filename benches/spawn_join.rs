//! Spawn and join of an empty body. An iteration is one batch of 1 000.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::{calls, may, raw, threads, tokio};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const BATCH: usize = 1_000;

type Program = fn(usize, u64) -> Duration;

fn spawn_join(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn_join");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(800));
    let contenders: [(&str, Program); 6] = [
        ("corobin", contenders::corobin::spawn_join),
        ("boxed calls", calls::spawn_join),
        ("raw", raw::spawn_join),
        ("tokio", tokio::spawn_join),
        ("may", may::spawn_join),
        ("threads", threads::spawn_join),
    ];
    for (name, program) in contenders {
        group.bench_function(name, |b| b.iter_custom(|batches| program(BATCH, batches)));
    }
    group.finish();
}

criterion_group!(benches, spawn_join);
criterion_main!(benches);
