//! Links between instances: loss, delay, reordering, duplication, cuts in one or both directions.
//!
//! Invariant: once healed, every packet arrives within the bound.

use super::random::Random;

/// One kind of weather; it changes every now and then until the world heals.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    instances: usize,
    loss_permille: u64,
    double_permille: u64,
    delay_ms: (u64, u64),
    /// Row: from; column: to.
    cut: Vec<bool>,
}

impl Network {
    /// Every packet arrives, within `bound_ms`.
    pub(crate) fn calm(instances: usize, bound_ms: u64) -> Self {
        let cut = vec![false; instances * instances];
        Self { instances, loss_permille: 0, double_permille: 0, delay_ms: (1, bound_ms), cut }
    }

    /// Draws the weather for the next while.
    pub(crate) fn change(&mut self, random: &mut Random, bound_ms: u64) {
        *self = Self::calm(self.instances, bound_ms);
        let n = self.instances as u64;
        self.double_permille = [0, 50, 300][random.below(3) as usize];
        match random.below(8) {
            0 => {}
            1 => self.loss_permille = random.between(10, 300),
            2 => self.loss_permille = random.between(300, 900),
            3 => self.delay_ms = (1, bound_ms * random.between(2, 10)),
            4 => {
                // Two camps that do not hear each other.
                let camp = random.next();
                self.cut_where(|from, to| camp >> from & 1 != camp >> to & 1);
            }
            5 => {
                // One camp hears the other, not the other way round.
                let camp = random.next();
                self.cut_where(|from, to| camp >> from & 1 == 0 && camp >> to & 1 == 1);
            }
            6 => {
                let (alone, deaf, mute) =
                    (random.below(n) as usize, random.permille(700), random.permille(700));
                self.cut_where(|from, to| deaf && to == alone || mute && from == alone);
            }
            _ => {
                self.loss_permille = random.between(0, 400);
                let links = random.next();
                self.cut_where(|from, to| links >> ((from * 7 + to * 3) % 64) & 1 == 1);
            }
        }
    }

    /// Loses so many packets of a thousand.
    pub(crate) fn lose(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    /// Every packet arrives after exactly so long.
    pub(crate) fn delay(&mut self, ms: u64) {
        self.delay_ms = (ms, ms);
    }

    pub(crate) fn cut_where(&mut self, cut: impl Fn(usize, usize) -> bool) {
        for from in 0..self.instances {
            for to in 0..self.instances {
                self.cut[from * self.instances + to] = from != to && cut(from, to);
            }
        }
    }

    /// After how many milliseconds copies of a packet arrive; none if it is lost.
    pub(crate) fn arrivals(&self, random: &mut Random, from: usize, to: usize) -> Vec<u64> {
        if self.cut[from * self.instances + to] || random.permille(self.loss_permille) {
            return Vec::new();
        }
        let copies = if random.permille(self.double_permille) { 2 } else { 1 };
        (0..copies).map(|_| random.between(self.delay_ms.0, self.delay_ms.1)).collect()
    }
}
