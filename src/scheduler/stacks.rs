//! The stacks that a scheduler holds: busy ones, idle ones, and one in reserve.
//!
//! Idle stacks are reused last in, first out, since those are warm.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::coroutine;
use crate::generator::raw::{Raw, RawPool};

use super::Scheduler;
use super::stock::Stock;

/// So many idle stacks are always kept.
const KEPT: usize = 64;
/// Of the idle stacks the caches hold so many at most.
const WARM: usize = 512;
/// The others are asked for ahead, so many at once, so that the processor looks up many pages
/// at a time.
const BATCH: usize = 16;

pub(super) struct Stacks {
    pool: Rc<RawPool>,
    /// All of them. Each knows its place.
    list: RefCell<Vec<Raw>>,
    /// Idle ones of the default size.
    idle: RefCell<Vec<Raw>>,
    /// The first so many of these have left the caches.
    cold: Cell<usize>,
    /// For coroutines that get no stack: theirs to fail on.
    reserve: Raw,
    reserve_is_free: Cell<bool>,
    /// Usable bytes of all of them.
    mapped: Cell<usize>,
    /// The fewest idle stacks since `watch`.
    fewest_idle: Cell<usize>,
}

impl Stacks {
    /// # Errors
    /// The system gives no stack.
    pub(super) fn new(size: usize) -> io::Result<Stacks> {
        let pool = RawPool::of_size(size)?;
        let reserve = pool.take()?;
        coroutine::settle::<Scheduler>(reserve);
        reserve.place().set(0);
        Ok(Stacks {
            mapped: Cell::new(reserve.usable()),
            pool,
            list: RefCell::new(vec![reserve]),
            idle: RefCell::default(),
            cold: Cell::new(0),
            reserve,
            reserve_is_free: Cell::new(true),
            fewest_idle: Cell::new(0),
        })
    }

    /// An idle stack of the default size.
    ///
    /// # Errors
    /// The system gives no more.
    #[inline]
    pub(super) fn take(&self) -> io::Result<Raw> {
        let mut idle = self.idle.borrow_mut();
        let Some(raw) = idle.pop() else {
            drop(idle);
            return self.take_from(&self.pool);
        };
        let left = idle.len();
        if 0 < left && left <= self.cold.get() {
            self.cold.set(left.saturating_sub(BATCH));
            let soon = || idle[self.cold.get()..].iter().rev();
            soon().for_each(|raw| raw.prefetch_wake(0));
            soon().for_each(Raw::prefetch_start);
        }
        if left < self.fewest_idle.get() {
            self.fewest_idle.set(left);
        }
        Ok(raw)
    }

    /// An idle stack of at least `bytes`.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn take_sized(&self, bytes: usize) -> io::Result<Raw> {
        let pool = RawPool::of_size(bytes)?;
        if Rc::ptr_eq(&pool, &self.pool) {
            return self.take();
        }
        self.take_from(&pool)
    }

    #[cold]
    fn take_from(&self, pool: &Rc<RawPool>) -> io::Result<Raw> {
        let raw = pool.take()?;
        coroutine::settle::<Scheduler>(raw);
        self.mapped.set(self.mapped.get() + raw.usable());
        let mut list = self.list.borrow_mut();
        raw.place().set(list.len());
        list.push(raw);
        Ok(raw)
    }

    pub(super) fn reserve(&self) -> Raw {
        self.reserve
    }

    /// The stack that is kept for those who get none, if it is free.
    pub(super) fn take_reserve(&self) -> Option<Raw> {
        self.reserve_is_free.replace(false).then_some(self.reserve)
    }

    #[inline(always)]
    pub(super) fn is_reserve(&self, raw: Raw) -> bool {
        raw == self.reserve
    }

    /// Whether `raw` is like any that [`Stacks::take`] gives.
    #[inline(always)]
    pub(super) fn is_default(&self, raw: Raw) -> bool {
        raw.is_of(&self.pool) && raw != self.reserve
    }

    /// Takes back a stack whose job has returned.
    #[inline(always)]
    pub(super) fn put_back(&self, raw: Raw) {
        if self.is_default(raw) {
            let mut idle = self.idle.borrow_mut();
            idle.push(raw);
            let cold = idle.len().saturating_sub(WARM);
            self.cold.set(self.cold.get().max(cold));
        } else {
            self.put_back_special(raw);
        }
    }

    #[cold]
    fn put_back_special(&self, raw: Raw) {
        if self.is_reserve(raw) {
            self.reserve_is_free.set(true);
        } else {
            self.forget(raw);
            // SAFETY: it is idle, and we have just forgotten it.
            unsafe {
                coroutine::unsettle(raw);
                raw.release();
            }
        }
    }

    /// Takes a stack off the list.
    fn forget(&self, raw: Raw) {
        self.mapped.set(self.mapped.get() - raw.usable());
        let mut list = self.list.borrow_mut();
        let place = raw.place().get();
        list.swap_remove(place);
        if let Some(moved) = list.get(place) {
            moved.place().set(place);
        }
    }

    /// Leaves a stack as it is, for ever, with the coroutine that is suspended
    /// on it; nothing wakes that any more.
    pub(super) fn leak(&self, raw: Raw) {
        self.forget(raw);
        raw.abandon();
    }

    /// How many there are, and how many bytes are mapped and in memory for them.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        /// More are not looked at.
        const SAMPLE: usize = 64;
        let list = self.list.borrow();
        let stride = list.len().div_ceil(SAMPLE);
        let sample: Vec<&Raw> = list.iter().step_by(stride).collect();
        let resident: usize = sample.iter().map(|raw| raw.resident()).sum();
        let resident = resident * list.len() / sample.len();
        (list.len(), self.mapped.get(), resident)
    }

    /// The stacks that run a coroutine.
    pub(super) fn busy(&self) -> Vec<Raw> {
        let list = self.list.borrow();
        list.iter().copied().filter(|raw| !raw.is_idle()).collect()
    }
}

impl Stock for Stacks {
    fn surplus_at_most(&self) -> usize {
        self.idle.borrow().len().saturating_sub(KEPT)
    }

    fn watch(&self) {
        self.fewest_idle.set(self.idle.borrow().len());
    }

    fn surplus(&self) -> usize {
        self.fewest_idle.get().saturating_sub(KEPT)
    }

    /// Those that were idle longest.
    fn give_back(&self, count: usize) {
        self.fewest_idle.set(self.fewest_idle.get() - count);
        let raws: Vec<Raw> = self.idle.borrow_mut().drain(..count).collect();
        self.cold.set(self.cold.get().saturating_sub(count));
        raws.iter().for_each(|&raw| self.forget(raw));
        // SAFETY: idle stacks have no job, and they are on no list any more.
        unsafe { self.pool.discard(raws) };
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        let all = self.list.take().into_iter().filter(Raw::is_idle);
        let (own, other): (Vec<Raw>, Vec<Raw>) = all.partition(|raw| raw.is_of(&self.pool));
        // SAFETY: the scheduler that knew these idle stacks is gone. Leaked ones
        // are on no list.
        unsafe {
            own.iter()
                .chain(&other)
                .for_each(|&raw| coroutine::unsettle(raw));
            self.pool.put_back_all(own);
            other.into_iter().for_each(|raw| raw.release());
        }
    }
}
