//! corobin next to its peers, in interleaved rounds within one process.
//!
//! ```text
//! cargo run --release --example compare                            everything, some minutes
//! cargo run --release --example compare -- --quick --only yield    one topic, some seconds
//! cargo run --release --example compare -- --html compare.html --csv compare.csv
//! ```
//!
//! One round measures every contender of a row once, and the next round starts with another one.
//! What is shown is the median of each contender, and the median of the ratios *within* a round:
//! a load that comes and goes on the machine moves the times, but hardly the ratios. A contender
//! whose spread is more than a third of its median is marked as noisy.

#[path = "../../benches/contenders/mod.rs"]
mod contenders;

mod args;
mod charts;
mod children;
mod csv;
mod html;
mod machine;
mod outside;
mod progress;
mod rounds;
mod rows;
mod table;
mod topics;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use args::{Command, Options};
use progress::Progress;
use rows::Measured;

fn main() -> ExitCode {
    let status = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Compare(options)) => compare(&options),
        Ok(Command::Child(words)) => {
            children::serve(&words);
            Ok(())
        }
        Ok(Command::Say(text)) => {
            println!("{text}");
            Ok(())
        }
        Err(complaint) => Err(complaint),
    };
    match status {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("compare: {complaint}");
            ExitCode::from(2)
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    if cfg!(debug_assertions) {
        eprintln!("compare: this is a debug build, its numbers mean nothing; use --release");
    }
    let machine = machine::describe();
    println!("{}\n", machine.join("\n"));
    let mut rows: Vec<_> = options
        .topics
        .iter()
        .flat_map(|topic| (topic.rows)(options.scale))
        .collect();
    let steps = rows.iter().map(|row| row.steps(options.rounds)).sum();
    let mut progress = Progress::new(steps);
    let mut measured: Vec<Measured> = Vec::new();
    for row in rows.drain(..) {
        let row = row.measure(options.rounds, &mut progress);
        progress.clear();
        println!("{}", table::of(&row));
        measured.push(row);
    }
    outside::clean_up();
    if let Some(path) = &options.csv {
        write(path, &csv::of(&measured))?;
    }
    if let Some(path) = &options.html {
        let page = html::page(&machine, options, &measured)?;
        write(path, &page)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}
