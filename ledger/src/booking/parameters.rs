//! Reads the chain's booking accounts from the plain text that genesis is made from
//! (`node/genesis/booking.txt`).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::account::Account;
use crate::codes::number;
use crate::entity::EntityKind;
use crate::records::{ChartAccounts, KostraAccounts, MirrorArt, OutputCode, ParameterRecord, SalesAccount};

/// Why a text does not give the booking accounts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// A value is missing, stands twice, or is not of its form.
    #[error("{name}: {problem}; give it once, as booking.txt explains")]
    Value {
        /// Name of the value.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A line names nothing that is read.
    #[error("{name} is no value of this file; correct or remove it")]
    Unknown {
        /// The name.
        name: String,
    },
}

/// Reads the booking accounts: one `NAME VALUE...` per line, `#` begins a comment.
///
/// # Errors
/// [`ParametersError`], naming the first value that is wrong.
pub fn parse(text: &str) -> Result<ParameterRecord, ParametersError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut values = Values(words.filter(|words| !words.is_empty()).collect());
    let record = ParameterRecord {
        version: values.code("version")?.into(),
        municipality: kostra(&mut values, "municipality")?,
        county: kostra(&mut values, "county")?,
        state: chart(&mut values, "state")?,
        private: chart(&mut values, "private")?,
        outputs: values.rows("output", |row| match row {
            [input, output] => Ok(OutputCode { input: number(input)?, output: number(output)? }),
            _ => Err("needs two codes".to_string()),
        })?,
    };
    match values.0.first().and_then(|words| words.first()) {
        Some(name) => Err(ParametersError::Unknown { name: (*name).to_string() }),
        None => Ok(record),
    }
}

fn kostra(values: &mut Values<'_>, kind: &str) -> Result<KostraAccounts, ParametersError> {
    let named = |name: &str| alloc::format!("{kind}.{name}");
    Ok(KostraAccounts {
        payable_chapter: values.code(&named("payable"))?,
        receivable_chapter: values.code(&named("receivable"))?,
        prepaid_chapter: values.code(&named("prepaid"))?,
        received_chapter: values.code(&named("received"))?,
        bank: values.account(&named("bank"))?,
        compensation: values.account(&named("compensation"))?,
        input_vat: values.account(&named("input-vat"))?,
        output_vat: values.account(&named("output-vat"))?,
        vat_cost_art: values.code(&named("vat-art"))?,
        compensation_art: values.code(&named("compensation-art"))?,
        investment_compensation_function: values.code(&named("investment-compensation-function"))?,
        sales_function: values.code(&named("sales-function"))?,
        sales: sales(values, &named("sales"))?,
        mirrors: values.rows(&named("mirror"), |row| match row {
            [buyer, art, income] => {
                let buyer = match *buyer {
                    "municipality" => EntityKind::Municipality,
                    "county" => EntityKind::County,
                    _ => return Err(alloc::format!("{buyer} is no kind with arts")),
                };
                Ok(MirrorArt { buyer, art: number(art)?, income: number(income)? })
            }
            _ => Err("needs a kind and two arts".to_string()),
        })?,
    })
}

fn chart(values: &mut Values<'_>, kind: &str) -> Result<ChartAccounts, ParametersError> {
    let named = |name: &str| alloc::format!("{kind}.{name}");
    Ok(ChartAccounts {
        payable: values.account(&named("payable"))?,
        receivable: values.account(&named("receivable"))?,
        prepaid: values.account(&named("prepaid"))?,
        received: values.account(&named("received"))?,
        bank: values.account(&named("bank"))?,
        input_vat: values.account(&named("input-vat"))?,
        output_vat: values.account(&named("output-vat"))?,
        rounding: values.account(&named("rounding"))?,
        sales: sales(values, &named("sales"))?,
    })
}

fn sales(values: &mut Values<'_>, name: &str) -> Result<Vec<SalesAccount>, ParametersError> {
    values.rows(name, |row| match row {
        [code, account] => Ok(SalesAccount { code: number(code)?, account: number(account)? }),
        _ => Err("needs a VAT code and an account".to_string()),
    })
}

/// The lines not read yet, as words.
struct Values<'t>(Vec<Vec<&'t str>>);

impl Values<'_> {
    fn rows<T>(
        &mut self,
        name: &str,
        read: impl Fn(&[&str]) -> Result<T, String>,
    ) -> Result<Vec<T>, ParametersError> {
        let (own, rest) =
            core::mem::take(&mut self.0).into_iter().partition(|words| words.first() == Some(&name));
        self.0 = rest;
        let own: Vec<Vec<&str>> = own;
        let refuse = |problem| ParametersError::Value { name: name.to_string(), problem };
        own.iter().map(|words| read(words.get(1..).unwrap_or_default()).map_err(refuse)).collect()
    }

    fn one<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, ParametersError> {
        let read = |row: &[&str]| match row {
            [value] => read(value),
            _ => Err("needs one value".to_string()),
        };
        let mut rows = self.rows(name, read)?;
        match (rows.pop(), rows.len()) {
            (Some(value), 0) => Ok(value),
            (found, others) => {
                let problem = alloc::format!("{} values", usize::from(found.is_some()) + others);
                Err(ParametersError::Value { name: name.to_string(), problem })
            }
        }
    }

    fn code(&mut self, name: &str) -> Result<u16, ParametersError> {
        self.one(name, number)
    }

    fn account(&mut self, name: &str) -> Result<Account, ParametersError> {
        self.one(name, |value| {
            Account::parse(value).ok_or_else(|| alloc::format!("{value} is no account such as 2.35.200"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKING: &str = include_str!("../../../node/genesis/booking.txt");

    #[test]
    fn the_booking_accounts_read_as_the_worked_examples_need_them() {
        let record = parse(BOOKING).unwrap();
        assert_eq!(record.municipality.payable_chapter, 35);
        assert_eq!(record.municipality.compensation, Account::balance(16, 610));
        assert_eq!(record.private.rounding, Account::private(7770));
        assert_eq!(record.outputs.first(), Some(&OutputCode { input: 0, output: 6 }));
        assert_eq!(record.version, 1);
    }

    #[test]
    fn a_value_that_is_missing_stands_twice_or_is_unknown_is_named() {
        let without = BOOKING.replace("private.rounding", "# private.rounding");
        for (text, words) in [
            (without, "private.rounding: 0 values; give it once, as booking.txt explains"),
            (
                alloc::format!("{BOOKING}\nstate.bank S195"),
                "state.bank: 2 values; give it once, as booking.txt explains",
            ),
            (
                BOOKING.replace("private.bank        1920", "private.bank 1.1"),
                "private.bank: 1.1 is no account such as 2.35.200; give it once, as booking.txt explains",
            ),
            (
                alloc::format!("{BOOKING}\nprivate.cash 1900"),
                "private.cash is no value of this file; correct or remove it",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().to_string(), words);
        }
    }
}
