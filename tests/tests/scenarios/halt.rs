//! A node that stopped for good, and who is right: what it writes down, judged by others. R16.

use std::fs;
use std::process::Command;

use consensus::event::HaltReason;
use ledger::block::{Block, Height, VerifiedBlock, View};
use ledger::books::{BlockError, Ledger, Parent, Parting, parting};
use ledger::certificate::Statement;
use ledger::checkpoint::Trust;
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::halt::{Broken, Finding, HaltProof, HaltProofError, Seen, Verdict};
use ledger::transaction::VerifiedTransaction;
use node::halt;
use node::replay::{self, JudgeError};
use node::validator::{Action, Event, SyncedBlock, Validator};
use tests::cluster::program;

use crate::stage::{Home, Stage};

const SEAT: u16 = 3;

/// A block of three payments on the head, and the same with its state root turned, both final by a quorum.
fn next(stage: &mut Stage) -> [FinalizedBlock; 2] {
    let signed = stage.transactions(3);
    let transactions = stage.verified(signed);
    let staged = stage.propose(stage.ledger.head().view.0 + 1, transactions);
    let good = staged.block().to_block();
    let mut bad = good.clone();
    bad.header.state_root.0[0] ^= 1;
    [good, bad].map(|block| stage.finalized(block, &stage.quorum()))
}

/// A node that has followed the chain to its head, on a disk of its own.
fn follower(stage: &Stage) -> (Home, Validator) {
    let mut home = Home::empty();
    let (mut validator, _) = home.start(&stage.chain, SEAT, stage.clock());
    let blocks = stage.answer(&stage.blocks);
    home.keep(&validator.handle(stage.clock(), Event::Blocks { from: 0, blocks }));
    assert_eq!(validator.ledger().head().block, stage.ledger.head().block);
    (home, validator)
}

/// What the run loop makes of a stop.
fn stopped(stage: &Stage, validator: &mut Validator, blocks: Vec<SyncedBlock>) -> (HaltProof, String) {
    let actions = validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
    let halts = actions.into_iter().find_map(|action| match action {
        Action::Halt { reason, block } => Some((reason, block)),
        _ => None,
    });
    let (reason, block) = halts.expect("a certified block that the books refuse stops a node");
    let block = *block.expect("its body is here");
    let (error, changes) = validator.refusal_of(&block.header.hash()).unwrap();
    let (refusal, changes) = (halt::refusal(&error, changes.as_ref()), changes.unwrap());
    let set = stage.set().clone();
    let proof = halt::proof(validator.trust(), set, reason, Some(block), refusal);
    let folder = tempfile::tempdir().unwrap();
    halt::write(folder.path(), &proof, Some(&changes)).unwrap();
    assert_eq!(halt::read(folder.path()).unwrap().as_ref(), Some(&proof));
    let text = fs::read_to_string(folder.path().join(halt::TEXT_FILE)).unwrap();
    assert!(text.contains(&error.to_string()), "{text}");
    (proof, fs::read_to_string(folder.path().join(halt::CHANGES_FILE)).unwrap())
}

/// `hovedbok verify halt`, with genesis as the only thing it trusts.
fn verify(stage: &Stage, proof: &HaltProof) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let [genesis, file] = ["genesis.bin", "halted.proof"].map(|name| folder.path().join(name));
    fs::write(&genesis, stage.chain.genesis.encode()).unwrap();
    fs::write(&file, codec::encode(proof)).unwrap();
    let mut command = Command::new(program().with_file_name("hovedbok"));
    let output = command.arg("--genesis").arg(genesis).args(["verify", "halt"]).arg(file).output().unwrap();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8(output.stdout).unwrap()),
        Some(4) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("exit {other:?}: {output:?}"),
    }
}

fn names(stage: &Stage, seats: &[u16]) -> Vec<String> {
    let name = |seat: &u16| stage.set().validators[usize::from(*seat)].name.as_str().to_string();
    seats.iter().map(name).collect()
}

#[test]
fn r16_hashmap_order_a_node_that_books_otherwise_lists_what_it_books_and_the_register_is_named() {
    let mut stage = Stage::grown(4, 5);
    let (_home, mut validator) = follower(&stage);
    let [good, _] = next(&mut stage);
    // Its memory turns a bit of a payment's id after the signatures were checked.
    let mut turned = stage.answer(std::slice::from_ref(&good));
    let alter = |transaction: &VerifiedTransaction| {
        let mut signed = transaction.signed().clone();
        signed.transaction.id.number[15] ^= 1;
        VerifiedTransaction::from_own_store(signed, stage.id())
    };
    let body = turned[0].block.transactions().iter().map(alter).collect();
    turned[0].block = VerifiedBlock::from_own_proposal(turned[0].block.header().clone(), body);
    let (proof, listed) = stopped(&stage, &mut validator, turned);
    let Seen::CertifiedInvalid { refusal, .. } = &proof.seen else { panic!("{proof:?}") };
    assert!(refusal.contains("payments") && refusal.contains("halted.changes"), "{refusal}");
    assert!(halt::summary(&proof).contains("state root"), "{}", halt::summary(&proof));

    // Another machine lists the same block truly, and the two name register and record.
    let block = VerifiedBlock::from_own_store(good.block.clone());
    stage.ledger.post(&stage.ledger.verify(&Parent::Finalized, &block).unwrap());
    stage.blocks.push(good);
    let (home, _) = follower(&stage);
    let height = stage.ledger.head().height;
    let theirs = replay::changes(&stage.chain.genesis, home.store(), height).unwrap().to_string();
    let Some(Parting::Register { register, ours: Some(ours), theirs: Some(other) }) =
        parting(&listed, &theirs)
    else {
        panic!("{listed}\n{theirs}");
    };
    assert_eq!(register, "payments");
    assert!(ours != other && listed.contains(&ours) && theirs.contains(&other));
    assert_eq!(parting(&theirs, &theirs), None);
    let earlier = replay::changes(&stage.chain.genesis, home.store(), Height(height.0 - 1)).unwrap();
    assert!(matches!(parting(&listed, &earlier.to_string()), Some(Parting::Heading { .. })));

    // Its proof convicts nobody, for the body is not what was certified.
    let refused = replay::judge(&stage.chain.genesis, home.store(), &proof).unwrap_err();
    assert!(matches!(refused, JudgeError::Proof(HaltProofError::OtherBody { .. })), "{refused}");
    let said = verify(&stage, &proof).unwrap_err();
    assert!(said.contains("it convicts nobody"), "{said}");
}

#[test]
fn a_certified_block_that_the_books_refuse_convicts_all_who_certified_it_by_any_nodes_data_directory() {
    let mut stage = Stage::grown(4, 5);
    let (_home, mut validator) = follower(&stage);
    let (other, _) = follower(&stage);
    let [good, bad] = next(&mut stage);
    let (proof, _) = stopped(&stage, &mut validator, stage.answer(std::slice::from_ref(&bad)));
    let judged = replay::judge(&stage.chain.genesis, other.store(), &proof).unwrap();
    let Some(Verdict::Refused(Broken::Books(BlockError::StateRoot { .. }))) = judged.verdict else {
        panic!("{judged:?}");
    };
    assert!(judged.changes.is_some());
    let report = proof.report(&judged.finding, judged.verdict.as_ref());
    assert!(report.contains("is refused: state root") && report.contains("guilty, for having certified it"));
    for name in names(&stage, &stage.quorum()) {
        assert!(report.contains(&name), "{name} in {report}");
    }
    assert!(!report.contains(&names(&stage, &[3])[0]), "who did not sign is not guilty: {report}");

    // Without books the client says that it did not judge the block, and who is guilty if it is bad.
    let said = verify(&stage, &proof).unwrap();
    for part in ["signatures hold", "not judged", "hovedbok-node replay", "guilty if the block is refused"] {
        assert!(said.contains(part), "{part} in {said}");
    }

    // One that cries wolf is found out in the same way.
    let Seen::CertifiedInvalid { refusal, .. } = proof.seen.clone() else { panic!("{proof:?}") };
    let certificate = good.finalization().unwrap().clone();
    let seen = Seen::CertifiedInvalid { certificate, block: Some(good.block), refusal };
    let wolf = HaltProof { seen, ..proof };
    let judged = replay::judge(&stage.chain.genesis, other.store(), &wolf).unwrap();
    assert_eq!(judged.verdict, Some(Verdict::Accepted));
    let report = wolf.report(&judged.finding, judged.verdict.as_ref());
    assert!(report.contains("nobody is guilty") && !report.contains("/v1"), "{report}");
}

#[test]
fn a_refused_block_right_after_genesis_is_judged_with_the_genesis_file_alone() {
    let mut stage = Stage::of(4);
    let (_home, mut validator) = follower(&stage);
    let [_, bad] = next(&mut stage);
    let (proof, _) = stopped(&stage, &mut validator, stage.answer(&[bad]));
    let said = verify(&stage, &proof).unwrap();
    assert!(said.contains("is refused: state root") && !said.contains("not judged"), "{said}");
    assert!(names(&stage, &stage.quorum()).iter().all(|name| said.contains(name)), "{said}");
}

#[test]
fn two_certificates_of_one_view_convict_those_who_signed_both() {
    let stage = Stage::grown(4, 2);
    let view = View(stage.ledger.head().view.0 + 1);
    let block = ledger::block::BlockHash(Digest::of(&[b"a block"]));
    let first = stage.certify(Statement::Finalize { view, block }, &[0, 1, 2]);
    let second = stage.certify(Statement::Nullify { view }, &[1, 2, 3]);
    let reason = HaltReason::Contradiction { first, second };
    let proof = halt::proof(&stage.chain.trust, stage.set().clone(), reason, None, String::new());
    let said = verify(&stage, &proof).unwrap();
    let name = |seat| names(&stage, &[seat]).remove(0);
    assert!(said.contains(&name(1)) && said.contains(&name(2)), "{said}");
    assert!(!said.contains(&name(0)) && !said.contains(&name(3)), "{said}");
}

#[test]
fn a_halt_proof_that_was_bent_is_refused_with_the_reason_and_names_nobody() {
    let mut stage = Stage::grown(4, 3);
    let (_home, mut validator) = follower(&stage);
    let [good, bad] = next(&mut stage);
    let (proof, _) = stopped(&stage, &mut validator, stage.answer(std::slice::from_ref(&bad)));
    let with = |certificate, block: Block| {
        let refusal = String::new();
        HaltProof {
            seen: Seen::CertifiedInvalid { certificate, block: Some(block), refusal },
            ..proof.clone()
        }
    };
    let statement = bad.finalization().unwrap().statement;
    let few = with(stage.certify(statement, &[0, 1]), bad.block.clone());
    let swapped = with(bad.finalization().unwrap().clone(), good.block.clone());
    let mut strangers = proof.clone();
    strangers.validators.validators.swap(0, 1);
    let mut elsewhere = proof.clone();
    elsewhere.chain.0[0] ^= 1;
    let mut later = proof.clone();
    later.validators.epoch = later.validators.epoch.next();
    let cases = [
        (few, "quorum"),
        (swapped, "certified is"),
        (strangers, "are not those of epoch"),
        (elsewhere, "give the genesis file of its chain"),
        (later, "get the handoffs between"),
    ];
    for (bent, reason) in cases {
        let said = verify(&stage, &bent).unwrap_err();
        assert!(said.contains(reason), "{reason} in {said}");
        assert!(!said.contains("/v1"), "{said}");
    }
    // And the true one holds for a reader that knows more epochs than it needs.
    let mut trust: Trust = stage.chain.trust.clone();
    assert!(matches!(proof.verify(&mut trust), Ok(Finding::Certified { .. })));
    let books = Ledger::new(&stage.chain.genesis).unwrap();
    assert!(matches!(proof.judge(&books, &Parent::Finalized), Err(HaltProofError::Books { .. })));
}
