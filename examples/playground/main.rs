//! The course as pages to play with: each program's run, step by step, beside its lines.
//!
//! ```sh
//! cargo run --example playground              # writes a folder: open playground/index.html
//! cargo run --example playground -- FOLDER
//! ```
//!
//! Run it where the source is, so that the pages can show it. They need no network.

mod programs;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use corobin::{RunError, Runtime};
use programs::{ALL, Program};

/// Frame and list; all that moves is in the pages of the programs.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>corobin: the course, to play with</title>
<style>
html, body { height: 100%; margin: 0; font: 15px/1.4 system-ui, sans-serif }
body { display: flex }
nav { flex: 0 0 15rem; overflow: auto; padding: 0 1rem; box-sizing: border-box }
h1 { font-size: 1.1rem }
ol { list-style: none; margin: 0; padding: 0 }
li { margin: 0 0 .8rem }
small { display: block; opacity: .75 }
iframe { flex: 1; border: 0; border-left: 1px solid #8888; min-width: 0 }
@media (max-width: 50rem) {
  body { flex-direction: column }
  nav { flex: 0 0 auto; max-height: 30%; padding: 0 .8rem }
  li { display: inline-block; margin: 0 .8rem .4rem 0 }
  h1, small { display: none }
  ol { padding-top: .6rem }
  iframe { border-left: 0; border-top: 1px solid #8888 }
}
</style>
"#;

fn page(program: &Program) -> String {
    format!("{}_{}.html", program.chapter, program.name)
}

/// Runs a program and leaves its trace. Time is virtual, so the order is the same each time.
fn play(program: &Program, folder: &Path) -> io::Result<()> {
    let path = folder.join(page(program));
    let mut runtime = Runtime::builder().virtual_time(true).trace(&path).build()?;
    match runtime.try_run(program.body) {
        // One of them is there to end like this.
        Ok(()) | Err(RunError::Deadlock(_)) => Ok(()),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

fn index() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("<nav><h1>The course, to play with</h1><ol>\n");
    for program in &ALL {
        let Program {
            chapter,
            title,
            watch,
            ..
        } = program;
        let page = page(program);
        text.push_str(&format!(
            "<li><a href=\"{page}\" target=\"player\">{chapter} · {title}</a><small>{watch}</small>\n"
        ));
    }
    let first = page(&ALL[0]);
    text.push_str(&format!(
        "</ol></nav>\n<iframe name=\"player\" title=\"the player\" src=\"{first}\"></iframe>\n"
    ));
    text
}

fn main() -> io::Result<()> {
    env_logger::init();
    let folder = std::env::args_os().nth(1);
    let folder = folder.map_or_else(|| PathBuf::from("playground"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    for program in &ALL {
        play(program, &folder)?;
    }
    let path = folder.join("index.html");
    fs::write(&path, index())?;
    println!("open {}", path.display());
    Ok(())
}
