//! The loop that runs coroutines, and what it owns.
//!
//! [`Scheduler::run_to_end`] is the whole idea: take the next coroutine off the
//! ready queue, resume it, and if it only yielded, put it at the back. All else
//! that a coroutine can wait for ends in [`Scheduler::wake`], which puts it on
//! that queue. [`outside`] looks at timers and other threads, [`life`] begins
//! and ends coroutines, [`end`] unwinds those that are left.

#[allow(unsafe_code)]
mod current;
#[allow(unsafe_code)]
mod end;
mod life;
mod numbers;
mod observed;
mod outside;
#[allow(unsafe_code)]
mod stacks;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::coroutine::{Ready, Stop};
use crate::frames::FrameRef;
use crate::generator::raw::Raw;
use crate::inbox::Inbox;
use crate::probe::{Probe, Probes};
use crate::ready::ReadyQueue;
use crate::snapshot::{Census, Snapshot};
use crate::task::Children;
use crate::task::{Task, TaskRef};
use crate::thread_pool::ThreadPool;
use crate::timers::Timers;
use crate::unwind::Payload;

use stacks::Stacks;

pub(crate) use current::{current, expect};
pub(crate) use end::run;
pub(crate) use outside::{Message, Timer};

/// The loop looks outside at least every so many steps.
const STEPS: u32 = 64;
/// How far ahead of a step the cache is asked for its lines.
const AHEAD: usize = 16;

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
    /// Steps up to the last look outside.
    steps: Cell<u64>,
    /// Coroutines that were woken by looks outside.
    woken: Cell<u64>,
    /// Coroutines that were spawned.
    spawned: Cell<u64>,
    /// While a step is watched, the steps until the next look outside.
    left_aside: Cell<Option<u32>>,
    /// The longest step, where somebody watches.
    longest_step: Cell<Duration>,
    /// Coroutines that have not ended.
    alive: Cell<usize>,
    phase: Cell<Phase>,

    stacks: Stacks,
    /// Coroutines that wait for any stack: to run on, or the one in reserve, to
    /// fail on.
    starved: RefCell<Vec<Ready>>,
    /// Why the one on the stack in reserve gets none.
    no_stack: RefCell<String>,

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
    /// Who watches; nobody, usually.
    probes: Probes,
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

/// A number for a coroutine or a message; unique in the process.
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
    pub(crate) fn new(config: &Config, probes: Vec<Box<dyn Probe>>) -> io::Result<Scheduler> {
        Ok(Scheduler {
            ready: ReadyQueue::new(config.seed),
            current: Cell::new(None),
            steps_left: Cell::new(STEPS),
            steps: Cell::new(0),
            woken: Cell::new(0),
            spawned: Cell::new(0),
            left_aside: Cell::new(None),
            longest_step: Cell::new(Duration::ZERO),
            alive: Cell::new(0),
            phase: Cell::new(Phase::Running),
            stacks: Stacks::new(config.stack_size)?,
            starved: RefCell::default(),
            no_stack: RefCell::default(),
            clock: Clock::new(config.virtual_time),
            timers: RefCell::new(Timers::new()),
            inbox: Inbox::new(),
            jobs: Cell::new(0),
            threads: config.threads.clone(),
            blocked: RefCell::default(),
            remote: RefCell::default(),
            probes: Probes::new(probes),
            deadlock: RefCell::default(),
        })
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
    fn turn(&self, step: impl Fn(Ready) -> Stop) {
        loop {
            while let Some(next) = self.next() {
                self.stopped(step(next));
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
        self.ready.peek(AHEAD, Ready::prefetch);
        Some(next)
    }

    /// Lets a coroutine run up to its next stop.
    #[inline(always)]
    fn step(&self, next: Ready) -> Stop {
        match next.stack() {
            Some(raw) => {
                self.current.set(Some(raw));
                next.resume(raw)
            }
            None => self.start(next),
        }
    }

    #[inline(always)]
    fn stopped(&self, stop: Stop) {
        match stop {
            Stop::Yield(back) => self.ready.push(back),
            Stop::Park => {}
            Stop::Done => self.stack_is_free(),
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

    /// Whether a coroutine runs, or has run last and still waits.
    pub(crate) fn has_running(&self) -> bool {
        self.current.get().is_some_and(|raw| !raw.is_idle())
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
            if self.is_observed() {
                self.saw_wake(raw);
            }
            self.put(ready);
        }
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
        self.spawned.set(self.spawned.get() + 1);
        task.set_born(self.clock.stamp());
        if self.is_observed() {
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

    /// Everybody who has not ended: those with a stack, then the new ones.
    fn each_alive(&self, mut each: impl FnMut(&Task, Option<Raw>)) {
        for raw in self.stacks.busy() {
            each(raw.task(), Some(raw));
        }
        let mut each_new = |place: &Ready| {
            if let Some(task) = place.new_task() {
                each(task, None);
            }
        };
        self.ready.each(&mut each_new);
        self.starved.borrow().iter().for_each(each_new);
    }

    /// Of all who are alive; `running` is the coroutine that asks, if it is one.
    pub(crate) fn snapshot(&self, running: Option<Raw>) -> Snapshot {
        let mut census = Census::new(&self.clock, running);
        self.each_alive(|task, raw| census.add(task, raw));
        census.finish()
    }

    pub(crate) fn running_task(&self) -> TaskRef {
        self.running().task_ref()
    }
}
