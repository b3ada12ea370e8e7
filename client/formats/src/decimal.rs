//! Exact decimal numbers, for the few sums that leave whole øre behind: quantity × price, base × rate.
//!
//! Norwegian senders write prices with up to 28 decimals; a product of two such numbers fits in no
//! machine word, and a float would decide a tolerance differently on different days. It leaves out
//! division: a rule that divides is checked multiplied out.
//!
//! Invariant: no leading zero digits, no trailing zero decimals, no negative zero, so that equal
//! numbers are equal values.

use std::cmp::Ordering;

use ledger::amount::Amount;

/// Digits of a number that is read; more say nothing about money.
const DIGITS_MAX: usize = 60;

/// A decimal number of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Least significant first.
    digits: Vec<u8>,
    /// How many of the digits are decimals.
    scale: usize,
}

impl Decimal {
    /// Reads what XML Schema calls a decimal: `-12.50`, `+3`, `.5`, `7.`; no exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let length = whole.len() + fraction.len();
        if !(1..=DIGITS_MAX).contains(&length) {
            return None;
        }
        let digits: Option<Vec<u8>> = fraction
            .bytes()
            .rev()
            .chain(whole.bytes().rev())
            .map(|b| b.is_ascii_digit().then(|| b - b'0'))
            .collect();
        Some(Self { negative, digits: digits?, scale: fraction.len() }.normal())
    }

    /// A whole number of hundredths.
    pub(crate) fn from_ore(ore: i128) -> Self {
        let digits = ore.unsigned_abs().to_string().bytes().rev().map(|b| b - b'0').collect();
        Self { negative: ore < 0, digits, scale: 2 }.normal()
    }

    fn normal(mut self) -> Self {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take(self.scale).take_while(|digit| **digit == 0).count();
        let zeros = if self.digits.is_empty() { self.scale } else { zeros };
        self.digits.drain(..zeros.min(self.digits.len()));
        self.scale -= zeros;
        self.negative &= !self.digits.is_empty();
        self
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// The distance from zero.
    pub(crate) fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// Digits least significant first, with `scale` decimals.
    fn scaled(&self, scale: usize) -> Vec<u8> {
        let mut digits = vec![0; scale - self.scale];
        digits.extend_from_slice(&self.digits);
        digits
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.scaled(scale), other.scaled(scale));
        if self.negative == other.negative {
            return Self { negative: self.negative, digits: plus(&a, &b), scale }.normal();
        }
        match order(&a, &b) {
            Ordering::Less => Self { negative: other.negative, digits: minus(&b, &a), scale }.normal(),
            _ => Self { negative: self.negative, digits: minus(&a, &b), scale }.normal(),
        }
    }

    pub(crate) fn sub(&self, other: &Self) -> Self {
        let turned = Self { negative: !other.negative && !other.is_zero(), ..other.clone() };
        self.add(&turned)
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        let mut sums = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            for (j, b) in other.digits.iter().enumerate() {
                sums[i + j] += u32::from(*a) * u32::from(*b);
            }
        }
        let mut carry = 0;
        let digits = sums
            .into_iter()
            .map(|sum| {
                carry += sum;
                let digit = (carry % 10) as u8;
                carry /= 10;
                digit
            })
            .collect();
        let (negative, scale) = (self.negative != other.negative, self.scale + other.scale);
        Self { negative, digits, scale }.normal()
    }

    /// A hundredth of it.
    pub(crate) fn per_cent(&self) -> Self {
        Self { scale: self.scale + 2, ..self.clone() }.normal_scale()
    }

    fn normal_scale(mut self) -> Self {
        if self.digits.is_empty() {
            self.scale = 0;
        }
        self
    }

    /// The nearest whole number of hundredths; a half goes up, as XPath rounds.
    pub(crate) fn round_to_ore(&self) -> Option<i128> {
        let shifted = self.shift(2);
        let whole = shifted.digits.get(shifted.scale..).unwrap_or(&[]);
        let magnitude = whole
            .iter()
            .rev()
            .try_fold(0_i128, |sum, digit| sum.checked_mul(10)?.checked_add(i128::from(*digit)))?;
        let fraction = shifted.digits.get(..shifted.scale).unwrap_or(&shifted.digits);
        let first = if fraction.len() == shifted.scale { fraction.last().copied().unwrap_or(0) } else { 0 };
        let beyond_half =
            first > 5 || (first == 5 && (fraction.iter().rev().skip(1).any(|d| *d > 0) || !self.negative));
        let magnitude = if beyond_half { magnitude + 1 } else { magnitude };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The exact number of hundredths, or `None` when it has more than two decimals or is too large.
    pub(crate) fn to_ore(&self) -> Option<Amount> {
        if self.scale > 2 {
            return None;
        }
        self.round_to_ore().and_then(|ore| i64::try_from(ore).ok()).map(Amount)
    }

    /// Moves the point to the right.
    fn shift(&self, places: usize) -> Self {
        let mut shifted = self.clone();
        let taken = places.min(shifted.scale);
        shifted.scale -= taken;
        let mut digits = vec![0; places - taken];
        digits.append(&mut shifted.digits);
        shifted.digits = digits;
        shifted
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let magnitudes = order(&self.scaled(scale), &other.scaled(scale));
        match (self.negative, other.negative) {
            (false, false) => magnitudes,
            (true, true) => magnitudes.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        if self.negative {
            text.push('-');
        }
        let length = self.digits.len().max(self.scale + 1);
        for place in (0..length).rev() {
            text.push(char::from(b'0' + self.digits.get(place).copied().unwrap_or(0)));
            if place == self.scale && place > 0 {
                text.push(',');
            }
        }
        f.pad(&text)
    }
}

fn order(a: &[u8], b: &[u8]) -> Ordering {
    let digit = |digits: &[u8], place: usize| digits.get(place).copied().unwrap_or(0);
    (0..a.len().max(b.len()))
        .rev()
        .map(|place| digit(a, place).cmp(&digit(b, place)))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn plus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    (0..=a.len().max(b.len()))
        .map(|place| {
            let sum = a.get(place).copied().unwrap_or(0) + b.get(place).copied().unwrap_or(0) + carry;
            carry = sum / 10;
            sum % 10
        })
        .collect()
}

/// `a` must not be smaller than `b`.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    (0..a.len().max(b.len()))
        .map(|place| {
            let from = 10 + a.get(place).copied().unwrap_or(0);
            let difference = from - b.get(place).copied().unwrap_or(0) - borrow;
            borrow = u8::from(difference < 10);
            difference % 10
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        assert_eq!(d("025.00"), d("+25."));
        assert_eq!(d("-0.0"), d("0"));
        assert_eq!(d(".5").to_string(), "0,5");
        assert_eq!(d("-1234.560").to_string(), "-1234,56");
        assert_eq!(Decimal::from_ore(-40).to_string(), "-0,4");
        for wrong in ["", ".", "-", "1e3", "1,5", "NaN", "1.2.3", "--1", &"9".repeat(61)] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arithmetic_is_exact_where_a_float_is_not() {
        assert_eq!(d("0.1").add(&d("0.2")), d("0.3"));
        assert_eq!(d("1").sub(&d("1.000000000000000000001")), d("-0.000000000000000000001"));
        assert_eq!(d("-2.5").mul(&d("0.4")), d("-1"));
        assert_eq!(
            d("99999999999999999999.99").mul(&d("99999999999999999999.99")),
            d("9999999999999999999998000000000000000000.0001")
        );
        assert!(d("-3") < d("2.9") && d("2.90001") > d("2.9") && d("-3.1") < d("-3"));
    }

    #[test]
    fn a_half_ore_is_rounded_up() {
        for (text, ore) in [
            ("365.125", 36_513),
            ("365.1249999", 36_512),
            ("-365.125", -36_512),
            ("-365.1250001", -36_513),
            ("0.005", 1),
            ("0.0049", 0),
            ("12", 1200),
        ] {
            assert_eq!(d(text).round_to_ore(), Some(ore), "{text}");
        }
        assert_eq!(d("12.50").to_ore(), Some(Amount(1250)));
        assert_eq!(d("12.505").to_ore(), None);
        assert_eq!(d("92233720368547758.08").to_ore(), None);
        assert_eq!(d("1460.5").mul(&d("25")).per_cent().round_to_ore(), Some(36_513));
    }
}
