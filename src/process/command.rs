//! How a process is started.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::suspend::arrive;
use crate::to_thread::try_to_thread;

use super::{Child, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio, orphans};

/// A process to be started. As [`std::process::Command`].
///
/// The safe methods of std's `CommandExt` are here as well. A command with a
/// `pre_exec` is made with std, and turned into one of these with `From`. Such a command is
/// started by the calling thread, which blocks meanwhile, since its hook may care for the
/// thread. All others are started by a thread of the pool, which may end before they do.
/// To a process with `PR_SET_PDEATHSIG` (prctl(2)) the end of that thread is its parent's
/// death: start it by way of `From`.
///
/// ```
/// use corobin::process::Command;
///
/// let output = corobin::run(|| Command::new("echo").args(["hello", "world"]).output())?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello world\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    inner: std::process::Command,
    stdin: Slot,
    stdout: Slot,
    stderr: Slot,
    /// May hold hooks.
    from_std: bool,
}

/// What is known of one of the three standard streams; std does not tell.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The user has set it.
    set: bool,
    /// We have, to other than what the child would inherit.
    altered: bool,
}

/// What a stream is if the user has not said.
#[derive(Clone, Copy)]
enum Unset {
    Inherit,
    Null,
    Piped,
}

impl Command {
    /// A command that runs `program`, which is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command {
            from_std: false,
            ..Command::from(std::process::Command::new(program))
        }
    }

    /// One more argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env(key, value);
        self
    }

    /// Sets variables of its environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes a variable from its environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Removes all variables from its environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// The directory that it starts in.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Its standard input: inherited by default, none for
    /// [`output`](Self::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.inner.stdin(stdin);
        self.stdin.set = true;
        self
    }

    /// Its standard output: inherited by default, collected by
    /// [`output`](Self::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.inner.stdout(stdout);
        self.stdout.set = true;
        self
    }

    /// Its standard error: inherited by default, collected by
    /// [`output`](Self::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.inner.stderr(stderr);
        self.stderr.set = true;
        self
    }

    /// Its user id. As `CommandExt::uid`.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.inner.uid(id);
        self
    }

    /// Its group id. As `CommandExt::gid`.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.inner.gid(id);
        self
    }

    /// The zeroth argument, which it sees as its name. As `CommandExt::arg0`.
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.inner.arg0(arg);
        self
    }

    /// Its process group; 0 for one of its own. As `CommandExt::process_group`.
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        self.inner.process_group(group);
        self
    }

    /// Replaces this process by the command. As `CommandExt::exec`.
    ///
    /// No destructors run; other threads and coroutines are just gone. Returns
    /// only if it fails. Not a suspension point.
    pub fn exec(&mut self) -> io::Error {
        self.set_streams([Unset::Inherit; 3]);
        self.inner.exec()
    }

    /// Starts the process; its streams are inherited unless said otherwise.
    ///
    /// A suspension point. A cancel meanwhile waits until the process has
    /// started, and is met at the next suspension point.
    ///
    /// # Errors
    /// Those of [`std::process::Command::spawn`].
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start([Unset::Inherit; 3])
    }

    /// Starts the process and waits for its end; its streams are inherited unless
    /// said otherwise.
    ///
    /// A suspension point. When it is cancelled the process goes on, and nobody
    /// can wait for it any more: [`spawn`](Self::spawn) and [`Child::wait`] can be
    /// cancelled without that. Outside of a runtime the thread waits.
    ///
    /// # Errors
    /// Those of [`std::process::Command::status`].
    #[track_caller]
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Starts the process, waits for its end and collects what it writes; there
    /// is nothing for it to read unless said otherwise.
    ///
    /// A suspension point. When it is cancelled the process goes on, and meets a
    /// broken pipe when it writes; what was collected is dropped.
    /// Outside of a runtime the thread waits.
    ///
    /// # Errors
    /// Those of [`std::process::Command::output`].
    #[track_caller]
    pub fn output(&mut self) -> io::Result<Output> {
        let child = self.start([Unset::Null, Unset::Piped, Unset::Piped])?;
        child.wait_with_output()
    }

    /// An earlier start may have set what the user has not.
    fn set_streams(&mut self, defaults: [Unset; 3]) {
        let inner = &mut self.inner;
        if let Some(stdio) = self.stdin.default_to(defaults[0]) {
            inner.stdin(stdio);
        }
        if let Some(stdio) = self.stdout.default_to(defaults[1]) {
            inner.stdout(stdio);
        }
        if let Some(stdio) = self.stderr.default_to(defaults[2]) {
            inner.stderr(stdio);
        }
    }

    #[track_caller]
    fn start(&mut self, defaults: [Unset; 3]) -> io::Result<Child> {
        orphans::reap_some();
        self.set_streams(defaults);
        let inner = &mut self.inner;
        let child = if self.from_std {
            arrive();
            inner.spawn()?
        } else {
            try_to_thread(|| inner.spawn())?
        };
        Ok(child.into())
    }

    /// The program. As [`std::process::Command::get_program`].
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments. As [`std::process::Command::get_args`].
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// What is set or removed (`None`) in the environment. As
    /// [`std::process::Command::get_envs`].
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The directory. As [`std::process::Command::get_current_dir`].
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }
}

impl Slot {
    /// What the stream is to be set to, if anything.
    fn default_to(&mut self, unset: Unset) -> Option<Stdio> {
        if self.set {
            return None;
        }
        let before = std::mem::replace(&mut self.altered, true);
        match unset {
            Unset::Null => Some(Stdio::null()),
            Unset::Piped => Some(Stdio::piped()),
            Unset::Inherit => {
                self.altered = false;
                before.then(Stdio::inherit)
            }
        }
    }
}

/// `spawn` and `status` keep the streams that were set with std. `output` cannot see what
/// was set: set them again here.
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Command {
        Command {
            inner,
            stdin: Slot::default(),
            stdout: Slot::default(),
            stderr: Slot::default(),
            from_std: true,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
