//! What there is to know about one coroutine, whether it has a stack or not.
//!
//! A [`Task`] is a block of some two cache lines that is counted by reference and
//! reused last in, first out, so that a spawn needs no allocator. Its last words
//! hold first the body and then its result, in place where they fit, else boxed.
//! The block outlives the coroutine, and the runtime, for as long as somebody
//! holds a handle.

mod birthplace;
mod blocks;
mod children;
pub(crate) mod flag;
mod result;
mod standing;

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

use crate::clock::Stamp;
use crate::generator::raw::Raw;
use crate::unwind::{Payload, silent};

use birthplace::Birthplace;
pub(crate) use blocks::Hoard;
pub(crate) use children::Children;
pub use result::JoinError;
pub(crate) use result::Typed;
use standing::{Content, Stage, Standing};

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

const WORDS: usize = 5;
type Room = MaybeUninit<[u64; WORDS]>;

#[repr(C)]
pub(crate) struct Task {
    references: Cell<u32>,
    /// Its place among the children of its scope; then, among all that have ended.
    pub(crate) sibling: Cell<u32>,
    standing: Standing,
    id: u64,
    parent: u64,
    vtable: &'static VTable,
    birthplace: Birthplace,
    /// Its stack, from before the start if it was reserved, until the end.
    pub(crate) raw: Cell<Option<Raw>>,
    children_of: Option<NonNull<Children>>,
    pub(crate) joiner: Cell<Joiner>,
    room: UnsafeCell<Room>,
}

/// What is told of a coroutine when it is made.
pub(crate) struct Origin {
    pub(crate) parent: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) born: Stamp,
    pub(crate) name: Option<Box<str>>,
    pub(crate) flags: u8,
    pub(crate) children_of: Option<NonNull<Children>>,
}

/// For one type of body and its type of result; each takes what it names out of
/// the room. `run` tells the stage so itself; before the others the caller has told it.
struct VTable {
    run: unsafe fn(&Task) -> End,
    drop_body: unsafe fn(&Task),
    drop_result: unsafe fn(&Task),
}

/// With the eight bytes that an allocator takes for itself these are two lines.
const _: () = assert!(size_of::<Task>() == 120);

impl Task {
    pub(crate) fn id(&self) -> Id {
        Id(self.id)
    }

    pub(crate) fn parent(&self) -> Option<Id> {
        (self.parent != 0).then_some(Id(self.parent))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.birthplace.name()
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.birthplace.at()
    }

    pub(crate) fn born(&self) -> Stamp {
        Stamp::from_bytes(self.standing.born.get())
    }

    pub(crate) fn set_born(&self, born: Stamp) {
        self.standing.born.set(born.to_bytes());
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.standing.flags.get() & flag != 0
    }

    pub(crate) fn set(&self, flag: u8) {
        self.standing.flags.set(self.standing.flags.get() | flag);
    }

    pub(crate) fn clear(&self, flag: u8) {
        self.standing.flags.set(self.standing.flags.get() & !flag);
    }

    fn stage(&self) -> Stage {
        self.standing.stage.get()
    }

    fn set_stage(&self, stage: Stage) {
        self.standing.stage.set(stage);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage().has_ended()
    }

    /// Whether it has not begun.
    pub(crate) fn is_new(&self) -> bool {
        !self.stage().has_started()
    }

    /// The children of the scope that it belongs to.
    pub(crate) fn siblings(&self) -> Option<&Children> {
        // SAFETY: who makes a child promises that the scope stays until the
        // child has ended and was removed from it.
        self.children_of
            .map(|children| unsafe { children.as_ref() })
    }

    /// Whether somebody is told of the end.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        // SAFETY: the reference is gone before anything else happens.
        !matches!(unsafe { &*self.joiner.as_ptr() }, Joiner::None)
    }

    pub(crate) fn holds_result(&self) -> bool {
        self.stage().holds(Content::Result)
    }

    pub(crate) fn holds_payload(&self) -> bool {
        self.stage().holds(Content::Payload)
    }

    /// Whether the coroutine has ended and left nothing in the room.
    #[inline(always)]
    pub(crate) fn is_claimed(&self) -> bool {
        self.stage() == Stage::ended(Content::Nothing)
    }

    /// Marks the coroutine as ended; what the room holds is for its handle.
    pub(crate) fn end(&self) {
        debug_assert!(!self.is_new() && !self.has_ended());
        self.raw.set(None);
        self.set_stage(self.stage().at_end());
    }

    /// Begins: runs the body, and keeps its result or the payload of its panic.
    #[inline(always)]
    pub(crate) fn run(&self) -> End {
        self.expect_new();
        // SAFETY: the room of a new task holds the body.
        unsafe { (self.vtable.run)(self) }
    }

    /// Begins, by dropping the body instead of running it.
    pub(crate) fn drop_body(&self) {
        self.expect_new();
        self.set_stage(Stage::started(Content::Nothing));
        // SAFETY: it was new, so the room holds the body, and the stage says so no more.
        unsafe { (self.vtable.drop_body)(self) }
    }

    /// Drops the result.
    pub(crate) fn drop_result(&self) {
        self.expect(Content::Result);
        self.set_stage(self.stage().with(Content::Nothing));
        // SAFETY: the room holds the result, and the stage says so no more.
        unsafe { (self.vtable.drop_result)(self) }
    }

    /// Takes the payload of the body's panic.
    pub(crate) fn take_payload(&self) -> Payload {
        self.expect(Content::Payload);
        self.set_stage(self.stage().with(Content::Nothing));
        // SAFETY: the room holds a payload, and the stage says so no more.
        unsafe { self.take() }
    }

    /// Keeps a payload, as if the body had panicked with it.
    pub(crate) fn put_payload(&self, payload: Payload) {
        self.expect(Content::Nothing);
        self.set_stage(self.stage().with(Content::Payload));
        // SAFETY: the room is empty, and the stage says that a payload comes.
        unsafe { self.put(payload) }
    }

    #[inline(always)]
    fn expect_new(&self) {
        assert!(self.stage() == Stage::NEW, "a coroutine begins twice");
    }

    fn expect(&self, content: Content) {
        assert!(
            self.stage().holds(content),
            "the room of a coroutine holds something else"
        );
    }

    /// Fills the room. The stage runs ahead of the room: it tells first what will be there.
    ///
    /// # Safety
    /// The room holds nothing, and the stage says already that it holds what a `V` is.
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
    /// The room holds a `V`, and the stage says already that it does no more.
    #[inline(always)]
    unsafe fn take<V>(&self) -> V {
        let room = self.room.get();
        if fits::<V>() {
            // SAFETY: `put::<V>` wrote it there.
            unsafe { room.cast::<V>().read() }
        } else {
            // SAFETY: as the caller says.
            unsafe { *self.take_box::<V>() }
        }
    }

    /// # Safety
    /// As for [`take`](Self::take), for a `V` that does not fit.
    unsafe fn take_box<V>(&self) -> Box<V> {
        // SAFETY: `put::<V>` wrote the box there.
        unsafe { self.room.get().cast::<Box<V>>().read() }
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
    /// Functions of their own for what is in a box: without optimization, one for both
    /// would have room in its frame for what lies in the box.
    const VTABLE: &'static VTable = &VTable {
        run: if fits::<F>() {
            Self::run
        } else {
            Self::run_boxed
        },
        drop_body: dropper::<F>(),
        drop_result: dropper::<T>(),
    };

    unsafe fn run(task: &Task) -> End {
        // SAFETY: the room holds the body, and `live` has told the stage.
        live(task, || unsafe { task.take::<F>() }())
    }

    unsafe fn run_boxed(task: &Task) -> End {
        // SAFETY: as in `run`.
        live(task, || call_in_place(unsafe { task.take_box::<F>() }))
    }
}

/// Runs the body of a new task, which takes it out of the room, and puts the result there.
#[inline(always)]
fn live<T>(task: &Task, body: impl FnOnce() -> T) -> End {
    task.set_stage(Stage::started(Content::Nothing));
    // The result goes to the room inside, so that a large one is not moved through more
    // frames than need be.
    let returned = catch_unwind(AssertUnwindSafe(|| {
        let result = body();
        task.set_stage(Stage::started(Content::Result));
        // SAFETY: the body has left the room, nothing came since, and the stage says that the
        // result comes.
        unsafe { task.put(result) };
    }));
    match returned {
        Ok(()) => End::Returned,
        Err(payload) if silent(&*payload).is_some() => End::Cancelled,
        Err(payload) => {
            task.put_payload(payload);
            End::Panicked
        }
    }
}

/// Drops what the room holds, which is a `V`.
const fn dropper<V>() -> unsafe fn(&Task) {
    unsafe fn here<V>(task: &Task) {
        // SAFETY: as the caller says.
        drop(unsafe { task.take::<V>() });
    }
    unsafe fn boxed<V>(task: &Task) {
        // SAFETY: as the caller says.
        drop(unsafe { task.take_box::<V>() });
    }
    if fits::<V>() { here::<V> } else { boxed::<V> }
}

/// A counted reference to a task.
pub(crate) struct TaskRef(NonNull<Task>);

impl TaskRef {
    /// # Safety
    /// As for [`Typed::borrowing`].
    #[inline(always)]
    unsafe fn new<F, T>(origin: impl FnOnce() -> Origin, id: u64, body: F) -> TaskRef
    where
        F: FnOnce() -> T,
    {
        // First the block, so that the task is written there and not moved.
        let block = blocks::take();
        let origin = origin();
        let task = Task {
            references: Cell::new(1),
            sibling: Cell::new(0),
            standing: Standing::new(origin.flags, origin.born),
            id,
            parent: origin.parent,
            vtable: Types::<F, T>::VTABLE,
            birthplace: Birthplace::new(origin.spawned_at, origin.name),
            raw: Cell::new(None),
            children_of: origin.children_of,
            joiner: Cell::new(Joiner::None),
            room: UnsafeCell::new(MaybeUninit::uninit()),
        };
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
    #[inline(always)]
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
    #[inline(always)]
    fn drop(&mut self) {
        let references = self.references.get() - 1;
        self.references.set(references);
        if references == 0 {
            self.free();
        }
    }
}

impl TaskRef {
    /// Gives the block back. What is still in the room is forgotten: a result if
    /// its handle was, a body if its coroutine was leaked. Apart, so that a drop is short
    /// enough to be inlined.
    #[inline(never)]
    fn free(&self) {
        // Nothing else in it has a destructor that does anything: the handle
        // took the joiner back, the end the stack.
        if self.birthplace.has_name() {
            return self.free_named();
        }
        // SAFETY: this was the last reference.
        unsafe { blocks::put_back(self.0) };
    }

    #[cold]
    #[inline(never)]
    fn free_named(&self) {
        // SAFETY: this was the last reference.
        unsafe {
            self.0.drop_in_place();
            blocks::put_back(self.0);
        }
    }
}

/// A coroutine, to name it or to wake it.
#[derive(Clone)]
pub struct Coroutine(pub(crate) TaskRef);
