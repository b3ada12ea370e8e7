//! What must hold whatever happens, written from the protocol's description and not from the core:
//! the checker counts signatures itself, from the moment each is made.
//!
//! The numbers are those of the invariants in specs/consensus.md; 11 and 12 stand where cores are
//! called (`super::life`), 13 and 15 where worlds are run.
//!
//! Invariant: it forgets nothing and crashes never.

use std::collections::BTreeMap;

use consensus::event::{Evidence, Finalized, Status};
use ledger::block::{BlockHash, Epoch, Header, Height, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::digest::Digest;

use super::gate::stamp;

/// What one correct validator said in one view.
#[derive(Clone, Copy, Default)]
struct Said {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

/// Who signed a statement.
#[derive(Clone, Default)]
struct Signers {
    seats: Vec<u64>,
    count: usize,
}

impl Signers {
    /// True if that is news.
    fn add(&mut self, signer: u16) -> bool {
        let (word, bit) = (usize::from(signer) / 64, 1 << (signer % 64));
        if self.seats.len() <= word {
            self.seats.resize(word + 1, 0);
        }
        let news = self.seats[word] & bit == 0;
        self.seats[word] |= bit;
        self.count += usize::from(news);
        news
    }

    fn has(&self, signer: u16) -> bool {
        self.seats.get(usize::from(signer) / 64).is_some_and(|word| word >> (signer % 64) & 1 == 1)
    }
}

/// The world's memory.
pub(crate) struct Checker {
    epoch: Epoch,
    validators: usize,
    quorum: usize,
    honest: Vec<bool>,
    said: BTreeMap<(u16, View), Said>,
    signed: BTreeMap<View, BTreeMap<Statement, Signers>>,
    /// Every header that exists.
    headers: BTreeMap<BlockHash, Header>,
    /// The one history, by height above genesis.
    chain: Vec<(BlockHash, Header)>,
    genesis: Header,
    /// Evidence handed out.
    pub(crate) convictions: u64,
    /// More than f are faulty: histories may part, and honest validators may stop.
    pub(crate) overrun: bool,
}

impl Checker {
    pub(crate) fn new(epoch: Epoch, honest: Vec<bool>, genesis: Header) -> Self {
        let validators = honest.len();
        // n − ⌊(n − 1) / 3⌋, counted here because the code under test counts it too.
        let quorum = validators - (validators - 1) / 3;
        let headers = BTreeMap::from([(genesis.hash(), genesis.clone())]);
        let (said, signed, chain) = Default::default();
        let (convictions, overrun) = Default::default();
        Self {
            epoch,
            validators,
            quorum,
            honest,
            said,
            signed,
            headers,
            chain,
            genesis,
            convictions,
            overrun,
        }
    }

    /// A block came into being.
    pub(crate) fn on_header(&mut self, block: BlockHash, header: &Header) {
        self.headers.entry(block).or_insert_with(|| header.clone());
    }

    /// Of all votes that ever left a validator, across crashes: invariants 1 to 6 and 10, and what
    /// the view before allows (rules C3 and C7).
    pub(crate) fn on_signed(&mut self, signer: u16, statement: Statement) {
        if !self.signed.entry(statement.view()).or_default().entry(statement).or_default().add(signer) {
            return;
        }
        if self.honest[usize::from(signer)] {
            self.on_said(signer, statement);
        }
        if !self.overrun && self.certifiable(&statement) {
            self.compare(&statement);
        }
    }

    fn on_said(&mut self, signer: u16, statement: Statement) {
        let view = statement.view();
        let said = self.said.entry((signer, view)).or_default();
        match statement {
            Statement::Notarize { block, .. } => {
                let first = *said.notarized.get_or_insert(block);
                assert_eq!(
                    first, block,
                    "invariant 1, 10: validator {signer} notarized two blocks in view {view}"
                );
                assert!(
                    !said.nullified,
                    "rule C3: validator {signer} notarized view {view} after nullifying it"
                );
            }
            Statement::Nullify { .. } => said.nullified = true,
            Statement::Finalize { block, .. } => {
                let first = *said.finalized.get_or_insert(block);
                assert_eq!(
                    first, block,
                    "invariant 2, 10: validator {signer} finalized two blocks in view {view}"
                );
            }
        }
        let Said { notarized, nullified, finalized } = *said;
        assert!(
            !(nullified && finalized.is_some()),
            "invariant 3, 10: validator {signer} finalized and nullified view {view}"
        );
        assert!(
            finalized.is_none() || notarized.is_none() || notarized == finalized,
            "invariant 4, 10: validator {signer} notarized one block and finalized another in view {view}"
        );
        match statement {
            Statement::Notarize { block, .. } => self.may_be_notarized(signer, view, &block),
            Statement::Finalize { block, .. } => {
                let notarized = self.certifiable(&Statement::Notarize { view, block });
                assert!(
                    notarized,
                    "rule C7: validator {signer} finalized view {view}, which nobody notarized"
                );
            }
            Statement::Nullify { .. } => {}
        }
    }

    /// Rule C3: the parent is certified, each view since is nullified, and the books agree.
    fn may_be_notarized(&self, signer: u16, view: View, block: &BlockHash) {
        let header = &self.headers[block];
        let what = format!("validator {signer} notarized in view {view} a block");
        let Some(parent) = self.headers.get(&header.parent) else {
            panic!("rule C3: {what} whose parent does not exist");
        };
        assert_eq!(header.view, view, "rule C3: {what} of another view");
        let of_genesis = header.parent == self.genesis.hash();
        let parent_view = if of_genesis { View(0) } else { parent.view };
        assert_eq!(header.parent_view, parent_view, "rule C3: {what} that misnames its parent's view");
        let (view_of, block_of) = (header.parent_view, header.parent);
        let certified = of_genesis
            || self.certifiable(&Statement::Notarize { view: view_of, block: block_of })
            || self.certifiable(&Statement::Finalize { view: view_of, block: block_of });
        assert!(certified, "rule C3, invariant 14: {what} whose parent is not certified");
        for gap in parent_view.0 + 1..view.0 {
            let skipped = self.certifiable(&Statement::Nullify { view: View(gap) });
            assert!(skipped, "rule C3, invariant 14: {what} though view {gap} before it is not nullified");
        }
        assert!(
            header.height == parent.height.next() && header.time > parent.time,
            "rule C3: {what} that does not follow its parent"
        );
        let books = state_after(&parent.state_root, &header.payload);
        assert_eq!(header.state_root, books, "rule C3, invariant 8: {what} whose books are wrong");
    }

    /// Whether a quorum signed this, so that a certificate of it can exist.
    fn certifiable(&self, statement: &Statement) -> bool {
        let signers = self.signed.get(&statement.view()).and_then(|of| of.get(statement));
        signers.is_some_and(|signers| signers.count >= self.quorum)
    }

    /// Invariants 5 and 6, of all certificates that can exist, whether or not anybody forms them.
    fn compare(&self, statement: &Statement) {
        let view = statement.view();
        for (other, _) in self.signed[&view].iter().filter(|(other, _)| *other != statement) {
            if !self.certifiable(other) {
                continue;
            }
            let excluded = match (statement, other) {
                (Statement::Notarize { .. }, Statement::Nullify { .. })
                | (Statement::Nullify { .. }, Statement::Notarize { .. }) => false,
                (Statement::Nullify { .. }, _) | (_, Statement::Nullify { .. }) => true,
                (one, other) => one.block() != other.block(),
            };
            assert!(!excluded, "invariants 5, 6: a quorum each for {statement:?} and {other:?}");
        }
    }

    /// What a correct validator holds: a quorum of different signers, each of whom did sign.
    pub(crate) fn on_certificate(&self, certificate: &Certificate) {
        let statement = certificate.statement;
        assert_eq!(certificate.epoch, self.epoch, "{statement:?} is certified in another epoch");
        let signers: Vec<u16> = certificate.signers().collect();
        let whole = signers.len() >= self.quorum && signers.len() == certificate.signatures.len();
        assert!(whole, "{statement:?}: {} signers are no quorum of {}", signers.len(), self.validators);
        let of = self.signed.get(&statement.view()).and_then(|of| of.get(&statement));
        for (signer, signature) in signers.iter().zip(&certificate.signatures) {
            let genuine = *signature == stamp(*signer, self.epoch, &statement);
            assert!(
                genuine && of.is_some_and(|of| of.has(*signer)),
                "{statement:?}: {signer} never signed it"
            );
        }
    }

    /// Rule C1: a view is entered with a certificate of the one before it.
    pub(crate) fn on_entered(&self, view: View, status: &Status) {
        let Some(entry) = &status.entry else {
            panic!("rule C1: view {view} was entered without a certificate")
        };
        let before = View(view.0 - 1);
        assert_eq!(
            entry.statement.view(),
            before,
            "rule C1: view {view} was entered by a certificate of another view"
        );
        self.on_certificate(entry);
    }

    /// The highest view that a validator is known to have voted in.
    pub(crate) fn highest_vote(&self, signer: u16) -> View {
        let last = self.said.range((signer, View(0))..=(signer, View(u64::MAX))).next_back();
        last.map_or(View(0), |((_, view), _)| *view)
    }

    /// Invariants 7, 8 and 14: `header` follows its parent at some validator, with this proof.
    pub(crate) fn on_final(&mut self, header: &Header, proof: &Finalized, last: bool) {
        if self.overrun {
            return;
        }
        let block = header.hash();
        let height = usize::try_from(header.height.0 - self.genesis.height.0).unwrap();
        assert!(height >= 1 && height <= self.chain.len() + 1, "invariant 7: height {height} skips one");
        let parent = if height == 1 {
            (self.genesis.hash(), View(0), self.genesis.state_root)
        } else {
            let (hash, header) = &self.chain[height - 2];
            (*hash, header.view, header.state_root)
        };
        let follows = (header.parent, header.parent_view) == (parent.0, parent.1);
        assert!(follows, "invariant 7: the block at height {height} does not follow the one below");
        let books = state_after(&parent.2, &header.payload);
        assert_eq!(header.state_root, books, "invariant 8: height {height}");
        let view = header.view;
        let notarize = Statement::Notarize { view, block };
        let whole = proof.block == block && proof.notarization.statement == notarize;
        assert!(whole, "invariant 14: height {height} lacks its notarization");
        self.on_certificate(&proof.notarization);
        let gap: Vec<View> = proof.skips.iter().map(|skip| skip.statement.view()).collect();
        let expected: Vec<View> = (parent.1.0 + 1..view.0).map(View).collect();
        assert_eq!(gap, expected, "invariant 14: the nullifications before height {height}");
        for skip in &proof.skips {
            assert_eq!(skip.statement, Statement::Nullify { view: skip.statement.view() }, "invariant 14");
            self.on_certificate(skip);
        }
        assert!(
            !last || proof.finalization.is_some(),
            "invariant 14: nothing from height {height} on is finalized"
        );
        if let Some(finalization) = &proof.finalization {
            assert_eq!(finalization.statement, Statement::Finalize { view, block }, "invariant 14");
            self.on_certificate(finalization);
        }
        match self.chain.get(height - 1) {
            Some((known, _)) => assert_eq!(*known, block, "invariant 7: two histories at height {height}"),
            None => self.chain.push((block, header.clone())),
        }
    }

    /// Rule C10: evidence convicts the faulty only.
    pub(crate) fn on_evidence(&mut self, evidence: &Evidence) {
        let Evidence { first, second } = evidence;
        self.convictions += 1;
        let one_signer = (first.signer, first.epoch, first.statement.view())
            == (second.signer, second.epoch, second.statement.view());
        assert!(
            one_signer && is_offence(&first.statement, &second.statement),
            "rule C10: this proves nothing: {evidence:?}"
        );
        for vote in [first, second] {
            let signature = stamp(vote.signer, vote.epoch, &vote.statement);
            assert_eq!(vote.signature, signature, "rule C10: evidence with a signature that does not hold");
        }
        let convicted = usize::from(first.signer);
        assert!(!self.honest[convicted], "rule C10: evidence against a correct validator: {evidence:?}");
    }

    /// Height of the one history.
    pub(crate) fn height(&self) -> Height {
        Height(self.genesis.height.0 + self.chain.len() as u64)
    }

    /// View of the lowest finalized block above a view.
    pub(crate) fn first_final_above(&self, view: View) -> Option<View> {
        self.chain.iter().map(|(_, header)| header.view).find(|of| *of > view)
    }
}

/// Section 7 of the reference: the four pairs that no correct validator signs both of.
pub(crate) fn is_offence(one: &Statement, other: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Nullify};
    one.view() == other.view()
        && match (one, other) {
            (Finalize { .. }, Nullify { .. }) | (Nullify { .. }, Finalize { .. }) => true,
            (Notarize { .. } | Finalize { .. }, Notarize { .. } | Finalize { .. }) => {
                one.block() != other.block()
            }
            _ => false,
        }
}

/// What one correct validator was shown since it started, and whom it accused.
#[derive(Default)]
pub(crate) struct Witness {
    heard: BTreeMap<(View, u16), Vec<Statement>>,
    accused: BTreeMap<(View, u16), ()>,
}

impl Witness {
    /// A verified vote arrives, for a view from `oldest` to `newest`, those whose votes count.
    pub(crate) fn hear(&mut self, vote: &Vote, oldest: View, newest: View) {
        let view = vote.statement.view();
        if self.heard.first_key_value().is_some_and(|((view, _), _)| *view < oldest) {
            self.heard = self.heard.split_off(&(oldest, 0));
            self.accused = self.accused.split_off(&(oldest, 0));
        }
        if view >= oldest && view <= newest {
            let heard = self.heard.entry((view, vote.signer)).or_default();
            if heard.len() < 4 && !heard.contains(&vote.statement) {
                heard.push(vote.statement);
            }
        }
    }

    pub(crate) fn accuse(&mut self, evidence: &Evidence) {
        self.accused.insert((evidence.first.statement.view(), evidence.first.signer), ());
    }

    /// Rule C10: whoever was shown both votes of an offence, while both counted, has handed out
    /// evidence of it.
    pub(crate) fn check(&self, at: usize, vote: &Vote) {
        let key = (vote.statement.view(), vote.signer);
        let Some(heard) = self.heard.get(&key) else { return };
        let offence = heard.iter().any(|one| heard.iter().any(|other| is_offence(one, other)));
        assert!(
            !offence || self.accused.contains_key(&key),
            "rule C10: #{at} was shown {heard:?} by {} and accused nobody",
            vote.signer
        );
    }
}

/// Section 7 of the reference: who signed both of two finality proofs that exclude each other, each
/// for a chain from the same genesis, the last block of each with its finalization. `None` if one
/// history continues the other.
pub(crate) fn culprits(one: &[(Header, Finalized)], other: &[(Header, Finalized)]) -> Option<Vec<u16>> {
    let tip = |history: &[(Header, Finalized)]| history.last().map(|(header, _)| header.view);
    let (lower, higher) = if tip(one) <= tip(other) { (one, other) } else { (other, one) };
    let (last, proof) = lower.last()?;
    if higher.iter().any(|(header, _)| header.hash() == last.hash()) {
        return None;
    }
    // In the view of the lower tip the higher chain has another block, or a nullification.
    let at = higher.iter().find(|(header, _)| header.view >= last.view)?;
    let (ours, theirs) = if at.0.view == last.view {
        (&proof.notarization, &at.1.notarization)
    } else {
        let nullify = Statement::Nullify { view: last.view };
        (proof.finalization.as_ref()?, at.1.skips.iter().find(|skip| skip.statement == nullify)?)
    };
    let signed: Vec<u16> = theirs.signers().collect();
    Some(ours.signers().filter(|signer| signed.contains(signer)).collect())
}

/// The books of this world: a hash chain over payloads.
pub(crate) fn state_after(parent: &Digest, payload: &Digest) -> Digest {
    Digest::of(&[b"world", &parent.0, &payload.0])
}
