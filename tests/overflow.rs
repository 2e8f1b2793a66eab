//! A stack overflow ends the process with one message that says whose stack it was, how large, and
//! how to make it larger. Each case runs in a process of its own: this file started again, with a
//! variable that says so.

#[path = "common/child.rs"]
mod child;
#[path = "common/sizes.rs"]
mod sizes;

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use corobin::{Builder, Generator, Runtime, Yielder, park, run, scope, sleep, spawn, yield_now};

use child::{child_output, is_child, no_core_dump};
use sizes::{large_frame, recurse};

const KIB: usize = 1 << 10;
const SMALL: usize = 32 * KIB;

fn overflow() {
    black_box(recurse(1));
}

/// Runs `case` in another process, which must abort after one report with all of `texts`.
#[track_caller]
fn assert_reported(test: &str, texts: &[&str], case: impl FnOnce()) {
    if is_child() {
        no_core_dump();
        case();
        println!("survived");
        return;
    }
    let output = child_output(test, &[]);
    let text = output.text;
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert!(!text.contains("survived"), "{text}");
    assert_eq!(text.matches("stack overflow").count(), 1, "{text}");
    for expected in texts {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
}

#[test]
fn smoke() {
    let texts = [
        "stack overflow in coroutine #",
        "'deep' (spawned at tests/overflow.rs:",
        "256 KiB",
        "Builder::stack_size",
    ];
    assert_reported("smoke", &texts, || {
        run(|| drop(Builder::new().name("deep").spawn(overflow).unwrap().join()));
    });
}

#[test]
fn a_small_stack() {
    let texts = ["'small'", "its stack has 32 KiB", "Builder::stack_size"];
    assert_reported("a_small_stack", &texts, || {
        run(|| {
            let builder = Builder::new().name("small").stack_size(SMALL);
            drop(builder.spawn(overflow).unwrap().join());
        });
    });
}

#[test]
fn a_single_large_frame() {
    let texts = ["'large'", "its stack has 32 KiB"];
    assert_reported("a_single_large_frame", &texts, || {
        run(|| {
            let builder = Builder::new().name("large").stack_size(SMALL);
            let handle = builder.spawn(large_frame::<{ 10 * SMALL }>);
            drop(handle.unwrap().join());
        });
    });
}

#[test]
fn the_main_coroutine() {
    let texts = ["'main'", "64 KiB", "RuntimeBuilder::main_stack_size"];
    assert_reported("the_main_coroutine", &texts, || {
        let builder = Runtime::builder().main_stack_size(64 * KIB);
        builder.build().unwrap().run(overflow);
    });
}

#[test]
fn a_reused_stack_names_who_is_on_it_now() {
    let texts = ["'second'"];
    assert_reported("a_reused_stack_names_who_is_on_it_now", &texts, || {
        run(|| {
            let first = Builder::new().name("first").spawn(yield_now).unwrap();
            first.join().unwrap();
            drop(
                Builder::new()
                    .name("second")
                    .spawn(overflow)
                    .unwrap()
                    .join(),
            );
        });
    });
}

#[test]
fn a_stack_from_the_pool_of_an_earlier_run() {
    let texts = ["'later'"];
    assert_reported("a_stack_from_the_pool_of_an_earlier_run", &texts, || {
        for _ in 0..3 {
            run(|| scope(|s| (0..100).for_each(|_| drop(s.spawn(yield_now)))));
        }
        run(|| drop(Builder::new().name("later").spawn(overflow).unwrap().join()));
    });
}

#[test]
fn in_the_middle_of_many_that_wait() {
    let texts = ["'victim'"];
    assert_reported("in_the_middle_of_many_that_wait", &texts, || {
        run(|| {
            let _before: Vec<_> = (0..3000).map(|_| spawn(park)).collect();
            let victim = Builder::new().name("victim").spawn(|| {
                sleep(Duration::from_millis(1));
                overflow();
            });
            let _after: Vec<_> = (0..3000).map(|_| spawn(park)).collect();
            drop(victim.unwrap().join());
        });
    });
}

fn deep_generator() -> Generator<u32> {
    let body = |y: &Yielder<u32>| {
        y.yield_(1);
        overflow();
    };
    Generator::with_stack_size(SMALL, body).unwrap()
}

#[test]
fn a_generator_without_a_runtime() {
    let texts = [
        "stack overflow in a generator (made at tests/overflow.rs:",
        "its stack has 32 KiB",
        "Generator::with_stack_size",
    ];
    assert_reported("a_generator_without_a_runtime", &texts, || {
        assert_eq!(deep_generator().count(), 1);
    });
}

#[test]
fn a_generator_in_a_coroutine() {
    let texts = [
        "a generator (made at ",
        ", in coroutine #",
        "'outer' (spawned at ",
        "Generator::with_stack_size",
    ];
    assert_reported("a_generator_in_a_coroutine", &texts, || {
        run(|| {
            let outer = Builder::new().name("outer").spawn(|| {
                yield_now();
                deep_generator().count()
            });
            drop(outer.unwrap().join());
        });
    });
}

#[test]
fn a_coroutine_that_has_a_generator_suspended() {
    let texts = ["stack overflow in coroutine #", "'outer'"];
    assert_reported("a_coroutine_that_has_a_generator_suspended", &texts, || {
        run(|| {
            let outer = Builder::new().name("outer").spawn(|| {
                let mut inner = deep_generator();
                inner.next();
                overflow();
                inner.next();
            });
            drop(outer.unwrap().join());
        });
    });
}

#[test]
fn on_another_thread() {
    let texts = ["'elsewhere'"];
    assert_reported("on_another_thread", &texts, || {
        let run_there = || {
            run(|| {
                let builder = Builder::new().name("elsewhere").stack_size(SMALL);
                drop(builder.spawn(overflow).unwrap().join());
            });
        };
        thread::spawn(run_there).join().unwrap();
    });
}

extern "C" fn foreign(_: *mut libc::c_void) -> *mut libc::c_void {
    run(|| {
        drop(
            Builder::new()
                .name("foreign")
                .spawn(overflow)
                .unwrap()
                .join(),
        )
    });
    std::ptr::null_mut()
}

/// A thread that std has not started has no signal stack.
#[test]
fn on_a_thread_of_foreign_origin() {
    let texts = ["'foreign'"];
    assert_reported("on_a_thread_of_foreign_origin", &texts, || {
        // SAFETY: the function takes no argument.
        unsafe {
            let mut thread = std::mem::zeroed();
            let null = std::ptr::null;
            libc::pthread_create(&mut thread, null(), foreign, std::ptr::null_mut());
            libc::pthread_join(thread, std::ptr::null_mut());
        }
    });
}

/// Ends by a signal, without a word of ours.
#[track_caller]
fn assert_not_ours(test: &str, signal: i32, texts: &[&str], case: impl FnOnce()) {
    if is_child() {
        case();
        println!("survived");
        return;
    }
    let output = child_output(test, &[]);
    let text = output.text;
    assert_eq!(output.status.signal(), Some(signal), "{text}");
    assert!(!text.contains("corobin:"), "{text}");
    assert!(!text.contains("survived"), "{text}");
    for expected in texts {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
}

#[inline(never)]
fn wild_write() {
    let nowhere = black_box(16_usize) as *mut u8;
    // SAFETY: none; it is to raise SIGSEGV.
    unsafe { nowhere.write_volatile(1) };
}

#[test]
fn a_wild_pointer_is_not_ours() {
    let test = "a_wild_pointer_is_not_ours";
    assert_not_ours(test, libc::SIGSEGV, &[], || {
        run(|| drop(spawn(wild_write).join()))
    });
}

#[test]
fn a_signal_that_somebody_sends_is_not_ours() {
    let test = "a_signal_that_somebody_sends_is_not_ours";
    assert_not_ours(test, libc::SIGSEGV, &[], || {
        run(|| {
            // std's handler takes the first for a fault, which would come again.
            for _ in 0..2 {
                // SAFETY: raise has no preconditions.
                unsafe { libc::raise(libc::SIGSEGV) };
            }
        });
    });
}

#[test]
fn the_stack_of_a_thread_is_reported_by_std() {
    let test = "the_stack_of_a_thread_is_reported_by_std";
    let texts = ["has overflowed its stack"];
    assert_not_ours(test, libc::SIGABRT, &texts, || {
        run(yield_now);
        overflow();
    });
}

extern "C" fn earlier(_: libc::c_int) {
    let text = "the earlier handler\n";
    // SAFETY: both may be called in a signal handler.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(3);
    }
}

#[test]
fn a_handler_that_was_there_before_gets_the_rest() {
    let test = "a_handler_that_was_there_before_gets_the_rest";
    if is_child() {
        // SAFETY: the handler does only what a handler may.
        unsafe { libc::signal(libc::SIGSEGV, earlier as *const () as usize) };
        run(|| drop(spawn(wild_write).join()));
        return;
    }
    let output = child_output(test, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", output.text);
    assert!(
        output.text.contains("the earlier handler"),
        "{}",
        output.text
    );
}
