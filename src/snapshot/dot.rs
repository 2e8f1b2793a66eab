//! A snapshot as a picture.

use std::collections::HashSet;
use std::fmt::{self, Write};

use super::{CoroutineInfo, CoroutineState, Snapshot};
use crate::task::Id;

impl Snapshot {
    /// Who waits for whom, as a directed graph in the language of Graphviz: `dot
    /// -Tsvg` draws it. An arrow leads from a coroutine that waits to one that must do
    /// something for the wait to end. Circles are red.
    ///
    /// ```
    /// let dot = corobin::run(|| {
    ///     let main = corobin::spawn(corobin::park);
    ///     let snapshot = corobin::spawn(|| corobin::snapshot().to_dot());
    ///     corobin::spawn(|| drop(main.join()));
    ///     snapshot.join().unwrap()
    /// });
    /// assert!(dot.starts_with("digraph waits {"));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot =
            String::from("digraph waits {\n  node [shape=box, fontname=\"sans-serif\"];\n");
        // Writing to a string does not fail.
        let _ = self.write_dot(&mut dot);
        dot.push_str("}\n");
        dot
    }

    fn write_dot(&self, dot: &mut String) -> fmt::Result {
        let ids: HashSet<Id> = self.coroutines.iter().map(|info| info.id).collect();
        let mut circle: HashSet<(Id, Id)> = HashSet::new();
        for cycle in self.cycles() {
            let next = cycle.iter().cycle().skip(1);
            circle.extend(cycle.iter().zip(next).map(|(a, b)| (a.id, b.id)));
        }
        for info in &self.coroutines {
            let style = match info.state {
                CoroutineState::Parked => "",
                _ => ", style=bold",
            };
            writeln!(dot, "  {} [label=\"{}\"{style}];", info.id.0, Label(info))?;
        }
        for info in self
            .coroutines
            .iter()
            .filter(|info| info.waits_on.is_some())
        {
            for holder in info.held_by.iter().filter(|id| ids.contains(id)) {
                let colour = match circle.contains(&(info.id, *holder)) {
                    true => " [color=red, penwidth=2]",
                    false => "",
                };
                writeln!(dot, "  {} -> {}{colour};", info.id.0, holder.0)?;
            }
        }
        Ok(())
    }
}

/// Its name, and what it waits for in a second line.
struct Label<'a>(&'a CoroutineInfo);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.0;
        write!(f, "{}", info.id)?;
        if let Some(name) = &info.name {
            write!(f, " {}", escaped(name))?;
        }
        if let (Some(what), Some(at)) = (&info.waits_on, info.waits_at) {
            write!(f, "\\n{}\\n{}", escaped(what), escaped(&at.to_string()))?;
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', " ")
}
