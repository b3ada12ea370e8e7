//! Books on their way out of a real network: the files that others read hold what the proven books hold.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use client::client::Client;
use formats::csv::{Decimals, Table, amount};
use formats::kostra;
use ledger::account::{Account, Class};
use ledger::amount::Total;
use ledger::entity::OrgNumber;
use ledger::genesis::Genesis;
use ledger::transaction::{Document, DocumentKind, Role};
use tests::cluster::{Cluster, Line, program, results};
use tests::opening::Opening;
use tests::payments;

const BILLS: u64 = 30;
/// The official schema.
const SAFT: &str = "skatteetaten-saf-t/schema/Norwegian_SAF-T_Financial_Schema_v_1.30.xsd";

struct Site {
    cluster: Cluster,
    opening: Opening,
}

impl Site {
    fn start() -> Self {
        let cluster = Cluster::start(4);
        let site = Self { opening: Opening::of(&cluster), cluster };
        let bill = |n: u64| site.opening.bill(&format!("E-{n}"), 1_000_000 + 333 * i64::try_from(n).unwrap());
        let bills: Vec<_> = (0..BILLS).map(bill).collect();
        for role in [Role::Submit, Role::Attest, Role::Approve, Role::Order, Role::Bank] {
            let steps: Vec<_> =
                bills.iter().map(|bill| site.opening.town.step(&site.cluster.chain, bill, role)).collect();
            let answer = Line::new(site.cluster.rpc[0], Duration::from_secs(30))
                .post("/v1/transactions", &payments::batch_body(&steps))
                .unwrap();
            results(&answer)
                .unwrap()
                .iter()
                .for_each(|result| assert_eq!(result.status, "posted", "{result:?}"));
        }
        site
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(program().with_file_name("hovedbok"))
            .current_dir(self.cluster.folder())
            .args(["--node", &format!("http://{}", self.cluster.rpc[1]), "--genesis", "genesis.bin"])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn export(&self, format: &str, entity: OrgNumber, out: &str, more: &[&str]) -> String {
        let (entity, year) = (entity.to_string(), self.opening.today.year().to_string());
        let words = [&["export", format, &entity, "--year", &year, "--out", out][..], more].concat();
        let output = self.run(&words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What each account ended the year at, by its proven records.
    fn closing(&self, entity: OrgNumber) -> BTreeMap<Account, Total> {
        let genesis = fs::read(self.cluster.folder().join("genesis.bin")).unwrap();
        let node = format!("http://{}", self.cluster.rpc[2]);
        let client = Client::new(&node, Genesis::decode(&genesis).unwrap()).unwrap();
        let balance = client.accounts(entity, self.opening.today.period()).unwrap();
        balance.accounts.iter().map(|account| (account.account, account.closing())).collect()
    }
}

#[derive(Default)]
struct Read {
    closing: BTreeMap<String, Total>,
    vouchers: usize,
}

impl formats::saft::Sink for Read {
    fn account(&mut self, account: &formats::saft::Account) -> formats::books::Outcome {
        self.closing.insert(account.id.clone(), Total(account.closing.0.into()));
        Ok(())
    }

    fn entry(&mut self, _: &formats::saft::Entry) -> formats::books::Outcome {
        self.vouchers += 1;
        Ok(())
    }
}

#[test]
fn a_years_books_leave_as_saft_csv_and_kostra_with_the_figures_that_are_proven() {
    let site = Site::start();
    for entity in [site.opening.town.number, site.opening.seller] {
        let proven = site.closing(entity);
        let text = site.export("saft", entity, "books.xml", &["--contact", "Regnskap", "Kommune"]);
        assert!(text.contains(&format!("{} vouchers", 2 * BILLS)), "{text}");
        let file = fs::File::open(site.cluster.folder().join("books.xml")).unwrap();
        let mut read = Read::default();
        formats::saft::read(BufReader::new(file), &mut read).unwrap();
        let expected: BTreeMap<String, Total> =
            proven.iter().map(|(account, total)| (account.to_string(), *total)).collect();
        assert_eq!(read.closing, expected, "{entity}");
        assert_eq!(read.vouchers as u64, 2 * BILLS);
        judged(&site);

        site.export("csv", entity, "books.csv", &[]);
        let file = fs::File::open(site.cluster.folder().join("books.csv")).unwrap();
        let mut table = Table::open(BufReader::new(file), b',').unwrap();
        let (account, ore) = (table.column("account").unwrap(), table.column("amount").unwrap());
        let mut sums: BTreeMap<String, Total> = BTreeMap::new();
        while let Some(row) = table.next_row().unwrap() {
            let posted = amount(row.get(ore), Decimals::Point).unwrap();
            sums.entry(row.get(account).to_string()).or_default().add(posted);
        }
        assert_eq!(sums, expected, "{entity}");
    }
    let town = site.opening.town.number;
    for (form, classes) in [("0A", &[Class::Investment, Class::Operating][..]), ("0B", &[Class::Balance])] {
        site.export("kostra", town, "kostra.dat", &["--form", form, "--region", "110300"]);
        let file = fs::File::open(site.cluster.folder().join("kostra.dat")).unwrap();
        let mut thousands = 0;
        kostra::read(BufReader::new(file), &mut |_, record| {
            thousands += record.thousands().unwrap();
            Ok(())
        })
        .unwrap();
        let proven = site.closing(town);
        let ore: i128 = classes
            .iter()
            .map(|class| {
                let sum: i128 = proven.iter().filter(|(a, _)| a.class == *class).map(|(_, t)| t.0).sum();
                (sum.abs() + 50_000) / 100_000 * sum.signum()
            })
            .sum();
        assert_eq!(i128::from(thousands), ore, "form {form}");
    }
    // The tax agency takes no claim before the term is over, and every bill here is of today.
    let (entity, year) = (town.to_string(), site.opening.today.year().to_string());
    let term = client::terms::term_of(site.opening.today.period()).to_string();
    let early = ["export", "claim", &entity, "--year", &year, "--term", &term, "--out", "none.xml"];
    let said = String::from_utf8_lossy(&site.run(&early).stderr).into_owned();
    assert!(said.contains("R135") && said.contains("the term is not over"), "{said}");
    // A file that is not whole never stands: nothing is there to be taken for one.
    let stranger = site.run(&["export", "saft", "999999999", "--year", "2026", "--out", "none.xml"]);
    assert!(!stranger.status.success());
    let names = fs::read_dir(site.cluster.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("none.xml")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_open_what_suppliers_are_owed_and_what_two_books_say_of_each_other_agree() {
    let site = Site::start();
    let (town, seller) = (site.opening.town.number.to_string(), site.opening.seller.to_string());
    // One bill is not paid yet, one was lowered by a credit note, and one is returned by the bank.
    let step = |document: &Document, role| site.opening.town.step(&site.cluster.chain, document, role);
    let (open, lowered) = (site.opening.bill("O-1", 40_000), site.opening.bill("O-2", 80_000));
    let mut note = site.opening.bill("K-1", 20_000);
    note.kind = DocumentKind::CreditNote { corrects: Some(lowered.id.clone()) };
    for signed in [step(&open, Role::Submit), step(&lowered, Role::Submit), step(&note, Role::Submit)] {
        let mut line = Line::new(site.cluster.rpc[0], Duration::from_secs(30));
        let answer = line.post("/v1/transactions", &payments::single_body(&signed)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let json = |words: &[&str]| -> serde_json::Value {
        let output = site.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for entity in [&town, &seller] {
        let all = json(&["report", "open", entity]);
        let documents = all["documents"].as_array().unwrap();
        let open: Vec<&str> = documents.iter().map(|document| document["open"].as_str().unwrap()).collect();
        assert_eq!(open, ["500.00", "750.00"], "{all}");
        assert_eq!(all["of"].as_u64(), Some(BILLS + 3));
        let side = if *entity == town { "owes" } else { "owed" };
        assert_eq!(all[side].as_str(), Some("1250.00"), "{all}");
    }
    let all = json(&["report", "suppliers", &town]);
    let supplier = &all["suppliers"][0];
    assert_eq!(
        (supplier["open"].as_str(), supplier["booked"].as_str()),
        (Some("1250.00"), Some("1250.00")),
        "{all}"
    );
    assert_eq!(supplier["credited"].as_str(), Some("250.00"), "{all}");
    assert_eq!(supplier["invoices"].as_u64(), Some(BILLS + 2));
    let both = json(&["report", "between", &town, &seller]);
    assert_eq!(both["equal"].as_bool(), Some(true), "{both}");
    assert_eq!(both["parties"][0]["is_owed"].as_str(), Some("-1250.00"), "{both}");
    let text = site.run(&["report", "suppliers", &town]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("the accounts of payables say the same of each supplier"), "{text}");
}

/// By the official schema, where it lies beside the checkout.
fn judged(site: &Site) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(SAFT);
    if !schema.exists() {
        println!("passed over: {} is not there", schema.display());
        return;
    }
    let output = Command::new("xmllint")
        .args(["--noout", "--huge", "--schema"])
        .arg(schema)
        .arg(site.cluster.folder().join("books.xml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
