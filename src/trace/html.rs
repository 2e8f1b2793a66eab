//! A page that plays the run: the player, then the events as lines of JSON in a
//! script element. The player reads whole lines only, and does not need the end of
//! the page: a file whose process died is played as far as it goes.
//!
//! Each line is an array whose first element says what it is; texts and places are
//! written once and then named by number. The player's source says what each line
//! holds.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;
use std::panic::Location;

use crate::json;
use crate::probe::Cause;

use super::chrome::how_it_ended;
use super::event::{Chunk, Place, Record, What};
use super::sources::Sources;
use super::writer::Format;

const PAGE: &str = include_str!("player/page.html");
const STYLE: &str = include_str!("player/page.css");
/// Parts of one script, in one scope.
const SCRIPT: &str = concat!(
    include_str!("player/model.js"),
    include_str!("player/words.js"),
    include_str!("player/stage.js"),
    include_str!("player/lanes.js"),
    include_str!("player/player.js"),
);

/// More would make the page slow.
const MOST: u64 = 400_000;

pub(super) struct Page {
    virtual_time: bool,
    places: HashMap<&'static Location<'static>, usize>,
    reasons: HashMap<String, usize>,
    sources: Sources,
    written: u64,
}

impl Page {
    pub(super) fn new(virtual_time: bool) -> Page {
        Page {
            virtual_time,
            places: HashMap::new(),
            reasons: HashMap::new(),
            sources: Sources::default(),
            written: 0,
        }
    }

    /// The number of a place, which is written before its first use.
    fn place(&mut self, out: &mut String, place: Place) -> usize {
        if let Some(&number) = self.places.get(place) {
            return number;
        }
        let number = self.places.len();
        self.places.insert(place, number);
        out.push_str("[\"L\",");
        json::string(out, place.file());
        let _ = write!(out, ",{}", place.line());
        if let Some((first, lines)) = self.sources.around(place) {
            let _ = write!(out, ",{first},[");
            for (at, line) in lines.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json::string(out, line);
            }
            out.push(']');
        }
        out.push_str("]\n");
        number
    }

    /// The number of a text, likewise.
    fn reason(&mut self, out: &mut String, text: &str) -> usize {
        if let Some(&number) = self.reasons.get(text) {
            return number;
        }
        let number = self.reasons.len();
        self.reasons.insert(text.to_owned(), number);
        out.push_str("[\"W\",");
        json::string(out, text);
        out.push_str("]\n");
        number
    }
}

impl Format for Page {
    fn begin(&mut self, out: &mut String) {
        let mut about = String::from("{\"program\":");
        json::string(&mut about, &super::program());
        let _ = write!(about, ",\"virtual\":{}}}", self.virtual_time);
        out.push_str(
            &PAGE
                .replace("/* STYLE */", STYLE)
                .replace("/* SCRIPT */", SCRIPT),
        );
        let _ = writeln!(out, "[\"i\",{about}]");
    }

    fn dropped(&mut self, out: &mut String, count: u64) {
        let _ = writeln!(out, "[\"x\",{count}]");
    }

    fn record(&mut self, out: &mut String, chunk: &Chunk, record: &Record) {
        self.written += 1;
        let Record { at, who, what } = *record;
        let _ = match what {
            What::Spawned {
                by,
                name,
                spawned_at,
            } => {
                let place = self.place(out, spawned_at);
                let _ = write!(out, "[\"s\",{at},{who},{},{place},", By(by));
                json::string(out, chunk.text(name));
                writeln!(out, "]")
            }
            What::Begins { ready } => writeln!(out, "[\"b\",{at},{who},{ready}]"),
            What::Yields { at: None } => writeln!(out, "[\"y\",{at},{who}]"),
            What::Yields { at: Some(place) } => {
                let place = self.place(out, place);
                writeln!(out, "[\"y\",{at},{who},{place}]")
            }
            What::Parks {
                why,
                at: place,
                held_by,
            } => {
                let place = self.place(out, place);
                let reason = self.reason(out, chunk.text(why));
                let _ = write!(out, "[\"p\",{at},{who},{reason},{place}");
                let held_by = chunk.text(held_by);
                if !held_by.is_empty() {
                    out.push(',');
                    json::string(out, held_by);
                }
                writeln!(out, "]")
            }
            What::HasNoStack => writeln!(out, "[\"n\",{at},{who}]"),
            What::Leaves => writeln!(out, "[\"d\",{at},{who}]"),
            What::Woken { by, interrupted } => {
                let interrupted = u8::from(interrupted);
                writeln!(out, "[\"w\",{at},{who},{},{interrupted}]", By(by))
            }
            What::Ended(how) => writeln!(out, "[\"e\",{at},{who},\"{}\"]", how_it_ended(how)),
            What::TimerFired { expires } => {
                writeln!(out, "[\"t\",{at},{who},{}]", u8::from(expires))
            }
            What::Sleeps => writeln!(out, "[\"z\",{at}]"),
            What::Awakes => writeln!(out, "[\"a\",{at}]"),
            What::Deadlock => writeln!(out, "[\"k\",{at}]"),
        };
    }

    fn end(&mut self, out: &mut String, dropped: u64) {
        let _ = writeln!(out, "[\"f\",{},{dropped}]\n</script>", self.written);
    }

    fn most(&self) -> u64 {
        MOST
    }
}

/// A coroutine's number, or the negative one of another cause.
struct By(Cause);

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Coroutine(id) => write!(f, "{}", id.0),
            Cause::Loop => f.write_str("-1"),
            Cause::Timer => f.write_str("-2"),
            Cause::Thread => f.write_str("-3"),
            Cause::Descriptor => f.write_str("-4"),
        }
    }
}
