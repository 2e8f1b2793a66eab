//! What runs when a signal comes.
//!
//! The `signal-hook` crate owns the handlers, so that libraries can share them.
//! What we add per listener writes the signal's number to that listener's pipe.
//! What we add per signal, the first time that somebody listens to it, does what
//! the system would have done, as long as nobody listens.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level::{emulate_default_handler, register, unregister};

use crate::{sigaction, sigquit};

/// How many listen to each signal that was ever listened to.
static LISTENERS: Mutex<BTreeMap<i32, Arc<AtomicUsize>>> = Mutex::new(BTreeMap::new());

/// Writes a signal's number to a pipe each time it comes, until it is dropped.
pub(super) struct Listener {
    signal: i32,
    id: SigId,
    count: Arc<AtomicUsize>,
}

impl Listener {
    /// # Errors
    /// It is no signal, or one that cannot be listened to.
    pub(super) fn new(signal: i32, pipe: &Arc<OwnedFd>) -> io::Result<Listener> {
        let byte = match u8::try_from(signal) {
            Ok(byte) if byte != 0 && !FORBIDDEN.contains(&signal) => byte,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("signal {signal} cannot be listened to"),
                ));
            }
        };
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match listeners.get(&signal) {
            Some(count) => Arc::clone(count),
            None => {
                let count = Arc::default();
                if is_default(signal)? {
                    // Actions run in the order in which they were registered. This
                    // one has to come before every write: once a listener has
                    // received, it may be gone before the handler is at its end.
                    emulate_default(signal, Arc::clone(&count))?;
                }
                listeners.insert(signal, Arc::clone(&count));
                count
            }
        };
        let pipe = Arc::clone(pipe);
        let write = move || {
            // If it is full, nobody has received for very long.
            let _ = rustix::io::write(&pipe, &[byte]);
        };
        // SAFETY: the action makes one system call, which is allowed in a
        // handler, and does not panic. The crate keeps errno, and drops the
        // closure outside of handlers.
        let id = unsafe { register(signal, write) }?;
        count.fetch_add(1, Ordering::SeqCst);
        // What fails from here on drops, and so ends, what has begun.
        let listener = Listener { signal, id, count };
        // Which std gives to each of its threads: a coroutine's own may be too small for what
        // the kernel saves.
        sigaction::use_signal_stack(signal)?;
        Ok(listener)
    }

    pub(super) fn signal(&self) -> i32 {
        self.signal
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        unregister(self.id);
    }
}

/// Does what the system or a runtime does by default, as long as nobody listens.
fn emulate_default(signal: i32, listeners: Arc<AtomicUsize>) -> io::Result<()> {
    let act = move || {
        let nobody_listens = listeners.load(Ordering::SeqCst) == 0;
        if nobody_listens && !(signal == libc::SIGQUIT && sigquit::answer()) {
            // signal-hook takes SIGIO for one that is ignored, and does not know all signals.
            if signal == libc::SIGIO || emulate_default_handler(signal).is_err() {
                end_by(signal);
            }
        }
    };
    // SAFETY: an atomic load, and functions made for handlers; they do not panic.
    unsafe { register(signal, act) }?;
    Ok(())
}

/// Ends the process as soon as the handler returns; until then the signal is held off.
fn end_by(signal: i32) {
    // SAFETY: both may be called in a handler (signal-safety(7)).
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Whether it does what it does by default, here or in the system.
fn is_default(signal: i32) -> io::Result<bool> {
    let action = sigaction::present(signal)?.sa_sigaction;
    Ok(action == libc::SIG_DFL || sigquit::is_handler(action))
}
