//! What holds for every document and every order of steps, and for bytes nobody meant well.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::account::Class;
use alloc::collections::BTreeMap;

use crate::codec;
use crate::rules::tests::hand::correction;
use crate::transaction::{Coded, Reason};

const BUYERS: [u32; 5] = [S, N, U, C, P];
const SELLERS: [u32; 5] = [L, N, U, C, S];

/// Input VAT codes of 2026 with their rates.
const VAT: [(u16, u16); 5] = [(0, 0), (1, 25), (11, 15), (12, 0), (13, 12)];

fn buyer_account(buyer: u32, choice: u8) -> &'static str {
    let choices: [&str; 6] = match buyer {
        C => ["1.420.260", "1.523.120", "0.523.230", "1.701.350", "1.523.330", "0.730.230"],
        U => ["S430", "S671", "S120", "S779", "S430", "S655"],
        P => ["4300", "6820", "1200", "6300", "4000", "7770"],
        _ => ["1.222.260", "1.202.350", "0.222.230", "1.253.115", "1.332.330", "0.841.230"],
    };
    choices[usize::from(choice) % 6]
}

/// One line: account, net, VAT code, regime, cost centre.
type DrawnLine = (u8, i64, u8, u8, Option<u32>);

#[derive(Clone, Debug)]
struct Drawn {
    seller: Index,
    buyer: Index,
    day: u32,
    lines: Vec<DrawnLine>,
    apart: [i64; 5],
    prepaid: i64,
    rounding: i64,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let line = (any::<u8>(), -2_000_000i64..10_000_000, any::<u8>(), any::<u8>(), prop::option::of(1u32..4));
    let lines = prop::collection::vec(line, 1..9);
    let amounts = (prop::array::uniform5(-99i64..100), prop_oneof![3 => Just(0i64), 1 => 0i64..500_000]);
    (any::<Index>(), any::<Index>(), 0u32..6, lines, amounts, -99i64..100).prop_map(
        |(seller, buyer, month, lines, (apart, prepaid), rounding)| {
            let day = 20_260_104 + month * 100;
            Drawn { seller, buyer, day, lines, apart, prepaid, rounding }
        },
    )
}

fn document(drawn: &Drawn, number: usize) -> Document {
    let (seller, buyer) = (*drawn.seller.get(&SELLERS), *drawn.buyer.get(&BUYERS));
    let mut lines = Vec::new();
    for (account, net, code, regime, cost_centre) in &drawn.lines {
        let (code, _) = VAT[usize::from(*code) % 5];
        let kostra = matches!(buyer, S | N | C);
        let regime = match (regime % 3, code, buyer) {
            (_, 0, _) | (_, _, U) | (0, ..) => Regime::Cost,
            (1, 1 | 11 | 13, _) if kostra => Regime::Compensate,
            _ => Regime::Deduct,
        };
        let account = super::account(buyer_account(buyer, *account));
        let (net, cost_centre) = (Amount(*net), *cost_centre);
        lines.push(Line { account, net, vat_code: code, regime, cost_centre, project: None });
    }
    let mut totals = Vec::new();
    for (place, (code, percent)) in VAT.into_iter().enumerate() {
        let own: Vec<i64> = lines.iter().filter(|l| l.vat_code == code).map(|l| l.net.0).collect();
        if !own.is_empty() {
            let base = own.iter().sum::<i64>();
            let rate = if code == 12 { Rate(1111) } else { Rate(percent * 100) };
            let vat = (base.abs() * i64::from(rate.0) + 5000) / 10_000 * base.signum();
            let vat = if code == 0 { 0 } else { vat + drawn.apart[place] };
            totals.push(VatTotal { code, rate, base: Amount(base), vat: Amount(vat) });
        }
    }
    let day = Date::new(drawn.day).unwrap().to_string();
    let mut document = invoice(seller, &format!("{number}"), buyer, &day, lines, totals);
    document.prepaid = Amount(drawn.prepaid);
    document.rounding = Amount(drawn.rounding);
    document.payable.0 += drawn.rounding - drawn.prepaid;
    document
}

fn seed(buyer: OrgNumber, role: usize) -> u8 {
    let first = match buyer.number() {
        S => S_SUBMIT,
        N => 31,
        U => 41,
        C => 51,
        _ => 61,
    };
    first + u8::try_from(role).unwrap()
}

/// What one entity's books say of another on these accounts, debit positive.
fn sum(entries: &[JournalEntry], own: OrgNumber, other: OrgNumber, of: impl Fn(Account) -> bool) -> i64 {
    let own = entries.iter().filter(|entry| entry.entity == own).flat_map(|entry| &entry.postings);
    own.filter(|p| p.counterparty == Some(other) && of(p.account)).map(|p| p.amount.0).sum()
}

/// Claims, debts, and what was prepaid.
fn mirrored(account: Account) -> bool {
    match account.class {
        // Chapter 32 with the state's sector is VAT owed to it.
        Class::Balance => [13, 35].contains(&account.code) || account.code == 32 && account.sector != 610,
        Class::State => [150, 179, 240, 290].contains(&account.code),
        Class::Private => [1480, 1500, 2400, 2900].contains(&account.code),
        Class::Investment | Class::Operating => false,
    }
}

fn payable(account: Account) -> bool {
    let code = match account.class {
        Class::Balance => 35,
        Class::State => 240,
        Class::Private => 2400,
        Class::Investment | Class::Operating => return false,
    };
    account.code == code
}

fn art_sum(entries: &[JournalEntry], entity: u32, art: u16) -> i64 {
    let own = entries.iter().filter(|entry| entry.entity == org(entity)).flat_map(|entry| &entry.postings);
    let cost = |class| matches!(class, Class::Investment | Class::Operating);
    own.filter(|p| cost(p.account.class) && p.account.code == art).map(|p| p.amount.0).sum()
}

/// What holds after any transactions.
fn always(world: &World, entries: &[JournalEntry]) {
    world.audit();
    let documents = world.all::<DocumentRecord>();
    for own in BUYERS.into_iter().chain([L]) {
        assert_eq!(art_sum(entries, own, 429), -art_sum(entries, own, 729), "L4: 429 and 729 of {own}");
        for other in BUYERS.into_iter().chain([L]) {
            // What municipalities were prepaid by the state lies beside the VAT owed to it.
            let state = [own, other].contains(&U) && [own, other].iter().any(|e| [S, N, C].contains(e));
            if own != P && other != P && !state {
                let here = sum(entries, org(own), org(other), mirrored);
                let there = sum(entries, org(other), org(own), mirrored);
                assert_eq!(here, -there, "L2: {own} and {other}");
            }
            let between = documents.iter().filter(|d| (d.buyer, d.id.seller) == (org(own), org(other)));
            let open: i64 = between.map(|d| if d.credit_note { -d.open.0 } else { d.open.0 }).sum();
            if own != P {
                assert_eq!(sum(entries, org(own), org(other), payable), -open, "open of {own} to {other}");
            }
        }
    }
    for record in &documents {
        let owed = record.open.0 + record.settled.0;
        assert!((0..=record.payable.0).contains(&owed), "{record:?}");
        assert_eq!(record.status == Status::Settled, record.settled.0 != 0, "{record:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn l16_l2_any_documents_and_steps_leave_the_books_at_zero_and_both_sides_alike(
        drawn in prop::collection::vec(drawn(), 1..6),
        steps in prop::collection::vec((any::<Index>(), 0u8..10, any::<u8>()), 0..40),
    ) {
        let mut world = World::new();
        let mut entries = Vec::new();
        let mut documents = Vec::new();
        let mut recoded: BTreeMap<DocumentId, Vec<Line>> = BTreeMap::new();
        for (number, drawn) in drawn.iter().enumerate() {
            let document = document(drawn, number);
            match world.register(&document) {
                Ok(booked) => {
                    for entry in &booked {
                        let JournalEntry { entity, voucher, date, postings, .. } = entry.clone();
                        prop_assert!(JournalEntry::new(entity, voucher, date, None, postings).is_ok());
                    }
                    entries.extend(booked);
                    documents.push(document);
                }
                Err(refusal) => {
                    let expected = ["L1", "L2", "L4"].contains(&refusal.rule());
                    prop_assert!(expected, "{} {}", refusal.rule(), refusal);
                }
            }
        }
        always(&world, &entries);
        let mut used = 0;
        for (which, step, kind) in steps {
            let Some(document) = (!documents.is_empty()).then(|| which.get(&documents).clone()) else { break };
            let record = world.document(&document);
            let (id, day) = (document.id.clone(), "2026-06-30");
            used += 1;
            let seeds = |role: usize| vec![seed(document.buyer, role)];
            let coded = Coded { document: document.clone(), recoded: recoded.get(&id).cloned() };
            let coded_lines = coded.recoded.clone();
            let correction = correction("2026-06-30", Reason::Account);
            let buyers = || vec![seed(document.buyer, 0), seed(document.buyer, 2)];
            let (operation, signers) = match step {
                0 | 1 => (Operation::Attest { document: id }, seeds(1)),
                2 | 3 => (Operation::Approve { document: id }, seeds(2)),
                4 => (Operation::OrderPayment { document: id, amount: record.open }, seeds(3)),
                5 => (settle(&document, record.open, day, used), seeds(4)),
                6 if kind % 2 == 0 => (reject(&document, used), seeds(4)),
                6 => (give_back(&document, record.settled, day, used), seeds(4)),
                7 => {
                    let mut lines = coded.current().lines;
                    lines[0].cost_centre = Some(u32::from(kind));
                    lines[0].account = account(buyer_account(document.buyer.number(), kind));
                    (Operation::Recode { coded, lines, correction }, buyers())
                }
                8 => {
                    let mut signers = buyers();
                    signers.extend([L_SUBMIT].into_iter().filter(|_| document.id.seller == org(L)));
                    signers.extend([seed(document.id.seller, 0)].into_iter().filter(|_| document.id.seller != org(L)));
                    (Operation::Cancel { coded, correction }, signers)
                }
                _ => {
                    let mut note = document.clone();
                    note.id.number = InvoiceNumber::new(format!("K{used}")).unwrap();
                    note.kind = DocumentKind::CreditNote { corrects: Some(id).filter(|_| kind % 2 == 0) };
                    documents.push(note.clone());
                    (Operation::RegisterDocument(note), seeds(0))
                }
            };
            if let Operation::Recode { lines, .. } = &operation {
                recoded.insert(document.id.clone(), lines.clone());
            }
            let before = coded_lines;
            match world.send(operation, &signers) {
                Ok(booked) => entries.extend(booked),
                Err(refusal) => {
                    prop_assert!(["L1", "L4", "L12", "L17", "L18", "L37"].contains(&refusal.rule()), "{}", refusal);
                    match before {
                        Some(lines) if step == 7 => drop(recoded.insert(document.id.clone(), lines)),
                        None if step == 7 => drop(recoded.remove(&document.id)),
                        _ => {}
                    }
                    if step == 9 {
                        documents.pop();
                    }
                }
            }
        }
        always(&world, &entries);
    }

    #[test]
    fn no_bytes_that_decode_to_a_transaction_make_the_rules_panic(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        signers in prop::collection::vec(prop::sample::select(
            vec![REGISTRAR, AUDITOR, S_ADMIN, S_SUBMIT, S_ATTEST, S_APPROVE, S_ORDER, S_BANK, S_EVERYTHING, 99]
        ), 1..4),
    ) {
        let mut world = World::new();
        let mut ordered = cleaning();
        ordered.id.number = InvoiceNumber::new("1").unwrap();
        world.register(&ordered).unwrap();
        world.order(&ordered);
        let operations = [
            Operation::RegisterDocument(cleaning()),
            Operation::RegisterDocument(credit("K1", &ordered, cleaning().lines, cleaning().vat_totals)),
            Operation::RegisterEntity(entity(938_626_367, EntityKind::State, "Etaten", 610, Some("2026-07"))),
            Operation::GrantKey(granted(70, S, 9, &[(S, Role::Attest)])),
            Operation::RevokeKey { key: key(S_SUBMIT) },
            Operation::OpenBooks {
                entity: org(S),
                date: date("2026-01-01"),
                lines: ["1.00", "-1.00"]
                    .map(|amount| OpeningLine { account: account("2.10.320"), amount: nok(amount) })
                    .into(),
            },
            Operation::ClosePeriod { entity: org(S), period: Period::parse("2026-01").unwrap() },
            Operation::Attest { document: ordered.id.clone() },
            settle(&ordered, ordered.payable, "2026-05-20", 1),
            give_back(&ordered, ordered.payable, "2026-05-20", 1),
            reject(&ordered, 1),
        ];
        let id = PaymentId { submitter: org(S), number: [255; 16] };
        let mut bytes = codec::encode(&Transaction { id, operation: which.get(&operations).clone() });
        for (place, byte) in changes {
            *place.get_mut(&mut bytes) = byte;
        }
        if let Ok(transaction) = codec::decode::<Transaction>(&bytes, crate::transaction::TRANSACTION_BYTES_MAX) {
            let mut signers = signers;
            signers.sort_unstable();
            signers.dedup();
            let transaction = sign(transaction, &signers);
            let before = world.draft().len::<PaymentRecord>();
            let result = world.submit(&transaction);
            let after = world.draft().len::<PaymentRecord>();
            prop_assert_eq!(result.is_ok(), after == before + 1);
            if let Err(refusal) = result {
                prop_assert!(refusal.rule().starts_with('L') && refusal.to_string().contains("; "));
            }
            world.audit();
        }
    }

    #[test]
    fn shares_of_vat_sum_to_the_vat_and_lie_close_to_base_times_rate(
        bases in prop::collection::vec(-1_000_000_000_000_000i64..1_000_000_000_000_000, 1..121),
        rate in 0u16..3000,
        apart in -99i128..100,
    ) {
        let exact: i128 = bases.iter().map(|base| i128::from(*base) * i128::from(rate)).sum::<i128>() / 10_000;
        let vat = Amount(i64::try_from(exact + apart).unwrap());
        let bases: Vec<Amount> = bases.into_iter().map(Amount).collect();
        let shares = crate::booking::shares(vat, Rate(rate), &bases);
        prop_assert_eq!(shares.iter().map(|share| share.0).sum::<i64>(), vat.0);
        for (share, base) in shares.iter().zip(&bases) {
            let exact = i128::from(base.0) * i128::from(rate) / 10_000;
            prop_assert!((i128::from(share.0) - exact).abs() <= 102);
        }
    }
}
