//! What a leaf becomes: rows of transactions, entries and postings, and the next step of a document.
//!
//! Invariant: a leaf's rows are a function of the leaf and of the rows before it.
//!
//! The ledger has judged every transaction before it became a leaf, so a document's step is followed
//! here, not decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use ledger::account::{Account, Class};
use ledger::amount::Amount;
use ledger::block::{Booked, Leaf, Seal};
use ledger::digest::Digest;
use ledger::entry::{JournalEntry, Posting, Voucher};
use ledger::transaction::{
    BudgetPart, Document, DocumentId, DocumentKind, EntryLine, NewEntity, Operation, ReasonCode,
    TransactionId,
};
use postgres::types::ToSql;
use postgres::{Statement, Transaction};

use super::{SinkError, signed};

/// Copies the leaves of whole blocks, the first of which has index `first`.
pub(super) fn copy(
    database: &mut Transaction<'_>,
    chain: &Digest,
    first: u64,
    leaves: &[Leaf],
) -> Result<(), SinkError> {
    blocks(database, leaves)?;
    // All transactions before what refers to them.
    put(database, "COPY hovedbok.transactions FROM STDIN", &transactions(chain, first, leaves))?;
    let mut steps = Steps { database, statements: BTreeMap::new() };
    let mut journal = Journal::default();
    for (index, leaf) in (first..).zip(leaves) {
        if let Leaf::Transaction(booked) = leaf {
            let operation = &booked.signed.transaction.operation;
            if let Operation::AdoptBudget(part) = operation {
                journal.adopt(part, index);
            }
            let document = steps.step(index, operation)?;
            booked.entries.iter().for_each(|entry| journal.add(entry, document, index));
        }
    }
    journal.write(steps)
}

/// Copies lines in PostgreSQL's text format. What stands in them is ours: numbers, codes and names of
/// fixed words, nothing that would need to be escaped.
fn put(database: &mut Transaction<'_>, copy: &str, lines: &[u8]) -> Result<(), SinkError> {
    let mut writer = database.copy_in(copy)?;
    // A line that broke is told by the end of the copy.
    let _ = writer.write_all(lines);
    writer.finish()?;
    Ok(())
}

fn blocks(database: &mut Transaction<'_>, leaves: &[Leaf]) -> Result<(), SinkError> {
    // A copy takes no expressions: the time goes through a table of the transaction's own.
    database.batch_execute(
        "CREATE TEMPORARY TABLE arriving (height bigint, seconds numeric, epoch bigint, first_leaf bigint,
           transactions bigint, log_size bigint) ON COMMIT DROP",
    )?;
    let mut lines = String::new();
    for leaf in leaves {
        let Leaf::Seal(Seal { height, time, epoch, first, count, .. }) = leaf else { continue };
        let (height, epoch, first, size) = (height.0, epoch.0, first.0, first.0 + count + 1);
        let (seconds, millis) = (time.0 / 1000, time.0 % 1000);
        lines += &format!("{height}\t{seconds}.{millis:03}\t{epoch}\t{first}\t{count}\t{size}\n");
    }
    put(database, "COPY arriving FROM STDIN", lines.as_bytes())?;
    database.batch_execute(
        "INSERT INTO hovedbok.blocks SELECT height, to_timestamp(seconds), epoch, first_leaf, transactions, log_size
         FROM arriving",
    )?;
    Ok(())
}

fn transactions(chain: &Digest, first: u64, leaves: &[Leaf]) -> Vec<u8> {
    let (mut lines, mut block) = (String::new(), Vec::new());
    for (index, leaf) in (first..).zip(leaves) {
        match leaf {
            Leaf::Transaction(booked) => block.push((index, booked)),
            Leaf::Seal(Seal { height, .. }) => {
                for (index, Booked { signed, entries }) in block.drain(..) {
                    let transaction = &signed.transaction;
                    let id = TransactionId(Digest::of(&[&transaction.signed_bytes(chain)]));
                    let (submitter, number) = (transaction.id.submitter, hex::encode(transaction.id.number));
                    let (operation, entries) = (name(&transaction.operation), entries.len());
                    lines += &format!(
                        "{index}\t{id}\t{submitter}\t{number}\t{operation}\t{}\t{entries}\n",
                        height.0
                    );
                }
            }
            Leaf::Epoch { .. } => {}
        }
    }
    lines.into_bytes()
}

/// What an operation is called in `transactions.operation` and `steps.step`.
fn name(operation: &Operation) -> &'static str {
    match operation {
        Operation::RegisterEntity(_) => "register_entity",
        Operation::GrantKey(_) => "grant_key",
        Operation::RevokeKey { .. } => "revoke_key",
        Operation::OpenBooks { .. } => "open_books",
        Operation::RegisterDocument(_) => "register_document",
        Operation::Attest { .. } => "attest",
        Operation::Approve { .. } => "approve",
        Operation::OrderPayment { .. } => "order_payment",
        Operation::SettlePayment { .. } => "settle_payment",
        Operation::RejectPayment { .. } => "reject_payment",
        Operation::ReturnPayment { .. } => "return_payment",
        Operation::ClosePeriod { .. } => "close_period",
        Operation::ChangeValidators(_) => "change_validators",
        Operation::Recover(_) => "recover",
        Operation::ReportOffence(_) => "report_offence",
        Operation::Enter(_) => "enter",
        Operation::ReverseEntry { .. } => "reverse_entry",
        Operation::Recode { .. } => "recode",
        Operation::Cancel { .. } => "cancel",
        Operation::AdoptBudget(_) => "adopt_budget",
        Operation::ApproveCovered { .. } => "approve_covered",
        Operation::NetClaims { .. } => "net_claims",
    }
}

/// Inserts an entity; `leaf` is that of its registration, none for one of genesis.
pub(super) fn entity(
    database: &mut Transaction<'_>,
    new: &NewEntity,
    leaf: Option<u64>,
) -> Result<(), SinkError> {
    let books = new.books_from().map(|period| number(period.number()));
    database.execute(
        "INSERT INTO hovedbok.entities VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            &number(new.number.number()),
            &new.name.as_str(),
            &new.kind.to_string(),
            &i32::from(new.sector),
            &books,
            &leaf.map(signed),
        ],
    )?;
    Ok(())
}

/// Changes the document that `$2` to `$4` name, at the leaf `$1`.
macro_rules! update {
    ($set:literal) => {
        concat!(
            "UPDATE hovedbok.documents SET last_leaf = $1, ",
            $set,
            " WHERE seller = $2 AND number = $3 AND issued = $4::text::date RETURNING document"
        )
    };
}

/// Carries out what operations change beside the journal.
struct Steps<'t, 'c> {
    database: &'t mut Transaction<'c>,
    statements: BTreeMap<&'static str, Statement>,
}

impl Steps<'_, '_> {
    /// Runs a statement that gives one document, or none if there is no such document.
    fn document(
        &mut self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<i64>, SinkError> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.database.prepare(sql)?;
                self.statements.insert(sql, statement.clone());
                statement
            }
        };
        Ok(self.database.query_opt(&statement, values)?.map(|row| row.get(0)))
    }

    /// Gives the document that the operation is about.
    fn step(&mut self, leaf: u64, operation: &Operation) -> Result<Option<i64>, SinkError> {
        let row = match operation {
            Operation::RegisterEntity(new) => {
                entity(self.database, new, Some(leaf))?;
                return Ok(None);
            }
            Operation::ClosePeriod { entity, period } => {
                self.database.execute(
                    "INSERT INTO hovedbok.closed_periods VALUES ($1, $2, $3)",
                    &[&number(entity.number()), &number(period.number()), &signed(leaf)],
                )?;
                return Ok(None);
            }
            Operation::RegisterDocument(document) => self.registered(leaf, document)?,
            Operation::Attest { document } => self.moved(leaf, document, update!("status = 'attested'"))?,
            Operation::Approve { document } => self.moved(leaf, document, update!("status = 'approved'"))?,
            Operation::OrderPayment { document, .. } => {
                self.moved(leaf, document, update!("status = 'ordered', attempts = attempts + 1"))?
            }
            Operation::SettlePayment { document, .. } => self.moved(
                leaf,
                document,
                update!("status = 'settled', settled_ore = open_ore, open_ore = 0, reason = NULL"),
            )?,
            Operation::RejectPayment { document, reason, .. } => {
                self.refused(leaf, document, reason, update!("status = 'approved', reason = $5"))?
            }
            Operation::ReturnPayment { document, reason, .. } => self.refused(
                leaf,
                document,
                reason,
                update!("status = 'returned', reason = $5, open_ore = settled_ore, settled_ore = 0"),
            )?,
            Operation::ApproveCovered { coded, .. } => {
                self.moved(leaf, &coded.document.id, update!("status = 'approved'"))?
            }
            Operation::Recode { coded, .. } => {
                // Under a budget it is approved anew.
                self.moved(
                    leaf,
                    &coded.document.id,
                    update!(
                        "status = CASE WHEN status IN ('approved', 'returned') AND kind = 'invoice' AND EXISTS (
                           SELECT FROM hovedbok.budgets b
                           WHERE b.entity = buyer AND b.year = extract(year FROM posting_date)
                         ) THEN 'attested' ELSE status END"
                    ),
                )?
            }
            Operation::Cancel { coded, .. } => {
                self.moved(leaf, &coded.document.id, update!("status = 'cancelled', open_ore = 0"))?
            }
            Operation::AdoptBudget(BudgetPart { entity, year, version, last: true, .. }) => {
                let version = number(*version);
                self.database.execute(
                    "INSERT INTO hovedbok.budgets VALUES ($1, $2, $3, $4)",
                    &[&number(entity.number()), &i32::from(*year), &version, &signed(leaf)],
                )?;
                return Ok(None);
            }
            Operation::NetClaims { one, other, amount, .. } => {
                // Both documents take the step, and neither alone is what the entries are about.
                for id in [one, other] {
                    let row = self.netted(leaf, id, amount)?;
                    self.stepped(leaf, row, operation)?;
                }
                return Ok(None);
            }
            Operation::GrantKey(_)
            | Operation::RevokeKey { .. }
            | Operation::OpenBooks { .. }
            | Operation::Enter(_)
            | Operation::ReverseEntry { .. }
            | Operation::AdoptBudget(_)
            | Operation::ChangeValidators(_)
            | Operation::Recover(_)
            | Operation::ReportOffence(_) => return Ok(None),
        };
        self.stepped(leaf, row, operation)
    }

    fn stepped(&mut self, leaf: u64, row: i64, operation: &Operation) -> Result<Option<i64>, SinkError> {
        self.document(
            "INSERT INTO hovedbok.steps VALUES ($1, $2, $3) RETURNING document",
            &[&signed(leaf), &row, &name(operation)],
        )
    }

    fn netted(&mut self, leaf: u64, id: &DocumentId, amount: &Amount) -> Result<i64, SinkError> {
        let (seller, issued) = (number(id.seller.number()), id.issued.to_string());
        let sql = update!(
            "open_ore = open_ore - $5, status = CASE WHEN open_ore = $5 THEN 'netted' ELSE status END"
        );
        let found = self.document(sql, &[&signed(leaf), &seller, &id.number.as_str(), &issued, &amount.0])?;
        found.ok_or_else(|| SinkError::Unknown { leaf, what: format!("document {id}") })
    }

    fn moved(&mut self, leaf: u64, id: &DocumentId, sql: &'static str) -> Result<i64, SinkError> {
        let (seller, issued) = (number(id.seller.number()), id.issued.to_string());
        let found = self.document(sql, &[&signed(leaf), &seller, &id.number.as_str(), &issued])?;
        found.ok_or_else(|| SinkError::Unknown { leaf, what: format!("document {id}") })
    }

    fn refused(
        &mut self,
        leaf: u64,
        id: &DocumentId,
        reason: &ReasonCode,
        sql: &'static str,
    ) -> Result<i64, SinkError> {
        let (seller, issued) = (number(id.seller.number()), id.issued.to_string());
        let reason = reason.to_string();
        let found = self.document(sql, &[&signed(leaf), &seller, &id.number.as_str(), &issued, &reason])?;
        found.ok_or_else(|| SinkError::Unknown { leaf, what: format!("document {id}") })
    }

    /// What was cancelled is registered anew in its own row.
    ///
    /// A credit note lowers the invoice that it names, unless the bank has, or had, that in hand
    /// (rule L18); then it stands alone.
    fn registered(&mut self, leaf: u64, document: &Document) -> Result<i64, SinkError> {
        let invoice = match &document.kind {
            DocumentKind::CreditNote { corrects: Some(invoice) } => {
                let (seller, issued) = (number(invoice.seller.number()), invoice.issued.to_string());
                self.document(
                    "UPDATE hovedbok.documents SET last_leaf = $1, open_ore = open_ore - $5,
                       status = CASE WHEN open_ore = $5 THEN 'credited' ELSE status END
                     WHERE seller = $2 AND number = $3 AND issued = $4::text::date
                       AND status NOT IN ('ordered', 'settled') RETURNING document",
                    &[&signed(leaf), &seller, &invoice.number.as_str(), &issued, &document.payable.0],
                )?
            }
            DocumentKind::Invoice | DocumentKind::CreditNote { corrects: None } => None,
        };
        let kind = match document.kind {
            DocumentKind::Invoice => "invoice",
            DocumentKind::CreditNote { .. } => "credit_note",
        };
        let (status, open) =
            if invoice.is_some() { ("credited", 0) } else { ("registered", document.payable.0) };
        let id = &document.id;
        let inserted = self.document(
            "INSERT INTO hovedbok.documents (seller, number, issued, buyer, kind, corrects, status, posting_date,
               due, payable_ore, open_ore, settled_ore, leaf, last_leaf)
             VALUES ($1, $2, $3::text::date, $4, $5, $6, $7, $8::text::date, $9::text::date, $10, $11, 0, $12, $12)
             ON CONFLICT (seller, number, issued) DO UPDATE SET (buyer, kind, corrects, status, posting_date, due,
               payable_ore, open_ore, reason, leaf, last_leaf) = (excluded.buyer, excluded.kind, excluded.corrects,
               excluded.status, excluded.posting_date, excluded.due, excluded.payable_ore, excluded.open_ore, NULL,
               excluded.leaf, excluded.last_leaf)
             WHERE documents.status = 'cancelled'
             RETURNING document",
            &[
                &number(id.seller.number()),
                &id.number.as_str(),
                &id.issued.to_string(),
                &number(document.buyer.number()),
                &kind,
                &invoice,
                &status,
                &document.date.to_string(),
                &document.due.to_string(),
                &document.payable.0,
                &open,
                &signed(leaf),
            ],
        )?;
        inserted.ok_or_else(|| SinkError::Unknown { leaf, what: format!("document {id}") })
    }
}

/// Entries and postings on their way into the database, in its text format.
#[derive(Default)]
struct Journal {
    entries: String,
    postings: String,
    budget_lines: String,
    accounts: BTreeSet<Account>,
}

impl Journal {
    fn add(&mut self, entry: &JournalEntry, document: Option<i64>, leaf: u64) {
        let JournalEntry { entity, voucher, date, postings, reverses, .. } = entry;
        let key = format!("{entity}\t{}\t{}", voucher.year, voucher.number);
        let period = date.period().number();
        let document = or_null(document);
        let reverses = match reverses {
            Some(Voucher { year, number }) => format!("{year}\t{number}"),
            None => "\\N\t\\N".to_string(),
        };
        self.entries += &format!("{key}\t{date}\t{period}\t{document}\t{reverses}\t{leaf}\n");
        for (line, posting) in (1..).zip(postings) {
            let Posting { account, amount, cost_centre, project, vat, counterparty, .. } = posting;
            self.accounts.insert(*account);
            let (cost_centre, project) = (or_null(*cost_centre), or_null(*project));
            let counterparty = or_null(*counterparty);
            let vat = match vat {
                Some(vat) => {
                    let (whole, hundredths) = (vat.rate.0 / 100, vat.rate.0 % 100);
                    format!("{}\t{}\t{}\t{whole}.{hundredths:02}", vat.code, vat.regime, vat.base.0)
                }
                None => "\\N\t\\N\t\\N\t\\N".to_string(),
            };
            self.postings += &format!(
                "{key}\t{line}\t{period}\t{date}\t{account}\t{}\t{cost_centre}\t{project}\t{counterparty}\t{vat}\t{leaf}\n",
                amount.0
            );
        }
    }

    fn adopt(&mut self, part: &BudgetPart, leaf: u64) {
        let BudgetPart { entity, year, version, lines, .. } = part;
        for (place, line) in (1..).zip(lines) {
            let EntryLine { account, amount, cost_centre, project } = line;
            self.accounts.insert(*account);
            let (cost_centre, project) = (or_null(*cost_centre), or_null(*project));
            self.budget_lines += &format!(
                "{leaf}\t{place}\t{entity}\t{year}\t{version}\t{account}\t{}\t{cost_centre}\t{project}\n",
                amount.0
            );
        }
    }

    fn write(self, steps: Steps<'_, '_>) -> Result<(), SinkError> {
        let Steps { database, .. } = steps;
        let insert = database.prepare(
            "INSERT INTO hovedbok.accounts VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )?;
        for account in &self.accounts {
            let (function, code) = (Some(i32::from(account.function)), Some(i32::from(account.code)));
            let sector = Some(i32::from(account.sector));
            let (class, [function, art, chapter, sector, plain]) = match account.class {
                Class::Investment => ("investment", [function, code, None, None, None]),
                Class::Operating => ("operating", [function, code, None, None, None]),
                Class::Balance => ("balance", [None, None, code, sector, None]),
                Class::State => ("state", [None, None, None, None, code]),
                Class::Private => ("private", [None, None, None, None, code]),
            };
            let carries_over = account.carries_over();
            let name = account.to_string();
            database.execute(
                &insert,
                &[&name, &class, &function, &art, &chapter, &sector, &plain, &carries_over],
            )?;
        }
        put(database, "COPY hovedbok.entries FROM STDIN", self.entries.as_bytes())?;
        put(database, "COPY hovedbok.postings FROM STDIN", self.postings.as_bytes())?;
        put(database, "COPY hovedbok.budget_lines FROM STDIN", self.budget_lines.as_bytes())
    }
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "\\N".to_string(), |value| value.to_string())
}

/// Organisation numbers and periods have nine digits at most.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
