//! A tree of coroutines, each of which starts ten and adds up their answers. An iteration is one
//! tree; each contender gets as many leaves as it can carry.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::skynet::{calls, corobin, may, threads, tokio};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

type Program = fn(usize) -> Duration;

fn skynet(c: &mut Criterion) {
    let contenders: [(&str, usize, Program); 5] = [
        ("corobin", 1_000_000, corobin::skynet),
        ("tokio", 1_000_000, tokio::skynet),
        ("calls", 1_000_000, calls::skynet),
        ("may", 10_000, may::skynet),
        ("threads", 1_000, threads::skynet),
    ];
    for (name, leaves, program) in contenders {
        let mut group = c.benchmark_group(format!("skynet/{leaves}"));
        group.throughput(Throughput::Elements(leaves as u64));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(50));
        group.measurement_time(Duration::from_millis(300));
        group.bench_function(name, |b| {
            b.iter_custom(|trees| (0..trees).map(|_| program(leaves)).sum());
        });
        group.finish();
    }
}

criterion_group!(benches, skynet);
criterion_main!(benches);
