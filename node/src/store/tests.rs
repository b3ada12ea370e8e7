use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ledger::block::{Booked, Leaf};
use ledger::finality::Finality;
use ledger::signature::Signature;
use ledger::tiles;
use ledger::time::Timestamp;
use ledger::transaction::{KeySignature, Operation, PaymentId, Transaction, VerifiedTransaction};
use ledger::tree::{Frontier, leaf_hash};
use tempfile::TempDir;

use super::*;

const CHAIN: Digest = Digest([7; 32]);

fn open(directory: &TempDir) -> Arc<Store> {
    Arc::new(Store::open(directory.path(), &CHAIN).unwrap())
}

fn refusal(directory: &TempDir, chain: &Digest) -> StoreError {
    match Store::open(directory.path(), chain) {
        Ok(_) => panic!("the directory was opened"),
        Err(error) => error,
    }
}

fn entity() -> OrgNumber {
    OrgNumber::new(964_965_226).unwrap()
}

fn transaction(number: u64) -> VerifiedTransaction {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let key = ledger::signature::PublicKey([number as u8; 32]);
    let transaction = Transaction {
        id: PaymentId { submitter: entity(), number: id },
        operation: Operation::RevokeKey { key },
    };
    let signatures = vec![KeySignature { key, signature: Signature([3; 64]) }];
    VerifiedTransaction::from_own_store(SignedTransaction { transaction, signatures }, &CHAIN)
}

fn block(height: u64, view: u64, count: u64) -> VerifiedBlock {
    let transactions: Vec<_> = (0..count).map(|i| transaction(height * 1_000_000 + i)).collect();
    let signed: Vec<_> = transactions.iter().map(|t| t.signed().clone()).collect();
    let header = Header {
        version: 1,
        chain: CHAIN,
        epoch: Epoch(0),
        view: View(view),
        height: Height(height),
        parent_view: View(view - 1),
        parent: Default::default(),
        proposer: 0,
        time: Timestamp(height),
        payload: Block::payload(&signed),
        log_size: 0,
        log_root: Digest::default(),
        state_root: Digest::default(),
    };
    VerifiedBlock::from_own_proposal(header, transactions)
}

fn certificate(statement: Statement) -> Certificate {
    Certificate { epoch: Epoch(0), statement, signers: vec![7], signatures: vec![Signature([1; 64]); 3] }
}

fn notarize(view: u64, block: u8) -> Statement {
    Statement::Notarize { view: View(view), block: ledger::block::BlockHash(Digest([block; 32])) }
}

fn finalize(view: u64, block: u8) -> Statement {
    Statement::Finalize { view: View(view), block: ledger::block::BlockHash(Digest([block; 32])) }
}

fn nullify(view: u64) -> Statement {
    Statement::Nullify { view: View(view) }
}

fn finalized(block: &VerifiedBlock) -> FinalizedBlock {
    let view = block.header().view;
    let statement = Statement::Notarize { view, block: block.hash() };
    FinalizedBlock {
        block: block.to_block(),
        finality: Finality::Voted {
            notarization: certificate(statement),
            skips: Vec::new(),
            finalization: None,
            closing: Vec::new(),
        },
    }
}

/// Leaves as the ledger makes them, except that each seal is an epoch leaf.
fn leaves(block: &VerifiedBlock) -> Vec<Vec<u8>> {
    let seal = Leaf::Epoch { epoch: Epoch(0), chain: CHAIN, validators: Digest::default() };
    let booked = block.transactions().iter();
    let booked =
        booked.map(|t| Leaf::Transaction(Booked { signed: t.signed().clone(), entries: Vec::new() }));
    booked.chain([seal]).map(|leaf| codec::encode(&leaf)).collect()
}

/// Posts a block, each transaction with one voucher and two postings, and returns its leaves.
fn post(store: &Arc<Store>, frontier: &mut Frontier, block: &VerifiedBlock) -> Vec<Vec<u8>> {
    let leaves = leaves(block);
    let first = frontier.size();
    let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let tiles: Vec<_> = tiles::append(frontier, &hashes)
        .into_iter()
        .map(|part| {
            let mut hashes = store.tile(part.level, part.index).unwrap().unwrap_or_default();
            assert_eq!(hashes.len(), usize::from(part.column) * 32);
            hashes.extend(part.hashes.iter().flat_map(|hash| hash.0));
            TileRow { level: part.level, index: part.index, hashes }
        })
        .collect();
    let ids: Vec<_> = block.transactions().iter().map(|t| t.id()).collect();
    let before = first - (block.header().height.0 - 1);
    let entity = entity();
    let rows = |i: u64| (LeafIndex(first + i), before + i);
    let journal: Vec<_> = (0..ids.len() as u64)
        .map(rows)
        .map(|(leaf, n)| JournalRow {
            entity,
            voucher: Voucher { year: 2026, number: n + 1 },
            leaf,
            entry: 0,
        })
        .collect();
    let period = Period::new(202603).unwrap();
    let postings: Vec<_> = (0..ids.len() as u64)
        .map(rows)
        .flat_map(|(leaf, number)| {
            [1500, 3000].map(|code| PostingRow {
                entity,
                account: Account::private(code),
                period,
                number,
                leaf,
                entry: 0,
                line: u16::from(code == 3000),
            })
        })
        .collect();
    let mut batch = store.batch();
    batch.posted(&PostedBlock {
        block: &finalized(block),
        first_leaf: LeafIndex(first),
        leaves: &leaves,
        transactions: &ids,
        journal: &journal,
        postings: &postings,
        tiles: &tiles,
    });
    batch.commit().unwrap();
    leaves
}

fn newest_log(directory: &TempDir) -> PathBuf {
    let files = fs::read_dir(directory.path().join("db")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "log")).max().unwrap()
}

#[test]
fn what_a_step_kept_is_there_after_reopening() {
    let directory = TempDir::new().unwrap();
    let certified = Certified { size: 9, root: Digest([1; 32]), cosignatures: Vec::new() };
    let undecided = block(1, 1, 3);
    {
        let store = open(&directory);
        let mut batch = store.batch();
        batch.vote(Epoch(0), &notarize(1, 1)).unwrap();
        batch.vote(Epoch(0), &finalize(1, 1)).unwrap();
        batch.certificate(&certificate(notarize(1, 1)));
        batch.block(&undecided);
        batch.checkpoint(&certified);
        batch.watermark(9, &Digest([1; 32]));
        batch.commit().unwrap();
        assert!(store.batch().is_empty());
        store.batch().commit().unwrap();
        assert_eq!(store.steps(), 1);
    }
    let store = open(&directory);
    assert_eq!(store.steps(), 1);
    assert_eq!(
        store.votes(Epoch(0), View(0)).unwrap(),
        [(Epoch(0), notarize(1, 1)), (Epoch(0), finalize(1, 1))]
    );
    assert_eq!(store.certificates(Epoch(0), View(1)).unwrap(), [certificate(notarize(1, 1))]);
    assert!(store.certificates(Epoch(0), View(2)).unwrap().is_empty());
    assert_eq!(store.undecided().unwrap(), [undecided.to_block()]);
    assert_eq!(store.block(&undecided.hash()).unwrap(), Some(undecided.to_block()));
    assert_eq!(store.checkpoint().unwrap(), Some(certified));
    assert_eq!(store.watermark().unwrap(), Some((9, Digest([1; 32]))));
    assert_eq!(store.head().unwrap(), None);
}

#[test]
fn a_posted_block_is_found_by_everything_that_names_it() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let mut frontier = Frontier::new();
    let mut all = Vec::new();
    let mut blocks = Vec::new();
    for (height, count) in [(1, 3), (2, 0), (3, 300), (4, 1)] {
        let block = block(height, height, count);
        let mut batch = store.batch();
        batch.block(&block);
        batch.commit().unwrap();
        all.extend(post(&store, &mut frontier, &block));
        blocks.push(block);
    }
    let head = StoredHead { height: Height(4), next_leaf: LeafIndex(all.len() as u64) };
    assert_eq!(store.head().unwrap(), Some(head));
    assert!(store.undecided().unwrap().is_empty());
    for block in &blocks {
        assert_eq!(store.finalized(block.header().height).unwrap(), Some(finalized(block)));
        assert_eq!(store.block(&block.hash()).unwrap(), Some(block.to_block()));
    }
    assert_eq!(store.leaf_range(Height(3)).unwrap(), Some((LeafIndex(5), 301)));
    for (index, leaf) in all.iter().enumerate() {
        assert_eq!(store.leaf(LeafIndex(index as u64)).unwrap().as_ref(), Some(leaf));
    }
    assert_eq!(store.leaf(LeafIndex(all.len() as u64)).unwrap(), None);
    assert_eq!(store.leaves(LeafIndex(2), 290, usize::MAX).unwrap(), all[2..292]);
    assert_eq!(store.leaves(LeafIndex(2), 290, 1).unwrap(), all[2..3]);
    let transactions = blocks.iter().flat_map(|block| block.transactions()).count();
    let journal = store.journal(entity(), 2026, 0, usize::MAX).unwrap();
    assert_eq!(journal.len(), transactions);
    assert!(journal.windows(2).all(|pair| pair[0].voucher.number + 1 == pair[1].voucher.number));
    assert_eq!(store.journal(entity(), 2026, 100, 5).unwrap(), journal[99..104]);
    assert!(store.journal(entity(), 2025, 0, 5).unwrap().is_empty());
    let id = blocks[2].transactions()[7].id();
    assert_eq!(store.leaf_of(&id).unwrap(), Some(LeafIndex(12)));
    let period = Period::new(202603).unwrap();
    let postings = store.postings(entity(), Account::private(3000), period, 0, usize::MAX).unwrap();
    assert_eq!(postings.len(), transactions);
    assert_eq!(store.postings(entity(), Account::private(3000), period, 302, 9).unwrap(), postings[302..]);
    assert_eq!(postings[10].leaf, LeafIndex(12));
    assert!(store.postings(entity(), Account::private(1500), period.next(), 0, 9).unwrap().is_empty());
    let mut reader = tiles::TileReader::new(|level, index| store.tile(level, index).unwrap());
    assert_eq!(reader.root_at(all.len() as u64).unwrap(), frontier.root());
    assert_eq!(store.tile(0, 0).unwrap().map(|tile| tile.len()), Some(tiles::TILE_BYTES));
    assert_eq!(store.tile(2, 0).unwrap(), None);
}

#[test]
fn blocks_are_served_within_a_count_and_a_number_of_bytes() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let mut frontier = Frontier::new();
    for height in 1..=5 {
        post(&store, &mut frontier, &block(height, height, 10));
    }
    let heights = |from, count, bytes| -> Vec<u64> {
        let blocks = store.finalized_from(Height(from), count, bytes).unwrap();
        blocks.iter().map(|block| block.block.header.height.0).collect()
    };
    let one = codec::encode(&store.finalized(Height(1)).unwrap().unwrap()).len();
    assert_eq!(heights(2, 3, usize::MAX), [2, 3, 4]);
    // What a block's leaves add to it counts too.
    assert_eq!(heights(2, 9, 5 * one / 2), [2, 3]);
    assert_eq!(heights(2, 9, 1), [2]);
    assert_eq!(heights(6, 9, usize::MAX), [0u64; 0]);
}

#[test]
fn a_block_whose_leaves_say_something_else_is_kept_whole() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let block = block(1, 1, 2);
    let mut others = leaves(&block);
    others.reverse();
    let mut batch = store.batch();
    batch.posted(&PostedBlock {
        block: &finalized(&block),
        first_leaf: LeafIndex(0),
        leaves: &others,
        transactions: &[],
        journal: &[],
        postings: &[],
        tiles: &[],
    });
    batch.commit().unwrap();
    assert_eq!(store.finalized(Height(1)).unwrap(), Some(finalized(&block)));
}

#[test]
fn c4_a_vote_that_contradicts_a_kept_one_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let mut batch = store.batch();
    for statement in [notarize(5, 1), finalize(5, 1), nullify(6), notarize(6, 1)] {
        batch.vote(Epoch(0), &statement).unwrap();
    }
    // Within the batch, and after it is committed and read back.
    for _ in 0..2 {
        for wrong in [notarize(5, 2), nullify(5), finalize(5, 2), finalize(6, 1)] {
            assert!(
                matches!(batch.vote(Epoch(0), &wrong), Err(StoreError::Contradiction { .. })),
                "{wrong:?}"
            );
        }
        batch.vote(Epoch(0), &notarize(5, 1)).unwrap();
        batch.vote(Epoch(1), &notarize(5, 2)).unwrap();
        batch.commit().unwrap();
        batch = store.batch();
    }
    let refused = batch.vote(Epoch(0), &nullify(5)).unwrap_err().to_string();
    assert!(refused.starts_with("epoch 0: nullify(5) contradicts finalize(5, 01010101)"), "{refused}");
}

#[test]
fn pruning_forgets_below_the_floor_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let blocks: Vec<_> = (1..=4).map(|view| block(view, view, 1)).collect();
    let mut batch = store.batch();
    for (view, block) in (1..).zip(&blocks) {
        batch.vote(Epoch(0), &notarize(view, 1)).unwrap();
        batch.certificate(&certificate(notarize(view, 1)));
        batch.block(block);
    }
    batch.commit().unwrap();
    post(&store, &mut Frontier::new(), &blocks[0]);
    let mut batch = store.batch();
    batch.prune(Epoch(0), View(3)).unwrap();
    batch.commit().unwrap();
    drop(store);
    for _ in 0..2 {
        let store = open(&directory);
        assert_eq!(store.floor(), (Epoch(0), View(3)));
        let views: Vec<_> = store.votes(Epoch(0), View(0)).unwrap().iter().map(|(_, s)| s.view().0).collect();
        assert_eq!(views, [3, 4]);
        assert_eq!(store.certificates(Epoch(0), View(0)).unwrap().len(), 2);
        assert_eq!(store.undecided().unwrap(), [blocks[2].to_block(), blocks[3].to_block()]);
        assert_eq!(store.block(&blocks[0].hash()).unwrap(), Some(blocks[0].to_block()), "final");
        assert_eq!(store.block(&blocks[1].hash()).unwrap(), None);
        let mut batch = store.batch();
        batch.prune(Epoch(0), View(2)).unwrap();
        assert!(batch.is_empty(), "the floor never moves back");
        let below = batch.vote(Epoch(0), &nullify(2)).unwrap_err();
        assert!(matches!(below, StoreError::BelowFloor { floor: View(3), .. }));
    }
}

#[test]
fn evidence_is_kept_with_both_votes() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let vote = |statement| Vote { epoch: Epoch(0), statement, signer: 2, signature: Signature([2; 64]) };
    let mut batch = store.batch();
    batch.evidence(&vote(notarize(1, 1)), &vote(notarize(1, 2)));
    batch.commit().unwrap();
    assert_eq!(store.evidence().unwrap(), [(vote(notarize(1, 1)), vote(notarize(1, 2)))]);
}

#[test]
fn a_directory_of_another_chain_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    let error = refusal(&directory, &Digest([8; 32])).to_string();
    assert!(error.contains("give each chain its own data_dir"), "{error}");
    open(&directory);
}

#[test]
fn a_second_opener_is_told_who_is_in_the_way() {
    let directory = TempDir::new().unwrap();
    let _first = open(&directory);
    let error = refusal(&directory, &CHAIN);
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    // Another process meets another lock than the same one does.
    if std::env::var_os(CHILD).is_none() {
        let output = child("a_directory_in_use_is_refused_to_another_process", &directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_directory_in_use_is_refused_to_another_process() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    match Store::open(Path::new(&directory), &CHAIN) {
        Err(StoreError::InUse(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the directory was opened twice"),
    }
}

#[test]
fn damage_inside_the_log_is_refused() {
    let directory = TempDir::new().unwrap();
    {
        let store = open(&directory);
        for view in 1..=20 {
            let mut batch = store.batch();
            batch.vote(Epoch(0), &notarize(view, 1)).unwrap();
            batch.commit().unwrap();
        }
    }
    let log = newest_log(&directory);
    let sound = fs::read(&log).unwrap();
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap();
    for place in [used / 2, used - 3] {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x40;
        fs::write(&log, damaged).unwrap();
        let error = refusal(&directory, &CHAIN);
        let told = matches!(error, StoreError::Damaged { .. } | StoreError::Lost { .. });
        assert!(told, "byte {place} of {used}: {error}");
    }
}

#[test]
fn a_lost_end_of_the_log_is_refused_if_it_was_acknowledged() {
    let directory = TempDir::new().unwrap();
    let mut sizes = Vec::new();
    {
        let store = open(&directory);
        for view in 1..=5 {
            let mut batch = store.batch();
            batch.vote(Epoch(0), &notarize(view, 1)).unwrap();
            batch.commit().unwrap();
            sizes.push(fs::metadata(newest_log(&directory)).unwrap().len());
        }
    }
    let log = newest_log(&directory);
    assert_eq!(fs::metadata(&log).unwrap().len(), sizes[4]);
    // Recovery moves what it reads into tables, so each case starts from a copy.
    let shortened = |length: u64| {
        let copy = TempDir::new().unwrap();
        fs::create_dir(copy.path().join("db")).unwrap();
        for file in fs::read_dir(directory.path().join("db")).unwrap().map(|file| file.unwrap()) {
            fs::copy(file.path(), copy.path().join("db").join(file.file_name())).unwrap();
        }
        fs::copy(directory.path().join("acknowledged"), copy.path().join("acknowledged")).unwrap();
        let log = copy.path().join("db").join(log.file_name().unwrap());
        fs::OpenOptions::new().write(true).open(log).unwrap().set_len(length).unwrap();
        copy
    };
    for (length, left) in [(sizes[4] - 5, 4), (sizes[3], 4), (sizes[3] - 1, 3), (0, 0)] {
        let copy = shortened(length);
        // Refused, and refused again: opening must not make the loss look normal.
        for _ in 0..2 {
            let error = refusal(&copy, &CHAIN);
            let StoreError::Lost { acknowledged: 5, found, .. } = error else { panic!("{length}: {error}") };
            assert_eq!(found, left);
        }
    }
    // The same torn end is fine where nobody was told of the step.
    let copy = shortened(sizes[4] - 5);
    fs::write(copy.path().join("acknowledged"), acknowledged_record(4)).unwrap();
    assert_eq!(open(&copy).steps(), 4);
}

#[test]
fn a_missing_counter_or_database_is_refused() {
    let directory = TempDir::new().unwrap();
    {
        let store = open(&directory);
        let mut batch = store.batch();
        batch.vote(Epoch(0), &nullify(1)).unwrap();
        batch.commit().unwrap();
    }
    let counter = directory.path().join("acknowledged");
    let sound = fs::read(&counter).unwrap();
    fs::write(&counter, b"not a counter at all").unwrap();
    assert!(matches!(refusal(&directory, &CHAIN), StoreError::Damaged { .. }));
    fs::remove_file(&counter).unwrap();
    assert!(matches!(refusal(&directory, &CHAIN), StoreError::Damaged { .. }));
    fs::write(&counter, sound).unwrap();
    fs::remove_dir_all(directory.path().join("db")).unwrap();
    assert!(matches!(refusal(&directory, &CHAIN), StoreError::Lost { acknowledged: 1, found: 0, .. }));
}

const CHILD: &str = "HOVEDBOK_STORE_TEST_DIRECTORY";

/// This test program again, running one test on a directory.
fn child(test: &str, directory: &TempDir) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("store::tests::{test}"), "--nocapture"]).env(CHILD, directory.path());
    command
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for round in 0..6u32 {
        let mut process = child("a_process_that_votes_until_it_is_killed", &directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(process.stdout.take().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        // Killed after another number of votes each time, wherever it then is.
        let mut told = 0;
        let mut line = String::new();
        while told < 3 + 7 * round && Instant::now() < deadline {
            line.clear();
            if std::io::BufRead::read_line(&mut output, &mut line).unwrap() == 0 {
                break;
            }
            if let Some(view) = line.trim().strip_prefix("voted ") {
                acknowledged = view.parse().unwrap();
                told += 1;
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let store = open(&directory);
        let votes = store.votes(Epoch(0), View(0)).unwrap();
        let views: Vec<_> = votes.iter().map(|(_, statement)| statement.view().0).collect();
        assert!(views.len() as u64 >= acknowledged, "{acknowledged} acknowledged, {} left", views.len());
        assert!(views.iter().copied().eq(1..=views.len() as u64), "no gap");
        // Each step kept a vote and a block, or neither.
        assert_eq!(store.undecided().unwrap().len(), views.len());
    }
    assert!(acknowledged > 0);
}

#[test]
fn a_process_that_votes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let store = Arc::new(Store::open(Path::new(&directory), &CHAIN).unwrap());
    let next = store.votes(Epoch(0), View(0)).unwrap().len() as u64 + 1;
    for view in next..next + 100_000 {
        let mut batch = store.batch();
        batch.vote(Epoch(0), &notarize(view, 1)).unwrap();
        batch.block(&block(view, view, 200));
        batch.commit().unwrap();
        println!("voted {view}");
        std::io::stdout().flush().unwrap();
    }
}

/// Prints what a step costs beside a bare sync of as many bytes on the same disk.
#[test]
#[ignore = "measures; run alone, with --ignored --nocapture"]
fn a_step_costs_little_more_than_its_sync() {
    for count in [0, 100, 1000, 4000] {
        let directory = TempDir::new_in(".").unwrap();
        let store = open(&directory);
        let mut frontier = Frontier::new();
        let mut votes = Vec::new();
        let mut blocks = Vec::new();
        let mut posts = Vec::new();
        for height in 1..=60 {
            let block = block(height, height, count);
            let start = Instant::now();
            let mut batch = store.batch();
            batch.vote(Epoch(0), &nullify(height)).unwrap();
            batch.commit().unwrap();
            votes.push(start.elapsed());
            let start = Instant::now();
            let mut batch = store.batch();
            batch.vote(Epoch(1), &notarize(height, 1)).unwrap();
            batch.block(&block);
            batch.commit().unwrap();
            blocks.push(start.elapsed());
            let start = Instant::now();
            post(&store, &mut frontier, &block);
            posts.push(start.elapsed());
        }
        let bytes: usize = (codec::encode(&finalized(&block(1, 1, count)))).len();
        let file = fs::File::create(directory.path().join("bare")).unwrap();
        let mut bare = Vec::new();
        for i in 0..60 {
            let start = Instant::now();
            file.write_all_at(&vec![1; bytes], i * bytes as u64).unwrap();
            file.sync_data().unwrap();
            bare.push(start.elapsed());
        }
        let show = |times: &mut Vec<Duration>| {
            times.sort();
            format!("{:>9.2?} / {:>9.2?}", times[times.len() / 2], times[times.len() * 98 / 100])
        };
        println!(
            "{count:>5} transactions, {bytes:>8} bytes; median / p98: vote {}, vote and block {}, posted {}, bare sync {}",
            show(&mut votes),
            show(&mut blocks),
            show(&mut posts),
            show(&mut bare)
        );
    }
}
