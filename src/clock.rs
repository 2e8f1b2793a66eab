//! Time since a runtime's start: the system's, or virtual time, which moves only
//! when it is told to.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(crate) struct Clock {
    start: Instant,
    /// The time since the start, under virtual time.
    stopped_at: Option<Cell<Duration>>,
    last: Cell<Reading>,
    stamp: Cell<Stamp>,
}

/// What a clock showed, in nanoseconds, so that whoever waits notes one word; no more than the
/// 584 years that this holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Reading(u64);

/// A reading in milliseconds, of which the lower six bytes are kept: they repeat after 8 900
/// years. They are the upper ones of a word, so that a task can have two more bytes in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) const BYTES: usize = 6;
    const SHIFT: u32 = u64::BITS - 8 * Stamp::BYTES as u32;

    fn of(reading: Duration) -> Stamp {
        Stamp((reading.as_millis() as u64) << Stamp::SHIFT)
    }

    /// In one word, above two bytes.
    #[inline(always)]
    pub(crate) fn above(self, [low, high]: [u8; 2]) -> u64 {
        self.0 | u64::from(high) << 8 | u64::from(low)
    }

    pub(crate) fn to_bytes(self) -> [u8; Stamp::BYTES] {
        let [_, _, bytes @ ..] = self.0.to_le_bytes();
        bytes
    }

    pub(crate) fn from_bytes([a, b, c, d, e, f]: [u8; Stamp::BYTES]) -> Stamp {
        Stamp(u64::from_le_bytes([0, 0, a, b, c, d, e, f]))
    }

    fn since(self, earlier: Stamp) -> Duration {
        Duration::from_millis(self.0.wrapping_sub(earlier.0) >> Stamp::SHIFT)
    }
}

impl Clock {
    pub(crate) fn new(virtual_time: bool) -> Clock {
        Clock {
            start: Instant::now(),
            stopped_at: virtual_time.then(Cell::default),
            last: Cell::default(),
            stamp: Cell::default(),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.stopped_at.is_some()
    }

    pub(crate) fn now(&self) -> Duration {
        let now = match &self.stopped_at {
            Some(stopped_at) => stopped_at.get(),
            None => self.real_now(),
        };
        self.last
            .set(Reading(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)));
        self.stamp.set(Stamp::of(now));
        now
    }

    /// The last reading.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp.get()
    }

    /// From the reading of a stamp to the last one.
    pub(crate) fn age(&self, of: Stamp) -> Duration {
        self.stamp.get().since(of)
    }

    /// What the last reading was.
    #[inline(always)]
    pub(crate) fn last(&self) -> Reading {
        self.last.get()
    }

    /// The instant of a reading.
    pub(crate) fn to_instant(&self, reading: Reading) -> Instant {
        self.start + Duration::from_nanos(reading.0)
    }

    /// As [`Clock::now`], but of the system's time in any case.
    pub(crate) fn real_now(&self) -> Duration {
        self.start.elapsed()
    }

    /// As [`Clock::now`], but gives the system's time since the start, and on top
    /// of it what virtual time has jumped.
    pub(crate) fn traced(&self) -> Duration {
        let now = self.now();
        match self.is_virtual() {
            true => self.real_now().saturating_add(now),
            false => now,
        }
    }

    /// Moves virtual time on.
    pub(crate) fn jump(&self, to: Duration) {
        if let Some(stopped_at) = &self.stopped_at {
            stopped_at.set(to.max(stopped_at.get()));
            self.now();
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        match &self.stopped_at {
            Some(stopped_at) => self.start + stopped_at.get(),
            None => Instant::now(),
        }
    }

    /// The deadline `after` from now; `None` if no `Instant` can hold it, so that
    /// it never comes.
    pub(crate) fn after(&self, after: Duration) -> Option<Duration> {
        let deadline = self.now().checked_add(after)?;
        self.start.checked_add(deadline).map(|_| deadline)
    }

    /// The deadline of an instant; past ones are at the start.
    pub(crate) fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_stands_still_until_told() {
        let clock = Clock::new(true);
        let start = clock.instant();
        assert_eq!(clock.now(), Duration::ZERO);
        clock.jump(Duration::from_nanos(1_500));
        assert_eq!(clock.now(), Duration::from_nanos(1_500));
        assert_eq!(clock.instant() - start, Duration::from_nanos(1_500));
        clock.jump(Duration::from_nanos(3));
        assert_eq!(clock.now(), Duration::from_nanos(1_500));
    }

    #[test]
    fn stamps_tell_ages() {
        let clock = Clock::new(true);
        let early = clock.stamp();
        clock.jump(Duration::from_secs(1_000_000));
        clock.now();
        assert_eq!(clock.age(early), Duration::from_secs(1_000_000));
        assert_eq!(clock.age(clock.stamp()), Duration::ZERO);
    }

    #[test]
    fn what_no_clock_holds_never_comes() {
        for clock in [Clock::new(true), Clock::new(false)] {
            assert_eq!(clock.after(Duration::MAX), None);
            assert!(clock.after(Duration::from_secs(3600)).is_some());
            let before = clock.start.checked_sub(Duration::from_secs(1));
            assert!(before.is_none_or(|instant| clock.at(instant).is_zero()));
        }
    }
}
