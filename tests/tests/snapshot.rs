//! Joining from a snapshot, each node a process of its own: a follower and a validator come back with
//! empty disks to a chain that is further on than they replay, and are the others' equals again.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ledger::checkpoint::Trust;
use ledger::genesis::Genesis;
use ledger::receipt::Receipt;
use ledger::transaction::Role;
use node::localnet::Size;
use tests::cluster::{Cluster, Line};
use tests::opening::Opening;
use tests::payments;

const PATIENCE: Duration = Duration::from_secs(60);
const EVERY_BLOCKS: u64 = 10;
const JOIN_BEHIND_BLOCKS: u64 = 20;
const FOLLOWER: usize = 4;

struct Site {
    cluster: Cluster,
    opening: Opening,
    trust: Trust,
    numbers: u64,
}

fn line(address: SocketAddr) -> Line {
    Line::new(address, Duration::from_secs(25))
}

impl Site {
    fn start() -> Self {
        let size = Size { validators: 4, followers: 1 };
        let cluster = Cluster::start_at(size, tempfile::tempdir().unwrap(), |folder| {
            for index in 0..=FOLLOWER {
                let path = folder.join(format!("node-{index}/node.toml"));
                let mut text = fs::read_to_string(&path).unwrap();
                text.push_str(&format!(
                    "\n[snapshot]\nevery_blocks = {EVERY_BLOCKS}\njoin_behind_blocks = {JOIN_BEHIND_BLOCKS}\n"
                ));
                fs::write(path, text).unwrap();
            }
            vec![Vec::new(); FOLLOWER + 1]
        });
        let opening = Opening::of(&cluster);
        let genesis = Genesis::decode(&fs::read(cluster.folder().join("genesis.bin")).unwrap()).unwrap();
        let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone()).unwrap();
        Self { cluster, opening, trust, numbers: 0 }
    }

    /// Submits until it is acknowledged; the receipt is verified offline. Gives the transaction's id.
    fn pay(&mut self, index: usize) -> String {
        self.numbers += 1;
        let number = format!("A{}", self.numbers);
        let bill = self.opening.bill(&number, 10_000);
        let signed = self.opening.town.step(&self.cluster.chain, &bill, Role::Submit);
        let body = payments::single_body(&signed);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = line(self.cluster.rpc[index]).post("/v1/transactions", &body);
            if let Some(answer) = answer.as_ref().ok().filter(|answer| answer.status == 200) {
                let json = answer.json();
                let receipt = Receipt::parse(json["receipt"].as_str().unwrap()).unwrap();
                let posted = receipt.verify(&self.trust, None).unwrap();
                assert_eq!(Some(posted.index().0), json["leaf"].as_u64(), "{json}");
                return payments::id_of(&self.cluster.chain, &signed).to_string();
            }
            let late = Instant::now() > deadline;
            assert!(!late, "{number} at {index}: {answer:?}; it says:\n{}", self.cluster.log(index));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn get(&self, index: usize, path: &str) -> tests::cluster::Answer {
        line(self.cluster.rpc[index]).get(path).unwrap()
    }

    fn ready(&self, index: usize) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = line(self.cluster.rpc[index]).get("/ready");
            if let Some(answer) = answer.as_ref().ok().filter(|answer| answer.status == 200) {
                return answer.json();
            }
            assert!(Instant::now() < deadline, "{answer:?}; it says:\n{}", self.cluster.log(index));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Header of a block as a node shows it: state root, log root and all.
    fn header(&self, index: usize, height: u64) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(index, &format!("/v1/blocks/{height}"));
            if answer.status == 200 {
                return answer.json()["header"].clone();
            }
            assert!(Instant::now() < deadline, "block {height} at {index}: {}", answer.text());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wipe(&mut self, index: usize) {
        self.cluster.kill(index);
        fs::remove_dir_all(self.cluster.place(index).join("data")).unwrap();
    }
}

#[test]
fn a_follower_and_a_validator_with_empty_disks_join_from_a_snapshot_and_are_the_others_equals() {
    let mut site = Site::start();
    assert_eq!(site.ready(0)["earliest"].as_u64(), Some(1));
    site.wipe(FOLLOWER);
    let old = site.pay(0);
    let mut height = 0;
    while height < JOIN_BEHIND_BLOCKS + 2 * EVERY_BLOCKS {
        site.pay(0);
        height = site.ready(0)["height"].as_u64().unwrap();
    }

    for (index, votes) in [(FOLLOWER, false), (3, true)] {
        if index != FOLLOWER {
            site.wipe(index);
        }
        site.cluster.restart(index);
        let ready = site.ready(index);
        let earliest = ready["earliest"].as_u64().unwrap();
        assert!(earliest > JOIN_BEHIND_BLOCKS, "it replayed: {ready}; it says:\n{}", site.cluster.log(index));
        assert_eq!(ready["votes"].as_bool(), Some(votes));
        let metrics = site.get(index, "/metrics").text();
        assert!(metrics.lines().any(|line| line == format!("hovedbok_earliest {earliest}")), "{metrics}");

        // It posts what is submitted to it, and its receipt verifies with genesis alone.
        let new = site.pay(index);
        let receipt = site.get(index, &format!("/v1/transactions/{new}/receipt"));
        let text = receipt.text();
        assert_eq!(receipt.status, 200, "{text}");
        Receipt::parse(&text).unwrap().verify(&site.trust, None).unwrap();
        let head = site.ready(index)["height"].as_u64().unwrap();
        assert_eq!(site.header(index, head), site.header(0, head));
        let note = site.get(index, "/v1/checkpoint").text();
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        // The newest of two nodes may differ for a moment; the log of both is one.
        let theirs = site.get(0, "/v1/checkpoint").text();
        let their_size: u64 = theirs.lines().nth(1).unwrap().parse().unwrap();
        if size == their_size {
            assert_eq!(note.lines().nth(2), theirs.lines().nth(2));
        }
        let proof = format!("/v1/proof/consistency?from={size}&to={size}");
        assert_eq!(site.get(index, &proof).status, 200);
        assert_eq!(site.get(index, &format!("/v1/entities/{}", site.opening.seller)).status, 200);

        // What came before is refused, and says where to look.
        for path in [
            format!("/v1/blocks/{}", earliest - 1),
            format!("/v1/transactions/{old}"),
            format!("/v1/transactions/{old}/receipt"),
            "/v1/tile/0/000.p/2".into(),
            "/v1/tile/entries/000.p/2".into(),
            format!("/v1/proof/consistency?from=3&to={size}"),
            format!("/v1/events?from={}", earliest - 1),
            format!("/v1/entities/{}/journal?year={}", site.opening.town.number, site.opening.today.year()),
        ] {
            let answer = site.get(index, &path);
            let json = answer.json();
            assert_eq!(answer.status, 404, "{path}: {json}");
            assert_eq!(json["type"].as_str(), Some("urn:hovedbok:problem:not-held"), "{path}: {json}");
            assert!(json["detail"].as_str().unwrap().contains("ask another node"), "{path}: {json}");
        }
    }
    // The others hold everything still.
    assert_eq!(site.get(1, &format!("/v1/transactions/{old}/receipt")).status, 200);
    // A restart begins from the snapshot, not from height 1.
    site.cluster.kill(3);
    site.cluster.restart(3);
    let again = site.ready(3);
    assert!(again["earliest"].as_u64().unwrap() > JOIN_BEHIND_BLOCKS, "{again}");
    site.pay(3);
}
