//! The parts of a file while their elements are still arriving.
//!
//! A field that a part has once may stand once: two account numbers on one line would book one of
//! them by chance.

use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::entry::Rate;
use ledger::time::{Date, Period};

use super::{
    Account, Dimension, Entry, Header, ID_CHARS_MAX, Line, PARTS_MAX, Party, Role, Tax, TaxCode, Version,
};
use crate::decimal::Decimal;

/// Why a field or part is refused, in words; the reader adds where.
pub(super) type Wrong = String;

fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Wrong> {
    if slot.replace(value).is_some() {
        return Err(format!(
            "{name} stands twice, and which one counts cannot be told; export the file again"
        ));
    }
    Ok(())
}

fn id(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.chars().count() > ID_CHARS_MAX {
        let shown: String = text.chars().take(40).collect();
        return Err(format!("{shown:?} is no number or code of 1 to {ID_CHARS_MAX} characters; correct it"));
    }
    Ok(text.to_string())
}

fn name(text: &str) -> String {
    text.chars().take(256).collect()
}

pub(super) fn amount(text: &str) -> Result<Amount, Wrong> {
    Amount::from_decimal(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no amount; write kroner with at most two decimals, such as -1234.50")
    })
}

/// Tax bases may have any decimals: they are told, not booked.
fn rounded(text: &str) -> Result<Amount, Wrong> {
    let ore = Decimal::parse(text).and_then(|decimal| decimal.round_to_ore());
    ore.and_then(|ore| i64::try_from(ore).ok()).map(Amount).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no amount; write kroner with decimals, such as -1234.50")
    })
}

fn rate(text: &str) -> Result<Rate, Wrong> {
    let hundredths = Amount::from_decimal(text).and_then(|amount| u16::try_from(amount.0).ok());
    hundredths.map(Rate).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no rate in per cent; write it as 25 or 11.11")
    })
}

fn date(text: &str) -> Result<Date, Wrong> {
    // xs:date allows a time zone after the date, which says nothing about books.
    let day = text.get(..10).filter(|_| matches!(text.as_bytes().get(10), None | Some(b'Z' | b'+' | b'-')));
    Date::parse(day.unwrap_or(text)).map_err(|error| error.to_string())
}

pub(super) fn number(text: &str, max: u64) -> Result<u64, Wrong> {
    let digits = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && *n <= max).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no whole number up to {max}; correct it")
    })
}

/// Debit positive, from the two elements of which one stands.
#[derive(Default)]
pub(super) struct Signed(Option<Amount>);

impl Signed {
    fn set(&mut self, text: &str, credit: bool) -> Result<(), Wrong> {
        let value = amount(text)?;
        let value =
            if credit { value.checked_neg().ok_or("an amount is too large; correct it")? } else { value };
        once(&mut self.0, value, "an amount, in debit or credit,")
    }

    fn or_zero(&self) -> Amount {
        self.0.unwrap_or(Amount::ZERO)
    }
}

#[derive(Default)]
pub(super) struct HeaderPart {
    version: Option<Version>,
    created: Option<Date>,
    company: Option<String>,
    software: Option<String>,
    software_version: Option<String>,
    entity: Option<OrgNumber>,
    name: Option<String>,
    currency: Option<String>,
    from: (Option<u64>, Option<u64>),
    to: (Option<u64>, Option<u64>),
    days: (Option<Date>, Option<Date>),
}

impl HeaderPart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "AuditFileVersion" => {
                let version = Version::parse(text).ok_or_else(|| {
                    let shown: String = text.chars().take(20).collect();
                    format!("version {shown:?} is not read; export the file as version 1.30, 1.20 or 1.10")
                })?;
                once(&mut self.version, version, path)
            }
            "AuditFileDateCreated" => once(&mut self.created, date(text)?, path),
            "SoftwareCompanyName" => once(&mut self.company, name(text), path),
            "SoftwareID" => once(&mut self.software, name(text), path),
            "SoftwareVersion" => once(&mut self.software_version, name(text), path),
            "Company/RegistrationNumber" => {
                let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                let entity =
                    OrgNumber::parse(plain.trim_end_matches("MVA")).map_err(|error| error.to_string())?;
                once(&mut self.entity, entity, path)
            }
            "Company/Name" => once(&mut self.name, name(text), path),
            "DefaultCurrencyCode" => once(&mut self.currency, name(text), path),
            "SelectionCriteria/PeriodStart" => once(&mut self.from.0, number(text, 99)?, path),
            "SelectionCriteria/PeriodStartYear" => once(&mut self.from.1, number(text, 9999)?, path),
            "SelectionCriteria/PeriodEnd" => once(&mut self.to.0, number(text, 99)?, path),
            "SelectionCriteria/PeriodEndYear" => once(&mut self.to.1, number(text, 9999)?, path),
            "SelectionCriteria/SelectionStartDate" => once(&mut self.days.0, date(text)?, path),
            "SelectionCriteria/SelectionEndDate" => once(&mut self.days.1, date(text)?, path),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<Header, Wrong> {
        let missing = |name: &str| format!("the header has no {name}; export the file again");
        let version = self.version.ok_or_else(|| missing("AuditFileVersion"))?;
        let entity = self.entity.ok_or_else(|| missing("Company/RegistrationNumber"))?;
        match self.currency.as_deref() {
            Some("NOK") => {}
            Some(other) => {
                let shown: String = other.chars().take(10).collect();
                return Err(format!("the books are kept in {shown:?}; export them in NOK"));
            }
            None => return Err(missing("DefaultCurrencyCode")),
        }
        let period = |part: (Option<u64>, Option<u64>)| {
            let (Some(month), Some(year)) = part else { return Ok(None) };
            // Months 13 and on close the year; month 0 opens it.
            let yyyymm = year * 100 + month.clamp(1, 12);
            Period::new(u32::try_from(yyyymm).unwrap_or(u32::MAX))
                .map(Some)
                .map_err(|error| error.to_string())
        };
        let periods = match (period(self.from)?, period(self.to)?, self.days) {
            (Some(from), Some(to), _) => Some((from, to)),
            (_, _, (Some(from), Some(to))) => Some((from.period(), to.period())),
            _ => None,
        };
        if let Some((from, to)) = periods.filter(|(from, to)| from > to) {
            return Err(format!("the first period {from} comes after the last, {to}; correct the selection"));
        }
        let software = [self.company, self.software, self.software_version];
        Ok(Header {
            version,
            created: self.created,
            software: software.into_iter().flatten().collect::<Vec<_>>().join(" "),
            entity,
            name: self.name.unwrap_or_default(),
            periods,
        })
    }
}

/// Opening and closing balance, which accounts and parties have.
#[derive(Default)]
pub(super) struct BalancePart {
    opening: Signed,
    closing: Signed,
}

impl BalancePart {
    /// Whether the field was one of them.
    fn field(&mut self, path: &str, text: &str) -> Result<bool, Wrong> {
        match path {
            "OpeningDebitBalance" => self.opening.set(text, false)?,
            "OpeningCreditBalance" => self.opening.set(text, true)?,
            "ClosingDebitBalance" => self.closing.set(text, false)?,
            "ClosingCreditBalance" => self.closing.set(text, true)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
pub(super) struct AccountPart {
    id: Option<String>,
    name: Option<String>,
    category: Option<String>,
    code: Option<String>,
    standard: Option<String>,
    balance: BalancePart,
}

impl AccountPart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "AccountID" => once(&mut self.id, id(text)?, path),
            "AccountDescription" => once(&mut self.name, name(text), path),
            "GroupingCategory" => once(&mut self.category, name(text), path),
            "GroupingCode" => once(&mut self.code, name(text), path),
            "StandardAccountID" => once(&mut self.standard, name(text), path),
            _ => self.balance.field(path, text).map(|_| ()),
        }
    }

    pub(super) fn finish(self) -> Result<Account, Wrong> {
        Ok(Account {
            id: self.id.ok_or("an account has no AccountID; correct the export")?,
            name: self.name.unwrap_or_default(),
            grouping: self.category.zip(self.code),
            standard: self.standard,
            opening: self.balance.opening.or_zero(),
            closing: self.balance.closing.or_zero(),
        })
    }
}

#[derive(Default)]
pub(super) struct PartyPart {
    id: Option<String>,
    number: Option<OrgNumber>,
    name: Option<String>,
    /// Version 1.20 has one account and balance right in the party.
    account: Option<String>,
    balance: BalancePart,
    balances: Vec<(String, Amount, Amount)>,
}

impl PartyPart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "CustomerID" | "SupplierID" => once(&mut self.id, id(text)?, path),
            "RegistrationNumber" => {
                let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                self.number = OrgNumber::parse(plain.trim_end_matches("MVA")).ok();
                Ok(())
            }
            "Name" => once(&mut self.name, name(text), path),
            "AccountID" | "BalanceAccount/AccountID" => once(&mut self.account, id(text)?, path),
            "BalanceAccount" => self.end_balance(),
            _ => self.balance.field(path.strip_prefix("BalanceAccount/").unwrap_or(path), text).map(|_| ()),
        }
    }

    fn end_balance(&mut self) -> Result<(), Wrong> {
        let balance = std::mem::take(&mut self.balance);
        let account = self.account.take().unwrap_or_default();
        if self.balances.len() >= PARTS_MAX {
            return Err(format!("a party has more than {PARTS_MAX} accounts; correct the export"));
        }
        self.balances.push((account, balance.opening.or_zero(), balance.closing.or_zero()));
        Ok(())
    }

    pub(super) fn finish(mut self, role: Role) -> Result<Party, Wrong> {
        if self.account.is_some() || self.balance.opening.0.is_some() || self.balance.closing.0.is_some() {
            self.end_balance()?;
        }
        Ok(Party {
            role,
            id: self.id.ok_or("a party has no CustomerID or SupplierID; correct the export")?,
            name: self.name.filter(|_| self.number.is_some()),
            number: self.number,
            balances: self.balances,
        })
    }
}

#[derive(Default)]
pub(super) struct TaxCodePart {
    code: Option<String>,
    standard: Option<String>,
    rate: Option<Rate>,
    compensation: bool,
}

impl TaxCodePart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "TaxCode" => once(&mut self.code, id(text)?, path),
            "StandardTaxCode" => once(&mut self.standard, name(text), path),
            "TaxPercentage" => once(&mut self.rate, rate(text)?, path),
            "Compensation" => {
                self.compensation = matches!(text, "true" | "1");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<TaxCode, Wrong> {
        Ok(TaxCode {
            code: self.code.ok_or("a line of the tax table has no TaxCode; correct the export")?,
            standard: self.standard.and_then(|text| number(&text, 99).ok()).map(|code| code as u16),
            rate: self.rate,
            compensation: self.compensation,
        })
    }
}

#[derive(Default)]
pub(super) struct DimensionPart {
    kind: Option<String>,
    kind_name: Option<String>,
    id: Option<String>,
    name: Option<String>,
}

impl DimensionPart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "AnalysisType" => once(&mut self.kind, id(text)?, path),
            "AnalysisTypeDescription" => once(&mut self.kind_name, name(text), path),
            "AnalysisID" => once(&mut self.id, name(text), path),
            "AnalysisIDDescription" => once(&mut self.name, name(text), path),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<Dimension, Wrong> {
        let kind_name = self.kind_name.unwrap_or_default();
        let lower = kind_name.to_lowercase();
        let persons = ["ansatt", "tilsett", "person", "selger", "employee", "bruker", "pasient", "klient"];
        let of_persons = persons.iter().any(|word| lower.contains(word));
        Ok(Dimension {
            kind: self.kind.ok_or("a line of the analysis table has no AnalysisType; correct the export")?,
            kind_name,
            id: self.id.ok_or("a line of the analysis table has no AnalysisID; correct the export")?,
            name: self.name.filter(|_| !of_persons),
        })
    }
}

#[derive(Default)]
pub(super) struct EntryPart {
    pub(super) id: Option<String>,
    year: Option<u64>,
    period: Option<u64>,
    posted: Option<Date>,
    dated: Option<Date>,
    pub(super) lines: Vec<Line>,
}

impl EntryPart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "TransactionID" => once(&mut self.id, id(text)?, path),
            "Period" => once(&mut self.period, number(text, 99)?, path),
            "PeriodYear" => once(&mut self.year, number(text, 9999)?, path),
            "GLPostingDate" => once(&mut self.posted, date(text)?, path),
            "TransactionDate" => once(&mut self.dated, date(text)?, path),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self, journal: &str) -> Result<Entry, Wrong> {
        let id = self.id.ok_or("a voucher has no TransactionID; correct the export")?;
        let missing = |name: &str| format!("voucher {id} has no {name}; correct the export");
        let date = self.posted.or(self.dated).ok_or_else(|| missing("GLPostingDate"))?;
        if self.lines.is_empty() {
            return Err(missing("Line"));
        }
        let amounts = || self.lines.iter().map(|line| line.amount);
        let credit: ledger::amount::Total = amounts().filter(|amount| amount.0 < 0).sum();
        Ok(Entry {
            journal: journal.to_string(),
            year: self.year.map_or(date.year(), |year| year as u16),
            period: self.period.map_or((date.number() / 100 % 100) as u16, |period| period as u16),
            date,
            document_date: self.dated.unwrap_or(date),
            debit: amounts().filter(|amount| amount.0 > 0).sum(),
            credit: ledger::amount::Total(-credit.0),
            id,
            lines: self.lines,
        })
    }
}

#[derive(Default)]
pub(super) struct LinePart {
    line: Line,
    id: Option<String>,
    account: Option<String>,
    amount: Signed,
    analysis: (Option<String>, Option<String>),
    tax: Tax,
    tax_code: Option<String>,
    tax_base: Option<Amount>,
    tax_amount: Signed,
    /// Version 1.20 states VAT without a side; it is the line's.
    plain_tax: Vec<usize>,
}

impl LinePart {
    pub(super) fn field(&mut self, path: &str, text: &str) -> Result<(), Wrong> {
        match path {
            "RecordID" => once(&mut self.id, id(text)?, path),
            "AccountID" => once(&mut self.account, id(text)?, path),
            "DebitAmount/Amount" => self.amount.set(text, false),
            "CreditAmount/Amount" => self.amount.set(text, true),
            // Some systems write every element and leave those empty that they have nothing for.
            "CustomerID" | "SupplierID" | "Analysis/AnalysisType" if text.is_empty() => Ok(()),
            "CustomerID" => once(&mut self.line.customer, id(text)?, path),
            "SupplierID" => once(&mut self.line.supplier, id(text)?, path),
            "SourceDocumentID" => {
                let document = Some(name(text)).filter(|text| !text.is_empty() && !has_eleven_digits(text));
                self.line.document = document;
                Ok(())
            }
            "Analysis/AnalysisType" => once(&mut self.analysis.0, id(text)?, path),
            "Analysis/AnalysisID" => once(&mut self.analysis.1, name(text), path),
            "Analysis" => {
                let (kind, value) = std::mem::take(&mut self.analysis);
                match (kind, value.filter(|value| !value.is_empty())) {
                    (Some(kind), Some(value)) => more(&mut self.line.dimensions, (kind, value)),
                    (None, Some(_)) => {
                        Err("an Analysis has a value and no type; correct the export".to_string())
                    }
                    (_, None) => Ok(()),
                }
            }
            "TaxInformation/TaxCode" => once(&mut self.tax_code, name(text), path),
            "TaxInformation/TaxPercentage" => once(&mut self.tax.rate, rate(text)?, path),
            "TaxInformation/TaxBase" => once(&mut self.tax_base, rounded(text)?, path),
            "TaxInformation/DebitTaxAmount/Amount" => self.tax_amount.set(text, false),
            "TaxInformation/CreditTaxAmount/Amount" => self.tax_amount.set(text, true),
            "TaxInformation/TaxAmount/Amount" => {
                self.plain_tax.push(self.line.tax.len());
                self.tax_amount.set(text, false)
            }
            "TaxInformation" => {
                let mut tax = std::mem::take(&mut self.tax);
                tax.code = self.tax_code.take().unwrap_or_default();
                tax.base = self.tax_base.take();
                tax.amount = std::mem::take(&mut self.tax_amount).or_zero();
                more(&mut self.line.tax, tax)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Result<Line, Wrong> {
        let shown = self.id.clone().unwrap_or_default();
        let missing = |name: &str| format!("line {shown} has no {name}; correct the export");
        let amount = self.amount.0.ok_or_else(|| missing("DebitAmount or CreditAmount"))?;
        for place in self.plain_tax.iter().filter(|_| amount.0 < 0) {
            if let Some(tax) = self.line.tax.get_mut(*place) {
                tax.amount = Amount(-tax.amount.0.abs());
            }
        }
        let account = self.account.ok_or_else(|| missing("AccountID"))?;
        Ok(Line { id: self.id.unwrap_or_default(), account, amount, ..self.line })
    }
}

fn more<T>(parts: &mut Vec<T>, part: T) -> Result<(), Wrong> {
    if parts.len() >= PARTS_MAX {
        return Err(format!("a line has more than {PARTS_MAX} dimensions or tax lines; correct the export"));
    }
    parts.push(part);
    Ok(())
}

/// Whether it could be a birth number or a bank account.
fn has_eleven_digits(text: &str) -> bool {
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    digits == 11 && text.chars().all(|c| c.is_numeric() || c.is_whitespace() || matches!(c, '.' | '-'))
}
