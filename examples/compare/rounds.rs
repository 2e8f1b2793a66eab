//! Interleaved rounds, and what to make of their samples.

/// One of those that are measured in turn.
pub struct Contender {
    pub name: String,
    /// Measures once and returns one number, the smaller the better.
    pub measure: Box<dyn FnMut() -> f64>,
    /// For the first one, the greatest number that is wanted. For others, the greatest share of
    /// their number that the first one may take.
    pub at_most: Option<f64>,
}

impl Contender {
    pub fn new(name: impl Into<String>, measure: impl FnMut() -> f64 + 'static) -> Self {
        Contender {
            name: name.into(),
            measure: Box::new(measure),
            at_most: None,
        }
    }

    pub fn at_most(mut self, limit: f64) -> Self {
        self.at_most = Some(limit);
        self
    }
}

/// The numbers of one contender, one for each round.
#[derive(Clone)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn greatest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Median of the shares that `self` takes of `other`, round by round.
    pub fn share_of(&self, other: &Samples) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    pub fn is_noisy(&self) -> bool {
        self.greatest() - self.least() > self.median() / 3.0
    }
}

/// Measures every contender once in each round. Each round starts with another contender, since
/// the first one after a pause may find caches and clock frequency in another state.
pub fn interleave(
    rounds: usize,
    contenders: &mut [Contender],
    mut begins: impl FnMut(usize, &str),
) -> Vec<Samples> {
    let n = contenders.len();
    let mut samples: Vec<_> = (0..n).map(|_| Samples(Vec::new())).collect();
    for round in 0..rounds {
        for turn in 0..n {
            let i = (round + turn) % n;
            begins(round, &contenders[i].name);
            samples[i].0.push((contenders[i].measure)());
        }
    }
    samples
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        f64::midpoint(numbers[middle - 1], numbers[middle])
    }
}
