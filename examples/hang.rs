//! A deadlock, explained: three philosophers, each of whom waits for the next.
//!
//! ```sh
//! cargo run --example hang            # ends by itself, with the report
//! cargo run --example hang -- wait    # hangs: press Ctrl-\ to see where
//! ```

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use corobin::{Builder, JoinHandle, RunError, Runtime, run, sleep, try_current};

/// Log records name the coroutine that logs.
fn init_log() {
    let logger = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(logger)
        .format(|out, record| {
            let who = try_current().map_or("-".into(), |coroutine| coroutine.to_string());
            writeln!(out, "{:5} [{who}] {}", record.level(), record.args())
        })
        .init();
}

/// Each eats when the next one has finished, and the last when the first has.
fn dinner() {
    const NAMES: [&str; 3] = ["Aristotle", "Brahmagupta", "Confucius"];
    let table: Rc<RefCell<Vec<Option<JoinHandle<()>>>>> = Rc::default();
    for (at, name) in NAMES.iter().enumerate() {
        let neighbours = Rc::clone(&table);
        let philosopher = Builder::new().name(*name).spawn(move || {
            log::info!("picks up the fork on the left");
            let next = neighbours.borrow_mut()[(at + 1) % NAMES.len()].take();
            wait_for_fork(next);
        });
        table.borrow_mut().push(Some(philosopher.expect("a stack")));
    }
}

fn wait_for_fork(neighbour: Option<JoinHandle<()>>) {
    log::info!("waits for the fork on the right");
    drop(neighbour.expect("a neighbour").join());
}

fn main() -> std::io::Result<()> {
    init_log();
    if std::env::args().nth(1).as_deref() == Some("wait") {
        // A timer is pending, so this is no deadlock that corobin would report.
        eprintln!(
            "hangs; press Ctrl-\\ here, or: kill -QUIT {}",
            std::process::id()
        );
        run(|| {
            dinner();
            sleep(Duration::from_secs(3600));
        });
        return Ok(());
    }
    let outcome = Runtime::new()?.try_run(|| {
        dinner();
        corobin::park();
    });
    match outcome {
        Err(error @ RunError::Deadlock(_)) => eprintln!("{error}"),
        other => eprintln!("no deadlock: {other:?}"),
    }
    Ok(())
}
