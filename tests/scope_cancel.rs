//! Scopes that are cancelled, from inside or outside, and scopes that an expiry reaches.

use std::cell::RefCell;
use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Elapsed, JoinError, RunError, now, park, scope, shield, sleep, spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, virtual_runtime};
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, entries, note, sorted};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_of;

const SECOND: Duration = Duration::from_secs(1);

type Trail = RefCell<Vec<String>>;

#[test]
fn smoke() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                let _mark = Mark(&trail, "cancelled");
                park();
            });
            yield_now();
            s.cancel();
        });
    });
    assert_eq!(entries(&trail), ["cancelled"]);
}

#[test]
fn cancel_of_one_child_leaves_the_others() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            let victim = s.spawn(|| {
                let _mark = Mark(&trail, "victim unwound");
                park();
            });
            s.spawn(|| {
                sleep(SECOND);
                note(&trail, "sibling");
            });
            yield_now();
            victim.cancel();
            assert!(matches!(victim.join(), Err(JoinError::Cancelled)));
            note(&trail, "body");
        });
        yield_now();
    });
    assert_eq!(entries(&trail), ["victim unwound", "body", "sibling"]);
}

#[test]
fn cancel_of_the_scope_cancels_all_children_and_not_the_body() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let value = scope(|s| {
            for name in ["a", "b"] {
                let trail = &trail;
                s.spawn(move || {
                    let _mark = Mark(trail, name);
                    park();
                });
            }
            yield_now();
            let unstarted = s.spawn(|| note(&trail, "never"));
            s.cancel();
            assert!(matches!(unstarted.join(), Err(JoinError::Cancelled)));
            sleep(SECOND);
            note(&trail, "body goes on");
            7
        });
        assert_eq!(value, 7);
        yield_now();
    });
    let mut entries = entries(&trail);
    assert_eq!(entries.pop().unwrap(), "body goes on");
    entries.sort();
    assert_eq!(entries, ["a", "b"]);
}

#[test]
fn child_may_cancel_its_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                let _mark = Mark(&trail, "waiting child unwound");
                park();
            });
            s.spawn(|| {
                sleep(SECOND);
                s.cancel();
                note(&trail, "cancelled the scope");
                yield_now();
                note(&trail, "never");
            });
        });
        note(&trail, "scope returned");
        yield_now();
    });
    assert_eq!(
        entries(&trail),
        [
            "cancelled the scope",
            "waiting child unwound",
            "scope returned"
        ]
    );
}

#[test]
fn destructors_of_cancelled_children_may_suspend() {
    struct SleepsOnDrop<'a>(&'a Trail);
    impl Drop for SleepsOnDrop<'_> {
        fn drop(&mut self) {
            sleep(SECOND * 3);
            note(self.0, "slept");
        }
    }
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                let _late = SleepsOnDrop(&trail);
                park();
            });
            yield_now();
            s.cancel();
            note(&trail, "body returns");
        });
        note(&trail, "scope returned");
    });
    assert_eq!(entries(&trail), ["body returns", "slept", "scope returned"]);
}

#[test]
fn cancel_that_meets_the_body_ends_the_children_first() {
    let trail = Rc::new(Trail::default());
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let log = &*log;
            let _mark = Mark(log, "frame around the scope");
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(log, "child");
                    let _last = OnDrop(|| sleep(SECOND));
                    park();
                });
                let _mark = Mark(log, "body");
                park();
            });
            note(log, "never");
        });
        yield_now();
        yield_now();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["body", "child", "frame around the scope"]);
}

#[test]
fn cancel_that_meets_the_wait_unwinds_though_the_body_had_returned() {
    let trail = Rc::new(Trail::default());
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let log = &*log;
            let _mark = Mark(log, "frame around the scope");
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(log, "child");
                    sleep(SECOND * 100);
                    note(log, "never");
                });
                note(log, "body returns");
            });
            note(log, "never");
        });
        sleep(SECOND);
        let cancelled = now();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        assert!(now() - cancelled < SECOND * 99);
    });
    assert_eq!(
        entries(&trail),
        ["body returns", "child", "frame around the scope"]
    );
}

#[test]
fn wait_that_met_a_cancel_unwinds_even_if_the_children_finish_well() {
    let trail = Rc::new(Trail::default());
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let log = &*log;
            scope(|s| {
                s.spawn(|| {
                    shield(|| sleep(SECOND * 5));
                    note(log, "child finished");
                });
            });
            note(log, "never");
        });
        sleep(SECOND);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["child finished"]);
}

#[test]
fn outside_cancel_is_not_swallowed_by_a_childs_panic() {
    let trail = Rc::new(Trail::default());
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let log = &*log;
            payload_of(|| {
                scope(|s| {
                    s.spawn(|| {
                        let _last = OnDrop(|| sleep(SECOND * 5));
                        park();
                    });
                    s.spawn(|| panic_any("child"));
                    park();
                })
            });
            note(log, "caught");
            yield_now();
            note(log, "never");
        });
        sleep(SECOND);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["caught"]);
}

#[test]
fn expiry_that_meets_the_wait_unwinds_to_its_timeout() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let began = now();
        let result = timeout(SECOND, || {
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(&trail, "child");
                    park();
                });
            });
            note(&trail, "never");
        });
        assert_eq!(result, Err(Elapsed));
        assert!(now() - began >= SECOND);
        yield_now();
    });
    assert_eq!(entries(&trail), ["child"]);
}

#[test]
fn expiry_that_meets_the_body_unwinds_to_its_timeout() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let result = timeout(SECOND, || {
            scope(|s| {
                s.spawn(|| {
                    let _mark = Mark(&trail, "child");
                    park();
                });
                let _mark = Mark(&trail, "body");
                sleep(SECOND * 100);
            })
        });
        assert_eq!(result, Err(Elapsed));
        yield_now();
    });
    assert_eq!(entries(&trail), ["body", "child"]);
}

#[test]
fn expiry_of_the_body_alone_leaves_the_children() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                sleep(SECOND * 3);
                note(&trail, "child finished");
            });
            assert_eq!(timeout(SECOND, park), Err(Elapsed));
            note(&trail, "body goes on");
        });
    });
    assert_eq!(entries(&trail), ["body goes on", "child finished"]);
}

#[test]
fn timeout_around_scope_around_timeout() {
    let trail = Trail::default();
    in_virtual_time(|| {
        for (outer, inner) in [(10, 2), (2, 10)] {
            let result = timeout(SECOND * outer, || {
                scope(|s| {
                    s.spawn(|| {
                        let own = timeout(SECOND * inner, || {
                            let _mark = Mark(&trail, "child");
                            park();
                        });
                        note(&trail, format!("child {own:?}"));
                    });
                    let own = timeout(SECOND * inner, || sleep(SECOND * 5));
                    note(&trail, format!("body {own:?}"));
                })
            });
            note(&trail, format!("around {result:?}"));
        }
    });
    let entries = entries(&trail);
    assert_eq!(
        sorted(&trail),
        [
            "around Err(Elapsed)",
            "around Ok(())",
            "body Err(Elapsed)",
            "child",
            "child",
            "child Err(Elapsed)",
        ]
    );
    assert_eq!(entries[3], "around Ok(())");
    assert_eq!(entries[5], "around Err(Elapsed)");
}

#[test]
fn deadlock_inside_scopes_unwinds_from_the_inside() {
    let trail = Trail::default();
    let error = virtual_runtime()
        .try_run(|| {
            let _mark = Mark(&trail, "frame around the scopes");
            let data = [1, 2, 3];
            scope(|outer| {
                outer.spawn(|| {
                    scope(|inner| {
                        inner.spawn(|| {
                            let _last = OnDrop(|| note(&trail, format!("inner {}", data[0])));
                            shield(park);
                        });
                    });
                });
            });
            note(&trail, "never");
        })
        .unwrap_err();
    let RunError::Deadlock(snapshot) = error else {
        panic!("not a deadlock");
    };
    assert_eq!(snapshot.coroutines.len(), 3);
    assert_eq!(entries(&trail), ["inner 1", "frame around the scopes"]);
}
