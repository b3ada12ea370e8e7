//! What goes into the core and what comes out: closed lists, no side doors.
//!
//! The core works on headers and certificates. Bodies, execution, keys, disks and sockets belong to
//! the shell, which carries the effects of one call out in their order, after making durable what
//! the call asked to keep. Signatures on everything that comes in are already checked.

use alloc::vec::Vec;

use ledger::block::{Block, BlockHash, Epoch, Header, Height, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec::{Decode, Encode};

/// What makes a proposal acceptable without asking anybody: the parent's certificate and a
/// nullification of every view between the parent's and this one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Justification {
    /// Notarization or finalization of the parent; `None` when the parent starts the epoch.
    pub parent: Option<Certificate>,
    /// Nullifications, in rising order of view, that cover the gap exactly.
    pub skips: Vec<Certificate>,
}

/// A leader's proposal as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The block's header; hashes and indexes in it are checked by the core.
    pub header: Header,
    /// Why the parent may be built on.
    pub justification: Justification,
    /// The leader's own notarize vote on it.
    pub vote: Vote,
}

/// Where a validator stands; sent on connecting, on retry and in answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// Epoch it votes in.
    pub epoch: Epoch,
    /// View it is in.
    pub view: View,
    /// Height of its last finalized block.
    pub height: Height,
    /// The certificate by which it entered its view; `None` in view 1.
    pub entry: Option<Certificate>,
    /// Its latest finalization; `None` before the first.
    pub finalization: Option<Certificate>,
}

/// What validators send one another, as bytes on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// A leader's block.
    Proposal {
        /// The block, with its transactions.
        block: Block,
        /// Why its parent may be built on.
        justification: Justification,
        /// The leader's own notarize vote.
        vote: Vote,
    },
    /// One vote.
    Vote(Vote),
    /// One certificate.
    Certificate(Certificate),
    /// Where the sender stands.
    Status(Status),
    /// "Send me your status": asked of one peer when nothing moves. A leader who made no block yet
    /// takes it as a sign that one is wanted.
    StatusRequest,
    /// "Send me any certificate you hold for this view."
    CertificateRequest(View),
    /// "Where are you now?": asked by one whose vote log is lost. Only an answer given after the question
    /// counts, so it carries the number back. The core has no part in it.
    ViewRequest {
        /// Told back in the answer.
        nonce: u64,
    },
    /// "Here": the answer to [`Message::ViewRequest`].
    ViewAnswer {
        /// The question's.
        nonce: u64,
        /// Where the sender stood when it was asked.
        status: Status,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed; see `Consensus::wake_at`.
    Tick,
    /// Whether transactions wait in the pool. Timers rest while nothing waits and the tip is final.
    Work {
        /// True: a block is wanted.
        waiting: bool,
    },
    /// A proposal arrived whose signatures hold and whose body is what its header says.
    Proposal(Proposal),
    /// A vote arrived, from a peer or our own after it was made durable and signed.
    Vote(Vote),
    /// A certificate arrived.
    Certificate(Certificate),
    /// A peer told where it stands.
    Status {
        /// Number of the peer.
        from: u16,
        /// What it said.
        status: Status,
    },
    /// A peer asked where we stand.
    StatusRequest {
        /// Number of the peer.
        from: u16,
    },
    /// A peer asked for a certificate.
    CertificateRequest {
        /// Number of the peer.
        from: u16,
        /// Of this view.
        view: View,
    },
    /// The block asked for by [`Effect::Build`] stands; it was executed and will be made durable
    /// with the vote for it.
    Built {
        /// Its header.
        header: Header,
    },
    /// The outcome of [`Effect::Check`].
    Checked {
        /// The block.
        block: BlockHash,
        /// True: executed, and the books agree with the header.
        valid: bool,
    },
    /// A header asked for by [`Effect::Fetch`] arrived, and its body with it. [`Effect::Check`] asks
    /// for its execution once its parent is executed.
    Fetched {
        /// The header.
        header: Header,
    },
    /// The shell caught up from peers' finalized blocks: this one and all before it are posted.
    Synced {
        /// Header of the last of them.
        header: Header,
        /// A finalization of it.
        finalization: Certificate,
    },
    /// The link to a peer went down, or is up again. Worth knowing of a leader (rule C15); one that the
    /// shell says nothing of counts as within reach.
    Link {
        /// Number of the peer.
        peer: u16,
        /// Whether it can be reached.
        up: bool,
    },
    /// Own votes are cast in views from here on only, whatever the start said: the vote log was lost
    /// (`View(u64::MAX)`), or made up for.
    VoteFrom(View),
}

/// To whom. Peers have numbers: below n they are the seats of the epoch, from n on guests, who may
/// ask and are answered, and whose own word counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every peer but ourselves, guests included.
    All,
    /// One peer.
    One(u16),
}

/// A block that became final, with what proves it (`ledger::certificate::FinalizedBlock`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// The block.
    pub block: BlockHash,
    /// Its notarization.
    pub notarization: Certificate,
    /// Nullifications of the views between its parent's and its own.
    pub skips: Vec<Certificate>,
    /// Its own finalization, if it has one; a descendant's serves otherwise.
    pub finalization: Option<Certificate>,
}

/// Two statements by one validator that no correct validator makes both of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// One.
    pub first: Vote,
    /// The other.
    pub second: Vote,
}

/// What the shell must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the statement durable (and, for a notarize, the block's body), then sign it, send it to
    /// all, and feed the signed vote back in. A validator that forgets a vote in a crash may
    /// contradict it, and counts as faulty (rule C4).
    Cast(Statement),
    /// Keep the certificate; it becomes durable with the next batch at the latest.
    Keep(Certificate),
    /// Send our proposal: attach the block's body.
    Propose {
        /// The block.
        block: BlockHash,
        /// Why its parent may be built on.
        justification: Justification,
        /// Our own notarize vote.
        vote: Vote,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: To,
        /// What.
        message: Message,
    },
    /// Build a block on this parent for a view that we lead, and answer with [`Input::Built`].
    Build {
        /// The view.
        view: View,
        /// View of the parent.
        parent_view: View,
        /// The parent.
        parent: BlockHash,
    },
    /// Execute the block and answer with [`Input::Checked`]. Its parent is final or was answered
    /// valid since the start. Blocks that were restored are asked for like any other.
    Check {
        /// The block.
        block: BlockHash,
    },
    /// Get this block from any peer that may have it, and answer with [`Input::Fetched`]. Comes
    /// again while the block is missing.
    Fetch {
        /// The block.
        block: BlockHash,
    },
    /// These blocks will never be undone, in rising order of height.
    Finalize(Vec<Finalized>),
    /// A finalization lies beyond what we can connect: catch up by height from peers, and answer
    /// with [`Input::Synced`]. Comes again while that is so.
    Sync {
        /// What is final out there.
        finalization: Certificate,
    },
    /// Two signed statements that convict their signer; keep them.
    Evidence(Evidence),
    /// Contradictory certificates, or a certified block that our books refuse: more than f
    /// validators are faulty, or we are. Stop voting for good and page the operator.
    Halt {
        /// What contradicts what.
        reason: HaltReason,
    },
}

/// Why a validator stops for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// Two certificates that cannot both exist while at most f validators are faulty.
    Contradiction {
        /// One.
        first: Certificate,
        /// The other.
        second: Certificate,
    },
    /// A quorum certified a block that our execution refuses.
    CertifiedInvalid {
        /// The certificate.
        certificate: Certificate,
    },
}
