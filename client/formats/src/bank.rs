//! Account numbers and payment references, checked as Norwegian banks check them.
//!
//! It leaves out whether an account exists and whose it is: only its bank knows.
//!
//! Invariant: an [`AccountNumber`] and a [`Kid`] hold check digits that are right.

use std::fmt;

use ledger::transaction::KidRule;

/// A bank account that a payment can name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountNumber {
    /// Norwegian account number (kontonummer): eleven digits, the last MOD 11.
    Bban(String),
    /// International account number of an account outside Norway, check digits MOD 97 (ISO 13616).
    Iban(String),
}

/// Rule F-ACCOUNT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "account {given} is neither eleven digits with a valid MOD 11 check digit nor an IBAN with valid check digits; ask the payee for the right one"
)]
pub struct AccountNumberError {
    /// What was given, shortened.
    pub given: String,
}

impl AccountNumber {
    /// Reads `86011117947`, `8601.11.17947`, `8601 11 17947`, or an IBAN with or without spaces. The
    /// IBAN of a Norwegian account is the account.
    ///
    /// # Errors
    /// [`AccountNumberError`].
    pub fn parse(text: &str) -> Result<Self, AccountNumberError> {
        let refuse = || AccountNumberError { given: text.chars().take(40).collect() };
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '.')).take(40).collect();
        if is_bban(&plain) {
            return Ok(Self::Bban(plain));
        }
        let iban = plain.to_ascii_uppercase();
        if !is_iban(&iban) {
            return Err(refuse());
        }
        match iban.strip_prefix("NO") {
            Some(rest) if is_bban(&rest[2..]) => Ok(Self::Bban(rest[2..].to_string())),
            Some(_) => Err(refuse()),
            None => Ok(Self::Iban(iban)),
        }
    }

    /// The number as an IBAN, which a Norwegian account has too.
    pub fn to_iban(&self) -> String {
        match self {
            Self::Bban(digits) => {
                let check = 98 - mod97(&format!("{digits}NO00"));
                format!("NO{check:02}{digits}")
            }
            Self::Iban(iban) => iban.clone(),
        }
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bban(number) | Self::Iban(number) => f.pad(number),
        }
    }
}

impl fmt::Debug for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_bban(text: &str) -> bool {
    text.len() == 11
        && text.bytes().all(|b| b.is_ascii_digit())
        && mod11(text.as_bytes()) == Some(text.as_bytes()[10])
}

fn is_iban(text: &str) -> bool {
    let form = |bytes: &[u8]| {
        bytes[..2].iter().all(u8::is_ascii_uppercase) && bytes[2..4].iter().all(u8::is_ascii_digit)
    };
    (15..=34).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && form(text.as_bytes())
        && mod97(&format!("{}{}", &text[4..], &text[..4])) == 1
}

/// The remainder by 97 of a number whose letters stand for 10 to 35.
fn mod97(text: &str) -> u32 {
    text.bytes().fold(0, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b.to_ascii_uppercase().wrapping_sub(b'A')) + 10) % 97,
    })
}

/// The check character that the digits before the last one demand, weights 2 to 7 from the right.
/// Ten is written `-`, which only a KID may end in.
fn mod11(digits: &[u8]) -> Option<u8> {
    let (_, body) = digits.split_last()?;
    let sum: u32 = body
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7].into_iter().cycle())
        .map(|(b, w)| u32::from(b - b'0') * w)
        .sum();
    match (11 - sum % 11) % 11 {
        10 => Some(b'-'),
        digit => Some(b'0' + digit as u8),
    }
}

/// The check digit by Luhn's rule that the digits before the last one demand.
fn mod10(digits: &[u8]) -> Option<u8> {
    let (_, body) = digits.split_last()?;
    let sum: u32 = body
        .iter()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(b, weight)| {
            let product = u32::from(b - b'0') * weight;
            product / 10 + product % 10
        })
        .sum();
    Some(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// A payment reference that ends in a check digit (kundeidentifikasjon): 2 to 25 digits, the last by
/// MOD 10 or MOD 11, where MOD 11 may also end in `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

impl Kid {
    /// Accepts a reference whose check digit the rule knows; without an agreement, either will do.
    pub fn parse(text: &str, rule: KidRule) -> Option<Self> {
        let bytes = text.as_bytes();
        let (last, body) = bytes.split_last()?;
        if !(2..=25).contains(&bytes.len()) || !body.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let by10 = mod10(bytes) == Some(*last);
        let by11 = mod11(bytes) == Some(*last);
        let valid = match rule {
            KidRule::Mod10 => by10,
            KidRule::Mod11 => by11,
            KidRule::Either | KidRule::None => by10 || by11,
        };
        // 00…0 satisfies both and refers to nothing.
        (valid && body.iter().any(|b| *b != b'0')).then(|| Self(text.to_string()))
    }

    /// The reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the payee wants to find on the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A KID: sent as a structured reference, matched by machine.
    Kid(Kid),
    /// Anything else: sent as a message.
    Text(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kid(kid) => fmt::Display::fmt(kid, f),
            Self::Text(text) => f.pad(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reads_in_every_form_it_is_written_in() {
        for text in ["86011117947", "8601.11.17947", "8601 11 17947", "NO9386011117947", "no93 8601 1117 947"]
        {
            assert_eq!(AccountNumber::parse(text).unwrap().to_string(), "86011117947", "{text}");
        }
        assert_eq!(AccountNumber::parse("86011117947").unwrap().to_iban(), "NO9386011117947");
        let swedish = AccountNumber::parse("SE45 5000 0000 0583 9825 7466").unwrap();
        assert_eq!(swedish, AccountNumber::Iban("SE4550000000058398257466".to_string()));
        assert_eq!(swedish.to_iban(), "SE4550000000058398257466");
    }

    #[test]
    fn f_account_refuses_a_wrong_check_digit_and_the_official_samples_twelve_digits() {
        for text in [
            "86011117948",
            "112233445566",
            "NO9386011117948",
            "NO9486011117947",
            "NO93860111179471",
            "SE4550000000058398257467",
            "",
            "NO",
            "æøå",
            "00000000000000000000000000000000000000000000000000",
        ] {
            assert!(AccountNumber::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn f_kid_knows_both_check_digits() {
        // As the Python package norwegian-numbers computes them.
        for (body, by10, by11) in [
            ("123456789", '7', '2'),
            ("00010412", '5', '4'),
            ("700010412", '0', '9'),
            ("1", '8', '9'),
            ("15", '8', '9'),
            ("987654321098765432109876", '0', '9'),
        ] {
            for digit in '0'..='9' {
                let valid = |rule| Kid::parse(&format!("{body}{digit}"), rule).is_some();
                assert_eq!(valid(KidRule::Mod10), digit == by10, "{body}{digit}");
                assert_eq!(valid(KidRule::Mod11), digit == by11, "{body}{digit}");
                assert_eq!(valid(KidRule::Either), digit == by10 || digit == by11, "{body}{digit}");
                assert_eq!(valid(KidRule::None), valid(KidRule::Either), "{body}{digit}");
            }
        }
        for wrong in
            ["0003434323213231", "1", "", "00", "1234567897x", "-", "12345678901234567890123456", "1æ"]
        {
            assert_eq!(Kid::parse(wrong, KidRule::Either), None, "{wrong}");
        }
    }

    #[test]
    fn f_kid_a_mod_11_remainder_of_ten_is_written_as_a_dash() {
        let body = (10_u32..99).find(|n| mod11(format!("{n}0").as_bytes()) == Some(b'-')).unwrap();
        assert!(Kid::parse(&format!("{body}-"), KidRule::Mod11).is_some());
        assert_eq!(Kid::parse(&format!("{body}-"), KidRule::Mod10), None);
    }
}
