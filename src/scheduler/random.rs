//! The random numbers that a `select!` picks with.

use super::Scheduler;

/// The most tosses that are settled in advance.
const TOSSES: usize = 63;

impl Scheduler {
    /// A random number below `n`; with a seed, the same ones in every run.
    #[inline]
    pub(crate) fn random_below(&self, n: usize) -> usize {
        let mut random = fastrand::Rng::with_seed(self.random.get());
        // Not quite even for a huge `n`, and that does not matter.
        let number = (u64::from(random.u32(..)) * n as u64) >> 32;
        self.random.set(random.get_seed());
        number as usize
    }

    /// True as often as false. It alternates, since a branch predictor foresees that, and
    /// begins again at random after at most 64 answers. With a seed each answer is random.
    #[inline(always)]
    pub(crate) fn toss(&self) -> bool {
        let tosses = self.tosses.get();
        if tosses == 1 {
            return self.toss_anew();
        }
        self.tosses.set(tosses >> 1);
        tosses & 1 == 1
    }

    #[cold]
    #[inline(never)]
    fn toss_anew(&self) -> bool {
        let first = self.random_below(2) == 0;
        if !self.ready.is_seeded() {
            let more = 1 + self.random_below(TOSSES);
            let turns = u64::MAX / 3 * (1 + u64::from(first));
            let above = 1_u64 << more;
            self.tosses.set(above | turns & (above - 1));
        }
        first
    }
}
