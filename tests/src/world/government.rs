//! People who hold the governance keys: they let followers in, send members away, change a member's
//! keys, and begin again when more than f members are gone for good.
//!
//! Their changes are transactions like others: signed by a quorum of governance keys, submitted to some
//! machine, overtaken by one another, refused. Now and then one is short of a signature, which must
//! never be booked.
//!
//! Invariant: no set is asked for whose f is smaller than the number of machines beyond healing.

use ed25519_dalek::SigningKey;
use ledger::block::Epoch;
use ledger::certificate::ValidatorSet;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::governance::{Change, Entrant, Ready, Recovery};
use ledger::time::Timestamp;
use ledger::transaction::{Operation, SignedTransaction};
use node::validator::Action;

use super::trouble::crash;
use super::{Happening, Until, World};
use crate::chain::{governance_key, invented_org, vote_key};
use crate::disk::Written;
use crate::traffic::Life;

/// A committee of fewer can bear no fault.
const SEATS_MIN: usize = 4;
/// More would only make worlds slow.
const SEATS_MAX: usize = 8;

/// What the people of a world have in mind.
#[derive(Default)]
pub(super) struct Government {
    attempts: usize,
    // Of the set after a change that was asked for in this epoch, if it bears fewer faults.
    pledged: Option<(Epoch, usize)>,
}

impl Government {
    /// How many faults may be there, in the set in force and in the one asked for.
    pub(super) fn faulty_max(&self, set: &ValidatorSet) -> usize {
        let pledged = self.pledged.filter(|(epoch, _)| *epoch == set.epoch).map(|(_, faulty)| faulty);
        pledged.unwrap_or(usize::MAX).min(set.faulty_max())
    }
}

impl World {
    /// So many changes of the validator set are asked for while the storm lasts.
    #[must_use]
    pub fn changes(mut self, attempts: usize) -> Self {
        self.government.attempts = attempts;
        self.later(300, Happening::Govern);
        self
    }

    pub(super) fn govern(&mut self) {
        if self.government.attempts == 0 || !self.storm && self.figures.storms > 0 {
            return;
        }
        let wait = self.random.between(200, 2500);
        self.later(wait, Happening::Govern);
        let set = self.checker.set().clone();
        let Some((leave, enter)) = self.intention(&set) else { return };
        self.government.attempts -= 1;
        let Some(life) = self.change(&set, &leave, &enter) else { return };
        self.figures.changes += 1;
        self.add_life(life);
    }

    /// Who is to leave and whose newest keys are to enter.
    fn intention(&mut self, set: &ValidatorSet) -> Option<(Vec<usize>, Vec<usize>)> {
        let seated = |world: &Self, at: usize| {
            let entity = invented_org(world.machines[at].place);
            set.validators.iter().any(|seat| seat.entity == entity)
        };
        let sound: Vec<usize> = (0..self.machines.len())
            .filter(|at| self.machines[*at].is_sound() && self.machines[*at].validator.is_some())
            .collect();
        let outside: Vec<usize> = sound.iter().copied().filter(|at| !seated(self, *at)).collect();
        let inside: Vec<usize> = sound.iter().copied().filter(|at| seated(self, *at)).collect();
        let changed = inside.iter().copied().find(|at| !self.sits_in(*at, set));
        let members: Vec<usize> = (0..self.machines.len()).filter(|at| seated(self, *at)).collect();
        let some = |world: &mut Self, of: &[usize]| {
            Some(of[world.random.index(of.len())]).filter(|_| !of.is_empty())
        };
        let wish = self.random.below(10);
        let (leave, enter) = match wish {
            // Its new key file lies ready since its last start.
            _ if changed.is_some() => (None, changed),
            0..=2 if set.len() < SEATS_MAX && !outside.is_empty() => (None, some(self, &outside)),
            3 | 4 if set.len() > SEATS_MIN => (some(self, &members), None),
            5 | 6 if !outside.is_empty() => (some(self, &members), some(self, &outside)),
            _ => {
                let at = inside.get(self.random.index(inside.len())).copied()?;
                self.tell(|| format!("#{at} gets new keys"));
                self.machines[at].files.add();
                self.crash_now(at, crash::AT_REST);
                // Everybody is told the new peer key; who meets it first is not known yet.
                (0..self.machines.len()).for_each(|other| self.admit(other));
                return None;
            }
        };
        Some((leave.into_iter().collect(), enter.into_iter().collect()))
    }

    /// The change as a life of one step; `None` if its set would bear fewer faults than there are.
    fn change(&mut self, set: &ValidatorSet, leave: &[usize], enter: &[usize]) -> Option<Life> {
        let chain = *self.chain.trust.chain();
        let mut entrants = Vec::new();
        for at in enter {
            let machine = &self.machines[*at];
            let head = machine.validator.as_ref()?.ledger().head();
            let (height, root) = (head.height, head.log.root());
            let validator = machine.files.newest();
            let key = vote_key(machine.place, machine.files.count() - 1);
            let ready = Ready::sign(&chain, height, root, &validator, &key);
            entrants.push(Entrant { validator, ready });
        }
        let places: Vec<usize> = leave.iter().map(|at| self.machines[*at].place).collect();
        let change = Change {
            epoch: set.epoch,
            leave: places.iter().map(|place| invented_org(*place)).collect(),
            enter: entrants,
        };
        let next = change.next_set(set).ok()?;
        if next.len() < SEATS_MIN || next.faulty_max() < self.beyond_healing() {
            return None;
        }
        self.tell(|| format!("people ask for {} seats: {places:?} leave, {enter:?} enter", next.len()));
        let pledged = self.government.faulty_max(set).min(next.faulty_max());
        self.government.pledged = Some((set.epoch, pledged));
        // One signature too few, now and then: it must never be booked.
        let short = self.random.permille(100);
        let count =
            if short { set.quorum() - 1 } else { set.quorum() + self.random.index(set.faulty_max() + 1) };
        let signed = self.signed_by(set, count, Operation::ChangeValidators(change));
        Some(Life { steps: vec![signed], refusable: short, attempt: true })
    }

    /// Signed with the governance keys of so many seats.
    fn signed_by(&mut self, set: &ValidatorSet, count: usize, operation: Operation) -> SignedTransaction {
        let first = self.random.index(set.len());
        let seats: Vec<usize> = (0..count).map(|step| (first + step) % set.len()).collect();
        let holders: Vec<usize> = (0..self.machines.len()).map(|at| self.machines[at].place).collect();
        let key = |seat: &usize| {
            let entity = set.validators[*seat].entity;
            let place = holders.iter().find(|place| invented_org(**place) == entity);
            governance_key(*place.expect("every seat is a machine's"))
        };
        let keys: Vec<SigningKey> = seats.iter().map(key).collect();
        let submitter = set.validators[first].entity;
        self.chain.sign_with(submitter, self.random.bytes(), operation, &keys)
    }

    /// Destroys f + 1 members, and lets time pass in which nothing can become final. Somebody who holds
    /// the highest final block is left: without that nobody could know of it.
    pub fn lose_too_many(&mut self) {
        let set = self.checker.set().clone();
        let height = self.height() as usize;
        let mut best: Vec<usize> = (0..self.machines.len())
            .filter(|at| self.machines[*at].disk.finalized().len() == height && self.machines[*at].is_sound())
            .collect();
        best.truncate(1);
        let first = self.random.index(self.machines.len());
        let order = (0..self.machines.len()).map(|step| (first + step) % self.machines.len());
        let members: Vec<usize> = order
            .filter(|at| {
                let entity = invented_org(self.machines[*at].place);
                !best.contains(at) && set.validators.iter().any(|seat| seat.entity == entity)
            })
            .collect();
        members.iter().take(set.faulty_max() + 1).for_each(|at| self.destroy(*at));
        self.weather.calm_down();
        // What was on its way to making a block final may arrive yet.
        self.run(Until::Ms(12_000));
        let before = self.height();
        self.run(Until::Ms(5000));
        assert_eq!(self.height(), before, "fewer than a quorum made a block final");
    }

    /// More than f members are gone for good: the people begin again with what is left and with
    /// followers, from the highest final block that a machine they trust holds.
    ///
    /// # Panics
    /// When a machine refuses what a quorum of governance keys signed, or too few are left.
    pub fn begin_again(&mut self) {
        let set = self.checker.set().clone();
        let height = |world: &Self, at: usize| world.machines[at].disk.finalized().len();
        let alive: Vec<usize> = (0..self.machines.len()).filter(|at| self.machines[*at].is_sound()).collect();
        let best = alive.iter().copied().max_by_key(|at| height(self, *at)).expect("somebody is left");
        let recovered = self.machines[best].disk.recover(&self.chain);
        let ledger = recovered.expect("a sound disk").ledger;
        assert_eq!(ledger.validators(), &set, "the machine with the highest block is in the newest epoch");
        let head = ledger.head();
        let validators = alive.iter().take(SEATS_MAX).map(|at| self.machines[*at].files.newest()).collect();
        let recovery = Recovery {
            epoch: set.epoch,
            height: head.height,
            block: head.block,
            log_size: head.log.size(),
            log_root: head.log.root(),
            time: Timestamp(self.now),
            validators,
        };
        let signed = self.signed_by(&set, set.quorum(), Operation::Recover(recovery));
        self.tell(|| format!("people begin again at height {} with {alive:?}", head.height));
        for at in alive {
            self.crash_now(at, crash::AT_REST);
            // Whoever is behind cannot make the recovery block, and fetches it from those who did.
            if height(self, at) == height(self, best) || at == best {
                self.apply_recovery(at, &signed);
            }
        }
        self.figures.recoveries += 1;
    }

    /// As `node::recovery` does with a store that no node works with.
    fn apply_recovery(&mut self, at: usize, signed: &SignedTransaction) {
        let recovered = self.machines[at].disk.recover(&self.chain).expect("a sound disk");
        let verified = signed.clone().verify(self.chain.trust.chain()).expect("signatures that hold");
        let staged = recovered.ledger.recover(verified).expect("a quorum of governance keys signed it");
        let proof = FinalizedBlock { block: staged.block().to_block(), finality: Finality::Recovered };
        let machine = &mut self.machines[at];
        let mut writes = Vec::new();
        machine.disk.fill(false);
        machine.disk.gather(&[Action::PersistFinalized { staged, proof }], &mut writes);
        assert_eq!(machine.disk.commit(&mut writes), Written::Durable);
    }

    /// How many machines count among the f of any set.
    pub(super) fn beyond_healing(&self) -> usize {
        let mut places: Vec<usize> =
            self.machines.iter().filter(|m| !m.is_sound()).map(|m| m.place).collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    }
}
