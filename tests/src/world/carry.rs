//! One turn of a machine, as `node::run` takes it: events in, everything to keep durable in one
//! batch, then signing, sending and answering; with a crash between any two of these.

use std::sync::Arc;

use consensus::event::{Evidence, Message, To};
use ledger::block::{Block, Height};
use ledger::certificate::{Statement, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use node::cosigning::Cosignature;
use node::validator::{Action, Event};

use super::{Character, Happening, Moment, Packet, World};

/// Events taken in per turn, as `node::run` does.
const TURN_EVENTS_MAX: usize = 64;
/// Final blocks in one answer: fewer than the node sends, so that catching up takes several.
const ANSWER_BLOCKS_MAX: usize = 7;
/// Length limit for what crosses a link here.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

impl World {
    pub(super) fn turn(&mut self, at: usize) {
        let now = self.clock(at);
        let machine = &mut self.machines[at];
        let Some(validator) = &mut machine.validator else { return };
        let mut actions = Vec::new();
        for _ in 0..TURN_EVENTS_MAX {
            let Some(event) = machine.inbox.pop_front() else { break };
            actions.extend(validator.handle(now, event));
        }
        if validator.wake_at().is_some_and(|wake| wake <= now) {
            actions.extend(validator.handle(now, Event::Tick));
        }
        self.finish_turn(at, actions);
    }

    /// Carries out a step's actions. Says whether the machine still stands.
    pub(super) fn carry_out_all(&mut self, at: usize, actions: Vec<Action>) -> bool {
        let machine = &mut self.machines[at];
        let urgent = machine.disk.gather(&actions, &mut machine.pending);
        let mut moment = None;
        if urgent {
            moment = match machine.doom.take() {
                Some((0, moment)) => Some(moment),
                later => {
                    machine.doom = later.map(|(steps, moment)| (steps - 1, moment));
                    None
                }
            };
            if self.random.permille(self.crash_permille) {
                let moments = [Moment::BeforePersist, Moment::BeforeSend, Moment::MidSend];
                moment = Some(moments[self.random.index(3)]);
            }
            if moment == Some(Moment::BeforePersist) {
                self.crash_now(at, 1);
                return false;
            }
            let machine = &mut self.machines[at];
            machine.disk.commit(&mut machine.pending);
            self.check_kept(at, &actions);
            if moment == Some(Moment::BeforeSend) {
                self.crash_now(at, 2);
                return false;
            }
        }
        let last = match moment {
            Some(Moment::MidSend) => self.random.index(actions.len()),
            _ => actions.len(),
        };
        for (place, action) in actions.into_iter().enumerate() {
            if place == last {
                self.crash_now(at, 3);
                return false;
            }
            self.carry_out(at, action);
        }
        true
    }

    /// What the checker hears of what became durable.
    fn check_kept(&mut self, at: usize, actions: &[Action]) {
        let honest = self.machines[at].character == Character::Honest;
        for action in actions {
            match action {
                Action::PersistFinalized { staged, proof } => {
                    self.note_digest(&staged.hash().0);
                    if honest {
                        self.checker.on_final(proof, staged.first_leaf(), staged.leaves());
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
                    self.checker.on_evidence(&evidence.first, &evidence.second);
                    self.figures.convictions += 1;
                    self.tell(|| format!("#{at} convicts #{}", evidence.first.signer));
                }
                _ => {}
            }
        }
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
            Action::Forgot(_) | Action::Regained(_) => {}
            Action::Halt { reason, .. } => {
                let honest = self.machines[at].character == Character::Honest;
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

    /// A validator's own report of an offence, as `node::run` signs it.
    fn report(&mut self, at: usize, evidence: &Evidence) {
        let machine = &mut self.machines[at];
        let trust = &self.chain.trust;
        let entity = trust.validators().validators[usize::from(machine.seat)].entity;
        let signed = node::report::report(entity, &machine.keys, trust.chain(), evidence);
        let verified = machine.intake.submitted(vec![signed]).into_iter().flatten();
        machine.own.extend(verified.map(Event::Own));
    }

    fn signed(&self, at: usize, statement: Statement) -> Vote {
        let (machine, trust) = (&self.machines[at], &self.chain.trust);
        let epoch = trust.validators().epoch;
        let signature = machine.keys.sign_vote(&statement, trust.chain(), epoch);
        Vote { epoch, statement, signer: machine.seat, signature }
    }

    /// Invariant 9: no vote leaves before it is durable, nor a notarize without the block's body.
    fn vote(&mut self, at: usize, statement: Statement) {
        let disk = &self.machines[at].disk;
        assert!(disk.statements.contains(&statement), "#{at} signs {statement:?}, which is not durable");
        if let Statement::Notarize { block, .. } = statement {
            assert!(disk.block(&block).is_some(), "#{at} signs {statement:?} without the block on its disk");
        }
        let vote = self.signed(at, statement);
        self.checker.on_vote(&vote);
        self.tell(|| format!("#{at} votes {statement:?}"));
        self.note(&[3, at as u64, statement.view().0]);
        self.send(at, To::All, &Message::Vote(vote));
        self.machines[at].own.push_back(Event::Voted(vote));
        if self.machines[at].character == Character::Liar {
            self.lie(at, statement);
        }
    }

    /// Says to some what contradicts what it says to others.
    fn lie(&mut self, at: usize, statement: Statement) {
        let view = statement.view();
        let block = statement.block().unwrap_or_default();
        let lie = match self.random.below(5) {
            0 => Statement::Nullify { view },
            1 => Statement::Finalize { view, block },
            2 => Statement::Notarize { view, block },
            3 => Statement::Notarize { view, block: ledger::block::BlockHash(Digest(self.random.bytes())) },
            _ => return,
        };
        let vote = self.signed(at, lie);
        let bytes: Arc<[u8]> = codec::encode(&Message::Vote(vote)).into();
        let some = self.random.next();
        for to in (0..self.machines.len()).filter(|to| some >> to & 1 == 1 && *to != at) {
            self.transmit(at, to, Packet::Message(Arc::clone(&bytes)));
        }
    }

    fn cosign(&mut self, at: usize, size: u64, root: Digest) {
        if !self.machines[at].disk.may_cosign(size, &root) {
            return;
        }
        let lies = self.machines[at].character == Character::Liar && self.random.permille(300);
        let root = if lies { Digest(self.random.bytes()) } else { root };
        let origin = self.chain.trust.origin().into();
        let time_s = self.clock(at).0 / 1000;
        let machine = &self.machines[at];
        let by = machine.keys.cosign(machine.seat, &Checkpoint { origin, size, root }, time_s);
        self.checker.on_cosigned(machine.seat, size, root);
        let cosignature = Cosignature { size, root, by };
        self.broadcast(at, &Packet::Cosignatures(vec![cosignature]));
        self.machines[at].own.push_back(Event::Cosignatures(vec![cosignature]));
    }

    fn send(&mut self, at: usize, to: To, message: &Message) {
        if let Message::Proposal { block, vote, .. } = message {
            let own = self.machines[at].disk.statements.contains(&vote.statement);
            assert!(own, "#{at} proposes {:?} before its own vote is durable", block.header.hash());
        }
        let bytes: Arc<[u8]> = codec::encode(message).into();
        if self.heard.len() == super::HEARD_MAX {
            self.heard.swap_remove(self.random.index(super::HEARD_MAX));
        }
        self.heard.push(Arc::clone(&bytes));
        let packet = Packet::Message(bytes);
        match to {
            To::All => self.broadcast(at, &packet),
            To::One(seat) => self.send_to_seat(at, seat, &packet),
        }
    }

    fn broadcast(&mut self, at: usize, packet: &Packet) {
        for to in (0..self.machines.len()).filter(|to| *to != at) {
            if self.machines[to].seat != self.machines[at].seat {
                self.transmit(at, to, packet.clone());
            }
        }
    }

    fn send_to_seat(&mut self, at: usize, seat: u16, packet: &Packet) {
        for to in (0..self.machines.len()).filter(|to| *to != at) {
            if self.machines[to].seat == seat {
                self.transmit(at, to, packet.clone());
            }
        }
    }

    pub(super) fn transmit(&mut self, from: usize, to: usize, packet: Packet) {
        let passage = self.weather.passage(&mut self.random, from, to);
        let asks = matches!(packet, Packet::AskBlock(_) | Packet::AskBlocks(_));
        if passage.arrivals.is_empty() {
            self.figures.lost += 1;
            // A link that breaks is noticed now and then; else the request's own timer must do.
            if asks && self.random.permille(500) {
                let wait = self.random.between(1, 200);
                self.later(wait, Happening::Packet { from: to, to: from, packet: Packet::Unanswered });
            }
            return;
        }
        let packet = if passage.damaged { self.damaged(packet) } else { packet };
        for wait in passage.arrivals {
            self.later(wait, Happening::Packet { from, to, packet: packet.clone() });
        }
    }

    /// The same packet with a byte changed, cut off or added, as a hostile peer may send it.
    fn damaged(&mut self, packet: Packet) -> Packet {
        self.figures.damaged += 1;
        match packet {
            Packet::Message(bytes) => Packet::Message(self.scratch(&bytes).into()),
            Packet::Block(Some(bytes)) => Packet::Block(Some(self.scratch(&bytes).into())),
            Packet::Transactions(all) => {
                Packet::Transactions(Arc::new(all.iter().map(|bytes| self.scratch(bytes)).collect()))
            }
            Packet::Blocks(blocks) => {
                let mut blocks = Vec::clone(&blocks);
                let place = self.random.index(blocks.len());
                if let Some(block) = blocks.get_mut(place) {
                    let bytes = self.scratch(&codec::encode(block));
                    if let Ok(changed) = codec::decode(&bytes, MESSAGE_BYTES_MAX) {
                        *block = changed;
                    } else {
                        blocks.swap_remove(place);
                    }
                }
                Packet::Blocks(Arc::new(blocks))
            }
            Packet::Cosignatures(mut all) => {
                if let Some(first) = all.first_mut() {
                    first.size = self.random.next();
                }
                Packet::Cosignatures(all)
            }
            other => other,
        }
    }

    fn scratch(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let place = self.random.index(bytes.len());
        match self.random.below(4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, self.random.next() as u8),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
        }
        bytes
    }

    pub(super) fn on_packet(&mut self, from: usize, to: usize, packet: Packet) {
        if self.machines[to].validator.is_none() {
            if matches!(packet, Packet::AskBlock(_) | Packet::AskBlocks(_)) && self.random.permille(500) {
                self.transmit(to, from, Packet::Unanswered);
            }
            return;
        }
        self.figures.delivered += 1;
        self.note(&[11, from as u64, to as u64]);
        let seat = self.machines[from].seat;
        let machine = &mut self.machines[to];
        let event = match packet {
            Packet::Message(bytes) => {
                let Ok(message) = codec::decode::<Message>(&bytes, MESSAGE_BYTES_MAX) else { return };
                let Ok(event) = machine.intake.message(seat, message) else { return };
                event
            }
            Packet::Transactions(all) => {
                let (verified, _) = machine.intake.spread(Vec::clone(&all));
                Event::Spread(verified)
            }
            Packet::Cosignatures(all) => Event::Cosignatures(all),
            Packet::AskBlock(hash) => {
                let block = machine.disk.block(&hash).map(|block| codec::encode(&block).into());
                return self.transmit(to, from, Packet::Block(block));
            }
            Packet::AskBlocks(height) => return self.answer_stretch(to, from, height),
            Packet::Block(bytes) => {
                let block = bytes.and_then(|bytes| codec::decode::<Block>(&bytes, MESSAGE_BYTES_MAX).ok());
                match block.map(|block| machine.intake.block(block)) {
                    Some(Ok(block)) => Event::Block(block),
                    _ => Event::Unanswered { from: seat },
                }
            }
            Packet::Blocks(blocks) => {
                Event::Blocks { from: seat, blocks: machine.intake.finalized(Vec::clone(&blocks)) }
            }
            Packet::Unanswered => Event::Unanswered { from: seat },
            Packet::Connected => Event::Connected(seat),
        };
        self.machines[to].inbox.push_back(event);
        self.schedule_turn(to);
    }

    fn answer_stretch(&mut self, at: usize, to: usize, height: Height) {
        let stretch: Vec<FinalizedBlock> = self.machines[at].disk.stretch(height, ANSWER_BLOCKS_MAX);
        self.transmit(at, to, Packet::Blocks(Arc::new(stretch)));
    }
}
