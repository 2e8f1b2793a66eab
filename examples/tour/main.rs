//! The guided tour of corobin.
//!
//! `cargo run --release --example tour` runs every chapter; names of chapters as arguments run
//! only those. Each chapter is one small file in `chapters/`, meant to be read beside its output;
//! the last one, `measure/`, compares coroutines with OS threads on this machine.

mod args;
mod chapters;
mod measure;
mod text;

use std::process::ExitCode;

use args::Command;
use chapters::Chapter;

fn main() -> ExitCode {
    env_logger::init();
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Run(chapters)) => {
            chapters.into_iter().for_each(show);
            ExitCode::SUCCESS
        }
        Ok(Command::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Command::Child(job)) => measure::child(&job),
        Err(complaint) => {
            eprintln!("tour: {complaint}");
            ExitCode::from(2)
        }
    }
}

fn show(chapter: &Chapter) {
    println!(
        "{:═<80}",
        format!("══ {}: {} ", chapter.name, chapter.title)
    );
    println!();
    (chapter.run)();
    println!();
}
