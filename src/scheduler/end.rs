//! The end of a run, in good order or not: unwinds the coroutines that are left.
//!
//! Three stages, each for what the one before could not end: first everybody is
//! cancelled; then shields hold nothing off any more; at last what still hangs,
//! in a destructor that waits for ever, is leaked.

use std::io;
use std::panic::Location;

use crate::frames;
use crate::generator::raw::RawPool;
use crate::snapshot::Snapshot;
use crate::task::{End, Origin, TaskRef, Typed, flag};

use super::{CURRENT, Config, Message, Phase, Scheduler, next_id};

/// What a run came to.
pub(crate) struct Outcome<T> {
    /// Who hung, if the run ended in a deadlock.
    pub(crate) deadlock: Option<Snapshot>,
    pub(crate) main: Typed<T>,
}

/// Unwinding out of the loop would leave frames that others borrow from.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("corobin: the scheduler itself panicked; aborting");
            std::process::abort();
        }
    }
}

/// Runs `f` as the main coroutine of a scheduler of its own, to the end of all
/// coroutines.
///
/// # Errors
/// The stacks for the scheduler and the main coroutine cannot be had.
pub(crate) fn run<F, T>(
    config: &Config,
    f: F,
    at: &'static Location<'static>,
) -> io::Result<Outcome<T>>
where
    F: FnOnce() -> T,
{
    let scheduler = Scheduler::new(config)?;
    let stack = scheduler.take_stack(&RawPool::of_size(config.main_stack_size)?)?;
    let origin = Origin {
        parent: 0,
        spawned_at: at,
        name: Some("main".into()),
        flags: flag::MAIN,
        children_of: None,
    };
    // SAFETY: `run_to_end` returns only when every coroutine has ended, and
    // aborts if the main one cannot. The result is a `T`.
    let main = unsafe {
        let task = TaskRef::new(origin, next_id(), f);
        task.raw.set(Some(stack));
        Typed::new(task)
    };
    scheduler.spawn(main.task().clone());
    frames::entering(|| {
        let _abort = AbortOnUnwind;
        let top = frames::top();
        frames::set_top(None);
        CURRENT.set(Some(std::ptr::NonNull::from(&scheduler)));
        scheduler.run_to_end();
        scheduler.close();
        CURRENT.set(None);
        frames::set_top(top);
    });
    Ok(Outcome {
        deadlock: scheduler.deadlock.take(),
        main,
    })
}

impl Scheduler {
    pub(super) fn main_has_ended(&self) {
        if self.phase.get() == Phase::Running {
            self.phase.set(Phase::Ending);
            self.cancel_all(false);
        }
    }

    /// Nobody is ready, and nothing outside can change that.
    #[cold]
    pub(super) fn nothing_can_happen(&self) {
        match self.phase.get() {
            Phase::Running => {
                let snapshot = Snapshot::take(self);
                *self.deadlock.borrow_mut() = Some(snapshot);
                self.phase.set(Phase::Forcing);
                self.cancel_all(true);
            }
            Phase::Ending => {
                self.phase.set(Phase::Forcing);
                self.cancel_all(true);
            }
            Phase::Forcing => self.leak_the_rest(),
        }
    }

    /// Cancels all that have started; new ones are born cancelled. The children
    /// of scopes end with their scope, unless `all`.
    fn cancel_all(&self, all: bool) {
        let mut tasks = Vec::new();
        self.each_started(|raw| {
            if all || !raw.task().has(flag::SCOPED) {
                tasks.push(raw);
            }
        });
        for raw in tasks {
            self.cancel(raw.task());
        }
    }

    /// Their destructors wait for ever.
    fn leak_the_rest(&self) {
        let snapshot = Snapshot::take(self);
        let mut stuck = Vec::new();
        self.each_started(|raw| stuck.push(raw));
        if stuck.iter().any(|raw| raw.task().has(flag::MAIN | flag::SCOPED)) {
            eprintln!(
                "corobin: these coroutines cannot be unwound, since their destructors wait for \
                 ever; some of them borrow, so the process aborts\n{snapshot}"
            );
            std::process::abort();
        }
        log::error!(
            "these coroutines cannot be unwound, since their destructors wait for ever; they are \
             leaked\n{snapshot}"
        );
        for raw in stuck {
            self.forget_stack(raw);
            let task = raw.task();
            task.end(End::Cancelled);
            self.tell_joiner(task);
            self.alive.set(self.alive.get() - 1);
            // Nothing wakes it any more.
            raw.set_idle();
            raw.leak();
        }
    }

    /// Disposes of what other threads still sent, and gives the stacks back.
    fn close(&self) {
        for message in self.inbox.close() {
            self.receive(message);
        }
        self.run_to_end();
        let (own, other): (Vec<_>, Vec<_>) = (self.stacks.take().into_iter())
            .filter(|raw| raw.is_idle())
            .partition(|raw| raw.is_of(&self.pool));
        // SAFETY: all jobs have returned, and the scheduler ends here.
        unsafe {
            self.pool.put_back_all(own);
            other.into_iter().for_each(|raw| raw.release());
        }
    }

    /// What a message stands for; after the main coroutine's end, what it spawns
    /// is born cancelled.
    pub(super) fn receive(&self, message: Message) {
        match message {
            Message::Spawn(spawn) => spawn(self),
            Message::Cancel(number) => {
                let task = self.remote.borrow().get(&number).cloned();
                if let Some(task) = task {
                    self.cancel(&task);
                }
            }
            Message::Wake(number) => self.wake_blocked(number),
        }
    }

    pub(crate) fn wake_blocked(&self, number: u64) {
        let blocked = self.blocked.borrow().get(&number).copied();
        if let Some(raw) = blocked {
            self.wake(raw);
        }
    }
}
