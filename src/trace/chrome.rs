//! Chrome's trace format, which Perfetto opens: one lane for each coroutine and
//! one for the loop.
//!
//! A step is a complete event, written when it has ended; the wait and the time in
//! the ready queue between two steps are begin and end events, so that a file whose
//! process died shows them as open. An arrow (a flow) leads from each wake and each
//! spawn to the step that it caused. A missing `]` at the end is allowed.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;
use std::mem;

use crate::json;
use crate::probe::Cause;
use crate::task::End;

use super::event::{Chunk, Place, Record, What};
use super::writer::Format;

/// The lane of the loop. Those of the coroutines follow.
const LOOP: u64 = 1;
/// Readers keep the numbers of lanes in 32 bits.
const LANES: u64 = 0x7fff_fff0;

pub(super) struct Chrome {
    process: u32,
    lanes: HashMap<u64, Lane>,
    /// The highest number of a coroutine whose lane has a name.
    named: u64,
    flows: u64,
    /// The time of the last record.
    last: u64,
    /// Records are missing before the next one.
    gap: bool,
    sleeps: bool,
}

/// A coroutine that has not ended.
#[derive(Default)]
struct Lane {
    tid: u64,
    title: String,
    /// When its step began, and how many others were ready.
    step: Option<(u64, u32)>,
    /// Its wait, or its time in the queue, is open.
    between: bool,
    /// The arrow that ends at its next step.
    flow: Option<u64>,
    how: Option<End>,
}

impl Chrome {
    pub(super) fn new() -> Chrome {
        Chrome {
            process: std::process::id(),
            lanes: HashMap::new(),
            named: 0,
            flows: 0,
            last: 0,
            gap: false,
            sleeps: false,
        }
    }

    /// Begins an event, which `close` ends.
    fn open(&self, out: &mut String, phase: char, tid: u64, at: u64, name: impl fmt::Display) {
        out.push_str(",\n{\"ph\":\"");
        out.push(phase);
        out.push_str("\",\"name\":");
        json::string(out, &name.to_string());
        let pid = self.process;
        let _ = write!(out, ",\"pid\":{pid},\"tid\":{tid},\"ts\":{}", Micros(at));
    }

    fn instant(&self, out: &mut String, tid: u64, at: u64, name: impl fmt::Display) {
        self.open(out, 'i', tid, at, name);
        out.push_str(",\"s\":\"t\"}");
    }

    /// A step, a wait or a time in the queue ends.
    fn end_between(&self, out: &mut String, tid: u64, at: u64) {
        let pid = self.process;
        let _ = write!(
            out,
            ",\n{{\"ph\":\"E\",\"pid\":{pid},\"tid\":{tid},\"ts\":{}}}",
            Micros(at)
        );
    }

    /// The wait of `lane`, or its time in the queue, is over.
    fn close_between(&self, out: &mut String, lane: &mut Lane, at: u64) {
        if mem::take(&mut lane.between) {
            self.end_between(out, lane.tid, at);
        }
    }

    fn name_lane(&self, out: &mut String, tid: u64, name: &str) {
        let pid = self.process;
        for what in ["thread_name", "thread_sort_index"] {
            let _ = write!(
                out,
                ",\n{{\"ph\":\"M\",\"name\":\"{what}\",\"pid\":{pid},\"tid\":{tid},\"args\":"
            );
            if what == "thread_name" {
                out.push_str("{\"name\":");
                json::string(out, name);
                out.push_str("}}");
            } else {
                let _ = write!(out, "{{\"sort_index\":{tid}}}}}");
            }
        }
    }

    /// The lane of a coroutine, for the time of one record.
    fn take_lane(&mut self, out: &mut String, who: u64, name: &str) -> Lane {
        if let Some(lane) = self.lanes.remove(&who) {
            return lane;
        }
        let space = if name.is_empty() { "" } else { " " };
        let lane = Lane {
            tid: who % LANES + LOOP + 1,
            title: format!("#{who}{space}{name}"),
            ..Lane::default()
        };
        if who > self.named {
            self.named = who;
            self.name_lane(out, lane.tid, &lane.title);
        }
        lane
    }

    /// Says on the lane of the cause what it does, and begins an arrow there.
    fn arrow(&mut self, out: &mut String, by: Cause, at: u64, does: &str, title: &str) -> u64 {
        let tid = match by {
            Cause::Coroutine(id) => match self.lanes.get(&id.0) {
                Some(lane) => lane.tid,
                None => self.take_lane(out, id.0, "").tid,
            },
            Cause::Loop | Cause::Timer | Cause::Descriptor | Cause::Thread => LOOP,
        };
        self.flows += 1;
        let mut starts = at;
        if tid == LOOP {
            // An arrow starts in a slice.
            starts = self.last;
            self.open(out, 'X', tid, starts, cause(by));
            let _ = write!(out, ",\"dur\":{},\"cat\":\"loop\"}}", Micros(at - starts));
        }
        self.instant(out, tid, at, format_args!("{does} {title}"));
        self.open(out, 's', tid, starts, "wake");
        let _ = write!(out, ",\"cat\":\"wake\",\"id\":{}}}", self.flows);
        self.flows
    }

    /// The step of `lane` has ended.
    fn step(&self, out: &mut String, lane: &mut Lane, at: u64, then: &Then<'_>) {
        if let Some((begun, ready)) = lane.step.take() {
            self.open(out, 'X', lane.tid, begun, then);
            let _ = write!(
                out,
                ",\"dur\":{},\"cat\":\"step\",\"args\":{{\"stop\":\"{}\",\"ready\":{ready}",
                Micros(at - begun),
                then.word(),
            );
            then.write_args(out);
            out.push_str("}}");
            if let Some(flow) = lane.flow.take() {
                self.open(out, 'f', lane.tid, begun, "wake");
                let _ = write!(out, ",\"cat\":\"wake\",\"id\":{flow},\"bp\":\"e\"}}");
            }
        }
        let (name, cat) = match then {
            Then::Yields(_) => ("ready".to_owned(), "ready"),
            Then::Parks { why, .. } => (format!("waits for {}", short(why)), "wait"),
            Then::HasNoStack => ("waits for a stack".to_owned(), "wait"),
            Then::Ends(_) => return,
        };
        self.open(out, 'B', lane.tid, at, name);
        let _ = write!(
            out,
            ",\"cat\":\"{cat}\",\"args\":{{\"after\":\"{}\"",
            then.word()
        );
        then.write_args(out);
        out.push_str("}}");
        lane.between = true;
    }

    /// What was open before the gap is over, as far as anybody knows.
    fn close_all(&mut self, out: &mut String, at: u64) {
        let open: Vec<u64> = (self.lanes.values())
            .filter(|lane| lane.between)
            .map(|lane| lane.tid)
            .collect();
        for tid in open {
            self.end_between(out, tid, at);
        }
        self.lanes.clear();
        if mem::take(&mut self.sleeps) {
            self.end_between(out, LOOP, at);
        }
    }
}

impl Format for Chrome {
    fn begin(&mut self, out: &mut String) {
        let pid = self.process;
        let _ = write!(
            out,
            "[\n{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{pid},\"args\":{{\"name\":"
        );
        json::string(out, &super::program());
        out.push_str("}}");
        self.name_lane(out, LOOP, "loop");
    }

    fn dropped(&mut self, out: &mut String, count: u64) {
        self.gap = true;
        self.open(
            out,
            'i',
            LOOP,
            self.last,
            format_args!("{count} events are missing from here on"),
        );
        let _ = write!(out, ",\"s\":\"g\",\"args\":{{\"dropped\":{count}}}}}");
    }

    fn record(&mut self, out: &mut String, chunk: &Chunk, record: &Record) {
        let Record { at, who, what } = *record;
        if mem::take(&mut self.gap) {
            self.close_all(out, at);
        }
        match what {
            What::Sleeps => {
                self.open(out, 'B', LOOP, at, "sleeps: nobody is ready");
                out.push_str(",\"cat\":\"loop\"}");
                self.sleeps = true;
            }
            What::Awakes => {
                if mem::take(&mut self.sleeps) {
                    self.end_between(out, LOOP, at);
                }
            }
            What::Deadlock => {
                self.open(out, 'i', LOOP, at, "deadlock: nothing can wake anybody");
                out.push_str(",\"s\":\"g\"}");
            }
            _ => {
                let name = match what {
                    What::Spawned { name, .. } => chunk.text(name),
                    _ => "",
                };
                let mut lane = self.take_lane(out, who, name);
                let over = self.of_one(out, chunk, record, &mut lane);
                if !over {
                    self.lanes.insert(who, lane);
                }
            }
        }
        self.last = at;
    }

    fn end(&mut self, out: &mut String, dropped: u64) {
        if dropped > 0 {
            let pid = self.process;
            let _ = write!(
                out,
                ",\n{{\"ph\":\"M\",\"name\":\"process_labels\",\"pid\":{pid},\"args\":{{\"labels\":\
                 \"{dropped} events are missing\"}}}}"
            );
        }
        out.push_str("\n]\n");
    }
}

impl Chrome {
    /// A record that belongs to one coroutine. True if that was its last.
    fn of_one(
        &mut self,
        out: &mut String,
        chunk: &Chunk,
        record: &Record,
        lane: &mut Lane,
    ) -> bool {
        let at = record.at;
        match record.what {
            What::Spawned { by, spawned_at, .. } => {
                lane.flow = Some(self.arrow(out, by, at, "spawns", &lane.title));
                self.open(out, 'B', lane.tid, at, "ready");
                let _ = write!(out, ",\"cat\":\"ready\",\"args\":{{\"after\":\"spawn\"");
                write_place(out, "spawned_at", spawned_at);
                out.push_str("}}");
                lane.between = true;
            }
            What::Woken { by, interrupted } => {
                self.close_between(out, lane, at);
                let does = if interrupted { "interrupts" } else { "wakes" };
                lane.flow = Some(self.arrow(out, by, at, does, &lane.title));
                self.open(out, 'B', lane.tid, at, "ready");
                let _ = write!(
                    out,
                    ",\"cat\":\"ready\",\"args\":{{\"after\":\"wake\",\"by\":"
                );
                match by {
                    Cause::Coroutine(id) => json::string(out, &id.to_string()),
                    other => json::string(out, cause(other)),
                }
                let _ = write!(out, ",\"interrupted\":{interrupted}}}}}");
                lane.between = true;
            }
            What::Begins { ready } => {
                self.close_between(out, lane, at);
                lane.step = Some((at, ready));
            }
            What::Yields { at: place } => self.step(out, lane, at, &Then::Yields(place)),
            What::Parks {
                why,
                at: place,
                held_by,
            } => {
                let (why, held_by) = (chunk.text(why), chunk.text(held_by));
                let then = Then::Parks {
                    why,
                    place,
                    held_by,
                };
                self.step(out, lane, at, &then);
            }
            What::HasNoStack => self.step(out, lane, at, &Then::HasNoStack),
            What::Ended(how) => {
                lane.how = Some(how);
                self.close_between(out, lane, at);
                self.instant(out, lane.tid, at, how_it_ended(how));
                // One that never had a step, or waits for ever, has no more.
                return lane.step.is_none();
            }
            What::Leaves => {
                self.step(out, lane, at, &Then::Ends(lane.how));
                return true;
            }
            What::TimerFired { expires } => {
                let what = if expires {
                    "a timeout of"
                } else {
                    "a timer of"
                };
                self.instant(out, LOOP, at, format_args!("{what} {}", lane.title));
            }
            What::Sleeps | What::Awakes | What::Deadlock => {}
        }
        false
    }
}

/// How a step has ended.
enum Then<'a> {
    Yields(Option<Place>),
    Parks {
        why: &'a str,
        place: Place,
        held_by: &'a str,
    },
    HasNoStack,
    Ends(Option<End>),
}

impl Then<'_> {
    fn word(&self) -> &'static str {
        match self {
            Then::Yields(_) => "yield",
            Then::Parks { .. } => "park",
            Then::HasNoStack => "no stack",
            Then::Ends(_) => "end",
        }
    }

    fn write_args(&self, out: &mut String) {
        match *self {
            Then::Yields(Some(place)) => write_place(out, "where", place),
            Then::Parks {
                why,
                place,
                held_by,
            } => {
                out.push_str(",\"why\":");
                json::string(out, why);
                write_place(out, "where", place);
                if !held_by.is_empty() {
                    out.push_str(",\"held_by\":");
                    json::string(out, held_by);
                }
            }
            Then::Yields(None) | Then::HasNoStack | Then::Ends(_) => {}
        }
    }
}

/// The name of the step.
impl fmt::Display for Then<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Then::Yields(_) => f.write_str("step, then yields"),
            Then::Parks { why, .. } => write!(f, "step, then waits for {}", short(why)),
            Then::HasNoStack => f.write_str("gets no stack"),
            Then::Ends(None) => f.write_str("step, then ends"),
            Then::Ends(Some(how)) => write!(f, "step, then {}", how_it_ended(*how)),
        }
    }
}

pub(super) fn how_it_ended(how: End) -> &'static str {
    match how {
        End::Returned => "returns",
        End::Panicked => "panics",
        End::Cancelled => "is cancelled",
    }
}

fn cause(by: Cause) -> &'static str {
    match by {
        Cause::Loop => "the run",
        Cause::Timer => "a timer",
        Cause::Descriptor => "a descriptor",
        Cause::Thread => "another thread",
        Cause::Coroutine(_) => "a coroutine",
    }
}

/// What is waited for, without where that comes from.
fn short(why: &str) -> &str {
    why.split(" (spawned at").next().unwrap_or(why)
}

fn write_place(out: &mut String, key: &str, place: Place) {
    let _ = write!(out, ",\"{key}\":");
    json::string(out, &place.to_string());
}

/// Nanoseconds, written as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
