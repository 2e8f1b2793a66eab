//! The watchdog: who holds up all others, and where.
//!
//! ```sh
//! cargo run --example slow
//! ```
//!
//! In a program of your own, set `COROBIN_DEBUG=1`.

use std::io::Write;
use std::time::{Duration, Instant};

use corobin::{Builder, Runtime, interval, to_thread, try_current};

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

fn checksum(bytes: usize) -> u64 {
    let start = Instant::now();
    let mut sum = 0_u64;
    while start.elapsed() < Duration::from_millis(300) {
        for byte in 0..bytes as u64 {
            sum = sum.rotate_left(5) ^ byte;
        }
    }
    sum
}

fn work() {
    log::info!("computes, and nobody else runs");
    std::hint::black_box(checksum(4096));
    log::info!("computes on a thread, and all others go on");
    std::hint::black_box(to_thread(|| checksum(4096)));
    log::info!("done");
}

fn main() -> std::io::Result<()> {
    init_log();
    let mut runtime = Runtime::builder()
        .debug(true)
        .slow_step(Duration::from_millis(50))
        .build()?;
    runtime.run(|| {
        let clock = Builder::new().name("clock").spawn(|| {
            let mut every = interval(Duration::from_millis(100));
            let start = Instant::now();
            loop {
                every.tick();
                log::info!("tick at {:.0?}", start.elapsed());
            }
        });
        let worker = Builder::new().name("worker").spawn(work)?;
        let _ = worker.join();
        clock?.cancel();
        Ok(())
    })
}
