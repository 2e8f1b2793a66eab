//! Two that wake each other in turn by park and unpark. An iteration is one round trip.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::{may, threads, tokio};
use criterion::{Criterion, criterion_group, criterion_main};

type Program = fn(u64) -> Duration;

fn ping_pong(c: &mut Criterion) {
    let mut group = c.benchmark_group("ping_pong");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(500));
    let contenders: [(&str, Program); 4] = [
        ("corobin", contenders::corobin::ping_pong),
        ("tokio", tokio::ping_pong),
        ("may", may::ping_pong),
        ("threads", threads::ping_pong),
    ];
    for (name, program) in contenders {
        group.bench_function(name, |b| b.iter_custom(program));
    }
    group.finish();
}

criterion_group!(benches, ping_pong);
criterion_main!(benches);
