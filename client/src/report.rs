//! What was verified, as people and programs read it: plain text that a person would show a
//! colleague, and JSON with the same figures.
//!
//! Names of entities and a few accounts come from the pinned genesis and from proven records; nothing
//! is shown that a node merely said. Amounts in JSON are text with two decimals. It leaves out the
//! journal's own form, which is the ledger's (`ledger::report`).
//!
//! Invariant: every function takes proven values only, so that whatever it shows is proven.

mod budget;
mod parties;
mod terms;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::block::Seal;
use ledger::checkpoint::TrustedCheckpoint;
use ledger::entity::OrgNumber;
use ledger::entry::{JournalEntry, Posting};
use ledger::genesis::Genesis;
use ledger::receipt::Posted;
use ledger::records::{ChartAccounts, DocumentRecord, EntityRecord, KostraAccounts, ParameterRecord};
use ledger::report::{self, Captions};
use ledger::time::Timestamp;
use ledger::transaction::{Books, BudgetPart, Coded, DocumentKind, KidRule, Operation};
use serde_json::{Value, json};
pub use terms::{compensation, compensation_json, tertial, tertial_json};

use crate::books::{AccountPostings, Journal, JournalLine, TrialBalance};
use crate::client::{Proven, signed_s};
use crate::name::{self, Step};
use crate::submit::Confirmed;

pub use budget::{budget, budget_json};
pub use parties::{between, between_json, open_documents, open_documents_json, suppliers, suppliers_json};

/// Names of entities and accounts, as far as they are known and proven.
pub struct Names {
    entities: BTreeMap<OrgNumber, String>,
    parameters: ParameterRecord,
}

impl Names {
    /// Those that genesis holds.
    pub fn new(genesis: &Genesis) -> Self {
        let entities = genesis.entities.iter().map(|entity| (entity.number, entity.name.to_string()));
        Self { entities: entities.collect(), parameters: genesis.parameters.clone() }
    }

    /// Adds the name in a proven record.
    pub fn learn(&mut self, entity: &Proven<EntityRecord>) {
        let entity = &entity.record().entity;
        self.entities.insert(entity.number, entity.name.to_string());
    }

    /// Whether the entity's name is known.
    pub fn knows(&self, entity: OrgNumber) -> bool {
        self.entities.contains_key(&entity)
    }

    /// The name, or the number where it is not known.
    pub fn entity(&self, entity: OrgNumber) -> String {
        self.entities.get(&entity).cloned().unwrap_or_else(|| entity.to_string())
    }

    fn numbered(&self, entity: OrgNumber) -> String {
        match self.entities.get(&entity) {
            Some(name) => format!("{entity} {name}"),
            None => entity.to_string(),
        }
    }

    /// What the ledger's booking rules use an account for.
    fn account(&self, account: Account) -> Option<String> {
        let name = match account.class {
            Class::Investment | Class::Operating | Class::Balance => {
                kostra(&self.parameters.municipality, account)
            }
            Class::State => chart(&self.parameters.state, account),
            Class::Private => chart(&self.parameters.private, account),
        };
        name.map(str::to_string)
    }

    /// What an operation's entries are about.
    fn about(&self, operation: &Operation) -> String {
        match operation {
            Operation::RegisterDocument(document) => {
                let kind = match document.kind {
                    DocumentKind::Invoice => "invoice",
                    DocumentKind::CreditNote { .. } => "credit note",
                };
                format!("{}, {kind} {}", self.entity(document.id.seller), document.id.number)
            }
            Operation::SettlePayment { document, .. } => {
                format!("{}, payment of {}", self.entity(document.seller), document.number)
            }
            Operation::ReturnPayment { document, .. } => {
                format!("{}, payment of {} returned", self.entity(document.seller), document.number)
            }
            Operation::OpenBooks { .. } => "opening balance".to_string(),
            Operation::Enter(entry) => format!("{} entry", entry.kind),
            Operation::ReverseEntry { voucher, .. } => format!("reversal of voucher {voucher}"),
            Operation::Recode { coded: Coded { document, .. }, .. } => {
                format!("{}, {} on other accounts", self.entity(document.id.seller), document.id.number)
            }
            Operation::Cancel { coded: Coded { document, .. }, .. } => {
                format!("{}, {} cancelled", self.entity(document.id.seller), document.id.number)
            }
            _ => String::new(),
        }
    }

    /// Entries of one operation, as the ledger's journal shows them.
    fn entries<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a JournalEntry>,
        operation: &Operation,
    ) -> String {
        let about = self.about(operation);
        let about = Some(about).filter(|about| !about.is_empty());
        let captions = Captions { account: &|_, account| self.account(account), entry: &|_| about.clone() };
        report::journal(entries, &captions)
    }

    /// Under what something is proven, in one line.
    fn proven(&self, checkpoint: &TrustedCheckpoint) -> String {
        let (signers, validators) = (checkpoint.signers().len(), checkpoint.validators());
        let (size, time) = (checkpoint.size(), moment(signed_s(checkpoint)));
        format!("{signers} of {validators} validators signed the log of {size} leaves on {time}")
    }

    fn checkpoint_json(&self, checkpoint: &TrustedCheckpoint) -> Value {
        json!({
            "origin": checkpoint.origin(),
            "size": checkpoint.size(),
            "root": checkpoint.root().to_hex(),
            "signers": checkpoint.signers(),
            "validators": checkpoint.validators(),
            "time": moment(signed_s(checkpoint)).replacen(' ', "T", 1).replace(" UTC", "Z"),
        })
    }
}

fn kostra(accounts: &KostraAccounts, account: Account) -> Option<&'static str> {
    let balance = account.class == Class::Balance;
    let named = [
        (account == accounts.bank, "Bank"),
        (account == accounts.compensation, "VAT compensation claim"),
        (account == accounts.input_vat, "Input VAT"),
        (account == accounts.output_vat, "Output VAT"),
        (balance && account.code == accounts.payable_chapter, "Accounts payable"),
        (balance && account.code == accounts.receivable_chapter, "Receivables"),
        (!balance && account.code == accounts.vat_cost_art, "VAT"),
        (!balance && account.code == accounts.compensation_art, "VAT compensation"),
        (!balance && accounts.sales.iter().any(|sales| sales.account == account.code), "Sales"),
    ];
    named.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
}

fn chart(accounts: &ChartAccounts, account: Account) -> Option<&'static str> {
    let named = [
        (account == accounts.bank, "Bank"),
        (account == accounts.payable, "Accounts payable"),
        (account == accounts.receivable, "Accounts receivable"),
        (account == accounts.prepaid, "Prepaid"),
        (account == accounts.received, "Received beforehand"),
        (account == accounts.input_vat, "Input VAT"),
        (account == accounts.output_vat, "Output VAT"),
        (account == accounts.rounding, "Rounding"),
        (accounts.sales.iter().any(|sales| sales.account == account.code), "Sales"),
    ];
    named.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
}

/// Seconds since 1970 as `2026-03-04 11:22:33 UTC`.
pub fn moment(seconds: u64) -> String {
    // The ledger's calendar runs two hours ahead of UTC; here it is turned back.
    let date = Timestamp(seconds.saturating_mul(1000).saturating_sub(7_200_000)).date();
    format!("{date} {:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn money(total: Total) -> String {
    let sign = if total.0 < 0 { "-" } else { "" };
    let ore = total.0.unsigned_abs();
    format!("{sign}{}.{:02}", ore / 100, ore % 100)
}

/// What an operation does, in a few words: `register 123456785/8841/2026-03-04`.
pub fn operation(operation: &Operation) -> String {
    if let Some((id, step)) = Step::of(operation) {
        return format!("{step} {}", name::of_document(id));
    }
    match operation {
        Operation::RegisterEntity(entity) => format!("register entity {} {}", entity.number, entity.name),
        Operation::GrantKey(granted) => {
            let key = granted.key.to_string();
            format!("grant key {} of {}", &key[..8], granted.entity)
        }
        Operation::RevokeKey { key } => format!("revoke key {}", &key.to_string()[..8]),
        Operation::OpenBooks { entity, date, .. } => format!("open books of {entity} on {date}"),
        Operation::ClosePeriod { entity, period } => format!("close {period} of {entity}"),
        Operation::ChangeValidators(change) => {
            format!("change the validators for epoch {}", change.epoch.0.saturating_add(1))
        }
        Operation::Recover(recovery) => format!("recover as epoch {}", recovery.epoch.0.saturating_add(1)),
        Operation::ReportOffence(offence) => {
            let vote = &offence.first;
            let (signer, epoch, view) = (vote.signer, vote.epoch, vote.statement.view());
            format!("report that validator {signer} of epoch {epoch} contradicted itself in view {view}")
        }
        Operation::Enter(entry) => {
            format!("enter a {} entry of {} on {}", entry.kind, entry.entity, entry.date)
        }
        Operation::AdoptBudget(part) => {
            let BudgetPart { entity, year, version, lines, last, .. } = part;
            let last = if *last { ", complete" } else { "" };
            format!(
                "adopt {} of version {version} of the budget of {entity} for {year}{last}",
                many(lines.len() as u64, "line")
            )
        }
        Operation::NetClaims { one, other, amount, .. } => {
            format!("net {amount} of {} and {}", name::of_document(one), name::of_document(other))
        }
        Operation::ReverseEntry { voucher, entry, .. } => {
            format!("reverse voucher {voucher} of {}", entry.entity)
        }
        _ => "operation".to_string(),
    }
}

/// The line that tells a posted transaction from others.
pub fn posted_line(posted: &Posted) -> String {
    match posted.booked() {
        Some(booked) => {
            format!("{}: posted at leaf {}", operation(&booked.signed.transaction.operation), posted.index())
        }
        None => format!("leaf {}: no transaction", posted.index()),
    }
}

/// All that a receipt shows, and what it does not: transaction, both sides' postings, who vouches.
pub fn posted(posted: &Posted, names: &Names) -> String {
    let mut text = posted_line(posted);
    text.push('\n');
    if let (Some(booked), Some(transaction)) = (posted.booked(), posted.transaction()) {
        let signed = &booked.signed;
        let _ = writeln!(text, "transaction {transaction}");
        let keys: Vec<String> =
            signed.signatures.iter().map(|signature| signature.key.to_string()[..8].to_string()).collect();
        let _ = writeln!(
            text,
            "signed with key {}, in the name of {}",
            keys.join(" and "),
            names.numbered(signed.transaction.id.submitter)
        );
        for entry in &booked.entries {
            let _ = writeln!(text, "\n{}", names.numbered(entry.entity));
            text.push_str(&names.entries([entry], &signed.transaction.operation));
        }
        if booked.entries.is_empty() {
            text.push_str("books nothing\n");
        }
    }
    let _ = writeln!(text, "\nproven: {}", names.proven(posted.checkpoint()));
    text.push_str("not shown by this receipt:\n");
    for limit in posted.limits() {
        let _ = writeln!(text, "    {limit}");
    }
    text
}

/// The same as JSON.
pub fn posted_json(posted: &Posted, names: &Names) -> Value {
    let booked = posted.booked();
    let done = booked.map(|booked| &booked.signed.transaction.operation);
    json!({
        "transaction": posted.transaction().map(|id| id.to_string()),
        "operation": done.map(operation),
        "document": done.and_then(Step::of).map(|(id, _)| name::of_document(id)),
        "step": done.and_then(Step::of).map(|(_, step)| step.to_string()),
        "leaf": posted.index().0,
        "submitter": booked.map(|booked| booked.signed.transaction.id.submitter.to_string()),
        "keys": booked.map(|booked| {
            booked.signed.signatures.iter().map(|signature| signature.key.to_string()).collect::<Vec<_>>()
        }),
        "entries": booked.map(|booked| booked.entries.iter().map(entry_json).collect::<Vec<_>>()),
        "checkpoint": names.checkpoint_json(posted.checkpoint()),
        "limits": posted.limits(),
    })
}

/// A confirmed transaction as JSON, its receipt within.
pub fn confirmed_json(confirmed: &Confirmed, names: &Names) -> Value {
    let mut value = posted_json(&confirmed.posted, names);
    value["receipt"] = json!(confirmed.receipt);
    value
}

fn entry_json(entry: &JournalEntry) -> Value {
    json!({
        "entity": entry.entity.to_string(),
        "voucher": entry.voucher.to_string(),
        "date": entry.date.to_string(),
        "postings": entry.postings.iter().map(posting_json).collect::<Vec<_>>(),
    })
}

fn posting_json(posting: &Posting) -> Value {
    json!({
        "account": posting.account.to_string(),
        "amount": posting.amount.to_decimal(),
        "cost_centre": posting.cost_centre,
        "project": posting.project,
        "vat": posting.vat.map(|vat| json!({
            "code": vat.code,
            "regime": vat.regime.to_string(),
            "base": vat.base.to_decimal(),
            "rate": vat.rate.0,
        })),
        "counterparty": posting.counterparty.map(|party| party.to_string()),
    })
}

/// An entity.
pub fn entity(proven: &Proven<EntityRecord>, names: &Names) -> String {
    let EntityRecord { entity, opened } = proven.record();
    let mut text = format!("{} {}, {}\n", entity.number, entity.name, entity.kind);
    match entity.books {
        Books::From(period) => {
            let opening = if *opened { "opening balance booked" } else { "no opening balance yet" };
            let _ = writeln!(text, "    books from {period}, {opening}");
        }
        Books::None => text.push_str("    keeps no books here\n"),
    }
    let _ = writeln!(text, "    sector {:03} in others' balance accounts", entity.sector);
    let kid = match entity.kid {
        KidRule::None => "free payment references",
        KidRule::Mod10 => "payment references are KID, MOD 10",
        KidRule::Mod11 => "payment references are KID, MOD 11",
        KidRule::Either => "payment references are KID, MOD 10 or MOD 11",
    };
    let _ = writeln!(text, "    {kid}\nproven: {}", names.proven(proven.checkpoint()));
    text
}

/// The same as JSON.
pub fn entity_json(proven: &Proven<EntityRecord>, names: &Names) -> Value {
    let EntityRecord { entity, opened } = proven.record();
    json!({
        "number": entity.number.to_string(),
        "kind": entity.kind.to_string(),
        "name": entity.name.to_string(),
        "sector": entity.sector,
        "books_from": match entity.books { Books::From(period) => Some(period.to_string()), Books::None => None },
        "opened": opened,
        "kid": match entity.kid {
            KidRule::None => "none",
            KidRule::Mod10 => "mod10",
            KidRule::Mod11 => "mod11",
            KidRule::Either => "either",
        },
        "checkpoint": names.checkpoint_json(proven.checkpoint()),
    })
}

/// A document and where it stands.
pub fn document(proven: &Proven<DocumentRecord>, names: &Names) -> String {
    let record = proven.record();
    let kind = if record.credit_note { "credit note" } else { "invoice" };
    let mut text = format!("{}  {kind}, {}\n", name::of_document(&record.id), record.status);
    let mut row = |label: &str, value: String| {
        let _ = writeln!(text, "    {label:<10}{value}");
    };
    row("seller", names.numbered(record.id.seller));
    row("buyer", names.numbered(record.buyer));
    let amounts = [("payable", record.payable), ("open", record.open), ("settled", record.settled)];
    let width = amounts.iter().map(|(_, amount)| amount.to_string().chars().count()).max().unwrap_or(0);
    for (label, amount) in amounts {
        row(label, format!("{:>width$}", amount.to_string()));
    }
    row("due", record.due.to_string());
    if record.attempt > 0 {
        row(
            "ordered",
            if record.attempt == 1 { "once".to_string() } else { format!("{} times", record.attempt) },
        );
    }
    if let Some(reason) = record.reason {
        row("bank", format!("refused or returned it: {reason}"));
    }
    let voucher = |voucher: Option<ledger::entry::Voucher>| voucher.map(|voucher| voucher.to_string());
    let vouchers = [
        ("booked", voucher(record.buyer_voucher), voucher(record.seller_voucher)),
        ("paid", voucher(record.buyer_payment_voucher), voucher(record.seller_payment_voucher)),
    ];
    for (label, buyers, sellers) in vouchers {
        let sides = [
            buyers.map(|v| format!("buyer's voucher {v}")),
            sellers.map(|v| format!("seller's voucher {v}")),
        ];
        let sides: Vec<String> = sides.into_iter().flatten().collect();
        if !sides.is_empty() {
            row(label, sides.join(", "));
        }
    }
    let _ = writeln!(text, "proven: {}", names.proven(proven.checkpoint()));
    text
}

/// The same as JSON.
pub fn document_json(proven: &Proven<DocumentRecord>, names: &Names) -> Value {
    let record = proven.record();
    let amount = |amount: Amount| amount.to_decimal();
    let voucher = |voucher: Option<ledger::entry::Voucher>| voucher.map(|voucher| voucher.to_string());
    json!({
        "document": name::of_document(&record.id),
        "credit_note": record.credit_note,
        "seller": record.id.seller.to_string(),
        "buyer": record.buyer.to_string(),
        "status": record.status.to_string(),
        "date": record.date.to_string(),
        "due": record.due.to_string(),
        "payable": amount(record.payable),
        "open": amount(record.open),
        "settled": amount(record.settled),
        "attempt": record.attempt,
        "reason": record.reason.map(|reason| reason.to_string()),
        "buyer_voucher": voucher(record.buyer_voucher),
        "seller_voucher": voucher(record.seller_voucher),
        "buyer_payment_voucher": voucher(record.buyer_payment_voucher),
        "seller_payment_voucher": voucher(record.seller_payment_voucher),
        "content": record.content.to_hex(),
        "payee": record.payee.to_hex(),
        "leaf": record.leaf.0,
        "checkpoint": names.checkpoint_json(proven.checkpoint()),
    })
}

fn height(seal: &Seal) -> String {
    format!("height {}", seal.height)
}

/// How many of something: `1 posting`, `2 postings`.
pub fn many(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A trial balance.
pub fn trial_balance(balance: &TrialBalance, names: &Names) -> String {
    let TrialBalance { period, accounts, seal, checkpoint } = balance;
    let captions = Captions { account: &|_, account| names.account(account), ..Captions::NONE };
    let mut text = format!("{}\n", names.numbered(period.entity));
    text.push_str(&report::trial_balance(period.entity, period.period, accounts, &captions));
    let standing = if period.closed { "closed" } else { "open" };
    let _ = writeln!(
        text,
        "all of {} with postings in {} ({standing}), {}, at {}\nproven: {}",
        many(period.accounts, "account"),
        period.period,
        many(period.postings, "posting"),
        height(seal),
        names.proven(checkpoint)
    );
    text
}

/// The same as JSON.
pub fn trial_balance_json(balance: &TrialBalance, names: &Names) -> Value {
    let TrialBalance { period, accounts, seal, checkpoint } = balance;
    json!({
        "entity": period.entity.to_string(),
        "period": period.period.to_string(),
        "closed": period.closed,
        "postings": period.postings,
        "debit": money(period.debit),
        "credit": money(period.credit),
        "accounts": accounts.iter().map(|account| json!({
            "account": account.account.to_string(),
            "opening": money(account.opening),
            "debit": money(account.debit),
            "credit": money(account.credit),
            "closing": money(account.closing()),
            "count": account.count,
        })).collect::<Vec<_>>(),
        "height": seal.height.0,
        "checkpoint": names.checkpoint_json(checkpoint),
    })
}

/// All postings of an account.
pub fn postings(all: &AccountPostings, names: &Names) -> String {
    let record = all.account.record();
    let label = names.account(record.account).map(|name| format!(" {name}")).unwrap_or_default();
    let mut text = format!(
        "{}\n{}  {}  account {}{label}\n",
        names.numbered(record.entity),
        record.entity,
        record.period,
        record.account
    );
    let mut row = |what: &str, party: &str, debit: &str, credit: &str| {
        let line = format!("    {what:<30}{party:<12}{debit:>18}{credit:>18}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let sides = |amount: i128| {
        let shown = Total(amount.abs()).to_string();
        if amount >= 0 { (shown, String::new()) } else { (String::new(), shown) }
    };
    let (debit, credit) = sides(record.opening.0);
    row("opening", "", &debit, &credit);
    for chained in &all.postings {
        let (debit, credit) = sides(chained.posting.amount.0.into());
        let party = chained.posting.counterparty.map(|party| party.to_string()).unwrap_or_default();
        row(&format!("{}  voucher {}", chained.date, chained.voucher), &party, &debit, &credit);
    }
    row("sum of the period", "", &record.debit.to_string(), &record.credit.to_string());
    let (debit, credit) = sides(record.closing().0);
    row("closing", "", &debit, &credit);
    let _ = writeln!(
        text,
        "all of {}, at {}\nproven: {}",
        many(record.count, "posting"),
        height(all.account.seal()),
        names.proven(all.account.checkpoint())
    );
    text
}

/// The same as JSON.
pub fn postings_json(all: &AccountPostings, names: &Names) -> Value {
    let record = all.account.record();
    json!({
        "entity": record.entity.to_string(),
        "account": record.account.to_string(),
        "period": record.period.to_string(),
        "opening": money(record.opening),
        "debit": money(record.debit),
        "credit": money(record.credit),
        "closing": money(record.closing()),
        "count": record.count,
        "postings": all.postings.iter().map(|chained| {
            let mut value = posting_json(&chained.posting);
            value["voucher"] = json!(chained.voucher.to_string());
            value["date"] = json!(chained.date.to_string());
            value["leaf"] = json!(chained.leaf.0);
            value
        }).collect::<Vec<_>>(),
        "height": all.account.seal().height.0,
        "checkpoint": names.checkpoint_json(all.account.checkpoint()),
    })
}

fn captioned<T>(
    journal: &Journal,
    names: &Names,
    show: impl FnOnce(&[&JournalEntry], &Captions<'_>) -> T,
) -> T {
    let about: BTreeMap<u64, String> =
        journal.lines.iter().map(|line| (line.entry.voucher.number, names.about(&line.operation))).collect();
    let caption =
        |entry: &JournalEntry| about.get(&entry.voucher.number).filter(|text| !text.is_empty()).cloned();
    let captions = Captions { account: &|_, account| names.account(account), entry: &caption };
    let entries: Vec<&JournalEntry> = journal.lines.iter().map(|line| &line.entry).collect();
    show(&entries, &captions)
}

/// A journal.
pub fn journal(journal: &Journal, names: &Names) -> String {
    let series = journal.series.record();
    let mut text = format!("{}\n", names.numbered(series.entity));
    text.push_str(&captioned(journal, names, |entries, captions| {
        report::journal(entries.iter().copied(), captions)
    }));
    let _ = writeln!(
        text,
        "all of {} in {}, at {}\nproven: {}",
        many(journal.lines.len() as u64, "voucher"),
        series.year,
        height(journal.series.seal()),
        names.proven(journal.series.checkpoint())
    );
    text
}

/// A journal for hledger and ledger.
pub fn hledger(journal: &Journal, names: &Names) -> String {
    captioned(journal, names, |entries, captions| report::hledger(entries.iter().copied(), captions))
}

/// A journal as JSON.
pub fn journal_json(journal: &Journal, names: &Names) -> Value {
    let series = journal.series.record();
    let line = |line: &JournalLine| {
        let mut value = entry_json(&line.entry);
        value["leaf"] = json!(line.leaf.0);
        value["transaction"] = json!(line.transaction.to_string());
        value["operation"] = json!(operation(&line.operation));
        value
    };
    json!({
        "entity": series.entity.to_string(),
        "year": series.year,
        "entries": journal.lines.iter().map(line).collect::<Vec<_>>(),
        "height": journal.series.seal().height.0,
        "checkpoint": names.checkpoint_json(journal.series.checkpoint()),
    })
}

/// A checkpoint.
pub fn checkpoint(checkpoint: &TrustedCheckpoint, names: &Names) -> String {
    format!(
        "{}\n    {} leaves, root {}\nproven: {}, and it continues what was seen before\n",
        checkpoint.origin(),
        checkpoint.size(),
        checkpoint.root(),
        names.proven(checkpoint)
    )
}

/// The same as JSON.
pub fn checkpoint_json(checkpoint: &TrustedCheckpoint, names: &Names) -> Value {
    names.checkpoint_json(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(moment(1_772_582_399), "2026-03-03 23:59:59 UTC");
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
    }
}
