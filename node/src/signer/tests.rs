//! The signer with real key files, real stores, and bytes flipped in them.

use std::fs;

use tempfile::TempDir;

use super::*;

const CHAIN: Digest = Digest([7; 32]);

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Keys::generate().unwrap().save(&directory.path().join("keys")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn signer(&self) -> Signer {
        Signer::open(&self.path("keys"), &CHAIN, &self.path("data")).unwrap()
    }

    fn open(&self) -> Node {
        let mut signers = Signers(vec![self.signer()]);
        let (store, damage) = open_store(&self.path("data"), &CHAIN, &mut signers).unwrap();
        let mut signer = signers.0.remove(0);
        let lost = signer.meet(&mut Arc::clone(&store), damage.as_deref()).unwrap();
        Node { signer, store, lost }
    }

    fn copy(&self, to: &str) {
        copy(&self.path("data"), &self.path(to));
    }

    fn put_back(&self, from: &str) {
        fs::remove_dir_all(self.path("data")).unwrap();
        copy(&self.path(from), &self.path("data"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

struct Node {
    signer: Signer,
    store: Arc<Store>,
    lost: Option<Lost>,
}

impl Node {
    /// As the run loop does it: kept first, signed then.
    fn vote(&mut self, statement: Statement) -> Result<Signature, Refusal> {
        let mut batch = self.store.batch();
        batch.vote(Epoch(0), &statement).unwrap();
        batch.commit().unwrap();
        self.signer.vote(&statement, &CHAIN, Epoch(0), self.store.steps())
    }

    fn nullify(&mut self, views: std::ops::RangeInclusive<u64>) {
        for view in views {
            self.vote(nullify(view)).unwrap();
        }
    }
}

fn nullify(view: u64) -> Statement {
    Statement::Nullify { view: View(view) }
}

fn notarize(view: u64, block: u8) -> Statement {
    Statement::Notarize { view: View(view), block: BlockHash(Digest([block; 32])) }
}

fn finalize(view: u64, block: u8) -> Statement {
    Statement::Finalize { view: View(view), block: BlockHash(Digest([block; 32])) }
}

/// The files of the database whose name ends so, largest first.
fn files(place: &Place, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path("data").join("db")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    files
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

#[test]
fn r09_after_every_kill_the_same_votes_are_signed_again_and_no_others() {
    let place = Place::new();
    let mut node = place.open();
    assert_eq!(node.lost, None, "new keys and a new directory");
    let first = node.vote(notarize(1, 1)).unwrap();
    node.vote(finalize(1, 1)).unwrap();
    node.vote(nullify(2)).unwrap();
    for _ in 0..3 {
        drop(node);
        node = place.open();
        assert_eq!(node.lost, None);
        assert_eq!(node.vote(notarize(1, 1)).unwrap(), first, "the same bytes");
        let refused = |signer: &mut Signer, statement| {
            let refused = signer.vote(&statement, &CHAIN, Epoch(0), 99).unwrap_err();
            assert!(refused.ends_process() && matches!(refused, Refusal::Contradiction { .. }), "{refused}");
        };
        refused(&mut node.signer, notarize(1, 2));
        refused(&mut node.signer, nullify(1));
        refused(&mut node.signer, finalize(2, 1));
    }
}

#[test]
fn r10_what_was_kept_and_not_signed_is_no_loss_and_what_was_signed_was_kept() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=3);
    // Killed between keeping and signing.
    let mut batch = node.store.batch();
    batch.vote(Epoch(0), &nullify(4)).unwrap();
    batch.commit().unwrap();
    drop(node);
    let mut node = place.open();
    assert_eq!(node.lost, None);
    assert_eq!(node.store.last_vote().unwrap(), (Epoch(0), View(4)));
    node.vote(nullify(4)).unwrap();
}

#[test]
fn r12_an_old_copy_of_the_directory_votes_nothing_until_the_others_were_heard() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=5);
    drop(node);
    place.copy("backup");
    let mut node = place.open();
    node.nullify(6..=9);
    drop(node);
    place.put_back("backup");
    let mut node = place.open();
    assert!(node.lost.is_some());
    assert!(matches!(node.vote(nullify(100)), Err(Refusal::Silent { .. })));
    assert_eq!(
        node.signer.may_have_voted(),
        (Epoch(0), View(9)),
        "the signer remembers what the copy does not"
    );
    drop(node);
    let mut node = place.open();
    assert_eq!(node.lost, Some(Lost::Still), "a restart does not make it good");
    node.signer.regain((Epoch(0), View(12))).unwrap();
    let refused = node.vote(nullify(11)).unwrap_err();
    assert!(matches!(refused, Refusal::BelowFloor { .. }) && !refused.ends_process(), "{refused}");
    node.vote(nullify(12)).unwrap();
    drop(node);
    let mut node = place.open();
    assert_eq!(node.lost, None, "made up for");
    assert!(matches!(node.vote(nullify(11)), Err(Refusal::BelowFloor { .. })), "for good");
}

#[test]
fn r12_no_checkpoint_below_the_signers_own_watermark_is_cosigned() {
    let place = Place::new();
    let checkpoint =
        |size, root| Checkpoint { origin: "hovedbok.example/07".into(), size, root: Digest([root; 32]) };
    let mut node = place.open();
    node.signer.cosign(0, &checkpoint(10, 1), 1, node.store.steps()).unwrap();
    drop(node);
    fs::remove_dir_all(place.path("data")).unwrap();
    let mut node = place.open();
    assert!(node.lost.is_some(), "an empty directory");
    for (size, root) in [(9, 1), (10, 2), (0, 0)] {
        let refused = node.signer.cosign(0, &checkpoint(size, root), 2, 0).unwrap_err();
        assert!(matches!(refused, Refusal::Behind { .. }) && !refused.ends_process(), "{refused}");
    }
    node.signer.cosign(0, &checkpoint(10, 1), 2, 0).unwrap();
    node.signer.cosign(0, &checkpoint(11, 2), 2, 0).unwrap();
}

#[test]
fn r11_a_torn_end_of_the_log_is_what_every_crash_leaves() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=20);
    drop(node);
    let log = &files(&place, ".log")[0];
    let bytes = fs::read(log).unwrap();
    // Half a record of a step that was never acknowledged.
    fs::write(log, [&bytes[..], &bytes[bytes.len() - 40..bytes.len() - 9]].concat()).unwrap();
    let node = place.open();
    assert_eq!((node.lost, node.store.last_vote().unwrap()), (None, (Epoch(0), View(20))));
}

#[test]
fn r11_damage_anywhere_in_the_log_of_votes_silences_the_node_and_leaves_the_rest_readable() {
    let mut salvaged = 0;
    for part in 1..10 {
        let place = Place::new();
        let mut node = place.open();
        node.nullify(1..=40);
        let steps = node.store.steps();
        drop(node);
        flip(&files(&place, ".log")[0], |length| length * part / 10);
        let mut node = place.open();
        assert!(node.lost.is_some(), "flipped at {part}/10 and not noticed");
        assert!(matches!(node.vote(nullify(100)), Err(Refusal::Silent { .. })));
        assert!(node.store.steps() < steps + 2, "what lies behind the damage is gone");
        salvaged += usize::from(node.store.last_vote().unwrap() > (Epoch(0), View(0)));
        drop(node);
        assert_eq!(
            place.open().lost,
            Some(Lost::Still),
            "the directory looks sound again and is not trusted"
        );
    }
    assert!(salvaged > 5, "only {salvaged} of 9 kept anything");
}

#[test]
fn r11_damage_in_a_table_of_votes_silences_the_node() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=200);
    drop(node);
    // Opening writes what the log held into tables.
    drop(place.open());
    let mut noticed = 0;
    for table in files(&place, ".sst") {
        let whole = fs::read(&table).unwrap();
        let vote = ledger::codec::encode(&nullify(150));
        if !whole.windows(vote.len()).any(|bytes| bytes == vote) {
            continue;
        }
        flip(&table, |_| 30);
        let mut node = place.open();
        assert!(node.lost.is_some(), "{} was damaged", table.display());
        assert!(matches!(node.vote(nullify(300)), Err(Refusal::Silent { .. })));
        noticed += 1;
        break;
    }
    assert_eq!(noticed, 1, "no table holds the votes");
}

#[test]
fn r11_a_missing_vote_column_is_noticed() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=3);
    drop(node);
    node_without_votes(&place);
    let mut node = place.open();
    let Some(Lost::Still | Lost::Damaged(_)) = node.lost else { panic!("{:?}", node.lost) };
    assert!(matches!(node.vote(nullify(4)), Err(Refusal::Silent { .. })));
}

fn node_without_votes(place: &Place) {
    let path = place.path("data").join("db");
    let options = rocksdb::Options::default();
    let columns = rocksdb::DB::list_cf(&options, &path).unwrap();
    let mut db = rocksdb::DB::open_cf(&options, &path, columns).unwrap();
    db.drop_cf("votes").unwrap();
}

#[test]
fn r11_votes_taken_out_one_by_one_are_missed() {
    let place = Place::new();
    let mut node = place.open();
    node.nullify(1..=3);
    drop(node);
    let path = place.path("data").join("db");
    let options = rocksdb::Options::default();
    let columns = rocksdb::DB::list_cf(&options, &path).unwrap();
    let db = rocksdb::DB::open_cf(&options, &path, columns).unwrap();
    let mut key = [0; 17];
    key[15] = 3;
    key[16] = 2;
    db.delete_cf(db.cf_handle("votes").unwrap(), key).unwrap();
    drop(db);
    assert_eq!(place.open().lost, Some(Lost::VoteMissing { epoch: Epoch(0), view: View(3) }));
}

#[test]
fn r13_a_second_process_with_the_same_keys_or_the_same_directory_is_told_of_the_first() {
    let place = Place::new();
    let node = place.open();
    let again = Signer::open(&place.path("keys"), &CHAIN, &place.path("other"));
    let refused = again.err().unwrap().to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    assert!(refused.contains(&place.path("data").display().to_string()), "{refused}");
    let other = Place::new();
    let refused = open_store(&place.path("data"), &CHAIN, &mut Signers(vec![other.signer()]))
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(node);
    place.open();
}

#[test]
fn r14_the_window_of_views_ends_exactly_where_it_says() {
    let place = Place::new();
    let mut node = place.open();
    let last = VIEWS_MAX as u64;
    node.nullify(1..=last);
    assert_eq!(node.signer.floor(), (Epoch(0), View(0)));
    node.vote(nullify(1)).unwrap();
    node.nullify(last + 1..=last + 1);
    assert_eq!(node.signer.floor(), (Epoch(0), View(2)));
    assert!(matches!(node.vote(nullify(1)), Err(Refusal::BelowFloor { .. })));
    node.vote(nullify(2)).unwrap();
}
