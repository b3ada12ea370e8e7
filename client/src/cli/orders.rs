//! Commands around the bank: what it is asked for, and what it answers.

use std::path::Path;

use client::archive::{Archive, replace};
use client::bank::{self, Answer, Answers};
use client::client::now;
use client::invoice::today;
use client::name;
use client::payment_id::next_order;
use client::report::many;
use formats::bank::AccountNumber;
use formats::camt::BankMessage;
use formats::pain001::{self, Payment};
use formats::pain002::StatusReport;
use ledger::entity::OrgNumber;
use ledger::records::Status;
use ledger::rules::end_to_end_id;
use ledger::time::Date;
use ledger::transaction::{BankReference, DocumentId, Operation};
use serde_json::json;

use super::session::{Done, FILE_BYTES_MAX, Session, read_file};
use super::values::VersionArg;
use super::{Failure, Output, Signing};

pub(crate) struct Terms<'a> {
    pub(crate) debtor_account: &'a str,
    pub(crate) out: &'a Path,
    pub(crate) version: VersionArg,
    pub(crate) on: Option<Date>,
}

/// A payment that the ledger let be ordered.
struct Ordered {
    document: DocumentId,
    attempt: u32,
    due: Date,
    payment: Payment,
}

pub(crate) fn order(
    session: &mut Session<'_>,
    documents: &[DocumentId],
    archive: &Path,
    terms: &Terms<'_>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let account = AccountNumber::parse(terms.debtor_account);
    let account = account.map_err(|error| Failure::refused("F-ACCOUNT", error))?;
    let archive = Archive::new(archive);
    let buyer = one_buyer(session, documents)?;
    let sender = session.names.entity(buyer);
    let (mut ordered, mut done, mut failures): (Vec<Ordered>, Vec<Done>, Vec<Failure>) = Default::default();
    for id in documents {
        if ordered.iter().any(|known| known.document == *id) {
            continue;
        }
        match order_one(session, id, &archive, &sender, &account, terms, signing) {
            Ok((one, receipt)) => {
                ordered.push(one);
                done.push(receipt);
            }
            Err(failure) => failures.push(failure.about(name::of_document(id))),
        }
    }
    let mut told = Vec::new();
    match write_file(&archive, ordered, &sender, account, terms) {
        Ok(Some(written)) => told.push(written),
        Ok(None) => {}
        Err(failure) => failures.push(failure),
    }
    let mut output = session.all_done(&done, &told, failures);
    output.json["file"] = json!(terms.out);
    Ok(output)
}

fn one_buyer(session: &mut Session<'_>, documents: &[DocumentId]) -> Result<OrgNumber, Failure> {
    let mut buyers = Vec::new();
    for id in documents {
        buyers.push(session.document(id)?.record().buyer);
    }
    match buyers.first() {
        Some(first) if buyers.iter().all(|buyer| buyer == first) => Ok(*first),
        _ => {
            Err(Failure::usage("the documents have several buyers; order each buyer's from its own account"))
        }
    }
}

fn order_one(
    session: &mut Session<'_>,
    id: &DocumentId,
    archive: &Archive,
    sender: &str,
    account: &AccountNumber,
    terms: &Terms<'_>,
    signing: &Signing,
) -> Result<(Ordered, Done), Failure> {
    let proven = session.document(id)?;
    let record = proven.record();
    let (_, private) = archive.get(id, &record.content)?;
    let (turn, amount) = (next_order(record), record.open);
    let payment = bank::payment(record, &private, amount, end_to_end_id(id, turn))?;
    // What no bank would take is not ordered; what the ledger refuses, it refuses with its own words.
    if amount.0 > 0 {
        let tried = bank::file(sender, account.clone(), record.due, now(), vec![payment.clone()]);
        pain001::write(&tried, terms.version.into()).map_err(|error| Failure::refused("F-ORDER", error))?;
    }
    let done =
        session.act(signing, record.buyer, Operation::OrderPayment { document: id.clone(), amount }, turn)?;
    let now_stands = session.client().document(id)?;
    if now_stands.record().attempt != turn {
        let attempt = now_stands.record().attempt;
        return Err(Failure::refused(
            "L18",
            format!(
                "it was ordered by somebody else meanwhile, {attempt} times in all; see what the bank has"
            ),
        ));
    }
    Ok((Ordered { document: id.clone(), attempt: turn, due: record.due, payment }, done))
}

/// Writes the bank's file for what was ordered. A payment that another file carries already is not
/// written a second time: the bank would pay it twice.
fn write_file(
    archive: &Archive,
    mut ordered: Vec<Ordered>,
    sender: &str,
    account: AccountNumber,
    terms: &Terms<'_>,
) -> Result<Option<String>, Failure> {
    // In one order, so that the same payments make the same file.
    ordered.sort_by(|a, b| a.payment.end_to_end_id.cmp(&b.payment.end_to_end_id));
    let Some(due) = ordered.iter().map(|one| one.due).min() else { return Ok(None) };
    let requested = terms.on.unwrap_or_else(|| due.max(today(now())));
    let file = |ordered: &[Ordered]| {
        let payments = ordered.iter().map(|one| one.payment.clone()).collect();
        bank::file(sender, account.clone(), requested, now(), payments)
    };
    let whole = file(&ordered);
    let (mut fresh, mut elsewhere) = (Vec::new(), Vec::new());
    for one in ordered {
        match archive.order(&one.payment.end_to_end_id)? {
            Some(known) if known.message_id != whole.message_id => {
                elsewhere.push(format!("{} in file {}", known.document, known.message_id));
            }
            _ => fresh.push(one),
        }
    }
    if !fresh.is_empty() {
        let file = if elsewhere.is_empty() { whole } else { file(&fresh) };
        let text = pain001::write(&file, terms.version.into())
            .map_err(|error| Failure::refused("F-ORDER", error))?;
        // Before it is noted that this file carries them: it may not take another's place.
        if let Some(other) = other_file(terms.out, &file.message_id) {
            let message = format!("{} holds {other}; name another file with --out", terms.out.display());
            return Err(Failure::usage(message));
        }
        let named: Vec<(DocumentId, u32)> =
            fresh.iter().map(|one| (one.document.clone(), one.attempt)).collect();
        for note in bank::notes(&file, &named) {
            archive.note(&note)?;
        }
        replace(terms.out, text.as_bytes()).map_err(|error| Failure::file(terms.out, error))?;
    }
    if let Some(first) = elsewhere.first() {
        let message = format!(
            "{} went to the bank before ({first}) and must not go there again; wait for its answer",
            many(elsewhere.len() as u64, "payment")
        );
        return Err(Failure::refused("F-ORDER", message));
    }
    Ok(Some(format!("for the bank: {} in {}", many(fresh.len() as u64, "payment"), terms.out.display())))
}

/// What lies at the path, if it is not the same order written before.
fn other_file(path: &Path, message_id: &str) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let same = format!("<MsgId>{message_id}</MsgId>");
    let text = String::from_utf8_lossy(&bytes);
    if bytes.is_empty() || text.contains(&same) {
        return None;
    }
    let id = text.split_once("<MsgId>").and_then(|(_, rest)| rest.split_once("</MsgId>")).map(|(id, _)| id);
    Some(id.map_or_else(
        || "something else".to_string(),
        |id| format!("order {}", id.chars().take(35).collect::<String>()),
    ))
}

pub(crate) fn settle(
    session: &mut Session<'_>,
    file: &Path,
    archive: &Path,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let message = BankMessage::read(&bytes).map_err(|error| Failure::from(error).about(file.display()))?;
    let answers = bank::entries(&message, &bytes, &Archive::new(archive))?;
    carry_out(session, answers, signing)
}

pub(crate) fn reject(
    session: &mut Session<'_>,
    file: &Path,
    archive: &Path,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let report = StatusReport::read(&bytes).map_err(|error| Failure::from(error).about(file.display()))?;
    let answers = bank::rejections(&report, &bytes, &Archive::new(archive))?;
    carry_out(session, answers, signing)
}

/// Every answer is one transaction; one that is refused does not hold up the others.
fn carry_out(session: &mut Session<'_>, answers: Answers, signing: &Signing) -> Result<Output, Failure> {
    let Answers { ours, others: mut told } = answers;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for Answer { document, operation, .. } in ours {
        let proven = match session.document(&document) {
            Ok(proven) => proven,
            Err(failure) => {
                failures.push(failure.about(name::of_document(&document)));
                continue;
            }
        };
        let record = proven.record();
        let named = name::of_document(&document);
        if let (Some(known), Some(bank)) = (record.bank, bank_of(&operation))
            && known.entry == bank.entry
            && known.message != bank.message
        {
            told.push(format!("{named}: {} by this entry of the bank already", past(record.status)));
            continue;
        }
        match session.act(signing, record.buyer, operation, 0) {
            Ok(one) => done.push(one),
            Err(failure) => failures.push(failure.about(named)),
        }
    }
    Ok(session.all_done(&done, &told, failures))
}

fn bank_of(operation: &Operation) -> Option<BankReference> {
    match operation {
        Operation::SettlePayment { bank, .. }
        | Operation::RejectPayment { bank, .. }
        | Operation::ReturnPayment { bank, .. } => Some(*bank),
        _ => None,
    }
}

fn past(status: Status) -> &'static str {
    match status {
        Status::Settled => "settled",
        Status::Returned => "returned",
        _ => "answered",
    }
}
