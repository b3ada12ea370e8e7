//! The rules against the worked examples, in the books' own notation.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::block::{Epoch, Height, LeafIndex};
use crate::booking;
use crate::entity::{EntityKind, Name};
use crate::entry::{Rate, Regime};
use crate::records::{AccountRecord, Status};
use crate::registers::{Place, Record as _, Registers, Stored};
use crate::signature::{PublicKey, Signature};
use crate::time::{Period, Timestamp};
use crate::transaction::{
    BankReference, Books, Document, DocumentKind, InvoiceNumber, KeySignature, KidRule, Line, Mandate,
    NewEntity, NewKey, OpeningLine, ReasonCode, SignedTransaction, Transaction, VatTotal,
};

mod books;
mod budget;
mod documents;
mod hand;
mod netting;
mod parties;
mod payments;
mod properties;
mod transcript;

pub(crate) const CODES: &str = include_str!("../../../node/genesis/codes.txt");
pub(crate) const BOOKING: &str = include_str!("../../../node/genesis/booking.txt");
const CHAIN: Digest = Digest([9; 32]);

/// Stavanger, Sandnes, a supplier, Utdanningsdirektoratet: the entities of the worked examples.
const S: u32 = 964_965_226;
const N: u32 = 964_965_137;
const L: u32 = 123_456_785;
const U: u32 = 970_018_131;
/// A county, Stavanger's auditor, the chain's registrar, a supplier that keeps its books elsewhere.
const C: u32 = 888_888_888;
const A: u32 = 999_999_999;
const R: u32 = 974_761_076;
const P: u32 = 914_778_271;

fn org(number: u32) -> OrgNumber {
    OrgNumber::new(number).unwrap()
}

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn account(text: &str) -> Account {
    Account::parse(text).unwrap()
}

fn nok(text: &str) -> Amount {
    Amount::from_decimal(text).unwrap()
}

fn place(time: Timestamp, height: u64, leaf: u64) -> Place {
    Place { chain: CHAIN, time, height: Height(height), leaf: LeafIndex(leaf) }
}

/// Noon of a day, in Norway.
fn noon(day: Date) -> Timestamp {
    let mut at = Timestamp(10 * 3_600_000);
    while at.date() < day {
        at.0 += 86_400_000;
    }
    at
}

/// The key with this seed.
fn key(seed: u8) -> PublicKey {
    PublicKey(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
}

/// Seeds of keys: the tens name the entity, the ones the role.
const REGISTRAR: u8 = 1;
const AUDITOR: u8 = 2;
const S_ADMIN: u8 = 10;
const S_SUBMIT: u8 = 11;
const S_ATTEST: u8 = 12;
const S_APPROVE: u8 = 13;
const S_ORDER: u8 = 14;
const S_BANK: u8 = 15;
/// A second key of the person who attests, with every mandate.
const S_EVERYTHING: u8 = 16;
/// A key of the supplier that was given the buyer's mandates.
const L_FOR_S: u8 = 20;
const L_SUBMIT: u8 = 21;

const ROLES: [Role; 5] = [Role::Submit, Role::Attest, Role::Approve, Role::Order, Role::Bank];

fn entity(number: u32, kind: EntityKind, name: &str, sector: u16, books: Option<&str>) -> NewEntity {
    NewEntity {
        number: org(number),
        kind,
        name: Name::new(name).unwrap(),
        sector,
        books: books.map_or(Books::None, |from| Books::From(Period::parse(from).unwrap())),
        kid: KidRule::None,
    }
}

fn granted(seed: u8, own: u32, holder: u32, mandates: &[(u32, Role)]) -> NewKey {
    let (from, to) = (date("2010-01-01"), date("2030-12-31"));
    let mandates =
        mandates.iter().map(|(entity, role)| Mandate { entity: org(*entity), role: *role, from, to });
    NewKey { key: key(seed), entity: org(own), holder, mandates: mandates.collect() }
}

fn all_for(entity: u32) -> Vec<(u32, Role)> {
    ROLES.iter().map(|role| (entity, *role)).collect()
}

/// Books under test: each transaction is a block of its own.
struct World {
    registers: Registers,
    today: Timestamp,
    leaf: u64,
    sent: u8,
}

impl World {
    fn new() -> Self {
        Self::beginning("2026-01")
    }

    /// Entities of the worked examples whose books begin with this period.
    fn beginning(from: &str) -> Self {
        let mut registers = Registers::default();
        let mut draft = Draft::new(&registers, &[], place(Timestamp(1), 0, 0));
        draft.put(booking::parse(BOOKING).unwrap());
        for code in codes::parse(CODES).unwrap() {
            draft.put(code);
        }
        let epoch = EpochRecord {
            epoch: Epoch(0),
            after: Height(0),
            size: 0,
            validators: Digest::default(),
            recovery: false,
        };
        seat(&mut draft, epoch, &[]);
        for (number, kind, name, sector, books) in [
            (S, EntityKind::Municipality, "Stavanger kommune", 650, Some(from)),
            (N, EntityKind::Municipality, "Sandnes kommune", 650, Some(from)),
            (L, EntityKind::Private, "Renhold AS", 200, Some(from)),
            (U, EntityKind::State, "Utdanningsdirektoratet", 610, Some(from)),
            (C, EntityKind::County, "Fylket", 640, Some(from)),
            (A, EntityKind::Auditor, "Rogaland Revisjon", 0, None),
            (R, EntityKind::State, "Skatteetaten", 610, None),
            (P, EntityKind::Private, "Mat og Drikke AS", 200, None),
        ] {
            draft.put(EntityRecord { entity: entity(number, kind, name, sector, books), opened: false });
        }
        for key in [
            granted(REGISTRAR, R, 1, &[(R, Role::Register)]),
            granted(AUDITOR, A, 7, &[(S, Role::Audit)]),
            granted(S_ADMIN, S, 1, &[(S, Role::Administer)]),
            granted(S_SUBMIT, S, 0, &[(S, Role::Submit)]),
            granted(S_ATTEST, S, 2, &[(S, Role::Attest)]),
            granted(S_APPROVE, S, 3, &[(S, Role::Approve)]),
            granted(S_ORDER, S, 0, &[(S, Role::Order)]),
            granted(S_BANK, S, 0, &[(S, Role::Bank)]),
            granted(S_EVERYTHING, S, 2, &all_for(S)),
            granted(L_FOR_S, L, 4, &all_for(S)),
            granted(L_SUBMIT, L, 5, &all_for(L)),
        ] {
            draft.put(KeyRecord { granted: key, revoked: false });
        }
        for (number, tens) in [(N, 30), (U, 40), (C, 50), (P, 60)] {
            for (place, role) in (1..).zip(ROLES) {
                let key = granted(tens + place, number, place.into(), &[(number, role)]);
                draft.put(KeyRecord { granted: key, revoked: false });
            }
        }
        let layer = draft.seal();
        registers.fold(&layer);
        Self { registers, today: noon(date("2026-07-01")), leaf: 2, sent: 0 }
    }

    fn on(mut self, day: &str) -> Self {
        self.today = noon(date(day));
        self
    }

    fn draft(&self) -> Draft<'_> {
        Draft::new(&self.registers, &[], place(self.today, 1, self.leaf))
    }

    /// A transaction in the name of the first signer's entity, signed by keys with these seeds.
    fn signed(&mut self, operation: Operation, seeds: &[u8]) -> VerifiedTransaction {
        self.sent += 1;
        let first = key(seeds[0]);
        let submitter = self.draft().find::<KeyRecord>(&first).map_or(org(S), |record| record.granted.entity);
        let number = [self.sent; 16];
        sign(Transaction { id: PaymentId { submitter, number }, operation }, seeds)
    }

    fn submit(&mut self, transaction: &VerifiedTransaction) -> Result<Vec<JournalEntry>, Refusal> {
        let mut draft = self.draft();
        let plan = check(&draft, transaction)?;
        let entries = apply(&mut draft, plan);
        let layer = Arc::new(draft.seal());
        self.registers.fold(&layer);
        self.leaf += 2;
        Ok(entries)
    }

    fn send(&mut self, operation: Operation, seeds: &[u8]) -> Result<Vec<JournalEntry>, Refusal> {
        let transaction = self.signed(operation, seeds);
        self.submit(&transaction)
    }

    /// Registers a document by a key that the buyer gave the mandate.
    fn register(&mut self, document: &Document) -> Result<Vec<JournalEntry>, Refusal> {
        let seed = submitter_of(document.buyer);
        self.send(Operation::RegisterDocument(document.clone()), &[seed])
    }

    /// Attests, approves and orders payment of one of Stavanger's documents.
    fn order(&mut self, document: &Document) {
        self.approve(document);
        let amount = self.document(document).open;
        let document = document.id.clone();
        assert_eq!(self.send(Operation::OrderPayment { document, amount }, &[S_ORDER]), Ok(vec![]));
    }

    fn approve(&mut self, document: &Document) {
        let document = document.id.clone();
        let attest = Operation::Attest { document: document.clone() };
        assert_eq!(self.send(attest, &[S_ATTEST]), Ok(vec![]));
        assert_eq!(self.send(Operation::Approve { document }, &[S_APPROVE]), Ok(vec![]));
    }

    fn document(&self, document: &Document) -> DocumentRecord {
        self.draft().find::<DocumentRecord>(&document.id).unwrap().clone()
    }

    fn balance(&self, entity: u32, text: &str, period: &str) -> AccountRecord {
        let key = (org(entity), account(text), Period::parse(period).unwrap());
        self.draft().find::<AccountRecord>(&key).unwrap().clone()
    }

    fn all<R: Stored>(&self) -> Vec<R> {
        let draft = self.draft();
        (0..draft.len::<R>()).map(|index| draft.get::<R>(index).unwrap().clone()).collect()
    }

    /// What always holds: rule L16 and the agreement of accounts, periods and openings.
    fn audit(&self) {
        let accounts = self.all::<AccountRecord>();
        let total: i128 = accounts.iter().map(|record| record.debit.0 - record.credit.0).sum();
        assert_eq!(total, 0, "L16: all accounts of all entities sum to zero");
        for period in self.all::<PeriodRecord>() {
            let own = || accounts.iter().filter(|a| (a.entity, a.period) == (period.entity, period.period));
            assert_eq!(period.accounts, own().count() as u64);
            assert_eq!(period.postings, own().map(|account| account.count).sum::<u64>());
            assert_eq!(period.debit.0, own().map(|account| account.debit.0).sum::<i128>());
            assert_eq!(period.credit.0, own().map(|account| account.credit.0).sum::<i128>());
            assert_eq!(period.debit, period.credit, "L16: {} {}", period.entity, period.period);
        }
        for record in &accounts {
            let carried = accounts.iter().filter(|earlier| {
                let year = record.account.carries_over() || earlier.period.year() == record.period.year();
                (earlier.entity, earlier.account) == (record.entity, record.account)
                    && earlier.period < record.period
                    && year
            });
            let expected: i128 = carried.map(|earlier| earlier.debit.0 - earlier.credit.0).sum();
            assert_eq!(record.opening, Total(expected), "opening of {:?}", record.key());
        }
    }
}

fn submitter_of(buyer: OrgNumber) -> u8 {
    match buyer.number() {
        S => S_SUBMIT,
        N => 31,
        U => 41,
        C => 51,
        P => 61,
        _ => L_SUBMIT,
    }
}

fn sign(transaction: Transaction, seeds: &[u8]) -> VerifiedTransaction {
    let mut signatures: Vec<KeySignature> =
        seeds.iter().map(|seed| KeySignature { key: key(*seed), signature: Signature([0; 64]) }).collect();
    signatures.sort_by_key(|signature| signature.key);
    VerifiedTransaction::from_own_store(SignedTransaction { transaction, signatures }, &CHAIN)
}

fn line(text: &str, net: &str, vat_code: u16) -> Line {
    let regime = if vat_code == 0 { Regime::Cost } else { Regime::Compensate };
    Line { account: account(text), net: nok(net), vat_code, regime, cost_centre: None, project: None }
}

fn total(code: u16, percent: u16, base: &str, vat: &str) -> VatTotal {
    VatTotal { code, rate: Rate(percent * 100), base: nok(base), vat: nok(vat) }
}

/// An invoice whose payable amount is what its lines and totals come to.
fn invoice(
    seller: u32,
    number: &str,
    buyer: u32,
    day: &str,
    lines: Vec<Line>,
    totals: Vec<VatTotal>,
) -> Document {
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| amounts.map(|amount| amount.0).sum::<i64>();
    let payable = Amount(sum(&mut lines.iter().map(|l| l.net)) + sum(&mut totals.iter().map(|t| t.vat)));
    Document {
        id: DocumentId {
            seller: org(seller),
            number: InvoiceNumber::new(number).unwrap(),
            issued: date(day),
        },
        kind: DocumentKind::Invoice,
        buyer: org(buyer),
        date: date(day),
        tax_point: date(day),
        due: date("2026-12-31"),
        lines,
        vat_totals: totals,
        prepaid: Amount::ZERO,
        rounding: Amount::ZERO,
        payable,
        content: Digest([1; 32]),
        payee: Digest([2; 32]),
    }
}

/// E2: school cleaning.
fn cleaning() -> Document {
    let lines = vec![line("1.222.260", "100000.00", 1)];
    invoice(L, "8841", S, "2026-05-04", lines, vec![total(1, 25, "100000.00", "25000.00")])
}

/// A credit note over these lines.
fn credit(number: &str, of: &Document, lines: Vec<Line>, totals: Vec<VatTotal>) -> Document {
    let mut note = invoice(of.id.seller.number(), number, of.buyer.number(), "2026-06-01", lines, totals);
    note.kind = DocumentKind::CreditNote { corrects: Some(of.id.clone()) };
    note
}

fn bank(entry: u8) -> BankReference {
    BankReference { message: Digest([3; 32]), entry: Digest([entry; 32]) }
}

fn settle(document: &Document, amount: Amount, day: &str, entry: u8) -> Operation {
    let document = document.id.clone();
    Operation::SettlePayment { document, amount, date: date(day), bank: bank(entry) }
}

fn give_back(document: &Document, amount: Amount, day: &str, entry: u8) -> Operation {
    let (document, reason) = (document.id.clone(), ReasonCode(*b"AC04"));
    Operation::ReturnPayment { document, amount, date: date(day), reason, bank: bank(entry) }
}

fn reject(document: &Document, entry: u8) -> Operation {
    let (document, reason) = (document.id.clone(), ReasonCode(*b"AC01"));
    Operation::RejectPayment { document, reason, bank: bank(entry) }
}

/// The entries as the worked examples write them; lines of one account that follow each other, such
/// as VAT of two codes, as one.
fn shown(entries: &[JournalEntry]) -> String {
    let mut lines: Vec<(String, i64)> = Vec::new();
    for entry in entries {
        let mut first = true;
        for posting in &entry.postings {
            let name = format!("{}:{}", entry.entity, posting.account.to_string().replace('.', ":"));
            match lines.last_mut() {
                Some(last) if !first && last.0 == name => last.1 += posting.amount.0,
                _ => lines.push((name, posting.amount.0)),
            }
            first = false;
        }
    }
    lines.iter().map(|(name, ore)| format!("{name} {}\n", Amount(*ore).to_decimal())).collect()
}

/// Compares with lines of the worked examples, whatever their spacing.
#[track_caller]
fn books(entries: Result<Vec<JournalEntry>, Refusal>, expected: &str) {
    let expected = expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "NOK").collect();
        words.join(" ") + "\n"
    });
    assert_eq!(shown(&entries.unwrap()), expected.collect::<String>());
}

/// The transaction is refused by this rule in these words, and nothing changed.
#[track_caller]
fn refused(result: Result<Vec<JournalEntry>, Refusal>, rule: &str, text: &str) {
    let refusal = result.unwrap_err();
    assert_eq!((refusal.rule(), refusal.to_string().as_str()), (rule, text));
}
