//! `gather`, `gather_results` and `as_completed`.

use std::panic::panic_any;
use std::time::Duration;

use corobin::{
    Elapsed, JoinError, JoinHandle, as_completed, gather, gather_results, now, park, run, sleep,
    spawn, timeout, yield_now,
};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries, note, sorted};

const SECOND: Duration = Duration::from_secs(1);

fn after(seconds: u32) -> JoinHandle<u32> {
    spawn(move || {
        sleep(SECOND * seconds);
        seconds
    })
}

fn failing_after(seconds: u32, payload: &'static str) -> JoinHandle<u32> {
    spawn(move || {
        sleep(SECOND * seconds);
        panic_any(payload)
    })
}

fn marked_sleeper(trail: &Trail, seconds: u32) -> JoinHandle<u32> {
    let log = trail.clone();
    spawn(move || {
        let _mark = Mark(log.clone(), format!("unwound {seconds}"));
        sleep(SECOND * seconds);
        note(&log, format!("finished {seconds}"));
        seconds
    })
}

fn describe(result: Result<u32, JoinError>) -> String {
    match result {
        Ok(value) => format!("value {value}"),
        Err(JoinError::Cancelled) => "cancelled".into(),
        Err(JoinError::Panicked(payload)) => {
            format!("panicked {}", payload.downcast::<&'static str>().unwrap())
        }
    }
}

#[test]
fn smoke() {
    let squares = run(|| gather((0..5_u32).map(|n| spawn(move || n * n))));
    assert_eq!(squares.unwrap(), [0, 1, 4, 9, 16]);
}

#[test]
fn gather_keeps_the_order_of_input() {
    in_virtual_time(|| {
        let began = now();
        assert_eq!(gather([3, 1, 2, 0].map(after)).unwrap(), [3, 1, 2, 0]);
        assert!(now() - began < SECOND * 4);
    });
}

#[test]
fn gathering_nothing_gives_nothing() {
    run(|| {
        assert_eq!(gather(Vec::<JoinHandle<u32>>::new()).unwrap(), []);
        assert!(gather_results(Vec::<JoinHandle<u32>>::new()).is_empty());
        assert!(as_completed(Vec::<JoinHandle<u32>>::new()).next().is_none());
    });
}

#[test]
fn gathering_the_finished_and_the_unfinished() {
    in_virtual_time(|| {
        let handles = [after(0), after(5), after(1)];
        sleep(SECOND * 2);
        assert!(handles[0].is_finished() && !handles[1].is_finished());
        assert_eq!(gather(handles).unwrap(), [0, 5, 1]);
    });
}

#[test]
fn gather_takes_any_iterator_even_one_that_suspends() {
    run(|| {
        let handles = (0..4_u32).map(|n| {
            yield_now();
            spawn(move || n)
        });
        assert_eq!(gather(handles).unwrap(), [0, 1, 2, 3]);
        assert_eq!(gather(Some(spawn(|| 7))).unwrap(), [7]);
    });
}

#[test]
fn gather_returns_the_first_error_at_once_and_the_others_go_on() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let began = now();
        let error = gather([
            marked_sleeper(&trail, 10),
            failing_after(5, "late"),
            failing_after(1, "early"),
            marked_sleeper(&trail, 2),
        ])
        .unwrap_err();
        assert_eq!(describe(Err(error)), "panicked early");
        assert!(now() - began < SECOND * 2);
        assert!(entries(&trail).is_empty());
        sleep(SECOND * 20);
    });
    assert_eq!(
        entries(&trail),
        ["finished 2", "unwound 2", "finished 10", "unwound 10"]
    );
}

#[test]
fn gather_finds_an_error_that_came_before_it() {
    in_virtual_time(|| {
        let handles = [after(100), failing_after(0, "before")];
        sleep(SECOND);
        let began = now();
        assert_eq!(describe(gather(handles).map(|_| 0)), "panicked before");
        assert!(now() - began < SECOND * 99);
    });
}

#[test]
fn cancel_of_one_gathered_is_an_error_of_gather() {
    in_virtual_time(|| {
        let slow = after(100);
        let parked = spawn(|| {
            park();
            1
        });
        parked.cancel();
        assert!(matches!(gather([slow, parked]), Err(JoinError::Cancelled)));
    });
}

#[test]
fn cancelling_the_gatherer_cancels_what_it_gathers() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let gatherer = spawn(move || {
            let _ = gather([5, 6, 7].map(|seconds| marked_sleeper(&log, seconds)));
            note(&log, "never");
        });
        let other = marked_sleeper(&trail, 8);
        sleep(SECOND);
        gatherer.cancel();
        assert!(matches!(gatherer.join(), Err(JoinError::Cancelled)));
        assert_eq!(other.join().unwrap(), 8);
    });
    assert_eq!(
        sorted(&trail),
        [
            "finished 8",
            "unwound 5",
            "unwound 6",
            "unwound 7",
            "unwound 8"
        ]
    );
}

#[test]
fn cancelling_the_gatherer_of_results_cancels_what_it_gathers() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let gatherer = spawn(move || {
            gather_results([5, 6].map(|seconds| marked_sleeper(&log, seconds)));
            note(&log, "never");
        });
        sleep(SECOND);
        gatherer.cancel();
        assert!(matches!(gatherer.join(), Err(JoinError::Cancelled)));
        sleep(SECOND * 20);
    });
    assert_eq!(sorted(&trail), ["unwound 5", "unwound 6"]);
}

#[test]
fn timeout_around_gather_cancels_what_it_gathers() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let result = timeout(SECOND * 2, || {
            gather([1, 5, 6].map(|seconds| marked_sleeper(&trail, seconds))).unwrap()
        });
        assert_eq!(result, Err(Elapsed));
        sleep(SECOND * 20);
    });
    assert_eq!(
        sorted(&trail),
        ["finished 1", "unwound 1", "unwound 5", "unwound 6"]
    );
}

#[test]
fn gather_results_waits_for_all_and_keeps_the_order() {
    in_virtual_time(|| {
        let parked = spawn(|| {
            park();
            0
        });
        parked.cancel();
        let began = now();
        let results = gather_results([
            after(3),
            failing_after(1, "one"),
            parked,
            failing_after(2, "two"),
            after(0),
        ]);
        assert!(now() - began >= SECOND * 3);
        assert_eq!(
            results.into_iter().map(describe).collect::<Vec<_>>(),
            [
                "value 3",
                "panicked one",
                "cancelled",
                "panicked two",
                "value 0"
            ]
        );
    });
}

#[test]
fn as_completed_gives_results_in_the_order_of_finishing() {
    in_virtual_time(|| {
        let handles = [after(4), after(1), failing_after(2, "two"), after(3)];
        let results: Vec<_> = as_completed(handles).map(describe).collect();
        assert_eq!(results, ["value 1", "panicked two", "value 3", "value 4"]);
    });
}

#[test]
fn as_completed_gives_each_result_as_soon_as_it_is_there() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let handles = [6, 2, 4].map(|seconds| marked_sleeper(&trail, seconds));
        for result in as_completed(handles) {
            note(&trail, format!("got {}", result.unwrap()));
        }
    });
    assert_eq!(
        entries(&trail),
        [
            "finished 2",
            "unwound 2",
            "got 2",
            "finished 4",
            "unwound 4",
            "got 4",
            "finished 6",
            "unwound 6",
            "got 6",
        ]
    );
}

#[test]
fn as_completed_misses_nobody_while_the_loop_body_waits() {
    in_virtual_time(|| {
        let mut seen = Vec::new();
        for result in as_completed([5, 1, 3, 2, 4].map(after)) {
            sleep(SECOND * 2);
            seen.push(result.unwrap());
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
    });
}

#[test]
fn gather_of_ten_thousand() {
    run(|| {
        let values = gather((0..10_000_u32).map(|n| {
            spawn(move || {
                (0..n % 3).for_each(|_| yield_now());
                n
            })
        }));
        assert!(values.unwrap().into_iter().eq(0..10_000));
        let handles = (0..10_000_u32).map(|n| spawn(move || n));
        let mut sum = 0_u64;
        as_completed(handles).for_each(|value| sum += u64::from(value.unwrap()));
        assert_eq!(sum, 49_995_000);
    });
}

#[test]
fn gatherers_gather_gatherers() {
    fn tree(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        gather((0..3).map(|_| spawn(move || tree(depth - 1))))
            .unwrap()
            .iter()
            .sum()
    }
    run(|| assert_eq!(tree(6), 729));
}

#[test]
fn cancelling_a_gatherer_cancels_the_whole_tree() {
    fn tree(depth: u32, trail: Trail) {
        let _mark = Mark(trail.clone(), format!("unwound at {depth}"));
        if depth == 0 {
            park();
        }
        let _ = gather((0..2).map(|_| {
            let log = trail.clone();
            spawn(move || tree(depth - 1, log))
        }));
    }
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let root = spawn(move || tree(3, log));
        sleep(SECOND);
        assert!(entries(&trail).is_empty());
        root.cancel();
        assert!(root.join().is_err());
        sleep(SECOND);
        assert_eq!(entries(&trail).len(), 15);
    });
}

#[test]
fn those_that_had_ended_before_come_in_the_order_of_their_ends() {
    use corobin::{as_completed, gather, sleep, spawn};
    use std::time::Duration;

    let mut runtime = corobin::Runtime::builder()
        .virtual_time(true)
        .build()
        .unwrap();
    runtime.run(|| {
        let at = |ms, value| {
            spawn(move || {
                sleep(Duration::from_millis(ms));
                value
            })
        };
        let handles = [
            at(30, 'c'),
            at(10, 'a'),
            at(50, 'e'),
            at(20, 'b'),
            at(40, 'd'),
        ];
        sleep(Duration::from_millis(35));
        let order: String = as_completed(handles).map(Result::unwrap).collect();
        assert_eq!(order, "abcde");

        let fails = |ms, text: &'static str| {
            spawn(move || {
                sleep(Duration::from_millis(ms));
                std::panic::panic_any(text)
            })
        };
        let handles: [corobin::JoinHandle<()>; 2] = [fails(20, "late"), fails(10, "early")];
        sleep(Duration::from_millis(30));
        match gather(handles) {
            Err(corobin::JoinError::Panicked(payload)) => {
                assert_eq!(payload.downcast_ref(), Some(&"early"));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn timeout_in_the_iterator_of_gather_cancels_what_it_has_given() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let handles = (1..=3).map(|seconds| {
            if seconds == 3 {
                sleep(SECOND * 9);
            }
            marked_sleeper(&trail, seconds + 9)
        });
        assert!(timeout(SECOND, || gather(handles)).is_err());
        sleep(SECOND * 20);
    });
    assert_eq!(sorted(&trail), ["unwound 10", "unwound 11"]);
}
