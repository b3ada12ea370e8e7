//! A small world for the core alone: validators with disks that survive and memories that do not, a
//! network with weather, liars, and one seed.
//!
//! Blocks are headers here and signatures a constant, since the core reads neither bodies nor
//! signatures. Whole validators with ledger, pool and store are another world's matter.
//!
//! Invariant: two runs of one seed are the same run.

#![allow(dead_code)] // Each test file uses its part.

pub(crate) mod checker;
pub(crate) mod network;
mod random;

mod shell;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use consensus::event::{Effect, Finalized, Input, Message};
use consensus::{Config, Consensus, Restored, Start};
use ledger::block::{BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::signature::{PublicKey, Signature};
use ledger::time::Timestamp;

use checker::Checker;
use network::Network;
use random::Random;

/// What every signature of this world looks like.
pub(crate) const SIGNED: Signature = Signature([0x51; 64]);
/// The world begins in 2026, so that no test passes because time is near zero.
const BEGINNING_MS: u64 = 1_772_582_400_000;
/// Clocks differ by less than this from the world's.
const SKEW_MS: u64 = 300;
/// After this long without the quorum's whole history, liveness has failed.
const RECOVERY_MS: u64 = 30_000;

/// What worlds run with unless they say otherwise.
pub(crate) const CONFIG: Config = Config {
    delta_ms: 400,
    delta_max_ms: 4000,
    block_interval_ms: 100,
    heartbeat_ms: 60_000,
    drift_ms: 1000,
    view_window: 16,
    skips_max: 4,
    leader_skip_views: 0,
};

/// How a validator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    Honest,
    /// One key, two honest instances that do not know of each other; this one talks mostly to the
    /// instances whose bit in the camp equals the flag.
    Twin(bool),
    /// Contradicts itself, proposes two blocks or bad ones, withholds.
    Liar,
}

/// What survives a crash.
#[derive(Default)]
struct Disk {
    statements: BTreeSet<Statement>,
    certificates: Vec<Certificate>,
    blocks: BTreeMap<BlockHash, Header>,
    finalized: Vec<(Header, Finalized)>,
}

/// One running (or crashed) copy of a validator.
struct Instance {
    id: u16,
    character: Character,
    skew_ms: u64,
    /// Whether the shell drops what the core says it need not see.
    filters: bool,
    core: Option<Consensus>,
    /// Counts starts; what was meant for an earlier one is not delivered.
    boot: u32,
    wake_at: Option<u64>,
    disk: Disk,
    /// To be written with the next vote.
    keeps: Vec<Certificate>,
    bodies: BTreeMap<BlockHash, Header>,
    /// What this start of it has executed and found valid.
    executed: BTreeSet<BlockHash>,
    /// The last view that a build was asked for.
    built: View,
    /// Transactions waiting here; lost in a crash.
    waiting: BTreeSet<u32>,
    dead: bool,
}

/// What travels.
#[derive(Clone, Debug)]
enum Packet {
    Message(Message),
    Fetch(BlockHash),
    Fetched(Header),
    Sync(Height),
    Synced(Vec<(Header, Finalized)>),
}

#[derive(Debug)]
enum Event {
    Packet { from: usize, to: usize, packet: Packet },
    Input { to: usize, boot: u32, input: Input },
    Wake { to: usize, boot: u32 },
    Build { to: usize, boot: u32, view: View, parent_view: View, parent: BlockHash },
    Crash(usize),
    Restart(usize),
    Weather,
    Submit,
}

struct Due {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Hash of everything that happened.
    pub(crate) trace: u64,
    /// Events handled.
    pub(crate) events: u64,
    /// Highest view anybody was in.
    pub(crate) views: u64,
    /// Blocks in the one history.
    pub(crate) blocks: u64,
    /// From healing until everybody had everything.
    pub(crate) recovery_ms: u64,
    /// Views from the highest at healing to the first finalized one above.
    pub(crate) recovery_views: u64,
    /// Evidence handed out against liars and twins.
    pub(crate) convictions: u64,
    pub(crate) crashes: u64,
}

/// The world.
pub(crate) struct World {
    random: Random,
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<Due>>,
    network: Network,
    config: Config,
    set: ValidatorSet,
    genesis: Header,
    instances: Vec<Instance>,
    /// For twins: which instances hear which twin.
    camp: u64,
    crash_permille: u64,
    healed: bool,
    transactions: u32,
    /// What each block holds.
    contents: BTreeMap<BlockHash, BTreeSet<u32>>,
    posted: BTreeSet<u32>,
    pub(crate) checker: Checker,
    pub(crate) outcome: Outcome,
    verbose: bool,
}

impl World {
    /// Draws a world: how many validators, who is faulty, how clocks stand.
    pub(crate) fn seeded(seed: u64, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let validators = [4, 4, 4, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7, 10, 13][random.below(16) as usize];
        let faulty = (validators - 1) / 3;
        let liars = random.below(faulty as u64 + 1) as usize;
        let mut characters = vec![Character::Honest; validators];
        for _ in 0..liars {
            let who = random.below(validators as u64) as usize;
            characters[who] = if random.permille(500) { Character::Liar } else { Character::Twin(false) };
        }
        let byzantine = characters.iter().filter(|c| **c != Character::Honest).count();
        let dead = if random.permille(300) { faulty - byzantine } else { 0 };
        let config = Config {
            view_window: random.between(4, 20),
            skips_max: random.between(2, 6) as usize,
            leader_skip_views: [0, 0, 6, 12][random.below(4) as usize],
            ..CONFIG
        };
        let mut world = Self::of(random, &characters, config);
        world.verbose = verbose;
        world.crash_permille = [0, 1, 5, 20][world.random.below(4) as usize];
        let honest = world.instances.iter_mut().filter(|i| i.character == Character::Honest);
        honest.take(dead).for_each(|instance| instance.dead = true);
        for instance in 0..world.instances.len() {
            let at = world.random.below(500);
            world.later(at, Event::Restart(instance));
        }
        world.later(0, Event::Weather);
        world.later(0, Event::Submit);
        world
    }

    /// A world of fair weather in which nothing happens by itself and everybody runs.
    pub(crate) fn quiet(seed: u64, characters: &[Character], config: Config) -> Self {
        let mut world = Self::of(Random::new(seed), characters, config);
        (0..world.instances.len()).for_each(|at| world.restart(at));
        world
    }

    fn of(mut random: Random, characters: &[Character], config: Config) -> Self {
        let instances: Vec<Instance> = characters
            .iter()
            .enumerate()
            .flat_map(|(id, character)| {
                let twin = matches!(character, Character::Twin(_)).then_some((id, Character::Twin(true)));
                [Some((id, *character)), twin].into_iter().flatten()
            })
            .map(|(id, character)| Instance {
                id: id as u16,
                character,
                skew_ms: random.below(SKEW_MS),
                filters: random.permille(500),
                core: None,
                boot: 0,
                wake_at: None,
                disk: Disk::default(),
                keeps: Vec::new(),
                bodies: BTreeMap::new(),
                executed: BTreeSet::new(),
                built: View(0),
                waiting: BTreeSet::new(),
                dead: false,
            })
            .collect();
        let set = validator_set(characters.len() as u16);
        let genesis = genesis();
        let honest = characters.iter().map(|c| *c == Character::Honest).collect();
        let checker = Checker::new(set.epoch, set.quorum(), honest, genesis.clone());
        Self {
            now: BEGINNING_MS,
            order: 0,
            queue: BinaryHeap::new(),
            network: Network::calm(instances.len(), 30),
            config,
            set,
            genesis,
            instances,
            camp: random.next(),
            crash_permille: 0,
            healed: false,
            transactions: 0,
            contents: BTreeMap::new(),
            posted: BTreeSet::new(),
            checker,
            outcome: Outcome { trace: 0xcbf2_9ce4_8422_2325, ..Outcome::default() },
            verbose: false,
            random,
        }
    }

    /// First everything goes wrong, then nothing more; safety is demanded of the first phase, and
    /// progress of the second.
    pub(crate) fn run(&mut self) {
        let storm_ms = self.random.between(1500, 25_000);
        self.run_until(BEGINNING_MS + storm_ms, |_| false);
        self.heal();
        let healed_at = self.now;
        let highest = self.live().filter_map(|i| Some(i.core.as_ref()?.view())).max().unwrap_or(View(1));
        assert!(
            self.run_until(healed_at + RECOVERY_MS, Self::recovered),
            "no recovery {RECOVERY_MS} ms after healing (invariant 13): {}",
            self.describe()
        );
        self.outcome.recovery_ms = self.now - healed_at;
        let first = self.checker.first_final_above(highest).unwrap_or(highest);
        self.outcome.recovery_views = first.0 - highest.0;
        let bound = self.set.faulty_max() as u64 + 2;
        assert!(first.0 - highest.0 <= bound, "more than {bound} views without finality (invariant 13)");
        self.rest();
        for instance in self.live() {
            let Some(core) = &instance.core else { continue };
            let stats = core.stats();
            let open = core.view().0 - core.finalized().1.0;
            let bound = self.config.view_window + open + 2;
            assert!(
                stats.views as u64 <= bound,
                "{} views tracked, bound {bound} (invariant 12)",
                stats.views
            );
            assert!(stats.blocks as u64 <= 4 * open + 4, "{} blocks tracked (invariant 12)", stats.blocks);
        }
        self.outcome.blocks = self.checker.height().0 - self.genesis.height.0;
        self.outcome.convictions = self.checker.convictions;
        let views = self.instances.iter().filter_map(|i| Some(i.core.as_ref()?.view().0));
        self.outcome.views = views.max().unwrap_or(0);
    }

    /// Rule C12: with nothing to do, nobody enters another view; and a heartbeat comes.
    fn rest(&mut self) {
        let honest = self.instances.iter().all(|i| i.character == Character::Honest);
        let quiet_from = self.now + 20_000;
        self.run_until(quiet_from, |_| false);
        let tip = self.live().filter_map(|i| i.core.as_ref()).map(|core| core.finalized().0).max();
        let views = |world: &Self| -> Vec<View> {
            world.live().filter_map(|i| Some(i.core.as_ref()?.view())).collect()
        };
        let before = views(self);
        self.run_until(quiet_from + 15_000, |_| false);
        if honest {
            assert_eq!(views(self), before, "an idle chain does not rest: {}", self.describe());
        }
        if self.random.permille(250) {
            let grown = |world: &Self| {
                world.live().all(|i| i.core.as_ref().is_some_and(|core| Some(core.finalized().0) > tip))
            };
            assert!(self.run_until(quiet_from + 120_000, grown), "no heartbeat: {}", self.describe());
        }
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.run_until(self.now + ms, |_| false);
    }

    /// How long until everybody who lives has all there is, if that takes no longer than `ms`.
    pub(crate) fn recovers_within(&mut self, ms: u64) -> Option<u64> {
        let from = self.now;
        self.run_until(from + ms, Self::recovered).then(|| self.now - from)
    }

    /// The process dies, and does not come back by itself.
    pub(crate) fn stop(&mut self, at: usize) {
        let instance = &mut self.instances[at];
        instance.core = None;
        instance.boot += 1;
        instance.dead = true;
        instance.keeps.clear();
        instance.bodies.clear();
        instance.waiting.clear();
    }

    /// It comes back, with what its disk holds.
    pub(crate) fn start(&mut self, at: usize) {
        self.instances[at].dead = false;
        self.restart(at);
    }

    pub(crate) fn weather(&mut self, change: impl FnOnce(&mut Network)) {
        change(&mut self.network);
    }

    /// Twins talk to the instances whose bit equals their flag.
    pub(crate) fn camps(&mut self, camp: u64) {
        self.camp = camp;
    }

    /// What an instance believes to be final, with its proof.
    pub(crate) fn history(&self, at: usize) -> &[(Header, Finalized)] {
        &self.instances[at].disk.finalized
    }

    pub(crate) fn core(&self, at: usize) -> Option<&Consensus> {
        self.instances[at].core.as_ref()
    }

    fn live(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|i| i.character == Character::Honest && !i.dead)
    }

    fn recovered(world: &Self) -> bool {
        let height = world.checker.height();
        let transactions = world.transactions > 0 && world.posted.contains(&(world.transactions - 1));
        transactions
            && world.live().all(|instance| {
                let core = instance.core.as_ref();
                instance.waiting.is_empty() && core.is_some_and(|core| core.finalized().0 == height)
            })
    }

    fn describe(&self) -> String {
        let of = |instance: &Instance| {
            let core = instance.core.as_ref();
            let core = core.map(|core| (core.view(), core.finalized(), core.wake_at(), core.stats()));
            format!("\n  {} {:?} {core:?} waiting {:?}", instance.id, instance.character, instance.waiting)
        };
        self.instances.iter().map(of).collect()
    }

    /// The weather turns fair, everybody who will ever come back does, and somebody alone knows of
    /// one more transaction.
    fn heal(&mut self) {
        self.note(&[7]);
        self.healed = true;
        self.crash_permille = 0;
        self.network = Network::calm(self.instances.len(), self.config.delta_ms / 4);
        for at in 0..self.instances.len() {
            if self.instances[at].dead {
                self.instances[at].core = None;
                self.instances[at].boot += 1;
            } else if self.instances[at].core.is_none() {
                self.restart(at);
            }
        }
        let honest: Vec<usize> = (0..self.instances.len())
            .filter(|at| self.instances[*at].character == Character::Honest && !self.instances[*at].dead)
            .collect();
        let one = honest[self.random.below(honest.len() as u64) as usize];
        self.submit(&[one]);
    }

    /// Runs until the moment or the condition; says whether the condition came.
    fn run_until(&mut self, until: u64, condition: impl Fn(&Self) -> bool) -> bool {
        loop {
            if condition(self) {
                return true;
            }
            if self.queue.peek().is_none_or(|Reverse(due)| due.at > until) {
                self.now = until;
                return condition(self);
            }
            if let Some(Reverse(Due { at, event, .. })) = self.queue.pop() {
                self.now = at;
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        self.outcome.events += 1;
        match event {
            Event::Packet { from, to, packet } => self.on_packet(from, to, packet),
            Event::Input { to, boot, input } => {
                if self.instances[to].boot == boot {
                    self.input(to, input);
                }
            }
            Event::Wake { to, boot } => {
                let instance = &mut self.instances[to];
                if instance.boot == boot && instance.wake_at == Some(self.now) {
                    instance.wake_at = None;
                    self.input(to, Input::Tick);
                }
            }
            Event::Build { to, boot, view, parent_view, parent } => {
                if self.instances[to].boot == boot {
                    self.build(to, view, parent_view, parent);
                }
            }
            Event::Crash(at) => self.crash(at),
            Event::Restart(at) => {
                if self.instances[at].core.is_none() && !(self.healed && self.instances[at].dead) {
                    self.restart(at);
                }
            }
            Event::Weather => {
                if !self.healed {
                    self.network.change(&mut self.random, 60);
                    self.camp = self.random.next();
                    let next = self.random.between(100, 2500);
                    self.later(next, Event::Weather);
                    if self.random.permille(150) && self.crash_permille > 0 {
                        let who = self.random.below(self.instances.len() as u64) as usize;
                        self.later(next / 2, Event::Crash(who));
                    }
                }
            }
            Event::Submit => {
                if !self.healed {
                    let who = self.random.next() | 1 << self.random.below(self.instances.len() as u64);
                    let who: Vec<usize> = (0..self.instances.len()).filter(|at| who >> at & 1 == 1).collect();
                    self.submit(&who);
                    let next = [50, 200, 1000][self.random.below(3) as usize];
                    let next = self.random.between(1, next);
                    self.later(next, Event::Submit);
                }
            }
        }
    }

    /// A transaction that only these instances know of.
    pub(crate) fn submit(&mut self, to: &[usize]) {
        let transaction = self.transactions;
        self.transactions += 1;
        for at in to {
            self.instances[*at].waiting.insert(transaction);
            self.input(*at, Input::Work { waiting: true });
        }
    }

    fn later(&mut self, wait_ms: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Due { at: self.now + wait_ms, order: self.order, event }));
    }

    fn clock(&self, at: usize) -> Timestamp {
        Timestamp(self.now + self.instances[at].skew_ms)
    }

    fn crash(&mut self, at: usize) {
        let instance = &mut self.instances[at];
        if self.healed || instance.core.take().is_none() {
            return;
        }
        instance.boot += 1;
        instance.keeps.clear();
        instance.bodies.clear();
        instance.waiting.clear();
        self.outcome.crashes += 1;
        self.note(&[1, at as u64]);
        let down_ms = [20, 500, 4000][self.random.below(3) as usize];
        let down_ms = self.random.between(1, down_ms);
        self.later(down_ms, Event::Restart(at));
    }

    /// From what is on the disk, and nothing else.
    fn restart(&mut self, at: usize) {
        self.note(&[2, at as u64]);
        let now = self.clock(at);
        let instance = &mut self.instances[at];
        let disk = &instance.disk;
        let finalized = disk.finalized.last().map(|(header, proof)| {
            (header.clone(), proof.finalization.clone().expect("the last one has its own"))
        });
        let headers: Vec<Header> = disk.blocks.values().cloned().collect();
        instance.bodies = disk.blocks.clone();
        (instance.executed, instance.built) = Default::default();
        if let Some((header, _)) = &finalized {
            instance.bodies.insert(header.hash(), header.clone());
        }
        let restored = Restored {
            finalized,
            statements: disk.statements.iter().copied().collect(),
            certificates: disk.certificates.clone(),
            headers,
        };
        let start = Start {
            chain: self.genesis.chain,
            validators: self.set.clone(),
            me: Some(instance.id),
            genesis: self.genesis.clone(),
            vote_from: View(0),
        };
        let (core, effects) = Consensus::new(self.config.clone(), start, restored, now);
        assert!(
            instance.character != Character::Honest || core.view() >= self.checker.highest_vote(instance.id),
            "the view went back over votes (invariant 11)"
        );
        instance.core = Some(core);
        self.carry_out(at, effects);
    }

    fn input(&mut self, at: usize, input: Input) {
        let now = self.clock(at);
        let Some(core) = &self.instances[at].core else { return };
        let before = core.view();
        if let Input::Checked { block, valid: true } = &input {
            self.instances[at].executed.insert(*block);
        }
        if self.verbose {
            println!("{:>6} #{at} v{before} <- {input:?}", self.now - BEGINNING_MS);
        }
        let Some(core) = &mut self.instances[at].core else { return };
        let effects = core.handle(now, input);
        assert!(core.view() >= before, "the view went back (invariant 11)");
        assert!(core.wake_at().is_none_or(|wake| wake > now), "a wake-up that is not later");
        self.carry_out(at, effects);
    }

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            if self.verbose {
                println!("{:>6} #{at}      -> {effect:?}", self.now - BEGINNING_MS);
            }
            self.effect(at, effect);
            if self.random.permille(self.crash_permille) {
                self.crash(at);
            }
            if self.instances[at].core.is_none() {
                return;
            }
        }
        let instance = &mut self.instances[at];
        let wake_at = instance.core.as_ref().and_then(Consensus::wake_at);
        let wake_at = wake_at.map(|wake| (wake.0 - instance.skew_ms).max(self.now));
        if instance.wake_at != wake_at {
            instance.wake_at = wake_at;
            let (to, boot) = (at, instance.boot);
            if let Some(wake_at) = wake_at {
                self.later(wake_at - self.now, Event::Wake { to, boot });
            }
        }
    }

    /// Folds numbers into the trace (FNV-1a by words).
    fn note(&mut self, words: &[u64]) {
        for word in [self.now].iter().chain(words) {
            self.outcome.trace = (self.outcome.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Validators whose keys nobody needs, because nobody signs.
pub(crate) fn validator_set(validators: u16) -> ValidatorSet {
    let seat = |index: u16| {
        let key = |kind: u8| {
            PublicKey([kind, index as u8, (index >> 8) as u8].repeat(11)[..32].try_into().unwrap())
        };
        Validator {
            entity: OrgNumber::new(org_number(index)).unwrap(),
            name: Name::new(format!("v{index}.example")).unwrap(),
            vote_key: key(1),
            cosign_key: key(2),
            peer_key: key(3),
            governance_key: key(4),
        }
    };
    ValidatorSet { epoch: Epoch(3), validators: (0..validators).map(seat).collect() }
}

/// The n-th organisation number with a right check digit.
fn org_number(n: u16) -> u32 {
    let valid = (900_000_000..).filter(|number| OrgNumber::new(*number).is_ok());
    valid.into_iter().nth(usize::from(n)).unwrap()
}

/// The block that the world's epoch starts from; neither its height nor its view is zero.
pub(crate) fn genesis() -> Header {
    Header {
        version: PROTOCOL_VERSION,
        chain: Digest([0xc4; 32]),
        epoch: Epoch(2),
        view: View(77),
        height: Height(40),
        parent_view: View(76),
        parent: BlockHash::default(),
        proposer: 0,
        time: Timestamp(BEGINNING_MS - 1000),
        payload: Digest::default(),
        log_size: 0,
        log_root: Digest::default(),
        state_root: Digest([0x90; 32]),
    }
}
