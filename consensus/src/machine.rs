//! The core: facts in, wishes out.
//!
//! What the shell owes it, beside carrying effects out in their order:
//! - It passes on only what verifies: votes and certificates under the epoch's keys, proposals
//!   whose body is what the header says. [`Consensus::knows`] and [`Consensus::wants_vote`] tell
//!   what need not be verified at all.
//! - It answers every [`Effect::Check`] once, also those for blocks restored or fetched. A block is
//!   asked for only when its parent is final or was answered valid, so it can always be executed.
//! - It keeps the body of each proposal and fetched block until a later view is final.
//! - [`Effect::Fetch`] and [`Effect::Sync`] may come again for what is under way; nothing is lost
//!   if an attempt fails, because the core asks again while it needs the answer.
//! - A leader's header takes `max(now, parent's time + 1)` as its time.
//! - It calls `handle(now, Input::Tick)` no later than [`Consensus::wake_at`], which is asked anew
//!   after each call.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use ledger::block::{BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, ValidatorSet, Vote};
use ledger::digest::Digest;
use ledger::time::Timestamp;

use crate::blocks::{Blocks, Verdict};
use crate::event::{Effect, HaltReason, Input, Justification, Message, Proposal, Status, To};
use crate::leader::Rotation;
use crate::timer::Timer;
use crate::view::{Put, ViewState};

/// What the operator decides. Validators need not agree on it, except for `drift_ms` roughly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Assumed bound on a message's way, body included, in milliseconds; the timers' base.
    pub delta_ms: u64,
    /// The bound grows by half with every view without finality, up to this.
    pub delta_max_ms: u64,
    /// A leader lets this much time pass after the parent's time, in milliseconds.
    pub block_interval_ms: u64,
    /// While nothing waits, a block is made this long after the last final one, in milliseconds.
    pub heartbeat_ms: u64,
    /// A proposal further ahead of our clock than this waits, in milliseconds.
    pub drift_ms: u64,
    /// Votes are kept for this many views below the last final and below the current one.
    pub view_window: u64,
    /// Nullifications a proposal carries at most; voters fetch the rest.
    pub skips_max: usize,
    /// A leader not heard from in this many views, while a quorum was, is skipped at once; 0 never.
    pub leader_skip_views: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delta_ms: 1000,
            delta_max_ms: 10_000,
            block_interval_ms: 250,
            heartbeat_ms: 60_000,
            drift_ms: 2000,
            view_window: 64,
            skips_max: 64,
            leader_skip_views: 8,
        }
    }
}

/// Where an epoch starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Genesis hash of the chain.
    pub chain: Digest,
    /// Who votes; at least one.
    pub validators: ValidatorSet,
    /// Our index; `None` for a follower, which never votes and never leads.
    pub me: Option<u16>,
    /// The block that the epoch starts from; counts as view 0 and as final.
    pub genesis: Header,
    /// No own vote is cast in views below: after loss of the vote log, two views beyond the highest
    /// that a quorum of others proves; otherwise `View(0)`.
    pub vote_from: View,
}

/// What was durable when the validator stopped; all empty at the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The last final block of this epoch, and a finalization of it.
    pub finalized: Option<(Header, Certificate)>,
    /// Own statements, in any order. Those of views up to the last final one may be left out.
    pub statements: Vec<Statement>,
    /// Certificates kept. Those of views up to the last final one may be left out.
    pub certificates: Vec<Certificate>,
    /// Headers of stored blocks above the last final one, in any order.
    pub headers: Vec<Header>,
}

/// Counters since the start, and sizes, for the operator's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Views entered by a notarization or finalization.
    pub views_notarized: u64,
    /// Views entered by a nullification.
    pub views_nullified: u64,
    /// Own nullify votes.
    pub nullifies: u64,
    /// Own nullify votes because the leader was judged inactive.
    pub leader_skips: u64,
    /// Retries: how often nothing moved for a whole timer.
    pub retries: u64,
    /// Evidence handed out.
    pub evidence: u64,
    /// Inputs that the core refused: malformed, of another epoch, or outside the window.
    pub refused: u64,
    /// Proposals that had to wait for our clock; grows when clocks drift apart.
    pub ahead_of_clock: u64,
    /// Views tracked now.
    pub views: usize,
    /// Blocks tracked now.
    pub blocks: usize,
}

/// Views and heights beyond are refused, so that counting on never wraps; at a thousand a second this
/// one comes after a hundred million years.
pub(crate) const COUNT_MAX: u64 = 1 << 62;
/// Up to this many validators, whoever forms a certificate sends it to all; above, that would be
/// megabytes for each view, and only the next leader gets it.
const BROADCAST_VALIDATORS_MAX: u16 = 32;
/// Votes a few views old still show that their signer is alive.
const HEARD_VIEWS: u64 = 4;

/// The last final block.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    /// 0 for the block that the epoch starts from, whatever its view was.
    pub(crate) view: View,
    pub(crate) height: Height,
    pub(crate) block: BlockHash,
    pub(crate) time: Timestamp,
    /// A finalization of it; `None` for the block that the epoch starts from.
    pub(crate) certificate: Option<Certificate>,
}

/// What was asked for and not yet repeated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repair {
    /// Views for which certificates were asked.
    pub(crate) asked: BTreeSet<View>,
    /// Blocks asked for.
    pub(crate) fetched: BTreeSet<BlockHash>,
    /// Whether stretches were to be fetched by height when the blocks were last looked at.
    pub(crate) far: bool,
    /// Whether [`Effect::Sync`] is out.
    pub(crate) syncing: bool,
    /// When all of this is asked again.
    pub(crate) at: Option<Timestamp>,
    /// How often it was, without anything having come.
    pub(crate) attempt: u32,
}

/// One validator's part in one epoch.
#[derive(Clone)]
pub struct Consensus {
    pub(crate) config: Config,
    chain: Digest,
    pub(crate) epoch: Epoch,
    pub(crate) validators: u16,
    pub(crate) quorum: usize,
    pub(crate) me: Option<u16>,
    pub(crate) vote_from: View,
    rotation: Rotation,
    pub(crate) now: Timestamp,
    pub(crate) view: View,
    pub(crate) entry: Option<Certificate>,
    pub(crate) tip: Tip,
    /// The finalization of the highest view we know, connected to the tip or not.
    pub(crate) best_final: Option<Certificate>,
    /// The highest view that has a notarization or finalization.
    pub(crate) highest_certified: View,
    pub(crate) views: BTreeMap<View, ViewState>,
    pub(crate) blocks: Blocks,
    pub(crate) work: bool,
    pub(crate) timer: Timer,
    pub(crate) repair: Repair,
    /// When this proposal's time comes within our clock's reach.
    pub(crate) clock_at: Option<Timestamp>,
    /// When the next block is due by the interval.
    pub(crate) build_at: Option<Timestamp>,
    /// Views entered since the start; what `heard` counts in.
    pub(crate) lived: u64,
    pub(crate) heard: Vec<u64>,
    /// Leaders that we waited for in vain, and of whom we heard nothing since.
    pub(crate) mute: BTreeSet<u16>,
    /// Validators to whom the link is down.
    pub(crate) cut: BTreeSet<u16>,
    /// When each peer last got our status; no more peers than the shell gives numbers to.
    told: BTreeMap<u16, Timestamp>,
    pub(crate) wake_at: Option<Timestamp>,
    halted: bool,
    pub(crate) stats: Stats,
    /// Something changed that may let blocks be executed or finalized.
    pub(crate) dirty: bool,
    pub(crate) effects: Vec<Effect>,
}

impl Consensus {
    /// Starts or restarts; the effects are to be carried out like those of [`Self::handle`].
    pub fn new(config: Config, start: Start, restored: Restored, now: Timestamp) -> (Self, Vec<Effect>) {
        let set = &start.validators;
        assert!(!set.is_empty(), "an epoch has validators");
        let validators = u16::try_from(set.len()).unwrap_or(u16::MAX);
        assert!(start.me.is_none_or(|me| me < validators), "our index is one of the set's");
        let genesis = start.genesis.hash();
        let seats = usize::from(validators);
        let mut core = Self {
            config,
            chain: start.chain,
            epoch: set.epoch,
            validators,
            quorum: set.quorum(),
            me: start.me,
            vote_from: start.vote_from,
            rotation: Rotation::new(&genesis, validators),
            now,
            view: View(1),
            entry: None,
            tip: Tip {
                view: View(0),
                height: start.genesis.height,
                block: genesis,
                time: start.genesis.time,
                certificate: None,
            },
            best_final: None,
            highest_certified: View(0),
            views: BTreeMap::new(),
            blocks: Blocks::default(),
            work: false,
            timer: Timer::entered(now),
            repair: Repair::default(),
            clock_at: None,
            build_at: None,
            lived: 0,
            heard: vec![0; seats],
            mute: BTreeSet::new(),
            cut: BTreeSet::new(),
            told: BTreeMap::new(),
            wake_at: None,
            halted: false,
            stats: Stats::default(),
            dirty: true,
            effects: Vec::new(),
        };
        core.restore(restored);
        core.settle();
        let effects = core::mem::take(&mut core.effects);
        (core, effects)
    }

    /// The only way in; the returned list is the only way out.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        self.set_now(now);
        match input {
            // One who stopped for good still hands out what he knows; it may stop others too.
            Input::StatusRequest { from } => self.on_status_request(from),
            Input::CertificateRequest { from, view } => self.on_certificate_request(from, view),
            _ if self.halted => {}
            Input::Tick => {}
            Input::Work { waiting } => self.work = waiting,
            Input::Proposal(proposal) => self.on_proposal(proposal),
            Input::Vote(vote) => self.on_vote(&vote),
            Input::Certificate(certificate) => self.on_certificate(certificate, false),
            Input::Status { from, status } => self.on_status(from, status),
            Input::Built { header } => self.on_built(header),
            Input::Checked { block, valid } => self.on_checked(&block, valid),
            Input::Fetched { header } => self.on_fetched(header),
            Input::Synced { header, finalization } => self.on_synced(&header, finalization),
            Input::Link { peer, up: true } => {
                self.cut.remove(&peer);
            }
            Input::Link { peer, up: false } => {
                // Guests come and go, and never lead.
                self.cut.extend(Some(peer).filter(|peer| *peer < self.validators));
            }
            Input::VoteFrom(view) => {
                self.vote_from = view;
                self.dirty = true;
            }
        }
        self.settle();
        core::mem::take(&mut self.effects)
    }

    /// When [`Input::Tick`] is wanted next; always later than the last call's `now`.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// The view we are in.
    pub fn view(&self) -> View {
        self.view
    }

    /// The last final block: height, view in this epoch (0 for the one it starts from), hash.
    pub fn finalized(&self) -> (Height, View, BlockHash) {
        (self.tip.height, self.tip.view, self.tip.block)
    }

    /// Index of the leader of a view.
    pub fn leader(&self, view: View) -> u16 {
        self.rotation.leader(view)
    }

    /// Where we stand; to be sent to a peer on connecting.
    pub fn status(&self) -> Status {
        Status {
            epoch: self.epoch,
            view: self.view,
            height: self.tip.height,
            entry: self.entry.clone(),
            finalization: self.best_final.clone(),
        }
    }

    /// Whether we stopped for good.
    pub fn halted(&self) -> bool {
        self.halted
    }

    /// Whether a certificate of this statement is held or no longer matters: verifying one more is
    /// wasted work, and the core ignores it unread.
    pub fn knows(&self, statement: &Statement) -> bool {
        let view = statement.view();
        !self.tracks(view) || self.views.get(&view).is_some_and(|state| state.holds(statement))
    }

    /// Whether a vote could still change anything; if not, verifying it is wasted work.
    pub fn wants_vote(&self, vote: &Vote) -> bool {
        let view = vote.statement.view();
        vote.epoch == self.epoch
            && vote.signer < self.validators
            && self.counts(view)
            && self.views.get(&view).is_none_or(|state| state.tally.wants(vote))
    }

    /// Whether we know of having said this, or what we said in its view is not known any more: it lies at
    /// or below the last final one, or where own votes are not cast.
    pub fn accounts_for(&self, statement: &Statement) -> bool {
        let view = statement.view();
        view <= self.tip.view
            || view < self.vote_from
            || self.views.get(&view).is_some_and(|state| state.own.said(statement))
    }

    /// Whether the block of a proposal may have to be executed. If not, its body need not be kept;
    /// should a quorum vote for it nevertheless, it is fetched.
    pub fn wants_body(&self, proposal: &Proposal) -> bool {
        let (block, view) = (proposal.header.hash(), proposal.header.view);
        let first = self.views.get(&view).is_none_or(|state| {
            state.proposal.is_none_or(|first| first == block) || state.certified() == Some(block)
        });
        view > self.tip.view && first && self.well_formed(proposal, block)
    }

    /// The view of the highest finalization known, whether or not our books have reached it.
    pub fn final_view(&self) -> View {
        let best = self.best_final.as_ref().map(|best| best.statement.view());
        self.tip.view.max(best.unwrap_or_default())
    }

    /// Metrics.
    pub fn stats(&self) -> Stats {
        Stats { views: self.views.len(), blocks: self.blocks.len(), ..self.stats }
    }

    /// Whether certificates of this view still matter (rule C16).
    pub(crate) fn tracks(&self, view: View) -> bool {
        view.0 > self.floor() && view.0 <= COUNT_MAX
    }

    fn floor(&self) -> u64 {
        self.tip.view.0.saturating_sub(self.config.view_window.max(1))
    }

    /// Whether single votes of this view still matter (rule C16).
    pub(crate) fn counts(&self, view: View) -> bool {
        self.tracks(view) && view <= self.view.next() && view.0 >= self.votes_floor()
    }

    fn votes_floor(&self) -> u64 {
        self.view.0.saturating_sub(self.config.view_window)
    }

    /// Whether we may cast this vote now (rules C3, C4, C5, C7).
    pub(crate) fn may(&self, statement: &Statement) -> bool {
        let view = statement.view();
        let own = self.views.get(&view).map(|state| state.own).unwrap_or_default();
        self.me.is_some()
            && !self.halted
            && view >= self.vote_from
            && self.tracks(view)
            && own.allows(statement)
    }

    /// Says it: remembered from this moment, whatever becomes of the message.
    pub(crate) fn cast(&mut self, statement: Statement) {
        if self.may(&statement) {
            self.views.entry(statement.view()).or_default().own.remember(&statement);
            self.effects.push(Effect::Cast(statement));
        }
    }

    /// Rule C9. Whoever else holds one half of the proof gets the other, and stops as well.
    pub(crate) fn halt(&mut self, reason: HaltReason) {
        if self.halted {
            return;
        }
        self.halted = true;
        self.wake_at = None;
        let proof = match &reason {
            HaltReason::Contradiction { first, second } => vec![first.clone(), second.clone()],
            HaltReason::CertifiedInvalid { certificate } => vec![certificate.clone()],
        };
        for certificate in proof.into_iter().filter(|_| self.me.is_some()) {
            let message = Message::Certificate(certificate);
            self.effects.push(Effect::Send { to: To::All, message });
        }
        self.effects.push(Effect::Halt { reason });
    }

    /// Clocks are set back now and then; what was to come in so long still comes in so long.
    fn set_now(&mut self, now: Timestamp) {
        if now < self.now {
            let by_ms = self.now.0 - now.0;
            let back = |at: Timestamp| Timestamp(at.0.saturating_sub(by_ms));
            self.timer.set_back(by_ms);
            self.repair.at = self.repair.at.map(back);
            self.told.values_mut().for_each(|told| *told = back(*told));
        }
        self.now = now;
    }

    /// Rules C6 and C10.
    fn on_vote(&mut self, vote: &Vote) {
        let statement = vote.statement;
        let view = statement.view();
        if vote.epoch != self.epoch || vote.signer >= self.validators || !self.counts(view) {
            self.stats.refused += 1;
            return;
        }
        if view.0 + HEARD_VIEWS >= self.view.0
            && let Some(heard) = self.heard.get_mut(usize::from(vote.signer))
        {
            *heard = self.lived;
            self.mute.remove(&vote.signer);
        }
        let state = self.views.entry(view).or_default();
        if self.me == Some(vote.signer) {
            // A vote of ours that we do not remember was cast before we lost our memory; from now on
            // it binds us like any other.
            state.own.remember(&statement);
        }
        let recorded = state.tally.record(vote, self.validators);
        self.stats.evidence += recorded.evidence.len() as u64;
        self.effects.extend(recorded.evidence.into_iter().map(Effect::Evidence));
        if recorded.counted
            && !state.holds(&statement)
            && let Some(certificate) = state.tally.certificate(self.epoch, statement, self.quorum)
        {
            self.on_certificate(certificate, true);
        }
    }

    /// Rules C1, C6 and C9. `formed` by us, from votes.
    fn on_certificate(&mut self, certificate: Certificate, formed: bool) {
        let statement = certificate.statement;
        let view = statement.view();
        if certificate.epoch != self.epoch || !self.tracks(view) {
            self.stats.refused += 1;
            return;
        }
        if self.halted || self.knows(&statement) {
            return;
        }
        let put = self.views.entry(view).or_default().put(certificate.clone());
        // A contradiction is kept whatever its view, so that a restart finds both halves.
        if view > self.tip.view || put != Put::New {
            self.effects.push(Effect::Keep(certificate.clone()));
        }
        if let Put::Contradicts(first) = put {
            return self.halt(HaltReason::Contradiction { first, second: certificate });
        }
        self.repair.asked.remove(&view);
        self.note_certificate(&certificate);
        if formed && view >= self.tip.view {
            self.forward(&certificate);
        }
        if view >= self.view {
            self.enter(view.next(), certificate);
        }
    }

    /// What follows from holding a certificate, however it came.
    pub(crate) fn note_certificate(&mut self, certificate: &Certificate) {
        let statement = certificate.statement;
        let view = statement.view();
        self.dirty = true;
        if matches!(statement, Statement::Finalize { .. })
            && self.best_final.as_ref().is_none_or(|best| best.statement.view() < view)
        {
            self.best_final = Some(certificate.clone());
        }
        let Some(block) = statement.block() else { return };
        self.highest_certified = self.highest_certified.max(view);
        if let Some(known) = self.blocks.get(&block) {
            let verdict = known.verdict;
            if verdict.refuses() || known.header.view != view {
                return self.halt_over(certificate.clone(), verdict);
            }
        }
        self.want(block, view);
    }

    fn forward(&mut self, certificate: &Certificate) {
        let next = self.leader(certificate.statement.view().next());
        let to = match self.me {
            Some(_) if self.validators <= BROADCAST_VALIDATORS_MAX => To::All,
            Some(me) if me != next => To::One(next),
            _ => return,
        };
        self.effects.push(Effect::Send { to, message: Message::Certificate(certificate.clone()) });
    }

    /// Rule C1.
    fn enter(&mut self, view: View, entry: Certificate) {
        match entry.statement {
            Statement::Nullify { .. } => self.stats.views_nullified += 1,
            _ => self.stats.views_notarized += 1,
        }
        self.view = view;
        self.entry = Some(entry);
        self.lived += 1;
        self.timer = Timer::entered(self.now);
        self.dirty = true;
        let floor = View(self.votes_floor());
        self.views.range_mut(..floor).for_each(|(_, state)| state.tally.clear());
    }

    /// Rule C3, the part that needs neither the parent nor the books.
    fn on_proposal(&mut self, proposal: Proposal) {
        let block = proposal.header.hash();
        if !self.well_formed(&proposal, block) {
            self.stats.refused += 1;
            return;
        }
        let Proposal { header, justification, vote } = proposal;
        let view = header.view;
        for certificate in justification.parent.into_iter().chain(justification.skips) {
            self.on_certificate(certificate, false);
        }
        if self.halted {
            return;
        }
        // Also of a view that is over: it may convict its leader.
        self.on_vote(&vote);
        if view <= self.tip.view {
            return;
        }
        let state = self.views.entry(view).or_default();
        let first = *state.proposal.get_or_insert(block) == block;
        if first || state.certified() == Some(block) {
            self.blocks.insert(block, header);
            self.dirty = true;
        }
        if first && view == self.view {
            self.want(block, view);
        }
    }

    /// Whether header, vote and justification belong together, in a view that still matters.
    fn well_formed(&self, proposal: &Proposal, block: BlockHash) -> bool {
        let Proposal { header, justification, vote } = proposal;
        let view = header.view;
        vote.epoch == self.epoch
            && vote.signer == header.proposer
            && vote.statement == (Statement::Notarize { view, block })
            && self.stands(header)
            && justifies(justification, header)
            && self.tracks(view)
    }

    /// Whether a header is one of this epoch, by the leader of its view.
    pub(crate) fn stands(&self, header: &Header) -> bool {
        header.version == PROTOCOL_VERSION
            && header.chain == self.chain
            && header.epoch == self.epoch
            && header.view.0 <= COUNT_MAX
            && header.height.0 <= COUNT_MAX
            && header.parent_view < header.view
            && header.proposer == self.leader(header.view)
    }

    /// Rule C2: our block stands; vote for it, and propose it when the vote has come back.
    fn on_built(&mut self, header: Header) {
        let block = header.hash();
        let view = header.view;
        let asked = self.views.get(&view).and_then(|state| state.building);
        let fits = view == self.view
            && Some(header.proposer) == self.me
            && asked == Some((header.parent_view, header.parent))
            && self.stands(&header)
            && self.parent_of(&header).fits(&header)
            && self.may(&Statement::Notarize { view, block });
        if !fits {
            // Too late, most often: the view is over, or we gave it up.
            self.stats.refused += 1;
            return;
        }
        self.blocks.insert(block, header);
        self.blocks.judge(&block, Verdict::Valid);
        self.dirty = true;
        self.views.entry(view).or_default().proposal = Some(block);
        self.cast(Statement::Notarize { view, block });
    }

    fn on_checked(&mut self, block: &BlockHash, valid: bool) {
        if !valid {
            let view = self.blocks.get(block).map(|known| known.header.view);
            return view.into_iter().for_each(|view| self.reject(block, view, Verdict::Invalid));
        }
        if self.blocks.judge(block, Verdict::Valid) {
            self.dirty = true;
        }
    }

    fn on_fetched(&mut self, header: Header) {
        let block = header.hash();
        if self.blocks.is_wanted(&block) {
            self.fetched(&block);
            self.blocks.insert(block, header);
            self.dirty = true;
        }
    }

    /// Rule C14: the shell posted blocks that it got from peers, each with its proof.
    fn on_synced(&mut self, header: &Header, finalization: Certificate) {
        let block = header.hash();
        let view = header.view;
        let of_this = finalization.epoch == self.epoch
            && finalization.statement == (Statement::Finalize { view, block });
        let above = header.height > self.tip.height && view > self.tip.view;
        if !of_this || !above || !self.tracks(view) || !self.stands(header) {
            self.stats.refused += 1;
            return;
        }
        self.on_certificate(finalization.clone(), false);
        if !self.halted {
            self.advance_tip(header, block, finalization);
        }
    }

    /// Rule C8: everything up to here is final.
    pub(crate) fn advance_tip(&mut self, header: &Header, block: BlockHash, certificate: Certificate) {
        if self.best_final.as_ref().is_none_or(|best| best.statement.view() < header.view) {
            self.best_final = Some(certificate.clone());
        }
        self.tip = Tip {
            view: header.view,
            height: header.height,
            block,
            time: header.time,
            certificate: Some(certificate),
        };
        self.highest_certified = self.highest_certified.max(header.view);
        self.repair.attempt = 0;
        self.dirty = true;
        self.blocks.prune(header.view);
        let kept = self.views.split_off(&View(self.floor() + 1));
        self.views = kept;
    }

    /// Rule C13.
    fn on_status(&mut self, from: u16, status: Status) {
        if status.epoch < self.epoch {
            // Whoever missed the end of an epoch has only to hear that there is a later one.
            return self.tell_status(from);
        }
        if status.epoch > self.epoch {
            self.stats.refused += 1;
            return;
        }
        let of = |certificate: &Option<Certificate>| certificate.as_ref().map(|c| c.statement.view());
        let behind = status.view < self.view || of(&status.finalization) < of(&self.best_final);
        for certificate in status.finalization.into_iter().chain(status.entry) {
            self.on_certificate(certificate, false);
        }
        if behind {
            self.tell_status(from);
        }
    }

    /// Rules C12 and C13: who asks, waits for something; if it is for us to propose, we do.
    fn on_status_request(&mut self, from: u16) {
        let known = from < self.validators && Some(from) != self.me;
        if known && !self.halted && Some(self.leader(self.view)) == self.me {
            self.views.entry(self.view).or_default().nudged = true;
        }
        self.tell_status(from);
    }

    /// At most twice per Δ to each, guests included, so that nobody can make us talk without end.
    fn tell_status(&mut self, from: u16) {
        let now = self.now;
        let pause_ms = self.config.delta_ms / 2;
        if self.told.get(&from).is_none_or(|at| now.0 >= at.0.saturating_add(pause_ms)) {
            self.told.insert(from, now);
            let message = Message::Status(self.status());
            self.effects.push(Effect::Send { to: To::One(from), message });
        }
    }

    /// Rule C14: whatever kinds we hold, three at most; and if the view is long past, what came of it.
    fn on_certificate_request(&mut self, from: u16, view: View) {
        let held: Vec<Certificate> =
            self.views.get(&view).into_iter().flat_map(ViewState::certificates).cloned().collect();
        let past = self.best_final.clone().filter(|_| held.is_empty() && view <= self.tip.view);
        for certificate in held.into_iter().chain(past) {
            let message = Message::Certificate(certificate);
            self.effects.push(Effect::Send { to: To::One(from), message });
        }
    }
}

/// Whether a justification is of the form that the header calls for: its parent's certificate, and
/// nullifications of the newest views of the gap, without a hole.
fn justifies(justification: &Justification, header: &Header) -> bool {
    let parent = match &justification.parent {
        None => header.parent_view == View(0),
        Some(certificate) => {
            let statement = certificate.statement;
            statement.view() == header.parent_view
                && statement.block() == Some(header.parent)
                && header.parent_view > View(0)
        }
    };
    let gap = header.view.0.saturating_sub(header.parent_view.0).saturating_sub(1);
    let skips = justification.skips.len() as u64;
    let first = header.view.0.saturating_sub(skips);
    let nullify =
        |(view, skip): (u64, &Certificate)| skip.statement == Statement::Nullify { view: View(view) };
    parent && skips <= gap && (gap == 0 || skips > 0) && (first..).zip(&justification.skips).all(nullify)
}
