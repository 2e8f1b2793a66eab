//! Generators with stacks, closures and values of unusual sizes, and forgotten ones.

use std::cell::{Cell, RefCell};
use std::mem::forget;
use std::rc::Rc;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Generator, Yielder};

#[path = "common/sizes.rs"]
mod sizes;
use sizes::{Page, dive, is_aligned};

#[derive(Debug, PartialEq)]
struct Nothing;

/// An unoptimised build copies large values many times on the generator's stack.
fn roomy<Y, R, T>(f: impl FnOnce(&Yielder<Y, R>) -> T + 'static) -> Generator<Y, R, T> {
    Generator::with_stack_size(4 << 20, f).unwrap()
}

#[test]
fn smoke() {
    let mut generator = Generator::new(|y: &Yielder<[u8; 3], [u8; 5]>| y.yield_([1, 2, 3])[4]);
    assert_eq!(generator.start(), Yielded([1, 2, 3]));
    assert_eq!(generator.send([1, 2, 3, 4, 5]), Complete(5));
}

#[test]
fn zero_sized_values_and_closures() {
    thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    let mut generator = Generator::new(|y: &Yielder<Nothing, Counted>| {
        y.yield_(Nothing);
        let _kept = y.yield_(Nothing);
        Nothing
    });
    assert_eq!(generator.start(), Yielded(Nothing));
    assert_eq!(generator.send(Counted), Yielded(Nothing));
    assert_eq!(DROPS.get(), 1);
    assert_eq!(generator.send(Counted), Complete(Nothing));
    assert_eq!(DROPS.get(), 2);
}

#[test]
fn over_aligned_values_stay_aligned() {
    let mut generator = roomy(|y: &Yielder<Page, Page>| {
        let first = y.yield_(Page([1; 4096]));
        assert!(is_aligned(&first));
        let second = y.yield_(first);
        assert!(is_aligned(&second));
        second
    });
    let Yielded(page) = generator.start() else {
        panic!("complete too early");
    };
    assert!(is_aligned(&page));
    assert_eq!(page, Page([1; 4096]));
    assert_eq!(generator.send(Page([2; 4096])), Yielded(Page([2; 4096])));
    let Complete(last) = generator.send(Page([3; 4096])) else {
        panic!("not complete");
    };
    assert!(is_aligned(&last));
    assert_eq!(last, Page([3; 4096]));
}

#[test]
fn over_aligned_captures_stay_aligned() {
    let page = Page([7; 4096]);
    let mut generator = Generator::new(move |y: &Yielder<bool>| {
        y.yield_(is_aligned(&page));
        page.0[4095]
    });
    assert_eq!(generator.start(), Yielded(true));
    assert_eq!(generator.send(()), Complete(7));
}

#[test]
fn over_aligned_captures_that_never_start_are_dropped() {
    let token = Rc::new(());
    let inside = (Page([7; 4096]), token.clone());
    let mut generator = Generator::new(move |y: &Yielder<u8>| {
        let inside = &inside;
        y.yield_(inside.0.0[0]);
    });
    generator.close();
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn closures_of_100_kb() {
    let data = [5_u8; 100 * 1024];
    let mut generator = Generator::new(move |y: &Yielder<u8>| {
        y.yield_(data[0]);
        data.iter().map(|&byte| u64::from(byte)).sum::<u64>()
    });
    assert_eq!(generator.start(), Yielded(5));
    assert_eq!(generator.send(()), Complete(5 * 100 * 1024));
}

#[test]
fn closures_larger_than_the_default_stack() {
    // An unoptimised build copies the closure many times on the thread's own stack.
    let roomy = std::thread::Builder::new().stack_size(64 << 20);
    let test = roomy.spawn(|| {
        let data = [5_u8; 512 * 1024];
        let mut generator = Generator::new(move |y: &Yielder<u8>| {
            y.yield_(data[0]);
            data.iter().map(|&byte| u64::from(byte)).sum::<u64>()
        });
        assert_eq!(generator.start(), Yielded(5));
        assert_eq!(generator.send(()), Complete(5 * 512 * 1024));
    });
    test.unwrap().join().unwrap();
}

#[test]
fn values_of_16_kb() {
    let mut echo = roomy(|y: &Yielder<[u8; 16_384], [u8; 16_384]>| {
        let first = y.yield_([1; 16_384]);
        y.yield_(first)
    });
    assert_eq!(echo.start(), Yielded([1; 16_384]));
    assert_eq!(echo.send([2; 16_384]), Yielded([2; 16_384]));
    assert_eq!(echo.send([3; 16_384]), Complete([3; 16_384]));
}

#[test]
fn usable_bytes_are_what_was_asked_for() {
    for bytes in [64 << 10, 256 << 10, 1 << 20, 64 << 20] {
        let mut generator = Generator::with_stack_size(bytes, move |y: &Yielder<bool>| {
            y.yield_(dive(bytes - 32_768) >= bytes - 32_768);
            dive(bytes - 32_768) >= bytes - 32_768
        })
        .unwrap();
        assert_eq!(generator.start(), Yielded(true));
        assert_eq!(generator.send(()), Complete(true));
    }
}

#[test]
fn default_stack_has_256_kib() {
    let mut generator = Generator::<u32, (), _>::new(|_| dive(220 << 10));
    assert!(matches!(generator.start(), Complete(220_000..)));
}

#[test]
fn sizes_need_not_be_whole_pages() {
    for bytes in [65_537, 70_000, 131_071] {
        let generator = Generator::with_stack_size(bytes, |y: &Yielder<usize>| {
            (0..3).for_each(|n| y.yield_(n));
        })
        .unwrap();
        assert_eq!(generator.collect::<Vec<_>>(), [0, 1, 2]);
    }
}

#[test]
fn sizes_that_cannot_be_had_are_errors_and_drop_the_closure() {
    for bytes in [0, usize::MAX, usize::MAX / 2, isize::MAX as usize - 4096] {
        let token = Rc::new(());
        let inside = token.clone();
        let result = Generator::with_stack_size(bytes, move |y: &Yielder<u32>| {
            let _inside = &inside;
            y.yield_(1);
        });
        assert!(result.is_err(), "{bytes}");
        assert_eq!(Rc::strong_count(&token), 1);
    }
    let mut generator = Generator::new(|y: &Yielder<u32>| y.yield_(1));
    assert_eq!(generator.start(), Yielded(1));
}

#[test]
fn thousands_come_and_go() {
    for round in 0..20_u32 {
        let mut generators: Vec<_> = (0..500_u32)
            .map(|n| {
                Generator::new(move |y: &Yielder<u32>| {
                    y.yield_(n);
                    y.yield_(n + round);
                })
            })
            .collect();
        for (n, generator) in generators.iter_mut().enumerate() {
            assert_eq!(generator.next(), Some(n as u32));
        }
        for (n, generator) in generators.iter_mut().enumerate().step_by(2) {
            assert_eq!(generator.next(), Some(n as u32 + round));
        }
    }
}

#[test]
fn reused_stacks_of_different_sizes_do_not_mix() {
    for round in 0..50_usize {
        let size = 65_536 << (round % 4);
        let generator = Generator::with_stack_size(size, move |y: &Yielder<usize>| {
            let ballast = std::hint::black_box([round as u8; 32_768]);
            y.yield_(usize::from(ballast[round]));
        })
        .unwrap();
        assert_eq!(generator.collect::<Vec<_>>(), [round]);
    }
}

#[test]
fn forgotten_generators_leak_and_hurt_nobody() {
    let token = Rc::new(());
    for _ in 0..10 {
        let inside = token.clone();
        let mut suspended = Generator::new(move |y: &Yielder<u32>| {
            let _inside = inside.clone();
            y.yield_(1);
            y.yield_(2);
        });
        assert_eq!(suspended.start(), Yielded(1));
        forget(suspended);
    }
    assert_eq!(Rc::strong_count(&token), 21);

    let inside = token.clone();
    forget(Generator::new(move |y: &Yielder<u32>| {
        let _inside = inside.clone();
        y.yield_(1);
    }));
    assert_eq!(Rc::strong_count(&token), 22);

    for _ in 0..10 {
        let generator = Generator::new(|y: &Yielder<u32>| (0..5).for_each(|n| y.yield_(n)));
        assert!(generator.eq(0..5));
    }
    assert_eq!(Rc::strong_count(&token), 22);
}

#[test]
fn forgotten_generator_of_a_coroutine_does_not_hold_the_run() {
    let token = Rc::new(());
    let inside = token.clone();
    corobin::run(move || {
        let handle = corobin::spawn(move || {
            let mut suspended = Generator::new(move |y: &Yielder<u32>| {
                let _inside = inside.clone();
                corobin::yield_now();
                y.yield_(1);
            });
            assert_eq!(suspended.start(), Yielded(1));
            forget(suspended);
        });
        handle.join().unwrap();
    });
    assert_eq!(Rc::strong_count(&token), 3);
}

#[test]
fn a_cycle_of_generators_is_leaked_quietly() {
    type Slot = Rc<RefCell<Option<Generator<u32>>>>;
    let slot = Slot::default();
    let own = slot.clone();
    *slot.borrow_mut() = Some(Generator::new(move |y: &Yielder<u32>| {
        y.yield_(Rc::strong_count(&own) as u32);
    }));
    assert_eq!(slot.borrow_mut().as_mut().unwrap().start(), Yielded(2));
    drop(slot);
}
