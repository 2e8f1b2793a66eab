//! Stack memory: sizes, regions, guards and the places in them.
//!
//! A [`StackClass`] owns all stacks of one size on one thread. It maps them in
//! regions that double in size, hands out [`Stack`]s, and takes back what is no
//! longer used. Which stack runs what is not its business.
//!
//! One stack, from high to low addresses:
//!
//! ```text
//! top ─▶ ┌──────────────────────┐
//!        │ colour               │  0 … 31 unused cache lines, see below
//!        ├──────────────────────┤
//!        │ head                 │  HEAD bytes for the layer above
//! base ─▶├──────────────────────┤  16 bytes above the start of a cache line
//!        │ frames, growing down │  at least the bytes that were asked for
//!        ├──────────────────────┤
//!        │ guard                │  a touch raises SIGSEGV
//! low  ─▶└──────────────────────┘
//! ```
//!
//! **Colour.** Stacks start at page boundaries. Without a shift the first
//! frames of all of them would fall into the same few sets of the L1 cache,
//! and a switch would evict what the next switch needs.

mod region;
mod registry;

use std::cell::RefCell;
use std::io;
use std::num::NonZeroUsize;

use region::{Guards, Region, Shape, too_big};
pub(crate) use region::{map_memory, page_size, touched};
pub(crate) use registry::{Found, find};

/// Bytes above a stack's base that belong to whoever runs on it.
pub(crate) const HEAD: usize = 112;
/// A cache line.
pub(crate) const LINE: usize = 64;
const COLOURS: usize = 32;

/// The default of `stack_size`: 256 KiB of address space.
pub(crate) const DEFAULT_SIZE: usize = 256 << 10;
/// From this size on the guard is four pages, against C code that has no stack
/// probes; below, one page keeps small stacks dense.
const WIDE_GUARD: usize = 64 << 10;
/// A region grows to this many stacks, or to `REGION_BYTES`.
const REGION_STACKS: usize = 1024;
const REGION_BYTES: usize = 512 << 20;
/// The first region is of about this size.
const FIRST_BYTES: usize = 4 << 20;
/// Half of the user address space of x86-64 with four-level page tables.
const MAX_SIZE: usize = 1 << 46;

/// A stack in use: `low..base` is mapped, readable and writable above its guard,
/// and stays so until it is given back.
#[derive(Debug)]
pub(crate) struct Stack {
    base: NonZeroUsize,
    low: NonZeroUsize,
}

impl Stack {
    /// The stack whose [`base`](Stack::base) and [`low`](Stack::low) these are.
    pub(crate) fn from_parts(base: usize, low: usize) -> Stack {
        let nonzero = |address| NonZeroUsize::new(address).expect("user memory is not at zero");
        Stack {
            base: nonzero(base),
            low: nonzero(low),
        }
    }

    /// Where frames start, going down; [`HEAD`] bytes above it are free to use.
    pub(crate) fn base(&self) -> usize {
        self.base.get()
    }

    /// The lowest address, guard included.
    pub(crate) fn low(&self) -> usize {
        self.low.get()
    }
}

/// All stacks of one size on one thread.
#[derive(Debug)]
pub(crate) struct StackClass {
    shape: Shape,
    usable: usize,
    /// Stacks in the first region.
    first: usize,
    regions: RefCell<Regions>,
}

#[derive(Debug, Default)]
struct Regions {
    /// Sorted by address.
    list: Vec<Entry>,
    /// Stacks that were used and given back: reused before fresh ones.
    free: Vec<usize>,
    /// The region whose stacks were not all handed out yet, by address.
    fresh: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    region: Region,
    /// Stacks handed out at least once.
    opened: usize,
    /// Stacks in use now.
    used: usize,
}

impl StackClass {
    /// A class of stacks with at least `bytes` usable bytes each.
    ///
    /// # Errors
    /// `InvalidInput` for zero and for more than the address space holds.
    pub(crate) fn new(bytes: usize) -> io::Result<StackClass> {
        let page = page_size();
        if bytes == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a stack of 0 bytes cannot run anything; ask for at least one page (4096)",
            ));
        }
        if bytes > MAX_SIZE {
            return Err(too_big());
        }
        let usable = bytes.next_multiple_of(page);
        let top = (HEAD + 16 + (COLOURS - 1) * LINE).next_multiple_of(page);
        let guard = if usable >= WIDE_GUARD { 4 * page } else { page };
        let shape = Shape {
            guard,
            body: usable + top,
        };
        Ok(StackClass {
            shape,
            usable,
            first: (FIRST_BYTES / shape.stride()).clamp(1, 16),
            regions: RefCell::default(),
        })
    }

    /// As [`StackClass::new`], for one that gives a single stack.
    ///
    /// # Errors
    /// As for `new`.
    pub(crate) fn for_one(bytes: usize) -> io::Result<StackClass> {
        let class = StackClass::new(bytes)?;
        Ok(StackClass { first: 1, ..class })
    }

    /// Usable bytes of a stack, a multiple of the page size.
    pub(crate) fn usable(&self) -> usize {
        self.usable
    }

    /// A stack that nobody uses.
    ///
    /// # Errors
    /// The system gives no more memory, mappings or guards.
    pub(crate) fn take(&self) -> io::Result<Stack> {
        let mut regions = self.regions.borrow_mut();
        if let Some(low) = regions.free.pop() {
            let (entry, index) = regions.entry_of(low);
            entry.used += 1;
            return Ok(self.stack(low, index));
        }
        if regions.fresh.is_none() {
            regions.map(self.shape, self.first)?;
        }
        let start = regions.fresh.expect("a region was just mapped");
        let (entry, _) = regions.entry_of(start);
        let (low, index) = (entry.region.low(entry.opened), entry.opened);
        entry.opened += 1;
        entry.used += 1;
        if entry.opened == entry.region.len() {
            regions.fresh = None;
        }
        Ok(self.stack(low, index))
    }

    fn stack(&self, low: usize, index: usize) -> Stack {
        Stack::from_parts(base_of(low, self.shape.stride(), index), low)
    }

    /// Returns the memory of a stack to the system, but for that around its base.
    ///
    /// # Safety
    /// On the stack with these [`low`](Stack::low) and [`base`](Stack::base)
    /// nothing is used that lies more than a page below the base.
    pub(crate) unsafe fn shed(&self, low: usize, base: usize) {
        let mut regions = self.regions.borrow_mut();
        let (entry, index) = regions.entry_of(low);
        // SAFETY: as the caller says.
        unsafe { entry.region.discard_below(index, base) };
    }

    /// Takes stacks back and returns their memory to the system: whole regions
    /// where nothing is used any more, else page by page.
    ///
    /// # Safety
    /// Nothing on these stacks is used any more, and no reference to them or to
    /// their heads is left.
    pub(crate) unsafe fn give_back(&self, stacks: impl IntoIterator<Item = Stack>) {
        let mut regions = self.regions.borrow_mut();
        let mut lows: Vec<usize> = stacks.into_iter().map(|stack| stack.low()).collect();
        for &low in &lows {
            regions.entry_of(low).0.used -= 1;
        }
        regions.drop_unused();
        lows.retain(|&low| regions.find(low).is_some());
        for &low in &lows {
            let (entry, index) = regions.entry_of(low);
            // SAFETY: the caller says that nothing on the stack is used.
            unsafe { entry.region.discard(index) };
        }
        regions.free.extend(lows);
    }
}

/// The base of the stack at `low`, the `index`th of its region.
fn base_of(low: usize, stride: usize, index: usize) -> usize {
    let line = low + stride - (HEAD + 16) - (index % COLOURS) * LINE;
    line + 16
}

impl Regions {
    fn map(&mut self, shape: Shape, first: usize) -> io::Result<()> {
        let mapped: usize = self.list.iter().map(|entry| entry.region.len()).sum();
        let len = mapped.clamp(first, REGION_STACKS);
        let mut len = len.min(REGION_BYTES / shape.stride()).max(1);
        let region = loop {
            match Region::map(shape, len, Guards::Best) {
                Ok(region) => break region,
                Err(error) if len == 1 => return Err(error),
                Err(_) => len /= 2,
            }
        };
        let start = region.low(0);
        let at = self.list.partition_point(|e| e.region.low(0) < start);
        self.list.insert(
            at,
            Entry {
                region,
                opened: 0,
                used: 0,
            },
        );
        self.fresh = Some(start);
        Ok(())
    }

    /// The place of the region that a stack lies in, and of the stack in there.
    fn find(&self, low: usize) -> Option<(usize, usize)> {
        let after = self.list.partition_point(|e| e.region.low(0) <= low);
        let at = after.checked_sub(1)?;
        Some((at, self.list[at].region.index_of(low)?))
    }

    fn entry_of(&mut self, low: usize) -> (&mut Entry, usize) {
        let (at, index) = self.find(low).expect("a stack of this class");
        (&mut self.list[at], index)
    }

    fn drop_unused(&mut self) {
        if self.list.iter().all(|entry| entry.used > 0) {
            return;
        }
        let fresh = self.fresh.take();
        self.list.retain(|entry| entry.used > 0);
        self.fresh = fresh.filter(|&start| self.find(start).is_some());
        let mut free = std::mem::take(&mut self.free);
        free.retain(|&low| self.find(low).is_some());
        self.free = free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_apart_aligned_and_coloured() {
        let class = StackClass::new(10_000).unwrap();
        assert_eq!(class.usable() % page_size(), 0);
        let stacks: Vec<Stack> = (0..100).map(|_| class.take().unwrap()).collect();
        let mut lows: Vec<usize> = stacks.iter().map(Stack::low).collect();
        lows.sort_unstable();
        lows.dedup();
        assert_eq!(lows.len(), 100);
        for stack in &stacks {
            assert_eq!(stack.base() % LINE, 16);
            assert!(stack.base() - stack.low() >= class.shape.guard + 10_000);
            assert!(stack.base() + HEAD <= stack.low() + class.shape.stride());
        }
        let mut colours: Vec<usize> = stacks
            .iter()
            .map(|stack| stack.low() + class.shape.stride() - stack.base())
            .collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), COLOURS.min(class_region_len(&class)));
    }

    fn class_region_len(class: &StackClass) -> usize {
        let regions = class.regions.borrow();
        regions.list.iter().map(|e| e.region.len()).max().unwrap()
    }

    #[test]
    fn what_is_given_back_is_unmapped_or_reused_last_in_first_out() {
        let class = StackClass::new(4096).unwrap();
        let mut stacks: Vec<Stack> = (0..200).map(|_| class.take().unwrap()).collect();
        let keep = stacks.remove(0);
        let next = stacks.remove(0);
        let low = next.low();
        // SAFETY: nothing runs on these stacks.
        unsafe { class.give_back(stacks) };
        assert!(class.regions.borrow().list.len() <= 1);
        // SAFETY: as above.
        unsafe { class.give_back([next]) };
        let again = class.take().unwrap();
        assert_eq!(again.low(), low);
        // SAFETY: as above.
        unsafe { class.give_back([keep, again]) };
        assert!(class.regions.borrow().list.is_empty());
        assert!(class.regions.borrow().free.is_empty());
        assert!(class.take().is_ok());
    }

    #[test]
    fn absurd_sizes_are_errors() {
        for bytes in [0, MAX_SIZE + 1, usize::MAX, usize::MAX - 4095] {
            let error = StackClass::new(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bytes}");
        }
        // Whether the kernel gives that much is its business.
        drop(StackClass::new(MAX_SIZE).unwrap().take());
    }
}
