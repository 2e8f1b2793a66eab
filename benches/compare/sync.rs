//! What talks to each other: channels, `select!` and locks.

use std::time::Duration;

use crate::contenders::sync::{corobin, may, threads, tokio};
use crate::contenders::{self, by_age};
use crate::rounds::Contender;
use crate::rows::compare;
use crate::topics::per_nano;

pub fn all(rounds: usize) {
    ping_pong(rounds);
    stream(rounds);
    lock(rounds);
    contended_lock(rounds);
    select(rounds);
    event(rounds);
}

fn program(name: &'static str, times: u64, program: fn(u64) -> Duration) -> Contender<'static> {
    Contender::new(name, move || per_nano(program(times), times))
}

/// Two channels of capacity 1 and a round trip through both.
fn ping_pong(rounds: usize) {
    let contenders = vec![
        program("corobin", 1_000_000, corobin::ping_pong),
        program("tokio mpsc, LocalSet", 200_000, tokio::ping_pong).at_most(1.0 / 8.0),
        program("may mpsc, 1 worker", 200_000, may::ping_pong).at_most(1.0 / 12.0),
        program("OS threads, sync_channel", 5_000, threads::ping_pong).at_most(1.0 / 200.0),
    ];
    compare("ping-pong, round trip, ns", rounds, contenders);
}

/// One sender, one receiver, capacity 64.
fn stream(rounds: usize) {
    let contenders = vec![
        program("corobin", 2_000_000, corobin::stream),
        program("tokio mpsc, LocalSet", 500_000, tokio::stream).at_most(1.0 / 5.0),
        program("may mpsc, no limit", 500_000, may::stream),
        program("OS threads, sync_channel", 100_000, threads::stream),
    ];
    compare("an item through a stream, ns", rounds, contenders);
}

/// With nobody else around.
fn lock(rounds: usize) {
    let mut contenders = vec![
        program("corobin", 5_000_000, corobin::lock),
        program("tokio Mutex", 1_000_000, tokio::lock),
        program("may Mutex", 1_000_000, may::lock),
        program("std Mutex", 5_000_000, threads::lock),
    ];
    contenders[0].at_most = Some(2.0);
    compare("lock and unlock, ns", rounds, contenders);
}

/// A lock that is handed over each time, and the yield between two that it compares with.
fn contended_lock(rounds: usize) {
    let contenders = vec![
        program("corobin", 1_000_000, corobin::contended_lock),
        Contender::new("a yield, 2 alive", || {
            let turns = 500_000;
            per_nano(contenders::corobin::yields(&by_age(2), turns), 2 * turns)
        })
        .at_most(2.0),
        program("tokio Mutex", 200_000, tokio::contended_lock),
    ];
    compare("a lock handed over, ns", rounds, contenders);
}

/// Of two channels, both ready.
fn select(rounds: usize) {
    let contenders = vec![
        program("corobin select!", 200_000, corobin::select_ready),
        program("a plain recv", 200_000, corobin::recv_ready).at_most(2.0),
        program("tokio select!", 200_000, tokio::select_ready),
    ];
    compare("an item by select!, ns", rounds, contenders);
}

/// 10 000 that wait for one event, and the yield of as many that it compares with.
fn event(rounds: usize) {
    const N: usize = 10_000;
    let each = |took, turns: u64| per_nano(took, turns * N as u64);
    let contenders = vec![
        Contender::new("corobin Event", || each(corobin::event(N, 100), 100)),
        Contender::new("a yield, as many alive", || {
            each(contenders::corobin::yields(&by_age(N), 100), 100)
        })
        .at_most(2.0),
        Contender::new("tokio Notify", || each(tokio::event(N, 50), 50)),
    ];
    compare("wake one of 10 000, ns", rounds, contenders);
}
