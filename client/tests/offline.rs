//! `hovedbok` where no node is: keys, judging invoices, verifying receipts.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use world::{Ran, invoice, run};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hovedbok-offline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn hovedbok(folder: &Path, words: &str) -> Ran {
    run(folder, &[], words)
}

#[test]
fn a_key_is_made_once_and_never_overwritten() {
    let folder = folder("keygen");
    let public = hovedbok(&folder, "keygen a.key").ok();
    assert_eq!(public.trim().len(), 64);
    let refusal = hovedbok(&folder, "keygen a.key").fails(2);
    assert!(refusal.contains("key file a.key: "), "{refusal}");
    assert!(fs::read_to_string(folder.join("a.key")).unwrap().contains(public.trim()));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn each_invoice_is_judged_and_one_refusal_decides_the_exit_code() {
    let folder = folder("check");
    let good = invoice("8841", 10_000_000, "1.222.260");
    fs::write(folder.join("good.xml"), &good).unwrap();
    fs::write(folder.join("sum.xml"), good.replace(">125000.00<", ">125000.01<")).unwrap();
    fs::write(folder.join("none.xml"), "<Invoice/>").unwrap();
    assert_eq!(hovedbok(&folder, "check good.xml").ok(), "good.xml: accepted\n");
    let ran = hovedbok(&folder, "check good.xml sum.xml none.xml");
    let lines: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines[0], "good.xml: accepted");
    assert!(lines[1].starts_with("sum.xml: refused BR-CO-"), "{}", lines[1]);
    assert!(lines[2].starts_with("none.xml: refused "), "{}", lines[2]);
    assert!(
        ran.err.starts_with("hovedbok: refused BR-CO-") && ran.err.contains("1 files more"),
        "{}",
        ran.err
    );
    assert_eq!(ran.code, 1);
    // F-KID: the reference of the example has a MOD 10 digit.
    hovedbok(&folder, "check --kid mod10 good.xml").ok();
    let refusal = hovedbok(&folder, "check --kid mod11 good.xml").fails(1);
    assert!(refusal.contains("refused F-KID: good.xml: "), "{refusal}");
    let missing = hovedbok(&folder, "check missing.xml").fails(2);
    assert!(missing.starts_with("hovedbok: missing.xml: "), "{missing}");
    let json: Value = serde_json::from_str(&hovedbok(&folder, "check --json good.xml sum.xml").out).unwrap();
    assert_eq!((json[0]["accepted"].as_bool(), json[1]["accepted"].as_bool()), (Some(true), Some(false)));
    assert!(json[1]["rule"].as_str().unwrap().starts_with("BR-CO-"));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_parties_of_a_folder_are_listed_once_with_a_guess_what_they_are() {
    let folder = folder("parties");
    for number in ["1", "2"] {
        fs::write(folder.join(number), invoice(number, 100, "1.222.260")).unwrap();
    }
    fs::write(folder.join("3"), "<Invoice/>").unwrap();
    let listed = hovedbok(&folder, "parties 1 2 3").ok();
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert_eq!(rows[0][..3], ["123456785", "seller", "private"]);
    assert_eq!(rows[1], ["964965226", "buyer", "municipality", "Stavanger kommune"]);
    fs::remove_dir_all(&folder).unwrap();
}

/// Steps 1 to 11 of specs/formats.md: the published receipts, each with the verdict written beside it.
#[test]
fn every_published_receipt_gets_the_verdict_written_beside_it() {
    let folder = folder("verify");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/vectors");
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(vectors.join(name)).unwrap()).unwrap() };
    let genesis = read("trust.json")["genesis"].as_str().unwrap().to_string();
    fs::write(folder.join("genesis.bin"), hex::decode(genesis).unwrap()).unwrap();
    let cases = read("receipts.json");
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 20);
    // The verdict on a signature from the future depends on the clock, which is this machine's here.
    for case in cases.iter().filter(|case| case["file"] != "receipts/future.kvittering") {
        let file = vectors.join(case["file"].as_str().unwrap());
        let ran = hovedbok(&folder, &format!("verify --genesis genesis.bin {}", file.display()));
        if case["holds"] == true {
            let text = ran.ok();
            assert!(text.contains(": holds\n") && text.contains("not shown by this receipt:\n"), "{text}");
        } else {
            let message = ran.fails(4);
            let step = case["step"].as_u64().unwrap();
            assert!(message.contains(&format!(": step {step}: ")), "{case}: {message}");
        }
    }
    // One bad receipt among good ones is found, and the good ones are still told.
    let [good, bad] =
        ["receipts/invoice.kvittering", "receipts/wrong-index.kvittering"].map(|f| vectors.join(f));
    let words = format!("verify --brief --genesis genesis.bin {} {}", good.display(), bad.display());
    let ran = hovedbok(&folder, &words);
    assert_eq!(ran.code, 4);
    assert!(ran.out.contains(": holds, register ") && ran.out.contains(": does not hold\n"), "{}", ran.out);
    let usage = hovedbok(&folder, &format!("verify {}", good.display())).fails(2);
    assert_eq!(usage, "hovedbok: give --genesis FILE or set HOVEDBOK_GENESIS\n");
    let json: Value = serde_json::from_str(&hovedbok(&folder, &format!("--json {words}")).out).unwrap();
    assert_eq!((json[0]["holds"].as_bool(), json[1]["holds"].as_bool()), (Some(true), Some(false)));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_cannot_be_meant_is_a_usage_error_before_anything_is_asked() {
    let folder = folder("usage");
    for words in [
        "",
        "attest 8841 --key a.key",
        "accounts 964965227",
        "accounts 964965226 --period 2026-13",
        "postings 964965226 1.222",
        "receipt 123456785/8841/2026-03-04",
        "submit a.xml --archive a --key k --date yesterday",
        "submit a.xml --archive a --key k --coding art=260",
        "journal 964965226 --year 26",
        "revoke 00 --key k",
        "order --key k --archive a --out o --debtor-account 1",
    ] {
        hovedbok(&folder, words).fails(2);
    }
    let unpinned = hovedbok(&folder, "checkpoint --node http://127.0.0.1:1").fails(2);
    assert!(unpinned.contains("--genesis"), "{unpinned}");
    fs::write(folder.join("genesis.bin"), b"none").unwrap();
    let unread = hovedbok(&folder, "checkpoint --node http://127.0.0.1:1 --genesis genesis.bin").fails(2);
    assert!(unread.starts_with("hovedbok: genesis.bin: genesis: "), "{unread}");
    fs::remove_dir_all(&folder).unwrap();
}
