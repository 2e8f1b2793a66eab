//! RAW, the floor: boxed corosensei coroutines, resumed from a `VecDeque`, on one mapping that has
//! no guards. No cancel, no names, no parking: what one would write in an hour.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::ptr;
use std::time::Duration;

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::lap::Lap;
use super::time_batches;

/// Distance from one stack to the next; a stack takes all of it.
const STRIDE: usize = 64 << 10;

type Raw = Box<Coroutine<(), (), (), Slot>>;

/// One stack of a [`Mapping`].
struct Slot {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: 64 KiB of mapped memory that nobody else uses while the mapping is alive. The guard page
// that the trait asks for is left out on purpose (RAW measures what guards cost); the programs
// below use a few hundred bytes of it.
unsafe impl Stack for Slot {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

/// All stacks, in one piece. It must outlive the coroutines on it: the functions below drop it
/// last.
pub struct Mapping {
    start: *mut libc::c_void,
    stacks: usize,
}

impl Mapping {
    pub fn new(stacks: usize) -> Self {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing
        // that exists.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                stacks * STRIDE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        let error = io::Error::last_os_error();
        assert_ne!(start, libc::MAP_FAILED, "mapping {stacks} stacks: {error}");
        // SAFETY: the advice concerns this mapping only. Without it a kernel set to `always` backs
        // 32 stacks of one page each by 2 MiB. Older kernels may not know it, which does no harm.
        unsafe { libc::madvise(start, stacks * STRIDE, libc::MADV_NOHUGEPAGE) };
        Mapping { start, stacks }
    }

    /// The upper end of each stack.
    pub fn bases(&self) -> impl Iterator<Item = usize> {
        self.slots().map(|slot| slot.base.get())
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        let start = self.start as usize;
        (0..self.stacks).map(move |i| {
            let limit = start + i * STRIDE;
            Slot {
                base: NonZeroUsize::new(limit + STRIDE).expect("above the mapping's start"),
                limit: NonZeroUsize::new(limit).expect("mmap never answers with null"),
            }
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, with this length, and no coroutine is left on it.
        unsafe { libc::munmap(self.start, self.stacks * STRIDE) };
    }
}

/// Coroutines, queued in this order, that yield to each other `rounds` times.
pub fn yields(order: &[usize], rounds: u64) -> Duration {
    let mapping = Mapping::new(order.len());
    let (lap, first) = (Lap::new(order.len()), order[0]);
    let mut parked: Vec<Option<Raw>> = mapping
        .slots()
        .enumerate()
        .map(|(i, slot)| {
            let lap = lap.clone();
            let mut coroutine = Box::new(Coroutine::with_stack(slot, move |yielder, ()| {
                lap.enter();
                yielder.suspend(());
                let watch = lap.begin(i == first);
                for _ in 0..rounds {
                    yielder.suspend(());
                }
                if lap.end(watch) {
                    yielder.suspend(());
                    lap.check();
                }
            }));
            coroutine.resume(());
            Some(coroutine)
        })
        .collect();
    let mut ready: VecDeque<Raw> = order.iter().filter_map(|&i| parked[i].take()).collect();
    while let Some(mut coroutine) = ready.pop_front() {
        if let CoroutineResult::Yield(()) = coroutine.resume(()) {
            ready.push_back(coroutine);
        }
    }
    lap.result()
}

/// `batches` times: queue `batch` empty coroutines, then run them to their end.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    let mapping = Mapping::new(batch);
    let mut free: Vec<Slot> = mapping.slots().collect();
    let mut ready: VecDeque<Raw> = VecDeque::with_capacity(batch);
    let once = || {
        while let Some(slot) = free.pop() {
            ready.push_back(Box::new(Coroutine::with_stack(slot, |_, ()| ())));
        }
        while let Some(mut coroutine) = ready.pop_front() {
            match coroutine.resume(()) {
                CoroutineResult::Yield(()) => ready.push_back(coroutine),
                CoroutineResult::Return(()) => free.push(coroutine.into_stack()),
            }
        }
        free.len()
    };
    time_batches(batch, batches, once)
}

/// What a body yields, one by one.
pub struct Generator<Y: 'static> {
    coroutine: Coroutine<(), Y, (), Slot>,
    /// Below the coroutine, so that it is dropped after it.
    _mapping: Mapping,
}

impl<Y> Generator<Y> {
    pub fn new(body: impl FnOnce(&Yielder<(), Y>) + 'static) -> Self {
        let mapping = Mapping::new(1);
        let slot = mapping.slots().next().expect("one stack");
        Generator {
            coroutine: Coroutine::with_stack(slot, |yielder, ()| body(yielder)),
            _mapping: mapping,
        }
    }
}

impl<Y> Iterator for Generator<Y> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(value) => Some(value),
            CoroutineResult::Return(()) => None,
        }
    }
}
