//! The tables on stdout.

use crate::rows::{Line, Measured, ratio, short};

pub fn of(row: &Measured) -> String {
    let title = format!("{}, {}", row.title, row.unit);
    let mut text = format!(
        "{title:<40} {:>9} {:>9} {:>9} {:>9}  wanted\n",
        "median", "least", "greatest", "corobin ×"
    );
    for line in &row.lines {
        text += line_of(line).trim_end();
        text += "\n";
    }
    text
}

fn line_of(line: &Line) -> String {
    let mut text = format!(
        "  {:<38} {:>9} {:>9} {:>9} {:>9}",
        line.name,
        short(line.samples.median()),
        short(line.samples.least()),
        short(line.samples.greatest()),
        line.share.map(ratio).unwrap_or_default()
    );
    if let Some((limit, reached)) = line.at_most.zip(line.reached()) {
        let word = if reached { "ok" } else { "MISSED" };
        text += &format!("  ≤ {} {word}", ratio(limit));
    }
    if line.samples.is_noisy() {
        text += "  (noisy)";
    }
    text
}
