//! Standard input.

use std::fmt;
use std::io::{self, BufRead, IoSliceMut, IsTerminal, Lines, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ReadWriteFlags};

use crate::scheduler;
use crate::suspend::{self, yield_now};
use crate::to_thread::try_to_thread;

use super::Async;
use super::turns::Turns;

/// What was read and has not been consumed. The process has one standard input,
/// so all its runtimes and threads share it.
static BUFFER: Turns<Buffer> = Turns::new(Buffer {
    bytes: Vec::new(),
    start: 0,
});

/// How much is asked for at a time: in place, and by a thread, whose help costs
/// more.
const CHUNK: usize = 8 << 10;
const LARGE_CHUNK: usize = 64 << 10;

/// The standard input of the process; reading it blocks only the calling
/// coroutine. As [`std::io::stdin`].
///
/// A terminal, a pipe, a socket and a file all work. The descriptor is not made
/// non-blocking: that would change the open file, which other processes at the
/// same terminal or pipe share. Nobody reads ahead of what is asked for: while a
/// coroutine waits, no byte is taken, so a cancelled wait leaves all to whoever
/// reads next, here or in another process.
///
/// All coroutines of all runtimes share one buffer, which is not that of
/// [`std::io::stdin`]: use one of the two.
///
/// Not a suspension point.
///
/// ```no_run
/// corobin::run(|| {
///     for line in corobin::io::stdin().lines() {
///         println!("{}", line?.to_uppercase());
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stdin() -> Stdin {
    Stdin(())
}

/// A handle to the standard input; see [`stdin`]. As [`std::io::Stdin`].
///
/// A method that reads takes the lock and gives it back at its end; what
/// [`lines`](Self::lines) returns keeps it. All of them are suspension points that wait
/// for the lock and for input; **a cancelled one consumes nothing**. So a line is never torn:
/// [`read_line`](Self::read_line) takes a whole one or none, and the next call
/// finds what had come of it.
pub struct Stdin(());

impl Stdin {
    /// Waits until nobody else reads, and keeps others from it until the lock is
    /// dropped. A coroutine that locks it twice waits for ever, and no deadlock is
    /// reported.
    ///
    /// A suspension point.
    #[track_caller]
    pub fn lock(&self) -> StdinLock<'static> {
        StdinLock {
            buffer: BUFFER.take(),
            turns: &BUFFER,
        }
    }

    /// Appends a line, with its end; returns its length, 0 at the end of the
    /// input. As [`std::io::Stdin::read_line`].
    ///
    /// A suspension point; a cancelled call consumes nothing.
    ///
    /// # Errors
    /// `InvalidData` for a line that is not UTF-8, which is consumed; what the
    /// system says.
    #[track_caller]
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_line(buf)
    }

    /// The lines, without their ends, under one lock. As
    /// [`std::io::Stdin::lines`].
    ///
    /// A suspension point, as is each step.
    #[track_caller]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.as_fd().is_terminal()
    }
}

macro_rules! through_lock {
    ($($type:ty),*) => {$(
        impl Read for $type {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.lock().read(buf)
            }

            #[track_caller]
            fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                self.lock().read_exact(buf)
            }

            #[track_caller]
            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
                self.lock().read_to_end(buf)
            }

            #[track_caller]
            fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
                self.lock().read_to_string(buf)
            }
        }
    )*};
}

through_lock!(Stdin, &Stdin);

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        descriptor()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stdin { .. }")
    }
}

fn descriptor() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// The standard input, locked; see [`Stdin::lock`]. As [`std::io::StdinLock`].
///
/// What it has read and not consumed stays for the next when it is dropped. All
/// methods of [`Read`] and [`BufRead`] that may wait are suspension points, and
/// a cancelled one consumes nothing.
pub struct StdinLock<'a> {
    buffer: Buffer,
    turns: &'a Turns<Buffer>,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// What is before was consumed.
    start: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            // One long line is no reason to keep so much.
            self.bytes.shrink_to(LARGE_CHUNK);
        }
    }

    /// Reads more behind the rest, without waiting. None if the kernel cannot do
    /// that with such a descriptor.
    ///
    /// # Errors
    /// `WouldBlock`; what the system says.
    fn read_now(&mut self) -> io::Result<Option<usize>> {
        let end = self.bytes.len();
        self.bytes.resize(end + CHUNK, 0);
        let chunk = &mut [IoSliceMut::new(&mut self.bytes[end..])];
        // The highest offset stands for none, or for the file's cursor.
        let read = rustix::io::preadv2(descriptor(), chunk, u64::MAX, ReadWriteFlags::NOWAIT);
        self.bytes.truncate(end + read.unwrap_or(0));
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads more behind the rest; a thread waits for it.
    #[track_caller]
    fn read_on_thread(&mut self) -> io::Result<usize> {
        let chunk = try_to_thread(|| {
            let mut chunk = vec![0; LARGE_CHUNK];
            let read = rustix::io::retry_on_intr(|| rustix::io::read(descriptor(), &mut chunk))?;
            chunk.truncate(read);
            Ok(chunk)
        })?;
        self.bytes.extend_from_slice(&chunk);
        Ok(chunk.len())
    }

    /// Reads more behind the rest. Returns how much; 0 at the end.
    ///
    /// A suspension point; a cancelled call has read nothing.
    #[track_caller]
    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        match self.fill_somehow() {
            // As in std, input that is closed is at its end.
            Err(error) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => Ok(0),
            result => result,
        }
    }

    #[track_caller]
    fn fill_somehow(&mut self) -> io::Result<usize> {
        if scheduler::current().is_none() {
            return self.read_on_thread();
        }
        let kind = FileType::from_raw_mode(fstat(descriptor())?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::BlockDevice) {
            // Always ready, so there is nothing to wait for but the disk.
            yield_now();
            return match self.read_now() {
                Ok(Some(read)) if read > 0 => Ok(read),
                _ => self.read_on_thread(),
            };
        }
        // Registered for this wait only: another may be on another runtime.
        let input = Async::new_nonblocking(descriptor());
        match input.read_with(|_| self.read_now())? {
            Some(read) => Ok(read),
            None => {
                input.readable()?;
                // Now it does not wait, unless another process is faster.
                self.read_on_thread()
            }
        }
    }

    /// Reads until `enough` says how much of the rest is; it is given how much it
    /// has seen before. All of the rest at the end of the input.
    #[track_caller]
    fn fill_until(&mut self, enough: impl Fn(&[u8], usize) -> Option<usize>) -> io::Result<usize> {
        suspend::arrive();
        let mut seen = 0;
        loop {
            if let Some(count) = enough(self.rest(), seen) {
                return Ok(count);
            }
            seen = self.rest().len();
            if self.fill()? == 0 {
                return Ok(seen);
            }
        }
    }

    #[track_caller]
    fn fill_line(&mut self, end: u8) -> io::Result<usize> {
        self.fill_until(|rest, seen| {
            let at = rest[seen..].iter().position(|&byte| byte == end)?;
            Some(seen + at + 1)
        })
    }

    /// Moves some of the rest to the end of `to`, if it is UTF-8; it is consumed
    /// in any case.
    fn move_text(&mut self, count: usize, to: &mut String) -> io::Result<usize> {
        let text = std::str::from_utf8(&self.rest()[..count]).map(|text| to.push_str(text));
        self.consume(count);
        text.map(|()| count).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "stream did not contain valid UTF-8",
            )
        })
    }
}

impl Read for StdinLock<'_> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let rest = self.fill_buf()?;
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.consume(count);
        Ok(count)
    }

    #[track_caller]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let wanted = buf.len();
        let have = self
            .buffer
            .fill_until(|rest, _| (rest.len() >= wanted).then_some(wanted))?;
        if have < wanted {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "failed to fill whole buffer",
            ));
        }
        buf.copy_from_slice(&self.buffer.rest()[..wanted]);
        self.consume(wanted);
        Ok(())
    }

    #[track_caller]
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let count = self.buffer.fill_until(|_, _| None)?;
        buf.extend_from_slice(self.buffer.rest());
        self.consume(count);
        Ok(count)
    }

    #[track_caller]
    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        let count = self.buffer.fill_until(|_, _| None)?;
        self.buffer.move_text(count, buf)
    }
}

impl BufRead for StdinLock<'_> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.buffer
            .fill_until(|rest, _| (!rest.is_empty()).then_some(0))?;
        Ok(self.buffer.rest())
    }

    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    #[track_caller]
    fn read_until(&mut self, end: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        let count = self.buffer.fill_line(end)?;
        buf.extend_from_slice(&self.buffer.rest()[..count]);
        self.consume(count);
        Ok(count)
    }

    #[track_caller]
    fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        let count = self.buffer.fill_line(b'\n')?;
        self.buffer.move_text(count, buf)
    }
}

impl Drop for StdinLock<'_> {
    fn drop(&mut self) {
        self.turns.put(std::mem::take(&mut self.buffer));
    }
}

impl AsFd for StdinLock<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        descriptor()
    }
}

impl AsRawFd for StdinLock<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for StdinLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StdinLock { .. }")
    }
}
