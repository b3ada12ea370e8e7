//! The buyer's posting string (konteringsstreng): where the buyer wants an amount booked, as the
//! seller was told to write it on the invoice (BT-19 for the document, BT-133 for a line).
//!
//! Three forms are understood, which may be mixed:
//!
//! - an account of the ledger: `1.222.260`, `1500`, `S870`;
//! - pairs: `art=260;funksjon=222;ansvar=4102;prosjekt=542`, also with `konto` (five digits: class,
//!   art, the municipality's own digit; four digits: NS 4102) and `tjeneste` (five digits whose first
//!   three are the function), in any case and order;
//! - the chart's name in front of the pairs: `NS4102;Konto=4010;Avd=25`.
//!
//! A text that is not understood in full is not understood: half a posting string books wrong.

use ledger::account::{Account, Class};

/// A longer text is no posting string.
pub const BYTES_MAX: usize = 200;

/// Where an amount is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coding {
    /// The account.
    pub account: Account,
    /// Cost centre (ansvar).
    pub cost_centre: Option<u32>,
    /// Project (prosjekt).
    pub project: Option<u32>,
}

impl From<Account> for Coding {
    fn from(account: Account) -> Self {
        Self { account, cost_centre: None, project: None }
    }
}

/// Finding F-POSTING: a posting string in a form that is not read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "posting string {text:?} is not understood ({reason}); write it as 1.222.260 or art=260;funksjon=222;ansvar=4102"
)]
pub struct CodingError {
    /// What was given, shortened.
    pub text: String,
    /// What about it.
    pub reason: &'static str,
}

impl Coding {
    /// Reads a posting string.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn parse(text: &str) -> Result<Self, CodingError> {
        let refuse = |reason| CodingError { text: text.chars().take(60).collect(), reason };
        if text.len() > BYTES_MAX {
            return Err(refuse("it is too long"));
        }
        let mut parts = Parts::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let read = match part.split_once('=') {
                Some((key, value)) => parts.pair(&key.trim().to_lowercase(), value.trim()),
                None if part.eq_ignore_ascii_case("ns4102") => set(&mut parts.private, true),
                None => Account::parse(part)
                    .ok_or("a part is neither an account nor a pair")
                    .and_then(|account| set(&mut parts.account, account)),
            };
            read.map_err(refuse)?;
        }
        let account = parts.account().map_err(refuse)?;
        Ok(Self { account, cost_centre: parts.cost_centre, project: parts.project })
    }
}

#[derive(Default)]
struct Parts {
    account: Option<Account>,
    private: Option<bool>,
    /// The digits of `konto`.
    number: Option<String>,
    class: Option<Class>,
    art: Option<u16>,
    function: Option<u16>,
    cost_centre: Option<u32>,
    project: Option<u32>,
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    if slot.replace(value).is_some() { Err("a part stands twice") } else { Ok(()) }
}

fn digits(value: &str, lengths: std::ops::RangeInclusive<usize>) -> Result<u32, &'static str> {
    if lengths.contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_err(|_| "a number is too large")
    } else {
        Err("a number has the wrong length")
    }
}

fn short(value: &str, length: usize) -> Result<u16, &'static str> {
    digits(value, length..=length).map(|number| number as u16)
}

impl Parts {
    fn pair(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "konto" | "account" => {
                digits(value, 4..=5)?;
                set(&mut self.number, value.to_string())
            }
            "art" => set(&mut self.art, short(value, 3)?),
            "klasse" | "class" => match value {
                "0" => set(&mut self.class, Class::Investment),
                "1" => set(&mut self.class, Class::Operating),
                _ => Err("only classes 0 and 1 are written as pairs"),
            },
            "funksjon" | "function" => set(&mut self.function, short(value, 3)?),
            "tjeneste" => set(&mut self.function, (digits(value, 5..=5)? / 100) as u16),
            "ansvar" | "avd" | "avdeling" | "koststed" => set(&mut self.cost_centre, digits(value, 1..=9)?),
            // The EHF Payment Request guide writes a project as Prod.
            "prosjekt" | "prosj" | "prod" | "project" => set(&mut self.project, digits(value, 1..=9)?),
            _ => Err("a key is unknown"),
        }
    }

    fn account(&self) -> Result<Account, &'static str> {
        match (self.account, &self.number, self.art, self.function, self.class) {
            (Some(account), None, None, None, None) if self.private.is_none() => Ok(account),
            (None, Some(number), None, None, None) if number.len() == 4 => {
                short(number, 4).map(Account::private)
            }
            (None, Some(number), None, Some(function), None)
                if number.len() == 5 && self.private.is_none() =>
            {
                let class = match number.as_bytes()[0] {
                    b'0' => Class::Investment,
                    b'1' => Class::Operating,
                    _ => return Err("an account of five digits begins with class 0 or 1"),
                };
                Ok(Account::kostra(class, function, short(&number[1..4], 3)?))
            }
            (None, None, Some(art), Some(function), class) if self.private.is_none() => {
                Ok(Account::kostra(class.unwrap_or(Class::Operating), function, art))
            }
            (None, None, None, None, None) => Err("it names no account"),
            _ => Err("its parts do not make up one account"),
        }
    }
}

/// Where the coding of a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The line's own posting string.
    Line,
    /// The document's.
    Document,
    /// Neither says: the buyer's default.
    Default,
}

/// The coding of one line: its own posting string, else the document's, else the default. A string
/// that stands there but is not understood is returned beside, and the next one decides.
pub fn resolve(
    line: Option<&str>,
    document: Option<&str>,
    default: Option<Coding>,
) -> (Option<(Coding, Source)>, Vec<CodingError>) {
    let mut errors = Vec::new();
    for (text, source) in [(line, Source::Line), (document, Source::Document)] {
        match text.map(Coding::parse) {
            Some(Ok(coding)) => return (Some((coding, source)), errors),
            Some(Err(error)) => errors.push(error),
            None => {}
        }
    }
    (default.map(|coding| (coding, Source::Default)), errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let coding = Coding::parse(text).unwrap();
        let part =
            |name: &str, number: Option<u32>| number.map(|n| format!(" {name} {n}")).unwrap_or_default();
        format!(
            "{}{}{}",
            coding.account,
            part("ansvar", coding.cost_centre),
            part("prosjekt", coding.project)
        )
    }

    #[test]
    fn a_posting_string_reads_in_the_forms_that_suppliers_are_given() {
        for (text, expected) in [
            ("1.222.260", "1.222.260"),
            (" 1.222.260 ; Ansvar=4102 ", "1.222.260 ansvar 4102"),
            ("art=260;funksjon=222;ansvar=4102;prosjekt=542", "1.222.260 ansvar 4102 prosjekt 542"),
            ("FUNKSJON=841;ART=729;Klasse=0", "0.841.729"),
            ("Konto=12600;tjeneste=22210;Ansvar=4102", "1.222.260 ansvar 4102"),
            ("konto=02300;funksjon=222", "0.222.230"),
            ("NS4102;Konto=4010;Avd=25;Prod=542", "4010 ansvar 25 prosjekt 542"),
            ("S870", "S870"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn f_posting_half_a_posting_string_books_nothing() {
        for text in [
            "",
            ";;",
            "Project cost code 123",
            "BookingCode001",
            "123:123:15415",
            "art=260",
            "funksjon=222",
            "art=260;funksjon=222;sted=4",
            "art=260;art=261;funksjon=222",
            "art=2600;funksjon=222",
            "1.222.260;art=260;funksjon=222",
            "konto=32600;funksjon=222",
            "NS4102;Konto=4010;Avd=25;Lager=542",
            "ansvar=9999999999;art=260;funksjon=222",
            "NS4102;art=260;funksjon=222",
        ] {
            assert!(Coding::parse(text).is_err(), "{text}");
        }
        assert!(Coding::parse(&"1".repeat(300)).is_err());
    }

    #[test]
    fn the_line_speaks_before_the_document_and_the_document_before_the_default() {
        let default = Some(Coding::from(Account::private(6820)));
        let account =
            |line, document| resolve(line, document, default).0.map(|(c, s)| (c.account.to_string(), s));
        assert_eq!(
            account(Some("1.222.260"), Some("1.253.115")),
            Some(("1.222.260".to_string(), Source::Line))
        );
        assert_eq!(account(None, Some("1.253.115")), Some(("1.253.115".to_string(), Source::Document)));
        assert_eq!(account(None, None), Some(("6820".to_string(), Source::Default)));
        let (found, errors) = resolve(Some("BookingCode001"), Some("1.253.115"), None);
        assert_eq!((found.unwrap().1, errors.len()), (Source::Document, 1));
        assert_eq!(resolve(None, None, None), (None, vec![]));
    }
}
