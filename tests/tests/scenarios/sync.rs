//! Coming back from an absence among peers that lie, stall or run another version: R04, R05, R21, R31.

use consensus::event::{HaltReason, Message, Status};
use ledger::block::{Block, Height, PROTOCOL_VERSION, VerifiedBlock, View};
use ledger::books::{BlockError, Parent};
use ledger::finality::FinalizedBlock;
use node::validator::{Action, Event, Validator};

use crate::stage::{Home, Stage, Table, parts};

/// Who comes back.
const SEAT: u16 = 1;

/// A validator at genesis that learns from a peer's true status how far the others are.
fn behind(stage: &Stage) -> (Validator, Vec<Action>) {
    let mut validator = stage.newcomer(SEAT);
    let last = stage.blocks.last().unwrap();
    let header = &last.block.header;
    let status = Status {
        epoch: stage.epoch(),
        view: header.view.next(),
        height: header.height,
        entry: last.finalization().cloned(),
        finalization: last.finalization().cloned(),
    };
    let message = Message::Status(status);
    let actions = validator.handle(stage.clock(), Event::Message { from: 0, message });
    (validator, actions)
}

/// Which peer is asked for final blocks, and from which height on.
fn asked(actions: &[Action]) -> Vec<(u16, u64)> {
    let stretch = |action: &Action| match action {
        Action::FetchBlocks { from, height } => Some((*from, height.0)),
        _ => None,
    };
    actions.iter().filter_map(stretch).collect()
}

/// What a peer makes of a question: the blocks it sends, or nothing at all.
type Peer<'a> = Box<dyn FnMut(u64) -> Option<Vec<FinalizedBlock>> + 'a>;

/// Lets peers answer until nothing is asked any more or the time is over. Says how many questions
/// were asked in how many milliseconds.
fn catch_up(stage: &Stage, mut peers: Vec<Peer<'_>>, limit_ms: u64) -> (Validator, u64, u64) {
    let (mut validator, mut actions) = behind(stage);
    let (begin, mut now, mut questions) = (stage.clock(), stage.clock(), 0);
    while now.0 < begin.0 + limit_ms {
        let halt = actions.iter().find(|action| matches!(action, Action::Halt { .. }));
        assert!(halt.is_none(), "a peer's answer stopped the node");
        let stretches = asked(&actions);
        questions += stretches.len() as u64;
        actions = Vec::new();
        for (from, height) in stretches {
            assert_ne!(from, SEAT, "nobody asks itself");
            let answer = peers[usize::from(from)](height);
            let event = match answer {
                Some(blocks) => Event::Blocks { from, blocks: stage.intake.finalized(blocks) },
                None => Event::Unanswered { from },
            };
            // The fastest link there is.
            now.0 += 1;
            actions.extend(validator.handle(now, event));
        }
        if actions.is_empty() {
            if validator.ledger().head().height == stage.ledger.head().height {
                break;
            }
            let Some(wake) = validator.wake_at() else { break };
            now = now.max(wake);
            actions = validator.handle(now, Event::Tick);
        }
    }
    (validator, questions, now.0 - begin.0)
}

fn honest(stage: &Stage) -> Peer<'_> {
    Box::new(|from| Some(stage.blocks.iter().skip(from as usize - 1).take(7).cloned().collect()))
}

#[test]
fn r04_sinking_height_what_a_peer_says_of_its_height_moves_nothing_without_proof() {
    let stage = Stage::grown(4, 3);
    let mut validator = stage.newcomer(SEAT);
    let mut now = stage.clock();
    for (view, height) in
        [(3, 3), (u64::MAX, u64::MAX), (u64::MAX, 1 << 62), (1 << 62, 100), (5, 2), (0, 0), (0, u64::MAX)]
    {
        now.0 += 2000;
        let (epoch, entry, finalization) = (stage.epoch(), None, None);
        let status = Status { epoch, view: View(view), height: Height(height), entry, finalization };
        let message = Message::Status(status);
        let actions = validator.handle(now, Event::Message { from: 0, message });
        assert_eq!(asked(&actions), [], "a claimed height {height} is chased");
        assert_eq!(validator.consensus().view(), View(1));
    }
    // Nor does it forget its own: from a proven height it goes on.
    let (_, actions) = behind(&Stage::grown(4, 70));
    assert_eq!(asked(&actions), [(2, 1)]);
}

#[test]
fn r04_sinking_height_a_peer_that_had_the_blocks_and_then_has_none_is_passed_over() {
    let stage = Stage::grown(4, 70);
    for silent in [true, false] {
        let mut answered = 0;
        let sinking: Peer<'_> = Box::new(|from| {
            answered += 1;
            if silent {
                return (answered == 1).then(|| stage.blocks[..3].to_vec());
            }
            // Ever lower, and at last nothing.
            let end = 7_usize.saturating_sub(2 * answered);
            Some(stage.blocks.iter().take(end).skip(from as usize - 1).cloned().collect())
        });
        let peers: Vec<Peer<'_>> = vec![honest(&stage), honest(&stage), sinking, honest(&stage)];
        let (validator, questions, ms) = catch_up(&stage, peers, 60_000);
        assert_eq!(validator.ledger().head().block, stage.ledger.head().block);
        assert!(questions < 30 && ms < 10_000, "{questions} questions in {ms} ms");
    }
}

/// Answers that no honest peer gives, each made of the true one.
fn bent_answers(stage: &Stage, from: u64) -> Vec<Vec<FinalizedBlock>> {
    let place = from as usize - 1;
    let truth: Vec<FinalizedBlock> = stage.blocks.iter().skip(place).take(7).cloned().collect();
    let bend = |bend: &dyn Fn(&mut Vec<FinalizedBlock>)| {
        let mut bent = truth.clone();
        bend(&mut bent);
        bent
    };
    let mut skipping = stage.blocks.iter().skip(place).step_by(2).take(5).cloned().collect::<Vec<_>>();
    skipping.extend(truth.first().cloned());
    vec![
        Vec::new(),
        skipping,
        bend(&|blocks| blocks.reverse()),
        bend(&|blocks| drop(blocks.remove(0))),
        bend(&|blocks| blocks.insert(0, blocks[0].clone())),
        bend(&|blocks| {
            let last = blocks.len() - 1;
            blocks.swap(0, last);
        }),
        // Certificates of other blocks.
        bend(&|blocks| {
            let end = blocks.len() - 1;
            let mut last = stage.blocks[stage.blocks.len() - 1].finality.clone();
            *parts(&mut blocks[0].finality).notarization = parts(&mut last).notarization.clone();
            *parts(&mut blocks[end].finality).finalization = stage.blocks[0].finalization().cloned();
        }),
        // Skips that are missing, or of other views.
        bend(&|blocks| blocks.iter_mut().for_each(|block| parts(&mut block.finality).skips.clear())),
        bend(&|blocks| {
            let mut first = stage.blocks[0].finality.clone();
            let skips = vec![parts(&mut first).notarization.clone(); 3];
            blocks.iter_mut().for_each(|block| parts(&mut block.finality).skips.clone_from(&skips));
        }),
        // Nothing covers them.
        bend(&|blocks| blocks.iter_mut().for_each(|block| *parts(&mut block.finality).finalization = None)),
        // Far more than was asked for, from long before.
        stage.blocks.iter().cycle().take(400).cloned().collect(),
        // The views run backwards, or to the end of numbers.
        bend(&|blocks| blocks.iter_mut().for_each(|block| block.block.header.view = View(0))),
        bend(&|blocks| blocks.iter_mut().for_each(|block| block.block.header.view = View(u64::MAX))),
        bend(&|blocks| blocks.iter_mut().for_each(|block| block.block.header.height = Height(u64::MAX))),
    ]
}

#[test]
fn r05_bad_sync_range_no_answer_stops_the_node_and_the_next_peer_brings_it_home() {
    let stage = Stage::grown(4, 70);
    for bend in 0..bent_answers(&stage, 1).len() {
        let lying = || -> Peer<'_> { Box::new(|from| Some(bent_answers(&stage, from).swap_remove(bend))) };
        // Two of three peers lie; nobody is believed for being in the majority.
        let peers = vec![lying(), lying(), lying(), honest(&stage)];
        let (validator, questions, ms) = catch_up(&stage, peers, 120_000);
        let head = validator.ledger().head();
        assert_eq!(head.block, stage.ledger.head().block, "bend {bend}: stuck at height {}", head.height);
        assert!(questions < 200 && ms < 60_000, "bend {bend}: {questions} questions in {ms} ms");
    }
}

#[test]
fn r05_bad_sync_range_what_is_held_already_and_what_no_finalization_covers_is_passed_over() {
    let stage = Stage::grown(4, 12);
    let mut validator = stage.newcomer(SEAT);
    let give = |validator: &mut Validator, blocks: &[FinalizedBlock]| {
        let blocks = stage.answer(blocks);
        validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
        validator.ledger().head().height.0
    };
    assert_eq!(give(&mut validator, &stage.blocks[..4]), 4);
    assert_eq!(give(&mut validator, &stage.blocks[..4]), 4, "the same again");
    assert_eq!(give(&mut validator, &stage.blocks[2..7]), 7, "two of five are known");
    let mut uncovered = stage.blocks[7..12].to_vec();
    *parts(&mut uncovered[3].finality).finalization = None;
    *parts(&mut uncovered[4].finality).finalization = None;
    assert_eq!(give(&mut validator, &uncovered), 10, "the last two are not final yet");
    assert_eq!(give(&mut validator, &stage.blocks[11..]), 10, "a gap of one");
    assert_eq!(give(&mut validator, &stage.blocks), 12);
}

#[test]
fn r21_hot_loop_peers_that_answer_nothing_at_once_are_not_asked_without_pause() {
    let stage = Stage::grown(4, 70);
    let empty = || -> Peer<'_> { Box::new(|_| Some(Vec::new())) };
    let refusing = || -> Peer<'_> { Box::new(|_| None) };
    for peers in [[empty(), empty(), empty(), empty()], [refusing(), refusing(), refusing(), refusing()]] {
        let (_, questions, ms) = catch_up(&stage, Vec::from(peers), 60_000);
        println!("{questions} questions in {ms} ms");
        // Three peers, each at most about once in its time limit of half a second.
        assert!(questions <= 3 * 2 * 60 + 10, "{questions} questions in {ms} ms");
    }
}

#[test]
fn r21_hot_loop_a_peer_that_never_answers_is_asked_once_in_its_time_limit() {
    let stage = Stage::grown(4, 70);
    let (mut validator, mut actions) = behind(&stage);
    let (begin, mut now, mut questions, mut turns) = (stage.clock(), stage.clock(), 0, 0);
    while now.0 < begin.0 + 600_000 {
        questions += asked(&actions).len();
        turns += 1;
        let Some(wake) = validator.wake_at() else { break };
        assert!(wake > now, "a tick is wanted at once, again and again");
        now = wake;
        actions = validator.handle(now, Event::Tick);
    }
    println!("{questions} questions and {turns} turns in ten minutes");
    assert!((600..=1300).contains(&questions), "{questions} questions in ten minutes");
    assert!(turns < 20_000, "{turns} turns in ten minutes");
}

/// The last block as a program of a later version made it, final by all certificates.
fn of_a_later_version(stage: &Stage, version: u16) -> FinalizedBlock {
    let head = stage.ledger.head();
    let mut header = stage.propose(head.view.0 + 1, Vec::new()).header().clone();
    header.version = version;
    stage.finalized(Block { header, transactions: Vec::new() }, &stage.quorum())
}

#[test]
fn r31_upgrade_mid_sync_a_block_of_a_later_version_stops_the_node_in_words_and_loses_nothing() {
    let stage = Stage::grown(4, 6);
    for version in [PROTOCOL_VERSION + 1, PROTOCOL_VERSION - 1, u16::MAX] {
        let later = of_a_later_version(&stage, version);
        let block = VerifiedBlock::from_own_store(later.block.clone());
        let refused = stage.ledger.verify(&Parent::Finalized, &block).map(drop).unwrap_err();
        assert_eq!(refused, BlockError::Version { expected: PROTOCOL_VERSION, found: version });
        let said = refused.to_string();
        assert!(said.contains(&format!("version {version}, expected {PROTOCOL_VERSION}")), "{said}");
        let remedy = if version > PROTOCOL_VERSION {
            format!("install the release that executes version {version} on this node")
        } else {
            format!("install the release that executes version {PROTOCOL_VERSION} there")
        };
        assert!(said.contains(&remedy), "{said}");
        let mut home = Home::empty();
        let (mut validator, _) = home.start(&stage.chain, SEAT, stage.clock());
        // The upgrade comes in the middle of an answer: what went before it is kept.
        let mut blocks = stage.blocks.clone();
        blocks.push(later.clone());
        let actions =
            validator.handle(stage.clock(), Event::Blocks { from: 0, blocks: stage.answer(&blocks) });
        let halts = actions.iter().filter_map(|action| match action {
            Action::Halt { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let certificate = later.finalization().cloned().unwrap();
        assert_eq!(halts.collect::<Vec<_>>(), [HaltReason::CertifiedInvalid { certificate }]);
        assert_eq!(validator.ledger().head().block, stage.ledger.head().block);
        home.keep(&actions);
        let (restored, _) = home.start(&stage.chain, SEAT, stage.clock());
        assert_eq!(restored.ledger().head().block, stage.ledger.head().block, "the disk keeps all of it");
    }
}

#[test]
fn r31_upgrade_mid_sync_a_restart_with_sync_under_way_goes_on_where_the_disk_stands() {
    let mut stage = Stage::grown(4, 40);
    let mut home = Home::empty();
    let mut restarts = 0;
    let mut height = 0;
    while height < 40 {
        let (mut validator, _) = home.start(&stage.chain, SEAT, stage.clock());
        assert_eq!(validator.ledger().head().height.0, height, "what was posted is lost");
        let next = &stage.blocks[height as usize..];
        let blocks = stage.answer(&next[..next.len().min(7)]);
        let actions = validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
        home.keep(&actions);
        height = validator.ledger().head().height.0;
        restarts += 1;
    }
    assert_eq!(restarts, 6);
    let (restored, _) = home.start(&stage.chain, SEAT, stage.clock());
    assert_eq!(restored.ledger().head().block, stage.ledger.head().block);
    // And among others it takes part at once.
    stage = Stage::of(4);
    let mut table = Table::new(stage, |_, event| Some(event));
    let signed = table.stage.transactions(4);
    table.submit(signed);
    table.run(2000);
    let before = table.height(SEAT);
    table.restart(SEAT);
    let signed = table.stage.transactions(4);
    table.submit(signed);
    table.run(6000);
    assert!(table.height(SEAT) > before, "stuck at {before}");
}
