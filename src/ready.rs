//! The ready queue: who runs next.
//!
//! First in, first out, which is what makes the scheduler round robin; or, under
//! a seed, a pick among all that are ready, which makes a test meet other orders
//! than the usual one, the same ones for the same seed.

use std::collections::VecDeque;

pub(crate) struct ReadyQueue<T> {
    queue: VecDeque<T>,
    pick: Option<fastrand::Rng>,
}

impl<T: Copy> ReadyQueue<T> {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        ReadyQueue {
            queue: VecDeque::new(),
            pick: seed.map(fastrand::Rng::with_seed),
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) {
        self.queue.push_back(item);
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.pick.is_some() {
            return self.pop_picked();
        }
        self.queue.pop_front()
    }

    #[cold]
    fn pop_picked(&mut self) -> Option<T> {
        let len = self.queue.len();
        let pick = self.pick.as_mut()?;
        if len > 1 {
            self.queue.swap(0, pick.usize(..len));
        }
        self.queue.pop_front()
    }

    /// Takes the head if `wanted` says so; never under a seed.
    #[inline]
    pub(crate) fn pop_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.pick.is_some() || !wanted(self.queue.front()?) {
            return None;
        }
        self.queue.pop_front()
    }

    /// The one that is `ahead` places behind the head.
    #[inline(always)]
    pub(crate) fn peek(&self, ahead: usize) -> Option<&T> {
        self.queue.get(ahead)
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out() {
        let mut queue = ReadyQueue::new(None);
        for n in 0..5 {
            queue.push(n);
        }
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.peek(0), Some(&1));
        assert_eq!(queue.peek(3), Some(&4));
        assert_eq!(queue.peek(4), None);
        assert_eq!(queue.pop_if(|&n| n == 7), None);
        assert_eq!(queue.pop_if(|&n| n == 1), Some(1));
        queue.push(5);
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    /// Random operations against a plain list, for both kinds of queue.
    #[test]
    fn agrees_with_a_list() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let picks = seed % 2 == 1;
            let mut queue = ReadyQueue::new(picks.then_some(seed));
            let mut model = Vec::new();
            for n in 0..2000 {
                if random.bool() {
                    queue.push(n);
                    model.push(n);
                } else if let Some(item) = queue.pop() {
                    let at = model.iter().position(|&other| other == item).unwrap();
                    assert!(picks || at == 0);
                    model.remove(at);
                } else {
                    assert!(model.is_empty());
                }
                assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn same_seed_same_order() {
        let order = |seed| {
            let mut queue = ReadyQueue::new(Some(seed));
            (0..20).for_each(|n| queue.push(n));
            std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
