//! Taking in what a payment system submits: into the pool, or refused, or sent away for now.

use ledger::block::View;
use ledger::refusal::Refusal;
use ledger::time::Timestamp;
use ledger::transaction::VerifiedTransaction;

use super::{Action, Outcome, RequestId, Validator};

impl Validator {
    /// Whether a finalization is known of a block that our books have yet to post.
    pub(super) fn is_behind(&self) -> bool {
        let head = self.ledger.head();
        let posted = if head.epoch == self.set.epoch { head.view } else { View(0) };
        self.core.final_view() > posted
    }

    pub(super) fn on_submit(
        &mut self,
        now: Timestamp,
        request: RequestId,
        transaction: VerifiedTransaction,
        until_posted: bool,
    ) {
        let id = transaction.id();
        if !self.pool.contains(&id) {
            match self.ledger.check(&transaction, now) {
                Ok(()) => {}
                Err(Refusal::AlreadyPosted { leaf, .. }) => return self.answer_posted(request, leaf),
                // What makes it bookable may stand in the blocks that we know of and have yet to post.
                Err(_) if self.is_behind() => {
                    return self.reply(request, Outcome::Behind { height: self.ledger.head().height });
                }
                Err(refusal) => return self.reply(request, Outcome::Refused(refusal)),
            }
            match self.pool.admit(transaction.clone(), true, now) {
                Ok(_) => self.actions.push(Action::Spread(vec![transaction])),
                Err(full) => return self.reply(request, Outcome::Full(full)),
            }
        } else if let Err(full) = self.pool.admit(transaction, true, now) {
            // Known, so that it only becomes ours to spread again: whoever spread it to us may have
            // lost it since, and we may be in no position to have a block of ours accepted.
            return self.reply(request, Outcome::Full(full));
        }
        if until_posted {
            self.waiting.entry(id).or_default().push(request);
        } else {
            self.reply(request, Outcome::Pooled);
        }
    }
}
