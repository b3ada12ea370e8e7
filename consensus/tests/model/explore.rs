//! Every course that four validators can take, three of them real cores and one faulty in any way.
//!
//! The network and the faulty one are as bad as can be: a certificate can be shown to anybody once enough
//! votes for it were sent, and the faulty one is taken to have sent every vote; when it leads, it proposes to each
//! whatever can be justified. A core that casts may crash before its votes are durable, or after that and
//! before they leave. Execution and fetching answer at once; that votes leave late is covered, because what depends
//! on them can be shown late.
//!
//! Invariant: two states with one fingerprint differ in time only.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use consensus::event::Input;
use stateright::{Model, Property};

use super::blocks::{Number, Said, VALIDATORS, chain_of, epoch, parent_of, view_of};
use super::validator::{Disk, Running};

/// What a run allows, and what is planted in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Who is faulty; number k leads view k + 1.
    pub(crate) faulty: u16,
    pub(crate) views: u64,
    pub(crate) crashes: u32,
    pub(crate) losses: u32,
    /// Votes in a certificate; 3 is right.
    pub(crate) quorum: usize,
    /// Whether votes are durable before they leave.
    pub(crate) durable_first: bool,
    /// Whether a restart brings nullify votes back.
    pub(crate) nullifies_restored: bool,
    /// Views above the highest proven from which one votes again after a loss; 2 is right.
    pub(crate) vote_from: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            faulty: 0,
            views: 2,
            crashes: 1,
            losses: 0,
            quorum: 3,
            durable_first: true,
            nullifies_restored: true,
            vote_from: 2,
        }
    }
}

/// When the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not now.
    None,
    /// When votes are cast and nothing of them is durable.
    BeforeDurable,
    /// When they are durable and none has left.
    BeforeSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happens {
    Certificate(Said),
    Proposal(Number),
    Timeout,
    Crash,
    /// The disk is lost; the others prove their views at once, when these are lowest.
    Loss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    at: usize,
    happens: Happens,
    fate: Fate,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    nodes: Vec<Arc<Running>>,
    prints: Vec<u64>,
    /// Every vote that ever left, by validator.
    sent: Vec<BTreeSet<Said>>,
    proposed: BTreeSet<Number>,
    /// Proposals delivered since the last start, by validator.
    seen: Vec<BTreeSet<Number>>,
    crashes: u32,
    losses: u32,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prints.hash(state);
        (&self.sent, &self.proposed, &self.seen, self.crashes, self.losses).hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        (&self.prints, &self.sent, &self.proposed, &self.seen, self.crashes, self.losses)
            == (&other.prints, &other.sent, &other.proposed, &other.seen, other.crashes, other.losses)
    }
}

fn print_of(node: &Running) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.fingerprint(&mut hasher);
    hasher.finish()
}

impl World {
    fn certified(&self, said: Said, quorum: usize) -> bool {
        self.sent.iter().filter(|sent| sent.contains(&said)).count() + 1 >= quorum
    }

    /// Certificates that can be shown.
    fn certificates(&self, bounds: &Bounds) -> BTreeSet<Said> {
        let all: BTreeSet<Said> = self.sent.iter().flatten().copied().collect();
        all.into_iter().filter(|said| self.certified(*said, bounds.quorum)).collect()
    }

    /// What the faulty leader can propose.
    fn faked(&self, bounds: &Bounds, certificates: &BTreeSet<Said>) -> Vec<Number> {
        let blocks = certificates.iter().filter_map(|said| match said {
            Said::Notarize(block) => Some(*block),
            _ => None,
        });
        let parents: Vec<Number> = std::iter::once(0).chain(blocks).collect();
        let leads = |view: &u64| (view - 1) % u64::from(VALIDATORS) == u64::from(bounds.faulty);
        let mut faked = Vec::new();
        for view in (1..=bounds.views).filter(leads) {
            for parent in parents.iter().filter(|parent| view_of(**parent) < view) {
                let mut gap = view_of(*parent) + 1..view;
                if gap.all(|skip| certificates.contains(&Said::Nullify(skip))) {
                    faked.extend([0, 1].map(|form| parent * 100 + view * 10 + form));
                }
            }
        }
        faked
    }

    /// One validator does something, and everything follows from it.
    fn act(&mut self, bounds: &Bounds, act: Act, certificates: &BTreeSet<Said>) -> Option<()> {
        let Act { at, happens, fate } = act;
        let mut node = Running::clone(&self.nodes[at]);
        match happens {
            Happens::Certificate(said) => {
                node.input(Input::Certificate(epoch().certificate(said, &[0, 1, 2])));
            }
            Happens::Proposal(block) => {
                self.seen[at].insert(block);
                let proposal = epoch().proposal(block, |said| certificates.contains(&said));
                node.input(Input::Proposal(proposal));
            }
            Happens::Timeout => {
                if !node.time_out() {
                    return None;
                }
            }
            Happens::Crash => self.crash(bounds, at, &mut node),
            Happens::Loss => self.lose(bounds, at, &mut node),
        }
        if !self.settle(bounds, at, &mut node, fate) {
            return None;
        }
        self.prints[at] = print_of(&node);
        self.nodes[at] = Arc::new(node);
        Some(())
    }

    fn crash(&mut self, bounds: &Bounds, at: usize, node: &mut Running) {
        self.crashes += 1;
        self.seen[at].clear();
        if !bounds.nullifies_restored {
            node.disk.said.retain(|said| !matches!(said, Said::Nullify(_)));
        }
        node.restart();
    }

    fn lose(&mut self, bounds: &Bounds, at: usize, node: &mut Running) {
        self.losses += 1;
        self.seen[at].clear();
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != at);
        let highest = others.map(|(_, other)| other.proven_view()).max().unwrap_or(1);
        node.disk = Disk { vote_from: highest + bounds.vote_from, ..Disk::default() };
        node.restart();
        node.finals.clear();
    }

    /// Answers whatever the core asks for, until it asks for nothing. False if a fate found no vote to strike.
    fn settle(&mut self, bounds: &Bounds, at: usize, node: &mut Running, fate: Fate) -> bool {
        let mut fate = fate;
        loop {
            self.proposed.extend(node.proposes.drain(..));
            if let Some(block) = node.checks.first().copied() {
                node.checked(block);
            } else if let Some(block) = node.fetches.first().copied() {
                node.fetched(block);
            } else if let Some((view, _)) = node.build {
                if view > bounds.views {
                    node.build = None;
                } else {
                    node.built(u64::from(self.crashes + self.losses).min(1));
                }
            } else if !node.casts.is_empty() {
                if fate == Fate::BeforeDurable {
                    if !bounds.durable_first {
                        self.sent[at].extend(&node.casts);
                    }
                    self.crash(bounds, at, node);
                } else {
                    let casts = node.persist();
                    if fate == Fate::BeforeSent {
                        self.crash(bounds, at, node);
                    } else {
                        for said in casts {
                            self.sent[at].insert(said);
                            node.returned(said);
                        }
                    }
                }
                fate = Fate::None;
            } else {
                return fate == Fate::None;
            }
        }
    }
}

/// All courses within bounds.
pub(crate) struct Courses(pub(crate) Bounds);

impl Courses {
    /// The correct validator at a place in [`World::nodes`].
    fn node(&self, at: usize) -> u16 {
        (0..VALIDATORS).filter(|node| *node != self.0.faulty).nth(at).unwrap()
    }
}

impl Model for Courses {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let nodes: Vec<Running> = (0..3).map(|at| Running::start(self.node(at), Disk::default())).collect();
        let none = vec![BTreeSet::new(); 3];
        let mut world = World {
            prints: nodes.iter().map(print_of).collect(),
            nodes: nodes.into_iter().map(Arc::new).collect(),
            sent: none,
            proposed: BTreeSet::new(),
            seen: vec![BTreeSet::new(); 3],
            crashes: 0,
            losses: 0,
        };
        for at in 0..3 {
            let mut node = Running::clone(&world.nodes[at]);
            world.settle(&self.0, at, &mut node, Fate::None);
            world.prints[at] = print_of(&node);
            world.nodes[at] = Arc::new(node);
        }
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        let bounds = &self.0;
        let certificates = world.certificates(bounds);
        let faked = world.faked(bounds, &certificates);
        for (at, node) in world.nodes.iter().enumerate() {
            let view = node.core.view().0;
            let mut happen = Vec::new();
            let unknown = certificates.iter().filter(|said| !node.knows(**said));
            happen.extend(unknown.map(|said| Happens::Certificate(*said)));
            let seen = |block: Number| world.seen[at].iter().any(|of| view_of(*of) == view_of(block));
            for block in world.proposed.iter().chain(&faked) {
                let leads = (view_of(*block) - 1) % u64::from(VALIDATORS) == u64::from(node.node);
                if view_of(*block) >= view && !leads && !seen(*block) {
                    happen.push(Happens::Proposal(*block));
                }
            }
            let said = &node.disk.said;
            let over = said.iter().any(|said| said.view() == view && !matches!(said, Said::Notarize(_)));
            if view <= bounds.views && view >= node.disk.vote_from && !over {
                happen.push(Happens::Timeout);
            }
            for happens in happen {
                actions.push(Act { at, happens, fate: Fate::None });
                if world.crashes < bounds.crashes {
                    actions.push(Act { at, happens, fate: Fate::BeforeDurable });
                    actions.push(Act { at, happens, fate: Fate::BeforeSent });
                }
            }
            if world.crashes < bounds.crashes {
                actions.push(Act { at, happens: Happens::Crash, fate: Fate::None });
            }
            if world.losses < bounds.losses {
                actions.push(Act { at, happens: Happens::Loss, fate: Fate::None });
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let certificates = world.certificates(&self.0);
        let mut next = world.clone();
        next.act(&self.0, act, &certificates)?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(OWN_VOTES, |_, world: &World| world.sent.iter().all(own_votes_hold)),
            Property::always(EXCLUSIONS, |courses: &Self, world: &World| {
                exclusions_hold(&world.certificates(&courses.0))
            }),
            Property::always(AGREEMENT, |_, world: &World| {
                let tips = || world.nodes.iter().filter_map(|node| node.finals.last());
                tips().all(|one| tips().all(|other| comparable(*one, *other)))
            }),
            Property::always(ONE_HISTORY, |_, world: &World| {
                world.nodes.iter().all(|node| {
                    let follows = |pair: &[Number]| parent_of(pair[1]) == pair[0];
                    node.finals.windows(2).all(follows)
                        && node.finals.first().is_none_or(|first| parent_of(*first) == 0)
                })
            }),
            Property::always(DURABLE_FIRST, |_, world: &World| {
                let mut both = world.nodes.iter().zip(&world.sent);
                world.losses > 0 || both.all(|(node, sent)| sent.is_subset(&node.disk.said))
            }),
            Property::always(NO_ALARM, |courses: &Self, world: &World| {
                world.nodes.iter().all(|node| node.is_calm(courses.0.faulty))
            }),
            Property::always(VIEWS_PROVEN, |_, world: &World| {
                world.nodes.iter().all(|node| node.proven_view() == node.core.view().0)
            }),
            // Reached, lest the rest hold of nothing.
            Property::sometimes(FINAL, |_, world: &World| {
                world.nodes.iter().any(|node| !node.finals.is_empty())
            }),
        ]
    }
}

pub(crate) const OWN_VOTES: &str = "invariants 1 to 4 and 10: own votes keep the rules, across crashes";
pub(crate) const EXCLUSIONS: &str = "invariants 5 and 6: certificates of a view do not exclude each other";
pub(crate) const AGREEMENT: &str = "invariant 7: final blocks lie on one chain";
pub(crate) const ONE_HISTORY: &str = "invariant 7: heights are consecutive";
pub(crate) const DURABLE_FIRST: &str = "invariant 9: what has left is durable";
pub(crate) const NO_ALARM: &str = "no correct validator halts, or is accused";
pub(crate) const VIEWS_PROVEN: &str = "everybody can prove its view";
pub(crate) const FINAL: &str = "a block becomes final";

fn own_votes_hold(sent: &BTreeSet<Said>) -> bool {
    let clash = |one: &Said, other: &Said| {
        one != other
            && one.view() == other.view()
            && match (one, other) {
                (Said::Notarize(_), Said::Notarize(_)) | (Said::Finalize(_), Said::Finalize(_)) => true,
                (Said::Finalize(_), Said::Nullify(_)) => true,
                (Said::Finalize(one), Said::Notarize(other)) => one != other,
                _ => false,
            }
    };
    sent.iter().all(|one| sent.iter().all(|other| !clash(one, other)))
}

fn exclusions_hold(certificates: &BTreeSet<Said>) -> bool {
    // What one validator may not say of a view, a quorum may not either.
    own_votes_hold(certificates)
}

fn comparable(one: Number, other: Number) -> bool {
    chain_of(one).contains(&other) || chain_of(other).contains(&one)
}

/// One course drawn from a seed, at most so many steps. Its length and the height it reached, or what it broke.
pub(crate) fn walk(courses: &Courses, seed: u64, steps: usize) -> Result<(usize, usize), String> {
    let mut random = Random(seed);
    let mut world = courses.init_states().remove(0);
    let properties = courses.properties();
    let mut taken = Vec::new();
    for _ in 0..2 * steps {
        if taken.len() == steps {
            break;
        }
        let mut actions = Vec::new();
        courses.actions(&world, &mut actions);
        // What ends views without a block is drawn less often, or little else would be seen.
        let rare = random.below(8) != 0;
        let often = |act: &Act| {
            act.fate == Fate::None && matches!(act.happens, Happens::Certificate(_) | Happens::Proposal(_))
        };
        if rare && actions.iter().any(often) {
            actions.retain(often);
        }
        let Some(act) = random.pick(&actions) else { break };
        taken.push(act);
        let Some(next) = courses.next_state(&world, act) else {
            // A fate that found no vote to strike.
            taken.pop();
            continue;
        };
        world = next;
        let of_all = |property: &&Property<Courses>| property.name != FINAL;
        if let Some(broken) = properties.iter().filter(of_all).find(|of| !(of.condition)(courses, &world)) {
            return Err(format!("{}, by {taken:?}", broken.name));
        }
    }
    Ok((taken.len(), world.nodes.iter().map(|node| node.finals.len()).max().unwrap_or(0)))
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, range: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % range
    }

    fn pick(&mut self, from: &[Act]) -> Option<Act> {
        (!from.is_empty()).then(|| from[self.below(from.len() as u64) as usize])
    }
}
