//! Cancels that meet a `scope` or a `gather`, and what becomes of the children.

use corobin::{gather, now, park, scope, sleep, spawn, yield_now};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::assert_cancelled;

#[test]
fn smoke() {
    in_virtual_time(|| {
        let owner = spawn(|| {
            scope(|s| {
                s.spawn(park);
            })
        });
        yield_now();
        owner.cancel();
        assert_cancelled(owner.join());
    });
}

#[test]
fn a_cancelled_gatherer_cancels_what_it_gathers() {
    in_virtual_time(|| {
        let log = Trail::default();
        let children: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let note = Mark(log.clone(), name);
                spawn(move || {
                    let _note = note;
                    sleep(secs(1000));
                })
            })
            .collect();
        let start = now();
        let gatherer = spawn(move || gather(children).unwrap());
        yield_now();
        assert!(log.borrow().is_empty());
        gatherer.cancel();
        assert_cancelled(gatherer.join());
        for _ in 0..100 {
            yield_now();
        }
        let mut ended = log.borrow().clone();
        ended.sort();
        assert_eq!(ended, ["a", "b", "c"]);
        assert_eq!(now(), start);
    });
}

#[test]
fn a_cancelled_scope_cancels_its_children_and_waits_for_them() {
    struct Slow(Trail);
    impl Drop for Slow {
        fn drop(&mut self) {
            sleep(secs(3));
            note(&self.0, "child unwound");
        }
    }
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let owner = spawn({
            let log = log.clone();
            move || {
                let local = Mark(log.clone(), "frame left");
                scope(|s| {
                    s.spawn(|| {
                        let _slow = Slow(local.0.clone());
                        park();
                    });
                    park();
                });
            }
        });
        yield_now();
        yield_now();
        owner.cancel();
        assert_cancelled(owner.join());
        assert_eq!(*log.borrow(), ["child unwound", "frame left"]);
        assert_eq!(now() - start, secs(3));
    });
}

#[test]
fn a_scope_whose_body_returned_unwinds_after_its_children_ended() {
    in_virtual_time(|| {
        let log = Trail::default();
        let owner = spawn({
            let log = log.clone();
            move || {
                let inner = log.clone();
                scope(|s| {
                    s.spawn(move || {
                        let _note = Mark(inner, "child unwound");
                        sleep(secs(1000));
                    });
                });
                note(&log, "not reached");
            }
        });
        yield_now();
        yield_now();
        owner.cancel();
        assert_cancelled(owner.join());
        assert_eq!(*log.borrow(), ["child unwound"]);
    });
}

#[test]
fn cancelling_one_scoped_child_leaves_its_siblings_and_the_body_alone() {
    in_virtual_time(|| {
        let value = scope(|s| {
            let doomed = s.spawn(park);
            let sibling = s.spawn(|| {
                sleep(secs(2));
                5
            });
            yield_now();
            doomed.cancel();
            assert_cancelled(doomed.join());
            sibling.join().unwrap()
        });
        assert_eq!(value, 5);
    });
}

#[test]
fn scope_cancel_cancels_all_children_but_not_the_body() {
    in_virtual_time(|| {
        let log = Trail::default();
        scope(|s| {
            let children: Vec<_> = ["a", "b"]
                .map(|name| {
                    let note = Mark(log.clone(), name);
                    s.spawn(move || {
                        let _note = note;
                        park();
                    })
                })
                .into();
            yield_now();
            s.cancel();
            for child in children {
                assert_cancelled(child.join());
            }
            note(&log, "body went on");
        });
        assert_eq!(log.borrow().len(), 3);
        assert_eq!(log.borrow()[2], "body went on");
    });
}
