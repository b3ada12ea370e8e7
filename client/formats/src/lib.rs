//! The formats of the trade: EHF invoices, payment requests, bank statements, giro files, status reports,
//! SAF-T and budgets in; payment orders, SAF-T, KOSTRA records, VAT returns and claims, CSV out.
//!
//! Bytes come in and values go out; the crate opens no file and no connection, reads no clock, and
//! decides nothing that the ledger decides. Whatever a stranger sends is either understood in full
//! or refused with a rule's id, the values found and a remedy.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod bank;
pub mod books;
pub mod camt;
pub mod coding;
pub mod csv;
mod decimal;
pub mod ehf;
pub mod kostra;
pub mod mva;
pub mod ocr;
pub mod pain001;
pub mod pain002;
pub mod payment_request;
pub mod saft;
pub mod status;
pub mod xml;
