//! Time in three grains: a block's timestamp, a date in the books, an accounting period.

use alloc::string::String;
use core::fmt;

use bincode::{Decode, Encode};

use crate::codec::checked;

/// Milliseconds since 1970-01-01T00:00Z, as the leader of a block stated it and a quorum accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The date in Norway at this moment, by the earliest clock: two hours ahead of UTC. An entry
    /// made just after midnight, summer time, must not be refused as lying in the future.
    pub fn date(self) -> Date {
        let days = i64::try_from((self.0 / 1000 + 7200) / 86_400).unwrap_or(0);
        // Civil-from-days over 400-year eras (the proleptic Gregorian calendar).
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Date(u32::try_from(year * 10_000 + month * 100 + day).unwrap_or(u32::MAX).min(99_991_231))
    }
}

/// A calendar date between 1900-01-01 and 9999-12-31, held as the number yyyymmdd.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u32);

/// Not a date of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a date between 1900-01-01 and 9999-12-31; write it as YYYY-MM-DD")]
pub struct DateError {
    /// What was given.
    pub given: String,
}

impl Date {
    /// The first date there is.
    pub const MIN: Self = Self(19_000_101);

    /// The last date there is; stands for "no end" in validity ranges.
    pub const MAX: Self = Self(99_991_231);

    /// From a number yyyymmdd.
    ///
    /// # Errors
    /// [`DateError`] when the calendar has no such day.
    pub fn new(yyyymmdd: u32) -> Result<Self, DateError> {
        let (year, month, day) = (yyyymmdd / 10_000, yyyymmdd / 100 % 100, yyyymmdd % 100);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if !(1900..=9999).contains(&year) || !(1..=days).contains(&day) {
            return Err(DateError { given: alloc::format!("{year:04}-{month:02}-{day:02}") });
        }
        Ok(Self(yyyymmdd))
    }

    /// Reads `YYYY-MM-DD` (ISO 8601).
    ///
    /// # Errors
    /// [`DateError`] on any other form.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let refuse = || DateError { given: text.chars().take(20).collect() };
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(refuse());
        }
        let mut number = 0;
        for (i, byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' if i != 4 && i != 7 => number = number * 10 + u32::from(byte - b'0'),
                b'-' if i == 4 || i == 7 => {}
                _ => return Err(refuse()),
            }
        }
        Self::new(number)
    }

    /// The number yyyymmdd.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The year.
    pub fn year(self) -> u16 {
        (self.0 / 10_000) as u16
    }

    /// The accounting period (month) that the date falls in.
    pub fn period(self) -> Period {
        Period(self.0 / 100)
    }
}

checked!(Date, u32, Date::new);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An accounting period (regnskapsperiode): one month, held as the number yyyymm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u32);

impl Period {
    /// From a number yyyymm.
    ///
    /// # Errors
    /// [`DateError`] when there is no such month.
    pub fn new(yyyymm: u32) -> Result<Self, DateError> {
        Date::new(yyyymm.saturating_mul(100).saturating_add(1)).map(Date::period)
    }

    /// Reads `YYYY-MM`.
    ///
    /// # Errors
    /// [`DateError`] on any other form.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        Date::parse(&alloc::format!("{text}-01")).map(Date::period)
    }

    /// The number yyyymm.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The year.
    pub fn year(self) -> u16 {
        (self.0 / 100) as u16
    }

    /// The month after this one.
    pub fn next(self) -> Self {
        if self.0 % 100 == 12 { Self(self.0 + 89) } else { Self(self.0 + 1) }
    }

    /// The month before this one; the first month there is stays.
    pub fn previous(self) -> Self {
        let before = if self.0 % 100 == 1 { self.0 - 89 } else { self.0 - 1 };
        Self(before.max(190_001))
    }

    /// December of the same year.
    pub fn last_of_year(self) -> Self {
        Self(self.0 / 100 * 100 + 12)
    }

    /// How many months this one lies after another, zero if it does not.
    pub fn months_after(self, earlier: Self) -> u32 {
        let months = |period: Self| period.0 / 100 * 12 + period.0 % 100;
        months(self).saturating_sub(months(earlier))
    }
}

checked!(Period, u32, Period::new);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_timestamp_falls_on_its_norwegian_date() {
        for (ms, date) in [
            (0, "1970-01-01"),
            (1_772_582_399_000, "2026-03-04"), // 2026-03-03T23:59:59Z
            (1_709_164_800_000, "2024-02-29"),
            (1_798_754_400_000, "2027-01-01"), // 2026-12-31T22:00Z
        ] {
            assert_eq!(Timestamp(ms).date().to_string(), date);
        }
    }

    #[test]
    fn a_day_the_calendar_lacks_is_refused() {
        for wrong in ["2026-02-29", "2026-13-01", "2026-00-10", "1899-12-31", "2026-1-01", "20260101"] {
            assert!(Date::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Date::parse("2026-12-31").unwrap().period().next().to_string(), "2027-01");
        let january = Period::parse("2026-01").unwrap();
        assert_eq!(january.previous().to_string(), "2025-12");
        assert_eq!(january.last_of_year().months_after(january.previous()), 12);
    }
}
