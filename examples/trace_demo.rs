//! Traces a small run: a kitchen with a chef, two cooks and a guest.
//!
//! ```text
//! cargo run --example trace_demo                    writes trace_demo.html: open it in a browser
//! cargo run --example trace_demo -- kitchen.json    for https://ui.perfetto.dev
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use corobin::{Builder, Coroutine, Runtime, current, park, sleep, timeout, to_thread, yield_now};

/// Orders, and the cook who waits for one.
#[derive(Default)]
struct Counter {
    orders: VecDeque<&'static str>,
    waiting: Vec<Coroutine>,
}

impl Counter {
    fn put(&mut self, order: &'static str) {
        self.orders.push_back(order);
        if let Some(cook) = self.waiting.pop() {
            cook.unpark();
        }
    }
}

/// Takes orders until somebody cancels it.
fn cook(counter: &RefCell<Counter>) {
    loop {
        let order = counter.borrow_mut().orders.pop_front();
        match order {
            Some(order) => {
                println!("{} cooks {order}", current().name().unwrap_or("a cook"));
                for _pan in 0..3 {
                    yield_now(); // others are ready too
                }
                sleep(Duration::from_millis(3)); // it simmers
            }
            None => {
                counter.borrow_mut().waiting.push(current());
                park(); // until the chef puts an order on the counter
            }
        }
    }
}

fn main() -> std::io::Result<()> {
    env_logger::init();
    let path = std::env::args().nth(1);
    let path = path.as_deref().unwrap_or("trace_demo.html");
    let mut runtime = Runtime::builder().trace(path).build()?;
    runtime.run(|| -> std::io::Result<()> {
        let counter = Rc::new(RefCell::new(Counter::default()));
        let cooks: Vec<_> = ["Ann", "Bob"]
            .into_iter()
            .map(|name| {
                let counter = Rc::clone(&counter);
                Builder::new().name(name).spawn(move || cook(&counter))
            })
            .collect::<Result<_, _>>()?;
        let chef = Builder::new().name("chef").spawn(move || {
            for order in ["soup", "salad", "pasta", "cake", "coffee"] {
                counter.borrow_mut().put(order);
                sleep(Duration::from_millis(1));
            }
            // Washing up blocks its thread, but not the loop.
            to_thread(|| std::thread::sleep(Duration::from_millis(4)));
        })?;
        let guest = Builder::new().name("guest").spawn(|| {
            let patience = Duration::from_millis(6);
            timeout(patience, || sleep(Duration::from_secs(60)))
        })?;
        if guest.join().is_ok_and(|served| served.is_err()) {
            println!("the guest has left");
        }
        if chef.join().is_ok() {
            println!("the kitchen closes");
        }
        drop(cooks); // the end of main cancels them
        Ok(())
    })?;
    println!("the trace is in {path}");
    Ok(())
}
