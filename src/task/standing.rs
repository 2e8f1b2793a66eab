//! How a task stands, in one word.

use std::cell::Cell;
use std::mem;

use crate::clock::Stamp;

/// What the room of a task holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Content {
    Nothing,
    Body,
    Result,
    /// The payload of the body's panic.
    Payload,
}

const CONTENT: u8 = 0b11;

/// How far a coroutine has come and what its room holds, in one byte, so that both are
/// told and asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Stage(u8);

impl Stage {
    const STARTED: u8 = 1 << 2;
    const ENDED: u8 = 1 << 3;

    pub(super) const NEW: Stage = Stage(Content::Body as u8);

    pub(super) const fn started(content: Content) -> Stage {
        Stage(Stage::STARTED | content as u8)
    }

    pub(super) const fn ended(content: Content) -> Stage {
        Stage(Stage::STARTED | Stage::ENDED | content as u8)
    }

    pub(super) fn has_started(self) -> bool {
        self.0 & Stage::STARTED != 0
    }

    pub(super) fn has_ended(self) -> bool {
        self.0 & Stage::ENDED != 0
    }

    pub(super) fn holds(self, content: Content) -> bool {
        self.0 & CONTENT == content as u8
    }

    pub(super) fn with(self, content: Content) -> Stage {
        Stage(self.0 & !CONTENT | content as u8)
    }

    pub(super) fn at_end(self) -> Stage {
        Stage(self.0 | Stage::ENDED)
    }
}

/// One word, which a spawn writes at once.
#[repr(C, align(8))]
pub(super) struct Standing {
    pub(super) stage: Cell<Stage>,
    pub(super) flags: Cell<u8>,
    /// When it was spawned.
    pub(super) born: Cell<[u8; Stamp::BYTES]>,
}

impl Standing {
    /// Of a task that holds its body and has not started.
    #[inline(always)]
    pub(super) fn new(flags: u8, born: Stamp) -> Standing {
        let word = born.above([Stage::NEW.0, flags]);
        // SAFETY: any bytes are a stage, flags and six more, in this order.
        unsafe { mem::transmute(word.to_le()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_says_what_it_was_told() {
        let born = Stamp::from_bytes([1, 2, 3, 4, 5, 6]);
        for flags in [0, 1, 0xff] {
            let standing = Standing::new(flags, born);
            assert_eq!(standing.stage.get(), Stage::NEW);
            assert_eq!(standing.flags.get(), flags);
            assert_eq!(standing.born.get(), born.to_bytes());
        }
    }

    #[test]
    fn a_stage_tells_how_far_and_what() {
        use Content::{Body, Nothing, Payload, Result};
        assert!(!Stage::NEW.has_started() && Stage::NEW.holds(Body));
        for content in [Nothing, Result, Payload] {
            let started = Stage::started(content);
            assert!(started.has_started() && !started.has_ended() && started.holds(content));
            assert_eq!(started.at_end(), Stage::ended(content));
            assert!(started.at_end().has_ended());
            for other in [Nothing, Result, Payload] {
                assert_eq!(started.with(other), Stage::started(other));
                assert_eq!(started.at_end().with(other), Stage::ended(other));
            }
        }
    }
}
