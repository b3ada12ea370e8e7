//! Whatever arrives in whatever order, however hostile, as long as signatures hold: no panic, no
//! contradiction in what we say, bounded memory, no busy clock.
#![allow(clippy::unwrap_used)]

mod bench;

use std::collections::BTreeMap;

use bench::*;
use consensus::event::{Effect, Input, Justification, Proposal, Status};
use consensus::{Config, Restored};
use ledger::block::{BlockHash, Header, Height, View};
use ledger::certificate::{Certificate, Statement};
use ledger::digest::Digest;
use ledger::time::Timestamp;
use proptest::prelude::*;

/// Steps in one history.
const STEPS: usize = 120;

/// A step names views, blocks and signers by small numbers, so that they meet often.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    ClockBack(u64),
    Work(bool),
    Vote { signer: u16, kind: u8, view: u64, block: usize },
    Certificate { kind: u8, view: u64, block: usize },
    Proposal { block: usize, own_reason: bool, parent: usize, skips: u64 },
    Status { from: u16, view: u64, entry: (u8, u64, usize), finalization: (u8, u64, usize) },
    Ask { from: u16, view: u64 },
    AskStatus(u16),
    Built(usize),
    BuildAnswered,
    Checked(usize, bool),
    ChecksAnswered,
    Fetched(usize),
    Synced(usize),
    VotesReturned,
    Restart { forget_keeps: bool },
}

fn view() -> impl Strategy<Value = u64> {
    prop_oneof![40 => 0_u64..9, 2 => 0_u64..40, 1 => prop_oneof![Just(u64::MAX), Just(1 << 62), any::<u64>()]]
}

fn step() -> impl Strategy<Value = Step> {
    let certificate = || (0_u8..3, view(), 0_usize..40);
    prop_oneof![
        3 => (0_u64..4000).prop_map(Step::Pass),
        1 => (0_u64..100_000).prop_map(Step::ClockBack),
        1 => any::<bool>().prop_map(Step::Work),
        12 => (0_u16..6, 0_u8..3, view(), 0_usize..40)
            .prop_map(|(signer, kind, view, block)| Step::Vote { signer, kind, view, block }),
        6 => certificate().prop_map(|(kind, view, block)| Step::Certificate { kind, view, block }),
        6 => (0_usize..40, any::<bool>(), 0_usize..40, 0_u64..9)
            .prop_map(|(block, own_reason, parent, skips)| Step::Proposal { block, own_reason, parent, skips }),
        1 => (0_u16..6, view(), certificate(), certificate())
            .prop_map(|(from, view, entry, finalization)| Step::Status { from, view, entry, finalization }),
        1 => (0_u16..6, view()).prop_map(|(from, view)| Step::Ask { from, view }),
        1 => (0_u16..6).prop_map(Step::AskStatus),
        1 => (0_usize..40).prop_map(Step::Built),
        2 => Just(Step::BuildAnswered),
        2 => (0_usize..40, any::<bool>()).prop_map(|(block, valid)| Step::Checked(block, valid)),
        6 => Just(Step::ChecksAnswered),
        3 => (0_usize..40).prop_map(Step::Fetched),
        1 => (0_usize..40).prop_map(Step::Synced),
        6 => Just(Step::VotesReturned),
        1 => any::<bool>().prop_map(|forget_keeps| Step::Restart { forget_keeps }),
    ]
}

/// Five blocks in each of eight views. The first of each view follows the first of the view before,
/// the second skips a view, the others start from genesis, and most of the fifth are malformed.
fn blocks(bench: &Bench) -> Vec<Header> {
    let mut blocks: Vec<Header> = Vec::new();
    for index in 0..40 {
        let parent = match index % 5 {
            0 if index >= 5 => blocks[index - 5].clone(),
            1 if index >= 10 => blocks[index - 11].clone(),
            _ => genesis(),
        };
        let mut block = bench.block(index as u64 / 5 + 1, &parent, index as u8);
        match index {
            9 => block.view = View(u64::MAX),
            14 => block.parent_view = block.view,
            19 => block.height = Height(u64::MAX),
            24 => block.time = Timestamp(u64::MAX),
            29 => block.proposer = 77,
            34 => block.parent = BlockHash(Digest([3; 32])),
            _ => {}
        }
        blocks.push(block);
    }
    blocks
}

/// With this, certificates are as they can be while at most f are faulty: the first block of a view,
/// finalized in even views, skipped in odd ones. Without, anything goes, and we soon stop for good.
fn plausible((kind, view, block): (u8, u64, usize)) -> (u8, u64, usize) {
    let of = if view == 0 || view > 8 { block as u64 / 5 + 1 } else { view };
    match kind {
        1 if view > 40 => (1, view | 1, 0),
        1 => (1, (of - 1) | 1, 0),
        2 => (2, 0, (of / 2 * 2).max(2) as usize * 5 - 5),
        _ => (0, 0, of as usize * 5 - 5),
    }
}

#[derive(Clone, Copy, Default)]
struct Said {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

/// A core with a disk, and a note of all it ever said.
struct History {
    bench: Bench,
    plausible: bool,
    blocks: Vec<Header>,
    said: BTreeMap<View, Said>,
    statements: Vec<Statement>,
    certificates: Vec<Certificate>,
    finalized: Option<(Header, Certificate)>,
    returning: Vec<Statement>,
    checking: Vec<BlockHash>,
    building: Option<(View, View, BlockHash)>,
    height: Height,
    /// Distinct certificates fed; each may cost a view's memory.
    fed: usize,
}

impl History {
    fn new(config: Config, plausible: bool) -> Self {
        let (bench, effects) = Bench::with(4, config);
        let blocks = blocks(&bench);
        let mut history = Self {
            bench,
            plausible,
            blocks,
            said: BTreeMap::new(),
            statements: Vec::new(),
            certificates: Vec::new(),
            finalized: None,
            returning: Vec::new(),
            checking: Vec::new(),
            building: None,
            height: genesis().height,
            fed: 0,
        };
        history.heed(&effects);
        history
    }

    /// Own votes keep invariants 1 to 4; finality rises.
    fn heed(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Cast(statement) => {
                    let said = self.said.entry(statement.view()).or_default();
                    match statement {
                        Statement::Notarize { block, .. } => {
                            assert_eq!(*said.notarized.get_or_insert(*block), *block, "invariant 1");
                        }
                        Statement::Nullify { .. } => said.nullified = true,
                        Statement::Finalize { block, .. } => {
                            assert_eq!(*said.finalized.get_or_insert(*block), *block, "invariant 2");
                        }
                    }
                    assert!(!(said.nullified && said.finalized.is_some()), "invariant 3");
                    let both = said.notarized.is_some() && said.finalized.is_some();
                    assert!(!both || said.notarized == said.finalized, "invariant 4");
                    self.statements.push(*statement);
                    self.returning.push(*statement);
                }
                Effect::Keep(certificate) => self.certificates.push(certificate.clone()),
                Effect::Check { block } => self.checking.push(*block),
                Effect::Build { view, parent_view, parent } => {
                    assert!(
                        self.building.is_none_or(|(earlier, ..)| earlier < *view),
                        "built twice in {view}"
                    );
                    self.building = Some((*view, *parent_view, *parent));
                }
                Effect::Finalize(blocks) => {
                    for proof in blocks {
                        let header = self.blocks.iter().find(|header| header.hash() == proof.block).unwrap();
                        assert_eq!(header.height, self.height.next());
                        self.height = header.height;
                        let finalization = proof.finalization.clone();
                        self.finalized =
                            finalization.map(|proof| (header.clone(), proof)).or(self.finalized.take());
                    }
                }
                _ => {}
            }
        }
    }

    fn statement(&self, kind: u8, view: u64, block: usize) -> Statement {
        let header = &self.blocks[block];
        // Mostly the block's own view, because anything else is rarely of interest.
        let of = if view == 0 { header.view } else { View(view) };
        match kind {
            0 => Statement::Notarize { view: of, block: header.hash() },
            1 => Statement::Nullify { view: View(view) },
            _ => Statement::Finalize { view: of, block: header.hash() },
        }
    }

    fn certified(&mut self, drawn: (u8, u64, usize)) -> Certificate {
        self.fed += 1;
        let (kind, view, block) = if self.plausible { plausible(drawn) } else { drawn };
        certificate(self.statement(kind, view, block))
    }

    fn take(&mut self, step: Step) {
        let input = match step {
            Step::Pass(ms) => {
                let wakes = self.bench.now + ms;
                let mut ticks = 0;
                while let Some(at) = self.bench.core.wake_at().filter(|at| at.0 <= wakes) {
                    self.bench.now = at.0;
                    let effects = self.bench.feed(Input::Tick);
                    self.heed(&effects);
                    ticks += 1;
                    assert!(ticks < 200, "a busy clock");
                }
                self.bench.now = wakes;
                Input::Tick
            }
            Step::ClockBack(ms) => {
                self.bench.now = self.bench.now.saturating_sub(ms);
                Input::Tick
            }
            Step::Work(waiting) => Input::Work { waiting },
            Step::Vote { signer, kind, view, block } => {
                Input::Vote(vote(signer, self.statement(kind, view, block)))
            }
            Step::Certificate { kind, view, block } => {
                Input::Certificate(self.certified((kind, view, block)))
            }
            Step::Proposal { block, own_reason, parent, skips } => {
                let header = self.blocks[block].clone();
                let (parent, first) = if own_reason || self.plausible {
                    let of = Statement::Notarize { view: header.parent_view, block: header.parent };
                    (
                        (header.parent_view > View(0)).then(|| certificate(of)),
                        header.parent_view.0.saturating_add(1),
                    )
                } else {
                    (Some(certificate(notarize(&self.blocks[parent]))), header.view.0.saturating_sub(skips))
                };
                let gap = first..header.view.0.min(first.saturating_add(20));
                if self.plausible && gap.clone().any(|view| view % 2 == 0) {
                    return;
                }
                let skips: Vec<Certificate> = gap.map(|view| certificate(nullify(view))).collect();
                self.fed += 1 + skips.len();
                let vote = vote(header.proposer, notarize(&header));
                Input::Proposal(Proposal { justification: Justification { parent, skips }, vote, header })
            }
            Step::Status { from, view, entry, finalization } => {
                let (entry, finalization) = (self.certified(entry), self.certified(finalization));
                let status = Status {
                    entry: Some(entry),
                    finalization: Some(finalization),
                    ..self.bench.status(view)
                };
                Input::Status { from, status }
            }
            Step::Ask { from, view } => Input::CertificateRequest { from, view: View(view) },
            Step::AskStatus(from) => Input::StatusRequest { from },
            Step::Built(block) => Input::Built { header: self.blocks[block].clone() },
            Step::BuildAnswered => {
                let Some((view, parent_view, parent)) = self.building else { return };
                let above = self.blocks.iter().find(|header| header.hash() == parent);
                let above = above.cloned().unwrap_or_else(genesis);
                let mut header = self.bench.block(view.0, &above, 200);
                (header.parent_view, header.parent) = (parent_view, parent);
                header.time = Timestamp(above.time.0.saturating_add(1).max(self.bench.now));
                self.blocks.push(header.clone());
                Input::Built { header }
            }
            // A certified block refused by the books stops us for good; here and there is enough.
            Step::Checked(block, valid) if self.plausible && !valid && block % 5 == 0 => return,
            Step::Checked(block, valid) => Input::Checked { block: self.blocks[block].hash(), valid },
            Step::ChecksAnswered => {
                for block in std::mem::take(&mut self.checking) {
                    let effects = self.bench.feed(Input::Checked { block, valid: true });
                    self.heed(&effects);
                }
                return;
            }
            Step::Fetched(block) => Input::Fetched { header: self.blocks[block].clone() },
            Step::Synced(block) => {
                let block = if self.plausible { plausible((2, 0, block)).2 } else { block };
                let header = self.blocks[block].clone();
                let before = self.bench.core.finalized().0;
                let finalization = certificate(finalize(&header));
                self.fed += 1;
                let effects = self
                    .bench
                    .feed(Input::Synced { header: header.clone(), finalization: finalization.clone() });
                if self.bench.core.finalized().0 > before {
                    self.height = self.bench.core.finalized().0.min(header.height);
                    self.finalized = Some((header, finalization));
                }
                self.heed(&effects);
                return;
            }
            Step::VotesReturned => {
                for statement in std::mem::take(&mut self.returning) {
                    let effects = self.bench.vote(0, statement);
                    self.heed(&effects);
                }
                return;
            }
            Step::Restart { forget_keeps } => return self.restart(forget_keeps),
        };
        let effects = self.bench.feed(input);
        self.heed(&effects);
    }

    fn restart(&mut self, forget_keeps: bool) {
        if forget_keeps {
            self.certificates.truncate(self.certificates.len() / 2);
        }
        let restored = Restored {
            finalized: self.finalized.clone(),
            statements: self.statements.clone(),
            certificates: self.certificates.clone(),
            headers: self.blocks.clone(),
        };
        let now = self.bench.now;
        let (mut bench, _) = Bench::with(4, self.bench.config.clone());
        let (core, effects) =
            consensus::Consensus::new(self.bench.config.clone(), start(4, Some(0)), restored, Timestamp(now));
        bench.core = core;
        bench.now = now;
        self.bench = bench;
        self.height = self.bench.core.finalized().0;
        (self.returning, self.checking, self.building) = Default::default();
        self.heed(&effects);
    }
}

/// `PROPTEST_CASES=count` draws more histories.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(1000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c3_c5_c7_c16_no_sequence_of_inputs_makes_us_contradict_ourselves_panic_or_swell(
        steps in prop::collection::vec(step(), 0..STEPS),
        leader_skip_views in prop_oneof![Just(0_u64), Just(1)],
        view_window in 0_u64..9,
        plausible in prop::bool::weighted(0.8),
    ) {
        let mut history = History::new(Config { leader_skip_views, view_window, ..CONFIG }, plausible);
        for step in steps {
            let before = history.bench.core.view();
            let restarts = matches!(step, Step::Restart { .. });
            history.take(step);
            let core = &history.bench.core;
            prop_assert!(restarts || core.view() >= before, "invariant 11");
            let stats = core.stats();
            let voted = view_window as usize + 4 + history.said.len();
            prop_assert!(stats.views <= voted + history.fed, "{stats:?}, fed {}", history.fed);
            prop_assert!(stats.blocks <= 2 * stats.views + history.blocks.len() + history.fed, "{stats:?}");
        }
    }
}
