//! A node with an empty disk among peers over real links: true ones, and ones that lie, fall silent or
//! hand out too much. What the peers hold comes from a world of real validators.

use std::sync::Mutex;

use ledger::block::{Epoch, LeafIndex, View};
use ledger::certificate::ValidatorSet;
use ledger::codec;
use ledger::signature::PublicKey;
use libp2p::Multiaddr;
use libp2p::identity::Keypair;

use super::*;
use crate::amnesia::Memory;
use crate::network::{Member, Network, NetworkConfig};
use crate::recover::{RecoverError, recover};
use crate::validator::tests::world::{World, seed};

const NEWCOMER: u16 = 4;
/// Generous, because other tests share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a peer does with a question; true where it has dealt with it.
type Trick = fn(&Store, NetworkEvent, &Log) -> Option<NetworkEvent>;

/// Who was asked for what, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u16, &'static str)>>>);

impl Log {
    fn note(&self, peer: u16, what: &'static str) {
        self.0.lock().unwrap().push((peer, what));
    }

    fn count(&self, peer: u16, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(by, asked)| (*by, *asked) == (peer, what)).count()
    }
}

fn honest(_: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    Some(event)
}

fn bad_pages(store: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    let NetworkEvent::PageRequest { height, register, number, reply, .. } = event else { return Some(event) };
    let bytes = snapshot::page(store, height, register, number).unwrap();
    let mut page: Page = codec::decode(&bytes, snapshot::PAGE_BYTES_MAX).unwrap();
    *page.records.last_mut().unwrap().last_mut().unwrap() ^= 1;
    reply.answer(Some(codec::encode(&page)));
    None
}

/// Offers what a change makes of its true offer.
fn offering(store: &Store, event: NetworkEvent, change: fn(&mut Offer)) -> Option<NetworkEvent> {
    let NetworkEvent::StandingRequest { reply, .. } = event else { return Some(event) };
    let mut standing = snapshot::standing(store).unwrap();
    change(standing.offer.as_mut().unwrap());
    reply.answer(standing);
    None
}

fn fork(store: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    offering(store, event, |offer| {
        offer.manifest.header.height.0 += 1000;
        offer.manifest.header.state_root.0[0] ^= 1;
    })
}

fn unproven(store: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    offering(store, event, |offer| {
        offer.manifest.header.height.0 += 1000;
        offer.finality = None;
    })
}

fn beyond_bounds(store: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    offering(store, event, |offer| {
        let header = offer.manifest.header.clone();
        offer.manifest.header.height.0 += 1000;
        if let Some(finality) = &mut offer.finality {
            finality.headers = vec![header; snapshot::HEADERS_MAX + 1];
        }
    })
}

fn silent_after_two(_: &Store, event: NetworkEvent, log: &Log) -> Option<NetworkEvent> {
    if !matches!(event, NetworkEvent::PageRequest { .. }) || log.count(0, "page") <= 2 {
        return Some(event);
    }
    // Kept open: neither an answer nor word that there is none.
    std::mem::forget(event);
    None
}

fn without_pages(_: &Store, event: NetworkEvent, _: &Log) -> Option<NetworkEvent> {
    match event {
        NetworkEvent::PageRequest { reply, .. } => {
            reply.answer(None);
            None
        }
        event => Some(event),
    }
}

fn keypair(index: u16) -> Keypair {
    Keypair::ed25519_from_bytes([index as u8 + 1; 32]).unwrap()
}

fn members(addresses: &[Vec<Multiaddr>]) -> Vec<Member> {
    let member = |(index, addresses): (u16, &Vec<Multiaddr>)| Member {
        index,
        key: PublicKey(keypair(index).public().try_into_ed25519().unwrap().to_bytes()),
        addresses: addresses.clone(),
    };
    (0..).zip(addresses).map(member).collect()
}

/// Four peers that answer from the stores of the world's validators.
struct Peers {
    network: NetworkHandle,
    events: NetworkEvents,
    log: Log,
    _played: Vec<NetworkHandle>,
}

impl Peers {
    async fn play(world: &World, tricks: [Trick; 4]) -> Self {
        let config = || NetworkConfig {
            chain: world.genesis.hash(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        };
        let mut addresses = vec![Vec::new(); usize::from(NEWCOMER) + 1];
        let (log, mut played) = (Log::default(), Vec::new());
        for (index, trick) in (0..NEWCOMER).zip(tricks) {
            let started = Network::start(config(), keypair(index), members(&addresses)).await;
            let (network, mut events) = started.unwrap();
            addresses[usize::from(index)] = network.listening().to_vec();
            played.push(network);
            let (store, log) = (Arc::clone(&world.nodes[usize::from(index)].store), log.clone());
            tokio::spawn(async move {
                while let Some(event) = events.recv().await {
                    let what = match &event {
                        NetworkEvent::StandingRequest { from: NEWCOMER, .. } => "standing",
                        NetworkEvent::HandoffsRequest { from: NEWCOMER, .. } => "handoffs",
                        NetworkEvent::PageRequest { from: NEWCOMER, .. } => "page",
                        _ => continue,
                    };
                    log.note(index, what);
                    if let Some(event) = trick(&store, event, &log) {
                        links::answer(&store, event);
                    }
                }
            });
        }
        let started = Network::start(config(), keypair(NEWCOMER), members(&addresses)).await;
        let (network, events) = started.unwrap();
        Self { network, events, log, _played: played }
    }

    async fn join(&mut self, join: &Join) -> Joined {
        let (_stop, mut stopped) = watch::channel(false);
        self.events.tell_again();
        let joining = join.run(&self.network, &mut self.events, &mut stopped);
        tokio::time::timeout(PATIENCE, joining).await.expect("it ends in time").unwrap()
    }
}

fn join_of(world: &World, node: usize) -> Join {
    Join {
        genesis: world.genesis.clone(),
        store: Arc::clone(&world.nodes[node].store),
        from: Height(1),
        seats: 4,
        enough: 2,
        must: false,
        patience: Duration::from_secs(3),
        request_patience: Duration::from_millis(500),
    }
}

/// Four validators and a follower whose disk is new; the validators have a snapshot of their second epoch.
fn world() -> World {
    let mut world = World::new(4, 1);
    world.snapshots = 4;
    (0..5).for_each(|node| {
        world.sleep(node);
        world.wake(node);
    });
    grow(&mut world, 3);
    world.add_keys(3, 200);
    let change = world.change(0, &[], &[(3, 200)], &(0..4).map(seed).collect::<Vec<_>>());
    world.post(0, change);
    grow(&mut world, 8);
    world.agree();
    world.new_disk(4);
    world
}

fn grow(world: &mut World, blocks: usize) {
    for _ in 0..blocks {
        let work = world.work();
        world.post(0, work);
    }
}

/// The newcomer goes on from its disk with the others, to the same books.
fn goes_on(mut world: World, node: usize, height: Height) -> World {
    world.wake(node);
    assert!(world.height(node) >= height.0);
    assert_eq!(world.nodes[node].store.earliest().unwrap(), height.next());
    grow(&mut world, 3);
    let head = world.height(0);
    world.until("the newcomer is where the others are", |w| w.height(node) >= head);
    let (ours, theirs) = (world.validator(node).ledger(), world.validator(0).ledger());
    if ours.head().height == theirs.head().height {
        assert_eq!(ours.head(), theirs.head());
    }
    assert_eq!(world.kept(node, head).block, world.kept(0, head).block);
    // Each may have another quorum's signatures.
    let sets = |at: usize| -> Vec<ValidatorSet> {
        let trust = world.validator(at).trust();
        trust.handoffs().iter().map(|handoff| handoff.validators.clone()).collect()
    };
    assert_eq!(sets(node), sets(0));
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_an_empty_disk_joins_from_a_snapshot_and_goes_on_with_the_others() {
    let world = world();
    let mut peers = Peers::play(&world, [honest; 4]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
    assert!(height.0 >= 8 && height.0.is_multiple_of(4), "{height}");
    let asked: Vec<usize> = (0..4).map(|peer| peers.log.count(peer, "page")).collect();
    assert!(asked.iter().filter(|count| **count > 0).count() >= 2, "pages of one peer only: {asked:?}");
    goes_on(world, 4, height);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_a_peer_that_sends_bad_pages_is_asked_for_one_and_the_others_make_up_for_it() {
    let world = world();
    let mut peers = Peers::play(&world, [bad_pages, honest, honest, honest]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
    assert_eq!(peers.log.count(0, "page"), 1);
    goes_on(world, 4, height);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_offers_of_a_fork_unproven_or_beyond_bounds_are_refused_and_a_true_one_taken() {
    for trick in [fork as Trick, unproven, beyond_bounds] {
        let world = world();
        let mut peers = Peers::play(&world, [trick, honest, honest, honest]).await;
        let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
        assert!(height.0 < 1000);
        assert_eq!(peers.log.count(0, "page"), 0, "whose offer is refused is asked for nothing");
        goes_on(world, 4, height);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_lie_nothing_is_taken_and_the_store_is_as_it_was() {
    let world = world();
    let mut peers = Peers::play(&world, [fork, unproven, beyond_bounds, bad_pages]).await;
    assert_eq!(peers.join(&join_of(&world, 4)).await, Joined::Not);
    let store = &world.nodes[4].store;
    assert_eq!(store.head().unwrap(), None);
    assert!(store.base().unwrap().is_none());
    assert_eq!(recover(&world.genesis, store).unwrap().ledger.head().height, Height(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_peer_that_stops_answering_or_has_no_pages_holds_nobody_up() {
    let world = world();
    let tricks = [silent_after_two, without_pages, honest, honest];
    let mut peers = Peers::play(&world, tricks).await;
    let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
    assert!(peers.log.count(0, "page") <= 2 + STRIKES_MAX as usize);
    goes_on(world, 4, height);
    // None at all hand out what they offer: after a few rounds blocks are replayed.
    let world = self::world();
    let mut peers = Peers::play(&world, [without_pages; 4]).await;
    assert_eq!(peers.join(&join_of(&world, 4)).await, Joined::Not);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_behind_asks_for_nothing_more_than_where_the_others_stand() {
    let world = world();
    let mut peers = Peers::play(&world, [honest; 4]).await;
    let join = Join { from: Height(1000), ..join_of(&world, 4) };
    assert_eq!(peers.join(&join).await, Joined::Not);
    assert!((0..4).all(|peer| peers.log.count(peer, "page") == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_stage_leaves_the_store_as_it_was_or_the_whole_snapshot_in_it() {
    let world = world();
    let store = &world.nodes[4].store;
    let nothing = || {
        assert!(store.base().unwrap().is_none());
        assert_eq!(recover(&world.genesis, store).unwrap().ledger.head().height, Height(0));
    };
    // While questions are out: after so many of them.
    for questions in [1, 4, 6, 9, 14] {
        let mut peers = Peers::play(&world, [honest; 4]).await;
        let log = peers.log.clone();
        let crash = async {
            while log.0.lock().unwrap().len() < questions {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let join = join_of(&world, 4);
        tokio::select! {
            _ = peers.join(&join) => break,
            () = crash => {}
        }
        if store.base().unwrap().is_some() {
            break;
        }
        nothing();
    }
    let world = self::world();
    let store = &world.nodes[4].store;
    let nothing = || {
        assert!(store.base().unwrap().is_none());
        assert_eq!(recover(&world.genesis, store).unwrap().ledger.head().height, Height(0));
    };
    // The file is there under its name, and the store has yet to begin with it.
    let theirs = world.nodes[0].store.path().join("snapshots");
    let ours = store.path().join("snapshots");
    std::fs::create_dir_all(&ours).unwrap();
    for entry in std::fs::read_dir(&theirs).unwrap().flatten() {
        std::fs::copy(entry.path(), ours.join(entry.file_name())).unwrap();
    }
    nothing();
    // Half a file beside it.
    std::fs::write(ours.join("unfinished"), b"hovedbok-snapshot v2\n").unwrap();
    nothing();
    let mut peers = Peers::play(&world, [honest; 4]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
    assert_eq!(recover(&world.genesis, store).unwrap().ledger.head().height, height);

    // The snapshot is lost afterwards: the node says so, and fetches another.
    std::fs::remove_dir_all(&ours).unwrap();
    let lost = recover(&world.genesis, store).err();
    assert!(matches!(lost, Some(RecoverError::Base { height: base }) if base == height), "{lost:?}");
    let must = Join { must: true, from: height, ..join_of(&world, 4) };
    assert_eq!(peers.join(&must).await, Joined::At(height));
    goes_on(world, 4, height);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_validator_that_lost_its_disk_joins_from_a_snapshot_and_contradicts_no_vote() {
    let mut world = world();
    world.new_disk(2);
    world.memories.insert(2, Memory::lost((Epoch(0), View(0)), 7));
    let mut peers = Peers::play(&world, [honest, honest, without_pages, honest]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 2)).await else { panic!("it did not join") };
    let before = world.votes.len();
    world = goes_on(world, 2, height);
    world.until("it votes again", |w| w.regained.iter().any(|(node, _)| *node == 2));
    grow(&mut world, 3);
    let floor = world.regained.iter().find(|(node, _)| *node == 2).unwrap().1;
    let cast = world.votes[before..].iter().filter(|(node, _)| *node == 2);
    let mut said = 0;
    for (_, vote) in cast {
        assert!((vote.epoch, vote.statement.view()) >= floor, "{vote:?} lies below {floor:?}");
        said += 1;
    }
    assert!(said > 0, "it never voted again");
    assert!(world.forgot.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_validator_that_was_long_away_joins_over_its_old_blocks_and_keeps_its_votes() {
    let mut world = world();
    world.sleep(2);
    let store = Arc::clone(&world.nodes[2].store);
    let (votes, head) = (store.votes(Epoch(0), View(0)).unwrap(), store.head().unwrap().unwrap());
    let (floor, steps) = (store.floor(), store.steps());
    assert!(!votes.is_empty() && store.finalized(Height(2)).unwrap().is_some());
    grow(&mut world, 8);
    let mut peers = Peers::play(&world, [honest, honest, without_pages, honest]).await;
    let join = Join { from: head.height.next(), ..join_of(&world, 2) };
    let Joined::At(height) = peers.join(&join).await else { panic!("it did not join") };
    assert!(height > head.height);
    assert_eq!(store.votes(Epoch(0), View(0)).unwrap(), votes);
    assert_eq!((store.floor(), store.steps()), (floor, steps + 1), "one step, and no vote forgotten");
    assert!(store.finalized(Height(2)).unwrap().is_none() && store.leaf(LeafIndex(2)).unwrap().is_none());
    let before = world.votes.len();
    world = goes_on(world, 2, height);
    grow(&mut world, 3);
    assert!(world.votes[before..].iter().any(|(node, _)| *node == 2), "it does not vote");
    assert!(world.forgot.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_holds_no_old_blocks_says_so_and_is_asked_for_them_once() {
    let mut world = world();
    world.new_disk(3);
    let mut peers = Peers::play(&world, [honest, honest, honest, without_pages]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 3)).await else { panic!("it did not join") };
    world = goes_on(world, 3, height);
    world.asked.clear();
    world.wake(4);
    let head = world.height(0);
    world.until("it replays every block", |w| w.height(4) >= head);
    assert_eq!(world.nodes[4].store.earliest().unwrap(), Height(1));
    let in_vain = world.asked.iter().filter(|(by, of, from, _)| (*by, *of) == (4, 3) && *from <= height);
    assert!(in_vain.count() <= 1, "{:?}", world.asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_an_epoch_that_began_by_recovery_is_joined_from_its_first_final_block() {
    let mut world = world();
    world.sleep(3);
    let nodes = [(0, seed(0)), (1, seed(1)), (2, seed(2)), (3, 200)];
    let recovery = world.recovery(0, &nodes, &[0, 1, 2].map(seed));
    for node in 0..3 {
        world.sleep(node);
        let store = &world.nodes[node].store;
        crate::recovery::apply(&world.genesis, store, recovery.signed().clone()).unwrap();
    }
    (0..4).for_each(|node| world.wake(node));
    world.until("the epoch after", |w| (0..4).all(|node| w.epoch(node) == 2));
    grow(&mut world, 9);
    let head = world.height(0);
    world.until("everybody has it", |w| (0..4).all(|node| w.height(node) >= head));
    let mut peers = Peers::play(&world, [honest; 4]).await;
    let Joined::At(height) = peers.join(&join_of(&world, 4)).await else { panic!("it did not join") };
    let offer = world.nodes[4].store.base().unwrap().unwrap();
    assert!(offer.beginning.is_some());
    world = goes_on(world, 4, height);
    // Who joined hands the next snapshot on, with the same proof.
    grow(&mut world, 8);
    let next = snapshot::standing(&world.nodes[4].store).unwrap().offer.unwrap();
    assert!(next.height() > height && next.beginning == offer.beginning);
}
