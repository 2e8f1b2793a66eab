//! Nothing is raised across a destructor that runs while its coroutine unwinds.

use corobin::{is_cancel, now, park, sleep, spawn, timeout, yield_now};
use std::panic::resume_unwind;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{assert_cancelled, caught};

/// Parks a coroutine under a destructor that runs `in_drop`, cancels it and joins it.
fn cancel_with(in_drop: impl FnMut() + 'static) {
    in_virtual_time(|| {
        let child = spawn(|| {
            let _guard = OnDrop(in_drop);
            park();
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
    });
}

#[test]
fn smoke() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        note(&inner, format!("{:?}", timeout(secs(1), park)));
    });
    assert_eq!(*log.borrow(), ["Err(Elapsed)"]);
}

#[test]
fn a_second_cancel_does_not_cut_a_destructor_short() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let child = spawn({
            let log = log.clone();
            move || {
                let _guard = OnDrop(|| {
                    for _ in 0..3 {
                        sleep(secs(2));
                        note(&log, format!("{:?}", now() - start));
                    }
                });
                park();
            }
        });
        yield_now();
        child.cancel();
        for _ in 0..5 {
            sleep(secs(1));
            child.cancel();
        }
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["2s", "4s", "6s"]);
    });
}

#[test]
fn a_cancel_during_the_unwinding_of_a_panic_waits_for_its_end() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let child = spawn({
            let log = log.clone();
            move || {
                let payload = caught(|| {
                    let _guard = OnDrop(|| {
                        sleep(secs(4));
                        note(&log, format!("destructor done at {:?}", now() - start));
                    });
                    resume_unwind(Box::new("a panic"));
                })
                .unwrap_err();
                note(&log, *payload.downcast_ref::<&str>().unwrap());
                let payload = caught(yield_now).unwrap_err();
                note(&log, format!("cancel met: {}", is_cancel(&payload)));
                resume_unwind(payload);
            }
        });
        sleep(secs(1));
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(
            *log.borrow(),
            ["destructor done at 4s", "a panic", "cancel met: true"]
        );
    });
}

#[test]
fn an_expiry_does_not_cut_a_destructor_short() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let child = spawn({
            let log = log.clone();
            move || {
                let outcome = timeout(secs(2), || {
                    let payload = caught(|| {
                        let _guard = OnDrop(|| {
                            sleep(secs(4));
                            note(&log, format!("destructor done at {:?}", now() - start));
                        });
                        resume_unwind(Box::new("a panic"));
                    })
                    .unwrap_err();
                    note(&log, *payload.downcast_ref::<&str>().unwrap());
                    sleep(secs(100));
                });
                note(&log, format!("{outcome:?} at {:?}", now() - start));
            }
        });
        child.join().unwrap();
        assert_eq!(
            *log.borrow(),
            ["destructor done at 4s", "a panic", "Err(Elapsed) at 4s"]
        );
    });
}

#[test]
fn an_outer_expiry_waits_for_the_unwinding_of_an_inner_one() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let outer = timeout(secs(2), || {
            let inner = timeout(secs(1), || {
                let _guard = OnDrop(|| {
                    sleep(secs(5));
                    note(&log, format!("destructor done at {:?}", now() - start));
                });
                park();
            });
            note(&log, format!("inner {inner:?}"));
            yield_now();
            note(&log, "not reached");
        });
        note(&log, format!("outer {outer:?}"));
        assert_eq!(
            *log.borrow(),
            [
                "destructor done at 6s",
                "inner Err(Elapsed)",
                "outer Err(Elapsed)"
            ]
        );
    });
}

#[test]
fn a_timeout_opened_in_a_destructor_works() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let start = now();
        let elapsed = timeout(secs(3), park);
        note(&inner, format!("{elapsed:?} at {:?}", now() - start));
        let nested = timeout(secs(2), || timeout(secs(1), || sleep(secs(9))));
        note(&inner, format!("{nested:?} at {:?}", now() - start));
        let outer_first = timeout(secs(1), || timeout(secs(2), || sleep(secs(9))));
        note(&inner, format!("{outer_first:?} at {:?}", now() - start));
        let value = timeout(secs(1), || {
            yield_now();
            5
        });
        note(&inner, format!("{value:?}"));
    });
    assert_eq!(
        *log.borrow(),
        [
            "Err(Elapsed) at 3s",
            "Ok(Err(Elapsed)) at 4s",
            "Err(Elapsed) at 5s",
            "Ok(5)"
        ]
    );
}

#[test]
fn a_destructor_inside_of_a_timeout_inside_of_a_destructor() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let start = now();
        let result = timeout(secs(1), || {
            let _guard = OnDrop(|| {
                let deepest = timeout(secs(2), park);
                note(&inner, format!("{deepest:?} at {:?}", now() - start));
            });
            park();
        });
        note(&inner, format!("{result:?} at {:?}", now() - start));
    });
    assert_eq!(*log.borrow(), ["Err(Elapsed) at 3s", "Err(Elapsed) at 3s"]);
}
