//! Runs, spawning, joining, building: the everyday life of coroutines.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;

use corobin::{Builder, JoinError, JoinHandle, Runtime, current, park, run, spawn, yield_now};

#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries, note};

#[path = "common/sizes.rs"]
mod sizes;
use sizes::dive;

#[test]
fn smoke() {
    let sum = run(|| {
        let handles: Vec<_> = (0..10_u32).map(|n| spawn(move || n * n)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .sum::<u32>()
    });
    assert_eq!(sum, 285);
}

#[test]
fn closure_and_result_of_run_may_borrow() {
    let words = String::from("one two three");
    let mut seen = 0;
    let last = run(|| {
        yield_now();
        seen = words.split(' ').count();
        words.split(' ').next_back().unwrap()
    });
    assert_eq!((seen, last), (3, "three"));
}

#[test]
fn one_runtime_runs_again_and_again() {
    let mut runtime = Runtime::new().unwrap();
    for round in 0..20_u32 {
        let result = runtime.run(|| spawn(move || round + 1).join().unwrap());
        assert_eq!(result, round + 1);
        assert_eq!(runtime.try_run(|| round).unwrap(), round);
    }
}

#[test]
fn several_runtimes_of_a_thread_take_turns() {
    let mut first = Runtime::new().unwrap();
    let mut second = Runtime::builder().stack_size(128 * 1024).build().unwrap();
    assert_eq!(first.run(|| spawn(|| 1).join().unwrap()), 1);
    assert_eq!(second.run(|| spawn(|| 2).join().unwrap()), 2);
    assert_eq!(first.run(|| spawn(|| 3).join().unwrap()), 3);
    drop(first);
    assert_eq!(second.run(|| spawn(|| 4).join().unwrap()), 4);
}

#[test]
fn every_thread_may_have_its_own_run() {
    let sum: u32 = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4_u32)
            .map(|n| s.spawn(move || run(|| spawn(move || n).join().unwrap())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(sum, 6);
    let inner = run(|| std::thread::spawn(|| run(|| 5)).join().unwrap());
    assert_eq!(inner, 5);
}

#[test]
fn spawned_coroutine_does_not_run_at_once() {
    let trail = Trail::default();
    run(|| {
        let log = trail.clone();
        let handle = spawn(move || note(&log, "child"));
        note(&trail, "after spawn");
        assert!(!handle.is_finished());
        handle.join().unwrap();
        note(&trail, "after join");
    });
    assert_eq!(entries(&trail), ["after spawn", "child", "after join"]);
}

#[test]
fn ready_coroutines_take_turns_in_the_order_of_spawning() {
    let trail = Trail::default();
    run(|| {
        let handles: Vec<_> = ["a", "b", "c"]
            .map(|name| {
                let log = trail.clone();
                spawn(move || {
                    for turn in 0..3 {
                        note(&log, format!("{name}{turn}"));
                        yield_now();
                    }
                })
            })
            .into();
        for handle in handles {
            handle.join().unwrap();
        }
    });
    assert_eq!(
        entries(&trail),
        ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]
    );
}

#[test]
fn main_takes_its_turn_like_the_others() {
    let trail = Trail::default();
    run(|| {
        for name in ["a", "b"] {
            let log = trail.clone();
            drop(spawn(move || {
                for turn in 0..2 {
                    note(&log, format!("{name}{turn}"));
                    yield_now();
                }
            }));
        }
        for turn in 0..2 {
            note(&trail, format!("main{turn}"));
            yield_now();
        }
    });
    assert_eq!(entries(&trail), ["main0", "a0", "b0", "main1", "a1", "b1"]);
}

#[test]
fn children_of_children_go_to_the_back_of_the_queue() {
    let trail = Trail::default();
    run(|| {
        let log = trail.clone();
        let parent = spawn(move || {
            note(&log, "parent");
            let inside = log.clone();
            drop(spawn(move || note(&inside, "grandchild")));
            yield_now();
            note(&log, "parent again");
        });
        let log = trail.clone();
        let sibling = spawn(move || note(&log, "sibling"));
        sibling.join().unwrap();
        parent.join().unwrap();
    });
    assert_eq!(
        entries(&trail),
        ["parent", "sibling", "grandchild", "parent again"]
    );
}

#[test]
fn dropping_the_handle_detaches() {
    let trail = Trail::default();
    run(|| {
        let log = trail.clone();
        drop(spawn(move || {
            yield_now();
            note(&log, "detached");
        }));
        (0..3).for_each(|_| yield_now());
        note(&trail, "main");
    });
    assert_eq!(entries(&trail), ["detached", "main"]);
}

#[test]
fn join_gives_the_value_early_or_late() {
    run(|| {
        let early = spawn(|| {
            yield_now();
            String::from("early")
        });
        assert_eq!(early.join().unwrap(), "early");

        let late = spawn(|| String::from("late"));
        yield_now();
        assert!(late.is_finished());
        assert_eq!(late.join().unwrap(), "late");
    });
}

#[test]
fn join_of_a_panicked_coroutine_gives_its_payload() {
    run(|| {
        let Err(JoinError::Panicked(payload)) = spawn(|| panic_any(17_u8)).join() else {
            panic!("not a panic");
        };
        assert_eq!(payload.downcast_ref::<u8>(), Some(&17));

        let number = std::hint::black_box(5);
        let Err(JoinError::Panicked(payload)) = spawn(move || panic!("number {number}")).join()
        else {
            panic!("not a panic");
        };
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "number 5");
    });
}

#[test]
fn join_error_is_an_error_that_prints() {
    fn check(error: JoinError) -> String {
        let error: Box<dyn std::error::Error> = Box::new(error);
        assert!(!format!("{error:?}").is_empty());
        error.to_string()
    }
    run(|| {
        let panicked = check(spawn(|| panic!("ouch")).join().unwrap_err());
        let parked = spawn(park);
        parked.cancel();
        let cancelled = check(parked.join().unwrap_err());
        assert!(!panicked.is_empty() && !cancelled.is_empty());
        assert_ne!(panicked, cancelled);
    });
}

#[test]
fn joining_oneself_panics_and_others_go_on() {
    run(|| {
        let slot: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let own = slot.clone();
        let message: Rc<RefCell<String>> = Rc::default();
        let said = message.clone();
        *slot.borrow_mut() = Some(spawn(move || {
            let handle = own.borrow_mut().take().unwrap();
            let payload = catch_unwind(AssertUnwindSafe(|| handle.join())).unwrap_err();
            *said.borrow_mut() = match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
            };
        }));
        yield_now();
        assert!(message.borrow().contains("join"), "{}", message.borrow());
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn cancelled_before_its_first_turn_it_never_runs() {
    let trail = Trail::default();
    run(|| {
        let (log, capture) = (trail.clone(), Mark(trail.clone(), "capture"));
        let handle = spawn(move || {
            let _capture = capture;
            note(&log, "never");
        });
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["capture"]);
}

#[test]
fn cancelling_a_finished_coroutine_has_no_effect() {
    run(|| {
        let handle = spawn(|| 5);
        yield_now();
        handle.cancel();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn coroutine_that_cancels_itself_ends_at_its_next_suspension_point() {
    let trail = Trail::default();
    run(|| {
        let slot: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (own, log) = (slot.clone(), trail.clone());
        *slot.borrow_mut() = Some(spawn(move || {
            own.borrow().as_ref().unwrap().cancel();
            note(&log, "still here");
            yield_now();
            note(&log, "never");
        }));
        yield_now();
        let handle = slot.borrow_mut().take().unwrap();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["still here"]);
}

#[test]
fn is_finished_turns_true_once() {
    run(|| {
        let handle = spawn(yield_now);
        let seen: Vec<bool> = (0..4)
            .map(|_| {
                let finished = handle.is_finished();
                yield_now();
                finished
            })
            .collect();
        assert_eq!(seen, [false, false, true, true]);
    });
}

#[test]
fn handles_outlive_the_run() {
    let (finished, panicked, waiting, unstarted) = run(|| {
        let finished = spawn(|| "value");
        let panicked = spawn(|| panic_any(3_u8));
        let waiting = spawn(park);
        yield_now();
        (finished, panicked, waiting, spawn(|| "never"))
    });
    assert!(finished.is_finished() && waiting.is_finished() && unstarted.is_finished());
    waiting.cancel();
    waiting.coroutine().unpark();
    assert_eq!(finished.join().unwrap(), "value");
    let Err(JoinError::Panicked(payload)) = panicked.join() else {
        panic!("not a panic");
    };
    assert!(payload.is::<u8>());
    assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    assert!(matches!(unstarted.join(), Err(JoinError::Cancelled)));
}

#[test]
fn handles_of_one_run_are_joined_in_another() {
    let (finished, cut_off) = run(|| {
        let finished = spawn(|| "value");
        yield_now();
        (finished, spawn(|| "never"))
    });
    run(|| {
        assert_eq!(finished.join().unwrap(), "value");
        assert!(matches!(cut_off.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn builder_names_and_sizes() {
    run(|| {
        let handle = Builder::new()
            .name("deep")
            .stack_size(64 << 20)
            .spawn(|| {
                (
                    current().name().map(String::from),
                    dive(50 << 20) >= 50 << 20,
                )
            })
            .unwrap();
        assert_eq!(handle.coroutine().name(), Some("deep"));
        assert_eq!(handle.join().unwrap(), (Some("deep".to_string()), true));

        let owned = Builder::new()
            .name(format!("worker-{}", 3))
            .spawn(|| ())
            .unwrap();
        assert_eq!(owned.coroutine().name(), Some("worker-3"));

        let plain = Builder::new().spawn(|| current().name().is_none()).unwrap();
        assert!(plain.join().unwrap());
        assert!(spawn(|| current().name().is_none()).join().unwrap());
    });
}

#[test]
fn builder_refuses_sizes_that_cannot_be_had() {
    let trail = Trail::default();
    run(|| {
        for bytes in [0, usize::MAX, usize::MAX / 2, isize::MAX as usize - 4096] {
            let (log, capture) = (trail.clone(), Mark(trail.clone(), "capture"));
            let result = Builder::new()
                .name("absurd")
                .stack_size(bytes)
                .spawn(move || {
                    let _capture = capture;
                    note(&log, "never");
                });
            assert!(result.is_err(), "{bytes}");
            yield_now();
        }
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
    assert_eq!(entries(&trail), ["capture"; 4]);
}

#[test]
fn runtime_refuses_sizes_that_cannot_be_had() {
    for bytes in [0, usize::MAX] {
        let child = catch_unwind(|| {
            let mut runtime = Runtime::builder().stack_size(bytes).build()?;
            runtime.run(|| spawn(|| ()).join().unwrap());
            std::io::Result::Ok(())
        });
        assert!(!matches!(child, Ok(Ok(()))), "stack_size {bytes}");
        let main = catch_unwind(|| {
            let mut runtime = Runtime::builder().main_stack_size(bytes).build()?;
            runtime.run(|| ());
            std::io::Result::Ok(())
        });
        assert!(!matches!(main, Ok(Ok(()))), "main_stack_size {bytes}");
    }
    assert_eq!(run(|| 1), 1);
}

#[test]
fn stacks_have_the_size_that_was_asked_for() {
    assert!(run(|| dive(7 << 20)) >= 7 << 20);
    let mut roomy = Runtime::builder()
        .main_stack_size(64 << 20)
        .build()
        .unwrap();
    assert!(roomy.run(|| dive(60 << 20)) >= 60 << 20);
    let mut deep = Runtime::builder().stack_size(16 << 20).build().unwrap();
    assert!(deep.run(|| spawn(|| dive(15 << 20)).join().unwrap()) >= 15 << 20);
    assert!(run(|| spawn(|| dive(220 << 10)).join().unwrap()) >= 220 << 10);
}
