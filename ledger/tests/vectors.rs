//! The vectors in `specs/vectors`: examples with answers for whoever writes or checks our bytes in
//! another language, as many of what must be refused as of what must hold.
//!
//! They are made from fixed seeds. A change of format shows as a difference here; if it is meant,
//! `HOVEDBOK_VECTORS=write cargo test -p ledger --test vectors` writes them anew.
#![allow(clippy::unwrap_used)] // Helpers here are tests, too.

#[path = "support/make.rs"]
mod make;
mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use ledger::block::{Booked, Header, Leaf};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet, Vote};
use ledger::checkpoint::Trust;
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::governance::Ready;
use ledger::handoff::Handoff;
use ledger::postings::{ChainedPosting, posting_chain};
use ledger::receipt::Receipt;
use ledger::signature::{PublicKey, Signature};
use ledger::state_proof::{RegisterRoot, StateProofs, state_root};
use ledger::time::Timestamp;
use ledger::transaction::{SignedTransaction, Transaction};
use ledger::tree::{leaf_hash, verify_consistency, verify_inclusion};
use serde_json::Value;

/// The vectors; written first, once, if that is what was asked for.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../specs/vectors");
    WRITTEN.call_once(|| {
        if std::env::var("HOVEDBOK_VECTORS").is_ok_and(|mode| mode == "write") {
            for (name, bytes) in files() {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    });
    folder
}

fn read(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn digest(value: &Value) -> Digest {
    Digest::from_hex(value.as_str().unwrap()).unwrap()
}

fn key(value: &Value) -> PublicKey {
    PublicKey(bytes(value).try_into().unwrap())
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// What a reader of the vectors pins, from the file.
fn pinned() -> (Trust, Timestamp) {
    let file = read("trust.json");
    let validators: ValidatorSet = codec::decode(&bytes(&file["validators"]), 1 << 20).unwrap();
    let origin = file["origin"].as_str().unwrap().to_string();
    let trust = Trust::new(origin, digest(&file["chain"]), validators).unwrap();
    (trust, Timestamp(file["now_ms"].as_u64().unwrap()))
}

fn files() -> Vec<(String, Vec<u8>)> {
    let text = |value: Value| (serde_json::to_string_pretty(&value).unwrap() + "\n").into_bytes();
    let mut files = vec![
        ("trust.json".to_string(), text(make::trust_file())),
        ("transactions.json".to_string(), text(make::transactions_file())),
        ("votes.json".to_string(), text(make::votes_file())),
        ("hashes.json".to_string(), text(make::hashes_file())),
        ("encodings.json".to_string(), text(make::encodings_file())),
        ("signatures.json".to_string(), text(make::signatures_file())),
        ("tree.json".to_string(), text(make::tree_file())),
        ("state-proofs.json".to_string(), text(make::state_proofs_file())),
        ("receipts.json".to_string(), text(make::receipts_file())),
        ("handoffs.json".to_string(), text(make::handoffs_file())),
    ];
    files.extend(make::log_files());
    for (name, _, _, receipt) in make::receipts() {
        files.push((format!("receipts/{name}.kvittering"), receipt));
    }
    files
}

#[test]
fn a_change_of_any_byte_that_is_signed_or_hashed_shows_in_the_vectors() {
    for (name, bytes) in files() {
        let stored = fs::read(folder().join(&name)).unwrap_or_default();
        // The order of names in a JSON object carries nothing.
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
        let same = if name.ends_with(".json") { json(&stored) == json(&bytes) } else { stored == bytes };
        assert!(
            same,
            "specs/vectors/{name} is not what this version makes; if the format was meant to change, \
             run HOVEDBOK_VECTORS=write cargo test -p ledger --test vectors"
        );
    }
}

#[test]
fn every_receipt_holds_or_fails_at_the_step_that_the_list_names() {
    let (trust, now) = pinned();
    let cases = read("receipts.json");
    for case in list(&cases) {
        let file = case["file"].as_str().unwrap();
        let bytes = fs::read(folder().join(file)).unwrap();
        let verdict = Receipt::parse_bytes(&bytes).and_then(|receipt| receipt.verify(&trust, Some(now)));
        let step = verdict.as_ref().err().map(|refusal| u64::from(refusal.step()));
        assert_eq!(step, case["step"].as_u64(), "{file}: {:?}", verdict.err().map(|e| e.to_string()));
        assert_eq!(case["holds"].as_bool(), Some(step.is_none()), "{file}");
    }
    let refused = list(&cases).iter().filter(|case| case["holds"] == false).count();
    assert!(refused * 2 >= list(&cases).len(), "at least as many must be refused as hold");
}

#[test]
fn every_transaction_signs_and_hashes_as_written() {
    for case in list(&read("transactions.json")) {
        let chain = digest(&case["chain"]);
        let transaction: Transaction = codec::decode(&bytes(&case["transaction"]), 1 << 16).unwrap();
        let message = transaction.signed_bytes(&chain);
        assert_eq!(message, bytes(&case["signed_bytes"]));
        assert_eq!(message, [b"hovedbok/v1\x10".as_slice(), &chain.0, &bytes(&case["transaction"])].concat());
        let signed = SignedTransaction::decode(&bytes(&case["signed_transaction"])).unwrap();
        for signature in list(&case["signatures"]) {
            let own = signed.signatures.iter().find(|own| own.key == key(&signature["key"])).unwrap();
            assert_eq!(own.signature.0.to_vec(), bytes(&signature["signature"]));
        }
        assert_eq!(signed.verify(&chain).unwrap().id().0, digest(&case["id"]));
    }
}

#[test]
fn every_vote_and_certificate_holds_as_written() {
    let (trust, _) = pinned();
    for case in list(&read("votes.json")) {
        let statement: Statement = codec::decode(&bytes(&case["statement"]), 100).unwrap();
        assert_eq!(
            statement.signed_bytes(trust.chain(), trust.validators().epoch),
            bytes(&case["signed_bytes"])
        );
        let vote: Vote = codec::decode(&bytes(&case["vote"]), 200).unwrap();
        assert_eq!(vote.verify(trust.chain(), trust.validators()), Ok(()));
        let certificate: Certificate = codec::decode(&bytes(&case["certificate"]), 1000).unwrap();
        assert_eq!(certificate.verify(trust.chain(), trust.validators()), Ok(()));
    }
}

#[test]
fn every_hash_comes_out_as_written() {
    let file = read("hashes.json");
    let prefixed = |domain: &str, value: &Value| Digest::of(&[domain.as_bytes(), &bytes(value)]);
    assert_eq!(prefixed("hovedbok/v1/genesis", &file["genesis"]["bytes"]), digest(&file["genesis"]["hash"]));
    assert_eq!(prefixed("hovedbok/v1/header", &file["header"]["bytes"]), digest(&file["header"]["hash"]));
    let mut payload = b"hovedbok/v1/payload".to_vec();
    for transaction in list(&file["payload"]["transactions"]) {
        payload.extend(Digest::of(&[&bytes(transaction)]).0);
    }
    assert_eq!(Digest::of(&[&payload]), digest(&file["payload"]["digest"]));
    for leaf in list(&file["leaves"]) {
        assert_eq!(leaf_hash(&bytes(&leaf["bytes"])), digest(&leaf["hash"]));
    }
    let registers: Vec<RegisterRoot> = list(&file["registers"])
        .iter()
        .map(|register| {
            let name = register["name"].as_str().unwrap();
            RegisterRoot::new(name, register["length"].as_u64().unwrap(), digest(&register["root"]))
        })
        .collect();
    assert_eq!(state_root(&registers), digest(&file["state_root"]));
    let mut head = digest(&file["posting_chain"]["start"]);
    for step in list(&file["posting_chain"]["steps"]) {
        head = posting_chain(&head, &bytes(&step["posting"]));
        assert_eq!(head, digest(&step["head"]));
    }
    let trust = read("trust.json");
    assert_eq!(prefixed("hovedbok/v1/validators", &trust["validators"]), digest(&trust["validators_digest"]));
}

#[test]
fn every_encoding_has_one_form_and_the_refused_ones_are_refused() {
    fn reads<T: Encode + Decode<()>>(bytes: &[u8]) -> bool {
        codec::decode::<T>(bytes, 1 << 16).is_ok_and(|value| codec::encode(&value) == bytes)
    }
    let read_as = |case: &Value| {
        let bytes = bytes(&case["bytes"]);
        match case["type"].as_str().unwrap() {
            "validator-set" => reads::<ValidatorSet>(&bytes),
            "transaction" => reads::<Transaction>(&bytes),
            "signed-transaction" => reads::<SignedTransaction>(&bytes),
            "leaf" => reads::<Leaf>(&bytes),
            "header" => reads::<Header>(&bytes),
            "vote" => reads::<Vote>(&bytes),
            "handoff" => reads::<Handoff>(&bytes),
            "finalized-block" => reads::<FinalizedBlock>(&bytes),
            "posting" => reads::<ChainedPosting>(&bytes),
            other => panic!("unknown type {other}"),
        }
    };
    let file = read("encodings.json");
    for case in list(&file["holds"]) {
        assert!(read_as(case), "{}: {}", case["type"], case["why"]);
    }
    for case in list(&file["refused"]) {
        assert!(!read_as(case), "{}: {}", case["type"], case["why"]);
    }
}

#[test]
fn r28_odd_signatures_are_judged_as_written_by_both_rules() {
    for case in list(&read("signatures.json")) {
        let signature = Signature(bytes(&case["signature"]).try_into().unwrap());
        let (key, message) = (key(&case["key"]), bytes(&case["message"]));
        assert_eq!(case["zip215"], key.verify(&message, &signature), "{}", case["why"]);
        assert_eq!(case["strict"], key.verify_strict(&message, &signature), "{}", case["why"]);
        assert_eq!(case["registrable"], key.check_registrable().is_ok(), "{}", case["why"]);
    }
}

#[test]
fn every_proof_in_the_tree_holds_or_fails_as_written() {
    let file = read("tree.json");
    let path = |case: &Value| list(&case["path"]).iter().map(digest).collect::<Vec<_>>();
    for case in list(&file["inclusion"]) {
        let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
        let verdict =
            verify_inclusion(&digest(&case["leaf_hash"]), index, size, &path(case), &digest(&case["root"]));
        assert_eq!(case["holds"], verdict.is_ok(), "{case}");
    }
    for case in list(&file["consistency"]) {
        let (old, new) = (case["old_size"].as_u64().unwrap(), case["new_size"].as_u64().unwrap());
        let (old_root, new_root) = (digest(&case["old_root"]), digest(&case["new_root"]));
        let verdict = verify_consistency(old, &old_root, new, &new_root, &path(case));
        assert_eq!(case["holds"], verdict.is_ok(), "{case}");
    }
}

#[test]
fn every_handoff_leads_to_the_next_set_or_nowhere_as_written() {
    let (genesis, _) = pinned();
    let file = read("handoffs.json");
    for case in list(&file["cases"]) {
        let mut trust = genesis.clone();
        let mut take = |value: &Value| -> bool {
            let handoff = codec::decode::<Handoff>(&bytes(value), 1 << 16);
            handoff.is_ok_and(|handoff| trust.extend(&handoff).is_ok())
        };
        let (last, before) = list(&case["handoffs"]).split_last().unwrap();
        assert!(before.iter().all(&mut take), "{}", case["why"]);
        assert_eq!(case["holds"], take(last), "{}", case["why"]);
    }
    let case = &file["ready"];
    let validator: Validator = codec::decode(&bytes(&case["validator"]), 1 << 16).unwrap();
    let ready: Ready = codec::decode(&bytes(&case["ready"]), 1 << 16).unwrap();
    assert!(ready.holds(&digest(&case["chain"]), &validator));
    assert!(validator.vote_key.verify(&bytes(&case["signed_bytes"]), &ready.signature));
}

#[test]
fn every_state_proof_holds_or_fails_as_written() {
    let (trust, now) = pinned();
    for case in list(&read("state-proofs.json")) {
        let verdict =
            StateProofs::decode(&bytes(&case["proofs"])).and_then(|proofs| proofs.verify(&trust, Some(now)));
        assert_eq!(case["holds"], verdict.is_ok(), "{}", case["why"]);
    }
}

#[test]
fn the_invoice_in_the_log_is_the_one_that_was_signed() {
    let file = read("hashes.json");
    let leaf: Leaf = codec::decode(&bytes(&list(&file["leaves"])[6]["bytes"]), 1 << 16).unwrap();
    let Leaf::Transaction(Booked { signed, entries }) = leaf else { panic!("leaf 6 is a transaction") };
    let transactions = read("transactions.json");
    let case = &list(&transactions)[4];
    assert_eq!(codec::encode(&signed), bytes(&case["signed_transaction"]));
    assert_eq!(entries[0].postings.len(), 3);
}
