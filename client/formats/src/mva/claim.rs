//! A claim for compensation from the books: sums in øre by VAT code, made whole kroner.
//!
//! It leaves out which postings are of the term: the ledger counts them. What whole kroner leave
//! over is told, for the books to take on 729.

use std::collections::BTreeMap;

use ledger::amount::{Amount, Total};
use ledger::entity::OrgNumber;
use ledger::entry::Rate;

use super::{Category, KRONER_MAX, Kroner, Line, Return, Taxpayer, Term};
use crate::bank::Kid;

/// What the books compensate under one code at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Standard tax code.
    pub code: u16,
    /// Its rate.
    pub rate: Rate,
    /// What the VAT was computed from; positive for purchases.
    pub base: Total,
    /// The VAT; positive for purchases.
    pub vat: Total,
}

/// What a claim says besides its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who claims.
    pub entity: OrgNumber,
    /// The term, 1 to 6.
    pub term: u8,
    /// Its year.
    pub year: u16,
    /// The sender's reference.
    pub reference: String,
    /// The reference that the payment shall carry.
    pub kid: Option<Kid>,
}

/// Sums that make no claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A sum beyond what a claim states. Rule R085.
    #[error("R085: code {code} adds up to {sum}, more than a claim states; check the postings of the term")]
    TooLarge {
        /// Which code.
        code: u16,
        /// Its base or VAT.
        sum: Total,
    },
    /// Two sums of one code and rate. Rule R018.
    #[error("R018: code {code} stands twice; add its sums up")]
    Twice {
        /// Which code.
        code: u16,
    },
}

/// The claim in whole kroner and what it leaves over in øre: the VAT of the books less the claim.
/// Each line is rounded by itself, to the nearest krone, a half away from zero.
///
/// # Errors
/// [`ClaimError`].
pub fn claim(claim: &Claim, sums: &[Sum]) -> Result<(Return, Amount), ClaimError> {
    let mut lines = BTreeMap::new();
    let (mut determined, mut left) = (0, 0);
    for sum in sums {
        let whole = |total: Total| {
            let kroner = (total.0.abs() + 50) / 100 * total.0.signum();
            i64::try_from(kroner)
                .ok()
                .filter(|kroner| kroner.abs() <= KRONER_MAX)
                .ok_or(ClaimError::TooLarge { code: sum.code, sum: total })
        };
        let (base, vat) = (whole(sum.base)?, whole(sum.vat)?);
        let line = Line {
            code: sum.code,
            specification: None,
            own_code: None,
            base: Some(Kroner(-base)),
            rate: Some(sum.rate),
            vat: Kroner(-vat),
            remark: None,
        };
        if lines.insert((sum.code, sum.rate), line).is_some() {
            return Err(ClaimError::Twice { code: sum.code });
        }
        determined -= i128::from(vat);
        left += sum.vat.0 - i128::from(vat) * 100;
    }
    let too_large = |code| ClaimError::TooLarge { code, sum: Total(determined * 100) };
    let last = sums.last().map_or(0, |sum| sum.code);
    let determined = i64::try_from(determined).map_err(|_| too_large(last))?;
    // At most fifty øre a line, so it fits.
    let left = i64::try_from(left).map_err(|_| too_large(last))?;
    let made = Return {
        reference: claim.reference.clone(),
        system: Some(("Hovedbok".to_string(), None)),
        term: Term::TwoMonths(claim.term),
        year: claim.year,
        determined: Kroner(determined),
        lines: lines.into_values().collect(),
        kid: claim.kid.as_ref().map(ToString::to_string),
        taxpayer: Taxpayer::Organisation(claim.entity),
        category: Category::Compensation,
        remark: None,
    };
    Ok((made, Amount(left)))
}
