//! The least that a switch of stacks can cost: a ring of stacks, each of which jumps to the next. No
//! queue, nobody to wake, no values, no end. For x86-64.

use std::arch::asm;
use std::time::{Duration, Instant};

use crate::contenders::raw::Mapping;

/// What goes from stack to stack in registers, so that nothing waits for memory but the switch.
struct Hops {
    /// Where the running stack will be left.
    own: *mut *mut usize,
    first: *mut *mut usize,
    /// Behind the last one.
    end: *mut *mut usize,
    done: u64,
}

/// From the running stack to the next.
#[inline(always)]
unsafe fn hop(hops: &mut Hops) {
    // SAFETY: one thread does all hops while the ring of places exists. Each place but the
    // running one's holds a stack left by this very code, or prepared to look so: an address to
    // go on at, and two registers above it. All other registers are given up or passed on.
    unsafe {
        let after = hops.own.add(1);
        let next = if after == hops.end { hops.first } else { after };
        asm!(
            "push rbx",
            "push rbp",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rdi], rsp",
            "mov rdi, rsi",
            "mov rsp, [rsi]",
            "pop rax",
            "jmp rax",
            "2:",
            "pop rbp",
            "pop rbx",
            inout("rdi") hops.own,
            inout("rsi") next => _,
            inout("r8") hops.first,
            inout("r9") hops.end,
            inout("r10") hops.done,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("sysv64"),
        );
        hops.done += 1;
    }
}

/// Where a stack begins, with all that is passed on in registers.
#[unsafe(naked)]
unsafe extern "sysv64" fn entry() -> ! {
    std::arch::naked_asm!(
        "mov rsi, r8",
        "mov rdx, r9",
        "mov rcx, r10",
        "call {body}",
        "ud2",
        body = sym body
    )
}

unsafe extern "sysv64" fn body(
    own: *mut *mut usize,
    first: *mut *mut usize,
    end: *mut *mut usize,
    done: u64,
) -> ! {
    let done = done + 1;
    let mut hops = Hops {
        own,
        first,
        end,
        done,
    };
    loop {
        // SAFETY: `switches` keeps the ring until the last hop.
        unsafe { hop(&mut hops) };
    }
}

/// `rounds` times round a ring of so many stacks.
pub fn switches(stacks: usize, rounds: u64) -> Duration {
    let mapping = Mapping::new(stacks);
    let prepared = mapping.bases().enumerate().map(|(index, base)| {
        // Different cache sets for neighbours, as in corobin.
        let top = (base - index % 32 * 64 - 64) as *mut usize;
        // SAFETY: near the top of a stack that nobody uses yet. The address is popped, and the
        // call in `entry` then gives `body` the alignment that the ABI wants.
        unsafe {
            let start = top.sub(1);
            start.write(entry as *const () as usize);
            start
        }
    });
    // The first is the thread's own; what was prepared for it is never entered.
    let mut ring: Vec<*mut usize> = prepared.collect();
    let range = ring.as_mut_ptr_range();
    let mut hops = Hops {
        own: range.start,
        first: range.start,
        end: range.end,
        done: 0,
    };
    // SAFETY: all stacks are ready, and the ring lives on. At the end the other stacks are
    // forgotten: nothing on them has a destructor.
    let mut lap = || unsafe { hop(&mut hops) };
    lap();
    let begin = Instant::now();
    (0..rounds).for_each(|_| lap());
    let took = begin.elapsed();
    assert_eq!(hops.done, (rounds + 1) * stacks as u64);
    took
}
