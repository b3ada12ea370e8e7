//! What the node's shell does for the core, in small: write, sync, sign, send, build, execute, fetch.
//!
//! Left out: whatever depends on bodies. A validator that misbehaves has this shell too; its
//! [`super::adversary::Adversary`] stands between the shell and the network.
//!
//! Invariant: a vote leaves a correct validator only when a restart would find it (invariant 9).

use std::rc::Rc;

use consensus::event::{Effect, Finalized, Input, Message, Proposal, To};
use ledger::block::{Block, BlockHash, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Statement, Vote};
use ledger::digest::Digest;
use ledger::time::Timestamp;

use super::adversary::{Adversary, Hand, Parcel};
use super::checker::state_after;
use super::disk::Record;
use super::gate::{Gate, signed};
use super::{Character, Event, Packet, World};

/// Blocks in one answer to a request by height.
const STRETCH_MAX: usize = 8;

impl World {
    pub(super) fn effect(&mut self, at: usize, effect: Effect) {
        let honest = self.instances[at].is_honest();
        match effect {
            Effect::Cast(statement) => self.cast(at, statement),
            Effect::Keep(certificate) => {
                if honest {
                    self.checker.on_certificate(&certificate);
                }
                self.instances[at].disk.write(Record::Certificate(certificate));
            }
            Effect::Propose { block, justification, vote } => {
                let header = self.instances[at].bodies[&block].clone();
                let block = Block { header, transactions: Vec::new() };
                self.send(at, To::All, Message::Proposal { block, justification, vote });
            }
            Effect::Send { to, message } => self.send(at, to, message),
            Effect::Build { view, parent_view, parent } => {
                self.may_build(at, view, &parent);
                let boot = self.instances[at].boot;
                let wait_ms = self.random.below(self.build_ms);
                self.later(wait_ms, Event::Build { to: at, boot, view, parent_view, parent });
            }
            Effect::Check { block } => {
                let bodies = &self.instances[at].bodies;
                let header = bodies.get(&block).expect("a block to check is one we have").clone();
                assert!(self.has_executed(at, &header.parent), "#{at} executes a block before its parent");
                let parent = self.parent(at, &header.parent).expect("what was executed is here");
                let valid = header.state_root == state_after(&parent.state_root, &header.payload);
                let wait_ms = self.check_ms[self.random.below(3) as usize];
                self.answer(at, wait_ms, Input::Checked { block, valid });
            }
            Effect::Fetch { block } => self.ask_others(at, Packet::Fetch(block)),
            Effect::Sync { .. } => {
                let height = self.height(at);
                self.ask_others(at, Packet::Sync(height));
            }
            Effect::Finalize(blocks) => {
                let last = blocks.len();
                for (index, proof) in blocks.into_iter().enumerate() {
                    let bodies = &self.instances[at].bodies;
                    let header = bodies.get(&proof.block).expect("a final block is one we have").clone();
                    assert!(
                        self.has_executed(at, &proof.block),
                        "rule C8: #{at} posts what it has not executed"
                    );
                    self.post(at, header, proof, index + 1 == last);
                }
            }
            Effect::Evidence(evidence) if honest => {
                self.checker.on_evidence(&evidence);
                self.instances[at].witness.accuse(&evidence);
            }
            Effect::Evidence(_) => {}
            Effect::Halt { reason } => {
                assert!(!honest || self.checker.overrun, "rule C9: #{at} stopped for good: {reason:?}");
            }
        }
    }

    /// Durable first, then signed and sent; the power may go in between.
    fn cast(&mut self, at: usize, statement: Statement) {
        if let Some(block) = statement.block() {
            let again = self.instances[at].disk.remembers(&statement);
            assert!(
                again || self.has_executed(at, &block),
                "rules C3, C7: #{at} votes for what it has not executed"
            );
        }
        let instance = &mut self.instances[at];
        if let Some(block) = statement.block()
            && let Some(header) = instance.bodies.get(&block)
        {
            instance.disk.write(Record::Block(block, header.clone()));
        }
        instance.disk.write(Record::Statement(statement));
        if self.power_fails(at) {
            return;
        }
        self.instances[at].disk.sync();
        if self.power_fails(at) {
            return;
        }
        let id = self.instances[at].id;
        self.checker.on_signed(id, statement);
        let vote = signed(id, self.set.epoch, statement);
        self.send(at, To::All, Message::Vote(vote));
        let wait_ms = self.random.below(4);
        self.answer(at, wait_ms, Input::Vote(vote));
    }

    /// Rule C2: on what was executed, once in a view, a restart notwithstanding.
    fn may_build(&mut self, at: usize, view: View, parent: &BlockHash) {
        let instance = &mut self.instances[at];
        assert!(instance.built < view, "rule C2: #{at} builds twice in view {view}");
        instance.built = view;
        let voted = instance.disk.durable.statements.iter().any(|statement| statement.view() == view);
        assert!(!voted || !instance.is_honest(), "rule C2: #{at} builds in view {view} after voting in it");
        assert!(self.has_executed(at, parent), "rule C2: #{at} builds on what it has not executed");
    }

    fn answer(&mut self, at: usize, wait_ms: u64, input: Input) {
        let boot = self.instances[at].boot;
        self.later(wait_ms, Event::Input { to: at, boot, input });
    }

    fn has_executed(&self, at: usize, block: &BlockHash) -> bool {
        let instance = &self.instances[at];
        let tip = instance.disk.durable.finalized.last();
        let tip = tip.map_or(self.genesis_hash, |(_, proof)| proof.block);
        tip == *block || instance.executed.contains(block)
    }

    fn parent(&self, at: usize, parent: &BlockHash) -> Option<&Header> {
        let instance = &self.instances[at];
        let genesis = Some(&self.genesis).filter(|_| self.genesis_hash == *parent);
        instance.bodies.get(parent).or(genesis)
    }

    pub(super) fn height(&self, at: usize) -> Height {
        let last = self.instances[at].disk.durable.finalized.last();
        last.map_or(self.genesis.height, |(header, _)| header.height)
    }

    pub(super) fn build(&mut self, at: usize, view: View, parent_view: View, parent: BlockHash) {
        let Some(above) = self.parent(at, &parent).cloned() else {
            // Finality went past the parent while the block was being built.
            let tip = self.instances[at].disk.durable.tip();
            assert!(tip > parent_view, "#{at} builds on a block that it lacks");
            return;
        };
        let payload = Digest::of(&[&self.random.next().to_be_bytes()]);
        let header = Header {
            version: PROTOCOL_VERSION,
            chain: self.genesis.chain,
            epoch: self.set.epoch,
            view,
            height: above.height.next(),
            parent_view,
            parent,
            proposer: self.instances[at].id,
            time: Timestamp(self.clock(at).0.max(above.time.0 + 1)),
            payload,
            log_size: 0,
            log_root: Digest::default(),
            state_root: state_after(&above.state_root, &payload),
        };
        let hash = header.hash();
        self.checker.on_header(hash, &header);
        self.born.insert(hash, self.now);
        let instance = &mut self.instances[at];
        instance.bodies.insert(hash, header.clone());
        instance.executed.insert(hash);
        self.contents.insert(hash, instance.waiting.clone());
        self.input(at, Input::Built { header });
    }

    /// The block is in the books; on the disk too, before anybody hears of it.
    fn post(&mut self, at: usize, header: Header, proof: Finalized, last: bool) {
        assert_eq!(header.height, self.height(at).next(), "invariant 7: #{at} posts out of order");
        if self.instances[at].is_honest() {
            self.checker.on_final(&header, &proof, last);
        }
        if self.measuring {
            self.time(at, &proof.block);
        }
        let instance = &mut self.instances[at];
        let (view, height) = (header.view, header.height);
        if let Some(transactions) = self.contents.get(&proof.block) {
            instance.waiting.retain(|waiting| !transactions.contains(waiting));
            transactions.iter().for_each(|transaction| {
                self.posted.entry(*transaction).or_insert(height);
            });
        }
        let whole = proof.finalization.is_some();
        instance.disk.write(Record::Final(header, proof));
        instance.disk.sync();
        if whole {
            instance.bodies.retain(|_, header| header.view >= view);
        }
        let waiting = !instance.waiting.is_empty();
        self.answer(at, 0, Input::Work { waiting });
    }

    /// How long it took until this instance posts the block, and what is in it.
    fn time(&mut self, at: usize, block: &BlockHash) {
        let since = |from: &u64| self.now - from;
        self.measures.finality_ms.extend(self.born.get(block).map(since));
        let waiting = &self.instances[at].waiting;
        let posted = self.contents.get(block).into_iter().flatten().filter(|one| waiting.contains(one));
        let known = posted.filter_map(|transaction| self.known_since.get(*transaction as usize)).map(since);
        self.measures.payment_ms.extend(known);
    }

    fn send(&mut self, at: usize, to: To, message: Message) {
        let id = self.instances[at].id;
        if let Message::Vote(vote) | Message::Proposal { vote, .. } = &message
            && self.instances[at].is_honest()
            && vote.signer == id
        {
            let durable = self.instances[at].disk.remembers(&vote.statement);
            assert!(durable, "invariant 9: {:?} leaves #{at} before it is durable", vote.statement);
        }
        let receivers: Vec<usize> = (0..self.instances.len())
            .filter(|other| match to {
                To::All => self.instances[*other].id != id,
                To::One(one) => self.instances[*other].id == one && *other != at,
            })
            .collect();
        if self.instances[at].mind.is_some() {
            return self.misbehave(at, |mind, hand| {
                receivers.iter().for_each(|to| mind.on_send(hand, *to, &message));
            });
        }
        if self.measuring {
            self.measures.sent(&message, receivers.len());
        }
        let packet = Rc::new(Packet::Message(message));
        receivers.into_iter().for_each(|to| self.transmit(at, to, 0, false, &packet));
    }

    /// Lets an adversary act, and carries out what it does.
    pub(super) fn misbehave(&mut self, at: usize, act: impl FnOnce(&mut dyn Adversary, &mut Hand)) {
        let Some(mut mind) = self.instances[at].mind.take() else { return };
        let instances = self.instances.len();
        let clock = self.clock(at);
        let instance = &self.instances[at];
        let mut hand = Hand {
            id: instance.id,
            at,
            instances,
            validators: self.set.len() as u16,
            quorum: instance.gate.quorum,
            epoch: self.set.epoch,
            clock,
            view: instance.core.as_ref().map(|core| core.view()).unwrap_or_default(),
            random: &mut self.random,
            genesis: &self.genesis,
            bodies: &instance.bodies,
            out: Vec::new(),
            signed: Vec::new(),
            made: Vec::new(),
        };
        act(&mut *mind, &mut hand);
        let Hand { id, out, signed, made, .. } = hand;
        self.instances[at].mind = Some(mind);
        for header in made {
            let hash = header.hash();
            self.checker.on_header(hash, &header);
            self.instances[at].bodies.insert(hash, header);
        }
        signed.into_iter().for_each(|statement| self.checker.on_signed(id, statement));
        for Parcel { to, wait_ms, message, forged } in out {
            self.transmit(at, to, wait_ms, forged, &Rc::new(Packet::Message(message)));
        }
    }

    /// Two others in a row, drawn anew each time.
    fn ask_others(&mut self, at: usize, packet: Packet) {
        let instances = self.instances.len();
        let first = self.random.below(instances as u64 - 1) as usize;
        let packet = Rc::new(packet);
        for turn in [first, first + 1] {
            self.transmit(at, (at + 1 + turn % (instances - 1)) % instances, 0, false, &packet);
        }
    }

    fn transmit(&mut self, from: usize, to: usize, wait_ms: u64, forged: bool, packet: &Rc<Packet>) {
        if from == to {
            return;
        }
        if let Character::Twin(second) = self.instances[from].character
            && self.script.is_none()
            && (self.camp >> (to % 64) & 1 == 1) != second
            && self.random.permille(850)
        {
            return;
        }
        if self.script.is_some() && self.scripted_apart(from, to, packet) {
            return;
        }
        let body = matches!(**packet, Packet::Message(Message::Proposal { .. }) | Packet::Fetched(_));
        for arrival in self.network.arrivals(&mut self.random, from, to, body).into_iter().flatten() {
            self.later(wait_ms + arrival, Event::Packet { from, to, forged, packet: packet.clone() });
        }
    }

    /// In a script, what concerns a view passes only within a camp of that view.
    fn scripted_apart(&self, from: usize, to: usize, packet: &Packet) -> bool {
        let of_sender = || self.instances[from].core.as_ref().map(|core| core.view()).unwrap_or_default();
        let view = match packet {
            Packet::Message(Message::Proposal { block, .. }) => block.header.view,
            Packet::Message(Message::Vote(vote)) => vote.statement.view(),
            Packet::Message(Message::Certificate(certificate)) => certificate.statement.view(),
            _ => of_sender(),
        };
        let camps = self.script.as_ref().and_then(|script| script.get(view.0 as usize - 1));
        camps.is_some_and(|camps| camps[from] != camps[to])
    }

    pub(super) fn on_packet(&mut self, from: usize, to: usize, forged: bool, packet: &Packet) {
        if self.instances[to].core.is_none() {
            return;
        }
        let sender = self.instances[from].id;
        match packet {
            Packet::Message(message) => self.on_message(to, sender, forged, message),
            Packet::Fetch(block) => {
                let instance = &self.instances[to];
                let mut finalized = instance.disk.durable.finalized.iter().rev();
                let mut final_one = || finalized.find(|(_, proof)| proof.block == *block);
                let header = instance.bodies.get(block).or_else(|| final_one().map(|(header, _)| header));
                if let Some(header) = header.cloned() {
                    self.transmit(to, from, 0, false, &Rc::new(Packet::Fetched(header)));
                }
            }
            Packet::Fetched(header) => {
                self.note(&[3, to as u64, header.view.0]);
                if header.height > self.height(to) {
                    self.instances[to].bodies.insert(header.hash(), header.clone());
                }
                self.input(to, Input::Fetched { header: header.clone() });
            }
            Packet::Sync(height) => {
                let finalized = &self.instances[to].disk.durable.finalized;
                let from_here = finalized.partition_point(|(header, _)| header.height <= *height);
                let mut stretch: Vec<_> = finalized[from_here..].iter().take(STRETCH_MAX).cloned().collect();
                while stretch.last().is_some_and(|(_, proof)| proof.finalization.is_none()) {
                    stretch.pop();
                }
                if !stretch.is_empty() {
                    self.transmit(to, from, 0, false, &Rc::new(Packet::Synced(stretch)));
                }
            }
            Packet::Synced(stretch) => self.on_synced(to, stretch),
        }
    }

    fn on_synced(&mut self, at: usize, stretch: &[(Header, Finalized)]) {
        let mut posted = None;
        for (index, (header, proof)) in stretch.iter().enumerate() {
            let tip = self.instances[at].disk.durable.finalized.last();
            let tip = tip.map_or(self.genesis_hash, |(_, proof)| proof.block);
            if header.height == self.height(at).next() && header.parent == tip {
                posted = Some((header.clone(), proof.finalization.clone()));
                self.instances[at].bodies.insert(proof.block, header.clone());
                self.post(at, header.clone(), proof.clone(), index + 1 == stretch.len());
            }
        }
        if let Some((header, Some(finalization))) = posted {
            self.note(&[4, at as u64, header.view.0]);
            self.input(at, Input::Synced { header, finalization });
        }
    }

    /// Signatures first, but not of what could change nothing; as the node does.
    fn on_message(&mut self, at: usize, from: u16, forged: bool, message: &Message) {
        let (filters, gate) = (self.instances[at].filters, self.instances[at].gate);
        let passes = |message: &Message| {
            let passes = gate.passes(message);
            assert!(!(passes && forged), "the gate lets a forgery through: {message:?}");
            passes
        };
        let Some(core) = &self.instances[at].core else { return };
        if self.instances[at].mind.is_some() && passes(message) {
            self.misbehave(at, |mind, hand| mind.on_heard(hand, message));
        } else if self.instances[at].is_honest()
            && !self.measuring
            // One who stopped for good hears no votes any more.
            && !core.halted()
            && let Message::Vote(vote) = message
            && passes(message)
            && vote.epoch == self.set.epoch
        {
            let window = self.config.view_window;
            let tip = core.finalized().1.0;
            let oldest = core.view().0.saturating_sub(window).max((tip + 1).saturating_sub(window.max(1)));
            let newest = core.view().next();
            self.instances[at].witness.hear(vote, View(oldest), newest);
        }
        let Some(core) = &self.instances[at].core else { return };
        let idle = match message {
            Message::Vote(vote) => filters && !core.wants_vote(vote),
            Message::Certificate(certificate) => filters && core.knows(&certificate.statement),
            _ => false,
        };
        if idle {
            return self.testify(at, message);
        }
        if self.measuring {
            let instance = &mut self.instances[at];
            self.measures.checks += Gate::checks(message, &mut instance.verified);
        }
        if !passes(message) {
            self.outcome.stopped += 1;
            return;
        }
        let input = match message.clone() {
            Message::Proposal { block: Block { header, .. }, justification, vote } => {
                self.note(&[5, at as u64, header.view.0]);
                let (block, proposal) = (header.hash(), Proposal { header, justification, vote });
                let instance = &mut self.instances[at];
                let wanted = instance.core.as_ref().is_some_and(|core| core.wants_body(&proposal));
                if wanted || !filters {
                    instance.bodies.entry(block).or_insert_with(|| proposal.header.clone());
                }
                Input::Proposal(proposal)
            }
            Message::Vote(vote) => {
                self.note_vote(at, &vote);
                Input::Vote(vote)
            }
            Message::Certificate(certificate) => Input::Certificate(certificate),
            Message::Status(status) => Input::Status { from, status },
            Message::StatusRequest => Input::StatusRequest { from },
            Message::CertificateRequest(view) => Input::CertificateRequest { from, view },
            // Asked and answered outside the core.
            Message::ViewRequest { .. } | Message::ViewAnswer { .. } => return,
        };
        self.input(at, input);
        self.testify(at, message);
    }

    fn testify(&self, at: usize, message: &Message) {
        if let Message::Vote(vote) = message
            && self.instances[at].is_honest()
        {
            self.instances[at].witness.check(at, vote);
        }
    }

    fn note_vote(&mut self, at: usize, vote: &Vote) {
        let kind = match vote.statement {
            Statement::Notarize { .. } => 0,
            Statement::Nullify { .. } => 1,
            Statement::Finalize { .. } => 2,
        };
        self.note(&[6, at as u64, vote.statement.view().0, kind, u64::from(vote.signer)]);
    }
}
