//! Chained postings: how "these are ALL postings of the account in the period" is proven.
//!
//! Each account record counts its postings and keeps the head of a hash chain over them, in order
//! of booking. Whoever holds the record (proven by [`crate::state_proof`]) and exactly that many
//! postings can tell whether one was withheld, altered, moved or added. The module leaves out the
//! record itself and what the sums must be.
//!
//! Invariant: "none" is a record with a count of zero, never an absent proof.

use bincode::{Decode, Encode};

use crate::amount::Total;
use crate::block::LeafIndex;
use crate::codec;
use crate::digest::Digest;
use crate::entry::{JournalEntry, Posting, Voucher};
use crate::time::Date;

/// The chain's head before the first posting.
pub const CHAIN_START: Digest = Digest([0; 32]);

/// A posting with where it comes from: what the chain hashes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChainedPosting {
    /// Voucher of the entry.
    pub voucher: Voucher,
    /// Posting date of the entry.
    pub date: Date,
    /// Leaf of the log that holds the entry.
    pub leaf: LeafIndex,
    /// Position of the posting within the entry, from 0.
    pub line: u16,
    /// The posting.
    pub posting: Posting,
}

impl ChainedPosting {
    /// The head after this posting: `SHA-256("hovedbok/v1/posting" ‖ previous ‖ encoding)`.
    pub fn chain(&self, previous: &Digest) -> Digest {
        posting_chain(previous, &codec::encode(self))
    }
}

/// The head after the posting with these canonical bytes.
pub fn posting_chain(previous: &Digest, posting_bytes: &[u8]) -> Digest {
    Digest::of(&[b"hovedbok/v1/posting", &previous.0, posting_bytes])
}

/// Postings that are not all of an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostingsError {
    /// More or fewer than the record counts.
    #[error("{found} postings given, the account record counts {expected}; fetch all of them")]
    Count {
        /// What the record counts.
        expected: u64,
        /// How many are given.
        found: u64,
    },
    /// As many, but not those.
    #[error(
        "these {count} postings are not the ones in the account record: one was altered, exchanged or moved; fetch them again, from another node"
    )]
    Chain {
        /// How many were given.
        count: u64,
    },
}

/// Checks that these are all `count` postings that lead to `head`, in order, and adds them up.
/// Returns the sum of debits and the sum of credits, both as positive numbers.
///
/// # Errors
/// [`PostingsError`].
pub fn verify_postings(
    head: &Digest,
    count: u64,
    postings: &[ChainedPosting],
) -> Result<(Total, Total), PostingsError> {
    let found = postings.len() as u64;
    if found != count {
        return Err(PostingsError::Count { expected: count, found });
    }
    if postings.iter().fold(CHAIN_START, |previous, posting| posting.chain(&previous)) != *head {
        return Err(PostingsError::Chain { count });
    }
    let (mut debit, mut credit) = (Total::default(), Total::default());
    for ChainedPosting { posting, .. } in postings {
        let side = if posting.amount.0 > 0 { &mut debit } else { &mut credit };
        side.add(posting.amount);
    }
    Ok((debit, Total(-credit.0)))
}

/// The postings of an entry as they are chained, each to its own account's chain.
pub fn chained(entry: &JournalEntry, leaf: LeafIndex) -> impl Iterator<Item = ChainedPosting> + '_ {
    entry.postings.iter().zip(0u16..).map(move |(posting, line)| ChainedPosting {
        voucher: entry.voucher,
        date: entry.date,
        leaf,
        line,
        posting: posting.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::amount::Amount;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn posting(number: u64, ore: i64) -> ChainedPosting {
        ChainedPosting {
            voucher: Voucher { year: 2026, number },
            date: Date::new(20_260_304).unwrap(),
            leaf: LeafIndex(number * 3),
            line: 1,
            posting: Posting::new(Account::private(2400), Amount(ore)),
        }
    }

    fn head(postings: &[ChainedPosting]) -> Digest {
        postings.iter().fold(CHAIN_START, |previous, posting| posting.chain(&previous))
    }

    #[test]
    fn a_withheld_an_exchanged_and_an_added_posting_are_noticed() {
        let all: Vec<_> =
            [1_250_000, -400, -12_345, 7].iter().zip(1..).map(|(o, i)| posting(i, *o)).collect();
        let head = head(&all);
        assert_eq!(verify_postings(&head, 4, &all), Ok((Total(1_250_007), Total(12_745))));
        assert_eq!(
            verify_postings(&head, 4, &all[..3]).unwrap_err().to_string(),
            "3 postings given, the account record counts 4; fetch all of them"
        );
        let mut altered = all.clone();
        altered[1].posting.amount = Amount(-401);
        assert_eq!(verify_postings(&head, 4, &altered), Err(PostingsError::Chain { count: 4 }));
        // The counts agree, but a shorter history is not the longer one's.
        assert!(verify_postings(&head, 3, &all[..3]).is_err());
        assert!(verify_postings(&head, 0, &[]).is_err());
        assert_eq!(verify_postings(&CHAIN_START, 0, &[]), Ok((Total(0), Total(0))));
    }

    proptest! {
        #[test]
        fn no_other_list_of_postings_leads_to_the_head(
            ores in proptest::collection::vec(-9i64..9, 1..12), at in 0usize..12, other in 0usize..12
        ) {
            let all: Vec<_> = ores.iter().zip(1..).map(|(o, i)| posting(i, *o)).collect();
            let (head, count) = (head(&all), all.len() as u64);
            let (at, other) = (at % all.len(), other % all.len());
            let mut swapped = all.clone();
            swapped.swap(at, other);
            prop_assert_eq!(verify_postings(&head, count, &swapped).is_ok(), at == other);
            let mut repeated = all.clone();
            repeated[at] = all[other].clone();
            prop_assert_eq!(verify_postings(&head, count, &repeated).is_ok(), at == other);
            let mut moved = all.clone();
            moved[at].leaf = LeafIndex(moved[at].leaf.0 + 1);
            prop_assert!(verify_postings(&head, count, &moved).is_err());
        }
    }
}
