//! Years of any size in memory that does not grow with them: SAF-T that nobody stores, made while it
//! is read, with every allocation counted; and books that are written while they are made.
#![allow(clippy::unwrap_used)]

use std::io::{self, BufReader, Read, Write};

use formats::books::{About, AccountLine, Books, Counts, Entry, Outcome, Stop};
use formats::saft::{self, Options, Sink, read, write};
use ledger::account::Account;
use ledger::amount::{Amount, Total};
use ledger::block::LeafIndex;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::{JournalEntry, Posting, Voucher};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::TransactionId;

/// What reading or writing may hold at once, whatever the length.
const BYTES_HELD_MAX: u64 = 1 << 20;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<AuditFile xmlns=\"urn:StandardAuditFile-Taxation-Financial:NO\"><Header><AuditFileVersion>1.30</AuditFileVersion>\
<Company><RegistrationNumber>964965226</RegistrationNumber><Name>Stavanger</Name></Company>\
<DefaultCurrencyCode>NOK</DefaultCurrencyCode></Header><MasterFiles><GeneralLedgerAccounts>";

/// A file of so many vouchers, made as it is read.
struct Year {
    vouchers: u64,
    next: u64,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Year {
    fn new(vouchers: u64) -> Self {
        let mut piece = HEAD.to_string();
        for account in 0..500 {
            // Account 0 takes the other side of every voucher.
            let others = vouchers / 499 + u64::from(account > 0 && (account - 1) < vouchers % 499);
            let closing = if account == 0 { vouchers } else { others };
            let side = if account == 0 { "Credit" } else { "Debit" };
            piece.push_str(&format!(
                "<Account><AccountID>{account}</AccountID><AccountDescription>Konto {account}</AccountDescription>\
                 <OpeningDebitBalance>0</OpeningDebitBalance>\
                 <Closing{side}Balance>{closing}.00</Closing{side}Balance></Account>"
            ));
        }
        piece.push_str(&format!(
            "</GeneralLedgerAccounts></MasterFiles><GeneralLedgerEntries><NumberOfEntries>{vouchers}</NumberOfEntries>\
             <TotalDebit>{vouchers}.00</TotalDebit><TotalCredit>{vouchers}.00</TotalCredit><Journal>"
        ));
        Self { vouchers, next: 0, piece: piece.into_bytes(), at: 0, ended: false }
    }
}

impl Read for Year {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.piece.len() {
            self.piece.clear();
            self.at = 0;
            if self.next < self.vouchers {
                let number = self.next;
                let account = 1 + number % 499;
                self.next += 1;
                write!(
                    self.piece,
                    "\n\t\t\t<Transaction>\n\t\t\t\t<TransactionID>{number}</TransactionID>\n\t\t\t\t<Period>3</Period>\
                     <PeriodYear>2026</PeriodYear><TransactionDate>2026-03-01</TransactionDate>\
                     <Description>Faktura fra leverandør</Description><SystemEntryDate>2026-03-04</SystemEntryDate>\
                     <GLPostingDate>2026-03-04</GLPostingDate>\n\
                     \t\t\t\t<Line>\n\t\t\t\t\t<RecordID>1</RecordID>\n\t\t\t\t\t<AccountID>{account}</AccountID>\n\
                     \t\t\t\t\t<Analysis><AnalysisType>A</AnalysisType><AnalysisID>4102</AnalysisID></Analysis>\n\
                     \t\t\t\t\t<Description>Renhold</Description><DebitAmount><Amount>1.00</Amount></DebitAmount></Line>\n\
                     \t\t\t\t<Line><RecordID>2</RecordID><AccountID>0</AccountID><Description>Renhold</Description>\
                     <CreditAmount><Amount>1</Amount></CreditAmount></Line>\n\t\t\t</Transaction>"
                )?;
            } else if !self.ended {
                self.ended = true;
                self.piece.extend_from_slice(b"</Journal></GeneralLedgerEntries></AuditFile>");
            } else {
                return Ok(0);
            }
        }
        let taken = into.len().min(self.piece.len() - self.at);
        into[..taken].copy_from_slice(&self.piece[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

struct Sum(i128);

impl Sink for Sum {
    fn entry(&mut self, entry: &saft::Entry) -> Result<(), Stop> {
        self.0 += entry.debit.0;
        Ok(())
    }
}

fn read_year(vouchers: u64, bytes_min: u64) {
    let began = std::time::Instant::now();
    let mut result = None;
    let counted = allocation_counter::measure(|| {
        let mut sum = Sum(0);
        let summary = read(BufReader::with_capacity(64 << 10, Year::new(vouchers)), &mut sum).unwrap();
        result = Some((summary, sum.0));
    });
    let (summary, sum) = result.unwrap();
    println!(
        "{} MB, {} vouchers: {} kB held at most, {:?}",
        summary.bytes >> 20,
        summary.entries,
        counted.bytes_max >> 10,
        began.elapsed()
    );
    assert_eq!(summary.findings, []);
    assert_eq!((summary.entries, summary.lines), (vouchers, 2 * vouchers));
    assert_eq!(sum, i128::from(vouchers) * 100);
    assert!(summary.bytes >= bytes_min, "{}", summary.bytes);
    assert!(counted.bytes_max <= BYTES_HELD_MAX, "{} bytes held at once", counted.bytes_max);
}

#[test]
fn two_hundred_megabytes_of_saf_t_are_read_in_one() {
    read_year(290_000, 200_000_000);
}

/// The same to a gigabyte: `cargo test -p formats --test memory -- --ignored`.
#[test]
#[ignore = "takes a minute; the smaller year shows the same bound"]
fn a_gigabyte_of_saf_t_is_read_in_one_megabyte() {
    read_year(1_450_000, 1_000_000_000);
}

#[test]
fn f_size_a_voucher_without_an_end_is_refused_before_it_fills_the_memory() {
    struct OneVoucher(Year);
    impl Read for OneVoucher {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            // No voucher ever closes, and none opens after the first.
            if self.0.at >= self.0.piece.len() {
                let first = self.0.next == 0;
                self.0.next += 1;
                let open = if first { "<Transaction><TransactionID>1</TransactionID>" } else { "" };
                self.0.piece = format!(
                    "{open}<Line><RecordID>1</RecordID><AccountID>1</AccountID><DebitAmount><Amount>1</Amount></DebitAmount></Line>"
                )
                .into_bytes();
                self.0.at = 0;
            }
            let taken = into.len().min(self.0.piece.len() - self.0.at);
            into[..taken].copy_from_slice(&self.0.piece[self.0.at..self.0.at + taken]);
            self.0.at += taken;
            Ok(taken)
        }
    }
    let mut refused = None;
    let counted = allocation_counter::measure(|| {
        refused = Some(read(BufReader::new(OneVoucher(Year::new(1))), &mut ()).unwrap_err());
    });
    let refused = refused.unwrap();
    assert_eq!(refused.rule(), Some("F-SIZE"));
    assert!(refused.to_string().contains("voucher 1, "), "{refused}");
    assert!(refused.to_string().contains("more than 50000 lines in one voucher; split it"), "{refused}");
    assert!(counted.bytes_max < 64 << 20, "{}", counted.bytes_max);
}

/// Books of so many vouchers, made as they are passed over.
struct Made {
    about: About,
    vouchers: u64,
}

impl Books for Made {
    fn about(&self) -> &About {
        &self.about
    }
    fn counts(&self) -> Counts {
        let sum = Total(i128::from(self.vouchers) * 100);
        Counts { entries: self.vouchers, postings: 2 * self.vouchers, debit: sum, credit: sum }
    }
    fn accounts(&mut self, each: &mut dyn FnMut(&AccountLine) -> Outcome) -> Outcome {
        let sum = Total(i128::from(self.vouchers) * 100);
        for (account, debit, credit) in [("1.222.260", sum, Total(0)), ("2.35.890", Total(0), sum)] {
            let account = Account::parse(account).unwrap();
            each(&AccountLine { account, name: None, opening: Total(0), debit, credit })?;
        }
        Ok(())
    }
    fn entries(&mut self, each: &mut dyn FnMut(&Entry) -> Outcome) -> Outcome {
        let posting = |account, ore| {
            let mut posting = Posting::new(Account::parse(account).unwrap(), Amount(ore));
            posting.cost_centre = Some(4102);
            posting
        };
        for number in 1..=self.vouchers {
            let postings = vec![posting("1.222.260", 100), posting("2.35.890", -100)];
            let voucher = Voucher { year: 2026, number };
            let date = Date::new(20_260_304).unwrap();
            each(&Entry {
                journal: JournalEntry::new(self.about.entity, voucher, date, None, postings).unwrap(),
                leaf: LeafIndex(number),
                time: Timestamp(1_772_582_399_000),
                transaction: TransactionId(Digest([0; 32])),
                kind: "invoice registered",
                document: None,
            })?;
        }
        Ok(())
    }
    fn party(&self, _: OrgNumber) -> Option<String> {
        None
    }
}

struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_year_of_vouchers_is_written_without_being_held() {
    let about = About {
        entity: OrgNumber::new(964_965_226).unwrap(),
        kind: EntityKind::Municipality,
        name: "Stavanger kommune".to_string(),
        from: Period::new(202_601).unwrap(),
        to: Period::new(202_612).unwrap(),
        chain: "hovedbok.example/main".to_string(),
        checkpoint: 1,
    };
    let contact = ("Regnskap".to_string(), "Stavanger kommune".to_string());
    let options = Options { created: Date::new(20_270_115).unwrap(), contact, vat_registered: false };
    let mut books = Made { about, vouchers: 100_000 };
    let mut out = Counted(0);
    let counted = allocation_counter::measure(|| {
        write(&mut books, &options, &mut out).unwrap();
        formats::csv::journal::journal(&mut books, formats::csv::Style::PLAIN, &mut out).unwrap();
    });
    println!("{} MB written, {} kB held at most", out.0 >> 20, counted.bytes_max >> 10);
    assert!(out.0 > 100 << 20, "{}", out.0);
    assert!(counted.bytes_max <= BYTES_HELD_MAX, "{} bytes held at once", counted.bytes_max);
}
