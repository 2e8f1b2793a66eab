//! Text that is put together and printed in a signal handler, where there is
//! neither a heap nor much of a stack.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// What does not fit is cut off.
const ROOM: usize = 2048;

struct Buffer(UnsafeCell<[u8; ROOM]>);

// SAFETY: used through the one `Message` only.
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new([0; ROOM]));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The only one of the process.
pub(super) struct Message {
    length: usize,
}

impl Message {
    /// `None` if it is in use.
    pub(super) fn take() -> Option<Message> {
        (!TAKEN.swap(true, Ordering::Acquire)).then_some(Message { length: 0 })
    }

    pub(super) fn give_back(self) {
        TAKEN.store(false, Ordering::Release);
    }

    /// Writes it to stderr.
    pub(super) fn print(&self) {
        let mut from = 0;
        while from < self.length {
            // SAFETY: `TAKEN` makes us the only user; the range is within.
            let wrote = unsafe {
                let bytes = BUFFER.0.get().cast::<u8>().add(from);
                libc::write(2, bytes.cast(), self.length - from)
            };
            match usize::try_from(wrote) {
                Ok(count) if count > 0 => from += count,
                _ => return,
            }
        }
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let count = text.len().min(ROOM - self.length);
        // SAFETY: `TAKEN` makes us the only user; `count` bytes are left.
        unsafe {
            let end = BUFFER.0.get().cast::<u8>().add(self.length);
            end.copy_from_nonoverlapping(text.as_ptr(), count);
        }
        self.length += count;
        Ok(())
    }
}
