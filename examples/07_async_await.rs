//! 07 · The same engine with Rust's `Future`: what `async` and `await` compile to.
//!
//! A generator's place is in its frames, on a stack. An `async fn` becomes a value that *is* its
//! place: an enum with a variant for each `await`, holding the variables that live across it.
//! "Enter it again" is a call of `poll`. The executor around it is the queue and the loop of 03.

use std::mem;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use corobin::{Generator, Yielder};

// ── One program, four ways: count to three, and let others run in between ───────────────────────

fn as_generator(name: &str, y: &Yielder<()>) {
    for count in 1..=3 {
        print!(" {name}{count}");
        y.yield_(()); // the place: an address, on this generator's stack
    }
}

fn as_coroutine(name: &str) {
    for count in 1..=3 {
        print!(" {name}{count}");
        corobin::yield_now(); // the same; to whom is not in the signature
    }
}

async fn as_async_fn(name: &'static str) {
    for count in 1..=3 {
        print!(" {name}{count}");
        YieldNow(false).await; // the place: a variant of an enum
    }
}

/// What the compiler makes of `as_async_fn`, by hand.
enum ByHand {
    Start(&'static str),
    AtAwait(&'static str, u32, YieldNow),
}

impl Future for ByHand {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (name, count) = match &mut *self {
            ByHand::Start(name) => (*name, 1),
            ByHand::AtAwait(name, count, awaited) => {
                if Pin::new(awaited).poll(context).is_pending() {
                    return Poll::Pending; // what `await` does: it passes "not yet" on
                }
                (*name, *count + 1)
            }
        };
        if count > 3 {
            return Poll::Ready(());
        }
        print!(" {name}{count}");
        *self = ByHand::AtAwait(name, count, YieldNow(false));
        self.poll(context) // what is awaited is polled at once
    }
}

/// The innermost future, where a wait really happens. Whether it has yielded is its whole state.
struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref(); // back to the queue, at once; a timer would do it later
        Poll::Pending
    }
}

// ── The executor: a queue, a loop, and wakers that put a task back ──────────────────────────────
type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Task(Mutex<Boxed>, Sender<Arc<Task>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let _ = self.1.send(self.clone()); // fails when the executor has gone: nobody waits
    }
}

fn execute(futures: [Boxed; 2]) {
    let (ready, queue) = channel();
    for future in futures {
        Arc::new(Task(Mutex::new(future), ready.clone())).wake();
    }
    drop(ready); // so the queue ends when no task is left that could be put back
    for task in queue {
        let waker = Waker::from(task.clone());
        let _ = (task.0.lock().unwrap().as_mut()).poll(&mut Context::from_waker(&waker));
    }
}

fn main() {
    print!("generator ");
    let mut tasks = ["A", "B"].map(|name| Generator::new(move |y| as_generator(name, y)));
    while tasks.iter_mut().filter_map(Iterator::next).count() > 0 {}
    print!("\ncoroutine ");
    corobin::run(|| {
        let both = ["A", "B"].map(|name| corobin::spawn(move || as_coroutine(name)));
        corobin::gather(both).expect("neither fails");
    });
    print!("\nasync fn  ");
    execute(["A", "B"].map(|name| Box::pin(as_async_fn(name)) as Boxed));
    print!("\nby hand   ");
    execute(["A", "B"].map(|name| Box::pin(ByHand::Start(name)) as Boxed));
    println!();
}

// The real ones: `src/block_on.rs` polls any `Future` from a coroutine, and the wakers it makes put
// the coroutine back; `src/inbox.rs` is how a waker does that from another thread.
