//! What is watched of a validator while it lives: that its view never goes back, that what strangers
//! send takes bounded room in it, and that it keeps evidence of every equivocation it was shown.

use std::collections::BTreeMap;

use consensus::event::Message;
use ledger::block::{Epoch, View};
use ledger::certificate::{Statement, Vote};
use ledger::entity::OrgNumber;
use node::validator::{Action, Event, Validator};

use super::Checker;

/// Both halves of an equivocation in a view (0 is none) must be this near to where the validator is: its own window of votes
/// (rule C16) less a few views, so that no boundary is tested here.
const NEAR_VIEWS: u64 = 50;
/// Views kept below the tip (rule C16).
const WINDOW_VIEWS: u64 = 64;

/// One life of one machine.
#[derive(Default)]
pub(super) struct Life {
    term: (Epoch, View),
    heard: BTreeMap<(u16, View), Vec<Statement>>,
    // Shown both halves, and nothing kept yet.
    due: BTreeMap<(u16, View), (Statement, Statement)>,
}

impl Life {
    /// What was heard in another epoch is of no use to the core of this one.
    fn enter(&mut self, epoch: Epoch) {
        if self.term.0 != epoch {
            (self.term, self.heard) = ((epoch, View(0)), BTreeMap::new());
        }
    }
}

/// The four pairs that no correct validator signs both of (rule C10).
fn contradict(first: &Statement, second: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Nullify};
    match (first, second) {
        (Notarize { block: a, .. }, Notarize { block: b, .. } | Finalize { block: b, .. })
        | (Finalize { block: a, .. }, Finalize { block: b, .. } | Notarize { block: b, .. }) => a != b,
        (Finalize { .. }, Nullify { .. }) | (Nullify { .. }, Finalize { .. }) => true,
        (Nullify { .. }, Nullify { .. } | Notarize { .. }) | (Notarize { .. }, Nullify { .. }) => false,
    }
}

impl Checker {
    /// A machine lost its memory.
    pub fn on_crash(&mut self, at: usize) {
        self.lives.remove(&at);
    }

    /// A machine lost votes: what it was beyond it may go through again, saying nothing, until it votes.
    pub fn on_lost(&mut self, whose: OrgNumber) {
        self.lost.insert(whose);
    }

    /// Before a machine takes in an event.
    pub fn before(&mut self, at: usize, event: &Event, validator: &Validator) {
        let Event::Message { message: Message::Vote(vote), .. } = event else { return };
        let view = vote.statement.view();
        let epoch = validator.ledger().validators().epoch;
        if vote.epoch != epoch {
            return;
        }
        let near = validator.consensus().view();
        let (_, tip, _) = validator.consensus().finalized();
        let inside =
            view > View(0) && view <= near && view.0 + NEAR_VIEWS >= near.0 && view.0 + NEAR_VIEWS >= tip.0;
        if !inside || validator.consensus().halted() || !self.is_signed(vote) {
            return;
        }
        let key = (vote.signer, view);
        let life = self.lives.entry(at).or_default();
        life.enter(epoch);
        let heard = life.heard.entry(key).or_default();
        if heard.contains(&vote.statement) {
            return;
        }
        let first = heard.iter().find(|earlier| contradict(earlier, &vote.statement)).copied();
        heard.push(vote.statement);
        if let Some(first) = first
            && !self.convicted.contains(&(at, epoch, vote.signer, view))
        {
            life.due.insert(key, (first, vote.statement));
            self.equivocations += 1;
        }
    }

    /// After a machine has taken in some, before anything that follows is carried out.
    pub fn after(&mut self, at: usize, whose: OrgNumber, validator: &Validator, actions: &[Action]) {
        let epoch = validator.ledger().validators().epoch;
        let consensus = validator.consensus();
        let (view, (_, tip, _)) = (consensus.view(), consensus.finalized());
        let voted = |seat: u16| self.said.range((epoch, seat, View(0))..=(epoch, seat, View(u64::MAX)));
        let highest_voted = validator.seat().and_then(|seat| voted(seat).next_back());
        let highest_voted = highest_voted.map_or(View(0), |((.., view), _)| *view);
        let life = self.lives.entry(at).or_default();
        assert!((epoch, view) >= life.term, "#{at} goes back from {:?} to {view} (invariant 11)", life.term);
        assert!(
            view >= highest_voted || self.lost.contains(&whose),
            "#{at} is in view {view} and voted in {highest_voted} (invariant 11)"
        );
        life.enter(epoch);
        life.term = (epoch, view);
        let far = View(view.0.saturating_sub(2 * NEAR_VIEWS));
        life.heard.retain(|(_, heard), _| *heard >= far);
        for action in actions {
            if let Action::PersistEvidence(evidence) = action {
                life.due.remove(&(evidence.first.signer, evidence.first.statement.view()));
            }
        }
        let unpunished = life.due.iter().next();
        assert!(unpunished.is_none(), "#{at} was shown both and keeps no evidence: {unpunished:?}");
        // Invariant 12. Certificates of views ahead cost a quorum, so nobody makes them up.
        let stats = consensus.stats();
        let open = view.0.saturating_sub(tip.0) + 4;
        let views = (WINDOW_VIEWS + open) as usize;
        assert!(stats.views <= views, "#{at} tracks {} views, at most {views} (invariant 12)", stats.views);
        let blocks = 3 * open as usize;
        assert!(stats.blocks <= blocks, "#{at} tracks {} blocks, at most {blocks}", stats.blocks);
    }

    /// Whether the signature is the signer's, by the bytes that specs/formats.md writes down.
    pub(super) fn is_signed(&mut self, vote: &Vote) -> bool {
        let key = (vote.epoch, vote.signer, vote.statement, vote.signature);
        if let Some(known) = self.signed.get(&key) {
            return *known;
        }
        let Some(validator) = self.seat(vote.epoch, vote.signer) else { return false };
        let vote_key = validator.vote_key;
        let kind = match vote.statement {
            Statement::Notarize { .. } => 1,
            Statement::Nullify { .. } => 2,
            Statement::Finalize { .. } => 3,
        };
        let mut bytes = b"hovedbok/v1".to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&self.chain.0);
        bytes.extend_from_slice(&vote.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&vote.statement.view().0.to_be_bytes());
        if let Some(block) = vote.statement.block() {
            bytes.extend_from_slice(&block.0.0);
        }
        let signature = ed25519_dalek::Signature::from_bytes(&vote.signature.0);
        let holds = ed25519_dalek::VerifyingKey::from_bytes(&vote_key.0)
            .is_ok_and(|key| key.verify_strict(&bytes, &signature).is_ok());
        self.signed.insert(key, holds);
        holds
    }
}
