//! Random trees of scopes, sleeps, timeouts and shields under random cancels: whatever happens, no
//! frame is left before the children that borrow from it have ended.

use corobin::{
    JoinError, explore, is_cancel, scope, shield, sleep, spawn, timeout, to_thread, yield_now,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

#[path = "common/rng.rs"]
mod rng;
use rng::Rng;

impl Rng {
    fn fork(&mut self) -> Rng {
        Rng(self.below(u64::MAX >> 33) ^ 0x5DEE_CE66)
    }
}

/// Counts the coroutines alive below a frame; the frame must outlast them.
struct Frame {
    children: Cell<i64>,
    left_too_early: Rc<Cell<bool>>,
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.children.get() != 0 {
            self.left_too_early.set(true);
        }
    }
}

/// A child counts in its parent's frame until its last destructor.
struct Counted<'a>(&'a Frame);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.children.set(self.0.children.get() - 1);
    }
}

/// The destructor of a child takes its time, and may be cut short outside of an unwinding.
struct Child<'a> {
    lingers: u64,
    _counted: Counted<'a>,
}

impl<'a> Child<'a> {
    fn of(frame: &'a Frame, lingers: u64) -> Self {
        frame.children.set(frame.children.get() + 1);
        let _counted = Counted(frame);
        Child { lingers, _counted }
    }
}

impl Drop for Child<'_> {
    fn drop(&mut self) {
        match self.lingers {
            0 => {}
            1 => yield_now(),
            n => sleep(Duration::from_millis(n)),
        }
    }
}

#[derive(Default)]
struct Counts {
    started: Cell<u32>,
    interrupted: Cell<u32>,
    left_too_early: Rc<Cell<bool>>,
}

fn leaf(rng: &mut Rng) {
    match rng.below(5) {
        0 => yield_now(),
        1 => to_thread(|| ()),
        2 => shield(|| sleep(Duration::from_millis(3))),
        _ => sleep(Duration::from_millis(rng.below(20))),
    }
}

/// One random node: a scope whose children are random nodes that borrow this frame.
fn tree(mut rng: Rng, depth: u32, counts: &Counts) {
    counts.started.set(counts.started.get() + 1);
    let frame = Frame {
        children: Cell::new(0),
        left_too_early: counts.left_too_early.clone(),
    };
    let frame = &frame;
    let body = |rng: &mut Rng| {
        leaf(rng);
        if depth == 0 {
            return;
        }
        scope(|s| {
            let mut handles = Vec::new();
            for _ in 0..1 + rng.below(3) {
                let (child_rng, lingers) = (rng.fork(), rng.below(4));
                handles.push(s.spawn(move || {
                    let _child = Child::of(frame, lingers);
                    tree(child_rng, depth - 1, counts);
                }));
            }
            match rng.below(4) {
                0 => s.cancel(),
                1 => handles[0].cancel(),
                2 => {
                    leaf(rng);
                    let _ = handles.remove(0).join();
                }
                _ => {}
            }
            leaf(rng);
        });
    };
    let limit = Duration::from_millis(rng.below(25));
    let result = catch_unwind(AssertUnwindSafe(|| match rng.below(4) {
        0 => {
            let _ = timeout(limit, || body(&mut rng));
        }
        1 => shield(|| body(&mut rng)),
        _ => body(&mut rng),
    }));
    if let Err(payload) = result {
        counts.interrupted.set(counts.interrupted.get() + 1);
        resume_unwind(payload);
    }
}

/// Grows a tree in a coroutine, cancels it after a while, and checks every frame.
fn grow_and_cancel(seed: u64) -> (u32, u32) {
    let counts = Rc::new(Counts::default());
    let mut rng = Rng(seed);
    let (tree_rng, patience) = (rng.fork(), rng.below(40));
    let root = spawn({
        let counts = counts.clone();
        move || tree(tree_rng, 3, &counts)
    });
    sleep(Duration::from_millis(patience));
    root.cancel();
    match root.join() {
        Ok(()) | Err(JoinError::Cancelled) => {}
        Err(JoinError::Panicked(payload)) => {
            assert!(!is_cancel(&payload));
            resume_unwind(payload);
        }
    }
    assert!(
        !counts.left_too_early.get(),
        "seed {seed}: a frame was left"
    );
    assert_eq!(
        Rc::strong_count(&counts),
        1,
        "seed {seed}: a child is alive"
    );
    (counts.started.get(), counts.interrupted.get())
}

#[test]
fn smoke() {
    corobin::run(|| {
        let (started, _) = grow_and_cancel(1);
        assert!(started > 0);
    });
}

#[test]
fn no_frame_is_left_before_its_children_under_any_schedule() {
    let (started, interrupted) = (Cell::new(0), Cell::new(0));
    let seed = Cell::new(0);
    explore(60, || {
        for _ in 0..10 {
            seed.set(seed.get() + 1);
            let (more, met) = grow_and_cancel(seed.get());
            started.set(started.get() + more);
            interrupted.set(interrupted.get() + met);
        }
    });
    assert!(started.get() > 1000, "only {} nodes", started.get());
    assert!(interrupted.get() > 100, "only {} cuts", interrupted.get());
}

#[test]
fn no_frame_is_left_before_its_children_when_the_run_ends() {
    for seed in 0..100 {
        let counts = Rc::new(Counts::default());
        let mut rng = Rng(seed);
        let mut runtime = corobin::Runtime::builder()
            .virtual_time(true)
            .schedule_seed(seed)
            .build()
            .unwrap();
        runtime.run(|| {
            for _ in 0..3 {
                let (counts, rng) = (counts.clone(), rng.fork());
                spawn(move || tree(rng, 3, &counts));
            }
            sleep(Duration::from_millis(rng.below(20)));
        });
        assert!(
            !counts.left_too_early.get(),
            "seed {seed}: a frame was left"
        );
        assert_eq!(
            Rc::strong_count(&counts),
            1,
            "seed {seed}: a child is alive"
        );
    }
}

#[test]
fn a_timeout_around_a_tree_ends_the_whole_tree() {
    let (elapsed, round) = (Cell::new(0), Cell::new(0));
    explore(100, || {
        let counts = Counts::default();
        round.set(round.get() + 1);
        let mut rng = Rng(round.get());
        for _ in 0..3 {
            let limit = Duration::from_millis(rng.below(20));
            let frame = Frame {
                children: Cell::new(0),
                left_too_early: counts.left_too_early.clone(),
            };
            let result = timeout(limit, || {
                scope(|s| {
                    for _ in 0..2 {
                        let rng = rng.fork();
                        let (frame, counts) = (&frame, &counts);
                        s.spawn(move || {
                            let _child = Child::of(frame, 3);
                            tree(rng, 2, counts);
                        });
                    }
                });
            });
            assert_eq!(frame.children.get(), 0);
            elapsed.set(elapsed.get() + u32::from(result.is_err()));
        }
        assert!(!counts.left_too_early.get());
    });
    assert!(elapsed.get() > 10);
}
