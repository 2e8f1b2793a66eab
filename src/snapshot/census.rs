//! How a snapshot is taken.

use super::{CoroutineInfo, CoroutineState, Snapshot};
use crate::clock::Clock;
use crate::generator::raw::Raw;
use crate::stack_trace::{Trace, resolve};
use crate::task::Task;

/// Counts the coroutines one by one.
pub(crate) struct Census<'a> {
    clock: &'a Clock,
    /// The coroutine that asks.
    running: Option<Raw>,
    found: Vec<(CoroutineInfo, Trace)>,
}

impl<'a> Census<'a> {
    pub(crate) fn new(clock: &'a Clock, running: Option<Raw>) -> Census<'a> {
        clock.now();
        Census {
            clock,
            running,
            found: Vec::new(),
        }
    }

    /// Adds a task, with its stack if it has started, and if it is in the ready queue
    /// where it was left.
    pub(crate) fn add(&mut self, task: &Task, raw: Option<Raw>, left: Option<Trace>) {
        let wait = raw.and_then(|raw| raw.describe_wait());
        let runs = raw.is_some() && raw == self.running;
        let state = match (raw, &wait) {
            (None, _) => CoroutineState::New,
            _ if runs => CoroutineState::Running,
            (Some(raw), Some(_)) if raw.is_parked() => CoroutineState::Parked,
            _ => CoroutineState::Ready,
        };
        let trace = match (raw, left, state) {
            (_, Some(left), _) => left,
            (Some(raw), _, CoroutineState::Running) => raw.trace_running(),
            (Some(raw), _, CoroutineState::Parked) => raw.trace_parked(),
            _ => Trace::default(),
        };
        let wait = wait.filter(|_| state == CoroutineState::Parked);
        let waits_at = wait.as_ref().map(|wait| wait.at);
        let waits_since = wait.as_ref().map(|wait| self.clock.to_instant(wait.since));
        let (waits_on, held_by) = wait.map(|wait| (wait.what, wait.holders)).unzip();
        let info = CoroutineInfo {
            id: task.id(),
            name: task.name().map(str::to_owned),
            parent: task.parent(),
            spawned_at: task.spawned_at(),
            age: self.clock.age(task.born()),
            state,
            waits_on,
            waits_at,
            waits_since,
            held_by: held_by.unwrap_or_default(),
            stack_used: raw.map_or(0, |raw| match trace.lowest {
                Some(lowest) => raw.base() - lowest,
                None => raw.stack_used(),
            }),
            stack_size: raw.map_or(0, |raw| raw.usable()),
            backtrace: None,
        };
        self.found.push((info, trace));
    }

    pub(crate) fn finish(mut self) -> Snapshot {
        self.found.sort_by_key(|(info, _)| info.id);
        let traces: Vec<&Trace> = self.found.iter().map(|(_, trace)| trace).collect();
        let texts = resolve(&traces);
        let infos = self.found.into_iter().zip(texts);
        let coroutines = infos.map(|((mut info, _), text)| {
            info.backtrace = text;
            info
        });
        Snapshot {
            coroutines: coroutines.collect(),
            taken_at: self.clock.to_instant(self.clock.last()),
        }
    }
}
