//! What there is to know about one coroutine, whether it has a stack or not.
//!
//! A [`Task`] is a block of two cache lines that is counted by reference and
//! reused last in, first out, so that a spawn needs no allocator. Its last words
//! hold first the body and then its result, in place where they fit, else boxed.
//! The block outlives the coroutine, and the runtime, for as long as somebody
//! holds a handle.

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::Waker;

use crate::children::Children;
use crate::generator::raw::Raw;
use crate::unwind::{Payload, message, silent};

/// Names a coroutine; unique in the process, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub(crate) u64);

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Why a coroutine has no result.
pub enum JoinError {
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled, or its runtime ended before it did.
    Cancelled,
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => write!(f, "Panicked({:?})", message(&**payload)),
            JoinError::Cancelled => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => {
                write!(f, "the coroutine panicked: {}", message(&**payload))
            }
            JoinError::Cancelled => f.write_str("the coroutine was cancelled"),
        }
    }
}

impl std::error::Error for JoinError {}

/// How far a coroutine has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The block holds its body.
    New,
    Started,
    /// The block holds its result.
    Returned,
    /// The block holds its panic's payload.
    Panicked,
    Cancelled,
    /// The result was taken out.
    Claimed,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
    Cancelled,
}

/// Who is told of the end.
pub(crate) enum Joiner {
    None,
    Coroutine(Raw),
    Group(Rc<Group>, u32),
    Waker(Box<Waker>),
}

/// Collects the ends of several coroutines, for one that waits for them.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) ended: RefCell<VecDeque<u32>>,
    pub(crate) waiting: Cell<Option<Raw>>,
}

/// Bits of [`Task::flags`].
pub(crate) mod flag {
    /// Nobody holds its join handle any more.
    pub(crate) const DETACHED: u8 = 1;
    /// Cancelled before it had a stack.
    pub(crate) const CANCELLED: u8 = 2;
    /// `unpark` was called and no `park` has taken it.
    pub(crate) const TOKEN: u8 = 4;
    /// The one that `run` was called with.
    pub(crate) const MAIN: u8 = 8;
    /// May borrow: nothing that it runs may outlive its scope.
    pub(crate) const SCOPED: u8 = 16;
}

const WORDS: usize = 5;
type Room = MaybeUninit<[u64; WORDS]>;

#[repr(C)]
pub(crate) struct Task {
    references: Cell<u32>,
    /// Its place in the list of its scope's children.
    pub(crate) sibling: Cell<u32>,
    state: Cell<State>,
    flags: Cell<u8>,
    id: u64,
    parent: u64,
    vtable: &'static VTable,
    /// Its stack, from before the start if it was reserved, until the end.
    pub(crate) raw: Cell<Option<Raw>>,
    spawned_at: &'static Location<'static>,
    name: Option<Box<Box<str>>>,
    pub(crate) children_of: Option<NonNull<Children>>,
    pub(crate) joiner: Cell<Joiner>,
    room: UnsafeCell<Room>,
}

/// What is told of a coroutine when it is made.
pub(crate) struct Origin {
    pub(crate) parent: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) flags: u8,
    pub(crate) children_of: Option<NonNull<Children>>,
}

struct VTable {
    run: unsafe fn(&Task) -> End,
    drop_body: unsafe fn(&Task),
    drop_result: unsafe fn(&Task),
}

const _: () = assert!(size_of::<Task>() <= 144);

impl Task {
    pub(crate) fn id(&self) -> Id {
        Id(self.id)
    }

    pub(crate) fn parent(&self) -> Option<Id> {
        (self.parent != 0).then_some(Id(self.parent))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &***name)
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    pub(crate) fn set(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    pub(crate) fn clear(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }

    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.state(), State::New | State::Started)
    }

    /// Marks the coroutine as begun: its body is about to be run or dropped.
    pub(crate) fn begin(&self) {
        debug_assert_eq!(self.state(), State::New);
        self.state.set(State::Started);
    }

    /// Marks the coroutine as ended.
    pub(crate) fn end(&self, end: End) {
        debug_assert_eq!(self.state(), State::Started);
        self.raw.set(None);
        self.state.set(match end {
            End::Returned => State::Returned,
            End::Panicked => State::Panicked,
            End::Cancelled => State::Cancelled,
        });
    }

    /// Runs the body and leaves its result, or the payload of its panic, in the
    /// block.
    ///
    /// # Safety
    /// Called once, after `begin`, and not if `drop_body` was.
    pub(crate) unsafe fn run(&self) -> End {
        // SAFETY: the vtable is of the body's type; the rest as the caller says.
        unsafe { (self.vtable.run)(self) }
    }

    /// Drops the body without running it.
    ///
    /// # Safety
    /// As for [`Task::run`].
    pub(crate) unsafe fn drop_body(&self) {
        // SAFETY: as in `run`.
        unsafe { (self.vtable.drop_body)(self) }
    }

    /// Drops the result that `run` has left.
    ///
    /// # Safety
    /// `run` has returned `Returned`, and nobody has taken the result.
    pub(crate) unsafe fn drop_result(&self) {
        // SAFETY: the vtable is of the result's type; the rest as the caller
        // says.
        unsafe { (self.vtable.drop_result)(self) }
    }

    /// Takes the payload that `run` has left.
    ///
    /// # Safety
    /// `run` has returned `Panicked`, and nobody has taken the payload.
    pub(crate) unsafe fn take_payload(&self) -> Payload {
        // SAFETY: as the caller says.
        unsafe { self.take() }
    }

    /// Leaves a payload, as a `run` that returns `Panicked` does.
    ///
    /// # Safety
    /// The block holds nothing.
    pub(crate) unsafe fn put_payload(&self, payload: Payload) {
        // SAFETY: as the caller says.
        unsafe { self.put(payload) }
    }

    /// # Safety
    /// The block holds nothing.
    #[inline(always)]
    unsafe fn put<V>(&self, value: V) {
        let room = self.room.get();
        if fits::<V>() {
            // SAFETY: the room is large and aligned enough, and holds nothing.
            unsafe { room.cast::<V>().write(value) }
        } else {
            // SAFETY: a pointer always fits.
            unsafe { room.cast::<Box<V>>().write(Box::new(value)) }
        }
    }

    /// # Safety
    /// The block holds a `V`, which is gone afterwards.
    #[inline(always)]
    unsafe fn take<V>(&self) -> V {
        let room = self.room.get();
        if fits::<V>() {
            // SAFETY: `put::<V>` wrote it there.
            unsafe { room.cast::<V>().read() }
        } else {
            // SAFETY: `put::<V>` wrote it there.
            unsafe { *room.cast::<Box<V>>().read() }
        }
    }
}

const fn fits<V>() -> bool {
    size_of::<V>() <= size_of::<Room>() && align_of::<V>() <= align_of::<u64>()
}

/// Calls a body where it lies: a large one need not fit on the stack.
fn call_in_place<'a, F: FnOnce() -> T + 'a, T: 'a>(body: Box<F>) -> T {
    let body: Box<dyn FnOnce() -> T + 'a> = body;
    body()
}

struct Types<F, T>(PhantomData<(F, T)>);

impl<F: FnOnce() -> T, T> Types<F, T> {
    const VTABLE: &'static VTable = &VTable {
        run: Self::run,
        drop_body: Self::drop_body,
        drop_result: Self::drop_result,
    };

    unsafe fn run(task: &Task) -> End {
        // The result goes to the block inside, so that a large one is not moved
        // through more frames than need be.
        let returned = catch_unwind(AssertUnwindSafe(|| {
            let result = if fits::<F>() {
                // SAFETY: the block holds the body until now.
                (unsafe { task.take::<F>() })()
            } else {
                // SAFETY: as above, in a box.
                call_in_place(unsafe { task.room.get().cast::<Box<F>>().read() })
            };
            // SAFETY: the body has left the block.
            unsafe { task.put(result) };
        }));
        match returned {
            Ok(()) => End::Returned,
            Err(payload) if silent(&*payload).is_some() => End::Cancelled,
            Err(payload) => {
                // SAFETY: the body has left the block, and left no result.
                unsafe { task.put(payload) };
                End::Panicked
            }
        }
    }

    unsafe fn drop_body(task: &Task) {
        if fits::<F>() {
            // SAFETY: the block holds the body until now.
            drop(unsafe { task.take::<F>() });
        } else {
            // SAFETY: as above, in a box.
            drop(unsafe { task.room.get().cast::<Box<F>>().read() });
        }
    }

    unsafe fn drop_result(task: &Task) {
        // SAFETY: the block holds the result, as the caller says.
        drop(unsafe { task.take::<T>() });
    }
}

/// A counted reference to a task.
pub(crate) struct TaskRef(NonNull<Task>);

impl TaskRef {
    /// A new task. The second reference is for whoever will start it.
    ///
    /// # Safety
    /// The task has ended, or is leaked for good, before anything that the body
    /// or its result borrows is gone.
    pub(crate) unsafe fn new<F, T>(origin: Origin, id: u64, body: F) -> TaskRef
    where
        F: FnOnce() -> T,
    {
        let task = Task {
            references: Cell::new(1),
            sibling: Cell::new(0),
            state: Cell::new(State::New),
            flags: Cell::new(origin.flags),
            id,
            parent: origin.parent,
            vtable: Types::<F, T>::VTABLE,
            raw: Cell::new(None),
            spawned_at: origin.spawned_at,
            name: origin.name.map(Box::new),
            children_of: origin.children_of,
            joiner: Cell::new(Joiner::None),
            room: UnsafeCell::new(MaybeUninit::uninit()),
        };
        let block = blocks::take();
        // SAFETY: the block is ours and holds nothing; the body's type is the
        // vtable's.
        unsafe {
            block.write(task);
            block.as_ref().put(body);
        }
        TaskRef(block)
    }

    /// One more reference to a task.
    ///
    /// # Safety
    /// Somebody holds one.
    pub(crate) unsafe fn another(task: NonNull<Task>) -> TaskRef {
        ManuallyDrop::new(TaskRef(task)).deref().clone()
    }

    /// The reference as an address, for [`TaskRef::from_address`].
    pub(crate) fn into_address(self) -> NonNull<()> {
        ManuallyDrop::new(self).0.cast()
    }

    /// # Safety
    /// `address` comes from `into_address`, and is used once.
    pub(crate) unsafe fn from_address(address: NonNull<()>) -> TaskRef {
        TaskRef(address.cast())
    }

    /// Looks at the task that an address stands for.
    ///
    /// # Safety
    /// `address` comes from `into_address` and was not used since.
    pub(crate) unsafe fn peek<'a>(address: NonNull<()>) -> &'a Task {
        // SAFETY: the reference that the address stands for is still counted.
        unsafe { address.cast::<Task>().as_ref() }
    }
}

impl Deref for TaskRef {
    type Target = Task;

    #[inline(always)]
    fn deref(&self) -> &Task {
        // SAFETY: a counted reference keeps its block.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> TaskRef {
        let references = self.references.get();
        assert!(references < u32::MAX, "too many handles to one coroutine");
        self.references.set(references + 1);
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        let references = self.references.get() - 1;
        self.references.set(references);
        if references == 0 {
            // A body or result that is still inside is forgotten: a body only
            // if its runtime was, a result only if its handle was.
            // SAFETY: this was the last reference.
            unsafe {
                self.0.drop_in_place();
                blocks::put_back(self.0);
            }
        }
    }
}

/// A task whose result is a `T`.
pub(crate) struct Typed<T> {
    task: TaskRef,
    _result: PhantomData<T>,
}

impl<T> Typed<T> {
    /// # Safety
    /// The task was made with a body that returns a `T`, and this is the only
    /// `Typed` of it.
    pub(crate) unsafe fn new(task: TaskRef) -> Typed<T> {
        Typed {
            task,
            _result: PhantomData,
        }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// The result, if the task has ended and it was not taken yet.
    #[inline]
    pub(crate) fn claim(&self) -> Option<Result<T, JoinError>> {
        let result = match self.task.state() {
            State::New | State::Started | State::Claimed => return None,
            // SAFETY: the state says that the block holds it.
            State::Returned => Ok(unsafe { self.task.take::<T>() }),
            // SAFETY: the state says that the block holds it.
            State::Panicked => Err(JoinError::Panicked(unsafe { self.task.take_payload() })),
            State::Cancelled => Err(JoinError::Cancelled),
        };
        self.task.state.set(State::Claimed);
        Some(result)
    }
}

/// Free blocks of a thread.
mod blocks {
    use super::Task;
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
    use std::cell::RefCell;
    use std::ptr::NonNull;

    /// More are given back to the allocator.
    const KEPT: usize = 4096;

    struct Free(RefCell<Vec<NonNull<Task>>>);

    thread_local! {
        static FREE: Free = const { Free(RefCell::new(Vec::new())) };
    }

    impl Drop for Free {
        fn drop(&mut self) {
            for block in self.0.take() {
                // SAFETY: free blocks are ours alone, and made by `take`.
                unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
            }
        }
    }

    /// Memory for a task.
    #[inline]
    pub(super) fn take() -> NonNull<Task> {
        let free = FREE.try_with(|free| free.0.borrow_mut().pop());
        free.ok().flatten().unwrap_or_else(make)
    }

    #[cold]
    fn make() -> NonNull<Task> {
        // SAFETY: a task has a size.
        let block = unsafe { alloc(Layout::new::<Task>()) };
        NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(Layout::new::<Task>()))
    }

    /// # Safety
    /// `block` comes from `take`, holds nothing and has no other user.
    #[inline]
    pub(super) unsafe fn put_back(block: NonNull<Task>) {
        let kept = FREE.try_with(|free| {
            let mut free = free.0.borrow_mut();
            let room = free.len() < KEPT;
            if room {
                free.push(block);
            }
            room
        });
        if kept != Ok(true) {
            // SAFETY: as the caller says.
            unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
        }
    }
}
