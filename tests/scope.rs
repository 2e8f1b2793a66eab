//! Scopes: children that borrow, and that have all ended when `scope` returns.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::mem::forget;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, ScopedJoinHandle, Yielder, current, now, park, run, scope,
    sleep, spawn, yield_now,
};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, entries, note};

const SECOND: Duration = Duration::from_secs(1);

type Trail = RefCell<Vec<String>>;

#[test]
fn smoke() {
    let words = ["borrowed", "by", "children"];
    let length = run(|| {
        scope(|s| {
            let handles = words.map(|word| s.spawn(move || word.len()));
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum::<usize>()
        })
    });
    assert_eq!(length, 18);
}

#[test]
fn children_borrow_mutably_and_give_back() {
    run(|| {
        let (mut left, mut right) = (vec![1], vec![2]);
        scope(|s| {
            s.spawn(|| {
                yield_now();
                left.push(10);
            });
            s.spawn(|| right.push(20));
        });
        left.append(&mut right);
        assert_eq!(left, [1, 10, 2, 20]);
    });
}

#[test]
fn children_share_cells_without_locks() {
    run(|| {
        let sum = Cell::new(0);
        scope(|s| {
            for n in 1..=100 {
                let sum = &sum;
                s.spawn(move || {
                    yield_now();
                    sum.set(sum.get() + n);
                });
            }
        });
        assert_eq!(sum.get(), 5050);
    });
}

#[test]
fn results_may_borrow() {
    let text = String::from("alpha beta");
    run(|| {
        let last = scope(|s| {
            let first = s.spawn(|| text.split(' ').next().unwrap());
            let last = s.spawn(|| text.split(' ').next_back().unwrap());
            assert_eq!(first.join().unwrap(), "alpha");
            last.join().unwrap()
        });
        assert_eq!(last, "beta");
    });
}

#[test]
fn handles_and_scope_move_into_children() {
    fn sum_tree<'scope>(
        s: &'scope corobin::Scope<'scope, '_>,
        values: &'scope [u64],
    ) -> ScopedJoinHandle<'scope, u64> {
        s.spawn(move || match values {
            [] => 0,
            [value] => *value,
            _ => {
                let (left, right) = values.split_at(values.len() / 2);
                let (left, right) = (sum_tree(s, left), sum_tree(s, right));
                left.join().unwrap() + right.join().unwrap()
            }
        })
    }
    let values: Vec<u64> = (1..=1000).collect();
    let sum = run(|| scope(|s| sum_tree(s, &values).join().unwrap()));
    assert_eq!(sum, 500_500);
}

#[test]
fn scope_returns_what_its_body_returns() {
    run(|| {
        assert_eq!(scope(|_| "nothing spawned"), "nothing spawned");
        let name = String::from("moved out");
        let returned = scope(|s| {
            s.spawn(yield_now);
            name
        });
        assert_eq!(returned, "moved out");
    });
}

#[test]
fn all_children_have_ended_when_scope_returns() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            for (name, seconds) in [("slow", 5), ("fast", 1)] {
                let trail = &trail;
                s.spawn(move || {
                    sleep(SECOND * seconds);
                    note(trail, name);
                });
            }
            note(&trail, "body returns");
        });
        note(&trail, "scope returned");
    });
    assert_eq!(
        entries(&trail),
        ["body returns", "fast", "slow", "scope returned"]
    );
}

#[test]
fn scope_waits_for_grandchildren_too() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                sleep(SECOND);
                note(&trail, "child");
                s.spawn(|| {
                    sleep(SECOND);
                    note(&trail, "grandchild");
                    s.spawn(|| note(&trail, "great-grandchild"));
                });
            });
        });
        note(&trail, "scope returned");
    });
    assert_eq!(
        entries(&trail),
        ["child", "grandchild", "great-grandchild", "scope returned"]
    );
}

#[test]
fn children_go_to_the_back_of_the_ready_queue() {
    run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let outside = log.clone();
        drop(spawn(move || outside.borrow_mut().push("outside")));
        scope(|s| {
            s.spawn(|| log.borrow_mut().push("first"));
            s.spawn(|| log.borrow_mut().push("second"));
            log.borrow_mut().push("body");
        });
        assert_eq!(*log.borrow(), ["body", "outside", "first", "second"]);
    });
}

#[test]
fn dropped_handles_do_not_detach_from_the_scope() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            drop(s.spawn(|| {
                sleep(SECOND);
                note(&trail, "dropped handle");
            }));
            forget(s.spawn(|| {
                sleep(SECOND * 2);
                note(&trail, "forgotten handle");
            }));
        });
        note(&trail, "scope returned");
    });
    assert_eq!(
        entries(&trail),
        ["dropped handle", "forgotten handle", "scope returned"]
    );
}

#[test]
fn unclaimed_results_are_dropped_before_scope_returns() {
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            let early = s.spawn(|| Mark(&trail, "handle dropped after"));
            yield_now();
            assert!(early.is_finished());
            drop(early);
            drop(s.spawn(|| {
                sleep(SECOND);
                Mark(&trail, "handle dropped before")
            }));
        });
        note(&trail, "scope returned");
    });
    assert_eq!(
        entries(&trail),
        [
            "handle dropped after",
            "handle dropped before",
            "scope returned"
        ]
    );
}

#[test]
fn destructors_of_unclaimed_results_may_suspend() {
    struct SleepsOnDrop<'a>(&'a Trail);
    impl Drop for SleepsOnDrop<'_> {
        fn drop(&mut self) {
            sleep(SECOND);
            yield_now();
            note(self.0, "slept");
        }
    }
    let trail = Trail::default();
    in_virtual_time(|| {
        scope(|s| {
            drop(s.spawn(|| SleepsOnDrop(&trail)));
        });
        note(&trail, "scope returned");
    });
    assert_eq!(entries(&trail), ["slept", "scope returned"]);
}

#[test]
fn a_builder_names_and_sizes_a_child() {
    /// Its frames take a megabyte.
    fn dig(depth: usize) -> usize {
        let frame = std::hint::black_box([depth as u8; 1024]);
        match depth {
            0 => usize::from(frame[0]),
            _ => 1 + dig(depth - 1),
        }
    }
    let words = ["a", "b"];
    run(|| {
        scope(|s| {
            let large = || Builder::new().name("large").stack_size(4 << 20);
            let child = large().spawn_scoped(s, || {
                let name = corobin::current().name().map(str::to_owned);
                (name, dig(1000) + words.len())
            });
            let (name, count) = child.unwrap().join().unwrap();
            assert_eq!((name.as_deref(), count), (Some("large"), 1002));
            let error = Builder::new().stack_size(0).spawn_scoped(s, || ());
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
            let never = large().spawn_scoped(s, || unreachable!()).unwrap();
            never.cancel();
            assert!(matches!(never.join(), Err(JoinError::Cancelled)));
            let late = large().spawn_scoped(s, || unreachable!()).unwrap();
            s.cancel();
            assert!(matches!(late.join(), Err(JoinError::Cancelled)));
        });
    });
}

#[test]
fn join_and_is_finished_of_a_child() {
    in_virtual_time(|| {
        scope(|s| {
            let child = s.spawn(|| {
                sleep(SECOND);
                5
            });
            assert!(!child.is_finished());
            sleep(SECOND / 2);
            assert!(!child.is_finished());
            sleep(SECOND);
            assert!(child.is_finished());
            assert_eq!(child.join().unwrap(), 5);
        });
    });
}

#[test]
fn a_child_can_be_unparked_through_its_handle() {
    run(|| {
        let parked = Cell::new(false);
        scope(|s| {
            let child = s.spawn(|| {
                parked.set(true);
                park();
                current().id()
            });
            yield_now();
            assert!(parked.get() && !child.is_finished());
            let coroutine = child.coroutine().clone();
            coroutine.unpark();
            assert_eq!(child.join().unwrap(), coroutine.id());
        });
    });
}

#[test]
fn nested_scopes_borrow_from_each_other() {
    run(|| {
        let total = Cell::new(0);
        scope(|outer| {
            for n in 1..=10 {
                let total = &total;
                outer.spawn(move || {
                    let squares = RefCell::new(VecDeque::new());
                    scope(|inner| {
                        for factor in 1..=n {
                            let squares = &squares;
                            inner.spawn(move || {
                                yield_now();
                                squares.borrow_mut().push_back(factor * n);
                                outer.spawn(move || total.set(total.get() + 1));
                            });
                        }
                    });
                    total.set(total.get() + squares.take().into_iter().sum::<i32>());
                });
            }
        });
        assert_eq!(total.get(), 1705 + 55);
    });
}

#[test]
fn scopes_nest_deeply() {
    fn nest(depth: u32, deepest: &Cell<u32>) {
        deepest.set(deepest.get().max(depth));
        if depth < 200 {
            scope(|s| {
                s.spawn(|| nest(depth + 1, deepest));
            });
        }
    }
    let deepest = Cell::new(0);
    run(|| nest(0, &deepest));
    assert_eq!(deepest.get(), 200);
}

#[test]
fn scope_inside_a_detached_coroutine() {
    run(|| {
        let sum = spawn(|| {
            let numbers: Vec<u32> = (1..=10).collect();
            scope(|s| {
                let (low, high) = numbers.split_at(5);
                let low = s.spawn(|| low.iter().sum::<u32>());
                let high = s.spawn(|| high.iter().sum::<u32>());
                low.join().unwrap() * high.join().unwrap()
            })
        });
        assert_eq!(sum.join().unwrap(), 15 * 40);
    });
}

#[test]
fn scope_inside_a_generator_inside_a_coroutine() {
    in_virtual_time(|| {
        let began = now();
        let children = (0..3).map(|_| {
            spawn(|| {
                let generator = Generator::new(|y: &Yielder<u32>| {
                    let base = Cell::new(0);
                    for _ in 0..3 {
                        scope(|s| {
                            for n in 1..=3 {
                                let base = &base;
                                s.spawn(move || {
                                    sleep(SECOND * n);
                                    base.set(base.get() + n);
                                });
                            }
                        });
                        y.yield_(base.get());
                    }
                });
                generator.collect::<Vec<_>>()
            })
        });
        for values in corobin::gather(children).unwrap() {
            assert_eq!(values, [6, 12, 18]);
        }
        assert!(now() - began < SECOND * 10);
    });
}

#[test]
fn unscoped_spawns_of_children_are_not_waited_for() {
    let trail = Rc::new(Trail::default());
    in_virtual_time(|| {
        scope(|s| {
            s.spawn(|| {
                let log = trail.clone();
                drop(spawn(move || {
                    sleep(SECOND);
                    note(&log, "unscoped");
                }));
            });
        });
        note(&trail, "scope returned");
        sleep(SECOND * 2);
    });
    assert_eq!(entries(&trail), ["scope returned", "unscoped"]);
}

#[test]
fn captures_of_children_are_dropped_before_scope_returns() {
    let trail = Trail::default();
    run(|| {
        scope(|s| {
            let mark = Mark(&trail, "capture of a started child");
            s.spawn(move || drop(mark));
            yield_now();
            let mark = Mark(&trail, "capture of an unstarted child");
            s.spawn(move || drop(mark)).cancel();
        });
        note(&trail, "scope returned");
    });
    assert_eq!(
        entries(&trail),
        [
            "capture of a started child",
            "capture of an unstarted child",
            "scope returned"
        ]
    );
}

#[test]
fn ten_thousand_children_at_once() {
    run(|| {
        let count = Cell::new(0);
        scope(|s| {
            for _ in 0..10_000 {
                s.spawn(|| {
                    count.set(count.get() + 1);
                    yield_now();
                    count.set(count.get() + 1);
                });
            }
        });
        assert_eq!(count.get(), 20_000);
    });
}
