//! Deadlines, the earliest first; equal ones in the order of their arrival.
//!
//! A heap holds those that are due soon. Of a heap alone each removal walks from the
//! root to a leaf, and at 200 000 timers most of that way is not in the cache. So in a
//! crowd the others wait in lists without order, by time:
//!
//! ```text
//!          base
//!  ─────────┬────┬─────┬──────────┬─────────────────▶ time
//!    heap   │ 1  │  2  │    3     │        4
//! ```
//!
//! The list of a timer is the highest bit in which its time differs from `base`, so the
//! lists divide what is to come as a binary number does. When the heap is empty, the
//! first list is divided among the heap and the lists before it, which are empty by then:
//! a radix heap (Ahuja, Mehlhorn, Orlin, Tarjan: "Faster Algorithms for the Shortest Path
//! Problem", 1990), whose times are counted in granules of a millisecond, and in which
//! times before the last one may still arrive.
//!
//! A timer in a list does not know where: it is moved from list to list without a look at
//! what it carries, which is not in the cache. So one that is cancelled there leaves its node
//! behind, until that comes to the heap, or there are more of these than of others.
//!
//! Time is an argument: a duration that the caller counts from where it likes.

mod heap;
mod slots;

use std::mem;
use std::time::Duration;

use heap::Heap;
use slots::Slots;

pub(crate) use slots::Key;

/// So many may come to the heap before those that are due later are set apart.
const CROWD: usize = 256;
/// Room that an empty list keeps.
const KEPT: usize = 64;
/// How far ahead the cache is asked for a slot.
const AHEAD: usize = 8;
/// One for each bit of a granule's number.
const LISTS: usize = 64;

pub(crate) struct Timers<T> {
    /// All up to the granule `base`. Not empty if there is any timer.
    heap: Heap,
    base: u64,
    /// How many have come to it since timers were last divided.
    arrived: usize,
    /// The others. Each list lies before all of the next one.
    lists: [Vec<Node>; LISTS],
    /// The lists that are not empty, a bit each.
    filled: u64,
    slots: Slots<T>,
    len: usize,
    /// Nodes in the lists whose timers were cancelled.
    stale: usize,
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

/// Where a timer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At this index.
    Heap(u32),
    List,
    /// It was cancelled in a list, where its node still is.
    Stale,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers {
            heap: Heap::default(),
            base: u64::MAX,
            arrived: 0,
            lists: [const { Vec::new() }; LISTS],
            filled: 0,
            slots: Slots::new(),
            len: 0,
            stale: 0,
            arrivals: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        let node = self.heap.first()?;
        Some(Duration::new(node.seconds, node.nanos))
    }

    pub(crate) fn insert(&mut self, deadline: Duration, value: T) -> Key {
        let key = self.slots.insert(value);
        let node = Node {
            seconds: deadline.as_secs(),
            arrival: self.arrivals,
            nanos: deadline.subsec_nanos(),
            slot: key.slot(),
        };
        self.arrivals += 1;
        self.len += 1;
        if node.granule() > self.base {
            self.append(node);
            return key;
        }
        self.heap.insert(node, &mut self.slots);
        self.arrived += 1;
        // All may have to be moved for that, four for each that has arrived.
        if self.arrived > CROWD && self.arrived > self.len / 4 {
            self.set_apart();
        }
        key
    }

    /// Whether the timer has neither fired nor been cancelled.
    pub(crate) fn is_armed(&self, key: Key) -> bool {
        self.slots.holds(key)
    }

    /// Takes the timer out; `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        if !self.is_armed(key) {
            return None;
        }
        match self.slots.place(key.slot()) {
            Place::Heap(at) => {
                self.heap.remove(at as usize, &mut self.slots);
                Some(self.removed(key.slot()))
            }
            _ => {
                let value = self.slots.leave(key.slot());
                self.len -= 1;
                self.stale += 1;
                if self.stale > KEPT.max(self.len) {
                    self.sweep();
                }
                Some(value)
            }
        }
    }

    /// The earliest timer whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let slot = self.heap.first()?.slot;
        self.heap.remove(0, &mut self.slots);
        Some(self.removed(slot))
    }

    /// What is left to do when a timer has left the heap.
    fn removed(&mut self, slot: u32) -> T {
        self.len -= 1;
        if self.heap.is_empty() {
            self.arrived = 0;
            while self.filled != 0 && self.heap.is_empty() {
                self.refill();
            }
            // All that were left were stale.
            if self.heap.is_empty() {
                self.base = u64::MAX;
            }
        }
        self.slots.remove(slot)
    }

    fn append(&mut self, node: Node) {
        let list = highest_difference(node.granule(), self.base);
        self.lists[list].push(node);
        self.filled |= 1 << list;
    }

    /// Brings the earliest of the lists to the empty heap.
    #[cold]
    fn refill(&mut self) {
        let list = self.filled.trailing_zeros() as usize;
        self.filled &= !(1 << list);
        let mut nodes = mem::take(&mut self.lists[list]);
        let first = nodes.iter().map(Node::granule).min();
        self.base = first.expect("a list that is filled");
        // All of them agree with it in this bit, so they go to earlier lists.
        let mut soon = Vec::new();
        for &node in &nodes {
            match node.granule() == self.base {
                true => soon.push(node),
                false => self.append(node),
            }
        }
        for (at, &node) in soon.iter().enumerate() {
            self.slots.prefetch(soon.get(at + AHEAD));
            if self.slots.place(node.slot) == Place::Stale {
                self.stale -= 1;
                self.slots.free(node.slot);
            } else {
                self.heap.insert(node, &mut self.slots);
            }
        }
        if nodes.capacity() <= KEPT {
            nodes.clear();
            self.lists[list] = nodes;
        }
    }

    /// Takes the nodes that were left behind out of the lists.
    #[cold]
    fn sweep(&mut self) {
        for (list, nodes) in self.lists.iter_mut().enumerate() {
            let mut kept = 0;
            for at in 0..nodes.len() {
                let node = nodes[at];
                self.slots.prefetch(nodes.get(at + AHEAD));
                if self.slots.place(node.slot) == Place::Stale {
                    self.slots.free(node.slot);
                } else {
                    nodes[kept] = node;
                    kept += 1;
                }
            }
            nodes.truncate(kept);
            if nodes.is_empty() {
                self.filled &= !(1 << list);
            }
        }
        self.stale = 0;
    }

    /// Leaves the first granule of the heap there, and brings the rest to the lists.
    #[cold]
    fn set_apart(&mut self) {
        self.arrived = 0;
        let Some(first) = self.heap.first().map(Node::granule) else {
            return;
        };
        if first >= self.base {
            return;
        }
        let old = mem::replace(&mut self.base, first);
        if self.filled != 0 {
            // Whoever differed from the old base in a lower bit agrees with that in this one.
            let bit = highest_difference(old, first);
            for list in 0..bit {
                let nodes = mem::take(&mut self.lists[list]);
                self.lists[bit].extend(nodes);
            }
            let below = self.filled & !(!0 << bit);
            self.filled &= !0 << bit;
            if below != 0 {
                self.filled |= 1 << bit;
            }
        }
        for node in self.heap.take() {
            if node.granule() > first {
                self.slots.set_place(node.slot, Place::List);
                self.append(node);
            } else {
                self.heap.insert(node, &mut self.slots);
            }
        }
    }
}

/// The number of the highest bit in which they differ.
fn highest_difference(a: u64, b: u64) -> usize {
    debug_assert_ne!(a, b);
    (a ^ b).ilog2() as usize
}

impl Node {
    /// The number of the millisecond, or nearly so, that it is due in. Deadlines that are
    /// further away than anything share the last one.
    fn granule(&self) -> u64 {
        const BITS: u32 = 10;
        const LAST: u64 = (1 << (u64::BITS - BITS)) - 1;
        if self.seconds < LAST {
            self.seconds << BITS | u64::from(self.nanos >> 20)
        } else {
            LAST << BITS
        }
    }

    fn is_before(&self, other: &Node) -> bool {
        let key = |node: &Node| (node.seconds, node.nanos, node.arrival);
        key(self) < key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use fastrand::Rng;

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
    fn agrees_with_an_ordered_map(
        seed: u64,
        steps: u64,
        mut deadline: impl FnMut(&mut Rng) -> u64,
    ) {
        let mut random = Rng::with_seed(seed);
        let mut timers = Timers::new();
        let mut model = BTreeMap::new();
        let mut keys = Vec::new();
        let mut now = Duration::ZERO;
        let mut most = 0;
        for n in 0..steps {
            // Crowds gather, and go.
            let gathers = n / 2000 % 2 == 0;
            match random.u32(..if gathers { 7 } else { 12 }) {
                0..=4 => {
                    // Some are late already.
                    let nanos = deadline(&mut random);
                    let deadline = (now + Duration::from_nanos(nanos))
                        .saturating_sub(Duration::from_millis(2));
                    keys.push((timers.insert(deadline, n), deadline, n));
                    model.insert((deadline, n), ());
                }
                5 | 6 if !keys.is_empty() => {
                    let (key, deadline, value) = keys.swap_remove(random.usize(..keys.len()));
                    let armed = model.remove(&(deadline, value)).is_some();
                    assert_eq!(timers.is_armed(key), armed);
                    assert_eq!(timers.cancel(key), armed.then_some(value));
                }
                _ => {
                    for _ in 0..random.u32(..8) {
                        now = timers.next().unwrap_or(now).max(now);
                        now += Duration::from_nanos(random.u64(..2) * deadline(&mut random) / 500);
                        while let Some(value) = timers.pop_due(now) {
                            let ((deadline, expected), ()) = model.pop_first().unwrap();
                            assert_eq!(value, expected);
                            assert!(deadline <= now);
                        }
                    }
                }
            }
            let next = model.first_key_value().map(|((next, _), ())| *next);
            assert_eq!(timers.next(), next);
            assert_eq!(timers.len(), model.len());
            most = most.max(model.len());
        }
        assert!(most > CROWD, "only {most} at once");
    }

    #[test]
    fn agrees_with_a_map_for_deadlines_near_and_far() {
        for seed in 0..12 {
            // As many of each order of magnitude.
            agrees_with_an_ordered_map(seed, 12_000, |random| 1 << random.u32(..45));
        }
    }

    #[test]
    fn agrees_with_a_map_for_deadlines_close_together() {
        for seed in 0..12 {
            agrees_with_an_ordered_map(seed, 12_000, |random| random.u64(..3_000_000));
        }
    }

    #[test]
    fn agrees_with_a_map_for_two_kinds_of_timeouts() {
        for seed in 0..12 {
            agrees_with_an_ordered_map(seed, 12_000, |random| match random.bool() {
                true => random.u64(..5_000_000),
                false => 30_000_000_000 + random.u64(..1_000_000_000),
            });
        }
    }

    #[test]
    fn deadlines_beyond_all_lists_keep_their_order() {
        let mut timers = Timers::new();
        let mut deadlines: Vec<Duration> = (0..2000)
            .map(|n| Duration::MAX - Duration::from_millis(n * 977 % 2000))
            .chain((0..1000).map(|n| Duration::from_secs(n * 7 % 1000)))
            .collect();
        for &deadline in &deadlines {
            timers.insert(deadline, deadline);
        }
        deadlines.sort();
        let due = std::iter::from_fn(|| timers.pop_due(Duration::MAX));
        assert!(due.eq(deadlines));
        assert!(timers.is_empty());
    }

    /// Cancelled ones leave their nodes in the lists; nobody waits for these.
    #[test]
    fn after_nothing_but_cancelled_ones_new_ones_are_found() {
        for far in [KEPT, 4 * KEPT] {
            let mut timers = Timers::new();
            for n in 0..2 * CROWD {
                timers.insert(Duration::from_millis(n as u64), n);
            }
            let keys: Vec<_> = (0..far)
                .map(|n| timers.insert(Duration::from_secs(100 + n as u64), n))
                .collect();
            for key in keys {
                assert!(timers.cancel(key).is_some());
                assert_eq!(timers.cancel(key), None);
            }
            assert_eq!(timers.len(), 2 * CROWD);
            let due = std::iter::from_fn(|| timers.pop_due(Duration::from_secs(90)));
            assert_eq!(due.count(), 2 * CROWD);
            assert!(timers.is_empty());
            let later = Duration::from_secs(10_000);
            timers.insert(later, 7);
            assert_eq!(timers.next(), Some(later));
            assert_eq!(timers.pop_due(later), Some(7));
            assert_eq!((timers.stale, timers.filled), (0, 0));
            assert!(timers.slots.count() <= 2 * CROWD + far);
        }
    }

    /// Timeouts that are never reached take no more memory with time.
    #[test]
    fn cancelled_ones_do_not_pile_up() {
        let mut timers = Timers::new();
        let hour = Duration::from_secs(3600);
        for n in 0..1000 {
            timers.insert(hour, n);
        }
        for n in 0..100_000 {
            let key = timers.insert(hour + Duration::from_millis(n), 0);
            timers.cancel(key);
        }
        assert_eq!(timers.len(), 1000);
        assert!(timers.slots.count() <= 2001, "{}", timers.slots.count());
        let nodes: usize = timers.lists.iter().map(Vec::len).sum();
        assert!(nodes <= 2001, "{nodes}");
    }

    /// What a server does: a short wait now and then, beside many timeouts of the same
    /// time. No wait may move all of them.
    #[test]
    fn a_short_wait_beside_a_crowd_moves_few() {
        const TIMEOUT: Duration = Duration::from_secs(30);
        let mut timers = Timers::new();
        for n in 0..10_000 {
            timers.insert(TIMEOUT, n);
        }
        let far = timers.base;
        for n in 0..1000 {
            let soon = Duration::from_millis(n);
            timers.insert(soon, 0);
            assert_eq!(timers.pop_due(soon), Some(0));
            assert_eq!(timers.base, far);
        }
        assert_eq!(timers.next(), Some(TIMEOUT));
    }
}
