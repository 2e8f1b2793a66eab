//! Random panics inside of destructors inside of panics, on the stacks of coroutines and of
//! generators, all suspended and resumed in between: each stack sees its own unwinding only.

use corobin::{Generator, Runtime, explore, park, spawn, timeout, yield_now};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::thread::panicking;
use std::time::Duration;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/rng.rs"]
mod rng;
use rng::Rng;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::expect_panics;

/// Counts looks, and those that saw something else than this stack's own unwinding.
#[derive(Default)]
struct Looks {
    made: Cell<u32>,
    wrong: Cell<u32>,
}

impl Looks {
    fn expect(&self, unwinding: bool) {
        self.made.set(self.made.get() + 1);
        if panicking() != unwinding {
            self.wrong.set(self.wrong.get() + 1);
        }
    }
}

/// Suspends a few times; `suspend` leaves this stack.
fn dawdle(rng: &mut Rng, looks: &Looks, unwinding: bool, suspend: &dyn Fn()) {
    for _ in 0..rng.below(3) {
        looks.expect(unwinding);
        suspend();
        looks.expect(unwinding);
    }
}

/// Panics under destructors that panic and catch in turn, suspending wherever it can.
fn chaos(rng: &mut Rng, depth: u64, looks: &Rc<Looks>, unwinding: bool, suspend: &dyn Fn()) {
    dawdle(rng, looks, unwinding, suspend);
    let mut inner_rng = Rng(rng.below(1 << 30));
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _guard = OnDrop(|| {
            dawdle(&mut inner_rng, looks, true, suspend);
            if depth > 0 {
                chaos(&mut inner_rng, depth - 1, looks, true, suspend);
            }
            if depth > 0 && inner_rng.below(3) == 0 {
                on_a_generator(&mut inner_rng, depth - 1, looks, true, suspend);
            }
            dawdle(&mut inner_rng, looks, true, suspend);
        });
        dawdle(rng, looks, unwinding, suspend);
        panic!("expected");
    }));
    assert!(result.is_err());
    dawdle(rng, looks, unwinding, suspend);
}

/// The same on the stack of a generator, which also leaves it in the middle of everything.
fn on_a_generator(
    rng: &mut Rng,
    depth: u64,
    looks: &Rc<Looks>,
    unwinding: bool,
    suspend: &dyn Fn(),
) {
    let mut body_rng = Rng(rng.below(1 << 30));
    let inner = looks.clone();
    let generator = Generator::<u8>::new(move |y| {
        chaos(&mut body_rng, depth, &inner, false, &|| y.yield_(1));
    });
    for _ in generator {
        looks.expect(unwinding);
        dawdle(rng, looks, unwinding, suspend);
    }
    looks.expect(unwinding);
}

fn round(seed: u64, depth: u64) -> Rc<Looks> {
    let looks = Rc::new(Looks::default());
    let mut rng = Rng(seed);
    let mutex = Rc::new(Mutex::new(()));
    let mut children: Vec<_> = (0..4)
        .map(|n| {
            let (looks, mutex, mut rng) = (looks.clone(), mutex.clone(), Rng(rng.below(1 << 30)));
            spawn(move || match n {
                0 => on_a_generator(&mut rng, depth, &looks, false, &yield_now),
                1 => {
                    for _ in 0..20 {
                        let _held = mutex.lock().unwrap();
                        looks.expect(false);
                    }
                    dawdle(&mut rng, &looks, false, &yield_now);
                }
                _ => chaos(&mut rng, depth, &looks, false, &yield_now),
            })
        })
        .collect();
    let (inner, mut inner_rng) = (looks.clone(), Rng(seed + 1));
    children.push(spawn(move || {
        let result = timeout(Duration::ZERO, || {
            let _guard = OnDrop(|| chaos(&mut inner_rng, depth, &inner, true, &yield_now));
            park();
        });
        assert!(result.is_err());
        inner.expect(false);
    }));
    for child in children {
        looks.expect(false);
        child.join().unwrap();
        looks.expect(false);
    }
    assert!(!mutex.is_poisoned());
    looks
}

#[test]
fn smoke() {
    expect_panics();
    let looks = Runtime::new().unwrap().run(|| round(1, 1));
    assert!(looks.made.get() > 10);
    assert_eq!(looks.wrong.get(), 0);
    assert!(!panicking());
}

#[test]
fn round_robin() {
    expect_panics();
    Runtime::new().unwrap().run(|| {
        for seed in 0..40 {
            let looks = round(seed, 3);
            assert_eq!(looks.wrong.get(), 0, "of {} looks", looks.made.get());
        }
    });
    assert!(!panicking());
}

#[test]
fn seeded_schedules() {
    expect_panics();
    let seed = Cell::new(0);
    explore(40, || {
        seed.set(seed.get() + 1);
        let looks = round(seed.get(), 3);
        assert_eq!(looks.wrong.get(), 0, "of {} looks", looks.made.get());
    });
    assert!(!panicking());
}

#[test]
fn generators_without_a_run() {
    expect_panics();
    for seed in 0..40 {
        let looks = Rc::new(Looks::default());
        // Two of them, stepped in turn by a plain thread, each left in its middle.
        let mut generators: Vec<_> = (0..2)
            .map(|n| {
                let (looks, mut rng) = (looks.clone(), Rng(seed * 2 + n));
                Generator::<u8>::new(move |y| {
                    chaos(&mut rng, 3, &looks, false, &|| y.yield_(1));
                })
            })
            .collect();
        while !generators.iter().all(Generator::is_complete) {
            for generator in &mut generators {
                looks.expect(false);
                generator.next();
                looks.expect(false);
            }
        }
        assert_eq!(looks.wrong.get(), 0, "of {} looks", looks.made.get());
    }
    assert!(!panicking());
}
