//! A sequence of numbers, each of which takes some 10 ns to compute, taken one by one.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds of a chain of multiplications that take about 10 ns.
const WORK: u32 = 10;

/// The number after `state`.
#[inline(always)]
fn step(mut state: u64) -> u64 {
    for _ in 0..WORK {
        state = black_box(state)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
    state
}

/// Takes `items` numbers and compares the last with what it must be.
fn take(items: u64, numbers: impl Iterator<Item = u64>) -> Duration {
    let begin = Instant::now();
    let (mut count, mut last) = (0, 0);
    for number in numbers {
        count += 1;
        last = black_box(number);
    }
    let took = begin.elapsed();
    assert_eq!((count, last), (items, (0..items).fold(0, |n, _| step(n))));
    took
}

/// What one writes by hand: the state is a field.
struct Numbers {
    state: u64,
    left: u64,
}

impl Iterator for Numbers {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.state = step(self.state);
        Some(self.state)
    }
}

pub fn iterator(items: u64) -> Duration {
    take(
        items,
        Numbers {
            state: 0,
            left: items,
        },
    )
}

/// What one writes with a stack: a loop.
pub fn corobin(items: u64) -> Duration {
    let numbers = corobin::Generator::<u64>::new(move |y| {
        let mut state = 0;
        for _ in 0..items {
            state = step(state);
            y.yield_(state);
        }
    });
    take(items, numbers)
}

/// The same on corosensei alone.
pub fn raw(items: u64) -> Duration {
    let numbers = super::raw::Generator::new(move |y| {
        let mut state = 0;
        for _ in 0..items {
            state = step(state);
            y.suspend(state);
        }
    });
    take(items, numbers)
}

/// What one writes with threads: the loop sends into a channel that holds so many items. Nothing
/// is computed before it is needed where that is none.
pub fn thread(items: u64, capacity: usize) -> Duration {
    let (tx, rx) = std::sync::mpsc::sync_channel(capacity);
    std::thread::scope(|s| {
        s.spawn(move || {
            let mut state = 0;
            for _ in 0..items {
                state = step(state);
                tx.send(state).expect("a receiver");
            }
        });
        take(items, rx.into_iter())
    })
}
