//! Books without a network: the real ledger behind a small HTTP server on loopback, certified by the
//! keys of four validators, so that the client can be tested against true answers and, with a
//! [`Lie`], against false ones. It leaves out agreement and disks: what is submitted is a block.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ledger::account::Account;
use ledger::block::{Epoch, Leaf, LeafIndex, View};
use ledger::books::{Ledger, Parent, Slot};
use ledger::certificate::{Validator, ValidatorSet};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Trust};
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::genesis::Genesis;
use ledger::postings::chained;
use ledger::receipt::Receipt;
use ledger::records::{
    AccountRecord, AppropriationRecord, BudgetRecord, DocumentRecord, EntityRecord, PaymentRecord,
    PeriodRecord, SeriesRecord,
};
use ledger::refusal::Refusal;
use ledger::registers::Stored;
use ledger::signature::PublicKey;
use ledger::state_proof::{RECORDS_MAX, RecordPath, SealProof, StateProof, StateProofs};
use ledger::tiles::{self, Resource, Tile};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{
    Books, DocumentId, InvoiceNumber, KidRule, Mandate, NewEntity, NewKey, PaymentId, Role,
    SignedTransaction, TransactionId,
};
use ledger::tree::{self, leaf_hash};
use serde_json::{Value, json};

pub const STATE: &str = "986252932";
pub const STAVANGER: &str = "964965226";
pub const SANDNES: &str = "964965137";
pub const AUDITOR: &str = "974760843";

/// Whoever holds which key: a file in the world's folder, the entity, the holder and the roles.
const PEOPLE: [(&str, &str, u32, &[Role]); 10] = [
    ("governance", STATE, 1, &[Role::Register]),
    ("administrator", STAVANGER, 10, &[Role::Administer]),
    ("auditor", AUDITOR, 1, &[Role::Audit]),
    ("submitter", STAVANGER, 0, &[Role::Submit]),
    ("attester", STAVANGER, 11, &[Role::Attest]),
    ("approver", STAVANGER, 12, &[Role::Approve]),
    ("payer", STAVANGER, 13, &[Role::Order]),
    ("bank", STAVANGER, 0, &[Role::Bank]),
    ("council", STAVANGER, 14, &[Role::Budget]),
    ("director", STAVANGER, 15, &[Role::Override]),
];

/// Changes a true answer before it leaves: path and query, answer.
pub type Lie = Box<dyn Fn(&str, &mut Value, &mut Node) + Send>;

/// A node's books.
pub struct Node {
    pub genesis: Genesis,
    pub ledger: Ledger,
    pub leaves: Vec<Vec<u8>>,
    pub trust: Trust,
    /// How many validators cosign; three are needed.
    pub cosigners: u16,
    /// Seconds that cosignatures are dated back by.
    pub back_s: u64,
    /// Leaves that are shown; the rest is held back.
    pub shown: Option<u64>,
    keys: Vec<SigningKey>,
}

/// A node that is served, and a folder with keys and genesis for the client.
pub struct World {
    pub folder: PathBuf,
    pub url: String,
    pub node: Arc<Mutex<Node>>,
    lie: Arc<Mutex<Option<Lie>>>,
    breaks: Arc<AtomicU32>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn org(text: &str) -> OrgNumber {
    OrgNumber::parse(text).unwrap()
}

pub fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn entity(number: &str, kind: EntityKind, name: &str, sector: u16, keeps: bool) -> NewEntity {
    let books = if keeps { Books::From(Period::new(202_601).unwrap()) } else { Books::None };
    NewEntity { number: org(number), kind, name: Name::new(name).unwrap(), sector, books, kid: KidRule::None }
}

/// A genesis as a localnet's: four operators, code lists, and everybody's keys. `first` tells two
/// ledgers apart.
pub fn genesis(first: u8) -> Genesis {
    let codes = include_str!("../../../node/genesis/codes.txt");
    let booking = include_str!("../../../node/genesis/booking.txt");
    let seats = [STATE, STAVANGER, SANDNES, "921383681"];
    let validators = seats.iter().zip(first..).map(|(number, seed)| Validator {
        entity: org(number),
        name: Name::new(format!("v{number}.example/v1")).unwrap(),
        vote_key: public(&key(seed)),
        cosign_key: public(&key(seed + 50)),
        peer_key: public(&key(seed + 100)),
        governance_key: public(&key(seed + 25)),
    });
    let keys = PEOPLE.iter().zip(200..).map(|((_, entity, holder, roles), seed)| NewKey {
        key: public(&key(seed)),
        entity: org(entity),
        holder: *holder,
        mandates: roles
            .iter()
            .map(|role| Mandate {
                // The auditor audits Stavanger.
                entity: org(if *role == Role::Audit { STAVANGER } else { entity }),
                role: *role,
                from: Date::MIN,
                to: Date::MAX,
            })
            .collect(),
    });
    Genesis {
        name: "hovedbok.test".to_string(),
        time: Timestamp(now().0 - 3_600_000),
        validators: ValidatorSet { epoch: Epoch(0), validators: validators.collect() },
        parameters: ledger::booking::parse(booking).unwrap(),
        entities: vec![
            entity(STATE, EntityKind::State, "Statens system", 610, false),
            entity(STAVANGER, EntityKind::Municipality, "Stavanger kommune", 650, true),
            entity(SANDNES, EntityKind::Municipality, "Sandnes kommune", 650, true),
            entity(AUDITOR, EntityKind::Auditor, "Rogaland revisjon", 610, false),
        ],
        keys: keys.collect(),
        codes: ledger::codes::parse(codes).unwrap(),
    }
}

impl Node {
    pub fn new(genesis: Genesis, first: u8) -> Self {
        let ledger = Ledger::new(&genesis).unwrap();
        let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone()).unwrap();
        let leaves = ledger.genesis_leaves().to_vec();
        let keys = (first..first + 4).map(|seed| key(seed + 50)).collect();
        Self { genesis, ledger, leaves, trust, cosigners: 3, back_s: 0, shown: None, keys }
    }

    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        let (from, to) = (index << level, (index + 1) << level);
        if to > self.leaves.len() as u64 {
            return None;
        }
        let mut hashes: Vec<Digest> =
            self.leaves[from as usize..to as usize].iter().map(|leaf| leaf_hash(leaf)).collect();
        while hashes.len() > 1 {
            hashes = tree::parents(&hashes);
        }
        hashes.pop()
    }

    fn size(&self) -> u64 {
        self.shown.unwrap_or(self.leaves.len() as u64)
    }

    pub fn inclusion(&self, index: u64) -> Vec<Digest> {
        tree::inclusion_proof(index, self.size(), |level, index| self.hash(level, index)).unwrap()
    }

    pub fn note(&self) -> CertifiedCheckpoint {
        let size = self.size();
        let root = tree::root_at(size, |level, index| self.hash(level, index)).unwrap();
        let checkpoint = Checkpoint { origin: self.trust.origin().to_string(), size, root };
        let time_s = now().0 / 1000 - self.back_s;
        let lines: Vec<Cosignature> = (0..self.cosigners)
            .map(|signer| Cosignature::sign(signer, &checkpoint, time_s, &self.keys[usize::from(signer)]))
            .collect();
        if lines.len() >= 3 {
            return CertifiedCheckpoint::assemble(checkpoint, &lines, &self.trust).unwrap();
        }
        // Too few: the text is made by hand, as a node would that lies about its quorum.
        let keys = self.trust.keys();
        let mut text = checkpoint.to_text();
        text.push('\n');
        for (signer, key) in keys.iter().enumerate().take(lines.len()) {
            let line = key.sign(&checkpoint.to_text(), time_s, &self.keys[signer]);
            text.push_str(&format!("{}\n", line.to_line()));
        }
        CertifiedCheckpoint::parse(&text).unwrap()
    }

    fn seal(&self) -> SealProof {
        let last = self.size() - 1;
        SealProof {
            registers: self.ledger.register_roots(),
            leaf: self.leaves[last as usize].clone(),
            path: self.inclusion(last),
        }
    }

    pub fn proof<R: Stored>(&self, key: &R::Key) -> Option<String> {
        let record = self.ledger.prove::<R>(key)?;
        let proof = StateProof { checkpoint: self.note().to_text(), seal: self.seal(), record };
        Some(STANDARD.encode(codec::encode(&proof)))
    }

    pub fn proofs(&self, records: Vec<RecordPath>) -> String {
        let proofs = StateProofs { checkpoint: self.note().to_text(), seal: self.seal(), records };
        STANDARD.encode(codec::encode(&proofs))
    }

    pub fn receipt(&self, leaf: u64) -> String {
        let bytes = self.leaves[leaf as usize].clone();
        Receipt::new(bytes, LeafIndex(leaf), self.inclusion(leaf), self.note(), None, Vec::new()).to_text()
    }

    fn submit(&mut self, text: &str) -> Value {
        let bytes = STANDARD.decode(text).unwrap();
        let signed = SignedTransaction::decode(&bytes).unwrap();
        let chain = self.ledger.chain();
        let verified = match signed.verify(&chain) {
            Ok(verified) => verified,
            Err(error) => return refused(422, "L0", &error.to_string()),
        };
        let id = verified.id();
        let slot = Slot { epoch: Epoch(0), view: View(self.leaves.len() as u64), proposer: 0, time: now() };
        let mut candidates = [verified].into_iter();
        let proposed = self.ledger.propose(&Parent::Finalized, slot, &mut candidates);
        let leaf = match proposed.refused.first() {
            Some((_, Refusal::AlreadyPosted { leaf, .. })) => leaf.0,
            Some((_, refusal)) => return refused(422, refusal.rule(), &refusal.to_string()),
            None => {
                let leaf = self.leaves.len() as u64;
                self.leaves.extend(proposed.staged.leaves().iter().cloned());
                self.ledger.post(&proposed.staged);
                leaf
            }
        };
        json!({ "id": id.to_string(), "status": "posted", "leaf": leaf, "receipt": self.receipt(leaf) })
    }

    fn leaf_of(&self, id: &Digest) -> Option<u64> {
        (0..).zip(&self.leaves).find_map(|(index, leaf)| match codec::decode::<Leaf>(leaf, 1 << 16) {
            Ok(Leaf::Transaction(booked)) => {
                let bytes = booked.signed.transaction.signed_bytes(&self.ledger.chain());
                (TransactionId(Digest::of(&[&bytes])).0 == *id).then_some(index)
            }
            _ => None,
        })
    }

    /// A tile of the log, or the entries below one.
    fn tile(&self, path: &str) -> Option<Vec<u8>> {
        let resource = Resource::parse(path)?;
        let Tile { level, index, width } = resource.tile();
        let from = index << 8;
        match resource {
            Resource::Hashes(_) => {
                let hashes = (from..from + u64::from(width)).map(|place| self.hash(8 * level, place));
                Some(hashes.collect::<Option<Vec<_>>>()?.iter().flat_map(|hash| hash.0).collect())
            }
            Resource::Entries(_) => {
                let leaves = self.leaves.get(from as usize..from as usize + usize::from(width))?;
                tiles::bundle(leaves.iter().map(Vec::as_slice))
            }
        }
    }

    fn entries(&self) -> Vec<(u64, ledger::entry::JournalEntry)> {
        let mut all = Vec::new();
        for (index, leaf) in (0..).zip(&self.leaves) {
            if let Ok(Leaf::Transaction(booked)) = codec::decode::<Leaf>(leaf, 1 << 16) {
                all.extend(booked.entries.into_iter().map(|entry| (index, entry)));
            }
        }
        all
    }

    /// The true answer, as `(status, JSON)`; text stands in a JSON string.
    pub fn answer(&mut self, path: &str, query: &str, body: &Value) -> (u16, Value) {
        let term = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
                .to_string()
        };
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let found = match parts[..] {
            ["transactions"] => {
                let texts = body["transactions"].as_array().unwrap().clone();
                let results: Vec<Value> =
                    texts.iter().map(|text| self.submit(text.as_str().unwrap())).collect();
                Some(json!({ "transactions": results }))
            }
            ["transactions", id, "receipt"] => {
                self.leaf_of(&Digest::from_hex(id).unwrap()).map(|leaf| json!(self.receipt(leaf)))
            }
            ["payments", submitter, number] => {
                let number = hex::decode(number).unwrap().try_into().unwrap();
                let id = PaymentId { submitter: org(submitter), number };
                self.proof::<PaymentRecord>(&id).map(|proof| json!({ "proof": proof }))
            }
            ["checkpoint"] => Some(json!(self.note().to_text())),
            ["proof", "consistency"] => {
                let (from, to) = (term("from").parse().unwrap(), term("to").parse().unwrap());
                let path = tree::consistency_proof(from, to, |level, index| self.hash(level, index));
                path.ok().map(|path| json!({ "path": path.iter().map(Digest::to_hex).collect::<Vec<_>>() }))
            }
            ["entities", number] => {
                self.proof::<EntityRecord>(&org(number)).map(|proof| json!({ "proof": proof }))
            }
            ["documents", seller, number, issued] => {
                let number = number.replace("%2F", "/").replace("%2E", ".");
                let number = InvoiceNumber::new(number).unwrap();
                let id = DocumentId { seller: org(seller), number, issued: Date::parse(issued).unwrap() };
                self.proof::<DocumentRecord>(&id).map(|proof| json!({ "proof": proof }))
            }
            ["entities", entity, "accounts"] => {
                self.accounts(org(entity), Period::parse(&term("period")).unwrap())
            }
            ["entities", entity, "accounts", account, "postings"] => {
                let (entity, account) = (org(entity), Account::parse(account).unwrap());
                let from = term("from").parse().unwrap_or(0);
                self.postings(entity, account, Period::parse(&term("period")).unwrap(), from)
            }
            ["entities", entity, "budget"] => self.budget(org(entity), term("year").parse().unwrap()),
            ["entities", entity, "journal"] => {
                let part = (
                    term("year").parse().unwrap(),
                    term("from").parse().unwrap(),
                    term("limit").parse().unwrap(),
                );
                self.journal(org(entity), part)
            }
            _ => None,
        };
        match found {
            Some(value) => (200, value),
            None => (
                404,
                json!({ "title": "nothing stands there", "status": 404, "detail": format!("{path} is not there") }),
            ),
        }
    }

    fn accounts(&self, entity: OrgNumber, period: Period) -> Option<Value> {
        let mut records = vec![self.ledger.prove::<PeriodRecord>(&(entity, period))?];
        for (_, record) in self.ledger.accounts(entity, period) {
            records.push(self.ledger.prove::<AccountRecord>(&(entity, record.account, period))?);
        }
        Some(json!({ "proofs": [self.proofs(records)] }))
    }

    fn budget(&self, entity: OrgNumber, year: u16) -> Option<Value> {
        let mut records = vec![self.ledger.prove::<BudgetRecord>(&(entity, year))?];
        for record in self.ledger.appropriations(entity, year) {
            records.push(self.ledger.prove::<AppropriationRecord>(&(entity, year, record.cell))?);
        }
        let proofs = records.chunks(RECORDS_MAX).map(|records| self.proofs(records.to_vec()));
        Some(json!({ "proofs": proofs.collect::<Vec<_>>() }))
    }

    /// Two a page, so that the client has to turn pages.
    fn postings(&self, entity: OrgNumber, account: Account, period: Period, from: usize) -> Option<Value> {
        let proof = self.proof::<AccountRecord>(&(entity, account, period))?;
        let mut all = Vec::new();
        for (leaf, entry) in self.entries() {
            if entry.entity == entity && entry.date.period() == period {
                let own =
                    chained(&entry, LeafIndex(leaf)).filter(|posting| posting.posting.account == account);
                all.extend(own.map(|posting| json!({ "bytes": STANDARD.encode(codec::encode(&posting)) })));
            }
        }
        let page: Vec<Value> = all.into_iter().skip(from).take(2).collect();
        Some(json!({ "postings": page, "proof": proof }))
    }

    fn journal(&self, entity: OrgNumber, (year, from, limit): (u16, u64, u64)) -> Option<Value> {
        let proof = self.proof::<SeriesRecord>(&(entity, year))?;
        let numbers = from..from.saturating_add(limit.min(2));
        let own = self.entries().into_iter().filter(|(_, entry)| {
            entry.entity == entity && entry.voucher.year == year && numbers.contains(&entry.voucher.number)
        });
        let leaves: Vec<Value> = own
            .map(|(leaf, _)| {
                let path: Vec<String> = self.inclusion(leaf).iter().map(Digest::to_hex).collect();
                json!({ "index": leaf, "bytes": STANDARD.encode(&self.leaves[leaf as usize]), "path": path })
            })
            .collect();
        Some(json!({ "leaves": leaves, "proof": proof, "checkpoint": self.note().to_text() }))
    }
}

fn refused(status: u16, rule: &str, detail: &str) -> Value {
    let problem = json!({ "title": "refused", "status": status, "rule": rule, "detail": detail });
    json!({ "status": "refused", "problem": problem })
}

impl World {
    /// A node on a free port, and a folder with `genesis.bin` and everybody's keys.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hovedbok-world-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let genesis = genesis(1);
        fs::write(folder.join("genesis.bin"), genesis.encode()).unwrap();
        for ((name, ..), seed) in PEOPLE.iter().zip(200..) {
            let private = key(seed);
            let (public, secret) = (public(&private), hex::encode(private.to_bytes()));
            let text = format!("hovedbok signing key v1\npublic {public}\nsecret {secret}\n");
            let path = folder.join(format!("{name}.key"));
            fs::write(&path, text).unwrap();
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let node = Arc::new(Mutex::new(Node::new(genesis, 1)));
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let breaks: Arc<AtomicU32> = Arc::default();
        let (served, lying, breaking) = (node.clone(), lie.clone(), breaks.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is its own business.
                let _ = serve(stream, &served, &lying, &breaking);
            }
        });
        Self { folder, url, node, lie, breaks }
    }

    /// From now on answers pass through the lie.
    pub fn lie(&self, lie: impl Fn(&str, &mut Value, &mut Node) + Send + 'static) {
        *self.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// The next answers to submissions never arrive, although what was submitted is booked.
    pub fn break_lines(&self, count: u32) {
        self.breaks.store(count, Ordering::SeqCst);
    }

    pub fn honest(&self) {
        *self.lie.lock().unwrap() = None;
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Runs `hovedbok` in the world's folder with these words.
    pub fn run(&self, words: &str) -> Ran {
        self.run_with(&self.url, words)
    }

    pub fn run_with(&self, url: &str, words: &str) -> Ran {
        run(&self.folder, &[("HOVEDBOK_NODE", url), ("HOVEDBOK_GENESIS", "genesis.bin")], words)
    }
}

/// What a run printed and ended with.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a run that went well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The message of a run that ended with this code.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }
}

/// Runs `hovedbok` with words parted by single spaces.
pub fn run(folder: &Path, environment: &[(&str, &str)], words: &str) -> Ran {
    let words = words.split(' ').filter(|word| !word.is_empty());
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_hovedbok"))
        .args(words)
        .current_dir(folder)
        .env_remove("HOVEDBOK_NODE")
        .env_remove("HOVEDBOK_GENESIS")
        .env_remove("HOVEDBOK_SEEN")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

fn serve(
    mut stream: TcpStream,
    node: &Mutex<Node>,
    lie: &Mutex<Option<Lie>>,
    breaks: &AtomicU32,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_string();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut node = node.lock().unwrap();
    if let Some(bytes) = path.strip_prefix("/v1/").and_then(|path| node.tile(path)) {
        let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes())?;
        return stream.write_all(&bytes);
    }
    let (status, mut value) = node.answer(path, query, &body);
    if let Some(lie) = lie.lock().unwrap().as_ref() {
        lie(&target, &mut value, &mut node);
    }
    let break_off = |left: u32| left.checked_sub(1);
    if path == "/v1/transactions"
        && breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, break_off).is_ok()
    {
        return Ok(());
    }
    let body = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// An EHF invoice from a private seller to Stavanger: 25 % VAT on `net_ore`.
pub fn invoice(number: &str, net_ore: i64, posting: &str) -> String {
    let kroner = |ore: i64| format!("{}.{:02}", ore / 100, ore % 100);
    let vat = net_ore / 4;
    let posting = if posting.is_empty() {
        String::new()
    } else {
        format!("<cbc:AccountingCost>{posting}</cbc:AccountingCost>")
    };
    include_str!("../../../demo/invoices/e2-renhold-stavanger.xml")
        .replace("<cbc:ID>10412</cbc:ID>", &format!("<cbc:ID>{number}</cbc:ID>"))
        .replace("<cbc:AccountingCost>1.222.260</cbc:AccountingCost>", &posting)
        .replace(">125000.00<", ">#GROSS<")
        .replace(">100000.00<", ">#NET<")
        .replace(">25000.00<", ">#VAT<")
        .replace(">#GROSS<", &format!(">{}<", kroner(net_ore + vat)))
        .replace(">#NET<", &format!(">{}<", kroner(net_ore)))
        .replace(">#VAT<", &format!(">{}<", kroner(vat)))
}
