//! What is compared, with the numbers that are wanted.

use std::rc::Rc;
use std::time::Duration;

use crate::children::{self, Stages};
use crate::contenders::{
    self, SleepCost, by_age, corobin, may, random_deadlines, raw, shuffled, threads, tokio,
};
use crate::rounds::Contender;
use crate::rows::compare;
use crate::sync;

pub struct Topic {
    pub name: &'static str,
    pub run: fn(usize),
}

pub const TOPICS: [Topic; 8] = [
    Topic {
        name: "yield",
        run: yields,
    },
    Topic {
        name: "shuffled",
        run: shuffled_yields,
    },
    Topic {
        name: "spawn",
        run: spawn_join,
    },
    Topic {
        name: "sleepers",
        run: sleepers,
    },
    Topic {
        name: "to_thread",
        run: to_thread,
    },
    Topic {
        name: "sync",
        run: sync::all,
    },
    Topic {
        name: "memory",
        run: memory,
    },
    Topic {
        name: "idle",
        run: idle,
    },
];

pub fn per_nano(took: Duration, times: u64) -> f64 {
    took.as_secs_f64() * 1e9 / times as f64
}

/// One coroutine leaves, the next in FIFO order runs.
fn yields(rounds: usize) {
    // Live coroutines, turns of each, wanted share of RAW's time.
    let sizes = [
        (1, 2_000_000, None),
        (100, 20_000, Some(0.6)),
        (1_000, 2_000, Some(0.7)),
        (10_000, 200, Some(0.7)),
        (100_000, 20, Some(0.45)),
        (1_000_000, 4, Some(0.45)),
    ];
    for (n, turns, share_of_raw) in sizes {
        let mut contenders = yielders(by_age(n), turns);
        if let Some(share) = share_of_raw {
            contenders[1].at_most = Some(share);
            contenders[2].at_most = Some(0.25);
        } else {
            contenders[0].at_most = Some(3.0);
        }
        if n <= may::MOST_COROUTINES {
            let yields = n as u64 * turns;
            contenders.push(Contender::new("may, 1 worker", move || {
                per_nano(may::yields(n, turns), yields)
            }));
        }
        compare(&format!("yield, {n} alive, ns"), rounds, contenders);
    }
}

/// The same when neighbours on the queue are not neighbours in memory.
fn shuffled_yields(rounds: usize) {
    for (n, turns) in [(1_000, 2_000), (10_000, 200), (100_000, 20), (1_000_000, 4)] {
        let contenders = yielders(shuffled(n), turns);
        compare(&format!("yield, {n} shuffled, ns"), rounds, contenders);
    }
}

/// All but may, which cannot be given an order.
fn yielders(order: Vec<usize>, turns: u64) -> Vec<Contender<'static>> {
    type Program = fn(&[usize], u64) -> Duration;
    let programs: [(&str, Program); 3] = [
        ("corobin", corobin::yields),
        ("RAW", raw::yields),
        ("tokio LocalSet", tokio::yields),
    ];
    let order = Rc::new(order);
    let contender = |(name, program): (&'static str, Program)| {
        let order = order.clone();
        let yields = order.len() as u64 * turns;
        Contender::new(name, move || per_nano(program(&order, turns), yields))
    };
    programs.into_iter().map(contender).collect()
}

/// Batches of 1 000 with an empty body.
fn spawn_join(rounds: usize) {
    const BATCH: usize = 1_000;
    let program = |batches: u64, program: fn(usize, u64) -> Duration| {
        move || per_nano(program(BATCH, batches), BATCH as u64 * batches)
    };
    let contenders = vec![
        Contender::new("corobin", program(1_000, corobin::spawn_join)),
        Contender::new("RAW", program(1_000, raw::spawn_join)),
        Contender::new("tokio spawn_local", program(200, tokio::spawn_join)).at_most(1.0 / 8.0),
        Contender::new("may, 1 worker", program(100, may::spawn_join)).at_most(1.0 / 40.0),
        Contender::new("OS threads", program(1, threads::spawn_join)).at_most(1.0 / 1_000.0),
    ];
    compare("spawn + join, ns", rounds, contenders);
}

/// CPU time for each of many sleepers with random deadlines within a second.
fn sleepers(rounds: usize) {
    const SPAN: Duration = Duration::from_secs(1);
    let crowd = random_deadlines(200_000, SPAN);
    let few = random_deadlines(2_000, SPAN);
    type Part = fn(&SleepCost) -> Duration;
    let parts: [(&str, Part); 2] = [
        ("spawn, sleep, join", |cost| cost.whole),
        ("sleep, join", |cost| cost.sleeping),
    ];
    for (what, part) in parts {
        let each = |cost: &SleepCost, n: usize| per_nano(part(cost), n as u64);
        let contenders = vec![
            Contender::new("corobin, 200 000", || {
                each(&corobin::sleepers(&crowd), crowd.len())
            }),
            Contender::new("tokio, 200 000", || {
                each(&tokio::sleepers(&crowd), crowd.len())
            })
            .at_most(1.0),
            Contender::new("OS threads, 2 000", || {
                each(&threads::sleepers(&few), few.len())
            }),
        ];
        compare(&format!("{what}, CPU ns each"), rounds, contenders);
    }
}

/// A call that goes to another thread and comes back.
fn to_thread(rounds: usize) {
    const CALLS: u64 = 20_000;
    let program = |calls: u64, program: fn(u64) -> Duration| {
        move || per_nano(program(calls), calls) / 1_000.0
    };
    let contenders = vec![
        Contender::new("corobin to_thread", program(CALLS, corobin::to_thread)),
        Contender::new("tokio spawn_blocking", program(CALLS, tokio::to_thread)).at_most(1.0),
        Contender::new("a new OS thread", program(CALLS / 10, threads::to_thread)),
    ];
    compare("to_thread and back, µs", rounds, contenders);
}

/// Memory does not depend on the load of the machine: one child process each, and no rounds.
fn memory(_rounds: usize) {
    println!(
        "{:<30} {:>9}   MiB held after the end",
        "memory, RSS + page tables", "parked"
    );
    println!(
        "{:<30} {:>9} {:>9} {:>9} {:>9}  wanted",
        "", "KiB each", "at once", "in 5 s", "run over"
    );
    // Contender, how many, its stacks in bytes (0: its default), KiB wanted.
    let crowds = [
        ("corobin", 1_000_000, 16 << 10, Some(4.3)),
        ("corobin", 100_000, 0, Some(4.8)),
        ("tokio", 1_000_000, 0, None),
        ("may", may::MOST_COROUTINES, 0, None),
    ];
    for (contender, n, stack, wanted) in crowds {
        let stages = children::park(contender, n, stack);
        print_memory(contender, n, &stages, wanted);
    }
    println!();
}

fn print_memory(contender: &str, n: usize, stages: &Stages, wanted: Option<f64>) {
    let above = |stage: &str| Some(stages.get(stage)?.saturating_sub(*stages.get("before")?));
    let mib = |stage: &str| match above(stage) {
        Some(bytes) => format!("{:.1}", bytes as f64 / f64::from(1 << 20)),
        None => "–".to_owned(),
    };
    let each = above("parked").map(|bytes| bytes as f64 / 1024.0 / n as f64);
    let each = each.unwrap_or(f64::NAN);
    let verdict = wanted.map(|limit| {
        let word = if each <= limit { "ok" } else { "MISSED" };
        format!("  ≤ {limit} {word}")
    });
    println!(
        "  {:<28} {each:>9.3} {:>9} {:>9} {:>9}{}",
        format!("{contender}, {n}"),
        mib("ended"),
        mib("later"),
        mib("run over"),
        verdict.unwrap_or_default()
    );
}

/// CPU time of a runtime that has nothing to do for a second.
fn idle(rounds: usize) {
    let contenders = vec![
        Contender::new("corobin", || children::idle("corobin")),
        Contender::new("tokio", || children::idle("tokio")),
    ];
    compare("asleep for 1 s, CPU µs", rounds.min(3), contenders);
}

/// The measurements that need a process of their own; see `children`.
pub fn park_here(
    contender: &str,
    n: usize,
    stack: usize,
    mut at: impl FnMut(&str) + Send + 'static,
) {
    match contender {
        "corobin" => corobin::park_many(n, (stack > 0).then_some(stack), &mut at),
        "tokio" => contenders::tokio::park_many(n, &mut at),
        "may" => may::park_many(n, at),
        _ => panic!("no contender {contender}"),
    }
}

pub fn idle_here(contender: &str) -> Duration {
    match contender {
        "corobin" => corobin::idle(Duration::from_secs(1)),
        "tokio" => tokio::idle(Duration::from_secs(1)),
        _ => panic!("no contender {contender}"),
    }
}
