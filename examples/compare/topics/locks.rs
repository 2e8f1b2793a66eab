//! Who may go on.

use std::time::Duration;

use super::{Scale, each};
use crate::contenders::sync::{corobin, may, threads, tokio};
use crate::contenders::{self, by_age, crowded_lock};
use crate::rounds::Contender;
use crate::rows::Row;

pub fn rows(scale: Scale) -> Vec<Row> {
    vec![
        lock(scale),
        handed_over(scale),
        crowded(scale),
        event(scale),
    ]
}

fn program(scale: Scale, name: &str, times: u64, program: fn(u64) -> Duration) -> Contender {
    each(name, scale.times(times), program)
}

/// With nobody else around.
fn lock(scale: Scale) -> Row {
    let contenders = vec![
        program(scale, "corobin", 5_000_000, corobin::lock),
        program(scale, "tokio Mutex", 1_000_000, tokio::lock),
        program(scale, "may Mutex", 1_000_000, may::lock),
        program(scale, "std Mutex", 5_000_000, threads::lock),
    ];
    Row::new("lock and unlock", "ns", contenders)
}

/// A lock that is handed over each time, and the yield between two that it compares with.
fn handed_over(scale: Scale) -> Row {
    let a_yield = |yields: u64| contenders::corobin::yields(&by_age(2), yields / 2);
    let contenders = vec![
        program(scale, "corobin", 1_000_000, corobin::contended_lock),
        program(scale, "corobin, a yield, 2 alive", 1_000_000, a_yield),
        program(scale, "tokio Mutex", 200_000, tokio::contended_lock),
    ];
    Row::new("a lock handed over", "ns", contenders)
}

/// Each holds it while the others run.
fn crowded(scale: Scale) -> Row {
    const CROWD: u64 = 100;
    let crowd = |name: &str, locks: u64, f: fn(usize, u64) -> Duration| {
        let share = scale.times(locks) / CROWD;
        each(name, share * CROWD, move |_| f(CROWD as usize, share))
    };
    let contenders = vec![
        crowd("corobin", 400_000, crowded_lock::corobin::crowded_lock),
        crowd("tokio Mutex", 100_000, crowded_lock::tokio::crowded_lock),
        crowd("may Mutex", 100_000, crowded_lock::may::crowded_lock),
        crowd(
            "OS threads, std Mutex",
            20_000,
            crowded_lock::threads::crowded_lock,
        ),
    ];
    Row::new("a lock, 100 want it", "ns", contenders)
}

/// 10 000 that wait for one event, and the yield of as many that it compares with.
fn event(scale: Scale) -> Row {
    const N: usize = 10_000;
    let rounds = |name: &str, rounds: u64, f: fn(usize, u64) -> Duration| {
        let rounds = scale.times(rounds);
        each(name, rounds * N as u64, move |_| f(N, rounds))
    };
    let yields = |n: usize, rounds: u64| contenders::corobin::yields(&by_age(n), rounds);
    let contenders = vec![
        rounds("corobin Event", 100, corobin::event),
        rounds("corobin, a yield, as many alive", 100, yields),
        rounds("tokio Notify", 50, tokio::event),
        #[cfg(target_arch = "x86_64")]
        rounds(
            "by hand, with all questions",
            100,
            contenders::by_hand::event,
        ),
    ];
    Row::new("wake one of 10 000", "ns", contenders)
}
