//! Follows growing files, as `tail -F` does: prints what they hold and then what
//! is added, until Ctrl-C.
//!
//! ```text
//! cargo run --example tail_follow -- /var/log/syslog /var/log/kern.log
//! ```
//!
//! The kernel tells through inotify(7) when a file has changed; that is a
//! descriptor, so [`Async`] makes it wait for only its coroutine. A file that was
//! cut off is read from its start, and one that was replaced is opened anew.

use std::io::{self, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use corobin::fs::{self, File};
use corobin::io::{Async, stdout};
use corobin::{scope, signal};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        eprintln!("usage: tail_follow FILE...");
        return ExitCode::from(2);
    }
    corobin::run(|| {
        let stopped = scope(|s| {
            for path in &paths {
                s.spawn(move || {
                    if let Err(error) = follow(path) {
                        eprintln!("{}: {error}", path.display());
                    }
                });
            }
            let stopped = signal::ctrl_c();
            s.cancel();
            stopped
        });
        match stopped {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("tail_follow: {error}");
                ExitCode::FAILURE
            }
        }
    })
}

/// Prints a file, and what is added to it, for ever.
fn follow(path: &Path) -> io::Result<()> {
    // Of the folder: a file that replaces another is a change there.
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let changes = Changes::new(folder)?;
    let mut file = File::open(path)?;
    loop {
        print_rest(&mut file)?;
        changes.wait()?;
        match fs::metadata(path) {
            // Between two names: the next change tells more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(now) => {
                let ours = file.metadata()?;
                if (now.dev(), now.ino()) != (ours.dev(), ours.ino()) {
                    print_rest(&mut file)?;
                    file = File::open(path)?;
                } else if now.len() < file.stream_position()? {
                    file.seek(SeekFrom::Start(0))?;
                }
            }
        }
    }
}

fn print_rest(file: &mut File) -> io::Result<()> {
    corobin::io::copy(file, &mut stdout())?;
    stdout().flush()
}

/// Tells of changes in a folder.
struct Changes(Async<OwnedFd>);

impl Changes {
    fn new(folder: &Path) -> io::Result<Changes> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&fd, folder, what)?;
        Ok(Changes(Async::new_nonblocking(fd)))
    }

    /// Waits for one, and forgets those that have come with it.
    fn wait(&self) -> io::Result<()> {
        self.0.read_with(|fd| {
            let mut buf = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(fd, &mut buf);
            events.next()?;
            while !events.is_buffer_empty() {
                events.next()?;
            }
            Ok(())
        })
    }
}
