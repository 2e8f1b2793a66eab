//! A tree in which everybody starts ten others and adds up what they answer, until there are
//! `leaves`: each leaf answers with its own number. From the first spawn to the sum at the root.

use std::hint::black_box;
use std::time::{Duration, Instant};

const CHILDREN: usize = 10;

/// The root's answer, whoever has computed it.
fn check(sum: u64, leaves: usize) {
    let leaves = leaves as u64;
    assert_eq!(sum, leaves * (leaves - 1) / 2);
}

/// The numbers of the first leaf below each child of a tree of `leaves` that begins at `first`.
fn children(first: usize, leaves: usize) -> impl Iterator<Item = usize> {
    let each = leaves / CHILDREN;
    (0..CHILDREN).map(move |child| first + child * each)
}

pub mod corobin {
    use super::*;
    use ::corobin::{JoinHandle, Runtime, spawn};

    fn tree(first: usize, leaves: usize) -> u64 {
        if leaves == 1 {
            return first as u64;
        }
        let start = |child| spawn(move || tree(child, leaves / CHILDREN));
        let handles = [0; CHILDREN];
        let mut firsts = children(first, leaves);
        let handles = handles.map(|_| start(firsts.next().expect("ten children")));
        let answer = |handle: JoinHandle<u64>| handle.join().expect("no panic");
        handles.into_iter().map(answer).sum()
    }

    /// On stacks that an earlier tree has used already.
    pub fn skynet(leaves: usize) -> Duration {
        let runtime = Runtime::builder().stack_size(16 << 10).build();
        runtime.expect("a runtime").run(|| {
            check(tree(0, leaves), leaves);
            let begin = Instant::now();
            let sum = tree(0, leaves);
            let took = begin.elapsed();
            check(sum, leaves);
            took
        })
    }
}

pub mod tokio {
    use super::*;
    use std::pin::Pin;

    use ::tokio::runtime::Builder;
    use ::tokio::task::{LocalSet, spawn_local};

    fn tree(first: usize, leaves: usize) -> Pin<Box<dyn Future<Output = u64>>> {
        Box::pin(async move {
            if leaves == 1 {
                return first as u64;
            }
            let mut firsts = children(first, leaves);
            let handles = [0; CHILDREN].map(|_| {
                let child = firsts.next().expect("ten children");
                spawn_local(tree(child, leaves / CHILDREN))
            });
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("no panic");
            }
            sum
        })
    }

    /// With an allocator that an earlier tree has used already.
    pub fn skynet(leaves: usize) -> Duration {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            check(tree(0, leaves).await, leaves);
            let begin = Instant::now();
            let sum = tree(0, leaves).await;
            let took = begin.elapsed();
            check(sum, leaves);
            took
        })
    }
}

pub mod may {
    use super::*;
    use ::may::coroutine::JoinHandle;

    use crate::contenders::may::run;

    fn tree(first: usize, leaves: usize) -> u64 {
        if leaves == 1 {
            return first as u64;
        }
        // SAFETY: the body uses no thread-local storage and little of its stack (may asks for both).
        let start =
            |child| unsafe { ::may::coroutine::spawn(move || tree(child, leaves / CHILDREN)) };
        let mut firsts = children(first, leaves);
        let handles = [0; CHILDREN].map(|_| start(firsts.next().expect("ten children")));
        let answer = |handle: JoinHandle<u64>| handle.join().expect("no panic");
        handles.into_iter().map(answer).sum()
    }

    pub fn skynet(leaves: usize) -> Duration {
        run(move || {
            check(tree(0, leaves), leaves);
            let begin = Instant::now();
            let sum = tree(0, leaves);
            let took = begin.elapsed();
            check(sum, leaves);
            took
        })
    }
}

pub mod threads {
    use super::*;
    use std::thread::scope;

    fn tree(first: usize, leaves: usize) -> u64 {
        if leaves == 1 {
            return first as u64;
        }
        scope(|s| {
            let start = |child| s.spawn(move || tree(child, leaves / CHILDREN));
            let mut firsts = children(first, leaves);
            let handles = [0; CHILDREN].map(|_| start(firsts.next().expect("ten children")));
            let answers = handles.into_iter().map(|h| h.join().expect("no panic"));
            answers.sum()
        })
    }

    pub fn skynet(leaves: usize) -> Duration {
        let begin = Instant::now();
        let sum = tree(0, leaves);
        let took = begin.elapsed();
        check(sum, leaves);
        took
    }
}

/// Plain calls: what the tree costs when nobody is started.
pub mod calls {
    use super::*;

    #[inline(never)]
    fn tree(first: usize, leaves: usize) -> u64 {
        if leaves == 1 {
            return black_box(first) as u64;
        }
        children(first, leaves)
            .map(|child| tree(child, leaves / CHILDREN))
            .sum()
    }

    pub fn skynet(leaves: usize) -> Duration {
        let begin = Instant::now();
        let sum = tree(0, leaves);
        let took = begin.elapsed();
        check(sum, leaves);
        took
    }
}
