//! How a task stands, in one word.

use std::cell::Cell;
use std::mem;
use std::ptr;

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
        // SAFETY: the bytes are those of a stage, flags, and six more.
        unsafe { mem::transmute(word.to_le()) }
    }
    /// Whether it is new, and no flag says anything of it: one look at both.
    #[inline(always)]
    pub(super) fn is_fresh(&self) -> bool {
        // SAFETY: the first two bytes are the stage and the flags; the alignment is more than
        // enough.
        let both = unsafe { ptr::from_ref(self).cast::<[u8; 2]>().read() };
        u16::from_ne_bytes(both) == u16::from_ne_bytes([Stage::NEW.0, 0])
    }
}
