//! Entries by hand and corrections by command line, against the real ledger behind a server on
//! loopback.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;

use world::{World, invoice};

const SELLER: &str = "123456785";
const DOCUMENT: &str = "123456785/8841/2026-05-04";

fn world(name: &str) -> World {
    let world = World::new(name);
    fs::write(world.folder.join("decision.txt"), "vedtak 17/26").unwrap();
    let words = format!(
        "register entity {SELLER} --name Skolemat --kind private --books 2026-01 --kid mod10 --key governance.key"
    );
    world.run(&words).ok();
    world
}

fn submit(world: &World) -> world::Ran {
    fs::write(world.folder.join("8841.xml"), invoice("8841", 10_000_000, "1.222.260")).unwrap();
    world.run("submit 8841.xml --archive archive --key submitter.key")
}

const BOTH: &str = "--document decision.txt --key submitter.key --key approver.key";

#[test]
fn l37_an_invoice_is_booked_on_other_accounts_and_each_step_has_a_receipt() {
    let world = world("recode");
    submit(&world).ok();
    let recode = format!("recode {DOCUMENT} --coding 1.221.260 --reason account {BOTH}");
    let booked = world.run(&recode).ok();
    for part in [
        "recode 123456785/8841/2026-05-04: posted at leaf ",
        "1.222.260",
        "1.221.260",
        "Skolemat, 8841 on other accounts",
    ] {
        assert!(booked.contains(part), "{part}\n{booked}");
    }
    let text = world.run(&recode).fails(1);
    assert!(text.contains("refused L37") && text.contains("the lines stand in the books as given"), "{text}");
    world.run(&format!("recode {DOCUMENT} --line 1=1.222.260 --reason account {BOTH}")).ok();
    let text = world.run(&format!("recode {DOCUMENT} --line 9=1.222.260 --reason account {BOTH}")).fails(2);
    assert!(text.contains("the document has lines 1 to "), "{text}");
    for step in ["register", "recode"] {
        assert!(world.run(&format!("receipt {DOCUMENT}-{step}")).ok().contains(step));
    }
    let journal = world.run("journal 964965226 --year 2026").ok();
    assert_eq!(journal.matches("voucher ").count(), 5, "{journal}");
}

#[test]
fn l31_a_cancelled_invoice_is_registered_anew() {
    let world = world("cancel");
    submit(&world).ok();
    let cancel = format!("cancel {DOCUMENT} --reason twice {BOTH}");
    let text = world.run(&cancel).fails(1);
    assert!(text.contains("refused L31") && text.contains("have the seller's submitter sign too"), "{text}");
    world.run("keygen seller.key").ok();
    world
        .run(&format!(
            "register key seller.key --entity {SELLER} --holder 1 --role submit --key governance.key"
        ))
        .ok();
    let booked = world.run(&format!("{cancel} --key seller.key")).ok();
    assert!(booked.contains("cancel 123456785/8841/2026-05-04: posted at leaf "), "{booked}");
    let shown = world.run(&format!("document {DOCUMENT}")).ok();
    assert!(shown.starts_with("123456785/8841/2026-05-04  invoice, cancelled\n"), "{shown}");
    assert!(world.run(&format!("receipt {DOCUMENT}-cancel")).ok().contains("cancel"));
    assert!(world.run(&format!("receipt {DOCUMENT}-register")).ok().contains("register"));
    let text = submit(&world).fails(1);
    assert!(text.contains("was cancelled") && text.contains("--id"), "{text}");
    let again = "submit 8841.xml --archive archive --key submitter.key --id again";
    assert!(world.run(again).ok().contains("register 123456785/8841/2026-05-04: posted at leaf "));
    let report = world.run("report suppliers 964965226").ok();
    assert!(report.contains("125 000,00") && !report.contains("250 000,00"), "{report}");
}

#[test]
fn l38_l12_entries_are_made_by_hand_and_what_the_bank_moved_names_its_entry() {
    let world = world("enter");
    fs::write(
        world.folder.join("depreciation.csv"),
        "konto;beløp;ansvar\n1.222.590;40000,00;4102\n2.27.000;-40000,00\n",
    )
    .unwrap();
    let enter = format!("enter 964965226 depreciation.csv --date 2026-05-04 {BOTH}");
    let booked = world.run(&enter).ok();
    assert!(
        booked.contains("enter a memorial entry of 964965226 on 2026-05-04: posted at leaf "),
        "{booked}"
    );
    let leaf =
        |text: &str| text.split("posted at leaf ").nth(1).unwrap().split('\n').next().unwrap().to_string();
    assert_eq!(
        leaf(&world.run(&enter).ok()),
        leaf(&booked),
        "L6: a repeated command is answered with its receipt"
    );
    let reverse = format!("reverse 964965226 2026/1 --reason amount {BOTH}");
    let reversed = world.run(&reverse).ok();
    assert!(reversed.contains("reversal of voucher 2026/1"), "{reversed}");
    let text = world.run(&format!("{reverse} --id again")).fails(1);
    assert!(text.contains("refused L37") && text.contains("was reversed by 2026/2"), "{text}");

    fs::write(world.folder.join("taxes.csv"), "1.800.870;-900000,00\n").unwrap();
    let date = world::now().date();
    let camt = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N</MsgId>\
         <CreDtTm>{date}T10:00:00</CreDtTm></GrpHdr><Ntfctn><Id>1</Id><Acct><Id><Othr><Id>86011117947</Id></Othr></Id></Acct>\
         <Ntry><Amt Ccy=\"NOK\">900000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
         <BookgDt><Dt>{date}</Dt></BookgDt><AcctSvcrRef>SKATT-1</AcctSvcrRef></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    );
    fs::write(world.folder.join("camt.xml"), camt).unwrap();
    let bank = |entry: &str, more: &str| {
        format!(
            "enter 964965226 taxes.csv --statement camt.xml --entry {entry} --cash 2.10.320 --document camt.xml --key bank.key {more}"
        )
    };
    let text = world.run(&bank("SKATT-2", "")).fails(2);
    assert!(text.contains("not one entry with reference \"SKATT-2\"; it has SKATT-1"), "{text}");
    let booked = world.run(&bank("SKATT-1", "")).ok();
    assert!(booked.contains("900 000,00") && booked.contains("bank entry"), "{booked}");
    let text = world.run(&bank("SKATT-1", "--id again")).fails(1);
    assert!(text.contains("refused L12") && text.contains("is already booked"), "{text}");
}

/// An invoice without VAT for pupils, between two municipalities.
fn pupils(world: &World, seller: &str, number: &str, buyer: &str, net: &str) {
    let text = include_str!("../../demo/invoices/kurs-sandnes.xml")
        .replace("964965137", "BUYER")
        .replace("NO123456785MVA", &format!("NO{seller}MVA"))
        .replace("123456785", seller)
        .replace("BUYER", buyer)
        .replace("<cbc:ID>10460</cbc:ID>", &format!("<cbc:ID>{number}</cbc:ID>"))
        .replace("1.202.150", "1.202.350")
        .replace(">12600.00<", &format!(">{net}<"))
        .replace(
            "<cbc:PriceAmount currencyID=\"NOK\">4200.00",
            &format!("<cbc:PriceAmount currencyID=\"NOK\">{net}"),
        )
        .replace("unitCode=\"EA\">3<", "unitCode=\"EA\">1<");
    fs::write(world.folder.join(format!("{number}.xml")), text).unwrap();
}

#[test]
fn l41_two_municipalities_net_what_they_owe_each_other() {
    let world = world("net");
    for (holder, role) in (1..).zip(["submit", "attest", "approve", "order"]) {
        world.run(&format!("keygen n-{role}.key")).ok();
        let words = format!(
            "register key n-{role}.key --entity 964965137 --holder {holder} --role {role} --key governance.key"
        );
        world.run(&words).ok();
    }
    pupils(&world, "964965137", "77", "964965226", "250000.00");
    pupils(&world, "964965226", "12", "964965137", "40000.00");
    for (number, document, keys) in [
        ("77", "964965137/77/2026-05-20", ["submitter", "attester", "approver"]),
        ("12", "964965226/12/2026-05-20", ["n-submit", "n-attest", "n-approve"]),
    ] {
        let [submit, attest, approve] = keys;
        world.run(&format!("submit {number}.xml --archive archive --key {submit}.key")).ok();
        world.run(&format!("attest {document} --key {attest}.key")).ok();
        world.run(&format!("approve {document} --key {approve}.key")).ok();
    }
    let net = "net 964965137/77/2026-05-20 964965226/12/2026-05-20 --key payer.key";
    let text = world.run(net).fails(1);
    assert!(text.contains("refused L7"), "{text}");
    let booked = world.run(&format!("{net} --key n-order.key")).ok();
    assert!(
        booked.contains(
            "net 40 000,00 of 964965137/77/2026-05-20 and 964965226/12/2026-05-20: posted at leaf "
        ),
        "{booked}"
    );
    let shown = world.run("document 964965226/12/2026-05-20").ok();
    assert!(shown.starts_with("964965226/12/2026-05-20  invoice, netted\n"), "{shown}");
    assert!(world.run("document 964965137/77/2026-05-20").ok().contains("210 000,00"));
    let report = world.run("report suppliers 964965226").ok();
    assert!(report.contains("40 000,00") && report.contains("210 000,00"), "{report}");
    world.run("report between 964965226 964965137").ok();
}
