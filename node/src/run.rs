//! The loop: the only place where an action touches the world.
//!
//! Each turn takes in what has happened, lets the validator say what follows, makes durable what
//! must be, in one synced batch, and only then sends and answers. A failed durable write ends the
//! process: silence is safe, forgetting is not.
//!
//! Around it stand the tasks that feed it: submissions are checked in batches on other threads, and
//! `links` keeps the line to the peers. When an epoch begins, the loop finds its seat and keys anew and
//! has that line moved to the members of the epoch.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consensus::event::{Evidence, HaltReason, Message, To};
use ledger::block::{Block, Epoch};
use ledger::books::Still;
use ledger::certificate::{Statement, ValidatorSet, Vote};
use ledger::checkpoint::{Checkpoint, Trust};
use ledger::codec;
use ledger::digest::Digest;
use ledger::time::Timestamp;
use ledger::transaction::TransactionError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::amnesia::Progress;
use crate::config::Addresses;
use crate::cosigning::Cosignature;
use crate::halt::{self, HaltProof};
use crate::handle::{
    Identity, NodeHandle, POSTED_MAX, Posted, QUERIES_MAX, Query, SUBMISSIONS_MAX, Submission,
};
use crate::intake::Intake;
use crate::keeper::Keeper;
use crate::keyring::Keyring;
use crate::links::{KEY_PATIENCE, Links, Order};
use crate::members::{earlier, members};
use crate::network::{Member, NetworkConfig, NetworkEvents, NetworkHandle};
use crate::pool::{POOL_TRANSACTIONS_MAX, PoolFull};
use crate::report;
use crate::signer::{Refusal, Signers};
use crate::snapshot;
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
pub(crate) const BATCHES_MAX: usize = 4;

/// Why a node stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What had to be durable may not be.
    #[error("the disk failed, so nothing more may be promised: {0}; mend it and start again")]
    Store(#[from] StoreError),
    /// The signer may sign nothing more.
    #[error("nothing more may be signed: {0}")]
    Signer(#[from] Refusal),
}

/// The time on this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a running node reports about itself, beside what the validator knows.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Peers connected.
    pub peers: usize,
    /// Why it stopped voting for good, if it did.
    pub halted: Option<Arc<str>>,
    /// How often the signer refused since the start.
    pub refused: u64,
    /// Whether the vote log is lost, and how many of the others have been heard since.
    pub lost_votes: Option<Progress>,
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
    /// Signing keys of each term; a follower uses the network's only.
    pub keyring: Keyring,
    /// Sign with them.
    pub signers: Signers,
    /// Where peers listen.
    pub addresses: Addresses,
    /// Where to listen for them, without free ports.
    pub network_config: NetworkConfig,
    /// Who is admitted at the start.
    pub members: Vec<Member>,
    /// The line to the peers.
    pub network: NetworkHandle,
    /// What the peers send.
    pub from_network: NetworkEvents,
    /// Where the proof goes if the node must stop for good.
    pub data_dir: PathBuf,
    /// What stopped it before, if the matter is not settled.
    pub halted: Option<HaltProof>,
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
    let Parts { identity, store, keeper, validator, keyring, signers, addresses, .. } = parts;
    let (submissions, submitted) = mpsc::channel(SUBMISSIONS_MAX);
    let (queries, queried) = mpsc::channel(QUERIES_MAX);
    let (events, happened) = mpsc::channel(EVENTS_MAX);
    let (posted, _) = broadcast::channel(POSTED_MAX);
    let halted = parts.halted.map(|proof| Arc::from(halt::summary(&proof)));
    let (health, healthy) = watch::channel(Health { halted, ..Health::default() });
    let (orders, ordered) = watch::channel(None);
    let (opened, networks) = mpsc::channel(1);
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
    let sets = SetsInForce::new(validator.0.trust());
    let first = Order {
        epoch: sets.now.epoch,
        members: parts.members.clone(),
        keypairs: keyring.peer_keypairs(&sets.now, earlier(validator.0.trust(), sets.now.epoch)),
    };
    let links = Links {
        config: parts.network_config,
        intake: intake.clone(),
        store: Arc::clone(&store),
        events,
        health: health.clone(),
        patience: KEY_PATIENCE,
    };
    tokio::spawn(links.run(first, parts.from_network, ordered, opened));
    let node = Loop {
        identity: Arc::clone(&identity),
        store: Arc::clone(&store),
        keeper,
        keyring,
        signers,
        addresses,
        sets,
        members: parts.members,
        network: Some(parts.network),
        orders,
        intake,
        data_dir: parts.data_dir,
        validator: validator.0,
        callers,
        pooled,
        posted: posted.clone(),
        health,
        snapshots: Arc::new(tokio::sync::Semaphore::new(1)),
        own: VecDeque::new(),
    };
    std::thread::Builder::new()
        .name("validator".into())
        .spawn(move || {
            let result = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .map_err(|error| tracing::error!(%error, "no runtime for the loop"))
                .map_or(Ok(()), |runtime| {
                    runtime.block_on(node.run(validator.1, happened, queried, networks, stop))
                });
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

/// The set in force and the one before it, which still vouches for the last of its checkpoints.
struct SetsInForce {
    now: ValidatorSet,
    before: Option<ValidatorSet>,
}

impl SetsInForce {
    fn new(trust: &Trust) -> Self {
        let mut sets = trust.terms().iter().rev().map(|term| term.validators().clone());
        let now = sets.next().unwrap_or_else(|| trust.validators().clone());
        Self { now, before: sets.next() }
    }

    fn of(&self, epoch: Epoch) -> Option<&ValidatorSet> {
        [Some(&self.now), self.before.as_ref()].into_iter().flatten().find(|set| set.epoch == epoch)
    }
}

struct Loop {
    identity: Arc<Identity>,
    store: Arc<Store>,
    keeper: Keeper,
    keyring: Keyring,
    signers: Signers,
    addresses: Addresses,
    sets: SetsInForce,
    members: Vec<Member>,
    // None while the network of an epoch is being started.
    network: Option<NetworkHandle>,
    orders: watch::Sender<Option<Order>>,
    intake: Intake,
    data_dir: PathBuf,
    validator: Validator,
    callers: Callers,
    // Told after each turn, for those who check submissions.
    pooled: Arc<AtomicUsize>,
    posted: broadcast::Sender<Posted>,
    health: watch::Sender<Health>,
    // Held while a snapshot is being written.
    snapshots: Arc<tokio::sync::Semaphore>,
    // Our own votes and cosignatures, on their way back in.
    own: VecDeque<Event>,
}

impl Loop {
    async fn run(
        mut self,
        first: Vec<Action>,
        mut events: mpsc::Receiver<Event>,
        mut queries: mpsc::Receiver<Query>,
        mut networks: mpsc::Receiver<(Epoch, Option<NetworkHandle>)>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RunError> {
        let mut batch = self.store.batch();
        let mut actions = first;
        loop {
            self.pooled.store(self.validator.pooled(), Ordering::Relaxed);
            let lost_votes = self.validator.lost_votes();
            self.health.send_if_modified(|health| {
                std::mem::replace(&mut health.lost_votes, lost_votes) != lost_votes
            });
            if self.keeper.gather(&mut batch, &actions)? {
                std::mem::replace(&mut batch, self.store.batch()).commit()?;
            }
            for action in actions.drain(..) {
                self.carry_out(action)?;
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
                    Some((epoch, network)) = networks.recv() => {
                        // One of an epoch that is over meanwhile is let go of, and the next follows.
                        self.network = network.filter(|_| epoch == self.sets.now.epoch);
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
    fn carry_out(&mut self, action: Action) -> Result<(), RunError> {
        match action {
            Action::Vote { epoch, statement } => self.vote(epoch, statement)?,
            Action::Cosign { epoch, size, root } => self.cosign(epoch, size, root)?,
            Action::Forgot(_) => self.signers.lose()?,
            Action::Regained(floor) => self.signers.regain(floor)?,
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
            Action::Snapshot(still) => self.write_snapshot(still),
            Action::BeginEpoch { before, set } => self.begin_epoch(before, set),
            Action::Report(evidence) => self.report(&evidence),
            Action::Halt { reason, block } => self.halt(reason, block),
            Action::PersistVote { .. }
            | Action::PersistBlock(_)
            | Action::PersistCertificate(_)
            | Action::PersistCheckpoint(_)
            | Action::PersistEvidence(_) => {}
            sent => {
                if let Some(network) = &self.network {
                    send(network, sent);
                }
            }
        }
        Ok(())
    }

    /// A refusal is an answer, unless it shows that this process itself is wrong.
    fn refused(&self, refusal: Refusal) -> Result<(), RunError> {
        if refusal.ends_process() {
            return Err(refusal.into());
        }
        tracing::warn!(%refusal, "the signer refuses");
        self.health.send_modify(|health| health.refused += 1);
        Ok(())
    }

    /// Moves to the members of the epoch, unless they and our own peer key are those of the last.
    fn begin_epoch(&mut self, before: ValidatorSet, set: ValidatorSet) {
        let trust = Arc::clone(self.validator.trust());
        let name = |keyring: &Keyring, set: &ValidatorSet| {
            keyring.for_network(set, earlier(&trust, set.epoch)).peer_key()
        };
        let known = name(&self.keyring, &self.sets.now);
        self.sets = SetsInForce { now: set, before: Some(before) };
        let set = &self.sets.now;
        let members = members(&self.addresses, set, earlier(&trust, set.epoch));
        let same = members == self.members && name(&self.keyring, set) == known;
        if same && self.network.is_some() {
            return;
        }
        self.members.clone_from(&members);
        // The old network ends with the last handle to it.
        self.network = None;
        let keypairs = self.keyring.peer_keypairs(set, earlier(&trust, set.epoch));
        let order = Order { epoch: set.epoch, members, keypairs };
        self.orders.send_replace(Some(order));
    }

    /// Beside the loop, and one at a time: a disk that is slower than the chain leaves some out.
    fn write_snapshot(&mut self, still: Arc<Still>) {
        let Ok(permit) = Arc::clone(&self.snapshots).try_acquire_owned() else { return };
        let (store, trust) = (Arc::clone(&self.store), Arc::clone(self.validator.trust()));
        let writes = move || {
            let (height, began) = (still.manifest().header.height, std::time::Instant::now());
            match snapshot::keep(&store, &still, &trust) {
                Ok(_) => tracing::info!(%height, ms = began.elapsed().as_millis(), "snapshot written"),
                Err(error) => tracing::warn!(%height, %error, "no snapshot was written"),
            }
            // Before another may begin, so that the books are shared by one at most.
            drop(still);
            drop(permit);
        };
        if let Err(error) = std::thread::Builder::new().name("snapshot".into()).spawn(writes) {
            tracing::warn!(%error, "no snapshot was written");
        }
    }

    fn halt(&mut self, reason: HaltReason, block: Option<Box<Block>>) {
        let judged = block.as_ref().and_then(|block| self.validator.refusal_of(&block.header.hash()));
        let changes = judged.as_ref().and_then(|(_, changes)| changes.as_ref());
        let refusal = judged
            .as_ref()
            .map(|(error, changes)| halt::refusal(error, changes.as_ref()))
            .unwrap_or_default();
        let set = self.sets.now.clone();
        let proof = halt::proof(self.validator.trust(), set, reason, block.map(|block| *block), refusal);
        let summary = halt::summary(&proof);
        tracing::error!("{summary}");
        if let Err(error) = halt::write(&self.data_dir, &proof, changes) {
            tracing::error!(%error, "the proof of why this node stopped cannot be kept; do not restart it");
        }
        self.health.send_modify(|health| health.halted = Some(Arc::from(summary)));
    }

    fn report(&mut self, evidence: &Evidence) {
        let Some((seat, keys)) = self.keyring.seat(&self.sets.now) else { return };
        let Some(validator) = self.sets.now.validators.get(usize::from(seat)) else { return };
        let signed = report::report(validator.entity, keys, self.identity.trust.chain(), evidence);
        // Verified like anybody's, so that what others would refuse is noticed here.
        for verified in self.intake.submitted(vec![signed]) {
            match verified {
                Ok(transaction) => self.own.push_back(Event::Own(transaction)),
                Err(error) => tracing::error!(%error, "our report of an offence does not verify"),
            }
        }
    }

    fn vote(&mut self, epoch: Epoch, statement: Statement) -> Result<(), RunError> {
        let Some((signer, keys)) = self.sets.of(epoch).and_then(|set| self.keyring.seat(set)) else {
            return Ok(());
        };
        let (chain, steps) = (self.identity.trust.chain(), self.store.steps());
        let signature = match self.signers.vote(&keys.vote_key(), &statement, chain, epoch, steps) {
            Ok(signature) => signature,
            Err(refusal) => return self.refused(refusal),
        };
        let vote = Vote { epoch, statement, signer, signature };
        if let Some(network) = &self.network {
            network.broadcast(Message::Vote(vote));
        }
        self.own.push_back(Event::Voted(vote));
        Ok(())
    }

    fn cosign(&mut self, epoch: Epoch, size: u64, root: Digest) -> Result<(), RunError> {
        let Some((signer, keys)) = self.sets.of(epoch).and_then(|set| self.keyring.seat(set)) else {
            return Ok(());
        };
        if !self.keeper.may_cosign(size, &root) {
            // Of two in one turn the larger is kept first, and says all that the smaller does.
            match self.keeper.cosigned() > Some(size) {
                true => tracing::debug!(size, "a larger checkpoint is cosigned already"),
                false => {
                    tracing::error!(size, %root, "our cosigner signed another checkpoint of this size before; not signing")
                }
            }
            return Ok(());
        }
        let checkpoint = Checkpoint { origin: self.identity.trust.origin().into(), size, root };
        let (key, time_s, steps) = (keys.vote_key(), now().0 / 1000, self.store.steps());
        let by = match self.signers.cosign(&key, signer, &checkpoint, time_s, steps) {
            Ok(by) => by,
            Err(refusal) => return self.refused(refusal),
        };
        let cosignature = Cosignature { size, root, by };
        if let Some(network) = &self.network {
            network.broadcast_cosignatures(vec![cosignature]);
        }
        self.own.push_back(Event::Cosignatures(vec![cosignature]));
        Ok(())
    }
}

/// What only the network carries out.
fn send(network: &NetworkHandle, action: Action) {
    match action {
        Action::Send { to: To::All, message } => network.broadcast(message),
        Action::Send { to: To::One(peer), message } => network.send(peer, message),
        Action::SendCosignatures { to, cosignatures } => network.send_cosignatures(to, cosignatures),
        Action::Spread(transactions) => {
            network.gossip_transactions(transactions.iter().map(|t| codec::encode(t.signed())).collect());
        }
        Action::FetchBlock { from, block } => network.request_block(from, block),
        Action::FetchBlocks { from, height } => network.request_blocks(from, height),
        Action::Blame { peer, what } => network.blame(peer, what),
        _ => {}
    }
}
