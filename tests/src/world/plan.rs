//! What a seed decides before a world begins, and a whole run of it.

use super::World;
use super::adversary::Character;
use super::figures::Figures;
use crate::random::Random;

/// What a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Validators.
    pub validators: usize,
    /// How the first of them behave; at most f.
    pub faulty: Vec<Character>,
    /// How long the storm lasts.
    pub storm_ms: u64,
    /// Payment systems.
    pub lives: usize,
    /// Followers behind the validators.
    pub followers: usize,
    /// Changes of the validator set that people ask for.
    pub changes: usize,
    /// Whether more than f validators are lost for good in the end, and people begin again.
    pub recovery: bool,
}

impl Plan {
    /// The plan of a seed. Every third world has nobody who misbehaves, so that machines, disks and
    /// clocks may use up the faults alone.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x706c_616e);
        let validators = [4, 4, 4, 4, 5, 7][random.index(6)];
        let most = (validators - 1) / 3;
        let count = if random.permille(333) { 0 } else { 1 + random.index(most) };
        let faulty: Vec<Character> =
            (0..count).map(|_| Character::FAULTY[random.index(Character::FAULTY.len())]).collect();
        let storm_ms = [3000, 6000, 15_000][random.index(3)];
        let lives = random.between(3, 10) as usize;
        let governed = random.permille(350);
        let recovery = faulty.is_empty() && random.permille(100);
        Self {
            validators,
            faulty,
            storm_ms,
            lives,
            followers: match () {
                () if recovery => most + 1,
                () if governed => random.between(1, 2) as usize,
                () => 0,
            },
            changes: if governed { random.between(2, 5) as usize } else { 0 },
            recovery,
        }
    }
}

/// A whole run of one seed: a storm, healing, everything checked. Gives what happened, and the trace.
///
/// # Panics
/// When something does not hold.
pub fn play(seed: u64, telling: bool) -> (Figures, u64) {
    let plan = Plan::of(seed);
    let mut world = World::governed(seed, plan.validators, plan.followers, &plan.faulty);
    world = world.payments(plan.lives).changes(plan.changes);
    if plan.recovery {
        // What more than f disks lose beside those that are lost for good is beyond any promise.
        world = world.with_sound_disks();
    }
    if telling {
        println!("{plan:?}");
        world = world.telling();
    }
    world.storm(plan.storm_ms);
    if plan.recovery {
        world.lose_too_many();
        world.begin_again();
    }
    world.heal();
    world.check();
    (world.figures(), world.trace())
}
