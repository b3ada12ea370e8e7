//! One real core with a disk, and what the core asked for and has not yet been given.
//!
//! Left out: what happens when; whoever explores or replays decides that.
//!
//! Invariant: only what is on the disk outlives a crash.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use consensus::event::{Effect, Input};
use consensus::{Consensus, Restored};
use ledger::block::{Header, View};
use ledger::certificate::{Certificate, Statement};
use ledger::time::Timestamp;

use super::blocks::{BAD_FORM, Number, Said, config, epoch, form_of, now};

/// No wait of the core is longer than so many wake-ups.
const WAKES_MAX: u32 = 64;

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) said: BTreeSet<Said>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) finalized: Option<(Header, Certificate)>,
    /// First view voted in again after a loss.
    pub(crate) vote_from: u64,
}

#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) node: u16,
    pub(crate) core: Consensus,
    pub(crate) disk: Disk,
    /// Stands still except while the core is made to wait.
    clock: Timestamp,
    /// Becomes durable with the next vote.
    keeps: Vec<Certificate>,
    /// Cast and not yet durable.
    pub(crate) casts: Vec<Said>,
    /// To be executed.
    pub(crate) checks: BTreeSet<Number>,
    /// To be fetched.
    pub(crate) fetches: BTreeSet<Number>,
    /// View and parent of the block asked for.
    pub(crate) build: Option<(u64, Number)>,
    /// Own blocks sent out.
    pub(crate) proposes: Vec<Number>,
    /// Everything finalized since the start, crashes or not.
    pub(crate) finals: Vec<Number>,
    /// Real indexes of those it has evidence against.
    pub(crate) accused: BTreeSet<u16>,
    /// Why it halted.
    pub(crate) alarms: Vec<String>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view = self.core.view();
        write!(f, "#{} view {view}, said {:?}, final {:?}", self.node, self.disk.said, self.finals)
    }
}

impl Running {
    /// Starts from what is on the disk.
    pub(crate) fn start(node: u16, disk: Disk) -> Self {
        let restored = Restored {
            finalized: disk.finalized.clone(),
            statements: disk.said.iter().map(|said| said.statement()).collect(),
            certificates: disk.certificates.clone(),
            headers: disk.blocks().into_iter().map(|block| epoch().header(block).clone()).collect(),
        };
        let (core, effects) = Consensus::new(config(), epoch().start(node, disk.vote_from), restored, now());
        let mut running = Self {
            node,
            core,
            disk,
            clock: now(),
            keeps: Vec::new(),
            casts: Vec::new(),
            checks: BTreeSet::new(),
            fetches: BTreeSet::new(),
            build: None,
            proposes: Vec::new(),
            finals: Vec::new(),
            accused: BTreeSet::new(),
            alarms: Vec::new(),
        };
        running.carry_out(effects);
        running.input(Input::Work { waiting: true });
        running
    }

    /// The power fails and comes back.
    pub(crate) fn restart(&mut self) {
        let finals = std::mem::take(&mut self.finals);
        let alarms = std::mem::take(&mut self.alarms);
        let mut accused = std::mem::take(&mut self.accused);
        *self = Self::start(self.node, self.disk.clone());
        self.finals.splice(0..0, finals);
        self.alarms.splice(0..0, alarms);
        self.accused.append(&mut accused);
    }

    pub(crate) fn input(&mut self, input: Input) {
        let effects = self.core.handle(self.clock, input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Cast(statement) => self.casts.push(Said::of(&statement)),
                Effect::Keep(certificate) => self.keeps.push(certificate),
                Effect::Propose { block, .. } => self.proposes.push(epoch().number(&block)),
                Effect::Build { view, parent, .. } => self.build = Some((view.0, epoch().number(&parent))),
                Effect::Check { block } => {
                    self.checks.insert(epoch().number(&block));
                }
                Effect::Fetch { block } => {
                    self.fetches.insert(epoch().number(&block));
                }
                Effect::Finalize(blocks) => {
                    self.finals.extend(blocks.iter().map(|of| epoch().number(&of.block)));
                    let last = blocks.into_iter().next_back().unwrap();
                    let header = epoch().header(epoch().number(&last.block)).clone();
                    self.disk.finalized = Some((header, last.finalization.unwrap()));
                }
                Effect::Evidence(evidence) => {
                    self.accused.insert(evidence.first.signer);
                }
                Effect::Halt { reason } => self.alarms.push(format!("{reason:?}")),
                Effect::Send { .. } | Effect::Sync { .. } => {}
            }
        }
    }

    /// Everything cast, and the certificates held, become durable.
    pub(crate) fn persist(&mut self) -> Vec<Said> {
        self.disk.certificates.append(&mut self.keeps);
        let casts = std::mem::take(&mut self.casts);
        self.disk.said.extend(&casts);
        casts
    }

    /// An own vote has left and comes back.
    pub(crate) fn returned(&mut self, said: Said) {
        self.input(Input::Vote(epoch().vote(self.node, said)));
    }

    pub(crate) fn checked(&mut self, block: Number) {
        assert!(self.checks.remove(&block), "#{} was not asked to execute {block}", self.node);
        self.input(Input::Checked { block: epoch().header(block).hash(), valid: form_of(block) != BAD_FORM });
    }

    pub(crate) fn fetched(&mut self, block: Number) {
        assert!(self.fetches.remove(&block), "#{} was not asked to fetch {block}", self.node);
        self.input(Input::Fetched { header: epoch().header(block).clone() });
    }

    /// The block that was asked for stands.
    pub(crate) fn built(&mut self, form: u64) -> Number {
        let (view, parent) = self.build.take().expect("a block was asked for");
        let block = parent * 100 + view * 10 + form;
        self.input(Input::Built { header: epoch().header(block).clone() });
        block
    }

    /// Waits until the view is given up. False if the core never does.
    pub(crate) fn time_out(&mut self) -> bool {
        let nullify = Said::Nullify(self.core.view().0);
        for _ in 0..WAKES_MAX {
            let Some(at) = self.core.wake_at() else { return false };
            self.clock = at;
            self.input(Input::Tick);
            if self.casts.contains(&nullify) {
                return true;
            }
        }
        false
    }

    /// Whether it neither halted nor accused anybody but the faulty one.
    pub(crate) fn is_calm(&self, faulty: u16) -> bool {
        self.alarms.is_empty() && self.accused.iter().all(|seat| *seat == epoch().seat(faulty))
    }

    /// View of the last final block.
    pub(crate) fn tip(&self) -> u64 {
        self.core.finalized().1.0
    }

    pub(crate) fn knows(&self, said: Said) -> bool {
        self.core.knows(&said.statement())
    }

    /// The view that its certificates prove it to be in.
    pub(crate) fn proven_view(&self) -> u64 {
        let status = self.core.status();
        let of = |certificate: Option<Certificate>| certificate.map_or(View(0), |of| of.statement.view());
        of(status.entry).max(of(status.finalization)).0 + 1
    }

    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
        self.core.fingerprint(state);
        let statements =
            |of: &[Certificate]| -> BTreeSet<Statement> { of.iter().map(|c| c.statement).collect() };
        statements(&self.disk.certificates).hash(state);
        statements(&self.keeps).hash(state);
        (&self.disk.said, self.disk.vote_from, self.tip()).hash(state);
        (&self.casts, &self.checks, &self.fetches, self.build, &self.proposes).hash(state);
        (&self.finals, &self.accused, &self.alarms).hash(state);
    }
}

impl Disk {
    /// Bodies are written with the votes for them.
    fn blocks(&self) -> BTreeSet<Number> {
        self.said
            .iter()
            .filter_map(|said| match said {
                Said::Notarize(block) | Said::Finalize(block) => Some(*block),
                Said::Nullify(_) => None,
            })
            .collect()
    }
}
