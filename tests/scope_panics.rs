//! Scopes whose children or bodies panic.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::time::Duration;

use corobin::{JoinError, is_cancel, park, run, scope, sleep, spawn, yield_now};
use log::Level;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, entries, note, sorted};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_of;
#[path = "common/logged.rs"]
mod logged;
use logged::logged_by;

const SECOND: Duration = Duration::from_secs(1);

type Trail = RefCell<Vec<String>>;

fn raised<T>(f: impl FnOnce() -> T) -> &'static str {
    *payload_of(f).downcast::<&'static str>().unwrap()
}

#[test]
fn smoke() {
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| panic_any("child"));
            })
        });
        assert_eq!(payload, "child");
    });
}

#[test]
fn panic_of_a_child_cancels_siblings_and_body_and_is_raised_by_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(&trail, "sibling");
                    sleep(SECOND * 100);
                    note(&trail, "never");
                });
                s.spawn(|| {
                    sleep(SECOND);
                    panic_any("child");
                });
                let _mark = Mark(&trail, "body");
                sleep(SECOND * 100);
                note(&trail, "never");
            })
        });
        assert_eq!(payload, "child");
        note(&trail, "caught");
    });
    let entries = entries(&trail);
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2], "caught");
    assert_eq!(sorted(&trail), ["body", "caught", "sibling"]);
}

#[test]
fn panic_of_a_child_is_raised_after_the_body_returned() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(&trail, "sibling");
                    park();
                });
                s.spawn(|| {
                    sleep(SECOND);
                    panic_any("child");
                });
                note(&trail, "body returns");
            })
        });
        assert_eq!(payload, "child");
    });
    assert_eq!(entries(&trail), ["body returns", "sibling"]);
}

#[test]
fn panic_of_a_child_reaches_no_joiner_inside() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                let unlucky = s.spawn(|| {
                    sleep(SECOND);
                    panic_any("child");
                });
                s.spawn(|| {
                    let _mark = Mark(&trail, "joining sibling");
                    drop(unlucky.join());
                    note(&trail, "never");
                });
                park();
            })
        });
        assert_eq!(payload, "child");
        let payload = raised(|| {
            scope(|s| {
                let unlucky = s.spawn(|| panic_any("child"));
                let _mark = Mark(&trail, "joining body");
                drop(unlucky.join());
                note(&trail, "never");
            })
        });
        assert_eq!(payload, "child");
        let payload = raised(|| {
            scope(|s| {
                let unlucky = s.spawn(|| panic_any("child"));
                let _mark = Mark(&trail, "body that joins too late");
                let _ = catch_unwind(yield_now);
                drop(unlucky.join());
                note(&trail, "never");
            })
        });
        assert_eq!(payload, "child");
    });
    assert_eq!(
        entries(&trail),
        [
            "joining sibling",
            "joining body",
            "body that joins too late"
        ]
    );
}

#[test]
fn panic_of_a_child_reaches_no_joiner_in_an_inner_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|outer| {
                let unlucky = outer.spawn(|| {
                    sleep(SECOND);
                    panic_any("child");
                });
                scope(|inner| {
                    inner.spawn(|| {
                        let _mark = Mark(&trail, "joiner in the inner scope");
                        drop(unlucky.join());
                        note(&trail, "never");
                    });
                });
            })
        });
        assert_eq!(payload, "child");
    });
    assert_eq!(entries(&trail), ["joiner in the inner scope"]);
}

#[test]
fn scope_around_a_run_raises_the_panic_of_its_child() {
    let payload = raised(|| {
        scope(|s| {
            corobin::run(|| {
                s.spawn(|| panic_any("child"));
                yield_now();
                yield_now();
            });
        })
    });
    assert_eq!(payload, "child");
}

#[test]
fn cancel_by_a_childs_panic_does_not_outlive_the_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        for body_waits in [true, false] {
            raised(|| {
                scope(|s| {
                    s.spawn(|| panic_any("child"));
                    if body_waits {
                        park();
                    }
                })
            });
            yield_now();
            sleep(SECOND);
            assert_eq!(spawn(|| 1).join().unwrap(), 1);
            note(&trail, "still going");
        }
    });
    assert_eq!(entries(&trail), ["still going", "still going"]);
}

#[test]
fn body_that_swallows_the_cancel_cannot_hide_the_panic() {
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| panic_any("child"));
                assert!(corobin::is_cancel(&payload_of(park)));
                assert!(corobin::is_cancel(&payload_of(yield_now)));
                5
            })
        });
        assert_eq!(payload, "child");
        yield_now();
    });
}

#[test]
fn first_panic_is_raised_and_the_others_are_logged() {
    let logged = logged_by(Level::Warn, || {
        in_virtual_time(|| {
            let payload = raised(|| {
                scope(|s| {
                    s.spawn(|| {
                        let _ = catch_unwind(park);
                        panic_any("second");
                    });
                    s.spawn(|| panic_any("first"));
                    park();
                })
            });
            assert_eq!(payload, "first");
        });
    });
    assert!(!logged.is_empty());
}

#[test]
fn further_panic_with_a_payload_whose_destructor_panics() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("in the destructor of a payload");
        }
    }
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| {
                    let _ = catch_unwind(park);
                    panic_any(PanicsOnDrop);
                });
                s.spawn(|| panic_any("first"));
                park();
            })
        });
        assert_eq!(payload, "first");
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn panic_of_the_body_cancels_the_children_and_waits_for_them() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(&trail, "child");
                    let _last = OnDrop(|| sleep(SECOND));
                    park();
                });
                yield_now();
                let capture = Mark(&trail, "capture of an unstarted child");
                s.spawn(|| {
                    let _capture = capture;
                    note(&trail, "never");
                });
                panic_any("body")
            })
        });
        assert_eq!(payload, "body");
        note(&trail, "caught");
        yield_now();
    });
    assert_eq!(
        sorted(&trail),
        ["capture of an unstarted child", "caught", "child"]
    );
    assert_eq!(entries(&trail)[2], "caught");
}

#[test]
fn panic_of_the_body_wins_over_later_ones_of_children() {
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|s| {
                s.spawn(|| {
                    let _ = catch_unwind(park);
                    panic_any("child");
                });
                yield_now();
                panic_any("body")
            })
        });
        assert_eq!(payload, "body");
    });
}

#[test]
fn panic_passes_through_nested_scopes() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let payload = raised(|| {
            scope(|outer| {
                outer.spawn(|| {
                    let _mark = Mark(&trail, "outer sibling");
                    park();
                });
                outer.spawn(|| {
                    let _mark = Mark(&trail, "outer child");
                    scope(|inner| {
                        inner.spawn(|| {
                            let _mark = Mark(&trail, "inner sibling");
                            park();
                        });
                        inner.spawn(|| {
                            sleep(SECOND);
                            panic_any("innermost");
                        });
                    });
                    note(&trail, "never");
                });
                park();
            })
        });
        assert_eq!(payload, "innermost");
    });
    assert_eq!(
        entries(&trail),
        ["inner sibling", "outer child", "outer sibling"]
    );
}

#[test]
fn panic_caught_around_the_inner_scope_leaves_the_outer_alone() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|outer| {
            outer.spawn(|| {
                sleep(SECOND * 2);
                note(&trail, "outer child finished");
            });
            let payload = raised(|| {
                scope(|inner| {
                    inner.spawn(|| panic_any("inner"));
                    park();
                })
            });
            assert_eq!(payload, "inner");
            sleep(SECOND);
            note(&trail, "outer body finished");
        });
    });
    assert_eq!(
        entries(&trail),
        ["outer body finished", "outer child finished"]
    );
}

#[test]
fn panic_of_a_scope_in_a_coroutine_reaches_its_joiner() {
    run(|| {
        let handle = spawn(|| {
            scope(|s| {
                s.spawn(|| panic_any("child"));
                park();
            })
        });
        let Err(JoinError::Panicked(payload)) = handle.join() else {
            panic!("not a panic");
        };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"child"));
    });
}

#[test]
fn a_run_in_the_body_that_joins_the_child_is_cancelled_too() {
    let was_cancelled = Cell::new(false);
    let body = || {
        scope(|s| {
            let run = || {
                run(|| {
                    let child = s.spawn(|| panic_any("child"));
                    let _ = child.join();
                    unreachable!("who joins it is cancelled");
                })
            };
            let unwound: Result<(), _> = catch_unwind(AssertUnwindSafe(run));
            let payload = unwound.unwrap_err();
            was_cancelled.set(is_cancel(&payload));
            resume_unwind(payload)
        })
    };
    let raised: Result<(), _> = catch_unwind(AssertUnwindSafe(body));
    let payload = raised.unwrap_err();
    assert!(was_cancelled.get());
    assert_eq!(payload.downcast_ref(), Some(&"child"));
}
