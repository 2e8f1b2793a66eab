//! The loop that runs coroutines, and what it owns.
//!
//! [`Scheduler::run_to_end`] is the whole idea: take the next coroutine off the
//! ready queue and resume it, until none is left. A coroutine that yields puts
//! itself at the back, and all else that one can wait for ends in
//! [`Scheduler::wake`], which puts it on that queue. A coroutine that is left
//! takes the loop's next step for it where it can, see [`ways`].
//! [`outside`] looks at timers and other threads, [`life`] begins and ends
//! coroutines, [`end`] unwinds those that are left.

#[allow(unsafe_code)]
mod current;
#[allow(unsafe_code)]
mod end;
mod life;
mod observed;
mod outside;
mod random;
#[allow(unsafe_code)]
mod stacks;
mod stock;
mod view;
mod ways;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::coroutine::{Loop, Ready};
use crate::frames::FrameRef;
use crate::generator::raw::Raw;
use crate::inbox::Inbox;
use crate::probe::{Probe, Probes};
use crate::reactor::{IoBackend, Reactor};
use crate::ready::ReadyQueue;
use crate::snapshot::Snapshot;
use crate::task::{Children, Hoard, Origin, Task, TaskRef, flag};
use crate::thread_pool::ThreadPool;
use crate::timers::Timers;
use crate::unwind::Payload;

use stacks::Stacks;
use stock::Watch;

pub(crate) use current::{current, expect, needed, plain, simply_plain};
pub(crate) use end::run;
pub(crate) use outside::{Message, Timer};

/// What a step adds to the count of those that were taken off the ready queue.
const STEP: usize = ReadyQueue::<Ready>::TURN;
/// The loop looks outside at least every so many steps.
const STEPS: usize = 64;
/// How many operations on descriptors, late ticks and polls that find nothing a coroutine may do
/// in one turn.
const OPERATIONS: u32 = 32;

/// What a runtime keeps from one run to the next.
pub(crate) struct Config {
    pub(crate) stack_size: usize,
    pub(crate) main_stack_size: usize,
    pub(crate) virtual_time: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) threads: ThreadPool,
    pub(crate) io: IoBackend,
}

/// A coroutine that was spawned through a handle.
pub(crate) struct Remote {
    pub(crate) task: TaskRef,
    /// Tells whoever joins it that it is leaked.
    pub(crate) leaked: Box<dyn FnOnce()>,
}

/// What a step touches is the first line.
#[repr(C, align(64))]
pub(crate) struct Scheduler {
    /// The one that runs; between two steps, the one that has run.
    current: Cell<Raw>,
    /// When so many were [taken](ReadyQueue::taken), it is time to look outside.
    look_at: Cell<usize>,
    /// The same while there are no `specials`, else 0: then it takes one question to know that
    /// a yield may go the shortest way.
    short_until: Cell<usize>,
    /// Coroutines in which a cancel or an expiry is pending; and one more each if the run is
    /// watched, and if it picks at random. At zero there is nothing more to ask.
    specials: Cell<usize>,
    /// Who is taken off it takes a step.
    ready: ReadyQueue<Ready>,
    the_loop: Loop,
    /// Coroutines that were woken by looks outside.
    woken: Cell<u64>,
    /// Coroutines that were spawned.
    spawned: Cell<u64>,
    /// Of these, those that have ended, or were leaked.
    gone: Cell<u64>,
    /// The longest step, where somebody watches.
    longest_step: Cell<Duration>,
    /// Where the last yield was that had to go through the loop.
    yielded_at: Cell<Option<&'static Location<'static>>>,
    /// In which step an operation last took place without a wait, and how many there were in
    /// it.
    unwaited: Cell<(usize, u32)>,
    phase: Cell<Phase>,
    /// One whose coroutine has just ended, for the loop to take back.
    ended: Cell<Option<Raw>>,

    stacks: Stacks,
    /// Coroutines that wait for any stack: to run on, or the one in reserve, to
    /// fail on.
    starved: RefCell<Vec<Ready>>,
    /// Why the one on the stack in reserve gets none.
    no_stack: RefCell<String>,

    pub(crate) clock: Clock,
    pub(crate) timers: RefCell<Timers<Timer>>,
    pub(crate) inbox: Arc<Inbox<Message>>,
    pub(crate) reactor: Reactor,
    /// `to_thread` calls under way.
    pub(crate) jobs: Cell<usize>,
    pub(crate) threads: ThreadPool,
    /// Coroutines that wait for another thread, by the number that it sends.
    pub(crate) blocked: RefCell<HashMap<u64, Raw>>,
    /// Coroutines spawned through a handle, by the number of the handle.
    pub(crate) remote: RefCell<HashMap<u64, Remote>>,
    /// The state of the random numbers that a `select!` picks with.
    random: Cell<u64>,
    /// The tosses that are settled, a bit each, the next one last; above them a 1.
    tosses: Cell<u64>,
    /// Who watches; nobody, usually.
    probes: Probes,
    /// What `run` reports instead of a result.
    deadlock: RefCell<Option<Snapshot>>,
    /// On the stacks, on the blocks of tasks, and on the ready queue.
    watches: [Watch; 3],
    /// If there is more to give back, when a run that does not sleep goes on with that.
    trims_on: Cell<Option<Duration>>,
    /// The last, so that it is dropped after all that holds tasks.
    blocks: Hoard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Running,
    /// The main coroutine has ended; the others are cancelled.
    Ending,
    /// As `Ending`, and shields hold nothing off any more.
    Forcing,
}

/// A number for a coroutine or a message; unique in the process.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    const BLOCK: u64 = 1 << 10;
    thread_local! {
        static IDS: (Cell<u64>, Cell<u64>) = const { (Cell::new(0), Cell::new(0)) };
    }
    IDS.with(|(next, end)| {
        if next.get() == end.get() {
            next.set(NEXT.fetch_add(BLOCK, Ordering::Relaxed));
            end.set(next.get() + BLOCK);
        }
        next.replace(next.get() + 1)
    })
}

impl Scheduler {
    /// # Errors
    /// The system gives no stack.
    pub(crate) fn new(config: &Config, probes: Vec<Box<dyn Probe>>) -> io::Result<Scheduler> {
        let stacks = Stacks::new(config.stack_size)?;
        let specials = usize::from(!probes.is_empty()) + usize::from(config.seed.is_some());
        let scheduler = Scheduler {
            current: Cell::new(stacks.reserve()),
            look_at: Cell::new(STEPS * STEP),
            short_until: Cell::new(0),
            specials: Cell::new(specials),
            ready: ReadyQueue::new(config.seed),
            the_loop: Loop::default(),
            woken: Cell::new(0),
            spawned: Cell::new(0),
            gone: Cell::new(0),
            longest_step: Cell::new(Duration::ZERO),
            ended: Cell::new(None),
            yielded_at: Cell::new(None),
            unwaited: Cell::new((0, 0)),
            phase: Cell::new(Phase::Running),
            stacks,
            starved: RefCell::default(),
            no_stack: RefCell::default(),
            clock: Clock::new(config.virtual_time),
            timers: RefCell::new(Timers::new()),
            inbox: Inbox::new(),
            reactor: Reactor::new(config.io),
            jobs: Cell::new(0),
            threads: config.threads.clone(),
            blocked: RefCell::default(),
            remote: RefCell::default(),
            tosses: Cell::new(1),
            random: Cell::new(config.seed.map_or_else(|| fastrand::u64(..), |seed| !seed)),
            probes: Probes::new(probes),
            deadlock: RefCell::default(),
            watches: Default::default(),
            trims_on: Cell::new(None),
            blocks: Hoard::new(),
        };
        scheduler.set_short();
        Ok(scheduler)
    }

    /// Runs all coroutines until none is left.
    fn run_to_end(&self) {
        if self.is_observed() {
            self.run_observed();
        } else {
            self.turn(|next| self.step(next));
        }
    }

    #[cold]
    #[inline(never)]
    fn run_observed(&self) {
        self.turn(|next| self.observed_step(next));
    }

    #[inline(always)]
    fn turn(&self, step: impl Fn(Ready)) {
        loop {
            while let Some(next) = self.next() {
                step(next);
                if let Some(raw) = self.ended.take() {
                    self.stack_is_free(raw);
                }
                if self.is_time_to_look() {
                    self.look_outside();
                }
            }
            if self.alive() == 0 {
                break;
            }
            if !self.wait_outside() {
                self.nothing_can_happen();
            }
        }
    }

    #[inline(always)]
    fn next(&self) -> Option<Ready> {
        self.ready.peek_or_stale(ways::AHEAD, Ready::prefetch);
        self.ready.pop()
    }

    /// How many coroutines have not ended.
    fn alive(&self) -> usize {
        (self.spawned.get() - self.gone.get()) as usize
    }

    #[inline(always)]
    fn count_gone(&self, task: &Task) {
        let gone = self.gone.get() + 1;
        self.gone.set(gone);
        task.sibling.set(gone as u32);
    }

    /// Lets a coroutine run until somebody leaves to the loop.
    #[inline(always)]
    fn step(&self, next: Ready) {
        match next.stack() {
            Some(raw) => {
                self.current.set(raw);
                self.the_loop.enter(next, raw);
            }
            None => self.start(next),
        }
    }

    /// Whether nothing is pending in the running coroutine, nobody watches, and the queue is
    /// plainly first in, first out.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.specials.get() == 0 || self.is_plain_after_all()
    }

    /// What is special may be elsewhere.
    #[cold]
    #[inline(never)]
    fn is_plain_after_all(&self) -> bool {
        !self.is_observed() && !self.ready.is_seeded() && !self.running().may_be_due()
    }

    /// Whether a cancel or an expiry may be pending in the running coroutine.
    #[inline(always)]
    pub(crate) fn may_be_due(&self) -> bool {
        self.specials.get() != 0 && self.running().may_be_due()
    }

    /// One more coroutine in which a cancel or an expiry is pending.
    fn one_is_due(&self) {
        self.specials.set(self.specials.get() + 1);
        self.set_short();
    }

    /// One less.
    fn one_is_not_due(&self) {
        self.specials.set(self.specials.get() - 1);
        self.set_short();
    }

    /// After a frame of the running coroutine was closed.
    pub(crate) fn frame_closed(&self) {
        if self.running().frame_closed() {
            self.one_is_not_due();
        }
    }

    /// One more operation on a descriptor, late tick or poll. True if the running coroutine, for
    /// which all of them have succeeded at once, should let the others have
    /// their turn; then the loop looks outside as well.
    #[inline(always)]
    pub(crate) fn is_greedy(&self) -> bool {
        let step = self.ready.taken();
        let (last, count) = self.unwaited.get();
        if last != step {
            self.unwaited.set((step, 1));
        } else if count < OPERATIONS {
            self.unwaited.set((step, count + 1));
        } else {
            self.unwaited.set((step, 0));
            self.look_after(step);
            return true;
        }
        false
    }

    /// Whether a coroutine runs, or has run last and still waits.
    pub(crate) fn has_running(&self) -> bool {
        !self.current.get().is_idle()
    }

    /// Forgets who has run last: the stack may be unmapped.
    fn none_runs(&self) {
        self.current.set(self.stacks.reserve());
    }

    /// The coroutine that runs.
    #[inline(always)]
    pub(crate) fn running(&self) -> Raw {
        self.current.get()
    }

    #[inline(always)]
    pub(crate) fn put(&self, ready: Ready) {
        self.ready.push(ready);
    }

    /// Puts a parked coroutine on the ready queue. Whoever is not parked notices
    /// by itself what has happened.
    #[inline(always)]
    pub(crate) fn wake(&self, raw: Raw) {
        if let Some(ready) = raw.wake() {
            if self.is_observed() {
                self.saw_wake(raw);
            }
            self.put(ready);
        }
    }

    /// As [`wake`](Self::wake), in a run that is not watched, where that takes a few steps
    /// only; says whether it does.
    #[inline(always)]
    pub(crate) fn wake_swiftly(&self, raw: Raw) -> bool {
        debug_assert!(!self.is_observed());
        self.ready.push_in_room(|| raw.wake_plain())
    }

    /// Lets a coroutine notice what is due, if it is parked where that may be
    /// raised.
    pub(crate) fn interrupt(&self, raw: Raw) {
        if let Some(ready) = raw.interrupt(self.ignores_shields()) {
            if self.is_observed() {
                self.saw_wake(raw);
            }
            self.put(ready);
        }
    }

    /// Whether the main coroutine has ended, so that a new one is born cancelled.
    #[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
    pub(crate) fn is_ending(&self) -> bool {
        self.phase.get() > Phase::Running
    }

    pub(crate) fn ignores_shields(&self) -> bool {
        self.phase.get() == Phase::Forcing
    }

    /// Asks a coroutine to unwind.
    pub(crate) fn cancel(&self, task: &Task) {
        if task.has_ended() {
            return;
        }
        match task.raw.get().filter(|raw| !raw.is_idle()) {
            Some(raw) => {
                if raw.set_cancelled() {
                    self.one_is_due();
                }
                self.interrupt(raw);
            }
            None => task.set(flag::CANCELLED),
        }
    }

    /// What a coroutine that is spawned here gets from its surroundings.
    #[inline(always)]
    pub(crate) fn origin(&self, spawned_at: &'static Location<'static>) -> Origin {
        Origin {
            parent: self.running().task().id().0,
            ..self.origin_of_root(spawned_at)
        }
    }

    /// The same of one that no coroutine spawns.
    #[inline(always)]
    pub(crate) fn origin_of_root(&self, spawned_at: &'static Location<'static>) -> Origin {
        Origin {
            parent: 0,
            spawned_at,
            born: self.clock.stamp(),
            name: None,
            flags: 0,
            children_of: None,
        }
    }

    /// Puts a new coroutine on the ready queue.
    #[inline(always)]
    pub(crate) fn spawn(&self, task: TaskRef) {
        self.spawned.set(self.spawned.get() + 1);
        if self.is_observed() {
            task.set(flag::OBSERVED);
            self.saw_spawn(&task);
        }
        self.put(Ready::new(task));
    }

    /// Reserves a stack of its own size for a task that has not started.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn reserve_stack(&self, bytes: usize) -> io::Result<Raw> {
        self.stacks.take_sized(bytes)
    }

    /// Tells the scope of a child that has ended.
    fn tell_scope(&self, children: &Children, task: &Task) {
        children.remove(task);
        if children.is_empty()
            && children.owner_waits.get()
            && let Some(owner) = children.owner
        {
            self.wake(owner);
        }
    }

    /// Tells the scope of a child that has panicked: everybody in it unwinds.
    fn scope_panicked(&self, children: &Children, payload: Payload) {
        children.record_panic(payload);
        self.give_up(children);
        if children.body_runs.get()
            && let Some(owner) = children.owner
        {
            self.make_due(owner, FrameRef::new(&children.frame));
        }
    }

    /// Cancels the children, and those that are still to come.
    pub(crate) fn give_up(&self, children: &Children) {
        children.gives_up.set(true);
        self.cancel_children(children);
    }

    pub(crate) fn cancel_children(&self, children: &Children) {
        for child in children.list() {
            self.cancel(&child);
        }
    }

    pub(crate) fn running_task(&self) -> TaskRef {
        self.running().task_ref()
    }
}
