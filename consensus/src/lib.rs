//! How validators agree: Simplex as a pure state machine.
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![deny(clippy::float_arithmetic)]

extern crate alloc;

mod blocks;
mod chain;
pub mod event;
pub mod leader;
pub mod machine;
mod pace;
mod timer;
mod view;
mod votes;

pub use machine::{Config, Consensus, Restored, Start, Stats};
