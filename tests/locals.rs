//! `coroutine_local!`.

use std::cell::{Cell, RefCell};
use std::sync::mpsc;

use corobin::{AccessError, gather, run, spawn, yield_now};

corobin::coroutine_local! {
    static COUNT: Cell<u32> = {
        MADE.set(MADE.get() + 1);
        Cell::new(10)
    };
    static NAMES: RefCell<Vec<&'static str>> = RefCell::new(vec!["first"]);
}

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

/// With the short cuts that a `LocalKey` has.
#[test]
fn locals_of_cells() {
    let try_all = || {
        COUNT.set(3);
        assert_eq!((COUNT.get(), COUNT.replace(4), COUNT.take()), (3, 3, 4));
        yield_now();
        COUNT.set(5);
        assert_eq!(COUNT.with(Cell::get), 5);
        NAMES.with_borrow_mut(|names| {
            yield_now();
            names.push("second");
        });
        assert_eq!(NAMES.with_borrow(Vec::len), 2);
        assert_eq!(NAMES.replace(vec![]), ["first", "second"]);
        NAMES.set(vec!["third"]);
        assert_eq!((NAMES.take(), NAMES.take()), (vec!["third"], vec![]));
    };
    run(|| gather([spawn(try_all), spawn(try_all)]).unwrap());
    try_all();
    assert_eq!(MADE.get(), 0, "set needs no initialiser");
    run(|| assert_eq!(COUNT.get(), 10));
    assert_eq!(MADE.get(), 1);
}

/// Its destructor finds the cell as it is then.
#[test]
fn a_local_whose_value_uses_it_as_it_is_replaced() {
    struct Uses;
    impl Drop for Uses {
        fn drop(&mut self) {
            SELF.with(|cell| drop(cell.take()));
            SELF.set(None);
        }
    }
    corobin::coroutine_local! {
        static SELF: RefCell<Option<Uses>> = RefCell::new(None);
    }
    run(|| {
        SELF.set(Some(Uses));
        SELF.set(None);
        SELF.with_borrow(|value| assert!(value.is_none()));
    });
}

#[test]
fn a_local_that_is_gone_can_be_asked_for() {
    thread_local! {
        static SEEN: RefCell<Vec<Result<u32, AccessError>>> = const { RefCell::new(Vec::new()) };
    }
    struct Asks(u32);
    impl Drop for Asks {
        fn drop(&mut self) {
            let seen = ASKS.try_with(|asks| asks.0);
            SEEN.with_borrow_mut(|all| all.push(seen));
        }
    }
    corobin::coroutine_local! {
        static ASKS: Asks = Asks(7);
    }
    let ask = || {
        assert_eq!(ASKS.try_with(|asks| asks.0), Ok(7));
        ASKS.with(|asks| asks.0)
    };
    run(|| {
        assert_eq!(spawn(ask).join().unwrap(), 7);
        assert_eq!(SEEN.take(), [Err(AccessError)]);
        ask();
    });
    assert_eq!(
        SEEN.take(),
        [Err(AccessError)],
        "that of the main coroutine"
    );
    assert!(AccessError.to_string().contains("dropped"));
}

#[test]
fn a_thread_that_ends_has_no_local_any_more() {
    struct Tells(mpsc::Sender<Result<(), AccessError>>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(TELLS.try_with(|_| ())).unwrap();
        }
    }
    corobin::coroutine_local! {
        static TELLS: RefCell<Option<Tells>> = RefCell::new(None);
    }
    let (tx, rx) = mpsc::channel();
    let thread = std::thread::spawn(move || TELLS.set(Some(Tells(tx))));
    thread.join().unwrap();
    assert_eq!(rx.recv(), Ok(Err(AccessError)));
}
