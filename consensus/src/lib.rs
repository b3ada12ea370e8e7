//! How validators agree on the next block: Simplex, as a pure state machine.
//!
//! [`Consensus::handle`] takes what happened and returns what must be done. It reads headers and
//! certificates, never bodies, keys, disks or clocks; the shell around it (`node`) owes it what
//! [`machine`] says. Left out: how blocks are executed (`ledger`), how bytes travel (`node`), and
//! the change of validator sets: a core serves one epoch.
//!
//! Invariants, as long as at most f = ⌊(n−1)/3⌋ of n validators are faulty: no two finalized blocks
//! exclude each other; and while q = n − f correct validators can talk, finality advances. If more
//! are faulty, two histories that exclude each other name at least f + 1 of them. The arguments and
//! the numbered invariants stand in `specs/consensus.md`.
//!
//! # One view
//!
//! Three votes: *notarize* a block, *nullify* a view, *finalize* a block. A quorum of q equal votes
//! is a certificate: notarization, nullification, finalization. There are no locks and no view
//! change: what a validator must remember is which of three votes it cast in which view.
//!
//! | Rule | In view v |
//! |---|---|
//! | C1 | **Enter** w+1 on holding any certificate of a view w ≥ v, however far ahead. Nothing else moves a view, and no view goes back. |
//! | C2 | **Lead**: the leader of v, by a rotation fixed for the epoch, builds once, on the highest certified block since which every view is nullified. It casts notarize for its block, and proposes when that vote is durable. The proposal carries the parent's certificate and the nullifications since. |
//! | C3 | **Notarize** the first proposal of v, once: its header holds together, it follows its parent (height, time), the parent is certified and every view since nullified, execution agrees, its time is no further ahead than the drift. Never after nullifying v. A time too far ahead is waited for. |
//! | C4 | **Own votes** are remembered when cast and durable before they leave; they count when they come back from the shell. A vote of ours that we do not remember binds us all the same. |
//! | C5 | **Nullify** v, once, and never after finalizing in v: on a timer (C11), an invalid proposal, the leader's own nullify, or an inactive leader (C15). |
//! | C6 | **Certificates** come from q votes or from a peer. The first vote of a kind counts for its signer. A notarization and a nullification of v may both exist. Whoever forms a certificate sends it on. |
//! | C7 | **Finalize** a notarized block that execution agrees with, once, also after leaving v, unless we nullified v, notarized another block in v, or v is nullified. |
//! | C8 | **Finality**: a finalized block is handed out, after its ancestors, when each has its notarization and the nullifications of the gap before it, and is executed. |
//! | C9 | **Halt** on certificates that exclude each other and on a certified block that our books refuse; show the proof to everybody. |
//! | C10 | **Evidence**: two notarize, two finalize, finalize and nullify, or notarize and finalize of different blocks, by one signer in one view. |
//!
//! | Rule | Around the views |
//! |---|---|
//! | C11 | **Timers**: t_l = block interval + 2Δ for a proposal, t_c = t_l + Δ for a certificate; Δ grows by half with each view without finality after the third, up to a cap. A leader who cannot build gives up at t_l / 2. |
//! | C12 | **Rest**: timers run only while work waits, a certified block is not final, the heartbeat is due, somebody acted in this view or the next, or asked for our status. |
//! | C13 | **Retry**: when nothing moves, own votes, status (entry certificate, newest finalization) and our proposal are sent again, less and less often. Who hears that a peer is behind sends its own status. |
//! | C14 | **Repair**: missing certificates are asked of everybody by view, missing blocks fetched by hash, long stretches by height; asked again until they come, never of one peer alone. |
//! | C15 | **Leader skip**: a leader waited for in vain and not heard since, silent for many views in which a quorum was heard, or to whom the link is down, is not waited for. |
//! | C16 | **Bounds**: single votes are kept for a window of views and up to the next one, certificates for the window below the last final view and everything above. |
//! | C17 | **Restart**: views and own votes as logged; open own votes are cast again, a logged proposal is proposed again and never built anew. |
//!
//! # Deviations from the paper
//!
//! - *Finalize names the block*, not the view alone, so that every contradiction can be shown by a
//!   pair of votes (C10). Safety is the paper's: a finalize vote still excludes nullify.
//! - *Proposals justify themselves* (C2, C3). In the paper a voter waits until it holds the parent's
//!   notarization and the nullifications itself; two sides that hold different certificates of one
//!   view then refuse each other until somebody resends. What a voter checks is the same.
//! - *Nullifying forbids notarizing* in the same view (C3). The paper allows it. We say less, so
//!   nothing becomes unsafe; a quorum that nullified gets its nullification all the same. Casting
//!   both is no offence, because nothing depends on it.
//! - *Finalize after leaving the view* (C7), and late finalize votes count. Only the exclusion with
//!   nullify matters for safety, and nullify is cast in the current view only.
//! - *Rest, retry, repair* (C12 to C14) are not in the paper, which assumes that nothing sent is
//!   lost. They cast no votes of their own kind and only decide when timers start.
//! - *Leader skip and giving up early* (C5, C15) cast nullify sooner. Nullifying early is always
//!   safe.
//! - *Execution before voting* (C3, C7): the header commits to the books after the block, so a
//!   quorum vouches for the result and not only for the order.
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![deny(clippy::float_arithmetic)]

extern crate alloc;

mod blocks;
mod chain;
pub mod event;
mod fingerprint;
pub mod leader;
pub mod machine;
mod pace;
mod restart;
mod timer;
mod view;
mod votes;

pub use machine::{Config, Consensus, Restored, Start, Stats};
