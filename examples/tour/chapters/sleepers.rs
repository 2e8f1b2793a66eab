use std::time::{Duration, Instant};

use corobin::{gather, sleep, spawn};

use crate::text::{explain, note};

pub fn run() {
    explain(
        "The first program of many an asyncio article: two coroutines sleep, one for longer than \
         the other (here 0.2 and 0.1 seconds, usually 2 and 1). While one waits, the thread runs \
         the other: the shorter sleep ends first, and both together take as long as the longer \
         one, not the sum.",
    );
    let start = Instant::now();
    corobin::run(|| {
        let task1 = spawn(move || my_coroutine(start, 0.2));
        let task2 = spawn(move || my_coroutine(start, 0.1));
        gather([task1, task2]).expect("neither sleeper fails");
    });
    note(start, "Both are back.");
}

fn my_coroutine(start: Instant, delay: f64) {
    let line = format!("Coroutine started, sleeping for {delay} seconds...");
    note(start, &line);
    sleep(Duration::from_secs_f64(delay));
    note(start, "Coroutine finished!");
}
