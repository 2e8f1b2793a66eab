//! No coroutines: closures in boxes, called from a queue, each with a cell for its result.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use super::time_batches;

type Call = Box<dyn FnOnce()>;

/// `batches` batches of empty bodies, each of which can say that it was called.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    let mut ready: VecDeque<Call> = VecDeque::with_capacity(batch);
    let mut results = Vec::with_capacity(batch);
    let once = || {
        results.extend((0..batch).map(|_| {
            let result = Rc::new(Cell::new(None));
            let own = Rc::clone(&result);
            ready.push_back(black_box(Box::new(move || own.set(Some(())))));
            result
        }));
        while let Some(call) = ready.pop_front() {
            call();
        }
        results.drain(..).filter_map(|result| result.take()).count()
    };
    time_batches(batch, batches, once)
}
