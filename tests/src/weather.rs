//! Links between nodes: loss, delay, reordering, duplication, damage, little bandwidth, cuts in one or
//! both directions.
//!
//! Invariant: once calm, every packet arrives whole and within the bound.

use crate::random::Random;

/// No calm link is slower than this, in milliseconds.
pub const CALM_DELAY_MS: u64 = 40;

/// One kind of weather; it changes every now and then until the world heals.
#[derive(Clone, Debug)]
pub struct Weather {
    nodes: usize,
    loss_permille: u64,
    double_permille: u64,
    damage_permille: u64,
    delay_ms: (u64, u64),
    /// Bytes that a link carries in a millisecond; 0: as many as there are.
    bytes_per_ms: u64,
    /// Row: from; column: to.
    cut: Vec<bool>,
    /// When a slow link has carried what was given to it; row: from; column: to.
    busy_until: Vec<u64>,
}

/// A slow link drops what would have to wait longer, as a full buffer does.
const QUEUE_MS_MAX: u64 = 20_000;

/// What became of a packet.
pub struct Passage {
    /// After how many milliseconds each copy arrives; empty if it is lost.
    pub arrivals: Vec<u64>,
    /// Whether its bytes were changed on the way.
    pub damaged: bool,
}

impl Weather {
    /// Every packet arrives.
    pub fn calm(nodes: usize) -> Self {
        Self {
            nodes,
            loss_permille: 0,
            double_permille: 0,
            damage_permille: 0,
            delay_ms: (1, CALM_DELAY_MS),
            bytes_per_ms: 0,
            cut: vec![false; nodes * nodes],
            busy_until: vec![0; nodes * nodes],
        }
    }

    /// Draws the weather for the next while.
    pub fn change(&mut self, random: &mut Random) {
        *self = Self::calm(self.nodes);
        self.double_permille = [0, 50, 300][random.index(3)];
        self.damage_permille = [0, 0, 20, 100][random.index(4)];
        match random.below(10) {
            0 => {}
            7 => self.bytes_per_ms = random.between(4, 60),
            1 => self.loss_permille = random.between(10, 300),
            2 => self.loss_permille = random.between(300, 800),
            3 => self.delay_ms = (1, CALM_DELAY_MS * random.between(2, 40)),
            4 => {
                let camp = random.next();
                self.cut_where(|from, to| camp >> from & 1 != camp >> to & 1);
            }
            5 => {
                // One camp hears the other, not the other way round.
                let camp = random.next();
                self.cut_where(|from, to| camp >> from & 1 == 0 && camp >> to & 1 == 1);
            }
            6 => {
                let alone = random.index(self.nodes);
                let (deaf, mute) = (random.permille(700), random.permille(700));
                self.cut_where(|from, to| deaf && to == alone || mute && from == alone);
            }
            _ => {
                self.loss_permille = random.between(0, 400);
                let links = random.next();
                self.cut_where(|from, to| links >> ((from * 7 + to * 3) % 64) & 1 == 1);
            }
        }
    }

    /// Cuts one node off, in both directions, in addition to what is cut.
    pub fn isolate(&mut self, node: usize) {
        for other in 0..self.nodes {
            self.cut[node * self.nodes + other] = true;
            self.cut[other * self.nodes + node] = true;
        }
    }

    /// Every packet arrives again.
    pub fn calm_down(&mut self) {
        *self = Self::calm(self.nodes);
    }

    /// Nobody hears one node any more, which hears the others.
    pub fn mute(&mut self, node: usize) {
        for other in 0..self.nodes {
            self.cut[node * self.nodes + other] = true;
        }
    }

    fn cut_where(&mut self, cut: impl Fn(usize, usize) -> bool) {
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                self.cut[from * self.nodes + to] = from != to && cut(from, to);
            }
        }
    }

    /// Every packet is lost with this chance, in thousandths.
    pub fn lose(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    /// Every link carries only so many bytes in a millisecond.
    pub fn throttle(&mut self, bytes_per_ms: u64) {
        self.bytes_per_ms = bytes_per_ms;
    }

    /// What becomes of a packet of so many bytes that is sent now.
    pub fn passage(&mut self, random: &mut Random, now: u64, link: (usize, usize), bytes: usize) -> Passage {
        let place = link.0 * self.nodes + link.1;
        let lost = Passage { arrivals: Vec::new(), damaged: false };
        if self.cut[place] || random.permille(self.loss_permille) {
            return lost;
        }
        let mut queue_ms = 0;
        if self.bytes_per_ms > 0 {
            let begins = self.busy_until[place].max(now);
            if begins - now > QUEUE_MS_MAX {
                return lost;
            }
            self.busy_until[place] = begins + bytes as u64 / self.bytes_per_ms;
            queue_ms = self.busy_until[place] - now;
        }
        let copies = if random.permille(self.double_permille) { 2 } else { 1 };
        let (least, most) = self.delay_ms;
        let arrivals = (0..copies).map(|_| queue_ms + random.between(least, most)).collect();
        Passage { arrivals, damaged: random.permille(self.damage_permille) }
    }
}
