//! A process that was started.

use std::fmt;
use std::io::{self, Read};
use std::panic::Location;

use crate::scheduler;
use crate::scope::scope;
use crate::spawn::Reserved;
use crate::suspend::checkpoint;

use super::exit::Exit;
use super::pipes::read_to_end_at;
use super::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output, orphans};

/// A process that was started with [`Command::spawn`](super::Command::spawn). As
/// [`std::process::Child`].
///
/// Dropping it closes its pipes and lets the process go on, as with std. Unlike
/// with std it does not stay a zombie for good when it ends: later spawns reap
/// such children, some at a time.
///
/// ```
/// use corobin::process::{Command, Stdio};
/// use std::io::{Read, Write};
///
/// corobin::run(|| {
///     let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
///     cat.stdin.take().unwrap().write_all(b"hello")?; // and closes it
///     let mut text = String::new();
///     cat.stdout.take().unwrap().read_to_string(&mut text)?;
///     assert!(cat.wait()?.success());
///     assert_eq!(text, "hello");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Child {
    /// The writing end of its standard input, if that was
    /// [`piped`](super::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// The reading end of its standard output, if that was piped.
    pub stdout: Option<ChildStdout>,
    /// The reading end of its standard error, if that was piped.
    pub stderr: Option<ChildStderr>,
    /// None only in `drop`, after it was taken out.
    inner: Option<std::process::Child>,
    exit: Exit,
}

impl Child {
    fn inner(&mut self) -> &mut std::process::Child {
        match &mut self.inner {
            Some(inner) => inner,
            None => unreachable!("only the one who consumes it takes it"),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.inner.as_ref().map_or(0, std::process::Child::id)
    }

    /// Sends it `SIGKILL`; does nothing if it was waited for already. Not a
    /// suspension point.
    ///
    /// # Errors
    /// Those of [`std::process::Child::kill`].
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner().kill()
    }

    /// Its exit status, if it has ended. Not a suspension point.
    ///
    /// # Errors
    /// Those of [`std::process::Child::try_wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.inner().try_wait()
    }

    /// Closes its standard input and waits until it ends. Later calls give the
    /// same status again.
    ///
    /// A suspension point. A cancelled wait loses nothing: it can be done again.
    /// Outside of a runtime the thread waits.
    ///
    /// # Errors
    /// Those of [`std::process::Child::wait`].
    #[track_caller]
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(scheduler) = scheduler::current() else {
            drop(self.stdin.take());
            return self.inner().wait();
        };
        checkpoint(scheduler);
        drop(self.stdin.take());
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            self.exit.wait(scheduler, self.id())?;
        }
    }

    /// Closes its standard input, collects what it writes to the other two, as
    /// far as they are pipes, and waits until it ends.
    ///
    /// A suspension point. When it is cancelled the process goes on, and what was
    /// collected is dropped.
    /// Outside of a runtime the thread waits.
    ///
    /// # Errors
    /// Those of [`std::process::Child::wait_with_output`].
    #[track_caller]
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        let Some(scheduler) = scheduler::current() else {
            return std::process::Child::from(self).wait_with_output();
        };
        let at = Location::caller();
        drop(self.stdin.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        match (self.stdout.take(), self.stderr.take()) {
            (None, None) => {}
            (Some(mut stdout), None) => drop(stdout.read_to_end(&mut out)?),
            (None, Some(mut stderr)) => drop(stderr.read_to_end(&mut err)?),
            (Some(stdout), Some(stderr)) => {
                let mut other = Err(io::ErrorKind::Interrupted.into());
                scope(|s| {
                    let read = || other = read_to_end_at(&stderr.0, at, &mut err);
                    s.start(scheduler, Reserved::default(), read, at);
                    read_to_end_at(&stdout.0, at, &mut out).inspect_err(|_| s.cancel())
                })?;
                other?;
            }
        }
        let status = self.wait()?;
        Ok(Output {
            status,
            stdout: out,
            stderr: err,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            orphans::adopt(inner);
        }
    }
}

impl From<std::process::Child> for Child {
    fn from(mut inner: std::process::Child) -> Child {
        Child {
            stdin: inner.stdin.take().map(ChildStdin::from),
            stdout: inner.stdout.take().map(ChildStdout::from),
            stderr: inner.stderr.take().map(ChildStderr::from),
            inner: Some(inner),
            exit: Exit::default(),
        }
    }
}

impl From<Child> for std::process::Child {
    fn from(mut child: Child) -> std::process::Child {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let Some(mut inner) = child.inner.take() else {
            unreachable!("only the one who consumes it takes it");
        };
        inner.stdin = stdin.map(Into::into);
        inner.stdout = stdout.map(Into::into);
        inner.stderr = stderr.map(Into::into);
        inner
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}
