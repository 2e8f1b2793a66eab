//! The command line.

use std::path::PathBuf;

use crate::topics::{Scale, TOPICS, Topic};

pub enum Command {
    Compare(Options),
    /// This process was started by `children`.
    Child(Vec<String>),
    /// Nothing to measure: only this to say.
    Say(String),
}

pub struct Options {
    pub topics: Vec<&'static Topic>,
    pub rounds: usize,
    pub scale: Scale,
    pub csv: Option<PathBuf>,
    pub html: Option<PathBuf>,
}

const ROUNDS: usize = 7;
const QUICK_ROUNDS: usize = 3;

pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut topics, mut rounds, mut quick) = (Vec::new(), None, false);
    let (mut csv, mut html) = (None, None);
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .ok_or(format!("{arg} needs a value\n{}", usage()))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(Command::Say(usage())),
            "--child" => return Ok(Command::Child(args.collect())),
            "--quick" => quick = true,
            "--csv" => csv = Some(value()?.into()),
            "--html" => html = Some(value()?.into()),
            "--only" => {
                let name = value()?;
                let known = TOPICS.iter().find(|topic| topic.name == name);
                topics.push(known.ok_or_else(|| format!("no `{name}`\n{}", usage()))?);
            }
            "--rounds" => {
                let number = value()?.parse().ok().filter(|&number| number > 0);
                rounds = Some(number.ok_or("--rounds needs a number above 0")?);
            }
            _ => return Err(format!("unknown argument `{arg}`\n{}", usage())),
        }
    }
    if topics.is_empty() {
        topics = TOPICS.iter().collect();
    }
    Ok(Command::Compare(Options {
        topics,
        rounds: rounds.unwrap_or(if quick { QUICK_ROUNDS } else { ROUNDS }),
        scale: Scale { quick },
        csv,
        html,
    }))
}

fn usage() -> String {
    let mut text = format!(
        "usage: cargo run --release --example compare -- [OPTION]...\n\
         \x20 --only NAME    this topic; may be given more than once\n\
         \x20 --quick        {QUICK_ROUNDS} rounds of an eighth, and no crowds above 10 000\n\
         \x20 --rounds K     {ROUNDS} where nothing else is said\n\
         \x20 --csv FILE     each contender of each row in a line\n\
         \x20 --html FILE    a page with charts, all in one file\n\
         topics:"
    );
    for topic in &TOPICS {
        text += &format!("\n  {:<14} {}", topic.name, topic.about);
    }
    text
}
