//! No zombies are left; alone in its process, whose children it looks at.

use corobin::process::{Command, Stdio};
use corobin::{sleep, spawn, timeout};
use std::time::Duration;

#[path = "common/backends.rs"]
mod backends;
use backends::on_each;

/// The states of our children: `Z` for a zombie.
fn children() -> Vec<char> {
    let own = std::process::id().to_string();
    let mut states = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path().join("stat");
        let Ok(stat) = std::fs::read_to_string(path) else {
            continue;
        };
        // The name, in parentheses, may hold anything.
        let mut fields = stat[stat.rfind(')').unwrap() + 1..].split_whitespace();
        let state = fields.next().unwrap().chars().next().unwrap();
        if fields.next() == Some(&own) {
            states.push(state);
        }
    }
    states
}

fn all_are_zombies(count: usize) -> bool {
    let children = children();
    children.len() == count && children.iter().all(|&state| state == 'Z')
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("0.02");
    command
}

#[test]
fn no_zombies_are_left() {
    on_each(|| {
        // Those that are waited for.
        let waits: Vec<_> = (0..100)
            .map(|_| spawn(|| sleeper().status().unwrap().success()))
            .collect();
        assert!(waits.into_iter().all(|wait| wait.join().unwrap()));
        assert_eq!(children(), []);

        // As with std one that nobody has waited for yet is one.
        let mut child = sleeper().spawn().unwrap();
        while !all_are_zombies(1) {
            sleep(Duration::from_millis(1));
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(children(), []);

        // A cancelled `output` and a dropped child are reaped by later spawns.
        for _ in 0..20 {
            let mut command = sleeper();
            assert!(timeout(Duration::from_millis(1), || command.output()).is_err());
            drop(sleeper().stdin(Stdio::null()).spawn().unwrap());
        }
        let mut spawns = 0;
        while !children().is_empty() {
            Command::new("true").status().unwrap();
            spawns += 1;
            sleep(Duration::from_millis(1));
            assert!(spawns < 10_000, "left: {:?}", children());
        }
    });
}
