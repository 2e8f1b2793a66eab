//! `std::thread::panicking()` around generators that are left or entered in mid-unwind.

use corobin::{Generator, GeneratorState};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread::panicking;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{assert_balanced, expect_panics};

type Seen = Rc<RefCell<Vec<bool>>>;

#[track_caller]
fn assert_all_true(seen: &Seen, len: usize) {
    assert_eq!(*seen.borrow(), vec![true; len]);
}

#[test]
fn smoke() {
    assert_balanced();
    expect_panics();
    let mut generator = Generator::<u8, (), ()>::new(|_| panic!("expected"));
    catch_unwind(AssertUnwindSafe(|| generator.start())).unwrap_err();
    assert_balanced();
}

#[test]
fn a_generator_left_in_mid_unwind_shows_nothing_to_its_caller() {
    expect_panics();
    for _ in 0..100 {
        let seen = Seen::default();
        let inner = seen.clone();
        let mut generator = Generator::<u8, (), ()>::new(move |y| {
            let _guard = OnDrop(|| {
                inner.borrow_mut().push(panicking());
                y.yield_(1);
                inner.borrow_mut().push(panicking());
                y.yield_(2);
                inner.borrow_mut().push(panicking());
            });
            panic!("expected");
        });
        assert_eq!(generator.start(), GeneratorState::Yielded(1));
        assert!(!panicking());
        assert_eq!(generator.send(()), GeneratorState::Yielded(2));
        assert!(!panicking());
        let payload = catch_unwind(AssertUnwindSafe(|| generator.send(()))).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"expected"));
        assert!(generator.is_complete());
        assert_all_true(&seen, 3);
    }
    assert_balanced();
}

#[test]
fn a_generator_used_by_a_plain_thread_that_unwinds() {
    expect_panics();
    let seen = Seen::default();
    let items = Rc::new(RefCell::new(Vec::new()));
    catch_unwind(AssertUnwindSafe(|| {
        let _guard = OnDrop(|| {
            seen.borrow_mut().push(panicking());
            let inner = seen.clone();
            let generator = Generator::<u32>::new(move |y| {
                for n in 0..3 {
                    inner.borrow_mut().push(!panicking());
                    y.yield_(n);
                }
                inner.borrow_mut().push(!panicking());
            });
            for item in generator {
                items.borrow_mut().push(item);
                seen.borrow_mut().push(panicking());
            }
            seen.borrow_mut().push(panicking());
        });
        panic!("expected");
    }))
    .unwrap_err();
    assert_eq!(*items.borrow(), [0, 1, 2]);
    assert_all_true(&seen, 9);
    assert_balanced();
}
