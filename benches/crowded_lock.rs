//! A crowd that queues for one lock, held while the others run. An iteration is one lock for each
//! of the crowd.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::crowded_lock::{corobin, may, threads, tokio};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

type Program = fn(usize, u64) -> Duration;

fn crowded_lock(c: &mut Criterion) {
    let contenders: [(&str, Program); 4] = [
        ("corobin", corobin::crowded_lock),
        ("tokio", tokio::crowded_lock),
        ("may", may::crowded_lock),
        ("threads", threads::crowded_lock),
    ];
    for crowd in [2, 100] {
        let mut group = c.benchmark_group(format!("lock/{crowd}_wait"));
        group.throughput(Throughput::Elements(crowd as u64));
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(100));
        group.measurement_time(Duration::from_millis(300));
        for (name, program) in contenders {
            group.bench_function(name, |b| b.iter_custom(|each| program(crowd, each)));
        }
        group.finish();
    }
}

criterion_group!(benches, crowded_lock);
criterion_main!(benches);
