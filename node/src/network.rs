//! Links between validators: who may connect, what goes over the wire, and how much of it.
//!
//! Everything passes through channels: [`NetworkHandle`] sends without ever waiting,
//! [`NetworkEvents`] hands out what arrived. Nothing here judges what a message says; signatures in
//! it are the receiver's to check. It leaves out discovery, because the peers are known.
//!
//! | what | way | why |
//! |---|---|---|
//! | votes, certificates, status, cosignatures | one stream to each peer, kept open | in order, half a round trip each |
//! | proposals | another such stream | megabytes must not hold up a vote |
//! | transactions | gossipsub, in batches | reaches peers whose direct link is down |
//! | blocks and parts of snapshots asked for | a stream for each question | ends with its answer; many may run at once |
//!
//! Streams kept open rather than libp2p's request-response for what consensus sends, because that
//! opens a stream for each message: it costs a round trip to negotiate before the first byte leaves,
//! and puts messages out of order. Nothing answers a vote, so there is nothing to wait for.
//!
//! Invariants: only members' keys get past the handshake. A peer that is slow, away or hostile costs
//! a bounded number of bytes and holds up nobody else: a full queue drops its oldest frame, which
//! consensus sends again. No bytes from a peer cause a panic.

mod lanes;
mod peers;
mod streams;
mod swarm;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use consensus::event::Message;
use ledger::block::{BLOCK_BYTES_MAX, Block, BlockHash, HEADER_BYTES_MAX, Height};
use ledger::certificate::VALIDATORS_MAX;
use ledger::codec::ENCODED_BYTES_MAX;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::handoff::Handoff;
use ledger::registers::Page;
use ledger::signature::PublicKey;
use ledger::transaction::TRANSACTION_BYTES_MAX;
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cosigning::Cosignature;
use crate::snapshot::Standing;
use lanes::{Queue, Queues};
use swarm::Command;

/// Two for two nodes that dial each other at once, as many again while a broken link is replaced.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Handshakes under way; a stranger costs a few kilobytes each until the time limit below.
pub const HANDSHAKES_MAX: u32 = 256;
/// A handshake takes three messages; more than this is nobody's link.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Streams that a peer may have open on one connection: six of ours, gossip and ping, and some to spare.
pub const STREAMS_MAX: usize = 64;
/// Votes and certificates queued for one peer. A view takes six; beyond this the peer is away, and
/// what it needs after coming back is a status, not history.
pub const FRAMES_QUEUED_MAX: usize = 1024;
/// Proposals queued for one peer: the newest, and the one being sent.
pub const PROPOSALS_QUEUED_MAX: usize = 2;
/// Small messages between the readers and the run loop. When it is full, readers wait, and with them
/// their peers, each in its turn.
pub const INBOX_MAX: usize = 1024;
/// Proposals and answers between the readers and the run loop; each may have megabytes.
pub const BULK_INBOX_MAX: usize = 8;
/// Batches of transactions between gossip and the run loop; beyond it they are dropped, and come
/// again in somebody's block.
pub const BATCH_INBOX_MAX: usize = 64;
/// Questions of peers that wait for the run loop.
pub const QUESTIONS_MAX: usize = 32;
/// Questions of one peer answered at once; more are refused, and it asks again.
pub const QUESTIONS_PER_PEER_MAX: usize = 2;
/// Our own questions under way.
pub const REQUESTS_MAX: usize = 64;
/// A question with its answer: the largest answer crosses a 10 Mbit/s link in a third of it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// One frame, once begun. A peer that takes longer is stuck.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(20);
/// Finalized blocks in one answer.
pub const ANSWER_BLOCKS_MAX: usize = 256;
/// Bytes of blocks in one answer, unless its first block alone has more.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// A batch of transactions is sent when it has this many bytes. libp2p's peers expect no more.
pub const BATCH_BYTES_MAX: usize = 64 << 10;
/// Or when its first transaction has waited this long, which no payment notices.
pub const BATCH_DELAY: Duration = Duration::from_millis(5);
/// Batches of transactions between the run loop and gossip.
pub const BATCHES_QUEUED_MAX: usize = 256;
/// New transactions taken from one peer in a second, over twice what the ledger is planned to carry;
/// what gossip keeps for a few seconds stays bounded by it.
pub const BATCH_BYTES_PER_SECOND_MAX: usize = 8 << 20;
/// Nullifications in a proposal. A view is skipped for each leader that is away, so with a third of
/// the committee away, this many in a row do not happen.
pub const SKIPS_MAX: usize = 64;
/// Breaches of the protocol after which a peer is cut off for [`CUT_OFF`].
pub const OFFENCES_MAX: u32 = 3;
/// Long enough that a broken peer costs nothing, short enough that a mended one is missed by nobody.
pub const CUT_OFF: Duration = Duration::from_secs(30);

/// The longest frame that is not a proposal. Not by the size of our own epoch's committee: a peer in a
/// later epoch, which we have yet to hear of, may have a larger one.
pub const FRAME_BYTES_MAX: usize = frame_bytes_max(VALIDATORS_MAX);
/// The longest proposal, likewise.
pub const PROPOSAL_BYTES_MAX: usize = proposal_bytes_max(VALIDATORS_MAX);

const fn frame_bytes_max(members: usize) -> usize {
    // A status carries two certificates and some counters; a cosignature has 114 bytes.
    let status = 256 + 2 * certificate_bytes_max(members);
    let cosignatures = 256 + 114 * members;
    if status > cosignatures { status } else { cosignatures }
}

const fn proposal_bytes_max(members: usize) -> usize {
    let bytes = BLOCK_BYTES_MAX + HEADER_BYTES_MAX + 1024 + (SKIPS_MAX + 1) * certificate_bytes_max(members);
    if bytes < ENCODED_BYTES_MAX { bytes } else { ENCODED_BYTES_MAX }
}

const fn certificate_bytes_max(members: usize) -> usize {
    128 + members / 8 + 64 * members
}

/// A peer as the network knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number: its index in the validator set, or one beyond them for a guest.
    pub index: u16,
    /// Its peer key.
    pub key: PublicKey,
    /// Where it listens; may be empty, if it dials us.
    pub addresses: Vec<Multiaddr>,
}

/// Settings of the network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Genesis hash; nodes of another chain share no protocol with us.
    pub chain: Digest,
    /// Where to listen, such as `/ip4/0.0.0.0/tcp/9000`; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
}

/// The network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; free the port or change network.listen")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// A member's peer key is no Ed25519 key.
    #[error(
        "the peer key of peer {index} is not an Ed25519 key; correct the validator set or network.others"
    )]
    Key {
        /// Number of the peer.
        index: u16,
    },
    /// The transport cannot be set up.
    #[error("network: {0}")]
    Setup(String),
}

/// What arrived.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are messages, which are the large ones")]
pub enum NetworkEvent {
    /// A message of consensus.
    Message {
        /// Number of the peer.
        from: u16,
        /// What it says; signatures in it are not checked.
        message: Message,
    },
    /// Cosignatures on checkpoints.
    Cosignatures {
        /// Number of the peer that sent them; others may have signed.
        from: u16,
        /// Not checked.
        cosignatures: Vec<Cosignature>,
    },
    /// Transactions.
    Transactions {
        /// Number of the peer that passed them on.
        from: u16,
        /// Encoded; neither decoded nor checked, except in length.
        transactions: Vec<Vec<u8>>,
    },
    /// A peer asks for finalized blocks.
    BlocksRequest {
        /// Number of the peer.
        from: u16,
        /// The first height.
        from_height: Height,
        /// Takes at most [`ANSWER_BLOCKS_MAX`] blocks in [`ANSWER_BYTES_MAX`] bytes; more are not sent.
        reply: Responder<Stretch>,
    },
    /// A peer asks where we stand and what snapshot we offer.
    StandingRequest {
        /// Number of the peer.
        from: u16,
        /// Takes the answer.
        reply: Responder<Standing>,
    },
    /// A peer asks for the handoffs of a snapshot.
    HandoffsRequest {
        /// Number of the peer.
        from: u16,
        /// Height of the snapshot.
        height: Height,
        /// The first wanted, by its place.
        first: u64,
        /// Takes some of them, bounded as blocks are; none where there is no such snapshot.
        reply: Responder<Vec<Handoff>>,
    },
    /// A peer asks for a page of a snapshot.
    PageRequest {
        /// Number of the peer.
        from: u16,
        /// Height of the snapshot.
        height: Height,
        /// Place of the register.
        register: u8,
        /// Number of the page.
        number: u64,
        /// Takes the page's canonical bytes, or word that we have none.
        reply: Responder<Option<Vec<u8>>>,
    },
    /// A peer asks for a block.
    BlockRequest {
        /// Number of the peer.
        from: u16,
        /// Which.
        hash: BlockHash,
        /// Takes the block, or word that we have none.
        reply: Responder<Option<Block>>,
    },
    /// Finalized blocks that we asked for.
    Blocks {
        /// Number of the peer.
        from: u16,
        /// The height that we asked for.
        from_height: Height,
        /// The lowest height that the peer holds, by its own word.
        earliest: Height,
        /// In the peer's order; empty if it has none. Nothing in them is checked.
        blocks: Vec<FinalizedBlock>,
    },
    /// A block that we asked for.
    Block {
        /// Number of the peer.
        from: u16,
        /// Which we asked for.
        hash: BlockHash,
        /// Its hash is what we asked for, its body not checked; `None` if the peer has none.
        block: Option<Block>,
    },
    /// Where a peer stands, which we asked for.
    Standing {
        /// Number of the peer.
        from: u16,
        /// By its own word; the offer in it is not checked.
        standing: Standing,
    },
    /// Handoffs of a snapshot that we asked for.
    Handoffs {
        /// Number of the peer.
        from: u16,
        /// Height of the snapshot.
        height: Height,
        /// Place of the first.
        first: u64,
        /// Not checked; none where the peer has no more.
        handoffs: Vec<Handoff>,
    },
    /// A page of a snapshot that we asked for.
    Page {
        /// Number of the peer.
        from: u16,
        /// Height of the snapshot.
        height: Height,
        /// Place of the register.
        register: u8,
        /// Number of the page.
        number: u64,
        /// Of that place and number, not checked otherwise; `None` if the peer has none.
        page: Option<Page>,
    },
    /// A question to this peer came to nothing.
    Unanswered {
        /// Number of the peer.
        from: u16,
    },
    /// A peer is connected.
    Connected(u16),
    /// The last connection to a peer ended.
    Disconnected(u16),
}

/// Finalized blocks for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The lowest height that we hold.
    pub earliest: Height,
    /// From the height asked for on; none where that is lower, or too high.
    pub blocks: Vec<FinalizedBlock>,
}

/// Takes the answer to a peer's question. Dropped without one, the peer sees its question fail.
#[derive(Debug)]
pub struct Responder<T>(oneshot::Sender<T>);

impl<T> Responder<T> {
    /// Answers. A peer that went away in the meantime misses it.
    pub fn answer(self, answer: T) {
        let _ = self.0.send(answer);
    }
}

/// The running network, for sending. Cheap to clone; when the last is dropped, the network stops.
///
/// No method waits. What does not fit in a queue is dropped and counted: messages oldest first,
/// transactions and questions newest first.
#[derive(Clone)]
pub struct NetworkHandle {
    queues: Arc<Vec<Option<Arc<Queues>>>>,
    commands: mpsc::Sender<Command>,
    batches: mpsc::Sender<Vec<Vec<u8>>>,
    presence: watch::Receiver<Vec<bool>>,
    listening: Arc<Vec<Multiaddr>>,
    metrics: NetworkMetrics,
}

impl NetworkHandle {
    /// Sends a message to one peer; to ourselves or to nobody, nothing happens.
    pub fn send(&self, to: u16, message: Message) {
        self.push(self.queues.get(usize::from(to)).into_iter(), &wire::Frame::Consensus(message));
    }

    /// Sends a message to every other peer.
    pub fn broadcast(&self, message: Message) {
        self.push(self.queues.iter(), &wire::Frame::Consensus(message));
    }

    /// Sends cosignatures to one peer, at most one for each validator.
    pub fn send_cosignatures(&self, to: u16, cosignatures: Vec<Cosignature>) {
        self.push(self.queues.get(usize::from(to)).into_iter(), &wire::Frame::Cosignatures(cosignatures));
    }

    /// Sends cosignatures to every other peer, at most one for each validator.
    pub fn broadcast_cosignatures(&self, cosignatures: Vec<Cosignature>) {
        self.push(self.queues.iter(), &wire::Frame::Cosignatures(cosignatures));
    }

    /// Spreads encoded transactions to all peers, together with others of the same moment.
    pub fn gossip_transactions(&self, transactions: Vec<Vec<u8>>) {
        if !transactions.is_empty() && self.batches.try_send(transactions).is_err() {
            self.metrics.dropped_batches.inc();
        }
    }

    /// Asks a peer for finalized blocks. Comes back as [`NetworkEvent::Blocks`] or
    /// [`NetworkEvent::Unanswered`].
    pub fn request_blocks(&self, peer: u16, from_height: Height) {
        self.request(peer, wire::Request::Blocks { from: from_height });
    }

    /// Asks a peer for one block. Comes back as [`NetworkEvent::Block`] or
    /// [`NetworkEvent::Unanswered`].
    pub fn request_block(&self, peer: u16, hash: BlockHash) {
        self.request(peer, wire::Request::Block { hash });
    }

    /// Asks a peer where it stands. Comes back as [`NetworkEvent::Standing`] or
    /// [`NetworkEvent::Unanswered`].
    pub fn request_standing(&self, peer: u16) {
        self.request(peer, wire::Request::Standing);
    }

    /// Asks a peer for handoffs of its snapshot of a height. Comes back as [`NetworkEvent::Handoffs`] or
    /// [`NetworkEvent::Unanswered`].
    pub fn request_handoffs(&self, peer: u16, height: Height, first: u64) {
        self.request(peer, wire::Request::Handoffs { height, from: first });
    }

    /// Asks a peer for a page of a snapshot. Comes back as [`NetworkEvent::Page`] or
    /// [`NetworkEvent::Unanswered`].
    pub fn request_page(&self, peer: u16, height: Height, register: u8, number: u64) {
        self.request(peer, wire::Request::Page { height, register, number });
    }

    /// Counts a breach against a peer; after [`OFFENCES_MAX`] it is cut off for [`CUT_OFF`].
    pub fn blame(&self, peer: u16, what: &'static str) {
        // One that is lost in a crowd of them is made up for by the next.
        let _ = self.commands.try_send(Command::Blame { peer, what });
    }

    /// Numbers of the peers that are connected.
    pub fn connected(&self) -> Vec<u16> {
        let presence = self.presence.borrow();
        (0..).zip(presence.iter()).filter(|(_, present)| **present).map(|(index, _)| index).collect()
    }

    /// Where the network listens, with the port that was taken.
    pub fn listening(&self) -> &[Multiaddr] {
        &self.listening
    }

    /// What was counted.
    pub fn metrics(&self) -> &NetworkMetrics {
        &self.metrics
    }

    fn request(&self, peer: u16, request: wire::Request) {
        if self.commands.try_send(Command::Ask { peer, request }).is_err() {
            self.metrics.dropped_requests.inc();
        }
    }

    fn push<'a>(&self, to: impl Iterator<Item = &'a Option<Arc<Queues>>>, frame: &wire::Frame) {
        let bytes: Arc<[u8]> = frame.encode().into();
        for queues in to.flatten() {
            let queue: &Queue = if frame.is_proposal() { &queues.proposals } else { &queues.votes };
            self.metrics.dropped_frames.inc_by(queue.push(Arc::clone(&bytes)));
        }
    }
}

/// What the network counts, for the operator.
#[derive(Clone, Debug, Default)]
pub struct NetworkMetrics {
    /// Frames to peers dropped because their queue was full.
    pub dropped_frames: Counter,
    /// Batches of transactions dropped, going out or coming in.
    pub dropped_batches: Counter,
    /// Our questions dropped because too many were under way.
    pub dropped_requests: Counter,
    /// Connections refused or failed before they stood: strangers, and what is no libp2p at all.
    pub refused_connections: Counter,
    /// Breaches of the protocol by members.
    pub offences: Counter,
}

impl NetworkMetrics {
    /// Adds the counters to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let all = [
            (
                "network_dropped_frames",
                "Frames to peers dropped because their queue was full",
                &self.dropped_frames,
            ),
            ("network_dropped_batches", "Batches of transactions dropped", &self.dropped_batches),
            ("network_dropped_requests", "Questions to peers dropped", &self.dropped_requests),
            (
                "network_refused_connections",
                "Connections refused before they stood",
                &self.refused_connections,
            ),
            ("network_offences", "Breaches of the protocol by members", &self.offences),
        ];
        for (name, help, counter) in all {
            registry.register(name, help, counter.clone());
        }
    }
}

/// What arrived, in no particular order between the kinds; messages of one peer and kind keep theirs.
pub struct NetworkEvents {
    small: mpsc::Receiver<NetworkEvent>,
    bulk: mpsc::Receiver<NetworkEvent>,
    batches: mpsc::Receiver<NetworkEvent>,
    questions: mpsc::Receiver<NetworkEvent>,
    presence: watch::Receiver<Vec<bool>>,
    told: Vec<bool>,
}

impl NetworkEvents {
    /// The next event, or `None` when the network stopped. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        loop {
            if let Some(event) = self.changed_presence() {
                return Some(event);
            }
            // Chosen at random among what is ready, so that no kind can starve another.
            tokio::select! {
                Some(event) = self.small.recv() => return Some(event),
                Some(event) = self.bulk.recv() => return Some(event),
                Some(event) = self.batches.recv() => return Some(event),
                Some(event) = self.questions.recv() => return Some(event),
                changed = self.presence.changed() => if changed.is_err() { return None },
            }
        }
    }

    /// Tells of everybody connected once more, for whoever takes over.
    pub fn tell_again(&mut self) {
        self.told.fill(false);
    }

    fn changed_presence(&mut self) -> Option<NetworkEvent> {
        let now = self.presence.borrow();
        let index = now.iter().zip(&self.told).position(|(now, told)| now != told)?;
        self.told[index] = now[index];
        let peer = u16::try_from(index).ok()?;
        Some(if now[index] { NetworkEvent::Connected(peer) } else { NetworkEvent::Disconnected(peer) })
    }
}

/// Starts and stops the network.
pub struct Network;

impl Network {
    /// Listens, and keeps a connection to every other member from here on. Runs on the current tokio
    /// runtime until every [`NetworkHandle`] is dropped.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(
        config: NetworkConfig,
        keypair: Keypair,
        members: Vec<Member>,
    ) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
        swarm::start(config, keypair, members).await
    }
}
