//! Numbers for people, and the table of them.

/// One number, and what the machine refused on the way to it.
pub struct Measured {
    pub value: f64,
    pub refusal: Option<String>,
}

impl Measured {
    pub fn of(value: f64) -> Self {
        Measured {
            value,
            refusal: None,
        }
    }

    /// There is no number, and this is why.
    pub fn refused(reason: String) -> Self {
        Measured {
            value: f64::NAN,
            refusal: Some(reason),
        }
    }
}

pub struct Row {
    what: &'static str,
    unit: fn(f64) -> String,
    coroutines: Measured,
    threads: Measured,
}

impl Row {
    pub fn new(
        what: &'static str,
        unit: fn(f64) -> String,
        coroutines: Measured,
        threads: Measured,
    ) -> Self {
        Row {
            what,
            unit,
            coroutines,
            threads,
        }
    }
}

pub fn print(rows: &[Row]) {
    println!(
        "{:<32} {:>12} {:>12} {:>10}",
        "", "coroutines", "OS threads", "ratio"
    );
    for row in rows {
        let [coroutines, threads] = [&row.coroutines, &row.threads].map(|m| (row.unit)(m.value));
        let ratio = times(row.threads.value / row.coroutines.value);
        println!(
            "{:<32} {coroutines:>12} {threads:>12} {ratio:>10}",
            row.what
        );
        for refusal in [&row.coroutines, &row.threads]
            .into_iter()
            .flat_map(|m| &m.refusal)
        {
            println!("  {refusal}");
        }
    }
}

pub fn time(seconds: f64) -> String {
    scaled(seconds * 1e9, 1e3, &["ns", "µs", "ms", "s"])
}

pub fn size(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let decimals = usize::from(value < 100.0);
    format!("{value:.decimals$} {}", units[unit])
}

fn times(ratio: f64) -> String {
    match ratio {
        r if !r.is_finite() => "–".to_owned(),
        r if r < 100.0 => format!("{r:.1} ×"),
        r => format!("{} ×", grouped(r as u64)),
    }
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
