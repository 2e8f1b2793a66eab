//! How the tour speaks.

use std::time::Instant;

const WIDTH: usize = 80;

/// A few lines of explanation, filled to the width of a terminal, and an empty line below.
pub fn explain(text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            println!("{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    println!("{line}\n");
}

/// A line of output, with the time since `start` before it.
pub fn note(start: Instant, line: &str) {
    println!("{:>8} ms  {line}", start.elapsed().as_millis());
}
