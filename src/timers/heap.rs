//! The heap of those that are due soon.
//!
//! Four children to a node, which share two cache lines. What a program cancels most, a
//! timeout that did not expire, is one of the latest deadlines and sits near the end,
//! where its removal moves next to nothing.

use std::mem;

use super::slots::Slots;
use super::{Node, Place};

const CHILDREN: usize = 4;

#[derive(Default)]
pub(super) struct Heap(Vec<Node>);

impl Heap {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Node> {
        self.0.first()
    }

    /// All of them, in no order.
    pub(super) fn take(&mut self) -> Vec<Node> {
        mem::take(&mut self.0)
    }

    pub(super) fn insert<T>(&mut self, node: Node, slots: &mut Slots<T>) {
        self.0.push(node);
        self.sift_up(self.0.len() - 1, node, slots);
    }

    pub(super) fn remove<T>(&mut self, at: usize, slots: &mut Slots<T>) {
        let last = self.0.pop().expect("the heap has a node to remove");
        if at < self.0.len() {
            if at > 0 && last.is_before(&self.0[(at - 1) / CHILDREN]) {
                self.sift_up(at, last, slots);
            } else {
                self.sift_down(at, last, slots);
            }
        }
    }

    /// Moves the hole at `at` up until `node` fits in.
    fn sift_up<T>(&mut self, mut at: usize, node: Node, slots: &mut Slots<T>) {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if !node.is_before(&self.0[parent]) {
                break;
            }
            self.put(at, self.0[parent], slots);
            at = parent;
        }
        self.put(at, node, slots);
    }

    /// Moves the hole at `at` down to the leaves, and up again until `node` fits
    /// in: `node` comes from the end of the heap, so it seldom goes up far, and
    /// need not be compared on the way down.
    fn sift_down<T>(&mut self, mut at: usize, node: Node, slots: &mut Slots<T>) {
        loop {
            let first = at * CHILDREN + 1;
            let last = (first + CHILDREN).min(self.0.len());
            let earlier = |a: usize, b: usize| {
                if self.0[b].is_before(&self.0[a]) {
                    b
                } else {
                    a
                }
            };
            match (first..last).reduce(earlier) {
                Some(least) => {
                    self.put(at, self.0[least], slots);
                    at = least;
                }
                None => break,
            }
        }
        self.sift_up(at, node, slots);
    }

    fn put<T>(&mut self, at: usize, node: Node, slots: &mut Slots<T>) {
        self.0[at] = node;
        slots.set_place(node.slot, Place::Heap(at as u32));
    }
}
