//! Payloads thrown into generators, and delegation with `yield_from`.

use std::cell::RefCell;
use std::panic::panic_any;
use std::rc::Rc;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Generator, Yielder};

#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{Payload, caught, hook_calls_during};

fn text(payload: &Payload) -> &'static str {
    payload.downcast_ref::<&'static str>().unwrap()
}

/// Yields 1, 2, 3 … and, when something is thrown at it, the negated number.
fn sturdy(y: &Yielder<i32>) {
    for n in 1.. {
        if caught(|| y.yield_(n)).is_err() {
            y.yield_(-n);
        }
    }
}

#[test]
fn smoke() {
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        y.yield_(1);
    });
    generator.start();
    let payload = generator.throw(Box::new("stop")).unwrap_err();
    assert_eq!(text(&payload), "stop");
    assert!(generator.is_complete());
}

#[test]
fn caught_payload_lets_the_body_go_on() {
    let mut generator = Generator::new(|y: &Yielder<i32>| -> () { sturdy(y) });
    assert_eq!(generator.start(), Yielded(1));
    assert_eq!(generator.throw(Box::new("x")).unwrap(), Yielded(-1));
    assert_eq!(generator.send(()), Yielded(2));
    assert_eq!(generator.send(()), Yielded(3));
    assert_eq!(generator.throw(Box::new(5_u8)).unwrap(), Yielded(-3));
    assert!(!generator.is_complete());
}

#[test]
fn body_sees_the_very_payload() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        let payload = caught(|| y.yield_(1)).unwrap_err();
        *payload.downcast::<Vec<u8>>().unwrap()
    });
    generator.start();
    let thrown = vec![1_u8, 2, 3];
    let address = thrown.as_ptr().addr();
    let Complete(returned) = generator.throw(Box::new(thrown)).unwrap() else {
        panic!("not complete");
    };
    assert_eq!(returned, [1, 2, 3]);
    assert_eq!(returned.as_ptr().addr(), address);
    assert!(generator.is_complete());
}

#[test]
fn uncaught_payload_comes_back_after_the_destructors() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _outer = Mark(log.clone(), "outer");
        let _inner = Mark(log.clone(), "inner");
        y.yield_(1);
    });
    generator.start();
    let payload = generator.throw(Box::new(String::from("own"))).unwrap_err();
    assert_eq!(entries(&trail), ["inner", "outer"]);
    assert_eq!(*payload.downcast::<String>().unwrap(), "own");
    assert!(generator.is_complete());
}

#[test]
fn any_other_payload_of_the_body_comes_back_as_err() {
    let mut replacing = Generator::new(|y: &Yielder<u32>| {
        let _ = caught(|| y.yield_(1));
        panic_any("another");
    });
    replacing.start();
    let payload = replacing.throw(Box::new("first")).unwrap_err();
    assert_eq!(text(&payload), "another");
    assert!(replacing.is_complete());
}

#[test]
fn throw_before_start_drops_the_captures_and_runs_nothing() {
    let trail = Trail::default();
    let capture = Mark(trail.clone(), "capture");
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let mark = capture;
        mark.0.borrow_mut().push("body".into());
        y.yield_(1);
    });
    let payload = generator.throw(Box::new("early")).unwrap_err();
    assert_eq!(text(&payload), "early");
    assert_eq!(entries(&trail), ["capture"]);
    assert!(generator.is_complete());
}

#[test]
fn throw_after_completion_gives_the_payload_straight_back() {
    let mut returned = Generator::<u32>::new(|_| ());
    returned.start();
    let mut closed = Generator::new(|y: &Yielder<u32>| y.yield_(1));
    closed.start();
    closed.close();
    let mut panicked = Generator::<u32>::new(|_| panic_any("boom"));
    assert!(caught(|| panicked.start()).is_err());
    for generator in [&mut returned, &mut closed, &mut panicked] {
        let payload = generator.throw(Box::new("late")).unwrap_err();
        assert_eq!(text(&payload), "late");
        assert!(generator.is_complete());
    }
}

#[test]
fn throwing_and_closing_run_no_panic_hook() {
    let calls = hook_calls_during(|| {
        let mut thrown = Generator::new(|y: &Yielder<i32>| y.yield_(1));
        thrown.start();
        assert!(thrown.throw(Box::new("quiet")).is_err());

        let mut survivor = Generator::new(|y: &Yielder<i32>| -> () { sturdy(y) });
        survivor.start();
        assert!(survivor.throw(Box::new("quiet")).is_ok());

        let mut unstarted = Generator::new(|y: &Yielder<i32>| y.yield_(1));
        assert!(unstarted.throw(Box::new("quiet")).is_err());

        let mut closed = Generator::new(|y: &Yielder<i32>| {
            let _ = caught(|| y.yield_(1));
            y.yield_(2);
        });
        closed.start();
        closed.close();

        let mut dropped = Generator::new(|y: &Yielder<i32>| y.yield_(1));
        dropped.start();
    });
    assert_eq!(calls, 0);

    let calls = hook_calls_during(|| {
        let mut loud = Generator::<i32>::new(|_| panic!("loud"));
        assert!(caught(|| loud.start()).is_err());
    });
    assert_eq!(calls, 1);
}

#[test]
fn payload_is_dropped_once() {
    let token = std::sync::Arc::new(());
    let mut generator = Generator::new(|y: &Yielder<i32>| -> () { sturdy(y) });
    generator.start();
    generator.throw(Box::new(token.clone())).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&token), 1);
    generator.send(());
    generator.close();
    let payload = generator.throw(Box::new(token.clone())).unwrap_err();
    assert_eq!(std::sync::Arc::strong_count(&token), 2);
    drop(payload);
    assert_eq!(std::sync::Arc::strong_count(&token), 1);
}

#[test]
fn delegation_passes_values_sends_and_the_result() {
    let mut outer = Generator::new(|y: &Yielder<String, u32>| {
        let mut inner = Generator::new(|y: &Yielder<String, u32>| {
            let a = y.yield_("inner 1".into());
            let b = y.yield_(format!("inner got {a}"));
            a + b
        });
        let sum = y.yield_from(&mut inner);
        assert!(inner.is_complete());
        let c = y.yield_(format!("sum {sum}"));
        sum * c
    });
    assert_eq!(outer.start(), Yielded("inner 1".to_string()));
    assert_eq!(outer.send(3), Yielded("inner got 3".to_string()));
    assert_eq!(outer.send(4), Yielded("sum 7".to_string()));
    assert_eq!(outer.send(10), Complete(70));
}

#[test]
fn delegating_to_one_that_never_yields_does_not_stop_the_outer() {
    let mut outer = Generator::new(|y: &Yielder<u32>| {
        let result = y.yield_from(&mut Generator::new(|_: &Yielder<u32>| 5));
        y.yield_(result);
    });
    assert_eq!(outer.start(), Yielded(5));
    assert_eq!(outer.send(()), Complete(()));
}

#[test]
fn delegation_passes_throws_to_the_inner() {
    let mut outer = Generator::new(|y: &Yielder<i32>| {
        let mut inner = Generator::new(|y: &Yielder<i32>| {
            let payload = caught(|| y.yield_(1)).unwrap_err();
            y.yield_(*payload.downcast::<i32>().unwrap());
            "inner's end"
        });
        y.yield_from(&mut inner)
    });
    assert_eq!(outer.start(), Yielded(1));
    assert_eq!(outer.throw(Box::new(77_i32)).unwrap(), Yielded(77));
    assert_eq!(outer.send(()), Complete("inner's end"));
}

#[test]
fn inner_that_returns_on_a_throw_ends_the_delegation() {
    let mut outer = Generator::new(|y: &Yielder<i32>| {
        let mut inner = Generator::new(|y: &Yielder<i32>| {
            let _ = caught(|| y.yield_(1));
            10
        });
        let result = y.yield_from(&mut inner);
        y.yield_(result + 1);
    });
    assert_eq!(outer.start(), Yielded(1));
    assert_eq!(outer.throw(Box::new("x")).unwrap(), Yielded(11));
}

#[test]
fn throw_that_the_inner_does_not_catch_is_raised_in_the_outer() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut outer = Generator::new(move |y: &Yielder<i32>| {
        let inside = log.clone();
        let mut inner = Generator::new(move |y: &Yielder<i32>| {
            let _mark = Mark(inside.clone(), "inner unwound");
            y.yield_(1);
        });
        let payload = caught(|| y.yield_from(&mut inner)).unwrap_err();
        log.borrow_mut()
            .push(format!("outer caught {}", text(&payload)));
        assert!(inner.is_complete());
        y.yield_(2);
    });
    assert_eq!(outer.start(), Yielded(1));
    assert_eq!(outer.throw(Box::new("up")).unwrap(), Yielded(2));
    assert_eq!(entries(&trail), ["inner unwound", "outer caught up"]);
    assert_eq!(outer.send(()), Complete(()));
}

#[test]
fn throw_that_nobody_catches_comes_back_from_the_outer() {
    let mut outer = Generator::new(|y: &Yielder<i32>| {
        y.yield_from(&mut Generator::new(|y: &Yielder<i32>| y.yield_(1)));
    });
    outer.start();
    let payload = outer.throw(Box::new("through")).unwrap_err();
    assert_eq!(text(&payload), "through");
    assert!(outer.is_complete());
}

#[test]
fn panic_of_the_inner_is_raised_in_the_outer() {
    let mut outer = Generator::new(|y: &Yielder<i32>| {
        let mut inner = Generator::new(|y: &Yielder<i32>| {
            y.yield_(1);
            panic_any("inner's own");
        });
        let payload = caught(|| y.yield_from(&mut inner)).unwrap_err();
        assert_eq!(text(&payload), "inner's own");
        y.yield_(2);
        panic_any("outer's own");
    });
    assert_eq!(outer.start(), Yielded(1));
    assert_eq!(outer.send(()), Yielded(2));
    let payload = caught(|| outer.send(())).unwrap_err();
    assert_eq!(text(&payload), "outer's own");
}

#[test]
fn closing_the_outer_closes_an_inner_that_it_does_not_own() {
    let trail = Trail::default();
    let log = trail.clone();
    let inner = Rc::new(RefCell::new(Generator::new(move |y: &Yielder<i32>| {
        let _mark = Mark(log.clone(), "inner");
        y.yield_(1);
    })));
    let (delegate, log) = (inner.clone(), trail.clone());
    let mut outer = Generator::new(move |y: &Yielder<i32>| {
        let _mark = Mark(log.clone(), "outer");
        y.yield_from(&mut delegate.borrow_mut());
    });
    assert_eq!(outer.start(), Yielded(1));
    outer.close();
    assert_eq!(entries(&trail), ["inner", "outer"]);
    assert!(inner.borrow().is_complete());
}

#[test]
fn closing_raises_again_in_an_inner_that_yields_again() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut outer = Generator::new(move |y: &Yielder<i32>| {
        let _mark = Mark(log.clone(), "outer");
        let inside = log.clone();
        let mut inner = Generator::new(move |y: &Yielder<i32>| {
            let _mark = Mark(inside.clone(), "inner");
            for n in 0..3 {
                let raised = caught(|| y.yield_(n)).is_err();
                inside.borrow_mut().push(format!("{n} raised {raised}"));
            }
            y.yield_(3);
        });
        y.yield_from(&mut inner);
        y.yield_(4);
    });
    assert_eq!(outer.start(), Yielded(0));
    drop(outer);
    assert_eq!(
        entries(&trail),
        [
            "0 raised true",
            "1 raised true",
            "2 raised true",
            "inner",
            "outer",
        ]
    );
}

#[test]
fn delegates_to_several_in_turn() {
    let outer = Generator::new(|y: &Yielder<u32>| {
        for start in [10, 20, 30] {
            y.yield_from(&mut Generator::new(move |y: &Yielder<u32>| {
                (start..start + 3).for_each(|n| y.yield_(n));
            }));
        }
    });
    assert_eq!(
        outer.collect::<Vec<_>>(),
        [10, 11, 12, 20, 21, 22, 30, 31, 32]
    );
}

#[test]
fn long_chains_of_delegation() {
    fn chain(depth: u32) -> Generator<u32, u32, u32> {
        Generator::new(move |y: &Yielder<u32, u32>| {
            if depth > 0 {
                return y.yield_from(&mut chain(depth - 1)) + 1;
            }
            let mut sum = 0;
            while sum < 10 {
                sum += caught(|| y.yield_(sum)).unwrap_or(5);
            }
            sum
        })
    }
    let mut generator = chain(100);
    assert_eq!(generator.start(), Yielded(0));
    assert_eq!(generator.send(1), Yielded(1));
    assert_eq!(
        generator.throw(Box::new("counts as five")).unwrap(),
        Yielded(6)
    );
    assert_eq!(generator.send(4), Complete(110));
}

#[test]
fn closing_a_long_chain_unwinds_from_the_innermost() {
    fn chain(depth: usize, trail: Rc<RefCell<Vec<usize>>>) -> Generator<u32> {
        struct Depth(usize, Rc<RefCell<Vec<usize>>>);
        impl Drop for Depth {
            fn drop(&mut self) {
                self.1.borrow_mut().push(self.0);
            }
        }
        Generator::new(move |y: &Yielder<u32>| {
            let _mark = Depth(depth, trail.clone());
            if depth > 0 {
                y.yield_from(&mut chain(depth - 1, trail.clone()));
            }
            y.yield_(1);
        })
    }
    let trail = Rc::default();
    let mut generator = chain(100, Rc::clone(&trail));
    generator.start();
    generator.close();
    assert!(trail.borrow().iter().copied().eq(0..=100));
}

#[test]
fn an_expiry_that_is_raised_after_its_timeout_is_a_panic_of_who_throws() {
    use corobin::{Generator, Yielder, park, run, spawn, timeout};
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::time::Duration;

    let body = |yielder: &Yielder<()>| {
        let expired = catch_unwind(AssertUnwindSafe(park)).unwrap_err();
        let _ = catch_unwind(AssertUnwindSafe(|| yielder.yield_(())));
        resume_unwind(expired)
    };
    for throws in [true, false] {
        run(|| {
            let ended = spawn(move || {
                let mut generator = Generator::new(body);
                let _ = timeout(Duration::ZERO, || generator.next());
                if throws {
                    drop(generator.throw(Box::new("trouble")));
                } else {
                    generator.close();
                }
            });
            match ended.join() {
                Err(corobin::JoinError::Panicked(payload)) => {
                    let text = payload.downcast_ref::<&str>().unwrap();
                    assert!(text.contains("has ended meanwhile"), "{text}");
                }
                other => panic!("{other:?}"),
            }
        });
    }
}

#[test]
fn panic_in_a_captures_destructor_before_the_start_comes_back() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic_any("the capture failed");
        }
    }
    let capture = Fails;
    let mut generator = Generator::new(move |_: &Yielder<()>| {
        let _capture = &capture;
    });
    let back = generator.throw(Box::new("thrown")).unwrap_err();
    assert_eq!(text(&back), "the capture failed");
    assert!(generator.is_complete());
    assert_eq!(
        text(&generator.throw(Box::new("again")).unwrap_err()),
        "again"
    );
}
