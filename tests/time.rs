//! Sleeping, intervals and the clock, virtual and real.

use corobin::{
    Elapsed, JoinError, Runtime, handle, interval, now, park, run, sleep, sleep_until, snapshot,
    spawn, timeout, to_thread, yield_now,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/rng.rs"]
mod rng;
use rng::Rng;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn smoke() {
    in_virtual_time(|| {
        let start: Instant = now();
        sleep(millis(1500));
        assert_eq!(now() - start, millis(1500));
    });
}

#[test]
fn virtual_time_jumps_exactly_to_each_deadline() {
    in_virtual_time(|| {
        let mut expected = now();
        for nanos in [1, 2, 999, 1_000_001, 123_456_789_012, 1] {
            sleep(Duration::from_nanos(nanos));
            expected += Duration::from_nanos(nanos);
            assert_eq!(now(), expected);
        }
        sleep(secs(3600 * 24 * 365 * 20));
        expected += secs(3600 * 24 * 365 * 20);
        assert_eq!(now(), expected);
    });
}

#[test]
fn centuries_pass_as_exactly_as_seconds() {
    const MILLENNIUM: u64 = 3600 * 24 * 365 * 1000;
    in_virtual_time(|| {
        let start = now();
        sleep(secs(MILLENNIUM));
        assert_eq!(now() - start, secs(MILLENNIUM));
        assert_eq!(timeout(secs(MILLENNIUM), park), Err(Elapsed));
        assert_eq!(now() - start, secs(2 * MILLENNIUM));
        for _ in 0..100 {
            sleep(secs(MILLENNIUM / 10));
        }
        assert_eq!(now() - start, secs(12 * MILLENNIUM));
    });
}

#[test]
fn sleep_until_wakes_at_the_instant_or_at_once() {
    in_virtual_time(|| {
        let start = now();
        sleep_until(start + secs(5));
        assert_eq!(now() - start, secs(5));
        sleep_until(start + secs(3));
        assert_eq!(now() - start, secs(5));
        sleep_until(start + secs(5));
        assert_eq!(now() - start, secs(5));
        sleep(Duration::ZERO);
        assert_eq!(now() - start, secs(5));
    });
}

#[test]
fn sleepers_overlap() {
    in_virtual_time(|| {
        let start = now();
        let sleepers: Vec<_> = (1..=100).map(|n| spawn(move || sleep(secs(n)))).collect();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(now() - start, secs(100));
    });
}

#[test]
fn sleepers_wake_by_deadline_and_equal_ones_in_the_order_they_went_to_sleep() {
    in_virtual_time(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let start = now();
        let sleepers: Vec<_> = [(3, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (3, 'e'), (1, 'f')]
            .into_iter()
            .map(|(n, name)| {
                let order = order.clone();
                spawn(move || {
                    sleep_until(start + secs(n));
                    order.borrow_mut().push((n, name));
                    assert_eq!(now() - start, secs(n));
                })
            })
            .collect();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(
            *order.borrow(),
            [(1, 'b'), (1, 'd'), (1, 'f'), (2, 'c'), (3, 'a'), (3, 'e')]
        );
    });
}

#[test]
fn twenty_thousand_sleepers_with_random_deadlines_wake_in_order() {
    const SLEEPERS: usize = 20_000;
    let mut runtime = Runtime::builder()
        .virtual_time(true)
        .stack_size(16 * 1024)
        .build()
        .unwrap();
    runtime.run(|| {
        let woken = Rc::new(RefCell::new(Vec::with_capacity(SLEEPERS)));
        let start = now();
        let mut rng = Rng(42);
        let mut expected = Vec::with_capacity(SLEEPERS);
        for index in 0..SLEEPERS {
            let magnitude = 10_u64.pow(1 + rng.below(9) as u32);
            let deadline = Duration::from_micros(1 + rng.below(magnitude));
            expected.push((deadline, index));
            let woken = woken.clone();
            spawn(move || {
                sleep_until(start + deadline);
                woken.borrow_mut().push((now() - start, index));
            });
        }
        expected.sort();
        sleep_until(start + secs(100_000));
        assert_eq!(woken.borrow().len(), SLEEPERS);
        assert!(*woken.borrow() == expected);
    });
}

#[test]
fn time_stands_still_while_a_coroutine_is_ready() {
    in_virtual_time(|| {
        let start = now();
        let woken = Rc::new(Cell::new(false));
        let sleeper = spawn({
            let woken = woken.clone();
            move || {
                sleep(Duration::from_nanos(1));
                woken.set(true);
            }
        });
        for _ in 0..10_000 {
            yield_now();
            assert_eq!(now(), start);
            assert!(!woken.get());
        }
        sleeper.join().unwrap();
        assert_eq!(now() - start, Duration::from_nanos(1));
    });
}

#[test]
fn time_stands_still_while_a_thread_works() {
    let done = AtomicBool::new(false);
    in_virtual_time(|| {
        let start = now();
        corobin::scope(|s| {
            s.spawn(|| {
                sleep(Duration::from_nanos(1));
                assert!(done.load(SeqCst), "time went on during a to_thread call");
            });
            to_thread(|| {
                std::thread::sleep(millis(50));
                done.store(true, SeqCst);
            });
            assert_eq!(now(), start);
        });
        assert_eq!(now() - start, Duration::from_nanos(1));
    });
}

#[test]
fn a_live_handle_does_not_hold_virtual_time() {
    in_virtual_time(|| {
        let handle = handle();
        let start = now();
        sleep(secs(3600));
        assert_eq!(now() - start, secs(3600));
        drop(handle);
    });
}

#[test]
fn the_longest_sleep_outlasts_everything_and_can_be_cancelled() {
    in_virtual_time(|| {
        let start = now();
        let sleepers = [0; 3].map(|_| spawn(|| sleep(Duration::MAX)));
        sleep(secs(1_000_000));
        assert_eq!(now() - start, secs(1_000_000));
        for sleeper in sleepers {
            assert!(!sleeper.is_finished());
            sleeper.cancel();
            assert!(matches!(sleeper.join(), Err(JoinError::Cancelled)));
        }
        spawn(|| sleep(Duration::MAX));
        yield_now();
    });
}

#[test]
fn an_interval_ticks_with_its_period() {
    in_virtual_time(|| {
        let mut interval = interval(secs(10));
        interval.tick();
        let first = now();
        for n in 1..=5 {
            let tick = interval.tick();
            assert_eq!(now() - first, secs(10 * n));
            assert_eq!(tick, now());
        }
    });
}

#[test]
fn the_time_between_two_ticks_is_not_added_to_the_period() {
    in_virtual_time(|| {
        let mut interval = interval(secs(10));
        interval.tick();
        let first = now();
        for n in 1..=5 {
            sleep(secs(n));
            interval.tick();
            assert_eq!(now() - first, secs(10 * n));
        }
    });
}

#[test]
fn a_late_tick_does_not_shift_the_rest() {
    in_virtual_time(|| {
        let mut interval = interval(secs(10));
        interval.tick();
        let first = now();
        sleep(secs(25));
        // Ticks that were missed may come at once or not at all; the grid stays as it was.
        while now() - first == secs(25) {
            interval.tick();
        }
        assert_eq!(now() - first, secs(30));
        interval.tick();
        assert_eq!(now() - first, secs(40));
    });
}

#[test]
fn the_clock_of_a_real_runtime_never_runs_back_and_sleeps_are_not_short() {
    run(|| {
        let (clock, virtual_clock) = (Instant::now(), now());
        sleep(millis(20));
        assert!(clock.elapsed() >= millis(20));
        assert!(now() - virtual_clock >= millis(20));
        let target = Instant::now() + millis(20);
        sleep_until(target);
        assert!(Instant::now() >= target);
        let mut last = now();
        for _ in 0..1000 {
            yield_now();
            assert!(now() >= last);
            last = now();
        }
    });
}

#[test]
fn an_interval_that_is_always_late_holds_up_nobody() {
    run(|| {
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        spawn(move || {
            loop {
                yield_now();
                counted.set(counted.get() + 1);
            }
        });
        let begin = Instant::now();
        let expired = timeout(millis(5), || {
            let mut every = interval(Duration::from_nanos(1));
            while begin.elapsed() < secs(10) {
                every.tick();
            }
        });
        assert_eq!(expired, Err(Elapsed));
        assert!(turns.get() > 0);
    });
}

#[test]
fn real_ticks_are_not_early() {
    run(|| {
        let before = Instant::now();
        let mut interval = interval(millis(5));
        interval.tick();
        for n in 1..=4 {
            interval.tick();
            assert!(before.elapsed() >= millis(5) * n);
        }
    });
}

#[test]
fn a_busy_yield_loop_does_not_starve_timers() {
    run(|| {
        let stop = Rc::new(Cell::new(false));
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let stop = stop.clone();
                spawn(move || {
                    while !stop.get() {
                        yield_now();
                    }
                })
            })
            .collect();
        let timer = spawn({
            let stop = stop.clone();
            move || {
                sleep(millis(5));
                stop.set(true);
            }
        });
        timer.join().unwrap();
        for child in busy {
            child.join().unwrap();
        }
    });
}

#[test]
fn timers_that_are_always_due_do_not_starve_the_ready() {
    for virtual_time in [false, true] {
        let mut runtime = Runtime::builder()
            .virtual_time(virtual_time)
            .build()
            .unwrap();
        runtime.run(|| {
            let stop = Rc::new(Cell::new(false));
            for _ in 0..10 {
                let stop = stop.clone();
                spawn(move || {
                    let mut interval = interval(Duration::from_nanos(1));
                    while !stop.get() {
                        sleep(Duration::ZERO);
                        sleep(Duration::from_nanos(1));
                        interval.tick();
                    }
                });
            }
            let worker = spawn(|| {
                for _ in 0..1000 {
                    yield_now();
                }
            });
            worker.join().unwrap();
            stop.set(true);
        });
    }
}

#[test]
fn a_sleeper_that_is_woken_by_a_timer_goes_to_the_back_of_the_queue() {
    in_virtual_time(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        for name in ["first", "second"] {
            let order = order.clone();
            spawn(move || {
                sleep(secs(1));
                order.borrow_mut().push((name, 1));
                yield_now();
                order.borrow_mut().push((name, 2));
            });
        }
        sleep(secs(2));
        assert_eq!(
            *order.borrow(),
            [("first", 1), ("second", 1), ("first", 2), ("second", 2)]
        );
    });
}

#[test]
fn a_park_that_is_unparked_by_a_sleeper() {
    in_virtual_time(|| {
        let start = now();
        let parked = spawn(move || {
            park();
            now() - start
        });
        let coroutine = parked.coroutine().clone();
        spawn(move || {
            sleep(secs(7));
            coroutine.unpark();
        });
        assert_eq!(parked.join().unwrap(), secs(7));
    });
}

#[test]
fn outside_of_a_runtime_sleep_acts_on_the_thread() {
    let start = Instant::now();
    sleep(millis(10));
    assert!(start.elapsed() >= millis(10));
    yield_now();
}

#[test]
fn virtual_time_jumps_as_far_as_an_instant_can() {
    in_virtual_time(|| {
        sleep(Duration::from_secs(1 << 60));
        assert!(snapshot().coroutines[0].age < secs(1 << 40));
    });
}
