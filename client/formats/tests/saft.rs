//! SAF-T Financial against the official schemas and example, our own files read back, and files that
//! are wrong in the ways that files are wrong.
#![allow(clippy::unwrap_used)]

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use formats::books::{About, Books, Counts, Entry, Listed, Stop};
use formats::saft::grouping::grouping;
use formats::saft::{self, Options, ReadError, Role, Sink, Summary, Version, read, write};
use judge::{complaint, complaint_about, name, row, shared, word};
use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::block::LeafIndex;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::{JournalEntry, Posting, Rate, Regime, Vat, Voucher};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{DocumentId, InvoiceNumber, TransactionId};
use proptest::prelude::*;

const SAMPLE: &str = "skatteetaten-saf-t/samples/ExampleFile_SAF-T_Financial_888888888_20180228235959.xml";
const XSD_1_20: &str =
    "skatteetaten-saf-t/schema/Norwegian_SAF-T_Financial_Schema_v_1.10-file_is_version_1.20.xsd";
const XSD_1_30: &str = "skatteetaten-saf-t/schema/Norwegian_SAF-T_Financial_Schema_v_1.30.xsd";

/// What a reader remembers of a small file.
#[derive(Default)]
struct Kept {
    header: Option<saft::Header>,
    accounts: BTreeMap<String, saft::Account>,
    moved: BTreeMap<String, i128>,
    parties: Vec<saft::Party>,
    codes: Vec<saft::TaxCode>,
    dimensions: Vec<saft::Dimension>,
    entries: Vec<saft::Entry>,
}

impl Sink for Kept {
    fn header(&mut self, header: &saft::Header) -> Result<(), Stop> {
        self.header = Some(header.clone());
        Ok(())
    }
    fn account(&mut self, account: &saft::Account) -> Result<(), Stop> {
        self.accounts.insert(account.id.clone(), account.clone());
        Ok(())
    }
    fn party(&mut self, party: &saft::Party) -> Result<(), Stop> {
        self.parties.push(party.clone());
        Ok(())
    }
    fn tax_code(&mut self, code: &saft::TaxCode) -> Result<(), Stop> {
        self.codes.push(code.clone());
        Ok(())
    }
    fn dimension(&mut self, dimension: &saft::Dimension) -> Result<(), Stop> {
        self.dimensions.push(dimension.clone());
        Ok(())
    }
    fn entry(&mut self, entry: &saft::Entry) -> Result<(), Stop> {
        for line in &entry.lines {
            *self.moved.entry(line.account.clone()).or_default() += i128::from(line.amount.0);
        }
        self.entries.push(entry.clone());
        Ok(())
    }
}

fn kept(bytes: &[u8]) -> (Kept, Summary) {
    let mut kept = Kept::default();
    let summary = read(bytes, &mut kept).unwrap();
    (kept, summary)
}

#[test]
fn the_official_example_is_valid_by_its_own_schema_and_read_to_the_ore() {
    let Some(file) = shared(SAMPLE) else { return };
    let said = |schema| shared(schema).and_then(|schema| complaint(&schema, &file));
    let (old, new) = (said(XSD_1_20), said(XSD_1_30));
    assert_ne!(word(old.as_ref()), "invalid", "{old:?}");
    assert_ne!(word(new.as_ref()), "valid");
    let bytes = std::fs::read(&file).unwrap();
    let (kept, summary) = kept(&bytes);
    assert_eq!((summary.entries, summary.lines), (53, 170));
    assert_eq!((summary.debit, summary.credit), (Total(948_704_935), Total(948_704_935)));
    let header = kept.header.unwrap();
    assert_eq!(
        (header.version, header.entity.number(), header.name.as_str()),
        (Version::V1_10, 888_888_888, "Tøyen Lekefabrikk AS")
    );
    assert_eq!(header.periods.map(|(from, to)| (from.number(), to.number())), Some((201_701, 201_704)));
    let first = &kept.entries[0];
    assert_eq!(
        (first.id.as_str(), first.date.number(), first.document_date.number()),
        ("1001", 20170105, 20170104)
    );
    assert_eq!(first.lines[0].dimensions, [("A".into(), "102".into()), ("P".into(), "202".into())]);
    let tax = &first.lines[0].tax[0];
    assert_eq!(
        (tax.code.as_str(), tax.rate, tax.base, tax.amount),
        ("1", Some(Rate(2500)), Some(Amount(1_000_000)), Amount(250_000))
    );
    assert_eq!(first.lines[1].supplier.as_deref(), Some("2002"));
    let reduced = kept.codes.iter().find(|code| code.code == "1R").unwrap();
    assert_eq!((reduced.standard, reduced.rate), (Some(11), Some(Rate(1500))));
    // Names of persons and their numbers are in the file, and in nothing that was read of it.
    let everything = format!("{:?} {:?} {:?}", kept.parties, kept.dimensions, kept.entries);
    for personal in ["Nathaniel", "Nordseth", "Fredrikke", "994499944", "12347778911"] {
        assert!(std::str::from_utf8(&bytes).unwrap().contains(personal));
        assert!(!everything.contains(personal), "{personal}");
    }
    let told: Vec<_> = summary.findings.iter().map(ToString::to_string).collect();
    row(name(&file), word(old.as_ref()), "taken", &format!("by the schema of 1.20; {}", told.join(" | ")));
    let missed = new.flatten().unwrap_or_default();
    row(name(&file), "invalid", "taken", &format!("by the schema of 1.30, the file says 1.0: {missed}"));
    let rules: Vec<_> = summary.findings.iter().map(|finding| finding.rule).collect();
    assert!(rules.contains(&"F-SAFT-OPENING"));
    assert_eq!(rules.iter().filter(|rule| **rule == "F-SAFT-BALANCE").count(), 0);
}

fn about(kind: EntityKind) -> About {
    About {
        entity: OrgNumber::new(964_965_226).unwrap(),
        kind,
        name: "Stavanger & <kommune> \"Å\"".to_string(),
        from: Period::new(202_601).unwrap(),
        to: Period::new(202_612).unwrap(),
        chain: "hovedbok.example/main".to_string(),
        checkpoint: 4711,
    }
}

fn options() -> Options {
    let contact = ("Regnskap".to_string(), "Stavanger kommune".to_string());
    Options { created: Date::new(20_270_115).unwrap(), contact, vat_registered: true }
}

fn entry(number: u64, date: u32, document: Option<&str>, postings: Vec<Posting>) -> Entry {
    let date = Date::new(date).unwrap();
    let entity = OrgNumber::new(964_965_226).unwrap();
    let voucher = Voucher { year: date.year(), number };
    Entry {
        journal: JournalEntry::new(entity, voucher, date, None, postings).unwrap(),
        leaf: LeafIndex(number * 7),
        time: Timestamp(1_772_582_399_000),
        transaction: TransactionId(Digest([number as u8; 32])),
        kind: "invoice registered",
        document: document.map(|number| DocumentId {
            seller: OrgNumber::new(964_965_137).unwrap(),
            number: InvoiceNumber::new(number).unwrap(),
            issued: Date::new(20_260_302).unwrap(),
        }),
    }
}

fn posting(account: &str, ore: i64) -> Posting {
    Posting::new(Account::parse(account).unwrap(), Amount(ore))
}

/// E2 of the worked examples: cleaning with VAT that is compensated.
fn e2() -> Listed {
    let vat = |base| Some(Vat { code: 1, regime: Regime::Compensate, base: Amount(base), rate: Rate(2500) });
    let mut net = posting("1.222.260", 10_000_000);
    (net.cost_centre, net.project, net.vat) = (Some(4102), Some(542), vat(10_000_000));
    let mut cost = posting("1.222.429", 2_500_000);
    cost.vat = vat(10_000_000);
    let mut claim = posting("2.16.610", 2_500_000);
    claim.vat = vat(10_000_000);
    let mut income = posting("1.222.729", -2_500_000);
    income.cost_centre = Some(4102);
    let mut owed = posting("2.35.890", -12_500_000);
    owed.counterparty = Some(OrgNumber::new(964_965_137).unwrap());
    Listed {
        about: about(EntityKind::Municipality),
        openings: BTreeMap::from([
            (Account::parse("2.10.000").unwrap(), (Total(50_000_000), Some("Bank".to_string()))),
            (Account::parse("2.5990.000").unwrap(), (Total(-50_000_000), None)),
        ]),
        entries: vec![entry(1, 20_260_304, Some("F-8841"), vec![net, cost, claim, income, owed])],
        parties: BTreeMap::from([(OrgNumber::new(964_965_137).unwrap(), "Renhold & Co AS".to_string())]),
    }
}

fn written(books: &mut dyn Books) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(books, &options(), &mut bytes).unwrap();
    bytes
}

#[test]
fn a_municipalitys_books_pass_the_official_schema_and_read_back_as_they_were() {
    let mut books = e2();
    let bytes = written(&mut books);
    let text = std::str::from_utf8(&bytes).unwrap();
    let said = shared(XSD_1_30).and_then(|schema| complaint_about(&schema, &bytes));
    row("our SAF-T of E2", word(said.as_ref()), "written", "1.30, one voucher of five lines");
    assert_ne!(word(said.as_ref()), "invalid", "{said:?} {text}");
    let (kept, summary) = kept(&bytes);
    assert_eq!(summary.findings, []);
    let header = kept.header.unwrap();
    assert_eq!((header.version, header.entity), (Version::V1_30, books.about.entity));
    assert_eq!(header.name, books.about.name);
    assert_eq!(kept.accounts["2.10.000"].name, "Bank");
    let grouping = kept.accounts["1.222.260"].grouping.clone().unwrap();
    assert_eq!(grouping, ("KA_K".to_string(), "260".to_string()));
    assert_eq!(kept.accounts["2.35.890"].closing, Amount(-12_500_000));
    let party = &kept.parties[0];
    assert_eq!(
        (party.role, party.id.as_str(), party.name.as_deref()),
        (Role::Supplier, "964965137", Some("Renhold & Co AS"))
    );
    assert_eq!(kept.codes[0].code, "1K");
    assert_eq!((kept.codes[0].standard, kept.codes[0].compensation), (Some(1), true));
    let found = &kept.entries[0];
    assert_eq!(
        (found.id.as_str(), found.date.number(), found.document_date.number()),
        ("2026/1", 20_260_304, 20_260_302)
    );
    let line = &found.lines[0];
    assert_eq!(
        line.dimensions,
        [("A".into(), "4102".into()), ("P".into(), "542".into()), ("F".into(), "222".into())]
    );
    assert_eq!(line.document.as_deref(), Some("F-8841"));
    // The VAT is stated once, on the line it is computed from.
    let stated: Vec<_> = found.lines.iter().map(|line| line.tax.len()).collect();
    assert_eq!(stated, [1, 0, 0, 0, 0]);
    assert_eq!((line.tax[0].base, line.tax[0].amount), (Some(Amount(10_000_000)), Amount(2_500_000)));
    assert_eq!(found.lines[4].supplier.as_deref(), Some("964965137"));
}

#[test]
fn what_the_receiver_would_not_find_in_its_lists_is_told_to_whoever_hands_over() {
    let mut books = e2();
    books.openings.remove(&Account::parse("2.5990.000").unwrap());
    books.entries.push(entry(
        2,
        20_260_305,
        None,
        vec![posting("1.222.270", 100), posting("2.10.000", -100)],
    ));
    let mut bytes = Vec::new();
    let written = write(&mut books, &options(), &mut bytes).unwrap();
    let told: Vec<String> = written.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "F-SAFT-GROUPING account 1.222.270: code 270 is not in the list KA_K of 2026; recode what was booked on it, or tell the receiver",
            "F-SAFT-OPENING the file: the opening balances of these periods add up to 500 000,00, not to zero: the years before are not closed to equity, or the span begins within a year",
        ]
    );
    assert_eq!((written.counts.entries, written.counts.postings, written.accounts), (2, 7, 7));
}

#[test]
fn f_books_an_export_that_is_not_whole_does_not_pass_for_one() {
    struct Forgets(Listed);
    impl Books for Forgets {
        fn about(&self) -> &About {
            self.0.about()
        }
        fn counts(&self) -> Counts {
            Counts { entries: 2, ..self.0.counts() }
        }
        fn accounts(
            &mut self,
            each: &mut dyn FnMut(&formats::books::AccountLine) -> formats::books::Outcome,
        ) -> formats::books::Outcome {
            self.0.accounts(each)
        }
        fn entries(
            &mut self,
            each: &mut dyn FnMut(&Entry) -> formats::books::Outcome,
        ) -> formats::books::Outcome {
            self.0.entries(each)
        }
        fn party(&self, number: OrgNumber) -> Option<String> {
            self.0.party(number)
        }
    }
    let error = write(&mut Forgets(e2()), &options(), Vec::new()).unwrap_err();
    assert_eq!(error.rule(), Some("F-BOOKS"));
    let mut auditor = e2();
    auditor.about.kind = EntityKind::Auditor;
    assert_eq!(write(&mut auditor, &options(), Vec::new()).unwrap_err().rule(), Some("F-SAFT"));
    let mut early = e2();
    early.about.from = Period::new(196_912).unwrap();
    let error = write(&mut early, &options(), Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "period 1969-12 is outside 1970 to 2100, which SAF-T allows; leave it out");
    let mut huge = e2();
    huge.entries[0] =
        entry(1, 20_260_304, None, vec![posting("2.10.000", i64::MAX), posting("2.10.000", -i64::MAX)]);
    let error = write(&mut huge, &options(), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("more than 18 digits"), "{error}");
}

/// Books of some size, of accounts that a chart may have, each voucher balanced.
fn random_books(kind: EntityKind) -> impl Strategy<Value = Listed> {
    let accounts: &'static [&'static str] = match kind {
        EntityKind::Municipality => &[
            "1.222.260",
            "0.841.729",
            "1.100.010",
            "2.10.000",
            "2.35.890",
            "1.253.650",
            "2.32.610",
            "1.222.429",
        ],
        EntityKind::State => &["S870", "S655", "S1970", "S2400", "S150"],
        _ => &["1500", "1920", "2400", "2700", "3000", "4300", "6820", "7770", "8050"],
    };
    let one = (
        0..accounts.len(),
        -9_000_000_000_000_i64..9_000_000_000_000,
        prop::option::of(0..1_000_000_u32),
        prop::option::of(any::<u32>()),
        prop::option::of((0..6_usize, 0..3_usize)),
        any::<bool>(),
    );
    let voucher =
        (prop::collection::vec(one, 1..6), 1..=12_u32, 1..=28_u32, prop::option::of("[A-Z0-9]{1,9}"));
    let openings = prop::collection::vec(-1_000_000_000_i64..1_000_000_000, accounts.len());
    (prop::collection::vec(voucher, 0..12), openings).prop_map(move |(vouchers, openings)| {
        let other = OrgNumber::new(964_965_137).unwrap();
        let mut entries = Vec::new();
        for (lines, month, day, document) in vouchers {
            let mut postings = Vec::new();
            for (place, ore, cost_centre, project, vat, party) in lines {
                if ore == 0 {
                    continue;
                }
                let mut line = posting(accounts[place], ore);
                (line.cost_centre, line.project) = (cost_centre, project);
                line.counterparty = party.then_some(other);
                line.vat = vat.map(|(code, regime)| Vat {
                    code: [1, 11, 13, 3, 0, 86][code],
                    regime: [Regime::Deduct, Regime::Compensate, Regime::Cost][regime],
                    base: Amount(ore.abs()),
                    rate: Rate([2500, 1500, 1111][code % 3]),
                });
                postings.push(line);
            }
            let sum: i64 = postings.iter().map(|posting| posting.amount.0).sum();
            if sum == 0 {
                continue;
            }
            postings.push(posting(accounts[0], -sum));
            let number = entries.len() as u64 + 1;
            let date = 20_260_000 + month * 100 + day;
            entries.push(entry(number, date, document.as_deref(), postings));
        }
        let sum: i64 = openings.iter().sum();
        let mut balances: BTreeMap<Account, (Total, Option<String>)> = BTreeMap::new();
        for (place, ore) in openings.iter().enumerate() {
            let ore = if place == 0 { ore - sum } else { *ore };
            balances.insert(Account::parse(accounts[place]).unwrap(), (Total(i128::from(ore)), None));
        }
        Listed { about: about(kind), openings: balances, entries, parties: BTreeMap::new() }
    })
}

fn any_books() -> impl Strategy<Value = Listed> {
    prop_oneof![
        random_books(EntityKind::Municipality),
        random_books(EntityKind::State),
        random_books(EntityKind::Private)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_we_write_reads_back_to_the_same_balances(books in any_books()) {
        let mut books = books;
        let bytes = written(&mut books);
        let (kept, summary) = kept(&bytes);
        prop_assert_eq!(&summary.findings, &vec![]);
        let counts = books.counts();
        prop_assert_eq!((summary.entries, summary.lines, summary.debit, summary.credit),
            (counts.entries, counts.postings, counts.debit, counts.credit));
        let mut accounts = 0;
        books.accounts(&mut |line| {
            accounts += 1;
            let found = &kept.accounts[&line.account.to_string()];
            assert_eq!(i128::from(found.opening.0), line.opening.0);
            assert_eq!(i128::from(found.closing.0), line.closing().0);
            let moved = kept.moved.get(&line.account.to_string()).copied().unwrap_or(0);
            assert_eq!(moved, line.debit.0 - line.credit.0);
            Ok(())
        }).unwrap();
        prop_assert_eq!(accounts, kept.accounts.len());
        for (written, read) in books.entries.iter().zip(&kept.entries) {
            prop_assert_eq!(&read.id, &written.journal.voucher.to_string());
            prop_assert_eq!(read.date, written.journal.date);
            for (posting, line) in written.journal.postings.iter().zip(&read.lines) {
                prop_assert_eq!(&line.account, &posting.account.to_string());
                prop_assert_eq!(line.amount, posting.amount);
                let of = |kind: &str| line.dimensions.iter().find(|(k, _)| k == kind).map(|(_, id)| id.clone());
                prop_assert_eq!(of("A"), posting.cost_centre.map(|n| n.to_string()));
                prop_assert_eq!(of("P"), posting.project.map(|n| n.to_string()));
                prop_assert_eq!(line.tax.len(), usize::from(posting.vat.is_some()));
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_its_sums_are_those_of_its_entries(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, 1..60_usize, any::<u8>()), 1..4),
    ) {
        let mut bytes = written(&mut e2());
        for (place, how, length, byte) in damage {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match how {
                0 => { bytes.drain(at..end); }
                1 => { let copy = bytes[at..end].to_vec(); bytes.splice(at..at, copy); }
                2 => { bytes.splice(at..at, *b"<Line>"); }
                _ => if let Some(old) = bytes.get_mut(at) { *old = byte },
            }
        }
        let mut kept = Kept::default();
        if let Ok(summary) = read(&bytes[..], &mut kept) {
            let debit: i128 = kept.entries.iter().map(|entry| entry.debit.0).sum();
            prop_assert_eq!((summary.entries, summary.debit), (kept.entries.len() as u64, Total(debit)));
            let unbalanced = kept.entries.iter().any(|entry| !entry.is_balanced());
            prop_assert_eq!(unbalanced, summary.findings.iter().any(|f| f.rule == "F-SAFT-BALANCE"));
        }
    }
}

#[test]
fn ten_thousand_random_entries_of_each_chart_pass_the_official_schema() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    for kind in [EntityKind::Municipality, EntityKind::State, EntityKind::Private] {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
        let mut books = random_books(kind).new_tree(&mut runner).unwrap().current();
        while books.entries.len() < 3_400 {
            let more = random_books(kind).new_tree(&mut runner).unwrap().current();
            for mut entry in more.entries {
                entry.journal.voucher.number = books.entries.len() as u64 + 1;
                books.entries.push(entry);
            }
        }
        let bytes = written(&mut books);
        assert_eq!(kept(&bytes).1.findings, []);
        let said = shared(XSD_1_30).and_then(|schema| complaint_about(&schema, &bytes));
        let size = format!("{} vouchers, {} kB", books.entries.len(), bytes.len() >> 10);
        row(&format!("our SAF-T of a {kind}"), word(said.as_ref()), "written", &size);
        assert_ne!(word(said.as_ref()), "invalid", "{kind}: {said:?}");
    }
}

/// The file of E2 with something replaced.
fn changed(what: &str, by: &str) -> Result<Summary, ReadError> {
    let text = String::from_utf8(written(&mut e2())).unwrap();
    assert!(text.contains(what), "{what} is not in {text}");
    read(text.replacen(what, by, 1).as_bytes(), &mut ())
}

#[test]
fn f_saft_what_does_not_add_up_is_told_in_the_words_of_bookkeeping() {
    for (what, by, expected) in [
        (
            "<OpeningDebitBalance>500000.00</OpeningDebitBalance>",
            "<OpeningDebitBalance>500001.00</OpeningDebitBalance>",
            "F-SAFT-OPENING the file: the opening balances do not net to zero: 1,00 too much in debit; the result of \
             earlier periods is often what is missing, find the account it belongs to | F-SAFT-CLOSING account \
             2.10.000: opening balance 500 001,00 and postings of 0,00 make 500 001,00, the file says 500 000,00; \
             look for vouchers outside the file's periods",
        ),
        (
            "<TotalDebit>150000.00</TotalDebit>",
            "<TotalDebit>150000.01</TotalDebit>",
            "F-SAFT-TOTALS TotalDebit: the file says 150 000,01, its vouchers add up to 150 000,00; vouchers are \
             missing or were changed, ask for a new export",
        ),
        (
            "<NumberOfEntries>1</NumberOfEntries>",
            "<NumberOfEntries>2</NumberOfEntries>",
            "F-SAFT-TOTALS NumberOfEntries: the file says 2, its vouchers add up to 1; vouchers are missing or were \
             changed, ask for a new export",
        ),
        (
            "<Description>invoice registered 964965137 F-8841</Description>\n\t\t\t\t\t<DebitAmount>\n\t\t\t\t\t\t<Amount>100000.00",
            "<Description>x</Description>\n<DebitAmount>\n<Amount>100000.01",
            "F-SAFT-BALANCE voucher 2026/1: debit 150 000,01, credit 150 000,00, difference 0,01; such a voucher \
             cannot be booked, have it corrected where it comes from | F-SAFT-TOTALS TotalDebit: the file says 150 \
             000,00, its vouchers add up to 150 000,01; vouchers are missing or were changed, ask for a new export | \
             F-SAFT-CLOSING account 1.222.260: opening balance 0,00 and postings of 100 000,01 make 100 000,01, the \
             file says 100 000,00; look for vouchers outside the file's periods",
        ),
        (
            "<TaxCode>1K</TaxCode>",
            "<TaxCode>2</TaxCode>",
            "F-SAFT-TAX voucher 2026/1: tax code 1K is not in the file's tax table; add it there with its standard \
             tax code",
        ),
    ] {
        let summary = changed(what, by).unwrap();
        let told: Vec<String> = summary.findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.join(" | "), expected);
    }
}

#[test]
fn f_saft_a_file_that_could_be_booked_in_two_ways_is_refused_where_it_stands() {
    for (what, by, rule, says) in [
        (
            "<AuditFileVersion>1.30",
            "<AuditFileVersion>2.0",
            "F-SAFT",
            "version \"2.0\" is not read; export the file as version 1.30",
        ),
        (
            "<DefaultCurrencyCode>NOK",
            "<DefaultCurrencyCode>EUR",
            "F-SAFT",
            "the books are kept in \"EUR\"; export them in NOK",
        ),
        ("<RegistrationNumber>964965226", "<RegistrationNumber>964965227", "F-SAFT", "MOD 11"),
        (
            "<AccountID>1.222.429</AccountID>",
            "<AccountID>1.222.260</AccountID>",
            "F-SAFT",
            "account 1.222.260 stands twice",
        ),
        ("<TransactionID>2026/1</TransactionID>", "", "F-SAFT", "a voucher has no TransactionID"),
        (
            "<GLPostingDate>2026-03-04",
            "<GLPostingDate>2026-02-30",
            "F-SAFT",
            "voucher 2026/1, AuditFile/GeneralLedgerEntries/Journal/Transaction/GLPostingDate",
        ),
        (
            "<Amount>125000.00</Amount>\n\t\t\t\t\t</CreditAmount>",
            "<Amount>125000.005</Amount></CreditAmount>",
            "F-SAFT",
            "\"125000.005\" is no amount",
        ),
        (
            "<Amount>125000.00</Amount>\n\t\t\t\t\t</CreditAmount>",
            "<Amount>1</Amount></CreditAmount><DebitAmount><Amount>2</Amount></DebitAmount>",
            "F-SAFT",
            "an amount, in debit or credit, stands twice",
        ),
        (
            "<RecordID>5</RecordID>",
            "<RecordID>5</RecordID><AccountID>1920</AccountID>",
            "F-SAFT",
            "AccountID stands twice",
        ),
        ("<NumberOfEntries>1<", "<NumberOfEntries>one<", "F-SAFT", "\"one\" is no whole number"),
        (
            "<GeneralLedgerEntries>",
            "<MasterFiles></MasterFiles><GeneralLedgerEntries>",
            "F-SAFT",
            "MasterFiles stands out of order",
        ),
        (
            "xmlns=\"urn:StandardAuditFile-Taxation-Financial:NO\"",
            "xmlns=\"urn:OECD:StandardAuditFile-Tax:PT_1.04_01\"",
            "F-SAFT",
            "send the SAF-T Financial export",
        ),
        (
            "<AuditFile ",
            "<!DOCTYPE AuditFile [<!ENTITY a 'b'>]><AuditFile ",
            "F-XML",
            "a document type definition",
        ),
        ("Renhold &amp; Co AS", "&xxe;", "F-XML", "a reference to an entity"),
    ] {
        let error = changed(what, by).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
    for (bytes, says) in [
        (&b"<AuditFile xmlns='urn:StandardAuditFile-Taxation-Financial:NO'/>"[..], "no Header"),
        (
            b"<AuditFile xmlns='urn:StandardAuditFile-Taxation-Financial:NO'><Header/></AuditFile>",
            "no AuditFileVersion",
        ),
        (b"<Invoice/>", "send the SAF-T Financial export"),
        (b"\xFF\xFE<\0A\0", "UTF-16"),
    ] {
        let error = read(bytes, &mut ()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_same_books_in_iso_8859_1_and_with_a_byte_order_mark_are_the_same_books() {
    let text = String::from_utf8(written(&mut e2())).unwrap();
    let declared = text.replacen("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"", 1);
    let latin: Vec<u8> = declared.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let marked = format!("\u{FEFF}{text}");
    let names = [latin.as_slice(), marked.as_bytes(), text.as_bytes()]
        .map(|bytes| kept(bytes).0.header.unwrap().name);
    assert_eq!(names, ["Stavanger & <kommune> \"Å\""; 3].map(String::from));
}

#[test]
fn elements_that_are_written_and_left_empty_say_nothing() {
    let text = String::from_utf8(written(&mut e2())).unwrap();
    let other = text
        .replace("<SupplierID>964965137</SupplierID>\n\t\t\t\t\t<Description>", "<SupplierID/><Description>")
        .replace("<AnalysisID>4102</AnalysisID>\n\t\t\t\t\t\t<Debit", "<AnalysisID/><Debit")
        .replace(
            "<AnalysisType>P</AnalysisType>\n\t\t\t\t\t\t<AnalysisID>542</AnalysisID>\n\t\t\t\t\t\t<Debit",
            "<AnalysisType/><AnalysisID/><Debit",
        );
    let (kept, summary) = kept(other.as_bytes());
    assert_eq!(summary.findings, []);
    let lines = &kept.entries[0].lines;
    assert_eq!(lines[0].dimensions, [("F".to_string(), "222".to_string())]);
    assert!(lines.iter().all(|line| line.supplier.is_none()));
    let error = changed(
        "<AnalysisType>P</AnalysisType>\n\t\t\t\t\t\t<AnalysisID>542</AnalysisID>\n\t\t\t\t\t\t<Debit",
        "<AnalysisID>542</AnalysisID><Debit",
    )
    .unwrap_err();
    assert!(error.to_string().contains("an Analysis has a value and no type"), "{error}");
}

#[test]
fn whoever_has_no_organisation_number_may_be_a_person_and_loses_the_name() {
    let text = String::from_utf8(written(&mut e2())).unwrap();
    for number in ["01019012345", "964965138", "NO", ""] {
        let other = text.replacen(
            "<RegistrationNumber>964965137</RegistrationNumber>",
            &format!("<RegistrationNumber>{number}</RegistrationNumber>"),
            1,
        );
        let (kept, _) = kept(other.as_bytes());
        assert_eq!((kept.parties[0].number, kept.parties[0].name.clone()), (None, None));
    }
    let document = text.replace("F-8841</SourceDocumentID>", "010190 12345</SourceDocumentID>");
    assert!(kept(document.as_bytes()).0.entries[0].lines.iter().all(|line| line.document.is_none()));
    let of_persons = text.replacen("<AnalysisTypeDescription>Ansvar", "<AnalysisTypeDescription>Ansatt", 1);
    assert_eq!(kept(of_persons.as_bytes()).0.dimensions[0].name, None);
}

#[test]
fn a_sink_that_stops_ends_the_reading_with_its_own_words() {
    struct Refuses;
    impl Sink for Refuses {
        fn entry(&mut self, entry: &saft::Entry) -> Result<(), Stop> {
            Err(Stop::new(format!("voucher {} is not wanted", entry.id)))
        }
    }
    let error = read(&written(&mut e2())[..], &mut Refuses).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.rule()), ("voucher 2026/1 is not wanted", None));
}

/// Codes of an official list, by category.
fn official(file: &str) -> Option<BTreeSet<String>> {
    let text = std::fs::read_to_string(shared(&format!("skatteetaten-saf-t/codes/{file}"))?).unwrap();
    // Some descriptions run over several lines, within quotation marks.
    let mut rows = formats::csv::Rows::new(text.as_bytes(), b';');
    let mut codes = BTreeSet::new();
    while let Some(row) = rows.next_row().unwrap() {
        if row.line > 1 {
            codes.insert(format!("{} {}", row.get(0), row.get(2)));
        }
    }
    Some(codes)
}

fn listed(accounts: impl Iterator<Item = Account>) -> BTreeSet<String> {
    let groups = accounts.map(|account| grouping(account, 2024)).filter(|group| group.listed);
    groups.map(|group| format!("{} {}", group.category, group.code)).collect()
}

#[test]
fn the_codes_that_we_call_listed_are_those_of_the_official_lists() {
    if let Some(official) = official("KOSTRA_Arts_2024_kommuner.csv") {
        let arts = (0..1000).map(|art| Account::kostra(Class::Operating, 222, art));
        let chapters = (1..10_000).map(|chapter| Account::balance(chapter, 0));
        let ours = listed(arts.chain(chapters));
        row("KOSTRA_Arts_2024_kommuner.csv", "-", "same", &format!("{} codes", ours.len()));
        assert_eq!(ours, official);
    }
    if let Some(official) = official("STAT_Grouping_Category_Code.csv") {
        let ours = listed((1..10_000).map(Account::state));
        row("STAT_Grouping_Category_Code.csv", "-", "same", &format!("{} codes", ours.len()));
        assert_eq!(ours, official);
    }
}

#[test]
fn the_tax_codes_that_we_call_compensable_are_those_of_the_official_list() {
    let Some(file) = shared("skatteetaten-saf-t/codes/Standard_Tax_Codes.csv") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let mut table = formats::csv::Table::open(text.as_bytes(), b';').unwrap();
    let (code, compensation) = (table.column("Code").unwrap(), table.column("Compensation").unwrap());
    let mut count = 0;
    while let Some(row) = table.next_row().unwrap() {
        let number: u16 = row.get(code).parse().unwrap();
        let mut books = e2();
        let line = &mut books.entries[0].journal.postings[0];
        line.vat = line.vat.map(|vat| Vat { code: number, ..vat });
        let (kept, _) = kept(&written(&mut books));
        assert_eq!((kept.codes.len(), kept.codes[0].standard), (1, Some(number)));
        assert_eq!(kept.codes[0].compensation, row.get(compensation).trim() == "TRUE", "{number}");
        count += 1;
    }
    assert_eq!(count, 30);
}

/// The worked examples of accounting, E1 to E10, as the books of each entity in them.
fn worked_examples(text: &str) -> Vec<Listed> {
    let mut books: BTreeMap<OrgNumber, Listed> = BTreeMap::new();
    let mut date = 0;
    let mut lines: BTreeMap<OrgNumber, Vec<Posting>> = BTreeMap::new();
    for line in text.lines().chain([""]) {
        let line = line.split(';').next().unwrap();
        if let Some(rest) = line.strip_prefix("  ") {
            let (key, amount) = rest.trim().trim_end_matches(" NOK").split_once(char::is_whitespace).unwrap();
            let (entity, account) = key.split_once(':').unwrap();
            let state = entity == "970018131" || entity == "974761076";
            // Two accounts of the collector have names instead of numbers there.
            let account = account.replace("VAT-revenue", "840").replace("VAT-receivable", "159");
            let account = if state { format!("S{account}") } else { account.replace(':', ".") };
            let line = posting(&account, Amount::from_decimal(amount.trim()).unwrap().0);
            lines.entry(OrgNumber::parse(entity).unwrap()).or_default().push(line);
            continue;
        }
        for (entity, postings) in std::mem::take(&mut lines) {
            let kind = match postings[0].account.class {
                Class::State => EntityKind::State,
                Class::Private => EntityKind::Private,
                _ => EntityKind::Municipality,
            };
            let about = About { entity, name: format!("Enhet {entity}"), ..about(kind) };
            let (openings, parties) = (BTreeMap::new(), BTreeMap::new());
            let of = books.entry(entity).or_insert(Listed { about, openings, entries: Vec::new(), parties });
            let mut voucher = entry(of.entries.len() as u64 + 1, date, None, postings);
            voucher.journal.entity = entity;
            of.entries.push(voucher);
        }
        if let Some(day) = line.get(..10) {
            date = Date::parse(day).unwrap().number();
        }
    }
    books.into_values().collect()
}

#[test]
fn the_worked_examples_pass_the_official_schema_and_read_back_to_their_balances() {
    let Some(file) = shared("../reference/accounting-examples.journal") else { return };
    let all = worked_examples(&std::fs::read_to_string(file).unwrap());
    assert!(all.len() >= 4, "{}", all.len());
    let mut vouchers = 0;
    for mut books in all {
        let about = books.about.clone();
        vouchers += books.entries.len();
        let bytes = written(&mut books);
        let said = shared(XSD_1_30).and_then(|schema| complaint_about(&schema, &bytes));
        let (kept, summary) = kept(&bytes);
        let why =
            format!("{} vouchers, {} accounts, debit {}", summary.entries, summary.accounts, summary.debit);
        row(&format!("our SAF-T of the examples, {}", about.entity), word(said.as_ref()), "written", &why);
        assert_ne!(word(said.as_ref()), "invalid", "{}: {said:?}", about.entity);
        assert_eq!(summary.findings, []);
        books
            .accounts(&mut |line| {
                let read = &kept.accounts[&line.account.to_string()];
                assert_eq!(i128::from(read.closing.0), line.closing().0, "{}", line.account);
                Ok(())
            })
            .unwrap();
    }
    assert!(vouchers >= 20, "{vouchers}");
}
