//! The machine that runs a validator: network, disk, RPC, keys.
//!
//! `validator` and `pool` are as pure as the crates they join; `run` is the only place where an
//! action touches the world; the other modules are the world's ends: `store` (disk), `network`
//! (peers), `rpc` (clients), `keys` and `config` (the operator).

pub mod amnesia;
pub mod config;
pub mod cosigning;
pub mod halt;
pub mod handle;
pub mod handoffs;
pub mod intake;
pub mod join;
pub mod keeper;
pub mod keyring;
pub mod keys;
pub mod lease;
pub mod links;
pub mod localnet;
pub mod members;
pub mod network;
pub mod plan;
pub mod pool;
pub mod recover;
pub mod recovery;
pub mod replay;
pub mod report;
pub mod rpc;
pub mod run;
pub mod service;
pub mod signer;
pub mod snapshot;
pub mod store;
pub mod validator;
pub mod watermark;
