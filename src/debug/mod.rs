//! Debug mode: a probe that notices what goes wrong, and a thread that tells it.
//!
//! The probe runs on the loop's thread, where it may not log: a logger is the user's
//! code. So it sends what it has to say to the [`watchdog`], which also looks at the
//! loop from outside and sees when a step does not end.

#[allow(unsafe_code)]
mod capture;
#[allow(unsafe_code)]
mod high_water;
mod hook;
mod watchdog;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use crate::probe::{Event, Probe, Stopped};
use crate::snapshot::title;
use crate::stack;
use crate::task::{End, Id, Task, flag};

use high_water::HighWater;
use watchdog::{Level, Watchdog};

/// The environment variable that turns debug mode on for all runtimes.
pub(crate) const DEBUG: &str = "COROBIN_DEBUG";

/// Whether the environment asks for debug mode.
pub(crate) fn is_in_environment() -> bool {
    std::env::var(DEBUG).is_ok_and(|value| !["", "0"].contains(&value.trim()))
}

/// Begins to watch a run on the calling thread.
pub(crate) fn begin(slow_step: Duration) -> Box<dyn Probe> {
    Box::new(DebugProbe {
        watchdog: Watchdog::start(slow_step),
        running: Cell::new(None),
        told: RefCell::default(),
        _hook: hook::install(),
    })
}

/// What is told once of each coroutine.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Told {
    Swallowed,
    StackUsed,
}

struct DebugProbe {
    watchdog: Watchdog,
    running: Cell<Option<Id>>,
    told: RefCell<HashSet<(Id, Told)>>,
    _hook: hook::Installed,
}

impl Probe for DebugProbe {
    fn saw(&self, _at: Duration, event: &Event<'_>) {
        match *event {
            Event::StepBegins { who, .. } => {
                self.running.set(Some(who.id()));
                self.watchdog.step_begins();
            }
            Event::StepEnds { who, ref stop } => {
                self.running.set(None);
                if let Some(took) = self.watchdog.step_ends() {
                    let text = format!("that step of coroutine {} took {took:.0?}", title(who));
                    self.watchdog.tell(Level::Warn, text, None);
                }
                if !matches!(stop, Stopped::Ended | Stopped::NoStack)
                    && let Some(raw) = who.raw.get()
                {
                    self.look_at_stack(who, raw.base());
                }
            }
            Event::CancelSwallowed { who } => self.swallowed(who, false),
            Event::Unjoined { who, text } => {
                let text = format!(
                    "coroutine {} panicked and nobody joined it: {text}",
                    title(who)
                );
                self.watchdog.tell(Level::AlreadyLogged, text, None);
            }
            Event::Ended { who, how } => self.ended(who, how),
            _ => {}
        }
    }
}

impl DebugProbe {
    fn is_first(&self, who: &Task, what: Told) -> bool {
        self.told.borrow_mut().insert((who.id(), what))
    }

    fn swallowed(&self, who: &Task, has_returned: bool) {
        if !self.is_first(who, Told::Swallowed) {
            return;
        }
        let title = title(who);
        let text = match has_returned {
            true => format!("coroutine {title} swallowed a cancel and has returned"),
            false => format!(
                "coroutine {title} swallowed a cancel, and meets it again; code that catches \
                 panics must raise what corobin::is_cancel tells"
            ),
        };
        let trace = who.raw.get().map(|raw| raw.trace_running());
        self.watchdog
            .tell(Level::Warn, text, trace.filter(|_| !has_returned));
    }

    fn ended(&self, who: &Task, how: End) {
        if how == End::Returned && who.has(flag::RAISED) {
            self.swallowed(who, true);
        }
        // On its own stack, unless it never had one.
        if self.running.get() == Some(who.id()) {
            let here = crate::cpu::stack_pointer();
            if let Some(stack) = stack::find(here) {
                self.look_at_stack(who, stack.base);
                high_water::forget_below(here);
            }
        }
        let mut told = self.told.borrow_mut();
        if !told.is_empty() {
            for what in [Told::Swallowed, Told::StackUsed] {
                told.remove(&(who.id(), what));
            }
        }
    }

    fn look_at_stack(&self, who: &Task, base: usize) {
        let Some(HighWater { used, size }) = high_water::beyond_limit(base) else {
            return;
        };
        if self.is_first(who, Told::StackUsed) {
            let larger = match who.has(flag::MAIN) {
                true => "RuntimeBuilder::main_stack_size",
                false => "Builder::stack_size",
            };
            let text = format!(
                "coroutine {} has used {} of the {} KiB of its stack; give it a larger one with \
                 {larger}",
                title(who),
                used >> 10,
                size >> 10
            );
            self.watchdog.tell(Level::Warn, text, None);
        }
    }
}
