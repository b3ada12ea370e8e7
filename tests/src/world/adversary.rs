//! Members that misbehave, each with its real keys and a whole validator of its own, named by what it
//! does. What leaves their machines passes through [`World::twisted`]; what they think of themselves
//! comes from [`World::mischief`], which goes on after the world has healed.
//!
//! Left out: what a forger makes of each message (`forger`).
//!
//! Invariant: nobody signs with a key that is not the member's own.

use std::sync::Arc;

use consensus::event::{Message, Status};
use ledger::block::{Block, BlockHash, Epoch, Height, View};
use ledger::books::{Parent, Slot};
use ledger::certificate::{Certificate, Statement};
use ledger::checkpoint::Checkpoint;
use ledger::codec;
use ledger::digest::Digest;
use ledger::time::Timestamp;
use node::cosigning::Cosignature;

use super::trouble::{Forgetting, crash};
use super::{Happening, Packet, World};

/// Length limit for what members read of one another here.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Packets to each in one go of a flood.
const FLOOD: u64 = 12;

/// How a seat behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// As the protocol says.
    Honest,
    /// Says to some what contradicts what it says to others: two blocks in one view, two votes.
    Equivocator,
    /// Keeps back what others wait for: proposals, votes, certificates, answers.
    Withholder,
    /// Sends what is not so: blocks whose books are wrong, certificates without a quorum, sync answers
    /// of other heights, with holes, forged or empty, cosignatures on other logs.
    Forger,
    /// Gives up every view at once, and finality with it, whatever it voted before.
    Nuller,
    /// Crashes often and forgets each time what it voted, and its signer does not notice.
    Amnesiac,
    /// Is late by seconds with everything, and says old things again.
    Laggard,
    /// Sends without end what costs others memory or time.
    Flooder,
    /// One of two machines that vote with the same keys and do not know of each other.
    Twin,
    /// Its whole disk is set back to an old image now and then, and its signer's memory is not: it must
    /// notice, and is bound by all it signed.
    Restored,
    /// It loses its vote log in crashes, and its signer's memory with it, and knows that: it too is bound.
    Bereft,
    /// Its whole machine, its signer's memory too, is set back to an old image now and then: so two copies
    /// of it ran one after the other.
    Copied,
}

impl Character {
    /// How many there are.
    pub const COUNT: usize = 12;

    /// Those that count among the f.
    pub const FAULTY: [Self; Self::COUNT - 1] = [
        Self::Equivocator,
        Self::Withholder,
        Self::Forger,
        Self::Nuller,
        Self::Amnesiac,
        Self::Laggard,
        Self::Flooder,
        Self::Twin,
        Self::Restored,
        Self::Bereft,
        Self::Copied,
    ];

    /// Whether the invariants bind its votes and its books.
    pub(super) fn keeps_its_word(self) -> bool {
        matches!(self, Self::Honest | Self::Restored | Self::Bereft)
    }
}

impl World {
    /// What really leaves a machine for another instead of a packet, and how much later.
    pub(super) fn twisted(&mut self, from: usize, to: usize, packet: Packet) -> Vec<(u64, Packet)> {
        let wait_ms = self.machines[from].slow_ms;
        let character = self.machines[from].character;
        match character {
            Character::Equivocator => match self.contradiction(from, to, &packet) {
                Some(other) => vec![(wait_ms, other)],
                None => vec![(wait_ms, packet)],
            },
            Character::Withholder if self.withholds(&packet) => {
                self.figures.misdeeds += 1;
                Vec::new()
            }
            Character::Nuller if matches!(said(&packet), Some(Message::Proposal { .. })) => {
                self.figures.misdeeds += 1;
                Vec::new()
            }
            Character::Laggard => {
                self.figures.misdeeds += 1;
                vec![(self.random.between(300, 6000), packet)]
            }
            Character::Forger if self.lies(&packet) => {
                self.figures.misdeeds += 1;
                vec![(wait_ms, self.forged(from, packet))]
            }
            _ => vec![(wait_ms, packet)],
        }
    }

    /// What a member does of its own accord, again and again.
    pub(super) fn mischief(&mut self, at: usize) {
        let character = self.machines[at].character;
        let wait = match character {
            Character::Amnesiac | Character::Restored | Character::Bereft | Character::Copied => {
                self.random.between(500, 5000)
            }
            _ => self.random.between(100, 800),
        };
        self.later(wait, Happening::Mischief { at });
        if self.machines[at].validator.is_none() {
            return;
        }
        match character {
            Character::Nuller => self.give_up(at),
            Character::Amnesiac => {
                self.figures.misdeeds += 1;
                self.machines[at].forgetting = Forgetting::Unnoticed;
                self.crash_now(at, crash::AT_REST);
            }
            Character::Bereft => {
                self.figures.misdeeds += 1;
                self.lose_log(at);
            }
            Character::Restored | Character::Copied => self.set_back(at),
            Character::Laggard => self.say_again(at),
            Character::Flooder => self.flood(at),
            Character::Forger => self.invent(at),
            Character::Honest | Character::Equivocator | Character::Withholder | Character::Twin => {}
        }
    }

    /// After a vote of an equivocator, some hear the contrary.
    pub(super) fn after_vote(&mut self, at: usize, statement: Statement) {
        if self.machines[at].character != Character::Equivocator {
            return;
        }
        let view = statement.view();
        let block = statement.block().unwrap_or_default();
        let lie = match self.random.below(5) {
            0 => Statement::Nullify { view },
            1 => Statement::Finalize { view, block },
            2 => Statement::Notarize { view, block },
            3 => Statement::Notarize { view, block: BlockHash(Digest(self.random.bytes())) },
            _ => return,
        };
        let some = self.random.next();
        self.tell_some(at, some, lie);
    }

    fn tell_some(&mut self, at: usize, some: u64, statement: Statement) {
        self.figures.misdeeds += 1;
        let vote = self.signed(at, statement);
        let bytes: Arc<[u8]> = codec::encode(&Message::Vote(vote)).into();
        for to in (0..self.machines.len()).filter(|to| some >> to & 1 == 1 && *to != at) {
            self.dispatch(at, to, Packet::Message(Arc::clone(&bytes)), 0);
        }
    }

    /// A second block for some, as good as the first where the parent is final; and sometimes both
    /// camps hear both votes.
    fn contradiction(&mut self, at: usize, to: usize, packet: &Packet) -> Option<Packet> {
        let Message::Proposal { block, justification, .. } = said(packet)? else { return None };
        // The camps of a view stay the same while the proposal is said again.
        let camps = block.header.view.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        if camps >> to & 1 == 0 {
            return None;
        }
        let other = self.another_block(at, &block);
        let view = other.header.view;
        let statement = Statement::Notarize { view, block: other.header.hash() };
        let vote = self.signed(at, statement);
        if self.random.permille(300) {
            self.tell_some(at, u64::MAX, statement);
        }
        self.figures.misdeeds += 1;
        let message = Message::Proposal { block: other, justification, vote };
        Some(Packet::Message(codec::encode(&message).into()))
    }

    fn another_block(&self, at: usize, block: &Block) -> Block {
        let mut other = block.clone();
        other.header.time = Timestamp(block.header.time.0 + 1);
        let Some(validator) = &self.machines[at].validator else { return other };
        let ledger = validator.ledger();
        if ledger.head().block != block.header.parent {
            return other;
        }
        let (view, proposer) = (block.header.view, block.header.proposer);
        let slot = Slot { epoch: block.header.epoch, view, proposer, time: other.header.time };
        let proposed = ledger.propose(&Parent::Finalized, slot, &mut std::iter::empty());
        proposed.staged.block().to_block()
    }

    // Few ask for what they missed, so hardly anybody who does gets it.
    fn lies(&mut self, packet: &Packet) -> bool {
        match said(packet) {
            // All or nobody, or no lie would ever find a quorum to believe it.
            Some(Message::Proposal { block, .. }) => block.header.view.0.is_multiple_of(2),
            _ => self.random.permille(if matches!(packet, Packet::Blocks(_)) { 900 } else { 400 }),
        }
    }

    fn withholds(&mut self, packet: &Packet) -> bool {
        let permille = match packet {
            Packet::Message(_) => match said(packet) {
                Some(Message::Proposal { .. }) => 600,
                Some(Message::Vote(_)) => 500,
                _ => 800,
            },
            Packet::Transactions(_) | Packet::Cosignatures(_) => 700,
            Packet::Block(_) | Packet::Blocks(_) => 1000,
            Packet::AskBlock(_) | Packet::AskBlocks(_) | Packet::Unanswered | Packet::Connected => 0,
        };
        self.random.permille(permille)
    }

    fn give_up(&mut self, at: usize) {
        let Some(validator) = &self.machines[at].validator else { return };
        let view = validator.consensus().view();
        for view in [View(view.0.saturating_sub(1).max(1)), view, view.next()] {
            self.tell_some(at, u64::MAX, Statement::Nullify { view });
        }
    }

    fn set_back(&mut self, at: usize) {
        if self.machines[at].image.is_none() || self.random.permille(300) {
            return self.take_image(at);
        }
        self.put_image_back(at, self.machines[at].character == Character::Copied);
        self.figures.misdeeds += 1;
    }

    fn say_again(&mut self, at: usize) {
        for _ in 0..4 {
            let bytes = Arc::clone(&self.heard[self.random.index(self.heard.len())]);
            let to = self.random.index(self.machines.len());
            if to != at {
                self.figures.misdeeds += 1;
                self.dispatch(at, to, Packet::Message(bytes), 0);
            }
        }
    }

    fn flood(&mut self, at: usize) {
        for to in (0..self.machines.len()).filter(|to| *to != at) {
            for _ in 0..FLOOD {
                let packet = self.waste(at);
                self.figures.misdeeds += 1;
                self.dispatch(at, to, packet, 0);
            }
        }
    }

    /// A view that is near, or far, or beyond anything.
    pub(super) fn some_view(&mut self, at: usize) -> View {
        let near = self.machines[at].validator.as_ref().map_or(1, |v| v.consensus().view().0);
        View(match self.random.below(8) {
            0 => u64::MAX - self.random.below(3),
            1 => near + self.random.below(1 << 20),
            2 => near.saturating_sub(self.random.below(90)),
            _ => near + self.random.below(3),
        })
    }

    fn waste(&mut self, at: usize) -> Packet {
        let view = self.some_view(at);
        let block = BlockHash(Digest(self.random.bytes()));
        let message = match self.random.below(11) {
            0 => Message::Vote(self.signed(at, Statement::Nullify { view })),
            1 | 2 => Message::Vote(self.signed(at, Statement::Notarize { view, block })),
            3 => Message::Vote(self.signed(at, Statement::Finalize { view, block })),
            4 => Message::Certificate(self.lonely_certificate(at, Statement::Notarize { view, block })),
            5 => Message::StatusRequest,
            6 => Message::CertificateRequest(view),
            7 => Message::Status(Status {
                // Now and then of an epoch that has yet to come.
                epoch: Epoch(self.checker.set().epoch.0 + self.random.below(8) / 7),
                view,
                height: Height(self.random.next()),
                entry: None,
                finalization: None,
            }),
            8 => return Packet::AskBlocks(Height(self.random.below(1 << 20))),
            9 => return Packet::Cosignatures(vec![self.odd_cosignature(at)]),
            _ => {
                let junk = (0..4).map(|_| self.random.bytes::<200>().to_vec()).collect();
                return Packet::Transactions(Arc::new(junk));
            }
        };
        Packet::Message(codec::encode(&message).into())
    }

    /// A certificate that only its maker signed, several times over.
    pub(super) fn lonely_certificate(&mut self, at: usize, statement: Statement) -> Certificate {
        let (set, _) = self.voice(at);
        let (epoch, seats, quorum) = (set.epoch, set.len(), set.quorum());
        let signature = self.signed(at, statement).signature;
        let votes: Vec<_> = (0..quorum as u16).map(|seat| (seat, signature)).collect();
        Certificate::from_votes(epoch, statement, seats, &votes)
    }

    /// Truly signed, on a root or a size that is not the log's.
    pub(super) fn odd_cosignature(&mut self, at: usize) -> Cosignature {
        let real = self.machines[at].disk.leaves().len() as u64;
        let size = match self.random.below(4) {
            0 => self.random.next(),
            1 => real + self.random.below(50),
            2 => self.random.below(real + 1),
            _ => real,
        };
        let root = Digest(self.random.bytes());
        let origin = self.chain.trust.origin().into();
        let machine = &self.machines[at];
        let time_s = self.now / 1000;
        let (set, seat) = self.voice(at);
        let keys =
            machine.keyring.seat(&set).map_or_else(|| machine.keyring.for_network(&set, None), |k| k.1);
        let by = keys.cosign(seat, &Checkpoint { origin, size, root }, time_s);
        Cosignature { size, root, by }
    }
}

/// The message of consensus that a packet carries.
pub(super) fn said(packet: &Packet) -> Option<Message> {
    let Packet::Message(bytes) = packet else { return None };
    codec::decode(bytes, MESSAGE_BYTES_MAX).ok()
}
