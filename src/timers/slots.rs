//! What each timer carries, and where it is.

use super::{Node, Place};
use crate::cpu::prefetch;

/// Names a timer until it has fired or was cancelled; never again after, or not before its slot
/// was used 2^32 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    pub(super) fn slot(self) -> u32 {
        self.slot
    }
}

pub(super) struct Slots<T> {
    all: Vec<Slot<T>>,
    free: u32,
}

struct Slot<T> {
    value: Option<T>,
    generation: u32,
    place: Place,
    /// In a free slot, the next one that is free.
    next: u32,
}

const NONE: u32 = u32::MAX;

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Slots {
            all: Vec::new(),
            free: NONE,
        }
    }

    /// For a timer in a list, until another place is told.
    pub(super) fn insert(&mut self, value: T) -> Key {
        let slot = self.free;
        if slot == NONE {
            let slot = u32::try_from(self.all.len()).expect("fewer than 2^32 timers");
            self.all.push(Slot {
                value: Some(value),
                generation: 0,
                place: Place::List,
                next: NONE,
            });
            return Key {
                slot,
                generation: 0,
            };
        }
        let free = &mut self.all[slot as usize];
        self.free = free.next;
        free.value = Some(value);
        free.place = Place::List;
        Key {
            slot,
            generation: free.generation,
        }
    }

    pub(super) fn remove(&mut self, slot: u32) -> T {
        let value = self.leave(slot);
        self.free(slot);
        value
    }

    /// Takes what the timer carries, and keeps its slot for the node that it leaves behind.
    pub(super) fn leave(&mut self, slot: u32) -> T {
        let left = &mut self.all[slot as usize];
        left.generation = left.generation.wrapping_add(1);
        left.place = Place::Stale;
        left.value.take().expect("an armed timer has a value")
    }

    /// There is no node of it any more.
    pub(super) fn free(&mut self, slot: u32) {
        self.all[slot as usize].next = self.free;
        self.free = slot;
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    #[cfg(test)]
    pub(super) fn free_slots(&self) -> usize {
        let next = |&slot: &u32| Some(self.all[slot as usize].next).filter(|&next| next != NONE);
        std::iter::successors(Some(self.free).filter(|&free| free != NONE), next).count()
    }

    pub(super) fn holds(&self, key: Key) -> bool {
        self.all[key.slot as usize].generation == key.generation
    }

    pub(super) fn place(&self, slot: u32) -> Place {
        self.all[slot as usize].place
    }

    pub(super) fn set_place(&mut self, slot: u32, place: Place) {
        self.all[slot as usize].place = place;
    }

    /// Asks the cache for the slot of this node.
    pub(super) fn prefetch(&self, node: Option<&Node>) {
        if let Some(slot) = node.and_then(|node| self.all.get(node.slot as usize)) {
            prefetch(std::ptr::from_ref(slot).addr());
        }
    }
}
