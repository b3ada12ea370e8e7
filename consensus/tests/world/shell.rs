//! What the node's shell does for the core, in small: write, sign, send, build, execute, fetch.
//!
//! Left out: whatever depends on bodies. Lies are told here too, because a liar is a validator whose
//! shell does not do what it is asked.

use consensus::event::{Effect, Finalized, Input, Message, Proposal, Status, To};
use ledger::block::{Block, BlockHash, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::digest::Digest;
use ledger::time::Timestamp;

use super::checker::state_after;
use super::{Character, Event, Packet, SIGNED, World};

/// Blocks in one answer to a request by height.
const STRETCH_MAX: usize = 8;

impl World {
    pub(super) fn effect(&mut self, at: usize, effect: Effect) {
        let honest = self.instances[at].character == Character::Honest;
        match effect {
            Effect::Cast(statement) => self.cast(at, statement),
            Effect::Keep(certificate) => {
                self.checker.on_certificate(&certificate);
                self.instances[at].keeps.push(certificate);
            }
            Effect::Propose { block, justification, vote } => {
                let header = self.instances[at].bodies[&block].clone();
                let block = Block { header, transactions: Vec::new() };
                self.send(at, To::All, Message::Proposal { block, justification, vote });
            }
            Effect::Send { to, message } => self.send(at, to, message),
            Effect::Build { view, parent_view, parent } => {
                let instance = &mut self.instances[at];
                assert!(instance.built < view, "#{at} builds twice in view {view}");
                instance.built = view;
                assert!(self.has_executed(at, &parent), "#{at} builds on what it has not executed");
                let boot = self.instances[at].boot;
                let wait_ms = self.random.below(20);
                self.later(wait_ms, Event::Build { to: at, boot, view, parent_view, parent });
            }
            Effect::Check { block } => {
                let bodies = &self.instances[at].bodies;
                let header = bodies.get(&block).expect("a block to check is one we have").clone();
                assert!(self.has_executed(at, &header.parent), "#{at} executes a block before its parent");
                let parent = self.parent(at, &header.parent).expect("what was executed is here");
                let valid = header.state_root == state_after(&parent.state_root, &header.payload);
                let wait_ms = [0, 5, 60][self.random.below(3) as usize];
                self.answer(at, wait_ms, Input::Checked { block, valid });
            }
            Effect::Fetch { block } => self.ask_others(at, &Packet::Fetch(block)),
            Effect::Sync { .. } => {
                let height = self.height(at);
                self.ask_others(at, &Packet::Sync(height));
            }
            Effect::Finalize(blocks) => {
                let last = blocks.len();
                for (index, proof) in blocks.into_iter().enumerate() {
                    let bodies = &self.instances[at].bodies;
                    let header = bodies.get(&proof.block).expect("a final block is one we have").clone();
                    assert!(self.has_executed(at, &proof.block), "#{at} posts what it has not executed");
                    self.post(at, header, proof, index + 1 == last);
                }
            }
            Effect::Evidence(evidence) if honest => self.checker.on_evidence(&evidence),
            Effect::Evidence(_) => {}
            Effect::Halt { reason } => {
                assert!(!honest || self.checker.overrun, "#{at} stopped for good: {reason:?}");
            }
        }
    }

    /// Durable first, then signed and sent; a crash may come between.
    fn cast(&mut self, at: usize, statement: Statement) {
        if let Some(block) = statement.block() {
            let again = self.instances[at].disk.statements.contains(&statement);
            assert!(again || self.has_executed(at, &block), "#{at} votes for what it has not executed");
        }
        let instance = &mut self.instances[at];
        if let Some(block) = statement.block()
            && let Some(header) = instance.bodies.get(&block)
        {
            instance.disk.blocks.insert(block, header.clone());
        }
        instance.disk.certificates.append(&mut instance.keeps);
        instance.disk.statements.insert(statement);
        let (id, character) = (instance.id, instance.character);
        self.checker.on_vote_sent(id, statement);
        if self.random.permille(self.crash_permille) {
            return self.crash(at);
        }
        let epoch = self.set.epoch;
        let vote = Vote { epoch, statement, signer: id, signature: SIGNED };
        self.send(at, To::All, Message::Vote(vote));
        let wait_ms = self.random.below(4);
        self.answer(at, wait_ms, Input::Vote(vote));
        if character == Character::Liar {
            self.lie(at, statement);
        }
    }

    /// Says to some what contradicts what was said to others.
    fn lie(&mut self, at: usize, statement: Statement) {
        let (view, id) = (statement.view(), self.instances[at].id);
        let known: Vec<BlockHash> =
            self.instances[at].bodies.iter().filter(|(_, h)| h.view == view).map(|(hash, _)| *hash).collect();
        let block = match known.len() {
            0 => BlockHash(Digest::of(&[&self.random.next().to_be_bytes()])),
            n => known[self.random.below(n as u64) as usize],
        };
        let lie = match self.random.below(4) {
            0 => Statement::Nullify { view },
            1 => Statement::Finalize { view, block },
            2 => Statement::Notarize { view, block },
            _ => return,
        };
        let vote = Vote { epoch: self.set.epoch, statement: lie, signer: id, signature: SIGNED };
        let some = self.random.next();
        for to in (0..self.instances.len()).filter(|to| some >> to & 1 == 1) {
            self.transmit(at, to, &Packet::Message(Message::Vote(vote)));
        }
    }

    fn answer(&mut self, at: usize, wait_ms: u64, input: Input) {
        let boot = self.instances[at].boot;
        self.later(wait_ms, Event::Input { to: at, boot, input });
    }

    fn has_executed(&self, at: usize, block: &BlockHash) -> bool {
        let instance = &self.instances[at];
        let tip = instance.disk.finalized.last().map_or(self.genesis.hash(), |(_, proof)| proof.block);
        tip == *block || instance.executed.contains(block)
    }

    fn parent(&self, at: usize, parent: &BlockHash) -> Option<&Header> {
        let instance = &self.instances[at];
        let genesis = Some(&self.genesis).filter(|genesis| genesis.hash() == *parent);
        instance.bodies.get(parent).or(genesis)
    }

    fn height(&self, at: usize) -> Height {
        let last = self.instances[at].disk.finalized.last();
        last.map_or(self.genesis.height, |(header, _)| header.height)
    }

    pub(super) fn build(&mut self, at: usize, view: View, parent_view: View, parent: BlockHash) {
        let Some(above) = self.parent(at, &parent).cloned() else { panic!("built on an unknown parent") };
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
        let instance = &mut self.instances[at];
        instance.bodies.insert(header.hash(), header.clone());
        instance.executed.insert(header.hash());
        self.contents.insert(header.hash(), instance.waiting.clone());
        self.input(at, Input::Built { header });
    }

    /// The block is in the books; on the disk too, before anybody hears of it.
    fn post(&mut self, at: usize, header: Header, proof: Finalized, last: bool) {
        assert_eq!(header.height, self.height(at).next(), "#{at} posts out of order");
        self.checker.on_final(&header, &proof, last);
        let instance = &mut self.instances[at];
        let view = header.view;
        if let Some(transactions) = self.contents.get(&proof.block) {
            instance.waiting.retain(|waiting| !transactions.contains(waiting));
            self.posted.extend(transactions);
        }
        let proof_complete = proof.finalization.is_some();
        instance.disk.finalized.push((header, proof));
        if proof_complete {
            let disk = &mut instance.disk;
            disk.statements.retain(|statement| statement.view() > view);
            disk.certificates.retain(|certificate| certificate.statement.view() > view);
            instance.keeps.retain(|certificate| certificate.statement.view() > view);
            disk.blocks.retain(|_, header| header.view > view);
            instance.bodies.retain(|_, header| header.view >= view);
        }
        let waiting = !instance.waiting.is_empty();
        self.answer(at, 0, Input::Work { waiting });
    }

    fn send(&mut self, at: usize, to: To, message: Message) {
        let id = self.instances[at].id;
        for other in 0..self.instances.len() {
            let addressed = match to {
                To::All => self.instances[other].id != id,
                To::One(one) => self.instances[other].id == one,
            };
            if addressed {
                let message = match self.instances[at].character {
                    Character::Liar => self.twisted(at, message.clone()),
                    _ => Some(message.clone()),
                };
                if let Some(message) = message {
                    self.transmit(at, other, &Packet::Message(message));
                }
            }
        }
    }

    /// What a liar sends instead.
    fn twisted(&mut self, at: usize, message: Message) -> Option<Message> {
        if self.random.permille(200) {
            return None;
        }
        Some(match message {
            Message::Proposal { mut block, justification, mut vote } if self.random.permille(400) => {
                let header = &mut block.header;
                let parent = self.parent(at, &header.parent).map(|parent| parent.state_root);
                match self.random.below(6) {
                    0 => header.state_root = Digest([0xba; 32]),
                    1 => header.time = Timestamp(header.time.0 + self.random.below(5000)),
                    2 => header.height = Height(header.height.0 + 1),
                    3 => header.time = Timestamp(0),
                    _ => {
                        header.payload = Digest::of(&[&self.random.below(3).to_be_bytes()]);
                        header.state_root = state_after(&parent.unwrap_or_default(), &header.payload);
                    }
                }
                let (view, hash) = (header.view, header.hash());
                vote.statement = Statement::Notarize { view, block: hash };
                self.instances[at].bodies.insert(hash, block.header.clone());
                Message::Proposal { block, justification, vote }
            }
            Message::Status(status) if self.random.permille(200) => {
                Message::Status(Status { view: View(self.random.next()), entry: None, ..status })
            }
            other => other,
        })
    }

    /// Two others in a row, drawn anew each time.
    fn ask_others(&mut self, at: usize, packet: &Packet) {
        let instances = self.instances.len();
        let first = self.random.below(instances as u64 - 1) as usize;
        for turn in [first, first + 1] {
            self.transmit(at, (at + 1 + turn % (instances - 1)) % instances, packet);
        }
    }

    fn transmit(&mut self, from: usize, to: usize, packet: &Packet) {
        if from == to {
            return;
        }
        if let Character::Twin(second) = self.instances[from].character
            && (self.camp >> to & 1 == 1) != second
            && self.random.permille(850)
        {
            return;
        }
        for wait_ms in self.network.arrivals(&mut self.random, from, to) {
            self.later(wait_ms, Event::Packet { from, to, packet: packet.clone() });
        }
    }

    pub(super) fn on_packet(&mut self, from: usize, to: usize, packet: Packet) {
        if self.instances[to].core.is_none() {
            return;
        }
        let sender = self.instances[from].id;
        match packet {
            Packet::Message(message) => self.on_message(to, sender, message),
            Packet::Fetch(block) => {
                let instance = &self.instances[to];
                let final_one =
                    || instance.disk.finalized.iter().rev().find(|(_, proof)| proof.block == block);
                let header = instance.bodies.get(&block).or_else(|| final_one().map(|(header, _)| header));
                if let Some(header) = header.cloned() {
                    self.transmit(to, from, &Packet::Fetched(header));
                }
            }
            Packet::Fetched(header) => {
                self.note(&[3, to as u64, header.view.0]);
                if header.height > self.height(to) {
                    self.instances[to].bodies.insert(header.hash(), header.clone());
                }
                self.input(to, Input::Fetched { header });
            }
            Packet::Sync(height) => {
                let blocks = self.instances[to].disk.finalized.iter();
                let mut stretch: Vec<_> = blocks
                    .skip_while(|(header, _)| header.height <= height)
                    .take(STRETCH_MAX)
                    .cloned()
                    .collect();
                while stretch.last().is_some_and(|(_, proof)| proof.finalization.is_none()) {
                    stretch.pop();
                }
                if !stretch.is_empty() {
                    self.transmit(to, from, &Packet::Synced(stretch));
                }
            }
            Packet::Synced(stretch) => self.on_synced(to, stretch),
        }
    }

    fn on_synced(&mut self, at: usize, stretch: Vec<(Header, Finalized)>) {
        let mut posted = None;
        let last = stretch.len();
        for (index, (header, proof)) in stretch.into_iter().enumerate() {
            let tip = self.instances[at].disk.finalized.last();
            let tip = tip.map_or(self.genesis.hash(), |(_, proof)| proof.block);
            if header.height == self.height(at).next() && header.parent == tip {
                posted = Some((header.clone(), proof.finalization.clone()));
                self.instances[at].bodies.insert(proof.block, header.clone());
                self.post(at, header, proof, index + 1 == last);
            }
        }
        if let Some((header, Some(finalization))) = posted {
            self.note(&[4, at as u64, header.view.0]);
            self.input(at, Input::Synced { header, finalization });
        }
    }

    fn on_message(&mut self, at: usize, from: u16, message: Message) {
        let filters = self.instances[at].filters;
        let core = self.instances[at].core.as_ref();
        let known = |certificate: &Certificate| core.is_some_and(|core| core.knows(&certificate.statement));
        let input = match message {
            Message::Vote(vote) if filters && !core.is_some_and(|core| core.wants_vote(&vote)) => return,
            Message::Certificate(certificate) if filters && known(&certificate) => return,
            Message::Proposal { block: Block { header, .. }, justification, vote } => {
                self.note(&[5, at as u64, header.view.0]);
                self.instances[at].bodies.entry(header.hash()).or_insert_with(|| header.clone());
                Input::Proposal(Proposal { header, justification, vote })
            }
            Message::Vote(vote) => {
                let kind = match vote.statement {
                    Statement::Notarize { .. } => 0,
                    Statement::Nullify { .. } => 1,
                    Statement::Finalize { .. } => 2,
                };
                self.note(&[6, at as u64, vote.statement.view().0, kind, u64::from(vote.signer)]);
                Input::Vote(vote)
            }
            Message::Certificate(certificate) => Input::Certificate(certificate),
            Message::Status(status) => Input::Status { from, status },
            Message::StatusRequest => Input::StatusRequest { from },
            Message::CertificateRequest(view) => Input::CertificateRequest { from, view },
        };
        self.input(at, input);
    }
}
