//! Panics and cancels that tests mean to happen.
#![allow(dead_code, reason = "not every file uses all of it")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};
use std::thread::panicking;

use corobin::JoinError;

pub type Payload = Box<dyn Any + Send>;

thread_local! {
    static HOOK_CALLS: Cell<u32> = const { Cell::new(0) };
    static LAST_FILE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics with "expected" out of the output, and notes them all.
pub fn expect_panics() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            HOOK_CALLS.set(HOOK_CALLS.get() + 1);
            LAST_FILE.set(info.location().unwrap().file().to_owned());
            if info.payload().downcast_ref::<&str>() != Some(&"expected") {
                previous(info);
            }
        }));
    });
}

/// How often the panic hook is called on this thread.
pub fn hook_calls_during(f: impl FnOnce()) -> u32 {
    expect_panics();
    let before = HOOK_CALLS.get();
    f();
    HOOK_CALLS.get() - before
}

pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// What `f` panics with.
#[track_caller]
pub fn payload_of<T>(f: impl FnOnce() -> T) -> Payload {
    caught(f).err().expect("no panic")
}

/// The text that `f` panics with.
#[track_caller]
pub fn message_of<T>(f: impl FnOnce() -> T) -> String {
    match payload_of(f).downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&'static str>().unwrap().to_string(),
    }
}

/// What `f` panics with, and the file that the panic says it comes from.
#[track_caller]
pub fn payload_and_file_of<T>(f: impl FnOnce() -> T) -> (Payload, String) {
    expect_panics();
    LAST_FILE.take();
    (payload_of(f), LAST_FILE.take())
}

#[track_caller]
pub fn assert_cancelled<T: Debug>(result: Result<T, JoinError>) {
    assert!(
        matches!(result, Err(JoinError::Cancelled)),
        "expected Cancelled, got {result:?}"
    );
}

/// The count of panics in flight is zero, and it still counts: neither left raised nor driven below zero.
#[track_caller]
pub fn assert_balanced() {
    struct Looks<'a>(&'a Cell<bool>);
    impl Drop for Looks<'_> {
        fn drop(&mut self) {
            self.0.set(panicking());
        }
    }
    assert!(!panicking());
    let mutex = Mutex::new(());
    drop(mutex.lock());
    assert!(!mutex.is_poisoned());
    let during = Cell::new(false);
    payload_of(|| {
        let _looks = Looks(&during);
        let _guard = mutex.lock();
        panic!("expected");
    });
    assert!(during.get());
    assert!(mutex.is_poisoned());
    assert!(!panicking());
}
