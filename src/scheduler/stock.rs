//! What a run keeps for the next crowd. What was not needed for a while is given back, a part
//! at a time.

use std::cell::Cell;
use std::time::Duration;

use crate::coroutine::Ready;
use crate::ready::ReadyQueue;
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

/// The ready queue of so many coroutines: all of them may come to stand in it at once, and how
/// large it is tells how many stacks there are to ask the cache for.
pub(super) struct Ring<'a> {
    pub(super) ready: &'a ReadyQueue<Ready>,
    pub(super) alive: usize,
}

impl Stock for Ring<'_> {
    #[inline(always)]
    fn surplus_at_most(&self) -> usize {
        self.ready.spare(self.alive)
    }

    /// How much of it is filled is not noted: it grows again in no time.
    fn watch(&self) {}

    fn surplus(&self) -> usize {
        self.ready.spare(self.alive)
    }

    fn give_back(&self, _: usize) {
        self.ready.shrink(self.alive);
    }
}

/// Since when a stock is watched.
#[derive(Default)]
pub(super) struct Watch(Cell<Option<Duration>>);

impl Watch {
    /// Gives back what was not needed for a while, some at a time. Returns when there may be
    /// more.
    #[inline(always)]
    pub(super) fn trim(
        &self,
        stock: &impl Stock,
        now: impl FnOnce() -> Duration,
    ) -> Option<Duration> {
        if stock.surplus_at_most() == 0 {
            self.0.set(None);
            return None;
        }
        self.trim_some(stock, now())
    }

    #[inline(never)]
    fn trim_some(&self, stock: &impl Stock, now: Duration) -> Option<Duration> {
        let since = self.0.get().unwrap_or_else(|| {
            stock.watch();
            self.0.set(Some(now));
            now
        });
        let left = (since + AFTER).saturating_sub(now);
        if !left.is_zero() {
            return Some(left);
        }
        let surplus = stock.surplus();
        if surplus == 0 {
            self.0.set(None);
            return Some(AFTER);
        }
        stock.give_back(surplus.min(AT_ONCE));
        Some(Duration::ZERO)
    }
}
