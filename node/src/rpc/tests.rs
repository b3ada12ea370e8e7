//! Requests against a real validator with a real store. The other validators are played by the
//! test: it holds their keys, makes the next block of what was submitted, and certifies it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use consensus::event::Message;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ledger::block::{BlockHash, Epoch, LeafIndex, VerifiedBlock, View};
use ledger::books::{Ledger, Parent, Slot};
use ledger::certificate::{Certificate, Statement, Validator as Seat, ValidatorSet};
use ledger::checkpoint::{Checkpoint, Trust};
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::finality::Finality;
use ledger::genesis::Genesis;
use ledger::signature::{PublicKey, Signature};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{
    Books, KeySignature, KidRule, Mandate, NewEntity, NewKey, Operation, PaymentId, Role, SignedTransaction,
    Transaction, VerifiedTransaction,
};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};

use super::*;
use crate::cosigning::Cosignature;
use crate::handle::{Identity, POSTED_MAX, Posted, Query, Submission};
use crate::keeper::Keeper;
use crate::keys::Keys;
use crate::recover::recover;
use crate::run::now;
use crate::store::Store;
use crate::validator::{Action, Event, RequestId, Settings, SyncedBlock};

mod answers;
mod description;
mod proofs;
mod sockets;

const STAVANGER: u32 = 964_965_226;
const RENHOLD: u32 = 123_456_785;
const REVISJON: u32 = 999_999_999;

fn org(number: u32) -> OrgNumber {
    OrgNumber::new(number).unwrap()
}

fn signing_key(seed: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[seed; 32])
}

fn public_key(seed: u8) -> PublicKey {
    PublicKey(signing_key(seed).verifying_key().to_bytes())
}

const ADMINISTRATOR: u8 = 10;
const SUBMITTER: u8 = 11;
const AUDITOR: u8 = 12;
const COUNCIL: u8 = 13;
const APPROVER: u8 = 14;

fn committee() -> Vec<Keys> {
    (0..4u8).map(|i| Keys::from_seeds(&[100 + i; 32], &[110 + i; 32], &[120 + i; 32])).collect()
}

fn genesis() -> Genesis {
    let seat = |(i, keys): (usize, &Keys)| Seat {
        entity: org([964_965_226, 964_965_137, 970_018_131, 974_761_076][i]),
        name: Name::new(format!("validator{i}.example/v1")).unwrap(),
        vote_key: keys.vote_key(),
        cosign_key: keys.cosign_key(),
        peer_key: keys.peer_key(),
        governance_key: public_key(130 + i as u8),
    };
    let entity = |number, kind, name, sector, books| NewEntity {
        number: org(number),
        kind,
        name: Name::new(name).unwrap(),
        sector,
        books,
        kid: KidRule::None,
    };
    let (from, to) = (Date::new(20_100_101).unwrap(), Date::new(20_991_231).unwrap());
    let key = |seed, entity, holder, role| NewKey {
        key: public_key(seed),
        entity: org(entity),
        holder,
        mandates: vec![Mandate { entity: org(STAVANGER), role, from, to }],
    };
    let books = Books::From(Period::new(202_601).unwrap());
    Genesis {
        name: "hovedbok.example".into(),
        // 2026-03-03T23:59:59Z: the fourth of March in Norway.
        time: Timestamp(1_772_582_399_000),
        validators: ValidatorSet {
            epoch: Epoch(0),
            validators: committee().iter().enumerate().map(seat).collect(),
        },
        parameters: ledger::booking::parse(include_str!("../../genesis/booking.txt")).unwrap(),
        entities: vec![
            entity(STAVANGER, EntityKind::Municipality, "Stavanger kommune", 650, books),
            entity(RENHOLD, EntityKind::Private, "Renhold AS", 200, books),
            entity(REVISJON, EntityKind::Auditor, "Rogaland Revisjon", 0, Books::None),
        ],
        keys: vec![
            key(ADMINISTRATOR, STAVANGER, 1, Role::Administer),
            key(SUBMITTER, STAVANGER, 0, Role::Submit),
            key(AUDITOR, REVISJON, 7, Role::Audit),
            key(COUNCIL, STAVANGER, 2, Role::Budget),
            key(APPROVER, STAVANGER, 3, Role::Approve),
        ],
        codes: ledger::codes::parse(include_str!("../../genesis/codes.txt")).unwrap(),
    }
}

/// What the test does with what is submitted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Committee {
    /// Makes a block of it, finalizes and certifies it.
    Works,
    /// Lets it wait.
    Rests,
}

/// A node that follows a committee of four, and its RPC.
struct World {
    rpc: Rpc,
    trust: Trust,
    chain: ledger::digest::Digest,
    committee: watch::Sender<Committee>,
    stop: watch::Sender<bool>,
    numbers: std::cell::Cell<u8>,
    // Removed when the test ends.
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with_submissions(64)
    }

    fn with_submissions(submissions_max: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let genesis = genesis();
        let chain = genesis.hash();
        let store = Arc::new(Store::open(directory.path(), &chain).unwrap());
        let trust = Trust::new(genesis.origin(), chain, genesis.validators.clone()).unwrap();
        let (submissions, submitted) = mpsc::channel(submissions_max);
        let (queries, queried) = mpsc::channel(16);
        let (posted, _) = broadcast::channel(POSTED_MAX);
        let (committee, mood) = watch::channel(Committee::Works);
        let (stop, stopped) = watch::channel(false);
        let identity = Identity { genesis: genesis.encode(), trust: trust.clone() };
        let node = NodeHandle {
            submissions,
            queries,
            posted: posted.clone(),
            identity: Arc::new(identity),
            store: Arc::clone(&store),
        };
        tokio::spawn(Played::new(&genesis, store, posted).run(submitted, queried, mood));
        let (_, health) = watch::channel(Health { peers: 3, ..Health::default() });
        let limits = Limits { receipt_deadline_ms: 500, ..Limits::default() };
        let rpc = Rpc::new(node, health, limits, u64::MAX, stopped);
        Self { rpc, trust, chain, committee, stop, numbers: 0.into(), _directory: directory }
    }

    async fn call(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let service = TowerToHyperService::new(router(self.rpc.clone()));
        let (head, body) = service.call(request).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        (head.status, head.headers, bytes)
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A 200 answer as JSON.
    async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn post(&self, query: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(format!("/v1/transactions{query}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, headers, body) = self.call(request).await;
        let expected = if status.is_success() { "application/json" } else { "application/problem+json" };
        assert_eq!(headers["content-type"], expected);
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// A transaction in Stavanger's name under a new number, signed by keys with these seeds.
    fn sign(&self, operation: Operation, seeds: &[u8]) -> SignedTransaction {
        self.numbers.set(self.numbers.get() + 1);
        self.sign_as(self.numbers.get(), operation, seeds)
    }

    fn sign_as(&self, number: u8, operation: Operation, seeds: &[u8]) -> SignedTransaction {
        use ed25519_dalek::Signer as _;
        let id = PaymentId { submitter: org(STAVANGER), number: [number; 16] };
        let transaction = Transaction { id, operation };
        let bytes = transaction.signed_bytes(&self.chain);
        let mut signatures: Vec<KeySignature> = seeds
            .iter()
            .map(|seed| KeySignature {
                key: public_key(*seed),
                signature: Signature(signing_key(*seed).sign(&bytes).to_bytes()),
            })
            .collect();
        signatures.sort_by_key(|signature| signature.key);
        SignedTransaction { transaction, signatures }
    }

    /// Stavanger's opening balance: two lines on two accounts.
    fn opening(&self) -> SignedTransaction {
        use ledger::transaction::OpeningLine;
        let line = |account, ore| OpeningLine {
            account: ledger::account::Account::parse(account).unwrap(),
            amount: ledger::amount::Amount(ore),
        };
        let lines = vec![line("2.10.320", 12_500_000), line("2.5990.000", -12_500_000)];
        let operation =
            Operation::OpenBooks { entity: org(STAVANGER), date: Date::new(20_260_102).unwrap(), lines };
        self.sign(operation, &[ADMINISTRATOR, AUDITOR])
    }
}

fn base64(signed: &SignedTransaction) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(ledger::codec::encode(signed))
}

fn bytes(text: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn problem(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// The validator that follows, its disk, and the committee as the test plays it.
struct Played {
    validator: Validator,
    keeper: Keeper,
    store: Arc<Store>,
    posted: broadcast::Sender<Posted>,
    // The committee's own copy of the books.
    books: Ledger,
    committee: Vec<Keys>,
    view: u64,
    time: Timestamp,
    callers: Vec<
        Option<
            tokio::sync::oneshot::Sender<
                Result<crate::validator::Outcome, ledger::transaction::TransactionError>,
            >,
        >,
    >,
    waiting: VecDeque<VerifiedTransaction>,
}

impl Played {
    fn new(genesis: &Genesis, store: Arc<Store>, posted: broadcast::Sender<Posted>) -> Self {
        let books = Ledger::new(genesis).unwrap();
        let keeper = Keeper::open(Arc::clone(&store), &books).unwrap();
        let settings = Settings { consensus: consensus::Config::default(), request_timeout_ms: 1000 };
        let recovered = recover(genesis, &store).unwrap();
        let (validator, first) = Validator::new(settings, Vec::new(), recovered, now());
        let time = genesis.time;
        let mut played = Self {
            validator,
            keeper,
            store,
            posted,
            books,
            committee: committee(),
            view: 0,
            time,
            callers: Vec::new(),
            waiting: VecDeque::new(),
        };
        played.carry_out(first);
        played.certify();
        played
    }

    async fn run(
        mut self,
        mut submitted: mpsc::Receiver<Submission>,
        mut queried: mpsc::Receiver<Query>,
        mut mood: watch::Receiver<Committee>,
    ) {
        loop {
            let works = *mood.borrow_and_update() == Committee::Works;
            tokio::select! {
                Some(query) = queried.recv() => query(&self.validator),
                Some(submission) = submitted.recv(), if works => self.submit(submission),
                changed = mood.changed() => if changed.is_err() { return },
                else => return,
            }
            while works && let Ok(submission) = submitted.try_recv() {
                self.submit(submission);
            }
            let (books, time) = (&self.books, self.time);
            self.waiting.retain(|transaction| books.check(transaction, time).is_ok());
            if works && !self.waiting.is_empty() {
                self.make_block();
                self.certify();
            }
        }
    }

    fn submit(&mut self, submission: Submission) {
        let Submission { signed, until_posted, reply } = submission;
        match signed.verify(&self.books.chain()) {
            Err(error) => drop(reply.send(Err(error))),
            Ok(transaction) => {
                let request = RequestId(self.callers.len() as u64);
                self.callers.push(Some(reply));
                if until_posted {
                    self.waiting.push_back(transaction.clone());
                }
                self.handle(Event::Submit { request, transaction, until_posted });
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let actions = self.validator.handle(self.time, event);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        let mut batch = self.store.batch();
        self.keeper.gather(&mut batch, &actions).unwrap();
        batch.commit().unwrap();
        for action in actions {
            match action {
                Action::Reply { request, outcome } => {
                    if let Some(caller) = self.callers[request.0 as usize].take() {
                        let _ = caller.send(Ok(outcome));
                    }
                }
                Action::PersistFinalized { staged, .. } => {
                    let _ = self.posted.send(Posted {
                        height: staged.header().height,
                        time: staged.header().time,
                        first_leaf: staged.first_leaf(),
                        transactions: Arc::new(
                            staged.block().transactions().iter().map(|t| t.id()).collect(),
                        ),
                    });
                }
                // The committee is where the follower is.
                Action::Send { message: Message::ViewRequest { nonce }, .. } => {
                    let status = self.validator.consensus().status();
                    self.handle(Event::Message { from: 0, message: Message::ViewAnswer { nonce, status } });
                }
                _ => {}
            }
        }
    }

    fn certificate(&self, statement: Statement) -> Certificate {
        let votes: Vec<(u16, Signature)> = (0..)
            .zip(&self.committee)
            .take(3)
            .map(|(i, keys)| (i, keys.sign_vote(&statement, &self.books.chain(), Epoch(0))))
            .collect();
        Certificate::from_votes(Epoch(0), statement, 4, &votes)
    }

    fn make_block(&mut self) {
        self.view += 1;
        self.time = Timestamp(self.time.0 + 1000);
        let view = View(self.view);
        let slot = Slot { epoch: Epoch(0), view, proposer: 0, time: self.time };
        let mut candidates = self.waiting.drain(..);
        let staged = self.books.propose(&Parent::Finalized, slot, &mut candidates).staged;
        drop(candidates);
        self.books.post(&staged);
        let block: BlockHash = staged.hash();
        let synced = SyncedBlock {
            block: VerifiedBlock::from_own_store(staged.block().to_block()),
            finality: Finality::Voted {
                notarization: self.certificate(Statement::Notarize { view, block }),
                skips: Vec::new(),
                finalization: Some(self.certificate(Statement::Finalize { view, block })),
                closing: Vec::new(),
            },
        };
        self.handle(Event::Blocks { from: 0, blocks: vec![synced] });
        assert_eq!(
            self.validator.ledger().head().block,
            block,
            "the follower posts what the committee finalized"
        );
    }

    fn certify(&mut self) {
        let log = &self.books.head().log;
        let (size, root) = (log.size(), log.root());
        let checkpoint = Checkpoint { origin: self.books.origin().into(), size, root };
        let cosignatures = (0..).zip(&self.committee).take(3).map(|(i, keys)| Cosignature {
            size,
            root,
            by: keys.cosign(i, &checkpoint, self.time.0 / 1000),
        });
        self.handle(Event::Cosignatures(cosignatures.collect()));
        assert_eq!(self.validator.certified().unwrap().size, size);
    }
}

/// The last leaf of the newest certified checkpoint.
async fn last_leaf(world: &World) -> LeafIndex {
    LeafIndex(proving::newest(&world.rpc).await.unwrap().size - 1)
}
