//! Adversaries by what they say: two things at once, or always no.

use std::collections::BTreeMap;

use consensus::event::Message;
use ledger::block::{Block, BlockHash, Header, View};
use ledger::certificate::Statement;

use super::adversary::{Adversary, Hand};
use super::random::Random;

/// Two proposals, two votes, to different halves; now and then both to everybody.
pub(crate) struct Equivocator {
    salt: u64,
    /// Of each view that it led: what the other half was shown.
    shown: BTreeMap<View, Header>,
    /// Of each thousand contradictions, so many are shown to the same validators.
    open_permille: u64,
}

impl Equivocator {
    pub(crate) fn new(random: &mut Random) -> Self {
        let open_permille = [0, 100, 1000][random.below(3) as usize];
        Self { salt: random.next(), shown: BTreeMap::new(), open_permille }
    }

    /// Whether this instance is of the other half in this view.
    fn other_half(&self, to: usize, view: View) -> bool {
        let halves = (self.salt ^ view.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(17);
        halves >> (to % 64) & 1 == 1
    }

    fn contradiction(&mut self, hand: &mut Hand, statement: Statement) -> Statement {
        let view = statement.view();
        let shown = self.shown.get(&view).map(Header::hash);
        let block = shown.unwrap_or_else(|| hand.block_of(view));
        match statement {
            Statement::Notarize { .. } => Statement::Notarize { view, block },
            Statement::Nullify { .. } => Statement::Finalize { view, block },
            Statement::Finalize { .. } if hand.random.permille(500) => Statement::Nullify { view },
            Statement::Finalize { .. } => Statement::Finalize { view, block },
        }
    }
}

impl Adversary for Equivocator {
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        let view = match message {
            Message::Proposal { block, .. } => block.header.view,
            Message::Vote(vote) => vote.statement.view(),
            _ => return hand.send(to, message.clone()),
        };
        let open = hand.random.permille(self.open_permille);
        let other = self.other_half(to, view);
        if open || !other {
            hand.send(to, message.clone());
        }
        if !open && !other {
            return;
        }
        match message {
            Message::Proposal { block, justification, .. } => {
                if let Some(header) = hand.sibling(&block.header, self.salt) {
                    let vote = hand.sign(Statement::Notarize { view, block: header.hash() });
                    self.shown.insert(view, header.clone());
                    let block = Block { header, transactions: Vec::new() };
                    let justification = justification.clone();
                    hand.send(to, Message::Proposal { block, justification, vote });
                }
            }
            Message::Vote(vote) => {
                let statement = self.contradiction(hand, vote.statement);
                let vote = hand.sign(statement);
                hand.send(to, Message::Vote(vote));
            }
            _ => {}
        }
    }
}

/// Nullifies every view as soon as it hears of it, the next one too, whatever else it says.
pub(crate) struct Nuller {
    last: View,
    /// Whether it votes besides.
    votes: bool,
}

impl Nuller {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self { last: View(0), votes: random.permille(500) }
    }

    fn nullify(&mut self, hand: &mut Hand) {
        if hand.view > self.last {
            self.last = hand.view;
            for view in [hand.view, hand.view.next()] {
                let vote = hand.sign(Statement::Nullify { view });
                hand.send_all(&Message::Vote(vote));
            }
        }
    }
}

impl Adversary for Nuller {
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        let silent = !self.votes && matches!(message, Message::Proposal { .. } | Message::Vote(_));
        if !silent {
            hand.send(to, message.clone());
        }
    }

    fn on_heard(&mut self, hand: &mut Hand, _message: &Message) {
        self.nullify(hand);
    }

    fn on_moment(&mut self, hand: &mut Hand) {
        self.nullify(hand);
    }
}

/// What nobody knows.
pub(crate) fn no_block(salt: u64) -> BlockHash {
    BlockHash(ledger::digest::Digest::of(&[b"no block", &salt.to_be_bytes()]))
}
