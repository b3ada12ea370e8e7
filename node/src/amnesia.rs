//! What makes up for a lost vote log: the others are asked where they are.
//!
//! Whoever forgets a vote may contradict it. A validator whose vote log is lost follows consensus and
//! votes nothing, asks every other validator which view it is in, and when q of them have answered and
//! proven it, votes again, two views beyond the highest of them and beyond all that its signer itself
//! remembers (rule C17). Fewer answers prove nothing: then it goes on following.
//!
//! # Why two views beyond is enough
//!
//! Let w be the last view of an epoch in which we voted before the loss. To enter it we held a
//! certificate of w − 1 or a later view. At least q signed that; without us and at most f faulty ones
//! n − 2f − 1 correct validators remain, each of which was in a view ≥ w − 1 then. No correct validator
//! goes back, across restarts neither, because the votes and the entry certificate of a view are durable
//! before the first vote of it leaves. Of the n − 1 others, q answer, so at least
//! q + (n − 2f − 1) − (n − 1) = n − 3f ≥ 1 of those correct ones answers and proves a view ≥ w − 1. Hence
//! w ≤ M + 1 for the highest proven view M, and M + 2 is beyond every vote that we cast.
//!
//! What the argument needs, and what therefore counts:
//! - *Answers given after the question*, which is asked after the restart. A status that lay in a queue
//!   since before may be older than our last vote. So each question has a number, and the answer names it.
//! - *Proof of the view*: a certificate of the view before it. A view merely claimed counts as 1.
//! - *One answer of each seat*, and none of our own. Guests do not count.
//! - *No answer of one who has lost its own log*: it may be behind where it once was. It keeps silent,
//!   so that each of several is helped by the others only, and counts against f until it has come to a
//!   view that it votes in again; hearing where that is does not bring it there, and a crash on the way
//!   takes it back to where its log ends.
//! - *An answer from an epoch before ours* counts as view 0: if it is a correct validator's, that one never
//!   signed in ours. One from a later epoch does not count: we are to catch up first and ask again there.
//!
//! # Where it ends
//!
//! - With n = 4 it needs all three others: while one of them is down too, two of four are, which is more
//!   than f, and we wait. If more than f validators lose their logs at once, none of them ever gets q answers;
//!   that takes the recovery of an epoch by its governance keys, with new vote keys for them.
//! - *The boundary of epochs.* View 1 of an epoch is entered by posting the last block of the one before
//!   and not by a certificate of it, so we may have voted in view 1 of e + 1 while every other was still
//!   in e. After what was heard in e, votes in e + 1 therefore begin with view 2. Votes in view 2 or later
//!   of e + 1 would need a certificate of e + 1, and the argument above finds one who is there.
//! - *Cosignatures.* We cosigned nothing but final blocks of views that we had left, none beyond M. So no
//!   checkpoint is cosigned before a block of a view that we may vote in is final, and never one below
//!   the signer's own watermark.
//!
//! Invariant: while the vote log is lost, [`Memory::vote_from`] is beyond every view.

use std::collections::BTreeMap;
use std::fmt;

use consensus::event::Status;
use ledger::block::{Epoch, View};
use ledger::certificate::{Certificate, ValidatorSet};
use ledger::time::Timestamp;

use crate::watermark::Term;

/// Beyond every view.
const NEVER: View = View(u64::MAX);
/// Who has not answered is asked again after this long: a restart elsewhere takes longer, and a question
/// costs a hundred bytes.
const ASK_AGAIN_MS: u64 = 1000;

/// What the validator knows of its own past votes.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    floor: Term,
    nonce: u64,
    lost: Option<Asking>,
}

/// How far the asking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Other validators that have answered.
    pub heard: usize,
    /// How many must.
    pub needed: usize,
    /// Nobody is asked any more: something else votes with our key.
    pub for_good: bool,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heard, needed, for_good } = self;
        if *for_good {
            return f.write_str(
                "another machine votes with the keys of this one; it votes nothing: find and stop the other, then start this one again",
            );
        }
        write!(
            f,
            "the vote log is lost, so nothing is voted before {needed} other validators have said where they are; {heard} have: see that the others run and can be reached"
        )
    }
}

#[derive(Clone, Debug)]
struct Asking {
    // What the signer itself remembers: votes may have been cast up to here.
    voted: Term,
    epoch: Epoch,
    seats: u16,
    quorum: usize,
    me: Option<u16>,
    answers: BTreeMap<u16, View>,
    asked: Option<Timestamp>,
    // Once before in this process: what we forget is being signed at this moment, by another machine.
    again: bool,
}

impl Memory {
    /// The vote log is whole from this term on; `(Epoch(0), View(0))` where it never was lost. `nonce` is
    /// a random number, for questions should it turn out otherwise.
    pub fn whole(floor: Term, nonce: u64) -> Self {
        Self { floor, nonce, lost: None }
    }

    /// The vote log is lost. The signer may have voted up to `voted`; `nonce` is a random number.
    pub fn lost(voted: Term, nonce: u64) -> Self {
        let asking = Asking {
            voted,
            epoch: Epoch(0),
            seats: 0,
            quorum: usize::MAX,
            me: None,
            answers: BTreeMap::new(),
            asked: None,
            again: false,
        };
        Self { floor: (Epoch(0), View(0)), nonce, lost: Some(asking) }
    }

    /// An epoch begins, or the node starts in one, with this seat of ours in it.
    pub fn begin(&mut self, set: &ValidatorSet, me: Option<u16>) {
        if let Some(asking) = &mut self.lost {
            asking.epoch = set.epoch;
            asking.seats = u16::try_from(set.len()).unwrap_or(u16::MAX);
            asking.quorum = set.quorum();
            asking.me = me;
            asking.answers.clear();
            asking.asked = None;
            self.nonce = self.nonce.wrapping_add(1);
        }
    }

    /// The first view of an epoch that may be voted in.
    pub fn vote_from(&self, epoch: Epoch) -> View {
        let (floor, first) = self.floor;
        if self.lost.is_some() || epoch < floor {
            NEVER
        } else if self.floor == (Epoch(0), View(0)) {
            View(0)
        } else if epoch == floor {
            first
        } else if epoch.0 == floor.0 + 1 {
            View(2)
        } else {
            View(0)
        }
    }

    /// Whether a checkpoint after a block of this term may be cosigned.
    pub fn may_cosign(&self, (epoch, view): Term) -> bool {
        self.floor == (Epoch(0), View(0)) && self.lost.is_none() || view >= self.vote_from(epoch)
    }

    /// Whether the vote log is lost, and how far we are in making up for it.
    pub fn progress(&self) -> Option<Progress> {
        let asking = self.lost.as_ref()?;
        let heard = asking.answers.len();
        Some(Progress { heard, needed: asking.quorum, for_good: asking.again })
    }

    /// When [`Memory::questions`] is due next.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let asking = self.lost.as_ref().filter(|asking| asking.me.is_some() && !asking.again)?;
        Some(asking.asked.map_or(Timestamp(0), |at| Timestamp(at.0.saturating_add(ASK_AGAIN_MS))))
    }

    /// The clock was set back.
    pub fn set_back(&mut self, by_ms: u64) {
        if let Some(asked) = self.lost.as_mut().and_then(|asking| asking.asked.as_mut()) {
            asked.0 = asked.0.saturating_sub(by_ms);
        }
    }

    /// The number of the question and the seats to ask now, if it is time.
    pub fn questions(&mut self, now: Timestamp) -> Option<(u64, Vec<u16>)> {
        self.wake_at().filter(|at| *at <= now)?;
        let asking = self.lost.as_mut()?;
        asking.asked = Some(now);
        let open = |seat: &u16| Some(*seat) != asking.me && !asking.answers.contains_key(seat);
        Some((self.nonce, (0..asking.seats).filter(open).collect()))
    }

    /// Whether an answer with this number from this seat would count, so that checking it is worth the work.
    pub fn wants(&self, from: u16, nonce: u64) -> bool {
        self.lost.as_ref().is_some_and(|asking| {
            let seat = from < asking.seats && asking.me.is_some_and(|me| me != from);
            seat && !asking.again && nonce == self.nonce && !asking.answers.contains_key(&from)
        })
    }

    /// Takes an answer whose certificates hold. Once enough have come, says from which term on votes are
    /// cast again; the signer must know it durably before the first of them.
    pub fn answer(&mut self, from: u16, nonce: u64, status: &Status) -> Option<Term> {
        if !self.wants(from, nonce) {
            return None;
        }
        let asking = self.lost.as_mut()?;
        if status.epoch > asking.epoch {
            return None;
        }
        asking.answers.insert(from, if status.epoch == asking.epoch { proven(status) } else { View(0) });
        if asking.answers.len() < asking.quorum {
            return None;
        }
        let highest = asking.answers.values().copied().max().unwrap_or_default();
        let heard = (asking.epoch, View(highest.0.saturating_add(2)));
        let remembered = match asking.voted {
            (Epoch(0), View(0)) => asking.voted,
            (epoch, view) => (epoch, view.next()),
        };
        self.floor = heard.max(remembered);
        self.lost = None;
        Some(self.floor)
    }

    /// A signature of ours was shown that we do not remember: the log is lost after all, or another
    /// machine votes with our key. The first time the others are asked, as after any loss; the second
    /// time it is silence for good. `voted` is what the signer remembers.
    pub fn shown(&mut self, voted: Term, before: bool, set: &ValidatorSet, me: Option<u16>) {
        *self = Self::lost(voted, self.nonce);
        self.begin(set, me);
        if let Some(asking) = &mut self.lost {
            asking.again = before;
        }
    }
}

/// The view that the certificates in a status prove: a certificate of a view admits to the next.
fn proven(status: &Status) -> View {
    let admits = |certificate: &Certificate| certificate.statement.view().next();
    status.entry.iter().chain(&status.finalization).map(admits).max().unwrap_or(View(1))
}

#[cfg(test)]
mod tests {
    use ledger::certificate::{Statement, Validator};
    use ledger::entity::{Name, OrgNumber};
    use ledger::signature::PublicKey;

    use super::*;

    const NONCE: u64 = 7;
    const NOTHING: Term = (Epoch(0), View(0));

    fn set(epoch: u64, seats: u8) -> ValidatorSet {
        let seat = |index: u8| Validator {
            entity: OrgNumber::new(964_965_226).unwrap(),
            name: Name::new(format!("v{index}.example/v1")).unwrap(),
            vote_key: PublicKey([index; 32]),
            cosign_key: PublicKey([index; 32]),
            peer_key: PublicKey([index; 32]),
            governance_key: PublicKey([index; 32]),
        };
        ValidatorSet { epoch: Epoch(epoch), validators: (0..seats).map(seat).collect() }
    }

    fn lost(epoch: u64, seats: u8, voted: Term) -> Memory {
        let mut memory = Memory::lost(voted, NONCE - 1);
        memory.begin(&set(epoch, seats), Some(0));
        memory
    }

    /// A status whose entry certificate admits to `view`, or none for view 1 and below.
    fn status(epoch: u64, claimed: u64, view: u64) -> Status {
        let statement = Statement::Nullify { view: View(view.saturating_sub(1)) };
        let entry = (view > 1).then(|| Certificate::from_votes(Epoch(epoch), statement, 4, &[]));
        let (view, height) = (View(claimed), Default::default());
        Status { epoch: Epoch(epoch), view, height, entry, finalization: None }
    }

    #[test]
    fn r12_two_views_beyond_the_highest_of_q_others_and_not_one_earlier() {
        let mut memory = lost(0, 4, NOTHING);
        assert_eq!(memory.vote_from(Epoch(0)), NEVER);
        assert_eq!(memory.answer(1, NONCE, &status(0, 9, 9)), None);
        assert_eq!(memory.answer(2, NONCE, &status(0, 12, 12)), None);
        assert_eq!(memory.vote_from(Epoch(0)), NEVER, "two of three others are no quorum");
        assert_eq!(memory.progress(), Some(Progress { heard: 2, needed: 3, for_good: false }));
        assert_eq!(memory.answer(3, NONCE, &status(0, 10, 10)), Some((Epoch(0), View(14))));
        assert_eq!(memory.vote_from(Epoch(0)), View(14));
        assert_eq!(memory.progress(), None);
    }

    #[test]
    fn r12_what_the_signer_remembers_binds_even_if_nobody_else_has_seen_it() {
        let mut memory = lost(0, 4, (Epoch(0), View(50)));
        let answers = [1, 2, 3].map(|from| memory.answer(from, NONCE, &status(0, 10, 10)));
        assert_eq!(answers, [None, None, Some((Epoch(0), View(51)))]);
        let mut memory = lost(0, 4, (Epoch(1), View(3)));
        let answers = [1, 2, 3].map(|from| memory.answer(from, NONCE, &status(0, 10, 10)));
        assert_eq!(answers[2], Some((Epoch(1), View(4))), "the epoch that the others are in is over for us");
        assert_eq!((memory.vote_from(Epoch(0)), memory.vote_from(Epoch(1))), (NEVER, View(4)));
    }

    #[test]
    fn an_answer_counts_once_for_a_seat_and_only_if_it_is_to_this_question() {
        let mut memory = lost(0, 4, NOTHING);
        for (from, nonce) in [(0, NONCE), (4, NONCE), (1, NONCE - 1), (1, NONCE + 1)] {
            assert_eq!(memory.answer(from, nonce, &status(0, 5, 5)), None);
            assert_eq!(memory.progress().unwrap().heard, 0, "seat {from}, question {nonce}");
        }
        (0..5).for_each(|_| assert_eq!(memory.answer(1, NONCE, &status(0, 5, 5)), None));
        assert_eq!(memory.progress().unwrap().heard, 1);
    }

    #[test]
    fn a_view_that_is_claimed_and_not_proven_counts_as_the_first() {
        let mut memory = lost(0, 4, NOTHING);
        let floors = [1, 2, 3].map(|from| memory.answer(from, NONCE, &status(0, 1_000_000, 1)));
        assert_eq!(floors[2], Some((Epoch(0), View(3))));
    }

    #[test]
    fn one_who_is_an_epoch_behind_counts_and_one_who_is_ahead_makes_us_catch_up() {
        let mut memory = lost(2, 4, NOTHING);
        assert_eq!(memory.answer(1, NONCE, &status(3, 5, 5)), None);
        assert_eq!(memory.progress().unwrap().heard, 0);
        memory.answer(1, NONCE, &status(1, 900, 900));
        memory.answer(2, NONCE, &status(2, 5, 5));
        assert_eq!(memory.answer(3, NONCE, &status(2, 4, 4)), Some((Epoch(2), View(7))));
        assert_eq!(memory.vote_from(Epoch(1)), NEVER);
        assert_eq!(memory.vote_from(Epoch(3)), View(2), "view 1 of the next epoch needs no certificate");
        assert_eq!(memory.vote_from(Epoch(4)), View(0));
    }

    #[test]
    fn a_new_epoch_asks_anew_because_its_seats_are_others() {
        let mut memory = lost(0, 4, NOTHING);
        memory.answer(1, NONCE, &status(0, 5, 5));
        memory.begin(&set(1, 7), Some(6));
        assert_eq!(memory.progress(), Some(Progress { heard: 0, needed: 5, for_good: false }));
        assert!(!memory.wants(1, NONCE) && memory.wants(0, NONCE + 1) && !memory.wants(6, NONCE + 1));
    }

    #[test]
    fn who_has_not_answered_is_asked_again_and_nobody_without_pause() {
        let mut memory = lost(0, 4, NOTHING);
        assert_eq!(memory.questions(Timestamp(5000)), Some((NONCE, vec![1, 2, 3])));
        assert_eq!(memory.questions(Timestamp(5999)), None);
        memory.answer(2, NONCE, &status(0, 5, 5));
        assert_eq!(memory.questions(Timestamp(6000)), Some((NONCE, vec![1, 3])));
        let mut follower = Memory::lost(NOTHING, 1);
        follower.begin(&set(0, 4), None);
        assert_eq!(follower.questions(Timestamp(1)), None, "a follower has no votes to lose");
    }

    #[test]
    fn a_clock_set_back_by_an_hour_does_not_put_off_the_next_question() {
        let mut memory = lost(0, 4, NOTHING);
        assert!(memory.questions(Timestamp(3_605_000)).is_some());
        memory.set_back(3_600_000);
        assert_eq!(memory.questions(Timestamp(5_999)), None);
        assert!(memory.questions(Timestamp(6_000)).is_some());
    }

    #[test]
    fn r13_who_is_shown_a_vote_of_his_own_twice_is_silent_for_good() {
        let mut memory = Memory::whole(NOTHING, NONCE);
        memory.shown(NOTHING, false, &set(0, 4), Some(0));
        assert_eq!(memory.vote_from(Epoch(0)), NEVER);
        let (nonce, asked) = memory.questions(Timestamp(1)).unwrap();
        assert_eq!(asked, [1, 2, 3]);
        for from in asked {
            memory.answer(from, nonce, &status(0, 5, 5));
        }
        assert_eq!(memory.vote_from(Epoch(0)), View(7));
        memory.shown(NOTHING, true, &set(0, 4), Some(0));
        assert_eq!(memory.questions(Timestamp(90_000)), None);
        let wanted = (0..9).any(|nonce| memory.wants(1, NONCE + nonce));
        assert!(memory.progress().unwrap().for_good && !wanted);
    }

    #[test]
    fn nothing_is_cosigned_before_a_view_that_we_may_vote_in_is_final() {
        assert!(Memory::whole(NOTHING, NONCE).may_cosign(NOTHING), "the checkpoint of genesis, in health");
        assert!(!lost(0, 4, NOTHING).may_cosign((Epoch(0), View(500))));
        let regained = Memory::whole((Epoch(0), View(14)), NONCE);
        assert!(!regained.may_cosign((Epoch(0), View(13))) && regained.may_cosign((Epoch(0), View(14))));
    }
}
