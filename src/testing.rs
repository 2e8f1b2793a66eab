//! Testing with other schedules than the usual one.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use crate::runtime::{Runtime, SEED, seed_from_environment};
use crate::scheduler;
use crate::unwind::message;

/// Runs `f` under virtual time with the seeds from 0 to `iterations - 1`, each in a
/// runtime of its own; panics with the first seed for which `f` panics or deadlocks.
///
/// With `COROBIN_SEED=n` in the environment it runs that seed only, which replays a
/// failure.
///
/// # Panics
/// With the failing seed and its message; inside of a runtime; if `COROBIN_SEED` is no
/// number.
///
/// ```should_panic
/// use std::{cell::Cell, rc::Rc};
///
/// corobin::explore(100, || {
///     let total = Rc::new(Cell::new(0));
///     let add = |n| {
///         let total = Rc::clone(&total);
///         corobin::spawn(move || {
///             let read = total.get();
///             corobin::yield_now(); // somebody else may write meanwhile
///             total.set(read + n);
///         })
///     };
///     corobin::gather([add(1), add(2)]).unwrap();
///     assert_eq!(total.get(), 3);
/// });
/// ```
#[track_caller]
pub fn explore(iterations: u64, f: impl Fn()) {
    assert!(
        scheduler::current().is_none(),
        "explore makes runtimes of its own: call it outside of corobin::run"
    );
    let at = Location::caller();
    let seeds = match seed_from_environment() {
        Ok(Some(seed)) => seed..=seed,
        Ok(None) if iterations == 0 => return,
        Ok(None) => 0..=iterations - 1,
        Err(error) => panic!("{error}"),
    };
    for seed in seeds {
        let run = || {
            let mut runtime = (Runtime::builder().schedule_seed(seed).virtual_time(true))
                .build()
                .unwrap_or_else(|error| panic!("no runtime: {error}"));
            if let Err(error) = runtime.try_run_at(&f, at) {
                panic!("{error}");
            }
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            panic!(
                "explore: seed {seed} fails ({SEED}={seed} replays it): {}",
                message(&*payload)
            );
        }
    }
}
