//! Traces: every spawn, step, wait and wake in a file.
//!
//! ```text
//!   loop ─▶ Recorder ─▶ chunks ═▶ bounded queue ═▶ writer thread ─▶ file
//!           records              full: dropped,     Chrome's JSON, or
//!           in memory            and counted        a page that plays it
//! ```

mod chrome;
mod event;
mod html;
mod recorder;
mod sources;
mod writer;

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::probe::Probe;

use recorder::Recorder;
use writer::{Writer, format};

/// The environment variable that names the file for runtimes which name none.
const TRACE: &str = "COROBIN_TRACE";

/// The file that the environment names.
pub(crate) fn path_from_environment() -> Option<PathBuf> {
    let path = env::var_os(TRACE)?;
    (!path.is_empty()).then(|| path.into())
}

/// Whether a trace can go there.
///
/// # Errors
/// `InvalidInput` if the name tells no format, `NotFound` if the folder is not
/// there.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    if format(path, false).is_none() {
        let text = format!(
            "a trace goes to a file whose name ends in .json (Chrome's format, for Perfetto) or \
             .html (a page that plays it), not to {path:?}"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let text = format!("the folder of the trace {path:?} is not there");
            Err(io::Error::new(io::ErrorKind::NotFound, text))
        }
        _ => Ok(()),
    }
}

/// Traces one run to `path`; to none, with an error in the log, if that cannot be
/// written.
pub(crate) fn begin(path: &Path, virtual_time: bool) -> Option<Box<dyn Probe>> {
    let path = numbered(path);
    match Writer::start(path.clone(), virtual_time) {
        Ok(writer) => Some(Box::new(Recorder::new(writer))),
        Err(error) => {
            log::error!("there will be no trace {}: {error}", path.display());
            None
        }
    }
}

/// The name of the program.
fn program() -> String {
    let program = env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The first run of the process that is traced to a path gets it, the second
/// `name-2.json`, and so on.
fn numbered(path: &Path) -> PathBuf {
    static RUNS: Mutex<Option<HashMap<PathBuf, u64>>> = Mutex::new(None);
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    let run = runs
        .get_or_insert_default()
        .entry(path.to_owned())
        .and_modify(|run| *run += 1)
        .or_insert(1);
    if *run == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{run}"));
    let mut numbered = path.with_file_name(name);
    if let Some(extension) = path.extension() {
        // `set_extension` would take what follows a dot in the stem.
        let mut name = numbered.into_os_string();
        name.push(".");
        name.push(extension);
        numbered = name.into();
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_runs_are_numbered() {
        let names = |path: &str| -> Vec<String> {
            let path = Path::new(path);
            let names = (0..3).map(|_| numbered(path).display().to_string());
            names.collect()
        };
        assert_eq!(
            names("a/b.c.json"),
            ["a/b.c.json", "a/b.c-2.json", "a/b.c-3.json"]
        );
        assert_eq!(names("x.html"), ["x.html", "x-2.html", "x-3.html"]);
    }

    #[test]
    fn only_names_that_tell_a_format_are_taken() {
        assert!(check(Path::new("trace.json")).is_ok());
        assert!(check(Path::new("./trace.HTML")).is_ok());
        for name in ["trace", "trace.txt", "", ".json"] {
            let kind = check(Path::new(name)).map_err(|error| error.kind());
            assert_eq!(kind, Err(io::ErrorKind::InvalidInput), "{name:?}");
        }
        let kind = check(Path::new("/no/such/folder/t.json")).map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::NotFound));
    }
}
