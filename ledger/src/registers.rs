//! Registers: all that decides what the ledger does next, as dense tables of typed records.
//!
//! A register is append-only in its indexes: a record may be replaced by one with the same key, an
//! index never moves and nothing is deleted. Its commitment is an RFC 6962-shaped tree over the
//! records' leaf hashes in index order, so that one path proves what a record says. What is staged
//! but not finalized lies in [`Layer`]s above the finalized [`Registers`]; a [`Draft`] reads through
//! them and writes only to its own. Whether a write is lawful is for `rules` to say.
//!
//! Invariant: the cost of a read, a write, a root or a fold grows with the logarithm of a register's
//! length, never with the length.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::block::{Height, LeafIndex};
use crate::books::Change;
use crate::codec::{self, Decode, Encode};
use crate::digest::Digest;
use crate::records::{
    AccountRecord, AppropriationRecord, BankEntryRecord, BudgetRecord, CodeRecord, DocumentRecord,
    EntityRecord, EntryRecord, EpochRecord, KeyRecord, OffenceRecord, ParameterRecord, PaymentRecord,
    PeriodRecord, RootRecord, SeatRecord, SeriesRecord,
};
use crate::state_proof::RegisterRoot;
use crate::time::Timestamp;

mod delta;
mod dense;
mod page;
mod register;

pub use delta::Delta;
pub use page::{PAGE_RECORDS, Page, PageError};
pub use register::Register;

/// One kind of record, found by its key.
pub trait Record: Encode + Decode<()> + Clone + 'static {
    /// What tells records of a register apart; its order is the order of ranges.
    type Key: Ord + Clone + fmt::Debug + 'static;
    /// Name of the register, as `specs/formats.md` writes it.
    const REGISTER: &'static str;
    /// The record's key; replacing a record never changes it.
    fn key(&self) -> Self::Key;
}

/// A record type that has its register among [`Registers`].
pub trait Stored: Record {
    /// Its place in the list that `state_root` hashes, from 0.
    const PLACE: u8;
    /// Its finalized register.
    fn register(registers: &Registers) -> &Register<Self>;
    /// Its finalized register, to fold a block into.
    fn register_mut(registers: &mut Registers) -> &mut Register<Self>;
    /// What a staged block changed in it.
    fn delta(layer: &Layer) -> &Delta<Self>;
    /// What a staged block changes in it.
    fn delta_mut(layer: &mut Layer) -> &mut Delta<Self>;
}

/// Declares the registers once, in the order in which `state_root` lists them.
macro_rules! registers {
    ($($(#[$doc:meta])* $field:ident: $record:ty,)*) => {
        /// The finalized registers.
        #[derive(Default)]
        pub struct Registers {
            $($(#[$doc])* $field: Register<$record>,)*
        }

        /// What one block, or a run of blocks, changed in every register.
        #[derive(Clone)]
        pub struct Layer {
            $($field: Delta<$record>,)*
        }

        #[allow(non_camel_case_types)]
        enum Position {
            $($field,)*
        }

        $(impl Stored for $record {
            const PLACE: u8 = Position::$field as u8;
            fn register(registers: &Registers) -> &Register<Self> {
                &registers.$field
            }
            fn register_mut(registers: &mut Registers) -> &mut Register<Self> {
                &mut registers.$field
            }
            fn delta(layer: &Layer) -> &Delta<Self> {
                &layer.$field
            }
            fn delta_mut(layer: &mut Layer) -> &mut Delta<Self> {
                &mut layer.$field
            }
        })*

        impl Registers {
            /// Name, length and root of each register, in the order that `state_root` hashes.
            pub fn roots(&self) -> Vec<RegisterRoot> {
                [$(RegisterRoot::new(<$record>::REGISTER, self.$field.len(), self.$field.root()),)*].into()
            }

            /// One page of the register at a place; `None` past the end.
            pub(crate) fn page(&self, place: u8, number: u64) -> Option<Page> {
                $(if place == <$record>::PLACE {
                    return self.$field.page(place, number);
                })*
                None
            }

            /// The registers as they are now, for [`Registers::page`] and [`Registers::roots`] alone.
            pub(crate) fn still(&self) -> Self {
                Self { $($field: self.$field.still(),)* }
            }

            /// Appends a page, which is verified, to its register. [`Registers::rebuild`] follows the last.
            pub(crate) fn take(&mut self, page: &Page) -> Result<(), PageError> {
                $(if page.register == <$record>::PLACE {
                    return self.$field.take(page);
                })*
                Err(PageError::Unwanted { register: page.register, number: page.number })
            }

            /// Computes the trees over records that were taken by pages.
            pub(crate) fn rebuild(&mut self) {
                $(self.$field.rebuild();)*
            }

            /// Makes a staged block final. The layer was sealed on exactly these registers.
            pub(crate) fn fold(&mut self, layer: &Layer) {
                $(self.$field.fold(&layer.$field);)*
            }
        }

        impl Layer {
            fn above(base: &Registers, below: &[Arc<Layer>]) -> Self {
                match below.first() {
                    Some(parent) => Self { $($field: Delta::after(parent.$field.len(), parent.$field.root()),)* },
                    None => Self { $($field: Delta::after(base.$field.len(), base.$field.root()),)* },
                }
            }

            fn seal(&mut self, base: &Registers, below: &[Arc<Layer>]) {
                $(self.$field.seal(&base.$field, || below.iter().map(|layer| &layer.$field));)*
            }

            /// Name, length and root of each register after the layer.
            pub fn roots(&self) -> Vec<RegisterRoot> {
                [$(RegisterRoot::new(<$record>::REGISTER, self.$field.len(), self.$field.root()),)*].into()
            }

            /// Every record written, by register and index.
            pub(crate) fn changes(&self) -> Vec<Change> {
                let mut changes = Vec::new();
                $(changes.extend(self.$field.records().map(|(index, record)| Change {
                    register: <$record>::REGISTER,
                    index,
                    key: alloc::format!("{:?}", record.key()),
                    record: codec::encode(record),
                }));)*
                changes
            }

            /// Adds what a later layer, sealed right above this one, changed.
            pub(crate) fn absorb(&mut self, later: &Layer) {
                $(self.$field.absorb(&later.$field);)*
            }
        }
    };
}

registers! {
    /// Limits and switches of the chain.
    parameters: ParameterRecord,
    /// Who keeps books or stands on the other side of a document.
    entities: EntityRecord,
    /// Keys, their holders and mandates.
    keys: KeyRecord,
    /// Dated code lists, rates and booking rules.
    codes: CodeRecord,
    /// Per entity, account and period: the count, chain and sums of the postings.
    accounts: AccountRecord,
    /// Per entity and period: open or closed.
    periods: PeriodRecord,
    /// Per entity and year: the last voucher number.
    series: SeriesRecord,
    /// Invoices and credit notes and where they stand.
    documents: DocumentRecord,
    /// Payment ids that are used.
    payments: PaymentRecord,
    /// Bank references that are used.
    bank_entries: BankEntryRecord,
    /// Epochs, and where in the chain and the log they begin.
    epochs: EpochRecord,
    /// The validators of every epoch.
    seats: SeatRecord,
    /// The log after each of the last blocks.
    roots: RootRecord,
    /// Offences that were proven.
    offences: OffenceRecord,
    /// Entries made by hand, and whether they were reversed.
    entries: EntryRecord,
    /// Budgets, by entity and year.
    budgets: BudgetRecord,
    /// What was appropriated, and what is booked on it.
    appropriations: AppropriationRecord,
}

/// The registers as one block sees them while it is executed: reads go through the staged parents
/// to the finalized registers, writes stay in the draft until the block is sealed.
pub struct Draft<'a> {
    base: &'a Registers,
    below: &'a [Arc<Layer>],
    own: Layer,
    place: Place,
    moved: u64,
}

/// Where in which chain a draft is executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Genesis hash of the chain.
    pub(crate) chain: Digest,
    /// Time of the block.
    pub(crate) time: Timestamp,
    /// Height of the block.
    pub(crate) height: Height,
    /// Where the next transaction will stand in the log.
    pub(crate) leaf: LeafIndex,
}

impl<'a> Draft<'a> {
    /// A draft on top of `below`, newest first, which lie on `base`.
    pub(crate) fn new(base: &'a Registers, below: &'a [Arc<Layer>], place: Place) -> Self {
        Self { base, below, own: Layer::above(base, below), place, moved: 0 }
    }

    fn deltas<R: Stored>(&self) -> impl Iterator<Item = &Delta<R>> {
        core::iter::once(&self.own).chain(self.below.iter().map(|layer| &**layer)).map(R::delta)
    }

    /// Index of the record with this key.
    pub fn index_of<R: Stored>(&self, key: &R::Key) -> Option<u64> {
        self.deltas::<R>()
            .find_map(|delta| delta.index_of(key))
            .or_else(|| R::register(self.base).index_of(key))
    }

    /// The record at this index.
    pub fn get<R: Stored>(&self, index: u64) -> Option<&R> {
        self.deltas::<R>().find_map(|delta| delta.get(index)).or_else(|| R::register(self.base).get(index))
    }

    /// The record with this key.
    pub fn find<R: Stored>(&self, key: &R::Key) -> Option<&R> {
        self.get(self.index_of::<R>(key)?)
    }

    /// The record with the greatest key that is not greater than this one, such as the entry of a
    /// dated list in force on a day. The caller compares what of the key must be equal.
    pub fn last_up_to<R: Stored>(&self, key: &R::Key) -> Option<&R> {
        let staged = self.deltas::<R>().filter_map(|delta| delta.last_up_to(key));
        let (_, index) = staged.chain(R::register(self.base).last_up_to(key)).max_by_key(|(key, _)| *key)?;
        self.get(index)
    }

    /// Number of records in the register.
    #[expect(clippy::len_without_is_empty, reason = "a draft is no collection; nobody asks")]
    pub fn len<R: Stored>(&self) -> u64 {
        R::delta(&self.own).len()
    }

    /// Appends the record, or replaces the one with its key; returns the index.
    pub fn put<R: Stored>(&mut self, record: R) -> u64 {
        match self.index_of::<R>(&record.key()) {
            Some(index) => {
                R::delta_mut(&mut self.own).replace(index, record);
                index
            }
            None => R::delta_mut(&mut self.own).append(record),
        }
    }

    /// Genesis hash of the chain.
    pub fn chain(&self) -> &Digest {
        &self.place.chain
    }

    /// Time of the block.
    pub fn time(&self) -> Timestamp {
        self.place.time
    }

    /// Height of the block.
    pub fn height(&self) -> Height {
        self.place.height
    }

    /// Where the transaction being executed will stand in the log.
    pub fn leaf(&self) -> LeafIndex {
        self.place.leaf
    }

    /// How many later account records late postings have moved in this block, and what else counts
    /// as so many.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Counts later account records that a late posting moved, or work that takes as long.
    pub(crate) fn count_moved(&mut self, records: u64) {
        self.moved += records;
    }

    /// Moves on to the next transaction.
    pub(crate) fn next_leaf(&mut self) {
        self.place.leaf = self.place.leaf.next();
    }

    /// Computes the roots; nothing is written after it.
    pub(crate) fn seal(mut self) -> Layer {
        self.own.seal(self.base, self.below);
        self.own
    }
}

#[cfg(test)]
mod tests;
