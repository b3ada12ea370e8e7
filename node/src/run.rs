//! The loop: the only place where an action touches the world.
//!
//! Each turn takes in what has happened, lets the validator say what follows, makes durable what
//! must be, in one synced batch, and only then sends and answers. A failed durable write ends the
//! process: silence is safe, forgetting is not.
//!
//! Around it stand the tasks that feed it: signatures are checked in batches on other threads,
//! peers' questions are answered from the store.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consensus::event::{Message, To};
use ledger::block::{Block, BlockHash, Height};
use ledger::certificate::{FinalizedBlock, Statement, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::codec;
use ledger::digest::Digest;
use ledger::time::Timestamp;
use ledger::transaction::TransactionError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::cosigning::Cosignature;
use crate::handle::{
    Identity, NodeHandle, POSTED_MAX, Posted, QUERIES_MAX, Query, SUBMISSIONS_MAX, Submission,
};
use crate::intake::Intake;
use crate::keeper::Keeper;
use crate::keys::Keys;
use crate::network::{ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX, NetworkEvent, NetworkEvents, NetworkHandle};
use crate::pool::{POOL_TRANSACTIONS_MAX, PoolFull};
use crate::store::{Store, StoreError};
use crate::validator::{Action, Event, Outcome, RequestId, Validator};

/// Events between the intake and the loop; beyond it the intake waits, and its own bounds shed.
const EVENTS_MAX: usize = 1024;
/// Events taken in per turn, so that one synced write serves many, and none waits long for it.
const TURN_EVENTS_MAX: usize = 64;
/// Questions answered per turn.
const TURN_QUERIES_MAX: usize = 32;
/// Submissions checked in one batch: past a few hundred, a batch gains nothing more.
const BATCH_MAX: usize = 256;
/// Batches being checked at once; more would only wait for a core.
const BATCHES_MAX: usize = 4;

/// Why a node stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What had to be durable may not be.
    #[error("the disk failed, so nothing more may be promised: {0}; mend it and start again")]
    Store(#[from] StoreError),
}

/// The time on this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a running node reports about itself, beside what the validator knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// Peers connected.
    pub peers: usize,
    /// Whether it stopped voting for good.
    pub halted: bool,
}

/// What the loop needs.
pub struct Parts {
    /// What never changes.
    pub identity: Identity,
    /// The disk.
    pub store: Arc<Store>,
    /// What persists.
    pub keeper: Keeper,
    /// The validator and what it asked for at its start.
    pub validator: (Validator, Vec<Action>),
    /// Signing keys; a follower has the network's only.
    pub keys: Keys,
    /// The line to the peers.
    pub network: NetworkHandle,
    /// What the peers send.
    pub from_network: NetworkEvents,
}

/// A node that runs.
pub struct Running {
    /// The way to it.
    pub handle: NodeHandle,
    /// How it is.
    pub health: watch::Receiver<Health>,
    /// Ends with the node.
    pub done: oneshot::Receiver<Result<(), RunError>>,
}

/// Starts the loop on a thread of its own and the tasks around it. It ends when `stop` turns true.
pub fn start(parts: Parts, stop: watch::Receiver<bool>) -> Running {
    let Parts { identity, store, keeper, validator, keys, network, from_network } = parts;
    let (submissions, submitted) = mpsc::channel(SUBMISSIONS_MAX);
    let (queries, queried) = mpsc::channel(QUERIES_MAX);
    let (events, happened) = mpsc::channel(EVENTS_MAX);
    let (posted, _) = broadcast::channel(POSTED_MAX);
    let (health, healthy) = watch::channel(Health::default());
    let (finished, done) = oneshot::channel();
    let identity = Arc::new(identity);
    let intake = Intake::new(*identity.trust.chain());
    let callers = Callers::default();
    let pooled = Arc::new(AtomicUsize::new(0));
    tokio::spawn(check_submissions(
        intake.clone(),
        callers.clone(),
        Arc::clone(&pooled),
        submitted,
        events.clone(),
    ));
    tokio::spawn(hear_peers(intake, Arc::clone(&store), from_network, events, health.clone()));
    let node = Loop {
        identity: Arc::clone(&identity),
        store: Arc::clone(&store),
        keeper,
        keys,
        network,
        validator: validator.0,
        callers,
        pooled,
        posted: posted.clone(),
        health,
        own: VecDeque::new(),
    };
    std::thread::Builder::new()
        .name("validator".into())
        .spawn(move || {
            let result = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .map_err(|error| tracing::error!(%error, "no runtime for the loop"))
                .map_or(Ok(()), |runtime| runtime.block_on(node.run(validator.1, happened, queried, stop)));
            // Nobody may be listening any more; then the process is ending anyway.
            let _ = finished.send(result);
        })
        .expect("a thread for the loop can be started at start-up");
    let handle = NodeHandle { submissions, queries, posted, identity, store };
    Running { handle, health: healthy, done }
}

type Answer = oneshot::Sender<Result<Outcome, TransactionError>>;

/// Who waits for the outcome of what they submitted.
#[derive(Clone, Default)]
struct Callers(Arc<std::sync::Mutex<(u64, HashMap<u64, Answer>)>>);

impl Callers {
    fn with<T>(&self, act: impl FnOnce(&mut (u64, HashMap<u64, Answer>)) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn add(&self, answer: Answer) -> RequestId {
        self.with(|(next, waiting)| {
            *next += 1;
            waiting.insert(*next, answer);
            RequestId(*next)
        })
    }

    fn answer(&self, request: RequestId, outcome: Outcome) {
        if let Some(answer) = self.with(|(_, waiting)| waiting.remove(&request.0)) {
            // A caller that went away needs no answer.
            let _ = answer.send(Ok(outcome));
        }
    }

    /// Forgets callers that went away; called now and then, because most are removed on answering.
    fn sweep(&self) {
        self.with(|(_, waiting)| waiting.retain(|_, answer| !answer.is_closed()));
    }
}

/// Checks the signatures of what is submitted, as many at once as have gathered.
async fn check_submissions(
    intake: Intake,
    callers: Callers,
    pooled: Arc<AtomicUsize>,
    mut submitted: mpsc::Receiver<Submission>,
    events: mpsc::Sender<Event>,
) {
    let busy = Arc::new(tokio::sync::Semaphore::new(BATCHES_MAX));
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while submitted.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // Turning away must cost little, or a crowd at the door takes the time of those inside.
        let waiting = pooled.load(Ordering::Relaxed);
        if waiting >= POOL_TRANSACTIONS_MAX {
            for Submission { reply, .. } in batch.drain(..) {
                let _ = reply.send(Ok(Outcome::Full(PoolFull { waiting })));
            }
            continue;
        }
        let Ok(permit) = Arc::clone(&busy).acquire_owned().await else { return };
        let batch = std::mem::take(&mut batch);
        let (intake, callers, events) = (intake.clone(), callers.clone(), events.clone());
        tokio::task::spawn_blocking(move || {
            let (transactions, askers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|s| (s.signed, (s.until_posted, s.reply))).unzip();
            for (result, (until_posted, reply)) in intake.submitted(transactions).into_iter().zip(askers) {
                match result {
                    Ok(transaction) => {
                        let request = callers.add(reply);
                        if events.blocking_send(Event::Submit { request, transaction, until_posted }).is_err()
                        {
                            return;
                        }
                    }
                    Err(error) => {
                        let _ = reply.send(Err(error));
                    }
                }
            }
            callers.sweep();
            drop(permit);
        });
    }
}

/// Turns what peers send into events, and answers what they ask from the store.
async fn hear_peers(
    intake: Intake,
    store: Arc<Store>,
    mut from_network: NetworkEvents,
    events: mpsc::Sender<Event>,
    health: watch::Sender<Health>,
) {
    let busy = Arc::new(tokio::sync::Semaphore::new(BATCHES_MAX));
    while let Some(event) = from_network.recv().await {
        match event {
            NetworkEvent::Connected(peer) => {
                health.send_modify(|health| health.peers += 1);
                if events.send(Event::Connected(peer)).await.is_err() {
                    return;
                }
            }
            NetworkEvent::Disconnected(_) => {
                health.send_modify(|health| health.peers = health.peers.saturating_sub(1));
            }
            // Votes and certificates must not queue behind signature checks of transactions.
            NetworkEvent::Message { from, message } if !matches!(message, Message::Proposal { .. }) => {
                if events.send(Event::Message { from, message }).await.is_err() {
                    return;
                }
            }
            NetworkEvent::Cosignatures { cosignatures, .. } => {
                if events.send(Event::Cosignatures(cosignatures)).await.is_err() {
                    return;
                }
            }
            heavy => {
                let Ok(permit) = Arc::clone(&busy).acquire_owned().await else { return };
                let (intake, store, events) = (intake.clone(), Arc::clone(&store), events.clone());
                tokio::task::spawn_blocking(move || {
                    if let Some(event) = weigh(&intake, &store, heavy) {
                        // The loop has ended; so will this.
                        let _ = events.blocking_send(event);
                    }
                    drop(permit);
                });
            }
        }
    }
}

/// What takes longer than a hand-over: checking transactions, reading the store for a peer.
fn weigh(intake: &Intake, store: &Store, event: NetworkEvent) -> Option<Event> {
    match event {
        NetworkEvent::Message { from, message } => match intake.message(from, message) {
            Ok(event) => Some(event),
            Err(error) => {
                tracing::warn!(from, %error, "proposal refused");
                None
            }
        },
        NetworkEvent::Transactions { transactions, .. } => {
            let (verified, faults) = intake.spread(transactions);
            if faults > 0 {
                tracing::debug!(faults, "spread transactions that do not verify");
            }
            (!verified.is_empty()).then_some(Event::Spread(verified))
        }
        NetworkEvent::BlockRequest { hash, reply, .. } => {
            reply.answer(stored_block(store, &hash));
            None
        }
        NetworkEvent::BlocksRequest { from_height, reply, .. } => {
            reply.answer(stored_stretch(store, from_height));
            None
        }
        NetworkEvent::Block { from, block, .. } => match block.map(|block| intake.block(block)) {
            Some(Ok(block)) => Some(Event::Block(block)),
            _ => Some(Event::Unanswered { from }),
        },
        NetworkEvent::Blocks { from, blocks, .. } => {
            Some(Event::Blocks { from, blocks: intake.finalized(blocks) })
        }
        NetworkEvent::Unanswered { from } => Some(Event::Unanswered { from }),
        NetworkEvent::Connected(_) | NetworkEvent::Disconnected(_) | NetworkEvent::Cosignatures { .. } => {
            None
        }
    }
}

fn stored_block(store: &Store, block: &BlockHash) -> Option<Block> {
    store.block(block).unwrap_or_else(|error| {
        tracing::error!(%error, "a block cannot be read for a peer");
        None
    })
}

fn stored_stretch(store: &Store, from: Height) -> Vec<FinalizedBlock> {
    store.finalized_from(from, ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX).unwrap_or_else(|error| {
        tracing::error!(%error, "blocks cannot be read for a peer");
        Vec::new()
    })
}

struct Loop {
    identity: Arc<Identity>,
    store: Arc<Store>,
    keeper: Keeper,
    keys: Keys,
    network: NetworkHandle,
    validator: Validator,
    callers: Callers,
    // Told after each turn, for those who check submissions.
    pooled: Arc<AtomicUsize>,
    posted: broadcast::Sender<Posted>,
    health: watch::Sender<Health>,
    // Our own votes and cosignatures, on their way back in.
    own: VecDeque<Event>,
}

impl Loop {
    async fn run(
        mut self,
        first: Vec<Action>,
        mut events: mpsc::Receiver<Event>,
        mut queries: mpsc::Receiver<Query>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RunError> {
        let mut batch = self.store.batch();
        let mut actions = first;
        loop {
            self.pooled.store(self.validator.pooled(), Ordering::Relaxed);
            if self.keeper.gather(&mut batch, &actions)? {
                std::mem::replace(&mut batch, self.store.batch()).commit()?;
            }
            for action in actions.drain(..) {
                self.carry_out(action);
            }
            if self.own.is_empty() {
                let wake = self.validator.wake_at().map(|at| at.0.saturating_sub(now().0));
                let sleep = tokio::time::sleep(Duration::from_millis(wake.unwrap_or(60_000)));
                tokio::select! {
                    biased;
                    changed = stop.changed() => {
                        if changed.is_err() || *stop.borrow() {
                            break;
                        }
                    }
                    Some(query) = queries.recv() => {
                        query(&self.validator);
                        for _ in 1..TURN_QUERIES_MAX {
                            let Ok(query) = queries.try_recv() else { break };
                            query(&self.validator);
                        }
                    }
                    event = events.recv() => match event {
                        Some(event) => actions.extend(self.validator.handle(now(), event)),
                        None => break,
                    },
                    () = sleep => actions.extend(self.validator.handle(now(), Event::Tick)),
                }
            }
            while let Some(event) = self.own.pop_front() {
                actions.extend(self.validator.handle(now(), event));
            }
            for _ in 1..TURN_EVENTS_MAX {
                let Ok(event) = events.try_recv() else { break };
                actions.extend(self.validator.handle(now(), event));
            }
            if self.validator.wake_at().is_some_and(|at| at <= now()) {
                actions.extend(self.validator.handle(now(), Event::Tick));
            }
        }
        // What waited for the next step's batch.
        if !batch.is_empty() {
            batch.commit()?;
        }
        Ok(())
    }

    /// Carries out one action; what it promises is durable.
    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Vote(statement) => self.vote(statement),
            Action::Cosign { size, root } => self.cosign(size, root),
            Action::Send { to: To::All, message } => self.network.broadcast(message),
            Action::Send { to: To::One(peer), message } => self.network.send(peer, message),
            Action::SendCosignatures { to, cosignatures } => self.network.send_cosignatures(to, cosignatures),
            Action::Spread(transactions) => {
                self.network
                    .gossip_transactions(transactions.iter().map(|t| codec::encode(t.signed())).collect());
            }
            Action::FetchBlock { from, block } => self.network.request_block(from, block),
            Action::FetchBlocks { from, height } => self.network.request_blocks(from, height),
            Action::Reply { request, outcome } => self.callers.answer(request, outcome),
            Action::PersistFinalized { staged, .. } => {
                let header = staged.header();
                let transactions = staged.block().transactions().iter().map(|t| t.id()).collect();
                // Nobody may be listening.
                let _ = self.posted.send(Posted {
                    height: header.height,
                    time: header.time,
                    first_leaf: staged.first_leaf(),
                    transactions: Arc::new(transactions),
                });
            }
            Action::Halt(reason) => {
                tracing::error!(
                    ?reason,
                    "stopped voting for good: see the operations page on contradictory certificates"
                );
                self.health.send_modify(|health| health.halted = true);
            }
            Action::PersistVote(_)
            | Action::PersistBlock(_)
            | Action::PersistCertificate(_)
            | Action::PersistCheckpoint(_)
            | Action::PersistEvidence(_) => {}
        }
    }

    fn vote(&mut self, statement: Statement) {
        let Some(signer) = self.identity.me else { return };
        let epoch = self.identity.trust.validators().epoch;
        let signature = self.keys.sign_vote(&statement, self.identity.trust.chain(), epoch);
        let vote = Vote { epoch, statement, signer, signature };
        self.network.broadcast(Message::Vote(vote));
        self.own.push_back(Event::Voted(vote));
    }

    fn cosign(&mut self, size: u64, root: Digest) {
        let Some(signer) = self.identity.me else { return };
        if !self.keeper.may_cosign(size, &root) {
            tracing::error!(size, %root, "our cosigner signed a larger or another checkpoint before; not signing");
            return;
        }
        let checkpoint = Checkpoint { origin: self.identity.trust.origin().into(), size, root };
        let by = self.keys.cosign(signer, &checkpoint, now().0 / 1000);
        let cosignature = Cosignature { size, root, by };
        self.network.broadcast_cosignatures(vec![cosignature]);
        self.own.push_back(Event::Cosignatures(vec![cosignature]));
    }
}
