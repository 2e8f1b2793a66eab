//! The chapters, in the order in which they are told.

mod cancel;
mod exceptions;
mod generators;
mod round_robin;
mod sleepers;
mod to_thread;

pub struct Chapter {
    pub name: &'static str,
    pub title: &'static str,
    pub run: fn(),
}

pub const CHAPTERS: [Chapter; 7] = [
    Chapter {
        name: "generators",
        title: "functions that can be left and entered again",
        run: generators::run,
    },
    Chapter {
        name: "sleepers",
        title: "two coroutines wait at the same time",
        run: sleepers::run,
    },
    Chapter {
        name: "round-robin",
        title: "the scheduler is a queue and a loop",
        run: round_robin::run,
    },
    Chapter {
        name: "exceptions",
        title: "a failure arrives where the result is asked for",
        run: exceptions::run,
    },
    Chapter {
        name: "to-thread",
        title: "blocking work that does not block the loop",
        run: to_thread::run,
    },
    Chapter {
        name: "cancel",
        title: "stopping what waits, with its destructors",
        run: cancel::run,
    },
    Chapter {
        name: "measure",
        title: "coroutines and OS threads on this machine",
        run: crate::measure::run,
    },
];
