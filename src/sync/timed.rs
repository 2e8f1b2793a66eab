//! Waits that end at a time.

use std::panic::Location;
use std::time::Instant;

use crate::coroutine::Awaited;
use crate::scheduler::Scheduler;
use crate::suspend;
use crate::time::Deadline;
use crate::wait_queue::{Node, Tag, WaitQueue, Waiter};

/// Stands in the queue until it is served, which gives true, or until the time has come or
/// something is due, which the caller raises. Gives also what it was given, or what it brought
/// and nobody has taken. Without a time it waits for ever.
///
/// Where the time has come already it stands for one turn, so that who asks again and again
/// lets others run.
pub(super) fn wait<T>(
    queue: &WaitQueue<T>,
    scheduler: &Scheduler,
    until: Option<Instant>,
    value: Option<T>,
    what: &dyn Awaited,
    at: &'static Location<'static>,
) -> (bool, Option<T>) {
    let deadline = until.map(|until| scheduler.clock.at(until));
    let has_come = deadline.is_some_and(|deadline| deadline <= scheduler.clock.now());
    let (waiter, node) = (Waiter::new(), Node::new(Tag::Plain, value));
    let is_served = waiter.stand(scheduler, |crowd| {
        crowd.join(queue, &node, 0);
        if has_come {
            suspend::let_others_run(scheduler);
            return waiter.served().is_some();
        }
        let deadline = Deadline::at(scheduler, deadline);
        // What was handed over counts, also if the time came before.
        while suspend::park_or_due(scheduler, what, at) {
            if waiter.served().is_some() {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
        }
        false
    });
    (is_served, node.take())
}
