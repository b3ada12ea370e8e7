//! `export`: a year of an entity's books, proven, in the formats that others read.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use client::archive::Unfinished;
use client::client::now;
use client::exports::{ExportError, YearBooks};
use formats::books::{Books as _, Counts};
use formats::csv::{self, Style};
use formats::kostra::{self, Checker, Expected, Form, Heading};
use formats::saft;
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::records::{CodeList, CodeRecord};
use ledger::time::Date;
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
