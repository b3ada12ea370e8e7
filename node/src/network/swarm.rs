//! The task that owns the swarm: dials, accepts, refuses, and moves streams and batches between
//! libp2p and the channels. It never waits for anything but the next event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ledger::codec;
use ledger::digest::Digest;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{
    self, IdentTopic, MessageAcceptance, MessageAuthenticity, MessageId, ValidationMode,
};
use libp2p::identity::{self, Keypair};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, Stream, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, ping, tcp, yamux};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::lanes::{self, Queues};
use super::peers::{Peer, Writer};
use super::streams::{Opened, Streams, Token};
use super::wire::{Lane, Request, WireError};
use super::*;

/// How often pauses and time limits are looked at.
const TICK: Duration = Duration::from_millis(100);
/// A dead link is noticed within the sum of the two.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Of two nodes that start together, one waits this long for the other to dial.
const POLITENESS: Duration = Duration::from_millis(300);
/// A name that resolves to more addresses than this is not tried at each.
const RESOLVED_MAX: usize = 8;
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// A batch with its protobuf frame around it; and 8 KiB of what follows it on the stream, because
/// libp2p-gossipsub 0.50 holds the limit against all that it has read, not against one message.
const GOSSIP_BYTES_MAX: usize = BATCH_BYTES_MAX + (16 << 10);
/// Batches that gossip queues for one peer.
const GOSSIP_QUEUE_MAX: usize = 128;

/// What the task is told to do about a peer.
#[derive(Debug)]
pub(super) enum Command {
    /// Ask it.
    Ask { peer: u16, request: Request },
    /// Count a breach against it.
    Blame { peer: u16, what: &'static str },
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    // First, so that a stranger meets nothing else.
    allowed: allow_block_list::Behaviour<AllowedPeers>,
    limits: connection_limits::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    streams: Streams,
}

/// How a task of ours ended.
enum Ended {
    Writer { peer: PeerId, lane: usize, token: Token },
    Reader { peer: PeerId, result: Result<(), WireError> },
    Resolved { peer: PeerId, addresses: Vec<Multiaddr> },
}

struct Asked {
    peer: PeerId,
    request: Request,
    until: Instant,
}

struct Task {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    peers: BTreeMap<PeerId, Peer>,
    by_index: Vec<Option<PeerId>>,
    tasks: JoinSet<Ended>,
    tokens: u64,
    asked: BTreeMap<Token, Asked>,
    under_way: Arc<tokio::sync::Semaphore>,
    batch: Vec<Vec<u8>>,
    batch_bytes: usize,
    batch_due: Option<Instant>,
    batch_number: u64,
    small: mpsc::Sender<NetworkEvent>,
    bulk: mpsc::Sender<NetworkEvent>,
    batches: mpsc::Sender<NetworkEvent>,
    questions: mpsc::Sender<NetworkEvent>,
    presence: watch::Sender<Vec<bool>>,
    metrics: NetworkMetrics,
    listeners: Vec<(ListenerId, Option<Multiaddr>)>,
}

pub(super) async fn start(
    config: NetworkConfig,
    keypair: Keypair,
    members: Vec<Member>,
) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
    let own = keypair.public().to_peer_id();
    let now = Instant::now();
    let seats = members.iter().map(|member| usize::from(member.index) + 1).max().unwrap_or(0);
    let mut ids = Vec::with_capacity(members.len());
    for member in &members {
        ids.push(peer_id(&member.key).ok_or(NetworkError::Key { index: member.index })?);
    }
    let me = members.iter().zip(&ids).find(|(_, id)| **id == own).map(|(member, _)| member.index);
    let mut peers = BTreeMap::new();
    let mut queues = vec![None; seats];
    let mut by_index = vec![None; seats];
    for (member, id) in members.into_iter().zip(ids).filter(|(_, id)| *id != own) {
        let queue = Arc::new(Queues::new());
        queues[usize::from(member.index)] = Some(Arc::clone(&queue));
        by_index[usize::from(member.index)] = Some(id);
        let waits = me.is_some_and(|me| me > member.index);
        let dial_at = now + if waits { POLITENESS } else { Duration::ZERO };
        peers.insert(id, Peer::new(member.index, member.addresses, queue, dial_at));
    }

    let mut swarm = swarm(&config.chain, keypair, &peers)?;
    let topic = IdentTopic::new(format!("hovedbok/{}/transactions", config.chain));
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    swarm.behaviour_mut().gossip.subscribe(&topic).map_err(|error| setup(&error))?;
    let mut listeners = Vec::new();
    for address in &config.listen {
        let refuse = |reason: String| NetworkError::Listen { address: address.clone(), reason };
        let listener = swarm.listen_on(address.clone()).map_err(|error| refuse(error.to_string()))?;
        listeners.push((listener, None));
    }

    let (small, small_events) = mpsc::channel(INBOX_MAX);
    let (bulk, bulk_events) = mpsc::channel(BULK_INBOX_MAX);
    let (batches_in, batch_events) = mpsc::channel(BATCH_INBOX_MAX);
    let (questions, question_events) = mpsc::channel(QUESTIONS_MAX);
    let (presence, presence_now) = watch::channel(vec![false; seats]);
    let (commands, command_queue) = mpsc::channel(REQUESTS_MAX);
    let (batches, batch_queue) = mpsc::channel(BATCHES_QUEUED_MAX);
    let metrics = NetworkMetrics::default();
    let mut task = Task {
        swarm,
        topic,
        peers,
        by_index,
        tasks: JoinSet::new(),
        tokens: 0,
        asked: BTreeMap::new(),
        under_way: Arc::new(tokio::sync::Semaphore::new(REQUESTS_MAX)),
        batch: Vec::new(),
        batch_bytes: 0,
        batch_due: None,
        // Two runs of a node number their batches apart.
        batch_number: getrandom::u64().unwrap_or(0),
        small,
        bulk,
        batches: batches_in,
        questions,
        presence,
        metrics: metrics.clone(),
        listeners,
    };
    task.await_listeners(&config.listen).await?;
    let listening: Vec<_> = task.listeners.iter().filter_map(|(_, address)| address.clone()).collect();
    tokio::spawn(task.run(command_queue, batch_queue));
    let events = NetworkEvents {
        small: small_events,
        bulk: bulk_events,
        batches: batch_events,
        questions: question_events,
        presence: presence_now.clone(),
        told: vec![false; seats],
    };
    let handle = NetworkHandle {
        queues: Arc::new(queues),
        commands,
        batches,
        presence: presence_now,
        listening: Arc::new(listening),
        metrics,
    };
    Ok((handle, events))
}

/// The libp2p name of a member.
fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

fn swarm(
    chain: &Digest,
    keypair: Keypair,
    peers: &BTreeMap<PeerId, Peer>,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    let count = u32::try_from(peers.len()).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES_MAX))
        .with_max_pending_outgoing(Some(count.saturating_mul(2)))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_established(Some(count.saturating_mul(CONNECTIONS_PER_PEER_MAX)));
    let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
    for id in peers.keys() {
        allowed.allow_peer(*id);
    }
    let gossip_config = gossipsub::ConfigBuilder::default()
        // Each hop is authenticated by Noise, and transactions carry their own signatures.
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::from(Digest::of(&[&message.data]).0.to_vec()))
        // A batch is passed on only when it reads as one.
        .validate_messages()
        .max_transmit_size(GOSSIP_BYTES_MAX)
        .connection_handler_queue_len(GOSSIP_QUEUE_MAX)
        // What is remembered for lagging peers is bounded by rate times this many heartbeats.
        .history_length(3)
        .history_gossip(2)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .build()
        .map_err(|error| setup(&error))?;
    let gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, gossip_config)
        .map_err(|error| setup(&error))?;
    let behaviour = Behaviour {
        allowed,
        limits: connection_limits::Behaviour::new(limits),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
        gossip,
        streams: Streams::new(chain),
    };
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS_MAX);
        config
    };
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .map_err(|error| setup(&error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| setup(&error))?;
    Ok(builder.with_swarm_config(|config| config).with_connection_timeout(HANDSHAKE_TIMEOUT).build())
}

impl Task {
    async fn await_listeners(&mut self, wanted: &[Multiaddr]) -> Result<(), NetworkError> {
        let refuse = |reason: &str| NetworkError::Listen {
            address: wanted.first().cloned().unwrap_or_else(Multiaddr::empty),
            reason: reason.into(),
        };
        let deadline = Instant::now() + START_TIMEOUT;
        while self.listeners.iter().any(|(_, address)| address.is_none()) {
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::ListenerClosed { reason: Err(error), .. } = &event {
                        return Err(refuse(&error.to_string()));
                    }
                    self.on_swarm_event(event);
                }
                () = sleep_until(deadline) => return Err(refuse("no address within ten seconds")),
            }
        }
        Ok(())
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut batches: mpsc::Receiver<Vec<Vec<u8>>>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.batch_due.unwrap_or_else(Instant::now);
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(ended) = self.tasks.join_next() => if let Ok(ended) = ended { self.on_ended(ended) },
                Some(transactions) = batches.recv() => self.on_transactions(transactions),
                () = sleep_until(due), if self.batch_due.is_some() => self.publish(),
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams((peer, opened))) => self.on_opened(peer, opened),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.on_batch(propagation_source, &message_id, &message.data),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                peer,
            })) => {
                tracing::debug!(%peer, %error, "a link does not answer and is closed");
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                peer.on_connected(now, connection_id);
                let index = peer.index;
                if peer.connections.len() == 1 {
                    tracing::info!(peer = index, "connected");
                    self.set_presence(index, true);
                }
                self.open_writers(peer_id, now);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                peer.on_disconnected(now, connection_id, jitter());
                let index = peer.index;
                if peer.is_connected() {
                    self.open_writers(peer_id, now);
                } else {
                    let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
                    tracing::info!(peer = index, cause, "disconnected");
                    self.set_presence(index, false);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer_id), error, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    tracing::debug!(peer = peer.index, %error, "cannot be reached");
                    peer.on_dial_failed(now, jitter());
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.metrics.refused_connections.inc();
                tracing::debug!(from = %send_back_addr, %error, "a connection was refused");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                if let Some((_, known)) = self.listeners.iter_mut().find(|(id, _)| *id == listener_id) {
                    tracing::info!(%address, "listening");
                    known.get_or_insert(address);
                }
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "listening ended; peers cannot reach this node until it restarts");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a connection could not be accepted")
            }
            _ => {}
        }
    }

    fn on_opened(&mut self, peer_id: PeerId, opened: Opened) {
        match opened {
            Opened::Inbound(lane, stream) => self.on_inbound(peer_id, lane, stream),
            Opened::Outbound(token, stream) => self.on_outbound(peer_id, token, stream),
            Opened::Failed(token) => {
                if let Some(asked) = self.asked.remove(&token) {
                    self.unanswered(asked.peer);
                }
                let now = Instant::now();
                if let Some(peer) = self.peers.get_mut(&peer_id)
                    && let Some(lane) = opening(peer, token)
                {
                    peer.on_writer_ended(now, lane);
                }
            }
        }
    }

    fn on_inbound(&mut self, peer_id: PeerId, lane: Lane, stream: Stream) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        let index = peer.index;
        if lane == Lane::Requests {
            // Over the limit the stream is dropped, which the peer sees as no answer.
            let Ok(permit) = Arc::clone(&peer.questions).try_acquire_owned() else { return };
            let questions = self.questions.clone();
            self.tasks.spawn(async move {
                let result = lanes::answer(stream, index, questions).await;
                drop(permit);
                Ended::Reader { peer: peer_id, result }
            });
            return;
        }
        let (slot, inbox) = if lane == Lane::Votes { (0, &self.small) } else { (1, &self.bulk) };
        let inbox = inbox.clone();
        let task = self.tasks.spawn(async move {
            Ended::Reader { peer: peer_id, result: lanes::read(stream, index, lane, inbox).await }
        });
        if let Some(before) = peer.readers[slot].replace(task) {
            before.abort();
        }
    }

    fn on_outbound(&mut self, peer_id: PeerId, token: Token, stream: Stream) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        if let Some(lane) = opening(peer, token) {
            let Writer::Opening { connection, .. } = peer.writers[lane] else { return };
            let queues = Arc::clone(&peer.queues);
            let task = self.tasks.spawn(async move {
                let kind = if lane == 0 { Lane::Votes } else { Lane::Proposals };
                if let Err(error) = lanes::write(stream, queues, kind).await {
                    tracing::debug!(peer = %peer_id, %error, "a stream to a peer ended");
                }
                Ended::Writer { peer: peer_id, lane, token }
            });
            peer.writers[lane] = Writer::Open { connection, token, task };
        } else if let Some(Asked { request, until, .. }) = self.asked.remove(&token) {
            let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
                return self.unanswered(peer_id);
            };
            let (index, bulk) = (peer.index, self.bulk.clone());
            self.tasks.spawn(async move {
                let answer = tokio::time::timeout_at(until, lanes::ask(stream, index, request)).await;
                let (event, result) = match answer {
                    Ok(Ok(event)) => (event, Ok(())),
                    Ok(Err(error)) => (NetworkEvent::Unanswered { from: index }, Err(error)),
                    Err(_) => (NetworkEvent::Unanswered { from: index }, Ok(())),
                };
                // Nobody listens only when the node stops.
                let _ = bulk.send(event).await;
                drop(permit);
                Ended::Reader { peer: peer_id, result }
            });
        }
    }

    fn on_ended(&mut self, ended: Ended) {
        let now = Instant::now();
        match ended {
            Ended::Writer { peer, lane, token } => {
                if let Some(peer) = self.peers.get_mut(&peer)
                    && matches!(peer.writers.get(lane), Some(Writer::Open { token: open, .. }) if *open == token)
                {
                    peer.on_writer_ended(now, lane);
                }
            }
            Ended::Reader { peer, result: Err(error) } if error.is_offence() => {
                self.on_offence(peer, &error.to_string())
            }
            Ended::Reader { .. } => {}
            Ended::Resolved { peer: peer_id, addresses } => {
                let options = DialOpts::peer_id(peer_id)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(addresses)
                    .build();
                if let Err(error) = self.swarm.dial(options)
                    && let Some(peer) = self.peers.get_mut(&peer_id)
                {
                    tracing::debug!(peer = peer.index, %error, "cannot be dialed");
                    peer.on_dial_failed(now, jitter());
                }
            }
        }
    }

    fn on_offence(&mut self, peer_id: PeerId, reason: &str) {
        let Some(peer) = self.peers.get_mut(&peer_id) else { return };
        self.metrics.offences.inc();
        tracing::warn!(peer = peer.index, reason, "a peer broke the protocol");
        if peer.on_offence() {
            tracing::warn!(peer = peer.index, "cut off for {} s", CUT_OFF.as_secs());
            peer.cut_off_until = Some(Instant::now() + CUT_OFF);
            self.swarm.behaviour_mut().allowed.disallow_peer(peer_id);
        }
    }

    fn on_command(&mut self, command: Command) {
        let (peer, request) = match command {
            Command::Ask { peer, request } => (peer, request),
            Command::Blame { peer, what } => {
                if let Some(id) = self.by_index.get(usize::from(peer)).copied().flatten() {
                    self.on_offence(id, what);
                }
                return;
            }
        };
        let id = self.by_index.get(usize::from(peer)).copied().flatten();
        let Some(id) = id else { return };
        let connection = self.peers.get(&id).and_then(|peer| peer.connections.last()).copied();
        match connection {
            Some(connection) if self.asked.len() < REQUESTS_MAX => {
                let token = self.token();
                let until = Instant::now() + REQUEST_TIMEOUT;
                self.asked.insert(token, Asked { peer: id, request, until });
                self.swarm.behaviour_mut().streams.open(id, connection, Lane::Requests, token);
            }
            _ => self.unanswered(id),
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let expired: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, asked)| now >= asked.until)
            .map(|(token, asked)| (*token, asked.peer))
            .collect();
        for (token, peer) in expired {
            self.asked.remove(&token);
            self.unanswered(peer);
        }
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.cut_off_until.is_some_and(|until| now >= until) {
                peer.cut_off_until = None;
                self.swarm.behaviour_mut().allowed.allow_peer(id);
            }
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.begin_dial(now) {
                let addresses = peer.addresses.clone();
                self.tasks
                    .spawn(async move { Ended::Resolved { peer: id, addresses: resolve(addresses).await } });
            }
            self.open_writers(id, now);
        }
    }

    fn open_writers(&mut self, id: PeerId, now: Instant) {
        for (slot, lane) in [(0, Lane::Votes), (1, Lane::Proposals)] {
            let token = Token(self.tokens);
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let Some(connection) = peer.connections.last().copied() else { return };
            if let Writer::Closed { retry_at } = peer.writers[slot]
                && now >= retry_at
            {
                self.tokens += 1;
                peer.writers[slot] = Writer::Opening { token, connection };
                self.swarm.behaviour_mut().streams.open(id, connection, lane, token);
            }
        }
    }

    fn on_batch(&mut self, source: PeerId, id: &MessageId, data: &[u8]) {
        let Some(peer) = self.peers.get_mut(&source) else { return };
        let from = peer.index;
        let allowed = peer.allow(Instant::now(), data.len());
        let batch = codec::decode::<(u64, Vec<Vec<u8>>)>(data, GOSSIP_BYTES_MAX).map(|(_, batch)| batch);
        let well_formed =
            |batch: &Vec<Vec<u8>>| batch.iter().all(|t| (1..=TRANSACTION_BYTES_MAX).contains(&t.len()));
        let verdict = match batch.ok().filter(well_formed) {
            None => {
                self.on_offence(source, "a batch of transactions does not read");
                MessageAcceptance::Reject
            }
            Some(_) if !allowed => {
                self.metrics.dropped_batches.inc();
                MessageAcceptance::Ignore
            }
            Some(transactions) => {
                if self.batches.try_send(NetworkEvent::Transactions { from, transactions }).is_err() {
                    self.metrics.dropped_batches.inc();
                }
                MessageAcceptance::Accept
            }
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(id, &source, verdict);
    }

    fn on_transactions(&mut self, transactions: Vec<Vec<u8>>) {
        for transaction in transactions {
            // With its length before it; the list's own length is in the margin of a message.
            let bytes = transaction.len() + 8;
            if transaction.is_empty() || transaction.len() > TRANSACTION_BYTES_MAX {
                self.metrics.dropped_batches.inc();
                continue;
            }
            if self.batch_bytes + bytes > BATCH_BYTES_MAX {
                self.publish();
            }
            self.batch_bytes += bytes;
            self.batch.push(transaction);
        }
        if !self.batch.is_empty() && self.batch_due.is_none() {
            self.batch_due = Some(Instant::now() + BATCH_DELAY);
        }
    }

    fn publish(&mut self) {
        self.batch_due = None;
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        // What is spread a second time was lost on its way the first time; without another number
        // gossip would take it for the first, and drop it for a minute.
        self.batch_number = self.batch_number.wrapping_add(1);
        let numbered = codec::encode(&(self.batch_number, &batch));
        match self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), numbered) {
            Ok(_) | Err(gossipsub::PublishError::Duplicate) => {}
            Err(error) => {
                self.metrics.dropped_batches.inc();
                tracing::debug!(%error, transactions = batch.len(), "transactions were not spread");
            }
        }
    }

    fn unanswered(&self, peer: PeerId) {
        if let Some(peer) = self.peers.get(&peer) {
            // Full: whoever asked has its own time limit.
            let _ = self.small.try_send(NetworkEvent::Unanswered { from: peer.index });
        }
    }

    fn set_presence(&self, index: u16, present: bool) {
        self.presence.send_modify(|all| {
            if let Some(seat) = all.get_mut(usize::from(index)) {
                *seat = present;
            }
        });
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens - 1)
    }
}

/// The lane whose stream was asked for under this token.
fn opening(peer: &Peer, token: Token) -> Option<usize> {
    peer.writers
        .iter()
        .position(|writer| matches!(writer, Writer::Opening { token: open, .. } if *open == token))
}

fn jitter() -> u32 {
    // Without randomness the pauses are merely equal.
    getrandom::u32().unwrap_or(0)
}

/// Replaces host names by addresses; what does not resolve is left out.
async fn resolve(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let mut resolved = Vec::new();
    for address in addresses {
        let host = match address.iter().next() {
            Some(Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host)) => host.to_string(),
            _ => {
                resolved.push(address);
                continue;
            }
        };
        let wants = |ip: &std::net::IpAddr| match address.iter().next() {
            Some(Protocol::Dns4(_)) => ip.is_ipv4(),
            Some(Protocol::Dns6(_)) => ip.is_ipv6(),
            _ => true,
        };
        match tokio::net::lookup_host((host.as_str(), 0)).await {
            Ok(found) => {
                let found = found.map(|socket| socket.ip()).filter(wants).take(RESOLVED_MAX);
                resolved.extend(found.filter_map(|ip| address.replace(0, |_| Some(ip.into()))));
            }
            Err(error) => tracing::debug!(host, %error, "a peer's name does not resolve"),
        }
    }
    resolved
}
