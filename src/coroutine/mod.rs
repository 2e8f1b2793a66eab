//! A coroutine is a [`Raw`] that yields why it stops.
//!
//! This module adds to the raw generator what the scheduler needs to know of a
//! coroutine: the state bits in its hot word, the rest in its seat, and the word
//! that it leaves with. It knows nothing of queues or time.
//!
//! ```text
//!            start            leave (yield)
//!   new ───────────────▶ ACTIVE ───────┐
//!                         │ ▲ ▲        │ resumed in its turn
//!           leave (park)  │ │ └────────┘
//!                         ▼ │
//!                       PARKED
//!                           wake or interrupt: to the ready queue
//! ```

pub(crate) mod locals;
mod trace;

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::thread::panicking;
use std::time::Duration;

use crate::cpu::{prefetch, stack_pointer};
use crate::frames::{self, Top};
use crate::generator::raw::{DONE, Raw};
use crate::panic_count;
use crate::stack::LINE;
use crate::task::{Id, Task, TaskRef};
use crate::unwind::Silent;

/// The hot word: one state …
const STATE: u64 = 0b11;
/// Running, or in the ready queue.
const ACTIVE: u64 = 0;
const PARKED: u64 = 1;
/// The stack runs no coroutine.
const IDLE: u64 = 2;
/// … and these bits. Cancelled; met where nothing hides it.
const CANCELLED: u64 = 1 << 8;
/// A frame may be due; `frames::due` knows.
const DUE: u64 = 1 << 9;
/// It was taken out of its wait to unwind, so what it waited for has not
/// happened.
const INTERRUPTED: u64 = 1 << 10;
/// Its wait goes on whatever is due.
const DEAF: u64 = 1 << 11;
/// Its body is over, and what is left are destructors that nothing interrupts.
const ENDING: u64 = 1 << 12;

/// The tags of the word that a coroutine leaves with; the rest of it is the
/// address of its frame, for the prefetch.
const TAG: usize = 0b11;
const TAG_YIELD: usize = 1;
const TAG_PARK: usize = 2;

/// Why a coroutine stopped.
pub(crate) enum Stop {
    /// It goes to the back of the ready queue.
    Yield(Ready),
    /// Somebody will wake it.
    Park,
    /// It has ended; the stack is free.
    Done,
}

/// The seat of a stack that runs a coroutine.
pub(crate) struct Seat {
    task: NonNull<Task>,
    wait: Cell<Option<NonNull<Wait<'static>>>>,
    baggage: Cell<Option<NonNull<Baggage>>>,
    frame: Cell<usize>,
    /// The values of its `coroutine_local!`s, owned by the local module.
    pub(crate) locals: Cell<*mut ()>,
}

/// What a coroutine waits for, on its own stack while it waits.
pub(crate) struct Wait<'a> {
    pub(crate) what: &'a dyn Awaited,
    pub(crate) at: &'static Location<'static>,
    /// The loop's last reading of the clock when it began.
    pub(crate) since: Cell<Duration>,
}

/// What can be waited for; `Display` says what it is.
pub(crate) trait Awaited: fmt::Display {
    /// Who must do something for the wait to end, where that is known: the owner
    /// of a lock, the coroutine that is joined.
    fn holders(&self) -> Vec<Id> {
        Vec::new()
    }
}

impl Awaited for &str {}

/// A [`Wait`], written out.
pub(crate) struct WaitInfo {
    pub(crate) what: String,
    pub(crate) at: &'static Location<'static>,
    pub(crate) since: Duration,
    pub(crate) holders: Vec<Id>,
}

/// What a coroutine takes along that the thread would otherwise mix up with
/// that of others.
struct Baggage {
    top: Top,
    depth: usize,
}

impl Raw {
    fn co(&self) -> &Seat {
        // SAFETY: `Ready` and the scheduler hand out only stacks that run a
        // coroutine, whose job has written its seat first of all.
        unsafe { self.seat::<Seat>() }
    }

    fn has(&self, bits: u64) -> bool {
        self.hot().get() & bits != 0
    }

    fn add(&self, bits: u64) {
        self.hot().set(self.hot().get() | bits);
    }

    fn remove(&self, bits: u64) {
        self.hot().set(self.hot().get() & !bits);
    }

    /// Marks a stack without a coroutine.
    pub(crate) fn set_idle(&self) {
        self.hot().set(IDLE);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.hot().get() & STATE == IDLE
    }

    /// Makes this the stack of `task`; called by its job, which keeps the task
    /// until it sits down with another or ends.
    #[inline(always)]
    fn sit_down(self, task: &TaskRef) {
        let seat = Seat {
            task: NonNull::from(&**task),
            wait: Cell::new(None),
            baggage: Cell::new(None),
            frame: Cell::new(0),
            locals: Cell::new(std::ptr::null_mut()),
        };
        // SAFETY: we are the job of this stack; the job words were read before
        // we ran.
        unsafe { self.take_seat(seat) };
        self.hot().set(ACTIVE);
        task.raw.set(Some(self));
    }

    pub(crate) fn task(&self) -> &Task {
        // SAFETY: the job keeps the task while it sits here.
        unsafe { self.co().task.as_ref() }
    }

    /// One more reference to its task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        // SAFETY: as in `task`.
        unsafe { TaskRef::another(self.co().task) }
    }

    pub(crate) fn locals(&self) -> &Cell<*mut ()> {
        &self.co().locals
    }

    /// What it waits for, if it is parked.
    pub(crate) fn wait(&self) -> Option<&Wait<'_>> {
        // SAFETY: a wait is on the stack of its coroutine from before it leaves
        // until after it has come back.
        Some(unsafe { self.co().wait.get()?.as_ref() })
    }

    /// What it waits for, if it is parked, written out.
    pub(crate) fn describe_wait(&self) -> Option<WaitInfo> {
        let wait = self.wait()?;
        Some(WaitInfo {
            what: wait.what.to_string(),
            at: wait.at,
            since: wait.since.get(),
            holders: wait.what.holders(),
        })
    }

    /// Bytes of stack in use, while it is suspended.
    pub(crate) fn stack_used(&self) -> usize {
        match self.co().frame.get() {
            0 => 0,
            frame => self.base().saturating_sub(frame),
        }
    }

    /// Whether a cancel or an expiry may be pending.
    #[inline(always)]
    pub(crate) fn may_be_due(&self) -> bool {
        self.has(CANCELLED | DUE)
    }

    /// Asks for the unwinding of the whole coroutine.
    pub(crate) fn set_cancelled(&self) {
        if !self.has(ENDING) {
            self.add(CANCELLED);
        }
    }

    /// Says that a frame of this coroutine is due.
    pub(crate) fn set_due(&self) {
        self.add(DUE);
    }

    /// After a frame of the running coroutine was closed.
    pub(crate) fn frame_closed(&self) {
        if self.has(DUE) && !frames::any_due(frames::top()) {
            self.remove(DUE);
        }
    }

    /// From here on nothing is raised in this coroutine any more.
    pub(crate) fn set_ending(&self) {
        self.remove(CANCELLED | DUE);
        self.add(ENDING);
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

    /// Ends a wait for what it waits for. False if it is not parked.
    #[inline(always)]
    pub(crate) fn wake(&self) -> Option<Ready> {
        if self.hot().get() & STATE != PARKED {
            return None;
        }
        self.remove(STATE);
        Some(Ready::suspended(*self, self.co().frame.get()))
    }

    /// Asks the cache for what [`Raw::wake`] will touch.
    pub(crate) fn prefetch_wake(&self) {
        prefetch(self.base());
        prefetch(self.base() + LINE);
    }

    /// Asks the cache for what the start of a coroutine on this idle stack will
    /// touch: the head and the first frames.
    #[inline(always)]
    pub(crate) fn prefetch_start(&self) {
        for line in 0..4 {
            prefetch(self.base() - line * LINE);
        }
    }

    /// Ends a wait because something is due that may be raised there.
    pub(crate) fn interrupt(&self, ignore_shields: bool) -> Option<Ready> {
        if self.hot().get() & STATE != PARKED || self.has(DEAF) {
            return None;
        }
        let (top, depth) = match self.co().baggage.get() {
            // SAFETY: baggage is on the stack of its coroutine like a wait.
            Some(baggage) => unsafe { (baggage.as_ref().top, baggage.as_ref().depth) },
            None => (None, 0),
        };
        frames::due(top, depth, self.has(CANCELLED), ignore_shields)?;
        self.add(INTERRUPTED);
        self.wake()
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.hot().get() & STATE == PARKED
    }

    /// Whether it is to come back from its wait with nothing but what is due.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.has(INTERRUPTED)
    }

    /// Leaves the running coroutine to the back of the ready queue.
    #[inline(always)]
    pub(crate) fn leave_ready(self) {
        self.leave_with(TAG_YIELD);
    }

    /// Leaves the running coroutine until somebody wakes it. False if it was
    /// interrupted instead; a `deaf` wait never is.
    #[inline(always)]
    pub(crate) fn leave_parked(self, wait: &Wait<'_>, deaf: bool) -> bool {
        let seat = self.co();
        seat.wait.set(Some(NonNull::from(wait).cast()));
        self.add(if deaf { PARKED | DEAF } else { PARKED });
        seat.frame.set(stack_pointer());
        self.leave_with(TAG_PARK);
        seat.wait.set(None);
        let interrupted = self.has(INTERRUPTED);
        self.remove(DEAF | INTERRUPTED);
        !interrupted
    }

    #[inline(always)]
    fn leave_with(self, tag: usize) {
        if frames::top().is_some() || panicking() {
            self.leave_with_baggage(tag);
        } else {
            // SAFETY: we run in this coroutine.
            unsafe { self.leave(stack_pointer() & !TAG | tag) };
        }
    }

    #[inline(never)]
    fn leave_with_baggage(self, tag: usize) {
        let top = frames::top();
        frames::set_top(None);
        let aside = panicking().then(panic_count::set_aside);
        let baggage = Baggage {
            top,
            depth: aside.as_ref().map_or(0, panic_count::Aside::count),
        };
        let seat = self.co();
        seat.baggage.set(Some(NonNull::from(&baggage)));
        // SAFETY: we run in this coroutine.
        unsafe { self.leave(stack_pointer() & !TAG | tag) };
        seat.baggage.set(None);
        if let Some(aside) = aside {
            panic_count::put_back(aside);
        }
        frames::set_top(top);
    }
}

/// A place in the ready queue: the right to start or resume one coroutine, which
/// only one place has at a time.
#[must_use]
pub(crate) struct Ready {
    who: NonNull<()>,
    /// The frame that it left; 0 for one that has not started.
    frame: usize,
}

impl Ready {
    #[inline(always)]
    fn suspended(raw: Raw, frame: usize) -> Ready {
        Ready {
            who: raw.into_address(),
            frame,
        }
    }

    /// A place for a task that has not started.
    #[inline(always)]
    pub(crate) fn new(task: TaskRef) -> Ready {
        Ready {
            who: task.into_address(),
            frame: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn is_new(&self) -> bool {
        self.frame == 0
    }

    /// The task, if it has not started.
    #[inline(always)]
    pub(crate) fn new_task(&self) -> Option<&Task> {
        // SAFETY: a new place owns the reference.
        self.is_new().then(|| unsafe { TaskRef::peek(self.who) })
    }

    /// Takes the task out of a new place.
    #[inline(always)]
    pub(crate) fn into_new_task(self) -> Option<TaskRef> {
        // SAFETY: a new place owns the reference, and ends here.
        self.is_new()
            .then(|| unsafe { TaskRef::from_address(self.who) })
    }

    /// One more reference to the task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        match self.stack() {
            Some(raw) => raw.task_ref(),
            // SAFETY: a new place owns a reference.
            None => unsafe { TaskRef::another(self.who.cast()) },
        }
    }

    /// The stack of one that has started.
    #[inline(always)]
    pub(crate) fn stack(&self) -> Option<Raw> {
        // SAFETY: `suspended` made it from a stack.
        (!self.is_new()).then(|| unsafe { Raw::from_address(self.who) })
    }

    /// Asks the cache for what a step will touch.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        prefetch(self.who.addr().get());
        // What the switch has saved below, and the first locals above.
        prefetch(self.frame.wrapping_sub(8));
        prefetch(self.frame.wrapping_add(56));
        prefetch(self.frame.wrapping_add(120));
    }

    /// Resumes one that has started, on the stack that [`Ready::stack`] tells.
    #[inline(always)]
    pub(crate) fn resume(self, raw: Raw) -> Stop {
        debug_assert!(self.stack() == Some(raw));
        // SAFETY: the coroutine is suspended, and nobody else resumes it: it has
        // left with a yield, which makes one place, or it was parked, and the
        // one that made a place of it has taken the state back.
        stop(raw, unsafe { raw.resume() })
    }
}

/// What is done with coroutines on their stacks: the layer above.
pub(crate) trait Life {
    /// Lives the coroutine's whole life. Returns another one that shall go on,
    /// right there.
    fn live(raw: Raw, task: &TaskRef) -> Option<TaskRef>;
}

/// Starts the job that lives coroutines on an idle stack, with `task` first.
///
/// # Panics
/// The stack is not idle.
#[inline(always)]
pub(crate) fn start<L: Life>(raw: Raw, task: TaskRef) -> Stop {
    assert!(raw.is_idle(), "a coroutine starts on an idle stack");
    let data = (raw, task.into_address());
    // SAFETY: an idle stack has no job. The job copies `data` before it leaves.
    stop(raw, unsafe {
        raw.start(job::<L>, (&raw const data).cast_mut().cast())
    })
}

/// # Safety
/// `data` is a stack, which is ours, and a task from `into_address`.
unsafe extern "C" fn job<L: Life>(data: *mut ()) {
    // SAFETY: as the caller says.
    let (raw, address) = unsafe { data.cast::<(Raw, NonNull<()>)>().read() };
    // SAFETY: as the caller says.
    let mut task = unsafe { TaskRef::from_address(address) };
    loop {
        raw.sit_down(&task);
        match L::live(raw, &task) {
            Some(next) => task = next,
            None => break,
        }
    }
    raw.set_idle();
}

#[inline(always)]
fn stop(raw: Raw, word: usize) -> Stop {
    if word & TAG == TAG_YIELD {
        Stop::Yield(Ready::suspended(raw, word & !TAG))
    } else if word == DONE {
        Stop::Done
    } else {
        Stop::Park
    }
}
