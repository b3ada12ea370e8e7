//! Numbers at the end of their range, and peers that send without end: R17 and R19.

use consensus::event::{Justification, Message, Status};
use ledger::block::{Block, BlockHash, Epoch, Header, Height, LeafIndex, View};
use ledger::books::Parent;
use ledger::certificate::{Statement, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::digest::Digest;
use ledger::records::PaymentRecord;
use ledger::time::Timestamp;
use ledger::{tiles, tree};
use node::cosigning::Cosignature;
use node::validator::{Action, Event, Validator};

use crate::stage::{Home, Stage, Table, voted};

/// The faulty member: it signs what it likes.
const FAULTY: u16 = 0;

/// Where counters wrap, and where ours stop counting.
const EDGES: [u64; 12] = [
    0,
    1,
    (1 << 31) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 62) - 1,
    1 << 62,
    (1 << 62) + 1,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Whatever was heard, the validator's next wish for a tick lies ahead and within a day.
fn assert_sane(validator: &Validator, now: Timestamp, heard: &str) {
    let wake = validator.wake_at().unwrap_or(Timestamp(now.0 + 1));
    assert!(wake > now && wake.0 < now.0 + 86_400_000, "wakes at {} after {heard}, now {}", wake.0, now.0);
}

fn header_of(stage: &Stage) -> Header {
    stage.propose(stage.ledger.head().view.0 + 1, Vec::new()).header().clone()
}

/// A header with one number at an edge.
fn bent_headers(stage: &Stage) -> Vec<Header> {
    let bends: [fn(&mut Header, u64); 8] = [
        |header, edge| header.view = View(edge),
        |header, edge| header.height = Height(edge),
        |header, edge| header.parent_view = View(edge),
        |header, edge| header.time = Timestamp(edge),
        |header, edge| header.log_size = edge,
        |header, edge| header.epoch = Epoch(edge),
        |header, edge| (header.view, header.height) = (View(edge), Height(edge)),
        |header, edge| {
            (header.view, header.parent_view) = (View(edge), View(edge.wrapping_sub(1)));
        },
    ];
    let bent = |bend: &fn(&mut Header, u64), edge| {
        let mut header = header_of(stage);
        bend(&mut header, edge);
        header
    };
    bends.iter().flat_map(|bend| EDGES.map(|edge| bent(bend, edge))).collect()
}

#[test]
fn r17_prune_overflow_no_number_in_a_message_stops_or_hastens_a_validator() {
    let stage = Stage::of(4);
    let mut messages = Vec::new();
    for edge in EDGES {
        let (view, height, epoch) = (View(edge), Height(edge), Epoch(edge));
        let block = BlockHash::default();
        for statement in [
            Statement::Notarize { view, block },
            Statement::Nullify { view },
            Statement::Finalize { view, block },
        ] {
            messages.push(Message::Vote(stage.vote(FAULTY, statement)));
            messages.push(Message::Vote(Vote { epoch, ..stage.vote(FAULTY, statement) }));
        }
        messages.push(Message::CertificateRequest(view));
        for epoch in [epoch, stage.epoch()] {
            let status = Status { epoch, view, height, entry: None, finalization: None };
            messages.push(Message::Status(status));
        }
    }
    for header in bent_headers(&stage) {
        let notarize = Statement::Notarize { view: header.view, block: header.hash() };
        let justification = Justification { parent: None, skips: Vec::new() };
        let vote = stage.vote(FAULTY, notarize);
        let block = Block { header, transactions: Vec::new() };
        messages.push(Message::Proposal { block, justification, vote });
    }
    let mut validator = stage.newcomer(1);
    let mut now = stage.clock();
    for message in messages {
        let heard = format!("{message:?}");
        for event in [stage.intake.message(FAULTY, message).unwrap(), Event::Tick] {
            now.0 += 1;
            validator.handle(now, event);
            assert_sane(&validator, now, &heard);
        }
    }
    // The view moved by our own timer alone: nobody signed but one.
    assert_eq!(validator.consensus().view(), View(1));
    assert_eq!(validator.ledger().head().height, Height(0));
}

#[test]
fn r17_prune_overflow_numbers_that_a_quorum_signed_stop_nobody_by_overflow() {
    // More than f are faulty here; then agreement is lost, and memory and arithmetic are not.
    for edge in EDGES {
        let stage = Stage::of(4);
        let (view, quorum) = (View(edge), stage.quorum());
        let block = BlockHash::default();
        let mut now = stage.clock();
        for statement in [
            Statement::Nullify { view },
            Statement::Notarize { view, block },
            Statement::Finalize { view, block },
        ] {
            let mut validator = stage.newcomer(1);
            let certificate = stage.certify(statement, &quorum);
            let status = |height| Status {
                epoch: stage.epoch(),
                view,
                height,
                entry: Some(certificate.clone()),
                finalization: Some(certificate.clone()),
            };
            let messages = [
                Message::Certificate(certificate.clone()),
                Message::Status(status(Height(edge))),
                Message::CertificateRequest(view),
                Message::StatusRequest,
            ];
            for message in messages {
                let event = Event::Message { from: 0, message };
                now.0 += 1;
                validator.handle(now, event);
                assert_sane(&validator, now, &format!("{statement:?}"));
            }
            for _ in 0..20 {
                let Some(wake) = validator.wake_at() else { break };
                now = now.max(wake);
                validator.handle(now, Event::Tick);
                assert_sane(&validator, now, &format!("{statement:?}"));
            }
            assert!(validator.consensus().view().0 <= (1 << 62) + 1, "counts on towards the wrap");
        }
    }
}

#[test]
fn r17_prune_overflow_the_second_use_sites_synced_blocks_books_store_and_trees() {
    let stage = Stage::grown(4, 3);
    let quorum = stage.quorum();
    let mut home = Home::empty();
    let (mut validator, _) = home.start(&stage.chain, 1, stage.clock());
    let blocks = stage.answer(&stage.blocks);
    let actions = validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
    home.keep(&actions);
    for header in bent_headers(&stage) {
        let shown = format!("{header:?}");
        // Signed by a quorum, so that only the number stands between it and the books.
        let notarize = Statement::Notarize { view: header.view, block: header.hash() };
        let finalize = Statement::Finalize { view: header.view, block: header.hash() };
        let synced = node::validator::SyncedBlock {
            finality: voted(
                stage.certify(notarize, &quorum),
                Vec::new(),
                Some(stage.certify(finalize, &quorum)),
            ),
            block: ledger::block::VerifiedBlock::from_own_proposal(header.clone(), Vec::new()),
        };
        let books = stage.ledger.verify(&Parent::Finalized, &synced.block);
        if let Err(refused) = &books {
            assert!(!refused.to_string().is_empty());
        }
        let mut validator = stage.newcomer(1);
        validator.handle(stage.clock(), Event::Blocks { from: 0, blocks: stage.answer(&stage.blocks) });
        let height = validator.ledger().head().height;
        validator.handle(stage.clock(), Event::Blocks { from: 0, blocks: vec![synced] });
        assert!(validator.ledger().head().height <= height.next(), "{shown}");
        validator.handle(Timestamp(stage.clock().0 + 1), Event::Tick);
    }
    let (store, log) = (home.store(), &stage.ledger.head().log);
    for edge in EDGES.into_iter().filter(|edge| *edge > 1000) {
        assert_eq!(store.finalized_from(Height(edge), 100, 1 << 20).unwrap(), []);
        assert_eq!(store.finalized(Height(edge)).unwrap(), None);
        assert_eq!(store.leaf(LeafIndex(edge)).unwrap(), None);
        assert_eq!(store.leaves(LeafIndex(edge), usize::MAX, usize::MAX).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(store.leaf_range(Height(edge)).unwrap(), None);
        for level in [0, 7, 8, 63, 64, 255] {
            assert_eq!(store.tile(level, edge).unwrap(), None);
            assert_eq!(tiles::Tile::width_at(level, edge, log.size()), 0);
            tree::level_length(edge, level);
        }
        let (leaf, root) = (Digest([1; 32]), log.root());
        assert!(tree::verify_inclusion(&leaf, edge, log.size(), &[leaf; 64], &root).is_err());
        assert!(tree::verify_inclusion(&leaf, 0, edge, &[leaf; 64], &root).is_err());
        assert!(tree::verify_inclusion(&leaf, edge - 1, edge, &[leaf; 64], &root).is_err());
        for path in [&[leaf; 64][..], &[leaf; 128], &[]] {
            assert!(tree::verify_consistency(log.size(), &root, edge, &leaf, path).is_err());
            assert!(tree::verify_consistency(edge, &root, log.size(), &leaf, path).is_err());
            assert!(tree::verify_consistency(edge - 1, &root, edge, &leaf, path).is_err());
        }
        assert!(tree::consistency_proof(1, edge, |_, _| None).is_err());
        assert!(tree::inclusion_proof(0, edge, |_, _| None).is_err());
        assert!(tree::root_at(edge, |_, _| None).is_err());
    }
}

#[test]
fn r17_prune_overflow_cosignatures_with_numbers_at_the_edges_certify_nothing() {
    let stage = Stage::grown(4, 2);
    let mut validator = stage.newcomer(1);
    let blocks = stage.answer(&stage.blocks);
    validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
    let log = &stage.ledger.head().log;
    let mut now = stage.clock();
    for size in EDGES {
        for time_s in EDGES {
            let origin = stage.chain.trust.origin().to_string();
            let checkpoint = Checkpoint { origin, size, root: log.root() };
            // One member alone, however often it says so.
            let by = stage.chain.keys(FAULTY).cosign(FAULTY, &checkpoint, time_s);
            now.0 += 1;
            validator.handle(now, Event::Cosignatures(vec![Cosignature { size, root: log.root(), by }; 5]));
            assert_sane(&validator, now, &format!("size {size}, time {time_s}"));
        }
    }
    assert!(validator.certified().is_none());
    // The true ones still find room.
    let checkpoint =
        Checkpoint { origin: stage.chain.trust.origin().into(), size: log.size(), root: log.root() };
    let by = |seat| stage.chain.keys(seat).cosign(seat, &checkpoint, now.0 / 1000);
    let cosign = |seat| Cosignature { size: log.size(), root: log.root(), by: by(seat) };
    validator.handle(now, Event::Cosignatures(vec![cosign(1), cosign(2), cosign(3)]));
    assert_eq!(validator.certified().map(|certified| certified.size), Some(log.size()));
}

/// Proposals that the first view's leader signs without end: for that view, or for heights and
/// views of its choice.
fn flood(stage: &Stage, count: u64, near: bool) -> Vec<Event> {
    let mut header = header_of(stage);
    let leader = stage.leader(1);
    let message = |n: u64| {
        header.time = Timestamp(header.time.0 + n);
        if !near {
            (header.height, header.view) = (Height((1 << 61) + n), View((1 << 61) + n));
        }
        header.proposer = leader;
        let vote = stage.vote(leader, Statement::Notarize { view: header.view, block: header.hash() });
        let block = Block { header: header.clone(), transactions: Vec::new() };
        let justification = Justification { parent: None, skips: Vec::new() };
        Message::Proposal { block, justification, vote }
    };
    let messages: Vec<Message> = (1..=count).map(message).collect();
    messages.into_iter().map(|message| stage.intake.message(leader, message).unwrap()).collect()
}

#[test]
fn r19_forged_vote_flood_blocks_that_one_member_invents_push_no_true_block_out() {
    for near in [false, true] {
        let stage = Stage::of(4);
        let (floods, faulty) = (flood(&stage, 300, near), stage.leader(1));
        let honest: Vec<u16> = stage.seats().into_iter().filter(|seat| *seat != faulty).collect();
        let mut table = Table::new(stage, |_, event| Some(event));
        for event in floods {
            for seat in &honest {
                table.tell(*seat, event.clone());
            }
        }
        table.run(100);
        let signed = table.stage.transactions(9);
        table.submit(signed);
        table.run(10_000);
        for seat in &honest {
            assert!(table.height(*seat) > Height(0), "seat {seat} never got past the flood (near: {near})");
        }
        let ledger = table.members[usize::from(honest[0])].validator.ledger();
        assert!(ledger.count::<PaymentRecord>() > 0, "the payments wait behind the flood");
    }
}

#[test]
fn r19_forged_vote_flood_every_fetched_or_proposed_body_in_excess_is_let_go() {
    let stage = Stage::of(4);
    let leader = stage.leader(1);
    // Whoever leads has signed the flood and is blamed for it already.
    let others: Vec<u16> = stage.seats().into_iter().filter(|seat| *seat != leader).collect();
    let (own, voter) = (others[0], others[1]);
    let mut validator = stage.newcomer(own);
    for event in flood(&stage, 200, true) {
        validator.handle(stage.clock(), event);
    }
    // Votes of one member for ever new blocks: two are evidence, a third changes nothing.
    let mut evidence = 0;
    for n in 0..2000_u64 {
        let mut block = BlockHash::default();
        block.0.0[..8].copy_from_slice(&n.to_le_bytes());
        let vote = stage.vote(voter, Statement::Notarize { view: View(1), block });
        let message = Message::Vote(vote);
        let actions = validator.handle(stage.clock(), Event::Message { from: voter, message });
        evidence += actions.iter().filter(|action| matches!(action, Action::PersistEvidence(_))).count();
    }
    assert_eq!(evidence, 1);
    let stats = validator.consensus().stats();
    assert!(stats.views <= 4 && stats.blocks <= 4, "{stats:?}");
}
