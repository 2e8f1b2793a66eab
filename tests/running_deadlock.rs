//! Deadlocks: what `try_run` returns and `run` panics with, and what is left afterwards.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, JoinHandle, RunError, Runtime, Snapshot, Yielder, park, run,
    shield, sleep, spawn, to_thread, yield_now,
};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::virtual_runtime;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries, note, sorted};

const SECOND: Duration = Duration::from_secs(1);

fn deadlock_of<T>(f: impl FnOnce() -> T) -> Snapshot {
    deadlock_in(&mut virtual_runtime(), f)
}

fn deadlock_in<T>(runtime: &mut Runtime, f: impl FnOnce() -> T) -> Snapshot {
    match runtime.try_run(f) {
        Err(RunError::Deadlock(snapshot)) => snapshot,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no deadlock"),
    }
}

fn named(name: &str, f: impl FnOnce() + 'static) -> JoinHandle<()> {
    Builder::new().name(name).spawn(f).unwrap()
}

#[test]
fn smoke() {
    let snapshot = deadlock_of(park);
    assert_eq!(snapshot.coroutines.len(), 1);
}

#[test]
fn no_deadlock_no_error() {
    assert_eq!(
        virtual_runtime()
            .try_run(|| spawn(|| 3).join().unwrap())
            .unwrap(),
        3
    );
}

#[test]
fn every_stuck_coroutine_is_listed_with_name_and_spawn_site() {
    let mut lines = Vec::new();
    let snapshot = deadlock_of(|| {
        let reader = Builder::new().name("reader");
        let writer = Builder::new().name("writer");
        lines.push(line!() + 1);
        drop(reader.spawn(park).unwrap());
        lines.push(line!() + 1);
        drop(writer.spawn(park).unwrap());
        lines.push(line!() + 1);
        let unnamed = spawn(park);
        drop(named("finishes", yield_now));
        unnamed.join().unwrap();
    });
    assert_eq!(snapshot.coroutines.len(), 4);
    for (name, line) in [Some("reader"), Some("writer"), None]
        .into_iter()
        .zip(lines)
    {
        assert!(
            snapshot
                .coroutines
                .iter()
                .any(|info| info.name.as_deref() == name
                    && info.spawned_at.file() == file!()
                    && info.spawned_at.line() == line),
            "{name:?} {line} {snapshot:?}"
        );
    }
    let ids: HashSet<_> = snapshot.coroutines.iter().map(|info| info.id).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn parent_of_a_listed_coroutine_is_known() {
    let snapshot = deadlock_of(|| {
        drop(named("parent", || {
            drop(named("child", park));
            park();
        }));
        park();
    });
    let find = |name: &str| {
        let mut found = snapshot.coroutines.iter();
        found
            .find(|info| info.name.as_deref() == Some(name))
            .unwrap()
    };
    assert_eq!(find("child").parent, Some(find("parent").id));
}

#[test]
fn display_tells_who_waits_on_what() {
    let snapshot = deadlock_of(|| {
        let parked = named("one-that-parks", park);
        let joiner = named("one-that-joins", move || drop(parked.join()));
        joiner.join().unwrap();
    });
    let text = snapshot.to_string();
    for needle in ["one-that-parks", "one-that-joins", "running_deadlock.rs"] {
        assert!(text.contains(needle), "{needle} in {text}");
    }
    let text = text.to_lowercase();
    assert!(text.contains("park") && text.contains("join"), "{text}");
}

#[test]
fn error_prints_the_list() {
    let error = virtual_runtime()
        .try_run(|| {
            drop(named("stuck-for-ever", park));
            park();
        })
        .unwrap_err();
    assert!(error.to_string().contains("stuck-for-ever"), "{error}");
    assert!(!format!("{error:?}").is_empty());
    let error: Box<dyn std::error::Error> = Box::new(error);
    assert!(error.downcast_ref::<RunError>().is_some());
}

#[test]
fn run_panics_with_the_list() {
    let payload = catch_unwind(|| {
        run(|| {
            drop(named("stuck-for-ever", park));
            park();
        })
    })
    .unwrap_err();
    let message = payload.downcast::<String>().unwrap();
    assert!(message.contains("stuck-for-ever"), "{message}");
}

#[test]
fn every_coroutine_is_unwound_before_the_report() {
    let trail = Trail::default();
    deadlock_of(|| {
        let _main = Mark(trail.clone(), "main");
        for name in ["a", "b"] {
            let log = trail.clone();
            drop(spawn(move || {
                let _mark = Mark(log, name);
                park();
                unreachable!();
            }));
        }
        park();
        unreachable!();
    });
    assert_eq!(sorted(&trail), ["a", "b", "main"]);
}

#[test]
fn coroutines_that_wait_for_each_other() {
    let handles = Rc::new(RefCell::new(Vec::new()));
    let snapshot = deadlock_of(|| {
        for name in ["left", "right"] {
            let pool = handles.clone();
            let handle = named(name, move || {
                yield_now();
                let other: JoinHandle<()> = pool.borrow_mut().remove(0);
                drop(other.join());
            });
            handles.borrow_mut().insert(0, handle);
        }
        park();
    });
    assert_eq!(snapshot.coroutines.len(), 3);
}

#[test]
fn outcome_stays_when_main_swallows_the_unwind() {
    let trail = Trail::default();
    let snapshot = deadlock_of(|| {
        assert!(catch_unwind(park).is_err());
        note(&trail, "main goes on");
        5
    });
    assert_eq!(snapshot.coroutines.len(), 1);
    assert_eq!(entries(&trail), ["main goes on"]);
}

#[test]
fn unwinding_ignores_shield() {
    let trail = Trail::default();
    let snapshot = deadlock_of(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log.clone(), "child");
            shield(|| shield(park));
            note(&log, "never");
        }));
        let _mark = Mark(trail.clone(), "main");
        shield(park);
        note(&trail, "never");
    });
    assert_eq!(snapshot.coroutines.len(), 2);
    assert_eq!(sorted(&trail), ["child", "main"]);
}

#[test]
fn unwinding_may_suspend_in_destructors() {
    struct SleepsOnDrop(Trail);
    impl Drop for SleepsOnDrop {
        fn drop(&mut self) {
            yield_now();
            sleep(SECOND);
            note(&self.0, "slept");
        }
    }
    let trail = Trail::default();
    deadlock_of(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _late = SleepsOnDrop(log);
            park();
        }));
        let _late = SleepsOnDrop(trail.clone());
        park();
    });
    assert_eq!(entries(&trail), ["slept", "slept"]);
}

#[test]
fn handles_of_a_deadlocked_run_are_cancelled_or_done() {
    let slot = Cell::new(None);
    deadlock_of(|| {
        slot.set(Some((spawn(|| 1), spawn(park))));
        park();
    });
    let (finished, stuck) = slot.take().unwrap();
    assert_eq!(finished.join().unwrap(), 1);
    assert!(matches!(stuck.join(), Err(JoinError::Cancelled)));
}

#[test]
fn runtime_is_usable_after_a_deadlock() {
    let mut runtime = virtual_runtime();
    for round in 0..10 {
        let snapshot = deadlock_in(&mut runtime, || {
            (0..round).for_each(|_| drop(spawn(park)));
            park();
        });
        assert_eq!(snapshot.coroutines.len(), round + 1);
        assert_eq!(runtime.run(|| spawn(move || round).join().unwrap()), round);
        assert!(catch_unwind(AssertUnwindSafe(|| runtime.run(park))).is_err());
    }
}

#[test]
fn timer_is_no_deadlock_until_it_has_rung() {
    let trail = Trail::default();
    let snapshot = deadlock_of(|| {
        let log = trail.clone();
        drop(named("sleeper", move || {
            sleep(SECOND * 3600);
            note(&log, "slept");
        }));
        park();
    });
    assert_eq!(entries(&trail), ["slept"]);
    assert_eq!(snapshot.coroutines.len(), 1);
}

#[test]
fn thread_is_no_deadlock_until_it_has_ended() {
    let done = Rc::new(Cell::new(false));
    for virtual_time in [true, false] {
        let mut runtime = Runtime::builder()
            .virtual_time(virtual_time)
            .build()
            .unwrap();
        let flag = done.clone();
        deadlock_in(&mut runtime, || {
            drop(spawn(move || {
                to_thread(|| std::thread::sleep(Duration::from_millis(10)));
                flag.set(true);
            }));
            park();
        });
        assert!(done.take());
    }
}

#[test]
fn stuck_coroutines_are_no_deadlock_once_main_returns() {
    let trail = Trail::default();
    let value = virtual_runtime().try_run(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log, "unwound");
            park();
        }));
        yield_now();
        5
    });
    assert_eq!(value.unwrap(), 5);
    assert_eq!(entries(&trail), ["unwound"]);
}

#[test]
fn pending_timeout_is_no_deadlock() {
    let result = virtual_runtime().try_run(|| corobin::timeout(SECOND, park));
    assert_eq!(result.unwrap(), Err(corobin::Elapsed));
}

#[test]
fn stuck_inside_a_generator() {
    let trail = Trail::default();
    let snapshot = deadlock_of(|| {
        let log = trail.clone();
        let mut generator = Generator::new(move |y: &Yielder<u32>| {
            let _mark = Mark(log.clone(), "body");
            park();
            y.yield_(1);
        });
        let _mark = Mark(trail.clone(), "main");
        generator.next();
        unreachable!();
    });
    assert_eq!(snapshot.coroutines.len(), 1);
    assert_eq!(entries(&trail), ["body", "main"]);
}

#[test]
fn thousands_stuck_are_all_listed() {
    let snapshot = deadlock_of(|| {
        (0..5000).for_each(|_| drop(spawn(park)));
        park();
    });
    assert_eq!(snapshot.coroutines.len(), 5001);
    assert_eq!(snapshot.clone().coroutines.len(), 5001);
}

#[test]
fn real_time_runtime_finds_deadlocks_too() {
    let mut runtime = Runtime::new().unwrap();
    assert_eq!(deadlock_in(&mut runtime, park).coroutines.len(), 1);
    assert_eq!(
        deadlock_in(&mut runtime, || spawn(park).join().unwrap())
            .coroutines
            .len(),
        2
    );
}

#[test]
fn report_of_many_is_written_to_its_end() {
    let wide = deadlock_of(|| {
        drop(named("parent", || {
            (0..3000).for_each(|_| drop(named("one-of-many", park)));
            park();
        }));
        (0..3000).for_each(|_| drop(spawn(park)));
        park();
    });
    assert_eq!(wide.to_string().matches("one-of-many").count(), 3000);

    fn chain(length: u32) {
        if length > 0 {
            drop(named("one-of-the-chain", move || chain(length - 1)));
        }
        park();
    }
    let deep = deadlock_of(|| chain(1000));
    assert_eq!(deep.to_string().matches("one-of-the-chain").count(), 1000);
}

/// What main leaves behind, and whether it is dropped in a coroutine.
struct Left(Trail);

impl Drop for Left {
    fn drop(&mut self) {
        yield_now();
        let is_in_one = corobin::try_current().is_some();
        note(
            &self.0,
            format!("result dropped in a coroutine: {is_in_one}"),
        );
    }
}

#[test]
fn shields_that_wait_for_each_other_after_main_are_a_deadlock() {
    let trail = Trail::default();
    let snapshot = deadlock_of(|| {
        for name in ["one", "two"] {
            let log = trail.clone();
            drop(named(name, move || {
                let _mark = Mark(log, name);
                shield(park);
            }));
        }
        yield_now();
        Left(trail.clone())
    });
    let mut names: Vec<_> = snapshot
        .coroutines
        .iter()
        .map(|it| it.name.clone())
        .collect();
    names.sort();
    assert_eq!(names, [Some("one".into()), Some("two".into())]);
    let lines = ["one", "result dropped in a coroutine: true", "two"];
    assert_eq!(sorted(&trail), lines);
}

#[test]
fn panic_of_main_comes_before_a_deadlock_after_it() {
    let trail = Trail::default();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        virtual_runtime().try_run(|| {
            let log = trail.clone();
            drop(spawn(move || {
                let _mark = Mark(log, "child");
                shield(park);
            }));
            yield_now();
            std::panic::panic_any("main");
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"main"));
    assert_eq!(entries(&trail), ["child"]);
}
