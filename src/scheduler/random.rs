//! The random numbers that a `select!` picks with.

use super::Scheduler;

impl Scheduler {
    /// A random number below `n`; with a seed, the same ones in every run.
    #[inline]
    pub(crate) fn random_below(&self, n: usize) -> usize {
        // Not quite even for a huge `n`, and that does not matter.
        let number = (u64::from(self.draw(|random| random.u32(..))) * n as u64) >> 32;
        number as usize
    }

    #[inline]
    fn draw<R>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> R) -> R {
        let mut random = fastrand::Rng::with_seed(self.random.get());
        let drawn = draw(&mut random);
        self.random.set(random.get_seed());
        drawn
    }

    /// True as often as false, at random; with a seed, the same answers in every run.
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
        let tosses = self.draw(|random| random.u64(..));
        self.tosses.set(tosses >> 1 | 1 << (u64::BITS - 1));
        tosses & 1 == 1
    }
}
