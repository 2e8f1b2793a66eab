//! Unwinding that never ends, and memory that cannot be had. Each case that may end the process
//! runs in a process of its own: this file started again, with a variable that says so.

#[path = "common/child.rs"]
mod child;

use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, Runtime, Yielder, park, run, scope, shield, sleep, spawn,
    yield_now,
};

use child::{child_output, is_child};

struct WaitsForEver;

impl Drop for WaitsForEver {
    fn drop(&mut self) {
        loop {
            park();
        }
    }
}

#[test]
fn smoke() {
    if is_child() {
        println!("in another process");
        return;
    }
    let output = child_output("smoke", &[]);
    assert!(output.status.success());
    assert!(output.text.contains("in another process"));
}

#[test]
fn detached_coroutine_that_never_unwinds_is_leaked() {
    let token = Rc::new(());
    let inside = token.clone();
    let mut runtime = Runtime::new().unwrap();
    let handle = runtime.run(|| {
        let handle = spawn(move || {
            let _token = inside;
            let _stuck = WaitsForEver;
            park();
        });
        let other = spawn(park);
        yield_now();
        drop(other);
        handle
    });
    assert!(handle.is_finished());
    handle.coroutine().unpark();
    handle.cancel();
    assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    assert_eq!(Rc::strong_count(&token), 2);
    for _ in 0..10 {
        let sum = runtime.run(|| {
            (0..100)
                .map(|n| spawn(move || n).join().unwrap())
                .sum::<u32>()
        });
        assert_eq!(sum, 4950);
    }
}

#[test]
fn leaking_after_a_deadlock_keeps_the_outcome() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    let result = runtime.try_run(|| {
        drop(Builder::new().name("stuck").spawn(|| {
            let _stuck = WaitsForEver;
            park();
        }));
        yield_now();
        park();
    });
    let Err(corobin::RunError::Deadlock(snapshot)) = result else {
        panic!("not a deadlock");
    };
    assert_eq!(snapshot.coroutines.len(), 2);
    assert_eq!(runtime.run(|| spawn(|| 1).join().unwrap()), 1);
}

#[test]
fn main_that_never_unwinds_aborts_with_the_report() {
    if is_child() {
        run(|| {
            drop(Builder::new().name("onlooker").spawn(park));
            let _stuck = WaitsForEver;
            park();
        });
    }
    let output = child_output("main_that_never_unwinds_aborts_with_the_report", &[]);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let text = output.text;
    assert!(text.contains("running_forever.rs"), "{text}");
}

#[test]
fn scoped_child_that_never_unwinds_aborts_with_the_report() {
    if is_child() {
        run(|| {
            let handle = Builder::new().name("scope-owner").spawn(|| {
                let borrowed = [1, 2, 3];
                scope(|s| {
                    s.spawn(|| {
                        let _stuck = WaitsForEver;
                        park();
                        assert_eq!(borrowed.len(), 3);
                    });
                });
            });
            sleep(Duration::from_millis(1));
            drop(handle);
        });
    }
    let test = "scoped_child_that_never_unwinds_aborts_with_the_report";
    let output = child_output(test, &[]);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let text = output.text;
    assert!(text.contains("scope-owner"), "{text}");
}

#[test]
fn no_memory_for_more_stacks_is_a_clear_error_and_the_rest_goes_on() {
    const TEST: &str = "no_memory_for_more_stacks_is_a_clear_error_and_the_rest_goes_on";
    if !is_child() {
        let output = child_output(TEST, &[]);
        assert!(output.status.success(), "{}", output.text);
        return;
    }
    run(|| {
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        let limit = libc::rlimit {
            rlim_cur: 2 << 30,
            rlim_max: 2 << 30,
        };
        // SAFETY: it reads the limit and touches no memory of ours.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);

        assert!(Builder::new().stack_size(4 << 30).spawn(|| ()).is_err());
        assert!(Generator::with_stack_size(4 << 30, |y: &Yielder<u8>| y.yield_(1)).is_err());

        let handles: Vec<_> = (0..20_000).map(|_| spawn(park)).collect();
        (0..10).for_each(|_| yield_now());
        let parked = handles
            .iter()
            .filter(|handle| !handle.is_finished())
            .count();
        assert!(parked < 20_000);
        handles
            .iter()
            .for_each(|handle| handle.coroutine().unpark());
        let mut refused = 0;
        for result in corobin::gather_results(handles) {
            match result {
                Ok(()) => {}
                Err(JoinError::Panicked(payload)) => {
                    let message = payload.downcast::<String>().unwrap();
                    assert!(message.contains("stack"), "{message}");
                    refused += 1;
                }
                Err(JoinError::Cancelled) => panic!("cancelled"),
            }
        }
        assert!(refused > 0);
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        assert_eq!(
            corobin::gather((0..100).map(|n| spawn(move || n)))
                .unwrap()
                .len(),
            100
        );
    });
}

struct SuspendingLogger;

impl log::Log for SuspendingLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() > log::Level::Error {
            return;
        }
        let _ = std::panic::catch_unwind(|| corobin::current().id());
        let _ = std::panic::catch_unwind(|| drop(spawn(|| ())));
        let _ = std::panic::catch_unwind(yield_now);
        let _ = std::panic::catch_unwind(|| sleep(Duration::from_millis(1)));
    }

    fn flush(&self) {}
}

#[test]
fn logger_that_suspends_breaks_nothing() {
    if is_child() {
        log::set_logger(&SuspendingLogger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        for _ in 0..3 {
            run(|| {
                drop(spawn(|| panic!("logged as it ends")));
                drop(spawn(|| {
                    let _stuck = WaitsForEver;
                    park();
                }));
                drop(spawn(|| {
                    let _last = Box::new([1_u8; 4096]);
                    let _slow = SleepsOnDrop;
                    park();
                }));
                yield_now();
            });
            assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
        }
        return;
    }
    let output = child_output("logger_that_suspends_breaks_nothing", &[]);
    assert!(output.status.success(), "{} {}", output.status, output.text);
}

struct SleepsOnDrop;

impl Drop for SleepsOnDrop {
    fn drop(&mut self) {
        sleep(Duration::from_millis(2));
    }
}

/// It may borrow, so it cannot be left half dropped.
#[test]
fn result_that_is_never_dropped_after_a_deadlock_aborts_with_the_report() {
    if is_child() {
        let _ = Runtime::new().unwrap().try_run(|| {
            drop(spawn(|| shield(park)));
            yield_now();
            WaitsForEver
        });
    }
    let test = "result_that_is_never_dropped_after_a_deadlock_aborts_with_the_report";
    let output = child_output(test, &[]);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    let text = output.text;
    assert!(text.contains("undertaker"), "{text}");
}
