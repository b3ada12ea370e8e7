//! Money: whole øre, NOK, checked arithmetic only.

use alloc::string::String;
use core::fmt;

use bincode::{Decode, Encode};

/// An amount in øre (1/100 NOK). In a posting, debit is positive and credit negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Amount(pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` past ±92 thousand billion NOK.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` when it does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The same amount on the other side, or `None` for the one value that has none.
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// The distance from zero.
    pub fn magnitude(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// Reads a decimal number with at most two decimals and `.` as in XML: `-12500.5`, `0.04`.
    pub fn from_decimal(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        // Trailing zeros past the øre carry nothing: 1.500 is 1.50.
        let fraction = if fraction.len() > 2 { fraction.trim_end_matches('0') } else { fraction };
        if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 2 {
            return None;
        }
        let mut ore: i64 = 0;
        let padding = 2 - fraction.len();
        for digit in whole.bytes().chain(fraction.bytes()).chain([b'0'; 2].into_iter().take(padding)) {
            if !digit.is_ascii_digit() {
                return None;
            }
            ore = ore.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        }
        Some(Self(if negative { -ore } else { ore }))
    }

    /// The form that XML and plain-text books use: `-12500.50`.
    pub fn to_decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ore = self.magnitude();
        alloc::format!("{sign}{}.{:02}", ore / 100, ore % 100)
    }
}

/// As a Norwegian reader expects it: `-12 500,00`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ore = self.magnitude();
        let whole = alloc::format!("{}", ore / 100);
        let mut text = String::with_capacity(whole.len() + whole.len() / 3 + 4);
        if self.0 < 0 {
            text.push('-');
        }
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i) % 3 == 0 {
                text.push(' ');
            }
            text.push(digit);
        }
        f.pad(&alloc::format!("{text},{:02}", ore % 100))
    }
}

/// A sum of amounts of any number of postings: i128 cannot overflow from i64 addends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Total(pub i128);

impl Total {
    /// Adds one amount.
    pub fn add(&mut self, amount: Amount) {
        self.0 += i128::from(amount.0);
    }
}

impl core::iter::Sum<Amount> for Total {
    fn sum<I: Iterator<Item = Amount>>(iter: I) -> Self {
        iter.fold(Self::default(), |mut total, amount| {
            total.add(amount);
            total
        })
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0) {
            Ok(ore) => Amount(ore).fmt(f),
            Err(_) => f.pad(&alloc::format!("{} øre", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_amount_reads_and_shows_to_the_ore() {
        for (text, ore, shown) in [
            ("125000.00", 12_500_000, "125 000,00"),
            ("-0.04", -4, "-0,04"),
            ("1460.5", 146_050, "1 460,50"),
            ("1.500", 150, "1,50"),
            (".5", 50, "0,50"),
        ] {
            let amount = Amount::from_decimal(text).unwrap();
            assert_eq!((amount.0, amount.to_string().as_str()), (ore, shown));
        }
        for wrong in ["", ".", "-", "1.005", "1,50", "1e3", "NaN", "92233720368547758.08"] {
            assert_eq!(Amount::from_decimal(wrong), None, "{wrong}");
        }
    }
}
