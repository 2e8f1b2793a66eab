use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use corobin::{Builder, Generator, Yielder, current, yield_now};

use crate::text::explain;

const NAMES: [&str; 3] = ["A", "B", "C"];
const TURNS: u32 = 3;

pub fn run() {
    explain(
        "A scheduler in one loop: take the first generator off the queue, run it to its next yield, \
         put it back at the end. Everybody gets a turn before anybody gets two.",
    );
    let by_hand = by_hand();
    println!();

    explain(
        "The engine does the same with its coroutines; each of these says its name, then calls \
         `yield_now`:",
    );
    let by_engine = by_engine();
    println!("    the loop above      {}", by_hand.join(" "));
    println!("    corobin             {}", by_engine.join(" "));
    assert_eq!(by_hand, by_engine, "the engine is not round robin");
}

/// Runs three generators in turn and returns whose turns they were.
fn by_hand() -> Vec<String> {
    let three_turns = |y: &Yielder<u32>| (1..=TURNS).for_each(|turn| y.yield_(turn));
    let mut ready: VecDeque<(&str, Generator<u32>)> =
        NAMES.map(|name| (name, Generator::new(three_turns))).into();
    let mut turns = Vec::new();
    while let Some((name, mut generator)) = ready.pop_front() {
        if let Some(turn) = generator.next() {
            turns.push(name.to_owned());
            ready.push_back((name, generator));
            let queue: Vec<_> = ready.iter().map(|(name, _)| *name).collect();
            println!(
                "    {name} runs, turn {turn}      queue: {}",
                queue.join(" ")
            );
        }
    }
    turns
}

/// The same with coroutines.
fn by_engine() -> Vec<String> {
    corobin::run(|| {
        let turns = Rc::new(RefCell::new(Vec::new()));
        let handles = NAMES.map(|name| {
            let turns = Rc::clone(&turns);
            let body = move || {
                for _ in 0..TURNS {
                    let name = current().name().unwrap_or("?").to_owned();
                    turns.borrow_mut().push(name);
                    yield_now();
                }
            };
            Builder::new().name(name).spawn(body).expect("a stack")
        });
        for handle in handles {
            handle.join().expect("no participant fails");
        }
        turns.take()
    })
}
