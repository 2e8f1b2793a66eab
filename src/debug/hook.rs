//! Names the coroutine beside std's message of a panic.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Once;
use std::{panic, thread};

use crate::overflow::COROUTINES;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, panics of this thread's coroutines are named.
pub(super) struct Installed(PhantomData<*mut ()>);

/// Puts a hook before the one that is there, once in the process.
pub(super) fn install() -> Installed {
    static HOOK: Once = Once::new();
    WATCHED.set(true);
    // In a panic the hook cannot be set; the next run does it.
    if !thread::panicking() {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                tell();
                before(info);
            }));
        });
    }
    Installed(PhantomData)
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = WATCHED.try_with(|watched| watched.set(false));
    }
}

fn tell() {
    if !WATCHED.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let mut title = String::new();
    if let Some(names) = COROUTINES.get()
        && names.running().is_some()
        && names.write_title(&mut title).is_ok()
    {
        eprintln!("\ncorobin: in {title}:");
    }
}
