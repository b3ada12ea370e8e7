//! The life of one instance: it takes inputs, loses power, comes back, and is weighed; and what the
//! world does to all of them: weather, clocks, healing.
//!
//! Invariant: a restart knows what the disk holds, and nothing else.

use std::collections::BTreeMap;

use consensus::event::{Effect, Input};
use consensus::{Consensus, Restored, Start};
use ledger::block::View;

use super::checker::Witness;
use super::network::Network;
use super::{BEGINNING_MS, Event, SKEW_MS, World};

/// Memory is weighed at every so many inputs.
const WEIGHED_EVERY: u64 = 32;
/// What one input may call for, beside what open views do.
const EFFECTS_MAX: u64 = 300;

impl World {
    pub(super) fn input(&mut self, at: usize, input: Input) {
        let now = self.clock(at);
        let Some(core) = &self.instances[at].core else { return };
        let before = core.view();
        if let Input::Checked { block, valid: true } = &input {
            self.instances[at].executed.insert(*block);
        }
        if self.verbose {
            println!("{:>6} #{at} v{before} <- {input:?}", self.now - BEGINNING_MS);
        }
        let instance = &mut self.instances[at];
        let Some(core) = &mut instance.core else { return };
        let effects = core.handle(now, input);
        instance.inputs += 1;
        assert!(core.view() >= before, "invariant 11: the view went back");
        assert!(core.wake_at().is_none_or(|wake| wake > now), "a wake-up that is not later");
        if instance.character == super::Character::Honest {
            if core.view() > before {
                self.checker.on_entered(core.view(), &core.status());
            }
            let open = core.view().0 - core.finalized().1.0;
            let most = EFFECTS_MAX + 4 * open;
            assert!(effects.len() as u64 <= most, "invariant 12: {} effects at once", effects.len());
            if instance.inputs.is_multiple_of(WEIGHED_EVERY) {
                self.weigh(at);
            }
        }
        self.carry_out(at, effects);
    }

    /// Invariant 12: what is tracked goes by open views, whoever sends how much.
    pub(super) fn weigh(&self, at: usize) {
        let Some(core) = &self.instances[at].core else { return };
        let stats = core.stats();
        let open = core.view().0 - core.finalized().1.0;
        let most = self.config.view_window + open + 2;
        assert!(stats.views as u64 <= most, "invariant 12: {} views tracked, at most {most}", stats.views);
        let most = 4 * open + 4;
        assert!(stats.blocks as u64 <= most, "invariant 12: {} blocks tracked, at most {most}", stats.blocks);
    }

    pub(super) fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        let boot = self.instances[at].boot;
        for effect in effects {
            if self.verbose {
                println!("{:>6} #{at}      -> {effect:?}", self.now - BEGINNING_MS);
            }
            self.effect(at, effect);
            if self.instances[at].boot != boot || self.power_fails(at) {
                return;
            }
        }
        let instance = &mut self.instances[at];
        let wake_at = instance.core.as_ref().and_then(Consensus::wake_at);
        let wake_at = wake_at.map(|wake| wake.0.saturating_add_signed(-instance.skew_ms).max(self.now));
        if instance.wake_at != wake_at {
            instance.wake_at = wake_at;
            let (to, boot) = (at, instance.boot);
            if let Some(wake_at) = wake_at {
                self.later(wake_at - self.now, Event::Wake { to, boot });
            }
        }
    }

    /// A moment at which power may fail; true if it does.
    pub(super) fn power_fails(&mut self, at: usize) -> bool {
        self.perils += 1;
        if self.healed || self.instances[at].core.is_none() {
            return false;
        }
        let fails = self.fails_at == Some(self.perils) || self.random.permille(self.plan.crash_permille);
        if fails {
            self.crash(at);
        }
        fails
    }

    pub(super) fn crash(&mut self, at: usize) {
        if self.healed || self.instances[at].core.is_none() {
            return;
        }
        self.lose_power(at);
        let down_ms = [20, 500, 4000][self.random.below(3) as usize];
        let down_ms = self.random.between(1, down_ms);
        self.later(down_ms, Event::Restart(at));
    }

    fn lose_power(&mut self, at: usize) {
        let written = self.instances[at].disk.pending() as u64;
        let lucky = self.random.below(written + 1) as usize;
        let instance = &mut self.instances[at];
        instance.core = None;
        instance.boot += 1;
        instance.wake_at = None;
        instance.disk.lose_power(lucky);
        instance.bodies.clear();
        instance.waiting.clear();
        self.outcome.crashes += 1;
        self.note(&[1, at as u64]);
    }

    /// The process dies, and does not come back by itself.
    pub(crate) fn stop(&mut self, at: usize) {
        if self.instances[at].core.is_some() {
            self.lose_power(at);
        }
        self.instances[at].dead = true;
    }

    /// It comes back, with what its disk holds.
    pub(crate) fn start(&mut self, at: usize) {
        self.instances[at].dead = false;
        self.restart(at);
    }

    /// From what is on the disk, and nothing else.
    pub(super) fn restart(&mut self, at: usize) {
        self.note(&[2, at as u64]);
        let now = self.clock(at);
        let instance = &mut self.instances[at];
        if instance.mind.as_ref().is_some_and(|mind| mind.forgets()) {
            instance.disk.durable.statements.clear();
        }
        let disk = &instance.disk.durable;
        let finalized = disk.finalized.last().map(|(header, proof)| {
            (header.clone(), proof.finalization.clone().expect("the last one has its own"))
        });
        instance.bodies = disk.blocks.clone();
        (instance.executed, instance.built) = Default::default();
        instance.witness = Witness::default();
        if let Some((header, _)) = &finalized {
            instance.bodies.insert(header.hash(), header.clone());
        }
        let restored = Restored {
            finalized,
            statements: disk.statements.iter().copied().collect(),
            certificates: disk.certificates.clone(),
            headers: disk.blocks.values().cloned().collect(),
        };
        let start = Start {
            chain: self.genesis.chain,
            validators: self.set.clone(),
            me: Some(instance.id),
            genesis: self.genesis.clone(),
            vote_from: View(0),
        };
        let (core, effects) = Consensus::new(self.config.clone(), start, restored, now);
        assert!(
            !instance.is_honest() || core.view() >= self.checker.highest_vote(instance.id),
            "invariant 11: the view went back over votes"
        );
        instance.core = Some(core);
        self.carry_out(at, effects);
    }

    /// The weather turns fair, clocks are set, everybody who will ever come back does, and somebody
    /// alone knows of one more transaction.
    pub(super) fn heal(&mut self) {
        self.note(&[7]);
        self.healed = true;
        self.network = Network::calm(self.instances.len(), self.config.delta_ms / 4);
        for at in 0..self.instances.len() {
            self.instances[at].skew_ms = self.random.below(SKEW_MS) as i64;
            if self.instances[at].dead {
                self.instances[at].core = None;
                self.instances[at].boot += 1;
            } else if self.instances[at].core.is_none() {
                self.restart(at);
            }
        }
        let honest: Vec<usize> = (0..self.instances.len())
            .filter(|at| self.instances[*at].is_honest() && !self.instances[*at].dead)
            .collect();
        let one = honest[self.random.below(honest.len() as u64) as usize];
        self.submit(&[one]);
    }

    pub(super) fn change_weather(&mut self) {
        if self.healed {
            return;
        }
        let next = self.random.between(100, 2500);
        self.later(next, Event::Weather);
        if self.now > BEGINNING_MS + self.plan.storm_ms {
            return;
        }
        self.network.change(&mut self.random, 60);
        self.camp = self.random.next();
        if self.random.permille(150) && self.plan.crash_permille > 0 {
            let who = self.random.below(self.instances.len() as u64) as usize;
            self.later(next / 2, Event::Crash(who));
        }
        if self.random.permille(self.plan.clocks_permille) {
            self.set_a_clock();
        }
    }

    /// Somebody's clock jumps; at most one is far off at a time, as more would be more than f faulty.
    fn set_a_clock(&mut self) {
        let skew = |random: &mut super::random::Random| random.below(2 * SKEW_MS) as i64 - SKEW_MS as i64;
        for at in 0..self.instances.len() {
            if self.instances[at].skew_ms.unsigned_abs() > SKEW_MS {
                self.instances[at].skew_ms = skew(&mut self.random);
            }
        }
        let who = self.random.below(self.instances.len() as u64) as usize;
        let jumps = [skew(&mut self.random), 1500, 20_000, -1500, -20_000, -3_600_000];
        self.instances[who].skew_ms = jumps[self.random.below(6) as usize];
        self.note(&[8, who as u64]);
    }

    /// An adversary acts of itself.
    pub(super) fn moment(&mut self, at: usize) {
        let wait_ms = if self.healed { self.random.between(150, 500) } else { self.random.between(25, 150) };
        self.later(wait_ms * self.plan.pace, Event::Moment(at));
        if self.instances[at].core.is_none() {
            return;
        }
        self.misbehave(at, |mind, hand| mind.on_moment(hand));
        let random = &mut self.random;
        let faints = self.instances[at].mind.as_mut().is_some_and(|mind| mind.faints(random));
        if faints {
            self.lose_power(at);
            let down_ms = self.random.between(10, 1000);
            self.later(down_ms, Event::Restart(at));
        }
    }

    /// Instances by validator, for tests that speak of validators.
    pub(crate) fn seats(&self) -> BTreeMap<u16, Vec<usize>> {
        let mut seats: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (at, instance) in self.instances.iter().enumerate() {
            seats.entry(instance.id).or_default().push(at);
        }
        seats
    }
}
