//! What the loop hands to the writer: records, some hundred at a time.

use std::fmt;
use std::fmt::Write;
use std::panic::Location;

use crate::probe::Cause;
use crate::task::End;

/// Records in one chunk, at most.
const CHUNK: usize = 1024;
/// Bytes of text in one chunk, about.
const TEXT: usize = 32 << 10;
/// Longer texts are cut.
const LONGEST: usize = 400;

/// One thing that happened. Texts are in the chunk.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// Nanoseconds since the run began; later records have larger ones.
    pub(super) at: u64,
    /// The coroutine that it happened to; 0 for the loop.
    pub(super) who: u64,
    pub(super) what: What,
}

/// See [`Event`](crate::probe::Event).
#[derive(Clone, Copy)]
pub(super) enum What {
    Spawned {
        by: Cause,
        name: Text,
        spawned_at: Place,
    },
    Begins {
        ready: u32,
    },
    Yields {
        at: Option<Place>,
    },
    Parks {
        why: Text,
        at: Place,
        held_by: Text,
    },
    HasNoStack,
    Leaves,
    Woken {
        by: Cause,
        interrupted: bool,
    },
    Ended(End),
    TimerFired {
        expires: bool,
    },
    Sleeps,
    Awakes,
    Deadlock,
}

pub(super) type Place = &'static Location<'static>;

/// A text in a [`Chunk`].
#[derive(Clone, Copy, Default)]
pub(super) struct Text {
    start: u32,
    end: u32,
}

#[derive(Default)]
pub(super) struct Chunk {
    pub(super) records: Vec<Record>,
    /// So many are missing before these.
    pub(super) dropped: u64,
    text: String,
}

impl Chunk {
    pub(super) fn with_room() -> Chunk {
        Chunk {
            records: Vec::with_capacity(CHUNK),
            text: String::with_capacity(TEXT),
            dropped: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= CHUNK || self.text.len() >= TEXT
    }

    /// Keeps a text.
    pub(super) fn keep(&mut self, text: impl fmt::Display) -> Text {
        let start = self.text.len();
        // What cannot be written out is left out.
        let _ = write!(Cut(&mut self.text, start + LONGEST), "{text}");
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Text {
            start: number(start),
            end: number(self.text.len()),
        }
    }

    pub(super) fn text(&self, text: Text) -> &str {
        let (start, end) = (text.start as usize, text.end as usize);
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.dropped = 0;
        self.text.clear();
    }
}

/// Writes up to a length, then an ellipsis, then nothing.
struct Cut<'a>(&'a mut String, usize);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Cut(out, end) = self;
        let room = end.saturating_sub(out.len());
        if text.len() <= room {
            out.push_str(text);
            return Ok(());
        }
        out.push_str(&text[..text.floor_char_boundary(room)]);
        out.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_and_long_ones_cut() {
        let mut chunk = Chunk::default();
        let short = chunk.keep("short");
        let long = chunk.keep(format_args!("{}{}", "ä".repeat(LONGEST), "tail"));
        let next = chunk.keep(7);
        assert_eq!(chunk.text(short), "short");
        let cut = chunk.text(long);
        assert!(cut.ends_with("ä…") && cut.len() <= LONGEST + '…'.len_utf8());
        assert_eq!(chunk.text(next), "7");
        assert_eq!(chunk.text(Text::default()), "");
    }

    #[test]
    fn a_chunk_is_full_of_records_or_of_text() {
        let mut chunk = Chunk::default();
        while !chunk.is_full() {
            chunk.keep("a".repeat(LONGEST));
        }
        assert!(chunk.records.is_empty());
        chunk.clear();
        assert!(!chunk.is_full());
    }
}
