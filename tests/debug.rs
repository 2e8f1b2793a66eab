//! Debug mode: what it warns of, and what it does not.

#[path = "common/child.rs"]
mod child;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use child::{child_output, is_child};
use corobin::{
    Builder, Generator, JoinHandle, Runtime, RuntimeBuilder, Yielder, park, run, scope, shield,
    sleep, spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

const KIB: usize = 1 << 10;

/// All that was logged in this process. Tests look for names of their own.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = format!("{} {}: {}", record.level(), record.target(), record.args());
        LOGGED.lock().unwrap().push(text);
    }

    fn flush(&self) {}
}

fn debug() -> RuntimeBuilder {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    Runtime::builder().debug(true)
}

/// A debug runtime that minds only steps that no test makes.
fn patient() -> Runtime {
    debug()
        .slow_step(Duration::from_secs(1000))
        .build()
        .unwrap()
}

/// What was logged with all of `parts` in it.
fn logged(parts: &[&str]) -> Vec<String> {
    let logged = LOGGED.lock().unwrap();
    let has_all = |text: &&String| parts.iter().all(|part| text.contains(part));
    logged.iter().filter(has_all).cloned().collect()
}

#[track_caller]
fn logged_once(parts: &[&str]) -> String {
    let found = logged(parts);
    assert_eq!(found.len(), 1, "{parts:?}: {:#?}", LOGGED.lock().unwrap());
    found[0].clone()
}

fn named<T: 'static>(name: &str, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    Builder::new().name(name).spawn(f).unwrap()
}

/// Blocks the thread until this was logged.
#[inline(never)]
fn block_until_logged(parts: &[&str]) {
    for _ in 0..60_000 {
        if !logged(parts).is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("never logged: {parts:?}");
}

/// The same without a system call.
#[inline(never)]
fn spin_until_logged(parts: &[&str]) {
    let started = Instant::now();
    while logged(parts).is_empty() {
        for n in 0..100_000 {
            black_box(n);
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "never logged: {parts:?}"
        );
    }
}

fn hasty() -> Runtime {
    debug().slow_step(Duration::from_millis(5)).build().unwrap()
}

#[test]
fn a_step_that_blocks_is_told_while_it_blocks() {
    hasty().run(|| {
        let blocks = || block_until_logged(&["'blocker'", "blocks all others"]);
        named("blocker", blocks).join().unwrap();
    });
    let text = logged_once(&["'blocker'", "blocks all others"]);
    assert!(text.starts_with("WARN corobin::"), "{text}");
    assert!(text.contains("(spawned at tests/debug.rs:"), "{text}");
    assert!(text.contains("slow_step is 5ms"), "{text}");
    assert!(text.contains("debug::block_until_logged"), "{text}");
    // Optimised, the closure is a part of the engine's function that calls it.
    let has_closure = text.contains("a_step_that_blocks_is_told");
    assert!(has_closure || !cfg!(debug_assertions), "{text}");
    assert!(!text.contains("0x0\n"), "{text}");
    assert!(!text.contains("corosensei"), "{text}");
    // And in the end how long it was.
    logged_once(&["'blocker'", "that step of coroutine"]);
}

#[test]
fn a_step_that_computes_is_told() {
    hasty().run(|| {
        let spins = || spin_until_logged(&["'spinner'", "blocks all others"]);
        named("spinner", spins).join().unwrap();
    });
    let text = logged_once(&["'spinner'", "blocks all others"]);
    assert!(text.contains("debug::spin_until_logged"), "{text}");
}

#[test]
fn a_generator_that_blocks_is_told_with_its_coroutine() {
    hasty().run(|| {
        let body = || {
            let mut inner = Generator::new(|y: &Yielder<()>| {
                block_until_logged(&["'generates'", "blocks all others"]);
                y.yield_(());
            });
            inner.next();
        };
        named("generates", body).join().unwrap();
    });
    let text = logged_once(&["'generates'", "blocks all others"]);
    assert!(text.contains("debug::block_until_logged"), "{text}");
}

#[test]
fn a_small_stack_that_blocks_is_told() {
    hasty().run(|| {
        let builder = Builder::new().name("small blocker").stack_size(16 * KIB);
        let blocks = || block_until_logged(&["'small blocker'", "blocks all others"]);
        builder.spawn(blocks).unwrap().join().unwrap();
    });
    let text = logged_once(&["'small blocker'", "blocks all others"]);
    assert!(text.contains("debug::block_until_logged"), "{text}");
}

#[test]
fn each_slow_step_is_told_once() {
    hasty().run(|| {
        let blocks = || {
            block_until_logged(&["'twice'", "blocks all others"]);
            thread::sleep(Duration::from_millis(30));
            yield_now();
            while logged(&["'twice'", "blocks all others"]).len() < 2 {
                thread::sleep(Duration::from_millis(1));
            }
        };
        named("twice", blocks).join().unwrap();
    });
    assert_eq!(logged(&["'twice'", "blocks all others"]).len(), 2);
}

#[test]
fn several_runtimes_are_watched_at_once() {
    thread::scope(|s| {
        for name in ["one of three", "two of three", "three of three"] {
            s.spawn(move || {
                hasty().run(|| {
                    named(name, move || {
                        block_until_logged(&[name, "blocks all others"])
                    })
                    .join()
                    .unwrap();
                });
            });
        }
    });
    for name in ["one of three", "two of three", "three of three"] {
        let text = logged_once(&[name, "blocks all others"]);
        assert!(text.contains("debug::block_until_logged"), "{text}");
    }
}

/// Waiting is no slow step, nor are many short ones.
#[test]
fn who_waits_is_not_slow() {
    const SLOW: Duration = Duration::from_millis(100);
    let mut runtime = debug().slow_step(SLOW).build().unwrap();
    let longest = runtime.run(|| {
        let body = || {
            sleep(3 * SLOW);
            let mut last = Instant::now();
            let (until, mut longest) = (last + 3 * SLOW, Duration::ZERO);
            while last < until {
                yield_now();
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            longest
        };
        named("waits", body).join().unwrap()
    });
    // The machine may have been busy with something else.
    if longest < SLOW / 2 {
        assert!(
            logged(&["'waits'"]).is_empty(),
            "{:?}",
            logged(&["'waits'"])
        );
    }
}

/// Code whose unwind tables are wrong: the walk reads from address 16.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_walk_that_goes_astray_does_no_harm() {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    static STOP: AtomicBool = AtomicBool::new(false);

    #[unsafe(naked)]
    extern "C" fn astray(_stop: *const bool) {
        std::arch::naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa rbp, 16",
            "xor ebp, ebp",
            "2:",
            "pause",
            "cmp byte ptr [rdi], 0",
            "je 2b",
            "pop rbp",
            "ret",
            ".cfi_endproc",
        )
    }

    hasty().run(|| {
        let stopper = thread::spawn(|| {
            block_until_logged(&["'astray'", "blocks all others"]);
            STOP.store(true, SeqCst);
        });
        named("astray", || astray(STOP.as_ptr())).join().unwrap();
        stopper.join().unwrap();
        // The signals work as before.
        let again = || block_until_logged(&["'after astray'", "blocks all others"]);
        named("after astray", again).join().unwrap();
    });
    let text = logged_once(&["'after astray'", "blocks all others"]);
    assert!(text.contains("debug::block_until_logged"), "{text}");
}

fn swallow() {
    let _ = catch_unwind(AssertUnwindSafe(park));
}

#[test]
fn a_swallowed_cancel_is_told_where_it_is_met_again() {
    patient().run(|| {
        let swallower = named("swallower", || {
            swallow();
            second_suspension();
        });
        yield_now();
        swallower.cancel();
        let _ = swallower.join();
    });
    let text = logged_once(&["'swallower'", "swallowed a cancel"]);
    assert!(text.starts_with("WARN"), "{text}");
    assert!(text.contains("debug::second_suspension"), "{text}");
    assert!(text.contains("is_cancel"), "{text}");
}

#[inline(never)]
fn second_suspension() {
    yield_now();
    black_box(());
}

#[test]
fn a_swallowed_cancel_is_told_when_the_coroutine_returns() {
    patient().run(|| {
        let swallower = named("returns", swallow);
        yield_now();
        swallower.cancel();
        assert!(swallower.join().is_ok());
    });
    logged_once(&["'returns'", "swallowed a cancel and has returned"]);
}

#[test]
fn who_unwinds_as_asked_swallows_nothing() {
    patient().run(|| {
        let bodies: [fn(); 5] = [
            park,
            || {
                let _guard = OnDrop(|| sleep(Duration::from_millis(1)));
                park();
            },
            || scope(|s| drop((s.spawn(park), park()))),
            || assert!(timeout(Duration::from_secs(1000), park).is_ok()),
            || {
                shield(yield_now);
                let mut inner = Generator::new(|_: &Yielder<()>| park());
                inner.next();
            },
        ];
        let all: Vec<_> = bodies.map(|body| named("obedient", body)).into();
        (0..3).for_each(|_| yield_now());
        for handle in all {
            handle.cancel();
            assert!(handle.join().is_err());
        }
    });
    assert!(
        logged(&["'obedient'"]).is_empty(),
        "{:?}",
        logged(&["'obedient'"])
    );
}

/// Uses `bytes` of stack below the caller's frame.
#[inline(never)]
fn use_stack(bytes: usize) {
    #[inline(never)]
    fn down_to(lowest: usize) {
        let frame = black_box([1_u8; KIB]);
        if frame.as_ptr().addr() > lowest {
            down_to(lowest);
        }
        black_box(frame);
    }
    let here = 0_u8;
    down_to((&raw const here).addr() - bytes);
}

fn sized(name: &str, size: usize, f: impl FnOnce() + 'static) -> JoinHandle<()> {
    let builder = Builder::new().name(name).stack_size(size);
    builder.spawn(f).unwrap()
}

#[test]
fn a_stack_that_is_nearly_full_is_told() {
    const SIZE: usize = 256 * KIB;
    patient().run(|| {
        let deep = || use_stack(SIZE * 9 / 10);
        sized("deep at the end", SIZE, deep).join().unwrap();
        // The next one on the same stack is not to blame.
        sized("after the deep", SIZE, yield_now).join().unwrap();
        let waits = sized("deep and waits", SIZE, move || {
            deep();
            park();
        });
        yield_now();
        assert!(waits.coroutine().name().is_some());
        sized("not so deep", SIZE, || use_stack(SIZE / 2))
            .join()
            .unwrap();
    });
    let text = logged_once(&["'deep at the end'", "of its stack"]);
    assert!(text.contains("of the 256 KiB"), "{text}");
    assert!(text.contains("Builder::stack_size"), "{text}");
    logged_once(&["'deep and waits'", "of its stack"]);
    for name in ["'after the deep'", "'not so deep'"] {
        assert!(logged(&[name]).is_empty(), "{:?}", logged(&[name]));
    }
}

#[test]
fn a_panic_that_nobody_joins_is_told() {
    patient().run(|| {
        drop(named("unjoined", || panic!("expected")));
        yield_now();
        let late = named("unjoined later", || -> () { panic!("expected") });
        yield_now();
        drop(late);
        let joined = named("joined", || -> () { panic!("expected") });
        assert!(joined.join().is_err());
    });
    let text = logged_once(&["'unjoined'", "nobody joined it", "expected"]);
    assert!(text.starts_with("ERROR"), "{text}");
    logged_once(&["'unjoined later'", "nobody joined it", "expected"]);
    assert!(logged(&["'joined'", "nobody"]).is_empty());
}

#[test]
fn times_are_exact() {
    patient().run(|| {
        named("timed", || {
            thread::sleep(Duration::from_millis(20));
            park();
        });
        thread::sleep(Duration::from_millis(20));
        yield_now();
        let before = Instant::now();
        let snapshot = corobin::snapshot();
        let is_timed = |info: &&corobin::CoroutineInfo| info.name.as_deref() == Some("timed");
        let timed = snapshot.coroutines.iter().find(is_timed).unwrap();
        assert!(timed.age >= Duration::from_millis(39));
        // It began to wait just before this one came back, not when it was spawned.
        let since = timed.waits_since.unwrap();
        assert!(since <= before);
        assert!(snapshot.taken_at - since + Duration::from_millis(39) <= timed.age);
    });
}

/// Without a logger it goes to stderr.
#[test]
fn the_environment_turns_it_on() {
    let test = "the_environment_turns_it_on";
    if is_child() {
        run(|| {
            let swallower = named("swallower", swallow);
            drop(named("unjoined", || panic!("expected")));
            yield_now();
            swallower.cancel();
            let _ = swallower.join();
            spawn(|| ()).join().unwrap();
        });
        return;
    }
    let on = child_output(test, &[("COROBIN_DEBUG", "1")]);
    assert!(on.status.success(), "{}", on.text);
    let expected = [
        "corobin: coroutine #",
        "'swallower' (spawned at tests/debug.rs:",
        "swallowed a cancel",
        "panicked and nobody joined it: expected",
        // Beside the message of the panic.
        "corobin: in coroutine #",
    ];
    for text in expected {
        assert!(on.stderr.contains(text), "no {text}: {}", on.text);
    }
    let at = on.stderr.find("corobin: in coroutine #").unwrap();
    assert!(
        on.stderr[at..]
            .lines()
            .next()
            .unwrap()
            .contains("'unjoined'"),
        "{}",
        on.text
    );
    for off in ["0", ""] {
        let off = child_output(test, &[("COROBIN_DEBUG", off)]);
        assert!(
            off.status.success() && !off.stderr.contains("corobin: "),
            "{}",
            off.text
        );
    }
}
