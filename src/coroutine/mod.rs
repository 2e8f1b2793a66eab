//! A coroutine is a [`Raw`] that yields why it stops.
//!
//! This module adds to the raw generator what the scheduler needs to know of a
//! coroutine, in its seat: the state bits, what it waits for, where it was left.
//! [`switch`] does the leaving. It knows nothing of queues or time.
//!
//! ```text
//!           sit down           leave (yield)
//!   IDLE ───────────────▶ ACTIVE ───────┐
//!    ▲                    │ │ ▲ ▲       │ entered in its turn
//!    └────────────────────┘ │ │ └───────┘
//!      its body is over     ▼ │ wake or interrupt: to the ready queue
//!                         PARKED
//! ```

mod backtrace;
mod job;
pub(crate) mod locals;
mod place;
mod switch;
mod wait;

use std::cell::Cell;
use std::ptr::NonNull;
use std::thread::panicking;

use crate::cpu::prefetch;
use crate::frames::{self, Top};
use crate::generator::raw::Raw;
use crate::panic_count;
use crate::stack::LINE;
use crate::task::{Task, TaskRef};
use crate::unwind::Silent;

pub(crate) use job::{Life, settle, unsettle};
pub(crate) use place::{Loop, Ready, To};
pub(crate) use wait::{Awaited, Described, Wait, WaitInfo};

/// The state: one of these …
const STATE: u8 = 0b11;
/// Running, or in the ready queue.
const ACTIVE: u8 = 0;
const PARKED: u8 = 1;
/// The stack runs no coroutine.
const IDLE: u8 = 2;
/// … and these bits. Cancelled; met where nothing hides it.
const CANCELLED: u8 = 1 << 2;
/// A frame may be due; `frames::due` knows.
const DUE: u8 = 1 << 3;
/// It was taken out of its wait to unwind, so what it waited for has not
/// happened.
const INTERRUPTED: u8 = 1 << 4;
/// Its wait goes on whatever is due.
const DEAF: u8 = 1 << 5;
/// Its body is over, and what is left are destructors that nothing interrupts.
const ENDING: u8 = 1 << 6;
/// It waits for a token.
const UNPARKABLE: u8 = 1 << 7;

/// A wait, by what ends it besides a wake.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Parking {
    /// What is due there.
    Plain = PARKED,
    /// Nothing.
    Deaf = PARKED | DEAF,
    /// What is due there, and a token.
    ForToken = PARKED | UNPARKABLE,
}

/// Whether a coroutine may be left to another one, not only to the loop.
pub(crate) const TO_ANOTHER: bool = switch::TO_ANOTHER;

/// The seat of a stack that runs a coroutine.
pub(crate) struct Seat {
    /// A byte, so that it is written and read as a whole: a load that is wider than the
    /// store before it waits until that is in memory.
    state: Cell<u8>,
    /// Counted, while the state is not `IDLE`.
    task: Cell<NonNull<()>>,
    /// What it waits for; only while it is parked.
    wait: Cell<Option<NonNull<Wait<'static>>>>,
    baggage: Cell<Option<NonNull<Baggage>>>,
    /// Where it was left, unless that was with a yield: then it is in the queue.
    frame: Cell<usize>,
    /// The values of its `coroutine_local!`s, owned by the local module.
    pub(crate) locals: Cell<*mut ()>,
}

/// What a coroutine takes along that the thread would otherwise mix up with
/// that of others.
struct Baggage {
    top: Top,
    depth: usize,
}

/// The running coroutine has no [`Baggage`].
pub(crate) struct Light(());

impl Light {
    #[inline(always)]
    pub(crate) fn now() -> Option<Light> {
        (frames::top().is_none() && !panicking()).then_some(Light(()))
    }
}

/// A seat that a coroutine sits in, as the job below it has it: whoever sits there is not
/// gone before the seat is given on or given up.
#[must_use]
pub(crate) struct OwnSeat(Raw);

impl OwnSeat {
    #[inline]
    pub(crate) fn raw(&self) -> Raw {
        self.0
    }

    /// Who sits there.
    #[inline]
    pub(crate) fn task(&self) -> &Task {
        debug_assert!(!self.0.is_idle());
        // SAFETY: the seat holds a reference until `give_to` or `stand_up`, which nobody calls
        // while this is borrowed.
        unsafe { TaskRef::peek(self.0.co().task.get()) }
    }

    /// Lets `task` sit down in the place of one that has ended. Gives who sat there, and who
    /// does now.
    #[inline]
    pub(crate) fn give_to(&mut self, task: TaskRef) -> (TaskRef, &Task) {
        debug_assert!(!self.0.is_idle() && !self.0.may_be_due());
        let seat = self.0.co();
        task.raw.set(Some(self.0));
        seat.state.set(ACTIVE);
        let new = task.into_address();
        let last = seat.task.replace(new);
        // SAFETY: the reference to who sat there was put there by `sit_down` or here, and is
        // not given again; for who does now as in `task`.
        unsafe { (TaskRef::from_address(last), TaskRef::peek(new)) }
    }

    /// Marks the stack of a coroutine that has ended as idle. Gives who sat there.
    #[inline]
    pub(crate) fn stand_up(self) -> TaskRef {
        debug_assert!(!self.0.is_idle() && !self.0.may_be_due());
        let seat = self.0.co();
        seat.state.set(IDLE);
        // SAFETY: as in `give_to`; an idle seat never gives it again.
        unsafe { TaskRef::from_address(seat.task.get()) }
    }
}

impl Raw {
    fn co(&self) -> &Seat {
        // SAFETY: the scheduler knows only stacks that are settled, whose job has
        // written its seat first of all.
        unsafe { self.seat::<Seat>() }
    }

    /// Where it was left, unless that was with a yield.
    fn frame(&self) -> usize {
        self.co().frame.get()
    }

    fn has(&self, bits: u8) -> bool {
        self.co().state.get() & bits != 0
    }

    fn add(&self, bits: u8) {
        self.co().state.set(self.co().state.get() | bits);
    }

    fn remove(&self, bits: u8) {
        self.co().state.set(self.co().state.get() & !bits);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.co().state.get() & STATE == IDLE
    }

    /// Makes this idle stack that of `task`, which begins when it is entered.
    #[inline(always)]
    pub(crate) fn sit_down(self, task: TaskRef) {
        debug_assert!(self.is_idle());
        task.raw.set(Some(self));
        self.co().task.set(task.into_address());
        self.co().state.set(ACTIVE);
    }

    pub(crate) fn task(&self) -> &Task {
        debug_assert!(!self.is_idle());
        // SAFETY: the reference in the seat keeps it, and no caller holds it for longer than
        // who sits there lives; the job itself asks its `OwnSeat`.
        unsafe { TaskRef::peek(self.co().task.get()) }
    }

    /// One more reference to its task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        // SAFETY: as in `task`.
        unsafe { TaskRef::another(NonNull::from(self.task())) }
    }

    pub(crate) fn locals(&self) -> &Cell<*mut ()> {
        &self.co().locals
    }

    /// What it waits for, if it is parked.
    pub(crate) fn wait(&self) -> Option<&Wait<'_>> {
        if !self.is_parked() {
            return None;
        }
        // SAFETY: a wait is on the stack of its coroutine from before it is parked
        // until after it has come back.
        Some(unsafe { self.co().wait.get()?.as_ref() })
    }

    /// What it waits for, if it is parked, written out.
    pub(crate) fn describe_wait(&self) -> Option<WaitInfo> {
        let wait = self.wait()?;
        Some(WaitInfo {
            what: Described(wait.what, self.task().id()).to_string(),
            at: wait.at,
            since: wait.since.get(),
            holders: wait.what.holders(),
        })
    }

    /// Bytes of stack in use, while it is suspended; 0 if it was left on another stack, that of
    /// a generator.
    pub(crate) fn stack_used(&self) -> usize {
        match self.contains(self.frame()) {
            true => self.base() - self.frame(),
            false => 0,
        }
    }

    /// Whether a cancel or an expiry may be pending.
    #[inline(always)]
    pub(crate) fn may_be_due(&self) -> bool {
        self.has(CANCELLED | DUE)
    }

    /// Asks for the unwinding of the whole coroutine. True if nothing was pending
    /// before.
    pub(crate) fn set_cancelled(&self) -> bool {
        let pending = self.may_be_due();
        if !self.has(ENDING) {
            self.add(CANCELLED);
        }
        !pending && self.may_be_due()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    /// Says that a frame of this coroutine is due. True if nothing was pending
    /// before.
    pub(crate) fn set_due(&self) -> bool {
        let pending = self.may_be_due();
        self.add(DUE);
        !pending
    }

    /// After a frame of the running coroutine was closed. True if that was the
    /// last that was pending.
    pub(crate) fn frame_closed(&self) -> bool {
        if self.has(DUE) && !frames::any_due(frames::top()) {
            self.remove(DUE);
            return !self.may_be_due();
        }
        false
    }

    /// Whether the running coroutine, whose body is over, has no locals and nothing
    /// is pending in it.
    #[inline(always)]
    pub(crate) fn leaves_nothing(&self) -> bool {
        self.co().state.get() == ACTIVE && self.locals().get().is_null()
    }

    /// From here on nothing is raised in this coroutine any more. True if
    /// something was pending.
    pub(crate) fn set_ending(&self) -> bool {
        let pending = self.may_be_due();
        self.remove(CANCELLED | DUE);
        self.add(ENDING);
        pending
    }

    /// What may be raised in the running coroutine.
    pub(crate) fn due_here(&self, ignore_shields: bool) -> Option<Silent> {
        let cancelled = self.has(CANCELLED);
        frames::due(
            frames::top(),
            panic_count::depth(),
            cancelled,
            ignore_shields,
        )
    }

    /// Ends a wait, for what it waits for has come. None if it is not parked.
    #[inline(always)]
    pub(crate) fn wake(&self) -> Option<Ready> {
        if self.co().state.get() & STATE != PARKED {
            return None;
        }
        let ready = Ready::suspended(*self, self.frame());
        self.remove(STATE | UNPARKABLE);
        Some(ready)
    }

    /// Whether it waits for a token.
    pub(crate) fn is_unparkable(&self) -> bool {
        self.has(UNPARKABLE)
    }

    /// As [`wake`](Self::wake), if it is parked and nothing else is to be said of it.
    #[inline(always)]
    pub(crate) fn wake_plain(&self) -> Option<Ready> {
        if self.co().state.get() != PARKED {
            return None;
        }
        // Read first: all that follows waits for it.
        let ready = Ready::suspended(*self, self.frame());
        self.co().state.set(ACTIVE);
        Some(ready)
    }

    /// Leaves it as it is, for ever.
    pub(crate) fn abandon(&self) {
        self.co().state.set(IDLE);
    }

    /// Asks the cache for what [`Raw::wake`] will touch of the stack that is `distance`
    /// bytes further on; there may be none.
    #[inline(always)]
    pub(crate) fn prefetch_wake(&self, distance: usize) {
        prefetch((self.base() + LINE).wrapping_add(distance));
    }

    /// Asks the cache for what a life on this idle stack touches besides its seat.
    #[inline(always)]
    pub(crate) fn prefetch_start(&self) {
        const LINES: usize = 6;
        for line in 0..LINES {
            prefetch(self.base() - line * LINE);
        }
    }

    /// Asks the cache for the task.
    #[inline(always)]
    pub(crate) fn prefetch_task(&self) {
        prefetch(self.co().task.get().addr().get());
    }

    /// Ends a wait because something is due that may be raised there.
    pub(crate) fn interrupt(&self, ignore_shields: bool) -> Option<Ready> {
        if self.co().state.get() & STATE != PARKED || self.has(DEAF) {
            return None;
        }
        self.due_where_it_waits(ignore_shields)?;
        self.add(INTERRUPTED);
        self.wake()
    }

    /// Whether a shield holds off what is due where it waits.
    pub(crate) fn is_shielded(&self) -> bool {
        !self.has(ENDING) && self.due_where_it_waits(false) != self.due_where_it_waits(true)
    }

    /// What may be raised in a suspended coroutine.
    fn due_where_it_waits(&self, ignore_shields: bool) -> Option<Silent> {
        let (top, depth) = match self.co().baggage.get() {
            // SAFETY: baggage is on the stack of its coroutine like a wait.
            Some(baggage) => unsafe { (baggage.as_ref().top, baggage.as_ref().depth) },
            None => (None, 0),
        };
        frames::due(top, depth, self.has(CANCELLED), ignore_shields)
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.co().state.get() & STATE == PARKED
    }

    /// Whether it is to come back from its wait with nothing but what is due.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.has(INTERRUPTED)
    }

    /// Whether a suspended coroutine takes what is handed to it: it will come
    /// back to its wait, and nothing is due there that comes first.
    #[inline(always)]
    pub(crate) fn accepts(&self, ignore_shields: bool) -> bool {
        match self.co().state.get() & STATE {
            // Whoever makes something due interrupts the wait where it may.
            PARKED => true,
            // Woken by somebody else meanwhile.
            ACTIVE => self.accepts_awake(ignore_shields),
            // Leaked.
            _ => false,
        }
    }

    #[cold]
    fn accepts_awake(&self, ignore_shields: bool) -> bool {
        let due = || self.may_be_due() && self.due_where_it_waits(ignore_shields).is_some();
        self.has(DEAF) || !self.has(INTERRUPTED) && !due()
    }

    /// Leaves the running coroutine to `next`, until its wait is ended.
    /// [`comes_back`](Self::comes_back) must follow.
    #[inline(always)]
    pub(crate) fn leave_parked(self, wait: &Wait<'_>, how: Parking, next: impl FnOnce() -> To) {
        let seat = self.co();
        seat.wait.set(Some(NonNull::from(wait).cast()));
        self.add(how as u8);
        self.leave_to(|| (seat.frame.as_ptr(), next()));
    }

    /// After a wait of the running coroutine: whether that was woken, not interrupted.
    #[inline(always)]
    pub(crate) fn comes_back(&self) -> bool {
        !self.has(DEAF | INTERRUPTED) || self.comes_back_from_special()
    }

    #[cold]
    #[inline(never)]
    fn comes_back_from_special(&self) -> bool {
        let interrupted = self.has(INTERRUPTED);
        self.remove(DEAF | INTERRUPTED);
        !interrupted
    }

    /// Leaves the running coroutine. `how` says where its frame is written and
    /// where to go.
    #[inline(always)]
    pub(crate) fn leave_to(self, how: impl FnOnce() -> (*mut usize, To)) {
        match Light::now() {
            Some(light) => {
                let (save, to) = how();
                self.leave_light(light, save, to);
            }
            None => self.leave_with_baggage(how),
        }
    }

    /// As [`leave_to`](Self::leave_to), for whoever has no baggage.
    #[inline(always)]
    pub(crate) fn leave_light(self, _: Light, save: *mut usize, to: To) {
        // SAFETY: we run in this coroutine; `To` is a frame that is used once.
        unsafe { switch::leave(self, save, to.0) };
    }

    #[inline(never)]
    fn leave_with_baggage(self, how: impl FnOnce() -> (*mut usize, To)) {
        let top = frames::top();
        frames::set_top(None);
        let aside = panicking().then(panic_count::set_aside);
        let baggage = Baggage {
            top,
            depth: aside.as_ref().map_or(0, panic_count::Aside::count),
        };
        let seat = self.co();
        seat.baggage.set(Some(NonNull::from(&baggage)));
        let (save, to) = how();
        // SAFETY: as in `leave_to`.
        unsafe { switch::leave(self, save, to.0) };
        seat.baggage.set(None);
        if let Some(aside) = aside {
            panic_count::put_back(aside);
        }
        frames::set_top(top);
    }
}
