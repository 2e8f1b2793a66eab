//! A hundred that send to one, and one that sends to a hundred. An iteration is one item for each
//! of the hundred.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::fan::{corobin, may, threads, tokio, vec_deque};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CROWD: usize = 100;

type Program = fn(usize, u64) -> Duration;

fn fan(c: &mut Criterion) {
    let limit: (&str, Program) = ("vec_deque", |n, each| vec_deque(n as u64 * each));
    let fan_in: [(&str, Program); 5] = [
        ("corobin", corobin::fan_in),
        ("tokio", tokio::fan_in),
        ("may", may::fan_in),
        ("threads", threads::fan_in),
        limit,
    ];
    let fan_out: [(&str, Program); 5] = [
        ("corobin", corobin::fan_out),
        ("tokio", tokio::fan_out),
        ("may", may::fan_out),
        ("threads", threads::fan_out),
        limit,
    ];
    for (topic, contenders) in [("fan_in", fan_in), ("fan_out", fan_out)] {
        let mut group = c.benchmark_group(format!("{topic}/{CROWD}"));
        group.throughput(Throughput::Elements(CROWD as u64));
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(100));
        group.measurement_time(Duration::from_millis(300));
        for (name, program) in contenders {
            group.bench_function(name, |b| b.iter_custom(|each| program(CROWD, each)));
        }
        group.finish();
    }
}

criterion_group!(benches, fan);
criterion_main!(benches);
