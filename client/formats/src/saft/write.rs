//! Writes SAF-T Financial 1.30 of any books: master files from one pass over the entries, the entries
//! from a second.
//!
//! The account number is the ledger's own (`1.222.260`), the voucher number is `year/number`, and a tax
//! code is its standard tax code, with `K` behind it where the VAT is compensated and `U` where it stays
//! a cost. Ansvar (`A`), prosjekt (`P`) and funksjon (`F`) are the dimensions. Left out are balances of
//! single parties, which no register of the ledger holds, and every text that is not a number.
//!
//! Sources: schema version 1.30; technical description of Norwegian SAF-T Financial data, sections on
//! Header, MasterFiles and GeneralLedgerEntries.

use std::collections::BTreeSet;
use std::io::{self, Write};

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::{Posting, Rate, Regime, Vat};
use ledger::time::{Date, Period};

use super::grouping::grouping;
use super::{FINDINGS_MAX, Finding, NAMESPACE, Role};
use crate::books::{AccountLine, Books, Counts, Entry, Incomplete, Stop, Tally};
use crate::xml::writer::Writer;

/// Standard tax codes under which VAT can be compensated (Standard_Tax_Codes.csv, column Compensation).
const COMPENSABLE: [u16; 20] = [0, 1, 11, 13, 14, 15, 20, 21, 22, 81, 82, 83, 84, 85, 86, 87, 88, 89, 91, 92];
/// The largest amount of the schema (SAFmonetaryType): 18 digits, two of them decimals.
const ORE_MAX: i128 = 999_999_999_999_999_999;

/// What the file says beside the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When the file is made (AuditFileDateCreated).
    pub created: Date,
    /// Whom to ask about the file (Company/Contact, mandatory): first and last name. An office may
    /// stand here: `Regnskap`, `Stavanger kommune`.
    pub contact: (String, String),
    /// Whether the entity is registered for VAT, which makes its VAT number part of the header.
    pub vat_registered: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Entries, postings and sums.
    pub counts: Counts,
    /// Accounts.
    pub accounts: u64,
    /// What the one who hands the file over should know, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

/// Why no file was made. What stands in the output until then is no whole file.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("the file cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The books ended early.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// Rule F-BOOKS.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    /// Rule F-SAFT.
    #[error("an auditor keeps no books; name the entity whose books are wanted")]
    NoBooks,
    /// Rule F-SAFT.
    #[error("period {period} is outside 1970 to 2100, which SAF-T allows; leave it out")]
    Period {
        /// The period.
        period: Period,
    },
    /// Rule F-SAFT.
    #[error("{what}: {total} has more than 18 digits, which SAF-T does not hold; export fewer periods")]
    TooLarge {
        /// What adds up to it.
        what: String,
        /// The sum.
        total: Total,
    },
}

impl WriteError {
    /// The id of the rule that refuses, where one does.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) | Self::Stopped(_) => None,
            Self::Incomplete(_) => Some("F-BOOKS"),
            Self::NoBooks | Self::Period { .. } | Self::TooLarge { .. } => Some("F-SAFT"),
        }
    }
}

/// What the entries name and the master files must list.
#[derive(Default)]
struct Named {
    tax: BTreeSet<(u16, Regime, Rate)>,
    cost_centres: BTreeSet<u32>,
    projects: BTreeSet<u32>,
    functions: BTreeSet<u16>,
    parties: BTreeSet<(Role, OrgNumber)>,
}

impl Named {
    fn add(&mut self, entry: &Entry) {
        for posting in &entry.journal.postings {
            self.cost_centres.extend(posting.cost_centre);
            self.projects.extend(posting.project);
            self.functions.extend(function(posting.account));
            if let Some(vat) = tax_of(posting) {
                self.tax.insert((vat.code, vat.regime, vat.rate));
            }
            if let Some(party) = posting.counterparty {
                self.parties.insert((role(posting.account), party));
            }
        }
    }
}

/// Writes the books as one file. The entries are passed over twice.
///
/// # Errors
/// [`WriteError`].
pub fn write<W: Write>(books: &mut dyn Books, options: &Options, out: W) -> Result<Written, WriteError> {
    let about = books.about().clone();
    if about.kind == EntityKind::Auditor {
        return Err(WriteError::NoBooks);
    }
    for period in [about.from, about.to] {
        if !(1970..=2100).contains(&period.year()) {
            return Err(WriteError::Period { period });
        }
    }
    let told = books.counts();
    let mut named = Named::default();
    let mut tally = Tally::default();
    books.entries(&mut |entry| {
        tally.add(&entry.journal);
        named.add(entry);
        Ok(())
    })?;
    tally.check(told)?;

    let mut writer = Writer::new(out)?;
    writer.open("AuditFile", &[("xmlns", NAMESPACE)])?;
    header(&mut writer, books, options)?;
    writer.open("MasterFiles", &[])?;
    let (accounts, findings) = accounts(&mut writer, books, about.to.year())?;
    parties(&mut writer, books, &named)?;
    tax_table(&mut writer, &named)?;
    analysis_table(&mut writer, &named)?;
    writer.close()?;
    entries(&mut writer, books, told)?;
    writer.finish()?;
    Ok(Written { counts: told, accounts, findings })
}

fn header<W: Write>(writer: &mut Writer<W>, books: &dyn Books, options: &Options) -> io::Result<()> {
    let about = books.about();
    writer.within("Header", |w| {
        w.leaf("AuditFileVersion", "1.30")?;
        w.leaf("AuditFileCountry", "NO")?;
        w.leaf("AuditFileDateCreated", &options.created.to_string())?;
        w.leaf("SoftwareCompanyName", "Hovedbok")?;
        w.leaf("SoftwareID", "Hovedbok")?;
        w.leaf("SoftwareVersion", cut(env!("CARGO_PKG_VERSION"), 18))?;
        w.within::<io::Error>("Company", |w| {
            w.leaf("RegistrationNumber", &about.entity.to_string())?;
            w.leaf("Name", cut(&about.name, 256))?;
            w.within::<io::Error>("Contact", |w| {
                w.within("ContactPerson", |w| {
                    w.leaf("FirstName", cut(&options.contact.0, 35))?;
                    w.leaf("LastName", cut(&options.contact.1, 70))
                })
            })?;
            if options.vat_registered {
                w.within::<io::Error>("TaxRegistration", |w| {
                    w.leaf("TaxRegistrationNumber", &format!("{}MVA", about.entity))
                })?;
            }
            Ok(())
        })?;
        w.leaf("DefaultCurrencyCode", "NOK")?;
        w.within::<io::Error>("SelectionCriteria", |w| {
            w.leaf("PeriodStart", &month(about.from))?;
            w.leaf("PeriodStartYear", &about.from.year().to_string())?;
            w.leaf("PeriodEnd", &month(about.to))?;
            w.leaf("PeriodEndYear", &about.to.year().to_string())
        })?;
        let checkpoint = format!("{} at {} leaves", about.chain, about.checkpoint);
        w.leaf("HeaderComment", cut(&checkpoint, 256))?;
        w.leaf("TaxAccountingBasis", "A")
    })
}

fn accounts<W: Write>(
    writer: &mut Writer<W>,
    books: &mut dyn Books,
    year: u16,
) -> Result<(u64, Vec<Finding>), WriteError> {
    let mut count = 0;
    let mut findings = Vec::new();
    let mut opening = Total::default();
    let mut refused = None;
    let passed = books.accounts(&mut |line| {
        if count == 0 {
            writer.open("GeneralLedgerAccounts", &[])?;
        }
        count += 1;
        opening.0 += line.opening.0;
        match account(writer, line, year, &mut findings) {
            Ok(()) => Ok(()),
            Err(WriteError::Io(error)) => Err(error.into()),
            Err(error) => {
                refused = Some(error);
                Err(Stop::new("an account is refused"))
            }
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    passed?;
    if count > 0 {
        writer.close()?;
    }
    if opening.0 != 0 {
        let message = format!(
            "the opening balances of these periods add up to {opening}, not to zero: the years before are not closed to equity, or the span begins within a year"
        );
        findings.push(Finding { rule: "F-SAFT-OPENING", place: "the file".to_string(), message });
    }
    Ok((count, findings))
}

fn account<W: Write>(
    w: &mut Writer<W>,
    line: &AccountLine,
    year: u16,
    findings: &mut Vec<Finding>,
) -> Result<(), WriteError> {
    let id = line.account.to_string();
    let group = grouping(line.account, year);
    if !group.listed && findings.len() < FINDINGS_MAX {
        let message = format!(
            "code {} is not in the list {} of {year}; recode what was booked on it, or tell the receiver",
            group.code, group.category
        );
        findings.push(Finding { rule: "F-SAFT-GROUPING", place: format!("account {id}"), message });
    }
    let opening = decimal(line.opening, || format!("opening balance of account {id}"))?;
    let closing = decimal(line.closing(), || format!("closing balance of account {id}"))?;
    w.open("Account", &[])?;
    w.leaf("AccountID", &id)?;
    w.leaf("AccountDescription", cut(line.name.as_deref().unwrap_or(&id), 256))?;
    w.leaf("GroupingCategory", group.category)?;
    w.leaf("GroupingCode", &group.code)?;
    w.leaf("AccountType", "GL")?;
    let side = |total: Total, debit, credit| if total.0 < 0 { credit } else { debit };
    w.leaf(side(line.opening, "OpeningDebitBalance", "OpeningCreditBalance"), &opening)?;
    w.leaf(side(line.closing(), "ClosingDebitBalance", "ClosingCreditBalance"), &closing)?;
    w.close()?;
    Ok(())
}

fn parties<W: Write>(writer: &mut Writer<W>, books: &dyn Books, named: &Named) -> io::Result<()> {
    for (role, list, item, id) in [
        (Role::Customer, "Customers", "Customer", "CustomerID"),
        (Role::Supplier, "Suppliers", "Supplier", "SupplierID"),
    ] {
        let mut numbers = named.parties.iter().filter(|key| key.0 == role).map(|key| key.1).peekable();
        if numbers.peek().is_none() {
            continue;
        }
        writer.open(list, &[])?;
        for number in numbers {
            let shown = number.to_string();
            writer.within::<io::Error>(item, |w| {
                w.leaf("RegistrationNumber", &shown)?;
                w.leaf("Name", cut(books.party(number).as_deref().unwrap_or(&shown), 256))?;
                w.leaf(id, &shown)
            })?;
        }
        writer.close()?;
    }
    Ok(())
}

fn tax_table<W: Write>(writer: &mut Writer<W>, named: &Named) -> io::Result<()> {
    if named.tax.is_empty() {
        return Ok(());
    }
    writer.within("TaxTable", |w| {
        w.within::<io::Error>("TaxTableEntry", |w| {
            w.leaf("TaxType", "MVA")?;
            w.leaf("Description", "Merverdiavgift")?;
            for (code, regime, rate) in &named.tax {
                w.within::<io::Error>("TaxCodeDetails", |w| {
                    w.leaf("TaxCode", &tax_code(*code, *regime))?;
                    let treated = match regime {
                        Regime::Deduct => "etter standardkoden",
                        Regime::Compensate => "kompensasjon",
                        Regime::Cost => "uten fradrag eller kompensasjon",
                    };
                    w.leaf("Description", &format!("Standardkode {code}, {treated}"))?;
                    w.leaf("TaxPercentage", &percentage(*rate))?;
                    w.leaf("Country", "NO")?;
                    w.leaf("StandardTaxCode", &code.to_string())?;
                    let compensated = *regime == Regime::Compensate && COMPENSABLE.contains(code);
                    w.leaf("Compensation", if compensated { "true" } else { "false" })?;
                    w.leaf("BaseRate", if *regime == Regime::Cost { "0" } else { "100" })
                })?;
            }
            Ok(())
        })
    })
}

fn analysis_table<W: Write>(writer: &mut Writer<W>, named: &Named) -> io::Result<()> {
    let centres = named.cost_centres.iter().map(|number| ("A", "Ansvar", number.to_string()));
    let projects = named.projects.iter().map(|number| ("P", "Prosjekt", number.to_string()));
    let functions = named.functions.iter().map(|number| ("F", "Funksjon", format!("{number:03}")));
    let mut rows = centres.chain(projects).chain(functions).peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writer.open("AnalysisTypeTable", &[])?;
    for (kind, name, id) in rows {
        writer.within::<io::Error>("AnalysisTypeTableEntry", |w| {
            w.leaf("AnalysisType", kind)?;
            w.leaf("AnalysisTypeDescription", name)?;
            w.leaf("AnalysisID", &id)?;
            w.leaf("AnalysisIDDescription", &format!("{name} {id}"))
        })?;
    }
    writer.close()
}

fn entries<W: Write>(writer: &mut Writer<W>, books: &mut dyn Books, told: Counts) -> Result<(), WriteError> {
    let debit = decimal(told.debit, || "the debits".to_string())?;
    let credit = decimal(told.credit, || "the credits".to_string())?;
    writer.open("GeneralLedgerEntries", &[])?;
    writer.leaf("NumberOfEntries", &told.entries.to_string())?;
    writer.leaf("TotalDebit", &debit)?;
    writer.leaf("TotalCredit", &credit)?;
    writer.open("Journal", &[])?;
    writer.leaf("JournalID", "GL")?;
    writer.leaf("Description", "Hovedbok")?;
    writer.leaf("Type", "GL")?;
    let mut tally = Tally::default();
    let mut refused = None;
    let passed = books.entries(&mut |item| {
        tally.add(&item.journal);
        match entry(writer, item) {
            Ok(()) => Ok(()),
            Err(WriteError::Io(error)) => Err(error.into()),
            Err(error) => {
                refused = Some(error);
                Err(Stop::new("an entry is refused"))
            }
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    passed?;
    tally.check(told)?;
    writer.close()?;
    writer.close()?;
    Ok(())
}

fn entry<W: Write>(w: &mut Writer<W>, entry: &Entry) -> Result<(), WriteError> {
    let journal = &entry.journal;
    let date = journal.date.to_string();
    let description = match &entry.document {
        Some(document) => format!("{} {} {}", entry.kind, document.seller, document.number),
        None => entry.kind.to_string(),
    };
    let number = entry.document.as_ref().map(|document| document.number.to_string());
    let issued = entry.document.as_ref().map_or(journal.date, |document| document.issued);
    w.open("Transaction", &[])?;
    w.leaf("TransactionID", &journal.voucher.to_string())?;
    w.leaf("Period", &month(journal.date.period()))?;
    w.leaf("PeriodYear", &journal.date.year().to_string())?;
    w.leaf("TransactionDate", &issued.to_string())?;
    w.leaf("VoucherType", cut(entry.kind, 70))?;
    w.leaf("TransactionType", "Normal")?;
    w.leaf("Description", cut(&description, 256))?;
    w.leaf("SystemEntryDate", &entry.time.date().to_string())?;
    w.leaf("GLPostingDate", &date)?;
    w.leaf("SystemID", cut(&entry.leaf.0.to_string(), 18))?;
    for (place, posting) in journal.postings.iter().enumerate() {
        line(w, place + 1, posting, number.as_deref(), cut(&description, 256))?;
    }
    Ok(w.close()?)
}

fn line<W: Write>(
    w: &mut Writer<W>,
    place: usize,
    posting: &Posting,
    document: Option<&str>,
    description: &str,
) -> Result<(), WriteError> {
    let account = posting.account.to_string();
    let amount =
        |amount: Amount| decimal(Total(i128::from(amount.0)), || format!("a line on account {account}"));
    let shown = amount(posting.amount)?;
    let debit = posting.amount.0 >= 0;
    w.open("Line", &[])?;
    w.leaf("RecordID", &place.to_string())?;
    w.leaf("AccountID", &account)?;
    let dimensions = [
        ("A", posting.cost_centre.map(|number| number.to_string())),
        ("P", posting.project.map(|number| number.to_string())),
        ("F", function(posting.account).map(|number| format!("{number:03}"))),
    ];
    for (kind, id) in dimensions.iter().filter_map(|(kind, id)| Some((kind, id.as_ref()?))) {
        w.open("Analysis", &[])?;
        w.leaf("AnalysisType", kind)?;
        w.leaf("AnalysisID", id)?;
        w.open(if debit { "DebitAnalysisAmount" } else { "CreditAnalysisAmount" }, &[])?;
        w.leaf("Amount", &shown)?;
        w.close()?;
        w.close()?;
    }
    if let Some(document) = document {
        w.leaf("SourceDocumentID", cut(document, 35))?;
    }
    if let Some(party) = posting.counterparty {
        let name = match role(posting.account) {
            Role::Customer => "CustomerID",
            Role::Supplier => "SupplierID",
        };
        w.leaf(name, &party.to_string())?;
    }
    w.leaf("Description", description)?;
    w.open(if debit { "DebitAmount" } else { "CreditAmount" }, &[])?;
    w.leaf("Amount", &shown)?;
    w.close()?;
    if let Some(vat) = tax_of(posting) {
        let base = vat.base.0.unsigned_abs();
        // Half an øre goes up, as on an invoice.
        let ore = (u128::from(base) * u128::from(vat.rate.0) + 5_000) / 10_000;
        let computed = Total(i128::try_from(ore).unwrap_or(i128::MAX));
        w.open("TaxInformation", &[])?;
        w.leaf("TaxType", "MVA")?;
        w.leaf("TaxCode", &tax_code(vat.code, vat.regime))?;
        w.leaf("TaxPercentage", &percentage(vat.rate))?;
        w.leaf("Country", "NO")?;
        w.leaf("TaxBase", &amount(Amount(vat.base.0.abs()))?)?;
        w.open(if debit { "DebitTaxAmount" } else { "CreditTaxAmount" }, &[])?;
        w.leaf("Amount", &decimal(computed, || format!("VAT on account {account}"))?)?;
        w.close()?;
        w.close()?;
    }
    Ok(w.close()?)
}

/// The VAT that a line is the base of. Lines that hold the VAT itself carry the same dimension in the
/// ledger, and would state it a second time: the VAT is always less than its base, the base never.
fn tax_of(posting: &Posting) -> Option<Vat> {
    posting.vat.filter(|vat| posting.amount.magnitude() >= vat.base.magnitude())
}

/// The code in the file: the standard tax code, and how it is treated where that is not what the code
/// itself says.
fn tax_code(code: u16, regime: Regime) -> String {
    match regime {
        Regime::Deduct => code.to_string(),
        Regime::Compensate => format!("{code}K"),
        Regime::Cost => format!("{code}U"),
    }
}

fn function(account: Account) -> Option<u16> {
    matches!(account.class, Class::Investment | Class::Operating).then_some(account.function)
}

/// In which list the other party of a posting stands: who owes us, or paid us, is a customer.
fn role(account: Account) -> Role {
    let mut leading = account.code;
    while leading >= 10 {
        leading /= 10;
    }
    let customer = match account.class {
        Class::Investment | Class::Operating => account.code >= 600,
        // Chapters 10 to 29 are assets.
        Class::Balance => matches!(leading, 1 | 2),
        Class::State | Class::Private => matches!(leading, 1 | 3),
    };
    if customer { Role::Customer } else { Role::Supplier }
}

/// Kroner with two decimals, without sign: the element's name says the side.
fn decimal(total: Total, what: impl FnOnce() -> String) -> Result<String, WriteError> {
    let ore = total.0.unsigned_abs();
    if ore > ORE_MAX.unsigned_abs() {
        return Err(WriteError::TooLarge { what: what(), total });
    }
    Ok(format!("{}.{:02}", ore / 100, ore % 100))
}

fn percentage(rate: Rate) -> String {
    let (whole, hundredths) = (rate.0 / 100, rate.0 % 100);
    if hundredths == 0 { whole.to_string() } else { format!("{whole}.{hundredths:02}") }
}

fn month(period: Period) -> String {
    format!("{:02}", period.number() % 100)
}

/// As many characters as the schema allows.
fn cut(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
