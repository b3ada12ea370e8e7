//! Snapshots: taken from books with thousands of records, taken in page by page, and refused where a page
//! is not what the header says.

use super::*;
use crate::books::{Manifest, Restoring, SnapshotError};
use crate::registers::{PAGE_RECORDS, Page, PageError};

/// Books with some blocks, and the header of the last.
fn books() -> (Ledger, Header) {
    let mut ledger = ledger();
    for view in 1..=3 {
        let transactions = (0..220).map(|i| invoice(&ledger, view * 1000 + i, 100 + i as i64)).collect();
        extend(&mut ledger, view, transactions);
    }
    let last = extend(&mut ledger, 4, Vec::new());
    (ledger, last.header().clone())
}

fn pages(ledger: &Ledger, manifest: &Manifest) -> Vec<Page> {
    manifest.pages().map(|(register, number)| ledger.page(register, number).unwrap()).collect()
}

fn restore(manifest: Manifest, pages: &[Page]) -> Result<Ledger, SnapshotError> {
    let mut restoring = Restoring::new(&genesis(), manifest)?;
    for page in pages {
        restoring.take(page)?;
    }
    restoring.finish()
}

#[test]
fn books_taken_in_by_pages_are_the_books_and_the_next_block_is_the_same() {
    let (mut ledger, header) = books();
    let manifest = ledger.manifest(&header).unwrap();
    let pages = pages(&ledger, &manifest);
    assert!(pages.iter().any(|page| page.number > 1), "no register has three pages");
    assert!(pages.iter().all(|page| codec::encode(page).len() < 1 << 20));
    let mut restored = restore(manifest.clone(), &pages).unwrap();
    assert_eq!(restored.head(), ledger.head());
    assert_eq!(restored.register_roots(), ledger.register_roots());
    assert_eq!(restored.validators(), ledger.validators());
    assert_eq!((restored.start(), restored.genesis_header()), (ledger.start(), ledger.genesis_header()));
    // Proofs come from the rebuilt tree.
    let id = ledger.get::<PaymentRecord>(300).unwrap().key();
    assert_eq!(restored.prove::<PaymentRecord>(&id), ledger.prove::<PaymentRecord>(&id));
    for view in 5..=7 {
        let transactions: Vec<_> = (0..30).map(|i| invoice(&ledger, view * 1000 + i, 77)).collect();
        let one = extend(&mut ledger, view, transactions.clone());
        let other = extend(&mut restored, view, transactions);
        assert_eq!(one.hash(), other.hash(), "view {view}");
    }
    assert!(restored.manifest(&header).is_none(), "that header is no longer the head's");
    let (head, again) = (ledger.head().clone(), codec::encode(&manifest));
    assert_eq!(codec::decode::<Manifest>(&again, crate::books::MANIFEST_BYTES_MAX), Ok(manifest));
    assert_eq!(head, *restored.head());
}

#[test]
fn books_held_still_give_the_same_pages_while_others_are_posted() {
    let (mut ledger, header) = books();
    let still = ledger.still(&header).unwrap();
    let before = pages(&ledger, still.manifest());
    for view in 5..=8 {
        let transactions: Vec<_> = (0..200).map(|i| invoice(&ledger, view * 1000 + i, 55)).collect();
        extend(&mut ledger, view, transactions);
    }
    assert_ne!(ledger.register_roots(), still.manifest().registers);
    assert!(ledger.still(&header).is_none(), "that header is no longer the head's");
    let after: Vec<Page> =
        still.manifest().pages().map(|(place, number)| still.page(place, number).unwrap()).collect();
    assert_eq!(before, after);
    let restored = restore(still.manifest().clone(), &after).unwrap();
    assert_eq!(restored.head().block, header.hash());
    assert_eq!(restored.validators().epoch, still.epoch());
}

#[test]
fn a_page_with_one_bit_changed_is_refused_and_the_true_one_taken_after_it() {
    let (ledger, header) = books();
    let manifest = ledger.manifest(&header).unwrap();
    let mut restoring = Restoring::new(&genesis(), manifest.clone()).unwrap();
    let mut refused = 0;
    while let Some((register, number)) = restoring.wants() {
        let page = ledger.page(register, number).unwrap();
        let lies: [fn(&mut Page); 6] = [
            |page| page.records[0][0] ^= 1,
            |page| drop(page.records.pop()),
            |page| page.records.push(vec![1, 2, 3]),
            |page| page.records.reverse(),
            |page| page.path.push(Digest::default()),
            |page| page.number += 1,
        ];
        for lie in lies {
            let mut wrong = page.clone();
            lie(&mut wrong);
            if wrong != page {
                restoring.take(&wrong).unwrap_err();
                refused += 1;
            }
            assert_eq!(restoring.wants(), Some((register, number)), "what is refused changes nothing");
        }
        restoring.take(&page).unwrap();
    }
    assert!(refused > 40, "{refused}");
    assert_eq!(restoring.finish().unwrap().head(), ledger.head());
}

#[test]
fn r08_a_manifest_that_says_anything_but_the_header_is_refused() {
    let (ledger, header) = books();
    let manifest = ledger.manifest(&header).unwrap();
    let refusal = |lie: fn(&mut Manifest)| {
        let mut wrong = manifest.clone();
        lie(&mut wrong);
        Restoring::new(&genesis(), wrong).err().expect("it is refused")
    };
    assert!(matches!(refusal(|m| m.registers[4].length += 1), SnapshotError::State { .. }));
    assert!(matches!(refusal(|m| m.registers.swap(0, 1)), SnapshotError::State { .. }));
    assert!(matches!(refusal(|m| drop(m.registers.pop())), SnapshotError::State { .. }));
    assert!(matches!(refusal(|m| m.log.push(Digest::default())), SnapshotError::Log { .. }));
    assert!(matches!(refusal(|m| m.header.chain = Digest::default()), SnapshotError::Chain { .. }));
    let fewer = |m: &mut Manifest| {
        m.registers.pop();
        m.header.state_root = crate::state_proof::state_root(&m.registers);
    };
    assert!(matches!(refusal(fewer), SnapshotError::Registers));
}

#[test]
fn a_snapshot_that_is_not_all_there_gives_no_books_and_pages_out_of_turn_are_not_taken() {
    let (ledger, header) = books();
    let manifest = ledger.manifest(&header).unwrap();
    let all = pages(&ledger, &manifest);
    let most = &all[..all.len() - 1];
    let Err(SnapshotError::Missing { register, number }) = restore(manifest.clone(), most) else {
        panic!("books without their last page")
    };
    assert_eq!((register, number), (all[most.len()].register, all[most.len()].number));
    let mut restoring = Restoring::new(&genesis(), manifest).unwrap();
    let out_of_turn = restoring.take(&all[1]).unwrap_err();
    assert!(matches!(out_of_turn, SnapshotError::Page(PageError::Unwanted { .. })));
}

#[test]
fn r14_a_register_of_exactly_one_page_or_one_record_more_is_taken_whole() {
    let mut ledger = ledger();
    let mut had = ledger.count::<PaymentRecord>();
    for (view, length) in [(1, PAGE_RECORDS - 1), (2, PAGE_RECORDS), (3, PAGE_RECORDS + 1)] {
        let transactions = (had..length).map(|i| invoice(&ledger, 10_000 + i, 5)).collect();
        let last = extend(&mut ledger, view, transactions);
        had = ledger.count::<PaymentRecord>();
        assert_eq!(had, length);
        let manifest = ledger.manifest(last.header()).unwrap();
        let pages = pages(&ledger, &manifest);
        assert_eq!(restore(manifest, &pages).unwrap().register_roots(), ledger.register_roots());
    }
}

#[test]
fn r08_a_snapshot_at_the_end_of_an_epoch_has_the_validators_of_the_next() {
    let mut ledger = ledger();
    let enter = vec![epochs::entrant(&ledger, epochs::validator(epochs::NEWCOMER, 200), 200)];
    let change = crate::governance::Change { epoch: Epoch(0), leave: vec![], enter };
    let transaction = epochs::three(&ledger, 1, change);
    let last = epochs::post(&mut ledger, 3, vec![transaction]);
    let manifest = ledger.manifest(last.header()).unwrap();
    let all = pages(&ledger, &manifest);
    let mut restored = restore(manifest, &all).unwrap();
    assert_eq!((restored.validators().len(), restored.validators()), (5, ledger.validators()));
    assert_eq!(restored.start(), last.header());
    let payment = invoice(&ledger, 2, 100);
    let one = epochs::post(&mut ledger, 1, vec![payment.clone()]);
    let other = epochs::post(&mut restored, 1, vec![payment]);
    assert_eq!(one.hash(), other.hash());
}
