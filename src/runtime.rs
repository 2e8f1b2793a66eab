//! Runtimes: what is configured once and runs one main coroutine at a time.

use std::env;
use std::fmt;
use std::io;
use std::panic::{Location, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::debug;
use crate::frames;
use crate::generator::raw::RawPool;
use crate::metrics::Metrics;
use crate::probe::Probe;
use crate::reactor::{self, IoBackend};
use crate::scheduler::{self, Config};
use crate::snapshot::Snapshot;
use crate::stack::DEFAULT_SIZE;
use crate::task::{JoinError, flag};
use crate::thread_pool::ThreadPool;
use crate::trace;
use crate::unwind::{Silent, raise};

/// Address space for the main coroutine, as for the main thread of a process.
const MAIN_STACK: usize = 8 << 20;
const MAX_THREADS: usize = 512;
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Runs `f` as the main coroutine of a new runtime on this thread, and gives its
/// result.
///
/// When `f` returns, every other coroutine is cancelled and unwound, and then
/// `run` returns. `f` may borrow. The main coroutine has 8 MiB of address space.
///
/// # Panics
/// - With the panic of `f`, after the same clean-up.
/// - If no coroutine is ready and nothing outside (a timer, a thread, a live
///   [`Handle`](crate::Handle) or waker) can ever wake one: with the list of who
///   waits for what, after everybody was unwound. [`Runtime::try_run`] returns
///   it instead.
/// - Inside of a runtime: one thread runs one.
/// - Where [`Runtime::new`] fails, or the system gives no memory to begin with.
///
/// If a destructor waits for ever, the rest cannot be unwound: the coroutine is
/// leaked, with an error in the log. The main coroutine, and what was spawned in
/// a [`scope`](crate::scope()), may borrow and cannot be leaked; then the process
/// aborts with a report.
///
/// ```
/// let greeting = String::from("hello");
/// let length = corobin::run(|| greeting.len());
/// assert_eq!(length, 5);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    match Runtime::new() {
        Ok(mut runtime) => runtime.run(f),
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// All coroutines of the runtime that runs the caller, itself included.
///
/// Not a suspension point. The first call reads the program's debug information, which
/// takes some hundred milliseconds; later ones take microseconds for each coroutine.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// corobin::run(|| {
///     let _waiting = corobin::Builder::new().name("waiting").spawn(corobin::park);
///     corobin::yield_now();
///     let snapshot = corobin::snapshot();
///     assert_eq!(snapshot.coroutines.len(), 2);
///     assert!(snapshot.to_string().contains("waiting"));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn snapshot() -> Snapshot {
    let scheduler = scheduler::expect("snapshot");
    scheduler.snapshot(Some(scheduler.running()))
}

/// Numbers about the run that the caller is in. They cost the loop nothing but a
/// counter for each spawn; to ask takes some ten microseconds.
///
/// Not a suspension point.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// corobin::run(|| {
///     corobin::spawn(corobin::park);
///     corobin::yield_now();
///     let metrics = corobin::metrics();
///     assert_eq!((metrics.live, metrics.parked, metrics.spawned), (2, 1, 2));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn metrics() -> Metrics {
    scheduler::expect("metrics").metrics()
}

/// A configured runtime, which may run any number of times, one after the other.
///
/// ```
/// let mut runtime = corobin::Runtime::builder()
///     .stack_size(64 << 10)
///     .virtual_time(true)
///     .build()?;
/// let day = std::time::Duration::from_secs(24 * 60 * 60);
/// runtime.run(|| corobin::sleep(day)); // returns at once
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    config: Config,
    /// The longest step that is not slow, in debug mode.
    slow_step: Option<Duration>,
    trace: Option<PathBuf>,
}

impl Runtime {
    /// A runtime with the defaults.
    ///
    /// # Errors
    /// As for [`RuntimeBuilder::build`].
    pub fn new() -> io::Result<Runtime> {
        Runtime::builder().build()
    }

    /// Options for a runtime.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Runs `f` as [`run`] does.
    ///
    /// # Panics
    /// As [`run`], but for [`Runtime::new`]. The runtime is usable again afterwards.
    #[track_caller]
    pub fn run<F, T>(&mut self, f: F) -> T
    where
        F: FnOnce() -> T,
    {
        match self.try_run(f) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs `f` as [`run`] does, and returns a deadlock as an error.
    ///
    /// # Errors
    /// [`RunError::Deadlock`] when nothing can happen any more: also if `f` catches
    /// its unwinding and returns a value, and if `f` has returned but coroutines
    /// hang in a [`shield`](crate::shield). [`RunError::NoStack`] if the run could not begin.
    ///
    /// # Panics
    /// With the panic of `f`, and inside of a runtime. The runtime is usable
    /// again afterwards.
    ///
    /// ```
    /// use corobin::{RunError, Runtime};
    ///
    /// let mut runtime = Runtime::new()?;
    /// let error = runtime.try_run(|| corobin::park()).unwrap_err();
    /// let RunError::Deadlock(snapshot) = &error else { panic!() };
    /// assert_eq!(snapshot.coroutines[0].name.as_deref(), Some("main"));
    /// assert!(error.to_string().contains("waits for unpark"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn try_run<F, T>(&mut self, f: F) -> Result<T, RunError>
    where
        F: FnOnce() -> T,
    {
        self.try_run_at(f, Location::caller())
    }

    #[track_caller]
    pub(crate) fn try_run_at<F, T>(
        &mut self,
        f: F,
        at: &'static Location<'static>,
    ) -> Result<T, RunError>
    where
        F: FnOnce() -> T,
    {
        assert!(
            scheduler::current().is_none(),
            "run inside of a runtime: one thread runs one; use spawn, or run on another thread"
        );
        // They may log, and a generator left there could go on inside of a runtime.
        let probes = frames::staying(|| self.probes());
        let outcome = scheduler::run(&self.config, probes, f, at).map_err(RunError::NoStack)?;
        let deadlock = outcome.deadlock.map(RunError::Deadlock);
        let main = outcome.main;
        match (main.claim(), deadlock) {
            (Some(Err(JoinError::Panicked(payload))), deadlock) => {
                if let Some(deadlock) = deadlock {
                    log::error!("after the panic of the main coroutine: {deadlock}");
                }
                resume_unwind(payload)
            }
            (_, Some(deadlock)) => Err(deadlock),
            (Some(Ok(value)), None) => Ok(value),
            // It has joined a child that has panicked, of a scope around the run, which raises
            // that panic again.
            (Some(Err(JoinError::Cancelled)), None) if main.task().has(flag::RAISED) => {
                raise(Silent::Cancel)
            }
            (Some(Err(JoinError::Cancelled)), None) => {
                panic!("the main coroutine raised a cancel that was not its own")
            }
            (None, None) => unreachable!("the main coroutine has ended"),
        }
    }

    /// Who watches the next run.
    fn probes(&self) -> Vec<Box<dyn Probe>> {
        let debug = self.slow_step.map(debug::begin);
        let trace = self.trace.as_deref();
        let trace = trace.and_then(|path| trace::begin(path, self.config.virtual_time));
        debug.into_iter().chain(trace).collect()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Why a run has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// No coroutine was ready, and nothing outside could wake one.
    Deadlock(Snapshot),
    /// The system gave no memory to begin with.
    NoStack(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Deadlock(snapshot) => {
                let count = snapshot.coroutines.len();
                let s = if count == 1 { "" } else { "s" };
                write!(
                    f,
                    "deadlock: {count} coroutine{s} wait{} and nothing can wake {}:\n{snapshot}",
                    if count == 1 { "s" } else { "" },
                    if count == 1 { "it" } else { "any of them" }
                )
            }
            RunError::NoStack(error) => write!(f, "no stack to run on: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::Deadlock(_) => None,
            RunError::NoStack(error) => Some(error),
        }
    }
}

/// Options for a [`Runtime`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build is called"]
pub struct RuntimeBuilder {
    io_backend: IoBackend,
    stack_size: usize,
    main_stack_size: usize,
    virtual_time: bool,
    schedule_seed: Option<u64>,
    max_threads: usize,
    keep_alive: Duration,
    debug: bool,
    slow_step: Duration,
    trace: Option<PathBuf>,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        RuntimeBuilder {
            io_backend: IoBackend::Auto,
            stack_size: DEFAULT_SIZE,
            main_stack_size: MAIN_STACK,
            virtual_time: false,
            schedule_seed: None,
            max_threads: MAX_THREADS,
            keep_alive: KEEP_ALIVE,
            debug: false,
            slow_step: Duration::from_millis(100),
            trace: None,
        }
    }
}

impl RuntimeBuilder {
    /// How sockets send and receive; default [`IoBackend::Auto`].
    pub fn io_backend(mut self, backend: IoBackend) -> Self {
        self.io_backend = backend;
        self
    }

    /// Usable bytes of a coroutine's stack, rounded up to pages; default 256 KiB
    /// of address space. [`Builder::stack_size`](crate::Builder::stack_size)
    /// sets it for one.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// Usable bytes of the main coroutine's stack; default 8 MiB of address
    /// space.
    pub fn main_stack_size(mut self, bytes: usize) -> Self {
        self.main_stack_size = bytes;
        self
    }

    /// Lets time stand still while anything is ready or a
    /// [`to_thread`](crate::to_thread()) call runs, and jump to the next timer
    /// otherwise. For tests; default off. A blocking call must not wait for a
    /// coroutine that sleeps: time would stand still for both.
    pub fn virtual_time(mut self, on: bool) -> Self {
        self.virtual_time = on;
        self
    }

    /// Picks the next coroutine at random instead of first in, first out; the
    /// same seed makes the same picks, as long as no thread, descriptor or real time
    /// has a say in who is ready. Default: `COROBIN_SEED` if that is set, else none.
    pub fn schedule_seed(mut self, seed: u64) -> Self {
        self.schedule_seed = Some(seed);
        self
    }

    /// The most threads that [`to_thread`](crate::to_thread()) may use, and how
    /// long an idle one is kept; default 512 and 10 s.
    pub fn thread_pool(mut self, max: usize, keep_alive: Duration) -> Self {
        self.max_threads = max;
        self.keep_alive = keep_alive;
        self
    }

    /// Warns of what goes wrong, in the log, or on stderr where nobody reads the log:
    ///
    /// - a step longer than [`slow_step`](Self::slow_step), while it blocks all others,
    ///   with the name of the coroutine and the backtrace of what it does;
    /// - a cancel that a coroutine has caught and not raised again;
    /// - a panic that nobody joins;
    /// - a stack of which more than 80 % were used.
    ///
    /// It also names the coroutine beside the message of a panic, and the times in a
    /// [`snapshot`] are exact. Default: off; but a `COROBIN_DEBUG` in the environment that is
    /// neither empty nor `0` turns it on, whatever is set here. It is asyncio's debug mode.
    ///
    /// Each step then goes through the loop and costs about a microsecond. The
    /// backtrace comes from a signal, SIGURG, to the thread of the runtime: system calls
    /// that block may end with `EINTR`, which std handles.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut runtime = corobin::Runtime::builder()
    ///     .debug(true)
    ///     .slow_step(Duration::from_millis(5))
    ///     .build()?;
    /// // Says who blocks the loop, and where.
    /// runtime.run(|| std::thread::sleep(Duration::from_millis(20)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn debug(mut self, on: bool) -> Self {
        self.debug = on;
        self
    }

    /// How long a step may take under [`debug`](Self::debug); default 100 ms.
    pub fn slow_step(mut self, longest: Duration) -> Self {
        self.slow_step = longest;
        self
    }

    /// Writes a trace of each run to this file: every spawn, step, wait and wake.
    /// Default: the file that `COROBIN_TRACE` names, if that is set, else none.
    ///
    /// `.json` is Chrome's trace format, which <https://ui.perfetto.dev> opens, with a
    /// lane for each coroutine and arrows from each wake to the step that it
    /// caused. `.html` is a page that plays the ready queue step by step, in any
    /// browser and without a network; it quotes the lines of source around each
    /// stop, where it finds them.
    ///
    /// The second run that a process traces to the same file goes to `name-2.json`,
    /// the next to `name-3.json`, whichever runtime runs it. The file is complete
    /// when the run has ended, also by a panic or a deadlock; one whose process died
    /// opens too, but the last events may be missing. A thread writes it, and the
    /// loop does not wait for that: what is too much for it, and in a page all
    /// beyond 400 000 events, is dropped and counted, in the file and in the log.
    ///
    /// Times are the system's, and under [`virtual_time`](Self::virtual_time) the
    /// jumps on top. While a run is traced, each step goes through the loop, which
    /// costs some hundred nanoseconds more.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("corobin-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let path = folder.join("trace.json");
    /// let mut runtime = corobin::Runtime::builder().trace(&path).build()?;
    /// runtime.run(corobin::yield_now);
    /// let trace = std::fs::read_to_string(&path)?;
    /// assert!(trace.contains("step, then yields"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn trace(mut self, path: impl AsRef<Path>) -> Self {
        self.trace = Some(path.as_ref().to_owned());
        self
    }

    /// The runtime.
    ///
    /// # Errors
    /// The kernel does not allow the [`IoBackend`] that is asked for.
    /// `InvalidInput` for a stack size of 0 or beyond the address space, for a
    /// thread pool without threads, for a `COROBIN_SEED` that is no number where no
    /// [`schedule_seed`](Self::schedule_seed) is set, and for a trace whose file name
    /// tells no format. `NotFound` if the folder of the trace is not there.
    pub fn build(self) -> io::Result<Runtime> {
        RawPool::of_size(self.stack_size)?;
        RawPool::of_size(self.main_stack_size)?;
        if self.max_threads == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "thread_pool(0, _): to_thread needs at least one thread",
            ));
        }
        reactor::try_out(self.io_backend)?;
        let seed = match self.schedule_seed {
            Some(seed) => Some(seed),
            None => seed_from_environment()?,
        };
        let trace = self.trace.or_else(trace::path_from_environment);
        trace.as_deref().map(trace::check).transpose()?;
        let debug = self.debug || debug::is_in_environment();
        Ok(Runtime {
            slow_step: debug.then_some(self.slow_step),
            trace,
            config: Config {
                stack_size: self.stack_size,
                main_stack_size: self.main_stack_size,
                virtual_time: self.virtual_time,
                seed,
                threads: ThreadPool::new(self.max_threads, self.keep_alive),
                io: self.io_backend,
            },
        })
    }
}

/// The environment variable that seeds runtimes which set no seed themselves.
pub(crate) const SEED: &str = "COROBIN_SEED";

/// The seed that the environment sets.
///
/// # Errors
/// `InvalidInput` if it is no number.
pub(crate) fn seed_from_environment() -> io::Result<Option<u64>> {
    let text = env::var(SEED).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    text.trim().parse().map(Some).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{SEED} is {text:?}, which is not a number from 0 to 2^64 - 1"),
        )
    })
}
