//! Coming back: fetching single blocks that consensus misses, and whole stretches of final blocks
//! after an absence, from one peer after another until one answers truly.

use std::collections::BTreeMap;

use consensus::event::{HaltReason, Input};
use ledger::block::{BlockHash, VerifiedBlock, View};
use ledger::books::Parent;
use ledger::certificate::{Certificate, FinalizedBlock, Statement};
use ledger::time::Timestamp;

use super::{Action, Validator, earlier, later};

/// Single blocks asked for at once.
const FETCHES_MAX: usize = 32;

/// A finalized block as a peer sent it: transactions verified, certificates not.
#[derive(Clone, Debug)]
pub struct SyncedBlock {
    /// The block.
    pub block: VerifiedBlock,
    /// Its notarization.
    pub notarization: Certificate,
    /// Nullifications of the views it skipped.
    pub skips: Vec<Certificate>,
    /// Its finalization, unless a later block's serves.
    pub finalization: Option<Certificate>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    asked: Timestamp,
    attempts: u32,
}

/// What is being asked for.
#[derive(Default)]
pub(super) struct CatchUp {
    target: Option<Certificate>,
    stretch: Option<Request>,
    // The peer asked for a stretch is out of the question until another was asked.
    skipped: bool,
    // Answers in a row that were of no use. The next peer is asked at once until all were; then it
    // waits for the time limit, or peers that answer nothing would be asked without pause.
    fruitless: u32,
    fetches: BTreeMap<BlockHash, Request>,
}

impl CatchUp {
    /// Something beyond our reach is final: catch up to it.
    pub(super) fn target(&mut self, finalization: Certificate) {
        let newer = |known: &Certificate| known.statement.view() < finalization.statement.view();
        if self.target.as_ref().is_none_or(newer) {
            self.target = Some(finalization);
        }
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by_ms: u64) {
        for request in self.fetches.values_mut().chain(&mut self.stretch) {
            request.asked = earlier(request.asked, by_ms);
        }
    }

    /// A request came to nothing: ask the next peer at the next tick.
    pub(super) fn unanswered(&mut self, _from: u16) {
        self.skip();
    }

    fn skip(&mut self) {
        self.skipped = true;
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// Whether the next of so many peers is asked without waiting.
    fn hastens(&self, peers: usize) -> bool {
        self.skipped && (self.fruitless as usize) < peers
    }
}

impl Validator {
    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        let asked = self.catch_up.fetches.values().chain(&self.catch_up.stretch).map(|request| request.asked);
        let hastens = self.catch_up.hastens(self.set.len());
        let timeout = if hastens { 1 } else { self.settings.request_timeout_ms };
        asked.min().map(|asked| later(asked, timeout))
    }

    pub(super) fn retry_requests(&mut self, now: Timestamp) {
        let timeout = self.settings.request_timeout_ms;
        if let Some(request) = &self.catch_up.stretch
            && (self.catch_up.hastens(self.set.len()) || later(request.asked, timeout) <= now)
        {
            let attempts = request.attempts.wrapping_add(1);
            self.catch_up.stretch = None;
            self.ask_stretch(now, attempts);
        }
        self.catch_up.skipped = false;
        let missing = self.executions.missing();
        self.catch_up.fetches.retain(|block, _| missing.contains(block));
        let due: Vec<(BlockHash, u32)> = self
            .catch_up
            .fetches
            .iter()
            .filter(|(_, request)| later(request.asked, timeout) <= now)
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
        if self.catch_up.stretch.is_none() && self.catch_up.target.is_some() {
            self.ask_stretch(now, 0);
        }
    }

    fn ask_block(&mut self, now: Timestamp, block: BlockHash, attempts: u32) {
        if let Some(from) = self.peer(attempts) {
            self.catch_up.fetches.insert(block, Request { asked: now, attempts });
            self.actions.push(Action::FetchBlock { from, block });
        }
    }

    fn ask_stretch(&mut self, now: Timestamp, attempts: u32) {
        let head = self.ledger.head();
        let reached = |target: &Certificate| target.statement.view() <= head.view;
        if self.catch_up.target.as_ref().is_some_and(reached) {
            self.catch_up.target = None;
        }
        if self.catch_up.target.is_none() {
            return;
        }
        let height = head.height.next();
        if let Some(from) = self.peer(attempts) {
            self.catch_up.stretch = Some(Request { asked: now, attempts });
            self.actions.push(Action::FetchBlocks { from, height });
        }
    }

    /// The peer to ask at this attempt: each in turn, beginning with our neighbour, so that not all
    /// who are behind ask the same one.
    fn peer(&self, attempts: u32) -> Option<u16> {
        let peers = u16::try_from(self.set.len()).ok()?;
        let me = self.me.unwrap_or(0);
        (0..u32::from(peers))
            .map(|step| ((u32::from(me) + 1 + attempts.wrapping_add(step)) % u32::from(peers)) as u16)
            .find(|peer| Some(*peer) != self.me)
    }

    pub(super) fn on_blocks(&mut self, now: Timestamp, _from: u16, mut blocks: Vec<SyncedBlock>) {
        let attempts = self.catch_up.stretch.take().map_or(0, |request| request.attempts);
        // Only what a finalization covers is final.
        let covered = blocks.iter().rposition(|b| b.finalization.is_some()).map_or(0, |last| last + 1);
        blocks.truncate(covered);
        // What we hold already is no fault of the sender: we may have moved on since asking.
        let height = self.ledger.head().height;
        blocks.retain(|b| b.block.header().height > height);
        let mut finalization = None;
        let mut last = None;
        if self.is_proven(&blocks) {
            for synced in blocks {
                let header = synced.block.header().clone();
                let staged = match self.ledger.verify(&Parent::Finalized, &synced.block) {
                    Ok(staged) => staged,
                    Err(error) => {
                        tracing::error!(block = %synced.block.hash(), %error, "a final block is refused by our books");
                        let certificate = synced.finalization.unwrap_or(synced.notarization);
                        self.actions.push(Action::Halt(HaltReason::CertifiedInvalid { certificate }));
                        return;
                    }
                };
                finalization = synced.finalization.clone();
                let proof = FinalizedBlock {
                    block: synced.block.to_block(),
                    notarization: synced.notarization,
                    skips: synced.skips,
                    finalization: synced.finalization,
                };
                self.post(staged, proof);
                last = Some(header);
            }
        } else {
            self.faults += 1;
        }
        match (last, finalization) {
            (Some(header), Some(finalization)) => {
                self.catch_up.fruitless = 0;
                self.cosign_head();
                self.inputs.push_back(Input::Synced { header, finalization });
                self.ask_stretch(now, attempts);
            }
            // Nothing usable: the next peer, at the next tick.
            _ => {
                self.catch_up.stretch = Some(Request { asked: now, attempts });
                self.catch_up.skip();
            }
        }
    }

    /// Whether the stretch continues our chain and every block carries what proves it final: its
    /// notarization, a nullification of every view skipped, and a finalization at or after it.
    fn is_proven(&mut self, blocks: &[SyncedBlock]) -> bool {
        let head = self.ledger.head();
        let (mut parent, mut parent_view) = (head.block, head.view);
        if blocks.is_empty() {
            return false;
        }
        for synced in blocks {
            let header = synced.block.header();
            let (hash, view) = (synced.block.hash(), header.view);
            let follows = header.parent == parent && header.parent_view == parent_view && view > parent_view;
            let notarized = synced.notarization.statement == Statement::Notarize { view, block: hash };
            // A stranger's view may lie before the parent's.
            let gap = parent_view.0.saturating_add(1)..view.0;
            let length = gap.end.saturating_sub(gap.start);
            let skipped = usize::try_from(length).is_ok_and(|length| length == synced.skips.len())
                && synced
                    .skips
                    .iter()
                    .zip(gap)
                    .all(|(skip, view)| skip.statement == Statement::Nullify { view: View(view) });
            let finalized = synced
                .finalization
                .as_ref()
                .is_none_or(|f| f.statement == Statement::Finalize { view, block: hash });
            if !(follows && notarized && skipped && finalized) {
                return false;
            }
            let certificates =
                [&synced.notarization].into_iter().chain(&synced.skips).chain(&synced.finalization);
            for certificate in certificates {
                if !self.holds(certificate) {
                    return false;
                }
            }
            (parent, parent_view) = (hash, view);
        }
        true
    }
}
