//! From an accepted document to what is submitted to the ledger: coded, summed per account, stripped
//! of every name and free text.
//!
//! It leaves out which VAT code a category and rate have and how the buyer treats it: that is dated
//! data of the chain, and comes in as a question.
//!
//! Invariant: the lines of the result add up to the document's net total, and its VAT totals to its
//! VAT.

use std::collections::BTreeMap;

use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entry::{Rate, Regime};
use ledger::time::Date;
use ledger::transaction::{Document, DocumentId, DocumentKind, InvoiceNumber, LINES_MAX, Line, VatTotal};

use super::{Category, Invoice, Kind};
use crate::coding::{self, Coding};

/// What the buyer adds to the document.
pub struct Plan<'a> {
    /// Posting date.
    pub date: Date,
    /// Where amounts go that no posting string codes.
    pub default: Option<Coding>,
    /// The buyer's VAT code and treatment of a category and rate; `None` when it has none.
    pub vat: &'a dyn Fn(Category, Rate) -> Option<(u16, Regime)>,
    /// Commitment to the document's bytes.
    pub content: Digest,
    /// Commitment to [`Invoice::payee_text`].
    pub payee: Digest,
}

/// Why an accepted document cannot be submitted yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookingError {
    /// Nobody says where a line is booked.
    #[error(
        "line {line} over {net} has no posting string that is understood; code it, or name a default account"
    )]
    NoCoding {
        /// The seller's number of the line, or what it is.
        line: String,
        /// Its amount.
        net: Amount,
    },
    /// The chain has no code for it.
    #[error("VAT category {} at {rate} has no VAT code on {date}; have the code list updated", category.code())]
    NoVatCode {
        /// The category.
        category: Category,
        /// The rate.
        rate: Rate,
        /// The day asked about.
        date: Date,
    },
    /// More accounts than one transaction holds.
    #[error("{lines} differently coded amounts, one document holds {LINES_MAX}; code them more alike")]
    TooManyLines {
        /// How many.
        lines: usize,
    },
    /// Every amount is zero.
    #[error("every amount of the document is zero; there is nothing to book")]
    Nothing,
    /// A sum that does not fit the books.
    #[error("a sum is larger than the books can hold; split the document")]
    Overflow,
}

/// What amounts are summed by.
type Key = (Coding, u16, Regime);

impl Invoice {
    /// What the payee commitment covers: account and reference, one line each.
    pub fn payee_text(&self) -> String {
        let account = self.account().map(ToString::to_string).unwrap_or_default();
        let reference = self.reference.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{account}\n{reference}")
    }
}

/// The document as the buyer's system submits it. A document over less than nothing becomes one of
/// the other kind with the signs turned, because the debt runs the other way.
///
/// # Errors
/// [`BookingError`].
pub fn document(invoice: &Invoice, plan: &Plan<'_>) -> Result<Document, BookingError> {
    let turned = invoice.totals.payable.0 < 0;
    let signed = |amount: Amount| if turned { Amount(-amount.0) } else { amount };
    let code = |category, rate| {
        (plan.vat)(category, rate).ok_or(BookingError::NoVatCode { category, rate, date: invoice.tax_date() })
    };
    let mut sums: BTreeMap<Key, i128> = BTreeMap::new();
    for (net, category, rate, coding) in coded(invoice, plan)? {
        let (vat_code, regime) = code(category, rate)?;
        *sums.entry((coding, vat_code, regime)).or_default() += i128::from(net.0);
    }
    let mut lines = Vec::new();
    for ((coding, vat_code, regime), sum) in sums {
        let net = signed(i64::try_from(sum).map(Amount).map_err(|_| BookingError::Overflow)?);
        if net != Amount::ZERO {
            let Coding { account, cost_centre, project } = coding;
            lines.push(Line { account, net, vat_code, regime, cost_centre, project });
        }
    }
    if lines.is_empty() {
        return Err(BookingError::Nothing);
    }
    if lines.len() > LINES_MAX {
        return Err(BookingError::TooManyLines { lines: lines.len() });
    }
    let mut totals: BTreeMap<u16, VatTotal> = BTreeMap::new();
    for group in &invoice.vat {
        let (code, _) = code(group.category, group.rate)?;
        let total = totals.entry(code).or_insert(VatTotal {
            code,
            rate: group.rate,
            base: Amount::ZERO,
            vat: Amount::ZERO,
        });
        total.base = total.base.checked_add(signed(group.base)).ok_or(BookingError::Overflow)?;
        total.vat = total.vat.checked_add(signed(group.vat)).ok_or(BookingError::Overflow)?;
    }
    let used =
        |total: &VatTotal| total.vat != Amount::ZERO || lines.iter().any(|line| line.vat_code == total.code);
    let vat_totals = totals.into_values().filter(used).collect();
    let owed_by_buyer = (invoice.kind == Kind::Invoice) != turned;
    Ok(Document {
        id: invoice.id(),
        kind: if owed_by_buyer {
            DocumentKind::Invoice
        } else {
            DocumentKind::CreditNote { corrects: corrects(invoice) }
        },
        buyer: invoice.buyer.number,
        date: plan.date,
        tax_point: invoice.tax_date(),
        due: invoice.due_date(),
        lines,
        vat_totals,
        prepaid: signed(invoice.totals.prepaid),
        rounding: signed(invoice.totals.rounding),
        payable: signed(invoice.totals.payable),
        content: plan.content,
        payee: plan.payee,
    })
}

/// The one invoice that a credit note corrects, if it names one in full.
fn corrects(invoice: &Invoice) -> Option<DocumentId> {
    let [preceding] = &invoice.preceding[..] else { return None };
    Some(DocumentId {
        seller: invoice.seller.number,
        number: InvoiceNumber::new(preceding.number.as_str()).ok()?,
        issued: preceding.issued?,
    })
}

type Coded = (Amount, Category, Rate, Coding);

fn coded(invoice: &Invoice, plan: &Plan<'_>) -> Result<Vec<Coded>, BookingError> {
    let resolve = |posting: Option<&str>| {
        coding::resolve(posting, invoice.posting.as_deref(), plan.default).0.map(|(coding, _)| coding)
    };
    let mut coded: Vec<Coded> = Vec::with_capacity(invoice.lines.len() + invoice.allowances.len());
    for line in &invoice.lines {
        let coding = resolve(line.posting.as_deref())
            .ok_or_else(|| BookingError::NoCoding { line: line.id.clone(), net: line.net })?;
        coded.push((line.net, line.category, line.rate, coding));
    }
    for part in &invoice.allowances {
        let net = if part.charge { part.amount } else { Amount(-part.amount.0) };
        // Freight and discounts follow the first line of their VAT when nobody codes them.
        let alike =
            coded.iter().find(|(_, category, rate, _)| (*category, *rate) == (part.category, part.rate));
        let coding = resolve(None).or(alike.map(|(_, _, _, coding)| *coding)).ok_or_else(|| {
            BookingError::NoCoding { line: if part.charge { "charge" } else { "allowance" }.to_string(), net }
        })?;
        coded.push((net, part.category, part.rate, coding));
    }
    Ok(coded)
}
