//! What the bank booked: ISO 20022 camt.054 (notification), camt.053 (statement) and camt.052
//! (intraday report), in every version whose shape is known: tested are .02, .03, .04 and .08.
//!
//! It leaves out names, addresses and free text but the payee's reference: who paid is known by the
//! end-to-end id. Amounts are hundredths of the currency stated; whoever books takes NOK only.
//!
//! Invariant: a [`Movement`] is one amount on one account with a reference of the bank that no other
//! movement of the same message shares.

mod order;

use std::collections::{BTreeMap, BTreeSet};

use ledger::amount::{Amount, Total};
use ledger::time::Date;
use ledger::transaction::{KidRule, ReasonCode};

use crate::bank::{AccountNumber, Kid};
use crate::ehf::Finding;
use crate::pain002::{ReportError, reason_code, required, version};
use crate::xml::{Element, Tree};

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// camt.052: today so far.
    Report,
    /// camt.053: a day, closed.
    Statement,
    /// camt.054: what was just booked.
    Notification,
}

/// The direction of money, seen from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In.
    Credit,
    /// Out.
    Debit,
}

/// How far an entry has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `BOOK`.
    Booked,
    /// `PDNG`, `FUTR`: may still change.
    Pending,
    /// `INFO` and whatever else: not money that moved.
    Information,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankMessage {
    /// Which.
    pub kind: Kind,
    /// Version of the message: 2, 4, 8…
    pub version: u8,
    /// The bank's name for it.
    pub message_id: String,
    /// One per account and day.
    pub accounts: Vec<AccountReport>,
    /// What the official schema would refuse and what can be read in one way only (rule F-SCHEMA).
    pub findings: Vec<Finding>,
}

/// What a message says of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// The bank's name for this part.
    pub id: String,
    /// The account as stated, IBAN or national number, without spaces.
    pub account: String,
    /// Its currency, where stated.
    pub currency: Option<String>,
    /// Balances, in the order of the message.
    pub balances: Vec<Balance>,
    /// Entries, in the order of the message.
    pub entries: Vec<Entry>,
}

/// A balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// `OPBD` opening booked, `CLBD` closing booked, `PRCD` previously closed…
    pub code: String,
    /// Credit positive: what the account holds.
    pub amount: Amount,
    /// The day.
    pub date: Option<Date>,
}

/// An entry on the account: one amount, which may stand for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Not negative.
    pub amount: Amount,
    /// Currency.
    pub currency: String,
    /// Direction.
    pub side: Side,
    /// Whether the bank takes back an earlier entry.
    pub reversal: bool,
    /// How far it has come.
    pub status: Status,
    /// Booking date.
    pub booked: Option<Date>,
    /// The bank's own reference (AcctSvcrRef), else its number of the entry (NtryRef).
    pub reference: Option<String>,
    /// Payments that the bank says it booked as one, where it says so.
    pub batch: Option<u32>,
    /// Its transactions, as far as the bank tells them.
    pub details: Vec<Detail>,
}

/// One transaction of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The payer's name for the payment, where it gave one.
    pub end_to_end_id: Option<String>,
    /// The payer's name for the file.
    pub message_id: Option<String>,
    /// The payer's name for the batch.
    pub payment_information_id: Option<String>,
    /// The bank's own reference of the transaction.
    pub reference: Option<String>,
    /// The amount, where stated; of the account's currency.
    pub amount: Option<Amount>,
    /// Direction, where it is stated apart from the entry's.
    pub side: Option<Side>,
    /// Structured creditor reference: a KID.
    pub creditor_reference: Option<String>,
    /// Message, line by line.
    pub message: Vec<String>,
    /// Why the money came back.
    pub returned: Option<ReasonCode>,
}

/// One amount that moved, told apart from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The account as stated.
    pub account: String,
    /// The account as a number that is known here.
    pub number: Option<AccountNumber>,
    /// Not negative.
    pub amount: Amount,
    /// Currency.
    pub currency: String,
    /// Direction.
    pub side: Side,
    /// How far it has come.
    pub status: Status,
    /// Booking date.
    pub booked: Option<Date>,
    /// The payer's name for the payment.
    pub end_to_end_id: Option<String>,
    /// The bank's reference, unique in the message: what the ledger lets settle one payment only.
    pub reference: String,
    /// Why the money came back: set only when it did.
    pub returned: Option<ReasonCode>,
    /// Whether the bank takes back an earlier entry of its own.
    pub reversal: bool,
    /// Structured creditor reference: a KID.
    pub creditor_reference: Option<String>,
}

/// Money that came in and that nobody here had sent out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The account as stated.
    pub account: String,
    /// The account as a number that is known here.
    pub number: Option<AccountNumber>,
    /// The bank's reference, unique in the message.
    pub reference: String,
    /// Above zero.
    pub amount: Amount,
    /// Currency.
    pub currency: String,
    /// Booking date.
    pub booked: Option<Date>,
    /// What the payer gave as structured reference, as stated.
    pub creditor_reference: Option<String>,
}

impl Receipt {
    /// The KID, when the receiving account's agreement takes the reference.
    pub fn kid(&self, rule: KidRule) -> Option<Kid> {
        Kid::parse(self.creditor_reference.as_deref()?, rule)
    }
}

/// What a statement says of one account on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation {
    /// The account as stated.
    pub account: String,
    /// The day of the closing balance.
    pub date: Option<Date>,
    /// What the account held before.
    pub opening: Amount,
    /// Booked in, as a positive number.
    pub credits: Total,
    /// Booked out, as a positive number.
    pub debits: Total,
    /// What it holds after.
    pub closing: Amount,
}

impl Reconciliation {
    /// Closing balance less opening balance less entries: zero when nothing is missing (rule L12).
    pub fn gap(&self) -> Total {
        let moved = self.credits.0 - self.debits.0;
        Total(i128::from(self.closing.0) - i128::from(self.opening.0) - moved)
    }
}

impl BankMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ReportError> {
        let tree = Tree::read(bytes, &[])?;
        let root = tree.root();
        let expected = "a bank statement or notification (camt.052, .053, .054)";
        let kinds = [
            ("camt.052.001.", Kind::Report, "BkToCstmrAcctRpt", "Rpt"),
            ("camt.053.001.", Kind::Statement, "BkToCstmrStmt", "Stmt"),
            ("camt.054.001.", Kind::Notification, "BkToCstmrDbtCdtNtfctn", "Ntfctn"),
        ];
        let mut wrong = None;
        for (message, kind, outer, inner) in kinds {
            let version = match version(root, message, expected) {
                Ok(version) => version,
                Err(error) => {
                    wrong = Some(error);
                    continue;
                }
            };
            let value = |reason: &str| ReportError::Value {
                place: "Document".to_string(),
                reason: reason.to_string(),
            };
            let body = root.first(outer).ok_or_else(|| value("it holds no message"))?;
            let accounts = body.named(inner).map(account).collect::<Result<_, _>>()?;
            let message_id = required(body, "GrpHdr/MsgId")?.to_string();
            let findings = order::check(body)?;
            return Ok(Self { kind, version, message_id, accounts, findings });
        }
        Err(wrong.unwrap_or(ReportError::Kind { found: String::new(), expected }))
    }

    /// Every amount that moved, one by one where the bank tells them apart.
    pub fn movements(&self) -> Vec<Movement> {
        let mut all = Vec::new();
        for (place, account) in self.accounts.iter().enumerate() {
            for (number, entry) in account.entries.iter().enumerate() {
                // A bank without references still says which message, account and entry it was.
                let reference = entry
                    .reference
                    .clone()
                    .unwrap_or_else(|| format!("{}/{place}/{number}", self.message_id));
                movements(account, entry, &reference, &mut all);
            }
        }
        distinct(&mut all);
        all
    }

    /// What came in: booked credits above zero that are neither money returned nor an entry taken
    /// back.
    pub fn receipts(&self) -> Vec<Receipt> {
        let came_in = |movement: &Movement| {
            movement.side == Side::Credit
                && movement.status == Status::Booked
                && movement.amount > Amount::ZERO
                && movement.returned.is_none()
                && !movement.reversal
        };
        let receipt = |movement: Movement| Receipt {
            account: movement.account,
            number: movement.number,
            reference: movement.reference,
            amount: movement.amount,
            currency: movement.currency,
            booked: movement.booked,
            creditor_reference: movement.creditor_reference,
        };
        self.movements().into_iter().filter(came_in).map(receipt).collect()
    }
}

/// A reference that the bank used twice is told apart by its turn.
fn distinct(movements: &mut [Movement]) {
    let mut turns: BTreeMap<String, u32> = BTreeMap::new();
    let mut taken: BTreeSet<String> = movements.iter().map(|movement| movement.reference.clone()).collect();
    for movement in movements {
        let turn = turns.entry(movement.reference.clone()).or_default();
        *turn += 1;
        while *turn > 1 {
            let told_apart = format!("{}#{turn}", movement.reference);
            if taken.insert(told_apart.clone()) {
                movement.reference = told_apart;
                break;
            }
            *turn += 1;
        }
    }
}

fn movements(account: &AccountReport, entry: &Entry, reference: &str, all: &mut Vec<Movement>) {
    let movement = |amount, side, detail: Option<&Detail>, reference: String| Movement {
        account: account.account.clone(),
        number: AccountNumber::parse(&account.account).ok(),
        amount,
        currency: entry.currency.clone(),
        side,
        status: entry.status.clone(),
        booked: entry.booked,
        end_to_end_id: detail.and_then(|detail| detail.end_to_end_id.clone()),
        reference,
        returned: detail.and_then(|detail| detail.returned),
        reversal: entry.reversal,
        creditor_reference: detail.and_then(|detail| detail.creditor_reference.clone()),
    };
    match &entry.details[..] {
        [] => all.push(movement(entry.amount, entry.side, None, reference.to_string())),
        // The entry's amount is what moved; a single transaction may state it in another currency.
        [one] => all.push(movement(entry.amount, entry.side, Some(one), reference.to_string())),
        many if adds_up(entry) => {
            for (number, detail) in many.iter().enumerate() {
                let part = detail.reference.clone().unwrap_or_else(|| format!("{}", number + 1));
                let reference = format!("{reference}/{part}");
                let (amount, side) = (detail.amount.unwrap_or_default(), detail.side.unwrap_or(entry.side));
                all.push(movement(amount, side, Some(detail), reference));
            }
        }
        // A batch whose parts have no amounts, or others than the account was moved by, is one amount.
        _ => all.push(movement(entry.amount, entry.side, None, reference.to_string())),
    }
}

/// Whether the parts of an entry make it up.
fn adds_up(entry: &Entry) -> bool {
    let parts: Option<Vec<i128>> = entry
        .details
        .iter()
        .map(|detail| {
            let amount = i128::from(detail.amount?.0);
            Some(if detail.side.unwrap_or(entry.side) == entry.side { amount } else { -amount })
        })
        .collect();
    parts.is_some_and(|parts| parts.iter().sum::<i128>() == i128::from(entry.amount.0))
}

impl AccountReport {
    /// What the statement says of the account; `None` when it has not both balances.
    pub fn reconciliation(&self) -> Option<Reconciliation> {
        let balance = |code: &str| self.balances.iter().find(|balance| balance.code == code);
        let opening = balance("OPBD").or_else(|| balance("PRCD"))?.amount;
        let closing = self.balances.iter().rev().find(|balance| balance.code == "CLBD")?;
        let booked = |side| {
            let of_side = self.entries.iter().filter(move |entry| entry.side == side);
            of_side.filter(|entry| entry.status == Status::Booked).map(|entry| entry.amount).sum()
        };
        Some(Reconciliation {
            account: self.account.clone(),
            date: closing.date,
            opening,
            credits: booked(Side::Credit),
            debits: booked(Side::Debit),
            closing: closing.amount,
        })
    }

    /// What a statement is out of balance by: closing balance less opening balance less entries, zero
    /// when nothing is missing. `None` when it has not both balances (rule L12).
    pub fn gap(&self) -> Option<Total> {
        self.reconciliation().map(|reconciliation| reconciliation.gap())
    }
}

fn account(element: Element<'_>) -> Result<AccountReport, ReportError> {
    let stated = element.value("Acct/Id/IBAN").or(element.value("Acct/Id/Othr/Id"));
    let account: String = match stated {
        Some(account) => account.chars().filter(|c| *c != ' ').take(34).collect(),
        None => required(element, "Acct/Id")?.to_string(),
    };
    Ok(AccountReport {
        id: required(element, "Id")?.to_string(),
        account,
        currency: element.value("Acct/Ccy").map(str::to_string),
        balances: element.named("Bal").map(balance).collect::<Result<_, _>>()?,
        entries: element.named("Ntry").map(entry).collect::<Result<_, _>>()?,
    })
}

fn amount(element: Element<'_>) -> Result<Amount, ReportError> {
    Amount::from_decimal(element.text()).filter(|amount| amount.0 >= 0).ok_or_else(|| ReportError::Value {
        place: element.path(),
        reason: format!(
            "{:?} is not an amount of hundredths",
            element.text().chars().take(40).collect::<String>()
        ),
    })
}

fn side(element: Element<'_>) -> Result<Side, ReportError> {
    match required(element, "CdtDbtInd")? {
        "CRDT" => Ok(Side::Credit),
        "DBIT" => Ok(Side::Debit),
        _ => Err(ReportError::Value {
            place: element.path(),
            reason: "CdtDbtInd is neither CRDT nor DBIT".to_string(),
        }),
    }
}

/// A date, or the date of a moment as its sender's clock shows it.
fn date(element: Element<'_>, name: &str) -> Result<Option<Date>, ReportError> {
    let Some(holder) = element.first(name) else { return Ok(None) };
    let Some(text) = holder.value("Dt").or(holder.value("DtTm")) else { return Ok(None) };
    let day = text.get(..10).unwrap_or(text);
    Date::parse(day)
        .map(Some)
        .map_err(|error| ReportError::Value { place: holder.path(), reason: error.to_string() })
}

fn balance(element: Element<'_>) -> Result<Balance, ReportError> {
    let stated = element.first("Amt").ok_or_else(|| missing(element, "Amt"))?;
    let amount = amount(stated)?;
    let signed = match side(element)? {
        Side::Credit => amount,
        Side::Debit => Amount(-amount.0),
    };
    let code = element.value("Tp/CdOrPrtry/Cd").or(element.value("Tp/CdOrPrtry/Prtry")).unwrap_or("");
    Ok(Balance { code: code.to_string(), amount: signed, date: date(element, "Dt")? })
}

fn missing(element: Element<'_>, name: &str) -> ReportError {
    ReportError::Value { place: element.path(), reason: format!("{name} is missing") }
}

fn entry(element: Element<'_>) -> Result<Entry, ReportError> {
    let stated = element.first("Amt").ok_or_else(|| missing(element, "Amt"))?;
    let status = match element.value("Sts/Cd").or(element.value("Sts")) {
        Some("BOOK") => Status::Booked,
        Some("PDNG" | "FUTR") => Status::Pending,
        _ => Status::Information,
    };
    let text = |path: &str| element.value(path).map(str::to_string);
    let batch = element.value("NtryDtls/Btch/NbOfTxs").and_then(|count| count.parse().ok());
    Ok(Entry {
        amount: amount(stated)?,
        currency: stated.attribute("Ccy").unwrap_or("").to_string(),
        side: side(element)?,
        reversal: element.value("RvslInd").is_some_and(|reversal| matches!(reversal, "true" | "1")),
        status,
        booked: date(element, "BookgDt")?,
        reference: text("AcctSvcrRef").or_else(|| text("NtryRef")),
        batch,
        details: element
            .named("NtryDtls")
            .flat_map(|details| details.named("TxDtls"))
            .map(|element| detail(element, stated.attribute("Ccy")))
            .collect::<Result<_, _>>()?,
    })
}

fn detail(element: Element<'_>, currency: Option<&str>) -> Result<Detail, ReportError> {
    // What a bank writes when the payer gave nothing.
    let given = |path: &str| element.value(path).filter(|text| *text != "NOTPROVIDED").map(str::to_string);
    let stated = [element.first("Amt"), element.first("AmtDtls/TxAmt/Amt")]
        .into_iter()
        .flatten()
        .find(|amount| amount.attribute("Ccy") == currency);
    let returned = element.first("RtrInf").map(|info| {
        let code = info.value("Rsn/Cd").or(info.value("Rsn/Prtry")).unwrap_or("");
        reason_code(code)
    });
    Ok(Detail {
        end_to_end_id: given("Refs/EndToEndId"),
        message_id: given("Refs/MsgId"),
        payment_information_id: given("Refs/PmtInfId"),
        reference: given("Refs/AcctSvcrRef").or_else(|| given("Refs/TxId")),
        amount: stated.map(amount).transpose()?,
        side: element.first("CdtDbtInd").is_some().then(|| side(element)).transpose()?,
        creditor_reference: element.value("RmtInf/Strd/CdtrRefInf/Ref").map(str::to_string),
        message: element.all("RmtInf/Ustrd").into_iter().map(|line| line.text().to_string()).collect(),
        returned,
    })
}

#[cfg(test)]
#[path = "camt_tests.rs"]
mod tests;
