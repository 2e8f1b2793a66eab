//! 02 · Send, throw, close, yield from: talking to a function that is paused.
//!
//! A generator is left *with* a value. Python's PEP 342 asked what may come back, and found three
//! answers: a value, an exception, or "there is no more". PEP 380 added a fourth wish: let another
//! generator speak in my place. With these, a generator is a coroutine.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use corobin::{Generator, GeneratorState, Yielder};

fn main() {
    println!("— send: what the pending yield_ returns —");
    // Python: `mean = yield mean`, driven by `next(g)` and then `g.send(10)`.
    let mut average = Generator::new(|y: &Yielder<f64, f64>| {
        let (mut sum, mut mean) = (0.0, 0.0);
        for count in 1.. {
            sum += y.yield_(mean);
            mean = sum / f64::from(count);
        }
    });
    // The first entry cannot bring a value: there is no yield yet to return it. So Python has
    // `next(g)` or `g.send(None)` for it, and here it is another method.
    average.start();
    for value in [10.0, 30.0, 5.0] {
        println!("send {value:>2} → {:?}", average.send(value));
    }

    println!("\n— throw: an error, raised where it is paused —");
    // Python: `g.throw(ValueError)`, and `try: … except` around the yield. Rust has panics for
    // errors that unwind, so a payload is raised at the yield, without a panic's message.
    let mut reader = Generator::new(|y: &Yielder<String>| {
        for page in 1.. {
            let turned = catch_unwind(AssertUnwindSafe(|| y.yield_(format!("page {page}"))));
            if let Err(payload) = turned {
                match payload.downcast::<Bookmark>() {
                    Ok(_) => y.yield_(format!("a bookmark at page {page}")),
                    // Not ours: let it pass, as `except Bookmark` would.
                    Err(other) => std::panic::resume_unwind(other),
                }
            }
        }
    });
    println!("start             → {:?}", reader.start());
    println!("send              → {:?}", reader.send(()));
    println!("throw Bookmark    → {}", thrown(&mut reader, Bookmark));
    println!("send              → {:?}", reader.send(()));
    println!("throw Interrupted → {}", thrown(&mut reader, Interrupted));
    println!("it has completed:   {}", reader.is_complete());

    println!("\n— close: there is no more —");
    // Python: `g.close()` raises GeneratorExit at the yield, and `finally` blocks run. Here
    // destructors are the `finally`.
    let mut file = Generator::new(|y: &Yielder<&str>| {
        let _open = Closes("the file is closed");
        let _lock = Closes("the lock is released");
        y.yield_("a line");
        y.yield_("another line");
    });
    println!("start → {:?}", file.start());
    file.close();
    println!("it has completed: {}", file.is_complete());

    println!("\n— yield_from: another one speaks in my place —");
    // Python: `result = yield from survey(…)`. Values, sends, throws and close pass through to the
    // inner generator; in the end its result is what `yield_from` returns. This is what `await`
    // grew out of: an awaiting function is one that lets the awaited one speak to the scheduler.
    let mut interview = Generator::new(|y: &Yielder<&str, &str>| {
        let name = y.yield_from(&mut ask("your name?", "your full name?"));
        let town = y.yield_from(&mut ask("your town?", "which town, exactly?"));
        format!("{name} of {town}")
    });
    println!("start             → {:?}", interview.start());
    for answer in ["", "Ada Lovelace", "London"] {
        println!("send {answer:<12} → {:?}", interview.send(answer));
    }
}

/// A part of a dialogue, to be used in several: asks once, and again if nothing comes.
fn ask(
    question: &'static str,
    again: &'static str,
) -> Generator<&'static str, &'static str, String> {
    Generator::new(move |y: &Yielder<&str, &str>| {
        let answer = y.yield_(question);
        let answer = if answer.is_empty() {
            y.yield_(again)
        } else {
            answer
        };
        answer.to_owned()
    })
}

struct Bookmark;
struct Interrupted;

fn thrown(generator: &mut Generator<String>, payload: impl Any + Send) -> String {
    match generator.throw(Box::new(payload)) {
        Ok(GeneratorState::Yielded(text)) => format!("caught; it yields {text:?}"),
        Ok(GeneratorState::Complete(())) => "caught; it returns".to_owned(),
        Err(_) => "not caught; it comes back to us".to_owned(),
    }
}

struct Closes(&'static str);

impl Drop for Closes {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}
