//! Who pays and who checks: everything a payment system or an auditor needs to talk to a node that
//! it does not trust.
//!
//! [`client::Client`] pins a genesis file and a node's address. What it returns, it has verified:
//! receipts, records under a certified checkpoint, all accounts of a period, all postings of an
//! account, every voucher of a year. It leaves out the node's own word: no readable field of an
//! answer is used, only canonical bytes with their proofs. Documents and bank messages are read by
//! `formats`; the rules are the ledger's.
//!
//! Invariant: nothing in an answer is believed because a node said so.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod archive;
pub mod bank;
pub mod books;
pub mod budget;
pub mod client;
pub mod exports;
pub mod governance;
pub mod hand;
pub mod handoffs;
pub mod http;
pub mod invoice;
pub mod key;
pub mod leaves;
pub mod migrate;
pub mod name;
pub mod payment_id;
pub mod report;
pub mod reports;
pub mod seen;
pub mod sink;
pub mod submit;
pub mod terms;
