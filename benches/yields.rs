//! One yield: a coroutine leaves, the next in FIFO order runs. An iteration is one round of all.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

#[cfg(target_arch = "x86_64")]
use contenders::floor;
use contenders::{by_age, may, raw, threads, tokio};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

type Program = fn(&[usize], u64) -> Duration;

fn yields(c: &mut Criterion) {
    let everywhere: [(&str, Program); 3] = [
        ("corobin", contenders::corobin::yields),
        ("raw", raw::yields),
        ("tokio", tokio::yields),
    ];
    for n in [1, 100, 1_000, 10_000, 100_000, 1_000_000] {
        let mut group = c.benchmark_group(format!("yield/{n}"));
        group.throughput(Throughput::Elements(n as u64));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        // Nothing of the preparation is timed, but it is waited for: a crowd gets few iterations.
        let span = if n < 100_000 { 300 } else { 50 };
        group.warm_up_time(Duration::from_millis(span / 3));
        group.measurement_time(Duration::from_millis(span));
        let mut contenders = everywhere.to_vec();
        if n <= may::MOST_COROUTINES {
            contenders.push(("may", |order, rounds| may::yields(order.len(), rounds)));
        }
        #[cfg(target_arch = "x86_64")]
        if n > 1 {
            contenders.push(("bare", |order, rounds| floor::switches(order.len(), rounds)));
        }
        if (2..=1_000).contains(&n) {
            contenders.push(("threads", |order, rounds| {
                threads::token_ring(order.len(), rounds)
            }));
        }
        let order = by_age(n);
        for (name, program) in contenders {
            group.bench_function(name, |b| b.iter_custom(|rounds| program(&order, rounds)));
        }
        group.finish();
    }
}

criterion_group!(benches, yields);
criterion_main!(benches);
