use corobin::{Generator, GeneratorState, Yielder};

use crate::text::explain;

pub fn run() {
    explain(
        "A generator has a stack of its own. It can stop in the middle of its work, hand out a \
         value, and go on later from there, with all its local variables in place.",
    );
    let mut fibonacci = Generator::new(fibonacci);
    let first: Vec<u64> = fibonacci.by_ref().take(12).collect();
    println!("    an endless series   {}", spaced(&first));
    println!();

    explain("Values also go in: what `send` passes is what the pending `yield_` returns.");
    let mut average = Generator::new(running_average);
    average.start();
    for value in [10.0, 30.0, 5.0] {
        if let GeneratorState::Yielded(mean) = average.send(value) {
            println!("    send {value:>4}           average {mean}");
        }
    }
    println!();

    explain("It may yield at any call depth: here from within a recursive walk of a tree.");
    let walk = Generator::new(|y: &Yielder<u32>| in_order(1, 15, y));
    println!(
        "    a tree, in order    {}",
        spaced(&walk.collect::<Vec<_>>())
    );
    println!();

    explain("A generator that is closed before its end unwinds: its destructors run.");
    let mut reader = Generator::new(|y: &Yielder<&str>| {
        let _file = OnDrop("    its destructor      the file is closed");
        y.yield_("the first line");
        y.yield_("never asked for");
    });
    if let GeneratorState::Yielded(line) = reader.start() {
        println!("    a reader            {line}");
    }
    reader.close();
}

fn fibonacci(y: &Yielder<u64>) {
    let (mut a, mut b) = (0, 1);
    loop {
        y.yield_(a);
        (a, b) = (b, a + b);
    }
}

fn running_average(y: &Yielder<f64, f64>) {
    let (mut sum, mut count, mut mean) = (0.0, 0.0, 0.0);
    loop {
        sum += y.yield_(mean);
        count += 1.0;
        mean = sum / count;
    }
}

/// Visits the balanced search tree over `least..=greatest`, smaller numbers first.
fn in_order(least: u32, greatest: u32, y: &Yielder<u32>) {
    if least > greatest {
        return;
    }
    let root = u32::midpoint(least, greatest);
    in_order(least, root - 1, y);
    y.yield_(root);
    in_order(root + 1, greatest, y);
}

struct OnDrop(&'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn spaced(values: &[impl ToString]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(" ")
}
