//! The stop-watch of the yield programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Times whole rounds of a round robin from within, and proves that it really went round.
///
/// The first on the queue holds the watch. It starts it at its own turn, when everybody has started
/// and is on the queue, and stops it at its own turn `rounds` later: neither start nor end of any
/// participant falls into the time between. Atomics, since some of the engines ask for `Send`;
/// none is touched while the watch runs.
pub struct Lap {
    participants: usize,
    slack: u64,
    started: AtomicUsize,
    finished: AtomicUsize,
    nanos: AtomicUsize,
}

impl Lap {
    /// For a queue that is strictly first in, first out.
    pub fn new(participants: usize) -> Arc<Self> {
        Self::with_slack(participants, 0)
    }

    /// For a queue in which up to `slack` others may overtake.
    pub fn with_slack(participants: usize, slack: u64) -> Arc<Self> {
        Arc::new(Lap {
            participants,
            slack,
            started: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            nanos: AtomicUsize::new(0),
        })
    }

    /// A participant has started; it must then wait until it is put on the queue.
    pub fn enter(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub fn all_started(&self) -> bool {
        self.started.load(Relaxed) == self.participants
    }

    /// The participant's turn has come again. Starts the watch if it is the one to hold it.
    pub fn begin(&self, holds_watch: bool) -> Option<Instant> {
        holds_watch.then(|| {
            let started = self.started.load(Relaxed);
            assert_eq!(started, self.participants, "the watch starts too early");
            Instant::now()
        })
    }

    /// The participant has done its rounds. Stops the watch if it runs, and then says `true`: the
    /// holder must give everybody one more turn and call [`Lap::check`].
    pub fn end(&self, watch: Option<Instant>) -> bool {
        if let Some(begin) = watch {
            let nanos = begin.elapsed().as_nanos();
            self.nanos
                .store(nanos.try_into().expect("below 584 years"), Relaxed);
            let ahead = self.finished.load(Relaxed);
            assert!(
                ahead as u64 <= self.slack,
                "{ahead} were a whole round ahead"
            );
        }
        self.finished.fetch_add(1, Relaxed);
        watch.is_some()
    }

    /// Nobody may still be at its rounds.
    pub fn check(&self) {
        let behind = self.participants - self.finished.load(Relaxed);
        assert!(
            behind as u64 <= self.slack,
            "{behind} were a whole round behind"
        );
    }

    /// What the rounds took, once all have ended.
    pub fn result(&self) -> Duration {
        assert_eq!(self.finished.load(Relaxed), self.participants);
        let nanos = self.nanos.load(Relaxed) as u64;
        assert_ne!(nanos, 0, "the watch never ran");
        Duration::from_nanos(nanos)
    }
}
