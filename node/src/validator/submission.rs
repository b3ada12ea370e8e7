//! Taking in what a payment system submits: into the pool, or refused, or sent away for now.
//!
//! A node that slept, or was cut off, has books that lack what others posted meanwhile, and would refuse
//! what is posted already or has become bookable. So before it refuses anything it asks the others where
//! they are, and refuses only once a quorum, itself included, has said that after the question; one of
//! them is correct and took part in making the last final block. Until then the answer waits; if too few
//! answer in time, the submitter is sent away for now.
//!
//! Invariant: a refusal is told only by books that were level with a quorum when it was asked for.

use std::collections::BTreeSet;

use consensus::event::{Message, Status, To};
use ledger::block::View;
use ledger::refusal::Refusal;
use ledger::time::Timestamp;
use ledger::transaction::VerifiedTransaction;

use super::{Action, Outcome, RequestId, Validator, earlier, later};

/// Refusals that wait at a time; whoever comes on top of them is sent away for now.
const HELD_MAX: usize = 4096;

/// What our books refuse, and whose answer waits.
struct Held {
    request: RequestId,
    transaction: VerifiedTransaction,
    until_posted: bool,
}

/// A question to the others, and the refusals that wait for their answers.
struct Question {
    nonce: u64,
    asked: Timestamp,
    answers: BTreeSet<u16>,
    held: Vec<Held>,
}

/// Refusals that are not certain yet.
#[derive(Default)]
pub(super) struct Doubts {
    nonce: u64,
    question: Option<Question>,
    // They came after the question was asked, so its answers say nothing for them.
    next: Vec<Held>,
}

impl Doubts {
    /// Whether the question under way has this number.
    pub(super) fn asked(&self, nonce: u64) -> bool {
        self.question.as_ref().is_some_and(|question| question.nonce == nonce)
    }

    /// When [`Validator::doubts_time_out`] is due next.
    pub(super) fn wake_at(&self, timeout_ms: u64) -> Option<Timestamp> {
        self.question.as_ref().map(|question| later(question.asked, timeout_ms))
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by_ms: u64) {
        if let Some(question) = &mut self.question {
            question.asked = earlier(question.asked, by_ms);
        }
    }

    fn len(&self) -> usize {
        self.next.len() + self.question.as_ref().map_or(0, |question| question.held.len())
    }
}

impl Validator {
    /// Whether a finalization is known of a block that our books have yet to post.
    pub(super) fn is_behind(&self) -> bool {
        let head = self.ledger.head();
        let posted = if head.epoch == self.set.epoch { head.view } else { View(0) };
        self.core.final_view() > posted || self.catch_up.hears_of_later()
    }

    pub(super) fn on_submit(
        &mut self,
        now: Timestamp,
        request: RequestId,
        transaction: VerifiedTransaction,
        until_posted: bool,
    ) {
        if let Some(refusal) = self.admit(now, request, &transaction, until_posted) {
            if self.others_needed() == 0 || self.halted() {
                return self.reply(request, Outcome::Refused(refusal));
            }
            if self.is_behind() || self.doubts.len() >= HELD_MAX {
                return self.send_away(request);
            }
            self.doubts.next.push(Held { request, transaction, until_posted });
            self.ask_whether_level(now);
        }
    }

    /// Answers the caller, or lets it wait for a block; or says why our books refuse.
    fn admit(
        &mut self,
        now: Timestamp,
        request: RequestId,
        transaction: &VerifiedTransaction,
        until_posted: bool,
    ) -> Option<Refusal> {
        let id = transaction.id();
        if !self.pool.contains(&id) {
            match self.ledger.check(transaction, now) {
                Ok(()) => {}
                Err(Refusal::AlreadyPosted { leaf, .. }) => {
                    self.answer_posted(request, leaf);
                    return None;
                }
                Err(refusal) => return Some(refusal),
            }
            match self.pool.admit(transaction.clone(), true, now) {
                Ok(_) => self.actions.push(Action::Spread(vec![transaction.clone()])),
                Err(full) => {
                    self.reply(request, Outcome::Full(full));
                    return None;
                }
            }
        } else if let Err(full) = self.pool.admit(transaction.clone(), true, now) {
            // Known, so that it only becomes ours to spread again: whoever spread it to us may have
            // lost it since, and we may be in no position to have a block of ours accepted.
            self.reply(request, Outcome::Full(full));
            return None;
        }
        if until_posted {
            self.waiting.entry(id).or_default().push(request);
        } else {
            self.reply(request, Outcome::Pooled);
        }
        None
    }

    fn send_away(&mut self, request: RequestId) {
        self.reply(request, Outcome::Behind { height: self.ledger.head().height });
    }

    /// How many of the others must say where they are. A follower may have a line to one only, and takes
    /// its word.
    fn others_needed(&self) -> usize {
        if self.me.is_some() { self.set.quorum().saturating_sub(1) } else { 1 }
    }

    fn ask_whether_level(&mut self, now: Timestamp) {
        let doubts = &mut self.doubts;
        if doubts.question.is_some() || doubts.next.is_empty() {
            return;
        }
        // Counted down from the highest: those of the questions after a loss of votes begin at random and
        // are counted up, and an answer to one must never pass for an answer to the other.
        doubts.nonce = doubts.nonce.wrapping_sub(1);
        let (nonce, held) = (doubts.nonce, std::mem::take(&mut doubts.next));
        doubts.question = Some(Question { nonce, asked: now, answers: BTreeSet::new(), held });
        self.actions.push(Action::Send { to: To::All, message: Message::ViewRequest { nonce } });
    }

    /// A peer says where it is; what it says is taken in like any status. Who is in a later epoch does not
    /// say that we are level: while a round of asking for that epoch's blocks has just brought nothing,
    /// nothing else would remember it. Liars among them are too few to leave us without answers that count.
    pub(super) fn on_doubt_answered(&mut self, now: Timestamp, from: u16, status: Status) {
        let is_later = status.epoch > self.set.epoch;
        self.on_message(now, from, Message::Status(status));
        if is_later {
            return;
        }
        let needed = self.others_needed();
        let Some(question) = &mut self.doubts.question else { return };
        if usize::from(from) < self.set.len() && Some(from) != self.me {
            question.answers.insert(from);
        }
        if question.answers.len() >= needed {
            // What they said is consensus' first.
            self.settle(now);
            self.conclude(now);
        }
    }

    /// Too few answered: nobody is told what may not be so.
    pub(super) fn doubts_time_out(&mut self, now: Timestamp) {
        if self.doubts.wake_at(self.settings.request_timeout_ms).is_some_and(|at| at <= now)
            && let Some(question) = self.doubts.question.take()
        {
            for Held { request, transaction, until_posted } in question.held {
                if self.admit(now, request, &transaction, until_posted).is_some() {
                    self.send_away(request);
                }
            }
            self.ask_whether_level(now);
        }
    }

    fn conclude(&mut self, now: Timestamp) {
        let Some(question) = self.doubts.question.take() else { return };
        for Held { request, transaction, until_posted } in question.held {
            match self.admit(now, request, &transaction, until_posted) {
                Some(_) if self.is_behind() => self.send_away(request),
                Some(refusal) => self.reply(request, Outcome::Refused(refusal)),
                None => {}
            }
        }
        self.ask_whether_level(now);
    }
}
