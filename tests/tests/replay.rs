//! What British councils paid in four months, through the real ledger: 35,529 payments to their
//! suppliers, each an invoice or a credit note with all its steps, every transaction signed and verified.
//! The pounds are taken as numbers. Without `../shared/data` the test says what it passed over.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use formats::csv::payments::{self, Columns};
use ledger::account::Account;
use ledger::amount::{Amount, Total};
use ledger::block::{Epoch, View};
use ledger::books::{Ledger, Parent, Slot};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::{Rate, Regime};
use ledger::records::{AccountRecord, PeriodRecord};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{
    Document, DocumentId, DocumentKind, InvoiceNumber, Line, Role, SignedTransaction, VatTotal,
};
use tests::chain::{self, Chain};
use tests::payments::{Dice, STEPS, Town, registrations, supplier};

/// Payments whose steps are taken together.
const AT_ONCE: usize = 1000;

/// One council's file: its columns, whether it states VAT, and what its README says of it.
struct Source {
    file: &'static str,
    columns: Columns,
    payments: u64,
    gross: i128,
    /// VAT and net, where the file has them.
    parts: Option<[i128; 2]>,
}

/// The ledger and its clock.
struct Books {
    ledger: Ledger,
    chain: Digest,
    blocks: u64,
    transactions: u64,
    // Whoever keeps books.
    keepers: Vec<OrgNumber>,
    // Without making the load: verifying, executing, posting.
    busy: Duration,
}

impl Books {
    /// Verifies and posts transactions in their order, none of which may be refused.
    fn post(&mut self, signed: Vec<SignedTransaction>) {
        self.transactions += signed.len() as u64;
        let began = Instant::now();
        let verified: Vec<_> = signed.into_iter().map(|signed| signed.verify(&self.chain).unwrap()).collect();
        let mut rest = verified.into_iter().peekable();
        let mut left_over = None;
        while left_over.is_some() || rest.peek().is_some() {
            self.blocks += 1;
            let time = Timestamp(chain::BEGIN.0 + self.blocks);
            let slot = Slot { epoch: Epoch(0), view: View(self.blocks), proposer: 0, time };
            let mut candidates = left_over.take().into_iter().chain(&mut rest);
            let proposed = self.ledger.propose(&Parent::Finalized, slot, &mut candidates);
            if let Some((transaction, refusal)) = proposed.refused.first() {
                panic!("{refusal}: {:?}", transaction.transaction().operation);
            }
            self.ledger.post(&proposed.staged);
            left_over = proposed.left_over;
        }
        self.busy += began.elapsed();
    }

    /// Every period in which anything is booked.
    fn periods(&self) -> impl Iterator<Item = &PeriodRecord> {
        let keys = self.keepers.iter().flat_map(|entity| months().map(move |month| (*entity, month)));
        keys.filter_map(|key| self.ledger.find::<PeriodRecord>(&key))
    }

    /// What an account moved by in all periods, debit positive.
    fn moved(&self, entity: OrgNumber, account: &str) -> i128 {
        let account = Account::parse(account).unwrap();
        let records =
            months().filter_map(|month| self.ledger.find::<AccountRecord>(&(entity, account, month)));
        records.map(|record| record.debit.0 - record.credit.0).sum()
    }
}

fn months() -> impl Iterator<Item = Period> {
    (201_801..=202_612).filter_map(|month| Period::new(month).ok())
}

/// An invoice or credit note with these lines: VAT at 25 % on as much of the net as gives the VAT that the
/// file states, whose rates are another country's; the rest bears none.
fn document(
    id: DocumentId,
    buyer: OrgNumber,
    date: Date,
    (net, vat): (i64, i64),
    centre: Option<u32>,
) -> Document {
    let credit = net + vat < 0;
    let (net, vat) = if credit { (-net, -vat) } else { (net, vat) };
    let taxed = vat * 4;
    let part = |net, vat_code, regime| Line {
        account: Account::parse("1.222.260").unwrap(),
        net: Amount(net),
        vat_code,
        regime,
        cost_centre: centre,
        project: None,
    };
    let total =
        |code, rate, base, vat| VatTotal { code, rate: Rate(rate), base: Amount(base), vat: Amount(vat) };
    let (mut lines, mut totals) = (Vec::new(), Vec::new());
    if net != taxed {
        lines.push(part(net - taxed, 0, Regime::Cost));
        totals.push(total(0, 0, net - taxed, 0));
    }
    if taxed != 0 {
        lines.push(part(taxed, 1, Regime::Compensate));
        totals.push(total(1, 2500, taxed, vat));
    }
    let content = Digest::of(&[id.to_string().as_bytes()]);
    Document {
        kind: if credit { DocumentKind::CreditNote { corrects: None } } else { DocumentKind::Invoice },
        buyer,
        date,
        tax_point: date,
        due: date,
        lines,
        vat_totals: totals,
        prepaid: Amount::ZERO,
        rounding: Amount::ZERO,
        payable: Amount(net + vat),
        payee: Digest::of(&[b"payee", &content.0]),
        content,
        id,
    }
}

/// Books one council's file on a town of its own.
fn replay(books: &mut Books, place: usize, source: &Source, file: BufReader<File>) {
    let Source { file: name, columns, .. } = source;
    let mut rows = Vec::new();
    let mut payees: BTreeMap<String, usize> = BTreeMap::new();
    let summary = payments::read(file, columns, &mut |payment| {
        let next = payees.len();
        let payee = *payees.entry(payment.payee.to_string()).or_insert(next);
        let (vat, net) = match source.parts {
            Some(_) => (payment.parts[0].0, payment.parts[1].0),
            None => (0, payment.total.0),
        };
        assert_eq!(vat + net, payment.total.0, "line {}", payment.line);
        let centre = payment.cost_centre.and_then(|code| code.parse().ok());
        rows.push((payment.line, payee, payment.date.unwrap(), net, vat, centre));
        Ok(())
    })
    .unwrap();
    assert_eq!((summary.payments, summary.total), (source.payments, Total(source.gross)), "{name}");

    let first = rows.iter().map(|row| row.2).min().unwrap().period();
    let invented = |n: usize| chain::invented_org(10_000 * (place + 1) + n);
    let town = Town::new(invented(0), first, &mut Dice::seeded(place as u64));
    let numbers: Vec<OrgNumber> = {
        let all = (700_000_000..).filter_map(|number| OrgNumber::new(number).ok());
        all.skip(10_000 * (place + 1) + 1).take(payees.len()).collect()
    };
    let suppliers =
        numbers.iter().enumerate().map(|(n, number)| supplier(*number, &format!("Leverandør {n}"), first));
    let registrar = chain::org(chain::REGISTRAR);
    let key = chain::private(registrar, 1);
    let entities = std::iter::once(town.entity()).chain(suppliers);
    for part in registrations(&books.chain, (registrar, &key), entities, town.keys()) {
        books.post(part);
    }

    books.keepers.push(town.number);
    books.keepers.extend(&numbers);
    let (mut empty, mut notes) = (0, 0);
    let (began, before) = (books.busy, books.transactions);
    let mut documents = Vec::new();
    for (line, payee, date, net, vat, centre) in rows {
        if net + vat == 0 {
            empty += 1;
            continue;
        }
        let number = InvoiceNumber::new(format!("{place}-{line}")).unwrap();
        let id = DocumentId { seller: numbers[payee], number, issued: date };
        documents.push(document(id, town.number, date, (net, vat), centre));
    }
    for some in documents.chunks(AT_ONCE) {
        for step in STEPS {
            // Nobody orders what is owed the other way.
            let mine = |document: &&Document| step != Role::Order || document.kind == DocumentKind::Invoice;
            books.post(some.iter().filter(mine).map(|d| town.step(&books.chain, d, step)).collect());
        }
        notes += some.iter().filter(|document| document.kind != DocumentKind::Invoice).count();
    }

    let [vat, net] = source.parts.unwrap_or([0, source.gross]);
    assert_eq!(books.moved(town.number, "1.222.260"), net, "{name}: net");
    assert_eq!(books.moved(town.number, "1.222.429"), vat, "{name}: VAT");
    assert_eq!(books.moved(town.number, "1.222.729"), -vat, "{name}: compensation");
    assert_eq!(books.moved(town.number, "2.16.610"), vat, "{name}: claim on the state");
    assert_eq!(books.moved(town.number, "2.10.320"), -source.gross, "{name}: cash");
    assert_eq!(books.moved(town.number, "2.35.200"), 0, "{name}: all is paid");
    let cash: i128 = numbers.iter().map(|number| books.moved(*number, "1920")).sum();
    assert_eq!(cash, source.gross, "{name}: what suppliers received");
    let (transactions, busy) = (books.transactions - before, books.busy - began);
    println!(
        "{name}: {} payments to {} suppliers, {notes} of them credits, {empty} of nothing; gross {}, VAT {}, net {}; \
         {transactions} transactions, {:.0} a second",
        source.payments,
        payees.len(),
        Total(source.gross),
        Total(vat),
        Total(net),
        transactions as f64 / busy.as_secs_f64()
    );
}

#[test]
fn thirty_five_thousand_payments_of_british_councils_are_booked_and_every_sum_is_its_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/uk-council-spend");
    if !folder.exists() {
        println!("passed over: ../shared/data/uk-council-spend is not there");
        return;
    }
    let sources = [
        Source {
            file: "salford-2020-12.csv",
            columns: Columns::SALFORD,
            payments: 3_179,
            gross: 2_273_046_480,
            parts: Some([188_456_953, 2_084_589_527]),
        },
        Source {
            file: "salford-2021-01.csv",
            columns: Columns::SALFORD,
            payments: 4_728,
            gross: 4_112_902_219,
            parts: Some([187_888_442, 3_925_013_777]),
        },
        Source {
            file: "northtyneside-2022-07_i.csv",
            columns: Columns::NORTH_TYNESIDE,
            payments: 18_400,
            gross: 5_362_286_647,
            parts: None,
        },
        Source {
            file: "newcastle-2020-04.csv",
            columns: Columns::NEWCASTLE,
            payments: 9_222,
            gross: 8_935_363_714,
            parts: None,
        },
    ];
    let chain = Chain::of(4);
    let ledger = Ledger::new(&chain.genesis).unwrap();
    let mut books = Books {
        chain: ledger.chain(),
        ledger,
        blocks: 0,
        transactions: 0,
        keepers: Vec::new(),
        busy: Duration::default(),
    };
    for (place, source) in sources.iter().enumerate() {
        let file = BufReader::new(File::open(folder.join(source.file)).unwrap());
        replay(&mut books, place, source, file);
    }
    let (mut debit, mut credit) = (0, 0);
    for period in books.periods() {
        assert_eq!(period.debit, period.credit, "{} {}", period.entity, period.period);
        debit += period.debit.0;
        credit += period.credit.0;
    }
    assert_eq!(debit, credit, "L16: all accounts of all entities sum to zero");
    println!(
        "{} transactions in {} blocks, {:.1} s of verifying, executing and posting",
        books.transactions,
        books.blocks,
        books.busy.as_secs_f64()
    );
}
