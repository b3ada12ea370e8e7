//! What a certificate may claim and what it may influence: R01, R03, R06, R08, R14, R15.

use std::collections::BTreeSet;

use consensus::event::{Justification, Message, Status};
use ledger::block::{Block, Epoch, Height, View};
use ledger::certificate::{
    Certificate, CertificateError, Statement, VALIDATORS_MAX, VALIDATORS_MIN, Validator, ValidatorSet,
    ValidatorSetError, Vote,
};
use ledger::codec;
use ledger::signature::Signature;
use ledger::time::Timestamp;
use node::validator::{Action, Event};
use tests::chain::Chain;

use crate::stage::{Home, Stage, parts, subsets};

const NULLIFY: Statement = Statement::Nullify { view: View(1) };

fn holds(stage: &Stage, certificate: &Certificate) -> Result<(), CertificateError> {
    certificate.verify(stage.id(), stage.set())
}

/// The positions of the set bits.
fn signers(certificate: &Certificate) -> Vec<u16> {
    certificate.signers().collect()
}

fn with_signers(certificate: &Certificate, seats: &[u16], n: usize) -> Certificate {
    let votes: Vec<(u16, Signature)> =
        seats.iter().copied().zip(certificate.signatures.iter().copied()).collect();
    let mut other = Certificate::from_votes(certificate.epoch, certificate.statement, n, &votes);
    other.signatures.clone_from(&certificate.signatures);
    other
}

#[test]
fn r01_tachyon_one_signature_under_another_seat_spoils_the_whole_certificate() {
    for n in [4, 7, 9] {
        let stage = Stage::of(n);
        let (seats, quorum) = (stage.seats(), stage.quorum());
        let good = stage.certify(NULLIFY, &quorum);
        assert_eq!(holds(&stage, &good), Ok(()));
        // The same signatures, in every other seating of as many signers.
        for seating in subsets(&seats, quorum.len()).into_iter().filter(|seating| *seating != quorum) {
            let other = with_signers(&good, &seating, n);
            assert_eq!(signers(&other), seating);
            assert!(matches!(holds(&stage, &other), Err(CertificateError::Signature { .. })), "{seating:?}");
        }
        // Two signers exchange their signatures.
        for pair in subsets(&quorum, 2) {
            let mut other = good.clone();
            other.signatures.swap(usize::from(pair[0]), usize::from(pair[1]));
            assert!(holds(&stage, &other).is_err(), "{pair:?}");
        }
        // Everybody signed, one of them wrongly: nothing is skipped to leave a quorum over.
        let all = stage.certify(NULLIFY, &seats);
        assert_eq!(holds(&stage, &all), Ok(()));
        for seat in &seats {
            let place = usize::from(*seat);
            let foreign = stage.vote((*seat + 1) % n as u16, NULLIFY).signature;
            let elsewhere = stage.vote(*seat, Statement::Nullify { view: View(2) }).signature;
            for signature in [foreign, elsewhere, Signature([0; 64]), Signature([0xff; 64])] {
                let mut other = all.clone();
                other.signatures[place] = signature;
                let expected = CertificateError::Signature { signer: *seat, statement: NULLIFY };
                assert_eq!(holds(&stage, &other), Err(expected));
            }
        }
    }
}

#[test]
fn r01_tachyon_a_key_of_another_purpose_set_epoch_or_chain_signs_for_nobody() {
    let (stage, larger) = (Stage::of(4), Stage::of(5));
    let quorum = stage.quorum();
    // The validators of the other chain hold the same keys in the same seats.
    assert_eq!(stage.set().validators[0], larger.set().validators[0]);
    assert!(holds(&stage, &larger.certify(NULLIFY, &quorum)).is_err());
    let good = stage.certify(NULLIFY, &quorum);
    let mut set = stage.set().clone();
    set.validators.swap(0, 1);
    assert!(good.verify(stage.id(), &set).is_err(), "seats exchanged");
    let mut set = stage.set().clone();
    set.validators[2].vote_key = set.validators[2].cosign_key;
    assert!(good.verify(stage.id(), &set).is_err(), "a cosigner's key votes");
    for epoch in [1, u64::MAX] {
        let other = Certificate { epoch: Epoch(epoch), ..good.clone() };
        assert!(matches!(holds(&stage, &other), Err(CertificateError::Epoch { .. })));
        let set = ValidatorSet { epoch: Epoch(epoch), ..stage.set().clone() };
        assert!(matches!(other.verify(stage.id(), &set), Err(CertificateError::Signature { .. })));
    }
    for statement in [
        Statement::Notarize { view: View(1), block: Default::default() },
        Statement::Finalize { view: View(1), block: Default::default() },
        Statement::Nullify { view: View(0) },
    ] {
        assert!(holds(&stage, &Certificate { statement, ..good.clone() }).is_err());
    }
}

#[test]
fn r01_tachyon_whoever_signs_the_time_and_the_next_block_are_the_same() {
    let stage = Stage::grown(4, 6);
    let mut heads = BTreeSet::new();
    let seatings = subsets(&stage.seats(), 3).into_iter().chain([stage.seats()]);
    for seats in seatings {
        let blocks: Vec<_> = stage.blocks.iter().map(|f| stage.finalized(f.block.clone(), &seats)).collect();
        let mut validator = stage.newcomer(1);
        let blocks = stage.answer(&blocks);
        validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
        let head = validator.ledger().head();
        assert_eq!(head.height, Height(6), "{seats:?}");
        let slot = ledger::books::Slot {
            epoch: stage.epoch(),
            view: View(20),
            proposer: 1,
            // Long before the head: the block must take the millisecond after its parent.
            time: Timestamp(0),
        };
        let next =
            validator.ledger().propose(&ledger::books::Parent::Finalized, slot, &mut std::iter::empty());
        assert_eq!(next.staged.header().time.0, head.time.0 + 1);
        heads.insert((head.block, head.time, head.log.root(), head.state_root, next.staged.hash()));
    }
    assert_eq!(heads.len(), 1, "the certificate shows in {heads:?}");
}

#[test]
fn r03_bitarray_a_signer_list_of_another_length_than_the_set_is_refused() {
    for n in [4, 7, 8, 9, 16, 17] {
        let stage = Stage::of(n);
        let good = stage.certify(NULLIFY, &stage.quorum());
        let exact = n.div_ceil(8);
        for bytes in (0..=70).chain([255, 256, 8192, 8193, 65_535]) {
            for fill in [0, 1, 0x80, 0xff] {
                for signatures in [0, 1, good.signatures.len(), n, bytes * 8] {
                    let mut signers = vec![fill; bytes];
                    let mut other = good.clone();
                    other.signatures = vec![good.signatures[0]; signatures.min(70_000)];
                    other.signers.clone_from(&signers);
                    assert!(holds(&stage, &other).is_err(), "{bytes} bytes of {fill:#x} for {n}");
                    // The true list with such a tail, and with such an end cut off.
                    signers = good.signers.iter().copied().chain(signers).collect();
                    signers.truncate(bytes);
                    other.signatures.clone_from(&good.signatures);
                    other.signers = signers;
                    let fits = other.signers == good.signers;
                    assert_eq!(holds(&stage, &other).is_ok(), fits);
                    if other.signers.len() != exact {
                        assert!(matches!(holds(&stage, &other), Err(CertificateError::Bitmap { .. })));
                    }
                }
            }
        }
        // Each bit past the last validator, in the last byte.
        for bit in n..exact * 8 {
            let mut other = stage.certify(NULLIFY, &stage.seats());
            other.signers[exact - 1] |= 1 << (bit % 8);
            other.signatures.push(good.signatures[0]);
            let refused = holds(&stage, &other);
            assert!(matches!(refused, Err(CertificateError::Bitmap { .. })), "bit {bit} of {n}: {refused:?}");
        }
    }
}

#[test]
fn r03_bitarray_a_length_prefix_that_lies_is_no_certificate() {
    let stage = Stage::of(9);
    let good = stage.certify(NULLIFY, &stage.quorum());
    let bytes = codec::encode(&good);
    let list = bytes.len() - 8 - 64 * good.signatures.len() - 8 - good.signers.len();
    let signatures = bytes.len() - 8 - 64 * good.signatures.len();
    for (prefix, length) in [(list, good.signers.len()), (signatures, good.signatures.len())] {
        assert_eq!(bytes[prefix..prefix + 8], (length as u64).to_le_bytes(), "the prefix stands there");
        let lies = [0, 1, 2, 3, 6, 7, 8, 255, 1 << 16, 1 << 32, 1 << 61, 1 << 63, u64::MAX];
        for lie in lies.into_iter().filter(|lie| *lie != length as u64) {
            let mut bytes = bytes.clone();
            bytes[prefix..prefix + 8].copy_from_slice(&lie.to_le_bytes());
            let read = codec::decode::<Certificate>(&bytes, 4096);
            assert!(read.is_err(), "{length} elements announced as {lie}");
        }
    }
    for end in 0..bytes.len() {
        assert!(codec::decode::<Certificate>(&bytes[..end], 4096).is_err(), "cut at {end}");
    }
}

/// The certificate in every place where a peer may put one.
fn everywhere(stage: &Stage, certificate: &Certificate) -> Vec<Event> {
    let epoch = stage.epoch();
    let status = |entry, finalization| {
        Message::Status(Status { epoch, view: View(2), height: Height(0), entry, finalization })
    };
    let staged = stage.propose(2, Vec::new());
    let header = staged.header().clone();
    let vote = stage.vote(header.proposer, Statement::Notarize { view: header.view, block: header.hash() });
    let proposal = |parent, skips| Message::Proposal {
        block: Block { header: header.clone(), transactions: Vec::new() },
        justification: Justification { parent, skips },
        vote,
    };
    let messages = [
        Message::Certificate(certificate.clone()),
        status(Some(certificate.clone()), None),
        status(None, Some(certificate.clone())),
        proposal(None, vec![certificate.clone()]),
        proposal(Some(certificate.clone()), Vec::new()),
    ];
    let mut events: Vec<Event> =
        messages.into_iter().map(|message| stage.intake.message(0, message).unwrap()).collect();
    let finalized = stage.finalized(staged.block().to_block(), &stage.quorum());
    for place in 0..3 {
        let mut synced = stage.answer(std::slice::from_ref(&finalized));
        match place {
            0 => *parts(&mut synced[0].finality).notarization = certificate.clone(),
            1 => parts(&mut synced[0].finality).skips[0] = certificate.clone(),
            _ => *parts(&mut synced[0].finality).finalization = Some(certificate.clone()),
        }
        events.push(Event::Blocks { from: 0, blocks: synced });
    }
    events
}

#[test]
fn r03_bitarray_wherever_a_peer_puts_it_a_misshapen_certificate_moves_nothing() {
    let stage = Stage::of(4);
    let good = stage.certify(NULLIFY, &stage.quorum());
    let bend = |bend: fn(&mut Certificate)| {
        let mut bent = good.clone();
        bend(&mut bent);
        bent
    };
    let bent = [
        bend(|c| c.signers.clear()),
        bend(|c| c.signers.push(0)),
        bend(|c| c.signers = vec![0xff; 600]),
        bend(|c| c.signers[0] |= 0x10),
        bend(|c| c.signatures.clear()),
        bend(|c| c.signatures.truncate(2)),
        bend(|c| c.signatures.push(Signature([0; 64]))),
        bend(|c| c.signatures.swap(0, 1)),
        bend(|c| c.epoch = Epoch(u64::MAX)),
    ];
    for certificate in &bent {
        for event in everywhere(&stage, certificate) {
            let mut validator = stage.newcomer(1);
            let before = validator.faults();
            let shown = format!("{event:?}");
            let actions = validator.handle(stage.clock(), event.clone());
            assert_eq!(validator.consensus().view(), View(1), "{shown}");
            assert_eq!(validator.ledger().head().height, Height(0), "{shown}");
            // What speaks of a later epoch may be true, and is neither believed nor held against anybody.
            let later = certificate.epoch > stage.epoch()
                && matches!(event, Event::Message { message: Message::Certificate(_), .. });
            let breaches = before + u64::from(!later);
            assert_eq!(validator.faults(), breaches, "the breach was not counted: {shown}");
            let kept =
                actions.iter().any(|a| matches!(a, Action::PersistCertificate(_) | Action::Halt { .. }));
            assert!(!kept, "{shown}");
        }
    }
    // The unbent one does move the view, so the places are places where it counts.
    let mut validator = stage.newcomer(1);
    for event in everywhere(&stage, &good).into_iter().take(4) {
        validator.handle(stage.clock(), event);
        assert_eq!(validator.consensus().view(), View(2));
    }
}

#[test]
fn r06_vote_index_a_signer_outside_the_set_is_dropped() {
    for n in [4_u16, 7, 9] {
        let stage = Stage::of(usize::from(n));
        let last = stage.vote(n - 1, NULLIFY);
        assert_eq!(last.verify(stage.id(), stage.set()), Ok(()));
        for signer in [n, n + 1, 255, 256, u16::MAX - 1, u16::MAX] {
            let outside = Vote { signer, ..last };
            let refused = outside.verify(stage.id(), stage.set());
            assert_eq!(refused, Err(CertificateError::Signer { signer, validators: usize::from(n) }));
            let mut validator = stage.newcomer(1);
            let message = Message::Vote(outside);
            let actions = validator.handle(stage.clock(), Event::Message { from: 0, message });
            // Dropped, and held against whoever sent it.
            let blamed = matches!(actions[..], [Action::Blame { peer: 0, .. }]);
            assert!(blamed, "{} actions on a vote by nobody", actions.len());
        }
    }
}

#[test]
fn r06_vote_index_a_peer_proposer_or_cosigner_outside_the_set_stops_nobody() {
    let stage = Stage::grown(4, 2);
    let quorum = stage.quorum();
    for outside in [4, 5, 255, 256, u16::MAX - 1, u16::MAX] {
        let mut validator = stage.newcomer(1);
        let (now, epoch) = (stage.clock(), stage.epoch());
        let status = Status { epoch, view: View(0), height: Height(0), entry: None, finalization: None };
        for message in [Message::Status(status), Message::StatusRequest, Message::CertificateRequest(View(1))]
        {
            validator.handle(now, Event::Message { from: outside, message });
        }
        validator.handle(now, Event::Connected(outside));
        validator.handle(now, Event::Unanswered { from: outside });
        // A header whose proposer is nobody, certified all the same: more than f are faulty then, and
        // the books must still refuse it in words.
        let mut block = stage.blocks[0].block.clone();
        block.header.proposer = outside;
        let finalized = stage.finalized(block, &quorum);
        let blocks = stage.answer(&[finalized]);
        validator.handle(now, Event::Blocks { from: outside, blocks });
        assert_eq!(validator.ledger().head().height, Height(0));
        let log = &stage.ledger.head().log;
        let mut cosignature = ledger::checkpoint::Cosignature {
            signer: outside,
            time_s: now.0 / 1000,
            signature: Signature([7; 64]),
        };
        for signature in [Signature([0; 64]), Signature([0xff; 64])] {
            cosignature.signature = signature;
            let by = node::cosigning::Cosignature { size: log.size(), root: log.root(), by: cosignature };
            validator.handle(now, Event::Cosignatures(vec![by]));
        }
        assert!(validator.certified().is_none());
    }
}

#[test]
fn r08_set_hash_gap_whatever_differs_in_a_validator_set_differs_in_its_digest() {
    let set = Stage::of(7).set().clone();
    let (bytes, digest) = (codec::encode(&set), set.digest());
    let (mut digests, mut read) = (BTreeSet::from([digest]), 1);
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(other) = codec::decode::<ValidatorSet>(&bytes, 1 << 16) else { continue };
        assert_ne!(other, set, "bit {bit} is in the encoding and in no field");
        digests.insert(other.digest());
        read += 1;
    }
    assert_eq!(digests.len(), read, "two sets with one digest");
    // Keys alone are 7 × 96 bytes, of which each bit gives another set.
    assert!(read > 7 * 96 * 8, "only {read} bits were tried");
    for (one, other) in [(0, 1), (0, 6), (5, 6)] {
        let mut other_set = set.clone();
        other_set.validators.swap(one, other);
        assert_ne!(other_set.digest(), digest, "the order decides who leads and who signed");
    }
    let mut shorter = set.clone();
    shorter.validators.pop();
    assert_ne!(shorter.digest(), digest);
}

#[test]
fn r08_set_hash_gap_the_chain_and_its_first_leaf_commit_to_the_whole_set() {
    let chain = Chain::of(4);
    let ledger = ledger::books::Ledger::new(&chain.genesis).unwrap();
    let set = &chain.genesis.validators;
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(find(&ledger.genesis_leaves()[0], &set.digest().0), "the first leaf names the set");
    for place in 0..set.len() {
        for key in 0..3 {
            let mut other = chain.genesis.clone();
            let validator = &mut other.validators.validators[place];
            let keys = [&mut validator.vote_key, &mut validator.cosign_key, &mut validator.peer_key];
            keys.into_iter().nth(key).unwrap().0[31] ^= 0x80;
            assert_ne!(other.hash(), chain.genesis.hash(), "key {key} of validator {place}");
        }
    }
}

#[test]
fn r08_set_hash_gap_a_lying_peer_cannot_lead_a_newcomer_astray() {
    let stage = Stage::grown(4, 8);
    for bend in 0..8 {
        let mut validator = stage.newcomer(1);
        let mut blocks = stage.blocks.clone();
        let last = blocks.last_mut().unwrap();
        let header = &mut last.block.header;
        match bend {
            0 => header.state_root.0[0] ^= 1,
            1 => header.log_root.0[31] ^= 1,
            2 => header.time.0 += 1,
            3 => header.log_size += 1,
            4 => header.proposer ^= 1,
            5 => header.epoch.0 += 1,
            6 => header.version += 1,
            _ => header.view.0 += 1,
        }
        let blocks = stage.answer(&blocks);
        let actions = validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
        // What comes before the bent block is true, and one bad block does not make it worse.
        let head = validator.ledger().head();
        let known = stage.blocks.iter().any(|truth| truth.block.header.hash() == head.block);
        assert!(known || head.height == Height(0), "bend {bend}");
        assert!(head.height < stage.ledger.head().height, "bend {bend}");
        assert!(!actions.iter().any(|action| matches!(action, Action::Halt { .. })), "a liar stops nobody");
        // The truth from another peer is accepted as if nothing had been.
        let blocks = stage.answer(&stage.blocks);
        validator.handle(stage.clock(), Event::Blocks { from: 2, blocks });
        assert_eq!(validator.ledger().head().block, stage.ledger.head().block, "bend {bend}");
    }
}

/// A set of this size, of one validator many times over.
fn crowd(validator: &Validator, n: usize) -> ValidatorSet {
    ValidatorSet { epoch: Epoch(0), validators: vec![validator.clone(); n] }
}

#[test]
fn r14_off_by_one_guard_a_quorum_is_a_quorum_and_one_less_is_none() {
    let one = Stage::of(4).set().validators[0].clone();
    for n in VALIDATORS_MIN..=VALIDATORS_MAX {
        let set = crowd(&one, n);
        let (f, q) = (set.faulty_max(), set.quorum());
        assert!(n > 3 * f && n <= 3 * f + 3, "f is the most that {n} can bear");
        assert!(2 * q - n > f, "two quorums of {n} share a correct member");
        assert!(q <= n - f, "the correct ones of {n} are a quorum by themselves");
    }
    for n in [4, 5, 6, 7, 8, 10, 13] {
        let stage = Stage::of(n);
        let (seats, q) = (stage.seats(), stage.set().quorum());
        for signers in 0..=n {
            let certificate = stage.certify(NULLIFY, &seats[n - signers..]);
            assert_eq!(holds(&stage, &certificate).is_ok(), signers >= q, "{signers} of {n}");
        }
    }
}

#[test]
fn r14_off_by_one_guard_a_set_of_three_and_one_too_large_are_no_sets() {
    let all = Stage::of(7).set().clone();
    for n in 0..=7 {
        let set = ValidatorSet { epoch: Epoch(0), validators: all.validators[..n].to_vec() };
        assert_eq!(set.check().is_ok(), n >= VALIDATORS_MIN, "{n} validators");
    }
    let set = crowd(&all.validators[0], VALIDATORS_MAX + 1);
    assert_eq!(set.check(), Err(ValidatorSetError::Size { count: VALIDATORS_MAX + 1 }));
    let set = crowd(&all.validators[0], VALIDATORS_MAX);
    assert!(
        matches!(set.check(), Err(ValidatorSetError::Shared { .. })),
        "the size is allowed, twins are not"
    );
}

#[test]
fn r15_qc_in_hash_a_restart_from_other_signers_certificates_ends_in_the_same_block() {
    let stage = Stage::grown(4, 5);
    let mut ends = BTreeSet::new();
    for seats in subsets(&stage.seats(), 3).into_iter().chain([stage.seats()]) {
        let mut home = Home::empty();
        let (mut validator, _) = home.start(&stage.chain, 2, stage.clock());
        let blocks: Vec<_> = stage.blocks.iter().map(|f| stage.finalized(f.block.clone(), &seats)).collect();
        let actions =
            validator.handle(stage.clock(), Event::Blocks { from: 0, blocks: stage.answer(&blocks) });
        home.keep(&actions);
        let kept = home.store().finalized_from(Height(1), 100, 1 << 20).unwrap();
        assert_eq!(kept, blocks, "the certificates are kept beside the blocks as they came");
        let (restored, _) = home.start(&stage.chain, 2, stage.clock());
        for validator in [&validator, &restored] {
            let head = validator.ledger().head();
            assert_eq!(head.height, Height(5));
            ends.insert((head.block, head.log.root(), head.state_root));
        }
    }
    assert_eq!(ends.len(), 1, "the signers show in the block: {ends:?}");
}
