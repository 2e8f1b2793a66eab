//! Reads and writes that go on until all is done.
//!
//! They do what the methods do that std provides, but a wait in one of them is told with
//! the caller's line, where those tell a line of std.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;

/// How much a [`read_to_end`] asks for at once.
const AT_ONCE: usize = 8 << 10;

#[inline]
#[track_caller]
pub(crate) fn read_exact(reader: &mut impl Read, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match reader.read(buf) {
            Ok(0) => {
                let text = "failed to fill whole buffer";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            Ok(count) => buf = &mut buf[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What was read is in `buf` also after an error and when it unwinds.
#[track_caller]
pub(crate) fn read_to_end(reader: &mut impl Read, buf: &mut Vec<u8>) -> io::Result<usize> {
    /// Shortens the vector to what was read.
    struct Filled<'a>(&'a mut Vec<u8>, usize);
    impl Drop for Filled<'_> {
        fn drop(&mut self) {
            self.0.truncate(self.1);
        }
    }
    let before = buf.len();
    let mut filled = Filled(buf, before);
    loop {
        let Filled(buf, len) = &mut filled;
        if buf.len() == *len {
            buf.reserve(1);
            let room = buf.capacity() - *len;
            buf.resize(*len + room.min(AT_ONCE), 0);
        }
        match reader.read(&mut buf[*len..]) {
            Ok(0) => return Ok(*len - before),
            Ok(count) => *len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What was read before an error is in `buf` too, if it is text, and when it unwinds.
#[track_caller]
pub(crate) fn read_to_string(reader: &mut impl Read, buf: &mut String) -> io::Result<usize> {
    /// Keeps what is text, up to the first byte that is not.
    struct Unwound<'a>(&'a mut String, Vec<u8>);
    impl Drop for Unwound<'_> {
        fn drop(&mut self) {
            if let Some(first) = self.1.utf8_chunks().next() {
                self.0.push_str(first.valid());
            }
        }
    }
    let mut unwound = Unwound(buf, Vec::new());
    let result = read_to_end(reader, &mut unwound.1);
    let bytes = mem::take(&mut unwound.1);
    drop(unwound);
    let Ok(text) = String::from_utf8(bytes) else {
        let text = "stream did not contain valid UTF-8";
        return result.and(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
    };
    buf.push_str(&text);
    result
}

#[inline]
#[track_caller]
pub(crate) fn write_all(writer: &mut impl Write, mut buf: &[u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match writer.write(buf) {
            Ok(0) => {
                let text = "failed to write whole buffer";
                return Err(io::Error::new(io::ErrorKind::WriteZero, text));
            }
            Ok(count) => buf = &buf[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// In one go, where std writes each part of the format by itself.
#[track_caller]
pub(crate) fn write_fmt(writer: &mut impl Write, format: fmt::Arguments<'_>) -> io::Result<()> {
    let mut text = String::new();
    if fmt::write(&mut text, format).is_err() {
        return Err(io::Error::other("formatter error"));
    }
    writer.write_all(text.as_bytes())
}

/// Inside of an `impl Read`.
macro_rules! whole_reads {
    () => {
        #[inline]
        #[track_caller]
        fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
            crate::whole::read_exact(self, buf)
        }

        #[track_caller]
        fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
            crate::whole::read_to_end(self, buf)
        }

        #[track_caller]
        fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
            crate::whole::read_to_string(self, buf)
        }
    };
}

/// Inside of an `impl Write`.
macro_rules! whole_writes {
    () => {
        #[inline]
        #[track_caller]
        fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
            crate::whole::write_all(self, buf)
        }

        /// Written out first, and then sent in one go.
        #[track_caller]
        fn write_fmt(&mut self, format: std::fmt::Arguments<'_>) -> io::Result<()> {
            crate::whole::write_fmt(self, format)
        }
    };
}

pub(crate) use {whole_reads, whole_writes};
