//! Budgets by command line, against the real ledger behind a server on loopback.
#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
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

fn adopt(world: &World, version: u32, lines: &str) -> world::Ran {
    fs::write(world.folder.join("budget.csv"), lines).unwrap();
    world.run(&format!(
        "budget adopt 964965226 2026 budget.csv --version {version} --document decision.txt --key council.key --key approver.key"
    ))
}

/// Registers and attests an invoice of 125,000, net 100,000, on function 222.
fn attested(world: &World) {
    fs::write(world.folder.join("8841.xml"), invoice("8841", 10_000_000, "1.222.260")).unwrap();
    world.run("submit 8841.xml --archive archive --key submitter.key").ok();
    world.run(&format!("attest {DOCUMENT} --key attester.key")).ok();
}

const APPROVE: &str = "approve 123456785/8841/2026-05-04 --key approver.key";

#[test]
fn l8_what_the_budget_covers_is_approved_as_ever_and_the_report_says_what_is_left() {
    let world = world("covered");
    let text = adopt(&world, 1, "1.222.260;100000,00\n1.800.870;-90000,00\n").fails(1);
    assert!(text.contains("refused L44") && text.contains("10 000,00"), "{text}");
    let done = adopt(&world, 1, "1.222.260;150000,00\n1.800.870;-150000,00\n").ok();
    assert!(done.contains("2 lines adopted as version 1 in 1 part"), "{done}");
    attested(&world);
    let approved = world.run(APPROVE).ok();
    assert!(approved.contains(&format!("approve {DOCUMENT}: posted at leaf ")), "{approved}");
    assert_eq!(world.run(APPROVE).ok(), approved, "L6: a repeated command is answered with its receipt");
    assert!(world.run(&format!("receipt {DOCUMENT}-approve")).ok().contains("approve"));
    let report = world.run("report budget 964965226 2026").ok();
    for part in
        ["operating expense, function 222", "150 000,00", "100 000,00", "50 000,00", "version 1 in force"]
    {
        assert!(report.contains(part), "{part}\n{report}");
    }
    assert!(!report.contains("beyond"), "{report}");
}

#[test]
fn l8_beyond_the_budget_an_amendment_or_a_signed_duty_is_needed() {
    let world = world("beyond");
    adopt(&world, 1, "1.222.260;60000,00\n1.800.870;-60000,00\n").ok();
    attested(&world);
    let text = world.run(APPROVE).fails(1);
    assert!(
        text.contains("refused L8") && text.contains("60 000,00 is appropriated, 100 000,00 is booked"),
        "{text}"
    );
    let duty = format!("{APPROVE} --duty contract --document decision.txt");
    let text = world.run(&duty).fails(1);
    assert!(text.contains("refused L7") && text.contains("override"), "{text}");
    world.run(&format!("{duty} --key director.key")).ok();
    let report = world.run("report budget 964965226 2026").ok();
    assert!(report.contains("beyond, 1 signed duty"), "{report}");
    let amended = adopt(&world, 2, "1.222.260;40000,00\n1.800.870;-40000,00\n").ok();
    assert!(amended.contains("adopted as version 2"), "{amended}");
    let report = world.run("report budget 964965226 2026").ok();
    assert!(report.contains("version 2 in force") && !report.contains("beyond"), "{report}");
    let json: Value = serde_json::from_str(&world.run("--json report budget 964965226 2026").ok()).unwrap();
    assert_eq!(json["appropriations"][1]["adopted"], "-100000.00", "{json}");
}

#[test]
fn l44_a_budget_that_hides_an_appropriation_is_not_believed() {
    let world = world("hidden");
    adopt(&world, 1, "1.222.260;60000,00\n1.800.870;-60000,00\n").ok();
    world.lie(|path, value, node| {
        if path.contains("/budget?") {
            let key = (world::org(world::STAVANGER), 2026);
            let record = node.ledger.prove::<ledger::records::BudgetRecord>(&key).unwrap();
            *value = serde_json::json!({ "proofs": [node.proofs(vec![record])] });
        }
    });
    let text = world.run("report budget 964965226 2026").fails(4);
    assert!(text.contains("0 shown, 2 proven: the node leaves out or adds some"), "{text}");
}

#[test]
fn l44_stavangers_budget_of_2016_loads_line_by_line_and_sums_to_zero() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/norwegian-open-finance/stavanger-budsjett-2016-drift.csv");
    if !file.exists() {
        println!("passed over: ../shared/data/norwegian-open-finance is not there");
        return;
    }
    let world = World::new("stavanger-2016");
    fs::write(world.folder.join("decision.txt"), "vedtak 2015").unwrap();
    const CITY: &str = "974760851";
    world
        .run(&format!(
            "register entity {CITY} --name Gammelby --kind municipality --books 2016-01 --key governance.key"
        ))
        .ok();
    for (key, holder, role) in [("mayor", 1, "budget"), ("chief", 2, "approve")] {
        world.run(&format!("keygen {key}.key")).ok();
        world
            .run(&format!(
                "register key {key}.key --entity {CITY} --holder {holder} --role {role} --key governance.key"
            ))
            .ok();
    }
    let words = format!(
        "budget adopt {CITY} 2016 {} --level function,art-group --document decision.txt --key mayor.key --key chief.key",
        file.display()
    );
    let done = world.run(&words).ok();
    assert!(done.contains("code 30000S is number 9000000"), "{done}");
    let json: Value =
        serde_json::from_str(&world.run(&format!("--json report budget {CITY} 2016")).ok()).unwrap();
    let all = json["appropriations"].as_array().unwrap();
    let ore = |value: &Value| value.as_str().unwrap().replace('.', "").parse::<i128>().unwrap();
    let adopted: Vec<i128> = all.iter().map(|one| ore(&one["adopted"])).collect();
    assert_eq!(adopted.iter().sum::<i128>(), 0);
    assert!(done.contains("art 603 stands as 600: it is not in the list of 2016-01-01\n"), "{done}");
    assert!(done.contains("11130 lines adopted as version 1 in 93 parts"), "{done}");
    println!("{} appropriations; {}", all.len(), done.lines().last().unwrap());
    assert_eq!(json["version"], 1);
}

/// The tax agency's schema, where it lies beside the sources, takes the claim.
fn judged(file: &Path) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(
        "../../shared/data/skatteetaten-mva-melding/schema/\
         no.skatteetaten.fastsetting.avgift.mva.skattemeldingformerverdiavgift.v1.0.xsd",
    );
    if !schema.exists() {
        println!("passed over: ../shared/data/skatteetaten-mva-melding is not there");
        return;
    }
    let judged =
        Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(schema).arg(file).output();
    let judged = judged.unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn a_tertial_holds_the_budget_against_what_is_booked_and_a_term_says_what_is_compensated() {
    let world = world("tertial");
    adopt(&world, 1, "1.222.260;400000,00\n1.800.870;-400000,00\n").ok();
    fs::write(world.folder.join("8841.xml"), invoice("8841", 10_000_000, "1.222.260")).unwrap();
    world.run("submit 8841.xml --archive archive --key submitter.key --date 2026-05-05").ok();
    let first = world.run("report tertial 964965226 2026 1").ok();
    assert!(
        first.contains("0,00") && first.contains("no posting in 2026-01, which nothing proves"),
        "{first}"
    );
    let second = world.run("report tertial 964965226 2026 2").ok();
    for part in [
        "operating expense, function 222",
        "400 000,00",
        "100 000,00",
        "300 000,00",
        "25.0 %",
        "66.6 % of the year",
    ] {
        assert!(second.contains(part), "{part}\n{second}");
    }
    let json: Value =
        serde_json::from_str(&world.run("--json report tertial 964965226 2026 2").ok()).unwrap();
    let expense = json["lines"].as_array().unwrap().iter().find(|line| line["limited"] == true).unwrap();
    assert_eq!((&expense["booked"], &expense["used_per_mille"]), (&"100000.00".into(), &250.into()));

    let terms = world.run("report compensation 964965226 2026").ok();
    for part in ["2026/3", "100 000,00", "25 000,00", "term 3: 25 000,00", "all of 1 posting in 2026"] {
        assert!(terms.contains(part), "{part}\n{terms}");
    }
    let claim = world.run("export claim 964965226 --year 2026 --term 3 --out claim.xml").ok();
    for part in
        ["claim.xml: 964965226 term 3 of 2026: 25000 kroner claimed on 1 line, 0,00 left", "2026-05 is open"]
    {
        assert!(claim.contains(part), "{part}\n{claim}");
    }
    let xml = fs::read_to_string(world.folder.join("claim.xml")).unwrap();
    assert!(xml.contains("kompensasjon") && xml.contains("-25000") && xml.contains("mai-juni"), "{xml}");
    judged(&world.folder.join("claim.xml"));
    let text = world.run("export claim 964965226 --year 2026 --term 1 --out none.xml").fails(1);
    assert!(text.contains("nothing to be compensated in term 1"), "{text}");
    let recode = "recode 123456785/8841/2026-05-04 --coding 1.221.260 --reason account --date 2026-07-02 \
                  --document decision.txt --key submitter.key --key approver.key";
    world.run(recode).ok();
    let terms = world.run("report compensation 964965226 2026").ok();
    assert!(
        terms.contains("2026/4") && !terms.contains("term 4"),
        "a recoding moves nothing in sum: {terms}"
    );
    let text = world.run("report compensation 123456785 2026").fails(1);
    assert!(text.contains("which is no municipality or county"), "{text}");
}
