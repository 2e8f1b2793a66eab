//! The command line.

use crate::topics::{TOPICS, Topic};

pub enum Command {
    Compare {
        topics: Vec<&'static Topic>,
        rounds: usize,
    },
    /// This process was started by `children::measure`.
    Child(Vec<String>),
    /// Nothing to measure: only this to say.
    Say(String),
}

const DEFAULT_ROUNDS: usize = 7;

pub fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut args = args.peekable();
    if args.peek().is_none() {
        // `cargo test --all-targets` starts every bench so, in a debug build: no time to measure.
        return Ok(Command::Say(usage()));
    }
    let (mut topics, mut rounds) = (Vec::new(), DEFAULT_ROUNDS);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {} // cargo adds it
            "--help" | "-h" => return Ok(Command::Say(usage())),
            "--child" => return Ok(Command::Child(args.collect())),
            "--only" => {
                let name = args.next().ok_or("--only needs a name")?;
                let known = TOPICS.iter().find(|topic| topic.name == name);
                topics.push(known.ok_or_else(|| format!("no `{name}`\n{}", usage()))?);
            }
            "--rounds" => {
                rounds = args
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|&rounds| rounds > 0)
                    .ok_or("--rounds needs a number above 0")?;
            }
            _ => return Err(format!("unknown argument `{arg}`\n{}", usage())),
        }
    }
    if topics.is_empty() {
        topics = TOPICS.iter().collect();
    }
    Ok(Command::Compare { topics, rounds })
}

fn usage() -> String {
    let names: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
    format!(
        "usage: cargo bench --bench compare -- [--only NAME]... [--rounds K]\n\
         names: {}\n\
         rounds: {DEFAULT_ROUNDS} where nothing else is said",
        names.join(", ")
    )
}
