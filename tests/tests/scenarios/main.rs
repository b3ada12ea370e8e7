//! Other systems' real bugs, replayed against our code under their names. `specs/scenarios.md` tells
//! what each replays, what must hold here, and where its test stands.
//!
//! It leaves out whole worlds in bad weather and real processes, which play their own scenarios.
#![allow(clippy::unwrap_used)]

mod certificates;
mod divergence;
mod halt;
mod limits;
mod proofs;
mod restart;
mod signatures;
mod stage;
mod sync;
