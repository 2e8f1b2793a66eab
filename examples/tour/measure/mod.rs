//! The measured table. Every number in it is taken while it is printed for.

mod child;
mod memory;
mod million;
mod progress;
mod sleepers;
mod spawn;
mod switch;
mod table;

pub use child::serve as child;

use progress::Progress;
use table::Row;

use crate::text::explain;

pub fn run() {
    explain(
        "The same programs on coroutines and on OS threads, here and now. Switching and starting \
         are medians of 5; memory is measured in a fresh process each.",
    );
    if cfg!(debug_assertions) {
        explain("This is a debug build: the times say little. Use `cargo run --release`.");
    }

    let mut progress = Progress::new(9);
    let mut rows = Vec::new();
    progress.step("switches of coroutines");
    let coroutines = switch::coroutines();
    progress.step("switches of threads");
    let threads = switch::threads();
    rows.push(Row::new(
        "switch (a token goes round 100)",
        table::time,
        coroutines,
        threads,
    ));

    progress.step("starts of coroutines");
    let coroutines = spawn::coroutines();
    progress.step("starts of threads");
    let threads = spawn::threads();
    rows.push(Row::new("spawn + join", table::time, coroutines, threads));

    progress.step("memory of 10 000 coroutines");
    let coroutines = memory::coroutines();
    progress.step("memory of 10 000 threads");
    let threads = memory::threads();
    rows.push(Row::new(
        "memory of one of 10 000, parked",
        table::size,
        coroutines,
        threads,
    ));

    progress.step("10 000 sleeping coroutines");
    let coroutines = sleepers::coroutines();
    progress.step("10 000 sleeping threads");
    let threads = sleepers::threads();
    rows.push(Row::new(
        "10 000 sleep 1 s: time above it",
        table::time,
        coroutines,
        threads,
    ));

    progress.step("1 000 000 coroutines");
    let million = million::measure();
    progress.finish();

    table::print(&rows);
    println!();
    million::print(&million);
    println!();
    println!("Memory is what the process holds, page tables included. The kernel's own side");
    println!("of a thread, a stack of 16 KiB among other things, comes on top.");
}

/// The median of five measurements: one that is disturbed does not count.
fn median_of_5(mut measure: impl FnMut() -> f64) -> f64 {
    let mut samples: [f64; 5] = std::array::from_fn(|_| measure());
    samples.sort_by(f64::total_cmp);
    samples[2]
}
