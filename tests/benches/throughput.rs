//! What a transaction costs and what four validators carry, as ratios to limits measured in the same
//! run (`specs/performance.md` tells how to read it). Nothing here fails for being slow.
//!
//! First each part of the work alone, on one thread; then four validators as processes on this
//! machine, under load from the threads of this one, over HTTP, each write synced to disk.

use std::fmt::Display;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use ledger::block::Leaf;
use ledger::books::{Ledger, Parent, Slot, Staged};
use ledger::certificate::{Certificate, Statement};
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::signature::{Claim, Signature, verify_batch};
use ledger::time::Date;
use ledger::transaction::{Document, Role, SignedTransaction, VerifiedTransaction};
use ledger::tree::{Frontier, leaf_hash};
use node::keeper::Keeper;
use node::localnet;
use node::store::Store;
use node::validator::Action;
use tests::cluster::{Cluster, Line, results};
use tests::payments::{self, Dice, Load, STEPS, Town};

const VALIDATORS: usize = 4;
const TOWNS: usize = 40;
const REGISTRAR: u32 = 986_252_932;
/// Signatures in the batch that the limit is computed from.
const BATCH: usize = 1024;
/// How long one stage lasts, if all goes as estimated.
const STAGE: Duration = Duration::from_secs(10);
/// Sources of the load, beside the sources of the project.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = Load::find(Path::new(DATA), 1);
    println!("\nmachine      {cores} cores, {}, {}", processor(), file_system());
    println!("load         {}", load.source);
    let stack = Stack::new(&load);
    let signature_us = parts(&stack);
    let limit = cores as f64 / (VALIDATORS as f64 * signature_us / 1e6);
    network(&load, limit);
}

fn row(name: &str, value: impl Display, note: impl Display) {
    println!("  {name:<44}{value:>12}  {note}");
    let _ = std::io::stdout().flush();
}

fn us(duration: Duration, count: usize) -> f64 {
    duration.as_secs_f64() * 1e6 / count as f64
}

/// The median of some runs, in microseconds for each of `count`.
fn median(count: usize, runs: usize, mut run: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<f64> = (0..runs).map(|_| us(run(), count)).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    std::hint::black_box(run());
    begun.elapsed()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    model.unwrap_or("unknown processor").to_string()
}

fn folder() -> tempfile::TempDir {
    // Beside what cargo builds: on a disk, where a folder for temporary files may be in memory.
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder beside the build")
}

fn file_system() -> String {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut best = ("", "unknown");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        if let (Some(place), Some(kind)) = (fields.next(), fields.next())
            && target.starts_with(place)
            && place.len() >= best.0.len()
        {
            best = (place, kind);
        }
    }
    format!("file system {}", best.1)
}

struct Weights(Dice);

impl rand_core::TryRng for Weights {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.roll() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.roll())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.chunks_mut(32).for_each(|piece| piece.copy_from_slice(&self.0.bytes()[..piece.len()]));
        Ok(())
    }
}

// For a benchmark only: what is checked here was signed here.
impl rand_core::TryCryptoRng for Weights {}

/// Towns and suppliers of a load.
struct Cast {
    towns: Vec<Town>,
    sellers: Vec<OrgNumber>,
    registrations: [Vec<SignedTransaction>; 2],
    today: Date,
}

impl Cast {
    fn new(load: &Load, chain: &Digest, governance: &SigningKey) -> Self {
        let today = node::run::now().date();
        let from = today.period().previous();
        let mut dice = Dice::seeded(2);
        let mut numbers = payments::spare_numbers(0);
        let towns: Vec<Town> = numbers.by_ref().take(TOWNS).map(|n| Town::new(n, from, &mut dice)).collect();
        let sellers: Vec<OrgNumber> = numbers.take(load.suppliers.len()).collect();
        let suppliers =
            sellers.iter().zip(&load.suppliers).map(|(n, name)| payments::supplier(*n, name, from));
        let entities: Vec<_> = towns.iter().map(Town::entity).chain(suppliers).collect();
        let keys = towns.iter().flat_map(Town::keys);
        let registrar = (OrgNumber::new(REGISTRAR).expect("a number of the register"), governance);
        let registrations = payments::registrations(chain, registrar, entities, keys);
        Self { towns, sellers, registrations, today }
    }

    /// The `turn`-th document of the whole load and the town that pays it.
    fn document(&self, load: &Load, turn: u64) -> (&Town, Document) {
        let town = &self.towns[turn as usize % self.towns.len()];
        (town, load.document(turn, town.number, &self.sellers, self.today))
    }
}

/// Books without a network.
struct Stack {
    genesis: Genesis,
    ledger: Ledger,
    /// Blocks that register towns, suppliers and keys.
    registered: Vec<Vec<SignedTransaction>>,
    documents: Vec<SignedTransaction>,
}

impl Stack {
    fn new(load: &Load) -> Self {
        let place = folder();
        localnet::lay_out(place.path(), VALIDATORS, 0).expect("a network is laid out");
        let bytes = std::fs::read(place.path().join("genesis.bin")).expect("genesis is written");
        let genesis = Genesis::decode(&bytes).expect("genesis reads");
        let registrar = payments::read_key(&place.path().join("keys/registrar.key")).expect("a key");
        let chain = genesis.hash();
        let cast = Cast::new(load, &chain, &registrar);
        let mut ledger = Ledger::new(&genesis).expect("a chain begins");
        let parts = cast.registrations.iter().flat_map(|part| part.chunks(1000));
        let registered: Vec<Vec<SignedTransaction>> = parts.map(<[_]>::to_vec).collect();
        for block in &registered {
            let staged = propose(&ledger, block.clone());
            ledger.post(&staged);
        }
        let document = |turn| {
            let (town, document) = cast.document(load, turn);
            town.step(&chain, &document, Role::Submit)
        };
        let documents = (0..8000).map(document).collect();
        Self { genesis, ledger, registered, documents }
    }
}

fn slot(ledger: &Ledger) -> Slot {
    let head = ledger.head();
    Slot { epoch: head.epoch, view: head.view.next(), proposer: 0, time: node::run::now() }
}

fn propose(ledger: &Ledger, transactions: Vec<SignedTransaction>) -> Arc<Staged> {
    let chain = ledger.chain();
    let count = transactions.len();
    let verified = transactions.into_iter().map(|signed| VerifiedTransaction::from_own_store(signed, &chain));
    let proposed = ledger.propose(&Parent::Finalized, slot(ledger), &mut { verified });
    if let Some((_, refusal)) = proposed.refused.first() {
        panic!("the load is refused: {refusal}");
    }
    assert!(proposed.left_over.is_some() || proposed.staged.block().transactions().len() == count);
    proposed.staged
}

/// The cost of each part of the work; returns that of one signature check in a batch.
fn parts(stack: &Stack) -> f64 {
    println!("\none transaction, part by part, on one core                 µs");
    let chain = stack.genesis.hash();
    let encoded: Vec<Vec<u8>> = stack.documents.iter().map(codec::encode).collect();
    let bytes: usize = encoded.iter().map(Vec::len).sum();
    let shape = format!("{} bytes on average", bytes / encoded.len());
    let decode = median(encoded.len(), 5, || {
        timed(|| {
            encoded.iter().map(|bytes| SignedTransaction::decode(bytes).is_ok()).filter(|ok| *ok).count()
        })
    });
    row("decode and check the encoding", format!("{decode:.1}"), shape);

    let few: Vec<SignedTransaction> = stack.documents[..BATCH].to_vec();
    let mut dice = Dice::seeded(3);
    let many: Vec<SignedTransaction> = few
        .iter()
        .map(|signed| {
            let key = SigningKey::from_bytes(&dice.bytes());
            let transaction = signed.transaction.clone();
            payments::signed(
                &chain,
                transaction.id.submitter,
                transaction.id.number,
                transaction.operation,
                &[&key],
            )
        })
        .collect();
    let single = median(BATCH, 3, || {
        let copies = many.clone();
        timed(|| copies.into_iter().filter(|signed| signed.clone().verify(&chain).is_ok()).count())
    });
    row("signature, alone", format!("{single:.1}"), "");
    let batch = |transactions: &[SignedTransaction]| {
        let messages: Vec<Vec<u8>> =
            transactions.iter().map(|t| t.transaction.signed_bytes(&chain)).collect();
        median(transactions.len(), 5, || {
            timed(|| {
                let claim = |(signed, message): (&SignedTransaction, &Vec<u8>)| {
                    Claim::new(&signed.signatures[0].key, message, &signed.signatures[0].signature)
                };
                let claims: Vec<Claim> = transactions.iter().zip(&messages).map(claim).collect();
                let verdicts = verify_batch(&claims, &mut Weights(Dice::seeded(4)));
                assert!(verdicts.iter().all(|holds| *holds));
            })
        })
    };
    let distinct = batch(&many);
    row(
        "signature, in a batch of 1,024, distinct keys",
        format!("{distinct:.1}"),
        "the limit is computed from this",
    );
    row(
        "signature, in a batch of 256, distinct keys",
        format!("{:.1}", batch(&many[..256])),
        "what the node gathers at most",
    );
    row("signature, in a batch of 1,024, 40 keys", format!("{:.1}", batch(&few)), "");

    for size in [100, 1000, 2500] {
        let staged = propose(&stack.ledger, stack.documents[..size].to_vec());
        let taken = staged.block().transactions().len();
        let time = median(taken, 3, || {
            let block = staged.block().clone();
            timed(|| stack.ledger.verify(&Parent::Finalized, &block).is_ok())
        });
        row(
            &format!("rules, booking, registers; block of {taken}"),
            format!("{time:.1}"),
            "execution of a proposal, roots included",
        );
    }
    let staged = propose(&stack.ledger, stack.documents[..1000].to_vec());
    let leaves = staged.leaves();
    let leaf_bytes: usize = leaves.iter().map(Vec::len).sum();
    let hashing = median(leaves.len(), 5, || {
        timed(|| {
            let mut frontier = Frontier::new();
            leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
            frontier.root()
        })
    });
    row(
        "hashing leaves into the log",
        format!("{hashing:.1}"),
        format!("{} bytes each", leaf_bytes / leaves.len()),
    );
    let books = codec::decode::<Leaf>(&leaves[0], 1 << 16).map(|leaf| matches!(leaf, Leaf::Transaction(_)));
    assert!(books.is_ok_and(|booked| booked));
    persistence(stack);
    distinct
}

/// One synced write per block, as the node does it; and the disk alone.
fn persistence(stack: &Stack) {
    let place = folder();
    let path = place.path().join("raw");
    let mut file = std::fs::File::create(path).expect("a file");
    // The space is there beforehand, as in RocksDB's log: a sync then writes no change of size.
    file.write_all(&[0; 64 * 4096]).and_then(|()| file.sync_all()).expect("it can be written");
    let at = |n: u64| std::io::SeekFrom::Start(4096 * n);
    let mut once =
        |n| file.seek(at(n)).and_then(|_| file.write_all(&[7; 4096])).and_then(|()| file.sync_data());
    let mut syncs: Vec<f64> = (0..50).map(|n| us(timed(|| once(n).is_ok()), 1)).collect();
    syncs.sort_by(f64::total_cmp);
    let sync = syncs[syncs.len() / 2];
    row("disk: 4 KiB written and synced", format!("{sync:.0}"), "per write, median of 50");
    let mut ledger = Ledger::new(&stack.genesis).expect("a chain begins");
    let governed = rebuild(&mut ledger, stack);
    let store = Arc::new(Store::open(&place.path().join("store"), &ledger.chain()).expect("a store"));
    let mut keeper =
        Keeper::open(Arc::clone(&store), &Ledger::new(&stack.genesis).expect("a chain")).expect("a keeper");
    for staged in governed {
        keep(&store, &mut keeper, &staged);
    }
    let mut next = 0;
    for size in [1, 10, 100, 1000, 2500] {
        let runs = if size < 1000 { 5 } else { 1 };
        let mut times = Vec::new();
        let mut taken = 0;
        for _ in 0..runs {
            let staged = propose(&ledger, stack.documents[next..next + size].to_vec());
            taken = staged.block().transactions().len();
            next += taken;
            times.push(us(keep(&store, &mut keeper, &staged), taken));
            ledger.post(&staged);
        }
        times.sort_by(f64::total_cmp);
        let per = times[times.len() / 2];
        let syncs = per * taken as f64 / sync;
        row(
            &format!("persisting, one synced batch; block of {taken}"),
            format!("{per:.1}"),
            format!("a block takes {syncs:.1} × the disk's sync"),
        );
    }
}

/// Registers everybody again on fresh books, and returns the blocks.
fn rebuild(ledger: &mut Ledger, stack: &Stack) -> Vec<Arc<Staged>> {
    let mut blocks = Vec::new();
    for block in &stack.registered {
        let staged = propose(ledger, block.clone());
        ledger.post(&staged);
        blocks.push(staged);
    }
    blocks
}

fn keep(store: &Arc<Store>, keeper: &mut Keeper, staged: &Arc<Staged>) -> Duration {
    let header = staged.header();
    let statement = Statement::Notarize { view: header.view, block: staged.hash() };
    let signatures = vec![Signature([1; 64]); 3];
    let notarization = Certificate { epoch: header.epoch, statement, signers: vec![7], signatures };
    let proof = FinalizedBlock {
        block: staged.block().to_block(),
        finality: Finality::Voted {
            notarization,
            skips: Vec::new(),
            finalization: None,
            closing: Vec::new(),
        },
    };
    let actions = [Action::PersistFinalized { staged: Arc::clone(staged), proof }];
    timed(|| {
        let mut batch = store.batch();
        let urgent = keeper.gather(&mut batch, &actions).expect("it can be gathered");
        assert!(urgent);
        batch.commit().expect("it can be written");
    })
}

/// What the kernel counted for a process, user and system, in seconds.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of the whole line; a tick is 10 ms on every Linux this runs on.
    (ticks(11) + ticks(12)) / 100.0
}

fn cluster_cpu_s(cluster: &Cluster) -> f64 {
    (0..VALIDATORS).filter_map(|index| cluster.pid(index)).map(cpu_s).sum()
}

/// Transactions that validator 0 has finalized: leaves less one seal per block.
fn finalized(line: &mut Line) -> u64 {
    let ready = line.get("/ready").map(|answer| answer.json()).unwrap_or_default();
    let number = |name: &str| ready[name].as_u64().unwrap_or(0);
    number("checkpoint_size").saturating_sub(number("height"))
}

struct Stage {
    clients: usize,
    batch: usize,
    steps: &'static [Role],
}

fn network(load: &Load, limit: f64) {
    let cluster = Cluster::start_in(VALIDATORS, folder());
    let registrar = payments::read_key(&cluster.registrar()).expect("a key");
    let cast = Cast::new(load, &cluster.chain, &registrar);
    let mut line = Line::new(cluster.rpc[0], Duration::from_secs(60));
    for part in &cast.registrations {
        for piece in part.chunks(500) {
            let answer = line.post("/v1/transactions", &payments::batch_body(piece)).expect("an answer");
            let results = results(&answer).expect("results");
            assert!(results.iter().all(|result| result.status == "posted"), "{:?}", results.first());
        }
    }
    println!("\nfour validators, each step of each payment submitted and its receipt awaited");
    println!("  limit {limit:.0}/s: cores ÷ (4 × one signature check in a batch of 1,024)");
    println!(
        "  {:>7} {:>6} {:>8} {:>9} {:>8} {:>8} {:>12} {:>9}",
        "clients", "batch", "tx", "tx/s", "p50 ms", "p99 ms", "CPU µs/tx", "of limit"
    );
    let mut turn = 0;
    let mut capacity: f64 = 1500.0;
    let mut best: f64 = 0.0;
    for (clients, batch) in [(1, 1), (16, 1), (64, 1), (8, 50), (16, 100), (16, 250), (16, 500)] {
        let stage = Stage { clients, batch, steps: &STEPS };
        let rate = closed_loop(&cluster, &cast, load, &stage, capacity, &mut turn, limit);
        best = best.max(rate);
        if clients * batch >= 400 {
            capacity = best;
        }
    }
    println!("  registrations alone, the heaviest step:");
    let stage = Stage { clients: 16, batch: 250, steps: &STEPS[..1] };
    let best = closed_loop(&cluster, &cast, load, &stage, best, &mut turn, limit);
    overload(&cluster, &cast, load, best, &mut turn);
}

/// `clients` connections, each submitting a batch, awaiting its receipts, and submitting the next.
fn closed_loop(
    cluster: &Cluster,
    cast: &Cast,
    load: &Load,
    stage: &Stage,
    capacity: f64,
    turn: &mut u64,
    limit: f64,
) -> f64 {
    let Stage { clients, batch, steps } = *stage;
    // A round trip takes about a tenth of a second while nothing queues.
    let rate = capacity.min((clients * batch) as f64 / 0.15);
    let rounds =
        (rate * STAGE.as_secs_f64() / (clients * batch * steps.len()) as f64).ceil().max(1.0) as usize;
    // Everything is signed beforehand: what it costs to sign is not the network's.
    let mut work: Vec<Vec<Vec<u8>>> = Vec::new();
    for _ in 0..clients {
        let mut bodies = Vec::new();
        for _ in 0..rounds {
            let documents: Vec<_> =
                (*turn..*turn + batch as u64).map(|turn| cast.document(load, turn)).collect();
            *turn += batch as u64;
            for step in steps {
                let signed: Vec<_> = documents
                    .iter()
                    .map(|(town, document)| town.step(&cluster.chain, document, *step))
                    .collect();
                bodies.push(payments::batch_body(&signed));
            }
        }
        work.push(bodies);
    }
    let cpu = cluster_cpu_s(cluster);
    let begun = Instant::now();
    let mut waits: Vec<f64> = Vec::new();
    let mut posted = 0;
    let mut other = 0;
    std::thread::scope(|scope| {
        let threads = work.iter().enumerate().map(|(client, bodies)| {
            let address = cluster.rpc[client % VALIDATORS];
            scope.spawn(move || {
                let mut line = Line::new(address, Duration::from_secs(60));
                let (mut waits, mut posted, mut other) = (Vec::new(), 0, 0);
                for body in bodies {
                    let asked = Instant::now();
                    let answer = line.post("/v1/transactions", body).map_err(|error| error.to_string());
                    waits.push(asked.elapsed().as_secs_f64() * 1e3);
                    match answer.and_then(|answer| results(&answer)) {
                        Ok(results) => {
                            let good = results.iter().filter(|result| result.status == "posted").count();
                            posted += good;
                            other += results.len() - good;
                        }
                        Err(_) => other += batch,
                    }
                    if begun.elapsed() > 4 * STAGE {
                        break;
                    }
                }
                (waits, posted, other)
            })
        });
        let threads: Vec<_> = threads.collect();
        for thread in threads {
            let (more, good, bad) = thread.join().expect("a client ends");
            waits.extend(more);
            posted += good;
            other += bad;
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_us = (cluster_cpu_s(cluster) - cpu) * 1e6 / posted.max(1) as f64;
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let rate = posted as f64 / seconds;
    println!(
        "  {clients:>7} {batch:>6} {posted:>8} {rate:>9.0} {:>8.0} {:>8.0} {cpu_us:>12.0} {:>8.1}%{}",
        at(0.5),
        at(0.99),
        100.0 * rate / limit,
        if other > 0 { format!("  ({other} not posted in time, or refused)") } else { String::new() }
    );
    let _ = std::io::stdout().flush();
    rate
}

/// Twice the capacity, offered whether or not it is taken.
fn overload(cluster: &Cluster, cast: &Cast, load: &Load, capacity: f64, turn: &mut u64) {
    const SENDERS: usize = 8;
    const BODY: usize = 100;
    let offered = 2.0 * capacity;
    println!("\ntwice that, registrations alone: {offered:.0}/s offered, taken into a pool or turned away");
    let bodies_each = (offered * 1.5 * STAGE.as_secs_f64() / (SENDERS * BODY) as f64).ceil() as usize;
    let mut work: Vec<Vec<Vec<u8>>> = Vec::new();
    for _ in 0..SENDERS {
        let mut bodies = Vec::new();
        for _ in 0..bodies_each {
            let turns = *turn..*turn + BODY as u64;
            *turn += BODY as u64;
            let signed: Vec<_> = turns
                .map(|turn| {
                    let (town, document) = cast.document(load, turn);
                    town.step(&cluster.chain, &document, Role::Submit)
                })
                .collect();
            bodies.push(payments::batch_body(&signed));
        }
        work.push(bodies);
    }
    let mut line = Line::new(cluster.rpc[0], Duration::from_secs(60));
    let start = finalized(&mut line);
    let (taken, turned_away, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (whole, with_retry) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    let mut sent_s = 0.0;
    let (mut during, mut samples) = (start, Vec::new());
    std::thread::scope(|scope| {
        let senders: Vec<_> = work
            .iter()
            .enumerate()
            .map(|(sender, bodies)| {
                let (taken, turned_away, lost) = (&taken, &turned_away, &lost);
                let (whole, with_retry) = (&whole, &with_retry);
                let address = cluster.rpc[sender % VALIDATORS];
                scope.spawn(move || {
                    let mut line = Line::new(address, Duration::from_secs(60));
                    let pace = (SENDERS * BODY) as f64 / offered;
                    for (n, body) in bodies.iter().enumerate() {
                        let due = begun + Duration::from_secs_f64(n as f64 * pace);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let Ok(answer) = line.post("/v1/transactions?wait=pool", body) else {
                            lost.fetch_add(BODY as u64, Ordering::Relaxed);
                            continue;
                        };
                        if answer.status == 503 {
                            whole.fetch_add(1, Ordering::Relaxed);
                            with_retry.fetch_add(
                                u64::from(answer.header("retry-after").is_some()),
                                Ordering::Relaxed,
                            );
                            turned_away.fetch_add(BODY as u64, Ordering::Relaxed);
                            continue;
                        }
                        for result in results(&answer).unwrap_or_default() {
                            let counter = if result.status == "busy" { turned_away } else { taken };
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    begun.elapsed().as_secs_f64()
                })
            })
            .collect();
        let watch = {
            let (done, address) = (&done, cluster.rpc[1]);
            scope.spawn(move || {
                let mut line = Line::new(address, Duration::from_secs(60));
                let mut samples = vec![(0.0, finalized(&mut line))];
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_secs(3));
                    samples.push((begun.elapsed().as_secs_f64(), finalized(&mut line)));
                }
                samples
            })
        };
        for sender in senders {
            sent_s = f64::max(sent_s, sender.join().expect("a sender ends"));
        }
        during = finalized(&mut line);
        done.store(true, Ordering::Relaxed);
        samples = watch.join().expect("the watch ends");
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let sent = (SENDERS * BODY * bodies_each) as u64;
    row("offered", sent, format!("{:.0}/s over {sent_s:.0} s", sent as f64 / sent_s));
    row("taken into a pool", count(&taken), "");
    row(
        "turned away",
        count(&turned_away),
        format!("{} whole batches by 503, {} of them with Retry-After", count(&whole), count(&with_retry)),
    );
    row("unanswered", count(&lost), "");
    let goodput = during.saturating_sub(start) as f64 / sent_s;
    row(
        "finalized meanwhile",
        during.saturating_sub(start),
        format!("{goodput:.0}/s, {:.0}% of that rate", 100.0 * goodput / capacity),
    );
    let windows: Vec<String> = samples
        .windows(2)
        .map(|pair| format!("{:.0}", (pair[1].1.saturating_sub(pair[0].1)) as f64 / (pair[1].0 - pair[0].0)))
        .collect();
    row("finalized per second, every 3 s", "", windows.join(" "));
    let drained = Instant::now();
    let mut last = (finalized(&mut line), Instant::now());
    while last.1.elapsed() < Duration::from_secs(4) && drained.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(200));
        let now = finalized(&mut line);
        if now > last.0 {
            last = (now, Instant::now());
        }
    }
    row(
        "finalized in the end",
        last.0 - start,
        format!("{} of those taken are missing", count(&taken).saturating_sub(last.0 - start)),
    );
}
