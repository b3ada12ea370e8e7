//! Checkpoints as incidents: quorums, clocks, other ledgers, rewritten logs.

use super::*;
use crate::certificate::ValidatorSetError;
use crate::tree::consistency_proof;
use alloc::vec;
use support::*;

pub(crate) mod support;

fn leaves(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|i| vec![i]).collect()
}

#[test]
fn a_quorum_certifies_and_exactly_a_quorum_enters_the_text() {
    let trust = trust(7);
    let certified = certify(&trust, checkpoint(&trust, &leaves(5)));
    let text = certified.to_text();
    assert_eq!(text.lines().filter(|line| line.starts_with('—')).count(), 3);
    let read = CertifiedCheckpoint::parse(&text).unwrap();
    assert_eq!(read, certified);
    let trusted = read.verify(&trust, Some(NOW)).unwrap();
    assert_eq!((trusted.size(), trusted.signers()), (5, [0, 1, 2].as_slice()));
    assert_eq!(trusted.times_s(), [NOW_S, NOW_S + 1, NOW_S + 2]);
}

#[test]
fn a_stranger_adds_a_line_and_nothing_changes_but_a_spoilt_line_of_a_validator_ends_it() {
    let trust = trust(7);
    let text = certify(&trust, checkpoint(&trust, &leaves(5))).to_text();
    let stranger = "— vitne.example/w1 AAAAAAAAAAAA\n";
    let more = alloc::format!("{text}{stranger}");
    assert!(CertifiedCheckpoint::parse(&more).unwrap().verify(&trust, Some(NOW)).is_ok());
    // The name is known, the key id is not: also a stranger, as the specification says.
    let homonym = alloc::format!("{text}— kommune4.example/v1 AAAAAAAAAAAA\n");
    assert!(CertifiedCheckpoint::parse(&homonym).unwrap().verify(&trust, Some(NOW)).is_ok());
    let key = &trust.keys()[3];
    let spoilt = NoteSignature { name: key.name().into(), key_id: key.id(), signature: vec![0; 72] };
    let spoilt = alloc::format!("{text}{}\n", spoilt.to_line());
    let refusal = CertifiedCheckpoint::parse(&spoilt).unwrap().verify(&trust, Some(NOW)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the signature of validator kommune4.example/v1 does not hold on this checkpoint: it was altered; fetch it again"
    );
}

#[test]
fn one_validator_counted_twice_or_one_too_few_is_no_quorum() {
    let trust = trust(7);
    let checkpoint = checkpoint(&trust, &leaves(5));
    let text = certify(&trust, checkpoint.clone()).to_text();
    let body = checkpoint.to_text();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('—')).collect();
    let verify = |lines: &[&str]| {
        let note = alloc::format!("{body}\n{}\n", lines.join("\n"));
        CertifiedCheckpoint::parse(&note).unwrap().verify(&trust, Some(NOW)).unwrap_err().to_string()
    };
    assert_eq!(
        verify(&[lines[0], lines[1], lines[1]]),
        "validator kommune2.example/v1 stands twice among the signatures and counts once; fetch the checkpoint again"
    );
    assert_eq!(
        verify(&lines[..2]),
        "2 of 4 known validators signed, 3 must; fetch a checkpoint with more signatures, or, if the validators changed after epoch 0, the handoffs since"
    );
    let once = cosign(&checkpoint, &[1, 1, 1]);
    let refusal = CertifiedCheckpoint::assemble(checkpoint, &once, &trust).unwrap_err();
    assert_eq!(
        refusal,
        CheckpointError::QuorumOfNewest { epoch: Epoch(0), found: 1, quorum: 3, validators: 4 }
    );
}

#[test]
fn a_cosignature_dated_ahead_of_the_clock_waits_for_the_clock() {
    let trust = trust(7);
    let certified = certify(&trust, checkpoint(&trust, &leaves(5)));
    let at = |s: u64| Some(Timestamp((NOW_S - s) * 1000));
    assert!(certified.verify(&trust, at(598)).is_ok());
    let refusal = certified.verify(&trust, at(599)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "validator kommune3.example/v1 dates its signature 601 seconds after this clock; set the clock, or ask again later"
    );
    assert!(certified.verify(&trust, None).is_ok());
}

#[test]
fn a_checkpoint_of_another_genesis_is_refused_before_any_signature() {
    let (ours, theirs) = (trust(7), trust(8));
    let certified = certify(&theirs, checkpoint(&theirs, &leaves(5)));
    let refusal = certified.verify(&ours, Some(NOW)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "this is from ledger \"hovedbok.example/0808080808080808\", not from \"hovedbok.example/0707070707070707\" whose genesis you trust; check which ledger it belongs to"
    );
}

#[test]
fn a_validators_cosignature_holds_for_its_own_seat_and_checkpoint_only() {
    let trust = trust(7);
    let checkpoint = checkpoint(&trust, &leaves(5));
    let cosignature = cosign(&checkpoint, &[2])[0];
    assert_eq!(cosignature.verify(&checkpoint, &trust, Some(NOW)), Ok(()));
    let wrong_seat = Cosignature { signer: 1, ..cosignature };
    assert!(matches!(wrong_seat.verify(&checkpoint, &trust, None), Err(CheckpointError::Signature { .. })));
    let no_seat = Cosignature { signer: 4, ..cosignature };
    assert_eq!(
        no_seat.verify(&checkpoint, &trust, None),
        Err(CheckpointError::Signer { signer: 4, validators: 4 })
    );
    let other = Checkpoint { size: 6, ..checkpoint };
    assert!(cosignature.verify(&other, &trust, None).is_err());
}

#[test]
fn two_roots_of_one_size_name_those_who_signed_both() {
    let trust = trust(7);
    let one = checkpoint(&trust, &leaves(5));
    let two = Checkpoint { root: Digest([1; 32]), ..one.clone() };
    let certified = |checkpoint: &Checkpoint, signers: &[u16]| {
        let cosignatures = cosign(checkpoint, signers);
        let certified = CertifiedCheckpoint::assemble(checkpoint.clone(), &cosignatures, &trust);
        certified.unwrap().verify(&trust, None).unwrap()
    };
    let (a, b) = (certified(&one, &[0, 1, 2]), certified(&two, &[1, 2, 3]));
    assert_eq!(a.conflict(&b), Some(vec![1, 2]));
    assert_eq!(a.conflict(&a), None);
    assert!(b.continues(&a, &[]).is_err());
}

#[test]
fn a_later_checkpoint_continues_an_earlier_one_or_is_evidence() {
    let trust = trust(7);
    let all = leaves(9);
    let trusted =
        |leaves: &[Vec<u8>]| certify(&trust, checkpoint(&trust, leaves)).verify(&trust, None).unwrap();
    let (before, after) = (trusted(&all[..5]), trusted(&all));
    let path = consistency_proof(5, 9, |level, index| node(&all, level, index)).unwrap();
    assert_eq!(after.continues(&before, &path), Ok(()));
    let mut rewritten = all.clone();
    rewritten[2] = vec![99];
    let path = consistency_proof(5, 9, |level, index| node(&rewritten, level, index)).unwrap();
    let refusal = trusted(&rewritten).continues(&before, &path).unwrap_err();
    assert!(refusal.to_string().starts_with("the log does not continue"), "{refusal}");
}

#[test]
fn a_checkpoint_text_has_three_lines_and_one_way_to_write_each() {
    let good = Checkpoint { origin: "a.example/00".into(), size: 10, root: Digest([5; 32]) };
    assert_eq!(Checkpoint::parse(&good.to_text()), Ok(good.clone()));
    let text = good.to_text();
    for wrong in [
        text.replace("10\n", "010\n"),
        text.replace("10\n", "+10\n"),
        text.replace("10\n", "18446744073709551616\n"),
        text.replace("a.example/00", ""),
        text.replace("a.example/00", "a example"),
        text.replace('=', ""),
        alloc::format!("{text}extension\n"),
        alloc::format!("{text}\n"),
        text.trim_end().to_string(),
    ] {
        assert!(matches!(Checkpoint::parse(&wrong), Err(CheckpointError::Body { .. })), "{wrong}");
    }
}

#[test]
fn trust_is_refused_where_a_name_cannot_stand_on_a_note() {
    let good = trust(7);
    let mut spaced = good.validators().clone();
    spaced.validators[1].name = crate::entity::Name::new("Bergen kommune").unwrap();
    let refusal = Trust::new(good.origin().into(), *good.chain(), spaced).unwrap_err();
    assert!(matches!(refusal, TrustError::Validators(ValidatorSetError::Name { index: 1, .. })), "{refusal}");
    let refusal = Trust::new(good.origin().into(), Digest([8; 32]), good.validators().clone()).unwrap_err();
    assert!(matches!(refusal, TrustError::Origin { .. }), "{refusal}");
}

#[test]
fn the_policy_lists_a_quorum_of_witnesses() {
    let policy = trust(7).policy();
    assert_eq!(policy.lines().filter(|line| line.starts_with("witness ")).count(), 4);
    assert!(policy.ends_with("group validators 3 v1 v2 v3 v4\nquorum validators\n"), "{policy}");
}
