//! The tables on stdout.

use crate::rounds::{Contender, Samples, interleave};

/// Measures `contenders`, the first of which is corobin, and prints a line for each.
pub fn compare(title: &str, rounds: usize, mut contenders: Vec<Contender<'_>>) {
    let samples = interleave(rounds, &mut contenders);
    println!(
        "{title:<30} {:>9} {:>9} {:>9} {:>9}  wanted",
        "median", "least", "greatest", "corobin ×"
    );
    for (i, (contender, own)) in contenders.iter().zip(&samples).enumerate() {
        let median = own.median();
        let mut line = format!(
            "  {:<28} {:>9} {:>9} {:>9}",
            contender.name,
            short(median),
            short(own.least()),
            short(own.greatest())
        );
        if i > 0 {
            let share = samples[0].share_of(own);
            line += &format!(" {share:>9.4}");
            if let Some(limit) = contender.at_most {
                line += &format!("  {}", verdict(share, limit));
            }
        } else if let Some(limit) = contender.at_most {
            line += &format!(" {:>9}  {}", "", verdict(median, limit));
        }
        if is_noisy(own) {
            line += "  (noisy)";
        }
        println!("{}", line.trim_end());
    }
    println!();
}

fn verdict(value: f64, limit: f64) -> String {
    let word = if value <= limit { "ok" } else { "MISSED" };
    format!("≤ {limit} {word}")
}

fn is_noisy(samples: &Samples) -> bool {
    samples.greatest() - samples.least() > samples.median() / 3.0
}

/// Three significant digits where there are decimals, whole numbers above.
fn short(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}
