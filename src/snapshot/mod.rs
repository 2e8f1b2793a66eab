//! Who is alive, where each is, and what it waits for.

mod census;
mod cycles;
mod dot;
mod json;
mod text;

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

pub(crate) use census::Census;

use crate::task::{Id, Task};

/// All coroutines of a runtime at one moment.
///
/// `Display` is a tree by parent, then the circles of those who wait for each other,
/// then where they are, with equal stacks told once. For programs there are
/// [`to_json`](Snapshot::to_json) and [`to_dot`](Snapshot::to_dot).
///
/// A program that gets SIGQUIT (Ctrl-\\ in a terminal) while a runtime runs writes a
/// snapshot to stderr and goes on, unless it handles or ignores that signal itself.
/// It is asyncio's `python -m asyncio pstree`, Go's dump of goroutines.
///
/// ```
/// let report = corobin::run(|| {
///     let _worker = corobin::Builder::new().name("worker").spawn(corobin::park);
///     corobin::yield_now();
///     corobin::snapshot().to_string()
/// });
/// // #1 'main' (spawned at src/main.rs:3:18) runs
/// //   #2 'worker' (spawned at src/main.rs:4:59) waits for unpark at …
/// assert!(report.contains("'worker' (spawned at "));
/// assert!(report.contains("waits for unpark at "));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Everybody who has not ended, in the order of their spawning.
    pub coroutines: Vec<CoroutineInfo>,
    /// When it was taken, by the runtime's clock.
    pub taken_at: Instant,
}

/// One coroutine of a [`Snapshot`].
///
/// Times are exact in debug mode, and while a trace is written; else as exact as the
/// loop knew the time, which it reads only where something waits for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoroutineInfo {
    /// Its id.
    pub id: Id,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Who spawned it.
    pub parent: Option<Id>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// How long ago that was.
    pub age: Duration,
    /// What it is doing.
    pub state: CoroutineState,
    /// What it waits for, in words; `None` if it does not wait.
    pub waits_on: Option<String>,
    /// Where it began to wait.
    pub waits_at: Option<&'static Location<'static>>,
    /// When it began to wait.
    pub waits_since: Option<Instant>,
    /// Who must do something for the wait to end, where that is known.
    pub held_by: Vec<Id>,
    /// Bytes of its stack that were in use when it was suspended.
    pub stack_used: usize,
    /// Bytes of its stack that it may use; 0 while it has none.
    pub stack_size: usize,
    /// Where it is: its own functions, innermost first, with those that were inlined.
    /// `None` before its start, and where the program or the system does not tell.
    pub backtrace: Option<String>,
}

/// What a coroutine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoroutineState {
    /// It has not started.
    New,
    /// It is in the ready queue.
    Ready,
    /// It has taken the snapshot.
    Running,
    /// It waits.
    Parked,
}

/// How a coroutine is called in messages.
pub(crate) fn title(task: &Task) -> impl fmt::Display + '_ {
    fmt::from_fn(|f| write_title(f, task.id(), task.name(), task.spawned_at()))
}

/// As [`title`], of one without a name.
pub(crate) fn title_of(id: Id, spawned_at: &Location<'_>) -> impl fmt::Display {
    fmt::from_fn(move |f| write_title(f, id, None, spawned_at))
}

fn write_title(
    f: &mut fmt::Formatter<'_>,
    id: Id,
    name: Option<&str>,
    spawned_at: &Location<'_>,
) -> fmt::Result {
    write!(f, "{id}")?;
    if let Some(name) = name {
        write!(f, " '{name}'")?;
    }
    write!(f, " (spawned at {spawned_at})")
}
