//! A snapshot for programs.

use std::fmt::{self, Write};
use std::panic::Location;

use super::{CoroutineInfo, CoroutineState, Snapshot};
use crate::json;

impl Snapshot {
    /// The snapshot as a JSON text, in one line.
    ///
    /// ```json
    /// {
    ///   "coroutines": [{
    ///     "id": 2,
    ///     "name": "worker",            // or null
    ///     "parent": 1,                 // id, or null
    ///     "spawned_at": { "file": "src/main.rs", "line": 3, "column": 18 },
    ///     "age": 1.25,                 // seconds
    ///     "state": "parked",           // "new", "ready", "running", "parked"
    ///     "waits_on": "the Mutex taken at src/main.rs:5:21", // or null, as the next two
    ///     "waits_at": { "file": "src/main.rs", "line": 7, "column": 9 },
    ///     "waits_for": 0.5,            // seconds
    ///     "held_by": [1],              // ids
    ///     "stack_used": 512,           // bytes
    ///     "stack_size": 262144,        // bytes
    ///     "backtrace": "   0: main::work\n             at src/main.rs:7:9\n" // or null
    ///   }],
    ///   "cycles": [[1, 2]]             // ids: each waits for the next
    /// }
    /// ```
    ///
    /// Later versions may add fields, and states.
    ///
    /// ```
    /// let json = corobin::run(|| corobin::snapshot().to_json());
    /// assert!(json.starts_with(r#"{"coroutines":[{"id":"#));
    /// assert!(json.contains(r#""name":"main","parent":null"#));
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\"coroutines\":[");
        for (at, info) in self.coroutines.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "," });
            // Writing to a string does not fail.
            let _ = self.write_coroutine(&mut text, info);
        }
        text.push_str("],\"cycles\":");
        let cycle = |cycle: Vec<&CoroutineInfo>| list(cycle.iter().map(|info| info.id.0));
        text.push_str(&list(self.cycles().into_iter().map(cycle)));
        text.push('}');
        text
    }

    fn write_coroutine(&self, json: &mut String, info: &CoroutineInfo) -> fmt::Result {
        let waits_for = info
            .waits_since
            .map(|since| self.taken_at.saturating_duration_since(since).as_secs_f64());
        write!(json, "{{\"id\":{}", info.id.0)?;
        write!(
            json,
            ",\"name\":{}",
            or_null(info.name.as_deref().map(Text))
        )?;
        write!(json, ",\"parent\":{}", or_null(info.parent.map(|id| id.0)))?;
        write!(json, ",\"spawned_at\":{}", Place(info.spawned_at))?;
        write!(json, ",\"age\":{}", info.age.as_secs_f64())?;
        write!(json, ",\"state\":\"{}\"", state(info.state))?;
        write!(
            json,
            ",\"waits_on\":{}",
            or_null(info.waits_on.as_deref().map(Text))
        )?;
        write!(json, ",\"waits_at\":{}", or_null(info.waits_at.map(Place)))?;
        write!(json, ",\"waits_for\":{}", or_null(waits_for))?;
        write!(
            json,
            ",\"held_by\":{}",
            list(info.held_by.iter().map(|id| id.0))
        )?;
        write!(json, ",\"stack_used\":{}", info.stack_used)?;
        write!(json, ",\"stack_size\":{}", info.stack_size)?;
        write!(
            json,
            ",\"backtrace\":{}}}",
            or_null(info.backtrace.as_deref().map(Text))
        )
    }
}

fn state(state: CoroutineState) -> &'static str {
    match state {
        CoroutineState::New => "new",
        CoroutineState::Ready => "ready",
        CoroutineState::Running => "running",
        CoroutineState::Parked => "parked",
    }
}

fn or_null(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "null".into(), |value| value.to_string())
}

fn list(items: impl Iterator<Item = impl fmt::Display>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

struct Place(&'static Location<'static>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = (Text(self.0.file()), self.0.line(), self.0.column());
        write!(f, "{{\"file\":{file},\"line\":{line},\"column\":{column}}}")
    }
}

/// A JSON string.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut quoted = String::new();
        json::string(&mut quoted, self.0);
        f.write_str(&quoted)
    }
}
