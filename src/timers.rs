//! Deadlines, the earliest first; equal ones in the order of their arrival.
//!
//! A heap with four children to a node: at 200 000 timers it is nine levels
//! deep, and the children of a node share two cache lines. `places` tells where
//! in the heap a timer is, so that a cancel need not search. What a program
//! cancels most, a timeout that did not expire, is one of the latest deadlines
//! and sits near the end, where its removal moves next to nothing.
//!
//! Time is an argument: a duration that the caller counts from where it likes.

use std::time::Duration;

use crate::cpu::prefetch;

/// Names a timer until it has fired or was cancelled; never again after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    generation: u32,
}

pub(crate) struct Timers<T> {
    heap: Vec<Node>,
    /// By slot: the index in `heap`, or the next free slot.
    places: Vec<u32>,
    slots: Vec<Slot<T>>,
    free: u32,
    arrivals: u64,
}

#[derive(Clone, Copy)]
struct Node {
    /// The deadline's seconds and nanoseconds, apart to make 24 bytes.
    seconds: u64,
    arrival: u64,
    nanos: u32,
    slot: u32,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

const NONE: u32 = u32::MAX;
const CHILDREN: usize = 4;

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers {
            heap: Vec::new(),
            places: Vec::new(),
            slots: Vec::new(),
            free: NONE,
            arrivals: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        let node = self.heap.first()?;
        Some(Duration::new(node.seconds, node.nanos))
    }

    pub(crate) fn insert(&mut self, deadline: Duration, value: T) -> Key {
        let slot = self.free;
        let slot = if slot == NONE {
            let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 timers");
            self.slots.push(Slot {
                generation: 0,
                value: Some(value),
            });
            self.places.push(NONE);
            slot
        } else {
            self.free = self.places[slot as usize];
            self.slots[slot as usize].value = Some(value);
            slot
        };
        let arrival = self.arrivals;
        self.arrivals += 1;
        let node = Node {
            seconds: deadline.as_secs(),
            arrival,
            nanos: deadline.subsec_nanos(),
            slot,
        };
        self.heap.push(node);
        self.sift_up(self.heap.len() - 1, node);
        Key {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    /// Whether the timer has neither fired nor been cancelled.
    pub(crate) fn is_armed(&self, key: Key) -> bool {
        self.slots[key.slot as usize].generation == key.generation
    }

    /// Takes the timer out; `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        if !self.is_armed(key) {
            return None;
        }
        let at = self.places[key.slot as usize] as usize;
        Some(self.remove(at))
    }

    /// The earliest timer whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let value = self.remove(0);
        // The next one to fire, most likely; its slot can be anywhere.
        if let Some(next) = self.heap.first() {
            prefetch(std::ptr::from_ref(&self.slots[next.slot as usize]).addr());
        }
        Some(value)
    }

    fn remove(&mut self, at: usize) -> T {
        let node = self.heap[at];
        let last = self.heap.pop().expect("the heap has a node to remove");
        if at < self.heap.len() {
            if at > 0 && last.is_before(&self.heap[(at - 1) / CHILDREN]) {
                self.sift_up(at, last);
            } else {
                self.sift_down(at, last);
            }
        }
        let slot = &mut self.slots[node.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.places[node.slot as usize] = self.free;
        self.free = node.slot;
        slot.value.take().expect("an armed timer has a value")
    }

    /// Moves the hole at `at` up until `node` fits in.
    fn sift_up(&mut self, mut at: usize, node: Node) {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if !node.is_before(&self.heap[parent]) {
                break;
            }
            self.put(at, self.heap[parent]);
            at = parent;
        }
        self.put(at, node);
    }

    /// Moves the hole at `at` down to the leaves, and up again until `node` fits
    /// in: `node` comes from the end of the heap, so it seldom goes up far, and
    /// need not be compared on the way down.
    fn sift_down(&mut self, mut at: usize, node: Node) {
        loop {
            let first = at * CHILDREN + 1;
            let last = (first + CHILDREN).min(self.heap.len());
            let earlier = |a: usize, b: usize| {
                if self.heap[b].is_before(&self.heap[a]) {
                    b
                } else {
                    a
                }
            };
            match (first..last).reduce(earlier) {
                Some(least) => {
                    self.put(at, self.heap[least]);
                    at = least;
                }
                None => break,
            }
        }
        self.sift_up(at, node);
    }

    fn put(&mut self, at: usize, node: Node) {
        self.heap[at] = node;
        self.places[node.slot as usize] = at as u32;
    }
}

impl Node {
    fn is_before(&self, other: &Node) -> bool {
        let key = |node: &Node| (node.seconds, node.nanos, node.arrival);
        key(self) < key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A second has three units, so that both parts of a deadline matter.
    fn at(units: u64) -> Duration {
        Duration::new(units / 3, (units % 3) as u32)
    }

    #[test]
    fn earliest_first_and_equal_ones_in_order_of_arrival() {
        let mut timers = Timers::new();
        for (deadline, value) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (9, 'e')] {
            timers.insert(at(deadline), value);
        }
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.pop_due(at(2)), None);
        let due: String = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
        assert_eq!(due, "bdac");
        assert_eq!(timers.next(), Some(at(9)));
    }

    #[test]
    fn a_key_is_never_valid_again() {
        let mut timers = Timers::new();
        let old = timers.insert(at(1), 'a');
        assert_eq!(timers.cancel(old), Some('a'));
        let new = timers.insert(at(1), 'b');
        assert!(!timers.is_armed(old));
        assert_eq!(timers.cancel(old), None);
        assert!(timers.is_armed(new));
        assert_eq!(timers.pop_due(at(1)), Some('b'));
        assert!(!timers.is_armed(new));
    }

    /// Random inserts, cancels and advances against an ordered map.
    #[test]
    fn agrees_with_an_ordered_map() {
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut timers = Timers::new();
            let mut model = BTreeMap::new();
            let mut keys = Vec::new();
            let mut now = 0;
            for n in 0..3000_u64 {
                match random.u32(..10) {
                    0..=4 => {
                        let deadline = now + random.u64(..100);
                        keys.push((timers.insert(at(deadline), n), deadline, n));
                        model.insert((deadline, n), ());
                    }
                    5..=7 if !keys.is_empty() => {
                        let (key, deadline, value) = keys.swap_remove(random.usize(..keys.len()));
                        let armed = model.remove(&(deadline, value)).is_some();
                        assert_eq!(timers.is_armed(key), armed);
                        assert_eq!(timers.cancel(key), armed.then_some(value));
                    }
                    _ => {
                        now += random.u64(..30);
                        while let Some(value) = timers.pop_due(at(now)) {
                            let ((deadline, expected), ()) = model.pop_first().unwrap();
                            assert_eq!(value, expected);
                            assert!(deadline <= now);
                        }
                    }
                }
                let next = model
                    .first_key_value()
                    .map(|((deadline, _), ())| at(*deadline));
                assert_eq!(timers.next(), next);
                assert_eq!(timers.is_empty(), model.is_empty());
            }
        }
    }
}
