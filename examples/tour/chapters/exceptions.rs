use std::any::Any;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use corobin::{JoinError, JoinHandle, gather, gather_results, sleep, spawn};

use crate::text::{explain, note};

pub fn run() {
    corobin::run(|| {
        explain(
            "A coroutine that panics ends alone. Whoever joins it gets the panic as an error, with \
             its payload; nobody else notices.",
        );
        match spawn(my_coroutine).join() {
            Ok(()) => println!("    No exception?"),
            Err(error) => println!("    Caught an exception: {}", reason(&error)),
        }
        println!();

        explain("`gather` waits for many and returns the first error at once; the others go on:");
        let start = Instant::now();
        let result = gather(three(start));
        let answer = result.map_err(|error| reason(&error));
        note(start, &format!("gather returns {answer:?}"));
        sleep(Duration::from_millis(80));
        println!();

        explain("`gather_results` waits for all and keeps results and errors side by side:");
        let start = Instant::now();
        let results = gather_results(three(start));
        for (number, result) in (1..).zip(results) {
            let answer = result.map_err(|error| reason(&error));
            note(start, &format!("result {number}: {answer:?}"));
        }
    });
}

#[derive(Debug)]
struct ValueError(&'static str);

/// Panics with any payload. `panic!` would do the same and also print std's message on stderr.
fn raise(error: impl Any + Send) -> ! {
    resume_unwind(Box::new(error))
}

fn my_coroutine() {
    sleep(Duration::from_millis(10));
    raise(ValueError("Something went wrong!"));
}

/// One that is quick, one that fails, and one that takes longer than both.
fn three(start: Instant) -> [JoinHandle<&'static str>; 3] {
    let quick = spawn(|| {
        sleep(Duration::from_millis(10));
        "quick"
    });
    let broken = spawn(|| {
        sleep(Duration::from_millis(30));
        raise(ValueError("Something went wrong!"))
    });
    let slow = spawn(move || {
        sleep(Duration::from_millis(60));
        note(start, "the slow one comes to its end");
        "slow"
    });
    [quick, broken, slow]
}

fn reason(error: &JoinError) -> String {
    match error {
        JoinError::Panicked(payload) => match payload.downcast_ref::<ValueError>() {
            Some(ValueError(message)) => (*message).to_owned(),
            None => "some other panic".to_owned(),
        },
        other => other.to_string(),
    }
}
