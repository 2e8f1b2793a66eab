//! How a task stands, in one word.

use std::cell::Cell;
use std::mem;

use crate::clock::Stamp;

/// How far a coroutine has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    New,
    Started,
    Ended,
}

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

/// One word, which a spawn writes at once.
#[repr(C, align(8))]
pub(super) struct Standing {
    pub(super) state: Cell<State>,
    pub(super) content: Cell<Content>,
    pub(super) flags: Cell<u8>,
    /// When it was spawned.
    pub(super) born: Cell<[u8; Stamp::BYTES]>,
}

impl Standing {
    /// Of a task that holds its body and has not started.
    #[inline(always)]
    pub(super) fn new(flags: u8, born: Stamp) -> Standing {
        let word = (State::New as u64)
            | (Content::Body as u64) << 8
            | u64::from(flags) << 16
            | born.above(24);
        // SAFETY: the bytes are those of a state, a content, flags, and five more.
        unsafe { mem::transmute(word.to_le()) }
    }
}
