//! Timers against simple models, and what crowds of them keep.

use super::*;
use std::collections::BTreeMap;

use fastrand::Rng;

/// A second has three units, so that both parts of a deadline matter.
fn at(units: u64) -> Duration {
    Duration::new(units / 3, (units % 3) as u32)
}

#[test]
fn earliest_first_and_equal_ones_in_order_of_arrival() {
    let mut timers = Timers::new();
    for (deadline, value) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (9, 'e')] {
        timers.insert(at(deadline), value);
    }
    assert_eq!(timers.next(), Some(at(3)));
    assert_eq!(timers.pop_due(at(2)), None);
    let due: String = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
    assert_eq!(due, "bdac");
    assert_eq!(timers.next(), Some(at(9)));
}

#[test]
fn a_key_is_never_valid_again() {
    let mut timers = Timers::new();
    let old = timers.insert(at(1), 'a');
    assert_eq!(timers.cancel(old), Some('a'));
    let new = timers.insert(at(1), 'b');
    assert!(!timers.is_armed(old));
    assert_eq!(timers.cancel(old), None);
    assert!(timers.is_armed(new));
    assert_eq!(timers.pop_due(at(1)), Some('b'));
    assert!(!timers.is_armed(new));
}

/// Random inserts, cancels and advances against an ordered map.
fn agrees_with_an_ordered_map(seed: u64, steps: u64, mut deadline: impl FnMut(&mut Rng) -> u64) {
    let mut random = Rng::with_seed(seed);
    let mut timers = Timers::new();
    let mut model = BTreeMap::new();
    let mut keys = Vec::new();
    let mut now = Duration::ZERO;
    let mut most = 0;
    for n in 0..steps {
        // Crowds gather, and go.
        let gathers = n / 2000 % 2 == 0;
        match random.u32(..if gathers { 7 } else { 12 }) {
            0..=4 => {
                // Some are late already.
                let nanos = deadline(&mut random);
                let deadline =
                    (now + Duration::from_nanos(nanos)).saturating_sub(Duration::from_millis(2));
                keys.push((timers.insert(deadline, n), deadline, n));
                model.insert((deadline, n), ());
            }
            5 | 6 if !keys.is_empty() => {
                let (key, deadline, value) = keys.swap_remove(random.usize(..keys.len()));
                let armed = model.remove(&(deadline, value)).is_some();
                assert_eq!(timers.is_armed(key), armed);
                assert_eq!(timers.cancel(key), armed.then_some(value));
            }
            _ => {
                for _ in 0..random.u32(..8) {
                    now = timers.next().unwrap_or(now).max(now);
                    now += Duration::from_nanos(random.u64(..2) * deadline(&mut random) / 500);
                    while let Some(value) = timers.pop_due(now) {
                        let ((deadline, expected), ()) = model.pop_first().unwrap();
                        assert_eq!(value, expected);
                        assert!(deadline <= now);
                    }
                }
            }
        }
        let next = model.first_key_value().map(|((next, _), ())| *next);
        assert_eq!(timers.next(), next);
        assert_eq!(timers.len(), model.len());
        most = most.max(model.len());
    }
    assert!(most > CROWD, "only {most} at once");
}

#[test]
fn agrees_with_a_map_for_deadlines_near_and_far() {
    for seed in 0..12 {
        // As many of each order of magnitude.
        agrees_with_an_ordered_map(seed, 12_000, |random| 1 << random.u32(..45));
    }
}

#[test]
fn agrees_with_a_map_for_deadlines_close_together() {
    for seed in 0..12 {
        agrees_with_an_ordered_map(seed, 12_000, |random| random.u64(..3_000_000));
    }
}

#[test]
fn agrees_with_a_map_for_two_kinds_of_timeouts() {
    for seed in 0..12 {
        agrees_with_an_ordered_map(seed, 12_000, |random| match random.bool() {
            true => random.u64(..5_000_000),
            false => 30_000_000_000 + random.u64(..1_000_000_000),
        });
    }
}

#[test]
fn deadlines_beyond_all_lists_keep_their_order() {
    let mut timers = Timers::new();
    let mut deadlines: Vec<Duration> = (0..2000)
        .map(|n| Duration::MAX - Duration::from_millis(n * 977 % 2000))
        .chain((0..1000).map(|n| Duration::from_secs(n * 7 % 1000)))
        .collect();
    for &deadline in &deadlines {
        timers.insert(deadline, deadline);
    }
    deadlines.sort();
    let due = std::iter::from_fn(|| timers.pop_due(Duration::MAX));
    assert!(due.eq(deadlines));
    assert!(timers.is_empty());
}

/// Cancelled ones leave their nodes in the lists; nobody waits for these.
#[test]
fn after_nothing_but_cancelled_ones_new_ones_are_found() {
    for far in [KEPT, 4 * KEPT] {
        let mut timers = Timers::new();
        for n in 0..2 * CROWD {
            timers.insert(Duration::from_millis(n as u64), n);
        }
        let keys: Vec<_> = (0..far)
            .map(|n| timers.insert(Duration::from_secs(100 + n as u64), n))
            .collect();
        for key in keys {
            assert!(timers.cancel(key).is_some());
            assert_eq!(timers.cancel(key), None);
        }
        assert_eq!(timers.len(), 2 * CROWD);
        let due = std::iter::from_fn(|| timers.pop_due(Duration::from_secs(90)));
        assert_eq!(due.count(), 2 * CROWD);
        assert!(timers.is_empty());
        let later = Duration::from_secs(10_000);
        timers.insert(later, 7);
        assert_eq!(timers.next(), Some(later));
        assert_eq!(timers.pop_due(later), Some(7));
        assert_eq!((timers.stale, timers.filled), (0, 0));
        assert!(timers.slots.count() <= 2 * CROWD + far);
    }
}

/// A crowd, of whose later ones the first granule stands in the row.
fn with_a_row(now: Duration, row: usize) -> (Timers<Duration>, Vec<Key>) {
    let mut timers = Timers::new();
    for n in 0..2 * CROWD {
        let soon = Duration::from_millis(n as u64);
        timers.insert(soon, soon);
    }
    let insert = |n| {
        let deadline = now + Duration::from_nanos(n as u64 * 7919 % 1000);
        timers.insert(deadline, deadline)
    };
    let keys = (0..row).map(insert).collect();
    let later = now + Duration::from_secs(1);
    timers.insert(later, later);
    let last_of_crowd = Duration::from_millis(2 * CROWD as u64);
    while timers.pop_due(last_of_crowd).is_some() {}
    assert_eq!(timers.row.len(), row);
    (timers, keys)
}

#[test]
fn those_who_come_before_the_row_go_first() {
    let now = Duration::from_secs(10);
    let (mut timers, _) = with_a_row(now, 100);
    for n in 0..4 * CROWD {
        let deadline = Duration::from_millis(9_000 + n as u64 * 7 % 1999);
        timers.insert(deadline, deadline);
    }
    assert!(timers.row.is_empty(), "all but the first are in lists");
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Duration::MAX)).collect();
    assert_eq!(due.len(), 4 * CROWD + 101);
    assert!(due.is_sorted());
}

#[test]
fn cancelled_ones_leave_the_row() {
    let (mut timers, keys) = with_a_row(Duration::from_secs(10), 10 * KEPT);
    let keys = keys.iter().enumerate();
    let kept = keys.filter(|&(n, &key)| n % 100 == 0 || timers.cancel(key).is_none());
    assert_eq!(kept.count(), 10 * KEPT / 100 + 1);
    assert!(timers.stale <= KEPT && timers.row.len() <= 2 * KEPT);
    assert_eq!(
        timers.slots.free_slots() + timers.len() + timers.stale,
        timers.slots.count()
    );
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Duration::MAX)).collect();
    assert_eq!(due.len(), 10 * KEPT / 100 + 2);
    assert!(due.is_sorted());
    assert_eq!(timers.stale, 0);
    assert_eq!(timers.slots.free_slots(), timers.slots.count());
}

/// Timeouts that are never reached take no more memory with time.
#[test]
fn cancelled_ones_do_not_pile_up() {
    let mut timers = Timers::new();
    let hour = Duration::from_secs(3600);
    for n in 0..1000 {
        timers.insert(hour, n);
    }
    for n in 0..100_000 {
        let key = timers.insert(hour + Duration::from_millis(n), 0);
        timers.cancel(key);
    }
    assert_eq!(timers.len(), 1000);
    assert!(timers.slots.count() <= 2001, "{}", timers.slots.count());
    let nodes: usize = timers.lists.iter().map(Vec::len).sum();
    assert!(nodes <= 2001, "{nodes}");
}

/// What a server does: a short wait now and then, beside many timeouts of the same
/// time. No wait may move all of them.
#[test]
fn a_short_wait_beside_a_crowd_moves_few() {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let mut timers = Timers::new();
    for n in 0..10_000 {
        timers.insert(TIMEOUT, n);
    }
    let far = timers.base;
    for n in 0..1000 {
        let soon = Duration::from_millis(n);
        timers.insert(soon, 0);
        assert_eq!(timers.pop_due(soon), Some(0));
        assert_eq!(timers.base, far);
    }
    assert_eq!(timers.next(), Some(TIMEOUT));
}
