//! Who waits for its own end panics there where it does.

use std::cell::Cell;
use std::rc::Rc;

use corobin::{JoinHandle, as_completed, gather, gather_results, run, spawn};

#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_and_file_of;

/// Runs `f` in a coroutine, with its own handle.
fn with_own_handle(f: impl FnOnce(JoinHandle<()>) + 'static) {
    let slot: Rc<Cell<Option<JoinHandle<()>>>> = Rc::default();
    let (done, own) = (Rc::new(Cell::new(false)), slot.clone());
    let seen = done.clone();
    slot.set(Some(spawn(move || {
        let own = own.take().unwrap();
        let (payload, file) = payload_and_file_of(|| f(own));
        let message = payload.downcast::<String>().unwrap();
        assert!(message.contains("joins itself"), "{message}");
        assert_eq!(file, file!());
        seen.set(true);
    })));
    corobin::yield_now();
    assert!(done.get());
}

#[test]
fn in_every_form() {
    run(|| {
        with_own_handle(|own| drop(own.join()));
        with_own_handle(|own| drop(gather([own])));
        with_own_handle(|own| drop(gather_results([own])));
        with_own_handle(|own| drop(as_completed([own])));
    });
}
