//! Links between instances: loss, delay, reordering, duplication, cuts in one or both directions,
//! slow links, links that no block body passes.
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
    /// What a link adds, in milliseconds; row: from; column: to.
    slow_ms: Vec<u64>,
    /// No block body arrives anywhere.
    bodies_lost: bool,
}

impl Network {
    /// Every packet arrives, within `bound_ms`.
    pub(crate) fn calm(instances: usize, bound_ms: u64) -> Self {
        Self {
            instances,
            loss_permille: 0,
            double_permille: 0,
            delay_ms: (1, bound_ms),
            cut: vec![false; instances * instances],
            slow_ms: vec![0; instances * instances],
            bodies_lost: false,
        }
    }

    /// Draws the weather for the next while.
    pub(crate) fn change(&mut self, random: &mut Random, bound_ms: u64) {
        *self = Self::calm(self.instances, bound_ms);
        let n = self.instances as u64;
        self.double_permille = [0, 50, 300][random.below(3) as usize];
        match random.below(9) {
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
            7 => {
                // Some links are slow for as long as this lasts, each in its own measure.
                let links = random.next();
                for link in 0..self.slow_ms.len() {
                    self.slow_ms[link] =
                        if links >> (link % 61) & 1 == 1 { random.between(100, 1500) } else { 0 };
                }
            }
            _ => {
                self.loss_permille = random.between(0, 400);
                let links = random.next();
                self.cut_where(|from, to| links >> ((from * 7 + to * 3) % 64) & 1 == 1);
            }
        }
    }

    /// Votes and certificates pass, blocks do not: views go on and nothing becomes final.
    pub(crate) fn drought(&mut self) {
        self.bodies_lost = true;
    }

    /// Loses so many packets of a thousand.
    pub(crate) fn lose(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    /// Every packet arrives after exactly so long.
    pub(crate) fn delay(&mut self, ms: u64) {
        self.delay_ms = (ms, ms);
    }

    /// Every packet arrives after so long, from one to the other, both included.
    pub(crate) fn between(&mut self, least_ms: u64, most_ms: u64) {
        self.delay_ms = (least_ms, most_ms);
    }

    /// What each link takes beside the delay of all.
    pub(crate) fn links(&mut self, ms: impl Fn(usize, usize) -> u64) {
        for link in 0..self.slow_ms.len() {
            self.slow_ms[link] = ms(link / self.instances, link % self.instances);
        }
    }

    pub(crate) fn cut_where(&mut self, cut: impl Fn(usize, usize) -> bool) {
        for from in 0..self.instances {
            for to in 0..self.instances {
                self.cut[from * self.instances + to] = from != to && cut(from, to);
            }
        }
    }

    /// After how many milliseconds each copy of a packet arrives; none if it is lost.
    pub(crate) fn arrivals(
        &self,
        random: &mut Random,
        from: usize,
        to: usize,
        body: bool,
    ) -> [Option<u64>; 2] {
        let link = from * self.instances + to;
        if self.cut[link] || body && self.bodies_lost || random.permille(self.loss_permille) {
            return [None, None];
        }
        let mut arrival = || self.slow_ms[link] + random.between(self.delay_ms.0, self.delay_ms.1);
        let first = arrival();
        let second = arrival();
        let doubled = random.permille(self.double_permille);
        [Some(first), doubled.then_some(second)]
    }
}
