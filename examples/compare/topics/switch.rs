//! From one coroutine to the next.

use std::rc::Rc;
use std::time::Duration;

use super::{Scale, each};
use crate::contenders::{by_age, corobin, may, raw, shuffled, threads, tokio};
#[cfg(target_arch = "x86_64")]
use crate::contenders::{by_hand, floor};
use crate::outside::{event_loops, go, python};
use crate::rounds::Contender;
use crate::rows::Row;

const CURVE: &str = "yield: ns by coroutines alive";
const SHUFFLED: &str = "yield, shuffled in memory: ns by coroutines alive";

/// OS threads of a token ring, above which it takes too long to start them.
const MOST_THREADS: usize = 1_000;

pub fn yields(scale: Scale) -> Vec<Row> {
    // Live coroutines, turns of each, wanted share of RAW's time.
    let sizes = [
        (1, 2_000_000, 0.5),
        (100, 20_000, 0.45),
        (1_000, 2_000, 0.55),
        (10_000, 200, 0.6),
        (100_000, 20, 0.25),
        (1_000_000, 4, 0.35),
    ];
    let row = |(n, turns, share_of_raw)| {
        let turns = scale.times(turns);
        let yields = n as u64 * turns;
        let [corobin, raw, tokio] = yielders(by_age(n), turns);
        let share_of_tokio = (n >= 100).then_some(1.0 / 5.0);
        let tokio = Contender {
            at_most: share_of_tokio,
            ..tokio
        };
        let mut contenders = vec![corobin, raw.at_most(share_of_raw), tokio];
        #[cfg(target_arch = "x86_64")]
        if n > 1 {
            let program = move |_| floor::switches(n, turns);
            contenders.push(each("bare switches, no queue", yields, program));
            if n <= 10_000 {
                let program = move |_| by_hand::yields(n, turns);
                contenders.push(each("by hand, with all questions", yields, program));
            }
        }
        if n <= may::MOST_COROUTINES {
            let program = move |_| may::yields(n, turns);
            contenders.push(each("may, 1 worker", yields, program).at_most(1.0 / 6.0));
        }
        if (2..=MOST_THREADS).contains(&n) {
            let rounds = (20_000 / n as u64).max(1);
            let program = move |_| threads::token_ring(n, rounds);
            let ring = each("OS threads, a token", n as u64 * rounds, program);
            contenders.push(ring.at_most(1.0 / 300.0));
        }
        contenders.extend(go("goroutines, 1 core", "yields", n as u64, turns));
        if n <= 10_000 {
            let turns = (turns / 20).max(1);
            let n = n as u64;
            contenders.extend(python("Python generators", "generators", n, turns));
            contenders.extend(event_loops("", "yields", n, turns));
            contenders.extend(python("Python greenlet", "greenlets", n, turns));
        }
        Row::new(format!("yield, {n} alive"), "ns", contenders).on_curve(CURVE, n)
    };
    let sizes = sizes.into_iter().filter(|&(n, ..)| scale.has(n));
    sizes.map(row).collect()
}

/// Only those that can be given an order.
pub fn shuffled_yields(scale: Scale) -> Vec<Row> {
    let sizes = [(1_000, 2_000), (10_000, 200), (100_000, 20), (1_000_000, 4)];
    let row = |(n, turns)| {
        let contenders = yielders(shuffled(n), scale.times(turns)).into();
        Row::new(format!("yield, {n} shuffled"), "ns", contenders).on_curve(SHUFFLED, n)
    };
    let sizes = sizes.into_iter().filter(|&(n, _)| scale.has(n));
    sizes.map(row).collect()
}

fn yielders(order: Vec<usize>, turns: u64) -> [Contender; 3] {
    type Program = fn(&[usize], u64) -> Duration;
    let programs: [(&str, Program); 3] = [
        ("corobin", corobin::yields),
        ("RAW", raw::yields),
        ("tokio LocalSet", tokio::yields),
    ];
    let order = Rc::new(order);
    programs.map(|(name, program)| {
        let order = Rc::clone(&order);
        let yields = order.len() as u64 * turns;
        each(name, yields, move |_| program(&order, turns))
    })
}
