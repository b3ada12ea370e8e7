//! Posts an entry: gives it the next voucher number and carries its postings into the records of
//! account, period and series. Cannot fail: sums are wider than any number of postings can fill.

use alloc::vec::Vec;

use super::{Planned, budget};
use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::entity::OrgNumber;
use crate::entry::{JournalEntry, Posting, Voucher};
use crate::postings::{self, CHAIN_START, ChainedPosting};
use crate::records::{AccountRecord, PeriodRecord, SeriesRecord};
use crate::registers::Draft;
use crate::time::{Date, Period};

/// Posts one entry of the transaction being executed.
pub(crate) fn post(draft: &mut Draft<'_>, planned: Planned, document: Option<u64>) -> JournalEntry {
    let Planned { entity, date, postings, reverses } = planned;
    let voucher = next_voucher(draft, entity, date.year());
    let entry = JournalEntry { entity, voucher, date, document, reverses, postings };
    let period = date.period();
    let mut sums = draft.find::<PeriodRecord>(&(entity, period)).cloned().unwrap_or(PeriodRecord {
        entity,
        period,
        closed: false,
        accounts: 0,
        postings: 0,
        debit: Total::default(),
        credit: Total::default(),
    });
    for chained in postings::chained(&entry, draft.leaf()) {
        sums.accounts += u64::from(carry(draft, entity, &chained));
        sums.postings += 1;
        add(&mut sums.debit, &mut sums.credit, chained.posting.amount);
    }
    // Rule L16: every period of every entity sums to zero, hence everything does.
    assert_eq!(sums.debit, sums.credit, "voucher {voucher} of {entity} leaves {period} out of balance");
    draft.put(sums);
    budget::carry(draft, &entry);
    entry
}

/// Rule L10: numbers without gaps per entity and year.
fn next_voucher(draft: &mut Draft<'_>, entity: OrgNumber, year: u16) -> Voucher {
    let number = draft.find::<SeriesRecord>(&(entity, year)).map_or(1, |series| series.next);
    draft.put(SeriesRecord { entity, year, next: number + 1 });
    Voucher { year, number }
}

/// Carries one posting into its account's record; says whether the record is new.
fn carry(draft: &mut Draft<'_>, entity: OrgNumber, chained: &ChainedPosting) -> bool {
    let (posting, period) = (&chained.posting, chained.date.period());
    let account = posting.account;
    let found = draft.find::<AccountRecord>(&(entity, account, period)).cloned();
    let new = found.is_none();
    let mut record = found.unwrap_or_else(|| AccountRecord {
        entity,
        account,
        period,
        opening: opening(draft, entity, account, period),
        count: 0,
        chain: CHAIN_START,
        debit: Total::default(),
        credit: Total::default(),
    });
    record.count += 1;
    record.chain = chained.chain(&record.chain);
    add(&mut record.debit, &mut record.credit, posting.amount);
    draft.put(record);
    move_later(draft, entity, posting, period);
    new
}

fn add(debit: &mut Total, credit: &mut Total, amount: Amount) {
    if amount.0 > 0 {
        debit.add(amount);
    } else {
        credit.0 -= i128::from(amount.0);
    }
}

/// The balance that a period begins with: that of the account's last earlier period with postings,
/// of the same year for an account that starts each year at zero.
fn opening(draft: &Draft<'_>, entity: OrgNumber, account: Account, period: Period) -> Total {
    draft
        .last_up_to::<AccountRecord>(&(entity, account, period))
        .filter(|last| (last.entity, last.account) == (entity, account))
        .filter(|last| account.carries_over() || last.period.year() == period.year())
        .map_or(Total::default(), AccountRecord::closing)
}

/// A posting into an earlier period moves the opening balance of every later one that has postings.
/// There are at most `BACK_PERIODS_MAX` of them (rule L9), and mostly none; how many one block moves
/// is bounded in `books`.
fn move_later(draft: &mut Draft<'_>, entity: OrgNumber, posting: &Posting, period: Period) {
    let account = posting.account;
    let mut last = if account.carries_over() { Date::MAX.period() } else { period.last_of_year() };
    let mut later: Vec<AccountRecord> = Vec::new();
    while let Some(record) = draft
        .last_up_to::<AccountRecord>(&(entity, account, last))
        .filter(|record| (record.entity, record.account) == (entity, account) && record.period > period)
    {
        last = record.period.previous();
        later.push(record.clone());
    }
    for mut record in later {
        record.opening.add(posting.amount);
        draft.put(record);
        draft.count_moved(1);
    }
}
