//! The loop that runs coroutines, and what it owns.
//!
//! [`Scheduler::run_to_end`] is the whole idea: take the next coroutine off the
//! ready queue, resume it, and if it only yielded, put it at the back. All else
//! that a coroutine can wait for ends in [`Scheduler::wake`], which puts it on
//! that queue. [`outside`] looks at timers and other threads, [`life`] begins
//! and ends coroutines, [`end`] unwinds those that are left.

mod end;
mod life;
mod outside;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::children::Children;
use crate::clock::Clock;
use crate::coroutine::{self, Ready, Stop};
use crate::generator::raw::{Raw, RawPool};
use crate::inbox::Inbox;
use crate::ready::ReadyQueue;
use crate::snapshot::Snapshot;
use crate::task::{Task, TaskRef};
use crate::thread_pool::ThreadPool;
use crate::timers::Timers;
use crate::unwind::Payload;

pub(crate) use end::run;
pub(crate) use outside::{Message, Timer};

/// The loop looks outside at least every so many steps.
const STEPS: u32 = 64;
/// How far ahead of a step the cache is asked for its lines.
const AHEAD: usize = 12;

/// What a runtime keeps from one run to the next.
pub(crate) struct Config {
    pub(crate) stack_size: usize,
    pub(crate) main_stack_size: usize,
    pub(crate) virtual_time: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) threads: ThreadPool,
}

pub(crate) struct Scheduler {
    ready: ReadyQueue<Ready>,
    current: Cell<Option<Raw>>,
    /// Steps until the next look outside.
    steps_left: Cell<u32>,
    /// Coroutines that have not ended.
    alive: Cell<usize>,
    phase: Cell<Phase>,

    pool: Rc<RawPool>,
    /// Every stack that the scheduler holds, busy or idle.
    stacks: RefCell<Vec<Raw>>,
    /// Idle ones of the default size, last in first out.
    idle: RefCell<Vec<Raw>>,
    trim: outside::Trim,
    /// For coroutines that get no stack: theirs to fail on.
    reserve: Raw,
    reserve_is_free: Cell<bool>,
    starved: RefCell<Vec<Ready>>,

    pub(crate) clock: Clock,
    pub(crate) timers: RefCell<Timers<Timer>>,
    pub(crate) inbox: Arc<Inbox<Message>>,
    /// `to_thread` calls under way.
    pub(crate) jobs: Cell<usize>,
    pub(crate) threads: ThreadPool,
    /// Coroutines that wait for another thread, by the number that it sends.
    pub(crate) blocked: RefCell<HashMap<u64, Raw>>,
    /// Coroutines spawned through a handle, by the number of the handle.
    pub(crate) remote: RefCell<HashMap<u64, TaskRef>>,
    /// What `run` reports instead of a result.
    deadlock: RefCell<Option<Snapshot>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Running,
    /// The main coroutine has ended; the others are cancelled.
    Ending,
    /// As `Ending`, and shields hold nothing off any more.
    Forcing,
}

thread_local! {
    static CURRENT: Cell<Option<NonNull<Scheduler>>> = const { Cell::new(None) };
}

/// The scheduler that runs the caller, if there is one.
#[inline(always)]
pub(crate) fn current<'a>() -> Option<&'a Scheduler> {
    // SAFETY: set only while `enter` borrows the scheduler, and all that runs
    // then is over, or suspended for ever, when it returns.
    CURRENT.get().map(|scheduler| unsafe { scheduler.as_ref() })
}

/// As [`current`], for what cannot be done without one.
#[inline(always)]
#[track_caller]
pub(crate) fn expect<'a>(what: &str) -> &'a Scheduler {
    match current() {
        Some(scheduler) => scheduler,
        None => outside_of_run(what),
    }
}

#[cold]
#[track_caller]
fn outside_of_run(what: &str) -> ! {
    panic!("{what} needs a runtime: call it inside corobin::run or Runtime::run")
}

pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    const BLOCK: u64 = 1 << 10;
    thread_local! {
        static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let (mut next, mut end) = IDS.get();
    if next == end {
        next = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
        end = next + BLOCK;
    }
    IDS.set((next + 1, end));
    next
}

impl Scheduler {
    /// # Errors
    /// The system gives no stack.
    pub(crate) fn new(config: &Config) -> io::Result<Scheduler> {
        let pool = RawPool::of_size(config.stack_size)?;
        let reserve = pool.take()?;
        reserve.set_idle();
        reserve.place().set(0);
        Ok(Scheduler {
            ready: ReadyQueue::new(config.seed),
            current: Cell::new(None),
            steps_left: Cell::new(STEPS),
            alive: Cell::new(0),
            phase: Cell::new(Phase::Running),
            pool,
            stacks: RefCell::new(vec![reserve]),
            idle: RefCell::default(),
            trim: outside::Trim::default(),
            reserve,
            reserve_is_free: Cell::new(true),
            starved: RefCell::default(),
            clock: Clock::new(config.virtual_time),
            timers: RefCell::new(Timers::new()),
            inbox: Inbox::new(),
            jobs: Cell::new(0),
            threads: config.threads.clone(),
            blocked: RefCell::default(),
            remote: RefCell::default(),
            deadlock: RefCell::default(),
        })
    }

    /// Runs all coroutines until none is left.
    fn run_to_end(&self) {
        loop {
            while let Some(next) = self.next() {
                match self.step(next) {
                    Stop::Yield(frame) => self.put(Ready::resume(self.running(), frame)),
                    Stop::Park => {}
                    Stop::Done => self.stack_is_free(),
                }
                if self.counts_down() {
                    self.look_outside();
                }
            }
            if self.alive.get() == 0 {
                break;
            }
            if !self.wait_outside() {
                self.nothing_can_happen();
            }
        }
    }

    #[inline(always)]
    fn next(&self) -> Option<Ready> {
        let next = self.ready.pop()?;
        if let Some(later) = self.ready.peek(AHEAD) {
            later.prefetch();
        }
        Some(next)
    }

    #[inline(always)]
    fn step(&self, next: Ready) -> Stop {
        match next.stack() {
            Some(raw) => {
                self.current.set(Some(raw));
                // SAFETY: it was in the queue, so it is suspended, and it is
                // there once: whoever puts it there makes sure that it was
                // running or parked before.
                unsafe { coroutine::resume(raw) }
            }
            None => self.start(next),
        }
    }

    /// One step less; true when it is time to look outside.
    #[inline(always)]
    fn counts_down(&self) -> bool {
        let left = self.steps_left.get() - 1;
        self.steps_left.set(left);
        left == 0
    }

    /// The running coroutine may go on without a switch: nobody else is ready,
    /// and it is not time to look outside.
    #[inline(always)]
    pub(crate) fn is_alone(&self) -> bool {
        let left = self.steps_left.get();
        if left > 1 && self.ready.is_empty() {
            self.steps_left.set(left - 1);
            return true;
        }
        false
    }

    /// The coroutine that runs.
    #[inline(always)]
    pub(crate) fn running(&self) -> Raw {
        match self.current.get() {
            Some(raw) => raw,
            None => unreachable!("user code runs in coroutines only"),
        }
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
            self.put(ready);
        }
    }

    /// Lets a coroutine notice what is due, if it is parked where that may be
    /// raised.
    pub(crate) fn interrupt(&self, raw: Raw) {
        if let Some(ready) = raw.interrupt(self.ignores_shields()) {
            self.put(ready);
        }
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
                raw.set_cancelled();
                self.interrupt(raw);
            }
            None => task.set(crate::task::flag::CANCELLED),
        }
    }

    /// What a coroutine that is spawned here gets from its surroundings.
    pub(crate) fn origin(&self, spawned_at: &'static Location<'static>) -> crate::task::Origin {
        crate::task::Origin {
            parent: self.current.get().map_or(0, |raw| raw.task().id().0),
            spawned_at,
            name: None,
            flags: 0,
            children_of: None,
        }
    }

    /// Puts a new coroutine on the ready queue.
    #[inline(always)]
    pub(crate) fn spawn(&self, task: TaskRef) {
        self.alive.set(self.alive.get() + 1);
        self.put(Ready::start(task));
    }

    /// Reserves a stack of its own size for a task that has not started.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn reserve_stack(&self, bytes: usize) -> io::Result<Raw> {
        let pool = RawPool::of_size(bytes)?;
        let own = Rc::ptr_eq(&pool, &self.pool).then(|| self.idle.borrow_mut().pop());
        match own.flatten() {
            Some(raw) => Ok(raw),
            None => self.take_stack(&pool),
        }
    }

    fn take_stack(&self, pool: &Rc<RawPool>) -> io::Result<Raw> {
        let raw = pool.take()?;
        raw.set_idle();
        let mut stacks = self.stacks.borrow_mut();
        raw.place().set(stacks.len());
        stacks.push(raw);
        Ok(raw)
    }

    /// Takes a stack off the list of those that the scheduler holds.
    fn forget_stack(&self, raw: Raw) {
        let mut stacks = self.stacks.borrow_mut();
        let place = raw.place().get();
        stacks.swap_remove(place);
        if let Some(moved) = stacks.get(place) {
            moved.place().set(place);
        }
    }

    /// Tells the scope of a child that has ended.
    fn tell_scope(&self, children: &Children, task: &TaskRef) {
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
            self.make_due(owner, &children.frame);
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

    /// Everybody who has started and not ended.
    pub(crate) fn each_started(&self, each: impl FnMut(Raw)) {
        let stacks = self.stacks.borrow();
        stacks.iter().copied().filter(|raw| !raw.is_idle()).for_each(each);
    }

    /// Everybody who has not ended: those with a stack, then the new ones.
    pub(crate) fn each_alive(&self, mut each: impl FnMut(&Task, Option<Raw>)) {
        self.each_started(|raw| each(raw.task(), Some(raw)));
        let starved = self.starved.borrow();
        for place in self.ready.iter().chain(starved.iter().copied()) {
            if let Some(task) = place.new_task() {
                each(task, None);
            }
        }
    }

    pub(crate) fn running_task(&self) -> TaskRef {
        self.running().task_ref()
    }
}
