//! Commands that read: each prints what was proven, and nothing else.

use std::path::Path;

use client::client::now;
use client::invoice::today;
use client::name::Wanted;
use client::report;
use ledger::account::Account;
use ledger::entity::OrgNumber;
use ledger::time::Period;
use ledger::transaction::{DocumentId, TransactionId};
use serde_json::json;

use super::session::{Done, Session, keep};
use super::{Failure, Output};

fn this_month() -> Period {
    today(now()).period()
}

pub(crate) fn entity(session: &mut Session<'_>, number: OrgNumber) -> Result<Output, Failure> {
    let proven = session.entity(number)?;
    Ok(Output::new(report::entity(&proven, &session.names), report::entity_json(&proven, &session.names)))
}

pub(crate) fn document(session: &mut Session<'_>, id: &DocumentId) -> Result<Output, Failure> {
    let proven = session.document(id)?;
    Ok(Output::new(report::document(&proven, &session.names), report::document_json(&proven, &session.names)))
}

pub(crate) fn receipt(session: &mut Session<'_>, what: &Wanted, folder: &Path) -> Result<Output, Failure> {
    let confirmed = match what {
        Wanted::Transaction(id) => session.client().receipt(&TransactionId(*id))?,
        Wanted::Step(document, step) => session.client().receipt_of(document, *step)?,
    };
    let entries = confirmed.posted.booked().map(|booked| booked.entries.iter().map(|entry| entry.entity));
    session.learn(entries.into_iter().flatten().collect::<Vec<_>>())?;
    let file = match confirmed.posted.booked() {
        Some(booked) => Some(keep(folder, &booked.signed.transaction.operation, &confirmed)?),
        None => None,
    };
    Ok(session.done(&Done { confirmed, file }))
}

pub(crate) fn accounts(
    session: &mut Session<'_>,
    entity: OrgNumber,
    period: Option<Period>,
) -> Result<Output, Failure> {
    let balance = session.client().accounts(entity, period.unwrap_or_else(this_month))?;
    session.learn([entity])?;
    let names = &session.names;
    Ok(Output::new(report::trial_balance(&balance, names), report::trial_balance_json(&balance, names)))
}

pub(crate) fn postings(
    session: &mut Session<'_>,
    entity: OrgNumber,
    account: Account,
    period: Option<Period>,
) -> Result<Output, Failure> {
    let all = session.client().postings(entity, account, period.unwrap_or_else(this_month))?;
    session.learn([entity])?;
    let names = &session.names;
    Ok(Output::new(report::postings(&all, names), report::postings_json(&all, names)))
}

pub(crate) fn journal(
    session: &mut Session<'_>,
    entity: OrgNumber,
    year: Option<u16>,
    hledger: bool,
) -> Result<Output, Failure> {
    let journal = session.client().journal(entity, year.unwrap_or_else(|| this_month().year()))?;
    let parties: Vec<OrgNumber> = journal
        .lines
        .iter()
        .flat_map(|line| line.entry.postings.iter().filter_map(|posting| posting.counterparty))
        .chain([entity])
        .collect();
    session.learn(parties)?;
    let names = &session.names;
    let text = if hledger { report::hledger(&journal, names) } else { report::journal(&journal, names) };
    Ok(Output::new(text, report::journal_json(&journal, names)))
}

pub(crate) fn checkpoint(session: &mut Session<'_>, note: bool) -> Result<Output, Failure> {
    let (checkpoint, text) = session.client().checkpoint()?;
    let mut value = report::checkpoint_json(&checkpoint, &session.names);
    value["note"] = json!(text);
    let text = if note { text } else { report::checkpoint(&checkpoint, &session.names) };
    Ok(Output::new(text, value))
}
