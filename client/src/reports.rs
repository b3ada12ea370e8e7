//! Reports that span documents and parties: what is open, what each supplier is owed, and whether two
//! entities' books say the same of each other.
//!
//! All rest on the journals of all years, each proven to be whole, so nothing can be left out of them. Of a
//! document that its vouchers do not show as paid in full, the proven record says what is open. It leaves
//! out how a report is printed.
//!
//! Invariant: a report exists only if every figure in it was proven.

use std::collections::BTreeMap;

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::checkpoint::TrustedCheckpoint;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::records::{EntityRecord, ParameterRecord, Status};
use ledger::time::Date;
use ledger::transaction::{DocumentId, DocumentKind, Operation};

use crate::books::JournalLine;
use crate::client::{Client, ClientError, Meaning};

/// What a report was read under.
#[derive(Clone, Debug)]
pub struct ReadUnder {
    /// The checkpoint when the reading ended.
    pub checkpoint: TrustedCheckpoint,
    /// Years in which the node shows no voucher, by entity. That there is none is the node's word alone.
    pub silent: Vec<(OrgNumber, u16)>,
}

/// A document on which something is still to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDocument {
    /// Which.
    pub id: DocumentId,
    /// Who owes, or is owed on a credit note.
    pub buyer: OrgNumber,
    /// Whether it is a credit note.
    pub credit_note: bool,
    /// How far it has come.
    pub status: Status,
    /// When payment is due.
    pub due: Date,
    /// What is still to be paid, or to be refunded on a credit note.
    pub open: Amount,
}

/// All documents of an entity on which something is open, by due date.
#[derive(Clone, Debug)]
pub struct OpenDocuments {
    /// Whose.
    pub entity: OrgNumber,
    /// The documents.
    pub documents: Vec<OpenDocument>,
    /// How many documents its books hold, open or not.
    pub of: u64,
    /// What the entity owes by them, less what it gets back on credit notes.
    pub owes: Total,
    /// What it is owed by them.
    pub owed: Total,
    /// What it was read under.
    pub read: ReadUnder,
}

/// What passed between a buyer and one of its suppliers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supplier {
    /// Invoices.
    pub invoices: u64,
    /// What they asked for.
    pub invoiced: Total,
    /// What credit notes took back.
    pub credited: Total,
    /// What was paid or netted, less what was refunded or returned.
    pub paid: Total,
    /// What the documents say is open, credit notes taken off.
    pub open: Total,
    /// What stands on the accounts of payables.
    pub booked: Total,
}

/// The supplier ledger of an entity (leverandørreskontro).
#[derive(Clone, Debug)]
pub struct Suppliers {
    /// Whose.
    pub entity: OrgNumber,
    /// By supplier.
    pub suppliers: BTreeMap<OrgNumber, Supplier>,
    /// What stands on the accounts of payables and names nobody, as an opening balance does.
    pub unassigned: Total,
    /// What it was read under.
    pub read: ReadUnder,
}

impl Suppliers {
    /// Suppliers of whom documents and accounts do not say the same; none, unless something was posted
    /// while the books were read.
    pub fn apart(&self) -> Vec<OrgNumber> {
        let apart = self.suppliers.iter().filter(|(_, supplier)| supplier.open != supplier.booked);
        apart.map(|(number, _)| *number).collect()
    }
}

/// What two entities' books say of each other: claims and debts between the two.
#[derive(Clone, Debug)]
pub struct Between {
    /// The two.
    pub parties: [OrgNumber; 2],
    /// For each, what it is owed by the other less what it owes, on accounts of claims and debts.
    pub claims: [Total; 2],
    /// For each, how many of its postings name the other.
    pub postings: [u64; 2],
    /// What it was read under.
    pub read: ReadUnder,
}

impl Between {
    /// Whether each is owed what the other owes.
    pub fn is_equal(&self) -> bool {
        self.claims[0].0 == -self.claims[1].0
    }
}

/// One document as an entity's vouchers show it.
struct Booked {
    buyer: OrgNumber,
    credit_note: bool,
    payable: Amount,
    settled: i128,
}

/// Which accounts of an entity hold claims and debts, by the booking rules.
struct Claims<'p> {
    parameters: &'p ParameterRecord,
    kind: EntityKind,
}

impl Claims<'_> {
    fn is_payable(&self, account: Account) -> bool {
        self.is(account, |kostra| kostra.payable_chapter, |chart| chart.payable)
    }

    fn is_any(&self, account: Account) -> bool {
        self.is_payable(account)
            || self.is(account, |kostra| kostra.receivable_chapter, |chart| chart.receivable)
            || self.is(account, |kostra| kostra.prepaid_chapter, |chart| chart.prepaid)
            || self.is(account, |kostra| kostra.received_chapter, |chart| chart.received)
    }

    fn is(
        &self,
        account: Account,
        chapter: fn(&ledger::records::KostraAccounts) -> u16,
        number: fn(&ledger::records::ChartAccounts) -> Account,
    ) -> bool {
        let kostra = |accounts| account.class == Class::Balance && account.code == chapter(accounts);
        match self.kind {
            EntityKind::Municipality => kostra(&self.parameters.municipality),
            EntityKind::County => kostra(&self.parameters.county),
            EntityKind::State => account == number(&self.parameters.state),
            EntityKind::Private | EntityKind::Auditor => account == number(&self.parameters.private),
        }
    }
}

impl Client {
    /// Every document of an entity, as buyer or seller, on which something is open.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn open_documents(&self, entity: OrgNumber) -> Result<OpenDocuments, ClientError> {
        let record = self.keeper_of_books(entity)?;
        let mut booked = BTreeMap::new();
        let read = self.each_of_all_years(&record, &mut |line| follow(&mut booked, line))?;
        let mut documents = Vec::new();
        let (mut owes, mut owed) = (Total::default(), Total::default());
        for (id, document) in &booked {
            let Some(open) = self.open(id, document)? else { continue };
            let side = if document.buyer == entity { &mut owes } else { &mut owed };
            side.0 += signed(document.credit_note, open.open.0.into());
            documents.push(open);
        }
        documents.sort_by(|a, b| (a.due, &a.id).cmp(&(b.due, &b.id)));
        Ok(OpenDocuments { entity, documents, of: booked.len() as u64, owes, owed, read })
    }

    /// The supplier ledger of an entity.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn suppliers(&self, entity: OrgNumber) -> Result<Suppliers, ClientError> {
        let record = self.keeper_of_books(entity)?;
        let claims = Claims { parameters: &self.genesis().parameters, kind: record.entity.kind };
        let mut booked = BTreeMap::new();
        let mut suppliers: BTreeMap<OrgNumber, Supplier> = BTreeMap::new();
        let mut unassigned = Total::default();
        let read = self.each_of_all_years(&record, &mut |line| {
            let payables = line.entry.postings.iter().filter(|posting| claims.is_payable(posting.account));
            for posting in payables {
                let booked = match posting.counterparty {
                    Some(supplier) => &mut suppliers.entry(supplier).or_default().booked,
                    None => &mut unassigned,
                };
                booked.0 -= i128::from(posting.amount.0);
            }
            follow(&mut booked, line);
        })?;
        for (id, document) in booked.iter().filter(|(_, document)| document.buyer == entity) {
            let open = self.open(id, document)?.map_or(0, |open| i128::from(open.open.0));
            let supplier = suppliers.entry(id.seller).or_default();
            match document.credit_note {
                true => supplier.credited.add(document.payable),
                false => {
                    supplier.invoices += 1;
                    supplier.invoiced.add(document.payable);
                }
            }
            supplier.paid.0 += signed(document.credit_note, document.settled);
            supplier.open.0 += signed(document.credit_note, open);
        }
        Ok(Suppliers { entity, suppliers, unassigned, read })
    }

    /// What two entities' books say of each other.
    ///
    /// # Errors
    /// [`ClientError`]; also if one of them keeps no books here.
    pub fn between(&self, parties: [OrgNumber; 2]) -> Result<Between, ClientError> {
        let (mut claims, mut postings) = ([Total::default(); 2], [0; 2]);
        let mut silent = Vec::new();
        for (place, entity) in parties.into_iter().enumerate() {
            let other = parties[1 - place];
            let record = self.keeper_of_books(entity)?;
            let accounts = Claims { parameters: &self.genesis().parameters, kind: record.entity.kind };
            let read = self.each_of_all_years(&record, &mut |line| {
                for posting in line.entry.postings.iter().filter(|p| p.counterparty == Some(other)) {
                    postings[place] += 1;
                    if accounts.is_any(posting.account) {
                        claims[place].add(posting.amount);
                    }
                }
            })?;
            silent.extend(read.silent);
        }
        let read = ReadUnder { checkpoint: self.checkpoint()?.0, silent };
        Ok(Between { parties, claims, postings, read })
    }

    fn keeper_of_books(&self, entity: OrgNumber) -> Result<EntityRecord, ClientError> {
        let record = self.entity(entity)?.record().clone();
        match record.books_from() {
            Some(_) => Ok(record),
            None => Err(ClientError::NotFound { what: format!("a book of {entity}, who keeps none here,") }),
        }
    }

    /// Every entry of an entity from the first year of its books on, and the checkpoint after them.
    fn each_of_all_years(
        &self,
        record: &EntityRecord,
        each: &mut dyn FnMut(&JournalLine),
    ) -> Result<ReadUnder, ClientError> {
        let (now, _) = self.checkpoint()?;
        let last = day_of(&now).year();
        let first = record.books_from().map_or(last, |from| from.year());
        let mut silent = Vec::new();
        for year in first..=last {
            let read = self.journal_each(record.entity.number, year, &mut |line| {
                each(&line);
                Ok::<(), ClientError>(())
            });
            match read {
                Err(error) if error.meaning() == Meaning::Refused => {
                    silent.push((record.entity.number, year))
                }
                read => drop(read?),
            }
        }
        Ok(ReadUnder { checkpoint: self.checkpoint()?.0, silent })
    }

    /// What is open on a document, asked for unless its vouchers show it paid in full.
    fn open(&self, id: &DocumentId, booked: &Booked) -> Result<Option<OpenDocument>, ClientError> {
        if booked.settled == i128::from(booked.payable.0) {
            return Ok(None);
        }
        let proven = self.document(id)?;
        let record = proven.record();
        let open = OpenDocument {
            id: id.clone(),
            buyer: record.buyer,
            credit_note: record.credit_note,
            status: record.status,
            due: record.due,
            open: record.open,
        };
        Ok(Some(open).filter(|open| open.open != Amount::ZERO))
    }
}

/// The day that a checkpoint was signed on, in UTC.
pub fn day_of(checkpoint: &TrustedCheckpoint) -> Date {
    ledger::time::Timestamp(crate::client::signed_s(checkpoint).saturating_mul(1000)).date()
}

fn signed(credit_note: bool, ore: i128) -> i128 {
    if credit_note { -ore } else { ore }
}

fn follow(booked: &mut BTreeMap<DocumentId, Booked>, line: &JournalLine) {
    let moved = match &line.operation {
        Operation::RegisterDocument(document) => {
            let credit_note = matches!(document.kind, DocumentKind::CreditNote { .. });
            let (buyer, payable) = (document.buyer, document.payable);
            booked.insert(document.id.clone(), Booked { buyer, credit_note, payable, settled: 0 });
            return;
        }
        Operation::Cancel { coded, .. } => {
            booked.remove(&coded.document.id);
            return;
        }
        Operation::NetClaims { one, other, amount, .. } => {
            for id in [one, other] {
                if let Some(document) = booked.get_mut(id) {
                    document.settled += i128::from(amount.0);
                }
            }
            return;
        }
        Operation::SettlePayment { document, amount, .. } => (document, i128::from(amount.0)),
        Operation::ReturnPayment { document, amount, .. } => (document, -i128::from(amount.0)),
        _ => return,
    };
    if let Some(document) = booked.get_mut(moved.0) {
        document.settled += moved.1;
    }
}
