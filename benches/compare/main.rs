//! corobin next to its peers, in interleaved rounds within one process.
//!
//! `cargo bench --bench compare -- [--only NAME]... [--rounds K]`
//!
//! One round measures every contender of a row once, and the next round starts with another one.
//! What is shown is the median of each contender, and the median of the ratios *within* a round:
//! a load that comes and goes on the machine moves the times, but hardly the ratios. A row with a
//! spread of more than a third is marked as noisy.

#[path = "../contenders/mod.rs"]
mod contenders;

mod args;
mod children;
mod rounds;
mod rows;
mod sync;
mod topics;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Compare { topics, rounds }) => {
            for topic in topics {
                (topic.run)(rounds);
            }
            ExitCode::SUCCESS
        }
        Ok(Command::Child(words)) => children::serve(&words),
        Ok(Command::Say(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("compare: {complaint}");
            ExitCode::from(2)
        }
    }
}
