//! Threads for blocking calls: started when a job finds none idle, up to a
//! maximum, and ended when they have had nothing to do for a while.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::unwind::quietly;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A handle to a pool. Its threads end when the last handle is gone.
#[derive(Clone)]
pub(crate) struct ThreadPool(Arc<Owner>);

struct Owner {
    pool: Arc<Pool>,
    max: usize,
}

struct Pool {
    keep_alive: Duration,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl ThreadPool {
    pub(crate) fn new(max: usize, keep_alive: Duration) -> ThreadPool {
        ThreadPool(Arc::new(Owner {
            pool: Arc::new(Pool {
                keep_alive,
                state: Mutex::default(),
                work: Condvar::new(),
            }),
            max: max.max(1),
        }))
    }

    /// Runs `job` on one of the threads, now or when one is free.
    ///
    /// # Errors
    /// There is no thread, and none can be started; the job is dropped.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        let Owner { pool, max } = &*self.0;
        let mut state = pool.lock();
        let mut refused = None;
        if state.idle <= state.jobs.len() && state.threads < *max {
            match self.start_thread() {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                Err(error) => refused = Some(error),
            }
        }
        state.jobs.push_back(job);
        drop(state);
        pool.work.notify_one();
        if let Some(error) = refused {
            // Whoever waits for the job must not be unwound before it has run.
            quietly(|| log::warn!("the thread pool cannot grow: {error}"));
        }
        Ok(())
    }

    fn start_thread(&self) -> io::Result<()> {
        let pool = Arc::clone(&self.0.pool);
        thread::Builder::new()
            .name("corobin-blocking".into())
            .spawn(move || pool.work())
            .map(drop)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pool.lock().closed = true;
        self.pool.work.notify_all();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job sees to its own panics; this is for what it leaves.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, timeout) = self
                .work
                .wait_timeout_while(state, self.keep_alive, |state| {
                    state.jobs.is_empty() && !state.closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, mpsc};

    fn threads(pool: &ThreadPool) -> usize {
        pool.0.pool.lock().threads
    }

    #[test]
    fn grows_on_demand_up_to_its_maximum_and_reuses_idle_threads() {
        let pool = ThreadPool::new(3, Duration::from_secs(60));
        let (done, all_done) = mpsc::channel();
        // Two jobs that need each other run at the same time.
        let both = Arc::new(Barrier::new(2));
        for _ in 0..2 {
            let (both, done) = (Arc::clone(&both), done.clone());
            pool.submit(Box::new(move || {
                both.wait();
                done.send(()).unwrap();
            }))
            .unwrap();
        }
        (0..2).for_each(|_| all_done.recv().unwrap());
        for _ in 0..100 {
            let done = done.clone();
            pool.submit(Box::new(move || done.send(()).unwrap()))
                .unwrap();
        }
        (0..100).for_each(|_| all_done.recv().unwrap());
        assert!((2..=3).contains(&threads(&pool)));
    }

    #[test]
    fn idle_threads_end() {
        let pool = ThreadPool::new(3, Duration::from_millis(1));
        let (done, all_done) = mpsc::channel();
        pool.submit(Box::new(move || done.send(()).unwrap()))
            .unwrap();
        all_done.recv().unwrap();
        while threads(&pool) > 0 {
            thread::yield_now();
        }
    }
}
