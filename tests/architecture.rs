//! ARCHITECTURE.md against the tree: its layers, and the rooms with unsafe code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The code of a file: no comments, no unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `src/scheduler/end.rs` belongs to `scheduler`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap();
    let name = first.as_os_str().to_str().unwrap();
    name.trim_end_matches(".rs").to_owned()
}

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// The modules that `crate::…` names in a text.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, prefix) in text.match_indices("crate::") {
        // `$crate::` in a macro is the user's path to the crate.
        if text[..at].ends_with('$') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap(),
            None => rest.split(|c| !is_name(c)).next().unwrap(),
        };
        for name in names.split(',') {
            let name = name.trim().split(|c| !is_name(c)).next().unwrap();
            found.insert(name.to_owned());
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The first column of the table of layers: `| name [U] | … |`, from the lowest.
fn layers() -> Vec<(String, bool)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text
        .split("<!-- layers -->")
        .nth(1)
        .expect("the table of layers");
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let cell = row.split('|').next().unwrap();
            let name = cell.split('`').next().unwrap();
            (name.to_owned(), cell.contains("[U]"))
        })
        .collect()
}

#[test]
fn each_module_imports_only_from_layers_below() {
    let order: BTreeMap<String, usize> = (0..)
        .zip(layers())
        .map(|(at, (name, _))| (name, at))
        .collect();
    let mut modules = BTreeSet::new();
    for path in sources() {
        let module = module(&path);
        if module == "lib" {
            continue;
        }
        let own = *order
            .get(&module)
            .unwrap_or_else(|| panic!("`{module}` is not in ARCHITECTURE.md"));
        for import in imports(&code(&path)) {
            if import == module {
                continue;
            }
            let Some(&other) = order.get(&import) else {
                // A name at the crate's root.
                continue;
            };
            assert!(
                other < own,
                "{} imports `{import}`, which is not below `{module}`",
                path.display()
            );
        }
        modules.insert(module);
    }
    let listed: BTreeSet<String> = order.into_keys().collect();
    assert_eq!(
        listed, modules,
        "ARCHITECTURE.md lists modules that are not there"
    );
}

#[test]
fn unsafe_code_is_only_in_the_rooms_named_for_it() {
    let rooms: BTreeMap<String, bool> = layers().into_iter().collect();
    let mut used = BTreeSet::new();
    for path in sources() {
        let module = module(&path);
        let has_unsafe = code(&path)
            .split(|c: char| !is_name(c))
            .any(|word| word == "unsafe");
        if has_unsafe {
            assert!(rooms[&module], "{} has unsafe code", path.display());
            used.insert(module);
        }
    }
    for (room, is_room) in rooms {
        assert!(
            !is_room || used.contains(&room),
            "`{room}` has no unsafe code"
        );
    }
}

#[test]
fn files_are_small() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}
