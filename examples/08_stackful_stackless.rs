//! 08 · Stackful and stackless: where the memory is, what each costs, and function colour.
//!
//! A coroutine waits with its whole stack in place. A future waits as a value that holds just what
//! it still needs. From this one difference all others follow, for better and for worse.

use std::fmt::Display;
use std::hint::black_box;
use std::task::Poll;
use std::time::Instant;

use corobin::{Generator, Yielder, block_on, park, run, snapshot, spawn, yield_now};

fn main() {
    println!("— Where the memory is, in bytes —");
    // A future's size is known to the compiler: the variables that live across an `await`.
    line("a future that waits", size_of_val(&lean()));
    line("… with 1 KiB that it still needs", size_of_val(&fat()));
    // A stack's size is a guess, but only touched pages cost memory: 4 KiB for the first.
    run(|| {
        line("a stack that waits", used_by(park));
        line(
            "… below a hundred calls",
            used_by(|| recurse(100, &mut park)),
        );
    });

    println!("\n— What each costs, in nanoseconds —");
    const TURNS: u32 = 100_000;
    for depth in [1, 100] {
        // Leaving a stack does not depend on how deep it is: a switch exchanges two pointers.
        let mut generator = Generator::new(move |y: &Yielder<()>| {
            recurse(depth, &mut || (0..TURNS).for_each(|_| y.yield_(())));
        });
        let start = Instant::now();
        generator.by_ref().for_each(drop);
        let turn = start.elapsed() / TURNS;
        line(&format!("a stack left from depth {depth}"), turn.as_nanos());
        // Leaving a future returns from each of its levels; entering it calls all of them again.
        let start = Instant::now();
        block_on(async_recurse(depth, TURNS));
        let turn = start.elapsed() / TURNS;
        line(
            &format!("a future left from depth {depth}"),
            turn.as_nanos(),
        );
    }

    println!("\n— Function colour —");
    // `sort_by_cached_key` is std's and knows nothing of coroutines; its closure can suspend all the
    // same, because std's frames just stay on the stack. An `async fn` could not `.await` in there: only
    // async code can wait for async code, so the colour spreads to every caller.
    run(|| {
        let other = spawn(|| println!("somebody else runs, in the middle of a sort"));
        let mut words = ["to", "whom", "it", "may", "concern"];
        words.sort_by_cached_key(|word| {
            yield_now();
            word.len()
        });
        println!("sorted: {}", words.join(" "));
        assert!(other.is_finished());
        // The other way round: any future is one blocking call for its coroutine.
        println!("from a future: {}", block_on(async { lean().await + 1 }));
    });
}

fn line(what: &str, figure: impl Display) {
    println!("{what:<34} {figure:>6}");
}

async fn lean() -> u32 {
    std::future::ready(6).await
}

async fn fat() -> u32 {
    let buffer = [1_u8; 1024];
    let more = std::future::ready(6).await;
    more + u32::from(buffer[0]) // used after the await, so it must be kept
}

/// How much of its stack a coroutine uses that waits in `body`.
fn used_by(body: impl FnOnce() + 'static) -> usize {
    let waiting = spawn(body);
    yield_now(); // it starts, and waits
    let everybody = snapshot().coroutines;
    waiting.cancel();
    everybody.last().expect("the one spawned last").stack_used
}

fn recurse(depth: u32, at_the_bottom: &mut dyn FnMut()) {
    match depth {
        0 => at_the_bottom(),
        _ => recurse(depth - 1, black_box(at_the_bottom)),
    }
}

/// A recursive future has no finite size unless each level is boxed.
async fn async_recurse(depth: u32, turns: u32) {
    if depth > 0 {
        Box::pin(async_recurse(depth - 1, turns)).await;
    } else {
        for _ in 0..turns {
            let mut pending = 0..1;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                pending.next().map_or(Poll::Ready(()), |_| Poll::Pending)
            })
            .await;
        }
    }
}

// A rule of thumb: futures, where the libraries you need are async, or where a task must take less
// than a page; coroutines, for plain code that waits anywhere, however deep; threads, for work that
// computes. ARCHITECTURE.md draws what is on a coroutine's stack.
