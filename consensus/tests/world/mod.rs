//! A small world for the core alone: validators with disks that survive and memories that do not, a
//! network with weather, adversaries, clocks that jump, and one seed.
//!
//! Blocks are headers here and signatures stamps, since the core reads neither bodies nor
//! signatures. Whole validators with ledger, pool and store are another world's matter.
//!
//! Invariant: two runs of one seed are the same run.

#![allow(dead_code)] // Each test file uses its part.

pub(crate) mod adversary;
mod adversary_forger;
mod adversary_pace;
mod adversary_votes;
pub(crate) mod checker;
mod disk;
mod epoch;
mod gate;
mod life;
mod measures;
pub(crate) mod network;
pub(crate) mod plan;
mod random;
mod shell;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use consensus::event::{Finalized, Input, Message};
use consensus::leader::Rotation;
use consensus::{Config, Consensus};
use ledger::block::{BlockHash, Header, Height, View};
use ledger::certificate::ValidatorSet;
use ledger::time::Timestamp;

use adversary::{Adversary, Kind};
use checker::{Checker, Witness};
use disk::Disk;
use epoch::validator_set;
use gate::Gate;
use measures::{Measures, Verified};
use network::Network;
use plan::Plan;
use random::Random;

/// The world begins in 2026, so that no test passes because time is near zero.
const BEGINNING_MS: u64 = 1_772_582_400_000;
/// In fair weather clocks differ by less than this from the world's.
const SKEW_MS: u64 = 300;
/// After this long without the quorum's whole history, liveness has failed.
const RECOVERY_MS: u64 = 30_000;
/// So long a script may keep validators apart: some splits hold no quorum.
const SCRIPT_MS: u64 = 8_000;
/// More events than any world needs: somebody chatters without end.
const EVENTS_MAX: u64 = 4_000_000;

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
    /// Does as it likes (`adversary`).
    Faulty(Kind),
}

/// One running (or crashed) copy of a validator.
struct Instance {
    id: u16,
    character: Character,
    mind: Option<Box<dyn Adversary>>,
    /// How far its clock is ahead of the world's.
    skew_ms: i64,
    /// Whether the shell drops what the core says it need not see.
    filters: bool,
    gate: Gate,
    core: Option<Consensus>,
    /// Counts starts; what was meant for an earlier one is not delivered.
    boot: u32,
    wake_at: Option<u64>,
    disk: Disk,
    bodies: BTreeMap<BlockHash, Header>,
    /// What this start of it has executed and found valid.
    executed: BTreeSet<BlockHash>,
    /// The last view that a build was asked for.
    built: View,
    /// Transactions waiting here; lost in a crash.
    waiting: BTreeSet<u32>,
    dead: bool,
    witness: Witness,
    /// Inputs since the start.
    inputs: u64,
    /// Certificates that need no second check.
    verified: Verified,
}

impl Instance {
    fn is_honest(&self) -> bool {
        self.character == Character::Honest
    }
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
    Packet {
        from: usize,
        to: usize,
        forged: bool,
        packet: Rc<Packet>,
    },
    Input {
        to: usize,
        boot: u32,
        input: Input,
    },
    Wake {
        to: usize,
        boot: u32,
    },
    Build {
        to: usize,
        boot: u32,
        view: View,
        parent_view: View,
        parent: BlockHash,
    },
    Crash(usize),
    Restart(usize),
    /// An adversary may act.
    Moment(usize),
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
    /// Evidence handed out against the faulty.
    pub(crate) convictions: u64,
    pub(crate) crashes: u64,
    /// Messages that gates stopped.
    pub(crate) stopped: u64,
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
    genesis_hash: BlockHash,
    rotation: Rotation,
    instances: Vec<Instance>,
    pub(crate) plan: Plan,
    /// For twins: which instances hear which twin.
    camp: u64,
    /// By view from 1: the camp of each instance; views beyond are one camp.
    script: Option<Vec<Vec<u8>>>,
    /// Moments at which power may fail, counted, and the one at which it does.
    perils: u64,
    pub(crate) fails_at: Option<u64>,
    healed: bool,
    transactions: u32,
    /// When each transaction came.
    known_since: Vec<u64>,
    /// What each block holds, and when it was built.
    contents: BTreeMap<BlockHash, BTreeSet<u32>>,
    born: BTreeMap<BlockHash, u64>,
    /// At which height each transaction was posted.
    posted: BTreeMap<u32, Height>,
    /// How long a build takes at most, and a check one of the three.
    build_ms: u64,
    check_ms: [u64; 3],
    pub(crate) measuring: bool,
    pub(crate) measures: Measures,
    pub(crate) checker: Checker,
    pub(crate) outcome: Outcome,
    verbose: bool,
}

impl World {
    /// Draws a world: how many validators, who is faulty, how clocks stand.
    pub(crate) fn seeded(seed: u64, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::drawn(&mut random);
        let mut world = Self::of(random, plan);
        world.verbose = verbose;
        let dead = world.plan.dead;
        let honest = world.instances.iter_mut().filter(|i| i.is_honest());
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
        let mut world = Self::of(Random::new(seed), Plan::quiet(characters, config));
        (0..world.instances.len()).for_each(|at| world.restart(at));
        world
    }

    /// A quiet world in which each view has its camps: `script[v - 1][i]` is the camp of
    /// instance i in view v, and beyond the script all are one. Validators lead as `leads` says.
    pub(crate) fn scripted(characters: &[Character], leads: &[u16], script: Vec<Vec<u8>>) -> Self {
        let mut plan = Plan::quiet(characters, CONFIG);
        let validators = characters.len() as u16;
        let fits = |genesis: &Header| {
            let rotation = Rotation::new(&genesis.hash(), validators);
            (1..).zip(leads).all(|(view, leader)| rotation.leader(View(view)) == *leader)
        };
        while !fits(&plan.genesis) {
            plan.genesis.log_size += 1;
        }
        let mut world = Self::of(Random::new(0), plan);
        world.network.delay(10);
        world.script = Some(script);
        world.instances.iter_mut().for_each(|instance| instance.skew_ms = 0);
        (0..world.instances.len()).for_each(|at| world.restart(at));
        world
    }

    fn of(mut random: Random, plan: Plan) -> Self {
        let characters = &plan.characters;
        let set = validator_set(characters.len() as u16);
        let genesis = plan.genesis.clone();
        let honest: Vec<bool> = characters.iter().map(|c| *c == Character::Honest).collect();
        let validators = set.len();
        let gate = Gate {
            epoch: set.epoch,
            validators: validators as u16,
            quorum: validators - (validators - 1) / 3,
            wide: false,
        };
        let seats = characters.iter().enumerate().flat_map(|(id, character)| {
            let twin = matches!(character, Character::Twin(_)).then_some((id, Character::Twin(true)));
            [Some((id, *character)), twin].into_iter().flatten()
        });
        let instances: Vec<Instance> = seats
            .map(|(id, character)| Instance {
                id: id as u16,
                character,
                mind: match character {
                    Character::Faulty(kind) => kind.mind(&mut random),
                    _ => None,
                },
                skew_ms: random.below(SKEW_MS) as i64,
                filters: random.permille(500),
                gate: Gate { wide: random.permille(500), ..gate },
                core: None,
                boot: 0,
                wake_at: None,
                disk: Disk::default(),
                bodies: BTreeMap::new(),
                executed: BTreeSet::new(),
                built: View(0),
                waiting: BTreeSet::new(),
                dead: false,
                witness: Witness::default(),
                inputs: 0,
                verified: Verified::default(),
            })
            .collect();
        let checker = Checker::new(set.epoch, honest, genesis.clone());
        let genesis_hash = genesis.hash();
        let mut world = Self {
            now: BEGINNING_MS,
            order: 0,
            queue: BinaryHeap::new(),
            network: Network::calm(instances.len(), 30),
            config: plan.config.clone(),
            rotation: Rotation::new(&genesis_hash, validators as u16),
            set,
            genesis,
            genesis_hash,
            instances,
            plan,
            camp: random.next(),
            script: None,
            perils: 0,
            fails_at: None,
            healed: false,
            transactions: 0,
            known_since: Vec::new(),
            contents: BTreeMap::new(),
            born: BTreeMap::new(),
            posted: BTreeMap::new(),
            build_ms: 20,
            check_ms: [0, 5, 60],
            measuring: false,
            measures: Measures::default(),
            checker,
            outcome: Outcome { trace: 0xcbf2_9ce4_8422_2325, ..Outcome::default() },
            verbose: false,
            random,
        };
        for at in 0..world.instances.len() {
            if world.instances[at].mind.is_some() {
                world.later(0, Event::Moment(at));
            }
        }
        world
    }

    /// First everything goes wrong, then nothing more but the adversaries, who stay: safety is
    /// demanded throughout, and progress after healing.
    pub(crate) fn run(&mut self) {
        let storm_ms = self.plan.storm_ms;
        self.run_until(BEGINNING_MS + storm_ms, |_| false);
        if self.plan.drought_ms > 0 {
            self.network.drought();
            self.run_until(self.now + self.plan.drought_ms, |_| false);
        }
        self.heal();
        let highest = self.live().filter_map(|i| Some(i.core.as_ref()?.view())).max().unwrap_or(View(1));
        self.recover(highest);
        self.rest();
        (0..self.instances.len()).filter(|at| self.instances[*at].is_honest()).for_each(|at| self.weigh(at));
        self.sum_up();
    }

    /// Until everybody is past the scripted views, or nobody gets anywhere any more; then all hear
    /// each other.
    pub(crate) fn run_script(&mut self, views: u64) {
        self.submit(&(0..self.instances.len()).collect::<Vec<_>>());
        let past = |world: &Self| world.live().all(|i| i.core.as_ref().is_some_and(|c| c.view().0 > views));
        self.run_until(BEGINNING_MS + SCRIPT_MS, past);
        self.script = Some(Vec::new());
        let highest = self.live().filter_map(|i| Some(i.core.as_ref()?.view())).max().unwrap_or(View(1));
        self.submit(&[0]);
        self.recover(highest);
        self.sum_up();
    }

    /// Invariant 13.
    fn recover(&mut self, highest: View) {
        let healed_at = self.now;
        assert!(
            self.run_until(healed_at + RECOVERY_MS, Self::recovered),
            "invariant 13: no recovery {RECOVERY_MS} ms after healing: {}",
            self.describe()
        );
        self.outcome.recovery_ms = self.now - healed_at;
        let first = self.checker.first_final_above(highest).unwrap_or(highest);
        self.outcome.recovery_views = first.0 - highest.0;
        let bound = self.set.faulty_max() as u64 + 2;
        assert!(
            first.0 - highest.0 <= bound,
            "invariant 13: {} views without finality, at most {bound} may be",
            first.0 - highest.0
        );
    }

    pub(crate) fn sum_up(&mut self) {
        self.outcome.blocks = self.checker.height().0 - self.genesis.height.0;
        self.outcome.convictions = self.checker.convictions;
        let views = self.instances.iter().filter_map(|i| Some(i.core.as_ref()?.view().0));
        self.outcome.views = views.max().unwrap_or(0);
    }

    /// Rule C12: with nothing to do, nobody enters another view; and a heartbeat comes.
    fn rest(&mut self) {
        let quiet_from = self.now + 20_000;
        self.run_until(quiet_from, |_| false);
        let tip = self.live().filter_map(|i| i.core.as_ref()).map(|core| core.finalized().0).max();
        let views = |world: &Self| -> Vec<View> {
            world.live().filter_map(|i| Some(i.core.as_ref()?.view())).collect()
        };
        let before = views(self);
        // A vote of one faulty validator wakes everybody; late votes do so once in a while.
        let stirs = |character: &Character| match character {
            Character::Honest => false,
            Character::Twin(_) => true,
            Character::Faulty(kind) => kind.stirs(),
        };
        let wanting = self.instances.iter().any(|i| !i.is_honest() && !i.waiting.is_empty());
        let stirred = wanting || self.plan.characters.iter().any(stirs);
        let quiet = self.plan.characters.iter().filter(|c| **c != Character::Honest).count() as u64;
        self.run_until(quiet_from + 15_000, |_| false);
        let moved = views(self).iter().zip(&before).map(|(now, before)| now.0 - before.0).max();
        assert!(
            stirred || moved.is_some_and(|views| views <= quiet),
            "rule C12: an idle chain does not rest, {moved:?} views passed: {}",
            self.describe()
        );
        if self.random.permille(100) {
            let grown = |world: &Self| {
                world.live().all(|i| i.core.as_ref().is_some_and(|core| Some(core.finalized().0) > tip))
            };
            assert!(
                self.run_until(quiet_from + 120_000, grown),
                "rule C12: no heartbeat: {}",
                self.describe()
            );
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

    pub(crate) fn weather(&mut self, change: impl FnOnce(&mut Network)) {
        change(&mut self.network);
    }

    /// Twins talk to the instances whose bit equals their flag.
    pub(crate) fn camps(&mut self, camp: u64) {
        self.camp = camp;
    }

    /// What an instance believes to be final, with its proof.
    pub(crate) fn history(&self, at: usize) -> &[(Header, Finalized)] {
        &self.instances[at].disk.durable.finalized
    }

    pub(crate) fn core(&self, at: usize) -> Option<&Consensus> {
        self.instances[at].core.as_ref()
    }

    /// Moments so far at which power might have failed.
    pub(crate) fn perils(&self) -> u64 {
        self.perils
    }

    fn live(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|i| i.is_honest() && !i.dead)
    }

    /// Whether the last transaction is in everybody's books.
    fn recovered(world: &Self) -> bool {
        let last = world.transactions.checked_sub(1).and_then(|last| world.posted.get(&last));
        last.is_some_and(|height| {
            world.live().all(|instance| {
                let core = instance.core.as_ref();
                instance.waiting.is_empty() && core.is_some_and(|core| core.finalized().0 >= *height)
            })
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
        let stormy = self.plan.storm_ms > 0;
        assert!(!stormy || self.outcome.events < EVENTS_MAX, "somebody chatters without end");
        match event {
            Event::Packet { from, to, forged, packet } => self.on_packet(from, to, forged, &packet),
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
            Event::Moment(at) => self.moment(at),
            Event::Weather => self.change_weather(),
            Event::Submit => {
                if !self.healed {
                    let who = self.random.next() | 1 << self.random.below(self.instances.len() as u64);
                    let who: Vec<usize> = (0..self.instances.len()).filter(|at| who >> at & 1 == 1).collect();
                    self.submit(&who);
                    let next = [50, 200, 1000][self.random.below(3) as usize];
                    let next = self.random.between(1, next) * self.plan.pace;
                    self.later(next, Event::Submit);
                }
            }
        }
    }

    /// A transaction that only these instances know of.
    pub(crate) fn submit(&mut self, to: &[usize]) {
        let transaction = self.transactions;
        self.transactions += 1;
        self.known_since.push(self.now);
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
        Timestamp(self.now.saturating_add_signed(self.instances[at].skew_ms))
    }

    /// Folds numbers into the trace (FNV-1a by words).
    fn note(&mut self, words: &[u64]) {
        for word in [self.now].iter().chain(words) {
            self.outcome.trace = (self.outcome.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
