//! Generators driven from outside: start, send, iterate, close and drop.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Generator, GeneratorState, Yielder};

#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries};

#[test]
fn smoke() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        y.yield_(1);
        y.yield_(2);
        "done"
    });
    assert_eq!(generator.start(), Yielded(1));
    assert_eq!(generator.send(()), Yielded(2));
    assert_eq!(generator.send(()), Complete("done"));
    assert!(generator.is_complete());
}

#[test]
fn body_does_not_run_before_start() {
    let ran = Rc::new(Cell::new(false));
    let flag = ran.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        flag.set(true);
        y.yield_(1);
    });
    assert!(!ran.get());
    assert!(!generator.is_complete());
    generator.start();
    assert!(ran.get());
    assert!(!generator.is_complete());
}

#[test]
fn start_may_complete_at_once() {
    let mut generator = Generator::<u32, (), _>::new(|_| 7);
    assert_eq!(generator.start(), Complete(7));
    assert!(generator.is_complete());
}

#[test]
fn sent_value_is_the_value_of_the_pending_yield() {
    let mut averager = Generator::new(|y: &Yielder<f64, f64>| -> () {
        let (mut sum, mut count) = (0.0, 0.0);
        let mut average = 0.0;
        loop {
            sum += y.yield_(average);
            count += 1.0;
            average = sum / count;
        }
    });
    assert_eq!(averager.start(), Yielded(0.0));
    assert_eq!(averager.send(10.0), Yielded(10.0));
    assert_eq!(averager.send(20.0), Yielded(15.0));
    assert_eq!(averager.send(60.0), Yielded(30.0));
}

#[test]
fn states_compare_and_print() {
    let yielded: GeneratorState<u32, &str> = Yielded(1);
    let complete: GeneratorState<u32, &str> = Complete("end");
    assert_ne!(yielded, complete);
    assert_eq!(format!("{yielded:?}"), "Yielded(1)");
    assert_eq!(format!("{complete:?}"), "Complete(\"end\")");
}

#[test]
fn caller_and_body_take_turns() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<(), &'static str>| {
        log.borrow_mut().push("body starts".into());
        let first = y.yield_(());
        log.borrow_mut().push(format!("body got {first}"));
        let second = y.yield_(());
        log.borrow_mut().push(format!("body got {second}"));
    });
    trail.borrow_mut().push("caller starts it".into());
    generator.start();
    trail.borrow_mut().push("caller sends a".into());
    generator.send("a");
    trail.borrow_mut().push("caller sends b".into());
    generator.send("b");
    trail.borrow_mut().push("caller ends".into());
    assert_eq!(
        entries(&trail),
        [
            "caller starts it",
            "body starts",
            "caller sends a",
            "body got a",
            "caller sends b",
            "body got b",
            "caller ends",
        ]
    );
}

#[test]
fn yields_at_any_call_depth() {
    fn in_order(y: &Yielder<u32>, low: u32, high: u32) {
        if low < high {
            let middle = low + (high - low) / 2;
            in_order(y, low, middle);
            y.yield_(middle);
            in_order(y, middle + 1, high);
        }
    }
    let walker = Generator::new(|y: &Yielder<u32>| in_order(y, 0, 1000));
    assert!(walker.eq(0..1000));
}

#[test]
fn yields_out_of_a_foreign_iterator() {
    let squares = Generator::new(|y: &Yielder<u32>| (1..=4).for_each(|n| y.yield_(n * n)));
    assert_eq!(squares.collect::<Vec<_>>(), [1, 4, 9, 16]);
}

#[test]
fn iterates_with_for_and_adapters() {
    let letters = Generator::new(|y: &Yielder<char>| {
        for letter in 'a'..='e' {
            y.yield_(letter);
        }
    });
    let mut seen = String::new();
    for letter in letters {
        seen.push(letter);
    }
    assert_eq!(seen, "abcde");

    let naturals = Generator::new(|y: &Yielder<u64>| {
        for n in 0.. {
            y.yield_(n);
        }
    });
    let picked: Vec<u64> = naturals.filter(|n| n % 3 == 0).skip(1).take(3).collect();
    assert_eq!(picked, [3, 6, 9]);
}

#[test]
fn iterator_is_fused() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        y.yield_(1);
    });
    assert_eq!(generator.next(), Some(1));
    assert_eq!(generator.next(), None);
    assert!(generator.is_complete());
    assert_eq!(generator.next(), None);
    assert_eq!(generator.next(), None);
}

#[test]
fn iterator_ends_after_close_and_after_a_panic() {
    let mut closed = Generator::new(|y: &Yielder<u32>| {
        y.yield_(1);
        y.yield_(2);
    });
    assert_eq!(closed.next(), Some(1));
    closed.close();
    assert_eq!(closed.next(), None);

    let mut panicked = Generator::new(|y: &Yielder<u32>| {
        y.yield_(1);
        panic!("boom");
    });
    assert_eq!(panicked.next(), Some(1));
    assert!(catch_unwind(AssertUnwindSafe(|| panicked.next())).is_err());
    assert_eq!(panicked.next(), None);
}

#[test]
fn iterator_goes_on_where_start_and_send_stopped() {
    let mut generator = Generator::new(|y: &Yielder<u32>| (1..=4).for_each(|n| y.yield_(n)));
    assert_eq!(generator.start(), Yielded(1));
    assert_eq!(generator.next(), Some(2));
    assert_eq!(generator.send(()), Yielded(3));
    assert_eq!(generator.by_ref().collect::<Vec<_>>(), [4]);
}

#[test]
fn many_generators_interleave() {
    let mut generators: Vec<_> = (0..100_u32)
        .map(|id| {
            Generator::new(move |y: &Yielder<u32>| {
                for step in 0..10 {
                    y.yield_(id * 10 + step);
                }
            })
        })
        .collect();
    for step in 0..10 {
        for (id, generator) in generators.iter_mut().enumerate() {
            assert_eq!(generator.next(), Some(id as u32 * 10 + step));
        }
    }
    assert!(
        generators
            .iter_mut()
            .all(|generator| generator.next().is_none())
    );
}

#[test]
fn close_unwinds_innermost_first() {
    fn inner(y: &Yielder<u32>, trail: &Trail) {
        let _mark = Mark(trail.clone(), "inner");
        y.yield_(1);
        trail.borrow_mut().push("never".into());
    }
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _first = Mark(log.clone(), "outer, first local");
        let _second = Mark(log.clone(), "outer, second local");
        inner(y, &log);
    });
    generator.start();
    generator.close();
    assert_eq!(
        entries(&trail),
        ["inner", "outer, second local", "outer, first local"]
    );
    assert!(generator.is_complete());
}

#[test]
fn drop_unwinds_the_body() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _outer = Mark(log.clone(), "outer");
        let _inner = Mark(log.clone(), "inner");
        y.yield_(1);
    });
    generator.start();
    assert!(entries(&trail).is_empty());
    drop(generator);
    assert_eq!(entries(&trail), ["inner", "outer"]);
}

#[test]
fn close_before_start_drops_the_captures_and_runs_nothing() {
    let trail = Trail::default();
    let capture = Mark(trail.clone(), "capture");
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let mark = capture;
        mark.0.borrow_mut().push("body".into());
        y.yield_(1);
    });
    generator.close();
    assert_eq!(entries(&trail), ["capture"]);
    assert!(generator.is_complete());
}

#[test]
fn drop_before_start_drops_the_captures_and_runs_nothing() {
    let trail = Trail::default();
    let capture = Mark(trail.clone(), "capture");
    let generator = Generator::new(move |y: &Yielder<u32>| {
        let mark = capture;
        mark.0.borrow_mut().push("body".into());
        y.yield_(1);
    });
    drop(generator);
    assert_eq!(entries(&trail), ["capture"]);
}

#[test]
fn close_again_and_close_after_completion_do_nothing() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _mark = Mark(log.clone(), "unwound");
        y.yield_(1);
    });
    generator.start();
    generator.close();
    generator.close();
    drop(generator);
    assert_eq!(entries(&trail), ["unwound"]);

    let mut finished = Generator::<u32>::new(|_| ());
    finished.start();
    finished.close();
    assert!(finished.is_complete());
}

#[test]
fn close_that_the_body_catches_completes_it() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let raised = catch_unwind(AssertUnwindSafe(|| y.yield_(1))).is_err();
        log.borrow_mut().push(format!("raised {raised}"));
    });
    generator.start();
    generator.close();
    assert_eq!(entries(&trail), ["raised true"]);
    assert!(generator.is_complete());
}

#[test]
fn close_raises_again_when_the_body_yields_again() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _mark = Mark(log.clone(), "unwound");
        for attempt in 0..5 {
            let raised = catch_unwind(AssertUnwindSafe(|| y.yield_(attempt))).is_err();
            log.borrow_mut().push(format!("{attempt} raised {raised}"));
        }
        y.yield_(99);
        log.borrow_mut().push("never".into());
    });
    assert_eq!(generator.start(), Yielded(0));
    assert_eq!(generator.send(()), Yielded(1));
    generator.close();
    assert_eq!(
        entries(&trail),
        [
            "0 raised false",
            "1 raised true",
            "2 raised true",
            "3 raised true",
            "4 raised true",
            "unwound",
        ]
    );
    assert!(generator.is_complete());
}

#[test]
fn panic_reaches_start_and_completes() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |_: &Yielder<u32>| {
        let _mark = Mark(log.clone(), "unwound");
        panic_any(41_u64);
    });
    let payload = catch_unwind(AssertUnwindSafe(|| generator.start())).unwrap_err();
    assert_eq!(payload.downcast_ref::<u64>(), Some(&41));
    assert_eq!(entries(&trail), ["unwound"]);
    assert!(generator.is_complete());
}

#[test]
fn panic_reaches_send_and_next() {
    let body = |y: &Yielder<u32>| {
        y.yield_(1);
        panic_any("boom");
    };
    let mut sent = Generator::new(body);
    sent.start();
    let payload = catch_unwind(AssertUnwindSafe(|| sent.send(()))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
    assert!(sent.is_complete());

    let mut iterated = Generator::new(body);
    assert_eq!(iterated.next(), Some(1));
    let payload = catch_unwind(AssertUnwindSafe(|| iterated.next())).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
    assert!(iterated.is_complete());
}

#[test]
fn panic_that_the_body_catches_stays_inside() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        let caught = catch_unwind(|| panic_any(3_u32)).unwrap_err();
        y.yield_(*caught.downcast::<u32>().unwrap());
    });
    assert_eq!(generator.start(), Yielded(3));
    assert_eq!(generator.send(()), Complete(()));
}

#[test]
fn every_value_is_dropped_once() {
    let token = Rc::new(());
    let inside = token.clone();
    let mut generator = Generator::new(move |y: &Yielder<Rc<()>, Rc<()>>| {
        let kept = y.yield_(inside.clone());
        drop(y.yield_(inside.clone()));
        y.yield_(kept);
        inside
    });
    assert_eq!(Rc::strong_count(&token), 2);
    drop(generator.start());
    assert_eq!(Rc::strong_count(&token), 2);
    drop(generator.send(token.clone()));
    assert_eq!(Rc::strong_count(&token), 3);
    drop(generator.send(token.clone()));
    assert_eq!(Rc::strong_count(&token), 2);
    let last = generator.send(token.clone());
    assert!(matches!(last, Complete(_)));
    drop(last);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn closing_drops_what_the_body_holds() {
    let token = Rc::new(());
    let inside = token.clone();
    let mut generator = Generator::new(move |y: &Yielder<Rc<()>, Rc<()>>| {
        let _sent = y.yield_(inside.clone());
        y.yield_(inside.clone());
    });
    let first = generator.start();
    let second = generator.send(token.clone());
    assert_eq!(Rc::strong_count(&token), 5);
    generator.close();
    assert_eq!(Rc::strong_count(&token), 3);
    drop((first, second));
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn owns_and_drives_generators_of_its_own() {
    fn countdown(depth: u32) -> Generator<u32> {
        Generator::new(move |y: &Yielder<u32>| {
            y.yield_(depth);
            if depth > 0 {
                for value in countdown(depth - 1) {
                    y.yield_(value);
                }
            }
        })
    }
    assert!(countdown(150).eq((0..=150).rev()));
}

#[test]
fn closing_the_outermost_closes_what_it_owns() {
    fn nest(depth: u32, trail: Trail) -> Generator<u32> {
        Generator::new(move |y: &Yielder<u32>| {
            let _mark = Mark(
                trail.clone(),
                if depth == 0 { "innermost" } else { "outer" },
            );
            if depth == 0 {
                y.yield_(1);
            } else {
                for value in nest(depth - 1, trail.clone()) {
                    y.yield_(value);
                }
            }
        })
    }
    let trail = Trail::default();
    let mut generator = nest(50, trail.clone());
    assert_eq!(generator.next(), Some(1));
    drop(generator);
    let entries = entries(&trail);
    assert_eq!(entries.len(), 51);
    assert_eq!(entries[0], "innermost");
}
