//! What is true: transactions, the entries the ledger books from them, the rules that decide, the
//! log of everything booked, and the proofs that let anyone check it offline.
//!
//! The crate is pure: no clock, disk, network, randomness or hash-ordered map is within reach, so
//! the same inputs give the same bytes on every machine. Time and peers' bytes come in as
//! arguments. It leaves out how validators agree (`consensus`) and every side effect (`node`).
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![deny(clippy::float_arithmetic)]

extern crate alloc;

pub mod account;
pub mod amount;
pub mod block;
pub mod booking;
pub mod books;
pub mod certificate;
pub mod checkpoint;
pub mod codec;
pub mod codes;
pub mod digest;
pub mod entity;
pub mod entry;
pub mod finality;
pub mod fork;
pub mod genesis;
pub mod governance;
pub mod halt;
pub mod handoff;
pub mod note;
pub mod offence;
pub mod postings;
pub mod receipt;
pub mod records;
pub mod refusal;
pub mod registers;
pub mod report;
pub mod rules;
pub mod signature;
pub mod state_proof;
pub mod tiles;
pub mod time;
pub mod transaction;
pub mod tree;
