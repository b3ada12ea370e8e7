//! Rules: whether the ledger books a transaction, and what booking it changes.
//!
//! [`check`] decides everything and changes nothing; [`apply`] carries out what was decided and
//! cannot fail. The checks run in the order that `specs/ledger.md` lists them and the first refusal
//! wins, so that every validator gives the same one. The module leaves out the form of transactions
//! and their signatures (`transaction`) and the accounts an entry uses (`booking`).
//!
//! Invariant: a [`Plan`] exists only because `check` found no rule against it on that draft.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::block::Height;
use crate::booking::{self, Parties, Planned, post};
use crate::certificate::ValidatorSet;
use crate::codes;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::entry::{EntryError, JournalEntry};
use crate::governance::Recovery;
use crate::records::{
    AppropriationRecord, BankEntryRecord, BudgetRecord, DocumentRecord, EntityRecord, EntryRecord,
    EpochRecord, KeyRecord, OffenceRecord, ParameterRecord, PaymentRecord, PeriodRecord,
};
use crate::refusal::{GovernanceRefusal, Refusal};
use crate::registers::Draft;
use crate::time::Date;
use crate::transaction::{
    Cell, DocumentId, Mandate, Operation, PaymentId, Role, TransactionId, VerifiedTransaction,
};

mod budget;
mod document;
mod governance;
mod hand;
mod netting;
mod parties;
mod payment;
mod period;
mod vat;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use governance::{check_recovery, seat};
pub use payment::end_to_end_id;

/// What booking one transaction changes. Good for the draft it was made on and no other.
#[derive(Clone, Debug)]
pub struct Plan {
    id: PaymentId,
    transaction: TransactionId,
    effect: Effect,
    entries: Vec<Planned>,
}

/// The records that change besides those of accounts, periods and series.
#[derive(Clone, Debug)]
enum Effect {
    /// An entity is registered or its books are opened.
    Entity(EntityRecord),
    /// A key is granted mandates or revoked.
    Key(KeyRecord),
    /// A period is closed.
    Period(PeriodRecord),
    /// A document is registered.
    Registration {
        document: Box<DocumentRecord>,
        /// The invoice that a credit note is set off against.
        invoice: Option<Box<DocumentRecord>>,
    },
    /// A document takes a step.
    Step {
        document: Box<DocumentRecord>,
        /// The bank entry that the step uses.
        bank: Option<Digest>,
    },
    /// What a document booked is reversed, and may be booked anew.
    Correction { document: Box<DocumentRecord> },
    /// An entry is made by hand.
    Entry {
        entity: OrgNumber,
        digest: Digest,
        /// The bank entry that it uses.
        bank: Option<Digest>,
    },
    /// An entry made by hand is reversed.
    EntryReversal(EntryRecord),
    /// A part of a budget is taken.
    Budget {
        budget: BudgetRecord,
        /// The version that the part belongs to.
        version: u32,
        cells: Vec<(Cell, Amount)>,
    },
    /// A document is approved under a budget.
    Approval {
        document: Box<DocumentRecord>,
        /// The appropriations that it goes beyond.
        beyond: Vec<AppropriationRecord>,
    },
    /// Claims of two parties on each other cancel out.
    Netting { documents: [Box<DocumentRecord>; 2] },
    /// The epoch ends.
    Epoch {
        /// Who validates next.
        validators: Box<ValidatorSet>,
        /// Whether the epoch that ends has failed.
        recovery: bool,
    },
    /// An offence is proven.
    Offence(OffenceRecord),
}

impl Plan {
    /// The set that is in force once the block is posted, if the transaction ends the epoch.
    pub(crate) fn next_set(&self) -> Option<&ValidatorSet> {
        match &self.effect {
            Effect::Epoch { validators, .. } => Some(validators),
            _ => None,
        }
    }
}

/// Decides whether the transaction may be booked on this draft.
///
/// # Errors
/// The first [`Refusal`] in the order of `specs/ledger.md`.
pub fn check(draft: &Draft<'_>, transaction: &VerifiedTransaction) -> Result<Plan, Refusal> {
    let id = unused(draft, transaction)?;
    let case = || Case::new(draft, transaction);
    let (effect, entries) = match &transaction.transaction().operation {
        Operation::RegisterEntity(entity) => parties::register(&case()?, entity)?,
        Operation::GrantKey(granted) => parties::grant(&case()?, granted)?,
        Operation::RevokeKey { key } => parties::revoke(&case()?, key)?,
        Operation::OpenBooks { entity, date, lines } => period::open(&case()?, *entity, *date, lines)?,
        Operation::RegisterDocument(document) => document::register(&case()?, document)?,
        Operation::Attest { document } => document::attest(&case()?, document)?,
        Operation::Approve { document } => document::approve(&case()?, document)?,
        Operation::OrderPayment { document, amount } => payment::order(&case()?, document, *amount)?,
        Operation::SettlePayment { document, amount, date, bank } => {
            payment::settle(&case()?, document, *amount, *date, bank)?
        }
        Operation::RejectPayment { document, reason, bank } => {
            payment::reject(&case()?, document, *reason, bank)?
        }
        Operation::ReturnPayment { document, amount, date, reason, bank } => {
            payment::give_back(&case()?, document, *amount, *date, *reason, bank)?
        }
        Operation::ClosePeriod { entity, period } => period::close(&case()?, *entity, *period)?,
        Operation::Enter(entry) => hand::enter(&case()?, entry)?,
        Operation::ReverseEntry { voucher, entry, correction } => {
            hand::reverse(&case()?, *voucher, entry, correction)?
        }
        Operation::Recode { coded, lines, correction } => hand::recode(&case()?, coded, lines, correction)?,
        Operation::Cancel { coded, correction } => hand::cancel(&case()?, coded, correction)?,
        Operation::AdoptBudget(part) => budget::adopt(&case()?, part)?,
        Operation::ApproveCovered { coded, duty } => budget::approve(&case()?, coded, duty.as_ref())?,
        Operation::NetClaims { one, other, amount, date } => {
            netting::net(&case()?, one, other, *amount, *date)?
        }
        // The signers of these are validators, who need no mandate.
        Operation::ChangeValidators(change) => governance::change(draft, transaction, change)?,
        Operation::ReportOffence(offence) => governance::report(draft, transaction, offence)?,
        Operation::Recover(Recovery { epoch, .. }) => {
            return Err(GovernanceRefusal::RecoveryElsewhere { epoch: *epoch }.into());
        }
    };
    for Planned { entity, postings, .. } in &entries {
        let (debit, credit) = JournalEntry::totals(postings);
        if debit != credit {
            return Err(EntryError::Unbalanced { entity: *entity, debit, credit }.into());
        }
    }
    Ok(Plan { id, transaction: transaction.id(), effect, entries })
}

/// Rule L6: the payment id is free.
fn unused(draft: &Draft<'_>, transaction: &VerifiedTransaction) -> Result<PaymentId, Refusal> {
    let id = transaction.transaction().id;
    let Some(used) = draft.find::<PaymentRecord>(&id) else { return Ok(id) };
    let (earlier, leaf) = (used.transaction, used.leaf);
    Err(if earlier == transaction.id() {
        Refusal::AlreadyPosted { id, transaction: earlier, leaf }
    } else {
        Refusal::IdConflict { id, transaction: earlier, leaf }
    })
}

/// Books what [`check`] allowed on this very draft, and returns the entries in their order.
pub fn apply(draft: &mut Draft<'_>, plan: Plan) -> Vec<JournalEntry> {
    let Plan { id, transaction, effect, entries } = plan;
    let leaf = draft.leaf();
    draft.put(PaymentRecord { id, transaction, leaf });
    let document = match &effect {
        Effect::Registration { document, .. }
        | Effect::Step { document, .. }
        | Effect::Correction { document } => {
            let known = draft.index_of::<DocumentRecord>(&document.id);
            Some(known.unwrap_or_else(|| draft.len::<DocumentRecord>()))
        }
        _ => None,
    };
    let entries: Vec<JournalEntry> =
        entries.into_iter().map(|planned| post(draft, planned, document)).collect();
    let voucher = |entity: OrgNumber| entries.iter().find(|e| e.entity == entity).map(|e| e.voucher);
    match effect {
        Effect::Entity(record) => drop(draft.put(record)),
        Effect::Key(record) => drop(draft.put(record)),
        Effect::Period(record) => drop(draft.put(record)),
        Effect::Epoch { validators, recovery } => {
            // Leaves after the block: this one, the next epoch's and the seal. A recovery block stands
            // in the new epoch itself.
            let (after, size) = match recovery {
                false => (draft.height(), leaf.0 + 3),
                true => (Height(draft.height().0.saturating_sub(1)), leaf.0),
            };
            let (epoch, digest) = (validators.epoch, validators.digest());
            let record = EpochRecord { epoch, after, size, validators: digest, recovery };
            seat(draft, record, &validators.validators);
        }
        Effect::Offence(record) => {
            draft.count_moved(governance::REPORT_MOVES);
            draft.put(record);
        }
        Effect::Registration { mut document, invoice } => {
            document.leaf = leaf;
            document.buyer_voucher = voucher(document.buyer);
            document.seller_voucher = voucher(document.id.seller);
            draft.put(*document);
            if let Some(invoice) = invoice {
                draft.put(*invoice);
            }
        }
        Effect::Step { mut document, bank } => {
            document.buyer_payment_voucher = voucher(document.buyer).or(document.buyer_payment_voucher);
            document.seller_payment_voucher = voucher(document.id.seller).or(document.seller_payment_voucher);
            let entity = document.buyer;
            let document = draft.put(*document);
            if let Some(entry) = bank {
                draft.put(BankEntryRecord { entity, entry, document: Some(document) });
            }
        }
        Effect::Correction { mut document } => {
            let last = |of: OrgNumber| entries.iter().rev().find(|e| e.entity == of).map(|e| e.voucher);
            document.buyer_voucher = last(document.buyer).or(document.buyer_voucher);
            document.seller_voucher = last(document.id.seller).or(document.seller_voucher);
            draft.put(*document);
        }
        Effect::Budget { budget, version, cells } => {
            let mut new = 0;
            for (cell, amount) in cells {
                let (mut record, is_new) = booking::appropriation(draft, budget.entity, budget.year, cell);
                new += u64::from(is_new);
                if record.proposed_version != version {
                    record.adopted.0 += record.proposed.0;
                    (record.proposed_version, record.proposed) = (version, Total::default());
                }
                record.proposed.add(amount);
                draft.put(record);
            }
            // The next version begins at zero.
            let sums = if budget.open { (budget.operating, budget.investment) } else { Default::default() };
            let cells = budget.cells + new;
            draft.put(BudgetRecord { operating: sums.0, investment: sums.1, cells, ..budget });
        }
        Effect::Approval { document, beyond } => {
            draft.put(*document);
            for record in beyond {
                draft.put(record);
            }
        }
        Effect::Netting { documents } => {
            for mut document in documents {
                document.buyer_payment_voucher = voucher(document.buyer).or(document.buyer_payment_voucher);
                let sellers = voucher(document.id.seller).or(document.seller_payment_voucher);
                document.seller_payment_voucher = sellers;
                draft.put(*document);
            }
        }
        Effect::Entry { entity, digest, bank } => {
            for JournalEntry { voucher, .. } in &entries {
                draft.put(EntryRecord { entity, voucher: *voucher, digest, reversed: None });
            }
            if let Some(entry) = bank {
                draft.put(BankEntryRecord { entity, entry, document: None });
            }
        }
        Effect::EntryReversal(record) => {
            let reversed = voucher(record.entity);
            draft.put(EntryRecord { reversed, ..record });
        }
    }
    entries
}

/// One signing key.
#[derive(Clone, Copy)]
struct Signer<'d> {
    index: u64,
    record: &'d KeyRecord,
}

impl Signer<'_> {
    fn holder(&self) -> (OrgNumber, u32) {
        (self.record.granted.entity, self.record.granted.holder)
    }

    fn acts_for(&self, entity: OrgNumber, today: Date) -> bool {
        let current = |mandate: &Mandate| (mandate.from..=mandate.to).contains(&today);
        self.record.mandates().iter().any(|mandate| mandate.entity == entity && current(mandate))
    }

    fn holds(&self, entity: Option<OrgNumber>, role: Role, today: Date) -> bool {
        self.record.mandates().iter().any(|mandate| {
            mandate.role == role
                && entity.is_none_or(|entity| mandate.entity == entity)
                && (mandate.from..=mandate.to).contains(&today)
        })
    }
}

/// A transaction under judgement: the draft, the day, and who signed.
struct Case<'d> {
    draft: &'d Draft<'d>,
    today: Date,
    signers: Vec<Signer<'d>>,
}

impl<'d> Case<'d> {
    /// Rule L7: every signing key is registered and not revoked, and one belongs to the submitter.
    fn new(draft: &'d Draft<'d>, transaction: &VerifiedTransaction) -> Result<Self, Refusal> {
        let mut signers = Vec::new();
        for key in transaction.keys() {
            let unknown = Refusal::UnknownKey { key: *key };
            let Some(index) = draft.index_of::<KeyRecord>(key) else { return Err(unknown) };
            let Some(record) = draft.get::<KeyRecord>(index) else { return Err(unknown) };
            if record.revoked {
                return Err(Refusal::RevokedKey { key: *key });
            }
            signers.push(Signer { index, record });
        }
        let submitter = transaction.transaction().id.submitter;
        if !signers.iter().any(|signer| signer.record.granted.entity == submitter) {
            return Err(Refusal::NotSubmitter { submitter });
        }
        Ok(Self { draft, today: draft.time().date(), signers })
    }

    fn parameters(&self) -> &'d ParameterRecord {
        match self.draft.get(0) {
            Some(parameters) => parameters,
            None => panic!("the chain has no parameters; genesis enters them before any transaction"),
        }
    }

    fn entity(&self, entity: OrgNumber) -> Result<&'d EntityRecord, Refusal> {
        self.draft.find(&entity).ok_or(Refusal::UnknownEntity { entity })
    }

    fn document(&self, document: &DocumentId) -> Result<&'d DocumentRecord, Refusal> {
        self.draft.find(document).ok_or_else(|| Refusal::UnknownDocument { document: document.clone() })
    }

    /// Buyer and seller of a registered document.
    fn parties(&self, document: &DocumentRecord) -> Result<Parties<'d>, Refusal> {
        Ok(Parties {
            buyer: &self.entity(document.buyer)?.entity,
            seller: &self.entity(document.id.seller)?.entity,
        })
    }

    /// The signers that hold a mandate; of any entity where none is named.
    fn holders(&self, entity: Option<OrgNumber>, role: Role) -> impl Iterator<Item = Signer<'d>> {
        let today = self.today;
        self.signers.iter().filter(move |signer| signer.holds(entity, role, today)).copied()
    }

    /// Rule L7: some signer holds the mandate.
    fn need(&self, entity: OrgNumber, role: Role) -> Result<Signer<'d>, Refusal> {
        let date = self.today;
        self.holders(Some(entity), role).next().ok_or(Refusal::NoMandate { entity, role, date })
    }

    /// Rule L7 for a step on a document: some signer holds the buyer's mandate, does not belong to
    /// the seller, and took none of the earlier steps, neither with this key nor with another. Whoever
    /// judges the document, by attesting or approving it, holds no mandate of the seller's either.
    fn need_apart(
        &self,
        document: &DocumentId,
        buyer: OrgNumber,
        role: Role,
        earlier: &[(Role, u64)],
    ) -> Result<Signer<'d>, Refusal> {
        let seller = document.seller;
        let mut first = None;
        for signer in self.holders(Some(buyer), role) {
            let same = earlier.iter().find(|(_, index)| {
                *index == signer.index
                    || self.draft.get::<KeyRecord>(*index).is_some_and(|record| {
                        (record.granted.entity, record.granted.holder) == signer.holder()
                    })
            });
            let document = || document.clone();
            let judges = matches!(role, Role::Attest | Role::Approve);
            let sellers = signer.record.granted.entity == seller;
            let refusal = if sellers || judges && signer.acts_for(seller, self.today) {
                Refusal::SellersHolder { document: document(), role, seller }
            } else if let Some((earlier, _)) = same {
                Refusal::SameHolder { document: document(), role, earlier: *earlier }
            } else {
                return Ok(signer);
            };
            first = first.or(Some(refusal));
        }
        Err(first.unwrap_or(Refusal::NoMandate { entity: buyer, role, date: self.today }))
    }

    /// Rule L3 for every account of the entries that `seen` does not hold.
    fn check_accounts(
        &self,
        parties: Parties<'_>,
        entries: &[Planned],
        seen: &[(OrgNumber, Account)],
    ) -> Result<(), Refusal> {
        let mut seen = seen.to_vec();
        for Planned { entity, date, postings, .. } in entries {
            let own = if *entity == parties.buyer.number { parties.buyer } else { parties.seller };
            for posting in postings {
                if !seen.contains(&(*entity, posting.account)) {
                    codes::check_account(self.draft, own, posting.account, *date)?;
                    seen.push((*entity, posting.account));
                }
            }
        }
        Ok(())
    }
}

/// What the rules of one operation give.
type Decided = Result<(Effect, Vec<Planned>), Refusal>;

impl Effect {
    fn step(document: DocumentRecord, bank: Option<Digest>) -> Self {
        Self::Step { document: Box::new(document), bank }
    }
}
