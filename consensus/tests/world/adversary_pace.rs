//! Adversaries by when and how much they speak: not to all, late, without end, or after losing their
//! memory.

use consensus::event::{Message, Status};
use ledger::block::View;
use ledger::certificate::Statement;

use super::adversary::{Adversary, Hand};
use super::adversary_votes::no_block;
use super::random::Random;

/// Sends votes, certificates or proposals to some only, or to some late; anew in every view.
pub(crate) struct Withholder {
    view: View,
    from: u64,
    kinds: u64,
    wait_ms: Option<u64>,
}

impl Withholder {
    pub(crate) fn new() -> Self {
        Self { view: View(0), from: 0, kinds: 0, wait_ms: None }
    }
}

impl Adversary for Withholder {
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        if self.view != hand.view {
            self.view = hand.view;
            self.from = hand.random.next();
            self.kinds = hand.random.next();
            self.wait_ms = hand.random.permille(400).then(|| hand.random.between(100, 3000));
        }
        let kind = match message {
            Message::Proposal { .. } => 0,
            Message::Vote(vote) => match vote.statement {
                Statement::Notarize { .. } => 1,
                Statement::Nullify { .. } => 2,
                Statement::Finalize { .. } => 3,
            },
            Message::Certificate(_) => 4,
            Message::Status(_) | Message::ViewAnswer { .. } => 5,
            Message::StatusRequest | Message::CertificateRequest(_) | Message::ViewRequest { .. } => 6,
        };
        if self.kinds >> kind & 1 == 0 || self.from >> (to % 64) & 1 == 0 {
            hand.send(to, message.clone());
        } else if let Some(wait_ms) = self.wait_ms {
            hand.send_later(to, wait_ms, message.clone());
        }
    }
}

/// Answers late, always behind.
pub(crate) struct Laggard {
    wait_ms: (u64, u64),
}

impl Laggard {
    pub(crate) fn new(random: &mut Random) -> Self {
        let least = random.between(100, 2000);
        Self { wait_ms: (least, least + random.below(2000)) }
    }
}

impl Adversary for Laggard {
    fn on_send(&mut self, hand: &mut Hand, to: usize, message: &Message) {
        let wait_ms = hand.random.between(self.wait_ms.0, self.wait_ms.1);
        hand.send_later(to, wait_ms, message.clone());
    }
}

/// Loses its vote log, again and again, and votes as if it were new.
pub(crate) struct Amnesiac {
    permille: u64,
}

impl Amnesiac {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self { permille: random.between(10, 150) }
    }
}

impl Adversary for Amnesiac {
    fn faints(&mut self, random: &mut Random) -> bool {
        random.permille(self.permille)
    }

    fn forgets(&self) -> bool {
        true
    }
}

/// Floods votes, certificates, requests and statuses, each of them well-formed.
pub(crate) struct Flooder {
    /// What it has to repeat.
    heard: Vec<Message>,
    turn: u64,
}

impl Flooder {
    /// Messages in one moment.
    const BURST: u64 = 24;
    const HEARD_MAX: usize = 64;

    pub(crate) fn new() -> Self {
        Self { heard: Vec::new(), turn: 0 }
    }

    fn word(&mut self, hand: &mut Hand) -> Message {
        self.turn += 1;
        let view = hand.near();
        let far = View(hand.view.0 + (1 << hand.random.below(61)));
        match hand.random.below(8) {
            // Always another block, so that each vote is news to whoever does not count them.
            0 => Message::Vote(hand.sign(Statement::Notarize { view, block: no_block(self.turn) })),
            1 => Message::Vote(hand.sign(Statement::Finalize { view, block: no_block(self.turn) })),
            2 => Message::Vote(hand.sign(Statement::Nullify { view: far })),
            3 => Message::CertificateRequest(view),
            4 => Message::CertificateRequest(far),
            5 => Message::StatusRequest,
            6 => {
                let height = ledger::block::Height(hand.random.next());
                Message::Status(Status {
                    epoch: hand.epoch,
                    view: far,
                    height,
                    entry: None,
                    finalization: None,
                })
            }
            _ => {
                let drawn = hand.random.below(self.heard.len().max(1) as u64) as usize;
                self.heard.get(drawn).cloned().unwrap_or(Message::StatusRequest)
            }
        }
    }
}

impl Adversary for Flooder {
    fn on_heard(&mut self, hand: &mut Hand, message: &Message) {
        if matches!(message, Message::Vote(_) | Message::Certificate(_) | Message::Status(_)) {
            if self.heard.len() < Self::HEARD_MAX {
                self.heard.push(message.clone());
            } else {
                let place = hand.random.below(Self::HEARD_MAX as u64 * 8) as usize;
                if let Some(kept) = self.heard.get_mut(place) {
                    *kept = message.clone();
                }
            }
        }
    }

    fn on_moment(&mut self, hand: &mut Hand) {
        for _ in 0..Self::BURST {
            let to = hand.somebody();
            let message = self.word(hand);
            hand.send(to, message);
        }
    }
}
