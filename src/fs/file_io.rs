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
        try_to_thread(|| {
            // Elsewhere it may wait for ever, and there are no reads to be kept whole.
            let _cursor = self.is_on_disk().then(|| self.state.lock_cursor());
            f(&self.inner)
        })
    }

    /// Fills `buf` from memory as far as that goes.
    fn read_cached(&self, buf: &mut [u8], offset: Option<u64>) -> Cached {
        let mut done = 0;
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
        Cached { done, ends: false }
    }

    #[track_caller]
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> Cached {
        match may_read_cached() {
            true => self.read_cached(buf, Some(offset)),
            false => Cached::NOTHING,
        }
    }

    /// Reads at the cursor what is in memory. Of a file on disk all of `buf` or nothing,
    /// or what there is before the end, if `ends_short`: so what a thread reads instead
    /// is in one piece, whoever else reads meanwhile.
    #[track_caller]
    fn read_cached_at_cursor(&self, buf: &mut [u8], ends_short: bool) -> usize {
        if !may_read_cached() {
            return 0;
        }
        let Some(_cursor) = self.state.try_lock_cursor() else {
            return 0;
        };
        let Cached { done, ends } = self.read_cached(buf, None);
        let is_whole = done == buf.len() || (ends && ends_short);
        if done == 0 || is_whole || !self.is_on_disk() {
            return done;
        }
        let back = SeekFrom::Current(-done.cast_signed() as i64);
        match (&self.inner).seek(back) {
            Ok(_) => 0,
            // Shorter than it could be, but nothing is lost.
            Err(_) => done,
        }
    }

    fn is_on_disk(&self) -> bool {
        self.state.is_on_disk(&self.inner)
    }
}

/// Whether there is a loop to be held up. Lets the others have their turn: before the
/// read, so that what was read is returned; and so that a loop of reads that never wait
/// starves nobody.
#[track_caller]
fn may_read_cached() -> bool {
    let inside = scheduler::current().is_some();
    if inside {
        yield_now();
    }
    inside
}

/// What [`File::read_cached`] came to.
struct Cached {
    done: usize,
    /// The kernel says that the file ends there. Linux 5.9 and 5.10 say so also
    /// where they would have to wait.
    ends: bool,
}

impl Cached {
    const NOTHING: Cached = Cached {
        done: 0,
        ends: false,
    };
}

/// For a file and a reference to one alike.
macro_rules! at_cursor {
    ($($type:ty),*) => {$(
        impl Read for $type {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                match self.read_cached_at_cursor(buf, true) {
                    0 => self.call_at_cursor(|mut file| file.read(buf)),
                    done => Ok(done),
                }
            }

            #[track_caller]
            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.call_at_cursor(|mut file| file.read_vectored(buffers))
            }

            #[track_caller]
            fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                let done = self.read_cached_at_cursor(buf, false);
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

        impl Write for $type {
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

        impl Seek for $type {
            #[track_caller]
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                begin_operation();
                // While a thread reads or writes, the kernel has the cursor locked, and a
                // seek blocks.
                match self.state.try_lock_cursor() {
                    Some(_cursor) => (&self.inner).seek(to),
                    None => self.call_at_cursor(|mut file| file.seek(to)),
                }
            }
        }
    )*};
}

at_cursor!(File, &File);

impl FileExt for File {
    /// As much as a blocking read gives: of a file on disk, short only before the end.
    #[track_caller]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Cached { done, ends } = self.read_cached_at(buf, offset);
        if done > 0 && (ends || done == buf.len() || !self.is_on_disk()) {
            return Ok(done);
        }
        let at = offset.saturating_add(done as u64);
        // Nothing is raised here once there are bytes: nothing can have become
        // due since `yield_now`.
        match try_to_thread(|| self.inner.read_at(&mut buf[done..], at)) {
            Ok(read) => Ok(done + read),
            // It will be met again.
            Err(_) if done > 0 => Ok(done),
            Err(error) => Err(error),
        }
    }

    #[track_caller]
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let Cached { done, .. } = self.read_cached_at(buf, offset);
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
