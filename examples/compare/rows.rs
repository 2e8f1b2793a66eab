//! What is measured together, and what came out.

use crate::progress::Progress;
use crate::rounds::{Contender, Samples, interleave};

/// Contenders for the same work, the first of which is corobin.
pub struct Row {
    pub title: String,
    pub unit: &'static str,
    /// The curves that this row is a point of, and how far to the right.
    pub curve: Option<(&'static str, usize)>,
    /// Once is enough for what does not depend on the load of the machine.
    pub once: bool,
    pub contenders: Vec<Contender>,
}

impl Row {
    pub fn new(title: impl Into<String>, unit: &'static str, contenders: Vec<Contender>) -> Self {
        Row {
            title: title.into(),
            unit,
            curve: None,
            once: false,
            contenders,
        }
    }

    pub fn on_curve(mut self, curve: &'static str, n: usize) -> Self {
        self.curve = Some((curve, n));
        self
    }

    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    fn rounds(&self, rounds: usize) -> usize {
        if self.once { 1 } else { rounds }
    }

    pub fn steps(&self, rounds: usize) -> usize {
        self.rounds(rounds) * self.contenders.len()
    }

    pub fn measure(mut self, rounds: usize, progress: &mut Progress) -> Measured {
        let rounds = self.rounds(rounds);
        let samples = interleave(rounds, &mut self.contenders, |round, name| {
            progress.step(&format!("{} · round {} · {name}", self.title, round + 1));
        });
        let first = samples[0].clone();
        let line = |(i, (contender, samples)): (usize, (Contender, Samples))| Line {
            name: contender.name,
            share: (i > 0).then(|| first.share_of(&samples)),
            at_most: contender.at_most,
            samples,
        };
        let lines = self.contenders.into_iter().zip(samples);
        Measured {
            title: self.title,
            unit: self.unit,
            curve: self.curve,
            lines: lines.enumerate().map(line).collect(),
        }
    }
}

/// A row that has been measured.
pub struct Measured {
    pub title: String,
    pub unit: &'static str,
    pub curve: Option<(&'static str, usize)>,
    pub lines: Vec<Line>,
}

/// One contender's part in it.
pub struct Line {
    pub name: String,
    pub samples: Samples,
    /// What corobin takes of this one's number; nothing for corobin itself.
    pub share: Option<f64>,
    pub at_most: Option<f64>,
}

impl Line {
    /// Whether what is wanted was reached, if something is.
    pub fn reached(&self) -> Option<bool> {
        let value = self.share.unwrap_or_else(|| self.samples.median());
        self.at_most.map(|limit| value <= limit)
    }
}

/// Three significant digits where there are decimals, whole numbers above.
pub fn short(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// A ratio with what it takes to tell small ones apart.
pub fn ratio(value: f64) -> String {
    match value {
        v if v < 0.1 => format!("{v:.5}"),
        v if v < 10.0 => format!("{v:.3}"),
        v => format!("{v:.1}"),
    }
}
