//! A second model of the books, on nothing but the postings that the log's leaves carry: each entry
//! balances, what A is owed by B is what B owes A, vouchers have no gap, and an account is the count
//! and the two sums of its postings.

use std::collections::BTreeMap;

use ledger::account::{Account, Class};
use ledger::books::Ledger;
use ledger::entity::OrgNumber;
use ledger::entry::JournalEntry;
use ledger::records::AccountRecord;
use ledger::time::Period;

/// Count, debit, credit.
type Sums = (u64, i128, i128);

/// See the module.
#[derive(Default)]
pub(super) struct Books {
    accounts: BTreeMap<(OrgNumber, Account, Period), Sums>,
    receivable: BTreeMap<(OrgNumber, OrgNumber), i128>,
    payable: BTreeMap<(OrgNumber, OrgNumber), i128>,
    vouchers: BTreeMap<(OrgNumber, u16), u64>,
}

impl Books {
    pub(super) fn post(&mut self, entry: &JournalEntry) {
        let voucher = self.vouchers.entry((entry.entity, entry.voucher.year)).or_default();
        *voucher += 1;
        assert_eq!(entry.voucher.number, *voucher, "vouchers of {} have a gap", entry.entity);
        let mut balance = 0;
        for posting in &entry.postings {
            let amount = i128::from(posting.amount.0);
            balance += amount;
            let key = (entry.entity, posting.account, entry.date.period());
            let (count, debit, credit) = self.accounts.entry(key).or_default();
            *count += 1;
            *debit += amount.max(0);
            *credit += (-amount).max(0);
            let Some(other) = posting.counterparty else { continue };
            match (posting.account.class, posting.account.code) {
                (Class::Balance, 35) | (Class::Private, 2400) => {
                    *self.payable.entry((entry.entity, other)).or_default() -= amount;
                }
                (Class::Balance, 13) | (Class::Private, 1500) => {
                    *self.receivable.entry((other, entry.entity)).or_default() += amount;
                }
                _ => {}
            }
        }
        assert_eq!(balance, 0, "debit and credit of voucher {} of {} differ", voucher, entry.entity);
    }

    /// Between entities that both keep books here.
    pub(super) fn check(&self) {
        assert_eq!(self.payable, self.receivable, "payable(B, A) and receivable(A, B) differ");
    }

    /// A ledger's accounts are these, no more and no less.
    pub(super) fn check_accounts(&self, ledger: &Ledger) {
        assert_eq!(ledger.count::<AccountRecord>(), self.accounts.len() as u64, "account records");
        for ((entity, account, period), sums) in &self.accounts {
            let record = ledger.find::<AccountRecord>(&(*entity, *account, *period));
            let record = record.map(|record| (record.count, record.debit.0, record.credit.0));
            assert_eq!(record, Some(*sums), "{entity} {account} {period}");
        }
    }
}
