//! Closures, results and payloads of every size and alignment take every way there is.

use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinError, Runtime, Yielder, gather, handle, park, run, scope, spawn,
    timeout, to_thread, yield_now,
};

#[path = "common/sizes.rs"]
mod sizes;
use sizes::{Page, is_aligned};

/// Counts who holds it, is as large as asked for, and knows when it was damaged.
struct Load<const SIZE: usize> {
    token: Rc<()>,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Load<SIZE> {
    fn new(token: &Rc<()>) -> Self {
        let mut bytes = [0; SIZE];
        bytes
            .iter_mut()
            .zip(1..=u8::MAX)
            .for_each(|(byte, n)| *byte = n);
        Load {
            token: token.clone(),
            bytes,
        }
    }

    fn check(&self) {
        assert!(Rc::strong_count(&self.token) > 1);
        assert!(
            self.bytes
                .iter()
                .zip(1..=u8::MAX)
                .all(|(&byte, n)| byte == n)
        );
    }
}

fn every_way<const SIZE: usize>() {
    let token = Rc::new(());
    let new = || Load::<SIZE>::new(&token);
    run(|| {
        let capture = new();
        spawn(move || capture.check()).join().unwrap();
        let capture = new();
        spawn(move || capture).join().unwrap().check();
        let capture = new();
        Builder::new()
            .spawn(move || capture)
            .unwrap()
            .join()
            .unwrap()
            .check();
        assert_eq!(Rc::strong_count(&token), 1, "joined, {SIZE}");

        let capture = new();
        drop(spawn(move || capture));
        yield_now();
        assert_eq!(Rc::strong_count(&token), 1, "detached, {SIZE}");

        let capture = new();
        let finished = spawn(move || capture);
        yield_now();
        assert_eq!(Rc::strong_count(&token), 2, "finished, {SIZE}");
        drop(finished);
        yield_now();
        assert_eq!(Rc::strong_count(&token), 1, "dropped, {SIZE}");

        let capture = new();
        let cancelled = spawn(move || capture.check());
        cancelled.cancel();
        assert!(matches!(cancelled.join(), Err(JoinError::Cancelled)));
        assert_eq!(Rc::strong_count(&token), 1, "cancelled, {SIZE}");

        let captures = [new(), new(), new()];
        let results = gather(captures.map(|capture| spawn(move || capture))).unwrap();
        results.iter().for_each(Load::check);
        drop(results);
        assert_eq!(Rc::strong_count(&token), 1, "gathered, {SIZE}");

        let capture = new();
        scope(|s| s.spawn(move || capture).join().unwrap()).check();
        let capture = new();
        scope(|s| drop(s.spawn(move || capture)));
        assert_eq!(Rc::strong_count(&token), 1, "scoped, {SIZE}");

        let capture = new();
        timeout(Duration::MAX, move || capture).unwrap().check();
        let capture = new();
        let capture = run_in_generator(move || capture);
        capture.check();
        drop(capture);
        assert_eq!(Rc::strong_count(&token), 1, "in place, {SIZE}");

        let Err(JoinError::Panicked(payload)) = spawn(|| panic_any([7_u8; SIZE])).join() else {
            panic!("not a panic");
        };
        assert!(*payload.downcast::<[u8; SIZE]>().unwrap() == [7; SIZE]);

        let (capture, unstarted) = (new(), new());
        drop(spawn(move || {
            park();
            capture
        }));
        yield_now();
        drop(spawn(move || unstarted));
    });
    assert_eq!(Rc::strong_count(&token), 1, "end of the run, {SIZE}");
}

fn run_in_generator<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    let mut generator = Generator::new(|y: &Yielder<(), ()>| {
        y.yield_(());
        f()
    });
    generator.start();
    match generator.send(()) {
        corobin::GeneratorState::Complete(value) => value,
        corobin::GeneratorState::Yielded(()) => panic!("not complete"),
    }
}

#[test]
fn smoke() {
    every_way::<0>();
}

#[test]
fn small_ones() {
    every_way::<1>();
    every_way::<8>();
    every_way::<16>();
    every_way::<23>();
    every_way::<24>();
    every_way::<32>();
    every_way::<40>();
    every_way::<48>();
    every_way::<56>();
    every_way::<64>();
    every_way::<72>();
    every_way::<80>();
    every_way::<96>();
    every_way::<120>();
    every_way::<128>();
}

#[test]
fn middling_ones() {
    every_way::<248>();
    every_way::<256>();
    every_way::<500>();
    every_way::<1000>();
    every_way::<1008>();
    every_way::<1016>();
    every_way::<1024>();
    every_way::<1025>();
    every_way::<2048>();
    every_way::<4096>();
}

#[test]
fn large_ones() {
    every_way::<10_000>();
    every_way::<20_000>();
}

macro_rules! aligned {
    ($($name:ident $align:literal),+) => {
        $(
            #[test]
            fn $name() {
                #[derive(Clone, Copy)]
                #[repr(align($align))]
                struct Aligned(u8);
                let capture = Aligned(9);
                let check = move || is_aligned(&capture) && capture.0 == 9;
                run(|| {
                    assert!(spawn(check).join().unwrap());
                    assert!(scope(|s| s.spawn(check).join().unwrap()));
                    assert!(run_in_generator(check));
                    let result = spawn(move || capture).join().unwrap();
                    assert!(is_aligned(&result) && result.0 == 9);
                    let result = run_in_generator(move || capture);
                    assert!(is_aligned(&result) && result.0 == 9);
                    drop(spawn(move || capture));
                    let cancelled = spawn(check);
                    cancelled.cancel();
                    assert!(cancelled.join().is_err());
                });
            }
        )+
    };
}

aligned! {
    alignment_of_16 16,
    alignment_of_32 32,
    alignment_of_64 64,
    alignment_of_128 128,
    alignment_of_512 512,
    alignment_of_2048 2048
}

#[test]
fn closures_of_100_kb() {
    let data = [3_u8; 100 * 1024];
    let sum = move || data.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let expected = 300 * 1024;
    assert_eq!(run(sum), expected);
    run(|| {
        assert_eq!(spawn(sum).join().unwrap(), expected);
        assert_eq!(Builder::new().spawn(sum).unwrap().join().unwrap(), expected);
        assert_eq!(timeout(Duration::MAX, sum), Ok(expected));
        assert_eq!(corobin::shield(sum), expected);
        assert_eq!(corobin::scope(|s| s.spawn(sum).join().unwrap()), expected);
        assert_eq!(corobin::to_thread(sum), expected);
    });
}

#[test]
fn closures_of_4096_byte_alignment() {
    let page = Page([3; 4096]);
    let check = move || is_aligned(&page) && page.0[17] == 3;
    assert!(run(check));
    run(|| {
        assert!(spawn(check).join().unwrap());
        assert!(Builder::new().spawn(check).unwrap().join().unwrap());
        assert_eq!(timeout(Duration::MAX, check), Ok(true));
        assert!(corobin::shield(check));
        assert!(corobin::scope(|s| s.spawn(check).join().unwrap()));
        assert!(corobin::to_thread(check));
        let cancelled = spawn(check);
        cancelled.cancel();
        assert!(cancelled.join().is_err());
    });
}

#[test]
fn results_of_unusual_size_and_alignment() {
    let page = run(|| {
        let page = spawn(|| Page([7; 4096])).join().unwrap();
        assert!(is_aligned(&page) && page.0[4095] == 7);
        let roomy = Builder::new().stack_size(4 << 20);
        let large = roomy.spawn(|| [9_u8; 50_000]).unwrap().join().unwrap();
        assert_eq!(large[49_999], 9);
        let pages = gather((0..5).map(|n| spawn(move || Page([n; 4096])))).unwrap();
        assert!(
            pages
                .iter()
                .zip(0..)
                .all(|(page, n)| is_aligned(page) && page.0[1] == n)
        );
        drop(spawn(|| Page([1; 4096])));
        page
    });
    assert!(is_aligned(&page) && page.0[4095] == 7);
}

/// Larger than a stack: they stay in their boxes, whoever runs or drops them.
#[test]
fn closures_larger_than_the_stack_that_runs_them() {
    const MIB: usize = 1 << 20;
    fn load() -> Vec<u8> {
        vec![7; MIB]
    }
    fn bytes() -> [u8; MIB] {
        *load().first_chunk().unwrap()
    }
    let mut runtime = Runtime::builder()
        .main_stack_size(64 * MIB)
        .build()
        .unwrap();
    runtime.run(|| {
        let capture = bytes();
        assert_eq!(spawn(move || capture[MIB - 1]).join().unwrap(), 7);
        let capture = bytes();
        let cancelled = spawn(move || capture[0]);
        cancelled.cancel();
        assert!(matches!(cancelled.join(), Err(JoinError::Cancelled)));
        let capture = bytes();
        assert_eq!(scope(|s| s.spawn(move || capture[9]).join().unwrap()), 7);
        let capture = bytes();
        assert_eq!(handle().spawn(move || capture[9]).join().unwrap(), 7);
        let capture = bytes();
        assert_eq!(to_thread(move || capture[9]), 7);
    });
}
