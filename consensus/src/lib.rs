//! How validators agree: Simplex as a pure state machine.
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![deny(clippy::float_arithmetic)]

extern crate alloc;

pub mod event;
pub mod machine;
