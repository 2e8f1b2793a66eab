//! How coroutines begin and end.

use std::time::Duration;

use super::{Scale, each};
use crate::contenders::{calls, corobin, may, raw, skynet, threads, tokio};
use crate::outside::{event_loops, go};
use crate::rounds::Contender;
use crate::rows::Row;

pub fn spawn_join(scale: Scale) -> Vec<Row> {
    const BATCH: u64 = 1_000;
    type Program = fn(usize, u64) -> Duration;
    let batches = |name, batches: u64, program: Program| {
        let batches = scale.times(batches);
        each(name, BATCH * batches, move |_| {
            program(BATCH as usize, batches)
        })
    };
    let mut contenders = vec![
        batches("corobin", 1_000, corobin::spawn_join).at_most(12.0),
        batches("boxed calls", 1_000, calls::spawn_join),
        batches("RAW", 1_000, raw::spawn_join),
        batches("tokio spawn_local", 200, tokio::spawn_join).at_most(1.0 / 12.0),
        batches("may, 1 worker", 100, may::spawn_join).at_most(1.0 / 60.0),
        batches("OS threads", 1, threads::spawn_join).at_most(1.0 / 4_000.0),
    ];
    let times = scale.times(200);
    contenders.extend(go("goroutines, 1 core", "spawn_join", BATCH, times));
    contenders.extend(event_loops("", "spawn", BATCH, times / 8));
    vec![Row::new("spawn + join", "ns", contenders)]
}

pub fn skynet(scale: Scale) -> Vec<Row> {
    let most = if scale.quick { 10_000 } else { 1_000_000 };
    let tree = |name: &str, leaves: usize, program: fn(usize) -> Duration| {
        let name = format!("{name}, {leaves} leaves");
        each(name, leaves as u64, move |_| program(leaves))
    };
    let mut contenders = vec![
        tree("corobin", most, skynet::corobin::skynet),
        tree("tokio LocalSet", most, skynet::tokio::skynet).at_most(1.0 / 5.0),
        tree("may, 1 worker", 10_000, skynet::may::skynet),
        tree("OS threads", 1_000, skynet::threads::skynet),
        tree("plain calls", most, skynet::calls::skynet),
    ];
    let faster = |contender: Contender| contender.at_most(1.0);
    let leaves = most as u64;
    contenders.extend(go("goroutines, 1 core", "skynet", leaves, 1).map(faster));
    contenders.extend(go("goroutines, all cores", "skynet_all_cores", leaves, 1).map(faster));
    contenders.extend(event_loops(", 10000 leaves", "skynet", 10_000, 1));
    vec![Row::new("skynet, a leaf", "ns", contenders)]
}
