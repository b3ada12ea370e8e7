//! One turn of a machine, as `node::run` takes it: events in, everything to keep durable in one
//! batch, then signing, sending and answering; with a crash between any two of these.

use std::sync::Arc;

use consensus::event::{Evidence, Message, To};
use ledger::block::LeafIndex;
use ledger::certificate::{Statement, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::codec;
use ledger::digest::Digest;
use node::cosigning::Cosignature;
use node::validator::{Action, Event};

use super::trouble::crash;
use super::{Moment, Packet, World};
use crate::disk::Written;

/// Events taken in per turn, as `node::run` does.
const TURN_EVENTS_MAX: usize = 64;

impl World {
    pub(super) fn turn(&mut self, at: usize) {
        let now = self.clock(at);
        let machine = &mut self.machines[at];
        let honest = machine.character.keeps_its_word();
        let Some(validator) = &mut machine.validator else { return };
        let mut actions = Vec::new();
        for _ in 0..TURN_EVENTS_MAX {
            let Some(event) = machine.inbox.pop_front() else { break };
            if honest {
                self.checker.before(at, &event, validator);
            }
            actions.extend(validator.handle(now, event));
        }
        if validator.wake_at().is_some_and(|wake| wake <= now) {
            actions.extend(validator.handle(now, Event::Tick));
        }
        if honest {
            self.checker.after(at, machine.seat, validator, &actions);
        }
        self.finish_turn(at, actions);
    }

    /// Carries out a step's actions. Says whether the machine still stands.
    pub(super) fn carry_out_all(&mut self, at: usize, actions: Vec<Action>) -> bool {
        let machine = &mut self.machines[at];
        let urgent = machine.disk.gather(&actions, &mut machine.pending);
        let moment = if urgent { self.moment(at) } else { None };
        if urgent && !self.keep(at, moment, &actions) {
            return false;
        }
        let last = match moment {
            Some(Moment::MidSend) => self.random.index(actions.len()),
            _ => actions.len(),
        };
        for (place, action) in actions.into_iter().enumerate() {
            let doomed = !action.persists() && self.is_doomed(at);
            if place == last || doomed {
                self.crash_now(at, crash::MID_SEND);
                return false;
            }
            self.carry_out(at, action);
        }
        true
    }

    /// Makes durable what was gathered. Says whether the machine still stands.
    fn keep(&mut self, at: usize, moment: Option<Moment>, actions: &[Action]) -> bool {
        let torn = self.random.index(1001);
        let doomed = self.is_doomed(at);
        if moment == Some(Moment::BeforePersist) || doomed {
            self.crash_now(at, crash::BEFORE_PERSIST);
            return false;
        }
        let machine = &mut self.machines[at];
        if moment == Some(Moment::TornWrite) {
            machine.disk.tear(&mut machine.pending, torn);
            self.crash_now(at, crash::TORN_WRITE);
            return false;
        }
        if machine.disk.commit(&mut machine.pending) == Written::Failed {
            self.crash_now(at, crash::FULL_DISK);
            return false;
        }
        self.check_kept(at, actions);
        if moment == Some(Moment::BeforeSend) {
            self.crash_now(at, crash::BEFORE_SEND);
            return false;
        }
        true
    }

    /// When in this step the machine is to crash.
    fn moment(&mut self, at: usize) -> Option<Moment> {
        let mut moment = None;
        match self.machines[at].doom.take() {
            Some((0, due)) => moment = Some(due),
            later => self.machines[at].doom = later.map(|(steps, moment)| (steps - 1, moment)),
        }
        if self.random.permille(self.crash_permille) {
            let moments = [Moment::BeforePersist, Moment::TornWrite, Moment::BeforeSend, Moment::MidSend];
            moment = Some(moments[self.random.index(4)]);
        }
        moment
    }

    fn is_doomed(&mut self, at: usize) -> bool {
        let machine = &mut self.machines[at];
        machine.effects += 1;
        machine.doomed_effect.take_if(|number| *number == machine.effects).is_some()
    }

    /// What the checker hears of what became durable.
    fn check_kept(&mut self, at: usize, actions: &[Action]) {
        let honest = self.machines[at].character.keeps_its_word();
        for action in actions {
            match action {
                Action::PersistFinalized { staged, proof } => {
                    self.note_digest(&staged.hash().0);
                    if honest {
                        self.checker.on_final(proof, staged.first_leaf(), staged.leaves());
                        self.machines[at].checked += 1;
                    }
                    self.tell(|| {
                        let header = staged.header();
                        let count = staged.block().transactions().len();
                        format!(
                            "#{at} posts height {} of view {}, {count} transactions",
                            header.height, header.view
                        )
                    });
                }
                Action::PersistEvidence(evidence) if honest => {
                    self.checker.on_evidence(at, &evidence.first, &evidence.second);
                    self.figures.convictions += 1;
                    self.tell(|| format!("#{at} convicts #{}", evidence.first.signer));
                }
                _ => {}
            }
        }
    }

    /// What was being written when the power went may be durable though nobody was told of it.
    pub(super) fn check_read_back(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let finalized = machine.disk.finalized();
        if !machine.character.keeps_its_word() || machine.checked >= finalized.len() {
            return;
        }
        let before = machine.checked.checked_sub(1).map(|place| finalized[place].block.header.log_size);
        let mut first = before.map_or(self.checker.genesis_leaves(), |size| size as usize);
        for proof in &finalized[machine.checked..] {
            let end = proof.block.header.log_size as usize;
            self.checker.on_final(proof, LeafIndex(first as u64), &machine.disk.leaves()[first..end]);
            first = end;
        }
        machine.checked = finalized.len();
    }

    /// A validator's own report of an offence, as `node::run` signs it.
    fn report(&mut self, at: usize, evidence: &Evidence) {
        let machine = &mut self.machines[at];
        let trust = &self.chain.trust;
        let entity = trust.validators().validators[usize::from(machine.seat)].entity;
        let signed = node::report::report(entity, &machine.keys, trust.chain(), evidence);
        let verified = machine.intake.submitted(vec![signed]).into_iter().flatten();
        machine.own.extend(verified.map(Event::Own));
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        match action {
            Action::Vote { statement, .. } => self.vote(at, statement),
            Action::Cosign { size, root, .. } => self.cosign(at, size, root),
            Action::Send { to, message } => self.send(at, to, &message),
            Action::SendCosignatures { to, cosignatures } => {
                self.send_to_seat(at, to, &Packet::Cosignatures(cosignatures));
            }
            Action::Spread(transactions) => {
                let bytes = transactions.iter().map(|t| codec::encode(t.signed())).collect();
                self.broadcast(at, &Packet::Transactions(Arc::new(bytes)));
            }
            Action::FetchBlock { from, block } => self.send_to_seat(at, from, &Packet::AskBlock(block)),
            Action::FetchBlocks { from, height } => self.send_to_seat(at, from, &Packet::AskBlocks(height)),
            Action::Reply { request, outcome } => self.on_reply(at, request, &outcome),
            Action::BeginEpoch { set, .. } => {
                panic!("#{at} begins epoch {}, which nobody asked for", set.epoch)
            }
            Action::Report(evidence) => self.report(at, &evidence),
            Action::Forgot(_) | Action::Regained(_) | Action::Snapshot(_) => {}
            Action::Halt { reason, .. } => {
                let honest = self.machines[at].character.keeps_its_word();
                assert!(!honest, "#{at} stopped for good: {reason:?}");
            }
            Action::PersistVote { .. }
            | Action::PersistBlock(_)
            | Action::PersistCertificate(_)
            | Action::PersistFinalized { .. }
            | Action::PersistCheckpoint(_)
            | Action::PersistEvidence(_) => {}
        }
    }

    pub(super) fn signed(&self, at: usize, statement: Statement) -> Vote {
        let (machine, trust) = (&self.machines[at], &self.chain.trust);
        let epoch = trust.validators().epoch;
        let signature = machine.keys.sign_vote(&statement, trust.chain(), epoch);
        Vote { epoch, statement, signer: machine.seat, signature }
    }

    /// Invariant 9: no vote leaves before it is durable, nor a notarize without the block's body.
    fn vote(&mut self, at: usize, statement: Statement) {
        let disk = &self.machines[at].disk;
        assert!(disk.statements().contains(&statement), "#{at} signs {statement:?}, which is not durable");
        if let Statement::Notarize { block, .. } = statement {
            assert!(disk.block(&block).is_some(), "#{at} signs {statement:?} without the block on its disk");
        }
        let vote = self.signed(at, statement);
        self.checker.on_vote(&vote);
        self.tell(|| format!("#{at} votes {statement:?}"));
        self.note(&[3, at as u64, statement.view().0]);
        self.send(at, To::All, &Message::Vote(vote));
        self.machines[at].own.push_back(Event::Voted(vote));
        self.after_vote(at, statement);
    }

    fn cosign(&mut self, at: usize, size: u64, root: Digest) {
        if !self.machines[at].disk.may_cosign(size, &root) {
            return;
        }
        let origin = self.chain.trust.origin().into();
        let time_s = self.clock(at).0 / 1000;
        let machine = &self.machines[at];
        let by = machine.keys.cosign(machine.seat, &Checkpoint { origin, size, root }, time_s);
        let own = self.machines[at].disk.leaves().len() as u64;
        assert!(size <= own, "#{at} cosigns {size} leaves and has posted {own}");
        self.checker.on_cosigned(machine.seat, size, root);
        let cosignature = Cosignature { size, root, by };
        self.broadcast(at, &Packet::Cosignatures(vec![cosignature]));
        self.machines[at].own.push_back(Event::Cosignatures(vec![cosignature]));
    }
}
