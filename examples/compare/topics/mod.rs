//! What is compared, with the numbers that are wanted.

mod channels;
mod crossover;
mod generators;
mod life;
mod locks;
mod memory;
mod switch;
mod waiting;

use std::time::Duration;

use crate::rounds::Contender;
use crate::rows::Row;

pub struct Topic {
    pub name: &'static str,
    pub about: &'static str,
    pub rows: fn(Scale) -> Vec<Row>,
}

pub const TOPICS: [Topic; 12] = [
    Topic {
        name: "yield",
        about: "one coroutine leaves, the next in line runs",
        rows: switch::yields,
    },
    Topic {
        name: "shuffled",
        about: "the same when neighbours in line are not neighbours in memory",
        rows: switch::shuffled_yields,
    },
    Topic {
        name: "spawn",
        about: "starting and joining an empty body, in batches of 1 000",
        rows: life::spawn_join,
    },
    Topic {
        name: "skynet",
        about: "a tree in which each starts ten others and adds up their answers",
        rows: life::skynet,
    },
    Topic {
        name: "channels",
        about: "round trips, streams, many to one, one to many, select!",
        rows: channels::rows,
    },
    Topic {
        name: "locks",
        about: "a mutex alone, handed over, with a crowd waiting; an event for 10 000",
        rows: locks::rows,
    },
    Topic {
        name: "generators",
        about: "numbers of about 10 ns of work each, taken one by one",
        rows: generators::rows,
    },
    Topic {
        name: "sleepers",
        about: "CPU time for many that sleep until random times within a second",
        rows: waiting::sleepers,
    },
    Topic {
        name: "to_thread",
        about: "a call that goes to another thread and comes back",
        rows: waiting::to_thread,
    },
    Topic {
        name: "idle",
        about: "CPU time of a runtime with nothing to do for a second",
        rows: waiting::idle,
    },
    Topic {
        name: "memory",
        about: "resident pages and page tables of many that wait, and what comes back",
        rows: memory::rows,
    },
    Topic {
        name: "crossover",
        about: "tasks that only compute: where threads are the better choice",
        rows: crossover::rows,
    },
];

/// How much of everything.
#[derive(Clone, Copy)]
pub struct Scale {
    pub quick: bool,
}

impl Scale {
    /// So many repetitions, or fewer.
    fn times(self, full: u64) -> u64 {
        if self.quick { (full / 8).max(1) } else { full }
    }

    /// Whether a crowd of this size is measured.
    fn has(self, crowd: usize) -> bool {
        !self.quick || crowd <= 10_000
    }
}

fn per_nano(took: Duration, times: u64) -> f64 {
    took.as_secs_f64() * 1e9 / times as f64
}

/// A program that does something so many times; the number is nanoseconds each.
fn each(
    name: impl Into<String>,
    times: u64,
    mut program: impl FnMut(u64) -> Duration + 'static,
) -> Contender {
    Contender::new(name, move || per_nano(program(times), times))
}
