//! Books of an entity, complete or not at all: the accounts of a period, the postings of an account,
//! the journal of a year.
//!
//! Completeness rests on counts that validators agree on: the period's record counts accounts and
//! postings and sums them, an account's record counts its postings and chains them, the year's record
//! counts vouchers. Whoever leaves one out, adds or alters one contradicts a proven count, sum or
//! hash. That a period or year has nothing in it cannot be shown so: there, the node's word is told
//! as such, an error.
//!
//! Invariant: a [`TrialBalance`], an [`AccountPostings`] and a [`Journal`] exist only complete.

use std::collections::{BTreeMap, BTreeSet};

use ledger::account::Account;
use ledger::amount::Total;
use ledger::block::{LEAF_BYTES_MAX, Leaf, LeafIndex, Seal};
use ledger::checkpoint::TrustedCheckpoint;
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::{JournalEntry, Voucher};
use ledger::postings::{ChainedPosting, verify_postings};
use ledger::records::{AccountRecord, PeriodRecord, SeriesRecord};
use ledger::state_proof::{ProvenRecord, StateProofs};
use ledger::time::Period;
use ledger::transaction::{Operation, TransactionId};
use ledger::tree::{leaf_hash, verify_inclusion};
use serde::Deserialize;

use crate::client::{Age, Client, ClientError, Proven, read, same_key};

/// A chained posting is some hundred bytes.
const POSTING_BYTES_MAX: usize = 1024;
/// Entries asked for at once.
const ENTRIES_MAX: u64 = 1000;

/// All accounts of an entity that have postings in a period.
#[derive(Clone, Debug)]
pub struct TrialBalance {
    /// The period's record, which counts and sums them.
    pub period: PeriodRecord,
    /// The accounts, in their order.
    pub accounts: Vec<AccountRecord>,
    /// The seal that everything is proven under.
    pub seal: Seal,
    /// Its checkpoint.
    pub checkpoint: TrustedCheckpoint,
}

/// All postings of an account in a period.
#[derive(Clone, Debug)]
pub struct AccountPostings {
    /// The account's record, which counts, chains and sums them.
    pub account: Proven<AccountRecord>,
    /// The postings, in order of booking.
    pub postings: Vec<ChainedPosting>,
}

/// An entry of a journal, and where it comes from.
#[derive(Clone, Debug)]
pub struct JournalLine {
    /// The entry.
    pub entry: JournalEntry,
    /// Leaf of the log that holds it.
    pub leaf: LeafIndex,
    /// The transaction that it was booked from.
    pub transaction: TransactionId,
    /// What that transaction does.
    pub operation: Operation,
}

/// All entries of an entity and year.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The year's record, which counts them.
    pub series: Proven<SeriesRecord>,
    /// The entries, in order of voucher number, without a gap.
    pub lines: Vec<JournalLine>,
}

#[derive(Deserialize)]
struct RecordsAnswer {
    proofs: Vec<String>,
}

#[derive(Deserialize)]
struct PostingsAnswer {
    postings: Vec<PostingAnswer>,
    proof: String,
}

#[derive(Deserialize)]
struct PostingAnswer {
    bytes: String,
}

#[derive(Deserialize)]
struct JournalAnswer {
    leaves: Vec<LeafAnswer>,
    proof: String,
    checkpoint: String,
}

#[derive(Deserialize)]
struct LeafAnswer {
    index: u64,
    bytes: String,
    path: Vec<String>,
}

impl Client {
    /// The accounts of an entity in a period, each proven, and proven to be all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn accounts(&self, entity: OrgNumber, period: Period) -> Result<TrialBalance, ClientError> {
        let path = format!("/v1/entities/{entity}/accounts?period={period}");
        let (records, seal, checkpoint) = self.records(&path)?;
        let mut records = records.into_iter();
        let Some(period_proof) = records.next() else {
            return Err(self.line().malformed(&path, "no record of the period").into());
        };
        let found: PeriodRecord = read(&period_proof)?;
        same_key(&found, &(entity, period), &format!("period {period} of {entity}"))?;
        let mut accounts = BTreeMap::new();
        for proven in records {
            let record: AccountRecord = read(&proven)?;
            if (record.entity, record.period) != (entity, period) {
                return Err(ClientError::OtherRecord {
                    asked: format!("accounts of {entity} in {period}"),
                    proven: format!("account {} of {} in {}", record.account, record.entity, record.period),
                });
            }
            accounts.insert(record.account, record);
        }
        let accounts: Vec<AccountRecord> = accounts.into_values().collect();
        check_period(&found, &accounts)?;
        Ok(TrialBalance { period: found, accounts, seal, checkpoint })
    }

    /// Records of an answer that has many, all proven under one checkpoint.
    pub(crate) fn records(
        &self,
        path: &str,
    ) -> Result<(Vec<ProvenRecord>, Seal, TrustedCheckpoint), ClientError> {
        let RecordsAnswer { proofs } = self.line().get_json(path)?;
        let mut first: Option<(String, TrustedCheckpoint, Seal)> = None;
        let mut records = Vec::new();
        for proof in &proofs {
            let StateProofs { checkpoint: note, seal, records: paths } =
                StateProofs::decode(&self.bytes(path, proof)?)?;
            let checkpoint = match &first {
                None => self.believe(&note)?,
                Some((one, checkpoint, _)) if *one == note => checkpoint.clone(),
                Some(_) => {
                    return Err(ClientError::OtherRecord {
                        asked: "records under one checkpoint".to_string(),
                        proven: "records under several".to_string(),
                    });
                }
            };
            let seal = seal.verify(&checkpoint)?;
            for record in &paths {
                records.push(seal.record(record)?);
            }
            if first.is_none() {
                self.see(&checkpoint, &note, Age::Current)?;
                first = Some((note, checkpoint, seal.seal().clone()));
            }
        }
        let (_, checkpoint, seal) = first.ok_or_else(|| self.line().malformed(path, "no proof"))?;
        Ok((records, seal, checkpoint))
    }

    /// The postings of an account in a period, proven to be all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn postings(
        &self,
        entity: OrgNumber,
        account: Account,
        period: Period,
    ) -> Result<AccountPostings, ClientError> {
        let page = format!("/v1/entities/{entity}/accounts/{account}/postings?period={period}");
        let PostingsAnswer { postings, proof } = self.line().get_json(&page)?;
        let proven: Proven<AccountRecord> = self.state_proof(&page, &proof)?;
        let asked = format!("account {account} of {entity} in {period}");
        same_key(proven.record(), &(entity, account, period), &asked)?;
        let count = proven.record().count;
        let mut all = Vec::new();
        let mut shown = postings;
        loop {
            if shown.is_empty() {
                break;
            }
            for PostingAnswer { bytes } in shown {
                // What was booked after the first page was proven belongs to a later answer.
                if all.len() as u64 == count {
                    break;
                }
                let decoded = codec::decode(&self.bytes(&page, &bytes)?, POSTING_BYTES_MAX);
                all.push(decoded.map_err(|source| ClientError::NotUnderstood { what: "a posting", source })?);
            }
            let from = all.len() as u64;
            if from >= count {
                break;
            }
            let PostingsAnswer { postings, .. } = self.line().get_json(&format!("{page}&from={from}"))?;
            shown = postings;
        }
        check_postings(proven.record(), &all)?;
        Ok(AccountPostings { account: proven, postings: all })
    }

    /// The journal of an entity and year, proven to be whole.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn journal(&self, entity: OrgNumber, year: u16) -> Result<Journal, ClientError> {
        let mut lines = Vec::new();
        let series = self.journal_each(entity, year, &mut |line| {
            lines.push(line);
            Ok::<(), ClientError>(())
        })?;
        Ok(Journal { series, lines })
    }

    /// The same, an entry at a time and in order of voucher number. That it is whole is known when this
    /// returns, and not before.
    ///
    /// # Errors
    /// [`ClientError`], or what `each` answers.
    pub fn journal_each<E: From<ClientError>>(
        &self,
        entity: OrgNumber,
        year: u16,
        each: &mut dyn FnMut(JournalLine) -> Result<(), E>,
    ) -> Result<Proven<SeriesRecord>, E> {
        let (series, mut page) = self.journal_page(entity, year, 1, ENTRIES_MAX)?;
        let (next, mut from) = (series.record().next, 1);
        loop {
            let before = from;
            // What was booked after the first page was proven belongs to a later answer.
            for line in page.into_iter().filter(|line| line.entry.voucher.number < next) {
                from = line.entry.voucher.number.saturating_add(1);
                each(line)?;
            }
            if from >= next {
                return Ok(series);
            }
            if from == before {
                let what = format!("vouchers of {entity} in {year}");
                return Err(incomplete(what, from - 1, next.saturating_sub(1)).into());
            }
            (_, page) = self.journal_page(entity, year, from, ENTRIES_MAX)?;
        }
    }

    /// One voucher, proven to be booked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn voucher(&self, entity: OrgNumber, voucher: Voucher) -> Result<JournalLine, ClientError> {
        let (_, lines) = self.journal_page(entity, voucher.year, voucher.number, 1)?;
        lines
            .into_iter()
            .next()
            .ok_or_else(|| ClientError::NotFound { what: format!("voucher {voucher} of {entity}") })
    }

    /// Entries from a voucher number on, at least one, without a gap, each proven to be in the log.
    fn journal_page(
        &self,
        entity: OrgNumber,
        year: u16,
        from: u64,
        limit: u64,
    ) -> Result<(Proven<SeriesRecord>, Vec<JournalLine>), ClientError> {
        let path = format!("/v1/entities/{entity}/journal?year={year}&from={from}&limit={limit}");
        let JournalAnswer { leaves, proof, checkpoint: note } = self.line().get_json(&path)?;
        let series: Proven<SeriesRecord> = self.state_proof(&path, &proof)?;
        same_key(series.record(), &(entity, year), &format!("vouchers of {entity} in {year}"))?;
        let checkpoint = self.believe(&note)?;
        self.see(&checkpoint, &note, Age::Any)?;
        let mut found = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for leaf in leaves {
            if !seen.insert(leaf.index) {
                continue;
            }
            for line in self.journal_leaf(&path, &leaf, &checkpoint, entity, year)? {
                found.insert(line.entry.voucher.number, line);
            }
        }
        let mut lines = Vec::new();
        while let Some(line) = found.remove(&(from.saturating_add(lines.len() as u64))) {
            lines.push(line);
        }
        if lines.is_empty() && from < series.record().next {
            let what = format!("voucher {} of {entity}", Voucher { year, number: from });
            return Err(incomplete(what, "none", "one"));
        }
        Ok((series, lines))
    }

    fn journal_leaf(
        &self,
        path: &str,
        leaf: &LeafAnswer,
        checkpoint: &TrustedCheckpoint,
        entity: OrgNumber,
        year: u16,
    ) -> Result<Vec<JournalLine>, ClientError> {
        let bytes = self.bytes(path, &leaf.bytes)?;
        let hashes = self.path(path, &leaf.path)?;
        verify_inclusion(&leaf_hash(&bytes), leaf.index, checkpoint.size(), &hashes, checkpoint.root())
            .map_err(|source| ClientError::Leaf {
                voucher: format!("at leaf {} of {entity} in {year}", leaf.index),
                source,
            })?;
        let decoded = codec::decode(&bytes, LEAF_BYTES_MAX);
        let decoded = decoded.map_err(|source| ClientError::NotUnderstood { what: "a leaf", source })?;
        let Leaf::Transaction(booked) = decoded else { return Ok(Vec::new()) };
        let transaction = &booked.signed.transaction;
        let id = TransactionId(Digest::of(&[&transaction.signed_bytes(&self.chain())]));
        let operation = transaction.operation.clone();
        let own =
            booked.entries.into_iter().filter(|entry| entry.entity == entity && entry.voucher.year == year);
        Ok(own
            .map(|entry| JournalLine {
                entry,
                leaf: LeafIndex(leaf.index),
                transaction: id,
                operation: operation.clone(),
            })
            .collect())
    }
}

pub(crate) fn incomplete(what: String, shown: impl ToString, proven: impl ToString) -> ClientError {
    ClientError::Incomplete { what, shown: shown.to_string(), proven: proven.to_string() }
}

fn same<T: PartialEq + ToString>(
    what: &str,
    of: &PeriodRecord,
    shown: T,
    proven: T,
) -> Result<(), ClientError> {
    if shown == proven {
        return Ok(());
    }
    Err(incomplete(format!("{what} of {} in {}", of.entity, of.period), shown, proven))
}

/// Whether these are all accounts of the period, to the øre.
fn check_period(period: &PeriodRecord, accounts: &[AccountRecord]) -> Result<(), ClientError> {
    let sum =
        |figure: fn(&AccountRecord) -> Total| Total(accounts.iter().map(|account| figure(account).0).sum());
    same("accounts", period, accounts.len() as u64, period.accounts)?;
    same("postings", period, accounts.iter().map(|account| account.count).sum(), period.postings)?;
    same("debit", period, sum(|account| account.debit), period.debit)?;
    same("credit", period, sum(|account| account.credit), period.credit)?;
    same("debit against credit", period, period.debit, period.credit)
}

/// Whether these are all postings of the account, to the øre.
fn check_postings(record: &AccountRecord, postings: &[ChainedPosting]) -> Result<(), ClientError> {
    let account = || format!("{} of {} in {}", record.account, record.entity, record.period);
    let sums = verify_postings(&record.chain, record.count, postings)
        .map_err(|source| ClientError::Postings { account: account(), source })?;
    if let Some(other) = postings.iter().find(|posting| posting.posting.account != record.account) {
        let proven = format!("a posting to {}", other.posting.account);
        return Err(ClientError::OtherRecord { asked: format!("account {}", account()), proven });
    }
    if sums != (record.debit, record.credit) {
        let shown = format!("debit {}, credit {}", sums.0, sums.1);
        let proven = format!("debit {}, credit {}", record.debit, record.credit);
        return Err(incomplete(format!("account {}", account()), shown, proven));
    }
    Ok(())
}
