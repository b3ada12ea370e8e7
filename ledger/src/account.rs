//! Account keys: which line of which chart an amount is posted to.

use core::fmt;

use bincode::{Decode, Encode};

/// The part of a chart that an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Class {
    /// KOSTRA account class 0, investment accounts (investeringsregnskap).
    Investment,
    /// KOSTRA account class 1, operating accounts (driftsregnskap).
    Operating,
    /// KOSTRA account class 2, balance accounts (balanseregnskap).
    Balance,
    /// The state's standard chart (standard kontoplan for statlige virksomheter).
    State,
    /// A private party's own chart, NS 4102 numbers.
    Private,
}

/// An account of one entity: `1.222.260` (class.function.art), `2.35.200` (2.chapter.sector),
/// or the bare number of the state's or a private chart, `S870` and `1500`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Account {
    /// Which chart, and which part of it.
    pub class: Class,
    /// Function (funksjon) in classes 0 and 1, zero elsewhere.
    pub function: u16,
    /// Art (kostraart) in classes 0 and 1, chapter (kapittel) in class 2, else the account number.
    pub code: u16,
    /// Counterparty sector in class 2, zero elsewhere.
    pub sector: u16,
}

impl Account {
    /// An account of class 0 or 1.
    pub const fn kostra(class: Class, function: u16, art: u16) -> Self {
        Self { class, function, code: art, sector: 0 }
    }

    /// A balance account of a municipality.
    pub const fn balance(chapter: u16, sector: u16) -> Self {
        Self { class: Class::Balance, function: 0, code: chapter, sector }
    }

    /// An account of a private chart.
    pub const fn private(code: u16) -> Self {
        Self { class: Class::Private, function: 0, code, sector: 0 }
    }

    /// An account of the state's chart.
    pub const fn state(code: u16) -> Self {
        Self { class: Class::State, function: 0, code, sector: 0 }
    }

    /// Reads the form that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| {
            let plain = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if plain { part.parse::<u16>().ok() } else { None }
        };
        let mut parts = text.split('.');
        let account = match (parts.next()?, parts.next(), parts.next()) {
            ("0", Some(function), Some(art)) => {
                Self::kostra(Class::Investment, number(function)?, number(art)?)
            }
            ("1", Some(function), Some(art)) => {
                Self::kostra(Class::Operating, number(function)?, number(art)?)
            }
            ("2", Some(chapter), Some(sector)) => Self::balance(number(chapter)?, number(sector)?),
            (code, None, None) => match code.strip_prefix('S') {
                Some(code) => Self::state(number(code)?),
                None => Self::private(number(code)?),
            },
            _ => return None,
        };
        if parts.next().is_some() { None } else { Some(account) }
    }

    /// Whether the balance is carried into the next year; the others start each year at zero.
    pub fn carries_over(self) -> bool {
        match self.class {
            Class::Balance => true,
            Class::Investment | Class::Operating => false,
            // Both charts keep assets in account class 1 and liabilities and equity in class 2.
            Class::State | Class::Private => {
                let mut leading = self.code;
                while leading >= 10 {
                    leading /= 10;
                }
                leading <= 2
            }
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, code, sector, .. } = *self;
        let text = match self.class {
            Class::Investment => alloc::format!("0.{function:03}.{code:03}"),
            Class::Operating => alloc::format!("1.{function:03}.{code:03}"),
            Class::Balance => alloc::format!("2.{code}.{sector:03}"),
            Class::State => alloc::format!("S{code}"),
            Class::Private => alloc::format!("{code}"),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_account_reads_back_what_it_shows() {
        for text in ["0.841.729", "1.222.260", "2.35.200", "2.5990.000", "1500", "S870"] {
            assert_eq!(Account::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "1.222", "3.222.260", "1.222.260.1", "1..260", "+500", "2.59900.000"] {
            assert_eq!(Account::parse(wrong), None, "{wrong}");
        }
    }
}
