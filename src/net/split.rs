//! Two halves of a stream, for two coroutines.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;

use super::tcp::TcpStream;
use super::unix::UnixStream;

/// A stream that can be split.
pub trait Stream {
    #[doc(hidden)]
    fn end(&self, how: Shutdown) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl Stream for UnixStream {
    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

/// The half of a stream that reads; see [`TcpStream::split`].
pub struct ReadHalf<S: Stream> {
    stream: Rc<S>,
}

/// The half of a stream that writes; see [`TcpStream::split`]. Dropping it shuts
/// that direction down.
pub struct WriteHalf<S: Stream> {
    /// None only in `drop`, after `reunite`.
    stream: Option<Rc<S>>,
}

/// The halves are not of the same stream; here they are.
pub struct ReuniteError<S: Stream>(pub ReadHalf<S>, pub WriteHalf<S>);

pub(super) fn halves<S: Stream>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let stream = Rc::new(stream);
    let other = Some(Rc::clone(&stream));
    (ReadHalf { stream }, WriteHalf { stream: other })
}

impl<S: Stream> ReadHalf<S> {
    /// Puts the halves of one stream together again; nothing is shut down.
    ///
    /// # Errors
    /// They are halves of two streams.
    pub fn reunite(self, mut other: WriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Rc::ptr_eq(&self.stream, other.get()) {
            return Err(ReuniteError(self, other));
        }
        other.stream = None;
        match Rc::try_unwrap(self.stream) {
            Ok(stream) => Ok(stream),
            Err(_) => unreachable!("the halves are two"),
        }
    }

    /// The whole stream, for what is neither read nor write.
    #[must_use]
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: Stream> WriteHalf<S> {
    #[inline]
    fn get(&self) -> &Rc<S> {
        match &self.stream {
            Some(stream) => stream,
            None => unreachable!("only reunite takes it"),
        }
    }

    /// The whole stream, for what is neither read nor write.
    #[must_use]
    pub fn stream(&self) -> &S {
        self.get()
    }
}

impl<S: Stream> Drop for WriteHalf<S> {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            // A peer that is gone needs no end.
            let _ = stream.end(Shutdown::Write);
        }
    }
}

impl<S: Stream> Read for ReadHalf<S>
where
    for<'a> &'a S: Read,
{
    #[inline]
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(buf)
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self.stream).read_vectored(bufs)
    }

    crate::whole::whole_reads!();
}

impl<S: Stream> Write for WriteHalf<S>
where
    for<'a> &'a S: Write,
{
    #[inline]
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&**self.get()).write(buf)
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&**self.get()).write_vectored(bufs)
    }

    crate::whole::whole_writes!();

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Stream + fmt::Debug> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(&*self.stream).finish()
    }
}

impl<S: Stream + fmt::Debug> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(&**self.get()).finish()
    }
}

impl<S: Stream> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError(..)")
    }
}

/// They hold the same halves of the same streams.
impl<S: Stream> PartialEq for ReuniteError<S> {
    fn eq(&self, other: &ReuniteError<S>) -> bool {
        Rc::ptr_eq(&self.0.stream, &other.0.stream) && Rc::ptr_eq(self.1.get(), other.1.get())
    }
}

impl<S: Stream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these are halves of two streams")
    }
}

impl<S: Stream> std::error::Error for ReuniteError<S> {}
