//! The source lines around a place, where the file can be found.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::event::Place;

/// Lines above and below.
const AROUND: usize = 2;
/// Longer files and lines are not shown whole.
const LONGEST_FILE: u64 = 4 << 20;
const LONGEST_LINE: usize = 160;

/// The files that were looked for.
#[derive(Default)]
pub(super) struct Sources {
    files: HashMap<&'static str, Option<Vec<String>>>,
}

impl Sources {
    /// Some lines around a place, and the number of the first.
    pub(super) fn around(&mut self, place: Place) -> Option<(usize, &[String])> {
        let file = place.file();
        let lines = self.files.entry(file).or_insert_with(|| read(file));
        let lines = lines.as_deref()?;
        let line = usize::try_from(place.line()).ok()?.checked_sub(1)?;
        if line >= lines.len() {
            return None;
        }
        let (first, last) = (line.saturating_sub(AROUND), line + AROUND);
        Some((first + 1, &lines[first..lines.len().min(last + 1)]))
    }
}

/// The compiler names files as seen from the root of a workspace, and a program
/// is mostly run somewhere inside of that.
fn read(file: &str) -> Option<Vec<String>> {
    let program = env::current_exe().ok();
    let roots = [env::current_dir().ok(), program];
    let places = roots.iter().flatten().flat_map(|root| root.ancestors());
    let path: PathBuf = places
        .map(|root| root.join(Path::new(file)))
        .find(|path| path.is_file())?;
    if fs::metadata(&path).ok()?.len() > LONGEST_FILE {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let cut = |line: &str| line[..line.floor_char_boundary(LONGEST_LINE)].to_owned();
    Some(text.lines().map(cut).collect())
}
