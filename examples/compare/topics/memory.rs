//! Memory does not depend on the load of the machine: one child process each, and no rounds.

use std::cell::OnceCell;
use std::rc::Rc;

use super::Scale;
use crate::children::{self, Stages};
use crate::contenders::may;
use crate::outside::{event_loops, go};
use crate::rounds::Contender;
use crate::rows::Row;

pub fn rows(scale: Scale) -> Vec<Row> {
    // Contender, how many, its stacks in bytes (0: its default), KiB wanted.
    let crowds = [
        ("corobin", 1_000_000, 16 << 10, Some(4.2)),
        ("corobin", 100_000, 0, None),
        ("corobin", 10_000, 0, None),
        ("tokio", 1_000_000, 0, None),
        ("may", may::MOST_COROUTINES, 0, None),
    ];
    let (mut parked, mut held) = (Vec::new(), Vec::new());
    for (contender, n, stack, wanted) in crowds {
        // may carries only 20 000, a few more than a quick run has.
        if !scale.has(n) && contender != "may" {
            continue;
        }
        let name = if stack > 0 {
            format!("{contender}, {n}, {} KiB stacks", stack >> 10)
        } else {
            format!("{contender}, {n}")
        };
        let stages = Rc::new(OnceCell::new());
        let child = move |stages: &OnceCell<Stages>, what: fn(&Stages) -> f64| {
            what(stages.get_or_init(|| children::park(contender, n, stack)))
        };
        let own = Rc::clone(&stages);
        let each = move || child(&own, |s| s.above("parked")) / n as f64 / 1024.0;
        parked.push(Contender {
            at_most: wanted,
            ..Contender::new(&name, each)
        });
        let share = move || 100.0 * child(&stages, |s| s.above("later") / s.above("parked"));
        held.push(Contender {
            at_most: wanted.map(|_| 10.0),
            ..Contender::new(name, share)
        });
    }
    parked.extend(go("goroutines, 100000", "parked", 100_000, 1));
    parked.extend(event_loops(", 100000", "parked", 100_000, 1));
    vec![
        Row::new("memory of one that waits", "KiB", parked).once(),
        Row::new("still held 5 s after all have ended", "%", held).once(),
    ]
}
