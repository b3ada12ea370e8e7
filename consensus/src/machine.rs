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

use alloc::vec::Vec;

use ledger::block::{BlockHash, Header, Height, View};
use ledger::certificate::{Certificate, Statement, ValidatorSet, Vote};
use ledger::digest::Digest;
use ledger::time::Timestamp;

use crate::event::{Effect, Input, Status};

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
            leader_skip_views: 32,
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

/// One validator's part in one epoch.
pub struct Consensus {}

impl Consensus {
    /// Starts or restarts; the effects are to be carried out like those of [`Self::handle`].
    pub fn new(config: Config, start: Start, restored: Restored, now: Timestamp) -> (Self, Vec<Effect>) {
        let _ = (config, start, restored, now);
        (Self {}, Vec::new())
    }

    /// The only way in; the returned list is the only way out.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let _ = (now, input);
        Vec::new()
    }

    /// When [`Input::Tick`] is wanted next; always later than the last call's `now`.
    pub fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// The view we are in.
    pub fn view(&self) -> View {
        View(1)
    }

    /// The last final block: height, view in this epoch (0 for the one it starts from), hash.
    pub fn finalized(&self) -> (Height, View, BlockHash) {
        (Height(0), View(0), BlockHash::default())
    }

    /// Index of the leader of a view.
    pub fn leader(&self, view: View) -> u16 {
        let _ = view;
        0
    }

    /// Where we stand; to be sent to a peer on connecting.
    pub fn status(&self) -> Status {
        let epoch = Default::default();
        Status { epoch, view: View(1), height: Height(0), entry: None, finalization: None }
    }

    /// Whether we stopped for good.
    pub fn halted(&self) -> bool {
        false
    }

    /// Whether a certificate of this statement is held or no longer matters: verifying one more is
    /// wasted work, and the core ignores it unread.
    pub fn knows(&self, statement: &Statement) -> bool {
        let _ = statement;
        false
    }

    /// Whether a vote could still change anything; if not, verifying it is wasted work.
    pub fn wants_vote(&self, vote: &Vote) -> bool {
        let _ = vote;
        false
    }

    /// Metrics.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}
