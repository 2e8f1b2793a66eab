//! What the loop tells of itself in numbers.

use crate::metrics::Metrics;

use super::{STEPS, Scheduler};

impl Scheduler {
    /// Asked by the running coroutine. Most of it the loop knows anyway: steps are what
    /// the countdown to the next look outside has counted.
    pub(crate) fn metrics(&self) -> Metrics {
        let live = self.alive.get();
        let ready = self.ready.len() + self.starved.borrow().len();
        let left = self
            .left_aside
            .get()
            .unwrap_or_else(|| self.steps_left.get());
        let (stacks, stack_bytes_mapped, stack_bytes_resident) = self.stacks.sizes();
        Metrics {
            live,
            ready,
            parked: live.saturating_sub(ready + 1),
            spawned: self.spawned.get(),
            steps: self.steps.get() + u64::from(STEPS - left),
            longest_step: self.is_observed().then(|| self.longest_step.get()),
            woken_from_outside: self.woken.get(),
            stacks,
            stack_bytes_mapped,
            stack_bytes_resident,
        }
    }
}
