//! What a machine may say after its memory or its disk failed it: R09, R11 and R14.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::block::{BlockHash, Epoch, Height, View};
use ledger::certificate::Statement;
use ledger::digest::Digest;
use node::store::Store;
use node::validator::Action;
use tests::random::Random;

use crate::stage::{Home, Stage, Table};

fn block(name: u8) -> BlockHash {
    BlockHash(Digest([name; 32]))
}

fn notarize(view: u64, name: u8) -> Statement {
    Statement::Notarize { view: View(view), block: block(name) }
}

fn finalize(view: u64, name: u8) -> Statement {
    Statement::Finalize { view: View(view), block: block(name) }
}

fn copied(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            files.extend(copied(&entry.path(), &target));
        } else {
            fs::copy(entry.path(), &target).unwrap();
            files.push(target);
        }
    }
    files
}

#[test]
fn r11_wal_bitrot_a_damaged_vote_log_is_refused_or_holds_every_vote() {
    let stage = Stage::of(4);
    let mut home = Home::empty();
    home.start(&stage.chain, 1, stage.clock());
    let statements: Vec<Statement> = (1..=40).map(|view| notarize(view, view as u8)).collect();
    for statement in &statements {
        home.keep(&[Action::PersistVote { epoch: Epoch(0), statement: *statement }]);
    }
    let (mut refused, mut whole) = (0, 0);
    let mut random = Random::new(11);
    for round in 0..60 {
        let folder = tempfile::TempDir::new().unwrap();
        let files = copied(home.folder.path(), folder.path());
        let log = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "log"));
        let log = log.max_by_key(|file| fs::metadata(file).unwrap().len()).expect("the votes are in a log");
        let mut bytes = fs::read(log).unwrap();
        assert!(bytes.len() > 40 * 40, "{} bytes of log", bytes.len());
        let place = random.index(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        fs::write(log, &bytes).unwrap();
        match Store::open(folder.path(), stage.id()).and_then(|store| store.votes(Epoch(0), View(0))) {
            Ok(votes) => {
                let kept: Vec<Statement> = votes.into_iter().map(|(_, statement)| statement).collect();
                assert_eq!(kept, statements, "round {round}: votes are forgotten in silence, bit at {place}");
                whole += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    println!("{refused} damaged logs refused, {whole} read whole");
    assert!(refused >= 50, "{refused} of 60 were refused");
}

#[test]
fn r14_off_by_one_guard_the_vote_guard_and_the_watermark_at_their_edges() {
    let stage = Stage::of(4);
    let mut home = Home::empty();
    home.start(&stage.chain, 1, stage.clock());
    for view in [1, 2, 63, 64, 65, u64::MAX - 1, u64::MAX] {
        home.keep(&[Action::PersistVote { epoch: Epoch(0), statement: notarize(view, 1) }]);
        let contradicts = |statement: Statement| {
            let mut batch = home.store().batch();
            batch.vote(Epoch(0), &statement).is_err()
        };
        assert!(!contradicts(notarize(view, 1)), "the same vote again contradicts nothing");
        assert!(contradicts(notarize(view, 2)), "two blocks in view {view}");
        assert!(contradicts(finalize(view, 2)), "notarized one and finalizes another in view {view}");
        assert!(!contradicts(finalize(view, 1)), "view {view}");
        home.keep(&[Action::PersistVote { epoch: Epoch(0), statement: finalize(view, 1) }]);
        let nullify = Statement::Nullify { view: View(view) };
        let contradicts = home.store().batch().vote(Epoch(0), &nullify).is_err();
        assert!(contradicts, "finalized and nullifies view {view}");
    }
    let (one, other) = (Digest([1; 32]), Digest([2; 32]));
    let cosign = |size, root| Action::Cosign { epoch: Epoch(0), size, root };
    // Genesis has two leaves, and their checkpoint was cosigned at the start.
    assert!(!home.allows(&cosign(1, one)) && !home.allows(&cosign(2, one)));
    for size in [3, 4, 100, u64::MAX - 1, u64::MAX] {
        home.keep(&[cosign(size, one)]);
        assert!(home.allows(&cosign(size, one)), "the same again at {size}");
        assert!(!home.allows(&cosign(size, other)), "another root at {size}");
        assert!(!home.allows(&cosign(size - 1, one)), "one leaf less than {size}");
        assert!(!home.allows(&cosign(0, one)));
        if size < u64::MAX {
            assert!(home.allows(&cosign(size + 1, other)), "one leaf more than {size}");
        }
        home.start(&stage.chain, 1, stage.clock());
        assert!(!home.allows(&cosign(size, other)), "the restart forgot {size}");
        assert!(!home.allows(&cosign(size - 1, one)), "the restart forgot {size}");
    }
}

#[test]
fn r09_restart_equivocate_whoever_restarts_at_any_moment_says_the_same_again() {
    for restart_at in 1..=8_u64 {
        let mut table = Table::new(Stage::of(4), |_, event| Some(event));
        let signed = table.stage.transactions(6);
        table.submit(signed);
        // Short steps, so that the restarts fall between different messages.
        for step in 0..60 {
            table.run(13);
            if step % 9 == restart_at {
                let seat = (restart_at % 4) as u16;
                table.restart(seat);
            }
        }
        table.run(4000);
        let mut said = std::collections::BTreeMap::new();
        let votes = table.said.iter().filter_map(|message| match message {
            consensus::event::Message::Vote(vote) => Some(vote),
            consensus::event::Message::Proposal { vote, .. } => Some(vote),
            _ => None,
        });
        for vote in votes {
            let kind = std::mem::discriminant(&vote.statement);
            let key = (vote.signer, vote.statement.view(), format!("{kind:?}"));
            let first = *said.entry(key).or_insert(*vote);
            assert_eq!(first, *vote, "another vote of the same kind, or other bytes for it");
        }
        let evidence: usize =
            table.members.iter().map(|member| member.home.store().evidence().unwrap().len()).sum();
        assert_eq!(evidence, 0, "an honest machine is convicted");
        assert!(table.height(0) > Height(0));
    }
}
