//! A node that lies: each lie ends with exit code 4 and a message that says which it was.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::amount::Amount;
use ledger::codec;
use ledger::entry::{JournalEntry, Voucher};
use ledger::postings::ChainedPosting;
use ledger::records::{AccountRecord, DocumentRecord, Status};
use ledger::state_proof::{StateProof, StateProofs};
use serde_json::{Value, json};
use world::{Node, World, genesis, invoice};

const DOCUMENT: &str = "document 123456785/1/2026-05-04";

/// Three invoices of one supplier, two of them attested.
fn world(name: &str) -> World {
    let world = World::new(name);
    world
        .run("register entity 123456785 --name Skolemat --kind private --books 2026-01 --key governance.key")
        .ok();
    for number in ["1", "2", "3"] {
        fs::write(world.folder.join(number), invoice(number, 10_000, "1.222.260")).unwrap();
        world.run(&format!("submit {number} --archive archive --key submitter.key")).ok();
    }
    world.run("attest 123456785/1/2026-05-04 --key attester.key").ok();
    world
}

fn accounts() -> String {
    format!("accounts 964965226 --period {}", world::now().date().period())
}

fn postings() -> String {
    format!("postings 964965226 2.35.200 --period {}", world::now().date().period())
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn base64<T: codec::Encode>(value: &T) -> Value {
    json!(STANDARD.encode(codec::encode(value)))
}

/// Changes the one proof in an answer.
fn with_proof(value: &mut Value, change: impl FnOnce(&mut StateProof)) {
    let mut proof = StateProof::decode(&bytes(&value["proof"])).unwrap();
    change(&mut proof);
    value["proof"] = base64(&proof);
}

fn with_proofs(value: &mut Value, change: impl FnOnce(&mut StateProofs)) {
    let mut proofs = StateProofs::decode(&bytes(&value["proofs"][0])).unwrap();
    change(&mut proofs);
    value["proofs"][0] = base64(&proofs);
}

/// The client believes the true answer, and not the false one, and says why.
#[track_caller]
fn caught(
    world: &World,
    words: &str,
    says: &str,
    lie: impl Fn(&str, &mut Value, &mut Node) + Send + 'static,
) {
    world.honest();
    world.run(words).ok();
    world.lie(lie);
    let ran = world.run(words);
    world.honest();
    assert_eq!(ran.out, "", "something unproven was printed");
    let message = ran.fails(4);
    assert!(message.contains(says), "{message}");
}

#[test]
fn an_account_left_out_of_a_trial_balance_is_missed() {
    let world = world("left-out");
    caught(&world, &accounts(), "accounts of 964965226 in ", |path, value, _| {
        if path.contains("/accounts?") {
            with_proofs(value, |proofs| drop(proofs.records.pop()));
        }
    });
    // One shown twice in its place does not fill the gap.
    caught(&world, &accounts(), "the node leaves out or adds some", |path, value, _| {
        if path.contains("/accounts?") {
            with_proofs(value, |proofs| {
                proofs.records.pop();
                let last = proofs.records[1].clone();
                proofs.records.push(last);
            });
        }
    });
    caught(&world, &accounts(), "(no proof)", |path, value, _| {
        if path.contains("/accounts?") {
            value["proofs"] = json!([]);
        }
    });
}

#[test]
fn an_amount_changed_in_a_record_does_not_lead_to_the_root() {
    let world = world("changed");
    caught(&world, &accounts(), "of register accounts is not the one shown", |path, value, _| {
        if path.contains("/accounts?") {
            with_proofs(value, |proofs| {
                let mut record: AccountRecord = codec::decode(&proofs.records[2].record, 1 << 16).unwrap();
                record.debit.0 += 100;
                proofs.records[2].record = codec::encode(&record);
            });
        }
    });
    caught(&world, DOCUMENT, "of register documents is not the one shown", |path, value, _| {
        if path.contains("/documents/") {
            with_proof(value, |proof| {
                let mut record: DocumentRecord = codec::decode(&proof.record.record, 1 << 16).unwrap();
                record.status = Status::Settled;
                proof.record.record = codec::encode(&record);
            });
        }
    });
}

#[test]
fn the_record_of_another_document_or_register_is_not_the_one_asked_for() {
    let world = world("another");
    caught(
        &world,
        DOCUMENT,
        "asked was document 123456785/1/2026-05-04, the node proves",
        |path, value, node| {
            if path.contains("/documents/") {
                let other = node.ledger.get::<DocumentRecord>(1).unwrap().id.clone();
                value["proof"] = json!(node.proof::<DocumentRecord>(&other).unwrap());
            }
        },
    );
    caught(&world, DOCUMENT, "the node proves one of register entities", |path, value, node| {
        if path.contains("/documents/") {
            let entity = world::org(world::STAVANGER);
            value["proof"] = json!(node.proof::<ledger::records::EntityRecord>(&entity).unwrap());
        }
    });
}

#[test]
fn a_posting_withheld_exchanged_or_added_is_missed() {
    let world = world("postings");
    let words = postings();
    caught(&world, &words, "2 postings given, the account record counts 3", |path, value, _| {
        if path.contains("/postings?") && path.contains("from=2") {
            value["postings"] = json!([]);
        }
    });
    caught(&world, &words, "one was altered, exchanged or moved", |path, value, _| {
        if path.contains("/postings?") && !path.contains("from=") {
            let mut posting: ChainedPosting =
                codec::decode(&bytes(&value["postings"][0]["bytes"]), 1024).unwrap();
            posting.posting.amount = Amount(-12_501);
            value["postings"][0]["bytes"] = base64(&posting);
        }
    });
    caught(&world, &words, "one was altered, exchanged or moved", |path, value, _| {
        if path.contains("/postings?") && !path.contains("from=") {
            value["postings"].as_array_mut().unwrap().swap(0, 1);
        }
    });
}

#[test]
fn a_voucher_left_out_of_a_journal_or_altered_is_missed() {
    let world = world("journal");
    let words = "journal 964965226";
    caught(&world, words, "voucher 2026/2 of 964965226", |path, value, _| {
        if path.contains("/journal?") {
            let leaves = value["leaves"].as_array_mut().unwrap();
            // The second of the first page, and everything after it.
            leaves.truncate(if path.contains("from=1&") { 1 } else { 0 });
        }
    });
    caught(&world, words, "is not in the log as shown", |path, value, _| {
        if path.contains("/journal?") && path.contains("from=1&") {
            let mut leaf: ledger::block::Leaf =
                codec::decode(&bytes(&value["leaves"][0]["bytes"]), 1 << 16).unwrap();
            let ledger::block::Leaf::Transaction(booked) = &mut leaf else { panic!("a transaction") };
            let JournalEntry { voucher, .. } = &mut booked.entries[0];
            *voucher = Voucher { year: 2026, number: 7 };
            value["leaves"][0]["bytes"] = base64(&leaf);
        }
    });
}

#[test]
fn a_checkpoint_without_a_quorum_too_old_or_behind_is_not_believed() {
    let world = world("checkpoint");
    for words in ["checkpoint", DOCUMENT] {
        caught(&world, words, "2 of 4 known validators signed, 3 must", |path, value, node| {
            node.cosigners = 2;
            again(path, value, node);
            node.cosigners = 3;
        });
        caught(&world, words, "seconds old, at most 300 are accepted", |path, value, node| {
            node.back_s = 900;
            again(path, value, node);
            node.back_s = 0;
        });
    }
    // The log was seen longer: by an earlier run, which kept what it saw.
    caught(&world, "checkpoint", "were seen before: it lags or hides some", |_, value, node| {
        let size = node.leaves.len() as u64;
        node.shown = Some(size - 2);
        *value = json!(node.note().to_text());
        node.shown = None;
    });
    // Signed, but not what was seen: the log was rewritten, and the two notes are evidence.
    caught(&world, "checkpoint", "does not continue the one of", |path, value, node| {
        if path == "/v1/checkpoint" {
            let mut other = Node::new(genesis(1), 1);
            other.genesis = node.genesis.clone();
            other.trust = node.trust.clone();
            other.leaves = vec![vec![7; 9]; node.leaves.len()];
            *value = json!(other.note().to_text());
        }
    });
    assert!(world.folder.join("genesis.bin.seen.conflict").exists());
    // Altered on the way.
    caught(&world, "checkpoint", "does not hold on this checkpoint: it was altered", |path, value, node| {
        if path == "/v1/checkpoint" {
            let size = node.leaves.len();
            *value = json!(value.as_str().unwrap().replacen(
                &format!("\n{size}\n"),
                &format!("\n{}\n", size + 1),
                1
            ));
        }
    });
}

/// The true answer of a node that has changed since.
fn again(target: &str, value: &mut Value, node: &mut Node) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    *value = node.answer(path, query, &Value::Null).1;
}

#[test]
fn a_ledger_of_another_genesis_is_told_by_its_name() {
    let world = world("genesis");
    for words in ["checkpoint", DOCUMENT] {
        caught(&world, words, "this is from ledger \"hovedbok.test/", |path, value, node| {
            let mut other = Node::new(genesis(30), 30);
            match path {
                "/v1/checkpoint" => *value = json!(other.note().to_text()),
                _ if path.contains("/documents/") => {
                    with_proof(value, |proof| proof.checkpoint = other.note().to_text());
                }
                _ => *value = other.answer(path, "", &Value::Null).1,
            }
            let _ = node;
        });
    }
}

#[test]
fn a_receipt_that_is_forged_or_anothers_is_not_printed() {
    let world = world("receipt");
    let words = "attest 123456785/2/2026-05-04 --key attester.key";
    world.run(words).ok();
    caught(&world, words, "does not hold: ", |path, value, _| {
        if path.contains("/transactions?") {
            let text = value["transactions"][0]["receipt"].as_str().unwrap().replace("\nindex ", "\nindex 1");
            value["transactions"][0]["receipt"] = json!(text);
        }
    });
    caught(&world, words, "the node proves transaction ", |path, value, node| {
        if path.contains("/transactions?") {
            value["transactions"][0]["receipt"] = json!(node.receipt(2));
        }
    });
    caught(&world, words, "1 of 4 known validators signed, 3 must", |path, value, node| {
        if path.contains("/transactions?") {
            node.cosigners = 1;
            value["transactions"][0]["receipt"] = json!(node.receipt(2));
            node.cosigners = 3;
        }
    });
    // A refusal cannot be proven; it is the node's word, and a rule's exit code.
    world.lie(|path, value, _| {
        if path.contains("/transactions?") {
            let problem = json!({ "title": "refused", "status": 422, "rule": "L7", "detail": "because" });
            *value = json!({ "transactions": [{ "status": "refused", "problem": problem }] });
        }
    });
    assert_eq!(world.run(words).fails(1), "hovedbok: refused L7: because\n");
}
