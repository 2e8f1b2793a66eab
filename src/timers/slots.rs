//! What each timer carries, and where it is.

use super::Place;
use crate::cpu::prefetch;

/// Names a timer until it has fired or was cancelled; never again after.
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
    /// The index in its place; in a free slot, the next one that is free.
    at: u32,
    place: Place,
}

const NONE: u32 = u32::MAX;

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Slots {
            all: Vec::new(),
            free: NONE,
        }
    }

    /// Its place is still to be told.
    pub(super) fn insert(&mut self, value: T) -> Key {
        let slot = self.free;
        if slot == NONE {
            let slot = u32::try_from(self.all.len()).expect("fewer than 2^32 timers");
            self.all.push(Slot {
                value: Some(value),
                generation: 0,
                at: NONE,
                place: Place::Heap,
            });
            return Key {
                slot,
                generation: 0,
            };
        }
        let free = &mut self.all[slot as usize];
        self.free = free.at;
        free.value = Some(value);
        Key {
            slot,
            generation: free.generation,
        }
    }

    pub(super) fn remove(&mut self, slot: u32) -> T {
        let removed = &mut self.all[slot as usize];
        removed.generation = removed.generation.wrapping_add(1);
        removed.at = self.free;
        self.free = slot;
        removed.value.take().expect("an armed timer has a value")
    }

    pub(super) fn holds(&self, key: Key) -> bool {
        self.all[key.slot as usize].generation == key.generation
    }

    pub(super) fn place(&self, slot: u32) -> (Place, usize) {
        let slot = &self.all[slot as usize];
        (slot.place, slot.at as usize)
    }

    pub(super) fn set_place(&mut self, slot: u32, place: Place, at: usize) {
        let slot = &mut self.all[slot as usize];
        slot.place = place;
        slot.at = at as u32;
    }

    /// Asks the cache for it.
    pub(super) fn prefetch(&self, slot: u32) {
        if let Some(slot) = self.all.get(slot as usize) {
            prefetch(std::ptr::from_ref(slot).addr());
        }
    }
}
