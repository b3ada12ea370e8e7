//! The forger: certificates below a quorum, of another epoch or with signers who do not exist; other
//! people's votes; proposals that rest on nothing.
//!
//! Two kinds of lies, kept apart. What the signatures give away goes out by [`Hand::forge`], and the
//! world asserts that every gate stops it. What they do not give away goes out by [`Hand::send`] and
//! reaches the cores: blocks on parents that nobody certified, gaps half covered, headers that do
//! not follow, votes on blocks that nobody saw, genuine certificates of the epoch before.

use std::collections::BTreeMap;

use consensus::event::{Justification, Message, Status};
use ledger::block::{Block, BlockHash, Epoch, Header, Height, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::digest::Digest;
use ledger::signature::Signature;
use ledger::time::Timestamp;

use super::adversary::{Adversary, Hand};
use super::adversary_votes::no_block;
use super::checker::state_after;
use super::gate::{signed, stamp};

/// One forger, and the genuine signatures that it has collected.
pub(crate) struct Forger {
    certificates: BTreeMap<Statement, Certificate>,
    votes: Vec<Vote>,
}

impl Forger {
    const VIEWS_KEPT: u64 = 24;
    const VOTES_KEPT: usize = 32;

    pub(crate) fn new() -> Self {
        Self { certificates: BTreeMap::new(), votes: Vec::new() }
    }

    fn collect(&mut self, hand: &mut Hand, certificate: &Certificate) {
        if certificate.epoch == hand.epoch {
            self.certificates.entry(certificate.statement).or_insert_with(|| certificate.clone());
            let oldest = hand.view.0.saturating_sub(Self::VIEWS_KEPT);
            self.certificates.retain(|statement, _| statement.view().0 >= oldest);
        }
    }

    fn any_certificate(&self, hand: &mut Hand) -> Option<Certificate> {
        let drawn = hand.random.below(self.certificates.len().max(1) as u64) as usize;
        self.certificates.values().nth(drawn).cloned()
    }

    /// Every signature in it is false, its own excepted.
    fn invented(&self, hand: &mut Hand, statement: Statement) -> Certificate {
        let me = hand.id;
        hand.signed.push(statement);
        let by = |signer: u16| {
            let own = stamp(me, hand.epoch, &statement);
            (signer, if signer == me { own } else { Signature([7; 64]) })
        };
        let votes: Vec<_> = (0..hand.validators).map(by).collect();
        Certificate::from_votes(hand.epoch, statement, usize::from(hand.validators), &votes)
    }

    /// What no gate lets through.
    fn forgery(&self, hand: &mut Hand) -> Option<Message> {
        let view = hand.near();
        let statement = hand.anything(view);
        let damaged = |hand: &mut Hand, mut certificate: Certificate| {
            let signers: Vec<u16> = certificate.signers().collect();
            match hand.random.below(6) {
                0 => {
                    // One signer fewer than a quorum.
                    while certificate.signatures.len() >= hand.quorum {
                        let last = signers[certificate.signatures.len() - 1];
                        certificate.signers[usize::from(last) / 8] &= !(1 << (last % 8));
                        certificate.signatures.pop();
                    }
                }
                1 => {
                    // A quorum of signatures, one of them twice.
                    let last = signers[signers.len() - 1];
                    certificate.signers[usize::from(last) / 8] &= !(1 << (last % 8));
                    let first = certificate.signatures[0];
                    *certificate.signatures.last_mut().expect("a quorum is not empty") = first;
                }
                2 => certificate.epoch = Epoch(certificate.epoch.0 + 1),
                3 => certificate.epoch = Epoch(certificate.epoch.0 - 1),
                4 => {
                    // A signer beyond the last.
                    let place = hand.validators;
                    certificate.signers.resize(usize::from(place) / 8 + 1, 0);
                    certificate.signers[usize::from(place) / 8] |= 1 << (place % 8);
                    certificate.signatures.push(stamp(place, certificate.epoch, &certificate.statement));
                }
                _ => certificate.signers.push(0),
            }
            certificate
        };
        let certificate = match self.any_certificate(hand) {
            Some(genuine) if hand.random.permille(700) => damaged(hand, genuine),
            _ => self.invented(hand, statement),
        };
        let victim =
            (hand.id + 1 + hand.random.below(u64::from(hand.validators) - 1) as u16) % hand.validators;
        let signature = stamp(hand.id, hand.epoch, &statement);
        Some(match hand.random.below(6) {
            0 => Message::Vote(Vote { epoch: hand.epoch, statement, signer: victim, signature }),
            1 => Message::Vote(signed(hand.validators, hand.epoch, statement)),
            2 => {
                let entry = Some(certificate);
                let (view, height) = (hand.view, Height(0));
                Message::Status(Status { epoch: hand.epoch, view, height, entry, finalization: None })
            }
            3 => {
                let header = hand.bodies.values().next_back()?.clone();
                let statement = Statement::Notarize { view: header.view, block: header.hash() };
                let vote = hand.sign(statement);
                let block = Block { header, transactions: Vec::new() };
                let justification = Justification { parent: Some(certificate), skips: Vec::new() };
                Message::Proposal { block, justification, vote }
            }
            _ => Message::Certificate(certificate),
        })
    }

    /// What signatures do not give away.
    fn genuine(&self, hand: &mut Hand) -> Option<Message> {
        let view = hand.near();
        let statement = hand.anything(view);
        let before = Epoch(hand.epoch.0 - 1);
        Some(match hand.random.below(8) {
            0 => Message::Vote(hand.sign(statement)),
            1 => Message::Vote(hand.sign(Statement::Notarize { view, block: no_block(view.0) })),
            2 => Message::Vote(hand.sign_before(statement)),
            3 | 4 => {
                // The epoch before ended with certificates for views of the same numbers.
                let votes: Vec<_> =
                    (0..hand.validators).map(|signer| (signer, stamp(signer, before, &statement))).collect();
                let validators = usize::from(hand.validators);
                let relic = Certificate::from_votes(before, statement, validators, &votes);
                let (view, height) = (View(view.0 + 1), Height(hand.random.below(99)));
                if hand.random.permille(500) {
                    Message::Certificate(relic)
                } else {
                    let entry = Some(relic);
                    Message::Status(Status { epoch: hand.epoch, view, height, entry, finalization: None })
                }
            }
            5 => Message::Vote(*self.votes.last()?),
            6 => Message::Certificate(self.any_certificate(hand)?),
            _ => {
                let (entry, finalization) = (self.any_certificate(hand), self.any_certificate(hand));
                let (view, height) = (View(hand.random.next()), Height(hand.random.next()));
                Message::Status(Status { epoch: hand.epoch, view, height, entry, finalization })
            }
        })
    }

    /// The newest nullifications of the gap, as many as there are without a hole.
    fn skips(&self, below: View, above: View) -> Vec<Certificate> {
        let held = |view: u64| self.certificates.get(&Statement::Nullify { view: View(view) }).cloned();
        let mut skips: Vec<Certificate> = (below.0 + 1..above.0).rev().map_while(held).take(4).collect();
        skips.reverse();
        skips
    }

    /// A block for a view that it leads, on a parent of its choice.
    fn grounded_elsewhere(
        &self,
        hand: &mut Hand,
        of: &Header,
        justification: &Justification,
    ) -> Option<Message> {
        let known = hand.bodies.values().filter(|body| body.view < of.view && body.height < of.height);
        let older: Vec<&Header> = known.chain([hand.genesis]).collect();
        let parent = (*older.get(hand.random.below(older.len() as u64) as usize)?).clone();
        let of_genesis = parent.hash() == hand.genesis.hash();
        let (block, view) = (parent.hash(), parent.view);
        let parent_view = if of_genesis { View(0) } else { view };
        let held = [Statement::Notarize { view, block }, Statement::Finalize { view, block }];
        let held = held.iter().find_map(|statement| self.certificates.get(statement)).cloned();
        let other = self.certificates.values().find(|certificate| {
            certificate.statement.view() == parent_view && certificate.statement.block().is_some()
        });
        let certificate = match hand.random.below(4) {
            0 => justification.parent.clone(),
            1 => other.cloned(),
            _ => held.or_else(|| other.cloned()).or_else(|| justification.parent.clone()),
        };
        let time = Timestamp(hand.clock.0.max(parent.time.0 + 1));
        let state_root = state_after(&parent.state_root, &of.payload);
        let height = parent.height.next();
        let header = Header { parent: block, parent_view, height, time, state_root, ..of.clone() };
        let certificate = certificate.filter(|_| !of_genesis);
        let skips = self.skips(parent_view, of.view);
        Some(proposal(hand, header, Justification { parent: certificate, skips }))
    }

    fn bad_header(&self, hand: &mut Hand, of: &Header, justification: &Justification) -> Message {
        let mut header = of.clone();
        match hand.random.below(11) {
            0 => header.state_root = Digest([0xba; 32]),
            1 => header.time = Timestamp(header.time.0 + hand.random.below(5000)),
            2 => header.height = Height(header.height.0 + 1),
            3 => header.height = Height(u64::MAX),
            4 => header.time = Timestamp(0),
            5 => header.parent_view = View(header.parent_view.0.saturating_sub(1)),
            6 => header.parent = BlockHash(Digest([0xab; 32])),
            7 => header.view = View(header.view.0 + hand.random.below(9)),
            8 => header.epoch = Epoch(header.epoch.0 - 1),
            9 => header.chain = Digest([9; 32]),
            _ => header.proposer = (header.proposer + 1) % hand.validators,
        }
        let mut justification = justification.clone();
        if hand.random.permille(200) {
            justification.skips.pop();
        }
        proposal(hand, header, justification)
    }
}

fn proposal(hand: &mut Hand, header: Header, justification: Justification) -> Message {
    hand.made.push(header.clone());
    let vote = hand.sign(Statement::Notarize { view: header.view, block: header.hash() });
    Message::Proposal { block: Block { header, transactions: Vec::new() }, justification, vote }
}

impl Adversary for Forger {
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        let Message::Proposal { block, justification, .. } = message else {
            return hand.send(to, message.clone());
        };
        let other = match hand.random.below(5) {
            0 | 1 => self.grounded_elsewhere(hand, &block.header, justification),
            2 => Some(self.bad_header(hand, &block.header, justification)),
            _ => None,
        };
        hand.send(to, other.unwrap_or_else(|| message.clone()));
    }

    fn on_heard(&mut self, hand: &mut Hand, message: &Message) {
        match message {
            Message::Vote(vote) => {
                self.votes.push(*vote);
                if self.votes.len() > Self::VOTES_KEPT {
                    self.votes.remove(0);
                }
            }
            Message::Certificate(certificate) => self.collect(hand, certificate),
            Message::Status(Status { entry, finalization, .. }) => {
                entry.iter().chain(finalization).for_each(|certificate| self.collect(hand, certificate));
            }
            Message::Proposal { justification, .. } => {
                let all = justification.parent.iter().chain(&justification.skips);
                all.for_each(|certificate| self.collect(hand, certificate));
            }
            Message::StatusRequest
            | Message::CertificateRequest(_)
            | Message::ViewRequest { .. }
            | Message::ViewAnswer { .. } => {}
        }
    }

    fn on_moment(&mut self, hand: &mut Hand) {
        for _ in 0..hand.random.below(4) {
            if let Some(message) = self.forgery(hand) {
                hand.forge(message);
            }
        }
        for _ in 0..hand.random.below(4) {
            let to = hand.somebody();
            if let Some(message) = self.genuine(hand) {
                hand.send(to, message);
            }
        }
    }
}
