//! Who is alive, and what each waits for.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::time::Instant;

use crate::clock::Clock;
use crate::generator::raw::Raw;
use crate::task::{Id, Task};

/// All coroutines of a runtime at one moment.
///
/// `Display` is a tree by parent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Everybody who has not ended, in the order of their spawning.
    pub coroutines: Vec<CoroutineInfo>,
}

/// One coroutine of a [`Snapshot`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoroutineInfo {
    /// Its id.
    pub id: Id,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Who spawned it.
    pub parent: Option<Id>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it waits for, in words; `None` if it does not wait.
    pub waits_on: Option<String>,
    /// Where it began to wait.
    pub waits_at: Option<&'static Location<'static>>,
    /// When it began to wait, as far as the loop knew the time then.
    pub waits_since: Option<Instant>,
    /// Who must do something for the wait to end, where that is known.
    pub held_by: Vec<Id>,
    /// Bytes of its stack that were in use when it was suspended.
    pub stack_used: usize,
    /// The suspended stack, where it was captured.
    pub backtrace: Option<String>,
}

impl Snapshot {
    pub(crate) fn new(mut coroutines: Vec<CoroutineInfo>) -> Snapshot {
        coroutines.sort_by_key(|info: &CoroutineInfo| info.id);
        Snapshot { coroutines }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Deeper ones are not indented any more, or a long chain of parents
        /// would be a triangle.
        const DEEPEST: usize = 20;
        let ids: HashSet<Id> = self.coroutines.iter().map(|info| info.id).collect();
        let mut children: HashMap<Option<Id>, Vec<&CoroutineInfo>> = HashMap::new();
        for info in self.coroutines.iter().rev() {
            // An orphan, whose parent has ended, stands at the root.
            let parent = info.parent.filter(|id| ids.contains(id));
            children.entry(parent).or_default().push(info);
        }
        let mut take = |id, depth| {
            let infos = children.remove(&id).unwrap_or_default();
            infos.into_iter().map(move |info| (info, depth))
        };
        let mut rest: Vec<(&CoroutineInfo, usize)> = take(None, 0).collect();
        while let Some((info, depth)) = rest.pop() {
            writeln!(f, "{:indent$}{info}", "", indent = 2 * depth.min(DEEPEST))?;
            rest.extend(take(Some(info.id), depth + 1));
        }
        Ok(())
    }
}

impl CoroutineInfo {
    /// Of a task, and its stack if it has started.
    pub(crate) fn new(task: &Task, raw: Option<Raw>, clock: &Clock) -> CoroutineInfo {
        let wait = raw.and_then(|raw| raw.describe_wait());
        let waits_at = wait.as_ref().map(|wait| wait.at);
        let waits_since = wait.as_ref().map(|wait| clock.to_instant(wait.since));
        let (waits_on, held_by) = wait.map(|wait| (wait.what, wait.holders)).unzip();
        CoroutineInfo {
            id: task.id(),
            name: task.name().map(str::to_owned),
            parent: task.parent(),
            spawned_at: task.spawned_at(),
            waits_on,
            waits_at,
            waits_since,
            held_by: held_by.unwrap_or_default(),
            stack_used: raw.map_or(0, |raw| raw.stack_used()),
            backtrace: None,
        }
    }
}

impl CoroutineInfo {
    /// The holders that are not named already by what it waits for.
    fn write_holders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 5;
        let what = self.waits_on.as_deref().unwrap_or_default();
        let unnamed = |id: &&Id| !what.contains(&format!("{id} "));
        for (place, id) in self.held_by.iter().filter(unnamed).enumerate() {
            match place {
                0 => write!(f, ", held by {id}")?,
                MOST => return f.write_str(" …"),
                _ => write!(f, ", {id}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for CoroutineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_title(f, self.id, self.name.as_deref(), self.spawned_at)?;
        match (&self.waits_on, self.waits_at) {
            (Some(what), Some(at)) => write!(f, " waits for {what} at {at}")?,
            _ => f.write_str(" is ready")?,
        }
        self.write_holders(f)
    }
}

/// How a coroutine is called in messages.
pub(crate) fn title(task: &Task) -> impl fmt::Display + '_ {
    struct Title<'a>(&'a Task);
    impl fmt::Display for Title<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_title(f, self.0.id(), self.0.name(), self.0.spawned_at())
        }
    }
    Title(task)
}

fn write_title(
    f: &mut fmt::Formatter<'_>,
    id: Id,
    name: Option<&str>,
    spawned_at: &Location<'_>,
) -> fmt::Result {
    write!(f, "{id}")?;
    if let Some(name) = name {
        write!(f, " '{name}'")?;
    }
    write!(f, " (spawned at {spawned_at})")
}
