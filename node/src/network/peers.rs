//! What the network remembers of each member: its connections, streams, offences, and when to dial
//! it next. No IO.

use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::lanes::Queues;
use super::streams::Token;
use super::{BATCH_BYTES_PER_SECOND_MAX, OFFENCES_MAX, QUESTIONS_PER_PEER_MAX};

/// First pause before dialing again; doubles up to the limit below.
const DIAL_PAUSE_MIN: Duration = Duration::from_millis(200);
/// A peer that comes back dials us too, so this seldom costs time.
const DIAL_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A connection that stood this long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// Two connections made within this time are two nodes dialing each other; a later one means that
/// the peer no longer knows the earlier, as after a power cut.
const SIMULTANEOUS: Duration = Duration::from_secs(2);
/// Between two attempts at opening a stream.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

/// The stream that we write a lane's frames to.
#[derive(Debug)]
pub(super) enum Writer {
    Closed { retry_at: Instant },
    Opening { token: Token, connection: ConnectionId },
    Open { connection: ConnectionId, token: Token, task: AbortHandle },
}

/// A member, as the network sees it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) index: u16,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) queues: Arc<Queues>,
    /// Oldest first.
    pub(super) connections: Vec<ConnectionId>,
    /// Votes, proposals.
    pub(super) writers: [Writer; 2],
    /// Votes, proposals; a newer stream replaces an older one.
    pub(super) readers: [Option<AbortHandle>; 2],
    pub(super) questions: Arc<Semaphore>,
    pub(super) cut_off_until: Option<Instant>,
    offences: u32,
    connected_at: Instant,
    newest_at: Instant,
    dial_attempts: u32,
    dial_at: Instant,
    dialing: bool,
    allowance: usize,
    allowance_at: Instant,
}

impl Peer {
    pub(super) fn new(index: u16, addresses: Vec<Multiaddr>, queues: Arc<Queues>, dial_at: Instant) -> Self {
        Self {
            index,
            addresses,
            queues,
            connections: Vec::new(),
            writers: [Writer::Closed { retry_at: dial_at }, Writer::Closed { retry_at: dial_at }],
            readers: [None, None],
            questions: Arc::new(Semaphore::new(QUESTIONS_PER_PEER_MAX)),
            cut_off_until: None,
            offences: 0,
            connected_at: dial_at,
            newest_at: dial_at,
            dial_attempts: 0,
            dial_at,
            dialing: false,
            allowance: BATCH_BYTES_PER_SECOND_MAX,
            allowance_at: dial_at,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Whether to dial now; if so, an attempt begins.
    pub(super) fn begin_dial(&mut self, now: Instant) -> bool {
        let due = !self.is_connected()
            && !self.dialing
            && self.cut_off_until.is_none()
            && !self.addresses.is_empty()
            && now >= self.dial_at;
        self.dialing |= due;
        due
    }

    /// An attempt failed. `jitter` is any number; it spreads the attempts of many nodes.
    pub(super) fn on_dial_failed(&mut self, now: Instant, jitter: u32) {
        self.dialing = false;
        self.pause_dialing(now, jitter);
    }

    pub(super) fn on_connected(&mut self, now: Instant, connection: ConnectionId) {
        let first = self.connections.is_empty();
        if first {
            self.connected_at = now;
        }
        if first || now.duration_since(self.newest_at) >= SIMULTANEOUS {
            for writer in &mut self.writers {
                if let Writer::Open { task, .. } = writer {
                    task.abort();
                }
                *writer = Writer::Closed { retry_at: now };
            }
        }
        self.newest_at = now;
        self.dialing = false;
        self.connections.push(connection);
    }

    pub(super) fn on_disconnected(&mut self, now: Instant, connection: ConnectionId, jitter: u32) {
        self.connections.retain(|other| *other != connection);
        for writer in &mut self.writers {
            match writer {
                Writer::Open { connection: on, task, .. } if *on == connection => task.abort(),
                Writer::Opening { connection: on, .. } if *on == connection => {}
                _ => continue,
            }
            *writer = Writer::Closed { retry_at: now };
        }
        if self.connections.is_empty() {
            // Connections that break at once must not be made again at once.
            if now.duration_since(self.connected_at) >= STEADY {
                self.dial_attempts = 0;
            }
            self.pause_dialing(now, jitter);
        }
    }

    /// A stream could not be opened, or ended.
    pub(super) fn on_writer_ended(&mut self, now: Instant, lane: usize) {
        if let Some(writer) = self.writers.get_mut(lane) {
            *writer = Writer::Closed { retry_at: now + REOPEN_PAUSE };
        }
    }

    /// Counts a breach; says whether it is one too many.
    pub(super) fn on_offence(&mut self) -> bool {
        self.offences += 1;
        let too_many = self.offences >= OFFENCES_MAX;
        if too_many {
            self.offences = 0;
        }
        too_many
    }

    /// Whether so many bytes of transactions are within what a peer may bring in a second.
    pub(super) fn allow(&mut self, now: Instant, bytes: usize) -> bool {
        if now.duration_since(self.allowance_at) >= Duration::from_secs(1) {
            self.allowance_at = now;
            self.allowance = BATCH_BYTES_PER_SECOND_MAX;
        }
        let allowed = self.allowance >= bytes;
        self.allowance -= if allowed { bytes } else { 0 };
        allowed
    }

    fn pause_dialing(&mut self, now: Instant, jitter: u32) {
        let pause = DIAL_PAUSE_MIN.saturating_mul(1 << self.dial_attempts.min(16)).min(DIAL_PAUSE_MAX);
        // Between three and five quarters of it.
        self.dial_at = now + pause * 3 / 4 + pause / 2 * (jitter % 1024) / 1024;
        self.dial_attempts = self.dial_attempts.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(now: Instant) -> Peer {
        Peer::new(3, vec![Multiaddr::empty()], Arc::new(Queues::new()), now)
    }

    fn opening(peer: &mut Peer, connection: ConnectionId) {
        for (token, writer) in (0..).zip(&mut peer.writers) {
            *writer = Writer::Opening { token: Token(token), connection };
        }
    }

    #[test]
    fn pauses_between_dials_grow_to_a_bound_and_begin_anew_after_a_steady_connection() {
        let mut now = Instant::now();
        let mut peer = peer(now);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            assert!(peer.begin_dial(now));
            assert!(!peer.begin_dial(now), "one attempt at a time");
            peer.on_dial_failed(now, 512);
            let began = now;
            while !peer.begin_dial(now) {
                now += Duration::from_millis(10);
            }
            peer.dialing = false;
            pauses.push(now - began);
        }
        assert_eq!(pauses[0], Duration::from_millis(200));
        assert_eq!(pauses[2], Duration::from_millis(800));
        assert!(pauses[8..].iter().all(|pause| *pause == DIAL_PAUSE_MAX));
        let connection = ConnectionId::new_unchecked(1);
        peer.on_connected(now, connection);
        assert!(!peer.begin_dial(now));
        // A connection that breaks at once does not make dialing eager.
        peer.on_disconnected(now, connection, 0);
        assert!(!peer.begin_dial(now + Duration::from_secs(1)));
        peer.on_connected(now, connection);
        now += STEADY;
        peer.on_disconnected(now, connection, 0);
        assert!(peer.begin_dial(now + DIAL_PAUSE_MIN));
    }

    #[test]
    fn streams_move_to_a_connection_that_the_peer_made_after_forgetting_the_one_before() {
        let now = Instant::now();
        let (first, second, third) =
            (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2), ConnectionId::new_unchecked(3));
        let mut peer = peer(now);
        peer.on_connected(now, first);
        opening(&mut peer, first);
        // Both dialed at once: nothing is torn down.
        peer.on_connected(now + Duration::from_millis(50), second);
        assert!(matches!(peer.writers[0], Writer::Opening { .. }));
        peer.on_connected(now + Duration::from_secs(60), third);
        assert!(peer.writers.iter().all(|writer| matches!(writer, Writer::Closed { .. })));
        // The old ones' end changes nothing any more.
        opening(&mut peer, third);
        peer.on_disconnected(now + Duration::from_secs(70), first, 0);
        peer.on_disconnected(now + Duration::from_secs(70), second, 0);
        assert!(peer.writers.iter().all(|writer| matches!(writer, Writer::Opening { .. })));
        assert!(peer.is_connected());
    }

    #[test]
    fn a_peer_brings_so_many_bytes_a_second_and_no_more() {
        let now = Instant::now();
        let mut peer = peer(now);
        assert!(peer.allow(now, BATCH_BYTES_PER_SECOND_MAX));
        assert!(!peer.allow(now + Duration::from_millis(999), 1));
        assert!(peer.allow(now + Duration::from_secs(1), 1));
    }
}
