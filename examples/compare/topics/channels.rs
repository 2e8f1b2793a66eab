//! Items from one to another.

use std::time::Duration;

use super::{Scale, each};
use crate::contenders::fan;
use crate::contenders::sync::{corobin, may, threads, tokio};
#[cfg(target_arch = "x86_64")]
use crate::contenders::{by_hand, hand_over};
use crate::outside::{event_loops, go};
use crate::rounds::Contender;
use crate::rows::Row;

pub fn rows(scale: Scale) -> Vec<Row> {
    let rows = [ping_pong, stream, fan_in, fan_out, select];
    rows.into_iter().map(|row| row(scale)).collect()
}

fn program(scale: Scale, name: &str, times: u64, program: fn(u64) -> Duration) -> Contender {
    each(name, scale.times(times), program)
}

/// Two channels of capacity 1 and a round trip through both.
fn ping_pong(scale: Scale) -> Row {
    let mut contenders = vec![
        program(scale, "corobin", 1_000_000, corobin::ping_pong),
        program(scale, "tokio mpsc, LocalSet", 200_000, tokio::ping_pong).at_most(1.0 / 10.0),
        program(scale, "may mpsc, 1 worker", 200_000, may::ping_pong).at_most(1.0 / 15.0),
        program(scale, "OS threads, sync_channel", 5_000, threads::ping_pong),
    ];
    #[cfg(target_arch = "x86_64")]
    contenders.extend([
        program(scale, "bare hand-overs", 1_000_000, hand_over::round_trips),
        program(
            scale,
            "by hand, with all questions",
            1_000_000,
            by_hand::round_trips,
        ),
    ]);
    let times = scale.times(200_000);
    contenders.extend(go("goroutines, 1 core", "ping_pong", 1, times));
    contenders.extend(event_loops("", "ping_pong", 1, times / 10));
    Row::new("ping-pong, a round trip", "ns", contenders)
}

/// One sender, one receiver, capacity 64.
fn stream(scale: Scale) -> Row {
    let contenders = vec![
        program(scale, "corobin", 2_000_000, corobin::stream),
        program(scale, "tokio mpsc, LocalSet", 500_000, tokio::stream),
        program(scale, "may mpsc, no limit", 500_000, may::stream),
        program(scale, "OS threads, sync_channel", 100_000, threads::stream),
        program(scale, "VecDeque in a loop", 5_000_000, fan::vec_deque),
    ];
    Row::new("an item through a stream", "ns", contenders)
}

const CROWD: usize = 100;

fn crowd(scale: Scale, name: &str, items: u64, f: fn(usize, u64) -> Duration) -> Contender {
    let share = scale.times(items) / CROWD as u64;
    each(name, share * CROWD as u64, move |_| f(CROWD, share))
}

fn fan_in(scale: Scale) -> Row {
    let contenders = vec![
        crowd(scale, "corobin", 1_000_000, fan::corobin::fan_in),
        crowd(scale, "tokio mpsc, LocalSet", 400_000, fan::tokio::fan_in),
        crowd(scale, "may mpsc, no limit", 400_000, fan::may::fan_in),
        crowd(
            scale,
            "OS threads, sync_channel",
            40_000,
            fan::threads::fan_in,
        ),
    ];
    Row::new("an item, 100 to 1", "ns", contenders)
}

fn fan_out(scale: Scale) -> Row {
    let contenders = vec![
        crowd(scale, "corobin", 1_000_000, fan::corobin::fan_out),
        crowd(scale, "tokio mpsc and Mutex", 400_000, fan::tokio::fan_out),
        crowd(scale, "may mpmc, no limit", 400_000, fan::may::fan_out),
        crowd(
            scale,
            "OS threads, channel and Mutex",
            40_000,
            fan::threads::fan_out,
        ),
    ];
    Row::new("an item, 1 to 100", "ns", contenders)
}

/// Of two channels, both ready.
fn select(scale: Scale) -> Row {
    let contenders = vec![
        program(scale, "corobin select!", 200_000, corobin::select_ready),
        program(scale, "corobin, a plain recv", 200_000, corobin::recv_ready),
        program(
            scale,
            "corobin, a recv by chance",
            200_000,
            corobin::recv_by_chance,
        ),
        program(scale, "tokio select!", 200_000, tokio::select_ready),
    ];
    Row::new("an item by select!", "ns", contenders)
}
