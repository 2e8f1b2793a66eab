//! What is written once for all sockets: conversions, and methods that only pass
//! on.

/// A descriptor as a socket of std and back, the same for all types.
macro_rules! descriptors {
    ($type:ident, $std:ty) => {
        // As those of std: what an unwinding leaves behind is known to the kernel.
        impl std::panic::UnwindSafe for $type {}
        impl std::panic::RefUnwindSafe for $type {}

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.get().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.socket.get().as_raw_fd()
            }
        }

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                self.socket.into_std().into_raw_fd()
            }
        }

        /// Makes it blocking again, and all its duplicates.
        impl From<$type> for $std {
            fn from(ours: $type) -> $std {
                ours.socket.into_std()
            }
        }

        impl From<OwnedFd> for $type {
            fn from(fd: OwnedFd) -> $type {
                $type::from(<$std>::from(fd))
            }
        }

        impl From<$type> for OwnedFd {
            fn from(ours: $type) -> OwnedFd {
                ours.socket.into_std().into()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.socket.get().fmt(f)
            }
        }

        impl $type {
            /// Another descriptor of the same socket, with the same timeouts.
            ///
            /// # Errors
            /// There is no descriptor left.
            pub fn try_clone(&self) -> io::Result<$type> {
                let socket = self.socket.try_clone(<$std>::try_clone)?;
                Ok($type { socket })
            }

            /// The error that the socket has met since it was last asked.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.socket.get().take_error()
            }

            /// Lets operations fail with `WouldBlock` rather than wait.
            ///
            /// # Errors
            /// None.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.socket.limits().nonblocking.set(nonblocking);
                Ok(())
            }
        }
    };
}

/// `From` a socket of std that has no timeouts.
macro_rules! from_std {
    ($type:ident, $std:ty) => {
        /// Makes it non-blocking, and all its duplicates.
        impl From<$std> for $type {
            fn from(std: $std) -> $type {
                let socket = Socket::from_std(std).expect("a socket can be non-blocking");
                $type { socket }
            }
        }
    };
}

/// `From` a socket of std that has timeouts, and their methods.
macro_rules! timeouts {
    ($type:ident, $std:ty) => {
        /// Makes it non-blocking, and all its duplicates. Its timeouts stay.
        impl From<$std> for $type {
            fn from(std: $std) -> $type {
                let socket = Socket::from_std(std).expect("a socket can be non-blocking");
                let std: &$std = socket.get();
                let read = std.read_timeout().ok().flatten();
                let write = std.write_timeout().ok().flatten();
                if read.is_some() || write.is_some() {
                    socket.limits().read_timeout.set(read);
                    socket.limits().write_timeout.set(write);
                }
                $type { socket }
            }
        }

        impl $type {
            /// How long a read may wait; then it fails with `WouldBlock`. `None`,
            /// the default, is for ever.
            ///
            /// # Errors
            /// `InvalidInput` for zero.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                // Kept by the kernel for when it is a socket of std again.
                self.socket.get().set_read_timeout(timeout)?;
                self.socket.limits().read_timeout.set(timeout);
                Ok(())
            }

            /// How long a write may wait; then it fails with `WouldBlock`. `None`,
            /// the default, is for ever.
            ///
            /// # Errors
            /// `InvalidInput` for zero.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.socket.get().set_write_timeout(timeout)?;
                self.socket.limits().write_timeout.set(timeout);
                Ok(())
            }

            /// How long a read may wait.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.socket.get().read_timeout()
            }

            /// How long a write may wait.
            ///
            /// # Errors
            /// The kernel does not tell.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.socket.get().write_timeout()
            }
        }
    };
}

/// Methods that ask or set something, and never wait.
macro_rules! passed_on {
    ($type:ident: $($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $arg_type:ty)*) -> $result:ty;)*) => {
        impl $type {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As in std.
                pub fn $name(&self $(, $arg: $arg_type)*) -> io::Result<$result> {
                    self.socket.get().$name($($arg),*)
                }
            )*
        }
    };
}

/// What all streams have: `peek`, and `Read` and `Write` for the type and for `&` it,
/// from four methods. A read gets there only with some room.
macro_rules! read_write {
    ($type:ident) => {
        impl $type {
            /// Reads without taking the data out of the queue.
            ///
            /// A suspension point.
            ///
            /// # Errors
            /// As `read`.
            ///
            /// # Panics
            /// If it has to wait outside of a runtime.
            #[track_caller]
            pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                if buf.is_empty() {
                    return read_nothing();
                }
                self.socket.peek(Location::caller(), buf)
            }
        }

        read_write!(for $type);
        read_write!(for &$type);
    };
    (for $($type:tt)+) => {
        impl Read for $($type)+ {
            #[inline]
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if buf.is_empty() {
                    return read_nothing();
                }
                self.read_at(Location::caller(), buf)
            }

            #[track_caller]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                if total(bufs) == 0 {
                    return read_nothing();
                }
                self.read_vectored_at(Location::caller(), bufs)
            }

            crate::whole::whole_reads!();
        }

        impl Write for $($type)+ {
            #[inline]
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_at(Location::caller(), buf)
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_vectored_at(Location::caller(), bufs)
            }

            crate::whole::whole_writes!();

            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use {descriptors, from_std, passed_on, read_write, timeouts};
