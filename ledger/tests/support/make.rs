//! What the vectors hold: each file made from the chain of [`super::support`].

use ledger::block::{Block, LeafIndex};
use ledger::certificate::{Certificate, Vote};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint};
use ledger::codec;
use ledger::digest::Digest;
use ledger::governance::Ready;
use ledger::handoff::Handoff;
use ledger::note::{NoteSignature, cosigned_bytes};
use ledger::postings::CHAIN_START;
use ledger::receipt::{Evidence, Receipt};
use ledger::signature::{PublicKey, Signature};
use ledger::state_proof::{StateProofs, state_root};
use ledger::tiles::{Resource, Tile, append, bundle};
use ledger::transaction::field_commitment;
use ledger::tree::{Frontier, leaf_hash};
use serde_json::{Value, json};

use super::support::{self, *};

pub(crate) fn trust_file() -> Value {
    let trust = trust();
    let members = trust.validators().validators.iter().zip(trust.keys()).map(|(validator, key)| {
        json!({
            "entity": validator.entity.number(),
            "name": validator.name.as_str(),
            "vote_key": validator.vote_key.to_string(),
            "cosign_key": validator.cosign_key.to_string(),
            "peer_key": validator.peer_key.to_string(),
            "governance_key": validator.governance_key.to_string(),
            "cosign_vkey": key.to_text(),
        })
    });
    json!({
        "origin": trust.origin(),
        "chain": trust.chain().to_hex(),
        "genesis": hex::encode(genesis().encode()),
        "quorum": trust.validators().quorum(),
        "validators": hex::encode(codec::encode(trust.validators())),
        "validators_digest": trust.validators().digest().to_hex(),
        "members": members.collect::<Vec<_>>(),
        "policy": trust.policy(),
        "now_ms": NOW.0,
    })
}

pub(crate) fn transactions_file() -> Value {
    let all = operations().into_iter().zip(transactions()).map(|((name, _, keys), signed)| {
        let message = signed.transaction.signed_bytes(&chain());
        let signatures = keys.iter().map(|number| {
            json!({
                "seed": hex::encode([*number; 32]),
                "key": public(*number).to_string(),
                "signature": hex::encode(sign(*number, &message).0),
            })
        });
        json!({
            "name": name,
            "chain": chain().to_hex(),
            "transaction": hex::encode(codec::encode(&signed.transaction)),
            "signed_bytes": hex::encode(&message),
            "id": Digest::of(&[&message]).to_hex(),
            "signatures": signatures.collect::<Vec<_>>(),
            "signed_transaction": hex::encode(codec::encode(&signed)),
        })
    });
    Value::Array(all.collect())
}

pub(crate) fn votes_file() -> Value {
    let epoch = validators().epoch;
    let all = statements().into_iter().map(|statement| {
        let message = statement.signed_bytes(&chain(), epoch);
        let votes: Vec<_> = (0..3u16).map(|i| (i, sign(VOTE + i as u8, &message))).collect();
        let vote = Vote { epoch, statement, signer: 2, signature: votes[2].1 };
        json!({
            "statement": hex::encode(codec::encode(&statement)),
            "epoch": epoch.0,
            "chain": chain().to_hex(),
            "signed_bytes": hex::encode(&message),
            "seed": hex::encode([VOTE + 2; 32]),
            "signer": 2,
            "signature": hex::encode(vote.signature.0),
            "vote": hex::encode(codec::encode(&vote)),
            "certificate": hex::encode(codec::encode(&Certificate::from_votes(epoch, statement, 4, &votes))),
        })
    });
    Value::Array(all.collect())
}

/// Handoffs in the order in which a reader who knows genesis takes them; the last holds or does not.
pub(crate) fn handoffs_file() -> Value {
    let hexes = |handoffs: &[Handoff]| {
        handoffs.iter().map(|handoff| hex::encode(codec::encode(handoff))).collect::<Vec<_>>()
    };
    let cases = later::cases()
        .into_iter()
        .map(|(holds, why, handoffs)| json!({ "holds": holds, "why": why, "handoffs": hexes(&handoffs) }));
    let ready = later::ready_for(&later::entrants()[0].0, VOTE + 4);
    let validator = &later::entrants()[0].0;
    json!({
        "ready": {
            "seed": hex::encode([VOTE + 4; 32]),
            "chain": chain().to_hex(),
            "validator": hex::encode(codec::encode(validator)),
            "ready": hex::encode(codec::encode(&ready)),
            "signed_bytes": hex::encode(Ready::signed_bytes(&chain(), ready.height, &ready.root, validator)),
        },
        "cases": cases.collect::<Vec<_>>(),
    })
}

pub(crate) fn hashes_file() -> Value {
    let registers = registers().into_iter().map(|register| {
        json!({
            "name": register.name.as_str(),
            "length": register.length,
            "root": register.root.to_hex(),
        })
    });
    let records = records().into_iter().map(|(name, records)| {
        json!({ "register": name, "records": records.iter().map(hex::encode).collect::<Vec<_>>() })
    });
    let mut head = CHAIN_START;
    let postings: Vec<Value> = postings()
        .iter()
        .map(|posting| {
            head = posting.chain(&head);
            json!({ "posting": hex::encode(codec::encode(posting)), "head": head.to_hex() })
        })
        .collect();
    let leaves = leaves();
    let checkpoint = checkpoint(&leaves);
    let cosignature = cosignature(&checkpoint, 0);
    json!({
        "genesis": { "bytes": hex::encode(genesis().encode()), "hash": chain().to_hex() },
        "header": { "bytes": hex::encode(codec::encode(&header())), "hash": header().hash().to_string() },
        "payload": {
            "transactions": booked().iter().map(|t| hex::encode(codec::encode(t))).collect::<Vec<_>>(),
            "digest": Block::payload(&booked()).to_hex(),
        },
        "leaves": leaves.iter().map(|leaf| {
            json!({ "bytes": hex::encode(leaf), "hash": leaf_hash(leaf).to_hex() })
        }).collect::<Vec<_>>(),
        "log_root": checkpoint.root.to_hex(),
        "registers": registers.collect::<Vec<_>>(),
        "records": records.collect::<Vec<_>>(),
        "state_root": state_root(&support::registers()).to_hex(),
        "posting_chain": { "start": CHAIN_START.to_hex(), "steps": postings },
        "field_commitment": {
            "tag": 1,
            "salt": hex::encode([5; 32]),
            "value": hex::encode(b"NO9386011117947"),
            "commitment": field_commitment(1, &[5; 32], b"NO9386011117947").to_hex(),
        },
        "cosignature": {
            "seed": hex::encode([COSIGN; 32]),
            "text": checkpoint.to_text(),
            "time_s": cosignature.time_s,
            "signed_bytes": hex::encode(cosigned_bytes(&checkpoint.to_text(), cosignature.time_s)),
            "signature": hex::encode(cosignature.signature.0),
        },
    })
}

fn encodings() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let vote =
        |statement| Vote { epoch: validators().epoch, statement, signer: 1, signature: sign(VOTE, b"") };
    vec![
        ("validator-set", "four validators", codec::encode(&validators())),
        ("transaction", "an invoice", codec::encode(&transactions()[4].transaction)),
        ("signed-transaction", "two signatures", codec::encode(&transactions()[3])),
        ("leaf", "an invoice and what it booked", leaves()[6].clone()),
        ("leaf", "a seal", leaves()[1].clone()),
        ("leaf", "an epoch", leaves()[0].clone()),
        ("header", "height 1", codec::encode(&header())),
        ("handoff", "by a change", codec::encode(&later::handoffs()[0])),
        ("handoff", "by recovery", codec::encode(&later::handoffs()[1])),
        ("finalized-block", "the end of an epoch", codec::encode(&later::end())),
        ("vote", "to nullify", codec::encode(&vote(statements()[1]))),
        ("posting", "with every dimension absent or present", codec::encode(&postings()[0])),
    ]
}

pub(crate) fn encodings_file() -> Value {
    let pass = encodings();
    let case = |kind: &str, why: &str, bytes: &[u8]| json!({ "type": kind, "why": why, "bytes": hex::encode(bytes) });
    let mut fail = Vec::new();
    for (kind, what, bytes) in &pass {
        fail.push(case(kind, &format!("{what}, a byte follows"), &[bytes.as_slice(), &[0]].concat()));
        fail.push(case(kind, &format!("{what}, the last byte is gone"), &bytes[..bytes.len() - 1]));
    }
    let find = |name: &str| pass.iter().find(|(kind, ..)| *kind == name).unwrap().2.clone();
    let mut edit = |kind: &str, why: &str, at: usize, new: &[u8]| {
        let mut bytes = find(kind);
        bytes[at..at + new.len()].copy_from_slice(new);
        fail.push(case(kind, why, &bytes));
    };
    // Offsets as specs/formats.md lays the fields out.
    edit("transaction", "an operation that does not exist", 20, &99u32.to_le_bytes());
    edit("transaction", "a submitter whose check digit fails", 0, &964_965_227u32.to_le_bytes());
    edit("transaction", "an invoice number said to be longer than everything", 28, &u64::MAX.to_le_bytes());
    edit("transaction", "an invoice number with a space", 36, b" ");
    edit("transaction", "an issue date in month 13", 40, &20_261_302u32.to_le_bytes());
    edit("validator-set", "a list said to be longer than everything", 8, &u64::MAX.to_le_bytes());
    edit("validator-set", "a name that is not UTF-8", 28, &[0xff]);
    edit("leaf", "a kind of leaf that does not exist", 0, &3u32.to_le_bytes());
    edit("vote", "a statement that does not exist", 8, &3u32.to_le_bytes());
    edit("posting", "an option that is neither absent nor present", 42, &[2]);
    edit("posting", "a day that the calendar lacks", 10, &20_260_230u32.to_le_bytes());
    fail.push(case("transaction", "nothing", &[]));
    json!({
        "holds": pass.iter().map(|(kind, what, bytes)| case(kind, what, bytes)).collect::<Vec<_>>(),
        "refused": fail,
    })
}

pub(crate) fn signatures_file() -> Value {
    let message = b"hovedbok".as_slice();
    let good = sign(SUBMIT, message).0;
    // The group order, little-endian: S and S + order are the same scalar.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut above = good;
    let mut carry = 0u16;
    for (byte, part) in above[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + part + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let mut flipped = good;
    flipped[0] ^= 1;
    let mut identity = [0; 32];
    identity[0] = 1;
    // The point (0, 1) with y written as p + 1.
    let mut odd_identity = [0xff; 32];
    (odd_identity[0], odd_identity[31]) = (0xee, 0x7f);
    let zero = |r: [u8; 32]| [r, [0; 32]].concat();
    let own = public(SUBMIT).0;
    let cases = [
        ("a signature", own, good.to_vec()),
        ("one bit of R is turned", own, flipped.to_vec()),
        ("S is not reduced", own, above.to_vec()),
        ("key and R are the neutral point", identity, zero(identity)),
        ("key is the neutral point, R the same written otherwise", identity, zero(odd_identity)),
        ("key is the neutral point written otherwise", odd_identity, zero(identity)),
        ("a signature by another key", public(ATTEST).0, good.to_vec()),
    ];
    let all = cases.into_iter().map(|(why, key, signature)| {
        let (key, signature) = (PublicKey(key), Signature(signature.try_into().unwrap()));
        json!({
            "why": why,
            "key": key.to_string(),
            "message": hex::encode(message),
            "signature": hex::encode(signature.0),
            "zip215": key.verify(message, &signature),
            "strict": key.verify_strict(message, &signature),
            "registrable": key.check_registrable().is_ok(),
        })
    });
    Value::Array(all.collect())
}

pub(crate) fn tree_file() -> Value {
    let leaves = leaves();
    let size = leaves.len() as u64;
    let hexes = |path: &[Digest]| path.iter().map(Digest::to_hex).collect::<Vec<_>>();
    let root = |size: u64| checkpoint(&leaves[..size as usize]).root;
    let mut inclusion = Vec::new();
    let mut consistency = Vec::new();
    let mut include = |holds: bool, index: u64, size: u64, path: &[Digest], leaf: usize| {
        inclusion.push(json!({
            "holds": holds, "index": index, "size": size, "root": root(size.min(19)).to_hex(),
            "leaf_hash": leaf_hash(&leaves[leaf]).to_hex(), "path": hexes(path),
        }));
    };
    for index in [0, 6, 15, 17, size - 1] {
        let path = path(&leaves, index);
        let cut = &path[1..];
        let longer = [path.as_slice(), &path[..1]].concat();
        include(true, index, size, &path, index as usize);
        include(false, index, size, cut, index as usize);
        include(false, index, size, &longer, index as usize);
        include(false, index ^ 1, size, &path, index as usize);
        include(false, index, size, &path, (index + 1) as usize % leaves.len());
    }
    include(true, 0, 1, &[], 0);
    include(false, 1, 1, &[], 0);
    include(false, 0, 0, &[], 0);
    for old in [0, 1, 6, 8, 16, 18, 19] {
        let path = ledger::tree::consistency_proof(old, size, |l, i| node(&leaves, l, i)).unwrap();
        let longer = [path.as_slice(), &[Digest([1; 32])]].concat();
        let mut add = |holds: bool, old: u64, old_root: Digest, path: &[Digest]| {
            consistency.push(json!({
                "holds": holds, "old_size": old, "old_root": old_root.to_hex(),
                "new_size": size, "new_root": root(size).to_hex(), "path": hexes(path),
            }));
        };
        add(true, old, root(old), &path);
        add(false, old, Digest([2; 32]), &path);
        add(false, old, root(old), &longer);
        if !path.is_empty() {
            add(false, old, root(old), &path[..path.len() - 1]);
        }
    }
    json!({ "inclusion": inclusion, "consistency": consistency })
}

pub(crate) fn state_proofs_file() -> Value {
    let good = state_proofs();
    let mut all = vec![(true, "four records of two registers", good.clone())];
    let mut none = good.clone();
    none.records.clear();
    all.push((true, "no record, only the registers", none));
    let mut change = |why, edit: &dyn Fn(&mut StateProofs)| {
        let mut proofs = good.clone();
        edit(&mut proofs);
        all.push((false, why, proofs));
    };
    change("a record altered", &|p| p.records[1].record[40] ^= 1);
    change("a record at another index", &|p| p.records[1].index = 0);
    change("a record in another register", &|p| p.records[1].register = 8);
    change("a register that does not exist", &|p| p.records[1].register = 14);
    change("a path cut", &|p| p.records[1].path.truncate(1));
    change("a path with a hash too many", &|p| p.records[3].path.push(Digest([1; 32])));
    change("a register's length altered", &|p| p.seal.registers[4].length = 4);
    change("a register left out", &|p| drop(p.seal.registers.pop()));
    change("registers in another order", &|p| p.seal.registers.swap(0, 1));
    change("the seal of an earlier block", &|p| p.seal.leaf = leaves()[15].clone());
    change("the seal's path cut", &|p| p.seal.path.truncate(1));
    change("a checkpoint that ends in no seal", &|p| {
        let leaves = &leaves()[..18];
        p.checkpoint = certify(checkpoint(leaves), &[0, 1, 2]).to_text();
        p.seal.path = path(leaves, 17);
        p.seal.leaf = leaves[17].clone();
    });
    change("too few signatures", &|p| {
        let cut = p.checkpoint.trim_end().rfind('\n').unwrap();
        p.checkpoint.truncate(cut + 1);
    });
    let all = all.into_iter().map(|(holds, why, proofs)| {
        json!({ "holds": holds, "why": why, "proofs": hex::encode(codec::encode(&proofs)) })
    });
    Value::Array(all.collect())
}

/// A receipt: name, step that refuses it (none: it holds), what it is, text.
type Case = (&'static str, Option<u8>, &'static str, Vec<u8>);

pub(crate) fn receipts() -> Vec<Case> {
    let invoice = receipt(6, 19, None).to_text();
    let records = receipt(6, 19, Some(vec![record(4, 0), record(5, 0)])).to_text();
    let lines: Vec<&str> = invoice.lines().collect();
    let first = lines.iter().position(|line| line.starts_with('—')).unwrap();
    let without = |gone: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(i, _)| *i != gone);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let stranger =
        NoteSignature { name: "vitne.example/w1".into(), key_id: [1, 2, 3, 4], signature: vec![7; 72] };
    let stranger = stranger.to_line();
    let key = &trust().keys()[3].clone();
    let line_of =
        |signature: Vec<u8>| NoteSignature { name: key.name().into(), key_id: key.id(), signature }.to_line();
    let all = leaves();
    let body = checkpoint(&all);
    let dated =
        |ahead_s: u64| key.sign(&body.to_text(), NOW.0 / 1000 + ahead_s, &private(COSIGN + 3)).to_line();
    let with_last = |line: &str| invoice.replace(lines[first + 2], line);
    let mut altered_leaf = all[6].clone();
    altered_leaf[60] ^= 1;
    let of = |leaf: Vec<u8>, index: u64, path: Vec<Digest>| {
        Receipt::new(leaf, LeafIndex(index), path, certify(body.clone(), &[0, 1, 2]), None, vec![]).to_text()
    };
    let path6 = path(&all, 6);
    let elsewhere = Evidence { seal: seal_proof(&all[..16]), records: vec![record(4, 0)] };
    let elsewhere = Receipt::new(
        all[6].clone(),
        LeafIndex(6),
        path6.clone(),
        certify(body.clone(), &[0, 1, 2]),
        Some(elsewhere),
        vec![],
    );
    let mut other_record = record(4, 0);
    other_record.record[40] ^= 1;
    let other_body = Checkpoint { origin: other_trust().origin().into(), ..body.clone() };
    let other: Vec<_> = (0..3).map(|signer| cosignature(&other_body, signer)).collect();
    let other = CertifiedCheckpoint::assemble(other_body, &other, &other_trust()).unwrap();
    let other = Receipt::new(all[6].clone(), LeafIndex(6), path6.clone(), other, None, vec![]);
    let swapped = {
        let mut path = path6.clone();
        path.swap(0, 1);
        path
    };
    let longer = [path6.as_slice(), &path6[..1]].concat();
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("invoice", None, "an invoice and what it booked", text(&invoice)),
        ("with-records", None, "with an account and a period as they stood then", text(&records)),
        ("earlier", None, "the same leaf at an earlier checkpoint", text(&receipt(6, 16, None).to_text())),
        ("epoch", None, "the first leaf", text(&receipt(0, 19, None).to_text())),
        ("seal", None, "the last leaf, whose path is the shortest", text(&receipt(18, 19, None).to_text())),
        ("witness", None, "with a line of an unknown witness", text(&format!("{invoice}{stranger}\n"))),
        ("carriage-returns", Some(1), "lines end in CR LF", text(&invoice.replace('\n', "\r\n"))),
        ("bytes-follow", Some(1), "a line feed too many", text(&format!("{invoice}\n"))),
        ("cut-short", Some(1), "the last line feed is missing", text(invoice.trim_end())),
        ("not-utf8", Some(1), "a byte that is not UTF-8", [invoice.as_bytes(), &[0xff]].concat()),
        (
            "version",
            Some(1),
            "another version of the proof format",
            text(&invoice.replace("proof@v1", "proof@v2")),
        ),
        ("no-entry", Some(1), "a tlog-proof without the entry", text(&without(1))),
        (
            "format",
            Some(1),
            "a format of extra from a later version",
            text(&invoice.replace("extra Ag", "extra Aw")),
        ),
        (
            "leading-zero",
            Some(1),
            "an index with a leading zero",
            text(&invoice.replace("index 6\n", "index 06\n")),
        ),
        (
            "index-too-large",
            Some(1),
            "an index above 64 bits",
            text(&invoice.replace("index 6\n", "index 18446744073709551616\n")),
        ),
        ("base64", Some(1), "base64 with bits that carry nothing", {
            // 32 bytes end in a digit of four bits and two spare ones.
            let hash = lines[3];
            let digit = hash.as_bytes()[42];
            let other = if digit == b'A' { 'B' } else { char::from(digit + 1) };
            text(&invoice.replace(hash, &format!("{}{other}=", &hash[..42])))
        }),
        ("short-hash", Some(1), "a hash of fewer bytes", text(&invoice.replace(lines[3], "AAAA"))),
        (
            "extension",
            Some(1),
            "a checkpoint with an extension line",
            text(&invoice.replace(lines[first - 2], &format!("{}\nmore", lines[first - 2]))),
        ),
        ("unsigned", Some(1), "no signature at all", text(&invoice[..invoice.find('—').unwrap()])),
        (
            "other-ledger",
            Some(2),
            "a ledger with the same validators and another genesis",
            text(&other.to_text()),
        ),
        (
            "altered-size",
            Some(5),
            "the checkpoint's size altered",
            text(&invoice.replace("\n19\n", "\n20\n")),
        ),
        (
            "altered-signature",
            Some(5),
            "a validator's signature altered",
            text(&with_last(&line_of(vec![0; 72]))),
        ),
        ("short-signature", Some(5), "a validator's signature cut", text(&with_last(&line_of(vec![0; 71])))),
        (
            "spare-signature",
            Some(5),
            "a quorum holds, one line more of a validator does not",
            text(&format!("{invoice}{}\n", line_of(vec![0; 72]))),
        ),
        (
            "counted-twice",
            Some(5),
            "one validator stands twice",
            text(&invoice.replace(lines[first + 2], lines[first])),
        ),
        ("too-few", Some(6), "two of three signatures", text(&without(first + 1))),
        ("strangers", Some(6), "two validators and a stranger", text(&with_last(&stranger))),
        ("future", Some(6), "a cosignature dated eleven minutes ahead", text(&with_last(&dated(660)))),
        ("wrong-index", Some(8), "another index", text(&of(all[6].clone(), 7, path6.clone()))),
        (
            "no-such-leaf",
            Some(8),
            "an index past the checkpoint",
            text(&of(all[6].clone(), 1_000_000, path6.clone())),
        ),
        (
            "path-cut",
            Some(8),
            "a hash missing from the path",
            text(&of(all[6].clone(), 6, path6[1..].to_vec())),
        ),
        ("path-longer", Some(8), "a hash too many in the path", text(&of(all[6].clone(), 6, longer))),
        ("path-swapped", Some(8), "two hashes exchanged", text(&of(all[6].clone(), 6, swapped))),
        ("altered-entry", Some(8), "one bit of the entry turned", text(&of(altered_leaf, 6, path6.clone()))),
        (
            "later-kind",
            Some(9),
            "a leaf of a kind unknown in this version",
            text(&of(all[17].clone(), 17, path(&all, 17))),
        ),
        (
            "altered-record",
            Some(11),
            "one bit of a record turned",
            text(&receipt(6, 19, Some(vec![other_record])).to_text()),
        ),
        ("other-seal", Some(11), "records as of another checkpoint", text(&elsewhere.to_text())),
        ("after-change", None, "under the second validator set", later::receipt(24, 2, None)),
        ("after-recovery", None, "under the third, which began by recovery", later::receipt(27, 2, None)),
        ("last-of-epoch", None, "at the last size of the first set", later::receipt(22, 0, None)),
        (
            "handoff-missing",
            Some(6),
            "without the handoff to the set that signed",
            later::receipt(24, 0, None),
        ),
        (
            "handoff-skipped",
            Some(3),
            "with the second handoff and without the first",
            later::receipt(27, 2, Some(&later::handoffs()[1..])),
        ),
        (
            "handoff-altered",
            Some(3),
            "with another validator in the set that takes over",
            later::receipt(24, 1, Some(&[later::altered()])),
        ),
        (
            "handoff-beyond",
            Some(4),
            "with a handoff to an epoch after its checkpoint",
            later::receipt(24, 2, Some(&later::handoffs())),
        ),
        (
            "old-validators",
            Some(6),
            "the first set signs beyond the end of its epoch",
            later::old_validators(),
        ),
    ]
}

pub(crate) fn receipts_file() -> Value {
    let all = receipts().into_iter().map(|(name, step, what, bytes)| {
        let handoffs = Receipt::parse_bytes(&bytes).map_or(0, |receipt| receipt.handoffs().len());
        let file = format!("receipts/{name}.kvittering");
        json!({ "file": file, "holds": step.is_none(), "step": step, "what": what, "handoffs": handoffs })
    });
    Value::Array(all.collect())
}

/// The log as static files, the way `tlog-tiles` lays them out.
pub(crate) fn log_files() -> Vec<(String, Vec<u8>)> {
    let leaves = leaves();
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let certified = certify(checkpoint(&leaves), &[0, 1, 2]);
    let mut files = vec![("log/checkpoint".to_string(), certified.to_text().into_bytes())];
    for part in append(&mut Frontier::new(), &hashes) {
        let tile = Tile { level: part.level, index: part.index, width: part.hashes.len() as u16 };
        let bytes = part.hashes.iter().flat_map(|hash| hash.0).collect();
        files.push((format!("log/{}", Resource::Hashes(tile).path()), bytes));
        let entries = bundle(leaves.iter().map(Vec::as_slice)).unwrap();
        files.push((format!("log/{}", Resource::Entries(tile).path()), entries));
    }
    files
}
