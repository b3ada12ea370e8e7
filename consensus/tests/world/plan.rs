//! What a seed decides before the first event: how many validators, who is faulty and how, how long
//! and in what way everything goes wrong.
//!
//! Invariant: at most f validators are faulty or gone for good.

use std::collections::BTreeSet;

use consensus::Config;
use ledger::block::Header;

use super::adversary::Kind;
use super::epoch::genesis;
use super::random::Random;
use super::{CONFIG, Character};

/// One world's lot.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) characters: Vec<Character>,
    /// Correct validators that never come back after the storm.
    pub(crate) dead: usize,
    pub(crate) config: Config,
    pub(crate) genesis: Header,
    pub(crate) storm_ms: u64,
    /// After the storm, so long no block passes, while votes do.
    pub(crate) drought_ms: u64,
    /// What happens by itself happens so many times more slowly.
    pub(crate) pace: u64,
    pub(crate) crash_permille: u64,
    /// How often the weather brings a clock that jumps.
    pub(crate) clocks_permille: u64,
}

impl Plan {
    pub(crate) fn quiet(characters: &[Character], config: Config) -> Self {
        Self {
            characters: characters.to_vec(),
            dead: 0,
            config,
            genesis: genesis(),
            storm_ms: 0,
            drought_ms: 0,
            pace: 1,
            crash_permille: 0,
            clocks_permille: 0,
        }
    }

    pub(crate) fn drawn(random: &mut Random) -> Self {
        let validators = [4, 4, 4, 4, 4, 5, 5, 7, 7, 10][random.below(10) as usize];
        let faulty = (validators - 1) / 3;
        let mut characters = vec![Character::Honest; validators];
        for _ in 0..random.below(faulty as u64 * 2 + 1).min(faulty as u64) {
            let who = random.below(validators as u64) as usize;
            let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
            characters[who] =
                if kind == Kind::Twins { Character::Twin(false) } else { Character::Faulty(kind) };
        }
        let byzantine = characters.iter().filter(|c| **c != Character::Honest).count();
        let dead = if random.permille(300) { faulty - byzantine } else { 0 };
        let config = Config {
            view_window: random.between(4, 20),
            skips_max: random.between(2, 6) as usize,
            leader_skip_views: [0, 0, 6, 12][random.below(4) as usize],
            ..CONFIG
        };
        let drought = random.permille(20);
        Self {
            characters,
            dead,
            config,
            genesis: genesis(),
            storm_ms: if drought { 1500 } else { random.between(1500, 25_000) },
            drought_ms: if drought { random.between(60_000, 600_000) } else { 0 },
            pace: if drought { 10 } else { 1 },
            crash_permille: [0, 1, 5, 20][random.below(4) as usize],
            clocks_permille: [0, 0, 100, 400][random.below(4) as usize],
        }
    }

    /// The kinds of fault in it.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        let of = |character: &Character| match character {
            Character::Honest => None,
            Character::Twin(_) => Some(Kind::Twins),
            Character::Faulty(kind) => Some(*kind),
        };
        self.characters.iter().filter_map(of).collect()
    }
}
