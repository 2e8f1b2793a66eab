//! Loggers that panic, suspend or wait for ever, where the library logs in the middle of
//! something that must not be left.

use std::cell::Cell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use corobin::net::UnixStream;
use corobin::{
    Builder, Generator, GeneratorState, JoinError, Yielder, park, run, scope, shield, spawn,
    yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

thread_local! {
    static ON_LOG: Cell<fn(&log::Record)> = const { Cell::new(|_| ()) };
}

struct Hostile;

impl log::Log for Hostile {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        ON_LOG.with(Cell::get)(record);
    }

    fn flush(&self) {}
}

/// What the logger does for coroutines on this thread.
fn on_log(f: fn(&log::Record)) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        log::set_logger(&Hostile).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
    ON_LOG.set(f);
}

/// A scope whose body panics after a child has; a second child still reads what it
/// borrows. Says whether that was there.
fn scope_with_two_panics(cancels: bool) -> bool {
    struct Data<'a>(&'a Cell<bool>);
    impl Drop for Data<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }

    run(|| {
        let (there, read) = (Cell::new(true), Cell::new(None));
        let owner = || {
            let data = Data(&there);
            let (data, read) = (&data, &read);
            scope(|s| {
                s.spawn(move || {
                    shield(|| (0..6).for_each(|_| yield_now()));
                    read.set(Some(data.0.get()));
                });
                let bad = s.spawn(|| panic!("first"));
                shield(|| bad.join().unwrap());
            });
        };
        scope(|s| {
            let owner = s.spawn(|| drop(catch_unwind(AssertUnwindSafe(owner))));
            yield_now();
            if cancels {
                owner.cancel();
            }
            for _ in 0..20 {
                shield(yield_now);
            }
        });
        read.get() == Some(true)
    })
}

#[test]
fn a_logger_that_panics_does_not_unwind_a_scope_that_has_children() {
    on_log(|record| {
        if record.level() == log::Level::Error {
            panic!("the disk is full");
        }
    });
    assert!(scope_with_two_panics(false));
}

#[test]
fn a_logger_that_suspends_does_not_let_a_cancel_unwind_a_scope_that_has_children() {
    on_log(|record| {
        if record.level() == log::Level::Error {
            yield_now();
        }
    });
    assert!(scope_with_two_panics(true));
}

/// With a scoped thread-local, of which there are crates, a logger may have a yielder.
#[test]
fn a_logger_does_not_leave_a_generator_inside_of_a_scope_that_has_children() {
    thread_local! {
        static YIELDER: Cell<*const Yielder<u32>> = const { Cell::new(std::ptr::null()) };
    }
    on_log(|record| {
        if record.level() == log::Level::Error {
            // SAFETY: the body that has set it is not left before it is null again.
            let y = unsafe { YIELDER.get().as_ref() };
            y.unwrap().yield_(1);
        }
    });
    let body = |y: &Yielder<u32>| {
        YIELDER.set(y);
        let caught = catch_unwind(|| {
            scope(|s| {
                let bad = s.spawn(|| panic!("first"));
                shield(|| bad.join().unwrap());
            });
        });
        YIELDER.set(std::ptr::null());
        assert!(caught.is_err());
        y.yield_(2);
    };
    let numbers = run(|| Generator::new(body).collect::<Vec<_>>());
    assert_eq!(numbers, [2]);
}

#[test]
fn a_logger_that_panics_at_each_panic_of_many_children_ends_nothing_else() {
    on_log(|_| panic!("the disk is full"));
    let caught = catch_unwind(|| {
        run(|| {
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        shield(yield_now);
                        panic!("a child");
                    });
                }
            });
        });
    });
    let text = *caught.unwrap_err().downcast_ref::<&str>().unwrap();
    assert_eq!(text, "a child");
}

#[test]
fn a_logger_that_waits_for_ever_is_asked_once_of_those_that_cannot_be_unwound() {
    struct Hangs;
    impl Drop for Hangs {
        fn drop(&mut self) {
            loop {
                park();
            }
        }
    }

    thread_local! {
        static ASKED: Rc<Cell<u32>> = Rc::default();
    }
    on_log(|record| {
        if record.level() == log::Level::Error {
            ASKED.with(|asked| asked.set(asked.get() + 1));
            loop {
                park();
            }
        }
    });
    run(|| {
        spawn(|| {
            let _hangs = Hangs;
            park();
        });
        yield_now();
    });
    assert_eq!(ASKED.with(|asked| asked.get()), 1);
}

thread_local! {
    static LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[test]
fn a_panic_that_no_remote_handle_waits_for_is_an_error_with_its_place() {
    on_log(|record| {
        let line = format!("{} {}", record.level(), record.args());
        LINES.with_borrow_mut(|lines| lines.push(line));
    });
    run(|| {
        let handle = corobin::handle();
        // Dropped before the panic, and after.
        drop(handle.spawn(|| panic!("early")));
        let late = handle.spawn(|| panic!("late"));
        let joined = handle.spawn(|| panic!("joined"));
        corobin::to_thread(|| ());
        while !late.is_finished() || !joined.is_finished() {
            yield_now();
        }
        drop(late);
        assert!(joined.join().is_err());
    });
    let lines = LINES.take();
    let count = |level: &str, text: &str| {
        let matches = |line: &&String| line.starts_with(level) && line.contains(text);
        lines.iter().filter(matches).count()
    };
    assert_eq!(count("ERROR", "nobody join"), 2, "{lines:#?}");
    assert_eq!(count("ERROR", "early"), 1, "{lines:#?}");
    assert_eq!(count("ERROR", "late"), 1, "{lines:#?}");
    assert_eq!(count("WARN", "joined"), 1, "{lines:#?}");
    assert_eq!(count("", "hostile_logger.rs"), 4, "{lines:#?}");
}

/// A generator that yields in a destructor while the cancel of its coroutine unwinds it
/// ends where it is resumed next, and so does that coroutine, with a word about it.
#[test]
fn a_cancel_that_was_not_its_own_is_told() {
    on_log(|record| {
        let line = format!("{} {}", record.level(), record.args());
        LINES.with_borrow_mut(|lines| lines.push(line));
    });
    run(|| {
        let place = Rc::new(Cell::new(None));
        let theirs = Rc::clone(&place);
        let cancelled = spawn(move || {
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                let _guard = OnDrop(|| y.yield_(7));
                park();
            });
            assert_eq!(generator.start(), GeneratorState::Yielded(7));
            theirs.set(Some(generator));
        });
        yield_now();
        cancelled.cancel();
        cancelled.join().unwrap();
        let heir = Builder::new().name("heir");
        let heir = heir.spawn(move || place.take().unwrap().send(()));
        assert!(matches!(heir.unwrap().join(), Err(JoinError::Cancelled)));
    });
    let lines = LINES.take();
    let is_told = |it: &String| it.starts_with("WARN coroutine") && it.contains("not its own");
    assert!(lines.iter().any(|it| is_told(it) && it.contains("'heir'")));
}

/// In a read whose time-out belongs to the run, as does all that it waits with.
#[test]
fn a_logger_does_not_leave_a_generator_inside_of_a_wait_for_data() {
    thread_local! {
        static YIELDER: Cell<*const Yielder<u32>> = const { Cell::new(std::ptr::null()) };
    }
    const FEW: usize = 3;
    on_log(|record| {
        if record.args().to_string().contains("io_uring") {
            // SAFETY: the body that has set it is not left before it is null again.
            if let Some(y) = unsafe { YIELDER.get().as_ref() } {
                y.yield_(1);
            }
        }
    });
    let body = |y: &Yielder<u32>| {
        let pairs: [_; FEW] = std::array::from_fn(|_| UnixStream::pair().unwrap());
        let (near, far): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let near = Rc::new(near);
        // A look that could have used the ring.
        let readers: Vec<_> = (0..FEW)
            .map(|at| {
                let near = Rc::clone(&near);
                spawn(move || (&near[at]).read(&mut [0]).unwrap())
            })
            .collect();
        yield_now();
        far.iter().for_each(|mut far| far.write_all(b"!").unwrap());
        for reader in readers {
            reader.join().unwrap();
        }
        near[0]
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        YIELDER.set(y);
        let result = catch_unwind(AssertUnwindSafe(|| (&near[0]).read(&mut [0])));
        YIELDER.set(std::ptr::null());
        drop(result);
        y.yield_(2);
    };
    let numbers = run(|| Generator::new(body).collect::<Vec<_>>());
    assert_eq!(numbers, [2]);
}

/// What comes while the logger waits, and what it waits for itself, is received.
#[test]
fn a_logger_that_suspends_and_receives_leaves_a_wait_for_data_as_it_is() {
    const FEW: usize = 4;
    thread_local! {
        static ROUNDS: Cell<usize> = const { Cell::new(0) };
    }
    on_log(|record| {
        if record.args().to_string().contains("io_uring") {
            ROUNDS.set(ROUNDS.get() + 1);
            let (mut near, mut far) = UnixStream::pair().unwrap();
            let writer = spawn(move || {
                yield_now();
                far.write_all(b"log").unwrap();
            });
            near.read_exact(&mut [0; 3]).unwrap();
            writer.join().unwrap();
        }
    });
    run(|| {
        scope(|s| {
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (mut near, far) = UnixStream::pair().unwrap();
                near.set_read_timeout(Some(Duration::from_secs(600)))
                    .unwrap();
                fars.push(far);
                s.spawn(move || {
                    let mut all = Vec::new();
                    near.read_to_end(&mut all).unwrap();
                    assert_eq!(all, b"0123456789");
                });
            }
            for n in b'0'..=b'9' {
                fars.iter().for_each(|mut far| far.write_all(&[n]).unwrap());
                for _ in 0..n % 3 {
                    yield_now();
                }
            }
        });
    });
    assert!(ROUNDS.get() <= 1, "the ring is opened once");
}
