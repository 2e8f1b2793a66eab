//! Scopes in destructors, scopes open at the end of a run, and scopes that go on for ever.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Elapsed, JoinError, now, park, run, scope, shield, sleep, spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries, note};

const SECOND: Duration = Duration::from_secs(1);

/// A scope whose children sleep and compute; says what came out.
fn scope_that_waits(trail: &Trail) {
    let values = RefCell::new(Vec::new());
    scope(|s| {
        for n in [3, 1, 2] {
            let values = &values;
            s.spawn(move || {
                assert!(!std::thread::panicking());
                sleep(SECOND * n);
                values.borrow_mut().push(n);
            });
        }
    });
    note(trail, format!("scope made {:?}", values.take()));
}

#[test]
fn smoke() {
    let trail = Trail::default();
    in_virtual_time(|| scope_that_waits(&trail));
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]"]);
}

#[test]
fn scope_in_a_destructor() {
    let trail = Trail::default();
    in_virtual_time(|| {
        drop(OnDrop(|| scope_that_waits(&trail)));
        note(&trail, "dropped");
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]", "dropped"]);
}

#[test]
fn scope_in_a_destructor_while_a_panic_unwinds() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _last = OnDrop(|| scope_that_waits(&trail));
            panic_any("around it");
        }));
        assert_eq!(
            result.unwrap_err().downcast_ref::<&str>(),
            Some(&"around it")
        );
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]"]);
}

#[test]
fn scope_in_a_destructor_while_a_cancel_unwinds() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let _last = OnDrop(|| scope_that_waits(&log));
            park();
        });
        yield_now();
        handle.cancel();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]"]);
}

#[test]
fn scope_in_a_destructor_while_an_expiry_unwinds() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let result = timeout(SECOND, || {
            timeout(SECOND * 2, || {
                let _last = OnDrop(|| scope_that_waits(&trail));
                park();
            })
        });
        assert_eq!(result, Err(Elapsed));
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]"]);
}

#[test]
fn cancel_waits_for_the_scope_in_a_destructor() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let _last = OnDrop(|| scope_that_waits(&log));
                panic_any("around it");
            }));
            assert!(result.is_err());
            note(&log, "unwinding ended");
            yield_now();
            note(&log, "never");
        });
        sleep(SECOND / 2);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]", "unwinding ended"]);
}

#[test]
fn timeout_opened_in_a_destructor_ends_its_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let _last = OnDrop(|| {
                let result = timeout(SECOND, || {
                    scope(|s| {
                        s.spawn(|| {
                            let _mark = Mark(log.clone(), "child");
                            park();
                        });
                    })
                });
                note(&log, format!("{result:?}"));
            });
            park();
        });
        yield_now();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["child", "Err(Elapsed)"]);
}

#[test]
fn panic_of_a_child_of_a_scope_in_a_destructor_is_caught_there() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let _last = OnDrop(|| {
                let result = catch_unwind(|| {
                    scope(|s| {
                        s.spawn(|| {
                            sleep(SECOND);
                            panic_any("child");
                        });
                    })
                });
                note(&log, *result.unwrap_err().downcast::<&str>().unwrap());
                sleep(SECOND);
                note(&log, "destructor goes on");
            });
            park();
        });
        yield_now();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["child", "destructor goes on"]);
}

#[test]
fn end_of_the_run_ends_children_through_their_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log.clone(), "frame around the scope");
            let data = [1, 2, 3];
            scope(|s| {
                s.spawn(|| {
                    let _last = OnDrop(|| {
                        sleep(SECOND);
                        note(&log, format!("child {}", data[2]));
                    });
                    park();
                });
                let _mark = Mark(log.clone(), "body");
                park();
            });
        }));
        yield_now();
        yield_now();
    });
    assert_eq!(
        entries(&trail),
        ["body", "child 3", "frame around the scope"]
    );
}

#[test]
fn end_of_the_run_reaches_a_scope_whose_body_had_returned() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log.clone(), "frame around the scopes");
            scope(|outer| {
                outer.spawn(|| {
                    scope(|inner| {
                        inner.spawn(|| {
                            let _mark = Mark(log.clone(), "innermost");
                            park();
                        });
                    });
                    note(&log, "never");
                });
            });
            note(&log, "never");
        }));
        sleep(SECOND);
    });
    assert_eq!(entries(&trail), ["innermost", "frame around the scopes"]);
}

#[test]
fn end_of_the_run_waits_for_shielded_children() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log.clone(), "frame around the scope");
            scope(|s| {
                s.spawn(|| {
                    shield(|| sleep(SECOND * 10));
                    note(&log, "child finished");
                });
            });
        }));
        sleep(SECOND);
    });
    assert_eq!(
        entries(&trail),
        ["child finished", "frame around the scope"]
    );
}

#[test]
fn panic_of_main_ends_the_children_of_its_open_scopes() {
    let trail = Trail::default();
    let result = catch_unwind(AssertUnwindSafe(|| {
        in_virtual_time(|| {
            let data = RefCell::new(vec![1]);
            let _mark = Mark(trail.clone(), "frame around the scope");
            scope(|s| {
                s.spawn(|| {
                    let _last = OnDrop(|| {
                        sleep(SECOND);
                        data.borrow_mut().push(2);
                        note(&trail, format!("child {:?}", data.borrow()));
                    });
                    park();
                });
                yield_now();
                panic_any("main");
            })
        })
    }));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"main"));
    assert_eq!(entries(&trail), ["child [1, 2]", "frame around the scope"]);
}

#[test]
fn shield_around_a_scope_defers_the_cancel() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            shield(|| scope_that_waits(&log));
            note(&log, "shield returned");
            yield_now();
            note(&log, "never");
        });
        sleep(SECOND / 2);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["scope made [1, 2, 3]", "shield returned"]);
}

#[test]
fn child_that_swallows_its_cancel_is_waited_for() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let began = now();
        let result = timeout(SECOND, || {
            scope(|s| {
                s.spawn(|| {
                    let payload = catch_unwind(park).unwrap_err();
                    assert!(corobin::is_cancel(&payload));
                    shield(|| sleep(SECOND * 5));
                    note(&log, "child returns");
                });
            })
        });
        assert_eq!(result, Err(Elapsed));
        assert!(now() - began >= SECOND * 6);
    });
    assert_eq!(entries(&trail), ["child returns"]);
}

#[test]
fn children_one_after_the_other_in_one_scope() {
    run(|| {
        let count = Cell::new(0_u32);
        let token = Rc::new(());
        scope(|s| {
            for n in 0..20_000 {
                let inside = token.clone();
                let handle = s.spawn(|| {
                    let _inside = inside;
                    count.set(count.get() + 1);
                    count.get()
                });
                assert_eq!(handle.join().unwrap(), n + 1);
                assert_eq!(Rc::strong_count(&token), 1);
            }
        });
        assert_eq!(count.get(), 20_000);
    });
}

#[test]
fn results_of_unjoined_children_do_not_pile_up() {
    run(|| {
        let token = Rc::new(());
        scope(|s| {
            for _ in 0..200 {
                for _ in 0..50 {
                    let inside = token.clone();
                    drop(s.spawn(move || inside));
                }
                yield_now();
                assert_eq!(Rc::strong_count(&token), 1);
            }
        });
    });
}

#[test]
fn scopes_opened_and_left_in_every_way() {
    let live = Rc::new(Cell::new(0_i32));
    in_virtual_time(|| {
        let counted = || {
            live.set(live.get() + 1);
            let live = live.clone();
            OnDrop(move || live.set(live.get() - 1))
        };
        for round in 0..200_u32 {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                timeout(SECOND * (1 + round % 3), || {
                    let _frame = counted();
                    scope(|s| {
                        for n in 0..round % 5 {
                            let extra = counted();
                            s.spawn(move || {
                                let _extra = &extra;
                                sleep(SECOND * n);
                                if round.is_multiple_of(7) && n == 2 {
                                    panic_any("child");
                                }
                            });
                        }
                        if round.is_multiple_of(11) {
                            s.cancel();
                        }
                        if round.is_multiple_of(13) {
                            panic_any("body");
                        }
                        sleep(SECOND * (round % 4));
                    })
                })
            }));
            yield_now();
            assert_eq!(live.get(), 0, "round {round}");
        }
    });
}
