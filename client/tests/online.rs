//! The life of an invoice by command line, against the real ledger behind a server on loopback.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;

use serde_json::Value;
use world::{Ran, World, invoice};

const SELLER: &str = "123456785";

fn world(name: &str) -> World {
    let world = World::new(name);
    let words = format!(
        "register entity {SELLER} --name Skolemat --kind private --books 2026-01 --kid mod10 --key governance.key"
    );
    world.run(&words).ok();
    world
}

fn submit(world: &World, number: &str, net_ore: i64, more: &str) -> Ran {
    fs::write(world.folder.join(format!("{number}.xml")), invoice(number, net_ore, "1.222.260")).unwrap();
    world.run(&format!("submit {number}.xml --archive archive --key submitter.key {more}"))
}

fn id(number: &str) -> String {
    format!("{SELLER}/{number}/2026-05-04")
}

fn approved(world: &World, number: &str, net_ore: i64) {
    submit(world, number, net_ore, "").ok();
    world.run(&format!("attest {} --key attester.key", id(number))).ok();
    world.run(&format!("approve {} --key approver.key", id(number))).ok();
}

fn order(world: &World, documents: &str, out: &str) -> Ran {
    world.run(&format!(
        "order {documents} --debtor-account 86011117947 --archive archive --out {out} --key payer.key"
    ))
}

/// The bank's word on the orders in a file: one entry for each.
fn camt(world: &World, order: &str, side: &str, more: &str) -> String {
    let text = fs::read_to_string(world.folder.join(order)).unwrap();
    let part = |text: &str, tag: &str| {
        text.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap().to_string()
    };
    let date = world::now().date();
    let entries: String = text
        .split("<CdtTrfTxInf>")
        .skip(1)
        .enumerate()
        .map(|(number, payment)| {
            let amount = payment.split("Ccy=\"NOK\">").nth(1).unwrap().split('<').next().unwrap();
            format!(
                "<Ntry><Amt Ccy=\"NOK\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
                 <BookgDt><Dt>{date}</Dt></BookgDt><AcctSvcrRef>{order}-{side}-{number}</AcctSvcrRef><NtryDtls><TxDtls>\
                 <Refs><EndToEndId>{}</EndToEndId></Refs>{more}</TxDtls></NtryDtls></Ntry>",
                part(payment, "EndToEndId")
            )
        })
        .collect();
    let stranger = "<Ntry><Amt Ccy=\"NOK\">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
        <BookgDt><Dt>2026-05-04</Dt></BookgDt><AcctSvcrRef>other</AcctSvcrRef></Ntry>";
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N</MsgId>\
         <CreDtTm>{date}T10:00:00</CreDtTm></GrpHdr><Ntfctn><Id>1</Id><Acct><Id><Othr><Id>86011117947</Id></Othr></Id></Acct>\
         {entries}{stranger}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
}

#[test]
fn an_invoice_is_booked_attested_approved_ordered_and_settled_and_each_step_has_a_receipt() {
    let world = world("life");
    let booked = submit(&world, "8841", 10_000_000, "--receipts receipts").ok();
    for part in [
        "register 123456785/8841/2026-05-04: posted at leaf ",
        "964965226 Stavanger kommune\n",
        "voucher 1  Skolemat, invoice 8841",
        "    2.35.200 Accounts payable                    125 000,00\n",
        "123456785 Skolemat\n",
        "    1500 Accounts receivable  125 000,00\n",
        "3 of 4 validators signed the log of ",
        "    Not proven attested, approved, ordered or paid by the bank.\n",
        "receipt: receipts/123456785-8841-2026-05-04-register.kvittering\n",
    ] {
        assert!(booked.contains(part), "{part}\n{booked}");
    }
    world.run(&format!("attest {} --key attester.key --receipts receipts", id("8841"))).ok();
    world.run(&format!("approve {} --key approver.key --receipts receipts", id("8841"))).ok();
    let ordered = order(&world, &id("8841"), "pain001.xml").ok();
    assert!(ordered.contains("for the bank: 1 payment in pain001.xml\n"), "{ordered}");
    let pain = fs::read_to_string(world.folder.join("pain001.xml")).unwrap();
    for part in [
        "pain.001.001.03",
        "<InstdAmt Ccy=\"NOK\">125000.00</InstdAmt>",
        "<Id>15062245678</Id>",
        "<Cd>SCOR</Cd>",
    ] {
        assert!(pain.contains(part), "{part}\n{pain}");
    }
    fs::write(world.folder.join("camt.xml"), camt(&world, "pain001.xml", "DBIT", "")).unwrap();
    let settle = "settle camt.xml --archive archive --key bank.key --receipts receipts";
    let settled = world.run(settle).ok();
    assert!(settled.contains("Skolemat, payment of 8841\n"), "{settled}");
    assert!(settled.contains(": no order of this archive\n"), "{settled}");
    let document = world.run(&format!("document {}", id("8841"))).ok();
    assert!(document.starts_with("123456785/8841/2026-05-04  invoice, settled\n"), "{document}");
    assert!(document.contains("    open            0,00\n"), "{document}");

    // Every receipt holds without a node; one byte less or other does not.
    let receipts: Vec<String> = fs::read_dir(world.folder.join("receipts"))
        .unwrap()
        .map(|file| format!("receipts/{}", file.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(receipts.len(), 4);
    let verified =
        world.run_with("http://127.0.0.1:1", &format!("verify --brief {}", receipts.join(" "))).ok();
    assert_eq!(verified.lines().count(), 4, "{verified}");
    let mut bytes = fs::read(world.folder.join(&receipts[0])).unwrap();
    bytes[200] ^= 1;
    fs::write(world.folder.join("flipped.kvittering"), bytes).unwrap();
    world.run("verify flipped.kvittering").fails(4);

    // L6: a command that is repeated is answered with its first receipt.
    for (words, step) in [
        ("submit 8841.xml --archive archive --key submitter.key".to_string(), "register"),
        (format!("attest {} --key attester.key", id("8841")), "attest"),
        (settle.to_string(), "settle"),
    ] {
        let leaf = |text: &str| {
            text.split("posted at leaf ").nth(1).unwrap().split('\n').next().unwrap().to_string()
        };
        let first = world.run(&format!("receipt {}-{step}", id("8841"))).ok();
        assert_eq!(leaf(&first), leaf(&world.run(&words).ok()), "{step}");
    }
    // Under another hand it is no repetition, and is not taken for one.
    let other = world.run(&format!("approve {} --key attester.key", id("8841"))).fails(1);
    assert!(other.contains("refused L6: approve ") && other.contains("not with this one"), "{other}");
    for step in ["approve", "order"] {
        let text = world.run(&format!("receipt {}-{step} --receipts fetched", id("8841"))).ok();
        assert!(text.starts_with(step), "{text}");
    }
    let none = world.run(&format!("receipt {}-return", id("8841"))).fails(1);
    assert!(none.contains("give its transaction id"), "{none}");
}

#[test]
fn the_books_are_shown_whole() {
    let world = world("books");
    fs::write(
        world.folder.join("opening.csv"),
        "account;amount\n2.10.320;50 000 000,00\n2.5990.000;-50000000.00\n",
    )
    .unwrap();
    let opening = "open-books 964965226 opening.csv --key administrator.key --key auditor.key";
    assert!(world.run(opening).ok().contains("voucher 1  opening balance\n"));
    for number in 1..=5 {
        submit(&world, &format!("A-{number}"), 1000 * number, "").ok();
    }
    let period = world::now().date().period();
    let balance = world.run(&format!("accounts 964965226 --period {period}")).ok();
    assert!(
        balance.contains(
            "    2.35.200 Accounts payable              0,00        0,00      187,50     -187,50\n"
        ),
        "{balance}"
    );
    assert!(balance.contains("all of 5 accounts with postings in "), "{balance}");
    let postings = world.run(&format!("postings 964965226 2.35.200 --period {period}")).ok();
    assert!(postings.contains("all of 5 postings, at height "), "{postings}");
    assert!(postings.contains("closing ") && postings.contains("187,50"), "{postings}");
    let journal = world.run("journal 964965226").ok();
    assert!(journal.contains("all of 6 vouchers in "), "{journal}");
    assert!(journal.contains("voucher 6  Skolemat, invoice A-5\n"), "{journal}");
    let hledger = world.run("journal 964965226 --hledger").ok();
    assert!(
        hledger.contains("  964965226:2:35:200") && hledger.contains("Skolemat, invoice A-5\n"),
        "{hledger}"
    );
    let json: Value =
        serde_json::from_str(&world.run(&format!("accounts 964965226 --period {period} --json")).ok())
            .unwrap();
    assert_eq!(json["accounts"].as_array().unwrap().len(), 5);
    assert_eq!(json["debit"], json["credit"]);
    let checkpoint = world.run("checkpoint").ok();
    assert!(checkpoint.starts_with("hovedbok.test/"), "{checkpoint}");
    assert!(world.run("checkpoint --note").ok().contains("\u{2014} v986252932.example/v1 "));
    let entity = world.run("entity 123456785").ok();
    assert!(entity.contains("payment references are KID, MOD 10"), "{entity}");
    // That nothing is booked is nothing that can be proven.
    let none = world.run("accounts 964965137 --period 2026-01").fails(1);
    assert!(none.contains("is not there"), "{none}");
}

#[test]
fn what_the_bank_rejects_or_returns_may_be_ordered_again() {
    let world = world("bank");
    approved(&world, "1", 10_000);
    approved(&world, "2", 20_000);
    order(&world, &format!("{} {}", id("1"), id("2")), "first.xml").ok();
    let text = fs::read_to_string(world.folder.join("first.xml")).unwrap();
    let message = text.split("<MsgId>").nth(1).unwrap().split('<').next().unwrap();
    let report = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr><MsgId>R-1</MsgId>\
         <CreDtTm>2026-05-04T10:00:00</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId>\
         <OrgnlMsgNmId>pain.001.001.03</OrgnlMsgNmId><GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>\
         </OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    );
    fs::write(world.folder.join("pain002.xml"), report).unwrap();
    // The same order again while the bank has it: the same file, not a second payment.
    order(&world, &format!("{} {}", id("2"), id("1")), "first.xml").ok();
    assert_eq!(
        text.replace(|c: char| c.is_ascii_digit(), ""),
        fs::read_to_string(world.folder.join("first.xml")).unwrap().replace(|c: char| c.is_ascii_digit(), "")
    );
    let twice = order(&world, &id("1"), "second.xml").fails(1);
    assert!(twice.contains("refused F-ORDER: ") && twice.contains("must not go there again"), "{twice}");
    let rejected = world.run("reject pain002.xml --archive archive --key bank.key").ok();
    assert!(
        rejected.contains("reject 123456785/1/2026-05-04: posted") && rejected.contains("books nothing"),
        "{rejected}"
    );
    let document = world.run(&format!("document {}", id("1"))).ok();
    assert!(
        document.contains("  invoice, approved\n") && document.contains("refused or returned it: AC04\n"),
        "{document}"
    );
    assert!(world.run(&format!("receipt {}-reject", id("1"))).ok().starts_with("reject "));
    // Ordered again, paid, and returned by the bank.
    let taken = order(&world, &id("1"), "first.xml").fails(2);
    assert!(taken.contains("first.xml holds order ") && taken.contains("name another file"), "{taken}");
    order(&world, &id("1"), "again.xml").ok();
    fs::write(world.folder.join("paid.xml"), camt(&world, "again.xml", "DBIT", "")).unwrap();
    world.run("settle paid.xml --archive archive --key bank.key").ok();
    let back = camt(&world, "again.xml", "CRDT", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>");
    fs::write(world.folder.join("back.xml"), back).unwrap();
    let returned = world.run("settle back.xml --archive archive --key bank.key").ok();
    assert!(returned.contains("payment of 1 returned"), "{returned}");
    let document = world.run(&format!("document {}", id("1"))).ok();
    assert!(
        document.contains("  invoice, returned\n") && document.contains("ordered   2 times\n"),
        "{document}"
    );
    // The bank tells the same entry again in another message: nothing more is booked.
    fs::write(
        world.folder.join("twice.xml"),
        camt(&world, "again.xml", "CRDT", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf> "),
    )
    .unwrap();
    let told = world.run("settle twice.xml --archive archive --key bank.key").ok();
    assert!(told.contains("returned by this entry of the bank already"), "{told}");
}

#[test]
fn a_refusal_names_its_rule_and_costs_exit_code_1() {
    let world = world("refusals");
    submit(&world, "1", 10_000, "").ok();
    for (words, says) in [
        (format!("approve {} --key approver.key", id("1")), "refused L18: "),
        (format!("attest {} --key payer.key", id("1")), "refused L7: "),
        (
            format!(
                "order {} --debtor-account 86011117947 --archive archive --out o.xml --key payer.key",
                id("1")
            ),
            "refused L18: ",
        ),
        (
            format!(
                "order {} --debtor-account 86011117948 --archive archive --out o.xml --key payer.key",
                id("1")
            ),
            "refused F-ACCOUNT: ",
        ),
        (
            "register entity 964965226 --name X --kind private --key governance.key".to_string(),
            "refused L17: ",
        ),
        ("close-period 964965226 2099-01 --key administrator.key".to_string(), "refused L19: "),
        (format!("document {}", id("9")), "is not there"),
    ] {
        let message = world.run(&words).fails(1);
        assert!(message.contains(says), "{words}: {message}");
    }
    assert!(!world.folder.join("o.xml").exists());
    // F-POSTING: nobody says where the line goes.
    fs::write(world.folder.join("uncoded.xml"), invoice("3", 10_000, "")).unwrap();
    let uncoded = world.run("submit uncoded.xml --archive archive --key submitter.key").fails(1);
    assert!(
        uncoded.contains("refused F-POSTING: uncoded.xml: ") && uncoded.contains("--coding"),
        "{uncoded}"
    );
    assert!(
        !world.folder.join("archive/documents/123456785-3-2026-05-04").exists(),
        "it left a trace in the archive"
    );
    world.run("submit uncoded.xml --archive archive --key submitter.key --coding art=260;funksjon=222").ok();
    // F-KID: the seller's bank demands one.
    let free = invoice("4", 10_000, "1.222.260").replace("7000104120", "8841");
    fs::write(world.folder.join("free.xml"), free).unwrap();
    let refusal = world.run("submit free.xml --archive archive --key submitter.key").fails(1);
    assert!(refusal.contains("refused F-KID: free.xml: "), "{refusal}");
    // The regime is the ledger's to refuse when somebody asked for it.
    let cost = submit(&world, "5", 10_000, "--regime cost --date 2026-06-01").ok();
    assert!(!cost.contains("VAT compensation"), "{cost}");
    let json = world.run(&format!("--json approve {} --key approver.key", id("1")));
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((error["error"]["exit"].as_u64(), error["error"]["rule"].as_str()), (Some(1), Some("L18")));
}

#[test]
fn f_payee_an_account_exchanged_in_the_archive_is_not_paid() {
    let world = world("payee");
    approved(&world, "1", 10_000);
    let mut open = vec![world.folder.join("archive/documents")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.ends_with("private.json") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains("15062245678"));
            fs::write(&path, text.replace("15062245678", "86011117947")).unwrap();
        }
    }
    let refusal = order(&world, &id("1"), "o.xml").fails(1);
    assert!(
        refusal.contains("refused F-PAYEE: ") && refusal.contains("find out who changed them"),
        "{refusal}"
    );
    assert!(world.run(&format!("document {}", id("1"))).ok().contains("  invoice, approved\n"));
}

#[test]
fn keys_are_granted_by_the_administrator_and_end_when_revoked() {
    let world = world("keys");
    let public = world.run("keygen new.key").ok().trim().to_string();
    let words = format!(
        "register key {public} --entity 964965226 --holder 20 --role attest,approve --key administrator.key"
    );
    assert!(world.run(&words).ok().contains(&format!("grant key {} of 964965226: posted", &public[..8])));
    submit(&world, "1", 10_000, "").ok();
    world.run(&format!("attest {} --key new.key", id("1"))).ok();
    // L7: one person does not do both.
    let same = world.run(&format!("approve {} --key new.key", id("1"))).fails(1);
    assert!(same.contains("refused L7: ") && same.contains("one holder may not"), "{same}");
    world.run("revoke new.key --entity 964965226 --key administrator.key").ok();
    submit(&world, "2", 10_000, "").ok();
    let revoked = world.run(&format!("attest {} --key new.key", id("2"))).fails(1);
    assert!(revoked.contains("is revoked"), "{revoked}");
}

#[test]
fn a_node_that_is_not_there_costs_exit_code_3() {
    let world = world("away");
    let message = world.run_with("http://127.0.0.1:1", "checkpoint").fails(3);
    assert!(
        message.contains("node http://127.0.0.1:1: ") && message.contains("ask another node"),
        "{message}"
    );
    let busy =
        |_: &str, value: &mut Value, _: &mut world::Node| *value = serde_json::json!("<html>502</html>");
    world.lie(busy);
    world.run("checkpoint").fails(4);
}

#[test]
fn l6_a_line_that_breaks_after_booking_costs_neither_a_receipt_nor_a_second_booking() {
    let world = world("breaks");
    let leaves = || world.node.lock().unwrap().leaves.len();
    let before = leaves();
    world.break_lines(2);
    submit(&world, "1", 10_000, "").ok();
    assert_eq!(leaves(), before + 2, "one transaction and its seal");
    // Past patience the command ends, and the same command later gets the first receipt.
    world.break_lines(3);
    let attest = format!("attest {} --key attester.key", id("1"));
    let message = world.run(&attest).fails(3);
    assert!(message.contains("ask another node"), "{message}");
    assert_eq!(leaves(), before + 4);
    assert!(world.run(&attest).ok().starts_with("attest "));
    assert_eq!(leaves(), before + 4);
}

#[test]
fn a_busy_node_is_asked_again() {
    let world = world("busy");
    let asked = std::sync::atomic::AtomicU32::new(0);
    world.lie(move |path, value, _| {
        if path.contains("/transactions?") && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            let problem = serde_json::json!({ "title": "busy", "status": 503, "detail": "the pool is full" });
            *value = serde_json::json!({ "transactions": [{ "status": "busy", "problem": problem }] });
        }
    });
    submit(&world, "1", 10_000, "").ok();
}
