//! Who keeps books or stands on the other side of a document: organisation numbers, kinds, names.

use alloc::string::{String, ToString};
use core::fmt;

use bincode::{Decode, Encode};

use crate::codec::checked;

/// An organisation number (organisasjonsnummer): nine digits, the last a MOD 11 check digit with
/// weights 3 2 7 6 5 4 3 2 (Enhetsregisteret).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgNumber(u32);

/// An organisation number that its check digit refuses. Rule L0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "organisation number {number} is not nine digits with a valid MOD 11 check digit; look it up in Enhetsregisteret"
)]
pub struct OrgNumberError {
    /// What was given.
    pub number: String,
}

impl OrgNumber {
    /// Accepts the number if its check digit holds.
    ///
    /// # Errors
    /// [`OrgNumberError`] otherwise.
    pub fn new(number: u32) -> Result<Self, OrgNumberError> {
        let refuse = || OrgNumberError { number: number.to_string() };
        if !(100_000_000..=999_999_999).contains(&number) {
            return Err(refuse());
        }
        let mut rest = number / 10;
        let mut sum = 0;
        for weight in [2, 3, 4, 5, 6, 7, 2, 3] {
            sum += rest % 10 * weight;
            rest /= 10;
        }
        // A remainder of 1 would need the check digit ten, which no number has.
        if (11 - sum % 11) % 11 != number % 10 {
            return Err(refuse());
        }
        Ok(Self(number))
    }

    /// Reads nine digits.
    ///
    /// # Errors
    /// [`OrgNumberError`] when they are not nine digits or the check digit fails.
    pub fn parse(text: &str) -> Result<Self, OrgNumberError> {
        if text.len() == 9 && text.bytes().all(|digit| digit.is_ascii_digit()) {
            text.parse().ok().map_or_else(|| Err(OrgNumberError { number: text.to_string() }), Self::new)
        } else {
            Err(OrgNumberError { number: text.chars().take(20).collect() })
        }
    }

    /// The nine digits as a number.
    pub fn number(self) -> u32 {
        self.0
    }
}

checked!(OrgNumber, u32, OrgNumber::new);

impl fmt::Display for OrgNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Debug for OrgNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an entity is; decides its chart of accounts and its VAT regimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum EntityKind {
    /// Municipality (kommune): KOSTRA chart, VAT compensation.
    Municipality,
    /// County (fylkeskommune): KOSTRA chart, VAT compensation.
    County,
    /// State body (statlig virksomhet): the state's standard chart, no VAT deduction.
    State,
    /// Private party, and companies in public ownership: own chart, VAT deducted.
    Private,
    /// Municipal auditor (kommunerevisor) or the Office of the Auditor General: keeps no books here.
    Auditor,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Municipality => "municipality",
            Self::County => "county",
            Self::State => "state body",
            Self::Private => "private party",
            Self::Auditor => "auditor",
        })
    }
}

/// Name of a legal person, 1 to 70 characters: letters, digits and `.,&/'()+- `, never eleven digits
/// of any script, together or apart (rule L14: no birth number enters the ledger, spaced or not).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A name that the ledger does not keep. Rule L14.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to 70 letters, digits or .,&/'()+- and fewer than eleven digits; shorten or correct it"
)]
pub struct NameError;

impl Name {
    /// Accepts a name of the stated form.
    ///
    /// # Errors
    /// [`NameError`] otherwise.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let length = name.chars().count();
        let allowed = |c: char| c.is_alphanumeric() || ".,&/'()+- ".contains(c);
        let trimmed = name.trim() == name;
        let digits = name.chars().filter(|c| c.is_numeric()).count();
        if !(1..=70).contains(&length) || !trimmed || !name.chars().all(allowed) || digits >= 11 {
            return Err(NameError);
        }
        Ok(Self(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether eleven digits stand in a row, as in a birth number (fødselsnummer) or a bank account.
pub(crate) fn has_eleven_digits(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        run >= 11
    })
}

checked!(Name, String, Name::new);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l14_a_birth_number_with_a_space_or_in_other_digits_is_no_name() {
        for name in ["Ola 010190 12345", "01019012345", "010190-12345", "０１０１９０１２３４５"] {
            assert_eq!(Name::new(name), Err(NameError), "{name}");
        }
        assert!(Name::new("Parkering 24/7 Stavanger 2026 AS").is_ok());
    }

    #[test]
    fn the_numbers_of_the_worked_examples_pass_and_a_changed_digit_does_not() {
        for number in [964_965_226, 964_965_137, 970_018_131, 974_761_076, 123_456_785, 888_888_888] {
            assert!(OrgNumber::new(number).is_ok(), "{number}");
            assert!(OrgNumber::new(number - 1).is_err(), "{}", number - 1);
        }
        assert!(OrgNumber::parse("96496522").is_err());
        assert!(OrgNumber::parse("9649652266").is_err());
        assert!(OrgNumber::parse("+64965226").is_err());
    }
}
