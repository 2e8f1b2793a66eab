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
//! lists divide what is to come as a binary number does. When nothing is left up to `base`,
//! the first list is divided: its first granule is sorted into a row, and the others go to the
//! lists before it, which are empty by then. That is a radix heap (Ahuja, Mehlhorn, Orlin,
//! Tarjan: "Faster Algorithms for the Shortest Path Problem", 1990), whose times are counted in
//! granules of a millisecond, and in which times before the last one may still arrive: these
//! come to the heap.
//!
//! A timer in a list or in the row does not know where: it is moved without a look at what it
//! carries, which is not in the cache. So one that is cancelled there leaves its node behind,
//! until its turn comes, or there are more of these than of others.
//!
//! Time is an argument: a duration that the caller counts from where it likes.

mod heap;
mod slots;

use std::cmp::Reverse;
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
    /// All up to the granule `base`: between two calls one of these two is not empty if there is
    /// any timer.
    heap: Heap,
    /// What a list had of that granule, the earliest last, which is not stale.
    row: Vec<Node>,
    base: u64,
    /// How many have come to the heap since both were empty, or it was divided.
    arrived: usize,
    /// The others. Each list lies before all of the next one.
    lists: [Vec<Node>; LISTS],
    /// The lists that are not empty, a bit each.
    filled: u64,
    slots: Slots<T>,
    len: usize,
    /// Nodes in the lists and the row whose timers were cancelled.
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
    /// In a list, or in the row.
    List,
    /// It was cancelled there, where its node still is.
    Stale,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers {
            heap: Heap::default(),
            row: Vec::new(),
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
        Some(self.first()?.deadline())
    }

    fn first(&self) -> Option<&Node> {
        match self.is_first_in_row() {
            true => self.row.last(),
            false => self.heap.first(),
        }
    }

    fn is_first_in_row(&self) -> bool {
        (self.row.last())
            .is_some_and(|row| self.heap.first().is_none_or(|heap| row.is_before(heap)))
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
                let value = self.slots.remove(key.slot());
                self.one_less();
                Some(value)
            }
            Place::List => {
                let value = self.slots.leave(key.slot());
                self.stale += 1;
                self.drop_stale();
                self.one_less();
                Some(value)
            }
            Place::Stale => unreachable!("it is armed"),
        }
    }

    /// The earliest timer whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        let first = self.first()?;
        if first.deadline() > now {
            return None;
        }
        let slot = first.slot;
        match self.is_first_in_row() {
            true => self.shorten_row(),
            false => self.heap.remove(0, &mut self.slots),
        }
        let value = self.slots.remove(slot);
        self.one_less();
        Some(value)
    }

    fn shorten_row(&mut self) {
        self.row.pop();
        let ahead = self.row.len().checked_sub(AHEAD);
        self.slots.prefetch(ahead.map(|at| &self.row[at]));
        self.drop_stale();
    }

    /// Takes the stale ones from the end of the row.
    fn drop_stale(&mut self) {
        while let Some(last) = self.row.last()
            && self.slots.place(last.slot) == Place::Stale
        {
            self.slots.free(last.slot);
            self.stale -= 1;
            self.row.pop();
        }
    }

    fn is_used_up(&self) -> bool {
        self.heap.is_empty() && self.row.is_empty()
    }

    /// What is left to do when a timer has left.
    ///
    /// There are never more stale nodes than timers, but for a few. So a sweep that is due here
    /// looks at two nodes at most for each that it takes out.
    fn one_less(&mut self) {
        self.len -= 1;
        if self.stale > KEPT.max(self.len) {
            self.sweep();
        }
        if self.is_used_up() {
            self.arrived = 0;
            self.base = u64::MAX;
            match self.filled {
                0 => self.row.shrink_to(KEPT),
                _ => self.go_on(),
            }
        }
    }

    /// Brings the first of the lists.
    #[cold]
    fn go_on(&mut self) {
        while self.filled != 0 && self.is_used_up() {
            self.refill();
            // Stale ones may stand before all others, some in each granule.
            if self.is_used_up() && self.stale > KEPT.max(self.len / 8) {
                self.sweep();
            }
        }
        if self.is_used_up() {
            self.base = u64::MAX;
        }
    }

    fn append(&mut self, node: Node) {
        let list = highest_difference(node.granule(), self.base);
        self.lists[list].push(node);
        self.filled |= 1 << list;
    }

    /// Brings the first granule of the lists to the empty row.
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
        nodes.sort_unstable_by_key(|node| Reverse(node.key()));
        nodes.shrink_to(KEPT.max(2 * nodes.len()));
        let empty = mem::replace(&mut self.row, nodes);
        if empty.capacity() <= KEPT {
            self.lists[list] = empty;
        }
        self.drop_stale();
    }

    /// Takes the nodes that were left behind out of the lists and the row.
    #[cold]
    fn sweep(&mut self) {
        let all = self.lists.iter_mut().chain([&mut self.row]);
        for (list, nodes) in all.enumerate() {
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
            if nodes.is_empty() && list < LISTS {
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
        for node in mem::take(&mut self.row) {
            self.append(node);
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

    fn deadline(&self) -> Duration {
        Duration::new(self.seconds, self.nanos)
    }

    fn key(&self) -> (u64, u32, u64) {
        (self.seconds, self.nanos, self.arrival)
    }

    fn is_before(&self, other: &Node) -> bool {
        self.key() < other.key()
    }
}

#[cfg(test)]
mod tests;
