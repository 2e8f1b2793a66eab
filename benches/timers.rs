//! Many sleepers with random deadlines within 100 ms. The time shown is the CPU time of the whole
//! process, from when all stand before their `sleep` until all are joined: an iteration is one
//! crowd, and most of its 100 ms the thread is asleep.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::{SleepCost, random_deadlines, threads, tokio};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const SPAN: Duration = Duration::from_millis(100);

type Program = fn(&[Duration]) -> SleepCost;

fn timers(c: &mut Criterion) {
    for n in [1_000, 10_000, 200_000] {
        let deadlines = random_deadlines(n, SPAN);
        let mut group = c.benchmark_group(format!("timers/{n}"));
        group.throughput(Throughput::Elements(n as u64));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        // CPU time again, so it buys many times as much time on the clock.
        group.warm_up_time(Duration::from_millis(1));
        group.measurement_time(Duration::from_millis(20));
        let mut contenders: Vec<(&str, Program)> = vec![
            ("corobin", contenders::corobin::sleepers),
            ("tokio", tokio::sleepers),
        ];
        if n <= 1_000 {
            contenders.push(("threads", threads::sleepers));
        }
        for (name, program) in contenders {
            group.bench_function(name, |b| {
                b.iter_custom(|crowds| (0..crowds).map(|_| program(&deadlines).sleeping).sum());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, timers);
criterion_main!(benches);
