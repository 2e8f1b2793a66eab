//! Signals: who listens sees each; each test has signals of its own, since the
//! process has only one set.

use corobin::signal::{
    SIGALRM, SIGHUP, SIGIO, SIGPROF, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, Signals,
};
use corobin::{Elapsed, JoinError, Runtime, run, sleep, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[path = "common/backends.rs"]
mod backends;
use backends::on_each;

/// Sends it to this thread, which has handled it before this returns.
fn raise(signal: i32) {
    signal_hook::low_level::raise(signal).unwrap();
}

#[test]
fn smoke() {
    on_each(|| {
        let signals = Signals::new([SIGUSR1]).unwrap();
        assert_eq!(signals.try_recv(), None);
        raise(SIGUSR1);
        assert_eq!(signals.recv().unwrap(), SIGUSR1);
        assert_eq!(format!("{signals:?}"), format!("Signals([{SIGUSR1}])"));
    });
}

#[test]
fn only_the_coroutine_that_waits_blocks() {
    on_each(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let waiter = spawn({
            let log = Rc::clone(&log);
            move || {
                let signals = Signals::new([SIGUSR2]).unwrap();
                for _ in 0..3 {
                    signals.recv().unwrap();
                    log.borrow_mut().push("signal");
                }
            }
        });
        yield_now();
        for n in 1..=3 {
            log.borrow_mut().push("raised");
            raise(SIGUSR2);
            while log.borrow().len() < 2 * n {
                sleep(Duration::from_millis(1));
            }
        }
        waiter.join().unwrap();
        assert_eq!(*log.borrow(), ["raised", "signal"].repeat(3));
    });
}

#[test]
fn each_listener_sees_each_signal_on_every_thread() {
    let listeners: Vec<_> = (0..3)
        .map(|_| {
            let (ready, is_ready) = mpsc::channel();
            let thread = thread::spawn(move || {
                run(|| {
                    let counts: Vec<_> = (0..3)
                        .map(|_| {
                            let signals = Signals::new([SIGALRM]).unwrap();
                            spawn(move || signals.iter().take(5).count())
                        })
                        .collect();
                    ready.send(()).unwrap();
                    counts
                        .into_iter()
                        .map(|count| count.join().unwrap())
                        .sum::<usize>()
                })
            });
            is_ready.recv().unwrap();
            thread
        })
        .collect();
    (0..5).for_each(|_| raise(SIGALRM));
    for listener in listeners {
        assert_eq!(listener.join().unwrap(), 15);
    }
}

#[test]
fn a_cancelled_wait_takes_no_signal() {
    on_each(|| {
        let signals = Rc::new(Signals::new([SIGIO]).unwrap());
        for _ in 0..20 {
            let waiter = spawn({
                let signals = Rc::clone(&signals);
                move || signals.recv()
            });
            yield_now();
            waiter.cancel();
            raise(SIGIO);
            assert!(matches!(waiter.join(), Err(JoinError::Cancelled)));
            let cut = timeout(Duration::ZERO, || signals.recv());
            assert!(matches!(cut, Err(Elapsed)));
            assert_eq!(signals.recv().unwrap(), SIGIO);
        }
        assert_eq!(signals.try_recv(), None);
        let cut = timeout(Duration::from_millis(1), || signals.recv());
        assert!(matches!(cut, Err(Elapsed)));
    });
}

#[test]
fn several_signals_come_in_order_and_by_iterator() {
    // Made outside of a runtime; signals that came meanwhile are kept.
    let mut signals = Signals::new([SIGWINCH, SIGURG, SIGWINCH].iter()).unwrap();
    let sent = [SIGWINCH, SIGURG, SIGURG, SIGWINCH];
    let mut got = Vec::new();
    for signal in sent {
        raise(signal);
    }
    run(|| got.extend((&mut signals).take(4)));
    assert_eq!(got, sent);
    raise(SIGURG);
    run(|| assert_eq!((&signals).into_iter().next(), Some(SIGURG)));
}

#[test]
fn coroutines_that_share_one_share_its_signals() {
    on_each(|| {
        let signals = Rc::new(Signals::new([SIGPROF]).unwrap());
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let signals = Rc::clone(&signals);
                spawn(move || signals.recv().unwrap())
            })
            .collect();
        yield_now();
        for n in 0..4 {
            raise(SIGPROF);
            while waiters.iter().filter(|waiter| waiter.is_finished()).count() <= n {
                sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(signals.try_recv(), None);
    });
}

#[test]
fn what_cannot_be_listened_to_is_an_error() {
    for signal in [0, -1, 9, 19, 11, 4, 8, 65, 255, 256, 1000, i32::MAX] {
        let error = Signals::new([signal]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "signal {signal}");
    }
}

#[test]
fn a_listener_alone_does_not_prevent_the_report_of_a_deadlock() {
    let mut runtime = Runtime::new().unwrap();
    let report = runtime.try_run(|| {
        let _signals = Signals::new([SIGHUP]).unwrap();
        corobin::park();
    });
    assert!(report.is_err());
}

#[test]
fn handlers_run_on_small_stacks() {
    on_each(|| {
        let signals = Signals::new([SIGVTALRM]).unwrap();
        let deep = corobin::Builder::new()
            .stack_size(16 << 10)
            .spawn(|| {
                // Leaves less than what the kernel saves for a handler.
                let filled = [1_u8; 25 << 9];
                let filled = std::hint::black_box(&filled);
                for _ in 0..10 {
                    raise(SIGVTALRM);
                    yield_now();
                }
                filled.iter().map(|&n| u32::from(n)).sum::<u32>()
            })
            .unwrap();
        assert_eq!(deep.join().unwrap(), 25 << 9);
        assert_eq!(signals.recv().unwrap(), SIGVTALRM);
    });
}

#[test]
fn a_listener_to_nothing_receives_nothing() {
    let signals = corobin::signal::Signals::new([] as [i32; 0]).unwrap();
    assert_eq!(signals.try_recv(), None);
    corobin::run(|| {
        let nothing = corobin::timeout(std::time::Duration::from_millis(1), || signals.recv());
        assert!(nothing.is_err());
    });
}
