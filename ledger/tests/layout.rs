//! The layout block of `specs/formats.md` is the one that our bytes have: every vector decodes by it,
//! to the last byte. Whoever writes another implementation may trust the page.
#![allow(clippy::unwrap_used)] // Helpers here are tests, too.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use ledger::certificate::{Certificate, ValidatorSet};
use ledger::codec;
use ledger::digest::Digest;
use ledger::halt::{HaltProof, Seen};
use serde_json::Value;

/// A type as the page writes it.
enum Shape {
    Newtype(String),
    Struct(Vec<String>),
    Enum(HashMap<u32, Vec<String>>),
}

struct Layout(HashMap<String, Shape>);

impl Layout {
    fn read() -> Self {
        let page = fs::read_to_string(specs().join("formats.md")).unwrap();
        let block = page.split("```layout\n").nth(1).unwrap().split("```").next().unwrap();
        let mut shapes: HashMap<String, Shape> = HashMap::new();
        let mut current = String::new();
        let mut tag = None;
        for line in block.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let shape = match (line.starts_with(' '), words[0]) {
                (false, "newtype") => Shape::Newtype(words[2].to_string()),
                (false, "struct") => Shape::Struct(Vec::new()),
                (false, "enum") => Shape::Enum(HashMap::new()),
                _ => {
                    match shapes.get_mut(&current).unwrap() {
                        Shape::Struct(fields) => fields.push(words[1].to_string()),
                        Shape::Enum(variants) if !line.starts_with("    ") => {
                            tag = Some(words[0].parse().unwrap());
                            assert!(variants.insert(tag.unwrap(), Vec::new()).is_none(), "{line}");
                        }
                        Shape::Enum(variants) => {
                            variants.get_mut(&tag.unwrap()).unwrap().push(words[1].to_string());
                        }
                        Shape::Newtype(_) => panic!("{line}"),
                    }
                    continue;
                }
            };
            current = words[1].to_string();
            assert!(shapes.insert(current.clone(), shape).is_none(), "{current} stands twice");
        }
        Self(shapes)
    }

    /// Reads one value and returns what follows it.
    fn walk<'a>(&self, name: &str, bytes: &'a [u8]) -> &'a [u8] {
        if let Some(item) = name.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            let (count, mut rest) = number(bytes, 8);
            for _ in 0..count {
                rest = self.walk(item, rest);
            }
            return rest;
        }
        if let Some(item) = name.strip_prefix("option<").and_then(|rest| rest.strip_suffix('>')) {
            return match number(bytes, 1) {
                (0, rest) => rest,
                (1, rest) => self.walk(item, rest),
                (tag, _) => panic!("option byte {tag} in {name}"),
            };
        }
        if let Some(length) = name.strip_prefix("bytes") {
            return &bytes[length.parse::<usize>().unwrap()..];
        }
        match name {
            "u8" => &bytes[1..],
            "u16" => &bytes[2..],
            "u32" => &bytes[4..],
            "u64" | "i64" => &bytes[8..],
            "i128" => &bytes[16..],
            "bool" => {
                assert!(bytes[0] <= 1, "bool {}", bytes[0]);
                &bytes[1..]
            }
            "string" => {
                let (length, rest) = number(bytes, 8);
                let (text, rest) = rest.split_at(length as usize);
                assert!(std::str::from_utf8(text).is_ok());
                rest
            }
            _ => match self.0.get(name).unwrap_or_else(|| panic!("the page does not lay out {name}")) {
                Shape::Newtype(inner) => self.walk(inner, bytes),
                Shape::Struct(fields) => self.fields(fields, bytes),
                Shape::Enum(variants) => {
                    let (tag, rest) = number(bytes, 4);
                    let fields = variants.get(&(tag as u32)).unwrap_or_else(|| panic!("{name} has no {tag}"));
                    self.fields(fields, rest)
                }
            },
        }
    }

    fn fields<'a>(&self, fields: &[String], bytes: &'a [u8]) -> &'a [u8] {
        fields.iter().fold(bytes, |rest, field| self.walk(field, rest))
    }

    fn check(&self, name: &str, value: &Value) {
        let bytes = hex::decode(value.as_str().unwrap()).unwrap();
        let rest = self.walk(name, &bytes);
        assert!(rest.is_empty(), "{} bytes follow a {name}", rest.len());
    }
}

fn number(bytes: &[u8], width: usize) -> (u64, &[u8]) {
    let (head, rest) = bytes.split_at(width);
    (head.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)), rest)
}

fn specs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../specs")
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(specs().join("vectors").join(name)).unwrap()).unwrap()
}

#[test]
fn every_vector_decodes_by_the_layout_on_the_page() {
    let layout = Layout::read();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let trust = read("trust.json");
    layout.check("Genesis", &trust["genesis"]);
    layout.check("ValidatorSet", &trust["validators"]);
    for case in list(&read("transactions.json")) {
        layout.check("Transaction", &case["transaction"]);
        layout.check("SignedTransaction", &case["signed_transaction"]);
    }
    for case in list(&read("votes.json")) {
        layout.check("Statement", &case["statement"]);
        layout.check("Vote", &case["vote"]);
        layout.check("Certificate", &case["certificate"]);
    }
    let hashes = read("hashes.json");
    layout.check("Header", &hashes["header"]["bytes"]);
    for leaf in list(&hashes["leaves"]).iter().enumerate().filter(|(i, _)| *i != 17) {
        layout.check("Leaf", &leaf.1["bytes"]);
    }
    for step in list(&hashes["posting_chain"]["steps"]) {
        layout.check("ChainedPosting", &step["posting"]);
    }
    let page = fs::read_to_string(specs().join("formats.md")).unwrap();
    for register in list(&hashes["records"]) {
        // The page's table of registers names the record's type.
        let row = format!("`{}` | `", register["register"].as_str().unwrap());
        let record = page.split(&row).nth(1).unwrap().split('`').next().unwrap();
        for bytes in list(&register["records"]) {
            layout.check(record, &bytes);
        }
    }
    for case in list(&read("receipts.json")).iter().filter(|case| case["holds"] == true) {
        let file = specs().join("vectors").join(case["file"].as_str().unwrap());
        let text = fs::read_to_string(file).unwrap();
        let extra = text.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(extra).unwrap();
        layout.check("Extra", &Value::from(hex::encode(bytes)));
    }
    let handoffs = read("handoffs.json");
    layout.check("Ready", &handoffs["ready"]["ready"]);
    for case in list(&handoffs["cases"]) {
        list(&case["handoffs"]).iter().for_each(|handoff| layout.check("Handoff", handoff));
    }
    for case in list(&read("encodings.json")["holds"]) {
        if case["type"] == "finalized-block" {
            layout.check("FinalizedBlock", &case["bytes"]);
        }
    }
    for case in list(&read("state-proofs.json")) {
        layout.check("StateProofs", &case["proofs"]);
    }
}

#[test]
fn a_halt_proof_decodes_by_the_layout_on_the_page() {
    let vector = |file: &str, field: &str| hex::decode(read(file)[0][field].as_str().unwrap()).unwrap();
    let certificate: Certificate = codec::decode(&vector("votes.json", "certificate"), 1 << 20).unwrap();
    let set = hex::decode(read("trust.json")["validators"].as_str().unwrap()).unwrap();
    let validators: ValidatorSet = codec::decode(&set, 1 << 20).unwrap();
    let refusal = "state root".to_string();
    let seen = [
        Seen::Contradiction { first: certificate.clone(), second: certificate.clone() },
        Seen::CertifiedInvalid { certificate, block: None, refusal },
    ];
    for seen in seen {
        let proof =
            HaltProof { chain: Digest::of(&[]), validators: validators.clone(), handoffs: Vec::new(), seen };
        Layout::read().check("HaltProof", &Value::from(hex::encode(codec::encode(&proof))));
    }
}

#[test]
fn the_checkpoint_on_the_page_is_the_one_in_the_log_beside_it() {
    let page = fs::read_to_string(specs().join("formats.md")).unwrap();
    let note = fs::read_to_string(specs().join("vectors/log/checkpoint")).unwrap();
    assert!(page.contains(note.split("\n\n").next().unwrap()));
}

#[test]
fn the_page_names_the_registers_in_the_order_that_is_hashed() {
    let page = fs::read_to_string(specs().join("formats.md")).unwrap();
    for (place, register) in read("hashes.json")["registers"].as_array().unwrap().iter().enumerate() {
        let row = format!("| {place} | `{}` |", register["name"].as_str().unwrap());
        assert!(page.contains(&row), "{row}");
    }
    let registers = ledger::registers::Registers::default().roots();
    let hashed: Vec<&str> = registers.iter().map(|register| register.name.as_str()).collect();
    let file = read("hashes.json");
    let listed: Vec<&str> =
        file["registers"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(listed, hashed);
}
