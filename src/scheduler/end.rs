//! The end of a run, in good order or not: unwinds the coroutines that are left.
//!
//! Three stages, each for what the one before could not end: first everybody is
//! cancelled; then shields hold nothing off any more; at last what still hangs,
//! in a destructor that waits for ever, is leaked.

use std::io;
use std::panic::Location;
use std::sync::Arc;

use crate::frames;
use crate::generator::raw::Raw;
use crate::probe::Probe;
use crate::sigquit;
use crate::snapshot::Snapshot;
use crate::task::{End, Origin, Task, TaskRef, Typed, flag};
use crate::unwind::quietly;

use super::{Config, Message, Phase, Scheduler, current, next_id};

/// What a run came to.
pub(crate) struct Outcome<T> {
    /// Who hung, if the run ended in a deadlock.
    pub(crate) deadlock: Option<Snapshot>,
    pub(crate) main: Typed<T>,
}

/// Runs `f` as the main coroutine of a scheduler of its own, to the end of all
/// coroutines.
///
/// # Errors
/// The stacks for the scheduler and the main coroutine cannot be had.
pub(crate) fn run<F, T>(
    config: &Config,
    probes: Vec<Box<dyn Probe>>,
    f: F,
    at: &'static Location<'static>,
) -> io::Result<Outcome<T>>
where
    F: FnOnce() -> T,
{
    let scheduler = Scheduler::new(config, probes)?;
    let stack = scheduler.reserve_stack(config.main_stack_size)?;
    let origin = || Origin {
        name: Some("main".into()),
        flags: flag::MAIN,
        ..scheduler.origin_of_root(at)
    };
    // SAFETY: `run_to_end` returns only when every coroutine has ended, does not
    // unwind, and aborts if the main one cannot end.
    let main = unsafe { Typed::borrowing(origin, next_id(), f) };
    main.task().raw.set(Some(stack));
    scheduler.spawn(main.task().clone());
    let inbox = Arc::clone(&scheduler.inbox);
    let _listener = sigquit::listen(move || inbox.ask());
    frames::entering(|| {
        let top = frames::top();
        frames::set_top(None);
        current::enter(&scheduler, || {
            scheduler.run_to_end();
            scheduler.bury_outcome(main.task(), config.main_stack_size);
            scheduler.close();
        });
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
            self.inbox.end();
            self.cancel_all(false);
        }
    }

    /// Nobody is ready, and nothing outside can change that.
    #[cold]
    pub(super) fn nothing_can_happen(&self) {
        if self.is_observed() {
            self.saw_deadlock();
        }
        let is_deadlock = match self.phase.get() {
            Phase::Running => true,
            // What hangs in destructors is no deadlock, but never ends.
            Phase::Ending => self.stacks.busy().iter().any(Raw::is_shielded),
            Phase::Forcing => return self.abort_or_leak(),
        };
        if is_deadlock {
            *self.deadlock.borrow_mut() = Some(self.snapshot(None));
        }
        self.phase.set(Phase::Forcing);
        self.inbox.end();
        self.cancel_all(true);
    }

    /// Drops the main coroutine's result, if the outcome is a deadlock that came after it,
    /// as the main coroutine would: it may borrow, so it cannot be leaked half dropped, and
    /// on a stack as large, if there is one.
    fn bury_outcome(&self, main: &TaskRef, stack_size: usize) {
        if main.holds_result() && self.deadlock.borrow().is_some() {
            let main = main.clone();
            let stack = self.reserve_stack(stack_size).ok();
            let work = move |_: &Scheduler| quietly(|| main.drop_result());
            self.spawn_undertaker(flag::SCOPED, stack, work);
            self.run_to_end();
        }
    }

    /// Cancels all that have started; new ones are born cancelled. The children
    /// of scopes end with their scope, unless `all`.
    fn cancel_all(&self, all: bool) {
        for raw in self.stacks.busy() {
            if all || self.ends_with_run(raw.task()) {
                self.cancel(raw.task());
            }
        }
    }

    /// Whether the end of the run cancels it: the children of a scope end with
    /// their scope, unless that was opened outside of the run.
    pub(super) fn ends_with_run(&self, task: &Task) -> bool {
        match task.siblings() {
            Some(siblings) => siblings.owner.is_none(),
            None => !task.has(flag::MAIN | flag::INTERNAL),
        }
    }

    /// What is left are coroutines whose destructors wait for ever.
    fn abort_or_leak(&self) {
        let busy = self.stacks.busy();
        if busy
            .iter()
            .any(|raw| raw.task().has(flag::MAIN | flag::SCOPED))
        {
            eprintln!(
                "corobin: these coroutines cannot be unwound, since their destructors wait for \
                 ever; some of them borrow, so the process aborts\n{}",
                self.snapshot(None)
            );
            std::process::abort();
        }
        // A logger and a waker are user code, which runs in coroutines only.
        self.spawn_undertaker(0, None, Scheduler::leak_the_others);
    }

    fn spawn_undertaker(
        &self,
        flags: u8,
        stack: Option<Raw>,
        work: impl FnOnce(&Scheduler) + 'static,
    ) {
        let origin = || Origin {
            name: Some("undertaker".into()),
            flags: flag::DETACHED | flag::INTERNAL | flags,
            ..self.origin_of_root(Location::caller())
        };
        let undertaker = Typed::new(origin, next_id(), move || {
            if let Some(scheduler) = super::current() {
                work(scheduler);
            }
        });
        undertaker.task().raw.set(stack);
        self.spawn(undertaker.task().clone());
    }

    fn leak_the_others(&self) {
        let mut snapshot = self.snapshot(Some(self.running()));
        let own_id = self.running_task().id();
        snapshot.coroutines.retain(|info| info.id != own_id);
        let mut leaked = self.stacks.busy();
        leaked.retain(|&raw| raw != self.running());
        let tasks: Vec<TaskRef> = leaked.iter().map(Raw::task_ref).collect();
        for (&raw, task) in leaked.iter().zip(&tasks) {
            self.stacks.leak(raw);
            self.count_gone(task);
            // One that hangs in its joiner's waker has ended.
            if !task.has_ended() {
                task.end();
                if self.is_observed() {
                    self.saw_end(task, End::Cancelled);
                }
            }
        }
        for task in &tasks {
            self.tell_joiner(task);
            let remote = self.remote.borrow_mut().remove(&task.id().0);
            if let Some(remote) = remote {
                quietly(remote.leaked);
            }
        }
        // Nobody gives the stack in reserve back to them any more.
        if leaked.iter().any(|&raw| self.stacks.is_reserve(raw)) {
            for place in self.starved.take() {
                if let Some(task) = place.into_new_task() {
                    self.bury_unborn(&task);
                }
            }
        }
        // A logger that waits for ever itself would be asked without end.
        if tasks.iter().any(|task| task.has(flag::INTERNAL)) {
            return;
        }
        log::error!(
            "these coroutines cannot be unwound, since their destructors wait for ever; they are \
             leaked\n{snapshot}"
        );
    }

    /// Disposes of what other threads still sent. The inbox stays open for that: what is
    /// dropped may wait for other threads itself.
    fn close(&self) {
        loop {
            let rest = self.inbox.close();
            if rest.is_empty() {
                break;
            }
            for message in rest {
                self.receive(message);
            }
            self.run_to_end();
        }
    }

    /// What a message stands for; after the main coroutine's end, what it spawns
    /// is born cancelled.
    pub(super) fn receive(&self, message: Message) {
        match message {
            Message::Spawn(spawn) => spawn(self),
            Message::Cancel(number) => {
                let task = self.remote.borrow().get(&number).map(|it| it.task.clone());
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
