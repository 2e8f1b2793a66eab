//! Instructions that each hot path takes, counted under valgrind and held to `limits.txt`.
//!
//! ```text
//! cargo bench --bench instructions                 count and compare
//! cargo bench --bench instructions -- --update     write what was counted as the new limits
//! cargo bench --bench instructions -- NAME...      only these
//! ```
//!
//! A count does not depend on who else uses the machine, so one run is enough, and a few percent
//! mean something. A program runs twice, with `TIMES` turns and with twice as many; the difference
//! is free of all that starts and ends a run. What the kernel does is not counted. The compiler
//! decides as well: `limits.txt` says which one was used.

mod cases;
mod count;
mod limits;

use std::env;
use std::process::ExitCode;

use cases::{CASES, Case};
use limits::Limits;

/// Of what was recorded, before it counts as a regression.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let mut args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, times] = &args[..]
        && flag == "--child"
    {
        return count::serve(name, times);
    }
    // `cargo test --all-targets` starts benches too, in a debug build and without `--bench`.
    if !args.iter().any(|arg| arg == "--bench") {
        println!("usage: cargo bench --bench instructions -- [--update] [NAME]...");
        return ExitCode::SUCCESS;
    }
    args.retain(|arg| arg != "--bench");
    let update = args.iter().any(|arg| arg == "--update");
    args.retain(|arg| arg != "--update");
    match count_all(&args, update) {
        Ok(status) => status,
        Err(complaint) => {
            eprintln!("instructions: {complaint}");
            ExitCode::from(2)
        }
    }
}

fn count_all(names: &[String], update: bool) -> Result<ExitCode, String> {
    if let Some(name) = names.iter().find(|name| find(name).is_none()) {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("no `{name}`; there are {}", known.join(", ")));
    }
    let mut limits = Limits::read()?;
    let mut regressions = 0;
    println!("{:<28} {:>9} {:>9}", "instructions", "counted", "recorded");
    for case in &CASES {
        if !names.is_empty() && !names.iter().any(|name| name == case.name) {
            continue;
        }
        let counted = match count::count(case)? {
            Ok(counted) => counted,
            Err(why) => {
                println!("{:<28} not to be had here: {why}", case.name);
                continue;
            }
        };
        let recorded = limits.get(case.name);
        let word = match recorded {
            None => "  not recorded",
            Some(limit) if counted > limit * (1.0 + TOLERANCE) => "  MORE",
            Some(limit) if counted < limit * (1.0 - TOLERANCE) => "  less",
            Some(_) => "",
        };
        if word == "  MORE" || recorded.is_none() {
            regressions += 1;
        }
        let recorded = recorded.map_or("–".to_owned(), |limit| format!("{limit:.1}"));
        println!("{:<28} {counted:>9.1} {recorded:>9}{word}", case.name);
        limits.set(case.name, counted);
    }
    if update {
        limits.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    if regressions == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "instructions: {regressions} of these paths take over {:.0} % more instructions than \
         recorded, or were never recorded.\n\
         If that is the price of something worth it, say so in the commit message, and record it:\n\
         cargo bench --bench instructions -- --update",
        TOLERANCE * 100.0
    );
    if let Some(other) = limits.other_compiler() {
        eprintln!("Part of it may be the compiler's doing: {other}.");
    }
    Ok(ExitCode::FAILURE)
}

fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}
