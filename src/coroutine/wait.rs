//! What a coroutine waits for, to be told to who asks.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use crate::clock::Reading;
use crate::task::Id;

/// What a coroutine waits for, on its own stack while it waits.
pub(crate) struct Wait<'a> {
    pub(crate) what: &'a dyn Awaited,
    pub(crate) at: &'static Location<'static>,
    /// The loop's last reading of the clock when it began.
    pub(crate) since: Cell<Reading>,
}

/// What can be waited for; `Display` says what it is.
pub(crate) trait Awaited: fmt::Display {
    /// As `Display`, to be read of this waiter.
    fn describe(&self, _waiter: Id, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt(f)
    }

    /// Who must do something for the wait to end, where that is known: the owner
    /// of a lock, the coroutine that is joined.
    fn holders(&self) -> Vec<Id> {
        Vec::new()
    }
}

impl Awaited for &str {}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Awaited for fmt::FromFn<F> {}

/// What somebody waits for, in words.
pub(crate) struct Described<'a>(pub(crate) &'a dyn Awaited, pub(crate) Id);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(self.1, f)
    }
}

/// A [`Wait`], written out.
pub(crate) struct WaitInfo {
    pub(crate) what: String,
    pub(crate) at: &'static Location<'static>,
    pub(crate) since: Reading,
    pub(crate) holders: Vec<Id>,
}
