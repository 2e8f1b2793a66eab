//! No more memory: clear errors for whoever asks, and everything else goes on. Each test runs in a
//! process of its own, which limits its address space: this file started again, with a variable
//! that says so.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, GeneratorState, JoinError, JoinHandle, RunError, Runtime, Workers, Yielder,
    current, gather, gather_results, handle, park, run, scope, sleep, spawn, timeout, to_thread,
    yield_now,
};

#[path = "common/child.rs"]
mod child;
#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

const MIB: usize = 1 << 20;
/// So much more address space a limited process gets, and so much a stack must not have.
const EXTRA: usize = 400 * MIB;
const MORE_THAN_THERE_IS: usize = 1024 * MIB;
/// More coroutines with the default stack than fit.
const CROWD: usize = 2000;

/// In another process, whose address space is limited.
fn alone(test: &str, f: impl FnOnce()) {
    child::alone(test, &[("RUST_BACKTRACE", "0")], f);
}

fn address_space() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// Lets the process have `extra` more bytes of address space than it has now.
fn limit(extra: usize) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: they write and read the limit, and touch no other memory of ours.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &mut limit), 0);
        limit.rlim_cur = (address_space() + extra) as libc::rlim_t;
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
}

fn no_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: they write and read the limit, and touch no other memory of ours.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
}

/// That it says what could not be had, how much of it, and why.
#[track_caller]
fn assert_no_memory(error: &io::Error) {
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("coroutine stacks"), "{text}");
    assert!(text.contains("bytes"), "{text}");
    assert!(text.contains("Cannot allocate memory"), "{text}");
}

/// The message of a panic.
fn text_of(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[track_caller]
fn assert_no_stack(text: &str) {
    assert!(text.starts_with("no stack for a coroutine"), "{text}");
    assert!(text.contains("Cannot allocate memory"), "{text}");
}

/// Whether it got a stack; if not, that it says so.
#[track_caller]
fn had_a_stack<T>(result: Result<T, JoinError>) -> bool {
    match result {
        Ok(_) => true,
        Err(JoinError::Panicked(payload)) => {
            assert_no_stack(&text_of(payload));
            false
        }
        Err(JoinError::Cancelled) => panic!("cancelled"),
    }
}

/// Parked coroutines, as many as there are stacks for. The others have failed.
fn take_all_stacks() -> Vec<JoinHandle<()>> {
    let all: Vec<JoinHandle<()>> = (0..CROWD).map(|_| spawn(park)).collect();
    // Those without a stack fail in their turns, which come one after the other.
    (0..CROWD).for_each(|_| yield_now());
    let (failed, parked): (Vec<_>, Vec<_>) = all.into_iter().partition(JoinHandle::is_finished);
    assert!(!failed.is_empty() && !parked.is_empty());
    for handle in failed {
        assert!(!had_a_stack(handle.join()));
    }
    parked
}

fn release(parked: Vec<JoinHandle<()>>) {
    for handle in &parked {
        handle.coroutine().unpark();
    }
    gather(parked).unwrap();
}

#[test]
fn smoke() {
    alone("smoke", || {
        limit(EXTRA);
        let reserve = || black_box(Vec::<u8>::new()).try_reserve_exact(MORE_THAN_THERE_IS);
        assert!(black_box(reserve()).is_err());
        assert_eq!(run(|| spawn(|| 7).join().unwrap()), 7);
        no_limit();
        assert!(black_box(reserve()).is_ok());
    });
}

#[test]
fn a_builder_gives_an_error_and_the_rest_goes_on() {
    alone("a_builder_gives_an_error_and_the_rest_goes_on", || {
        limit(EXTRA);
        run(|| {
            let ticks = Rc::new(Cell::new(0));
            let counter = ticks.clone();
            let ticking = spawn(move || {
                loop {
                    counter.set(counter.get() + 1);
                    yield_now();
                }
            });
            let token = Rc::new(());
            for _ in 0..100 {
                let token = token.clone();
                let large = Builder::new().name("large").stack_size(MORE_THAN_THERE_IS);
                assert_no_memory(&large.spawn(move || drop(token)).unwrap_err());
                yield_now();
            }
            assert_eq!(Rc::strong_count(&token), 1);
            assert!(ticks.get() >= 100);
            let small = Builder::new().stack_size(MIB);
            assert_eq!(small.spawn(|| 7).unwrap().join().unwrap(), 7);
            ticking.cancel();
            assert!(ticking.join().is_err());
        });
    });
}

#[test]
fn a_builder_gives_an_error_when_all_stacks_are_taken() {
    const TEST: &str = "a_builder_gives_an_error_when_all_stacks_are_taken";
    alone(TEST, || {
        limit(EXTRA);
        run(|| {
            let sized = || Builder::new().stack_size(MIB);
            let mut parked = Vec::new();
            let error = loop {
                match sized().spawn(park) {
                    Ok(handle) => parked.push(handle),
                    Err(error) => break error,
                }
                assert!(parked.len() < CROWD);
            };
            assert_no_memory(&error);
            assert!(sized().spawn(park).is_err());
            yield_now();
            let one = parked.pop().unwrap();
            one.cancel();
            assert!(matches!(one.join(), Err(JoinError::Cancelled)));
            assert_eq!(sized().spawn(|| 7).unwrap().join().unwrap(), 7);
            release(parked);
        });
    });
}

/// Whoever polls learns that nobody can wait for it, instead of being woken for ever.
#[cfg(feature = "tokio")]
#[test]
fn a_poll_that_has_to_wait_fails_when_all_stacks_are_taken() {
    use std::io::{Read, Write};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use corobin::net::UnixStream;
    use tokio::io::AsyncReadExt;

    const TEST: &str = "a_poll_that_has_to_wait_fails_when_all_stacks_are_taken";
    alone(TEST, || {
        limit(EXTRA);
        // So large that what is left over is enough for the allocator.
        let builder = Runtime::builder().stack_size(16 * MIB);
        builder.build().unwrap().run(|| {
            let (mut one, mut two) = UnixStream::pair().unwrap();
            // Somebody for whom the loop looks at descriptors now and then.
            let (mut quiet, _peer) = UnixStream::pair().unwrap();
            let waits = spawn(move || Read::read(&mut quiet, &mut [0]).map(drop));
            yield_now();
            let sized = || Builder::new().stack_size(16 * MIB);
            let parked: Vec<_> = std::iter::from_fn(|| sized().spawn(park).ok()).collect();
            let mut word = [0; 4];
            let read = corobin::block_on(AsyncReadExt::read_exact(&mut one, &mut word));
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
            // Who need not wait after all does not learn it, nor whoever waits later.
            let mut read = pin!(AsyncReadExt::read(&mut one, &mut word));
            let context = &mut Context::from_waker(Waker::noop());
            assert!(read.as_mut().poll(context).is_pending());
            two.write_all(b"word").unwrap();
            (0..1000).for_each(|_| yield_now());
            let Poll::Ready(read) = read.poll(context) else {
                panic!("there is something to be read");
            };
            assert_eq!(read.unwrap(), 4);
            release(parked);
            no_limit();
            let writes = spawn(move || two.write_all(b"more"));
            corobin::block_on(AsyncReadExt::read_exact(&mut one, &mut word)).unwrap();
            assert_eq!(&word, b"more");
            writes.join().unwrap().unwrap();
            waits.cancel();
        });
    });
}

#[test]
fn spawn_ends_as_a_panic_that_says_so() {
    alone("spawn_ends_as_a_panic_that_says_so", || {
        limit(EXTRA);
        run(|| {
            let dropped = Rc::new(Cell::new(0));
            let all: Vec<JoinHandle<()>> = (0..CROWD)
                .map(|_| {
                    let dropped = dropped.clone();
                    let on_drop = OnDrop(move || dropped.set(dropped.get() + 1));
                    spawn(move || {
                        let _on_drop = on_drop;
                        park();
                    })
                })
                .collect();
            sleep(Duration::from_millis(1));
            for handle in &all {
                handle.coroutine().unpark();
            }
            let results = gather_results(all);
            let had = results.into_iter().map(had_a_stack).filter(|&had| had);
            let had = had.count();
            assert!(had > 0 && had < CROWD, "{had} of {CROWD}");
            assert_eq!(dropped.get(), CROWD, "captures dropped");
        });
    });
}

#[test]
fn what_runs_goes_on_while_others_fail_and_stacks_that_are_free_serve_again() {
    const TEST: &str = "what_runs_goes_on_while_others_fail_and_stacks_that_are_free_serve_again";
    alone(TEST, || {
        limit(EXTRA);
        // A thread that has come stays, since there may be no memory for another.
        let builder = Runtime::builder().thread_pool(1, Duration::from_secs(1_000_000));
        builder.build().unwrap().run(|| {
            let mut counter = Generator::new(|y: &Yielder<u32>| {
                for n in 1.. {
                    y.yield_(n);
                }
            });
            assert_eq!(counter.next(), Some(1));
            assert_eq!(to_thread(|| 7), 7);
            let main = current();
            let partner = spawn(move || {
                loop {
                    park();
                    main.unpark();
                }
            });
            for round in 0..3 {
                let parked = take_all_stacks();
                partner.coroutine().unpark();
                park();
                sleep(Duration::from_millis(1));
                assert!(timeout(Duration::from_millis(1), park).is_err());
                assert_eq!(counter.next(), Some(2 + round));
                assert_eq!(to_thread(|| 7), 7);
                for _ in 0..10 {
                    assert!(!had_a_stack(spawn(|| 7).join()));
                }
                release(parked);
                assert_eq!(spawn(|| 7).join().unwrap(), 7);
                let few = gather((0..50).map(|n| spawn(move || n))).unwrap();
                assert!(few.into_iter().eq(0..50));
            }
        });
        // The run has returned, and the next one begins.
        for _ in 0..3 {
            assert_eq!(run(|| spawn(|| 7).join().unwrap()), 7);
        }
    });
}

#[test]
fn the_end_of_a_run_meets_coroutines_without_a_stack() {
    const TEST: &str = "the_end_of_a_run_meets_coroutines_without_a_stack";
    alone(TEST, || {
        limit(EXTRA);
        let token = Rc::new(());
        for _ in 0..3 {
            run(|| {
                for _ in 0..CROWD {
                    let token = token.clone();
                    drop(spawn(move || {
                        let _token = token;
                        park();
                    }));
                }
                yield_now();
                let token = token.clone();
                drop(spawn(move || drop(token)));
            });
            assert_eq!(Rc::strong_count(&token), 1);
        }
    });
}

#[test]
fn destructors_of_those_without_a_stack_may_suspend() {
    const TEST: &str = "destructors_of_those_without_a_stack_may_suspend";
    alone(TEST, || {
        limit(EXTRA);
        run(|| {
            let parked = take_all_stacks();
            let dropped = Rc::new(Cell::new(0));
            let failing = || {
                let dropped = dropped.clone();
                let on_drop = OnDrop(move || {
                    sleep(Duration::from_millis(1));
                    yield_now();
                    dropped.set(dropped.get() + 1);
                });
                spawn(move || drop(on_drop))
            };
            let results = gather_results([failing(), failing(), failing()]);
            assert!(results.into_iter().all(|result| !had_a_stack(result)));
            assert_eq!(dropped.get(), 3);
            release(parked);
        });
    });
}

#[test]
fn cancelled_before_they_fail() {
    alone("cancelled_before_they_fail", || {
        limit(EXTRA);
        run(|| {
            let parked = take_all_stacks();
            let token = Rc::new(());
            let cancelled = [token.clone(), token.clone()].map(|token| {
                let handle = spawn(move || drop(token));
                handle.cancel();
                handle
            });
            for handle in cancelled {
                assert!(handle.join().is_err());
            }
            assert_eq!(Rc::strong_count(&token), 1);
            release(parked);
        });
    });
}

#[test]
fn a_scope_raises_it() {
    alone("a_scope_raises_it", || {
        limit(EXTRA);
        run(|| {
            let parked = take_all_stacks();
            let borrowed = String::from("borrowed");
            let raised = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| {
                    s.spawn(|| borrowed.len());
                    s.spawn(|| borrowed.len());
                });
            }));
            assert_no_stack(&text_of(raised.unwrap_err()));
            assert!(handle().spawn(|| 7).join().is_err());
            release(parked);
            assert_eq!(scope(|s| s.spawn(|| borrowed.len()).join().unwrap()), 8);
        });
    });
}

fn more_generators_than_fit() {
    let body = |y: &Yielder<u8>| y.yield_(7);
    let large = Generator::with_stack_size(MORE_THAN_THERE_IS, body);
    assert_no_memory(&large.err().unwrap());
    let mut suspended = Vec::new();
    let text = loop {
        let new = catch_unwind(|| Generator::new(body));
        match new {
            Ok(mut generator) => {
                assert_eq!(generator.start(), GeneratorState::Yielded(7));
                suspended.push(generator);
            }
            Err(payload) => break text_of(payload),
        }
        assert!(suspended.len() < CROWD);
    };
    assert!(text.starts_with("no stack for a generator"), "{text}");
    assert!(text.contains("Cannot allocate memory"), "{text}");
    for generator in &mut suspended {
        assert_eq!(generator.send(()), GeneratorState::Complete(()));
    }
    assert_eq!(Generator::new(body).next(), Some(7));
}

#[test]
fn generators_give_an_error_or_panic_clearly() {
    alone("generators_give_an_error_or_panic_clearly", || {
        limit(EXTRA);
        (0..3).for_each(|_| more_generators_than_fit());
    });
}

#[test]
fn generators_in_a_run_give_an_error_or_panic_clearly() {
    alone("generators_in_a_run_give_an_error_or_panic_clearly", || {
        limit(EXTRA);
        run(|| (0..3).for_each(|_| more_generators_than_fit()));
    });
}

#[test]
fn a_run_that_cannot_begin() {
    alone("a_run_that_cannot_begin", || {
        limit(EXTRA);
        let token = Rc::new(());
        let large_main = Runtime::builder().main_stack_size(MORE_THAN_THERE_IS);
        let large_stacks = Runtime::builder().stack_size(2 * MORE_THAN_THERE_IS);
        for builder in [large_main, large_stacks] {
            let mut runtime = builder.build().unwrap();
            for _ in 0..3 {
                let inside = token.clone();
                let error = runtime.try_run(move || drop(inside)).unwrap_err();
                let RunError::NoStack(cause) = &error else {
                    panic!("{error}");
                };
                assert_no_memory(cause);
                let text = error.to_string();
                assert!(text.starts_with("no stack to run on"), "{text}");
                assert!(std::error::Error::source(&error).is_some());
            }
            let raised = catch_unwind(AssertUnwindSafe(|| runtime.run(|| ())));
            let text = text_of(raised.unwrap_err());
            assert!(text.starts_with("no stack to run on"), "{text}");
            assert!(text.contains("Cannot allocate memory"), "{text}");
            no_limit();
            assert_eq!(runtime.run(|| spawn(|| 7).join().unwrap()), 7);
            limit(EXTRA);
        }
        assert_eq!(Rc::strong_count(&token), 1);
        run(|| ());
    });
}

#[test]
fn a_first_run_that_cannot_begin() {
    alone("a_first_run_that_cannot_begin", || {
        limit(2 * MIB);
        let raised = catch_unwind(|| run(|| ()));
        let text = text_of(raised.unwrap_err());
        assert!(text.contains("no stack to run on"), "{text}");
        assert!(text.contains("Cannot allocate memory"), "{text}");
        no_limit();
        assert_eq!(run(|| spawn(|| 7).join().unwrap()), 7);
    });
}

#[test]
fn workers_whose_runs_cannot_begin() {
    alone("workers_whose_runs_cannot_begin", || {
        run(|| ());
        limit(EXTRA);
        let large = || Runtime::builder().main_stack_size(MORE_THAN_THERE_IS);
        let error = Workers::with(2, move |_| large().build()).unwrap_err();
        assert_no_memory(&error);
    });
}

#[test]
fn no_thread_for_a_blocking_call() {
    alone("no_thread_for_a_blocking_call", || {
        let builder = Runtime::builder().thread_pool(20, Duration::from_secs(1_000_000));
        builder.build().unwrap().run(|| {
            spawn(|| ()).join().unwrap();
            // Less than the stack of a thread.
            limit(MIB);
            let token = Rc::new(Cell::new(0));
            let counter = token.clone();
            let ticking = spawn(move || {
                loop {
                    counter.set(counter.get() + 1);
                    yield_now();
                }
            });
            let borrowed = String::from("borrowed");
            for _ in 0..3 {
                let call = AssertUnwindSafe(|| to_thread(|| borrowed.len()));
                let text = text_of(catch_unwind(call).unwrap_err());
                assert!(text.contains("to_thread: no thread"), "{text}");
                yield_now();
            }
            assert!(token.get() >= 3);
            no_limit();
            assert_eq!(to_thread(|| borrowed.len()), 8);
            limit(0);
            // There is one, so they wait for it.
            scope(|s| {
                for _ in 0..5 {
                    s.spawn(|| assert_eq!(to_thread(|| borrowed.len()), 8));
                }
            });
            ticking.cancel();
        });
    });
}
