//! Channels, `select!` and locks. An iteration is one round trip, item, lock or hand-over; for the
//! event, one wake-up of all.

#[path = "contenders/mod.rs"]
mod contenders;

use std::time::Duration;

use contenders::sync::{corobin, may, threads, tokio};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

type Program = fn(u64) -> Duration;

const WAITERS: usize = 10_000;

fn sync(c: &mut Criterion) {
    let ping_pong: [(&str, Program); 4] = [
        ("corobin", corobin::ping_pong),
        ("tokio", tokio::ping_pong),
        ("may", may::ping_pong),
        ("threads", threads::ping_pong),
    ];
    let stream: [(&str, Program); 4] = [
        ("corobin", corobin::stream),
        ("tokio", tokio::stream),
        ("may", may::stream),
        ("threads", threads::stream),
    ];
    let lock: [(&str, Program); 4] = [
        ("corobin", corobin::lock),
        ("tokio", tokio::lock),
        ("may", may::lock),
        ("threads", threads::lock),
    ];
    let contended: [(&str, Program); 2] = [
        ("corobin", corobin::contended_lock),
        ("tokio", tokio::contended_lock),
    ];
    let select: [(&str, Program); 3] = [
        ("corobin", corobin::select_ready),
        ("corobin, a plain recv", corobin::recv_ready),
        ("tokio", tokio::select_ready),
    ];
    let event: [(&str, Program); 2] = [
        ("corobin", |rounds| corobin::event(WAITERS, rounds)),
        ("tokio", |rounds| tokio::event(WAITERS, rounds)),
    ];
    measure(c, "channel/ping_pong", 1, &ping_pong);
    measure(c, "channel/stream", 1, &stream);
    measure(c, "lock/alone", 1, &lock);
    measure(c, "lock/handed_over", 1, &contended);
    measure(c, "select/two_ready", 1, &select);
    measure(c, "event/10000", WAITERS as u64, &event);
}

fn measure(c: &mut Criterion, name: &str, elements: u64, contenders: &[(&str, Program)]) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(elements));
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(300));
    for (name, program) in contenders {
        group.bench_function(*name, |b| b.iter_custom(program));
    }
    group.finish();
}

criterion_group!(benches, sync);
criterion_main!(benches);
