//! Commands that book: each signs one transaction and shows its verified receipt.

use std::path::Path;

use client::archive::Archive;
use client::client::now;
use client::invoice::{Terms, prepare, today};
use formats::coding::Coding;
use formats::ehf::{self, Options};
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::entry::Regime;
use ledger::signature::PublicKey;
use ledger::time::{Date, Period};
use ledger::transaction::{Books, DocumentId, LINES_MAX, Mandate, NewEntity, NewKey, OpeningLine, Operation};

use super::session::{FILE_BYTES_MAX, Session, read_file};
use super::values::RegimeArg;
use super::{Failure, Output, Register, Signing};

/// An opening balance is some kilobytes.
const OPENING_BYTES_MAX: usize = 1 << 20;

pub(crate) fn register(session: &mut Session<'_>, register: &Register) -> Result<Output, Failure> {
    let (signing, concerned, operation) = match register {
        Register::Entity { number, name, kind, sector, books, kid, signing } => {
            let entity = NewEntity {
                number: *number,
                kind: (*kind).into(),
                name: name.clone(),
                sector: sector.unwrap_or_else(|| kind.sector()),
                books: books.map_or(Books::None, Books::From),
                kid: (*kid).into(),
            };
            (signing, *number, Operation::RegisterEntity(entity))
        }
        Register::Key { public, entity, holder, roles, acts_for, from, to, signing } => {
            let mandate = |role: ledger::transaction::Role| Mandate {
                entity: acts_for.unwrap_or(*entity),
                role,
                from: from.unwrap_or_else(|| today(now())),
                to: to.unwrap_or(Date::MAX),
            };
            let mandates = roles.iter().map(|role| mandate((*role).into())).collect();
            let granted = NewKey { key: *public, entity: *entity, holder: *holder, mandates };
            (signing, *entity, Operation::GrantKey(granted))
        }
    };
    let done = session.act(signing, concerned, operation, 0)?;
    Ok(session.done(&done))
}

pub(crate) fn revoke(
    session: &mut Session<'_>,
    key: PublicKey,
    entity: Option<OrgNumber>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let known =
        session.client().genesis().keys.iter().find(|known| known.key == key).map(|known| known.entity);
    let concerned = entity.or(known).or(signing.submitter);
    let concerned =
        concerned.ok_or_else(|| Failure::usage("give --entity ORG, who answers for the key's holder"))?;
    let done = session.act(signing, concerned, Operation::RevokeKey { key }, 0)?;
    Ok(session.done(&done))
}

pub(crate) fn open_books(
    session: &mut Session<'_>,
    entity: OrgNumber,
    file: &Path,
    date: Option<Date>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, OPENING_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::file(file, "not UTF-8; save it as such"))?;
    let lines = opening(&text).map_err(|error| Failure::file(file, error))?;
    let from = session.entity(entity)?.record().books_from();
    let date = match (date, from) {
        (Some(date), _) => date,
        (None, Some(period)) => first_day(period)?,
        (None, None) => {
            return Err(Failure::refused("L17", format!("entity {entity} keeps no books in this ledger")));
        }
    };
    let done = session.act(signing, entity, Operation::OpenBooks { entity, date, lines }, 0)?;
    Ok(session.done(&done))
}

fn first_day(period: Period) -> Result<Date, Failure> {
    Date::new(period.number() * 100 + 1).map_err(Failure::usage)
}

/// Lines of `account;amount`: empty lines, those that begin with `#` and a first line of words are
/// left out.
fn opening(text: &str) -> Result<Vec<OpeningLine>, String> {
    let mut lines = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |what: &str| {
            format!("line {}: {what}; write account;amount, such as 2.10.320;50000000.00", number + 1)
        };
        let (account, amount) = line.split_once(';').ok_or_else(|| refuse("no semicolon"))?;
        if lines.is_empty() && amount.chars().any(char::is_alphabetic) {
            continue;
        }
        let account = Account::parse(account.trim()).ok_or_else(|| refuse("no account"))?;
        let amount = amount_of(amount).ok_or_else(|| refuse("no amount with at most two decimals"))?;
        lines.push(OpeningLine { account, amount });
    }
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(format!("{} lines; an opening balance has 1 to {LINES_MAX}", lines.len()));
    }
    Ok(lines)
}

/// `-12500.50`, and as it stands in Norwegian sheets: `-12 500,50`.
fn amount_of(text: &str) -> Option<Amount> {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c }).collect();
    Amount::from_decimal(&plain.replace('\u{2212}', "-"))
}

pub(crate) fn close_period(
    session: &mut Session<'_>,
    entity: OrgNumber,
    period: Period,
    signing: &Signing,
) -> Result<Output, Failure> {
    let done = session.act(signing, entity, Operation::ClosePeriod { entity, period }, 0)?;
    Ok(session.done(&done))
}

pub(crate) struct SubmitTerms {
    pub(crate) coding: Option<Coding>,
    pub(crate) date: Option<Date>,
    pub(crate) regime: Option<RegimeArg>,
}

pub(crate) fn submit(
    session: &mut Session<'_>,
    file: &Path,
    archive: &Path,
    terms: &SubmitTerms,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let about = |failure: Failure| failure.about(file.display());
    let read = ehf::check(&bytes, &Options::default()).map_err(|refused| about(refused.into()))?;
    let (seller, buyer) = (read.invoice.seller.number, read.invoice.buyer.number);
    let kid = session.entity(seller).map_err(about)?.record().entity.kid;
    let kind = session.entity(buyer).map_err(about)?.record().entity.kind;
    // Whether the reference must be a KID is known only now.
    let accepted =
        ehf::check(&bytes, &Options { kid: Some(kid) }).map_err(|refused| about(refused.into()))?;
    let terms = Terms {
        date: terms.date.unwrap_or_else(|| today(now())),
        coding: terms.coding,
        regime: terms.regime.map(Regime::from),
    };
    let archive = Archive::new(archive);
    let operation = prepare(&accepted, &bytes, kind, &terms, session.client().genesis(), &archive)
        .map_err(|error| about(error.into()))?;
    let done = session.act(signing, buyer, operation, 0).map_err(about)?;
    let mut output = session.done(&done);
    if !session.brief() {
        for finding in &accepted.findings {
            output
                .text
                .push_str(&format!("note {}: {} (at {})\n", finding.rule, finding.message, finding.place));
        }
    }
    Ok(output)
}

pub(crate) fn attest(
    session: &mut Session<'_>,
    id: &DocumentId,
    signing: &Signing,
) -> Result<Output, Failure> {
    step(session, id, signing, |document| Operation::Attest { document })
}

pub(crate) fn approve(
    session: &mut Session<'_>,
    id: &DocumentId,
    signing: &Signing,
) -> Result<Output, Failure> {
    step(session, id, signing, |document| Operation::Approve { document })
}

fn step(
    session: &mut Session<'_>,
    id: &DocumentId,
    signing: &Signing,
    operation: impl FnOnce(DocumentId) -> Operation,
) -> Result<Output, Failure> {
    let buyer = session.document(id)?.record().buyer;
    let done = session.act(signing, buyer, operation(id.clone()), 0)?;
    Ok(session.done(&done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l20_an_opening_balance_reads_as_sheets_write_it() {
        let text = "\u{feff}konto;beløp\n# eiendeler\n2.10.320;50 000 000,00\n\n2.35.200; -9000000.50\r\n2.5990.000;\u{2212}40999999,5\n";
        let lines = opening(text).unwrap();
        let shown: Vec<String> =
            lines.iter().map(|line| format!("{} {}", line.account, line.amount)).collect();
        assert_eq!(shown, ["2.10.320 50 000 000,00", "2.35.200 -9 000 000,50", "2.5990.000 -40 999 999,50"]);
        for (wrong, says) in [
            ("", "0 lines"),
            ("2.10.320", "line 1: no semicolon"),
            ("2.10.320;1\nbank;2", "line 2: no account"),
            ("2.10.320;1\n2.10.320;x", "line 2: no amount"),
            ("2.10.320;1.005", "line 1: no amount"),
        ] {
            let error = opening(wrong).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
