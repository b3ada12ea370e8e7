//! The journal as a table: one row a posting, every dimension in its own column.
//!
//! It leaves out what a party or document holds beside its number. Invariant: the column `amount` sums
//! to zero over each voucher, debit positive.

use std::io::{self, Write};

use ledger::account::Class;
use ledger::amount::Amount;
use ledger::entry::Regime;

use super::{Style, Writer};
use crate::books::{Books, Counts, Incomplete, Stop, Tally};

/// The columns, in order.
pub const COLUMNS: [&str; 24] = [
    "entity",
    "voucher",
    "line",
    "date",
    "period",
    "account",
    "class",
    "function",
    "code",
    "sector",
    "amount",
    "cost_centre",
    "project",
    "vat_code",
    "vat_regime",
    "vat_base",
    "vat_rate",
    "counterparty",
    "seller",
    "document",
    "issued",
    "kind",
    "leaf",
    "transaction",
];

/// Why no whole file was written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The output failed.
    #[error("the file cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The books ended early.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// Rule F-BOOKS.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

/// Writes the journal in one pass, the names of the columns first.
///
/// # Errors
/// [`JournalError`].
pub fn journal<W: Write>(books: &mut dyn Books, style: Style, out: W) -> Result<Counts, JournalError> {
    let told = books.counts();
    let mut writer = Writer::new(out, style);
    writer.row(COLUMNS)?;
    let mut tally = Tally::default();
    books.entries(&mut |entry| {
        let journal = &entry.journal;
        tally.add(journal);
        for (place, posting) in journal.postings.iter().enumerate() {
            let account = posting.account;
            let kostra = matches!(account.class, Class::Investment | Class::Operating);
            let class = match account.class {
                Class::Investment => "0",
                Class::Operating => "1",
                Class::Balance => "2",
                Class::State => "S",
                Class::Private => "",
            };
            let code = if kostra { format!("{:03}", account.code) } else { account.code.to_string() };
            let shown = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
            let vat = posting.vat;
            let regime = vat.map_or("", |vat| match vat.regime {
                Regime::Deduct => "deducted",
                Regime::Compensate => "compensated",
                Regime::Cost => "cost",
            });
            let document = entry.document.as_ref();
            writer.row([
                journal.entity.to_string(),
                journal.voucher.to_string(),
                (place + 1).to_string(),
                journal.date.to_string(),
                journal.date.period().to_string(),
                account.to_string(),
                class.to_string(),
                if kostra { format!("{:03}", account.function) } else { String::new() },
                code,
                if account.class == Class::Balance {
                    format!("{:03}", account.sector)
                } else {
                    String::new()
                },
                style.amount(posting.amount),
                shown(posting.cost_centre),
                shown(posting.project),
                vat.map(|vat| vat.code.to_string()).unwrap_or_default(),
                regime.to_string(),
                vat.map(|vat| style.amount(vat.base)).unwrap_or_default(),
                vat.map(|vat| style.amount(Amount(i64::from(vat.rate.0)))).unwrap_or_default(),
                posting.counterparty.map(|party| party.to_string()).unwrap_or_default(),
                document.map(|document| document.seller.to_string()).unwrap_or_default(),
                document.map(|document| document.number.to_string()).unwrap_or_default(),
                document.map(|document| document.issued.to_string()).unwrap_or_default(),
                entry.kind.to_string(),
                entry.leaf.0.to_string(),
                entry.transaction.to_string(),
            ])?;
        }
        Ok(())
    })?;
    tally.check(told)?;
    writer.finish()?;
    Ok(told)
}
