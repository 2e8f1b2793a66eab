//! Generators used wrongly: a clear panic, and the generator left as it was.

use std::cell::{Cell, RefCell};

use std::rc::Rc;
use std::time::Duration;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Generator, JoinHandle, ScopedJoinHandle, Yielder};
use log::Level;

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::message_of;
#[path = "common/logged.rs"]
mod logged;
use logged::logged_by;

const SECOND: Duration = Duration::from_secs(1);

macro_rules! assert_not_impl {
    ($type:ty: $($bound:path),+) => {
        $(const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            #[allow(dead_code)]
            struct Implements;
            impl<T: ?Sized + $bound> Ambiguous<Implements> for T {}
            let _ = <$type as Ambiguous<_>>::check;
        };)+
    };
}

assert_not_impl!(Yielder<u32, u32>: Send, Sync);
assert_not_impl!(Generator<u32, u32, u32>: Send, Sync);
assert_not_impl!(JoinHandle<u32>: Send, Sync);
assert_not_impl!(ScopedJoinHandle<'static, u32>: Send, Sync);

/// The lower-case message of the panic that `f` must end with.
fn panic_message<T>(f: impl FnOnce() -> T) -> String {
    message_of(f).to_lowercase()
}

fn one_two_three() -> Generator<u32, &'static str, Vec<&'static str>> {
    Generator::new(|y: &Yielder<u32, &'static str>| (1..=3).map(|n| y.yield_(n)).collect())
}

struct YieldsOnDrop<'a>(&'a Yielder<u32>);

impl Drop for YieldsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.yield_(99);
    }
}

#[test]
fn smoke() {
    let mut generator = one_two_three();
    assert!(!panic_message(|| generator.send("early")).is_empty());
    assert_eq!(generator.start(), Yielded(1));
}

#[test]
fn send_before_start_says_so_and_changes_nothing() {
    let mut generator = one_two_three();
    let message = panic_message(|| generator.send("early"));
    assert!(message.contains("start"), "{message}");
    assert!(!generator.is_complete());
    assert_eq!(generator.start(), Yielded(1));
    generator.send("a");
    generator.send("b");
    assert_eq!(generator.send("c"), Complete(vec!["a", "b", "c"]));
}

#[test]
fn start_twice_says_so_and_changes_nothing() {
    let mut generator = one_two_three();
    generator.start();
    generator.send("a");
    let message = panic_message(|| generator.start());
    assert!(message.contains("start"), "{message}");
    assert!(!generator.is_complete());
    assert_eq!(generator.send("b"), Yielded(3));
    assert_eq!(generator.send("c"), Complete(vec!["a", "b", "c"]));
}

#[test]
fn resuming_after_completion_says_so() {
    let mut returned = one_two_three();
    returned.start();
    (0..3).for_each(|_| drop(returned.send("x")));
    let mut closed = one_two_three();
    closed.start();
    closed.close();
    let mut thrown = one_two_three();
    thrown.start();
    assert!(thrown.throw(Box::new("x")).is_err());
    let mut closed_early = one_two_three();
    closed_early.close();

    for generator in [&mut returned, &mut closed, &mut thrown, &mut closed_early] {
        for _ in 0..2 {
            for message in [
                panic_message(|| generator.send("late")),
                panic_message(|| generator.start()),
            ] {
                assert!(
                    message.contains("complete") || message.contains("finished"),
                    "{message}"
                );
            }
            assert!(generator.is_complete());
        }
    }
}

#[test]
fn refused_value_is_dropped_once() {
    let token = Rc::new(());
    let mut generator = Generator::<u32, Rc<()>>::new(|y| drop(y.yield_(1)));
    panic_message(|| generator.send(token.clone()));
    assert_eq!(Rc::strong_count(&token), 1);
    generator.start();
    generator.send(token.clone());
    panic_message(|| generator.send(token.clone()));
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn delegating_to_a_started_generator_panics_and_changes_nothing() {
    let inner = Rc::new(RefCell::new(one_two_three()));
    inner.borrow_mut().start();
    let delegate = inner.clone();
    let mut outer = Generator::new(move |y: &Yielder<u32, &'static str>| {
        panic_message(|| y.yield_from(&mut delegate.borrow_mut()));
        assert_eq!(delegate.borrow_mut().send("a"), Yielded(2));
        y.yield_(50)
    });
    assert_eq!(outer.start(), Yielded(50));
    assert_eq!(outer.send("end"), Complete("end"));
    assert_eq!(inner.borrow_mut().send("b"), Yielded(3));
    assert_eq!(inner.borrow_mut().send("c"), Complete(vec!["a", "b", "c"]));
}

#[test]
fn delegating_to_a_complete_generator_panics() {
    let mut outer = Generator::new(|y: &Yielder<u32, &'static str>| {
        let mut inner = one_two_three();
        inner.close();
        panic_message(|| y.yield_from(&mut inner));
        y.yield_(1)
    });
    assert_eq!(outer.start(), Yielded(1));
    assert_eq!(outer.send("end"), Complete("end"));
}

#[test]
fn yield_in_a_destructor_while_closing_leaks_the_stack_and_close_panics() {
    let token = Rc::new(());
    let inside = token.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _held = inside.clone();
        let _late = YieldsOnDrop(y);
        y.yield_(1);
    });
    assert_eq!(generator.start(), Yielded(1));
    let errors = logged_by(Level::Error, || {
        assert!(!panic_message(|| generator.close()).is_empty());
    });
    assert!(!errors.is_empty());
    assert!(generator.is_complete());
    drop(generator);
    assert!(Rc::strong_count(&token) > 1);

    let mut other = one_two_three();
    assert_eq!(other.start(), Yielded(1));
    assert_eq!(other.send("a"), Yielded(2));
}

#[test]
fn dropping_such_a_generator_while_unwinding_leaks_it_and_goes_on() {
    let errors = logged_by(Level::Error, || {
        let message = panic_message(|| {
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                let _late = YieldsOnDrop(y);
                y.yield_(1);
            });
            assert_eq!(generator.start(), Yielded(1));
            panic!("the caller's own");
        });
        assert_eq!(message, "the caller's own");
    });
    assert!(!errors.is_empty());
    assert!(!std::thread::panicking());
}

#[test]
fn yield_in_a_destructor_outside_of_unwinding_is_a_yield() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        drop(YieldsOnDrop(y));
        y.yield_(1);
    });
    assert_eq!(generator.start(), Yielded(99));
    assert_eq!(generator.send(()), Yielded(1));
    assert_eq!(generator.send(()), Complete(()));
}

#[test]
fn yield_from_a_run_inside_the_body_panics_and_switches_nothing() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        let message = panic_message(|| corobin::run(|| y.yield_(7)));
        assert!(!message.is_empty());
        y.yield_(1);
    });
    assert_eq!(generator.start(), Yielded(1));
    assert_eq!(generator.send(()), Complete(()));
}

#[test]
fn yield_caught_inside_a_run_lets_that_run_go_on() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        let sum = corobin::run(|| {
            let child = corobin::spawn(|| {
                corobin::yield_now();
                20
            });
            panic_message(|| y.yield_(7));
            child.join().unwrap() + 1
        });
        y.yield_(sum);
    });
    assert_eq!(generator.start(), Yielded(21));
    assert_eq!(generator.send(()), Complete(()));
}

#[test]
fn yield_from_a_scoped_child_panics_and_switches_nothing() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let refused = Cell::new(false);
            corobin::scope(|s| {
                s.spawn(|| {
                    panic_message(|| y.yield_(7));
                    corobin::sleep(SECOND);
                    refused.set(true);
                });
            });
            assert!(refused.get());
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn yield_that_a_scoped_child_does_not_catch_is_raised_by_the_scope() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let message = panic_message(|| {
                corobin::scope(|s| {
                    s.spawn(|| y.yield_(7));
                })
            });
            assert!(!message.is_empty());
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn yield_inside_a_timeout_of_the_same_generator_panics() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let result = corobin::timeout(SECOND, || {
                panic_message(|| y.yield_(7));
                "went on"
            });
            assert_eq!(result, Ok("went on"));
            panic_message(|| corobin::timeout(SECOND, || y.yield_(8)));
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn yield_inside_a_shield_of_the_same_generator_panics() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let result = corobin::shield(|| {
                panic_message(|| y.yield_(7));
                "went on"
            });
            assert_eq!(result, "went on");
            panic_message(|| corobin::shield(|| y.yield_(8)));
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn yield_inside_a_scope_of_the_same_generator_panics() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let result = corobin::scope(|s| {
                let child = s.spawn(|| corobin::sleep(SECOND));
                panic_message(|| y.yield_(7));
                child.join().unwrap();
                "went on"
            });
            assert_eq!(result, "went on");
            panic_message(|| corobin::scope(|_| y.yield_(8)));
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn delegation_inside_a_timeout_of_the_same_generator_panics() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            panic_message(|| {
                corobin::timeout(SECOND, || {
                    y.yield_from(&mut Generator::new(|y: &Yielder<u32>| y.yield_(7)));
                })
            });
            y.yield_(1);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn yield_after_nested_frames_were_left_by_a_panic_works() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let message = panic_message(|| {
                corobin::timeout(SECOND, || {
                    corobin::shield(|| corobin::scope(|_| panic!("out of all three")))
                })
            });
            assert_eq!(message, "out of all three");
            y.yield_(1);
            let expired = corobin::timeout(SECOND, || corobin::sleep(SECOND * 9));
            assert!(expired.is_err());
            y.yield_(2);
        });
        assert_eq!(generator.start(), Yielded(1));
        assert_eq!(generator.send(()), Yielded(2));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn another_generator_may_be_driven_inside_such_frames() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let sum = corobin::timeout(SECOND, || {
                corobin::scope(|_| {
                    corobin::shield(|| {
                        let inner = Generator::new(|y: &Yielder<u32>| {
                            (1..=4).for_each(|n| y.yield_(n));
                        });
                        inner.sum::<u32>()
                    })
                })
            });
            y.yield_(sum.unwrap());
        });
        assert_eq!(generator.start(), Yielded(10));
        assert_eq!(generator.send(()), Complete(()));
    });
}

#[test]
fn frames_of_the_caller_do_not_hinder_a_generator() {
    in_virtual_time(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| (1..=5).for_each(|n| y.yield_(n)));
        assert_eq!(generator.next(), Some(1));
        assert_eq!(corobin::timeout(SECOND, || generator.next()), Ok(Some(2)));
        assert_eq!(corobin::shield(|| generator.next()), Some(3));
        assert_eq!(corobin::scope(|_| generator.next()), Some(4));
        assert_eq!(generator.next(), Some(5));
        assert_eq!(generator.next(), None);
    });
}

#[test]
fn frames_of_an_outer_generator_do_not_hinder_an_inner_one() {
    in_virtual_time(|| {
        let mut outer = Generator::new(|y: &Yielder<u32>| {
            let mut inner = Generator::new(|y: &Yielder<u32>| (1..=3).for_each(|n| y.yield_(n)));
            assert_eq!(inner.next(), Some(1));
            let second = corobin::timeout(SECOND, || inner.next());
            y.yield_(second.unwrap().unwrap());
            y.yield_(inner.next().unwrap());
        });
        assert_eq!(outer.start(), Yielded(2));
        assert_eq!(outer.send(()), Yielded(3));
        assert_eq!(outer.send(()), Complete(()));
    });
}
