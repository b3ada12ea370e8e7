//! Payments as public bodies publish them: who was paid how much, when, and for which service.
//!
//! British councils list each payment above a few hundred pounds, Norway's state its support of
//! political parties. Amounts are whole minor units (pence, øre) of the file's own currency: to be
//! replayed as figures, not booked as kroner. It leaves out what is written beside these columns.
//!
//! Invariant: where a file states parts and their total, each row adds up, or the file is refused.

use std::io::BufRead;

use ledger::amount::{Amount, Total};
use ledger::time::Date;

use super::{CsvError, Decimals, Table, amount, malformed};
use crate::books::Outcome;

/// What the columns of a file are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Between fields.
    pub separator: u8,
    /// Before decimals.
    pub decimals: Decimals,
    /// Who was paid.
    pub payee: &'static str,
    /// Day of payment, `YYYY-MM-DD`, where the file has it.
    pub date: Option<&'static str>,
    /// Number of the document or payment, where the file has it; may repeat.
    pub document: Option<&'static str>,
    /// The amounts that make up the payment, such as VAT and net.
    pub parts: &'static [&'static str],
    /// Their total, where the file states it.
    pub total: Option<&'static str>,
    /// Which service paid.
    pub service: Option<&'static str>,
    /// What it was for.
    pub purpose: Option<&'static str>,
    /// Cost centre, where the file has it.
    pub cost_centre: Option<&'static str>,
    /// `capital` or `revenue`, where the file says.
    pub capital: Option<&'static str>,
}

impl Columns {
    /// Salford City Council: VAT and net make up gross.
    pub const SALFORD: Self = Self {
        separator: b',',
        decimals: Decimals::Point,
        payee: "Vendor Name",
        date: Some("Date of Payment"),
        document: Some("DocumentNo"),
        parts: &["VAT", "Net"],
        total: Some("Gross"),
        service: Some("Service Area"),
        purpose: Some("GL Description"),
        cost_centre: None,
        capital: None,
    };
    /// North Tyneside Council: net only, an invoice split over several codes.
    pub const NORTH_TYNESIDE: Self = Self {
        payee: "Supplier (Beneficiary) Name",
        date: Some("Payment Date"),
        document: Some("Transaction Number"),
        parts: &["Net Amount"],
        total: None,
        service: Some("Directorate / Service Where Expenditure Incurred"),
        purpose: Some("SeRCOP Expenditure Category"),
        cost_centre: Some("SeRCOP Detailed Expenditure Code"),
        capital: Some("Capital/Revenue"),
        ..Self::SALFORD
    };
    /// Newcastle City Council: net only, with cost centres.
    pub const NEWCASTLE: Self = Self {
        payee: "Supplier Name",
        date: Some("Paid Date"),
        document: Some("Internal Ref"),
        parts: &["Total (excludes VAT)"],
        total: None,
        service: Some("Service Area"),
        purpose: Some("Group Description"),
        cost_centre: Some("Cost Centre"),
        capital: Some("Cap/Rev"),
        ..Self::SALFORD
    };
    /// The state's support of political parties in 2014: basic support and support by votes.
    pub const PARTY_SUPPORT: Self = Self {
        separator: b';',
        decimals: Decimals::Comma,
        payee: "partinamn",
        date: None,
        document: None,
        parts: &["grunnstonad", "stemmestonad"],
        total: Some("totalt"),
        service: None,
        purpose: Some("partitype"),
        cost_centre: None,
        capital: None,
    };
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment<'r> {
    /// Where it stands in the file, from 1.
    pub line: u64,
    /// Who was paid.
    pub payee: &'r str,
    /// When.
    pub date: Option<Date>,
    /// Number of the document or payment.
    pub document: Option<&'r str>,
    /// The amounts that make it up, in the order of [`Columns::parts`].
    pub parts: &'r [Amount],
    /// Their sum; negative for a credit.
    pub total: Amount,
    /// Which service paid.
    pub service: Option<&'r str>,
    /// What it was for.
    pub purpose: Option<&'r str>,
    /// Cost centre.
    pub cost_centre: Option<&'r str>,
    /// Whether it is capital expenditure.
    pub capital: Option<bool>,
}

/// What a file adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows with a payment.
    pub payments: u64,
    /// Rows without amount and payee, as spreadsheets leave them behind.
    pub empty: u64,
    /// Payments below zero.
    pub negative: u64,
    /// Sum of each part, in the order of [`Columns::parts`].
    pub parts: Vec<Total>,
    /// Sum of the totals.
    pub total: Total,
}

/// Reads a file row by row.
///
/// # Errors
/// [`CsvError`], with the line: an amount or date that is none, a row that does not add up.
pub fn read<R: BufRead>(
    source: R,
    columns: &Columns,
    each: &mut dyn FnMut(&Payment<'_>) -> Outcome,
) -> Result<Summary, CsvError> {
    let mut table = Table::open(source, columns.separator)?;
    let place = |name: Option<&str>| name.map(|name| table.column(name)).transpose();
    let payee = table.column(columns.payee)?;
    let (date, document, total) = (place(columns.date)?, place(columns.document)?, place(columns.total)?);
    let (service, purpose) = (place(columns.service)?, place(columns.purpose)?);
    let (cost_centre, capital) = (place(columns.cost_centre)?, place(columns.capital)?);
    let parts: Vec<usize> = columns.parts.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
    let mut summary = Summary { parts: vec![Total::default(); parts.len()], ..Summary::default() };
    let mut amounts = Vec::with_capacity(parts.len());
    while let Some(row) = table.next_row()? {
        let text = |place: usize| row.get(place).trim();
        let optional = |place: Option<usize>| place.map(text).filter(|text| !text.is_empty());
        if text(payee).is_empty() && parts.iter().all(|place| text(*place).is_empty()) {
            summary.empty += 1;
            continue;
        }
        let money = |place: usize| {
            amount(text(place), columns.decimals).ok_or_else(|| {
                let shown: String = text(place).chars().take(40).collect();
                malformed(row.line, format!("{shown:?} is no amount; correct it"))
            })
        };
        amounts.clear();
        for place in &parts {
            amounts.push(money(*place)?);
        }
        let sum: Total = amounts.iter().copied().sum();
        let too_large = || malformed(row.line, "the amounts are too large; correct them");
        let sum = i64::try_from(sum.0).map(Amount).map_err(|_| too_large())?;
        if let Some(stated) = total.map(money).transpose()?.filter(|stated| *stated != sum) {
            let reason = format!(
                "{} add up to {sum}, the row says {stated}; correct the one that is wrong",
                columns.parts.join(" and ")
            );
            return Err(malformed(row.line, reason));
        }
        let date = optional(date)
            .map(|text| Date::parse(text).map_err(|error| malformed(row.line, error.to_string())))
            .transpose()?;
        let payment = Payment {
            line: row.line,
            payee: text(payee),
            date,
            document: optional(document),
            parts: &amounts,
            total: sum,
            service: optional(service),
            purpose: optional(purpose),
            cost_centre: optional(cost_centre),
            capital: optional(capital).map(|text| text.eq_ignore_ascii_case("capital")),
        };
        summary.payments += 1;
        summary.negative += u64::from(sum.0 < 0);
        summary.total.add(sum);
        for (part, amount) in summary.parts.iter_mut().zip(&amounts) {
            part.add(*amount);
        }
        each(&payment)?;
    }
    Ok(summary)
}
