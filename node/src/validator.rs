//! A validator without its hands: consensus, ledger and pool joined, and still no clock, disk,
//! socket or key within reach. Events come in with the time they happened at; actions go out as an
//! ordered list, and the run loop carries them out: first everything to persist, in one synced
//! batch, then the rest in order.
//!
//! It leaves out whose turn it is (`consensus`), what may be booked (`ledger`), and every side
//! effect. Signatures on transactions are checked before they come in, because that is the bulk of
//! the work and belongs on other threads; those on votes and certificates are checked here.
//!
//! Peers have numbers: below n they are the seats of the epoch, from n on guests. A core serves one
//! epoch; when the block that ends it is posted, a fresh core takes over, and books, pool and callers
//! go on (`epoch`).
//!
//! Invariant: the same events at the same times give the same actions.

mod coming_back;
mod epoch;
mod execution;
mod hearing;
mod posting;
mod submission;
mod sync;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use consensus::event::{Effect, Evidence, Finalized, HaltReason, Input, Justification, Message, To};
use consensus::machine::{Config, Consensus, Restored, Start};
use ledger::block::{Block, BlockHash, Epoch, Height, LeafIndex, VerifiedBlock, View};
use ledger::books::{Ledger, Slot, Staged, Still};
use ledger::certificate::{Certificate, Statement, ValidatorSet, Vote};
use ledger::checkpoint::Trust;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::refusal::Refusal;
use ledger::signature::PublicKey;
use ledger::time::Timestamp;
use ledger::transaction::{TransactionId, VerifiedTransaction};

use crate::amnesia::Memory;
use crate::cosigning::{Certified, Cosignature, Cosigning};
use crate::pool::{Pool, PoolFull};
use crate::watermark::Term;
use execution::{Execution, Executions};
use submission::Doubts;
use sync::CatchUp;
pub use sync::SyncedBlock;

/// Certificates remembered as verified: those of the views in flight, several times over.
const VERIFIED_MAX: usize = 4096;
/// Oldest transactions of the pool looked at again after each block, so that the cost of a block
/// does not grow with the pool.
const RECHECKED_MAX: usize = 64;
/// A transaction that has waited this long may have become refusable, or been lost on its way to
/// the other pools.
const STALE_MS: u64 = 2000;
/// At most this many transactions are spread again at once.
const RESPREAD_MAX: usize = 512;

/// Names the caller that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time passed; see [`Validator::wake_at`].
    Tick,
    /// A payment system submits a transaction and waits for an answer.
    Submit {
        /// Who waits.
        request: RequestId,
        /// What it submits.
        transaction: VerifiedTransaction,
        /// True: answer when a certified checkpoint covers it; false: when it is in the pool.
        until_posted: bool,
    },
    /// Peers spread transactions.
    Spread(Vec<VerifiedTransaction>),
    /// A peer sent a proposal.
    Proposal {
        /// Number of the peer.
        from: u16,
        /// The block; its transactions are verified.
        block: VerifiedBlock,
        /// Why its parent may be built on.
        justification: Justification,
        /// The leader's vote.
        vote: Vote,
    },
    /// A peer sent another message.
    Message {
        /// Number of the peer.
        from: u16,
        /// What it says; signatures in it are not checked yet.
        message: Message,
    },
    /// Our own statement is durable and signed.
    Voted(Vote),
    /// A block that we asked for arrived.
    Block(VerifiedBlock),
    /// Finalized blocks that we asked for arrived, in rising order of height.
    Blocks {
        /// Number of the peer that sent them.
        from: u16,
        /// Its blocks; transactions verified, certificates not.
        blocks: Vec<SyncedBlock>,
    },
    /// A request to this peer came to nothing.
    Unanswered {
        /// Number of the peer.
        from: u16,
    },
    /// This peer says that it holds no blocks below this height.
    Lacks {
        /// Number of the peer.
        from: u16,
        /// The lowest height it holds.
        earliest: Height,
    },
    /// A peer sent what no correct one sends, noticed before it came this far.
    Broke {
        /// Number of the peer.
        from: u16,
        /// What it did.
        what: &'static str,
    },
    /// Cosignatures arrived, our own among them.
    Cosignatures(Vec<Cosignature>),
    /// A peer is connected.
    Connected(u16),
    /// The last link to a peer is down.
    Disconnected(u16),
    /// A transaction of our own: the report of an offence, signed and verified.
    Own(VerifiedTransaction),
}

/// What the run loop must do. All of a call's `Persist…` are made durable, in one batch, before any
/// of the others is carried out.
#[derive(Clone)]
pub enum Action {
    /// Keep our own statement.
    PersistVote {
        /// The epoch it is made in.
        epoch: Epoch,
        /// What is stated.
        statement: Statement,
    },
    /// Keep a block that is not final yet.
    PersistBlock(VerifiedBlock),
    /// Keep a certificate.
    PersistCertificate(Certificate),
    /// Keep a final block, what it booked, and what proves it.
    PersistFinalized {
        /// The executed block.
        staged: Arc<Staged>,
        /// With its proof.
        proof: FinalizedBlock,
    },
    /// Write a snapshot of the books as they stood after a block, once that block is durable.
    Snapshot(Arc<Still>),
    /// Keep the newest certified checkpoint.
    PersistCheckpoint(Certified),
    /// Keep what convicts a validator.
    PersistEvidence(Evidence),
    /// Sign our statement as the seat we have in this epoch, send the vote to all, and feed it back as
    /// [`Event::Voted`].
    Vote {
        /// The epoch.
        epoch: Epoch,
        /// What is stated.
        statement: Statement,
    },
    /// Cosign our checkpoint as the seat we have in this epoch, unless our watermark forbids it, send it
    /// to all, and feed it back.
    Cosign {
        /// The epoch that vouches for a checkpoint of this size; perhaps the one before.
        epoch: Epoch,
        /// Leaves in the log.
        size: u64,
        /// Root of the log.
        root: Digest,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: To,
        /// What.
        message: Message,
    },
    /// Send cosignatures to one peer.
    SendCosignatures {
        /// Number of the peer.
        to: u16,
        /// At most one per validator.
        cosignatures: Vec<Cosignature>,
    },
    /// Spread transactions to the other pools.
    Spread(Vec<VerifiedTransaction>),
    /// Ask a peer for one block.
    FetchBlock {
        /// Number of the peer.
        from: u16,
        /// Which.
        block: BlockHash,
    },
    /// Ask a peer for finalized blocks from this height on.
    FetchBlocks {
        /// Number of the peer.
        from: u16,
        /// The first height.
        height: Height,
    },
    /// A peer sent what no correct one sends: count it, and have nothing to do with it for a while if
    /// that happens again.
    Blame {
        /// Number of the peer.
        peer: u16,
        /// What it did.
        what: &'static str,
    },
    /// Answer a caller.
    Reply {
        /// Who waits.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Another validator set is in force: find our seat in it, admit its members, go on.
    BeginEpoch {
        /// The set whose epoch ended.
        before: ValidatorSet,
        /// The set in force.
        set: ValidatorSet,
    },
    /// Sign a report of this offence with our vote key, and feed it back as [`Event::Own`].
    Report(Evidence),
    /// Stop voting for good, keep the proof, and page the operator; reading goes on.
    Halt {
        /// What was seen.
        reason: HaltReason,
        /// The block that a certificate in it speaks of and our books refuse, if it is here.
        block: Option<Box<Block>>,
    },
    /// A vote of ours in this term turned up that we do not remember: sign nothing more, and know it
    /// durably.
    Forgot(Term),
    /// The lost vote log is made up for: know durably, before the next vote is signed, that none is cast
    /// below this term.
    Regained(Term),
}

impl Action {
    /// Whether it must be durable before anything else of the same call happens.
    pub fn persists(&self) -> bool {
        matches!(
            self,
            Self::PersistVote { .. }
                | Self::PersistBlock(_)
                | Self::PersistCertificate(_)
                | Self::PersistFinalized { .. }
                | Self::PersistCheckpoint(_)
                | Self::PersistEvidence(_)
        )
    }
}

/// What became of a submitted transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for a block.
    Pooled,
    /// It is posted, and a certified checkpoint covers it.
    Posted {
        /// Its leaf in the log.
        leaf: LeafIndex,
    },
    /// The ledger refuses it.
    Refused(Refusal),
    /// No room; come back later.
    Full(PoolFull),
    /// Our books lack final blocks, and as they are they refuse it; come back later.
    Behind {
        /// The last block posted.
        height: Height,
    },
}

/// Settings of a validator, beside those of consensus.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Timers and windows of consensus.
    pub consensus: Config,
    /// How long a request to a peer may stay unanswered before another is asked.
    pub request_timeout_ms: u64,
}

/// What a validator starts from, read back from its own disk.
pub struct Recovered {
    /// The books, replayed to the last final block.
    pub ledger: Ledger,
    /// Origin and validators, from genesis, and the handoffs since.
    pub trust: Trust,
    /// Offences that were seen, booked or not.
    pub evidence: Vec<Evidence>,
    /// Whether it stopped for good, and nobody has settled the matter since.
    pub halted: bool,
    /// Consensus: own statements, certificates, headers.
    pub consensus: Restored,
    /// Bodies of blocks that are not final.
    pub blocks: Vec<VerifiedBlock>,
    /// The newest certified checkpoint.
    pub certified: Option<Certified>,
    /// Whether the vote log is whole.
    pub memory: Memory,
}

/// See the module.
pub struct Validator {
    settings: Settings,
    // The vote keys that we hold; our seat is where one of them sits.
    vote_keys: Vec<PublicKey>,
    me: Option<u16>,
    set: ValidatorSet,
    halted: bool,
    ledger: Ledger,
    core: Consensus,
    pool: Pool,
    executions: Executions,
    catch_up: CatchUp,
    cosigning: Cosigning,
    memory: Memory,
    // A vote of ours that we do not remember was shown before.
    shown: bool,
    // Final, in order of height, but not executed here yet.
    decided: VecDeque<Finalized>,
    waiting: BTreeMap<TransactionId, Vec<RequestId>>,
    doubts: Doubts,
    // Posted at this leaf; the answer waits for a certified checkpoint that covers it.
    uncovered: BTreeMap<LeafIndex, Vec<RequestId>>,
    verified: BTreeSet<Digest>,
    verified_order: VecDeque<Digest>,
    respread_at: Timestamp,
    // When we last asked a peer that seems to be in a later epoch where it stands.
    enquired_at: Option<Timestamp>,
    // When each peer last got our newest cosignatures for its status.
    cosignatures_told: BTreeMap<u16, Timestamp>,
    // How many offences of whom we reported since the start.
    reported: BTreeMap<(Epoch, u16), usize>,
    now: Timestamp,
    faults: u64,
    snapshot_every: u64,
    // The call in progress.
    inputs: VecDeque<Input>,
    actions: Vec<Action>,
}

impl Validator {
    /// A validator as its disk left it, and what it must do first. It has the seat that one of its vote
    /// keys holds in the epoch; with none, it follows.
    pub fn new(
        settings: Settings,
        vote_keys: Vec<PublicKey>,
        recovered: Recovered,
        now: Timestamp,
    ) -> (Self, Vec<Action>) {
        let Recovered { ledger, trust, evidence, halted, mut consensus, blocks, certified, mut memory } =
            recovered;
        let set = ledger.validators().clone();
        // Whoever stopped for good has no voice until a person has looked.
        let me = seat(&set, &vote_keys).filter(|_| !halted);
        memory.begin(&set, me);
        if memory.progress().is_some() {
            // What is left of the vote log is true, but not all; nothing is to be cast again from it.
            consensus.statements.clear();
        }
        let start = Start {
            chain: ledger.chain(),
            validators: set.clone(),
            me,
            genesis: ledger.start().clone(),
            vote_from: memory.vote_from(set.epoch),
        };
        let (core, effects) = Consensus::new(settings.consensus.clone(), start, consensus, now);
        let head = ledger.head();
        let mut cosigning = Cosigning::new(trust, certified);
        cosigning.reached(head.log.size(), head.log.root());
        let mut validator = Self {
            settings,
            vote_keys,
            me,
            cosigning,
            memory,
            shown: false,
            set,
            halted,
            ledger,
            core,
            pool: Pool::default(),
            executions: Executions::new(blocks),
            catch_up: CatchUp::default(),
            decided: VecDeque::new(),
            waiting: BTreeMap::new(),
            doubts: Doubts::default(),
            uncovered: BTreeMap::new(),
            verified: BTreeSet::new(),
            verified_order: VecDeque::new(),
            respread_at: now,
            enquired_at: None,
            cosignatures_told: BTreeMap::new(),
            reported: BTreeMap::new(),
            now,
            faults: 0,
            snapshot_every: 0,
            inputs: VecDeque::new(),
            actions: Vec::new(),
        };
        validator.cosign_head();
        evidence.iter().for_each(|evidence| validator.report(evidence));
        validator.carry_all(now, effects);
        validator.settle(now);
        let actions = std::mem::take(&mut validator.actions);
        (validator, actions)
    }

    /// Asks for a snapshot of every block at a multiple of this height; of none while it is 0.
    pub fn keep_snapshots(&mut self, every: u64) {
        self.snapshot_every = every;
    }

    /// The only way in; the returned list is the only way out.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        self.set_now(now);
        match event {
            event if self.halted && !is_heard_by_the_halted(&event) => {}
            Event::Tick => {
                self.inputs.push_back(Input::Tick);
                self.retry(now);
                self.ask_where(now);
                self.doubts_time_out(now);
            }
            Event::Submit { request, transaction, until_posted } => {
                self.on_submit(now, request, transaction, until_posted);
            }
            Event::Spread(transactions) => {
                for transaction in transactions {
                    // What our books refuse now may be fine later, but then its sender spreads it again.
                    if self.ledger.check(&transaction, now).is_ok() {
                        // A full pool drops what peers spread: their own pools still hold it.
                        let _ = self.pool.admit(transaction, false, now);
                    }
                }
            }
            Event::Proposal { from, block, justification, vote } => {
                self.on_proposal(from, block, justification, vote);
            }
            Event::Message { from, message } => self.on_message(now, from, message),
            Event::Voted(vote) => self.inputs.push_back(Input::Vote(vote)),
            Event::Block(block) => {
                let header = block.header().clone();
                self.executions.add(block);
                self.inputs.push_back(Input::Fetched { header });
            }
            Event::Blocks { from, blocks } => self.on_blocks(now, from, blocks),
            Event::Unanswered { from } => self.catch_up.unanswered(from),
            Event::Lacks { from, earliest } => self.catch_up.lacks(from, earliest),
            Event::Broke { from, what } => self.blame(from, what),
            Event::Cosignatures(cosignatures) => {
                // Not short-circuiting: each cosignature counts.
                let newer = cosignatures.into_iter().fold(false, |newer, c| self.cosigning.add(c) | newer);
                if newer {
                    self.on_certified();
                }
            }
            Event::Disconnected(peer) => self.inputs.push_back(Input::Link { peer, up: false }),
            Event::Connected(peer) => {
                self.inputs.push_back(Input::Link { peer, up: true });
                self.catch_up.may_hold(peer);
                let message = Message::Status(self.core.status());
                self.actions.push(Action::Send { to: To::One(peer), message });
                if let Some(certified) = self.cosigning.certified() {
                    let cosignatures = certified.to_cosignatures();
                    self.actions.push(Action::SendCosignatures { to: peer, cosignatures });
                }
                self.cosign_head();
            }
            Event::Own(transaction) => {
                // Refused when somebody else's report of the offence is booked already.
                if self.ledger.check(&transaction, now).is_ok()
                    && self.pool.admit(transaction.clone(), true, now) == Ok(true)
                {
                    self.actions.push(Action::Spread(vec![transaction]));
                }
            }
        }
        self.settle(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is wanted next.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let requests = self.next_retry();
        let respread = (!self.pool.is_empty()).then(|| later(self.respread_at, STALE_MS));
        // What was just forgotten is asked for at the next tick.
        let memory = self.memory.wake_at().map(|at| at.max(later(self.now, 1)));
        let doubts = self.doubts.wake_at(self.settings.request_timeout_ms);
        [self.core.wake_at(), requests, respread, memory, doubts].into_iter().flatten().min()
    }

    /// The finalized books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Consensus, for its view and leader.
    pub fn consensus(&self) -> &Consensus {
        &self.core
    }

    /// Our seat in the epoch's set; none of a follower, nor of one that stopped for good.
    pub fn seat(&self) -> Option<u16> {
        self.me
    }

    /// Whether it stopped for good.
    pub fn halted(&self) -> bool {
        self.halted || self.core.halted()
    }

    /// Who validated when, with what proves it.
    pub fn trust(&self) -> &Arc<Trust> {
        self.cosigning.trust()
    }

    /// The newest certified checkpoint.
    pub fn certified(&self) -> Option<&Certified> {
        self.cosigning.certified()
    }

    /// How many transactions wait for a block.
    pub fn pooled(&self) -> usize {
        self.pool.len()
    }

    /// Whether this transaction waits for a block.
    pub fn is_pooled(&self, id: &TransactionId) -> bool {
        self.pool.contains(id)
    }

    /// How many messages of peers broke the protocol.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Clocks are set back now and then; what began so long ago still began so long ago, or a request
    /// that was lost would not be repeated before the clock has caught up.
    fn set_now(&mut self, now: Timestamp) {
        if now < self.now {
            let by_ms = self.now.0 - now.0;
            self.respread_at = earlier(self.respread_at, by_ms);
            self.catch_up.set_back(by_ms);
            self.doubts.set_back(by_ms);
            self.memory.set_back(by_ms);
            self.pool.set_back(by_ms);
        }
        self.now = now;
    }

    /// Lets consensus and execution answer each other until neither has anything left to say.
    fn settle(&mut self, now: Timestamp) {
        loop {
            self.inputs.push_back(Input::Work { waiting: !self.pool.is_empty() });
            while let Some(input) = self.inputs.pop_front() {
                let effects = self.core.handle(now, input);
                self.carry_all(now, effects);
            }
            self.execute_wanted(now);
            self.post_decided(now);
            if self.inputs.is_empty() {
                return;
            }
        }
    }

    fn carry_all(&mut self, now: Timestamp, effects: Vec<Effect>) {
        for effect in effects {
            self.carry(now, effect);
        }
    }

    fn carry(&mut self, now: Timestamp, effect: Effect) {
        match effect {
            Effect::Cast(statement) => {
                if let Statement::Notarize { block, .. } = statement
                    && let Some(body) = self.executions.body(&block)
                {
                    self.actions.push(Action::PersistBlock(body.clone()));
                }
                let epoch = self.set.epoch;
                self.actions.push(Action::PersistVote { epoch, statement });
                self.actions.push(Action::Vote { epoch, statement });
            }
            Effect::Keep(certificate) => self.actions.push(Action::PersistCertificate(certificate)),
            Effect::Propose { block, justification, vote } => {
                if let Some(body) = self.executions.body(&block) {
                    let message = Message::Proposal { block: body.to_block(), justification, vote };
                    self.actions.push(Action::Send { to: To::All, message });
                }
            }
            Effect::Send { to, message } => self.actions.push(Action::Send { to, message }),
            Effect::Build { view, parent, .. } => self.executions.want_built(view, parent),
            Effect::Check { block } => self.executions.want(block),
            Effect::Fetch { block } => match self.executions.body(&block) {
                Some(body) => self.inputs.push_back(Input::Fetched { header: body.header().clone() }),
                None => self.executions.miss(block),
            },
            Effect::Finalize(blocks) => self.decided.extend(blocks),
            Effect::Sync { finalization } => self.catch_up.target(finalization),
            Effect::Evidence(evidence) => {
                self.report(&evidence);
                self.actions.push(Action::PersistEvidence(evidence));
            }
            Effect::Halt { reason } => self.halt(reason),
        }
        self.request_missing(now);
    }

    fn execute_wanted(&mut self, now: Timestamp) {
        for block in self.executions.wanted() {
            match self.executions.execute(&self.ledger, block) {
                Execution::Done(_) => {
                    self.executions.settled(&block);
                    self.inputs.push_back(Input::Checked { block, valid: true });
                }
                Execution::Invalid { culprit } => {
                    self.executions.settled(&block);
                    self.inputs.push_back(Input::Checked { block, valid: false });
                    if culprit != block {
                        self.inputs.push_back(Input::Checked { block: culprit, valid: false });
                    }
                }
                Execution::Missing(missing) => self.executions.miss(missing),
                Execution::Stale => self.executions.settled(&block),
            }
        }
        if let Some((view, parent)) = self.executions.wanted_built() {
            self.build(now, view, parent);
        }
        self.request_missing(now);
    }

    fn build(&mut self, now: Timestamp, view: View, parent: BlockHash) {
        if view != self.core.view() {
            return self.executions.built();
        }
        let parent = match self.executions.parent(&self.ledger, parent) {
            Execution::Done(parent) => parent,
            Execution::Missing(missing) => return self.executions.miss(missing),
            Execution::Invalid { .. } | Execution::Stale => return self.executions.built(),
        };
        self.executions.built();
        let Some(me) = self.me else { return };
        let slot = Slot { epoch: self.set.epoch, view, proposer: me, time: now };
        let on_final = parent.is_final();
        // What unfinished ancestors hold would be refused again, and use up the leader's candidates.
        let ahead = self.executions.transactions_ahead(&self.ledger, &parent);
        let waiting = self.pool.iter().map(|waiting| &waiting.transaction);
        let mut candidates = waiting.filter(|transaction| !ahead.contains(&transaction.id())).cloned();
        let proposed = self.ledger.propose(&parent, slot, &mut candidates);
        drop(candidates);
        if on_final {
            for (transaction, refusal) in proposed.refused {
                self.drop_refused(&transaction.id(), refusal);
            }
        }
        let header = proposed.staged.header().clone();
        self.executions.insert(proposed.staged);
        self.inputs.push_back(Input::Built { header });
    }

    /// Asks again for what did not come, and spreads again what waits too long.
    fn retry(&mut self, now: Timestamp) {
        self.retry_requests(now);
        if later(self.respread_at, STALE_MS) <= now {
            self.respread_at = now;
            let stale =
                self.pool.iter().filter(|waiting| waiting.ours && later(waiting.since, STALE_MS) <= now);
            let stale: Vec<VerifiedTransaction> =
                stale.take(RESPREAD_MAX).map(|waiting| waiting.transaction.clone()).collect();
            if !stale.is_empty() {
                self.actions.push(Action::Spread(stale));
            }
            self.recheck(now);
        }
    }
}

/// Where one of these vote keys sits.
fn seat(set: &ValidatorSet, vote_keys: &[PublicKey]) -> Option<u16> {
    let place = set.validators.iter().position(|validator| vote_keys.contains(&validator.vote_key))?;
    u16::try_from(place).ok()
}

/// One who stopped for good takes in no more of the chain, and still hands out what it knows.
fn is_heard_by_the_halted(event: &Event) -> bool {
    match event {
        Event::Message { message, .. } => {
            matches!(
                message,
                Message::StatusRequest | Message::CertificateRequest(_) | Message::ViewRequest { .. }
            )
        }
        Event::Proposal { .. } | Event::Voted(_) | Event::Block(_) | Event::Blocks { .. } => false,
        Event::Tick
        | Event::Submit { .. }
        | Event::Spread(_)
        | Event::Unanswered { .. }
        | Event::Lacks { .. }
        | Event::Broke { .. }
        | Event::Cosignatures(_)
        | Event::Connected(_)
        | Event::Disconnected(_)
        | Event::Own(_) => true,
    }
}

/// A time some milliseconds earlier.
fn earlier(time: Timestamp, ms: u64) -> Timestamp {
    Timestamp(time.0.saturating_sub(ms))
}

/// A time some milliseconds later.
fn later(time: Timestamp, ms: u64) -> Timestamp {
    Timestamp(time.0.saturating_add(ms))
}
