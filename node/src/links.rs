//! The line to the peers, through one epoch after another.
//!
//! Each epoch has its members and perhaps another peer key of ours, so the network is started anew for
//! it; the loop goes on meanwhile, and what it sends then is lost, which consensus bears. Here also
//! peers' signatures are checked in batches on other threads, and their questions answered from the
//! store.
//!
//! A node that slept over a change of its keys does not know which of them the others know by now. While
//! no peer says anything, it tries one key after another.
//!
//! Invariant: the network of an epoch has let go of its port before that of the next takes it.

use std::sync::Arc;
use std::time::Duration;

use consensus::event::Message;
use ledger::block::{Block, BlockHash, Epoch, Height};
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::intake::Intake;
use crate::network::{
    ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX, Member, Network, NetworkConfig, NetworkEvent, NetworkEvents,
    NetworkHandle, Stretch,
};
use crate::run::{BATCHES_MAX, Health};
use crate::snapshot;
use crate::store::{Store, StoreError};
use crate::validator::Event;

/// Between two attempts at starting the network of an epoch.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// How long nobody need answer us before we try another of our keys: first the key that the others
/// should know, then each other. More than a cycle of few keys is spent on the first, or
/// two nodes that try in turn might for ever miss each other.
pub const KEY_PATIENCE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(15)];

/// The network wanted for an epoch.
#[derive(Clone)]
pub struct Order {
    /// The epoch.
    pub epoch: Epoch,
    /// Who may connect.
    pub members: Vec<Member>,
    /// Who we are: the first, unless nobody knows us by it; at least one.
    pub keypairs: Vec<Keypair>,
}

/// What the task around the network works with.
pub struct Links {
    /// Where to listen.
    pub config: NetworkConfig,
    /// Checks what peers send.
    pub intake: Intake,
    /// Answers what they ask.
    pub store: Arc<Store>,
    /// To the loop.
    pub events: mpsc::Sender<Event>,
    /// How many are connected.
    pub health: watch::Sender<Health>,
    /// How long a peer may take to answer under the first key, and under each other.
    pub patience: [Duration; 2],
}

impl Links {
    /// Serves the network that runs, `first` being what it was ordered as, and each that is ordered after
    /// it ended; hands the line to it out through `opened`, and `None` to ask that the line in use be let
    /// go of, because another key is to be tried. Ends with the loop.
    pub async fn run(
        self,
        first: Order,
        from_network: NetworkEvents,
        mut orders: watch::Receiver<Option<Order>>,
        opened: mpsc::Sender<(Epoch, Option<NetworkHandle>)>,
    ) {
        let (mut order, mut network, mut key) = (first, from_network, 0);
        loop {
            // A node with one key has no choice.
            let patience = self.patience[usize::from(key > 0)];
            let patience = (order.keypairs.len() > 1).then_some(patience);
            let mut next = 0;
            if self.hear_peers(&mut network, patience).await {
                if orders.changed().await.is_err() {
                    return;
                }
            } else {
                tracing::warn!(epoch = %order.epoch, "no peer answers us under this peer key; trying the next key file");
                if opened.send((order.epoch, None)).await.is_err() {
                    return;
                }
                self.hear_peers(&mut network, None).await;
                next = (key + 1) % order.keypairs.len();
            }
            self.health.send_modify(|health| health.peers = 0);
            // What the old network left in the queue keeps its old numbers. They only say whom to ask or
            // answer first, so a wrong one costs a message.
            let Some(opening) = self.open(&order, next, &mut orders).await else { return };
            let line;
            (order, key, line, network) = opening;
            if opened.send((order.epoch, Some(line))).await.is_err() {
                return;
            }
        }
    }

    /// Starts what was ordered last, however long it takes: `before` under this key if nothing was ordered
    /// since. `None` when the loop ended.
    async fn open(
        &self,
        before: &Order,
        key: usize,
        orders: &mut watch::Receiver<Option<Order>>,
    ) -> Option<(Order, usize, NetworkHandle, NetworkEvents)> {
        loop {
            let last = orders.borrow_and_update().clone().filter(|last| last.epoch > before.epoch);
            let (order, key) = last.map_or_else(|| (before.clone(), key), |last| (last, 0));
            let keypair = order.keypairs.get(key)?.clone();
            match Network::start(self.config.clone(), keypair, order.members.clone()).await {
                Ok((line, events)) => return Some((order, key, line, events)),
                Err(error) => {
                    tracing::error!(%error, epoch = %order.epoch, "no network for the epoch yet; trying again");
                }
            }
            tokio::select! {
                changed = orders.changed() => changed.ok()?,
                () = tokio::time::sleep(RESTART_PAUSE) => {}
            }
        }
    }

    /// Turns what peers send into events, and answers what they ask from the store. True when the network
    /// has ended; false if no peer has said anything for so long, as when all refuse us.
    async fn hear_peers(&self, from_network: &mut NetworkEvents, patience: Option<Duration>) -> bool {
        let Self { intake, store, events, health, .. } = self;
        let busy = Arc::new(tokio::sync::Semaphore::new(BATCHES_MAX));
        let mut until = patience.map(|patience| Instant::now() + patience);
        loop {
            let event = match until {
                Some(until) => match tokio::time::timeout_at(until, from_network.recv()).await {
                    Ok(event) => event,
                    Err(_) => return false,
                },
                None => from_network.recv().await,
            };
            let Some(event) = event else { return true };
            // Who refuses us may still seem connected for a moment.
            if !matches!(
                event,
                NetworkEvent::Connected(_) | NetworkEvent::Disconnected(_) | NetworkEvent::Unanswered { .. }
            ) {
                until = None;
            }
            match event {
                NetworkEvent::Connected(peer) => {
                    health.send_modify(|health| health.peers += 1);
                    if events.send(Event::Connected(peer)).await.is_err() {
                        return true;
                    }
                }
                NetworkEvent::Disconnected(peer) => {
                    health.send_modify(|health| health.peers = health.peers.saturating_sub(1));
                    if events.send(Event::Disconnected(peer)).await.is_err() {
                        return true;
                    }
                }
                // Votes and certificates must not queue behind signature checks of transactions.
                NetworkEvent::Message { from, message } if !matches!(message, Message::Proposal { .. }) => {
                    if events.send(Event::Message { from, message }).await.is_err() {
                        return true;
                    }
                }
                NetworkEvent::Cosignatures { cosignatures, .. } => {
                    if events.send(Event::Cosignatures(cosignatures)).await.is_err() {
                        return true;
                    }
                }
                heavy => {
                    let Ok(permit) = Arc::clone(&busy).acquire_owned().await else { return true };
                    let (intake, store, events) = (intake.clone(), Arc::clone(store), events.clone());
                    tokio::task::spawn_blocking(move || {
                        for event in weigh(&intake, &store, heavy) {
                            // The loop has ended; so will this.
                            let _ = events.blocking_send(event);
                        }
                        drop(permit);
                    });
                }
            }
        }
    }
}

/// The configuration with the ports that were taken in place of free ones, so that the node is found
/// where it was.
pub fn settled(config: &NetworkConfig, taken: &[Multiaddr]) -> NetworkConfig {
    let port = |address: &Multiaddr| {
        address.iter().find_map(|p| if let Protocol::Tcp(port) = p { Some(port) } else { None })
    };
    let settle = |(wanted, taken): (&Multiaddr, &Multiaddr)| match port(taken) {
        Some(taken) if port(wanted) == Some(0) => wanted
            .iter()
            .map(|p| if matches!(p, Protocol::Tcp(_)) { Protocol::Tcp(taken) } else { p })
            .collect(),
        _ => wanted.clone(),
    };
    NetworkConfig { chain: config.chain, listen: config.listen.iter().zip(taken).map(settle).collect() }
}

/// What takes longer than a hand-over: checking transactions, reading the store for a peer.
fn weigh(intake: &Intake, store: &Store, event: NetworkEvent) -> Vec<Event> {
    match event {
        NetworkEvent::Message { from, message } => match intake.message(from, message) {
            Ok(event) => vec![event],
            Err(error) => {
                tracing::debug!(from, %error, "a proposal does not verify");
                vec![Event::Broke { from, what: "a proposal whose body does not verify" }]
            }
        },
        NetworkEvent::Transactions { transactions, .. } => {
            let (verified, faults) = intake.spread(transactions);
            if faults > 0 {
                tracing::debug!(faults, "spread transactions that do not verify");
            }
            if verified.is_empty() { Vec::new() } else { vec![Event::Spread(verified)] }
        }
        asked @ (NetworkEvent::BlockRequest { .. }
        | NetworkEvent::BlocksRequest { .. }
        | NetworkEvent::StandingRequest { .. }
        | NetworkEvent::HandoffsRequest { .. }
        | NetworkEvent::PageRequest { .. }) => {
            answer(store, asked);
            Vec::new()
        }
        NetworkEvent::Block { from, block, .. } => match block.map(|block| intake.block(block)) {
            Some(Ok(block)) => vec![Event::Block(block)],
            Some(Err(error)) => {
                tracing::debug!(from, %error, "a block that was asked for does not verify");
                let what = "a block whose body does not verify";
                vec![Event::Broke { from, what }, Event::Unanswered { from }]
            }
            None => vec![Event::Unanswered { from }],
        },
        NetworkEvent::Blocks { from, from_height, earliest, .. } if earliest > from_height => {
            tracing::debug!(from, %earliest, "a peer holds no blocks below this height");
            vec![Event::Lacks { from, earliest }]
        }
        NetworkEvent::Blocks { from, blocks, .. } => intake.stretch(from, blocks),
        NetworkEvent::Unanswered { from } => vec![Event::Unanswered { from }],
        NetworkEvent::Connected(_)
        | NetworkEvent::Disconnected(_)
        | NetworkEvent::Cosignatures { .. }
        | NetworkEvent::Standing { .. }
        | NetworkEvent::Handoffs { .. }
        | NetworkEvent::Page { .. } => Vec::new(),
    }
}

/// Answers what a peer asks from the store. Everything else is nothing to it.
pub fn answer(store: &Store, event: NetworkEvent) {
    match event {
        NetworkEvent::BlockRequest { hash, reply, .. } => reply.answer(stored_block(store, &hash)),
        NetworkEvent::BlocksRequest { from_height, reply, .. } => {
            reply.answer(stored_stretch(store, from_height));
        }
        NetworkEvent::StandingRequest { reply, .. } => match snapshot::standing(store) {
            Ok(standing) => reply.answer(standing),
            Err(error) => tracing::error!(%error, "a peer cannot be told where this node stands"),
        },
        NetworkEvent::HandoffsRequest { height, first, reply, .. } => {
            let handoffs = snapshot::handoffs(store, height, first, ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX);
            reply.answer(handoffs.unwrap_or_default());
        }
        NetworkEvent::PageRequest { height, register, number, reply, .. } => {
            reply.answer(snapshot::page(store, height, register, number));
        }
        _ => {}
    }
}

fn stored_block(store: &Store, block: &BlockHash) -> Option<Block> {
    store.block(block).unwrap_or_else(|error| {
        tracing::error!(%error, "a block cannot be read for a peer");
        None
    })
}

fn stored_stretch(store: &Store, from: Height) -> Stretch {
    let read = || {
        let earliest = store.earliest()?;
        let blocks = match from < earliest {
            true => Vec::new(),
            false => store.finalized_from(from, ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX)?,
        };
        Ok::<_, StoreError>(Stretch { earliest, blocks })
    };
    read().unwrap_or_else(|error| {
        tracing::error!(%error, "blocks cannot be read for a peer");
        Stretch { earliest: Height(1), blocks: Vec::new() }
    })
}

#[cfg(test)]
mod tests {
    use ledger::digest::Digest;
    use ledger::signature::PublicKey;

    use super::*;

    const CHAIN: Digest = Digest([7; 32]);
    /// Generous, because other tests share the machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn keypair(seed: u8) -> Keypair {
        Keypair::ed25519_from_bytes([seed; 32]).unwrap()
    }

    fn member(index: u16, seed: u8, addresses: &[Multiaddr]) -> Member {
        let key = PublicKey(keypair(seed).public().try_into_ed25519().unwrap().to_bytes());
        Member { index, key, addresses: addresses.to_vec() }
    }

    fn config() -> NetworkConfig {
        NetworkConfig { chain: CHAIN, listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()] }
    }

    async fn connected(happened: &mut mpsc::Receiver<Event>) -> u16 {
        let find = async {
            loop {
                if let Event::Connected(peer) = happened.recv().await.unwrap() {
                    return peer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, find).await.expect("a connection in time")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_network_of_the_next_epoch_takes_the_port_of_the_last_under_another_key() {
        let (old, new, peer) = (1, 2, 9);
        let ours = |seed: u8| vec![member(0, seed, &[]), member(1, peer, &[])];
        let (line, from_network) = Network::start(config(), keypair(old), ours(old)).await.unwrap();
        let address = line.listening().to_vec();
        let directory = tempfile::tempdir().unwrap();
        let (events, mut happened) = mpsc::channel(64);
        let (health, healthy) = watch::channel(Health::default());
        let (orders, ordered) = watch::channel(None);
        let (opened, mut networks) = mpsc::channel(1);
        let links = Links {
            config: settled(&config(), &address),
            intake: Intake::new(CHAIN),
            store: Arc::new(Store::open(directory.path(), &CHAIN).unwrap()),
            events,
            health,
            patience: KEY_PATIENCE,
        };
        let first = Order { epoch: Epoch(0), members: ours(old), keypairs: vec![keypair(old)] };
        tokio::spawn(links.run(first, from_network, ordered, opened));
        // The peer admits both keys, as whoever knows the new set and the one before.
        let theirs = vec![member(0, new, &address), member(1, peer, &[]), member(2, old, &address)];
        let (_theirs, mut heard) = Network::start(config(), keypair(peer), theirs).await.unwrap();
        assert_eq!(connected(&mut happened).await, 1);
        assert_eq!(healthy.borrow().peers, 1);

        drop(line);
        let order = Order { epoch: Epoch(1), members: ours(new), keypairs: vec![keypair(new)] };
        orders.send_replace(Some(order));
        let (epoch, line) = networks.recv().await.unwrap();
        let line = line.unwrap();
        assert_eq!((epoch, line.listening()), (Epoch(1), address.as_slice()));
        assert_eq!(connected(&mut happened).await, 1);
        line.broadcast(Message::StatusRequest);
        let find = async {
            loop {
                if let NetworkEvent::Message { from, message } = heard.recv().await.unwrap() {
                    return (from, message);
                }
            }
        };
        let got = tokio::time::timeout(PATIENCE, find).await.expect("a message in time");
        assert_eq!(got, (0, Message::StatusRequest));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_nobody_knows_by_its_first_key_tries_the_next_until_a_peer_answers() {
        let (stranger, known, peer) = (1, 2, 9);
        let theirs = vec![member(0, peer, &[]), member(1, known, &[])];
        let (them, _heard) = Network::start(config(), keypair(peer), theirs).await.unwrap();
        let ours = vec![member(0, peer, them.listening())];
        let (line, from_network) = Network::start(config(), keypair(stranger), ours.clone()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (events, mut happened) = mpsc::channel(64);
        let (health, _) = watch::channel(Health::default());
        let (_orders, ordered) = watch::channel(None);
        let (opened, mut networks) = mpsc::channel(1);
        let links = Links {
            config: settled(&config(), line.listening()),
            intake: Intake::new(CHAIN),
            store: Arc::new(Store::open(directory.path(), &CHAIN).unwrap()),
            events,
            health,
            patience: [Duration::from_secs(1), PATIENCE],
        };
        let keypairs = vec![keypair(stranger), keypair(known)];
        let order = Order { epoch: Epoch(4), members: ours, keypairs };
        tokio::spawn(links.run(order, from_network, ordered, opened));
        let (epoch, none) = networks.recv().await.unwrap();
        assert!(epoch == Epoch(4) && none.is_none(), "the line is asked for first, for it holds the port");
        drop(line);
        let (_, line) = networks.recv().await.unwrap();
        let line = line.unwrap();
        let answer = async {
            loop {
                if line.connected() == [0] && them.connected() == [1] {
                    them.broadcast(Message::StatusRequest);
                }
                let soon = Duration::from_millis(100);
                if let Ok(Some(Event::Message { from, .. })) =
                    tokio::time::timeout(soon, happened.recv()).await
                {
                    return from;
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time"), 0);
    }
}
