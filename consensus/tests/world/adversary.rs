//! Validators that misbehave: what they may do, and who they are.
//!
//! Each runs the real core, so that it knows what goes on, and does to its messages, its disk and
//! its key what it likes. It holds one key, its own: a [`Hand`] signs nothing for anybody else, and
//! what a hand forges is marked, so that the world can assert that the gate stops it.
//!
//! Left out: twins, which are two correct instances of one validator (`super::Character::Twin`).
//!
//! Invariant: whatever an adversary signs, the checker knows.

use std::collections::BTreeMap;

use consensus::event::Message;
use ledger::block::{BlockHash, Epoch, Header, View};
use ledger::certificate::{Statement, Vote};
use ledger::digest::Digest;
use ledger::time::Timestamp;

use super::adversary_forger::Forger;
use super::adversary_pace::{Amnesiac, Flooder, Laggard, Withholder};
use super::adversary_votes::{Equivocator, Nuller};
use super::checker::state_after;
use super::gate::signed;
use super::random::Random;

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Equivocator,
    Withholder,
    Forger,
    Nuller,
    Amnesiac,
    Laggard,
    Flooder,
    Twins,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Equivocator,
        Self::Withholder,
        Self::Forger,
        Self::Nuller,
        Self::Amnesiac,
        Self::Laggard,
        Self::Flooder,
        Self::Twins,
    ];

    /// Whether it says what nothing called for: one vote in a view wakes everybody.
    pub(crate) fn stirs(self) -> bool {
        !matches!(self, Self::Withholder | Self::Laggard)
    }

    /// One of this kind; twins have no mind of their own.
    pub(crate) fn mind(self, random: &mut Random) -> Option<Box<dyn Adversary>> {
        Some(match self {
            Self::Equivocator => Box::new(Equivocator::new(random)),
            Self::Withholder => Box::new(Withholder::new()),
            Self::Forger => Box::new(Forger::new()),
            Self::Nuller => Box::new(Nuller::new(random)),
            Self::Amnesiac => Box::new(Amnesiac::new(random)),
            Self::Laggard => Box::new(Laggard::new(random)),
            Self::Flooder => Box::new(Flooder::new()),
            Self::Twins => return None,
        })
    }
}

/// What it does instead of what its core asks for.
pub(crate) trait Adversary {
    /// Its core sends this to that instance.
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        hand.send(to, message.clone());
    }

    /// Something arrived that the gate let through.
    fn on_heard(&mut self, _hand: &mut Hand, _message: &Message) {}

    /// A moment passes, some hundredths of a second after the last one.
    fn on_moment(&mut self, _hand: &mut Hand) {}

    /// Whether it wants to be cut off from power now.
    fn faints(&mut self, _random: &mut Random) -> bool {
        false
    }

    /// Whether it comes back without its vote log.
    fn forgets(&self) -> bool {
        false
    }
}

/// A message on its way out.
pub(crate) struct Parcel {
    pub(crate) to: usize,
    pub(crate) wait_ms: u64,
    pub(crate) message: Message,
    /// No gate may let it through.
    pub(crate) forged: bool,
}

/// What an adversary knows, and what it can do.
pub(crate) struct Hand<'a> {
    pub(crate) id: u16,
    pub(crate) at: usize,
    pub(crate) instances: usize,
    pub(crate) validators: u16,
    pub(crate) quorum: usize,
    pub(crate) epoch: Epoch,
    pub(crate) clock: Timestamp,
    /// Where its core is.
    pub(crate) view: View,
    pub(crate) random: &'a mut Random,
    pub(crate) genesis: &'a Header,
    /// Bodies that it has.
    pub(crate) bodies: &'a BTreeMap<BlockHash, Header>,
    pub(crate) out: Vec<Parcel>,
    pub(crate) signed: Vec<Statement>,
    pub(crate) made: Vec<Header>,
}

impl Hand<'_> {
    /// Its own vote, whatever it says.
    pub(crate) fn sign(&mut self, statement: Statement) -> Vote {
        self.signed.push(statement);
        signed(self.id, self.epoch, statement)
    }

    /// Its own vote of the epoch before.
    pub(crate) fn sign_before(&self, statement: Statement) -> Vote {
        signed(self.id, Epoch(self.epoch.0 - 1), statement)
    }

    pub(crate) fn send(&mut self, to: usize, message: Message) {
        self.send_later(to, 0, message);
    }

    pub(crate) fn send_later(&mut self, to: usize, wait_ms: u64, message: Message) {
        self.out.push(Parcel { to, wait_ms, message, forged: false });
    }

    pub(crate) fn send_all(&mut self, message: &Message) {
        (0..self.instances).filter(|to| *to != self.at).collect::<Vec<_>>().into_iter().for_each(|to| {
            self.send(to, message.clone());
        });
    }

    /// What does not verify.
    pub(crate) fn forge(&mut self, message: Message) {
        let to = self.somebody();
        self.out.push(Parcel { to, wait_ms: 0, message, forged: true });
    }

    pub(crate) fn somebody(&mut self) -> usize {
        let other = self.random.below(self.instances as u64 - 1) as usize;
        if other < self.at { other } else { other + 1 }
    }

    /// Another block like this one, with other contents and books that agree.
    pub(crate) fn sibling(&mut self, of: &Header, salt: u64) -> Option<Header> {
        let parent = self.body(&of.parent)?;
        let payload = Digest::of(&[&of.payload.0, &salt.to_be_bytes()]);
        let state_root = state_after(&parent.state_root, &payload);
        let header = Header { payload, state_root, ..of.clone() };
        self.made.push(header.clone());
        Some(header)
    }

    pub(crate) fn body(&self, block: &BlockHash) -> Option<&Header> {
        self.bodies.get(block).or(Some(self.genesis).filter(|genesis| genesis.hash() == *block))
    }

    /// A view not far from where it is.
    pub(crate) fn near(&mut self) -> View {
        View((self.view.0 + self.random.below(6)).saturating_sub(3).max(1))
    }

    /// A block of this view that it knows, or one that does not exist.
    pub(crate) fn block_of(&mut self, view: View) -> BlockHash {
        let known: Vec<BlockHash> =
            self.bodies.iter().filter(|(_, header)| header.view == view).map(|(hash, _)| *hash).collect();
        let drawn = self.random.below(known.len() as u64 + 1) as usize;
        known
            .get(drawn)
            .copied()
            .unwrap_or_else(|| BlockHash(Digest::of(&[&self.random.below(4).to_be_bytes()])))
    }

    /// Any statement on a view.
    pub(crate) fn anything(&mut self, view: View) -> Statement {
        let block = self.block_of(view);
        match self.random.below(3) {
            0 => Statement::Notarize { view, block },
            1 => Statement::Nullify { view },
            _ => Statement::Finalize { view, block },
        }
    }
}
