//! More than one core: one runtime a thread.

use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::block_on::Latch;
use crate::handle::{Handle, RemoteJoinHandle, handle};
use crate::runtime::{RunError, Runtime};
use crate::timeout::shield;
use crate::to_thread::try_to_thread;

/// Runtimes on threads of their own, one each, for work that wants more than one
/// core.
///
/// A coroutine stays on the worker where it was spawned: what it shares with
/// others there needs no lock, and only what crosses from one worker to another
/// must be `Send`. A worker waits for work until [`shutdown`](Self::shutdown) or
/// the drop, so a deadlock among its coroutines is not reported.
///
/// Python's nearest is a `ProcessPoolExecutor` with an event loop in each process.
///
/// ```
/// use corobin::Workers;
///
/// let workers = Workers::new(2)?;
/// let sums = [1..=1000_u64, 1001..=2000].map(|part| workers.spawn(move || part.sum::<u64>()));
/// let sum: u64 = sums.into_iter().map(|sum| sum.join().unwrap()).sum();
/// assert_eq!(sum, 2_001_000);
/// workers.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A server for all cores has a listener on each worker, all on one port; the
/// kernel spreads the connections:
///
/// ```
/// use corobin::net::{SocketOptions, TcpStream};
/// use corobin::{Workers, scope};
/// use std::io::{Read, Write};
///
/// let mut options = SocketOptions::new();
/// options.reuse_port(true);
/// // One that listens, but never accepts, would get its share: bind on the workers.
/// let port = options.listen("127.0.0.1:0")?.local_addr()?.port();
/// let workers = Workers::new(2)?;
/// let listening = workers.broadcast(move |_| {
///     let listener = options.listen(("127.0.0.1", port))?;
///     corobin::spawn(move || {
///         scope(|s| {
///             loop {
///                 let (mut peer, _) = listener.accept().expect("a connection");
///                 s.spawn(move || peer.write_all(b"hello"));
///             }
///         })
///     });
///     Ok::<(), std::io::Error>(())
/// });
/// for worker in listening {
///     worker.join().unwrap()?;
/// }
/// corobin::run(|| {
///     let mut greeting = String::new();
///     TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut greeting)?;
///     assert_eq!(greeting, "hello");
///     Ok::<(), std::io::Error>(())
/// })?;
/// workers.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Workers {
    workers: Vec<Worker>,
    /// Where the search for the least loaded begins: turns by one each time, so
    /// that equals take turns.
    next: AtomicUsize,
}

struct Worker {
    handle: Handle,
    /// What its main coroutine waits for.
    stop: Arc<Latch>,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads with a default [`Runtime`] each.
    ///
    /// Not a suspension point: the thread waits until all are ready.
    ///
    /// # Errors
    /// `InvalidInput` for none; those of [`Runtime::new`] and
    /// [`std::thread::Builder::spawn`]; the system gives no memory to begin a run with.
    pub fn new(count: usize) -> io::Result<Workers> {
        Workers::with(count, |_| Runtime::new())
    }

    /// As [`new`](Self::new), with the runtimes that `build` makes, which is
    /// called on each worker's thread with the worker's number.
    ///
    /// # Errors
    /// As for `new`, and those of `build`.
    ///
    /// # Panics
    /// With the panic of `build`.
    ///
    /// ```
    /// use corobin::{Runtime, Workers};
    ///
    /// let workers = Workers::with(2, |_| Runtime::builder().stack_size(64 << 10).build())?;
    /// assert_eq!(workers.count(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with<F>(count: usize, build: F) -> io::Result<Workers>
    where
        F: Fn(usize) -> io::Result<Runtime> + Send + Sync + 'static,
    {
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "0 workers: ask for at least one",
            ));
        }
        let build = Arc::new(build);
        let mut workers = Workers {
            workers: Vec::new(),
            next: AtomicUsize::new(0),
        };
        for number in 0..count {
            let build = Arc::clone(&build);
            // What fails here drops, and so ends, those that have started.
            workers
                .workers
                .push(Worker::start(number, move || build(number))?);
        }
        Ok(workers)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Starts a coroutine on the least loaded worker: the one with the fewest
    /// coroutines that were spawned from outside, here, by
    /// [`broadcast`](Self::broadcast) or by the handle of [`on`](Self::on), and have
    /// not ended; among equals they take turns. Dropping the [`RemoteJoinHandle`]
    /// detaches it.
    ///
    /// Not a suspension point.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> RemoteJoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.count();
        let (before, after) = self.workers.split_at(first);
        let least = after
            .iter()
            .chain(before)
            .min_by_key(|worker| worker.handle.load());
        least.unwrap_or(&self.workers[first]).handle.spawn(f)
    }

    /// The [`Handle`] of worker `i`, to spawn there and nowhere else.
    ///
    /// # Panics
    /// There is no worker `i`.
    #[track_caller]
    pub fn on(&self, i: usize) -> Handle {
        match self.workers.get(i) {
            Some(worker) => worker.handle.clone(),
            None => panic!("there is no worker {i}: the last is {}", self.count() - 1),
        }
    }

    /// Starts `f` on each worker, with the worker's number; the handles are in the
    /// order of those.
    ///
    /// Not a suspension point.
    ///
    /// ```
    /// let workers = corobin::Workers::new(3)?;
    /// let squares = workers.broadcast(|i| i * i);
    /// let squares: Vec<_> = squares.into_iter().map(|square| square.join().unwrap()).collect();
    /// assert_eq!(squares, [0, 1, 4]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast<F, T>(&self, f: F) -> Vec<RemoteJoinHandle<T>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let f = Arc::new(f);
        let mut handles = Vec::with_capacity(self.count());
        for (number, worker) in self.workers.iter().enumerate() {
            let f = Arc::clone(&f);
            handles.push(worker.handle.spawn(move || f(number)));
        }
        handles
    }

    /// Cancels all coroutines on all workers, waits until they are unwound, and
    /// ends the threads. Whoever joins one of them gets
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled). Join first what
    /// shall be finished.
    ///
    /// A drop does the same. In a coroutine only that coroutine waits; a cancel is met
    /// at its next suspension point after this. A worker that shuts itself down does not
    /// wait for itself.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.stop.open();
        }
        let own = thread::current().id();
        let threads = self
            .workers
            .iter_mut()
            .filter_map(|worker| worker.thread.take());
        let others: Vec<_> = threads
            .filter(|thread| thread.thread().id() != own)
            .collect();
        let join_all = || {
            others.into_iter().for_each(join);
            Ok(())
        };
        let joined = shield(|| try_to_thread(join_all));
        if let Err(error) = joined {
            log::error!("workers end by themselves, there is no thread to wait for them: {error}");
        }
    }
}

/// Waits for the end of a worker's thread.
fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().map(str::to_owned);
    if let Err(payload) = thread.join() {
        log::error!(
            "{} panicked: {}",
            name.as_deref().unwrap_or("a worker"),
            crate::unwind::message(&*payload)
        );
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loads: Vec<_> = self
            .workers
            .iter()
            .map(|worker| worker.handle.load())
            .collect();
        f.debug_struct("Workers").field("loads", &loads).finish()
    }
}

impl Worker {
    /// Starts one and waits until it is ready.
    fn start<F>(number: usize, build: F) -> io::Result<Worker>
    where
        F: FnOnce() -> io::Result<Runtime> + Send + 'static,
    {
        let stop = Arc::new(Latch::default());
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("corobin-worker-{number}"))
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let begun = ready.clone();
                    let ran = build().map(|mut runtime| {
                        runtime.try_run(|| {
                            let _ = begun.send(Ok(handle()));
                            stop.wait();
                        })
                    });
                    match ran {
                        Ok(Ok(())) => {}
                        Err(error) | Ok(Err(RunError::NoStack(error))) => {
                            drop(ready.send(Err(error)));
                        }
                        Ok(Err(error)) => panic!("{error}"),
                    }
                }
            })?;
        match is_ready.recv() {
            Ok(handle) => Ok(Worker {
                handle: handle?.counting(),
                stop,
                thread: Some(thread),
            }),
            // It was dropped by a panic.
            Err(_) => match thread.join() {
                Err(payload) => resume_unwind(payload),
                Ok(()) => unreachable!("it sends what came of it"),
            },
        }
    }
}
