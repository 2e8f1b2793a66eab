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
    /// All up to the granule `base`. Between two calls, not empty if there is any timer.
    heap: Heap,
    base: u64,
    /// How many have come to it since it was last empty or divided.
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
        if self.arrived > CROWD && self.arrived > (self.len + self.stale) / 4 {
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
            Place::List => {
                let value = self.slots.leave(key.slot());
                self.stale += 1;
                self.one_less();
                Some(value)
            }
            Place::Stale => unreachable!("it is armed"),
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
        self.one_less();
        if self.heap.is_empty() {
            self.arrived = 0;
            while self.filled != 0 && self.heap.is_empty() {
                self.refill();
                // Stale ones may stand before all others, some in each granule.
                if self.heap.is_empty() && self.stale > KEPT.max(self.len / 8) {
                    self.sweep();
                }
            }
            if self.heap.is_empty() {
                self.base = u64::MAX;
            }
        }
        self.slots.remove(slot)
    }

    /// There are never more stale nodes than timers, but for a few. So a sweep that is due here
    /// looks at two nodes at most for each that it takes out.
    fn one_less(&mut self) {
        self.len -= 1;
        if self.stale > KEPT.max(self.len) {
            self.sweep();
        }
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
        nodes.retain(|&node| {
            let is_soon = node.granule() == self.base;
            if !is_soon {
                self.append(node);
            }
            is_soon
        });
        for (at, &node) in nodes.iter().enumerate() {
            self.slots.prefetch(nodes.get(at + AHEAD));
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
            nodes.shrink_to(KEPT.max(2 * kept));
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
                if !nodes.is_empty() {
                    self.filled |= 1 << bit;
                }
                self.lists[bit].extend(nodes);
            }
            self.filled &= !0 << bit;
        }
        let nodes = self.heap.take();
        for (at, &node) in nodes.iter().enumerate() {
            self.slots.prefetch(nodes.get(at + AHEAD));
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
mod tests;
