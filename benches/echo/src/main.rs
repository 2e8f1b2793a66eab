//! Echo servers on one core, a load generator on the other, in interleaved rounds.
//!
//! `cargo run --release -- [--rounds K] [--seconds S] [--only SERVER]... [--row NAME]...`
//!
//! On loopback the kernel does nearly all of the work, of both sides; so what is compared is
//! the processor time that the server's process takes for a message, user and system. The
//! ratios are to tokio within a round; shown are medians.

mod bare;
mod load;
mod servers;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use load::{Load, Outcome};
use rustix::thread::{CpuSet, sched_setaffinity};

struct Row {
    name: &'static str,
    load: Load,
}

const fn row(name: &'static str, active: usize, idle: usize, size: usize) -> Row {
    let load = Load { active, idle, size };
    Row { name, load }
}

const ROWS: &[Row] = &[
    row("1", 1, 0, 64),
    row("100", 100, 0, 64),
    row("1000", 1_000, 0, 64),
    row("10000", 10_000, 0, 64),
    row("100x16K", 100, 0, 16 << 10),
    row("100+9900", 100, 9_900, 64),
];

/// What is compared with.
const BASE: &str = "tokio";

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", name, size] => {
            pin(0);
            servers::serve(name, size.parse().expect("a size"));
        }
        _ => compare(&words),
    }
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("two cores");
}

struct Options {
    rounds: usize,
    seconds: f64,
    servers: Vec<&'static str>,
    rows: Vec<&'static Row>,
}

fn parse(words: &[String]) -> Options {
    let mut options = Options {
        rounds: 5,
        seconds: 1.0,
        servers: Vec::new(),
        rows: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().expect("a value after an option");
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number"),
            "--seconds" => options.seconds = value.parse().expect("a number"),
            "--only" => {
                let names = servers::NAMES.iter();
                let name = names.copied().find(|name| name == value);
                options.servers.push(name.expect("a server's name"));
            }
            "--row" => {
                let row = ROWS.iter().find(|row| row.name == value);
                options.rows.push(row.expect("a row's name"));
            }
            word => panic!("{word}?"),
        }
    }
    if options.servers.is_empty() {
        options.servers = servers::NAMES.to_vec();
    }
    if options.rows.is_empty() {
        options.rows = ROWS.iter().collect();
    }
    options
}

fn compare(words: &[String]) {
    let options = parse(words);
    pin(1);
    println!(
        "{:>9}  {:<12} {:>9} {:>7} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "row", "server", "CPU us", "ratio", "msg/s", "ratio", "p50 us", "p99 us", "ratio"
    );
    for row in &options.rows {
        let mut outcomes: Vec<Vec<Outcome>> = options.servers.iter().map(|_| Vec::new()).collect();
        for round in 0..options.rounds {
            for turn in 0..options.servers.len() {
                let which = (turn + round) % options.servers.len();
                let outcome = measure(options.servers[which], row.load, options.seconds);
                outcomes[which].push(outcome);
            }
        }
        let base = options.servers.iter().position(|&name| name == BASE);
        for (name, all) in options.servers.iter().zip(&outcomes) {
            let of = |value: fn(&Outcome) -> f64| median(all.iter().map(value));
            let ratio = |value: fn(&Outcome) -> f64| {
                let base = base.map_or(&[][..], |base| &outcomes[base]);
                median(
                    all.iter()
                        .zip(base)
                        .map(|(ours, base)| value(ours) / value(base)),
                )
            };
            println!(
                "{:>9}  {name:<12} {:>9.2} {:>7.3} {:>9.0} {:>7.3} {:>9.0} {:>9.0} {:>7.3}",
                row.name,
                of(|outcome| outcome.cpu) * 1e6,
                ratio(|outcome| outcome.cpu),
                of(|outcome| outcome.rate),
                ratio(|outcome| outcome.rate),
                of(|outcome| outcome.p50) * 1e6,
                of(|outcome| outcome.p99) * 1e6,
                ratio(|outcome| outcome.p99),
            );
        }
    }
}

/// NaN of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A server's process; ends with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Processor time of all threads so far, in seconds.
    fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("a process");
        let nanos = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        nanos.sum::<f64>() / 1e9
    }
}

fn measure(name: &str, load: Load, seconds: f64) -> Outcome {
    let mut child = Command::new(env::current_exe().expect("our own path"))
        .args(["serve", name, &load.size.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process");
    let stdout = child.stdout.take().expect("it is piped");
    let server = Server(child);
    let mut address = String::new();
    BufReader::new(stdout)
        .read_line(&mut address)
        .expect("an address");
    let address = address.trim().parse().expect("an address");
    thread::sleep(Duration::from_millis(20));
    load::run(address, load, seconds, || server.cpu())
}
