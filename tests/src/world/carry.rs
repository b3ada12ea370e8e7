//! One turn of a machine, as `node::run` takes it: events in, everything to keep durable in one
//! batch, then signing, sending and answering; with a crash between any two of these.

use std::sync::Arc;

use consensus::event::{Evidence, Message, To};
use ledger::block::{Epoch, LeafIndex, View};
use ledger::certificate::{Statement, ValidatorSet, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::codec;
use ledger::digest::Digest;
use ledger::signature::Signature;
use node::cosigning::Cosignature;
use node::signer::{Refusal, VoteLog};
use node::validator::{Action, Event};
use node::watermark::Term;

use super::trouble::crash;
use super::{Moment, Packet, World};
use crate::chain::invented_org;
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
            self.checker.after(at, invented_org(machine.place), validator, &actions);
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
        let Some(validator) = &self.machines[at].validator else { return };
        let epoch = validator.ledger().validators().epoch;
        let Some((_, keys)) = self.seat_in(at, epoch) else { return };
        let entity = invented_org(self.machines[at].place);
        let signed = node::report::report(entity, keys, self.chain.trust.chain(), evidence);
        let machine = &mut self.machines[at];
        let verified = machine.intake.submitted(vec![signed]).into_iter().flatten();
        machine.own.extend(verified.map(Event::Own));
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        match action {
            Action::Vote { epoch, statement } => self.vote(at, epoch, statement),
            Action::Cosign { epoch, size, root } => self.cosign(at, epoch, size, root),
            Action::Send { to, message } => self.send(at, to, &message),
            Action::SendCosignatures { to, cosignatures } => {
                self.send_to_number(at, to, &Packet::Cosignatures(cosignatures));
            }
            Action::Spread(transactions) => {
                let bytes = transactions.iter().map(|t| codec::encode(t.signed())).collect();
                self.broadcast(at, &Packet::Transactions(Arc::new(bytes)));
            }
            Action::FetchBlock { from, block } => self.send_to_number(at, from, &Packet::AskBlock(block)),
            Action::FetchBlocks { from, height } => {
                self.send_to_number(at, from, &Packet::AskBlocks(height));
            }
            Action::Reply { request, outcome } => self.on_reply(at, request, &outcome),
            Action::BeginEpoch { set, .. } => self.begin_epoch(at, &set),
            Action::Report(evidence) => self.report(at, &evidence),
            Action::Forgot(term) => self.forgot(at, term),
            Action::Regained(floor) => self.regained(at, floor),
            Action::Blame { peer, what } => self.blamed(at, peer, what),
            // A world's books begin with its first block and stay small.
            Action::Snapshot(_) => {}
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

    /// As the newest seat that the machine has or had, whether its signer would or not.
    pub(super) fn signed(&self, at: usize, statement: Statement) -> Vote {
        let (set, signer) = self.voice(at);
        let epoch = set.epoch;
        let keys = self.machines[at].keyring.seat(&set).map(|(_, keys)| keys);
        let signature = match keys {
            Some(keys) => keys.sign_vote(&statement, self.chain.trust.chain(), epoch),
            None => Signature([0; 64]),
        };
        Vote { epoch, statement, signer, signature }
    }

    fn begin_epoch(&mut self, at: usize, set: &ValidatorSet) {
        if self.machines[at].character.keeps_its_word() {
            assert_eq!(self.checker.set_of(set.epoch), Some(set), "#{at} begins another epoch {}", set.epoch);
        }
        self.note(&[13, at as u64, set.epoch.0]);
        self.tell(|| format!("#{at} begins epoch {} of {} validators", set.epoch, set.len()));
        self.admit(at);
        self.connect(at);
    }

    /// A vote of the machine's own turned up that its disk does not hold.
    fn forgot(&mut self, at: usize, term: Term) {
        self.tell(|| format!("#{at} was shown a vote of its own of {term:?} that it does not remember"));
        self.figures.shown += 1;
        self.lose_votes(at);
        if let Some(signers) = &mut self.machines[at].signers {
            signers.lose().expect("the signers' memory can be written");
        }
    }

    fn regained(&mut self, at: usize, floor: Term) {
        self.tell(|| format!("#{at} votes again, from {floor:?} on"));
        self.note(&[17, at as u64, floor.0.0, floor.1.0]);
        self.figures.regained += 1;
        if let Some(signers) = &mut self.machines[at].signers {
            signers.regain(floor).expect("the signers' memory can be written");
        }
        self.machines[at].floor = floor.max(self.machines[at].floor);
    }

    /// Whether a machine is where it votes again after a loss.
    pub(super) fn look_whether_back(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let Some(validator) = machine.validator.as_ref().filter(|_| machine.lost) else { return };
        let here = (validator.ledger().validators().epoch, validator.consensus().view());
        let (epoch, first) = machine.floor;
        let there = here >= (epoch, first) && (here.0.0 != epoch.0 + 1 || here.1 >= View(2));
        machine.lost = validator.lost_votes().is_some() || !there;
    }

    /// What a signer does not sign is not said; one that keeps its word never asks for what contradicts.
    fn refused(&mut self, at: usize, refusal: &Refusal) {
        let honest = self.machines[at].character.keeps_its_word();
        assert!(!honest || !refusal.ends_process(), "#{at}: {refusal}");
        self.tell(|| format!("#{at} does not sign: {refusal}"));
        self.figures.unsigned += 1;
    }

    /// Invariant 9: no vote leaves before it is durable, nor a notarize without the block's body.
    fn vote(&mut self, at: usize, epoch: Epoch, statement: Statement) {
        let disk = &self.machines[at].disk;
        // What fell below the floor in the very step that kept it belongs to an epoch that is over.
        let over = (epoch, statement.view()) < disk.floor();
        let kept = over || disk.statements().contains(&(epoch, statement));
        assert!(kept, "#{at} signs {statement:?} of epoch {epoch}, which is not durable");
        if let Statement::Notarize { block, .. } = statement {
            assert!(
                over || disk.block(&block).is_some(),
                "#{at} signs {statement:?} without the block on its disk"
            );
        }
        let Some((signer, keys)) = self.seat_in(at, epoch) else { return };
        let (key, steps) = (keys.vote_key(), self.machines[at].disk.steps());
        let chain = *self.chain.trust.chain();
        let Some(signers) = &mut self.machines[at].signers else { return };
        let signature = match signers.vote(&key, &statement, &chain, epoch, steps) {
            Ok(signature) => signature,
            Err(refusal) => return self.refused(at, &refusal),
        };
        let vote = Vote { epoch, statement, signer, signature };
        self.checker.on_vote(&vote);
        self.tell(|| format!("#{at} votes {statement:?}"));
        self.note(&[3, at as u64, epoch.0, statement.view().0]);
        self.send(at, To::All, &Message::Vote(vote));
        self.machines[at].own.push_back(Event::Voted(vote));
        self.after_vote(at, statement);
    }

    fn cosign(&mut self, at: usize, epoch: Epoch, size: u64, root: Digest) {
        if !self.machines[at].disk.may_cosign(size, &root) {
            return;
        }
        let Some((seat, keys)) = self.seat_in(at, epoch) else { return };
        let (key, steps) = (keys.vote_key(), self.machines[at].disk.steps());
        let checkpoint = Checkpoint { origin: self.chain.trust.origin().into(), size, root };
        let time_s = self.clock(at).0 / 1000;
        let Some(signers) = &mut self.machines[at].signers else { return };
        let by = match signers.cosign(&key, seat, &checkpoint, time_s, steps) {
            Ok(by) => by,
            Err(refusal) => return self.refused(at, &refusal),
        };
        let own = self.machines[at].disk.leaves().len() as u64;
        assert!(size <= own, "#{at} cosigns {size} leaves and has posted {own}");
        self.checker.on_cosigned(epoch, seat, size, root);
        let cosignature = Cosignature { size, root, by };
        self.broadcast(at, &Packet::Cosignatures(vec![cosignature]));
        self.machines[at].own.push_back(Event::Cosignatures(vec![cosignature]));
    }
}
