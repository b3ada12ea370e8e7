//! One core on a bench: the test plays everybody else.
//!
//! Four validators unless said otherwise; the core under test is number 0. Signatures are a
//! constant, because the core leaves them to the shell. Own votes come back only when told to, so
//! that a test can stand between casting and counting.

#![allow(dead_code)] // Each test file uses its part.

use consensus::event::{Effect, HaltReason, Input, Justification, Message, Proposal, Status, To};
use consensus::{Config, Consensus, Restored, Start};
use ledger::block::{BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet, Vote};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::signature::{PublicKey, Signature};
use ledger::time::Timestamp;

pub(crate) const EPOCH: Epoch = Epoch(2);
pub(crate) const START_MS: u64 = 1_000_000;
pub(crate) const CONFIG: Config = Config {
    delta_ms: 1000,
    delta_max_ms: 10_000,
    block_interval_ms: 200,
    heartbeat_ms: 60_000,
    drift_ms: 500,
    view_window: 8,
    skips_max: 4,
    leader_skip_views: 0,
};
/// t_l and t_c in the first views.
pub(crate) const LEADER_MS: u64 = 2200;
pub(crate) const VIEW_MS: u64 = 3200;

pub(crate) fn validator_set(validators: u16) -> ValidatorSet {
    let key = |kind: u8, seat: u16| PublicKey([kind.wrapping_add((seat * 3) as u8); 32]);
    let seat = |seat: u16| Validator {
        entity: OrgNumber::new(974_760_673).unwrap(),
        name: Name::new(format!("v{seat}.example")).unwrap(),
        vote_key: key(0, seat),
        cosign_key: key(1, seat),
        peer_key: key(2, seat),
        governance_key: key(3, seat),
    };
    ValidatorSet { epoch: EPOCH, validators: (0..validators).map(seat).collect() }
}

pub(crate) fn genesis() -> Header {
    Header {
        version: PROTOCOL_VERSION,
        chain: Digest([1; 32]),
        epoch: Epoch(1),
        view: View(90),
        height: Height(10),
        parent_view: View(89),
        parent: BlockHash::default(),
        proposer: 2,
        time: Timestamp(START_MS - 500),
        payload: Digest::default(),
        log_size: 0,
        log_root: Digest::default(),
        state_root: Digest::default(),
    }
}

pub(crate) fn notarize(header: &Header) -> Statement {
    Statement::Notarize { view: header.view, block: header.hash() }
}

pub(crate) fn finalize(header: &Header) -> Statement {
    Statement::Finalize { view: header.view, block: header.hash() }
}

pub(crate) fn nullify(view: u64) -> Statement {
    Statement::Nullify { view: View(view) }
}

pub(crate) fn vote(signer: u16, statement: Statement) -> Vote {
    Vote { epoch: EPOCH, statement, signer, signature: Signature([7; 64]) }
}

/// By three of four, or by the given number.
pub(crate) fn certificate(statement: Statement) -> Certificate {
    certificate_of(statement, 4, 3)
}

pub(crate) fn certificate_of(statement: Statement, validators: usize, signers: u16) -> Certificate {
    let votes: Vec<(u16, Signature)> = (0..signers).map(|signer| (signer, Signature([7; 64]))).collect();
    Certificate::from_votes(EPOCH, statement, validators, &votes)
}

pub(crate) struct Bench {
    pub(crate) core: Consensus,
    pub(crate) now: u64,
    pub(crate) validators: u16,
    pub(crate) config: Config,
}

pub(crate) fn start(validators: u16, me: Option<u16>) -> Start {
    Start {
        chain: genesis().chain,
        validators: validator_set(validators),
        me,
        genesis: genesis(),
        vote_from: View(0),
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(4, CONFIG).0
    }

    pub(crate) fn with(validators: u16, config: Config) -> (Self, Vec<Effect>) {
        Self::restored(validators, config, Restored::default())
    }

    pub(crate) fn restored(validators: u16, config: Config, restored: Restored) -> (Self, Vec<Effect>) {
        Self::started(start(validators, Some(0)), config, restored)
    }

    pub(crate) fn started(start: Start, config: Config, restored: Restored) -> (Self, Vec<Effect>) {
        let validators = start.validators.len() as u16;
        let (core, effects) = Consensus::new(config.clone(), start, restored, Timestamp(START_MS));
        (Self { core, now: START_MS, validators, config }, effects)
    }

    pub(crate) fn feed(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.core.handle(Timestamp(self.now), input);
        assert!(self.core.wake_at().is_none_or(|at| at > Timestamp(self.now)));
        effects
    }

    /// Lets time pass, ticking whenever the core asked for it; all effects of it.
    pub(crate) fn pass(&mut self, ms: u64) -> Vec<Effect> {
        let until = self.now + ms;
        let mut effects = Vec::new();
        while let Some(wake_at) = self.core.wake_at().filter(|at| at.0 <= until) {
            self.now = wake_at.0;
            effects.extend(self.feed(Input::Tick));
        }
        self.now = until;
        effects
    }

    pub(crate) fn vote(&mut self, signer: u16, statement: Statement) -> Vec<Effect> {
        self.feed(Input::Vote(vote(signer, statement)))
    }

    pub(crate) fn certify(&mut self, statement: Statement) -> Vec<Effect> {
        self.feed(Input::Certificate(certificate(statement)))
    }

    /// Our own votes among the effects come back, and those they lead to.
    pub(crate) fn return_votes(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut round = casts(effects);
        while !round.is_empty() {
            let next: Vec<Effect> = round.into_iter().flat_map(|statement| self.vote(0, statement)).collect();
            round = casts(&next);
            all.extend(next);
        }
        all
    }

    /// A block by the leader of the view; `name` tells blocks of one view apart.
    pub(crate) fn block(&self, view: u64, parent: &Header, name: u8) -> Header {
        let of_epoch = parent.epoch == EPOCH;
        Header {
            epoch: EPOCH,
            view: View(view),
            height: parent.height.next(),
            parent_view: if of_epoch { parent.view } else { View(0) },
            parent: parent.hash(),
            proposer: self.core.leader(View(view)),
            time: Timestamp(parent.time.0 + 10),
            payload: Digest([name; 32]),
            ..genesis()
        }
    }

    pub(crate) fn propose(&mut self, header: &Header) -> Vec<Effect> {
        let parent = (header.parent_view > View(0))
            .then(|| certificate(Statement::Notarize { view: header.parent_view, block: header.parent }));
        let gap = header.parent_view.0 + 1..header.view.0;
        let skips = gap.map(|view| certificate(nullify(view))).collect();
        self.propose_with(header, Justification { parent, skips })
    }

    pub(crate) fn propose_with(&mut self, header: &Header, justification: Justification) -> Vec<Effect> {
        self.feed(proposal(header, justification))
    }

    pub(crate) fn valid(&mut self, header: &Header) -> Vec<Effect> {
        self.feed(Input::Checked { block: header.hash(), valid: true })
    }

    /// The first view from `from` on that we lead, or do not.
    pub(crate) fn view_led(&self, from: u64, by_us: bool) -> u64 {
        let found = (from..).find(|view| (self.core.leader(View(*view)) == 0) == by_us);
        found.unwrap()
    }

    /// Goes to a view by nullification of the one before.
    pub(crate) fn go_to(&mut self, view: u64) -> Vec<Effect> {
        if self.core.view() >= View(view) { Vec::new() } else { self.certify(nullify(view - 1)) }
    }

    /// A block proposed, valid and notarized by a quorum.
    pub(crate) fn notarized(&mut self, view: u64, parent: &Header) -> Header {
        let header = self.block(view, parent, 1);
        self.propose(&header);
        self.valid(&header);
        self.certify(notarize(&header));
        header
    }

    pub(crate) fn status(&self, view: u64) -> Status {
        Status { epoch: EPOCH, view: View(view), height: Height(10), entry: None, finalization: None }
    }
}

pub(crate) fn proposal(header: &Header, justification: Justification) -> Input {
    let vote = vote(header.proposer, notarize(header));
    Input::Proposal(Proposal { header: header.clone(), justification, vote })
}

pub(crate) fn casts(effects: &[Effect]) -> Vec<Statement> {
    let cast = |effect: &Effect| match effect {
        Effect::Cast(statement) => Some(*statement),
        _ => None,
    };
    effects.iter().filter_map(cast).collect()
}

pub(crate) fn checks(effects: &[Effect]) -> Vec<BlockHash> {
    let check = |effect: &Effect| match effect {
        Effect::Check { block } => Some(*block),
        _ => None,
    };
    effects.iter().filter_map(check).collect()
}

pub(crate) fn fetches(effects: &[Effect]) -> Vec<BlockHash> {
    let fetch = |effect: &Effect| match effect {
        Effect::Fetch { block } => Some(*block),
        _ => None,
    };
    effects.iter().filter_map(fetch).collect()
}

pub(crate) fn builds(effects: &[Effect]) -> Vec<(View, View, BlockHash)> {
    let build = |effect: &Effect| match effect {
        Effect::Build { view, parent_view, parent } => Some((*view, *parent_view, *parent)),
        _ => None,
    };
    effects.iter().filter_map(build).collect()
}

pub(crate) fn finals(effects: &[Effect]) -> Vec<BlockHash> {
    let blocks = |effect: &Effect| match effect {
        Effect::Finalize(blocks) => blocks.iter().map(|of| of.block).collect(),
        _ => Vec::new(),
    };
    effects.iter().flat_map(blocks).collect()
}

pub(crate) fn halts(effects: &[Effect]) -> Vec<HaltReason> {
    let halt = |effect: &Effect| match effect {
        Effect::Halt { reason } => Some(reason.clone()),
        _ => None,
    };
    effects.iter().filter_map(halt).collect()
}

pub(crate) fn sent(effects: &[Effect]) -> Vec<(To, Message)> {
    let send = |effect: &Effect| match effect {
        Effect::Send { to, message } => Some((*to, message.clone())),
        _ => None,
    };
    effects.iter().filter_map(send).collect()
}

pub(crate) fn proposes(effects: &[Effect]) -> Vec<(BlockHash, Justification)> {
    let propose = |effect: &Effect| match effect {
        Effect::Propose { block, justification, .. } => Some((*block, justification.clone())),
        _ => None,
    };
    effects.iter().filter_map(propose).collect()
}

/// Views for which certificates are asked.
pub(crate) fn asked(effects: &[Effect]) -> Vec<u64> {
    let mut views: Vec<u64> = sent(effects)
        .into_iter()
        .filter_map(|(_, message)| match message {
            Message::CertificateRequest(view) => Some(view.0),
            _ => None,
        })
        .collect();
    views.dedup();
    views
}
