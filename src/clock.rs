//! Time as nanoseconds since a runtime's start: the system's, or virtual time,
//! which moves only when it is told to.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(crate) struct Clock {
    start: Instant,
    /// Nanoseconds since the start, under virtual time.
    stopped_at: Option<Cell<u64>>,
}

impl Clock {
    pub(crate) fn new(virtual_time: bool) -> Clock {
        Clock {
            start: Instant::now(),
            stopped_at: virtual_time.then(|| Cell::new(0)),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.stopped_at.is_some()
    }

    /// Nanoseconds since the start; they last for 584 years.
    pub(crate) fn now(&self) -> u64 {
        match &self.stopped_at {
            Some(stopped_at) => stopped_at.get(),
            None => self.real_now(),
        }
    }

    /// As [`Clock::now`], but of the system's time in any case.
    pub(crate) fn real_now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Moves virtual time on to `nanos`.
    pub(crate) fn jump(&self, nanos: u64) {
        if let Some(stopped_at) = &self.stopped_at {
            stopped_at.set(nanos.max(stopped_at.get()));
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        match &self.stopped_at {
            Some(stopped_at) => self.start + Duration::from_nanos(stopped_at.get()),
            None => Instant::now(),
        }
    }

    /// The deadline `after` from now; `None` if it never comes.
    pub(crate) fn after(&self, after: Duration) -> Option<u64> {
        let after = u64::try_from(after.as_nanos()).ok()?;
        self.now().checked_add(after)
    }

    /// The deadline of an instant; past ones are at the start.
    pub(crate) fn at(&self, instant: Instant) -> Option<u64> {
        let since = instant.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_stands_still_until_told() {
        let clock = Clock::new(true);
        let start = clock.instant();
        assert_eq!(clock.now(), 0);
        clock.jump(1_500);
        assert_eq!(clock.now(), 1_500);
        assert_eq!(clock.instant() - start, Duration::from_nanos(1_500));
        clock.jump(3);
        assert_eq!(clock.now(), 1_500);
    }

    #[test]
    fn what_no_clock_holds_never_comes() {
        for clock in [Clock::new(true), Clock::new(false)] {
            assert_eq!(clock.after(Duration::MAX), None);
            assert!(clock.after(Duration::from_secs(3600)).is_some());
            let before = clock.start.checked_sub(Duration::from_secs(1));
            assert_eq!(before.and_then(|instant| clock.at(instant)), Some(0));
        }
    }
}
