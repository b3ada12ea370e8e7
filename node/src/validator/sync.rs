//! Coming back: fetching single blocks that consensus misses, and whole stretches of final blocks
//! after an absence, from one peer after another until one answers truly.
//!
//! A stretch may cross epochs: each block is judged by the set of its own, which is in force here once
//! the block that ends the epoch before is posted.

use std::collections::BTreeMap;

use consensus::event::{HaltReason, Input};
use ledger::block::{BlockHash, Header, Height, VerifiedBlock, View};
use ledger::books::Parent;
use ledger::certificate::Certificate;
use ledger::finality::{Finality, FinalityError, verify_closing, verify_finalized, verify_notarized};
use ledger::time::Timestamp;

use super::{Action, Validator, earlier, later};

/// Single blocks asked for at once.
const FETCHES_MAX: usize = 32;
const NO_RECOVERY: &str = "a recovery block that does not continue our books";

/// A finalized block as a peer sent it: transactions verified, certificates not.
#[derive(Clone, Debug)]
pub struct SyncedBlock {
    /// The block.
    pub block: VerifiedBlock,
    /// What it says proves it final.
    pub finality: Finality,
}

impl SyncedBlock {
    fn finalization(&self) -> Option<&Certificate> {
        match &self.finality {
            Finality::Voted { finalization, .. } => finalization.as_ref(),
            Finality::Recovered => None,
        }
    }
}

/// A peer is in a later epoch than we.
#[derive(Clone, Copy, Debug)]
struct Later {
    from: u16,
    height: Height,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    from: u16,
    asked: Timestamp,
    attempts: u32,
    // It came to nothing: no need to wait out the time-out.
    failed: bool,
}

impl Request {
    /// When the next peer is to be asked. After a whole round in which nobody had anything of use there is
    /// a pause, because all may be as far behind, or lie, and would answer at once for ever.
    fn due(&self, peers: u32, timeout_ms: u64) -> Timestamp {
        let round_over = (self.attempts.wrapping_add(1)).is_multiple_of(peers.max(1));
        later(self.asked, if self.failed && !round_over { 1 } else { timeout_ms })
    }
}

/// What is being asked for.
#[derive(Default)]
pub(super) struct CatchUp {
    target: Option<Certificate>,
    later: Option<Later>,
    // What peers say of later epochs is not heard before: one round of asking brought nothing.
    deaf_until: Option<Timestamp>,
    stretch: Option<Request>,
    fetches: BTreeMap<BlockHash, Request>,
    // Who holds no blocks below a height, by its own word.
    lacks: BTreeMap<u16, Height>,
}

impl CatchUp {
    /// Something beyond our reach is final: catch up to it.
    pub(super) fn target(&mut self, finalization: Certificate) {
        let newer = |known: &Certificate| known.statement.view() < finalization.statement.view();
        if self.target.as_ref().is_none_or(newer) {
            self.target = Some(finalization);
        }
    }

    /// A peer says that it is in a later epoch, at this height. Nothing proves it yet, so it is worth one
    /// round of asking.
    pub(super) fn hear_of_later(&mut self, now: Timestamp, from: u16, height: Height) {
        let deaf = self.deaf_until.is_some_and(|until| now < until);
        if !deaf && self.later.is_none_or(|known| known.height < height) {
            self.later = Some(Later { from, height });
        }
    }

    /// Whether a peer said of late that it is in a later epoch.
    pub(super) fn hears_of_later(&self) -> bool {
        self.later.is_some()
    }

    /// What was asked for was of the epoch before; what is said of later ones still counts.
    pub(super) fn begin_epoch(&mut self) {
        *self = Self { later: self.later, ..Self::default() };
    }

    /// What was asked of this peer came to nothing: the next is asked at the next tick.
    pub(super) fn unanswered(&mut self, from: u16) {
        let requests = self.fetches.values_mut().chain(&mut self.stretch);
        requests.filter(|request| request.from == from).for_each(|request| request.failed = true);
    }

    /// This peer holds no blocks below this height, and is not asked for them again.
    pub(super) fn lacks(&mut self, from: u16, earliest: Height) {
        self.lacks.insert(from, earliest);
        self.unanswered(from);
    }

    /// A peer that comes back may hold what it lacked.
    pub(super) fn may_hold(&mut self, peer: u16) {
        self.lacks.remove(&peer);
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by_ms: u64) {
        for request in self.fetches.values_mut().chain(&mut self.stretch) {
            request.asked = earlier(request.asked, by_ms);
        }
        self.deaf_until = self.deaf_until.map(|until| earlier(until, by_ms));
    }
}

impl Validator {
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        let (peers, timeout_ms) = (self.others(), self.settings.request_timeout_ms);
        let requests = self.catch_up.fetches.values().chain(&self.catch_up.stretch);
        requests.map(|request| request.due(peers, timeout_ms)).min()
    }

    pub(super) fn retry_requests(&mut self, now: Timestamp) {
        let (peers, timeout_ms) = (self.others(), self.settings.request_timeout_ms);
        if let Some(request) = &self.catch_up.stretch
            && request.due(peers, timeout_ms) <= now
        {
            let attempts = request.attempts.wrapping_add(1);
            self.catch_up.stretch = None;
            self.ask_stretch(now, attempts);
        }
        let missing = self.executions.missing();
        self.catch_up.fetches.retain(|block, _| missing.contains(block));
        let due: Vec<(BlockHash, u32)> = self
            .catch_up
            .fetches
            .iter()
            .filter(|(_, request)| request.due(peers, timeout_ms) <= now)
            .map(|(block, request)| (*block, request.attempts.wrapping_add(1)))
            .collect();
        for (block, attempts) in due {
            self.ask_block(now, block, attempts);
        }
    }

    /// Asks for bodies that execution found missing, and for the next stretch of final blocks.
    pub(super) fn request_missing(&mut self, now: Timestamp) {
        let room = FETCHES_MAX.saturating_sub(self.catch_up.fetches.len());
        let fetches = &self.catch_up.fetches;
        let new = self.executions.missing().iter().filter(|block| !fetches.contains_key(block));
        let new: Vec<BlockHash> = new.take(room).copied().collect();
        for block in new {
            self.ask_block(now, block, 0);
        }
        let wanted = self.catch_up.target.is_some() || self.catch_up.later.is_some();
        if self.catch_up.stretch.is_none() && wanted {
            self.ask_stretch(now, 0);
        }
    }

    fn ask_block(&mut self, now: Timestamp, block: BlockHash, attempts: u32) {
        if let Some(from) = self.peer(attempts) {
            self.catch_up.fetches.insert(block, Request { from, asked: now, attempts, failed: false });
            self.actions.push(Action::FetchBlock { from, block });
        }
    }

    fn ask_stretch(&mut self, now: Timestamp, attempts: u32) {
        let head = self.ledger.head();
        let view = if head.epoch == self.set.epoch { head.view } else { View(0) };
        if self.catch_up.target.as_ref().is_some_and(|target| target.statement.view() <= view) {
            self.catch_up.target = None;
        }
        let everybody = u32::try_from(self.set.len()).unwrap_or(u32::MAX);
        if self.catch_up.later.is_some_and(|later| later.height <= head.height) {
            self.catch_up.later = None;
        } else if self.catch_up.later.is_some() && attempts > everybody {
            self.catch_up.later = None;
            self.catch_up.deaf_until = Some(later(now, self.settings.request_timeout_ms));
        }
        if self.catch_up.target.is_none() && self.catch_up.later.is_none() {
            return;
        }
        let height = head.height.next();
        // Whoever says that there is more is asked first.
        let teller = self.catch_up.later.filter(|_| attempts == 0).map(|later| later.from);
        let holds = |peer: &u16| self.catch_up.lacks.get(peer).is_none_or(|earliest| *earliest <= height);
        let turns = attempts..attempts.saturating_add(self.others());
        let in_turn = || turns.filter_map(|turn| self.peer(turn)).find(|peer| holds(peer));
        if let Some(from) = teller.filter(|peer| holds(peer)).or_else(in_turn) {
            self.catch_up.stretch = Some(Request { from, asked: now, attempts, failed: false });
            tracing::debug!(from, %height, attempts, "asking for final blocks");
            self.actions.push(Action::FetchBlocks { from, height });
        }
    }

    /// How many peers there are to ask.
    fn others(&self) -> u32 {
        u32::try_from(self.set.len()).unwrap_or(u32::MAX).saturating_sub(u32::from(self.me.is_some()))
    }

    /// The peer to ask at this attempt: each in turn, beginning with our neighbour, so that not all
    /// who are behind ask the same one.
    fn peer(&self, attempts: u32) -> Option<u16> {
        let peers = u16::try_from(self.set.len()).ok()?;
        let first = self.me.map_or(0, |me| u32::from(me) + 1);
        // Each of the others once in as many attempts.
        let place = attempts.checked_rem(self.others())?;
        Some(((first + place) % u32::from(peers)) as u16)
    }

    /// Whatever of an answer is proven is taken, whoever sent it and however late; if nothing is, the
    /// next peer is asked.
    pub(super) fn on_blocks(&mut self, now: Timestamp, from: u16, mut blocks: Vec<SyncedBlock>) {
        // What we hold already is no fault of the sender: we may have moved on since asking.
        let height = self.ledger.head().height;
        let sent = blocks.len();
        blocks.retain(|b| b.block.header().height > height);
        tracing::debug!(from, sent, new = blocks.len(), %height, "a peer answers with final blocks");
        let (mut rest, mut useful) = (blocks, false);
        while !rest.is_empty() && !self.halted {
            let Some(after) = self.take_stretch(now, from, rest) else { break };
            (rest, useful) = (after, true);
        }
        if useful {
            self.catch_up.stretch = None;
            self.cosign_head();
            self.ask_stretch(now, 0);
        } else if let Some(request) = self.catch_up.stretch.as_mut().filter(|request| request.from == from) {
            *request = Request { asked: now, failed: true, ..*request };
        }
    }

    /// Posts what is proven final at the beginning of these blocks, up to the end of our epoch at most,
    /// and returns the rest. `None` if nothing was posted.
    fn take_stretch(
        &mut self,
        now: Timestamp,
        from: u16,
        mut blocks: Vec<SyncedBlock>,
    ) -> Option<Vec<SyncedBlock>> {
        if matches!(blocks.first()?.finality, Finality::Recovered) {
            let rest = blocks.split_off(1);
            return self.post_recovery(now, from, blocks.pop()?).then_some(rest);
        }
        let epoch = self.set.epoch;
        let voted =
            |b: &SyncedBlock| b.block.header().epoch == epoch && matches!(b.finality, Finality::Voted { .. });
        let ours = blocks.iter().take_while(|b| voted(b)).count();
        let rest = blocks.split_off(ours);
        // One bad block does not make those before it worse.
        let proven = self.count_proven(&blocks);
        if proven < blocks.len() {
            self.blame(from, "blocks as final whose proof does not hold");
            blocks.truncate(proven);
        }
        // Only what a finalization covers is final.
        let covered = blocks.iter().rposition(|b| b.finalization().is_some()).map_or(0, |last| last + 1);
        tracing::debug!(from, ours, proven, covered, "blocks from a peer");
        blocks.truncate(covered);
        let mut last: Option<(Header, Certificate)> = None;
        let mut posted = false;
        for synced in blocks {
            let header = synced.block.header().clone();
            let finalization = synced.finalization().cloned();
            let staged = match self.ledger.verify(&Parent::Finalized, &synced.block) {
                Ok(staged) => staged,
                Err(error) => {
                    tracing::error!(block = %synced.block.hash(), %error, "a final block is refused by our books");
                    if let Finality::Voted { notarization, finalization, .. } = synced.finality {
                        let certificate = finalization.unwrap_or(notarization);
                        self.executions.refuse_body(synced.block);
                        self.halt(HaltReason::CertifiedInvalid { certificate });
                    }
                    return None;
                }
            };
            // What ends an epoch must prove it by itself: nothing after it is of the same epoch.
            if staged.ends_epoch() && finalization.is_none() {
                self.blame(from, "the last block of an epoch without its finalization");
                break;
            }
            let ends = staged.ends_epoch();
            self.post(now, staged, synced.finality);
            posted = true;
            if ends {
                return Some(rest);
            }
            last = finalization.map(|finalization| (header, finalization)).or(last);
        }
        if let Some((header, finalization)) = last {
            self.inputs.push_back(Input::Synced { header, finalization });
        }
        posted.then_some(rest)
    }

    /// A recovery block is believed only if our own books make the same of the transaction in it.
    fn post_recovery(&mut self, now: Timestamp, from: u16, synced: SyncedBlock) -> bool {
        let [transaction] = synced.block.transactions() else {
            self.blame(from, NO_RECOVERY);
            return false;
        };
        match self.ledger.recover(transaction.clone()) {
            Ok(staged) if staged.hash() == synced.block.hash() => {
                self.post(now, staged, Finality::Recovered);
                true
            }
            Ok(_) => {
                self.blame(from, NO_RECOVERY);
                false
            }
            Err(error) => {
                tracing::warn!(%error, "a recovery block that a peer sent does not continue these books");
                // No breach: these may be books that the recovery left behind.
                self.faults += 1;
                false
            }
        }
    }

    /// How many blocks from the first on continue our chain and carry what makes them final: their
    /// notarization, a nullification of every view skipped, and their finalization if they bring one.
    fn count_proven(&self, blocks: &[SyncedBlock]) -> usize {
        let mut parent = self.ledger.head().block;
        for (count, synced) in blocks.iter().enumerate() {
            if let Err(error) = self.prove(parent, synced) {
                tracing::debug!(%error, "a block that a peer sent is not proven");
                return count;
            }
            parent = synced.block.hash();
        }
        blocks.len()
    }

    fn prove(&self, parent: BlockHash, synced: &SyncedBlock) -> Result<(), FinalityError> {
        let (chain, set) = (self.ledger.chain(), &self.set);
        let (header, block) = (synced.block.header(), synced.block.hash());
        if header.parent != parent {
            return Err(FinalityError::Parent { block, parent });
        }
        let Finality::Voted { notarization, skips, finalization, closing } = &synced.finality else {
            return Err(FinalityError::Recovered { block });
        };
        verify_notarized(header, notarization, skips, &chain, set)?;
        closing.iter().try_for_each(|proven| proven.verify(&chain, set))?;
        let last = verify_closing(header, closing.iter().map(|proven| &proven.header))?;
        match finalization {
            Some(certificate) => verify_finalized(last, certificate, &chain, set),
            None if closing.is_empty() => Ok(()),
            None => Err(FinalityError::NoFinalization { block, closing: closing.len() }),
        }
    }
}
