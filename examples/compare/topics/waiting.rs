//! Those that wait for the world outside.

use std::rc::Rc;
use std::time::Duration;

use super::{Scale, each, per_nano};
use crate::children;
use crate::contenders::{SleepCost, corobin, random_deadlines, threads, tokio};
use crate::outside::{event_loops, go};
use crate::rounds::Contender;
use crate::rows::Row;

type Sleepers = fn(&[Duration]) -> SleepCost;

/// On stacks and in memory that an earlier crowd has used.
pub fn sleepers(scale: Scale) -> Vec<Row> {
    const SPAN: Duration = Duration::from_secs(1);
    let most = if scale.quick { 10_000 } else { 200_000 };
    let crowd = |name: &str, n: usize, part: fn(&SleepCost) -> Duration, f: Sleepers| {
        let deadlines = Rc::new(random_deadlines(n, SPAN));
        let name = format!("{name}, {n}");
        Contender::new(name, move || per_nano(part(&f(&deadlines)), n as u64))
    };
    let row = |what: &str, part: fn(&SleepCost) -> Duration| {
        let contenders = vec![
            crowd("corobin", most, part, corobin::sleepers),
            crowd("tokio", most, part, tokio::sleepers).at_most(0.5),
            crowd("OS threads", 2_000, part, threads::sleepers),
        ];
        Row::new(what, "CPU ns each", contenders)
    };
    let mut whole = row("spawn, sleep, join", |cost| cost.whole);
    let n = most as u64;
    let goroutines = go(&format!("goroutines, {n}"), "sleepers", n, 1);
    let loops = event_loops(", 10000", "sleepers", 10_000, 1);
    whole.contenders.extend(goroutines.into_iter().chain(loops));
    vec![whole, row("sleep, join", |cost| cost.sleeping)]
}

pub fn to_thread(scale: Scale) -> Vec<Row> {
    let calls = |name: &str, times: u64, f: fn(u64) -> Duration| each(name, scale.times(times), f);
    let contenders = vec![
        calls("corobin to_thread", 20_000, corobin::to_thread),
        calls("tokio spawn_blocking", 20_000, tokio::to_thread),
        calls("a new OS thread", 2_000, threads::to_thread),
    ];
    vec![Row::new("to_thread and back", "ns", contenders)]
}

pub fn idle(_scale: Scale) -> Vec<Row> {
    let contenders = vec![
        Contender::new("corobin", || children::idle("corobin")),
        Contender::new("tokio", || children::idle("tokio")),
    ];
    vec![Row::new("asleep for 1 s", "CPU µs", contenders)]
}
