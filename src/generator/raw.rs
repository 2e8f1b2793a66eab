//! The engine: a stack that runs one job after another and can be left and
//! entered again. `Generator` and the coroutines of the scheduler are this,
//! with types.
//!
//! A [`Raw`] is made once for a stack and lives as long as that stack is kept:
//! it is a corosensei coroutine that waits for a job, runs it and waits for the
//! next, so that starting a job on a warm stack costs one switch and writes no
//! initial frame. What crosses a switch is one word, in the direction of the
//! resumer only; everything else is handed over in memory.
//!
//! ```text
//!        resumer's stack                 the Raw's stack
//!   start(job) ───────────────────────▶  job runs
//!        ◀──────────────── leave(word)   … suspended inside the job
//!   resume()   ───────────────────────▶  … goes on
//!        ◀───────────────────── DONE     job returned; the stack is warm
//! ```
//!
//! The two cache lines at the top of the stack:
//!
//! ```text
//! line A   parent link, entry point     written by corosensei, below `base`
//!          corosensei's coroutine, yielder, pool
//! line B   lowest address, seat, place
//! ```
//!
//! The seat belongs to whoever runs on the stack; before a start it carries the
//! job.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::convert::Infallible;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use corosensei::stack::valgrind::ValgrindStackRegistration;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::overflow;
use crate::stack::{self, HEAD, Stack, StackClass, page_size};

/// What `start` and `resume` return when the job has returned.
pub(crate) const DONE: usize = 0;

/// A job. `extern "C"` makes an unwinding that it lets out an abort: there is
/// nobody below it on this stack who could catch it.
pub(crate) type Job = unsafe extern "C" fn(*mut ());

/// Words of a [`Raw`] that its user may lay out as it likes.
pub(crate) const SEAT_WORDS: usize = 6;

/// Stacks that a thread keeps warm for each size; more are given back at once.
const WARM: usize = 1024;
/// Sizes that a thread remembers before it forgets those that are not in use.
const SIZES: usize = 32;

#[repr(C)]
struct Head {
    coroutine: UnsafeCell<ManuallyDrop<Coroutine<(), usize, Infallible, Base>>>,
    yielder: Cell<*const Yielder<(), usize>>,
    /// Owns one count of the `Rc`.
    pool: *const RawPool,
    low: usize,
    seat: UnsafeCell<[MaybeUninit<u64>; SEAT_WORDS]>,
    place: Cell<usize>,
}

const _: () = assert!(size_of::<Head>() <= HEAD);

/// The base of a stack whose [`Head`] lies right above it.
struct Base(NonZeroUsize);

// SAFETY: made only by `RawPool::take`, from a `Stack`, which is mapped, guarded
// and aligned; `low` is written into the head before.
unsafe impl corosensei::stack::Stack for Base {
    #[inline]
    fn base(&self) -> NonZeroUsize {
        self.0
    }

    #[inline]
    fn limit(&self) -> NonZeroUsize {
        // SAFETY: the head is at the base and `low` in it is set.
        let low = unsafe { (*(self.0.get() as *const Head)).low };
        NonZeroUsize::new(low).unwrap_or(self.0)
    }
}

/// A reference to a stack that runs jobs. Copies name the same stack; it stays
/// valid until the stack is returned with [`Raw::release`], and for ever if that is
/// never done: a leaked stack is not reused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw(NonNull<Head>);

impl Raw {
    fn head(&self) -> &Head {
        // SAFETY: valid until released, as the type says; the coroutine field
        // is reached by `switch` only.
        unsafe { self.0.as_ref() }
    }

    /// A number for whoever keeps a list of stacks.
    pub(crate) fn place(&self) -> &Cell<usize> {
        &self.head().place
    }

    /// The seat as a `T`.
    ///
    /// # Safety
    /// The job that runs here has written a `T` to it, see [`Raw::take_seat`].
    #[inline(always)]
    pub(crate) unsafe fn seat<T>(&self) -> &T {
        const { assert!(size_of::<T>() <= 8 * SEAT_WORDS && align_of::<T>() <= 8) };
        // SAFETY: large and aligned enough; initialised, as the caller says.
        unsafe { &*self.head().seat.get().cast::<T>() }
    }

    /// Writes `value` to the seat.
    ///
    /// # Safety
    /// Called by the job that runs here, with no reference to an earlier value
    /// left.
    #[inline(always)]
    pub(crate) unsafe fn take_seat<T>(&self, value: T) {
        const { assert!(size_of::<T>() <= 8 * SEAT_WORDS && align_of::<T>() <= 8) };
        const { assert!(!std::mem::needs_drop::<T>()) };
        // SAFETY: large and aligned enough, and nobody else uses it.
        unsafe { self.head().seat.get().cast::<T>().write(value) }
    }

    /// The reference as an address, for [`Raw::from_address`].
    #[inline(always)]
    pub(crate) fn into_address(self) -> NonNull<()> {
        self.0.cast()
    }

    /// # Safety
    /// `address` comes from `into_address`.
    #[inline(always)]
    pub(crate) unsafe fn from_address(address: NonNull<()>) -> Raw {
        Raw(address.cast())
    }

    /// Where the frames of this stack start, going down.
    pub(crate) fn base(&self) -> usize {
        self.0.addr().get()
    }

    /// All of this stack, guard included.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.head().low..self.base()
    }

    /// Whether `address` lies on this stack, guard included.
    #[inline(always)]
    pub(crate) fn contains(&self, address: usize) -> bool {
        let (low, base) = (self.head().low, self.0.as_ptr() as usize);
        address.wrapping_sub(low) < base - low
    }

    /// Whether the stack comes from `pool`.
    #[inline(always)]
    pub(crate) fn is_of(&self, pool: &Rc<RawPool>) -> bool {
        std::ptr::eq(self.head().pool, Rc::as_ptr(pool))
    }

    /// Bytes of stack that a job may use.
    pub(crate) fn usable(&self) -> usize {
        self.pool().usable()
    }

    /// Bytes of stack that are in memory.
    pub(crate) fn resident(&self) -> usize {
        let page = page_size();
        let bottom = stack::find(self.base()).map_or(self.base(), |stack| stack.bottom);
        // Up to the page of the head.
        let pages = self.base() / page - bottom / page + 1;
        stack::touched(bottom, pages).map_or(0, |pages| pages.filter(|it| *it).count() * page)
    }

    fn pool(&self) -> &RawPool {
        // SAFETY: the head owns a count of the pool.
        unsafe { &*self.head().pool }
    }

    /// Begins a job, up to its first `leave` or to its end.
    ///
    /// # Safety
    /// No job is running or suspended here. `data` is what `job` needs.
    #[inline(always)]
    pub(crate) unsafe fn start(self, job: Job, data: *mut ()) -> usize {
        // SAFETY: no job means that nobody uses the seat.
        unsafe {
            self.head()
                .seat
                .get()
                .cast::<(Job, *mut ())>()
                .write((job, data));
            self.switch()
        }
    }

    /// Goes on where the job left.
    ///
    /// # Safety
    /// A job is suspended here.
    #[inline(always)]
    pub(crate) unsafe fn resume(self) -> usize {
        // SAFETY: a suspended job is a suspended coroutine.
        unsafe { self.switch() }
    }

    #[inline(always)]
    unsafe fn switch(self) -> usize {
        // SAFETY: the coroutine is suspended, so nobody else holds a reference
        // to this field; the code on the other stack never touches it.
        let coroutine = unsafe { &mut *self.head().coroutine.get() };
        match coroutine.resume(()) {
            CoroutineResult::Yield(word) => word,
            CoroutineResult::Return(never) => match never {},
        }
    }

    /// Leaves the job: `start` or `resume` returns `word`. Comes back with the
    /// next `resume`.
    ///
    /// # Safety
    /// Called by the job that runs here, on this stack or on one that was
    /// entered from it. `word` is not [`DONE`].
    #[inline(always)]
    pub(crate) unsafe fn leave(self, word: usize) {
        // SAFETY: the yielder was set before the first job began and lives at
        // the base of this stack.
        unsafe { (*self.head().yielder.get()).suspend(word) }
    }

    /// Where the state of the suspended job lies, for a backtrace of it: on this
    /// stack, or on one that was entered from it.
    ///
    /// corosensei keeps that address to itself. Of the words that it keeps two are
    /// addresses on stacks, and the other one is where this stack began.
    #[cfg(any(not(target_arch = "x86_64"), corobin_portable))]
    pub(crate) fn saved_frame(&self) -> Option<usize> {
        const BEGINNING: usize = 128;
        const WORDS: usize = size_of::<Coroutine<(), usize, Infallible, Base>>() / 8;
        let words = self.head().coroutine.get().cast::<usize>();
        // SAFETY: the coroutine is made of words only, and nobody is changing them
        // while it is suspended.
        let words: [usize; WORDS] = std::array::from_fn(|at| unsafe { words.add(at).read() });
        let beginning = self.base() - BEGINNING..=self.base();
        let is_frame = |&word: &usize| !beginning.contains(&word) && stack::find(word).is_some();
        words.into_iter().find(is_frame)
    }

    /// Forgets the job that is suspended here, as if the stack were new.
    ///
    /// # Safety
    /// The frames of the job own nothing that would need to be dropped, and
    /// nobody goes on in them.
    pub(crate) unsafe fn restart(self) {
        // SAFETY: as the caller says. A coroutine that was reset holds nothing
        // but its stack, which the next one is made on.
        unsafe {
            (*self.head().coroutine.get()).force_reset();
            self.write_coroutine();
        }
    }

    /// # Safety
    /// No coroutine is suspended here, and all other fields are set.
    unsafe fn write_coroutine(self) {
        let head = self.0;
        let coroutine = Coroutine::with_stack(
            Base(head.addr()),
            move |yielder: &Yielder<(), usize>, ()| wait_for_jobs(head, yielder),
        );
        // SAFETY: as the caller says.
        unsafe {
            ptr::addr_of_mut!((*head.as_ptr()).coroutine)
                .write(UnsafeCell::new(ManuallyDrop::new(coroutine)));
        }
    }

    /// Returns the stack to the pool it came from, for the next job.
    ///
    /// # Safety
    /// No job is running or suspended here, and no copy of `self` is used after.
    pub(crate) unsafe fn release(self) {
        // SAFETY: as the caller says.
        unsafe { self.pool().put_back(self) }
    }

    /// # Safety
    /// As for [`Raw::release`].
    unsafe fn into_stack(self) -> Stack {
        // SAFETY: the waiting loop owns nothing that would need to be dropped,
        // and the head is not used after.
        unsafe {
            let coroutine = &mut *self.head().coroutine.get();
            coroutine.force_reset();
            ManuallyDrop::drop(coroutine);
            let stack = Stack::from_parts(self.0.as_ptr() as usize, self.head().low);
            drop(Rc::from_raw(self.head().pool));
            stack
        }
    }
}

/// What runs at the bottom of every stack.
fn wait_for_jobs(head: NonNull<Head>, yielder: &Yielder<(), usize>) -> Infallible {
    // SAFETY: the head lives as long as its stack.
    let head = unsafe { head.as_ref() };
    head.yielder.set(yielder);
    loop {
        // SAFETY: `start` wrote a job to the seat and resumed us.
        let (job, data) = unsafe { head.seat.get().cast::<(Job, *mut ())>().read() };
        // SAFETY: `start` promised that `data` is what `job` needs.
        unsafe { job(data) };
        yielder.suspend(DONE);
    }
}

/// Warm stacks of one size, last in first out, and the class that makes more.
pub(crate) struct RawPool {
    class: StackClass,
    warm: RefCell<Vec<Raw>>,
}

impl RawPool {
    fn new(bytes: usize) -> io::Result<Rc<RawPool>> {
        Ok(Rc::new(RawPool {
            class: StackClass::new(bytes)?,
            warm: RefCell::default(),
        }))
    }

    /// This thread's pool for stacks of at least `bytes`.
    ///
    /// # Errors
    /// `InvalidInput` for sizes that cannot be had; any error where the thread
    /// is ending and keeps no pools any more.
    pub(crate) fn of_size(bytes: usize) -> io::Result<Rc<RawPool>> {
        POOLS
            .try_with(|pools| {
                let mut pools = pools.list.borrow_mut();
                if let Some(pool) = pools.iter().find(|pool| pool.serves(bytes)) {
                    return Ok(Rc::clone(pool));
                }
                let pool = RawPool::new(bytes)?;
                if pools.len() >= SIZES {
                    pools.retain(|pool| pool.is_in_use());
                }
                pools.push(Rc::clone(&pool));
                Ok(pool)
            })
            .unwrap_or_else(|_| Err(io::Error::other("this thread is ending: no more stacks")))
    }

    /// Whether there is anybody but the list of pools. Gives the warm stacks back
    /// first, which count as users.
    fn is_in_use(self: &Rc<Self>) -> bool {
        let warm = self.warm.take();
        // SAFETY: what is warm has no job and no other user.
        unsafe { self.discard(warm) };
        Rc::strong_count(self) > 1
    }

    fn serves(&self, bytes: usize) -> bool {
        bytes.checked_next_multiple_of(page_size()) == Some(self.usable())
    }

    pub(crate) fn usable(&self) -> usize {
        self.class.usable()
    }

    /// A stack without a job.
    ///
    /// # Errors
    /// The system gives no more memory.
    #[inline]
    pub(crate) fn take(self: &Rc<Self>) -> io::Result<Raw> {
        match self.warm.borrow_mut().pop() {
            Some(raw) => Ok(raw),
            None => self.make(),
        }
    }

    #[cold]
    fn make(self: &Rc<Self>) -> io::Result<Raw> {
        let stack = self.class.take()?;
        let head = NonNull::new(stack.base() as *mut Head).expect("a stack is not at zero");
        // Tells valgrind that a jump here is a switch; no more than a few
        // instructions elsewhere. The memory stays a stack for good.
        let length = stack.base() - stack.low();
        std::mem::forget(ValgrindStackRegistration::new(
            stack.low() as *mut u8,
            length,
        ));
        // SAFETY: the HEAD bytes above the base belong to us; all fields are
        // written before anything reads them.
        unsafe {
            let this = head.as_ptr();
            ptr::addr_of_mut!((*this).yielder).write(Cell::new(ptr::null()));
            ptr::addr_of_mut!((*this).pool).write(Rc::into_raw(Rc::clone(self)));
            ptr::addr_of_mut!((*this).low).write(stack.low());
            ptr::addr_of_mut!((*this).place).write(Cell::new(0));
            Raw(head).write_coroutine();
        }
        Ok(Raw(head))
    }

    /// # Safety
    /// As for [`Raw::release`].
    unsafe fn put_back(&self, raw: Raw) {
        let mut warm = self.warm.borrow_mut();
        warm.push(raw);
        if warm.len() > WARM {
            // In batches, so that whole regions can go.
            let surplus = warm.drain(..WARM / 2).collect();
            drop(warm);
            // SAFETY: what is warm has no job and no other user.
            unsafe { self.discard(surplus) };
        }
    }

    /// Takes back many stacks at once; those beyond the few that are kept warm
    /// give their memory back to the system.
    ///
    /// # Safety
    /// As for [`Raw::release`], for each of them.
    pub(crate) unsafe fn put_back_all(&self, mut raws: Vec<Raw>) {
        let mut warm = self.warm.borrow_mut();
        let kept = raws.len().min(WARM.saturating_sub(warm.len()));
        let kept = raws.drain(raws.len() - kept..).inspect(|raw| {
            // SAFETY: an idle stack uses no more than its first frames.
            unsafe { self.class.shed(raw.head().low, raw.base()) };
        });
        warm.extend(kept);
        drop(warm);
        // SAFETY: as the caller says.
        unsafe { self.discard(raws) };
    }

    /// Gives the memory of stacks back to the system.
    ///
    /// # Safety
    /// As for [`Raw::release`], for each of them.
    pub(crate) unsafe fn discard(&self, raws: Vec<Raw>) {
        // SAFETY: as the caller says.
        unsafe {
            let stacks: Vec<Stack> = raws.into_iter().map(|raw| raw.into_stack()).collect();
            self.class.give_back(stacks);
        }
    }
}

/// The pools of a thread. Once they are gone the thread is running the destructors
/// of its thread-locals, and no generator is unwound any more.
struct Pools {
    list: RefCell<Vec<Rc<RawPool>>>,
}

thread_local! {
    static POOLS: Pools = {
        overflow::watch_thread();
        Pools { list: RefCell::default() }
    };
}

impl Drop for Pools {
    fn drop(&mut self) {
        for pool in self.list.take() {
            let warm = pool.warm.take();
            // SAFETY: what is warm has no job and no other user.
            unsafe { pool.discard(warm) };
        }
    }
}

/// Whether this thread still runs generators and coroutines.
pub(crate) fn thread_is_alive() -> bool {
    POOLS.try_with(|_| ()).is_ok()
}
