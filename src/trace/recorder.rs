//! The loop's side: events become records, and full chunks go to the writer.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::time::Duration;

use crate::coroutine::Described;
use crate::probe::{Event, Probe, Stopped};
use crate::task::{Id, Task};

use super::event::{Chunk, Record, Text, What};
use super::writer::Writer;

/// A chunk that is not full is handed over if its first record is older than
/// this, so that little is missing if the process dies.
const OLDEST: u64 = 20_000_000;

pub(super) struct Recorder {
    state: RefCell<State>,
}

struct State {
    chunk: Chunk,
    last: u64,
    dropped: u64,
    writer: Writer,
}

impl Recorder {
    pub(super) fn new(writer: Writer) -> Recorder {
        Recorder {
            state: RefCell::new(State {
                chunk: writer.empty_chunk(),
                last: 0,
                dropped: 0,
                writer,
            }),
        }
    }
}

impl Probe for Recorder {
    fn saw(&self, at: Duration, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        // No two are at the same time, so that readers that sort cannot mix
        // them up.
        state.last = at.max(state.last.saturating_add(1));
        state.record(event);
    }
}

impl State {
    fn record(&mut self, event: &Event<'_>) {
        let chunk = &mut self.chunk;
        let mut waits = false;
        let (who, what) = match *event {
            Event::Spawned { who, by } => {
                let name = who.name().map_or(Text::default(), |name| chunk.keep(name));
                let spawned_at = who.spawned_at();
                let what = What::Spawned {
                    by,
                    name,
                    spawned_at,
                };
                (Some(who), what)
            }
            Event::StepBegins { who, ready } => {
                let ready = u32::try_from(ready).unwrap_or(u32::MAX);
                (Some(who), What::Begins { ready })
            }
            Event::StepEnds { who, stop } => (Some(who), stopped(chunk, who, stop)),
            Event::Woken {
                who,
                by,
                interrupted,
            } => (Some(who), What::Woken { by, interrupted }),
            Event::Ended { who, how } => (Some(who), What::Ended(how)),
            Event::TimerFired { who, expires } => (Some(who), What::TimerFired { expires }),
            Event::Sleeps => {
                waits = true;
                (None, What::Sleeps)
            }
            Event::Awakes => (None, What::Awakes),
            Event::Deadlock => {
                waits = true;
                (None, What::Deadlock)
            }
            // Mistakes, for debug mode to tell.
            Event::CancelSwallowed { .. } | Event::Unjoined { .. } => return,
        };
        let who = who.map_or(0, |who: &Task| who.id().0);
        let at = self.last;
        chunk.records.push(Record { at, who, what });
        let first = chunk.records.first().map_or(at, |first| first.at);
        if waits || chunk.is_full() || at - first > OLDEST {
            self.hand_over();
        }
    }

    /// Gives the chunk to the writer. If that is behind, what the chunk holds is
    /// dropped, and counted.
    fn hand_over(&mut self) {
        let empty = self.writer.empty_chunk();
        let mut chunk = mem::replace(&mut self.chunk, empty);
        chunk.dropped = mem::take(&mut self.dropped);
        if let Err(mut chunk) = self.writer.take(chunk) {
            self.dropped = chunk.dropped + chunk.records.len() as u64;
            chunk.clear();
            self.chunk = chunk;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let mut chunk = mem::take(&mut self.chunk);
        chunk.dropped = self.dropped;
        self.writer.finish(chunk);
    }
}

fn stopped(chunk: &mut Chunk, who: &Task, stop: Stopped<'_>) -> What {
    match stop {
        Stopped::Yielded(at) => What::Yields { at },
        Stopped::NoStack => What::HasNoStack,
        Stopped::Ended => What::Leaves,
        Stopped::Parked(wait) => {
            let why = chunk.keep(Described(wait.what, who.id()));
            let holders = wait.what.holders();
            let held_by = if holders.is_empty() {
                Text::default()
            } else {
                chunk.keep(List(&holders))
            };
            What::Parks {
                why,
                at: wait.at,
                held_by,
            }
        }
    }
}

/// "#1, #2"
struct List<'a>(&'a [Id]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{id}")?;
        }
        Ok(())
    }
}
