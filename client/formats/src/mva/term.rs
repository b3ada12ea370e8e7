//! Terms of VAT: the spans of the year that a return may be for, and their names in the message.
//!
//! Invariant: a [`Term`] that was parsed has a name that the schema knows.

use ledger::time::Date;

const MONTHS: [&str; 12] = [
    "januar",
    "februar",
    "mars",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "desember",
];

/// A span of a year, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// 1 to 24.
    HalfMonth(u8),
    /// 1 to 53.
    Week(u8),
    /// 1 to 12.
    Month(u8),
    /// 1 to 6: the ordinary term, and the only one for compensation.
    TwoMonths(u8),
    /// 1 to 4.
    Quarter(u8),
    /// 1 or 2.
    HalfYear(u8),
    /// The whole.
    Year,
}

/// An element of the schema, the terms in it by number, and how many a year has.
type Element = (&'static str, fn(u8) -> Term, u8);

impl Term {
    const ELEMENTS: [Element; 7] = [
        ("skattleggingsperiodeMaaned", Self::Month, 12),
        ("skattleggingsperiodeSeksMaaneder", Self::HalfYear, 2),
        ("skattleggingsperiodeToMaaneder", Self::TwoMonths, 6),
        ("skattleggingsperiodeHalvMaaned", Self::HalfMonth, 24),
        ("skattleggingsperiodeTreMaaneder", Self::Quarter, 4),
        ("skattleggingsperiodeUke", Self::Week, 53),
        ("skattleggingsperiodeAar", |_| Self::Year, 1),
    ];

    /// The element names that the schema offers.
    pub(super) fn elements() -> impl Iterator<Item = &'static str> {
        Self::ELEMENTS.iter().map(|(element, ..)| *element)
    }

    /// The term of this name in this element; `None` when the schema has none.
    pub(super) fn parse(element: &str, name: &str) -> Option<Self> {
        let (_, make, count) = Self::ELEMENTS.into_iter().find(|(known, ..)| *known == element)?;
        (1..=count).map(make).find(|term| term.name().as_deref() == Some(name))
    }

    /// The element that names it.
    pub(super) fn element(self) -> &'static str {
        Self::ELEMENTS
            .iter()
            .find(|(_, make, _)| std::mem::discriminant(&make(1)) == std::mem::discriminant(&self))
            .map_or("", |(element, ..)| element)
    }

    /// The name in the message: `mai-juni`; `None` for a number that the year does not have.
    pub fn name(self) -> Option<String> {
        let month = |number: usize| MONTHS.get(number).copied();
        let span = |number: u8, length: usize| {
            let first = usize::from(number.checked_sub(1)?) * length;
            Some(format!("{}-{}", month(first)?, month(first + length - 1)?))
        };
        match self {
            Self::Month(number) => month(usize::from(number.checked_sub(1)?)).map(str::to_string),
            Self::TwoMonths(number) => span(number, 2),
            Self::Quarter(number) => span(number, 3),
            Self::HalfYear(number) => span(number, 6),
            Self::HalfMonth(number) => {
                let from_zero = usize::from(number.checked_sub(1)?);
                let half = if from_zero % 2 == 0 { "foerste" } else { "andre" };
                Some(format!("{half} halvdel {}", month(from_zero / 2)?))
            }
            Self::Week(number @ 1..=53) => Some(format!("uke {number}")),
            Self::Week(_) => None,
            Self::Year => Some("aarlig".to_string()),
        }
    }

    /// The first day after a term of two months in this year; `None` for other terms.
    pub(super) fn two_months_over(self, year: u16) -> Option<Date> {
        match self {
            Self::TwoMonths(number @ 1..=6) => {
                let month = u32::from(number) * 2 + 1;
                let (year, month) =
                    if month > 12 { (u32::from(year) + 1, 1) } else { (u32::from(year), month) };
                Date::new(year * 10_000 + month * 100 + 1).ok()
            }
            _ => None,
        }
    }

    /// The last day for claiming compensation for a term of two months: a month and ten days after
    /// it, 31 August for May and June.
    pub(super) fn claim_by(self, year: u16) -> Option<Date> {
        let after = self.two_months_over(year)?.number();
        let (first_year, month) = (after / 10_000, after / 100 % 100);
        if self == Self::TwoMonths(3) {
            return Date::new(first_year * 10_000 + 831).ok();
        }
        Date::new(first_year * 10_000 + (month + 1) * 100 + 10).ok()
    }
}
