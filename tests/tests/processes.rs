//! Four validators as real processes with real disks and sockets: killed, halted, pelted with
//! garbage, asked twice, asked wrongly. Nothing here asks how fast; `benches/throughput.rs` does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use ledger::amount::Amount;
use ledger::checkpoint::Trust;
use ledger::genesis::Genesis;
use ledger::receipt::Receipt;
use ledger::time::{Date, Period};
use ledger::transaction::{Document, Operation, Role, SignedTransaction};
use tests::cluster::{Answer, Cluster, Line, read_answer, results};
use tests::opening::Opening;
use tests::payments::{self, Dice};

/// One network at a time: their timers are real, and the machine may be small.
static TURN: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(40);

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A network in which one town may pay one supplier.
struct Site {
    cluster: Cluster,
    opening: Opening,
}

impl Site {
    fn start() -> Self {
        let cluster = Cluster::start(4);
        Self { opening: Opening::of(&cluster), cluster }
    }

    fn line(&self, index: usize) -> Line {
        line(self.cluster.rpc[index])
    }

    fn bill(&self, number: &str) -> Document {
        self.bill_of(number, 1_250_000)
    }

    fn bill_of(&self, number: &str, net: i64) -> Document {
        self.opening.bill(number, net)
    }

    fn step(&self, document: &Document, step: Role) -> SignedTransaction {
        self.opening.town.step(&self.cluster.chain, document, step)
    }

    fn signed(&self, number: u8, operation: Operation, key: &SigningKey) -> SignedTransaction {
        payments::signed(&self.cluster.chain, self.opening.town.number, [number; 16], operation, &[key])
    }

    fn submit(&self, index: usize, signed: &SignedTransaction) -> Answer {
        self.line(index).post("/v1/transactions", &payments::single_body(signed)).unwrap()
    }

    fn post(&self, signed: &SignedTransaction) -> u64 {
        leaf(&self.submit(0, signed))
    }

    fn id(&self, signed: &SignedTransaction) -> String {
        payments::id_of(&self.cluster.chain, signed).to_string()
    }

    /// The answer is a problem with this status and rule, and nothing is booked from it.
    #[track_caller]
    fn refused(&self, signed: &SignedTransaction, status: u16, rule: &str) {
        for index in [0, 2] {
            let answer = self.submit(index, signed);
            let json = answer.json();
            assert_eq!((answer.status, json["rule"].as_str()), (status, Some(rule)), "{json}");
            assert_eq!(json["type"], format!("urn:hovedbok:rule:{rule}"), "{json}");
            is_problem(&answer, status);
            let found = self.line(index).get(&format!("/v1/transactions/{}", self.id(signed))).unwrap();
            assert_eq!(found.status, 404, "{}", found.text());
        }
    }

    fn vouchers(&self) -> u64 {
        let path =
            format!("/v1/entities/{}/journal?year={}", self.opening.town.number, self.opening.today.year());
        let answer = self.line(1).get(&path).unwrap();
        if answer.status == 404 { 1 } else { answer.json()["next_number"].as_u64().unwrap() }
    }
}

fn line(address: SocketAddr) -> Line {
    Line::new(address, Duration::from_secs(30))
}

#[track_caller]
fn leaf(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["leaf"].as_u64().unwrap()
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16) {
    let json = answer.json();
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{json}");
    assert_eq!(json["status"], status, "{json}");
    for field in ["type", "title", "detail"] {
        assert!(json[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {json}");
    }
}

/// Size and root of a node's newest certified checkpoint.
fn checkpoint(address: SocketAddr) -> Option<(u64, String)> {
    let answer = line(address).get("/v1/checkpoint").ok().filter(|answer| answer.status == 200)?;
    let text = answer.text();
    let mut lines = text.lines().skip(1);
    Some((lines.next()?.parse().ok()?, lines.next()?.to_string()))
}

fn height(address: SocketAddr) -> Option<u64> {
    let answer = line(address).get("/ready").ok().filter(|answer| answer.status == 200)?;
    answer.json()["height"].as_u64()
}

#[track_caller]
fn until<T>(what: &str, within: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What clients were told: leaf of each transaction id, and some receipts.
#[derive(Default)]
struct Told {
    leaves: BTreeMap<String, u64>,
    receipts: Vec<String>,
}

#[test]
fn validators_die_in_turn_under_load_and_no_acknowledged_transaction_is_lost() {
    let _turn = turn();
    let mut site = Site::start();
    let (town, seller, today, chain) =
        (site.opening.town.clone(), site.opening.seller, site.opening.today, site.cluster.chain);
    let told = Mutex::new(Told::default());
    let answered: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    let rpc = site.cluster.rpc.clone();
    std::thread::scope(|scope| {
        // Ends the load also when an assertion below fails.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        for (index, address) in rpc.iter().enumerate() {
            let (told, answered, stop, town) = (&told, &answered, &stop, &town);
            scope.spawn(move || {
                let mut line = line(*address);
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                    let bills = (0..4).map(|n| {
                        let number = format!("{index}-{round}-{n}");
                        let bill =
                            payments::document(town.number, seller, &number, today, Amount(10_000 + n), 1);
                        town.step(&chain, &bill, Role::Submit)
                    });
                    let bills: Vec<_> = bills.collect();
                    let Ok(answer) = line.post("/v1/transactions", &payments::batch_body(&bills)) else {
                        continue;
                    };
                    let Ok(results) = results(&answer) else { continue };
                    let mut told = told.lock().unwrap();
                    for (result, bill) in results.into_iter().zip(&bills) {
                        let id = payments::id_of(&chain, bill).to_string();
                        assert_eq!(result.id.as_ref(), Some(&id));
                        assert_ne!(result.status, "refused", "{result:?}");
                        if let ("posted", Some(leaf)) = (result.status.as_str(), result.leaf) {
                            answered[index].fetch_add(1, Ordering::Relaxed);
                            assert!(told.leaves.insert(id, leaf).is_none());
                        }
                    }
                    let first = answer.json()["transactions"][0]["receipt"].as_str().map(String::from);
                    told.receipts.extend(first.filter(|_| round % 8 == 0));
                }
            });
        }
        for victim in [1, 3, 0] {
            site.cluster.kill(victim);
            let before: Vec<u64> = answered.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            for other in (0..4).filter(|other| *other != victim) {
                until(&format!("node {other} goes on posting without {victim}"), PATIENCE, || {
                    (answered[other].load(Ordering::Relaxed) >= before[other] + 12).then_some(())
                });
            }
            site.cluster.restart(victim);
            until(&format!("node {victim} is back"), PATIENCE, || height(rpc[victim]));
            until(&format!("node {victim} posts again"), PATIENCE, || {
                (answered[victim].load(Ordering::Relaxed) >= before[victim] + 4).then_some(())
            });
        }
    });
    let Told { leaves, receipts } = told.into_inner().unwrap();
    let last = *leaves.values().max().unwrap();
    for address in &rpc {
        until("every node has a checkpoint over the last acknowledged leaf", PATIENCE, || {
            checkpoint(*address).filter(|(size, _)| *size > last)
        });
    }
    // Same leaf everywhere; same block at every height that holds one of them.
    let top = rpc.iter().map(|address| height(*address).unwrap()).min().unwrap();
    for address in &rpc[1..] {
        let (mut one, mut other) = (line(rpc[0]), line(*address));
        for height in (1..=top).rev().step_by(7).chain([1]) {
            let path = format!("/v1/blocks/{height}");
            let (one, other) = (one.get(&path).unwrap().json(), other.get(&path).unwrap().json());
            assert!(one["hash"].is_string(), "{one}");
            assert_eq!(one["hash"], other["hash"], "height {height}");
            assert_eq!(one["header"]["state_root"], other["header"]["state_root"], "height {height}");
        }
    }
    for address in &rpc {
        let mut line = line(*address);
        for (id, acknowledged) in &leaves {
            assert_eq!(
                leaf(&line.get(&format!("/v1/transactions/{id}")).unwrap()),
                *acknowledged,
                "{id} at {address}"
            );
        }
    }
    let genesis = Genesis::decode(&line(rpc[2]).get("/v1/genesis").unwrap().body).unwrap();
    let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone()).unwrap();
    assert!(!receipts.is_empty());
    for text in &receipts {
        let posted = Receipt::parse(text).unwrap().verify(&trust, None).unwrap();
        let id = posted.transaction().unwrap().to_string();
        assert_eq!(leaves.get(&id), Some(&posted.index().0));
    }
    println!("{} acknowledged, {} receipts verified, three kills", leaves.len(), receipts.len());
}

#[test]
fn with_two_of_four_gone_nothing_is_finalized_or_claimed_and_one_return_resumes_it() {
    let _turn = turn();
    let mut site = Site::start();
    site.cluster.kill(2);
    site.cluster.kill(3);
    // What was under way may still end.
    std::thread::sleep(Duration::from_secs(1));
    let before = checkpoint(site.cluster.rpc[0]).unwrap();
    let waiting = site.step(&site.bill("halt-1"), Role::Submit);
    let other = site.step(&site.bill("halt-2"), Role::Submit);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let site = &site;
        let asks = [(0, &waiting), (1, &other)]
            .map(|(index, signed)| scope.spawn(move || site.submit(index, signed)));
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    for answer in answers {
        assert!([202, 503].contains(&answer.status), "{}", answer.text());
        let json = answer.json();
        assert!(json["leaf"].is_null() && json["receipt"].is_null(), "{json}");
        assert_ne!(json["status"], "posted");
    }
    assert_eq!(checkpoint(site.cluster.rpc[0]).unwrap(), before, "a halted network certifies nothing new");
    let not_ready = site.line(0).get("/ready").unwrap();
    is_problem(&not_ready, 503);
    site.cluster.restart(2);
    let resumed = Instant::now();
    let placed = until("finality resumes", Duration::from_secs(30), || {
        let answer = site.submit(0, &waiting);
        (answer.status == 200).then(|| leaf(&answer))
    });
    println!("finality resumed {:?} after the restart", resumed.elapsed());
    assert_eq!(leaf(&site.submit(2, &waiting)), placed);
    leaf(&site.submit(1, &other));
    // The last one catches up with what it missed.
    site.cluster.restart(3);
    until("the fourth is back", PATIENCE, || height(site.cluster.rpc[3]));
    assert_eq!(leaf(&site.submit(3, &waiting)), placed);
}

#[test]
fn strangers_on_both_ports_get_a_plain_no_or_silence_and_the_node_goes_on() {
    let _turn = turn();
    let mut site = Site::start();
    let rpc = site.cluster.rpc[0];
    let peers = SocketAddr::from(([127, 0, 0, 1], site.cluster.peer_port(0)));
    let mut dice = Dice::seeded(99);
    let connect = |address: SocketAddr| {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    };
    // Garbage; whoever is cut off while sending it has had the answer it deserves.
    for address in [rpc, peers] {
        for n in 0..20_u64 {
            let garbage: Vec<u8> = (0..1 + n * 40).flat_map(|_| dice.bytes()).collect();
            let mut stream = connect(address);
            let _ = stream.write_all(&garbage);
        }
    }
    // A handshake of the peers' protocol that goes no further, and one with a length that lies.
    for start in [&b"\x13/multistream/1.0.0\n"[..], b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff"] {
        let mut stream = connect(peers);
        let _ = stream.write_all(start);
    }
    // Half-open, and slow: held until the end of the test.
    let mut held: Vec<TcpStream> = (0..40).map(|n| connect(if n % 2 == 0 { rpc } else { peers })).collect();
    for n in 0..40 {
        let mut stream = connect(rpc);
        let half = "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"tra";
        stream.write_all(&half.as_bytes()[..half.len() - 60 - n]).unwrap();
        held.push(stream);
    }
    let raw = |request: &[u8]| -> Option<Answer> {
        let mut stream = connect(rpc);
        let _ = stream.write_all(request);
        read_answer(&mut BufReader::new(stream)).ok()
    };
    // Bodies that are too long: by their own word, and without one.
    let announced = "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n{";
    is_problem(&raw(announced.as_bytes()).unwrap(), 413);
    let mut chunked = b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.resize(chunked.len() + 0x8000, b'{');
        chunked.extend_from_slice(b"\r\n");
    }
    // It may close before all of it is sent, and then the answer may be lost on the way.
    if let Some(answer) = raw(&chunked) {
        is_problem(&answer, 413);
    }
    let long_header = format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    if let Some(answer) = raw(long_header.as_bytes()) {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    // Wrong methods, paths, types.
    let mut line = line(rpc);
    is_problem(&line.ask("DELETE", "/v1/transactions", &[]).unwrap(), 405);
    is_problem(&line.ask("POST", "/health", b"{}").unwrap(), 405);
    for path in [
        "/v2/transactions",
        "/v1/../../etc/passwd",
        "/v1/transactions/abc",
        "/v1/entities/123456789",
        "/v1/blocks/18446744073709551616",
        "/v1/proof/consistency?from=5&to=1",
    ] {
        let answer = line.get(path).unwrap();
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.text());
        is_problem(&answer, answer.status);
    }
    let typed = raw(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    is_problem(&typed, 415);
    // Bodies that are no submission.
    let deep = [b"{\"transactions\":".to_vec(), vec![b'['; 200_000]].concat();
    let deeper = [b"{\"transaction\":".to_vec(), b"{\"a\":".repeat(100_000)].concat();
    let many = format!("{{\"transactions\":[{}\"\"]}}", "\"\",".repeat(1000)).into_bytes();
    let bodies: [&[u8]; 12] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{\"transaction\":null}",
        b"{\"transaction\":\"A\"}",
        b"{\"transaction\":\"AAAA\"}",
        b"{\"transactions\":[]}",
        b"{\"transaction\":\"AAAA\",\"transactions\":[\"AAAA\"]}",
        &deep,
        &deeper,
        &many,
    ];
    for body in bodies {
        is_problem(&line.post("/v1/transactions", body).unwrap(), 400);
    }
    let nul: Vec<u8> = (0..1000).flat_map(|_| dice.bytes()).collect();
    is_problem(&line.post("/v1/transactions", &nul).unwrap(), 400);
    // One bad among good ones harms none of them.
    let good = site.step(&site.bill("stranger-1"), Role::Submit);
    let mixed = format!("{{\"transactions\":[\"AAAA\",\"{}\"]}}", payments::text_of(&good));
    let mixed = results(&line.post("/v1/transactions", mixed.as_bytes()).unwrap()).unwrap();
    assert_eq!((mixed[0].status.as_str(), mixed[1].status.as_str()), ("refused", "posted"), "{mixed:?}");
    let posted = height(site.cluster.rpc[0]).unwrap();
    for index in 0..4 {
        assert!(site.cluster.runs(index), "{}", site.cluster.log(index));
        // A node may be a block behind the one that answered first.
        until("the node has the block", PATIENCE, || {
            height(site.cluster.rpc[index]).filter(|h| *h >= posted)
        });
        leaf(&site.submit(index, &good));
        let answer = site.line(index).get("/health").unwrap();
        assert_eq!(answer.status, 200);
    }
    let after = site.step(&site.bill("stranger-2"), Role::Submit);
    site.post(&after);
    assert!(!site.cluster.log(0).contains("panicked"), "{}", site.cluster.log(0));
    // Silent ones were neither answered nor given anything.
    for stream in &mut held[..2] {
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut some = Vec::new();
        let _ = stream.take(64).read_to_end(&mut some);
        assert!(!some.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&some));
    }
}

#[test]
fn l6_l7_l9_a_wrong_submission_is_refused_by_rule_and_a_repeated_one_answered_as_at_first() {
    let _turn = turn();
    let mut site = Site::start();
    let bill = site.bill("8841");
    let first = site.step(&bill, Role::Submit);
    let placed = site.post(&first);
    // The same again, at any node: the first answer.
    for index in 0..4 {
        assert_eq!(leaf(&site.submit(index, &first)), placed);
    }
    let vouchers = site.vouchers();
    // The same id with other content (L6).
    let other = site.bill_of("8842", 1_00);
    let number = first.transaction.id.number;
    let submitter = site.opening.town.key(Role::Submit);
    let content = Operation::RegisterDocument(other.clone());
    let twice =
        payments::signed(&site.cluster.chain, site.opening.town.number, number, content, &[submitter]);
    site.refused(&twice, 409, "L6");
    // The same invoice under another id (L6).
    site.refused(&site.signed(1, Operation::RegisterDocument(bill.clone()), submitter), 409, "L6");
    // A key of another duty, and a key that nobody knows (L7).
    let register = || Operation::RegisterDocument(other.clone());
    site.refused(&site.signed(2, register(), site.opening.town.key(Role::Attest)), 422, "L7");
    let stranger = SigningKey::from_bytes(&[77; 32]);
    site.refused(&site.signed(3, register(), &stranger), 422, "L7");
    // A signature that does not hold (L0).
    let mut forged = site.signed(4, register(), submitter);
    forged.signatures[0].signature.0[0] ^= 1;
    site.refused(&forged, 422, "L0");
    // One person attests and approves, with two keys (L7). Person 3 attests.
    let second_key = SigningKey::from_bytes(&[78; 32]);
    let grant = site.opening.town.grant(&second_key, 3, &[Role::Attest, Role::Approve]);
    site.post(&site.signed(5, Operation::GrantKey(grant), &site.opening.town.admin));
    site.post(&site.step(&bill, Role::Attest));
    let approve = || Operation::Approve { document: bill.id.clone() };
    site.refused(&site.signed(6, approve(), &second_key), 422, "L7");
    site.refused(&site.signed(7, approve(), site.opening.town.key(Role::Attest)), 422, "L7");
    // A key that was revoked (L7).
    site.post(&site.signed(
        8,
        Operation::RevokeKey { key: payments::public(&second_key) },
        &site.opening.town.admin,
    ));
    site.post(&site.step(&other, Role::Submit));
    let attest = Operation::Attest { document: other.id.clone() };
    site.refused(&site.signed(9, attest, &second_key), 422, "L7");
    // A step before its turn (L18), and an order of another amount (L18).
    site.refused(&site.step(&bill, Role::Order), 422, "L18");
    // A closed period (L9).
    let period: Period = site.opening.today.period().previous();
    let close = Operation::ClosePeriod { entity: site.opening.town.number, period };
    site.post(&site.signed(10, close, &site.opening.town.admin));
    let day = Date::new(period.number() * 100 + 15).unwrap();
    let late =
        payments::document(site.opening.town.number, site.opening.seller, "8843", day, Amount(1_00), 1);
    site.refused(&site.step(&late, Role::Submit), 422, "L9");
    // Only the second invoice was booked meanwhile.
    assert_eq!(site.vouchers(), vouchers + 1);
    // And the rest of the payment goes its way.
    for step in [Role::Approve, Role::Order, Role::Bank] {
        site.post(&site.step(&bill, step));
    }
    assert_eq!(site.vouchers(), vouchers + 2);

    // A second process on the same data would sign beside the first: it does not start.
    let (failed, said) = site.cluster.second(1);
    assert!(failed, "{said}");
    assert!(said.contains("hovedbok-node: ") && !said.contains("panicked"), "{said}");
    assert!(site.cluster.runs(1), "{}", site.cluster.log(1));
    leaf(&site.submit(1, &first));
}
