//! How single values stand in JSON: each form has a name, a pattern and an example in the API
//! description, and is written in one place.
//!
//! Money is text with two decimals, because a sum over a country's books does not fit the numbers
//! that many JSON readers know. Bytes are base64; digests and keys are hex.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::account::Account;
use ledger::amount::{Amount, Total};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::signature::PublicKey;
use ledger::time::{Date, Period, Timestamp};
use serde::Serialize;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! forms {
    ($($(#[doc = $doc:literal])* $name:ident $pattern:literal $example:literal $(as $format:ident)?;)*) => {
        $($(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(super) struct $name(String);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description: &str = concat!($($doc),*);
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(description.trim()))
                    .pattern(Some($pattern))
                    $(.format(Some(SchemaFormat::KnownFormat(KnownFormat::$format))))?
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {})*
    };
}

forms! {
    /// A SHA-256 digest or a key: 64 lower-case hex digits.
    Hex "^[0-9a-f]{64}$" "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    /// A payment number: 32 lower-case hex digits, chosen by the submitter and used once.
    Number "^[0-9a-f]{32}$" "00112233445566778899aabbccddeeff";
    /// Bytes in base64 (RFC 4648 section 4, padded). Canonical bytes of a value are what is signed
    /// and hashed; specs/formats.md says how to read them.
    Base64 "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$" "AQIDBA==";
    /// An amount in Norwegian kroner with two decimals.
    Money "^-?[0-9]+\\.[0-9]{2}$" "12500.00";
    /// An organisation number: nine digits, the last a check digit.
    Organisation "^[1-9][0-9]{8}$" "964965226";
    /// An account: 1.222.260 (class.function.art), 2.35.200 (2.chapter.sector), S870 (state) or 1500.
    AccountCode "^([01]\\.([0-9]{3}|[1-9][0-9]{3})\\.([0-9]{3}|[1-9][0-9]{3})|2\\.(0|[1-9][0-9]{0,3})\\.([0-9]{3}|[1-9][0-9]{3})|S?(0|[1-9][0-9]{0,3}))$" "1.222.260";
    /// A date in the books.
    Day "^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$" "2026-03-04" as Date;
    /// An accounting period: a month.
    Month "^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])$" "2026-03";
    /// A moment, UTC.
    Moment "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$" "2026-03-04T11:22:33.456Z" as DateTime;
}

impl From<&Digest> for Hex {
    fn from(digest: &Digest) -> Self {
        Self(digest.to_hex())
    }
}

impl From<&PublicKey> for Hex {
    fn from(key: &PublicKey) -> Self {
        Self(key.to_string())
    }
}

impl From<[u8; 16]> for Number {
    fn from(number: [u8; 16]) -> Self {
        Self(hex::encode(number))
    }
}

impl From<&[u8]> for Base64 {
    fn from(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }
}

impl From<&Vec<u8>> for Base64 {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self(amount.to_decimal())
    }
}

impl From<Total> for Money {
    fn from(total: Total) -> Self {
        let sign = if total.0 < 0 { "-" } else { "" };
        let ore = total.0.unsigned_abs();
        Self(format!("{sign}{}.{:02}", ore / 100, ore % 100))
    }
}

impl From<OrgNumber> for Organisation {
    fn from(number: OrgNumber) -> Self {
        Self(number.to_string())
    }
}

impl From<Account> for AccountCode {
    fn from(account: Account) -> Self {
        Self(account.to_string())
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        Self(date.to_string())
    }
}

impl From<Period> for Month {
    fn from(period: Period) -> Self {
        Self(period.to_string())
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let seconds = time.0 / 1000;
        // The ledger's own calendar runs two hours ahead of UTC; here it is turned back.
        let date = Timestamp(time.0.saturating_sub(7_200_000)).date();
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self(format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.0 % 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_json_as_described() {
        assert_eq!(Money::from(Total(-4)).0, "-0.04");
        assert_eq!(Money::from(Total(i128::from(i64::MAX) * 10)).0, "922337203685477580.70");
        assert_eq!(Money::from(Amount(1_250_000)).0, "12500.00");
        // 2026-03-03T23:59:59.999Z lies on 4 March in Norway, and on 3 March in UTC.
        assert_eq!(Moment::from(Timestamp(1_772_582_399_999)).0, "2026-03-03T23:59:59.999Z");
        assert_eq!(Moment::from(Timestamp(1_798_754_400_000)).0, "2026-12-31T22:00:00.000Z");
        assert_eq!(Base64::from(&[1u8, 2, 3, 4][..]).0, "AQIDBA==");
    }
}
