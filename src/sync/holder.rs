//! Who holds what, for those who wait for it and for the deadlock report.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;

use crate::coroutine::Awaited;
use crate::scheduler::Scheduler;
use crate::task::Id;

/// Who took something, and where.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    /// Zero outside of a runtime.
    pub(super) id: Id,
    pub(super) at: &'static Location<'static>,
}

impl Holder {
    #[inline(always)]
    pub(super) fn new(scheduler: Option<&Scheduler>, at: &'static Location<'static>) -> Holder {
        let id = scheduler.map_or(Id(0), |scheduler| scheduler.running().task().id());
        Holder { id, at }
    }

    pub(super) fn is(&self, other: &Holder) -> bool {
        self.id == other.id
    }
}

/// Those who hold a part each. Each knows its place.
#[derive(Default)]
pub(super) struct Holders {
    places: RefCell<Vec<Place>>,
    /// The first free place; the number of all places if none is free.
    free: Cell<usize>,
}

enum Place {
    Taken(Holder),
    /// The next free one.
    Free(usize),
}

impl Holders {
    pub(super) const fn new() -> Holders {
        Holders {
            places: RefCell::new(Vec::new()),
            free: Cell::new(0),
        }
    }

    #[inline]
    pub(super) fn add(&self, holder: Holder) -> usize {
        let mut places = self.places.borrow_mut();
        let at = self.free.get();
        if let Some(place) = places.get_mut(at) {
            if let Place::Free(next) = std::mem::replace(place, Place::Taken(holder)) {
                self.free.set(next);
            }
        } else {
            places.push(Place::Taken(holder));
            self.free.set(at + 1);
        }
        at
    }

    #[inline]
    pub(super) fn remove(&self, at: usize) {
        if let Some(place) = self.places.borrow_mut().get_mut(at) {
            *place = Place::Free(self.free.replace(at));
        }
    }

    fn list(&self) -> Vec<Holder> {
        let places = self.places.borrow();
        let taken = places.iter().filter_map(|place| match place {
            Place::Taken(holder) => Some(*holder),
            Place::Free(_) => None,
        });
        taken.collect()
    }
}

/// "the Mutex taken at src/main.rs:3:5 by the same coroutine"
pub(super) struct Held<'a> {
    pub(super) what: &'static str,
    pub(super) one: &'a Cell<Option<Holder>>,
    pub(super) many: Option<&'a Holders>,
    /// Zero if that is not known.
    pub(super) waiter: Id,
}

impl Held<'_> {
    fn list(&self) -> Vec<Holder> {
        let many = self.many.map(Holders::list).unwrap_or_default();
        self.one.get().into_iter().chain(many).collect()
    }
}

impl Awaited for Held<'_> {
    fn holders(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.list().iter().map(|holder| holder.id).collect();
        ids.retain(|&id| id != Id(0));
        ids.sort();
        ids.dedup();
        ids
    }
}

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// So many are named; a crowd would hide the rest of the report.
        const MOST: usize = 3;
        f.write_str(self.what)?;
        let holders = self.list();
        for (number, holder) in holders.iter().take(MOST).enumerate() {
            let taken = if number == 0 { " taken at" } else { "," };
            write!(f, "{taken} {}", holder.at)?;
            if holder.id != Id(0) && holder.id == self.waiter {
                f.write_str(" by the same coroutine")?;
            }
        }
        match holders.len().saturating_sub(MOST) {
            0 => Ok(()),
            rest => write!(f, " and {rest} more"),
        }
    }
}
