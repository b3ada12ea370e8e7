//! The registers against a plain list, whose root is computed by the definition of RFC 6962.

use alloc::collections::BTreeMap;
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::records::SeriesRecord;
use crate::tree::{empty_root, leaf_hash, node_hash, verify_inclusion};

fn record(year: u16, next: u64) -> SeriesRecord {
    SeriesRecord { entity: OrgNumber::new(964_965_226).unwrap(), year, next }
}

fn key(year: u16) -> (OrgNumber, u16) {
    record(year, 0).key()
}

/// RFC 6962 section 2.1, word for word.
fn definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node_hash(&definition(left), &definition(right))
        }
    }
}

/// A register without any cleverness.
#[derive(Clone, Default)]
struct Plain(Vec<SeriesRecord>);

impl Plain {
    fn put(&mut self, record: SeriesRecord) -> u64 {
        let place = self.0.iter().position(|old| old.year == record.year).unwrap_or(self.0.len());
        match self.0.get_mut(place) {
            Some(old) => *old = record,
            None => self.0.push(record),
        }
        place as u64
    }

    fn root(&self) -> Digest {
        definition(&self.0.iter().map(|record| leaf_hash(&codec::encode(record))).collect::<Vec<_>>())
    }
}

fn draft<'a>(base: &'a Registers, below: &'a [Arc<Layer>]) -> Draft<'a> {
    let chain = Digest([0; 32]);
    Draft::new(base, below, Place { chain, time: Timestamp(1), height: Height(1), leaf: LeafIndex(2) })
}

fn check(draft: &Draft<'_>, plain: &Plain) {
    assert_eq!(draft.len::<SeriesRecord>(), plain.0.len() as u64);
    for (index, record) in (0..).zip(&plain.0) {
        assert_eq!(draft.index_of::<SeriesRecord>(&record.key()), Some(index));
        assert_eq!(draft.get::<SeriesRecord>(index), Some(record));
        assert_eq!(draft.find(&record.key()), Some(record));
    }
    assert_eq!(draft.get::<SeriesRecord>(plain.0.len() as u64), None);
    let sorted: BTreeMap<u16, &SeriesRecord> = plain.0.iter().map(|record| (record.year, record)).collect();
    for year in 0..70 {
        let expected = sorted.range(..=year).next_back().map(|(_, record)| *record);
        assert_eq!(draft.last_up_to::<SeriesRecord>(&key(year)), expected);
    }
}

proptest! {
    #[test]
    fn a_staged_chain_reads_and_hashes_as_the_same_writes_made_directly(
        blocks in prop::collection::vec(prop::collection::vec((0u16..64, 0u64..9), 0..12), 1..24),
        posts in prop::collection::vec(any::<u8>(), 24),
    ) {
        let (mut base, mut plain) = (Registers::default(), Plain::default());
        // Newest first, as a draft reads them.
        let mut staged: Vec<Arc<Layer>> = Vec::new();
        for (writes, post) in blocks.iter().zip(&posts) {
            let mut draft = draft(&base, &staged);
            for (year, next) in writes {
                prop_assert_eq!(draft.put(record(*year, *next)), plain.put(record(*year, *next)));
            }
            check(&draft, &plain);
            let layer = draft.seal();
            prop_assert_eq!(SeriesRecord::delta(&layer).root(), plain.root());
            staged.insert(0, Arc::new(layer));
            match post % 4 {
                0 => {
                    // The oldest becomes final.
                    if let Some(layer) = staged.pop() {
                        base.fold(&layer);
                    }
                }
                1 if staged.len() > 1 => {
                    // The two oldest are merged while both wait.
                    let (oldest, next) = (staged.pop().unwrap(), staged.pop().unwrap());
                    let mut merged = Layer::clone(&oldest);
                    merged.absorb(&next);
                    staged.push(Arc::new(merged));
                }
                _ => {}
            }
        }
        while let Some(layer) = staged.pop() {
            base.fold(&layer);
        }
        check(&draft(&base, &[]), &plain);
        let register = SeriesRecord::register(&base);
        prop_assert_eq!(register.root(), plain.root());
        for (index, record) in (0..).zip(&plain.0) {
            let proof = register.prove(&record.key()).unwrap();
            prop_assert_eq!(proof.index, index);
            let leaf = leaf_hash(&proof.record);
            let verdict = verify_inclusion(&leaf, index, register.len(), &proof.path, &register.root());
            prop_assert_eq!(verdict, Ok(()));
            prop_assert_eq!(proof.record, codec::encode(record));
        }
    }
}

#[test]
fn two_blocks_on_one_parent_do_not_see_each_other() {
    let mut base = Registers::default();
    let mut parent = draft(&base, &[]);
    parent.put(record(2026, 1));
    let parent = [Arc::new(parent.seal())];
    let sibling = |year, next| {
        let mut draft = draft(&base, &parent);
        assert_eq!(draft.find(&key(2026)), Some(&record(2026, 1)));
        assert_eq!(draft.find::<SeriesRecord>(&key(2027)), None);
        draft.put(record(2026, next));
        draft.put(record(year, next));
        draft.seal()
    };
    let (left, right) = (sibling(2027, 5), sibling(2028, 6));
    assert_ne!(SeriesRecord::delta(&left).root(), SeriesRecord::delta(&right).root());
    base.fold(&parent[0]);
    base.fold(&right);
    let register = SeriesRecord::register(&base);
    assert_eq!(register.root(), Plain(vec![record(2026, 6), record(2028, 6)]).root());
    assert_eq!(register.find(&key(2027)), None);
}

#[test]
fn a_register_without_records_has_the_root_of_the_empty_tree_and_proves_nothing() {
    let base = Registers::default();
    let register = SeriesRecord::register(&base);
    assert!(register.is_empty());
    assert_eq!(register.root(), empty_root());
    assert!(register.prove(&key(2026)).is_none());
    let layer = draft(&base, &[]).seal();
    let roots = layer.roots();
    assert!(roots.iter().all(|register| (register.length, register.root) == (0, empty_root())));
    assert_eq!(roots[usize::from(SeriesRecord::PLACE)].name.as_str(), "series");
}

#[test]
fn a_table_longer_than_a_chunk_keeps_every_item_in_its_place() {
    let mut base = Registers::default();
    let mut writing = draft(&base, &[]);
    for year in 0..10_000 {
        assert_eq!(writing.put(record(year, 0)), u64::from(year));
    }
    let layer = writing.seal();
    base.fold(&layer);
    let register = SeriesRecord::register(&base);
    assert_eq!(register.root(), Plain(register.iter().cloned().collect()).root());
    assert!((0..10_000).all(|year| register.get(u64::from(year)) == Some(&record(year, 0))));
    let years = register.range(key(4090)..key(4100)).map(|(index, record)| (index, record.year));
    assert!(years.eq((4090..4100).map(|year| (u64::from(year), year))));
}

/// `cargo test --release -p ledger --lib -- --ignored --nocapture what_a_write_costs`
#[test]
#[ignore = "a measurement: prints what writes cost in long registers"]
fn what_a_write_costs_does_not_grow_with_the_register() {
    extern crate std;
    use crate::records::PaymentRecord;
    use crate::transaction::{PaymentId, TransactionId};
    use std::time::Instant;

    const BLOCK: u64 = 4000;
    let payment = |i: u64, leaf: u64| {
        let number = Digest::of(&[&i.to_le_bytes()]).0[..16].try_into().unwrap();
        let id = PaymentId { submitter: OrgNumber::new(964_965_226).unwrap(), number };
        PaymentRecord { id, transaction: TransactionId(Digest([7; 32])), leaf: LeafIndex(leaf) }
    };
    let begun = Instant::now();
    let mut probe = Digest::default();
    for _ in 0..200_000 {
        probe = node_hash(&probe, &probe);
    }
    let hash_ns = begun.elapsed().as_nanos() / 200_000;
    std::println!("one node hash {hash_ns} ns");
    let mut base = Registers::default();
    let mut length = 0u64;
    for target in [10_000u64, 100_000, 1_000_000, 4_000_000] {
        while length < target {
            let mut filling = draft(&base, &[]);
            for i in length..(length + BLOCK).min(target) {
                filling.put(payment(i, 0));
            }
            length = filling.len::<PaymentRecord>();
            let layer = filling.seal();
            base.fold(&layer);
        }
        let mut figures = Vec::new();
        for appended in [true, false] {
            let records: Vec<PaymentRecord> = (0..BLOCK)
                .map(|i| if appended { payment(length + i, 1) } else { payment(i * 7919 % length, 2) })
                .collect();
            let mut writing = draft(&base, &[]);
            let begun = Instant::now();
            for record in records {
                writing.put(record);
            }
            let put = begun.elapsed().as_nanos() / u128::from(BLOCK);
            let begun = Instant::now();
            let layer = writing.seal();
            let seal = begun.elapsed().as_nanos() / u128::from(BLOCK);
            let begun = Instant::now();
            base.fold(&layer);
            let fold = begun.elapsed().as_nanos() / u128::from(BLOCK);
            figures.push((put, seal, fold, (put + seal + fold) / hash_ns));
            length = PaymentRecord::register(&base).len();
        }
        std::println!(
            "{target:>9} records, per write in a block of {BLOCK}, in ns: write, hash, fold, all in node hashes"
        );
        std::println!("    append {:?}\n    replace {:?}", figures[0], figures[1]);
        // The dearest case: a block all over the register, right after the registers were held still.
        let mut writing = draft(&base, &[]);
        for i in 0..BLOCK {
            writing.put(payment(i * 7919 % length, 3));
        }
        let layer = writing.seal();
        let begun = Instant::now();
        let still = base.still();
        let held = begun.elapsed();
        let begun = Instant::now();
        base.fold(&layer);
        let folded = begun.elapsed();
        std::println!("    held still in {held:?}, the whole fold of the next such block {folded:?}");
        drop(still);
    }
}
