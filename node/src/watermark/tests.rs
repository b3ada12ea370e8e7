//! The signer's memory against a directory that crashes, loses power and is put back from old copies.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;

const KEY: PublicKey = PublicKey([5; 32]);
const CHAIN: Digest = Digest([7; 32]);

/// What of a data directory matters here. A clone is a copy on another disk.
#[derive(Clone, Debug, Default)]
struct Disk {
    directory: Directory,
    votes: BTreeSet<Term>,
}

impl Disk {
    fn judge(&self, watermark: &Watermark) -> Result<(), Lost> {
        watermark.judge(&self.directory, None, |term| self.votes.contains(&term))
    }

    /// The first half of a start.
    fn bind(&mut self, watermark: &Watermark) -> Token {
        let token = new_token().unwrap();
        self.directory.tokens = Some((token, watermark.token()));
        self.directory.steps += 1;
        token
    }

    fn last(&self) -> Term {
        self.votes.last().copied().unwrap_or_default()
    }

    fn keep(&mut self, term: Term) {
        self.directory.steps += 1;
        self.votes.insert(term);
    }
}

fn term(view: u64) -> Term {
    (Epoch(0), View(view))
}

fn keys(directory: &TempDir) -> PathBuf {
    directory.path().join("keys")
}

fn open(directory: &TempDir) -> Watermark {
    Watermark::open(&keys(directory), KEY, &CHAIN).unwrap()
}

fn start(directory: &TempDir, disk: &mut Disk) -> Watermark {
    let mut watermark = open(directory);
    let token = disk.bind(&watermark);
    watermark.begin(token, disk.directory.steps, disk.last()).unwrap();
    watermark
}

fn vote(watermark: &mut Watermark, disk: &mut Disk, view: u64) {
    disk.keep(term(view));
    watermark.vote(term(view), disk.directory.steps).unwrap();
}

/// A number from a seed; the same for the same place in the same test.
fn below(seed: u64, place: u64, bound: u64) -> u64 {
    let digest = Digest::of(&[&seed.to_be_bytes(), &place.to_be_bytes()]);
    u64::from_be_bytes(digest.0[..8].try_into().unwrap()) % bound
}

#[test]
fn r12_however_it_crashes_the_newest_directory_is_whole_and_every_older_copy_is_lost() {
    let (mut crashes, mut cuts, mut older) = (0, 0, 0);
    for seed in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let file = Watermark::beside(&keys(&directory));
        Watermark::found(&keys(&directory), KEY).unwrap();
        let mut disk = Disk::default();
        // Each with the number of votes signed before it was taken.
        let mut copies: Vec<(usize, Disk)> = Vec::new();
        let (mut signed, mut view) = (0, 0);
        for life in 0..8 {
            let random = |place: u64, bound| below(seed, life * 1000 + place, bound);
            let mut watermark = open(&directory);
            assert_eq!(disk.judge(&watermark), Ok(()), "seed {seed}, life {life}: a crash is no loss");
            for (before, copy) in &copies {
                if *before < signed {
                    assert!(copy.judge(&watermark).is_err(), "seed {seed}, life {life}: {copy:?}");
                    older += 1;
                }
            }
            copies.push((signed, disk.clone()));
            let token = disk.bind(&watermark);
            copies.push((signed, disk.clone()));
            if random(1, 4) == 0 {
                crashes += 1;
                continue;
            }
            watermark.begin(token, disk.directory.steps, disk.last()).unwrap();
            let mut synced = fs::read(&file).unwrap();
            for turn in 0..random(2, 90) {
                view += 1 + random(10 + turn, 3);
                let pledged = watermark.pledge.reserved;
                disk.keep(term(view));
                if random(200 + turn, 40) == 0 {
                    // Kept, and never signed.
                    crashes += 1;
                    break;
                }
                watermark.vote(term(view), disk.directory.steps).unwrap();
                signed += 1;
                if watermark.pledge.reserved != pledged {
                    synced = fs::read(&file).unwrap();
                }
                copies.push((signed, disk.clone()));
            }
            if random(3, 3) == 0 {
                // The power goes: marks since the last pledge are lost, one place is torn. What no copy
                // taken before the last synced write can know is not asserted.
                synced.resize(4 * PLACE_BYTES, 0);
                let torn = (2 + random(4, 2)) as usize * PLACE_BYTES;
                synced[torn + 3] ^= 1;
                fs::write(&file, &synced).unwrap();
                copies.clear();
                cuts += 1;
            }
        }
    }
    assert!(crashes > 60 && cuts > 60 && older > 10_000, "{crashes} crashes, {cuts} cuts, {older} copies");
}

#[test]
fn r12_a_copy_taken_between_two_votes_of_one_run_is_told_from_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    let mut disk = Disk::default();
    let mut watermark = start(&directory, &mut disk);
    vote(&mut watermark, &mut disk, 1);
    let copy = disk.clone();
    vote(&mut watermark, &mut disk, 2);
    drop(watermark);
    let watermark = open(&directory);
    let (signed, found) = (disk.directory.steps, copy.directory.steps);
    assert_eq!(copy.judge(&watermark), Err(Lost::Behind { signed, found }));
    assert_eq!(disk.judge(&watermark), Ok(()));
    let mut emptied = disk.clone();
    emptied.votes.clear();
    assert_eq!(emptied.judge(&watermark), Err(Lost::VoteMissing { epoch: Epoch(0), view: View(2) }));
    assert_eq!(Disk::default().judge(&watermark), Err(Lost::OtherCopy), "an empty directory");
}

#[test]
fn r12_an_old_copy_that_ran_on_is_not_mistaken_for_the_newest_and_neither_is_the_newest_after_it() {
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    let mut disk = Disk::default();
    let mut watermark = start(&directory, &mut disk);
    vote(&mut watermark, &mut disk, 1);
    let mut old = disk.clone();
    vote(&mut watermark, &mut disk, 2);
    drop(watermark);
    let mut watermark = open(&directory);
    assert!(old.judge(&watermark).is_err());
    watermark.lost().unwrap();
    drop(watermark);
    let mut watermark = start(&directory, &mut old);
    assert_eq!(old.judge(&watermark), Err(Lost::Still), "lost stays lost over a restart");
    assert_eq!(watermark.may_have_voted(), term(2));
    watermark.regained(term(40)).unwrap();
    vote(&mut watermark, &mut old, 40);
    drop(watermark);
    let watermark = open(&directory);
    assert_eq!((old.judge(&watermark), watermark.floor()), (Ok(()), term(40)));
    assert_eq!(disk.judge(&watermark), Err(Lost::OtherCopy), "what was the newest once");
}

#[test]
fn a_key_that_never_signed_has_nothing_to_lose_and_one_without_memory_may_have_signed_anything() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Disk::default().judge(&open(&directory)), Err(Lost::NoWatermark { .. })));
    assert!(
        matches!(Disk::default().judge(&open(&directory)), Err(Lost::Still)),
        "made anew, and still lost"
    );
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    assert_eq!(Disk::default().judge(&open(&directory)), Ok(()));
    assert!(Watermark::found(&keys(&directory), KEY).is_err(), "never replaced");
    fs::write(Watermark::beside(&keys(&directory)), [0; 4 * PLACE_BYTES]).unwrap();
    assert!(matches!(Disk::default().judge(&open(&directory)), Err(Lost::NoWatermark { .. })), "zeroed");
}

#[test]
fn keys_that_signed_for_another_chain_are_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    let mut disk = Disk::default();
    vote(&mut start(&directory, &mut disk), &mut disk, 1);
    let Err(refused) = Watermark::open(&keys(&directory), KEY, &Digest([8; 32])) else {
        panic!("another chain was let in")
    };
    assert!(refused.to_string().contains("hovedbok-node keygen"), "{refused}");
}

#[test]
fn r14_the_pledge_is_renewed_one_view_beyond_it_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    let mut disk = Disk::default();
    let mut watermark = start(&directory, &mut disk);
    let mut pledges = Vec::new();
    for view in 1..=2 * STRIDE + 3 {
        let before = watermark.pledge.serial;
        vote(&mut watermark, &mut disk, view);
        if watermark.pledge.serial != before {
            pledges.push(view);
        }
        assert!(watermark.pledge.reserved >= term(view), "a vote beyond the durable pledge");
    }
    assert_eq!(pledges, [1, STRIDE + 2, 2 * STRIDE + 3]);
    let before = watermark.pledge.serial;
    watermark.vote((Epoch(1), View(1)), disk.directory.steps).unwrap();
    assert_eq!(watermark.pledge.serial, before + 1, "view 1 of the next epoch lies beyond");
}

#[test]
fn r12_after_a_power_cut_a_loss_keeps_us_silent_for_all_that_was_pledged() {
    let directory = tempfile::tempdir().unwrap();
    Watermark::found(&keys(&directory), KEY).unwrap();
    let mut disk = Disk::default();
    let mut watermark = start(&directory, &mut disk);
    vote(&mut watermark, &mut disk, 3);
    // Another run of the machine wrote the pledge.
    watermark.pledge.host = [9; 16];
    watermark.lost().unwrap();
    drop(watermark);
    let watermark = start(&directory, &mut disk);
    assert_eq!(watermark.may_have_voted(), term(3 + STRIDE));
    drop(watermark);
    let mut watermark = start(&directory, &mut disk);
    assert_eq!(watermark.may_have_voted(), term(3 + STRIDE), "over a second start too");
    watermark.regained(term(4 + STRIDE)).unwrap();
    assert_eq!((watermark.floor(), watermark.may_have_voted()), (term(4 + STRIDE), term(3)));
}
