//! What a run keeps for the next crowd. What was not needed for a while is given back, a part
//! at a time.

use std::cell::Cell;
use std::time::Duration;

use crate::task::Hoard;

/// For so long.
const AFTER: Duration = Duration::from_secs(1);
/// How many are given back in one go, so that the loop does not stall.
const AT_ONCE: usize = 1024;

/// Things that lie idle.
pub(super) trait Stock {
    /// How many there are besides those that are always kept.
    fn surplus_at_most(&self) -> usize;

    /// From here on it is noted how many are needed.
    fn watch(&self);

    /// How many of these were not needed since `watch`.
    fn surplus(&self) -> usize;

    /// Gives some of the surplus back.
    fn give_back(&self, count: usize);
}

impl Stock for Hoard {
    fn surplus_at_most(&self) -> usize {
        self.count()
    }

    fn watch(&self) {
        self.watch();
    }

    fn surplus(&self) -> usize {
        self.surplus()
    }

    fn give_back(&self, count: usize) {
        self.give_back(count);
    }
}

/// A stock, and since when it is watched.
pub(super) struct Trimmed<S> {
    stock: S,
    since: Cell<Option<Duration>>,
}

impl<S: Stock> Trimmed<S> {
    pub(super) fn new(stock: S) -> Trimmed<S> {
        let since = Cell::new(None);
        Trimmed { stock, since }
    }

    /// Gives back what was not needed for a while, some at a time. Returns when there may be
    /// more.
    pub(super) fn trim(&self, now: impl FnOnce() -> Duration) -> Option<Duration> {
        if self.stock.surplus_at_most() == 0 {
            self.since.set(None);
            return None;
        }
        let now = now();
        let since = self.since.get().unwrap_or_else(|| {
            self.stock.watch();
            self.since.set(Some(now));
            now
        });
        let left = (since + AFTER).saturating_sub(now);
        if !left.is_zero() {
            return Some(left);
        }
        let surplus = self.stock.surplus();
        if surplus == 0 {
            self.since.set(None);
            return Some(AFTER);
        }
        self.stock.give_back(surplus.min(AT_ONCE));
        Some(Duration::ZERO)
    }
}

impl<S> std::ops::Deref for Trimmed<S> {
    type Target = S;

    #[inline(always)]
    fn deref(&self) -> &S {
        &self.stock
    }
}
