//! Submitting, until there is a receipt; and receipts of what was submitted before.
//!
//! The same transaction is answered with its first result, so a broken line, a busy node and an
//! answer without a receipt are met in one way: it is submitted again. It leaves out what a
//! transaction says and who signs it.
//!
//! Invariant: a [`Confirmed`] holds the receipt of the very transaction that was submitted or asked
//! for, and it was verified.

use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::codec;
use ledger::digest::Digest;
use ledger::receipt::{Posted, Receipt};
use ledger::records::DocumentRecord;
use ledger::transaction::{DocumentId, Operation, SignedTransaction, Transaction, TransactionId};
use serde::Deserialize;

use crate::client::{Age, Client, ClientError, now};
use crate::http::{HttpError, Problem};
use crate::name::{self, Step};
use crate::payment_id::{last_order, payment_id};

/// A node takes so many at once.
pub const BATCH_MAX: usize = 1000;
/// A node takes so many bytes at once; base64 and JSON around the transactions are counted.
const BATCH_BYTES_MAX: usize = (1 << 20) - 1024;
/// A network that does not post in this time has no quorum, or more work than it can do.
const POSTED_TIME_MAX: Duration = Duration::from_secs(60);
/// A line that breaks so often in a row is down.
const BREAKS_MAX: u32 = 3;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// A transaction that is posted, with its receipt.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The receipt, as a `.kvittering` file holds it.
    pub receipt: String,
    /// What it proves.
    pub posted: Posted,
    /// The transaction.
    pub transaction: TransactionId,
}

#[derive(Deserialize)]
struct Results {
    transactions: Vec<Submitted>,
}

#[derive(Deserialize)]
struct Submitted {
    status: String,
    #[serde(default)]
    receipt: Option<String>,
    #[serde(default)]
    problem: Option<Problem>,
}

/// The identity of a transaction on a chain.
pub fn transaction_id(transaction: &Transaction, chain: &Digest) -> TransactionId {
    TransactionId(Digest::of(&[&transaction.signed_bytes(chain)]))
}

impl Client {
    /// Submits a transaction and waits for its receipt.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit(&self, signed: &SignedTransaction) -> Result<Confirmed, ClientError> {
        let id = transaction_id(&signed.transaction, &self.chain());
        let mut results = self.submit_all(std::slice::from_ref(signed));
        results
            .pop()
            .unwrap_or_else(|| Err(ClientError::NotPosted { id, status: "unknown".to_string(), waited_s: 0 }))
    }

    /// Submits any number of transactions and waits for their receipts; the results come in the order
    /// given. Those that depend on each other belong in separate calls.
    pub fn submit_all(&self, signed: &[SignedTransaction]) -> Vec<Result<Confirmed, ClientError>> {
        let mut results = Vec::with_capacity(signed.len());
        let mut rest: Vec<(TransactionId, String)> = signed
            .iter()
            .map(|signed| {
                let id = transaction_id(&signed.transaction, &self.chain());
                (id, STANDARD.encode(codec::encode(signed)))
            })
            .collect();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(BATCH_MAX).take_while(|(_, text)| {
                bytes += text.len() + 3;
                bytes <= BATCH_BYTES_MAX
            });
            let later = rest.split_off(fits.count().max(1));
            results.extend(self.submit_batch(&rest));
            rest = later;
        }
        results
    }

    fn submit_batch(&self, batch: &[(TransactionId, String)]) -> Vec<Result<Confirmed, ClientError>> {
        let began = Instant::now();
        let mut results: Vec<Option<Result<Confirmed, ClientError>>> = batch.iter().map(|_| None).collect();
        let mut said = vec!["no answer".to_string(); batch.len()];
        let mut breaks = 0;
        loop {
            let open: Vec<usize> = (0..batch.len()).filter(|place| results[*place].is_none()).collect();
            match self.post(batch, &open) {
                Ok(answers) => {
                    breaks = 0;
                    for (place, answer) in open.into_iter().zip(answers) {
                        results[place] = self.conclude(&batch[place].0, answer, &mut said[place]);
                    }
                }
                // A line that breaks may have carried the transactions over all the same.
                Err(ClientError::Http(HttpError::Unreachable { .. })) if breaks + 1 < BREAKS_MAX => {
                    breaks += 1
                }
                Err(ClientError::Http(HttpError::Refused(problem))) if problem.is_busy() => {
                    open.iter().for_each(|place| said[*place] = problem.detail.clone());
                    if began.elapsed() >= POSTED_TIME_MAX {
                        return fail(
                            results,
                            ClientError::Http(HttpError::Refused(problem)),
                            batch,
                            &said,
                            began,
                        );
                    }
                }
                Err(error) => return fail(results, error, batch, &said, began),
            }
            if results.iter().all(Option::is_some) || began.elapsed() >= POSTED_TIME_MAX {
                let waited_s = began.elapsed().as_secs();
                let unposted = |place: usize| ClientError::NotPosted {
                    id: batch[place].0,
                    status: said[place].clone(),
                    waited_s,
                };
                let filled = results.into_iter().enumerate();
                return filled
                    .map(|(place, result)| result.unwrap_or_else(|| Err(unposted(place))))
                    .collect();
            }
            sleep(PAUSE);
        }
    }

    fn post(&self, batch: &[(TransactionId, String)], open: &[usize]) -> Result<Vec<Submitted>, ClientError> {
        let texts: Vec<&String> = open.iter().map(|place| &batch[*place].1).collect();
        let path = "/v1/transactions?wait=receipt";
        let Results { transactions } =
            self.line().post_json(path, &serde_json::json!({ "transactions": texts }))?;
        if transactions.len() != open.len() {
            let reason = format!("{} results for {} transactions", transactions.len(), open.len());
            return Err(self.line().malformed(path, reason).into());
        }
        Ok(transactions)
    }

    /// The result, or `None` while it is worth submitting again.
    fn conclude(
        &self,
        id: &TransactionId,
        answer: Submitted,
        said: &mut String,
    ) -> Option<Result<Confirmed, ClientError>> {
        let Submitted { status, receipt, problem } = answer;
        if let Some(text) = receipt {
            return Some(self.confirm(text, id));
        }
        *said = status.chars().take(20).collect();
        match problem {
            Some(problem) if problem.is_busy() => {
                *said = problem.detail;
                None
            }
            Some(problem) => Some(Err(HttpError::Refused(problem).into())),
            None => None,
        }
    }

    /// Verifies a receipt and that it is the one of this transaction.
    fn confirm(&self, receipt: String, id: &TransactionId) -> Result<Confirmed, ClientError> {
        let read = Receipt::parse(&receipt)?;
        let posted = read.verify(&self.trust(), Some(now()))?;
        let proven = posted.transaction();
        if proven != Some(*id) {
            let proven =
                proven.map_or_else(|| "a leaf without one".to_string(), |id| format!("transaction {id}"));
            return Err(ClientError::OtherRecord { asked: format!("transaction {id}"), proven });
        }
        self.learn(read.handoffs())?;
        self.see(posted.checkpoint(), &read.checkpoint().to_text(), Age::Any)?;
        Ok(Confirmed { receipt, posted, transaction: *id })
    }

    /// The receipt of a transaction, at the node's newest checkpoint.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receipt(&self, id: &TransactionId) -> Result<Confirmed, ClientError> {
        let text = self.line().get_text(&format!("/v1/transactions/{id}/receipt"))?;
        self.confirm(text, id)
    }

    /// The receipt of the last step of this kind that a document took. Registration, settlement and
    /// return are found by their vouchers; the others by the payment id that this program gives them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receipt_of(&self, id: &DocumentId, step: Step) -> Result<Confirmed, ClientError> {
        let proven = self.document(id)?;
        let record = proven.record();
        let transaction = match step {
            Step::Register => self.registration(record)?,
            Step::Recode | Step::Cancel => {
                self.at_voucher(record, record.buyer_voucher, record.seller_voucher)?
            }
            Step::Settle | Step::Return => {
                self.at_voucher(record, record.buyer_payment_voucher, record.seller_payment_voucher)?
            }
            Step::Attest | Step::Approve | Step::Order | Step::Reject => self.by_payment_id(record, step)?,
        };
        let missing = || ClientError::NotFound { what: format!("{} {step}", name::of_document(id)) };
        let confirmed = self.receipt(&transaction.ok_or_else(missing)?)?;
        let operation = confirmed.posted.booked().map(|booked| &booked.signed.transaction.operation);
        if operation.and_then(Step::of) == Some((id, step)) { Ok(confirmed) } else { Err(missing()) }
    }

    /// Corrections take the voucher's place in the record, and name what was registered.
    fn registration(&self, record: &DocumentRecord) -> Result<Option<TransactionId>, ClientError> {
        let sellers = record.seller_voucher;
        let (entity, voucher) = match (sellers, record.buyer_voucher) {
            (Some(voucher), _) => (record.id.seller, voucher),
            (None, Some(voucher)) => (record.buyer, voucher),
            (None, None) => return Ok(None),
        };
        let line = self.voucher(entity, voucher)?;
        match line.operation {
            Operation::Recode { coded, .. } | Operation::Cancel { coded, .. } => {
                let id = payment_id(record.buyer, &Operation::RegisterDocument(coded.document), 0, "");
                Ok(Some(self.payment(&id)?.record().transaction))
            }
            _ => Ok(Some(line.transaction)),
        }
    }

    fn at_voucher(
        &self,
        record: &DocumentRecord,
        buyers: Option<ledger::entry::Voucher>,
        sellers: Option<ledger::entry::Voucher>,
    ) -> Result<Option<TransactionId>, ClientError> {
        let (entity, voucher) = match (buyers, sellers) {
            (Some(voucher), _) => (record.buyer, voucher),
            (None, Some(voucher)) => (record.id.seller, voucher),
            (None, None) => return Ok(None),
        };
        Ok(Some(self.voucher(entity, voucher)?.transaction))
    }

    fn by_payment_id(
        &self,
        record: &DocumentRecord,
        step: Step,
    ) -> Result<Option<TransactionId>, ClientError> {
        let document = record.id.clone();
        let ids = match (step, record.bank, record.reason) {
            (Step::Attest, ..) => vec![payment_id(record.buyer, &Operation::Attest { document }, 0, "")],
            (Step::Approve, ..) => {
                let covered = Operation::ApproveCovered { coded: self.coded(record)?, duty: None };
                let ways = [Operation::Approve { document }, covered];
                ways.map(|way| payment_id(record.buyer, &way, 0, "")).into()
            }
            (Step::Order, ..) => {
                // What was open then: all of it, unless a credit note came later or a part was settled.
                let amounts = [record.open, record.settled, record.payable].into_iter();
                let order = |amount| Operation::OrderPayment { document: document.clone(), amount };
                amounts
                    .map(|amount| payment_id(record.buyer, &order(amount), last_order(record), ""))
                    .collect()
            }
            (Step::Reject, Some(bank), Some(reason)) => {
                let operation = Operation::RejectPayment { document, reason, bank };
                vec![payment_id(record.buyer, &operation, 0, "")]
            }
            _ => Vec::new(),
        };
        for id in ids {
            match self.payment(&id) {
                Ok(proven) => return Ok(Some(proven.record().transaction)),
                Err(ClientError::Http(HttpError::Refused(problem))) if problem.status == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Every transaction without a result fails for one reason.
fn fail(
    results: Vec<Option<Result<Confirmed, ClientError>>>,
    error: ClientError,
    batch: &[(TransactionId, String)],
    said: &[String],
    began: Instant,
) -> Vec<Result<Confirmed, ClientError>> {
    let mut reason = Some(error);
    let waited_s = began.elapsed().as_secs();
    let filled = results.into_iter().enumerate().map(|(place, result)| {
        result.unwrap_or_else(|| {
            // The first carries the reason; it cannot be told twice.
            Err(reason.take().unwrap_or_else(|| ClientError::NotPosted {
                id: batch[place].0,
                status: said[place].clone(),
                waited_s,
            }))
        })
    });
    filled.collect()
}
