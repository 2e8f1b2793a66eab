//! What `cancel` does to a coroutine, seen from its body, its joiner and its siblings.

use corobin::{Generator, JoinError, JoinHandle, is_cancel, now, park, sleep, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{panic_any, resume_unwind};
use std::rc::Rc;

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{assert_cancelled, caught};

#[test]
fn smoke() {
    in_virtual_time(|| {
        let child = spawn(park);
        yield_now();
        assert!(!child.is_finished());
        child.cancel();
        assert_cancelled(child.join());
    });
}

#[test]
fn a_coroutine_that_never_started_drops_its_captures_and_never_runs() {
    in_virtual_time(|| {
        let log = Trail::default();
        let ran = Rc::new(Cell::new(false));
        let child = spawn({
            let (note, ran) = (Mark(log.clone(), "captures"), ran.clone());
            move || {
                let _note = note;
                ran.set(true);
            }
        });
        child.cancel();
        assert_cancelled(child.join());
        assert!(!ran.get());
        assert_eq!(*log.borrow(), ["captures"]);
    });
}

#[test]
fn cancelling_a_finished_coroutine_has_no_effect() {
    in_virtual_time(|| {
        let child = spawn(|| 7);
        yield_now();
        assert!(child.is_finished());
        child.cancel();
        assert_eq!(child.join().unwrap(), 7);
    });
}

#[test]
fn cancel_returns_at_once_and_the_target_ends_later() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _note = Mark(log, "unwound");
                park();
            }
        });
        yield_now();
        child.cancel();
        assert!(log.borrow().is_empty());
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["unwound"]);
    });
}

#[test]
fn cancelling_twice_is_cancelling_once() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _note = Mark(log, "unwound");
                park();
            }
        });
        yield_now();
        child.cancel();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["unwound"]);
    });
}

#[test]
fn destructors_run_innermost_first_across_call_depths() {
    fn deeper(depth: usize, log: &Trail) {
        const NAMES: [&str; 4] = ["depth 0", "depth 1", "depth 2", "depth 3"];
        let _note = Mark(log.clone(), NAMES[depth]);
        if depth == 3 {
            park();
        } else {
            deeper(depth + 1, log);
        }
    }
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _first = Mark(log.clone(), "first local");
                let _second = Mark(log.clone(), "second local");
                deeper(0, &log);
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(
            *log.borrow(),
            [
                "depth 3",
                "depth 2",
                "depth 1",
                "depth 0",
                "second local",
                "first local"
            ]
        );
    });
}

#[test]
fn a_swallowed_cancel_is_met_again_at_each_later_suspension_point() {
    in_virtual_time(|| {
        let met = Rc::new(Cell::new(0));
        let child = spawn({
            let met = met.clone();
            move || {
                for _ in 0..5 {
                    let payload = caught(park).unwrap_err();
                    assert!(is_cancel(&payload));
                    met.set(met.get() + 1);
                }
                for _ in 0..5 {
                    let payload = caught(yield_now).unwrap_err();
                    assert!(is_cancel(&payload));
                    met.set(met.get() + 1);
                }
                yield_now();
                met.set(1000);
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(met.get(), 10);
    });
}

#[test]
fn a_cancel_that_is_raised_again_by_the_catcher_ends_as_cancelled() {
    in_virtual_time(|| {
        let child = spawn(|| {
            if let Err(payload) = caught(|| sleep(secs(10))) {
                assert!(is_cancel(&payload));
                resume_unwind(payload);
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
    });
}

#[test]
fn is_cancel_tells_a_cancel_from_any_panic() {
    in_virtual_time(|| {
        let str_payload = caught(|| panic!("no cancel")).unwrap_err();
        assert!(!is_cancel(&str_payload));
        let string_payload =
            caught(|| panic!("no cancel {}", std::hint::black_box(1))).unwrap_err();
        assert!(!is_cancel(&string_payload));
        let typed_payload = caught(|| panic_any(5_u32)).unwrap_err();
        assert!(!is_cancel(&typed_payload));
        let silent_payload = caught(|| resume_unwind(Box::new(()))).unwrap_err();
        assert!(!is_cancel(&silent_payload));

        let told = Rc::new(Cell::new(None));
        let child = spawn({
            let told = told.clone();
            move || told.set(Some(is_cancel(&caught(park).unwrap_err())))
        });
        yield_now();
        child.cancel();
        child.join().ok();
        assert_eq!(told.get(), Some(true));
    });
}

#[test]
fn a_panic_is_not_turned_into_a_cancel() {
    in_virtual_time(|| {
        let child = spawn(|| -> () {
            park();
            panic_any("own payload");
        });
        yield_now();
        child.coroutine().unpark();
        match child.join() {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(payload.downcast_ref::<&str>(), Some(&"own payload"));
                assert!(!is_cancel(&payload));
            }
            other => panic!("expected Panicked, got {other:?}"),
        }
    });
}

#[test]
fn a_coroutine_may_cancel_itself_and_goes_on_to_its_next_suspension_point() {
    in_virtual_time(|| {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let log = Trail::default();
        let child = spawn({
            let (own, log) = (own.clone(), log.clone());
            move || {
                own.borrow().as_ref().unwrap().cancel();
                note(&log, "still running");
                yield_now();
                note(&log, "not reached");
            }
        });
        *own.borrow_mut() = Some(child);
        yield_now();
        yield_now();
        let child = own.borrow_mut().take().unwrap();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["still running"]);
    });
}

#[test]
fn a_body_that_never_suspends_again_returns_its_value() {
    in_virtual_time(|| {
        let own: Rc<RefCell<Option<JoinHandle<i32>>>> = Rc::default();
        let child = spawn({
            let own = own.clone();
            move || {
                own.borrow().as_ref().unwrap().cancel();
                9
            }
        });
        *own.borrow_mut() = Some(child);
        yield_now();
        let child = own.borrow_mut().take().unwrap();
        assert_eq!(child.join().unwrap(), 9);
    });
}

#[test]
fn a_cancelled_joiner_leaves_the_joined_coroutine_running() {
    in_virtual_time(|| {
        let log = Trail::default();
        let target = spawn({
            let log = log.clone();
            move || {
                sleep(secs(5));
                note(&log, "target finished");
            }
        });
        let joiner = spawn(move || target.join().unwrap());
        yield_now();
        joiner.cancel();
        assert_cancelled(joiner.join());
        assert!(log.borrow().is_empty());
        sleep(secs(6));
        assert_eq!(*log.borrow(), ["target finished"]);
    });
}

#[test]
fn a_cancel_passes_through_a_generator_and_completes_it() {
    in_virtual_time(|| {
        let log = Trail::default();
        let generator = Rc::new(RefCell::new(Generator::<u32>::new({
            let log = log.clone();
            move |y| {
                let _note = Mark(log, "generator body");
                y.yield_(1);
                sleep(secs(100));
                y.yield_(2);
            }
        })));
        let child = spawn({
            let (generator, log) = (generator.clone(), log.clone());
            move || {
                let _note = Mark(log, "coroutine body");
                let mut generator = generator.borrow_mut();
                assert_eq!(generator.next(), Some(1));
                generator.next();
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["generator body", "coroutine body"]);
        assert!(generator.borrow().is_complete());
        assert_eq!(generator.borrow_mut().next(), None);
    });
}

#[test]
fn a_cancelled_sleep_leaves_no_timer_behind() {
    in_virtual_time(|| {
        let start = now();
        let child = spawn(|| sleep(secs(10_000)));
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        sleep(secs(1));
        assert_eq!(now() - start, secs(1));
    });
}

#[test]
fn everything_unscoped_is_cancelled_when_the_main_coroutine_returns() {
    let log = Trail::default();
    in_virtual_time({
        let log = log.clone();
        move || {
            for name in ["a", "b"] {
                let note = Mark(log.clone(), name);
                spawn(move || {
                    let _note = note;
                    loop {
                        yield_now();
                    }
                });
            }
            let unstarted = Mark(log.clone(), "unstarted");
            yield_now();
            spawn(move || drop(unstarted));
        }
    });
    let mut ended = log.borrow().clone();
    ended.sort();
    assert_eq!(ended, ["a", "b", "unstarted"]);
}
