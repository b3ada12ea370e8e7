//! Transactions: what somebody signs and submits.
//!
//! A transaction names the chain, a payment id that its submitter never uses twice, and one
//! operation. Its id covers none of its signatures. It leaves out what the ledger books from it
//! (`entry`) and whether it may be booked (`books`).
//!
//! Invariant: a [`VerifiedTransaction`] exists only because every signature on it held.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};
use rand_core::CryptoRng;

use crate::account::Account;
use crate::amount::Amount;
use crate::certificate::VALIDATORS_MAX;
use crate::codec::{self, CodecError, checked};
use crate::digest::Digest;
use crate::entity::{EntityKind, Name, OrgNumber, has_eleven_digits};
use crate::entry::{Rate, Regime, Voucher};
use crate::governance::{Change, Recovery};
use crate::offence::Offence;
use crate::signature::{Claim, PublicKey, Purpose, Signature, signed_bytes, verify_batch};
use crate::time::{Date, Period};

mod budget;
mod hand;

pub use budget::{BudgetPart, Cell, Duty, Level, Override};
pub use hand::{Coded, Correction, EntryKind, EntryLine, ManualEntry, Reason};

/// A signed transaction is at most this long: a C2SP log leaf of 65,535 bytes must hold it together
/// with what it books.
pub const TRANSACTION_BYTES_MAX: usize = 24 * 1024;
/// An opening balance needs two signatures; four leaves room. A change of the validator set and a
/// recovery may carry one of each validator, as far as the bytes allow.
pub const SIGNATURES_MAX: usize = 4;
/// Lines of an invoice or an opening balance; with the limit above, the leaf stays in bounds.
pub const LINES_MAX: usize = 120;

/// The submitter's own name for a transaction: used once, for ever (rule L6). A retry with the same
/// content is answered with the first result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PaymentId {
    /// The entity that submits.
    pub submitter: OrgNumber,
    /// Sixteen bytes of the submitter's choice, such as a UUID.
    pub number: [u8; 16],
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.submitter)?;
        self.number.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key holder may do for an entity. Each mandate names one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Role {
    /// Registers entities and their first keys, for the whole chain (governance).
    Register,
    /// Grants and revokes the entity's keys, opens its books, closes its periods.
    Administer,
    /// Submits documents on the entity's behalf.
    Submit,
    /// Attests (attestasjon): the document is right.
    Attest,
    /// Approves (anvisning): the budget authority commits the entity.
    Approve,
    /// Orders payments.
    Order,
    /// Reports what the bank confirmed, rejected or returned.
    Bank,
    /// Countersigns an opening balance as the entity's auditor.
    Audit,
    /// Enters the council's budget decisions.
    Budget,
    /// Signs that payment beyond the budget is a legal duty.
    Override,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Register => "register",
            Self::Administer => "administer",
            Self::Submit => "submit",
            Self::Attest => "attest",
            Self::Approve => "approve",
            Self::Order => "order",
            Self::Bank => "bank",
            Self::Audit => "audit",
            Self::Budget => "budget",
            Self::Override => "override",
        })
    }
}

/// One role for one entity over a span of dates, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mandate {
    /// Whom the holder may act for.
    pub entity: OrgNumber,
    /// In which role.
    pub role: Role,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// How an entity keeps books in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Books {
    /// Keeps none: a counterparty, or an auditor.
    None,
    /// The chart that its kind prescribes, from the given period on.
    From(Period),
}

/// Which check digit the payee's bank demands of a payment reference (KID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum KidRule {
    /// No agreement: any reference, or none.
    None,
    /// MOD 10 (Luhn).
    Mod10,
    /// MOD 11.
    Mod11,
    /// Either of the two.
    Either,
}

/// An entity as registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewEntity {
    /// Organisation number.
    pub number: OrgNumber,
    /// What it is.
    pub kind: EntityKind,
    /// Registered name of the legal person.
    pub name: Name,
    /// Sector code that others use in their balance accounts for it.
    pub sector: u16,
    /// Whether and from when it keeps books here.
    pub books: Books,
    /// What its bank demands of a payment reference.
    pub kid: KidRule,
}

/// A key with its holder and mandates, as granted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewKey {
    /// The key.
    pub key: PublicKey,
    /// The entity that answers for the holder.
    pub entity: OrgNumber,
    /// The person behind the key, as a number of the entity's own; two keys of one person carry one
    /// number, so that nobody approves what they attested (rule L7). Zero: a machine.
    pub holder: u32,
    /// At most [`MANDATES_MAX`].
    pub mandates: Vec<Mandate>,
}

/// A key needs few roles; a shared service for many small municipalities needs more.
pub const MANDATES_MAX: usize = 64;

/// An invoice number as the seller wrote it: 1 to 35 printable ASCII characters, no run of eleven
/// digits (rule L14).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvoiceNumber(String);

/// A number that the ledger does not keep. Rule L14.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invoice number {number:?} is not 1 to 35 of A-Z a-z 0-9 - / . _ or holds eleven digits in a row; correct it with the seller"
)]
pub struct InvoiceNumberError {
    /// What was given, shortened.
    pub number: String,
}

impl InvoiceNumber {
    /// Accepts a number of the stated form.
    ///
    /// # Errors
    /// [`InvoiceNumberError`] otherwise.
    pub fn new(number: impl Into<String>) -> Result<Self, InvoiceNumberError> {
        let number = number.into();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-/._".contains(&b);
        if !(1..=35).contains(&number.len()) || !number.bytes().all(allowed) || has_eleven_digits(&number) {
            return Err(InvoiceNumberError { number: number.chars().take(40).collect() });
        }
        Ok(Self(number))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked!(InvoiceNumber, String, InvoiceNumber::new);

impl fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes an invoice or credit note one of a kind (rule L6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DocumentId {
    /// Who issued it.
    pub seller: OrgNumber,
    /// The number that the seller gave it.
    pub number: InvoiceNumber,
    /// When it was issued.
    pub issued: Date,
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.seller, self.number, self.issued)
    }
}

/// Invoice or credit note.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DocumentKind {
    /// The buyer owes the seller.
    Invoice,
    /// The seller owes the buyer; set off against the named invoice where it is open.
    CreditNote {
        /// The invoice it corrects, if it names one.
        corrects: Option<DocumentId>,
    },
}

/// One net amount of a document, coded by the buyer. Amounts are as the document states them,
/// positive also on a credit note (whose booking turns the sides).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// The buyer's account for the net amount; class 0 or 1 for a municipality.
    pub account: Account,
    /// Net of VAT; negative for a line that reduces the document.
    pub net: Amount,
    /// Standard tax code (SAF-T) of the buyer's side: 1, 11, 13 input VAT, 0 none.
    pub vat_code: u16,
    /// How the buyer treats the VAT.
    pub regime: Regime,
    /// Cost centre (ansvar).
    pub cost_centre: Option<u32>,
    /// Project (prosjekt).
    pub project: Option<u32>,
}

/// The document's VAT total for one rate (EN 16931 BG-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VatTotal {
    /// Standard tax code, as on the lines.
    pub code: u16,
    /// The rate stated.
    pub rate: Rate,
    /// Sum of the lines of this code (BT-116).
    pub base: Amount,
    /// The VAT stated (BT-117).
    pub vat: Amount,
}

/// An invoice or credit note as the buyer's system submits it. No free text, person or bank account
/// enters: those stay with the owner, behind salted commitments (rule L14).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Document {
    /// Its identity.
    pub id: DocumentId,
    /// Invoice or credit note.
    pub kind: DocumentKind,
    /// Who owes.
    pub buyer: OrgNumber,
    /// Posting date in both books (rule L9).
    pub date: Date,
    /// The day that decides VAT rates: tax point, else issue date.
    pub tax_point: Date,
    /// When payment is due.
    pub due: Date,
    /// At least one, at most [`LINES_MAX`].
    pub lines: Vec<Line>,
    /// One per VAT code that occurs, in order of code.
    pub vat_totals: Vec<VatTotal>,
    /// Paid beforehand (BT-113).
    pub prepaid: Amount,
    /// Added by the seller to reach whole kroner (BT-114).
    pub rounding: Amount,
    /// What is to be paid (BT-115): lines + VAT − prepaid + rounding.
    pub payable: Amount,
    /// Commitment to the document's bytes.
    pub content: Digest,
    /// Commitment to the payee's account and reference.
    pub payee: Digest,
}

/// One account of an opening balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpeningLine {
    /// A balance account.
    pub account: Account,
    /// Debit positive.
    pub amount: Amount,
}

/// Where the bank said what it said: rule L12, cash moves only with a bank reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BankReference {
    /// SHA-256 of the bank's message (camt.054, pain.002) as received.
    pub message: Digest,
    /// SHA-256 of the bank's own reference of the entry in it; used once per entity.
    pub entry: Digest,
}

/// A four-character ISO 20022 external status reason code, such as `AC04`.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ReasonCode(pub [u8; 4]);

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a transaction does. The roles that must have signed stand in `specs/ledger.md`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Operation {
    /// Enters an entity into the register.
    RegisterEntity(NewEntity),
    /// Gives a key its holder and mandates.
    GrantKey(NewKey),
    /// Ends every mandate of a key, from the next transaction on.
    RevokeKey {
        /// The key.
        key: PublicKey,
    },
    /// Books the opening balance (inngående balanse), once per entity.
    OpenBooks {
        /// Whose books.
        entity: OrgNumber,
        /// Posting date.
        date: Date,
        /// At most [`LINES_MAX`]; sums to zero.
        lines: Vec<OpeningLine>,
    },
    /// Registers an invoice or credit note and books it on both sides.
    RegisterDocument(Document),
    /// Attests a document.
    Attest {
        /// Which.
        document: DocumentId,
    },
    /// Approves an attested document for payment.
    Approve {
        /// Which.
        document: DocumentId,
    },
    /// Orders payment of what is open on an approved document.
    OrderPayment {
        /// Which.
        document: DocumentId,
        /// Must be what is open.
        amount: Amount,
    },
    /// The bank paid (camt.054): books the cash on both sides.
    SettlePayment {
        /// Which.
        document: DocumentId,
        /// What the bank booked; must be what was ordered.
        amount: Amount,
        /// The bank's booking date; the posting date.
        date: Date,
        /// The bank's word for it.
        bank: BankReference,
    },
    /// The bank refused the order (pain.002 RJCT): the order is void.
    RejectPayment {
        /// Which.
        document: DocumentId,
        /// The bank's reason.
        reason: ReasonCode,
        /// The bank's word for it.
        bank: BankReference,
    },
    /// The bank returned a settled payment: the cash entries are reversed in full.
    ReturnPayment {
        /// Which.
        document: DocumentId,
        /// What came back; must be what was settled.
        amount: Amount,
        /// The bank's booking date; the posting date.
        date: Date,
        /// The bank's reason.
        reason: ReasonCode,
        /// The bank's word for it.
        bank: BankReference,
    },
    /// Closes an accounting period to postings.
    ClosePeriod {
        /// Whose.
        entity: OrgNumber,
        /// Which; every earlier one must be closed.
        period: Period,
    },
    /// Changes the validator set and ends the epoch.
    ChangeValidators(Change),
    /// Begins again with another validator set. Booked by a recovery block alone.
    Recover(Recovery),
    /// Records that a validator signed two votes that exclude each other.
    ReportOffence(Offence),
    /// Books an entry that no document makes.
    Enter(ManualEntry),
    /// Reverses an entry made by hand, in full.
    ReverseEntry {
        /// Its voucher.
        voucher: Voucher,
        /// The entry as submitted.
        entry: ManualEntry,
        /// When and why.
        correction: Correction,
    },
    /// Books the buyer's side of a document on other accounts, after reversing it in full.
    Recode {
        /// The document as it stands.
        coded: Coded,
        /// Its lines from now on; same net amount per VAT code.
        lines: Vec<Line>,
        /// When and why.
        correction: Correction,
    },
    /// Takes a document back on both sides.
    Cancel {
        /// The document as it stands.
        coded: Coded,
        /// When and why.
        correction: Correction,
    },
    /// Takes a part of a budget, or of its amendment.
    AdoptBudget(BudgetPart),
    /// Approves an attested document under a budget.
    ApproveCovered {
        /// The document as it stands.
        coded: Coded,
        /// Why it is paid although the budget does not cover it.
        duty: Option<Override>,
    },
    /// Nets two documents by which two parties owe each other (motregning).
    NetClaims {
        /// One, approved by its buyer.
        one: DocumentId,
        /// The other, approved by its buyer, who is the first one's seller.
        other: DocumentId,
        /// What the smaller has open.
        amount: Amount,
        /// Posting date.
        date: Date,
    },
}

impl Operation {
    /// How many signatures a transaction with this operation may carry.
    pub fn signatures_max(&self) -> usize {
        match self {
            Self::ChangeValidators(_) | Self::Recover(_) => VALIDATORS_MAX,
            _ => SIGNATURES_MAX,
        }
    }

    /// Whether another validator set is in force once a block with it is posted. It is then the last
    /// transaction of its block.
    pub fn ends_epoch(&self) -> bool {
        matches!(self, Self::ChangeValidators(_) | Self::Recover(_))
    }
}

/// What is signed: chain and purpose are added by [`signed_bytes`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transaction {
    /// The submitter's name for it.
    pub id: PaymentId,
    /// What it does.
    pub operation: Operation,
}

/// A key and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeySignature {
    /// Whose.
    pub key: PublicKey,
    /// Over [`Transaction::signed_bytes`].
    pub signature: Signature,
}

impl Transaction {
    /// The bytes that keys sign on the chain with this genesis hash.
    pub fn signed_bytes(&self, chain: &Digest) -> Vec<u8> {
        signed_bytes(Purpose::Transaction, chain, &codec::encode(self))
    }
}

/// The identity of a transaction on its chain: SHA-256 of the bytes signed. Covers no signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TransactionId(pub Digest);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A transaction with its signatures, as submitted: decoded, nothing verified.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// One to [`Operation::signatures_max`], in strictly increasing order of key.
    pub signatures: Vec<KeySignature>,
}

/// Why a submitted byte string is not a verified transaction. Rule L0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The bytes are not a transaction.
    #[error("transaction: {0}")]
    Codec(#[from] CodecError),
    /// The signature list breaks its form.
    #[error("transaction carries {count} signatures; 1 to {max} in increasing order of key are read")]
    SignatureList {
        /// How many there are.
        count: usize,
        /// How many are read with its operation.
        max: usize,
    },
    /// A signature does not hold for these bytes, key and chain.
    #[error(
        "signature by key {key} does not hold on this transaction and chain {chain}; sign the bytes of specs/formats.md with the key's private half"
    )]
    BadSignature {
        /// The key.
        key: PublicKey,
        /// Genesis hash of the chain it was checked for.
        chain: Digest,
    },
}

impl SignedTransaction {
    /// Reads a submitted transaction; checks its form, no signature.
    ///
    /// # Errors
    /// [`TransactionError::Codec`] or [`TransactionError::SignatureList`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TransactionError> {
        let signed: Self = codec::decode(bytes, TRANSACTION_BYTES_MAX)?;
        signed.check_signature_list()?;
        Ok(signed)
    }

    /// Checks length and form of a transaction that came inside of something else.
    ///
    /// # Errors
    /// As [`SignedTransaction::decode`].
    pub fn check_form(&self) -> Result<(), TransactionError> {
        let actual = codec::encode(self).len();
        if actual > TRANSACTION_BYTES_MAX {
            return Err(CodecError::TooLong { actual, max: TRANSACTION_BYTES_MAX }.into());
        }
        self.check_signature_list()
    }

    fn check_signature_list(&self) -> Result<(), TransactionError> {
        let (count, max) = (self.signatures.len(), self.transaction.operation.signatures_max());
        let ordered = self.signatures.windows(2).all(|pair| pair[0].key < pair[1].key);
        if (1..=max).contains(&count) && ordered {
            return Ok(());
        }
        Err(TransactionError::SignatureList { count, max })
    }

    /// Checks every signature, one by one.
    ///
    /// # Errors
    /// [`TransactionError::BadSignature`], naming the first that fails.
    pub fn verify(self, chain: &Digest) -> Result<VerifiedTransaction, TransactionError> {
        let message = self.transaction.signed_bytes(chain);
        for KeySignature { key, signature } in &self.signatures {
            if !key.verify(&message, signature) {
                return Err(TransactionError::BadSignature { key: *key, chain: *chain });
            }
        }
        Ok(VerifiedTransaction { id: TransactionId(Digest::of(&[&message])), signed: self })
    }

    /// Checks the signatures of many transactions in one batch.
    ///
    /// # Errors
    /// Per transaction, as [`SignedTransaction::verify`].
    pub fn verify_all<R: CryptoRng>(
        transactions: Vec<Self>,
        chain: &Digest,
        rng: &mut R,
    ) -> Vec<Result<VerifiedTransaction, TransactionError>> {
        let mut claims = Vec::with_capacity(transactions.len());
        let mut ids = Vec::with_capacity(transactions.len());
        for signed in &transactions {
            let message = signed.transaction.signed_bytes(chain);
            ids.push(TransactionId(Digest::of(&[&message])));
            claims.extend(signed.signatures.iter().map(|s| Claim::new(&s.key, &message, &s.signature)));
        }
        let verdicts = verify_batch(&claims, rng);
        let mut verdicts = verdicts.into_iter();
        transactions
            .into_iter()
            .zip(ids)
            .map(|(signed, id)| {
                let mut bad = None;
                for s in &signed.signatures {
                    if !verdicts.next().unwrap_or(false) {
                        bad = bad.or(Some(s.key));
                    }
                }
                match bad {
                    Some(key) => Err(TransactionError::BadSignature { key, chain: *chain }),
                    None => Ok(VerifiedTransaction { id, signed }),
                }
            })
            .collect()
    }
}

/// A transaction whose signatures all hold on this chain. Only verification makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction {
    id: TransactionId,
    signed: SignedTransaction,
}

impl VerifiedTransaction {
    /// For bytes read back from this node's own store, where they were verified before.
    pub fn from_own_store(signed: SignedTransaction, chain: &Digest) -> Self {
        let id = TransactionId(Digest::of(&[&signed.transaction.signed_bytes(chain)]));
        Self { id, signed }
    }

    /// Its identity.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// What was signed.
    pub fn transaction(&self) -> &Transaction {
        &self.signed.transaction
    }

    /// With its signatures, as submitted.
    pub fn signed(&self) -> &SignedTransaction {
        &self.signed
    }

    /// The keys that signed.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.signed.signatures.iter().map(|s| &s.key)
    }
}

/// A salted commitment to one private field: `SHA-256("hovedbok/field/v1" ‖ tag ‖ salt(32) ‖ value)`.
/// The salt and the value stay with the document's owner.
pub fn field_commitment(tag: u8, salt: &[u8; 32], value: &[u8]) -> Digest {
    Digest::of(&[b"hovedbok/field/v1", &[tag], salt, value])
}
