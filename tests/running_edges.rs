//! Nested runs, life outside of a run, panics of main, shutdown, seeded schedules.

use std::cell::RefCell;
use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, JoinHandle, Runtime, Yielder, park, run, sleep, spawn, yield_now,
};
use log::Level;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, entries, note, sorted};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{message_of, payload_of};
#[path = "common/logged.rs"]
mod logged;
use logged::logged_by;

const SECOND: Duration = Duration::from_secs(1);

fn mark(trail: &Trail, entry: &'static str) -> OnDrop<impl FnMut() + use<>> {
    let log = trail.clone();
    OnDrop(move || note(&log, entry))
}

#[test]
fn smoke() {
    let message = message_of(|| run(|| run(|| ())));
    assert!(message.contains("run"), "{message}");
}

#[test]
fn nested_run_panics_clearly_and_the_outer_goes_on() {
    let mut other = Runtime::new().unwrap();
    run(|| {
        for message in [
            message_of(|| run(|| unreachable!())),
            message_of(|| other.run(|| unreachable!())),
            message_of(|| other.try_run(|| unreachable!())),
            spawn(|| message_of(|| run(|| unreachable!())))
                .join()
                .unwrap(),
            Generator::new(|y: &Yielder<String>| y.yield_(message_of(|| run(|| unreachable!()))))
                .next()
                .unwrap(),
        ] {
            assert!(message.contains("run"), "{message}");
        }
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
    assert_eq!(other.run(|| 2), 2);
}

#[test]
fn spawning_and_waiting_outside_of_a_run_name_run() {
    for message in [
        message_of(|| spawn(|| ())),
        message_of(|| Builder::new().name("x").spawn(|| ())),
        message_of(park),
    ] {
        assert!(message.contains("run"), "{message}");
    }
    assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    assert!(message_of(|| spawn(|| ())).contains("run"));
}

#[test]
fn refused_closure_is_dropped() {
    let token = Rc::new(());
    let inside = token.clone();
    message_of(move || {
        spawn(move || {
            let _inside = &inside;
        })
    });
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn sleep_yield_now_and_to_thread_act_on_the_thread_outside_of_a_run() {
    let began = std::time::Instant::now();
    sleep(Duration::from_millis(5));
    assert!(began.elapsed() >= Duration::from_millis(5));
    sleep(Duration::ZERO);
    yield_now();
    let borrowed = [1, 2, 3];
    assert_eq!(corobin::to_thread(|| borrowed.iter().sum::<i32>()), 6);
}

#[test]
fn panic_of_main_propagates_after_the_others_were_unwound() {
    let trail = Trail::default();
    let payload = payload_of(|| {
        run(|| {
            for name in ["first", "second"] {
                let log = trail.clone();
                drop(spawn(move || {
                    let _mark = mark(&log, name);
                    park();
                }));
            }
            yield_now();
            let _mark = mark(&trail, "main");
            panic_any(vec![1_u8, 2]);
        })
    });
    assert_eq!(payload.downcast_ref::<Vec<u8>>().unwrap(), &[1, 2]);
    assert_eq!(entries(&trail)[0], "main");
    assert_eq!(sorted(&trail), ["first", "main", "second"]);
    assert!(!std::thread::panicking());
}

#[test]
fn runtime_is_usable_after_a_panic_of_main() {
    let mut runtime = Runtime::new().unwrap();
    for round in 0..5_u32 {
        let payload = payload_of(|| {
            runtime.run(|| {
                drop(spawn(park));
                yield_now();
                panic_any(round);
            })
        });
        assert_eq!(payload.downcast_ref::<u32>(), Some(&round));
        let payload = payload_of(|| runtime.try_run(|| panic_any(round)));
        assert_eq!(payload.downcast_ref::<u32>(), Some(&round));
        assert_eq!(runtime.run(|| spawn(move || round).join().unwrap()), round);
    }
}

#[test]
fn end_of_main_cancels_the_others_before_run_returns() {
    let trail = Trail::default();
    let value = run(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _outer = mark(&log, "outer");
            let _inner = mark(&log, "inner");
            park();
            note(&log, "never");
        }));
        let capture = mark(&trail, "captured by one never started");
        yield_now();
        drop(spawn(move || {
            let _capture = &capture;
            unreachable!()
        }));
        note(&trail, "main ends");
        5
    });
    note(&trail, "run returned");
    assert_eq!(value, 5);
    let entries = entries(&trail);
    assert_eq!(entries[0], "main ends");
    assert_eq!(entries[4], "run returned");
    let position = |entry: &str| entries.iter().position(|found| found == entry).unwrap();
    assert!(position("inner") < position("outer"));
    assert!(position("captured by one never started") < 4);
}

#[test]
fn destructors_may_suspend_during_shutdown() {
    let trail = Trail::default();
    in_virtual_time(|| {
        for (name, seconds) in [("slow", 3), ("fast", 1)] {
            let log = trail.clone();
            drop(spawn(move || {
                let _last = OnDrop(|| {
                    yield_now();
                    sleep(SECOND * seconds);
                    note(&log, name);
                });
                park();
            }));
        }
        yield_now();
    });
    assert_eq!(entries(&trail), ["fast", "slow"]);
}

#[test]
fn spawns_during_shutdown_are_born_cancelled() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _last = OnDrop(|| {
                let (capture, inside) = (mark(&log, "capture dropped"), log.clone());
                let handle = spawn(move || {
                    let _capture = &capture;
                    note(&inside, "never");
                });
                sleep(SECOND);
                let result = handle.join();
                assert!(matches!(result, Err(JoinError::Cancelled)));
                note(&log, "joined");
            });
            park();
        }));
        yield_now();
    });
    assert_eq!(entries(&trail), ["capture dropped", "joined"]);
}

#[test]
fn detached_spawns_of_destructors_are_unwound_before_run_returns() {
    fn plant(trail: &Trail, generations: u32) {
        let log = trail.clone();
        let last = OnDrop(move || {
            note(&log, "generation");
            if generations > 0 {
                plant(&log, generations - 1);
            }
        });
        drop(spawn(move || {
            let _last = &last;
            park();
        }));
    }
    let trail = Trail::default();
    run(|| {
        plant(&trail, 20);
        yield_now();
    });
    assert_eq!(entries(&trail).len(), 21);
}

#[test]
fn coroutine_that_swallows_the_shutdown_meets_it_again() {
    let trail = Trail::default();
    run(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = mark(&log, "unwound");
            for _ in 0..3 {
                let payload = payload_of(park);
                assert!(corobin::is_cancel(&payload));
                note(&log, "swallowed");
            }
            yield_now();
            note(&log, "never");
        }));
        yield_now();
    });
    assert_eq!(
        entries(&trail),
        ["swallowed", "swallowed", "swallowed", "unwound"]
    );
}

#[test]
fn main_waits_for_nobody_it_did_not_join() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        drop(spawn(move || {
            sleep(SECOND * 1000);
            note(&log, "never");
        }));
        sleep(SECOND);
    });
    assert!(entries(&trail).is_empty());
}

#[test]
fn panic_of_a_destructor_during_shutdown_of_captures_is_contained() {
    let trail = Trail::default();
    let value = run(|| {
        let last = OnDrop(|| panic!("in the destructor of a capture"));
        drop(spawn(move || {
            let _last = &last;
            unreachable!()
        }));
        let log = trail.clone();
        let after = mark(&log, "other capture");
        drop(spawn(move || {
            let _after = &after;
            unreachable!()
        }));
        5
    });
    assert_eq!(value, 5);
    assert_eq!(entries(&trail), ["other capture"]);
}

#[test]
fn panic_of_a_detached_coroutine_is_logged_with_name_and_site() {
    let mut line = 0;
    let errors = logged_by(Level::Error, || {
        run(|| {
            let builder = Builder::new().name("unlucky");
            line = line!() + 1;
            drop(builder.spawn(|| panic!("ouch")).unwrap());
            yield_now();
            assert_eq!(spawn(|| 1).join().unwrap(), 1);
        });
    });
    let site = format!("{}:{line}", file!());
    assert!(
        errors
            .iter()
            .any(|error| error.contains("unlucky") && error.contains(&site)),
        "{errors:?}"
    );
}

#[test]
fn cancels_and_joined_values_log_no_error() {
    let errors = logged_by(Level::Error, || {
        run(|| {
            let parked = spawn(park);
            yield_now();
            parked.cancel();
            assert!(parked.join().is_err());
            drop(spawn(park));
            assert_eq!(spawn(|| 1).join().unwrap(), 1);
        });
    });
    assert!(errors.is_empty(), "{errors:?}");
}

fn order_under(seed: u64) -> Vec<u32> {
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut runtime = Runtime::builder().schedule_seed(seed).build().unwrap();
    runtime.run(|| {
        let handles: Vec<JoinHandle<()>> = (0..8)
            .map(|id| {
                let log = order.clone();
                spawn(move || {
                    for _ in 0..4 {
                        log.borrow_mut().push(id);
                        yield_now();
                    }
                })
            })
            .collect();
        corobin::gather(handles).unwrap();
    });
    order.take()
}

#[test]
fn same_seed_same_schedule() {
    let mut orders = Vec::new();
    for seed in [0, 1, 2, 3, 7, 42, u64::MAX] {
        let order = order_under(seed);
        assert_eq!(order.len(), 32);
        assert!((0..8).all(|id| order.iter().filter(|&&found| found == id).count() == 4));
        assert_eq!(order, order_under(seed), "seed {seed}");
        orders.push(order);
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 1);
    let round_robin: Vec<u32> = (0..4).flat_map(|_| 0..8).collect();
    assert!(orders.iter().any(|order| *order != round_robin));
}

#[test]
fn seeded_schedule_starves_nobody() {
    let mut runtime = Runtime::builder().schedule_seed(5).build().unwrap();
    runtime.run(|| {
        let done = Rc::new(RefCell::new(0));
        let count = done.clone();
        drop(spawn(move || {
            for _ in 0..10 {
                yield_now();
                *count.borrow_mut() += 1;
            }
        }));
        while *done.borrow() < 10 {
            yield_now();
        }
    });
}

#[test]
fn destructors_of_main_may_still_use_the_runtime() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let _last = OnDrop(|| {
            let log = trail.clone();
            let child = spawn(move || {
                sleep(SECOND);
                note(&log, "child");
                3
            });
            note(&trail, format!("joined {}", child.join().unwrap()));
        });
        note(&trail, "main");
    });
    assert_eq!(entries(&trail), ["main", "child", "joined 3"]);
}

#[test]
fn destructors_of_a_panicking_main_may_still_use_the_runtime() {
    let trail = Trail::default();
    let message = message_of(|| {
        in_virtual_time(|| {
            let _last = OnDrop(|| {
                let log = trail.clone();
                let child = spawn(move || {
                    assert!(!std::thread::panicking());
                    sleep(SECOND);
                    note(&log, "child");
                    3
                });
                note(&trail, format!("joined {}", child.join().unwrap()));
            });
            panic!("of main");
        })
    });
    assert_eq!(message, "of main");
    assert_eq!(entries(&trail), ["child", "joined 3"]);
}
