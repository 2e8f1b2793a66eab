//! The writer's side: a thread that takes chunks from a bounded queue and writes
//! the file. The loop never waits for it, but for the end of the file at the end
//! of the run.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_queue::ArrayQueue;

use super::chrome::Chrome;
use super::event::{Chunk, Record};
use super::html::Page;

/// Full chunks that may wait; with their records some ten MiB.
const WAITING: usize = 256;

/// How a file is written. Each call appends whole lines to `out`.
pub(super) trait Format: Send {
    fn begin(&mut self, out: &mut String);
    /// So many records are missing here.
    fn dropped(&mut self, out: &mut String, count: u64);
    fn record(&mut self, out: &mut String, chunk: &Chunk, record: &Record);
    /// In the whole file `dropped` records are missing.
    fn end(&mut self, out: &mut String, dropped: u64);
    /// How many it takes.
    fn most(&self) -> u64 {
        u64::MAX
    }
}

/// The format that a path asks for, by its extension.
pub(super) fn format(path: &Path, virtual_time: bool) -> Option<Box<dyn Format>> {
    let extension = path.extension()?;
    if extension.eq_ignore_ascii_case("json") {
        Some(Box::new(Chrome::new()))
    } else if extension.eq_ignore_ascii_case("html") {
        Some(Box::new(Page::new(virtual_time)))
    } else {
        None
    }
}

/// What the loop and the writer share.
struct Shared {
    full: ArrayQueue<Chunk>,
    empty: ArrayQueue<Chunk>,
    /// Nothing more comes.
    closed: AtomicBool,
}

/// The loop's end of the queue.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Gives how many records are missing in the file.
    thread: Option<JoinHandle<io::Result<u64>>>,
    path: PathBuf,
}

impl Writer {
    /// # Errors
    /// The file cannot be made, or the thread not started.
    pub(super) fn start(path: PathBuf, virtual_time: bool) -> io::Result<Writer> {
        let format = format(&path, virtual_time).ok_or(io::ErrorKind::InvalidInput)?;
        let file = File::create(&path)?;
        let shared = Arc::new(Shared {
            full: ArrayQueue::new(WAITING),
            empty: ArrayQueue::new(WAITING),
            closed: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("corobin-trace".into())
            .spawn(move || write(file, format, &theirs))?;
        Ok(Writer {
            shared,
            thread: Some(thread),
            path,
        })
    }

    pub(super) fn empty_chunk(&self) -> Chunk {
        self.shared.empty.pop().unwrap_or_else(Chunk::with_room)
    }

    /// # Errors
    /// The chunk, if the writer is too far behind.
    pub(super) fn take(&self, chunk: Chunk) -> Result<(), Chunk> {
        let taken = self.shared.full.push(chunk);
        self.wake();
        taken
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Writes the last chunk and waits for the end of the file.
    pub(super) fn finish(&mut self, mut last: Chunk) {
        // There is time now.
        while let Err(back) = self.take(last) {
            last = back;
            thread::yield_now();
        }
        self.shared.closed.store(true, Ordering::Release);
        self.wake();
        let Some(thread) = self.thread.take() else {
            return;
        };
        let path = self.path.display();
        match thread.join() {
            Ok(Ok(0)) => log::debug!("the trace is in {path}"),
            Ok(Ok(missing)) => log::warn!(
                "{missing} events are missing in the trace {path}: there were more than could be \
                 written"
            ),
            Ok(Err(error)) => log::error!("the trace {path} is not complete: {error}"),
            Err(_) => log::error!("the trace {path} is not complete: its writer panicked"),
        }
    }
}

/// The writer's thread.
fn write(mut file: File, mut format: Box<dyn Format>, shared: &Shared) -> io::Result<u64> {
    let mut out = String::new();
    let (mut written, mut missing) = (0, 0);
    format.begin(&mut out);
    let mut result = file.write_all(out.as_bytes());
    loop {
        // Before the look at the queue, so that the last chunk is not missed.
        let closed = shared.closed.load(Ordering::Acquire);
        while let Some(mut chunk) = shared.full.pop() {
            out.clear();
            if chunk.dropped > 0 {
                missing += chunk.dropped;
                format.dropped(&mut out, chunk.dropped);
            }
            for record in &chunk.records {
                if written < format.most() {
                    written += 1;
                    format.record(&mut out, &chunk, record);
                } else {
                    missing += 1;
                }
            }
            chunk.clear();
            // If it does not fit it may go.
            let _ = shared.empty.push(chunk);
            // After an error the chunks are taken all the same. One write, so
            // that a process that dies leaves whole lines.
            result = result.and_then(|()| file.write_all(out.as_bytes()));
        }
        if closed {
            break;
        }
        thread::park();
    }
    out.clear();
    format.end(&mut out, missing);
    result.and_then(|()| file.write_all(out.as_bytes()))?;
    Ok(missing)
}
