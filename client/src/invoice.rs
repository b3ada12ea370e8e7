//! From an invoice file to a signed step: what the buyer adds to a document that `formats` accepted.
//!
//! The buyer's books decide three things that no invoice says: the posting date, where lines go that
//! carry no posting string, and how VAT is treated. VAT codes and rates are the chain's own, from the
//! pinned genesis, by the document's tax point. It leaves out reading and judging the file
//! (`formats::ehf`) and whether the ledger books it.
//!
//! Invariant: what a person could be known by goes into the archive, and only salted commitments to
//! it into the transaction (rule L14).

use formats::bank::Reference;
use formats::coding::Coding;
use formats::ehf::{self, Accepted, BookingError, Category, Plan};
use ledger::digest::Digest;
use ledger::entity::EntityKind;
use ledger::entry::{Rate, Regime};
use ledger::genesis::Genesis;
use ledger::records::{CodeList, CodeRecord, OutputCode};
use ledger::time::{Date, Timestamp};
use ledger::transaction::Operation;

use crate::archive::{Archive, ArchiveError, Private};

/// What the buyer adds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Posting date in both books.
    pub date: Date,
    /// Where amounts go that no posting string codes.
    pub coding: Option<Coding>,
    /// How VAT is treated; by the buyer's kind where nothing is said.
    pub regime: Option<Regime>,
}

/// Why an accepted document is not submitted.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot be coded.
    #[error(transparent)]
    Booking(#[from] BookingError),
    /// The archive cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl PrepareError {
    /// The rule that refuses, if one does.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Booking(BookingError::NoCoding { .. }) => Some("F-POSTING"),
            Self::Booking(BookingError::NoVatCode { .. }) => Some("F-VAT"),
            Self::Booking(BookingError::TooManyLines { .. } | BookingError::Overflow) => Some("L21"),
            Self::Booking(BookingError::Nothing) => Some("L1"),
            Self::Archive(_) => None,
        }
    }
}

/// The date in Norway, for who posts today: an hour ahead of UTC, so never ahead of the ledger's.
pub fn today(now: Timestamp) -> Date {
    Timestamp(now.0.saturating_sub(3_600_000)).date()
}

/// How an entity of this kind treats VAT where nothing else is said.
pub fn usual_regime(kind: EntityKind) -> Regime {
    match kind {
        EntityKind::Municipality | EntityKind::County => Regime::Compensate,
        EntityKind::State => Regime::Cost,
        EntityKind::Private | EntityKind::Auditor => Regime::Deduct,
    }
}

/// Puts a document into the archive and makes the operation that registers it.
///
/// # Errors
/// [`PrepareError`].
pub fn prepare(
    accepted: &Accepted,
    document: &[u8],
    buyer: EntityKind,
    terms: &Terms,
    genesis: &Genesis,
    archive: &Archive,
) -> Result<Operation, PrepareError> {
    let invoice = &accepted.invoice;
    let outputs = &genesis.parameters.outputs;
    let treatment = Treatment { buyer, wanted: terms.regime, day: invoice.tax_date() };
    let vat = |category, rate| vat_code(&genesis.codes, outputs, treatment, category, rate);
    let plan = |content, payee| Plan { date: terms.date, default: terms.coding, vat: &vat, content, payee };
    // What cannot be booked leaves no trace in the archive.
    ehf::document(invoice, &plan(Digest::default(), Digest::default()))?;
    let reference = invoice.reference.as_ref();
    let private = Private {
        content_salt: String::new(),
        payee_salt: String::new(),
        payee_account: invoice.account().map(ToString::to_string).unwrap_or_default(),
        payee_name: invoice.payee_name().to_string(),
        payer_name: invoice.buyer.name.clone(),
        reference: reference.map(ToString::to_string).unwrap_or_default(),
        kid: matches!(reference, Some(Reference::Kid(_))),
    };
    let kept = archive.put(&invoice.id(), document, private)?;
    let (Some(content), Some(payee)) = (kept.content(document), kept.payee()) else {
        return Err(ArchiveError::Malformed { path: "private.json".into() }.into());
    };
    Ok(Operation::RegisterDocument(ehf::document(invoice, &plan(content, payee))?))
}

/// Who treats VAT, how, and when.
#[derive(Clone, Copy)]
struct Treatment {
    buyer: EntityKind,
    wanted: Option<Regime>,
    day: Date,
}

/// The buyer's code and treatment for a category and rate of a document: among the codes that may
/// stand on a document between two entities, the one of that rate on that day.
fn vat_code(
    codes: &[CodeRecord],
    outputs: &[OutputCode],
    Treatment { buyer, wanted, day }: Treatment,
    category: Category,
    rate: Rate,
) -> Option<(u16, Regime)> {
    let rate = if category == Category::Standard { rate } else { Rate(0) };
    let in_force = |code: u16| {
        codes
            .iter()
            .find(|record| record.list == CodeList::Vat && record.code == code && record.valid_on(day))
    };
    let fits = |record: &&CodeRecord| record.rate.unwrap_or(Rate(0)) == rate;
    let record = outputs.iter().find_map(|row| in_force(row.input).filter(fits))?;
    let regime = wanted.unwrap_or_else(|| usual_regime(buyer));
    let allowed = match regime {
        Regime::Cost => true,
        Regime::Compensate => record.compensable,
        Regime::Deduct => record.deductible,
    };
    // A code without VAT is a cost to anybody. One with VAT is submitted as wanted: the ledger says
    // why not, and a default gives way.
    let carries_vat = record.rate.is_some_and(|rate| rate != Rate(0));
    let keep = allowed || (wanted.is_some() && carries_vat);
    Some((record.code, if keep { regime } else { Regime::Cost }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l9_today_is_the_date_in_norway_and_never_ahead_of_the_ledgers() {
        // 2026-03-03T22:59:59Z is still 3 March in Norway, where the ledger allows the 4th already.
        assert_eq!(today(Timestamp(1_772_578_799_000)).to_string(), "2026-03-03");
        assert_eq!(today(Timestamp(1_772_578_800_000)).to_string(), "2026-03-04");
        assert_eq!(Timestamp(1_772_578_799_000).date().to_string(), "2026-03-04");
    }
    #[test]
    fn l4_vat_has_the_code_of_its_rate_on_the_day_and_the_buyers_usual_treatment() {
        let codes = ledger::codes::parse(include_str!("../../node/genesis/codes.txt")).unwrap();
        let outputs = ledger::booking::parse(include_str!("../../node/genesis/booking.txt")).unwrap().outputs;
        let code = |buyer, wanted, day: &str, category, rate| {
            let treatment = Treatment { buyer, wanted, day: Date::parse(day).unwrap() };
            vat_code(&codes, &outputs, treatment, category, Rate(rate))
        };
        let (town, today) = (EntityKind::Municipality, "2026-05-04");
        for (kind, regime) in [
            (town, Regime::Compensate),
            (EntityKind::County, Regime::Compensate),
            (EntityKind::State, Regime::Cost),
            (EntityKind::Private, Regime::Deduct),
        ] {
            assert_eq!(code(kind, None, today, Category::Standard, 2500), Some((1, regime)));
        }
        for (day, rate, expected) in [
            (today, 1500, Some((11, Regime::Compensate))),
            (today, 1200, Some((13, Regime::Compensate))),
            ("2020-06-01", 600, Some((13, Regime::Compensate))),
            ("2020-06-01", 1200, None),
            // Raw fish gives no right to compensation: the default gives way.
            (today, 1111, Some((12, Regime::Cost))),
            (today, 2400, None),
        ] {
            assert_eq!(code(town, None, day, Category::Standard, rate), expected, "{day} {rate}");
        }
        for category in [Category::ZeroRated, Category::Exempt, Category::OutOfScope] {
            assert_eq!(code(town, None, today, category, 0), Some((0, Regime::Cost)));
            assert_eq!(code(town, Some(Regime::Compensate), today, category, 0), Some((0, Regime::Cost)));
        }
        // What somebody asked for is the ledger's to refuse.
        let asked = code(town, Some(Regime::Compensate), today, Category::Standard, 1111);
        assert_eq!(asked, Some((12, Regime::Compensate)));
        assert_eq!(code(town, Some(Regime::Cost), today, Category::Standard, 2500), Some((1, Regime::Cost)));
    }
}
