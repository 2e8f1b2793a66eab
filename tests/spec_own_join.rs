//! Who waits for its own end panics there where it does.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use corobin::{JoinHandle, as_completed, gather, gather_results, run, spawn};

thread_local!(static PLACE: RefCell<String> = const { RefCell::new(String::new()) });

/// Runs `f` in a coroutine, with its own handle.
fn with_own_handle(f: impl FnOnce(JoinHandle<()>) + 'static) {
    let slot: Rc<Cell<Option<JoinHandle<()>>>> = Rc::default();
    let (done, own) = (Rc::new(Cell::new(false)), slot.clone());
    let seen = done.clone();
    slot.set(Some(spawn(move || {
        let own = own.take().unwrap();
        let message = panic::catch_unwind(AssertUnwindSafe(|| f(own))).unwrap_err();
        let message = message.downcast::<String>().unwrap();
        assert!(message.contains("joins itself"), "{message}");
        assert_eq!(PLACE.take(), file!());
        seen.set(true);
    })));
    corobin::yield_now();
    assert!(done.get());
}

#[test]
fn in_every_form() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PLACE.set(info.location().unwrap().file().to_owned());
        usual(info);
    }));
    run(|| {
        with_own_handle(|own| drop(own.join()));
        with_own_handle(|own| drop(gather([own])));
        with_own_handle(|own| drop(gather_results([own])));
        with_own_handle(|own| drop(as_completed([own])));
    });
}
