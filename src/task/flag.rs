//! Bits of `Standing::flags`.

/// Nobody holds its join handle any more.
pub(crate) const DETACHED: u8 = 1;
/// Cancelled before it had a stack.
pub(crate) const CANCELLED: u8 = 2;
/// `unpark` was called and no `park` has taken it.
pub(crate) const TOKEN: u8 = 4;
/// The one that `run` was called with.
pub(crate) const MAIN: u8 = 8;
/// May borrow: nothing that it runs may outlive its scope.
pub(crate) const SCOPED: u8 = 16;
/// One of the scheduler's own: it runs in any phase.
pub(crate) const INTERNAL: u8 = 32;
/// A cancel was raised in it.
pub(crate) const RAISED: u8 = 64;
/// A probe sees it.
pub(crate) const OBSERVED: u8 = 128;
/// With none of these, an end is only a result that somebody wants.
pub(crate) const SPECIAL: u8 = DETACHED | MAIN | SCOPED | OBSERVED;
