//! `export`: a year of an entity's books, proven, in the formats that others read.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use client::archive::{Unfinished, replace};
use client::client::{Meaning, now};
use client::exports::{ExportError, YearBooks};
use client::report::many;
use formats::books::{Books as _, Counts};
use formats::csv::{self, Style};
use formats::kostra::{self, Checker, Expected, Form, Heading};
use formats::{mva, saft};
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::records::{CodeList, CodeRecord};
use ledger::time::{Date, Period};
use serde_json::json;

use super::session::Session;
use super::values;
use super::{Failure, Output};

/// What is exported, and into which file.
#[derive(Subcommand)]
pub(crate) enum Export {
    /// SAF-T Financial 1.30: accounts, parties, tax codes, dimensions and every voucher.
    Saft {
        #[command(flatten)]
        what: What,
        /// Whom to ask about the file: an office or a person, first and last name.
        #[arg(long, value_name = "NAME", num_args = 2, value_names = ["FIRST", "LAST"])]
        contact: Vec<String>,
        /// The entity is registered for VAT.
        #[arg(long)]
        vat_registered: bool,
    },
    /// Every posting as a row, with its voucher, document and place in the log.
    Csv {
        #[command(flatten)]
        what: What,
        /// Semicolons and decimal commas, as spreadsheets set to Norwegian read them.
        #[arg(long)]
        norwegian: bool,
    },
    /// KOSTRA records for Statistics Norway: 0A accounts, 0B balance, 0C and 0D of a county.
    Kostra {
        #[command(flatten)]
        what: What,
        /// Which form.
        #[arg(long)]
        form: String,
        /// The municipality's four digits and 00, such as 110300.
        #[arg(long)]
        region: String,
    },
    /// The claim for VAT compensation of a term (krav om merverdiavgiftskompensasjon), as the tax agency
    /// takes it.
    Claim {
        #[command(flatten)]
        what: What,
        /// Which term of two months, 1 to 6.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=6))]
        term: u8,
        /// Your reference in the claim [default: the entity, year and term].
        #[arg(long)]
        reference: Option<String>,
        /// A claim of the same year was for 20,000 kroner or more, so that this one may be for less.
        #[arg(long)]
        claimed_before: bool,
        /// The entity is registered for VAT.
        #[arg(long)]
        vat_registered: bool,
    },
}

/// Whose year.
#[derive(clap::Args)]
pub(crate) struct What {
    /// Whose books.
    #[arg(value_parser = values::org_number)]
    entity: OrgNumber,
    /// Which year.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1970..=2100))]
    year: u16,
    /// File to write; one that is there is replaced when the new one is whole.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn export(session: &Session<'_>, export: &Export) -> Result<Output, Failure> {
    match export {
        Export::Saft { what, contact, vat_registered } => {
            let contact = match &contact[..] {
                [first, last] => (first.clone(), last.clone()),
                _ => ("Regnskap".to_string(), what.entity.to_string()),
            };
            let created = now().date();
            let options = saft::Options { created, contact, vat_registered: *vat_registered };
            write(session, what, |books, out| {
                let written = saft::write(books, &options, out).map_err(|error| match error.rule() {
                    Some(rule) => Failure::refused(rule, &error),
                    None => Failure::usage(&error),
                })?;
                Ok(written.findings.iter().map(ToString::to_string).collect())
            })
        }
        Export::Csv { what, norwegian } => {
            let style = if *norwegian { Style::NORWEGIAN } else { Style::PLAIN };
            write(session, what, |books, out| {
                csv::journal::journal(books, style, out).map(|_| Vec::new()).map_err(Failure::usage)
            })
        }
        Export::Claim { what, term, reference, claimed_before, vat_registered } => {
            let reference = reference.clone();
            let reference = reference.unwrap_or_else(|| format!("{}-{}-{term}", what.entity, what.year));
            let (today, next) = (now().date(), last_day_of_term(what.year, *term + 1));
            let circumstances = mva::Circumstances {
                today,
                first_of_term: true,
                claimed_this_year: *claimed_before,
                next_term_open: today > next,
                registered: *vat_registered,
            };
            claim(session, what, *term, reference, &circumstances)
        }
        Export::Kostra { what, form, region } => {
            let form = Form::parse(form).map_err(|error| Failure::refused("F-KOSTRA", error))?;
            let year = what.year;
            let (region, entity, undertaking) = (region.clone(), None, None);
            let heading = Heading { form, year, quarter: None, region, entity, undertaking };
            let codes = session.client().genesis().codes.clone();
            write(session, what, |books, out| kostra(books, &heading, &codes, out))
        }
    }
}

/// Writes a file whole or not at all; what `format` gives stands below the figures.
fn write(
    session: &Session<'_>,
    what: &What,
    format: impl FnOnce(&mut YearBooks<'_>, &mut Unfinished) -> Result<Vec<String>, Failure>,
) -> Result<Output, Failure> {
    let mut books = YearBooks::read(session.client(), what.entity, what.year)?;
    let (about, counts) = (books.about().clone(), books.counts());
    let file = |error| Failure::file(&what.out, error);
    let mut out = Unfinished::create(&what.out).map_err(file)?;
    let findings = format(&mut books, &mut out)?;
    out.finish().map_err(file)?;
    let Counts { entries, postings, debit, credit } = counts;
    let mut text = format!(
        "{}: {} {}, {entries} vouchers, {postings} postings, debit {debit}, credit {credit}, of {} leaves of {}\n",
        what.out.display(),
        about.name,
        what.year,
        about.checkpoint,
        about.chain
    );
    findings.iter().for_each(|finding| text.push_str(&format!("  note: {finding}\n")));
    let value = json!({
        "file": what.out, "entity": what.entity.number(), "year": what.year, "vouchers": entries,
        "postings": postings, "debit": debit.to_string(), "credit": credit.to_string(),
        "checkpoint_size": about.checkpoint, "findings": findings,
    });
    Ok(Output::new(text, value))
}

/// The last day of a term, counted on into the next year.
fn last_day_of_term(year: u16, term: u8) -> Date {
    let (year, term) = if term > 6 { (year.saturating_add(1), term - 6) } else { (year, term) };
    let month = u32::from(year) * 100 + u32::from(term) * 2;
    let days = (28..=31).rev().map(|day| Date::new(month * 100 + day));
    days.into_iter().find_map(Result::ok).unwrap_or(Date::MAX)
}

/// What the books compensate in a term, in the tax agency's form.
fn claim(
    session: &Session<'_>,
    what: &What,
    term: u8,
    reference: String,
    circumstances: &mva::Circumstances,
) -> Result<Output, Failure> {
    let all = session.client().compensation(what.entity, what.year)?;
    let own = all.lines.iter().filter(|((of, ..), _)| *of == term);
    let sums: Vec<mva::Sum> = own
        .map(|((_, code, rate), line)| mva::Sum { code: *code, rate: *rate, base: line.base, vat: line.vat })
        .collect();
    if sums.is_empty() {
        let said = format!("{} has nothing to be compensated in term {term} of {}", what.entity, what.year);
        return Err(Failure::refused("F-MVA", said));
    }
    let of = mva::Claim { entity: what.entity, term, year: what.year, reference, kid: None };
    let (made, left) = mva::claim(&of, &sums).map_err(|error| Failure::refused("F-MVA", error))?;
    let written = mva::write(&made, circumstances).map_err(|refused| Failure::refused("F-MVA", refused))?;
    let file = |error| Failure::file(&what.out, error);
    replace(&what.out, &written.file).map_err(file)?;
    let mut findings: Vec<String> = written.findings.iter().map(ToString::to_string).collect();
    for month in [2 * u32::from(term) - 1, 2 * u32::from(term)] {
        let Ok(period) = Period::new(u32::from(what.year) * 100 + month) else { continue };
        match session.client().accounts(what.entity, period) {
            Ok(balance) if balance.period.closed => {}
            Ok(_) => {
                findings.push(format!("{period} is open: what is booked in it from now on is in no claim"))
            }
            Err(error) if error.meaning() == Meaning::Refused => {}
            Err(error) => return Err(error.into()),
        }
    }
    let claimed = -made.determined.0;
    let mut text = format!(
        "{}: {} term {term} of {}: {claimed} kroner claimed on {}, {left} left for the books to take\n",
        what.out.display(),
        what.entity,
        what.year,
        many(sums.len() as u64, "line")
    );
    findings.iter().for_each(|finding| text.push_str(&format!("  note: {finding}\n")));
    let value = json!({
        "file": what.out, "entity": what.entity.number(), "year": what.year, "term": term,
        "claimed": claimed, "lines": sums.len(), "left_ore": left.0, "findings": findings,
    });
    Ok(Output::new(text, value))
}

fn kostra(
    books: &mut YearBooks<'_>,
    heading: &Heading,
    codes: &[CodeRecord],
    out: &mut Unfinished,
) -> Result<Vec<String>, Failure> {
    let kind = books.about().kind;
    let mut balances: Vec<(Account, Amount)> = Vec::new();
    let mut too_large = None;
    books
        .accounts(&mut |line| {
            match i64::try_from(line.closing().0) {
                Ok(ore) => balances.push((line.account, Amount(ore))),
                Err(_) => too_large = Some(line.account),
            }
            Ok(())
        })
        .map_err(Failure::usage)?;
    if let Some(account) = too_large {
        return Err(Failure::refused(
            "F-KOSTRA",
            format!("account {account} stands higher than a record states"),
        ));
    }
    let refused = |error| Failure::refused("F-KOSTRA", error);
    let records = kostra::from_balances(heading, balances).map_err(refused)?;
    let last_day = Date::new(u32::from(heading.year) * 10_000 + 1231).map_err(Failure::usage)?;
    let in_force = |list: CodeList, code: u16| {
        codes.iter().any(|record| {
            let theirs = if kind == EntityKind::County { record.county } else { record.municipality };
            (record.list, record.code) == (list, code) && theirs && record.valid_on(last_day)
        })
    };
    let expected = Expected { heading: heading.clone(), entities: Vec::new() };
    let mut checker = Checker::new(&expected, &in_force);
    (1..).zip(&records).for_each(|(line, record)| checker.take(line, record));
    let report = checker.finish();
    if !report.is_taken() {
        let first = report.findings.iter().find(|finding| finding.severity == kostra::Severity::Error);
        let first = first.map(ToString::to_string).unwrap_or_default();
        let more = report.errors.saturating_sub(1);
        return Err(Failure::refused(
            "F-KOSTRA",
            format!("Statistics Norway would not take it: {first} (and {more} more)"),
        ));
    }
    kostra::write(&records, &mut *out).and_then(|()| out.flush()).map_err(Failure::usage)?;
    Ok(report.findings.iter().map(ToString::to_string).collect())
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Client(error) => error.into(),
            ExportError::NoBooks { .. } => Self::refused("F-BOOKS", error),
            ExportError::Moved { .. } => Self::refused("F-BOOKS", error),
        }
    }
}
