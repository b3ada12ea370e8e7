//! Some nodes on one thread: real validators with real stores, keys and numbers, a network without
//! weather, and people who hold the governance keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consensus::event::{Message, To};
use consensus::machine::Config;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger::block::{Epoch, Height};
use ledger::certificate::{Validator as Seat, ValidatorSet, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::finality::FinalizedBlock;
use ledger::genesis::Genesis;
use ledger::governance::{Change, Entrant, Ready, Recovery};
use ledger::signature::{PublicKey, Signature};
use ledger::time::{Date, Timestamp};
use ledger::transaction::{
    Books, KeySignature, KidRule, Mandate, NewEntity, NewKey, Operation, PaymentId, Role, SignedTransaction,
    Transaction, VerifiedTransaction,
};

use crate::amnesia::Memory;
use crate::config::Addresses;
use crate::cosigning::Cosignature;
use crate::intake::Intake;
use crate::keeper::Keeper;
use crate::keyring::Keyring;
use crate::keys::Keys;
use crate::members::members;
use crate::network::Member;
use crate::recover::recover;
use crate::report::report;
use crate::snapshot;
use crate::store::Store;
use crate::validator::{Action, Event, Outcome, RequestId, Settings, Validator};
use crate::watermark::Term;

/// 2026-03-03T23:59:59Z.
const BEGIN_MS: u64 = 1_772_582_399_000;
/// How long a packet takes.
const WAY_MS: u64 = 4;
/// No story takes longer.
const STORY_MS: u64 = 300_000;
/// Blocks in one answer: few, so that an absence takes several questions.
const ANSWER_BLOCKS: usize = 8;
const REGISTRAR: u8 = 9;

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey(secret(seed).verifying_key().to_bytes())
}

/// The n-th number of a range that the register of organisations does not use.
fn org(n: usize) -> OrgNumber {
    (700_000_000..).filter_map(|number| OrgNumber::new(number).ok()).nth(n).unwrap()
}

/// The node's three keys of a term; the governance key has the seed after them.
pub(crate) fn keys(seed: u8) -> Keys {
    Keys::from_seeds(&[seed; 32], &[seed + 1; 32], &[seed + 2; 32])
}

/// The seed of a node's first keys.
pub(crate) fn seed(node: usize) -> u8 {
    20 + 10 * node as u8
}

/// What a node is as a validator, with keys of this seed.
pub(crate) fn seat(node: usize, seed: u8) -> Seat {
    Seat {
        entity: org(node),
        name: Name::new(format!("v{node}.example/v1")).unwrap(),
        vote_key: public(seed),
        cosign_key: public(seed + 1),
        peer_key: public(seed + 2),
        governance_key: public(seed + 3),
    }
}

pub(crate) struct Node {
    pub(crate) validator: Option<Validator>,
    pub(crate) store: Arc<Store>,
    pub(crate) halts: usize,
    pub(crate) begun: Vec<Epoch>,
    keeper: Option<Keeper>,
    seeds: Vec<u8>,
    keyring: Keyring,
    members: Vec<Member>,
    peer_key: PublicKey,
    _directory: tempfile::TempDir,
}

/// What somebody sends who is asked for final blocks from a height on.
pub(crate) type Lie = fn(&Store, Height) -> Vec<FinalizedBlock>;

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) genesis: Genesis,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    /// Nodes whose finalize votes reach nobody: blocks are notarized and not final.
    pub(crate) finalize_is_lost: bool,
    /// Votes as they were sent, by node.
    pub(crate) votes: Vec<(usize, Vote)>,
    /// What a node knows of its own votes at its next start; whole if nothing is said.
    pub(crate) memories: BTreeMap<usize, Memory>,
    /// Nodes that noticed that they forgot a vote, and from when on they vote again.
    pub(crate) forgot: Vec<(usize, Term)>,
    pub(crate) regained: Vec<(usize, Term)>,
    /// Who blamed which number for what.
    pub(crate) blamed: Vec<(usize, u16, &'static str)>,
    /// How a node answers who asks for final blocks, instead of truly.
    pub(crate) lies: BTreeMap<usize, Lie>,
    /// Who asked whom for final blocks from which height, and when.
    pub(crate) asked: Vec<(usize, usize, Height, u64)>,
    /// At which multiples of height snapshots are written; 0 for none.
    pub(crate) snapshots: u64,
    intake: Intake,
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    now: u64,
    serial: u64,
    numbers: u64,
}

impl World {
    /// So many validators of genesis, and so many nodes more that follow.
    pub(crate) fn new(validators: usize, followers: usize) -> Self {
        let count = validators + followers;
        let set = ValidatorSet {
            epoch: Epoch(0),
            validators: (0..validators).map(|node| seat(node, seed(node))).collect(),
        };
        let entity = |node: usize| NewEntity {
            number: org(node),
            kind: EntityKind::State,
            name: Name::new(format!("Etat {node}")).unwrap(),
            sector: 610,
            books: Books::None,
            kid: KidRule::None,
        };
        let (from, to) = (Date::new(20_100_101).unwrap(), Date::new(20_991_231).unwrap());
        let registers = Mandate { entity: org(0), role: Role::Register, from, to };
        let genesis = Genesis {
            name: "hovedbok.example".into(),
            time: Timestamp(BEGIN_MS),
            validators: set,
            parameters: ledger::booking::parse(include_str!("../../../genesis/booking.txt")).unwrap(),
            entities: (0..count).map(entity).collect(),
            keys: vec![NewKey {
                key: public(REGISTRAR),
                entity: org(0),
                holder: 1,
                mandates: vec![registers],
            }],
            codes: ledger::codes::parse(include_str!("../../../genesis/codes.txt")).unwrap(),
        };
        let mut world = Self {
            nodes: Vec::new(),
            intake: Intake::new(genesis.hash()),
            genesis,
            outcomes: BTreeMap::new(),
            finalize_is_lost: false,
            votes: Vec::new(),
            memories: BTreeMap::new(),
            forgot: Vec::new(),
            regained: Vec::new(),
            blamed: Vec::new(),
            lies: BTreeMap::new(),
            asked: Vec::new(),
            snapshots: 0,
            queue: BTreeMap::new(),
            now: BEGIN_MS + 1000,
            serial: 0,
            numbers: 0,
        };
        for node in 0..count {
            let directory = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(directory.path(), &world.genesis.hash()).unwrap());
            world.nodes.push(Node {
                validator: None,
                store,
                halts: 0,
                begun: Vec::new(),
                keeper: None,
                seeds: vec![seed(node)],
                keyring: Keyring::new(vec![keys(seed(node))]).unwrap(),
                members: Vec::new(),
                peer_key: public(seed(node) + 2),
                _directory: directory,
            });
        }
        (0..count).for_each(|node| world.wake(node));
        world
    }

    pub(crate) fn validator(&self, node: usize) -> &Validator {
        self.nodes[node].validator.as_ref().expect("it is awake")
    }

    pub(crate) fn epoch(&self, node: usize) -> u64 {
        self.validator(node).ledger().validators().epoch.0
    }

    pub(crate) fn height(&self, node: usize) -> u64 {
        self.validator(node).ledger().head().height.0
    }

    /// Gives a node a second key file; it counts from the next start.
    pub(crate) fn add_keys(&mut self, node: usize, seed: u8) {
        self.sleep(node);
        self.nodes[node].seeds.push(seed);
        self.nodes[node].keyring =
            Keyring::new(self.nodes[node].seeds.iter().map(|seed| keys(*seed)).collect()).unwrap();
        self.wake(node);
    }

    /// Another machine with the keys of this node and an empty disk; it starts at once.
    pub(crate) fn twin(&mut self, of: usize, at: usize) {
        self.sleep(at);
        self.nodes[at].seeds = self.nodes[of].seeds.clone();
        self.nodes[at].keyring =
            Keyring::new(self.nodes[at].seeds.iter().map(|seed| keys(*seed)).collect()).unwrap();
        self.wake(at);
    }

    /// The disk is exchanged for an empty one.
    pub(crate) fn new_disk(&mut self, node: usize) {
        self.sleep(node);
        let directory = tempfile::tempdir().unwrap();
        self.nodes[node].store = Arc::new(Store::open(directory.path(), &self.genesis.hash()).unwrap());
        self.nodes[node]._directory = directory;
    }

    /// The power goes.
    pub(crate) fn sleep(&mut self, node: usize) {
        self.nodes[node].validator = None;
        self.nodes[node].keeper = None;
        self.queue.retain(|_, (to, _)| *to != node);
    }

    /// A start from disk.
    pub(crate) fn wake(&mut self, node: usize) {
        let mut recovered = recover(&self.genesis, &self.nodes[node].store).unwrap();
        recovered.memory = self.memories.remove(&node).unwrap_or_default();
        let consensus = Config {
            delta_ms: 100,
            delta_max_ms: 1000,
            block_interval_ms: 20,
            heartbeat_ms: 5000,
            ..Config::default()
        };
        let settings = Settings { consensus, request_timeout_ms: 200 };
        let keeper = Keeper::open(Arc::clone(&self.nodes[node].store), &recovered.ledger).unwrap();
        let vote_keys = self.nodes[node].keyring.vote_keys();
        let (mut validator, actions) = Validator::new(settings, vote_keys, recovered, Timestamp(self.now));
        validator.keep_snapshots(self.snapshots);
        self.nodes[node].validator = Some(validator);
        self.nodes[node].keeper = Some(keeper);
        self.move_network(node);
        self.carry_out(node, actions);
    }

    /// As `members` has it for the epoch the node is in; everybody is admitted to begin with.
    fn move_network(&mut self, node: usize) {
        let validator = self.validator(node);
        let terms = validator.trust().terms();
        let set = validator.trust().validators();
        let before = terms.iter().rev().nth(1).map(|term| term.validators());
        let others = (0..self.nodes.len()).map(|node| (public(seed(node) + 2), Vec::new())).collect();
        let addresses = Addresses { others, ..Addresses::default() };
        let members = members(&addresses, set, before);
        let peer_key = self.nodes[node].keyring.for_network(set, before).peer_key();
        (self.nodes[node].members, self.nodes[node].peer_key) = (members, peer_key);
        for other in 0..self.nodes.len() {
            self.connect(node, other);
            self.connect(other, node);
        }
    }

    fn connect(&mut self, at: usize, to: usize) {
        if let Some(peer) = self.number(at, to).filter(|_| at != to) {
            self.deliver(to, at, |_| Some(Event::Connected(peer)));
        }
    }

    /// The number that `at` knows `other` by, if it admits it.
    fn number(&self, at: usize, other: usize) -> Option<u16> {
        let key = self.nodes[other].peer_key;
        self.nodes[at].members.iter().find(|member| member.key == key).map(|member| member.index)
    }

    fn node_of(&self, at: usize, number: u16) -> Option<usize> {
        let member = self.nodes[at].members.iter().find(|member| member.index == number)?;
        (0..self.nodes.len()).find(|node| *node != at && self.nodes[*node].peer_key == member.key)
    }

    fn deliver(&mut self, from: usize, to: usize, event: impl FnOnce(u16) -> Option<Event>) {
        // Both ends must admit one another.
        let (Some(number), Some(_)) = (self.number(to, from), self.number(from, to)) else { return };
        if self.nodes[to].validator.is_none() || self.nodes[from].validator.is_none() {
            return;
        }
        if let Some(event) = event(number) {
            self.later(to, WAY_MS, event);
        }
    }

    fn later(&mut self, to: usize, wait_ms: u64, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now + wait_ms, self.serial), (to, event));
    }

    /// Goes on until the condition holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = self.now + STORY_MS;
        while !holds(self) {
            assert!(self.now < end, "{what} did not happen: {}", self.complaint());
            self.step();
        }
    }

    /// Goes on for so long.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.step();
        }
    }

    fn complaint(&self) -> String {
        let stands = |(node, n): (usize, &Node)| match &n.validator {
            None => format!("#{node} sleeps"),
            Some(v) => format!(
                "#{node} seat {:?} epoch {} height {} view {} certified {:?} pooled {}",
                v.seat(),
                v.ledger().validators().epoch,
                v.ledger().head().height,
                v.consensus().view(),
                v.certified().map(|c| c.size),
                v.pooled()
            ),
        };
        self.nodes.iter().enumerate().map(stands).collect::<Vec<_>>().join("; ")
    }

    fn step(&mut self) {
        let wake = |(node, n): (usize, &Node)| Some((n.validator.as_ref()?.wake_at()?.0, node));
        let tick = self.nodes.iter().enumerate().filter_map(wake).min();
        let packet = self.queue.first_key_value().map(|((at, _), _)| *at);
        match (tick, packet) {
            (Some((at, node)), packet) if packet.is_none_or(|packet| at < packet) => {
                self.now = self.now.max(at);
                self.handle(node, Event::Tick);
            }
            (_, Some(at)) => {
                self.now = self.now.max(at);
                if let Some((_, (to, event))) = self.queue.pop_first() {
                    self.handle(to, event);
                }
            }
            _ => panic!("nothing happens any more: {}", self.complaint()),
        }
    }

    pub(crate) fn handle(&mut self, node: usize, event: Event) {
        let now = Timestamp(self.now);
        if let Some(validator) = &mut self.nodes[node].validator {
            let actions = validator.handle(now, event);
            self.carry_out(node, actions);
        }
    }

    fn carry_out(&mut self, node: usize, actions: Vec<Action>) {
        let mut batch = self.nodes[node].store.batch();
        self.nodes[node].keeper.as_mut().unwrap().gather(&mut batch, &actions).unwrap();
        batch.commit().unwrap();
        for action in actions {
            self.carry(node, action);
        }
    }

    fn set_of(&self, node: usize, epoch: Epoch) -> Option<ValidatorSet> {
        let terms = self.validator(node).trust().terms();
        terms.iter().map(|term| term.validators()).find(|set| set.epoch == epoch).cloned()
    }

    fn carry(&mut self, node: usize, action: Action) {
        let chain = self.genesis.hash();
        match action {
            Action::Vote { epoch, statement } => {
                let set = self.set_of(node, epoch).expect("it votes in an epoch that it knows");
                let (signer, keys) = self.nodes[node].keyring.seat(&set).expect("only a seat votes");
                let vote =
                    Vote { epoch, statement, signer, signature: keys.sign_vote(&statement, &chain, epoch) };
                self.votes.push((node, vote));
                let lost = self.finalize_is_lost
                    && matches!(statement, ledger::certificate::Statement::Finalize { .. });
                if !lost {
                    self.send(node, To::All, &Message::Vote(vote));
                }
                self.later(node, 0, Event::Voted(vote));
            }
            Action::Cosign { epoch, size, root } => {
                let set = self.set_of(node, epoch).expect("it cosigns in an epoch that it knows");
                let (signer, keys) = self.nodes[node].keyring.seat(&set).expect("only a seat cosigns");
                let checkpoint = Checkpoint { origin: self.genesis.origin(), size, root };
                let by = keys.cosign(signer, &checkpoint, self.now / 1000);
                let cosignatures = vec![Cosignature { size, root, by }];
                for to in 0..self.nodes.len() {
                    self.deliver(node, to, |_| Some(Event::Cosignatures(cosignatures.clone())));
                }
                self.later(node, 0, Event::Cosignatures(cosignatures));
            }
            Action::Send { to, message } => self.send(node, to, &message),
            Action::Snapshot(still) => {
                let (validator, store) = (self.validator(node), &self.nodes[node].store);
                snapshot::keep(store, &still, validator.trust()).unwrap();
            }
            Action::SendCosignatures { to, cosignatures } => {
                if let Some(to) = self.node_of(node, to) {
                    self.deliver(node, to, |_| Some(Event::Cosignatures(cosignatures)));
                }
            }
            Action::Spread(transactions) => {
                for to in 0..self.nodes.len() {
                    self.deliver(node, to, |_| Some(Event::Spread(transactions.clone())));
                }
            }
            Action::FetchBlock { from, block } => {
                let asked = self.node_of(node, from);
                let body = asked.filter(|n| self.nodes[*n].validator.is_some());
                let body = body.and_then(|n| self.nodes[n].store.block(&block).unwrap());
                let event = body.and_then(|body| self.intake.block(body).ok()).map(Event::Block);
                self.later(node, 2 * WAY_MS, event.unwrap_or(Event::Unanswered { from }));
            }
            Action::FetchBlocks { from, height } => {
                let asked = self.node_of(node, from).filter(|n| self.nodes[*n].validator.is_some());
                self.asked.extend(asked.map(|n| (node, n, height, self.now)));
                let events = asked.map(|n| {
                    let earliest = self.nodes[n].store.earliest().unwrap();
                    if height < earliest {
                        return vec![Event::Lacks { from, earliest }];
                    }
                    let blocks = match self.lies.get(&n) {
                        Some(lie) => lie(&self.nodes[n].store, height),
                        None => self.nodes[n].store.finalized_from(height, ANSWER_BLOCKS, 1 << 20).unwrap(),
                    };
                    self.intake.stretch(from, blocks)
                });
                for event in events.unwrap_or_else(|| vec![Event::Unanswered { from }]) {
                    self.later(node, 2 * WAY_MS, event);
                }
            }
            Action::Reply { request, outcome } => {
                self.outcomes.insert(request.0, outcome);
            }
            Action::BeginEpoch { set, .. } => {
                self.nodes[node].begun.push(set.epoch);
                self.move_network(node);
            }
            Action::Report(evidence) => {
                let set = self.validator(node).trust().validators().clone();
                let (signer, keys) = self.nodes[node].keyring.seat(&set).expect("only a seat reports");
                let entity = set.validators[usize::from(signer)].entity;
                let signed = report(entity, keys, &chain, &evidence);
                self.later(node, 0, Event::Own(signed.verify(&chain).unwrap()));
            }
            Action::Blame { peer, what } => self.blamed.push((node, peer, what)),
            Action::Forgot(term) => self.forgot.push((node, term)),
            Action::Regained(term) => self.regained.push((node, term)),
            Action::Halt { .. } => self.nodes[node].halts += 1,
            Action::PersistVote { .. }
            | Action::PersistBlock(_)
            | Action::PersistCertificate(_)
            | Action::PersistFinalized { .. }
            | Action::PersistCheckpoint(_)
            | Action::PersistEvidence(_) => {}
        }
    }

    fn send(&mut self, from: usize, to: To, message: &Message) {
        let intake = self.intake.clone();
        let receivers: Vec<usize> = match to {
            To::All => (0..self.nodes.len()).filter(|to| *to != from).collect(),
            To::One(number) => self.node_of(from, number).into_iter().collect(),
        };
        for to in receivers {
            self.deliver(from, to, |number| intake.message(number, message.clone()).ok());
        }
    }

    /// Hands a transaction in and waits until a certified checkpoint covers it.
    pub(crate) fn post(&mut self, node: usize, transaction: VerifiedTransaction) {
        self.serial += 1;
        let request = self.serial;
        let event = Event::Submit { request: RequestId(request), transaction, until_posted: true };
        self.handle(node, event);
        self.until("an answer", |world| world.outcomes.contains_key(&request));
        let outcome = &self.outcomes[&request];
        assert!(matches!(outcome, Outcome::Posted { .. }), "{outcome:?}");
    }

    /// Work for a block, whatever it is: one more entity in the register.
    pub(crate) fn work(&mut self) -> VerifiedTransaction {
        let number = 1000 + self.numbers as usize;
        let entity = NewEntity {
            number: org(number),
            kind: EntityKind::Private,
            name: Name::new(format!("Bedrift {number}")).unwrap(),
            sector: 200,
            books: Books::None,
            kid: KidRule::None,
        };
        self.signed(org(0), Operation::RegisterEntity(entity), &[REGISTRAR])
    }

    /// One more entity, and a key of it that is refused until the entity is registered.
    pub(crate) fn entity_and_key(&mut self) -> (VerifiedTransaction, VerifiedTransaction) {
        let entity = org(1000 + self.numbers as usize);
        let registration = self.work();
        let mandate = Mandate { entity, role: Role::Submit, from: Date::MIN, to: Date::MAX };
        let granted = NewKey { key: public(99), entity, holder: 1, mandates: vec![mandate] };
        (registration, self.signed(org(0), Operation::GrantKey(granted), &[REGISTRAR]))
    }

    fn signed(&mut self, submitter: OrgNumber, operation: Operation, seeds: &[u8]) -> VerifiedTransaction {
        self.numbers += 1;
        let mut number = [0; 16];
        number[..8].copy_from_slice(&self.numbers.to_be_bytes());
        let transaction = Transaction { id: PaymentId { submitter, number }, operation };
        let bytes = transaction.signed_bytes(&self.genesis.hash());
        let sign = |seed: &u8| KeySignature {
            key: public(*seed),
            signature: Signature(secret(*seed).sign(&bytes).to_bytes()),
        };
        let mut signatures: Vec<KeySignature> = seeds.iter().map(sign).collect();
        signatures.sort_by_key(|signature| signature.key);
        SignedTransaction { transaction, signatures }.verify(&self.genesis.hash()).unwrap()
    }

    /// A change of the set that `at` has: nodes leave, and nodes enter with keys of a seed. All seats of
    /// the current set sign, whose keys have the seeds given.
    pub(crate) fn change(
        &mut self,
        at: usize,
        leave: &[usize],
        enter: &[(usize, u8)],
        seeds: &[u8],
    ) -> VerifiedTransaction {
        let chain = self.genesis.hash();
        let head = self.validator(at).ledger().head().clone();
        let entrant = |(node, seed): &(usize, u8)| {
            let validator = seat(*node, *seed);
            let ready = Ready::sign(&chain, head.height, head.log.root(), &validator, &secret(*seed));
            Entrant { validator, ready }
        };
        let change = Change {
            epoch: Epoch(self.epoch(at)),
            leave: leave.iter().map(|node| org(*node)).collect(),
            enter: enter.iter().map(entrant).collect(),
        };
        let submitter = self.validator(at).ledger().validators().validators[0].entity;
        let signers: Vec<u8> = seeds.iter().map(|seed| seed + 3).collect();
        self.signed(submitter, Operation::ChangeValidators(change), &signers)
    }

    /// A recovery from the head that `at` has, to these nodes with keys of a seed.
    pub(crate) fn recovery(&mut self, at: usize, nodes: &[(usize, u8)], seeds: &[u8]) -> VerifiedTransaction {
        let head = self.validator(at).ledger().head().clone();
        let recovery = Recovery {
            epoch: Epoch(self.epoch(at)),
            height: head.height,
            block: head.block,
            log_size: head.log.size(),
            log_root: head.log.root(),
            time: Timestamp(self.now),
            validators: nodes.iter().map(|(node, seed)| seat(*node, *seed)).collect(),
        };
        let submitter = self.validator(at).ledger().validators().validators[0].entity;
        let signers: Vec<u8> = seeds.iter().map(|seed| seed + 3).collect();
        self.signed(submitter, Operation::Recover(recovery), &signers)
    }

    /// All nodes that are awake have one history, certified to its end, and a receipt's reader follows
    /// every handoff from genesis.
    pub(crate) fn agree(&mut self) {
        let awake: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].validator.is_some()).collect();
        self.until("one history", |world| {
            let heads: BTreeSet<_> = awake
                .iter()
                .map(|node| {
                    let validator = world.validator(*node);
                    let head = validator.ledger().head();
                    let certified = validator.certified().map(|certified| certified.size);
                    (head.height, head.block, certified == Some(head.log.size()))
                })
                .collect();
            heads.len() == 1 && heads.iter().all(|(_, _, certified)| *certified)
        });
        for node in awake {
            let validator = self.validator(node);
            let chain = self.genesis.hash();
            let mut trust =
                ledger::checkpoint::Trust::new(self.genesis.origin(), chain, self.genesis.validators.clone())
                    .unwrap();
            for handoff in validator.trust().handoffs() {
                trust.extend(handoff).unwrap();
            }
            assert_eq!(trust.validators(), validator.ledger().validators());
            let certified = validator.certified().unwrap();
            assert!(certified.note(&trust).is_some(), "#{node} holds a checkpoint that nobody believes");
            assert_eq!(self.nodes[node].halts, 0, "#{node} stopped");
        }
    }

    /// The final block of a height as a node keeps it.
    pub(crate) fn kept(&self, node: usize, height: u64) -> ledger::finality::FinalizedBlock {
        self.nodes[node].store.finalized(Height(height)).unwrap().unwrap()
    }

    pub(crate) fn chain(&self) -> Digest {
        self.genesis.hash()
    }
}
