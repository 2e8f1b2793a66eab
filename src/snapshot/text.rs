//! A snapshot for people.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use super::{CoroutineInfo, CoroutineState, Snapshot, write_title};
use crate::task::Id;

/// Shorter waits are not told.
const SHORT: Duration = Duration::from_millis(1);
/// So many ids are named where there are more.
const MOST: usize = 5;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_tree(f)?;
        self.write_cycles(f)?;
        self.write_stacks(f)
    }
}

impl Snapshot {
    fn write_tree(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            write!(f, "{:indent$}", "", indent = 2 * depth.min(DEEPEST))?;
            info.write(f, Some(self.taken_at))?;
            writeln!(f)?;
            rest.extend(take(Some(info.id), depth + 1));
        }
        Ok(())
    }

    fn write_cycles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cycle in self.cycles() {
            writeln!(f, "\na circle, in which each waits for the next:")?;
            for (at, info) in cycle.iter().enumerate() {
                let next = cycle[(at + 1) % cycle.len()];
                write!(f, "  ")?;
                write_title(f, info.id, info.name.as_deref(), info.spawned_at)?;
                info.write_wait(f)?;
                write!(f, ", held by {}", next.id)?;
                match &next.name {
                    Some(name) => writeln!(f, " '{name}'")?,
                    None => writeln!(f)?,
                }
            }
        }
        Ok(())
    }

    /// Each stack once, those first where most are.
    fn write_stacks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<(&str, Vec<Id>)> = Vec::new();
        for info in &self.coroutines {
            let Some(stack) = info.backtrace.as_deref() else {
                continue;
            };
            let place = *places.entry(stack).or_insert_with(|| {
                groups.push((stack, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(info.id);
        }
        groups.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
        for (stack, ids) in groups {
            writeln!(f)?;
            if ids.len() > 1 {
                write!(f, "{} coroutines: ", ids.len())?;
            }
            for (at, id) in ids.iter().take(MOST).enumerate() {
                write!(f, "{}{id}", if at == 0 { "" } else { ", " })?;
            }
            let more = if ids.len() > MOST { ", …" } else { "" };
            write!(f, "{more}\n{stack}")?;
        }
        Ok(())
    }
}

impl CoroutineInfo {
    fn write(&self, f: &mut fmt::Formatter<'_>, now: Option<Instant>) -> fmt::Result {
        write_title(f, self.id, self.name.as_deref(), self.spawned_at)?;
        match self.state {
            CoroutineState::New => f.write_str(" is ready, and has not started")?,
            CoroutineState::Ready => f.write_str(" is ready")?,
            CoroutineState::Running => f.write_str(" runs")?,
            CoroutineState::Parked => self.write_wait(f)?,
        }
        let waits = now
            .zip(self.waits_since)
            .map(|(now, since)| now.saturating_duration_since(since));
        if let Some(waits) = waits.filter(|waits| *waits >= SHORT) {
            write!(f, " for {}", Rough(waits))?;
        }
        self.write_holders(f)?;
        if self.age >= SHORT {
            write!(f, "; {} old", Rough(self.age))?;
        }
        Ok(())
    }

    fn write_wait(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.waits_on, self.waits_at) {
            (Some(what), Some(at)) => write!(f, " waits for {what} at {at}"),
            _ => Ok(()),
        }
    }

    /// The holders that are not named already by what it waits for.
    fn write_holders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        self.write(f, None)
    }
}

/// A duration with three digits, as "1.25 s" or "3.1 ms".
struct Rough(Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            0.0..1.0 => write!(f, "{:.0} ms", seconds * 1e3),
            1.0..100.0 => write!(f, "{seconds:.1} s"),
            _ => write!(f, "{seconds:.0} s"),
        }
    }
}
