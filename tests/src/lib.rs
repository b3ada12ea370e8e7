//! The weather: whole validators on one thread under one seed, and strangers' bytes.
//!
//! [`world`] joins what the node joins (consensus, ledger, pool, cosigning, catching up) and plays
//! network, disk, clock and clients itself; [`checker`] knows what must hold without asking the code
//! under test; [`hostile`] hands everything that reads a stranger's bytes bytes of a stranger. It
//! leaves out real sockets, disks and processes, which `tests/processes.rs` starts.
//!
//! Invariant: a seed decides everything that happens in a world, so that a seed replays a failure.
#![allow(clippy::unwrap_used)]

pub mod bank;
pub mod chain;
pub mod checker;
pub mod cluster;
pub mod disk;
pub mod hostile;
pub mod netns;
pub mod opening;
pub mod ordeal;
pub mod payments;
pub mod postgres;
pub mod random;
pub mod relay;
pub mod traffic;
pub mod weather;
pub mod world;
