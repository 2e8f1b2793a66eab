//! What the loop tells of itself: who is alive, and numbers.

use std::collections::HashMap;

use crate::coroutine::Ready;
use crate::generator::raw::Raw;
use crate::metrics::Metrics;
use crate::snapshot::{Census, Snapshot};
use crate::task::Task;

use super::Scheduler;

impl Scheduler {
    /// Asked by the running coroutine. Most of it the loop knows anyway: steps are how many
    /// were taken off the ready queue.
    pub(crate) fn metrics(&self) -> Metrics {
        let live = self.alive();
        let ready = self.ready.len() + self.starved.borrow().len();
        let (stacks, stack_bytes_mapped, stack_bytes_resident) = self.stacks.sizes();
        Metrics {
            live,
            ready,
            parked: live.saturating_sub(ready + 1),
            spawned: self.spawned.get(),
            // The one that asks is under way.
            steps: self.steps().saturating_sub(1) as u64,
            longest_step: self.is_observed().then(|| self.longest_step.get()),
            woken_from_outside: self.woken.get(),
            stacks,
            stack_bytes_mapped,
            stack_bytes_resident,
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
        let mut left = HashMap::new();
        self.ready.each(|place| {
            left.extend(place.stack().map(|raw| (raw.base(), place.trace())));
        });
        self.each_alive(|task, raw| {
            let left = raw.and_then(|raw| left.remove(&raw.base()));
            census.add(task, raw, left);
        });
        census.finish()
    }
}
