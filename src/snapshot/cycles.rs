//! Who waits for each other in a circle.

use std::collections::HashMap;

use super::{CoroutineInfo, CoroutineState, Snapshot};
use crate::task::Id;

/// More circles than these are not looked for.
const MOST: usize = 16;

impl Snapshot {
    /// The circles in which each coroutine waits for something that only the next one
    /// can do, as far as that is known: the owner of a lock, the coroutine that is
    /// joined. No coroutine is in two of them.
    ///
    /// A circle with a single member waits for itself.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<&CoroutineInfo>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            Unseen,
            /// On the path that is being walked, or known to lead to nothing new.
            Open,
            Done,
        }
        let all = &self.coroutines;
        let place: HashMap<Id, usize> = all
            .iter()
            .zip(0..)
            .map(|(info, at)| (info.id, at))
            .collect();
        let mut marks = vec![Mark::Unseen; all.len()];
        let mut found = Vec::new();
        for start in 0..all.len() {
            // The path, and how many of the holders of each were followed.
            let mut path: Vec<(usize, usize)> = Vec::new();
            if marks[start] == Mark::Unseen {
                marks[start] = Mark::Open;
                path.push((start, 0));
            }
            while let Some((at, followed)) = path.last_mut() {
                let info = &all[*at];
                let waits = info.state == CoroutineState::Parked;
                let Some(holder) = info.held_by.get(*followed).filter(|_| waits) else {
                    marks[*at] = Mark::Done;
                    path.pop();
                    continue;
                };
                *followed += 1;
                let Some(&next) = place.get(holder) else {
                    continue;
                };
                match marks[next] {
                    Mark::Done => {}
                    Mark::Unseen => {
                        marks[next] = Mark::Open;
                        path.push((next, 0));
                    }
                    Mark::Open => {
                        let from = path.iter().position(|(at, _)| *at == next).unwrap_or(0);
                        let cycle: Vec<usize> = path.drain(from..).map(|(at, _)| at).collect();
                        cycle.iter().for_each(|&at| marks[at] = Mark::Done);
                        found.push(cycle.into_iter().map(|at| &all[at]).collect());
                        if found.len() == MOST {
                            return found;
                        }
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::Location;
    use std::time::{Duration, Instant};

    /// Coroutine `n` waits for `edges[n]`.
    fn cycles_of(edges: &[&[u64]]) -> Vec<Vec<u64>> {
        let coroutines = edges.iter().zip(0..).map(|(held_by, id)| CoroutineInfo {
            id: Id(id),
            name: None,
            parent: None,
            spawned_at: Location::caller(),
            age: Duration::ZERO,
            state: CoroutineState::Parked,
            waits_on: None,
            waits_at: None,
            waits_since: None,
            held_by: held_by.iter().copied().map(Id).collect(),
            stack_used: 0,
            stack_size: 0,
            backtrace: None,
        });
        let snapshot = Snapshot {
            coroutines: coroutines.collect(),
            taken_at: Instant::now(),
        };
        let ids = |cycle: Vec<&CoroutineInfo>| cycle.iter().map(|info| info.id.0).collect();
        snapshot.cycles().into_iter().map(ids).collect()
    }

    #[test]
    fn chains_are_no_circles() {
        assert!(cycles_of(&[]).is_empty());
        assert!(cycles_of(&[&[1], &[2], &[]]).is_empty());
        assert!(cycles_of(&[&[1, 2], &[3], &[3], &[]]).is_empty());
        assert!(cycles_of(&[&[77]]).is_empty());
    }

    #[test]
    fn circles_are_found_without_those_who_wait_for_them() {
        assert_eq!(cycles_of(&[&[0]]), [[0]]);
        assert_eq!(cycles_of(&[&[1], &[0]]), [[0, 1]]);
        assert_eq!(cycles_of(&[&[1], &[2], &[3], &[1]]), [[1, 2, 3]]);
        assert_eq!(cycles_of(&[&[3, 1], &[2], &[0], &[]]), [[0, 1, 2]]);
        assert_eq!(cycles_of(&[&[1], &[0], &[3], &[2]]), [[0, 1], [2, 3]]);
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let edges: Vec<[u64; 1]> = (0..100_000).map(|n| [(n + 1) % 100_000]).collect();
        let edges: Vec<&[u64]> = edges.iter().map(|edge| &edge[..]).collect();
        assert_eq!(cycles_of(&edges)[0].len(), 100_000);
    }
}
