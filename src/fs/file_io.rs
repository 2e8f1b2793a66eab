//! A file's bytes: `Read`, `Write`, `Seek`, `FileExt`.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use crate::scheduler;
use crate::suspend::{begin_operation, yield_now};
use crate::to_thread::try_to_thread;
use crate::whole;

use super::File;

impl File {
    /// A blocking call on a thread that moves the cursor.
    #[track_caller]
    fn call_at_cursor<T: Send>(
        &self,
        f: impl FnOnce(&std::fs::File) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let _in_thread = self.state.enter_thread();
        try_to_thread(|| f(&self.inner))
    }

    /// Fills `buf` from memory as far as that goes.
    #[track_caller]
    fn read_cached(&self, buf: &mut [u8], offset: Option<u64>) -> Cached {
        let mut done = 0;
        if scheduler::current().is_some() {
            // Before the read, so that what was read is returned; and so that a
            // loop of reads that never wait starves nobody.
            yield_now();
            // A short read of anything else may be a message.
            while done < buf.len() && (done == 0 || self.is_on_disk()) {
                let at = offset.map(|offset| offset.saturating_add(done as u64));
                let rest = &mut [IoSliceMut::new(&mut buf[done..])];
                match self.state.read(&self.inner, rest, at) {
                    Some(0) => return Cached { done, ends: true },
                    Some(read) => done += read,
                    None => break,
                }
            }
        }
        Cached { done, ends: false }
    }

    fn is_on_disk(&self) -> bool {
        self.state.is_on_disk(&self.inner)
    }

    /// Reads as much as a blocking read gives: of a file on disk, short only before the
    /// end. Asks `on_thread` for what is not in memory.
    #[track_caller]
    fn read_with(
        &self,
        buf: &mut [u8],
        offset: Option<u64>,
        on_thread: impl FnOnce(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Cached { done, ends } = self.read_cached(buf, offset);
        if done > 0 && (ends || done == buf.len() || !self.is_on_disk()) {
            return Ok(done);
        }
        let at = offset.unwrap_or(0).saturating_add(done as u64);
        // Nothing is raised here once there are bytes: nothing can have become
        // due since `yield_now`.
        match on_thread(&mut buf[done..], at) {
            Ok(read) => Ok(done + read),
            // It will be met again.
            Err(_) if done > 0 => Ok(done),
            Err(error) => Err(error),
        }
    }
}

/// What [`File::read_cached`] came to.
struct Cached {
    done: usize,
    /// The kernel says that the file ends there. Linux 5.9 and 5.10 say so also
    /// where they would have to wait.
    ends: bool,
}

impl Read for &File {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_with(buf, None, |rest, _| {
            self.call_at_cursor(|mut file| file.read(rest))
        })
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.call_at_cursor(|mut file| file.read_vectored(buffers))
    }

    #[track_caller]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let Cached { done, .. } = self.read_cached(buf, None);
        match &mut buf[done..] {
            [] => Ok(()),
            rest => self.call_at_cursor(|mut file| file.read_exact(rest)),
        }
    }

    /// In one blocking call.
    #[track_caller]
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.call_at_cursor(|mut file| file.read_to_end(buf))
    }

    /// In one blocking call.
    #[track_caller]
    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.call_at_cursor(|mut file| file.read_to_string(buf))
    }
}

impl Write for &File {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.call_at_cursor(|mut file| file.write(buf))
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call_at_cursor(|mut file| file.write_vectored(buffers))
    }

    /// In one blocking call.
    #[track_caller]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.call_at_cursor(|mut file| file.write_all(buf))
    }

    /// Formats first, and writes in one blocking call.
    #[track_caller]
    fn write_fmt(&mut self, format: fmt::Arguments<'_>) -> io::Result<()> {
        whole::write_fmt(self, format)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // While a thread reads or writes, the kernel has the cursor locked, and a
        // seek blocks.
        if self.state.cursor_is_free() {
            begin_operation();
            (&self.inner).seek(to)
        } else {
            self.call_at_cursor(|mut file| file.seek(to))
        }
    }
}

impl FileExt for File {
    #[track_caller]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_with(buf, Some(offset), |rest, at| {
            try_to_thread(|| self.inner.read_at(rest, at))
        })
    }

    #[track_caller]
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let Cached { done, .. } = self.read_cached(buf, Some(offset));
        match &mut buf[done..] {
            [] => Ok(()),
            rest => try_to_thread(|| {
                self.inner
                    .read_exact_at(rest, offset.saturating_add(done as u64))
            }),
        }
    }

    #[track_caller]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        try_to_thread(|| self.inner.write_at(buf, offset))
    }

    #[track_caller]
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        try_to_thread(|| self.inner.write_all_at(buf, offset))
    }
}

impl Read for File {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    #[track_caller]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }

    #[track_caller]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        (&*self).read_exact(buf)
    }

    #[track_caller]
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }

    #[track_caller]
    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(buf)
    }
}

impl Write for File {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    #[track_caller]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    #[track_caller]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        (&*self).write_all(buf)
    }

    #[track_caller]
    fn write_fmt(&mut self, format: fmt::Arguments<'_>) -> io::Result<()> {
        (&*self).write_fmt(format)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}
