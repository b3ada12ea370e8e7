//! The blocks, votes and certificates of the model, as real ones.
//!
//! A block is a number: parent · 100 + view · 10 + form, and 0 starts the epoch. Forms 0 and 1 are good,
//! 2 is refused by execution. The validators of the model are counted in the order in which they lead: number 0
//! leads view 1. Signatures are a constant, since the core reads none.
//!
//! Invariant: one number is one header, and every statement has one number.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use consensus::event::{Justification, Proposal};
use consensus::leader::Rotation;
use consensus::{Config, Start};
use ledger::block::{BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet, Vote};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::signature::{PublicKey, Signature};
use ledger::time::Timestamp;

pub(crate) const VALIDATORS: u16 = 4;
/// Views for which blocks are made ready.
pub(crate) const VIEWS_MAX: u64 = 4;
const FORMS: u64 = 3;
/// What execution refuses.
pub(crate) const BAD_FORM: u64 = 2;
const SIGNED: Signature = Signature([0x51; 64]);
const EPOCH: Epoch = Epoch(3);
const BEGINNING_MS: u64 = 1_772_582_400_000;

pub(crate) type Number = u64;

pub(crate) fn view_of(block: Number) -> u64 {
    block / 10 % 10
}

pub(crate) fn form_of(block: Number) -> u64 {
    block % 10
}

pub(crate) fn parent_of(block: Number) -> Number {
    block / 100
}

/// The block and its ancestors, newest first, without the one that starts the epoch.
pub(crate) fn chain_of(block: Number) -> Vec<Number> {
    std::iter::successors(Some(block), |at| Some(parent_of(*at))).take_while(|at| *at > 0).collect()
}

/// What every run of the model starts from.
pub(crate) struct Ground {
    genesis: Header,
    set: ValidatorSet,
    rotation: Rotation,
    headers: BTreeMap<Number, Header>,
    numbers: BTreeMap<BlockHash, Number>,
}

pub(crate) fn epoch() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(Ground::new)
}

impl Ground {
    fn new() -> Self {
        let genesis = Header {
            version: PROTOCOL_VERSION,
            chain: Digest([7; 32]),
            epoch: EPOCH,
            view: View(0),
            height: Height(40),
            parent_view: View(0),
            parent: BlockHash::default(),
            proposer: 0,
            time: Timestamp(BEGINNING_MS),
            payload: Digest::default(),
            log_size: 0,
            log_root: Digest::default(),
            state_root: Digest::default(),
        };
        let valid = (900_000_000..).filter_map(|number| OrgNumber::new(number).ok());
        let entities: Vec<OrgNumber> = valid.take(usize::from(VALIDATORS)).collect();
        let validator = |seat: u16| Validator {
            entity: entities[usize::from(seat)],
            name: Name::new(format!("v{seat}.example")).unwrap(),
            vote_key: PublicKey([seat as u8; 32]),
            cosign_key: PublicKey([seat as u8; 32]),
            peer_key: PublicKey([seat as u8; 32]),
            governance_key: PublicKey([seat as u8; 32]),
        };
        let set = ValidatorSet { epoch: EPOCH, validators: (0..VALIDATORS).map(validator).collect() };
        let rotation = Rotation::new(&genesis.hash(), VALIDATORS);
        let numbers = [(genesis.hash(), 0)].into();
        let mut ground =
            Self { genesis: genesis.clone(), set, rotation, headers: [(0, genesis)].into(), numbers };
        for view in 1..=VIEWS_MAX {
            let parents: Vec<Number> = ground.headers.keys().copied().collect();
            for parent in parents {
                (0..FORMS).for_each(|form| ground.make(parent, view, form));
            }
        }
        ground
    }

    fn make(&mut self, parent: Number, view: u64, form: u64) {
        let above = &self.headers[&parent];
        let header = Header {
            view: View(view),
            height: above.height.next(),
            parent_view: above.view,
            parent: above.hash(),
            proposer: self.rotation.leader(View(view)),
            time: Timestamp(BEGINNING_MS + view),
            payload: Digest::of(&[&form.to_be_bytes()]),
            ..self.genesis.clone()
        };
        let number = parent * 100 + view * 10 + form;
        self.numbers.insert(header.hash(), number);
        self.headers.insert(number, header);
    }

    pub(crate) fn header(&self, block: Number) -> &Header {
        &self.headers[&block]
    }

    pub(crate) fn number(&self, block: &BlockHash) -> Number {
        self.numbers[block]
    }

    /// The real index of a validator of the model.
    pub(crate) fn seat(&self, node: u16) -> u16 {
        self.rotation.leader(View(u64::from(node) + 1))
    }

    pub(crate) fn start(&self, node: u16, vote_from: u64) -> Start {
        Start {
            chain: self.genesis.chain,
            validators: self.set.clone(),
            me: Some(self.seat(node)),
            genesis: self.genesis.clone(),
            vote_from: View(vote_from),
        }
    }

    pub(crate) fn vote(&self, node: u16, said: Said) -> Vote {
        Vote { epoch: EPOCH, statement: said.statement(), signer: self.seat(node), signature: SIGNED }
    }

    /// Signed by those who ought to have; the core trusts its shell that the signatures hold.
    pub(crate) fn certificate(&self, said: Said, nodes: &[u16]) -> Certificate {
        let mut signers: Vec<u16> = nodes.iter().map(|node| self.seat(*node)).collect();
        signers.sort_unstable();
        let votes: Vec<_> = signers.into_iter().map(|seat| (seat, SIGNED)).collect();
        Certificate::from_votes(EPOCH, said.statement(), usize::from(VALIDATORS), &votes)
    }

    /// A proposal of this block; `holds` says which certificates there are.
    pub(crate) fn proposal(&self, block: Number, holds: impl Fn(Said) -> bool) -> Proposal {
        let header = self.header(block).clone();
        let (parent, leader) = (parent_of(block), ((view_of(block) - 1) % u64::from(VALIDATORS)) as u16);
        let everybody = [0, 1, 2];
        let notarized = Said::Notarize(parent);
        let of = if holds(notarized) { notarized } else { Said::Finalize(parent) };
        let skips = (view_of(parent) + 1..view_of(block)).map(Said::Nullify);
        let justification = Justification {
            parent: (parent > 0).then(|| self.certificate(of, &everybody)),
            skips: skips.map(|skip| self.certificate(skip, &everybody)).collect(),
        };
        Proposal { header, justification, vote: self.vote(leader, Said::Notarize(block)) }
    }
}

/// A statement by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    Notarize(Number),
    /// The view.
    Nullify(u64),
    Finalize(Number),
}

impl Said {
    pub(crate) fn view(self) -> u64 {
        match self {
            Self::Notarize(block) | Self::Finalize(block) => view_of(block),
            Self::Nullify(view) => view,
        }
    }

    pub(crate) fn statement(self) -> Statement {
        let hash = |block| epoch().header(block).hash();
        match self {
            Self::Notarize(block) => Statement::Notarize { view: View(view_of(block)), block: hash(block) },
            Self::Nullify(view) => Statement::Nullify { view: View(view) },
            Self::Finalize(block) => Statement::Finalize { view: View(view_of(block)), block: hash(block) },
        }
    }

    pub(crate) fn of(statement: &Statement) -> Self {
        match statement {
            Statement::Notarize { block, .. } => Self::Notarize(epoch().number(block)),
            Statement::Nullify { view } => Self::Nullify(view.0),
            Statement::Finalize { block, .. } => Self::Finalize(epoch().number(block)),
        }
    }
}

/// Nothing here depends on waiting: blocks are wanted at once, and waits are passed over.
pub(crate) fn config() -> Config {
    Config { block_interval_ms: 0, leader_skip_views: 0, ..Config::default() }
}

pub(crate) fn now() -> Timestamp {
    Timestamp(BEGINNING_MS + 10_000)
}
