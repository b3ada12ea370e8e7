//! Joining from a snapshot: who is far behind at its start fetches the books from peers instead of
//! executing every block since genesis.
//!
//! The peers say where they stand. Of the snapshots that they offer, the newest is proven from genesis
//! ([`crate::snapshot::Offer::verify`]) before anything else of it is asked for; its pages are then asked
//! of all peers in turn, one at a time of each, and each page is checked when it comes. Whoever sends
//! what does not hold is not asked again. The pages go into a file of their own, and only when all are
//! there and lead to the header's roots does the store begin with them, in one step.
//!
//! Nothing rests on who sends it: what can be kept back is only the snapshot itself, and then blocks are
//! replayed as ever. A crash at any moment leaves the store as it was, or the snapshot in it, whole.
//!
//! It leaves out what comes after: blocks are fetched by height, and votes cast by the rules of any start.
//!
//! Invariant: at most [`WINDOW`] pages are in memory beside the books that they become.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ledger::block::Height;
use ledger::books::{Restoring, SnapshotError};
use ledger::checkpoint::{Trust, TrustError};
use ledger::genesis::Genesis;
use ledger::handoff::Handoff;
use ledger::registers::Page;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::links;
use crate::network::{NetworkEvent, NetworkEvents, NetworkHandle};
use crate::snapshot::{self, Offer, OfferError, SnapshotFileError, Standing, Writing};
use crate::store::{Store, StoreError};

/// Pages asked for beyond the next one to be taken in.
pub const WINDOW: usize = 16;
/// Questions that may come to nothing before a peer is left alone for the rest of a round.
const STRIKES_MAX: u32 = 3;
/// After the first snapshot worth fetching is offered, the others have so long to offer a newer one.
const SETTLING: Duration = Duration::from_secs(1);

/// Why the store does not begin with a snapshot. What it held, it holds.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Genesis names validators that nobody can trust.
    #[error("genesis: {0}")]
    Trust(#[from] TrustError),
    /// Proven pages are no books of this program.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The snapshot cannot be written.
    #[error(transparent)]
    File(#[from] SnapshotFileError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The store begins with a snapshot of this height.
    At(Height),
    /// Nobody is so far ahead, or nobody could prove it in time.
    Not,
    /// The node is to stop.
    Stopped,
}

/// What a node knows when it asks.
pub struct Join {
    /// Where the proof begins.
    pub genesis: Genesis,
    /// What is to begin with the snapshot.
    pub store: Arc<Store>,
    /// Only a snapshot of this height or a later one is worth it.
    pub from: Height,
    /// The seats below this number are validators.
    pub seats: u16,
    /// When so many of them are not ahead, nobody is: one at least is correct.
    pub enough: usize,
    /// Without a snapshot the node cannot start: it waits for one.
    pub must: bool,
    /// How long the first offer worth it is waited for.
    pub patience: Duration,
    /// How long one question may stay unanswered.
    pub request_patience: Duration,
}

#[derive(Default)]
struct Peer {
    connected: bool,
    standing: Option<Standing>,
    // It sent what does not hold.
    refused: bool,
    strikes: u32,
    lacks: Option<Height>,
}

impl Peer {
    fn may_be_asked(&self) -> bool {
        self.connected && !self.refused && self.strikes < STRIKES_MAX
    }
}

/// What a peer answered.
enum Answer {
    Handoffs { from: u16, first: u64, handoffs: Vec<Handoff> },
    Page { from: u16, page: Option<Page> },
    Nothing { from: u16 },
    Other,
}

/// Why a round ends without a snapshot.
enum Failed {
    // Others may do better.
    Again,
    Stopped,
    For(JoinError),
}

impl<E: Into<JoinError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::For(error.into())
    }
}

struct Joining<'a> {
    join: &'a Join,
    network: &'a NetworkHandle,
    events: &'a mut NetworkEvents,
    stop: &'a mut watch::Receiver<bool>,
    peers: BTreeMap<u16, Peer>,
}

impl Join {
    /// Asks the peers, and takes what they can prove. Peers' own questions are answered meanwhile.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn run(
        &self,
        network: &NetworkHandle,
        events: &mut NetworkEvents,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Joined, JoinError> {
        let mut joining = Joining { join: self, network, events, stop, peers: BTreeMap::new() };
        loop {
            let fetched = match joining.choose().await {
                Ok(Some((from, offer))) => joining.fetch(from, &offer).await.map(|()| offer.height()),
                Ok(None) => return Ok(Joined::Not),
                Err(failed) => Err(failed),
            };
            match fetched {
                Ok(height) => return Ok(Joined::At(height)),
                Err(Failed::Stopped) => return Ok(Joined::Stopped),
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::Again) => {
                    for (index, peer) in &mut joining.peers {
                        peer.standing = None;
                        if peer.connected && peer.strikes < STRIKES_MAX {
                            network.request_standing(*index);
                        }
                    }
                }
            }
        }
    }
}

impl Joining<'_> {
    /// The newest snapshot that is offered and worth it, and by whom; `None` where there is none.
    async fn choose(&mut self) -> Result<Option<(u16, Offer)>, Failed> {
        let mut deadline = Instant::now() + self.join.patience;
        let mut settled = None;
        loop {
            let worth = |peer: &&Peer| !peer.refused && peer.strikes < STRIKES_MAX;
            let offers = self.peers.iter().filter(|(_, peer)| worth(peer)).filter_map(|(index, peer)| {
                let offer = peer.standing.as_ref()?.offer.as_ref()?;
                (offer.height() >= self.join.from).then_some((offer.height(), *index, offer))
            });
            let best = offers.max_by_key(|(height, index, _)| (*height, *index));
            let open = |peer: &Peer| peer.may_be_asked() && peer.standing.is_none();
            let all_heard = !self.peers.values().any(open);
            if let Some((_, index, offer)) = best {
                let until = *settled.get_or_insert_with(|| Instant::now() + SETTLING);
                if all_heard || Instant::now() >= until {
                    return Ok(Some((index, offer.clone())));
                }
                deadline = until;
            } else if !self.join.must {
                let seat = |(index, peer): &(&u16, &Peer)| {
                    **index < self.join.seats && !peer.refused && peer.standing.is_some()
                };
                let heard = self.peers.iter().filter(seat).count();
                if heard >= self.join.enough && all_heard || Instant::now() >= deadline {
                    return Ok(None);
                }
            } else if Instant::now() >= deadline {
                tracing::warn!(
                    peers = self.peers.values().filter(|peer| peer.connected).count(),
                    "waiting for a peer that offers a snapshot; see that they run and can be reached"
                );
                for (index, peer) in &mut self.peers {
                    peer.strikes = 0;
                    if peer.connected {
                        self.network.request_standing(*index);
                    }
                }
                deadline = Instant::now() + self.join.patience;
            }
            self.hear(deadline).await?;
        }
    }

    /// Fetches what an offer promises, and lets the store begin with it.
    async fn fetch(&mut self, from: u16, offer: &Offer) -> Result<(), Failed> {
        let height = offer.height();
        let handoffs = self.handoffs(from, offer).await?;
        let proven = offer.verify(&self.join.genesis, &handoffs).and_then(|trust| {
            let restoring = Restoring::new(&self.join.genesis, offer.manifest.clone())?;
            Ok((trust, restoring))
        });
        let (trust, mut restoring) = match proven {
            Ok(proven) => proven,
            Err(error) => return Err(self.refuse_offer(from, &error)),
        };
        let count = snapshot::pages(&offer.manifest);
        tracing::info!(%height, pages = count, epoch = %trust.validators().epoch, "joining from a snapshot");
        let mut writing = Writing::begin(&self.join.store, offer, &handoffs)?;
        if let Err(failed) = self.pages(offer, &mut restoring, &mut writing).await {
            // Who offers what nobody hands out is not to be chosen for ever.
            self.peers.entry(from).or_default().strikes += 1;
            return Err(failed);
        }
        snapshot::finish(restoring, &trust)?;
        writing.finish()?;
        let mut batch = self.join.store.batch();
        batch.base(offer);
        batch.commit()?;
        tracing::info!(%height, "the store begins with the snapshot");
        Ok(())
    }

    /// The handoffs that lead to the offer's epoch, each checked when it comes.
    async fn handoffs(&mut self, from: u16, offer: &Offer) -> Result<Vec<Handoff>, Failed> {
        let genesis = &self.join.genesis;
        let mut trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
        let ends = offer.finality.is_none();
        let needed = offer.manifest.header.epoch.0.saturating_add(u64::from(ends));
        while (trust.handoffs().len() as u64) < needed {
            let next = trust.handoffs().len() as u64;
            self.network.request_handoffs(from, offer.height(), next);
            let deadline = Instant::now() + self.join.request_patience;
            let handoffs = loop {
                match self.hear(deadline).await? {
                    Answer::Handoffs { from: by, first, handoffs } if (by, first) == (from, next) => {
                        break handoffs;
                    }
                    Answer::Nothing { from: by } if by == from => return Err(self.strike_offer(from)),
                    _ if Instant::now() >= deadline => return Err(self.strike_offer(from)),
                    _ => {}
                }
            };
            if handoffs.is_empty() {
                return Err(self.strike_offer(from));
            }
            for handoff in &handoffs {
                if let Err(error) = trust.extend(handoff) {
                    return Err(self.refuse_offer(from, &error.into()));
                }
            }
        }
        // More than the epoch needs lead beyond it, and would not be its validators.
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        Ok(trust.handoffs().iter().take(needed).cloned().collect())
    }

    async fn pages(
        &mut self,
        offer: &Offer,
        restoring: &mut Restoring,
        writing: &mut Writing,
    ) -> Result<(), Failed> {
        let height = offer.height();
        let order: Vec<(u8, u64)> = offer.manifest.pages().collect();
        let (mut taken, mut asked) = (0, 0);
        let mut again: VecDeque<usize> = VecDeque::new();
        let mut under_way: BTreeMap<u16, (usize, Instant)> = BTreeMap::new();
        let mut waiting: BTreeMap<usize, Page> = BTreeMap::new();
        while taken < order.len() {
            let free = |(index, peer): &(&u16, &Peer)| {
                peer.may_be_asked() && peer.lacks != Some(height) && !under_way.contains_key(index)
            };
            let free: Vec<u16> = self.peers.iter().filter(free).map(|(index, _)| *index).collect();
            for peer in free {
                let next = again.pop_front().or_else(|| {
                    let room = asked < order.len() && asked < taken + WINDOW;
                    room.then(|| {
                        asked += 1;
                        asked - 1
                    })
                });
                let Some(place) = next else { break };
                let (register, number) = order[place];
                self.network.request_page(peer, height, register, number);
                under_way.insert(peer, (place, Instant::now() + self.join.request_patience));
            }
            let Some(deadline) = under_way.values().map(|(_, until)| *until).min() else {
                // Nobody is left to ask.
                return Err(Failed::Again);
            };
            match self.hear(deadline).await? {
                Answer::Page { from, page: Some(page) } => {
                    let wanted = under_way.get(&from).map(|(place, _)| *place);
                    let Some(place) = wanted.filter(|place| order[*place] == (page.register, page.number))
                    else {
                        continue;
                    };
                    under_way.remove(&from);
                    match restoring.check(&page) {
                        Ok(()) => drop(waiting.insert(place, page)),
                        Err(error) => {
                            tracing::warn!(from, %error, "a page of a snapshot is refused");
                            self.peers.entry(from).or_default().refused = true;
                            again.push_back(place);
                        }
                    }
                }
                Answer::Page { from, page: None } => {
                    self.peers.entry(from).or_default().lacks = Some(height);
                    again.extend(under_way.remove(&from).map(|(place, _)| place));
                }
                Answer::Nothing { from } => {
                    self.peers.entry(from).or_default().strikes += 1;
                    again.extend(under_way.remove(&from).map(|(place, _)| place));
                }
                Answer::Handoffs { .. } | Answer::Other => {}
            }
            let (now, peers) = (Instant::now(), &mut self.peers);
            under_way.retain(|peer, (place, until)| {
                let connected = peers.get(peer).is_some_and(|peer| peer.connected);
                if *until > now && connected {
                    return true;
                }
                peers.entry(*peer).or_default().strikes += 1;
                again.push_back(*place);
                false
            });
            while let Some(page) = waiting.remove(&taken) {
                restoring.take(&page)?;
                writing.page(&page)?;
                taken += 1;
            }
        }
        Ok(())
    }

    fn refuse_offer(&mut self, from: u16, error: &OfferError) -> Failed {
        tracing::warn!(from, %error, "a snapshot that a peer offers is refused");
        self.peers.entry(from).or_default().refused = true;
        Failed::Again
    }

    fn strike_offer(&mut self, from: u16) -> Failed {
        self.peers.entry(from).or_default().strikes += 1;
        Failed::Again
    }

    /// Waits for what happens next, until a moment at most.
    async fn hear(&mut self, until: Instant) -> Result<Answer, Failed> {
        let event = tokio::select! {
            changed = self.stop.changed() => {
                let stops = changed.is_err() || *self.stop.borrow();
                return if stops { Err(Failed::Stopped) } else { Ok(Answer::Other) };
            }
            event = self.events.recv() => event.ok_or(Failed::Stopped)?,
            () = sleep_until(until) => return Ok(Answer::Other),
        };
        Ok(match event {
            NetworkEvent::Connected(peer) => {
                let known = self.peers.entry(peer).or_default();
                known.connected = true;
                if !known.refused {
                    self.network.request_standing(peer);
                }
                Answer::Other
            }
            NetworkEvent::Disconnected(peer) => {
                let known = self.peers.entry(peer).or_default();
                (known.connected, known.standing) = (false, None);
                Answer::Other
            }
            NetworkEvent::Standing { from, standing } => {
                self.peers.entry(from).or_default().standing = Some(standing);
                Answer::Other
            }
            NetworkEvent::Handoffs { from, first, handoffs, .. } => {
                Answer::Handoffs { from, first, handoffs }
            }
            NetworkEvent::Page { from, page, .. } => Answer::Page { from, page },
            NetworkEvent::Unanswered { from } => {
                let known = self.peers.entry(from).or_default();
                if known.standing.is_none() {
                    // Otherwise nobody would ask it again.
                    known.strikes += 1;
                    if known.may_be_asked() {
                        self.network.request_standing(from);
                    }
                }
                Answer::Nothing { from }
            }
            question => {
                let store = Arc::clone(&self.join.store);
                // A peer whose question is not answered asks another.
                tokio::task::spawn_blocking(move || links::answer(&store, question));
                Answer::Other
            }
        })
    }
}

#[cfg(test)]
mod tests;
