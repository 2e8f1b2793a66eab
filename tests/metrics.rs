//! Numbers about a run.

use std::time::Duration;

use corobin::{
    Builder, Metrics, Runtime, current, metrics, park, run, sleep, spawn, to_thread, try_current,
    yield_now,
};

const KIB: usize = 1 << 10;

#[test]
fn smoke() {
    let numbers = run(metrics);
    assert_eq!((numbers.live, numbers.ready, numbers.parked), (1, 0, 0));
    assert_eq!((numbers.spawned, numbers.woken_from_outside), (1, 0));
    assert_eq!(numbers.longest_step, None);
    assert!(0 < numbers.stack_bytes_resident);
    assert!(numbers.stack_bytes_resident < numbers.stack_bytes_mapped);
}

#[test]
fn who_lives_is_counted() {
    run(|| {
        let parked: Vec<_> = (0..10).map(|_| spawn(park)).collect();
        yield_now();
        spawn(|| ());
        spawn(yield_now);
        let numbers = metrics();
        assert_eq!((numbers.live, numbers.ready, numbers.parked), (13, 2, 10));
        assert_eq!(numbers.spawned, 13);
        for handle in parked {
            handle.coroutine().unpark();
            handle.join().unwrap();
        }
        let numbers = metrics();
        assert_eq!((numbers.live, numbers.ready, numbers.parked), (1, 0, 0));
        assert_eq!(numbers.spawned, 13);
    });
}

fn steps_of(debug: bool, f: impl FnOnce()) -> u64 {
    let mut runtime = Runtime::builder().debug(debug).build().unwrap();
    runtime.run(|| {
        let before = metrics().steps;
        f();
        metrics().steps - before
    })
}

#[test]
fn steps_are_counted_whoever_watches() {
    for debug in [false, true] {
        // One that is alone goes on without a switch, but it is a step.
        assert_eq!(steps_of(debug, || ()), 0);
        assert_eq!(
            steps_of(debug, || (0..1000).for_each(|_| yield_now())),
            1000
        );
        let two = || {
            let other = spawn(|| (0..500).for_each(|_| yield_now()));
            (0..1000).for_each(|_| yield_now());
            drop(other.join());
        };
        assert_eq!(steps_of(debug, two), 1501, "debug: {debug}");
    }
}

#[test]
fn the_longest_step_is_known_in_debug_mode() {
    let nap = Duration::from_millis(20);
    let mut runtime = Runtime::builder().debug(true).build().unwrap();
    let longest = runtime.run(|| {
        yield_now();
        std::thread::sleep(nap);
        yield_now();
        metrics().longest_step
    });
    assert!(longest >= Some(nap));
}

#[test]
fn wakes_from_outside_are_counted() {
    let woken = |f: fn()| {
        run(|| {
            let before = metrics().woken_from_outside;
            f();
            metrics().woken_from_outside - before
        })
    };
    assert_eq!(woken(|| (0..200).for_each(|_| yield_now())), 0);
    assert_eq!(
        woken(|| (0..5).for_each(|_| sleep(Duration::from_millis(1)))),
        5
    );
    assert_eq!(woken(|| to_thread(|| ())), 1);
    let by_a_coroutine = || {
        let main = current();
        spawn(move || main.unpark());
        park();
    };
    assert_eq!(woken(by_a_coroutine), 0);
}

#[test]
fn wakes_under_virtual_time_are_counted() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        for _ in 0..100 {
            spawn(|| sleep(Duration::from_secs(1)));
        }
        sleep(Duration::from_secs(2));
        assert_eq!(metrics().woken_from_outside, 101);
    });
}

#[test]
fn stacks_are_counted() {
    run(|| {
        let before = metrics();
        let sized = |kib: usize| {
            let builder = Builder::new().stack_size(kib * KIB);
            builder.spawn(park).unwrap()
        };
        let handles: Vec<_> = (0..10).map(|_| sized(64)).chain([sized(1024)]).collect();
        yield_now();
        let during = metrics();
        assert_eq!(during.stacks, before.stacks + 11);
        let mapped = during.stack_bytes_mapped - before.stack_bytes_mapped;
        assert_eq!(mapped, 10 * 64 * KIB + 1024 * KIB);
        assert!(during.stack_bytes_resident >= before.stack_bytes_resident + 11 * 4 * KIB);
        for handle in handles {
            handle.cancel();
            drop(handle.join());
        }
        let after = metrics();
        assert_eq!(after.stacks, before.stacks);
        assert_eq!(after.stack_bytes_mapped, before.stack_bytes_mapped);
    });
}

#[test]
fn memory_of_many_is_estimated() {
    run(|| {
        for _ in 0..2000 {
            spawn(park);
        }
        yield_now();
        let Metrics {
            stacks,
            stack_bytes_resident,
            ..
        } = metrics();
        assert!(stacks > 2000);
        let each = stack_bytes_resident / stacks;
        assert!((4 * KIB..=32 * KIB).contains(&each), "{each}");
    });
}

#[test]
#[should_panic(expected = "metrics needs a runtime")]
fn outside_of_a_runtime_there_are_none() {
    let _ = metrics();
}

#[test]
fn a_logger_can_name_who_logs() {
    let label = || try_current().map(|coroutine| coroutine.to_string());
    assert_eq!(label(), None);
    run(|| {
        let id = current().id();
        assert_eq!(label(), Some(format!("{id} 'main'")));
        let unnamed = spawn(move || (current().id(), label()));
        let (id, text) = unnamed.join().unwrap();
        assert_eq!(text, Some(id.to_string()));
        assert_eq!(to_thread(label), None);
    });
    assert_eq!(label(), None);
}
