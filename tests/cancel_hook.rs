//! Cancels, expiries and the clean-up at the end of a run are silent: no panic hook sees them.

use corobin::{
    Generator, JoinError, RunError, Runtime, park, scope, sleep, spawn, timeout, yield_now,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::hook_calls_during;

/// How often the hook is called on this thread while `f` runs under virtual time.
fn hook_calls_in(f: impl FnOnce()) -> u32 {
    hook_calls_during(|| in_virtual_time(f))
}

struct YieldsInDrop;

impl Drop for YieldsInDrop {
    fn drop(&mut self) {
        yield_now();
    }
}

#[test]
fn smoke() {
    let calls = hook_calls_in(|| {
        let child = spawn(park);
        yield_now();
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_real_panic_is_seen_so_the_count_means_something() {
    let calls = hook_calls_in(|| {
        let child = spawn(|| -> () { panic!("expected") });
        assert!(matches!(child.join(), Err(JoinError::Panicked(_))));
    });
    assert_eq!(calls, 1);
}

#[test]
fn a_cancel_before_the_start_is_silent() {
    let calls = hook_calls_in(|| {
        let child = spawn(|| ());
        child.cancel();
        assert!(child.join().is_err());
    });
    assert_eq!(calls, 0);
}

#[test]
fn an_expiry_is_silent() {
    let calls = hook_calls_in(|| {
        assert!(timeout(secs(1), park).is_err());
        assert!(timeout(secs(1), || timeout(secs(1), || sleep(secs(2)))).is_ok());
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_cancelled_scope_is_silent() {
    let calls = hook_calls_in(|| {
        scope(|s| {
            s.spawn(park);
            s.spawn(park);
            yield_now();
            s.cancel();
        });
    });
    assert_eq!(calls, 0);
}

#[test]
fn the_end_of_a_run_is_silent() {
    let calls = hook_calls_in(|| {
        spawn(park);
        spawn(|| sleep(secs(1)));
        yield_now();
        spawn(|| ());
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_cancel_met_again_after_being_swallowed_is_silent() {
    let calls = hook_calls_in(|| {
        let child = spawn(|| {
            for _ in 0..10 {
                catch_unwind(AssertUnwindSafe(park)).unwrap_err();
            }
            park();
        });
        yield_now();
        child.cancel();
        assert!(child.join().is_err());
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_destructor_that_suspends_during_a_cancel_is_silent() {
    let calls = hook_calls_in(|| {
        let children = [0; 5].map(|_| {
            spawn(|| {
                let _guard = YieldsInDrop;
                park();
            })
        });
        yield_now();
        for child in &children {
            child.cancel();
        }
        for child in children {
            assert!(child.join().is_err());
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_cancel_through_a_generator_is_silent() {
    let calls = hook_calls_in(|| {
        let child = spawn(|| {
            let mut generator = Generator::<u8>::new(|_| park());
            generator.next();
        });
        yield_now();
        child.cancel();
        assert!(child.join().is_err());
    });
    assert_eq!(calls, 0);
}

#[test]
fn a_panic_reported_once_is_not_reported_again_by_its_scope() {
    let calls = hook_calls_in(|| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                s.spawn(|| panic!("expected"));
                s.spawn(park);
            })
        }));
        let payload = result.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"expected"));
    });
    assert_eq!(calls, 1);
}

#[test]
fn a_deadlock_reported_as_an_error_is_silent() {
    let calls = hook_calls_during(|| {
        let result = Runtime::new().unwrap().try_run(|| {
            spawn(park);
            park();
        });
        assert!(matches!(result, Err(RunError::Deadlock(_))));
    });
    assert_eq!(calls, 0);
}
