//! The command line.

use crate::chapters::{CHAPTERS, Chapter};

pub enum Command {
    Run(Vec<&'static Chapter>),
    Print(String),
    /// A measurement that another tour started in this process of its own.
    Child(Vec<String>),
}

pub fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut chapters = Vec::new();
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Command::Print(help())),
            "-l" | "--list" => return Ok(Command::Print(list())),
            "--child" => return Ok(Command::Child(args.collect())),
            option if option.starts_with('-') => {
                return Err(format!("no option `{option}`; --help shows what there is"));
            }
            name => chapters.push(find(name)?),
        }
    }
    if chapters.is_empty() {
        chapters = CHAPTERS.iter().collect();
    }
    Ok(Command::Run(chapters))
}

fn find(name: &str) -> Result<&'static Chapter, String> {
    let chapter = CHAPTERS.iter().find(|chapter| chapter.name == name);
    chapter.ok_or_else(|| {
        let names: Vec<_> = CHAPTERS.iter().map(|chapter| chapter.name).collect();
        format!("no chapter `{name}`\nchapters: {}", names.join(", "))
    })
}

fn list() -> String {
    CHAPTERS
        .iter()
        .map(|chapter| format!("{:<12} {}\n", chapter.name, chapter.title))
        .collect()
}

fn help() -> String {
    format!(
        "The guided tour of corobin: coroutines at work, then measured against OS threads.

usage: cargo run --release --example tour -- [CHAPTER]...

Without a chapter, all of them run in this order (about 10 seconds):

{}
options:
  -l, --list   names and titles of the chapters
  -h, --help   this text
",
        list()
    )
}
