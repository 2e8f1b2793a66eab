//! 01 · A generator: a function that can be left.
//!
//! An ordinary call runs to its end before its caller goes on. A generator can be left in the
//! middle: it hands out a value, the caller goes on, and later it is entered again just there, with
//! its local variables as they were. All else in this course is built on that one ability.
//!
//! It works because the generator has a stack of its own. Leaving it saves a few registers and
//! makes the caller's stack the current one again; nothing is copied, and nothing is lost.

use corobin::{Generator, Yielder};

fn main() {
    println!("— Two functions take turns —");
    let cook = Generator::new(|y: &Yielder<&str>| {
        println!("        cook: chops onions");
        y.yield_("soup"); // left here …
        println!("        cook: whisks eggs"); // … and entered again here
        y.yield_("omelette");
        println!("        cook: goes home");
    });
    println!("waiter: asks for a dish"); // so far, nothing of the cook has run
    for dish in cook {
        println!("waiter: serves the {dish}, asks for the next");
    }
    println!("waiter: the kitchen is closed");

    println!("\n— As much of an endless series as is asked for —");
    let primes = Generator::new(|y: &Yielder<u32>| {
        let mut found = Vec::new(); // lives on the generator's stack, between the yields too
        for n in 2.. {
            if found.iter().all(|p| n % p != 0) {
                found.push(n);
                y.yield_(n);
            }
        }
    });
    // A generator that takes and returns nothing is an iterator, with all that iterators can do.
    let first: Vec<u32> = primes.skip(5).step_by(2).take(5).collect();
    println!("{first:?}");

    println!("\n— Left from any call depth —");
    // Each level of the recursion stays where it is while the caller prints a move. A Python
    // generator has one frame only: there, each level would be a generator of its own, chained to
    // the next by `yield from`.
    for (number, (from, to)) in (1..).zip(Generator::new(|y| hanoi(3, ["A", "B", "C"], y))) {
        println!("move {number}: from {from} to {to}");
    }

    println!("\n— Left for good —");
    let mut tour = Generator::new(|y: &Yielder<&str>| {
        let _coat = Garment("coat");
        let _hat = Garment("hat");
        y.yield_("the first room");
        y.yield_("the second room");
    });
    println!("visited {:?}", tour.next());
    // Nobody will ask for the rest. What is on its stack must still be cleaned up: dropping a
    // generator unwinds its stack, as a panic would, and destructors run, innermost first.
    drop(tour);
}

/// Moves a tower of `height` discs from the first peg to the last.
fn hanoi(height: u32, pegs: [&'static str; 3], y: &Yielder<(&'static str, &'static str)>) {
    let [from, between, to] = pegs;
    if height > 0 {
        hanoi(height - 1, [from, to, between], y);
        y.yield_((from, to));
        hanoi(height - 1, [between, from, to], y);
    }
}

struct Garment(&'static str);

impl Drop for Garment {
    fn drop(&mut self) {
        println!("takes the {}", self.0);
    }
}

// The real one is `src/generator/`; the switch itself is in `raw.rs` there, and the memory that it
// runs on in `src/stack/`.
