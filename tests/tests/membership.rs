//! Validators join, leave and change their keys while payments go on, each node a process of its own,
//! and a ledger that lost too many of them begins again. Every change is made with the programs that
//! people use: `hovedbok validators`, `hovedbok verify`, `hovedbok-node recover`.
//!
//! In the long story eight nodes: 0 to 3 are genesis' validators, 4 to 6 join, 7 follows and never joins.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::governance::{self, Head, NodeKeys};
use ledger::block::Height;
use ledger::checkpoint::Trust;
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::genesis::Genesis;
use ledger::receipt::Receipt;
use ledger::transaction::{Document, Role};
use node::keys::{Keys, write_signing_key};
use node::localnet::Size;
use node::plan::PlannedValidator;
use tests::cluster::{Cluster, Line, program};
use tests::opening::Opening;
use tests::payments;

const PATIENCE: Duration = Duration::from_secs(40);
/// Payments are submitted here all the time: a validator that stays, one that joins, and a follower.
const ENTRANCES: [usize; 3] = [0, 4, 7];
/// Receipts that each entrance must have given in an epoch before the next may begin.
const RECEIPTS_PER_EPOCH: usize = 4;

/// What clients were told: the leaf of each transaction, and receipts by the epoch they rest on.
#[derive(Default)]
struct Told {
    leaves: BTreeMap<String, u64>,
    receipts: BTreeMap<(u64, usize), Vec<String>>,
}

struct Site {
    cluster: Cluster,
    opening: Opening,
    trust: Trust,
    told: Mutex<Told>,
}

/// A second set of keys beside the first, named in the configuration, for when the seat takes them.
fn add_keys(place: &Path) {
    Keys::generate().unwrap().save(&place.join("next.toml")).unwrap();
    write_signing_key(&place.join("next.key")).unwrap();
    let path = place.join("node.toml");
    let text = fs::read_to_string(&path).unwrap();
    let both = text.replace("[\"keys.toml\"]", "[\"keys.toml\", \"next.toml\"]");
    assert_ne!(text, both);
    fs::write(path, both).unwrap();
}

impl Site {
    fn start(followers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = Size { validators: 4, followers };
        let cluster = Cluster::start_at(size, folder, |folder| {
            (0..4).for_each(|index| add_keys(&folder.join(format!("node-{index}"))));
            vec![Vec::new(); 4 + followers]
        });
        let opening = Opening::of(&cluster);
        let genesis = Genesis::decode(&fs::read(cluster.folder().join("genesis.bin")).unwrap()).unwrap();
        let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone()).unwrap();
        Self { cluster, opening, trust, told: Mutex::default() }
    }

    fn bill(&self, number: &str) -> Document {
        self.opening.bill(number, 10_000)
    }

    /// Submits until it is acknowledged, and notes what was said.
    fn pay(&self, index: usize, number: &str) {
        let signed = self.opening.town.step(&self.cluster.chain, &self.bill(number), Role::Submit);
        let body = payments::single_body(&signed);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = line(self.cluster.rpc[index]).post("/v1/transactions", &body);
            if let Some(answer) = answer.as_ref().ok().filter(|answer| answer.status == 200) {
                let json = answer.json();
                let receipt = json["receipt"].as_str().unwrap();
                let posted = Receipt::parse(receipt).unwrap().verify(&self.trust, None).unwrap();
                assert_eq!(Some(posted.index().0), json["leaf"].as_u64(), "{json}");
                let id = posted.transaction().unwrap().to_string();
                assert_eq!(id, payments::id_of(&self.cluster.chain, &signed).to_string());
                let mut told = self.told.lock().unwrap();
                let known = told.leaves.insert(id, posted.index().0);
                assert!(known.is_none_or(|leaf| leaf == posted.index().0), "two leaves for one payment");
                told.receipts.entry((posted.epoch().0, index)).or_default().push(receipt.to_string());
                return;
            }
            let refused = answer.as_ref().is_ok_and(|answer| (400..500).contains(&answer.status));
            assert!(!refused, "{number} at {index}: {answer:?}");
            let late = Instant::now() > deadline;
            assert!(!late, "{number} at {index}: {answer:?}; it says:\n{}", self.cluster.log(index));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The client's program, with genesis as the only thing it trusts.
    fn client(&self, index: Option<usize>, words: &[&str]) -> Output {
        let mut command = Command::new(program().with_file_name("hovedbok"));
        command.arg("--genesis").arg(self.cluster.folder().join("genesis.bin"));
        if let Some(index) = index {
            command.arg("--seen").arg(self.cluster.folder().join(format!("seen-{index}")));
            command.arg("--node").arg(format!("http://{}", self.cluster.rpc[index]));
        }
        command.args(words).output().unwrap()
    }

    #[track_caller]
    fn say(&self, index: Option<usize>, words: &[&str]) -> String {
        let output = self.client(index, words);
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {:?} {text} {error}", output.status.code());
        text
    }

    fn file(&self, name: &str) -> String {
        self.cluster.folder().join(name).to_str().unwrap().to_string()
    }

    fn planned(&self, index: usize) -> PlannedValidator {
        toml_of(&self.cluster.place(index).join("validator.toml"))
    }

    fn entity(&self, index: usize) -> String {
        self.planned(index).entity
    }

    /// Has a node say that it is ready, with these keys; gives the file.
    #[track_caller]
    fn ready(&self, index: usize, keys: &str, governance: &str) -> String {
        let out = self.file(&format!("entrant-{index}-{keys}"));
        let place = |name: &str| self.cluster.place(index).join(name).to_str().unwrap().to_string();
        let key = payments::public(&payments::read_key(Path::new(&place(governance))).unwrap()).to_string();
        let PlannedValidator { entity, name, .. } = self.planned(index);
        let keys = place(keys);
        let words =
            ["--keys", &keys, "--governance", &key, "--entity", &entity, "--name", &name, "--out", &out];
        self.say(Some(index), &[&["validators", "ready"][..], &words].concat());
        out
    }

    /// Writes a change in the name of a node's entity, has it signed, and submits it at that node.
    fn change(&self, index: usize, leave: &[usize], enter: &[String], keys: &[PathBuf]) -> Output {
        let out = self.file("change");
        let leave: Vec<String> = leave.iter().map(|index| self.entity(*index)).collect();
        let submitter = self.entity(index);
        let mut words = vec!["validators", "change", "--as", &submitter, "--out", &out];
        words.extend(leave.iter().flat_map(|entity| ["--leave", entity.as_str()]));
        words.extend(enter.iter().flat_map(|file| ["--enter", file.as_str()]));
        self.say(Some(index), &words);
        self.sign(&out, keys);
        let receipts = self.file("receipts");
        self.client(Some(index), &["validators", "submit", &out, "--receipts", &receipts])
    }

    #[track_caller]
    fn sign(&self, file: &str, keys: &[PathBuf]) {
        for key in keys {
            self.say(None, &["validators", "sign", file, "--key", key.to_str().unwrap()]);
        }
    }

    #[track_caller]
    fn refused(&self, rule: &str, output: &Output) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(rule), "{rule} in {text}");
        println!("refused: {}", text.trim());
    }

    fn key(&self, index: usize, file: &str) -> PathBuf {
        self.cluster.place(index).join(file)
    }

    /// Waits until each of these nodes is in an epoch and, if payments go on, has given receipts in it.
    #[track_caller]
    fn wait_epoch(&self, epoch: u64, nodes: &[usize], paying: &[usize]) {
        for index in nodes {
            until(&format!("node {index} is in epoch {epoch}"), || {
                status(self.cluster.rpc[*index]).filter(|status| status["epoch"] == epoch)
            });
        }
        for index in paying {
            until(&format!("node {index} acknowledges in epoch {epoch}"), || {
                let told = self.told.lock().unwrap();
                let given = told.receipts.get(&(epoch, *index)).map_or(0, Vec::len);
                (given >= RECEIPTS_PER_EPOCH).then_some(())
            });
        }
    }

    /// No acknowledged transaction is lost and none is booked twice, and these nodes hold one chain.
    #[track_caller]
    fn audit(&self, nodes: &[usize]) -> u64 {
        let told = self.told.lock().unwrap();
        assert_eq!(told.leaves.values().collect::<BTreeSet<_>>().len(), told.leaves.len());
        let heights = |index: &usize| status(self.cluster.rpc[*index])?["height"].as_u64();
        let top = until("the nodes have come to one height", || {
            let heights: Option<BTreeSet<u64>> = nodes.iter().map(heights).collect();
            heights.filter(|heights| heights.len() == 1)?.pop_first()
        });
        let mut first = line(self.cluster.rpc[nodes[0]]);
        let journal =
            format!("/v1/entities/{}/journal?year={}", self.opening.town.number, self.opening.today.year());
        for index in nodes {
            let mut line = line(self.cluster.rpc[*index]);
            for height in (1..=top).rev().step_by(5).chain([1]) {
                let path = format!("/v1/blocks/{height}");
                let (one, other) = (first.get(&path).unwrap().json(), line.get(&path).unwrap().json());
                assert!(one["hash"].is_string(), "{one}");
                assert_eq!(one["hash"], other["hash"], "height {height} at node {index}");
                for root in ["log_root", "state_root"] {
                    assert!(one["header"][root].is_string(), "{root} in {one}");
                    assert_eq!(one["header"][root], other["header"][root], "height {height} at {index}");
                }
            }
            for (id, leaf) in &told.leaves {
                let answer = line.get(&format!("/v1/transactions/{id}")).unwrap();
                assert_eq!(answer.json()["leaf"].as_u64(), Some(*leaf), "{id} at node {index}");
            }
            let next = line.get(&journal).unwrap().json()["next_number"].as_u64();
            assert_eq!(next, Some(told.leaves.len() as u64 + 1), "vouchers at node {index}");
        }
        top
    }

    /// `hovedbok verify` holds for a receipt of every epoch, with genesis alone; gives what it says of
    /// the last.
    #[track_caller]
    fn verify(&self, epochs: &[u64]) -> String {
        let told = self.told.lock().unwrap();
        let mut text = String::new();
        for epoch in epochs {
            let found = told.receipts.iter().find(|((of, _), _)| of == epoch);
            let receipt = found.unwrap_or_else(|| panic!("no receipt of epoch {epoch}")).1.last().unwrap();
            let file = self.file(&format!("epoch-{epoch}.kvittering"));
            fs::write(&file, receipt).unwrap();
            text = self.say(None, &["verify", &file]);
            assert!(text.contains(": holds"), "{text}");
            // Each is judged by the validators of its own epoch, not by those of genesis.
            let count = [4, 5, 7, 4, 4][*epoch as usize];
            assert!(text.contains(&format!("of {count} validators signed the log")), "{text}");
        }
        text
    }
}

fn toml_of(path: &Path) -> PlannedValidator {
    let text = fs::read_to_string(path).unwrap();
    let field = |name: &str| {
        let start = format!("{name} = \"");
        let found = text.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
        found.unwrap().to_string()
    };
    PlannedValidator {
        entity: field("entity"),
        name: field("name"),
        vote_key: field("vote_key"),
        cosign_key: field("cosign_key"),
        peer_key: field("peer_key"),
        governance_key: field("governance_key"),
    }
}

fn line(address: SocketAddr) -> Line {
    Line::new(address, Duration::from_secs(20))
}

fn status(address: SocketAddr) -> Option<serde_json::Value> {
    let answer = line(address).get("/ready").ok().filter(|answer| answer.status == 200)?;
    Some(answer.json())
}

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ends the load also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn r32_l23_l25_l26_validators_join_leave_and_change_keys_under_load_and_begin_again_after_losing_too_many() {
    let began = Instant::now();
    let mut site = Site::start(4);
    let old = |index: usize| site.key(index, "governance.key");
    let keys: BTreeMap<usize, PathBuf> = (0..7).map(|index| (index, old(index))).collect();
    let new: Vec<PathBuf> = (0..4).map(|index| site.key(index, "next.key")).collect();
    let signers = |indices: &[usize]| indices.iter().map(|index| keys[index].clone()).collect::<Vec<_>>();
    let all: Vec<usize> = (0..8).collect();
    println!("{:?}: eight nodes stand", began.elapsed());

    // The cluster is needed mutably for kills, so the load runs in stretches around them.
    let mut turn = 0;
    paying(&site, &mut turn, || {
        site.wait_epoch(0, &all, &ENTRANCES);
        // A joiner that gives its word for a root nobody knows is not ready.
        let text = fs::read_to_string(site.key(4, "keys.toml")).unwrap();
        let PlannedValidator { entity, name, governance_key, .. } = site.planned(4);
        let key = ledger::signature::PublicKey(Digest::from_hex(&governance_key).unwrap().0);
        let nowhere = Digest::of(&[b"nowhere"]);
        let head = Head { height: Height(1), block: nowhere, log_size: 1, log_root: nowhere };
        let entity = OrgNumber::new(entity.parse().unwrap()).unwrap();
        let entrant = NodeKeys::parse(&text).unwrap().entrant(
            &site.cluster.chain,
            entity,
            Name::new(name).unwrap(),
            key,
            &head,
        );
        let file = site.file("not-ready");
        fs::write(&file, governance::write(&entrant)).unwrap();
        site.refused("L25", &site.change(0, &[], &[file], &signers(&[0, 1, 2])));

        let entrant = site.ready(4, "keys.toml", "governance.key");
        site.refused("L23", &site.change(0, &[], std::slice::from_ref(&entrant), &signers(&[0, 1])));
        succeeded(&site.change(0, &[], &[entrant], &signers(&[0, 1, 2])));
        site.wait_epoch(1, &all, &ENTRANCES);
        println!("{:?}: five validators", began.elapsed());

        // Two more enter, and every seat of genesis takes four new keys.
        let mut enter =
            vec![site.ready(5, "keys.toml", "governance.key"), site.ready(6, "keys.toml", "governance.key")];
        enter.extend((0..4).map(|index| site.ready(index, "next.toml", "next.key")));
        succeeded(&site.change(4, &[], &enter, &signers(&[1, 2, 3, 4])));
        site.wait_epoch(2, &all, &ENTRANCES);
        println!("{:?}: seven validators, four with new keys", began.elapsed());
        // The old governance keys rule no longer.
        site.refused("L23", &site.change(4, &[3], &[], &signers(&[0, 1, 2, 3, 4])));
    });

    // With two of seven silent for more than 28 blocks, the other three of a set of four are too few.
    site.cluster.kill(5);
    site.cluster.kill(6);
    let silent = status(site.cluster.rpc[0]).unwrap()["height"].as_u64().unwrap();
    let rule: Vec<PathBuf> = [new.clone(), signers(&[4])].concat();
    paying(&site, &mut turn, || {
        until("the silent are known to be silent", || {
            status(site.cluster.rpc[0]).filter(|status| status["height"].as_u64().unwrap() > silent + 30)
        });
        println!("{:?}: two are silent", began.elapsed());
        site.refused("L26", &site.change(0, &[0, 1, 2], &[], &rule));
        succeeded(&site.change(0, &[3, 5, 6], &[], &rule));
        site.wait_epoch(3, &[0, 1, 2, 3, 4, 7], &ENTRANCES);
        println!("{:?}: four validators", began.elapsed());
    });
    // Those who were away come to know that they have no seat.
    site.cluster.restart(5);
    site.cluster.restart(6);
    site.wait_epoch(3, &all, &[]);
    let height = site.audit(&all);
    site.verify(&[0, 1, 2, 3]);
    for epoch in 1..=3 {
        let file = site.file(&format!("receipts/validators-{epoch}.kvittering"));
        assert!(site.say(None, &["verify", &file]).contains(": holds"));
    }
    for index in [0, 3, 7] {
        let text = site.say(Some(index), &["validators", "show"]);
        assert!(text.starts_with("epoch 3: 4 validators, 3 must sign\n"), "{text}");
    }
    println!(
        "{:?}: {} acknowledged, height {height}",
        began.elapsed(),
        site.told.lock().unwrap().leaves.len()
    );

    // Two of the four are lost for good.
    site.cluster.kill(1);
    site.cluster.kill(2);
    let stuck = payments::single_body(&site.opening.town.step(
        &site.cluster.chain,
        &site.bill("stuck"),
        Role::Submit,
    ));
    let answer = Line::new(site.cluster.rpc[0], Duration::from_secs(3)).post("/v1/transactions", &stuck);
    assert!(!answer.is_ok_and(|answer| answer.status == 200), "two of four acknowledged a payment");
    let out = site.file("recovery");
    let (five, six) =
        (site.ready(5, "keys.toml", "governance.key"), site.ready(6, "keys.toml", "governance.key"));
    let (zero, four) = (site.entity(0), site.entity(4));
    let words =
        ["validators", "recover", "--keep", &zero, "--keep", &four, "--enter", &five, "--enter", &six];
    site.say(Some(0), &[&words[..], &["--as", &zero, "--out", &out]].concat());
    site.sign(&out, &new[..2]);
    for index in [0, 4] {
        site.cluster.signal(index, "TERM");
        let ended = site.cluster.ended(index, PATIENCE);
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }
    let recover = |index: usize| {
        let mut command = Command::new(program());
        command.args(["recover", "--transaction", &out, "--config"]);
        command.arg(site.cluster.place(index).join("node.toml")).output().unwrap()
    };
    // Two of four hands are too few.
    let few = recover(0);
    assert!(!few.status.success(), "{few:?}");
    println!("refused: {}", String::from_utf8_lossy(&few.stderr).trim());
    site.sign(&out, &signers(&[4]));
    for index in [0, 4] {
        let done = recover(index);
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{done:?}");
        assert!(text.starts_with("epoch 4 begins after the recovery block at height"), "{text}");
    }
    site.cluster.restart(0);
    site.cluster.restart(4);
    // 3 lost its seat two epochs ago and is a guest still.
    let living = [0, 3, 4, 5, 6, 7];
    site.wait_epoch(4, &living, &[]);
    println!("{:?}: begun again", began.elapsed());
    site.pay(5, "stuck");
    for index in [0, 3, 5, 6, 7] {
        site.pay(index, &format!("after-{index}"));
    }
    site.audit(&living);
    let text = site.verify(&[0, 1, 2, 3, 4]);
    assert!(text.contains("Epoch 4 began by recovery after leaf"), "{text}");
    let text = site.say(Some(7), &["validators", "show"]);
    assert!(text.contains("epoch 4: 4 validators") && text.contains("epoch 4 began by recovery"), "{text}");
    println!("{:?}: all is well", began.elapsed());
}

#[test]
fn r32_a_validator_that_slept_over_its_new_keys_and_a_further_epoch_comes_back_and_votes_with_the_new() {
    let mut site = Site::start(1);
    let signers: Vec<PathBuf> = (0..3).map(|index| site.key(index, "governance.key")).collect();
    let entrant = site.ready(3, "next.toml", "next.key");
    site.cluster.kill(3);
    succeeded(&site.change(0, &[], &[entrant], &signers));
    site.wait_epoch(1, &[0, 1, 2, 4], &[]);
    let entrant = site.ready(4, "keys.toml", "governance.key");
    succeeded(&site.change(0, &[], &[entrant], &signers));
    site.wait_epoch(2, &[0, 1, 2, 4], &[]);
    // Its old peer key was last a seat's two epochs ago, and it knows of none since.
    site.cluster.restart(3);
    site.wait_epoch(2, &[3], &[]);
    // Four of five must vote, so without its votes under the new keys nothing goes on.
    site.cluster.kill(4);
    for index in 0..4 {
        site.pay(index, &format!("awake-{index}"));
    }
    site.audit(&[0, 1, 2, 3]);
}

#[track_caller]
fn succeeded(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", output.status.code());
}

/// Pays at every entrance while something is done; afterwards everything submitted is acknowledged.
fn paying(site: &Site, turn: &mut u32, act: impl FnOnce()) {
    *turn += 1;
    let (turn, stop) = (*turn, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stop = &stop;
        for index in ENTRANCES {
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    site.pay(index, &format!("{turn}-{index}-{round}"));
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
        let _stop = Stop(stop);
        act();
    });
}
