//! The least that handing a number over to somebody who waits can cost: two stacks, a queue of who
//! is ready, and two places where one may wait. Who waits lies on its own stack. Nobody can be
//! cancelled or described, nothing is buffered, freed or counted, and there are never more than
//! two. For x86-64.

use std::arch::asm;
use std::cell::Cell;
use std::hint::black_box;
use std::ptr;
use std::time::{Duration, Instant};

use crate::contenders::raw::Mapping;

/// One who waits, on its own stack.
struct Waiter {
    frame: Cell<*mut usize>,
    given: Cell<u64>,
}

/// First in, first out.
struct Ready {
    slots: [Cell<*mut usize>; 4],
    head: Cell<usize>,
    tail: Cell<usize>,
}

struct Shared {
    ready: Ready,
    /// Who waits for a number: at each place one at most.
    waiting: [Cell<*const Waiter>; 2],
    echoed: Cell<u64>,
}

/// Leaves the running stack, whose frame is then in `save`, to the one that left `to`: corobin's
/// own switch, which is not public.
///
/// # Safety
/// `to` is a frame that was left so, or prepared, and is not used again.
#[inline(always)]
pub(super) unsafe fn exchange(save: *mut *mut usize, to: *mut usize) {
    // SAFETY: `to` was left by this very code, or prepared to look so: an address to go on at, and
    // two registers above it. All other registers are given up.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rdi], rsp",
            "mov rsp, rsi",
            "pop rax",
            "jmp rax",
            "2:",
            "pop rbx",
            "pop rbp",
            inout("rdi") save => _,
            inout("rsi") to => _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("sysv64"),
        );
    }
}

impl Shared {
    /// # Safety
    /// Somebody waits at this place.
    #[inline(always)]
    unsafe fn give(&self, place: usize, number: u64) {
        let ready = &self.ready;
        let waiter = self.waiting[place].replace(ptr::null());
        // SAFETY: the other stack waits there, so its waiter is alive.
        let waiter = unsafe { &*waiter };
        waiter.given.set(number);
        ready.slots[ready.tail.get() & 3].set(waiter.frame.get());
        ready.tail.set(ready.tail.get().wrapping_add(1));
    }

    /// # Safety
    /// Nobody waits at this place, and somebody is ready.
    #[inline(always)]
    unsafe fn wait(&self, place: usize) -> u64 {
        let ready = &self.ready;
        let own = Waiter {
            frame: Cell::new(ptr::null_mut()),
            given: Cell::new(0),
        };
        self.waiting[place].set(&raw const own);
        assert_ne!(ready.head.get(), ready.tail.get(), "somebody is ready");
        let next = ready.slots[ready.head.get() & 3].get();
        ready.head.set(ready.head.get().wrapping_add(1));
        // SAFETY: who is ready has left its frame there, and is entered once.
        unsafe { exchange(own.frame.as_ptr(), next) };
        own.given.get()
    }
}

/// Where the second stack begins; `shared` lies on it.
#[unsafe(naked)]
unsafe extern "sysv64" fn entry() -> ! {
    std::arch::naked_asm!(
        "pop rdi",
        "call {body}",
        "ud2",
        body = sym body
    )
}

unsafe extern "sysv64" fn body(shared: *const Shared) -> ! {
    loop {
        // SAFETY: `round_trips` keeps it until the last hand-over, and is there to be handed to.
        unsafe {
            let shared = &*shared;
            let number = shared.wait(0);
            shared.echoed.set(number);
            shared.give(1, number + 1);
        }
    }
}

/// So many times a number goes over and another one comes back.
pub fn round_trips(rounds: u64) -> Duration {
    let mapping = Mapping::new(1);
    let shared = Shared {
        ready: Ready {
            slots: Default::default(),
            head: Cell::new(0),
            // This stack, which is about to leave.
            tail: Cell::new(1),
        },
        waiting: [const { Cell::new(ptr::null()) }; 2],
        echoed: Cell::new(0),
    };
    let shared = black_box(&shared);
    let top = mapping.bases().next().expect("a stack") as *mut usize;
    // SAFETY: near the top of a stack that nobody uses yet. The address and `shared` are popped,
    // and the call in `entry` then gives `body` the alignment that the ABI wants.
    let start = unsafe {
        let start = top.sub(8);
        start.write(entry as *const () as usize);
        start.add(1).write(ptr::from_ref(shared).addr());
        start
    };
    // SAFETY: the second stack is prepared. It waits at once, and finds the first one ready.
    unsafe { exchange(shared.ready.slots[0].as_ptr(), start) };
    let begin = Instant::now();
    for number in 0..rounds {
        // SAFETY: the second stack waits.
        let answer = unsafe {
            shared.give(0, number);
            shared.wait(1)
        };
        assert_eq!(answer, number + 1);
    }
    let took = begin.elapsed();
    assert_eq!(shared.echoed.get(), rounds - 1);
    took
}
