//! A thread beside the loop: sees steps that do not end, and logs for the loop.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::capture::{self, Captured};
use crate::stack_trace::{Trace, resolve};

/// How often the loop is looked at: four times in a step that is just slow.
const LOOKS: u32 = 4;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(250);

/// What the loop says of itself. Times are nanoseconds since `start`.
struct Shared {
    start: Instant,
    /// The number of the step that runs; 0 for none.
    step: AtomicU64,
    began: AtomicU64,
    /// The last step that was called slow.
    called_slow: AtomicU64,
}

impl Shared {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Warn,
    /// It went to the log where it happened; here it goes to stderr if nobody reads
    /// the log.
    AlreadyLogged,
}

struct Message {
    level: Level,
    text: String,
    trace: Option<Trace>,
}

pub(super) struct Watchdog {
    shared: Arc<Shared>,
    /// The last step.
    steps: Cell<u64>,
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the calling thread until it is dropped. If there is no thread for
    /// that, nothing is told.
    pub(super) fn start(slow_step: Duration) -> Watchdog {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            step: AtomicU64::new(0),
            began: AtomicU64::new(0),
            called_slow: AtomicU64::new(0),
        });
        let (messages, received) = mpsc::channel();
        let dog = Dog {
            shared: Arc::clone(&shared),
            slow_step,
            target: capture::Target::this_thread(),
        };
        let thread = thread::Builder::new().name("corobin-watchdog".into());
        let thread = thread.spawn(move || dog.watch(&received));
        if let Err(error) = &thread {
            eprintln!("corobin: debug mode has no thread to tell what goes wrong: {error}");
        }
        Watchdog {
            shared,
            steps: Cell::new(0),
            messages: Some(messages),
            thread: thread.ok(),
        }
    }

    pub(super) fn step_begins(&self) {
        let step = self.steps.get() + 1;
        self.steps.set(step);
        self.shared
            .began
            .store(self.shared.now(), Ordering::Relaxed);
        self.shared.step.store(step, Ordering::Release);
    }

    /// How long the step took, if it was called slow.
    pub(super) fn step_ends(&self) -> Option<Duration> {
        let step = self.shared.step.swap(0, Ordering::AcqRel);
        (self.shared.called_slow.load(Ordering::Acquire) == step).then(|| {
            let took = self.shared.now() - self.shared.began.load(Ordering::Relaxed);
            Duration::from_nanos(took)
        })
    }

    pub(super) fn tell(&self, level: Level, text: String, trace: Option<Trace>) {
        if let Some(messages) = &self.messages {
            // Fails only without a thread.
            let _ = messages.send(Message { level, text, trace });
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.messages.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Dog {
    shared: Arc<Shared>,
    slow_step: Duration,
    target: capture::Target,
}

impl Dog {
    fn watch(&self, received: &Receiver<Message>) {
        let pause = (self.slow_step / LOOKS).clamp(SHORTEST, LONGEST);
        loop {
            match received.recv_timeout(pause) {
                Ok(message) => tell(&message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    fn look(&self) {
        let step = self.shared.step.load(Ordering::Acquire);
        let began = self.shared.began.load(Ordering::Relaxed);
        let took = Duration::from_nanos(self.shared.now().saturating_sub(began));
        let is_new = step != 0 && self.shared.called_slow.load(Ordering::Relaxed) != step;
        if !is_new || took < self.slow_step || self.shared.step.load(Ordering::Acquire) != step {
            return;
        }
        let still = || self.shared.step.load(Ordering::Acquire) == step;
        let captured = self.target.capture(&still);
        if !still() {
            // It has come to its end meanwhile, and what was seen may be another one.
            return;
        }
        self.shared.called_slow.store(step, Ordering::Release);
        let (title, trace) = match captured {
            Some(Captured { title, trace }) => (title, Some(trace)),
            None => ("a coroutine".into(), None),
        };
        tell(&Message {
            level: Level::Warn,
            text: format!(
                "{title} blocks all others: it has run for {took:.0?} without a suspension point \
                 (slow_step is {:.0?})",
                self.slow_step
            ),
            trace,
        });
    }
}

fn tell(Message { level, text, trace }: &Message) {
    let trace = trace.as_ref().and_then(|trace| resolve(&[trace]).pop()?);
    let at = if trace.is_some() { "; it is at\n" } else { "" };
    let trace = trace.unwrap_or_default();
    let has_reader = log::log_enabled!(match level {
        Level::Warn => log::Level::Warn,
        Level::AlreadyLogged => log::Level::Error,
    });
    match (has_reader, level) {
        (true, Level::Warn) => log::warn!("{text}{at}{trace}"),
        (true, Level::AlreadyLogged) => {}
        (false, _) => eprintln!("corobin: {text}{at}{trace}"),
    }
}
