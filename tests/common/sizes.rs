//! Values and frames of unusual sizes.

#![allow(dead_code, reason = "not every file uses all of it")]

use std::hint::black_box;

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(4096))]
pub struct Page(pub [u8; 4096]);

pub fn is_aligned<T>(value: &T) -> bool {
    (value as *const T).addr().is_multiple_of(align_of::<T>())
}

/// Calls itself until it has used that much of the stack; returns how much it was.
pub fn dive(bytes: usize) -> usize {
    fn deeper(top: usize, bytes: usize) -> usize {
        let here = black_box([0_u8; 256]);
        let used = top - here.as_ptr().addr();
        if used < bytes {
            deeper(top, bytes).max(used)
        } else {
            used
        }
    }
    let top = 0_u8;
    deeper((&raw const top).addr(), bytes)
}

/// Calls itself until the stack overflows.
#[inline(never)]
pub fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if black_box(depth) == u64::MAX {
        return 0;
    }
    let below = recurse(depth + 1);
    below + frame.iter().sum::<u64>()
}

#[inline(never)]
pub fn large_frame<const BYTES: usize>() {
    let mut frame = [0_u8; BYTES];
    black_box(&mut frame);
}
