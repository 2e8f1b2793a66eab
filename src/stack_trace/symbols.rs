//! The text of a trace: names, files and lines, without the frames that are the
//! same in every coroutine.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{env, thread};

use super::Trace;

/// Reading debug information takes more stack than a coroutine may have.
const STACK: usize = 4 << 20;

/// One function at an address; several where some were inlined.
struct Symbol {
    name: String,
    /// "file:line:column"
    place: Option<String>,
}

/// By address, innermost first. Kept for good: a program has so many addresses
/// where a coroutine may wait, and no more.
type Cache = HashMap<usize, Vec<Symbol>>;

/// The texts of `traces`, `None` where nothing is known. Each address is looked up
/// once in the life of the process.
pub(crate) fn resolve(traces: &[&Trace]) -> Vec<Option<String>> {
    static CACHE: Mutex<Option<Cache>> = Mutex::new(None);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.get_or_insert_default();
    let addresses = traces.iter().flat_map(|trace| &trace.calls);
    let mut unknown: Vec<usize> = addresses
        .copied()
        .filter(|a| !cache.contains_key(a))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        cache.extend(look_up(&unknown));
    }
    traces.iter().map(|trace| text(trace, cache)).collect()
}

/// On a thread, which has the room for it. Without one the addresses stay unknown.
fn look_up(addresses: &[usize]) -> Cache {
    let look_up = || {
        let directory = env::current_dir().unwrap_or_default();
        let symbols = |&address: &usize| (address, symbols_at(address, &directory));
        addresses.iter().map(symbols).collect()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("corobin-symbols".into());
        let thread = thread.stack_size(STACK).spawn_scoped(scope, look_up);
        thread
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    })
}

fn symbols_at(address: usize, directory: &Path) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    ::backtrace::resolve(address as *mut _, |symbol| {
        let Some(name) = symbol.name() else { return };
        let place = symbol.filename().map(|file| {
            let file = file.strip_prefix(directory).unwrap_or(file);
            let mut place = file.display().to_string();
            for number in [symbol.lineno(), symbol.colno()].into_iter().flatten() {
                let _ = write!(place, ":{number}");
            }
            place
        });
        // Without the hash.
        symbols.push(Symbol {
            name: format!("{name:#}"),
            place,
        });
    });
    if symbols.is_empty() {
        // As in a program that was stripped of its symbols.
        let name = format!("{address:#x}");
        symbols.push(Symbol { name, place: None });
    }
    symbols
}

/// How much a function tells the user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Weight {
    /// Between a call and what it calls: closures, catches.
    Plumbing,
    /// Ours; what a coroutine waits for says more.
    Engine,
    User,
}

fn weight(name: &str) -> Weight {
    const PLUMBING: [&str; 10] = [
        "core::ops::function::",
        "core::panic::",
        "std::panic::",
        "std::panicking::",
        "__rust_try",
        "std::sys::backtrace::",
        "std::rt::",
        "std::thread::local::",
        "corosensei::",
        "stack_init_trampoline",
    ];
    const ENGINE: [&str; 2] = ["corobin::", "backtrace::"];
    let bare = name.trim_start_matches(['<', '&', '_']);
    let bare = bare.strip_prefix("dyn ").unwrap_or(bare);
    let is = |prefix: &&str| bare.starts_with(prefix) || name.starts_with(prefix);
    if PLUMBING.iter().any(is) || name.contains(" as core::ops::function::Fn") {
        Weight::Plumbing
    } else if ENGINE.iter().any(is) {
        Weight::Engine
    } else {
        Weight::User
    }
}

/// Whether it is a function of Rust's own libraries.
fn is_of_rust(name: &str) -> bool {
    let bare = name.trim_start_matches('<');
    ["core::", "alloc::", "std::"]
        .iter()
        .any(|library| bare.starts_with(library))
}

/// The user's frames; if there is none, those of the engine.
fn text(trace: &Trace, cache: &Cache) -> Option<String> {
    let symbols = trace
        .calls
        .iter()
        .filter_map(|address| cache.get(address))
        .flatten();
    let symbols: Vec<(&Symbol, Weight)> = symbols.map(|s| (s, weight(&s.name))).collect();
    let heaviest = [Weight::User, Weight::Engine];
    let shown = heaviest
        .into_iter()
        .find(|weight| symbols.iter().any(|(_, w)| w == weight))?;
    // What the engine itself has called is of no interest.
    let of_user = |(symbol, w): &(&Symbol, Weight)| *w == Weight::User && !is_of_rust(&symbol.name);
    let inner = symbols.iter().position(of_user).unwrap_or(0);
    let engine = symbols[..inner]
        .iter()
        .rposition(|(_, w)| *w == Weight::Engine);
    let shown = symbols[engine.unwrap_or(0)..]
        .iter()
        .filter(|(_, w)| *w == shown);
    let mut text = String::new();
    for (at, (symbol, _)) in shown.enumerate() {
        let _ = writeln!(text, "{at:4}: {}", symbol.name);
        if let Some(place) = &symbol.place {
            let _ = writeln!(text, "             at {place}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_weighed_by_their_names() {
        for name in [
            "core::ops::function::FnOnce::call_once",
            "<alloc::boxed::Box<F,A> as core::ops::function::FnOnce<Args>>::call_once",
            "<core::panic::unwind_safe::AssertUnwindSafe<F> as core::ops::function::FnOnce<()>>::call_once",
            "std::panicking::catch_unwind::do_call",
            "__rust_try",
            "stack_init_trampoline_return",
        ] {
            assert!(weight(name) == Weight::Plumbing, "{name}");
        }
        for name in ["corobin::time::sleep", "<corobin::time::Interval>::tick"] {
            assert!(weight(name) == Weight::Engine, "{name}");
        }
        for name in [
            "main::worker::{{closure}}",
            "<my::Type as std::ops::Drop>::drop",
            "std::thread::sleep",
        ] {
            assert!(weight(name) == Weight::User, "{name}");
        }
    }
}
