use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use corobin::{sleep, spawn, to_thread, yield_now};

use crate::text::explain;

const BEAT: Duration = Duration::from_millis(10);
const WORK: Duration = Duration::from_millis(200);

pub fn run() {
    explain(
        "All coroutines share one thread, so a call that blocks the thread stops them all. \
         `to_thread` sends the call to a pool of threads, and only its caller waits. Beside each \
         call below, another coroutine's heart is to beat every 10 ms:",
    );
    corobin::run(|| {
        let blocked = longest_silence(|| thread::sleep(WORK));
        report("a blocking call of 200 ms", blocked);
        let free = longest_silence(|| to_thread(|| thread::sleep(WORK)));
        report("the same, in to_thread", free);
        println!();

        explain("The closure may borrow from its caller: the frame is not left before it ends.");
        let numbers: Vec<u64> = (1..=1_000_000).collect();
        let sum = to_thread(|| numbers.iter().sum::<u64>());
        println!("    1 + 2 + … + {} = {sum}", numbers.len());
    });
}

/// Runs `work` beside a beating heart; returns the longest time between two beats.
fn longest_silence(work: impl FnOnce()) -> Duration {
    let longest = Rc::new(Cell::new(Duration::ZERO));
    let heart = spawn({
        let longest = Rc::clone(&longest);
        move || {
            let mut last = Instant::now();
            loop {
                sleep(BEAT);
                longest.set(longest.get().max(last.elapsed()));
                last = Instant::now();
            }
        }
    });
    yield_now();
    work();
    // The beat that comes late must still be counted.
    sleep(BEAT);
    heart.cancel();
    heart
        .join()
        .expect_err("a heart beats until it is cancelled");
    longest.get()
}

fn report(what: &str, silence: Duration) {
    let millis = silence.as_millis();
    println!("    {what:<28} longest silence {millis:>4} ms");
}
