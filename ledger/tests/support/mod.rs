//! A small chain made of fixed seeds: its genesis, its log of nineteen leaves and the receipts from
//! it. What it books is of the right form, not by the rules: the vectors made from it are about
//! bytes.
#![allow(dead_code)]

use std::sync::OnceLock;

use ed25519_dalek::{Signer, SigningKey};
use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::block::{
    Block, BlockHash, Booked, Epoch, Header, Height, Leaf, LeafIndex, PROTOCOL_VERSION, Seal, View,
};
use ledger::certificate::{Statement, Validator, ValidatorSet};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Trust};
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::entry::{JournalEntry, Posting, Rate, Regime, Vat, Voucher};
use ledger::genesis::Genesis;
use ledger::offence::OffenceKind;
use ledger::postings::{CHAIN_START, ChainedPosting, chained};
use ledger::receipt::{Evidence, Receipt};
use ledger::records::{
    AccountRecord, AppropriationRecord, BudgetRecord, ChartAccounts, CodeList, CodeRecord, DocumentRecord,
    EntityRecord, EntryRecord, EpochRecord, KeyRecord, KostraAccounts, MirrorArt, OffenceRecord, OutputCode,
    ParameterRecord, PaymentRecord, PeriodRecord, RootRecord, SalesAccount, SeatRecord, SeriesRecord, Status,
};
use ledger::signature::{PublicKey, Signature};
use ledger::state_proof::{RecordPath, RegisterRoot, SealProof, StateProofs, state_root};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{
    BankReference, Books, BudgetPart, Cell, Coded, Correction, Document, DocumentId, DocumentKind, Duty,
    EntryKind, EntryLine, InvoiceNumber, KeySignature, KidRule, Level, Line, Mandate, ManualEntry, NewEntity,
    NewKey, OpeningLine, Operation, Override, PaymentId, Reason, ReasonCode, Role, SignedTransaction,
    Transaction, TransactionId, VatTotal,
};
use ledger::tree::{self, Frontier, leaf_hash};

pub(crate) mod later;

/// The reader's clock.
pub(crate) const NOW: Timestamp = Timestamp(1_772_700_000_000);

/// The private key of this number.
pub(crate) fn private(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn public(number: u8) -> PublicKey {
    PublicKey(private(number).verifying_key().to_bytes())
}

pub(crate) fn sign(number: u8, bytes: &[u8]) -> Signature {
    Signature(private(number).sign(bytes).to_bytes())
}

/// Validators 0 to 3: votes by keys 11 on, cosignatures by 21 on, network by 31 on,
/// governance by 51 on.
pub(crate) const VOTE: u8 = 11;
pub(crate) const COSIGN: u8 = 21;
pub(crate) const PEER: u8 = 31;
pub(crate) const GOVERNANCE: u8 = 51;
/// Who submits: keys 41 (machine), 42 and 43 (people) of the buyer.
pub(crate) const SUBMIT: u8 = 41;
pub(crate) const ATTEST: u8 = 42;
pub(crate) const APPROVE: u8 = 43;

pub(crate) fn org(number: u32) -> OrgNumber {
    OrgNumber::new(number).unwrap()
}

pub(crate) fn buyer() -> OrgNumber {
    org(964_965_226)
}

pub(crate) fn seller() -> OrgNumber {
    org(974_761_076)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn date(number: u32) -> Date {
    Date::new(number).unwrap()
}

pub(crate) fn validators() -> ValidatorSet {
    let entities = [964_965_226, 964_965_137, 970_018_131, 974_761_076];
    let validators = entities.iter().zip(0u8..).map(|(entity, i)| Validator {
        entity: org(*entity),
        name: name(&format!("kommune{}.example/v1", i + 1)),
        vote_key: public(VOTE + i),
        cosign_key: public(COSIGN + i),
        peer_key: public(PEER + i),
        governance_key: public(GOVERNANCE + i),
    });
    ValidatorSet { epoch: Epoch(0), validators: validators.collect() }
}

pub(crate) fn new_entity() -> NewEntity {
    NewEntity {
        number: buyer(),
        kind: EntityKind::Municipality,
        name: name("Eksempel kommune"),
        sector: 550,
        books: Books::From(Period::new(202_601).unwrap()),
        kid: KidRule::Either,
    }
}

pub(crate) fn new_key() -> NewKey {
    let mandate = |role| Mandate { entity: buyer(), role, from: date(20_260_101), to: Date::MAX };
    NewKey {
        key: public(ATTEST),
        entity: buyer(),
        holder: 7,
        mandates: vec![mandate(Role::Submit), mandate(Role::Attest)],
    }
}

fn kostra() -> KostraAccounts {
    KostraAccounts {
        payable_chapter: 35,
        receivable_chapter: 13,
        prepaid_chapter: 19,
        received_chapter: 39,
        bank: Account::balance(10, 320),
        compensation: Account::balance(13, 110),
        input_vat: Account::balance(14, 110),
        output_vat: Account::balance(33, 110),
        vat_cost_art: 429,
        compensation_art: 729,
        investment_compensation_function: 841,
        sales_function: 190,
        sales: vec![SalesAccount { code: 3, account: 650 }],
        mirrors: vec![MirrorArt { buyer: EntityKind::Municipality, art: 350, income: 750 }],
    }
}

fn chart(state: bool) -> ChartAccounts {
    let account = |code| if state { Account::state(code) } else { Account::private(code) };
    ChartAccounts {
        payable: account(2400),
        receivable: account(1500),
        prepaid: account(1580),
        received: account(2980),
        bank: account(1920),
        input_vat: account(2710),
        output_vat: account(2700),
        rounding: account(7770),
        sales: vec![SalesAccount { code: 3, account: 3000 }],
    }
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        name: "hovedbok.example".into(),
        time: Timestamp(1_772_582_400_000),
        validators: validators(),
        parameters: ParameterRecord {
            version: 1,
            municipality: kostra(),
            county: kostra(),
            state: chart(true),
            private: chart(false),
            outputs: vec![OutputCode { input: 1, output: 3 }],
        },
        entities: vec![new_entity()],
        keys: vec![new_key()],
        codes: vec![CodeRecord {
            list: CodeList::Vat,
            code: 1,
            from: date(20_050_101),
            to: Date::MAX,
            municipality: true,
            county: true,
            investment: true,
            operating: true,
            only_with_investment: vec![],
            only_with_operating: vec![222],
            rate: Some(Rate(2500)),
            compensable: true,
            deductible: true,
        }],
    }
}

pub(crate) fn chain() -> Digest {
    static ONCE: OnceLock<Digest> = OnceLock::new();
    *ONCE.get_or_init(|| genesis().hash())
}

pub(crate) fn trust() -> Trust {
    Trust::new(genesis().origin(), chain(), validators()).unwrap()
}

/// The trust in another genesis with the same validators.
pub(crate) fn other_trust() -> Trust {
    let mut other = genesis();
    other.time = Timestamp(1_772_582_400_001);
    Trust::new(other.origin(), other.hash(), validators()).unwrap()
}

pub(crate) fn invoice_id() -> DocumentId {
    DocumentId { seller: seller(), number: InvoiceNumber::new("8841").unwrap(), issued: date(20_260_302) }
}

pub(crate) fn invoice() -> Document {
    let line = |account, net| Line {
        account,
        net: Amount(net),
        vat_code: 1,
        regime: Regime::Compensate,
        cost_centre: Some(3100),
        project: None,
    };
    Document {
        id: invoice_id(),
        kind: DocumentKind::Invoice,
        buyer: buyer(),
        date: date(20_260_304),
        tax_point: date(20_260_302),
        due: date(20_260_401),
        lines: vec![
            line(Account::kostra(Class::Operating, 222, 230), 8_000_000),
            line(Account::kostra(Class::Operating, 222, 260), 2_000_000),
        ],
        vat_totals: vec![VatTotal {
            code: 1,
            rate: Rate(2500),
            base: Amount(10_000_000),
            vat: Amount(2_500_000),
        }],
        prepaid: Amount(0),
        rounding: Amount(0),
        payable: Amount(12_500_000),
        content: Digest([0xc0; 32]),
        payee: Digest([0xc1; 32]),
    }
}

fn credit_note() -> Document {
    let mut document = invoice();
    document.id.number = InvoiceNumber::new("K-12/a.1_b").unwrap();
    document.kind = DocumentKind::CreditNote { corrects: Some(invoice_id()) };
    document
}

fn bank() -> BankReference {
    BankReference { message: Digest([0xb0; 32]), entry: Digest([0xb1; 32]) }
}

/// One of each operation on books, with the keys that sign it here.
fn small_operations() -> Vec<(&'static str, Operation, Vec<u8>)> {
    let document = invoice_id;
    let amount = Amount(12_500_000);
    let reason = ReasonCode(*b"AC04");
    vec![
        ("register-entity", Operation::RegisterEntity(new_entity()), vec![SUBMIT]),
        ("grant-key", Operation::GrantKey(new_key()), vec![SUBMIT]),
        ("revoke-key", Operation::RevokeKey { key: public(ATTEST) }, vec![SUBMIT]),
        (
            "open-books",
            Operation::OpenBooks {
                entity: buyer(),
                date: date(20_260_101),
                lines: vec![
                    OpeningLine { account: Account::balance(10, 320), amount: Amount(5_000_000_000) },
                    OpeningLine { account: Account::balance(5990, 0), amount: Amount(-5_000_000_000) },
                ],
            },
            vec![SUBMIT, APPROVE],
        ),
        ("register-invoice", Operation::RegisterDocument(invoice()), vec![SUBMIT]),
        ("register-credit-note", Operation::RegisterDocument(credit_note()), vec![SUBMIT]),
        ("attest", Operation::Attest { document: document() }, vec![ATTEST]),
        ("approve", Operation::Approve { document: document() }, vec![APPROVE]),
        ("order-payment", Operation::OrderPayment { document: document(), amount }, vec![SUBMIT]),
        (
            "settle-payment",
            Operation::SettlePayment { document: document(), amount, date: date(20_260_401), bank: bank() },
            vec![SUBMIT],
        ),
        (
            "reject-payment",
            Operation::RejectPayment { document: document(), reason, bank: bank() },
            vec![SUBMIT],
        ),
        (
            "return-payment",
            Operation::ReturnPayment {
                document: document(),
                amount,
                date: date(20_260_403),
                reason,
                bank: bank(),
            },
            vec![SUBMIT],
        ),
        (
            "close-period",
            Operation::ClosePeriod { entity: buyer(), period: Period::new(202_603).unwrap() },
            vec![SUBMIT],
        ),
    ]
}

/// Those about the validators, which do not stand in the small log.
fn governance_operations() -> Vec<(&'static str, Operation, Vec<u8>)> {
    vec![
        (
            "change-validators",
            Operation::ChangeValidators(later::change()),
            vec![GOVERNANCE, GOVERNANCE + 1, GOVERNANCE + 2],
        ),
        (
            "recover",
            Operation::Recover(later::recovery()),
            vec![GOVERNANCE + 1, GOVERNANCE + 2, GOVERNANCE + 4],
        ),
        ("report-offence", Operation::ReportOffence(later::offence()), vec![VOTE]),
    ]
}

fn memorial() -> ManualEntry {
    let line = |account, amount| EntryLine {
        account,
        amount: Amount(amount),
        cost_centre: Some(3100),
        project: None,
    };
    ManualEntry {
        entity: buyer(),
        date: date(20_260_331),
        kind: EntryKind::Memorial,
        lines: vec![
            line(Account::kostra(Class::Operating, 222, 590), 4_000_000),
            line(Account::balance(27, 0), -4_000_000),
        ],
        content: Digest([0xc2; 32]),
    }
}

fn budget_part() -> BudgetPart {
    let line = |function, code, amount| EntryLine {
        account: Account::kostra(Class::Operating, function, code),
        amount: Amount(amount),
        cost_centre: Some(3100),
        project: None,
    };
    BudgetPart {
        entity: buyer(),
        year: 2026,
        version: 1,
        level: Level { function: true, art_group: false, cost_centre: true, project: false },
        decision: Digest([0xc4; 32]),
        lines: vec![line(222, 260, 11_000_000), line(800, 870, -11_000_000)],
        last: true,
    }
}

/// Those by hand, and corrections, which do not stand in the small log.
fn hand_operations() -> Vec<(&'static str, Operation, Vec<u8>)> {
    let correction = |reason| Correction { date: date(20_260_402), reason, content: Digest([0xc3; 32]) };
    let elsewhere = |function| {
        let account = Account::kostra(Class::Operating, function, 260);
        vec![Line { account, ..invoice().lines[0].clone() }]
    };
    let received = ManualEntry {
        kind: EntryKind::Bank(bank()),
        lines: vec![
            EntryLine { account: Account::balance(10, 320), ..memorial().lines[0] },
            EntryLine { account: Account::kostra(Class::Operating, 800, 870), ..memorial().lines[1] },
        ],
        ..memorial()
    };
    let coded = |recoded| Coded { document: invoice(), recoded };
    vec![
        ("enter-memorial", Operation::Enter(memorial()), vec![SUBMIT, APPROVE]),
        ("enter-bank", Operation::Enter(received), vec![SUBMIT]),
        (
            "enter-history",
            Operation::Enter(ManualEntry { kind: EntryKind::History, ..memorial() }),
            vec![SUBMIT, APPROVE],
        ),
        (
            "reverse-entry",
            Operation::ReverseEntry {
                voucher: Voucher { year: 2026, number: 411 },
                entry: memorial(),
                correction: correction(Reason::Amount),
            },
            vec![SUBMIT, APPROVE],
        ),
        (
            "recode",
            Operation::Recode {
                coded: coded(None),
                lines: elsewhere(221),
                correction: correction(Reason::Account),
            },
            vec![SUBMIT, APPROVE],
        ),
        (
            "cancel",
            Operation::Cancel { coded: coded(Some(elsewhere(221))), correction: correction(Reason::Party) },
            vec![SUBMIT, APPROVE],
        ),
        ("adopt-budget", Operation::AdoptBudget(budget_part()), vec![SUBMIT, APPROVE]),
        (
            "approve-covered",
            Operation::ApproveCovered {
                coded: coded(None),
                duty: Some(Override { duty: Duty::Contract, content: Digest([0xc5; 32]) }),
            },
            vec![APPROVE, SUBMIT],
        ),
        (
            "net-claims",
            Operation::NetClaims {
                one: invoice_id(),
                other: DocumentId { seller: buyer(), ..invoice_id() },
                amount: Amount(4_000_000),
                date: date(20_260_402),
            },
            vec![APPROVE, SUBMIT],
        ),
    ]
}

/// All of them.
pub(crate) fn operations() -> Vec<(&'static str, Operation, Vec<u8>)> {
    let mut operations = small_operations();
    operations.extend(governance_operations());
    operations.extend(hand_operations());
    operations
}

pub(crate) fn signed(number: u8, operation: Operation, keys: &[u8]) -> SignedTransaction {
    let transaction = Transaction { id: PaymentId { submitter: buyer(), number: [number; 16] }, operation };
    let bytes = transaction.signed_bytes(&chain());
    let mut signatures: Vec<KeySignature> =
        keys.iter().map(|key| KeySignature { key: public(*key), signature: sign(*key, &bytes) }).collect();
    signatures.sort_by_key(|signature| signature.key);
    SignedTransaction { transaction, signatures }
}

fn numbered(operations: Vec<(&'static str, Operation, Vec<u8>)>) -> Vec<SignedTransaction> {
    let numbered = operations.into_iter().zip(1..);
    numbered.map(|((_, operation, keys), number)| signed(number, operation, &keys)).collect()
}

pub(crate) fn transactions() -> Vec<SignedTransaction> {
    numbered(operations())
}

/// Those that stand in the small log.
pub(crate) fn booked() -> Vec<SignedTransaction> {
    static ONCE: OnceLock<Vec<SignedTransaction>> = OnceLock::new();
    ONCE.get_or_init(|| numbered(small_operations())).clone()
}

/// What the invoice books for the buyer.
pub(crate) fn entry() -> JournalEntry {
    let expense = Account::kostra(Class::Operating, 222, 230);
    let vat = Vat { code: 1, regime: Regime::Compensate, base: Amount(10_000_000), rate: Rate(2500) };
    let postings = vec![
        Posting { cost_centre: Some(3100), project: Some(9), ..Posting::new(expense, Amount(10_000_000)) },
        Posting {
            vat: Some(vat),
            ..Posting::new(Account::kostra(Class::Operating, 222, 429), Amount(2_500_000))
        },
        Posting {
            counterparty: Some(seller()),
            ..Posting::new(Account::balance(35, 200), Amount(-12_500_000))
        },
    ];
    let voucher = Voucher { year: 2026, number: 412 };
    JournalEntry::new(buyer(), voucher, date(20_260_304), Some(3), postings).unwrap()
}

pub(crate) fn postings() -> Vec<ChainedPosting> {
    chained(&entry(), LeafIndex(6)).collect()
}

pub(crate) fn header() -> Header {
    let leaves = leaves();
    Header {
        version: PROTOCOL_VERSION,
        chain: chain(),
        epoch: Epoch(0),
        view: View(5),
        height: Height(1),
        parent_view: View(3),
        parent: BlockHash(Digest([0xaa; 32])),
        proposer: 1,
        time: Timestamp(1_772_590_000_000),
        payload: Block::payload(&booked()),
        log_size: 16,
        log_root: checkpoint(&leaves[..16]).root,
        state_root: state_root(&registers()),
    }
}

pub(crate) fn statements() -> Vec<Statement> {
    let block = BlockHash(Digest([0xbb; 32]));
    let view = View(258);
    vec![
        Statement::Notarize { view, block },
        Statement::Nullify { view },
        Statement::Finalize { view, block },
    ]
}

/// Encoded records by register, in the order of the state root.
pub(crate) fn records() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let march = Period::new(202_603).unwrap();
    let postings = postings();
    let accounts = postings.iter().map(|posting| {
        let amount = i128::from(posting.posting.amount.0);
        codec::encode(&AccountRecord {
            entity: buyer(),
            account: posting.posting.account,
            period: march,
            opening: Total(0),
            count: 1,
            chain: posting.chain(&CHAIN_START),
            debit: Total(amount.max(0)),
            credit: Total((-amount).max(0)),
        })
    });
    let period = PeriodRecord {
        entity: buyer(),
        period: march,
        closed: false,
        accounts: 3,
        postings: 3,
        debit: Total(12_500_000),
        credit: Total(12_500_000),
    };
    let document = DocumentRecord {
        id: invoice_id(),
        credit_note: false,
        bears_vat: true,
        corrects: None,
        buyer: buyer(),
        status: Status::Approved,
        date: date(20_260_304),
        due: date(20_260_401),
        payable: Amount(12_500_000),
        open: Amount(12_500_000),
        settled: Amount(0),
        attempt: 0,
        registered_by: 0,
        attested_by: Some(1),
        approved_by: Some(2),
        ordered_by: None,
        buyer_voucher: Some(entry().voucher),
        seller_voucher: None,
        buyer_payment_voucher: None,
        seller_payment_voucher: None,
        buyer_booked: Digest([0xbb; 32]),
        seller_booked: Digest::default(),
        bank: Some(bank()),
        reason: Some(ReasonCode(*b"AC04")),
        content: invoice().content,
        payee: invoice().payee,
        leaf: LeafIndex(6),
    };
    let payments = booked().into_iter().zip(2..).map(|(signed, leaf)| {
        let id = Digest::of(&[&signed.transaction.signed_bytes(&chain())]);
        codec::encode(&PaymentRecord {
            id: signed.transaction.id,
            transaction: TransactionId(id),
            leaf: LeafIndex(leaf),
        })
    });
    let epoch = EpochRecord {
        epoch: Epoch(0),
        after: Height(0),
        size: 0,
        validators: validators().digest(),
        recovery: false,
    };
    let seats = (0..).zip(validators().validators).map(|(index, validator)| {
        let (epoch, proposed) = (Epoch(0), Height(u64::from(index == 1)));
        codec::encode(&SeatRecord { epoch, index, validator, proposed })
    });
    let root = RootRecord { slot: 0, height: Height(0), size: 2, root: Digest([0xd0; 32]) };
    let (signer, view, kind) = (3, View(258), OffenceKind::NotarizeAndFinalize);
    let offence = OffenceRecord { epoch: Epoch(0), signer, view, kind, leaf: LeafIndex(6) };
    let voucher = Voucher { year: 2026, number: 411 };
    let by_hand = EntryRecord { entity: buyer(), voucher, digest: memorial().digest(), reversed: None };
    let budget = BudgetRecord {
        entity: buyer(),
        year: 2026,
        level: budget_part().level,
        version: 1,
        decision: budget_part().decision,
        open: false,
        cells: 2,
        operating: Total(0),
        investment: Total(0),
    };
    let cell = Cell {
        class: Class::Operating,
        limited: true,
        function: Some(222),
        art_group: None,
        cost_centre: Some(3100),
        project: None,
    };
    let proposed = Total(11_000_000);
    let appropriation = AppropriationRecord {
        proposed_version: 1,
        proposed,
        actual: Total(10_000_000),
        ..AppropriationRecord::empty(buyer(), 2026, cell)
    };
    let one = |record: Vec<u8>| vec![record];
    vec![
        ("parameters", one(codec::encode(&genesis().parameters))),
        ("entities", one(codec::encode(&EntityRecord { entity: new_entity(), opened: true }))),
        ("keys", one(codec::encode(&KeyRecord { granted: new_key(), revoked: false }))),
        ("codes", one(codec::encode(&genesis().codes[0]))),
        ("accounts", accounts.collect()),
        ("periods", one(codec::encode(&period))),
        ("series", one(codec::encode(&SeriesRecord { entity: buyer(), year: 2026, next: 413 }))),
        ("documents", one(codec::encode(&document))),
        ("payments", payments.collect()),
        ("bank-entries", vec![]),
        ("epochs", one(codec::encode(&epoch))),
        ("seats", seats.collect()),
        ("roots", one(codec::encode(&root))),
        ("offences", one(codec::encode(&offence))),
        ("entries", one(codec::encode(&by_hand))),
        ("budgets", one(codec::encode(&budget))),
        ("appropriations", one(codec::encode(&appropriation))),
    ]
}

fn levels(records: &[Vec<u8>]) -> Vec<Vec<Digest>> {
    let mut levels = vec![records.iter().map(|record| leaf_hash(record)).collect::<Vec<_>>()];
    while levels[levels.len() - 1].len() > 1 {
        levels.push(tree::parents(&levels[levels.len() - 1]));
    }
    levels
}

pub(crate) fn registers() -> Vec<RegisterRoot> {
    let root = |records: &[Vec<u8>]| {
        let levels = levels(records);
        levels[levels.len() - 1].first().copied().unwrap_or_else(tree::empty_root)
    };
    records().iter().map(|(name, all)| RegisterRoot::new(name, all.len() as u64, root(all))).collect()
}

pub(crate) fn record(register: u8, index: u64) -> RecordPath {
    let record = &records()[usize::from(register)].1;
    let levels = levels(record);
    let path = tree::inclusion_path(index, record.len() as u64, |level, index| {
        levels[usize::from(level)].get(index as usize).copied()
    });
    RecordPath { register, index, record: record[index as usize].clone(), path: path.unwrap() }
}

fn seal(height: u64, previous: u64, first: u64, count: u64) -> Vec<u8> {
    seal_of(Epoch(0), height, previous, first, count)
}

pub(crate) fn seal_of(epoch: Epoch, height: u64, previous: u64, first: u64, count: u64) -> Vec<u8> {
    codec::encode(&Leaf::Seal(Seal {
        version: PROTOCOL_VERSION,
        height: Height(height),
        time: Timestamp(1_772_582_400_000 + height),
        epoch,
        previous_seal: LeafIndex(previous),
        first: LeafIndex(first),
        count,
        state_root: state_root(&registers()),
    }))
}

/// Epoch and seal of genesis; a block of one of each operation; a block of a lone attestation.
pub(crate) fn leaves() -> Vec<Vec<u8>> {
    static ONCE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ONCE.get_or_init(make_leaves).clone()
}

fn make_leaves() -> Vec<Vec<u8>> {
    let epoch = Leaf::Epoch { epoch: Epoch(0), chain: chain(), validators: validators().digest() };
    let mut leaves = vec![codec::encode(&epoch), seal(0, 0, 0, 1)];
    for (signed, place) in booked().into_iter().zip(0..) {
        let entries = if place == 4 { vec![entry()] } else { vec![] };
        leaves.push(codec::encode(&Leaf::Transaction(Booked { signed, entries })));
    }
    leaves.push(seal(1, 1, 2, 13));
    let again = signed(77, Operation::Attest { document: invoice_id() }, &[ATTEST]);
    leaves.push(codec::encode(&Leaf::Transaction(Booked { signed: again, entries: vec![] })));
    // A kind of leaf that this version does not know.
    leaves.push([9u32.to_le_bytes().as_slice(), b"from a later version"].concat());
    leaves.push(seal(2, 15, 16, 2));
    leaves
}

/// The root of the perfect subtree over leaves `index · 2^level` and on.
pub(crate) fn node(leaves: &[Vec<u8>], level: u8, index: u64) -> Option<Digest> {
    let start = (index << level) as usize;
    let slice = leaves.get(start..start + (1 << level))?;
    let mut hashes: Vec<Digest> = slice.iter().map(|leaf| leaf_hash(leaf)).collect();
    while hashes.len() > 1 {
        hashes = tree::parents(&hashes);
    }
    hashes.first().copied()
}

pub(crate) fn checkpoint(leaves: &[Vec<u8>]) -> Checkpoint {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
    Checkpoint { origin: genesis().origin(), size: frontier.size(), root: frontier.root() }
}

pub(crate) fn cosignature(checkpoint: &Checkpoint, signer: u16) -> Cosignature {
    let time_s = NOW.0 / 1000 - 60 + u64::from(signer);
    Cosignature::sign(signer, checkpoint, time_s, &private(COSIGN + signer as u8))
}

pub(crate) fn certify(checkpoint: Checkpoint, signers: &[u16]) -> CertifiedCheckpoint {
    let all: Vec<Cosignature> = signers.iter().map(|signer| cosignature(&checkpoint, *signer)).collect();
    CertifiedCheckpoint::assemble(checkpoint, &all, &trust()).unwrap()
}

pub(crate) fn path(leaves: &[Vec<u8>], index: u64) -> Vec<Digest> {
    tree::inclusion_proof(index, leaves.len() as u64, |level, index| node(leaves, level, index)).unwrap()
}

pub(crate) fn seal_proof(leaves: &[Vec<u8>]) -> SealProof {
    let last = leaves.len() - 1;
    SealProof { registers: registers(), leaf: leaves[last].clone(), path: path(leaves, last as u64) }
}

/// A receipt for a leaf at a checkpoint of so many leaves.
pub(crate) fn receipt(index: u64, size: usize, records: Option<Vec<RecordPath>>) -> Receipt {
    let leaves = &leaves()[..size];
    let evidence = records.map(|records| Evidence { seal: seal_proof(leaves), records });
    let certified = certify(checkpoint(leaves), &[0, 1, 2]);
    Receipt::new(
        leaves[index as usize].clone(),
        LeafIndex(index),
        path(leaves, index),
        certified,
        evidence,
        vec![],
    )
}

pub(crate) fn state_proofs() -> StateProofs {
    let leaves = leaves();
    let records = vec![record(4, 0), record(4, 1), record(4, 2), record(5, 0)];
    let checkpoint = certify(checkpoint(&leaves), &[1, 2, 3]).to_text();
    StateProofs { checkpoint, seal: seal_proof(&leaves), records }
}
