//! Payloads, destructors, closures and handles that do what nobody expects.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    JoinError, JoinHandle, current, gather, park, run, sleep, spawn, timeout, yield_now,
};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;

#[path = "common/sizes.rs"]
mod sizes;
use sizes::{Page, is_aligned};

const SECOND: Duration = Duration::from_secs(1);

thread_local!(static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

fn see(entry: impl Into<String>) {
    SEEN.with_borrow_mut(|seen| seen.push(entry.into()));
}

/// Suspends in its destructor, in every way that there is.
struct Suspends(&'static str);

impl Drop for Suspends {
    fn drop(&mut self) {
        let _ = current();
        yield_now();
        sleep(SECOND);
        let child = spawn(|| ());
        drop(child.join());
        see(self.0);
    }
}

struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        see(self.0);
        panic!("in the destructor of {}", self.0);
    }
}

/// A payload whose destructor panics with the next of its kind.
struct Hydra(u32);

impl Drop for Hydra {
    fn drop(&mut self) {
        see(format!("head {}", self.0));
        if self.0 > 0 {
            panic_any(Hydra(self.0 - 1));
        }
    }
}

fn everything_still_works() {
    assert_eq!(
        gather((0..5).map(|n| spawn(move || n))).unwrap(),
        [0, 1, 2, 3, 4]
    );
    assert!(timeout(SECOND, park).is_err());
}

#[test]
fn smoke() {
    in_virtual_time(|| {
        drop(spawn(|| panic_any(PanicsOnDrop("payload"))));
        yield_now();
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["payload"]);
}

#[test]
fn destructor_of_a_local_may_suspend() {
    in_virtual_time(|| {
        let cancelled = spawn(|| {
            let _late = Suspends("cancelled");
            park();
        });
        let panicked = spawn(|| {
            let _late = Suspends("panicked");
            sleep(SECOND * 10);
            panic_any(());
        });
        let returned = spawn(|| {
            let _late = Suspends("returned");
            sleep(SECOND * 20);
        });
        yield_now();
        cancelled.cancel();
        assert!(matches!(cancelled.join(), Err(JoinError::Cancelled)));
        assert!(matches!(panicked.join(), Err(JoinError::Panicked(_))));
        assert!(returned.join().is_ok());
    });
    assert_eq!(SEEN.take(), ["cancelled", "panicked", "returned"]);
}

#[test]
fn destructor_of_a_capture_that_never_started_may_suspend() {
    in_virtual_time(|| {
        let capture = Suspends("capture");
        let handle = spawn(move || drop(capture));
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        assert_eq!(SEEN.take(), ["capture"]);

        let capture = Suspends("capture, nobody joins");
        let handle = spawn(move || drop(capture));
        handle.cancel();
        drop(handle);
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["capture, nobody joins"]);

        let capture = Suspends("capture, at the end of the run");
        drop(spawn(move || drop(capture)));
    });
    assert_eq!(SEEN.take(), ["capture, at the end of the run"]);
}

#[test]
fn destructor_of_an_unclaimed_result_may_suspend() {
    in_virtual_time(|| {
        drop(spawn(|| Suspends("dropped before")));
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["dropped before"]);

        let handle = spawn(|| Suspends("dropped after"));
        yield_now();
        assert!(handle.is_finished());
        drop(handle);
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["dropped after"]);

        let handle = spawn(|| {
            yield_now();
            yield_now();
            Suspends("dropped meanwhile")
        });
        yield_now();
        drop(handle);
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["dropped meanwhile"]);
    });
}

#[test]
fn destructor_of_an_unclaimed_payload_may_suspend() {
    in_virtual_time(|| {
        drop(spawn(|| panic_any(Suspends("dropped before"))));
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["dropped before"]);

        let handle = spawn(|| panic_any(Suspends("dropped after")));
        yield_now();
        drop(handle);
        sleep(SECOND * 10);
        assert_eq!(SEEN.take(), ["dropped after"]);

        let Err(JoinError::Panicked(payload)) = spawn(|| panic_any(Suspends("joined"))).join()
        else {
            panic!("not a panic");
        };
        assert!(SEEN.take().is_empty());
        drop(payload);
        assert_eq!(SEEN.take(), ["joined"]);
    });
}

#[test]
fn destructor_of_what_gather_leaves_may_suspend() {
    in_virtual_time(|| {
        let handles: Vec<JoinHandle<Suspends>> = vec![
            spawn(|| Suspends("result")),
            spawn(|| panic_any(1_u8)),
            spawn(|| {
                sleep(SECOND * 5);
                Suspends("late result")
            }),
        ];
        assert!(gather(handles).is_err());
        sleep(SECOND * 20);
    });
    assert_eq!(SEEN.take(), ["result", "late result"]);
}

#[test]
fn unclaimed_result_is_dropped_with_its_handle_after_the_run() {
    let token = Rc::new(());
    let inside = token.clone();
    let handle = run(|| {
        let handle = spawn(move || inside);
        yield_now();
        handle
    });
    assert_eq!(Rc::strong_count(&token), 2);
    drop(handle);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn payloads_of_any_type() {
    fn payload_of(f: impl FnOnce() + 'static) -> Box<dyn Any + Send> {
        match spawn(f).join() {
            Err(JoinError::Panicked(payload)) => payload,
            _ => panic!("not a panic"),
        }
    }
    run(|| {
        assert!(payload_of(|| panic_any(())).is::<()>());
        assert!(payload_of(|| panic_any([7_u8; 10_000])).is::<[u8; 10_000]>());
        assert!(
            payload_of(|| panic_any(Box::new(1_u8) as Box<dyn Any + Send>))
                .is::<Box<dyn Any + Send>>()
        );
        assert!(payload_of(|| std::panic::resume_unwind(Box::new(5_i8))).is::<i8>());
        let page = payload_of(|| panic_any(Page([3; 4096])))
            .downcast::<Page>()
            .unwrap();
        assert!(is_aligned(&*page) && page.0[4095] == 3);
    });
}

#[test]
fn payload_whose_destructor_panics() {
    in_virtual_time(|| {
        drop(spawn(|| panic_any(PanicsOnDrop("detached before"))));
        yield_now();
        everything_still_works();
        let handle = spawn(|| panic_any(PanicsOnDrop("detached after")));
        yield_now();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
        everything_still_works();
        let Err(JoinError::Panicked(payload)) = spawn(|| panic_any(PanicsOnDrop("joined"))).join()
        else {
            panic!("not a panic");
        };
        let again = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        assert!(again.unwrap_err().is::<String>());
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["detached before", "detached after", "joined"]);
}

#[test]
fn payload_whose_destructor_panics_with_another_such_payload() {
    in_virtual_time(|| {
        drop(spawn(|| panic_any(Hydra(3))));
        yield_now();
        everything_still_works();
    });
    let seen = SEEN.take();
    assert_eq!(seen[0], "head 3");
}

#[test]
fn result_whose_destructor_panics() {
    in_virtual_time(|| {
        drop(spawn(|| PanicsOnDrop("before")));
        yield_now();
        everything_still_works();
        let handle = spawn(|| PanicsOnDrop("after"));
        yield_now();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["before", "after"]);
}

#[test]
fn capture_whose_destructor_panics() {
    in_virtual_time(|| {
        let capture = PanicsOnDrop("never started");
        let handle = spawn(move || drop(capture));
        handle.cancel();
        assert!(handle.join().is_err());
        everything_still_works();

        let capture = PanicsOnDrop("started");
        let handle = spawn(move || drop(capture));
        assert!(matches!(handle.join(), Err(JoinError::Panicked(_))));
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["never started", "started"]);
}

#[test]
fn local_whose_destructor_panics_at_the_end_of_a_body() {
    in_virtual_time(|| {
        let handle = spawn(|| {
            let _late = PanicsOnDrop("local");
            5
        });
        assert!(matches!(handle.join(), Err(JoinError::Panicked(_))));
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["local"]);
}

#[test]
fn forgotten_handles() {
    let token = Rc::new(());
    in_virtual_time(|| {
        let finished = spawn(|| 1);
        yield_now();
        forget(finished);
        let inside = token.clone();
        forget(spawn(move || {
            let _inside = &inside;
            park();
        }));
        forget(spawn(|| panic_any(1_u8)));
        yield_now();
        let cancelled = spawn(park);
        cancelled.cancel();
        forget(cancelled);
        yield_now();
        everything_still_works();
    });
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn cycles_of_handles() {
    type Slot = Rc<RefCell<Vec<JoinHandle<Node>>>>;
    #[allow(dead_code)]
    struct Node(Slot);
    let unwound = Rc::new(Cell::new(0));
    in_virtual_time(|| {
        let slot = Slot::default();
        for finishes in [true, false, true, false] {
            let (own, count) = (slot.clone(), unwound.clone());
            let handle = spawn(move || {
                if !finishes {
                    let _ = catch_unwind(park).inspect_err(|_| count.set(count.get() + 1));
                    park();
                }
                Node(own)
            });
            slot.borrow_mut().push(handle);
        }
        yield_now();
        drop(slot);
        everything_still_works();
    });
    assert_eq!(unwound.get(), 2);
    in_virtual_time(everything_still_works);
}

#[test]
fn coroutine_dropped_by_another_that_ends() {
    in_virtual_time(|| {
        let inner = spawn(|| {
            sleep(SECOND);
            see("inner");
        });
        let outer = spawn(move || drop(inner));
        outer.join().unwrap();
        sleep(SECOND * 2);
    });
    assert_eq!(SEEN.take(), ["inner"]);
}

#[test]
fn handle_cancelled_and_dropped_inside_its_own_coroutine() {
    in_virtual_time(|| {
        let slot: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let own = slot.clone();
        *slot.borrow_mut() = Some(spawn(move || {
            let handle = own.borrow_mut().take().unwrap();
            handle.cancel();
            assert!(!handle.is_finished());
            drop(handle);
            see("still here");
            park();
            see("never");
        }));
        sleep(SECOND);
        everything_still_works();
    });
    assert_eq!(SEEN.take(), ["still here"]);
}

#[test]
fn destructors_spawn_join_and_sleep_during_shutdown() {
    in_virtual_time(|| {
        for name in ["a", "b"] {
            drop(spawn(move || {
                let _late = Suspends(name);
                park();
            }));
        }
        let capture = Suspends("capture");
        yield_now();
        drop(spawn(move || drop(capture)));
        drop(spawn(|| Suspends("never made")));
    });
    let mut seen = SEEN.take();
    seen.sort();
    assert_eq!(seen, ["a", "b", "capture"]);
}
