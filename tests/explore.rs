//! Seeded schedules, `explore`, and how a failure is replayed.

use corobin::{
    Runtime, explore, gather, now, park, scope, sleep, snapshot, spawn, timeout, yield_now,
};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

#[path = "common/child.rs"]
mod child;
use child::{child, output_of};
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{secs, virtual_runtime};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::message_of;

/// How the workers of [`schedule`] took turns.
type Order = Vec<(usize, usize)>;

/// Five workers that yield between their steps note who ran when.
fn schedule() -> Order {
    let order = Rc::new(RefCell::new(Vec::new()));
    let workers: Vec<_> = (0..5)
        .map(|worker| {
            let order = order.clone();
            spawn(move || {
                for step in 0..4 {
                    order.borrow_mut().push((worker, step));
                    yield_now();
                }
            })
        })
        .collect();
    gather(workers).unwrap();
    order.take()
}

fn seeded<T>(seed: u64, f: impl FnOnce() -> T) -> T {
    Runtime::builder()
        .virtual_time(true)
        .schedule_seed(seed)
        .build()
        .unwrap()
        .run(f)
}

fn round_robin() -> Order {
    (0..4)
        .flat_map(|step| (0..5).map(move |worker| (worker, step)))
        .collect()
}

/// Two increments with a switch between reading and writing: one of them gets lost, unless the
/// schedule happens to let one worker finish before the other begins.
fn lost_update() {
    let counter = Rc::new(Cell::new(0));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let counter = counter.clone();
            spawn(move || {
                let read = counter.get();
                yield_now();
                counter.set(read + 1);
            })
        })
        .collect();
    gather(workers).unwrap();
    assert_eq!(counter.get(), 2, "an update was lost");
}

/// Fails only where the last of five workers is the first to run.
fn rare_order_bug() {
    let first = Rc::new(Cell::new(None));
    let workers: Vec<_> = (0..5)
        .map(|worker| {
            let first = first.clone();
            spawn(move || first.set(first.get().or(Some(worker))))
        })
        .collect();
    gather(workers).unwrap();
    assert_ne!(first.get(), Some(4), "the last was first");
}

fn fails(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

fn numbers_in(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[test]
fn smoke() {
    let runs = Cell::new(0);
    explore(20, || {
        runs.set(runs.get() + 1);
        schedule();
    });
    assert_eq!(runs.get(), 20);
}

#[test]
fn without_a_seed_the_schedule_is_round_robin() {
    let mut runtime = virtual_runtime();
    assert_eq!(runtime.run(schedule), round_robin());
    assert_eq!(runtime.run(schedule), round_robin());
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in [0, 1, 2, 17, u64::MAX] {
        let first = seeded(seed, schedule);
        assert_eq!(seeded(seed, schedule), first, "seed {seed}");
        // Each worker still makes its steps in order.
        for worker in 0..5 {
            let steps: Vec<_> = first.iter().filter(|(w, _)| *w == worker).collect();
            assert!(steps.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
        assert_eq!(first.len(), 20);
    }
}

#[test]
fn other_seeds_give_other_schedules() {
    let schedules: HashSet<Order> = (0..50).map(|seed| seeded(seed, schedule)).collect();
    assert!(schedules.len() > 10, "only {} of 50", schedules.len());
}

#[test]
fn the_same_seed_repeats_a_program_with_timers_scopes_and_cancels() {
    let program = || {
        let log = RefCell::new(Vec::new());
        let start = now();
        let say = |who: u64, what: &str| {
            log.borrow_mut()
                .push(format!("{who} {what} {:?}", now() - start));
        };
        scope(|s| {
            let say = &say;
            let children: Vec<_> = (0..6)
                .map(|n| {
                    s.spawn(move || {
                        yield_now();
                        say(n, "yielded");
                        let result = timeout(secs(2), || sleep(secs(n)));
                        say(n, if result.is_ok() { "slept" } else { "elapsed" });
                        yield_now();
                        park();
                    })
                })
                .collect();
            sleep(secs(3));
            for child in children {
                child.cancel();
                say(
                    9,
                    if child.join().is_ok() {
                        "ended"
                    } else {
                        "cancelled"
                    },
                );
            }
        });
        log.into_inner()
    };
    let logs: HashSet<_> = (0..20)
        .map(|seed| {
            let log = seeded(seed, program);
            assert_eq!(seeded(seed, program), log, "seed {seed}");
            log
        })
        .collect();
    assert!(logs.len() > 5);
}

#[test]
fn everybody_gets_a_turn_under_every_seed() {
    for seed in 0..20 {
        seeded(seed, || {
            let stop = Rc::new(Cell::new(false));
            let busy: Vec<_> = (0..5)
                .map(|_| {
                    let stop = stop.clone();
                    spawn(move || {
                        while !stop.get() {
                            yield_now();
                        }
                    })
                })
                .collect();
            spawn(move || stop.set(true)).join().unwrap();
            gather(busy).unwrap();
        });
    }
}

#[test]
fn explore_finds_a_lost_update() {
    assert!(fails(|| explore(100, lost_update)));
}

#[test]
fn explore_finds_a_bug_of_few_schedules_and_names_its_seed() {
    let message = message_of(|| explore(1000, rare_order_bug));
    let named = numbers_in(&message);
    assert!(
        named
            .iter()
            .any(|&seed| fails(|| seeded(seed, rare_order_bug))),
        "no seed that fails in: {message}"
    );
}

#[test]
fn explore_stops_at_the_first_failure() {
    let runs = Cell::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        explore(1000, || {
            runs.set(runs.get() + 1);
            if runs.get() == 7 {
                panic!("the seventh fails");
            }
        })
    }));
    assert!(result.is_err());
    assert_eq!(runs.get(), 7);
}

#[test]
fn explore_finds_a_deadlock_of_some_schedules() {
    let message = message_of(|| {
        explore(1000, || {
            let parked = spawn(park);
            let coroutine = parked.coroutine().clone();
            let last_first = Rc::new(Cell::new(None));
            for n in 0..3 {
                let last_first = last_first.clone();
                spawn(move || last_first.set(last_first.get().or(Some(n))));
            }
            while last_first.get().is_none() {
                yield_now();
            }
            if last_first.get() != Some(2) {
                coroutine.unpark();
            }
            parked.join().unwrap();
        });
    });
    assert!(!numbers_in(&message).is_empty(), "no seed in: {message}");
}

#[test]
fn explore_runs_under_virtual_time_in_fresh_runtimes() {
    let alive = Rc::new(());
    explore(20, || {
        let start = now();
        sleep(secs(3600 * 24 * 365));
        assert_eq!(now() - start, secs(3600 * 24 * 365));
        assert_eq!(Rc::strong_count(&alive), 1, "left over from another run");
        let kept = alive.clone();
        spawn(move || {
            let _kept = kept;
            park();
        });
        yield_now();
    });
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn explore_passes_what_is_right_under_every_schedule() {
    explore(300, || {
        let counter = Rc::new(Cell::new(0));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let counter = counter.clone();
                spawn(move || {
                    yield_now();
                    counter.set(counter.get() + 1);
                    sleep(secs(1));
                })
            })
            .collect();
        gather(workers).unwrap();
        assert_eq!(counter.get(), 4);
    });
}

/// Runs one of the ignored tests below in a process of its own.
fn child_process(test: &str, seed: Option<&str>) -> (bool, String) {
    let mut command = child(test);
    command.env_remove("COROBIN_SEED");
    if let Some(seed) = seed {
        command.env("COROBIN_SEED", seed);
    }
    let output = output_of(&mut command);
    assert!(output.text.contains("running 1 test"), "{}", output.text);
    (output.status.success(), output.text)
}

fn printed_order(test: &str, seed: Option<&str>) -> String {
    let (success, output) = child_process(test, seed);
    assert!(success, "{output}");
    let line = output.lines().find_map(|line| line.split_once("order: "));
    line.expect("an order is printed").1.to_string()
}

#[test]
#[ignore = "a child process of other tests"]
fn child_prints_the_schedule_of_a_plain_runtime() {
    let mut runtime = virtual_runtime();
    println!("order: {:?}", runtime.run(schedule));
}

#[test]
#[ignore = "a child process of other tests"]
fn child_prints_the_schedule_of_a_seeded_runtime() {
    println!("order: {:?}", seeded(5, schedule));
}

#[test]
#[ignore = "a child process of other tests"]
fn child_explores_the_rare_order_bug() {
    explore(1000, rare_order_bug);
}

#[test]
fn corobin_seed_seeds_every_runtime_that_sets_none() {
    let test = "child_prints_the_schedule_of_a_plain_runtime";
    for seed in [1, 2, 12345] {
        let expected = format!("{:?}", seeded(seed, schedule));
        let order = printed_order(test, Some(&seed.to_string()));
        assert_eq!(order, expected, "seed {seed}");
    }
    for none in [None, Some("")] {
        assert_eq!(printed_order(test, none), format!("{:?}", round_robin()));
    }
}

#[test]
fn corobin_seed_yields_to_a_seed_that_is_set() {
    let test = "child_prints_the_schedule_of_a_seeded_runtime";
    let expected = format!("{:?}", seeded(5, schedule));
    assert_eq!(printed_order(test, Some("6")), expected);
}

#[test]
fn corobin_seed_replays_a_failure_of_explore() {
    let test = "child_explores_the_rare_order_bug";
    let fails_with = |seed: u64| fails(|| seeded(seed, rare_order_bug));
    let bad: Vec<u64> = (0..1000).filter(|&seed| fails_with(seed)).take(2).collect();
    let good = (0..1000).find(|&seed| !fails_with(seed)).unwrap();
    assert_eq!(bad.len(), 2);
    for seed in bad {
        let (success, output) = child_process(test, Some(&seed.to_string()));
        assert!(!success, "seed {seed} should fail: {output}");
        assert!(
            numbers_in(&output).contains(&seed),
            "seed {seed} is not named in: {output}"
        );
    }
    let (success, output) = child_process(test, Some(&good.to_string()));
    assert!(success, "only seed {good} should run: {output}");
}

#[test]
fn explore_tells_its_callers_line() {
    let line = Cell::new(0);
    let caller = line!() + 1;
    explore(1, || line.set(snapshot().coroutines[0].spawned_at.line()));
    assert_eq!(line.get(), caller);
}
