//! Scratch.

extern crate std;
use std::println;

use super::*;

#[test]
fn review_line_on_bank_account_moves_cash() {
    let mut world = World::new();
    for (seller, buyer, text) in [(S, L, "1920"), (S, L, "1500"), (S, L, "2400"), (L, U, "S196"), (L, U, "S150"), (L, S, "1.222.729"), (L, S, "1.222.429")] {
        let lines = vec![line(text, "100.00", 0)];
        let document = invoice(seller, &format!("B{text}"), buyer, "2026-05-04", lines, vec![total(0, 0, "100.00", "0")]);
        let r = world.register(&document);
        println!("{text}: {}", match &r { Ok(e) => shown(e), Err(r) => r.to_string() });
    }
}

#[test]
fn review_cost_of_late_postings() {

    use std::time::Instant;
    let mut world = World::beginning("2010-01").on("2026-07-01");
    let functions = [201, 202, 211, 213, 215, 221, 222, 223, 231, 232, 241, 242];
    let arts = [120, 130, 140, 150, 115, 100, 170, 190, 195, 200];
    let mut lines = Vec::new();
    for f in functions { for a in arts {
        lines.push(line(&format!("1.{f}.{a}"), "100.00", 1));
    }}
    let lines: Vec<_> = lines.into_iter().take(120).collect();
    let base = format!("{}.00", lines.len() * 100);
    let vat = format!("{}.00", lines.len() * 25);
    let mut n = 0;
    let mut period = Period::parse("2010-01").unwrap();
    let t = Instant::now();
    let mut size = 0;
    while period.number() <= 202606 {
        n += 1;
        let day = format!("{period}-04");
        let mut d = invoice(L, &format!("{n}"), S, &day, lines.clone(), vec![total(1, 25, &base, &vat)]);
        d.due = date("2027-01-01");
        world.sent = 0;
        let mut tx = world.signed(Operation::RegisterDocument(d), &[S_SUBMIT]);
        let mut inner = tx.transaction().clone();
        inner.id.number = [0; 16];
        inner.id.number[..8].copy_from_slice(&(n as u64).to_le_bytes());
        tx = sign(inner, &[S_SUBMIT]);
        size = crate::codec::encode(tx.signed()).len();
        match world.submit(&tx) { Ok(_) => {}, Err(r) => { println!("{day} {r}"); } }
        period = period.next();
    }
    println!("{n} forward in {:?}, tx bytes {size}, accounts {}", t.elapsed(), world.all::<AccountRecord>().len());
    for day in ["2026-06-05", "2025-01-05", "2010-01-05"] {
    let t = Instant::now();
    for k in 0..3 {
        let mut d = invoice(L, &format!("L{k}"), S, day, lines.clone(), vec![total(1, 25, &base, &vat)]);
        d.due = date("2027-01-01");
        let tx = world.signed(Operation::RegisterDocument(d), &[S_SUBMIT]);
        let mut inner = tx.transaction().clone();
        inner.id.number = [9; 16];
        inner.id.number[0] = k;
        inner.id.number[1..11].copy_from_slice(day.as_bytes());
        let tx = sign(inner, &[S_SUBMIT]);
        if let Err(r) = world.submit(&tx) { println!("{r}"); }
    }
    println!("{day} each: {:?}", t.elapsed() / 3);
    }
}

#[test]
fn review_carry_over_against_plain_recount() {
    let mut world = World::beginning("2024-11").on("2026-07-01");
    let mut n = 0u32;
    for day in ["2025-03-04", "2024-12-31", "2026-01-01", "2024-11-01", "2025-12-31", "2026-06-30", "2025-01-01"] {
        n += 1;
        let mut d = cleaning();
        d.id.number = InvoiceNumber::new(format!("{n}")).unwrap();
        d.date = date(day);
        d.tax_point = date(day);
        world.register(&d).unwrap();
        world.audit();
    }
}

#[test]
fn review_one_administrator_alone_pays_an_invoice() {
    let mut world = World::new();
    for (seed, holder, role) in [(80, 90, Role::Submit), (81, 91, Role::Attest), (82, 92, Role::Approve), (83, 93, Role::Order), (84, 94, Role::Bank)] {
        world.send(Operation::GrantKey(granted(seed, S, holder, &[(S, role)])), &[S_ADMIN]).unwrap();
    }
    world.send(Operation::RegisterDocument(cleaning()), &[80]).unwrap();
    world.send(Operation::Attest { document: cleaning().id }, &[81]).unwrap();
    world.send(Operation::Approve { document: cleaning().id }, &[82]).unwrap();
    world.send(Operation::OrderPayment { document: cleaning().id, amount: nok("125000.00") }, &[83]).unwrap();
    let r = world.send(settle(&cleaning(), nok("125000.00"), "2026-01-05", 0), &[84]);
    println!("admin alone, zero bank ref, dated before the invoice: {}", r.is_ok());
}

#[test]
fn review_the_sellers_mandate_on_the_buyers_key() {
    let mut world = World::new();
    world.send(Operation::GrantKey(granted(S_APPROVE, S, 3, &[(L, Role::Submit)])), &[REGISTRAR]).unwrap();
    world.register(&cleaning()).unwrap();
    world.send(Operation::Attest { document: cleaning().id }, &[S_ATTEST]).unwrap();
    println!("approver acting for seller: {:?}", world.send(Operation::Approve { document: cleaning().id }, &[S_APPROVE]).is_ok());
}

#[test]
fn review_a_fake_credit_note_and_zero() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.approve(&cleaning());
    let note = credit("FAKE", &cleaning(), cleaning().lines, cleaning().vat_totals);
    println!("fake credit: {:?}", world.register(&note).is_ok());
    let by_seller = credit("REAL", &cleaning(), cleaning().lines, cleaning().vat_totals);
    println!("credit by the seller: {:?}", world.send(Operation::RegisterDocument(by_seller), &[L_SUBMIT]));
    // settled invoice credited again and again
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.order(&cleaning());
    world.send(settle(&cleaning(), nok("125000.00"), "2026-05-20", 1), &[S_BANK]).unwrap();
    for k in 0..3 {
        let note = credit(&format!("K{k}"), &cleaning(), cleaning().lines, cleaning().vat_totals);
        println!("again: {:?}", world.register(&note).is_ok());
    }
    println!("{:?}", world.balance(S, "1.222.260", "2026-06").closing());
}

#[test]
fn review_names() {
    for name in ["Ola Nordmann 010190 12345", "01019012345", "０１０１９０１２３４５", "010190-12345", "٠١٠١٩٠١٢٣٤٥"] {
        println!("{name}: {:?}", Name::new(name).is_ok());
    }
    for n in ["010190-12345", "1234.56.78903", "01019.012345"] {
        println!("{n}: {:?}", InvoiceNumber::new(n).is_ok());
    }
}

#[test]
fn review_close_before_opening() {
    let mut world = World::new();
    world.send(Operation::ClosePeriod { entity: org(S), period: Period::parse("2026-01").unwrap() }, &[S_ADMIN]).unwrap();
    let lines = vec![OpeningLine { account: account("2.10.320"), amount: nok("1.00") }, OpeningLine { account: account("2.5990.000"), amount: nok("-1.00") }];
    println!("{:?}", world.send(Operation::OpenBooks { entity: org(S), date: date("2026-01-01"), lines }, &[S_ADMIN, AUDITOR]));
}

#[test]
fn review_cost_worst() {
    use std::time::Instant;
    let mut world = World::beginning("2006-08").on("2026-07-01");
    let put = |world: &mut World, tag: u32, day: &str| {
        let lines: Vec<_> = (0..120).map(|k| line(&format!("{}", 1000 + k), "1.00", 0)).collect();
        let mut d = invoice(P, &format!("{tag}-{day}"), L, day, lines, vec![total(0, 0, "120.00", "0")]);
        d.due = date("2027-01-01");
        let mut number = [7; 16];
        number[..4].copy_from_slice(&tag.to_le_bytes());
        number[4..14].copy_from_slice(day.as_bytes());
        let id = PaymentId { submitter: org(L), number };
        let tx = sign(Transaction { id, operation: Operation::RegisterDocument(d) }, &[L_SUBMIT]);
        let size = crate::codec::encode(tx.signed()).len();
        if let Err(r) = world.submit(&tx) { println!("{r}"); }
        size
    };
    let mut period = Period::parse("2006-08").unwrap();
    let t = Instant::now();
    let mut n = 0;
    let mut size = 0;
    while period.number() <= 202606 {
        size = put(&mut world, 0, &format!("{period}-04"));
        n += 1;
        period = period.next();
    }
    println!("{n} forward {:?} each, {size} bytes", t.elapsed() / n);
    let t = Instant::now();
    for k in 0..5 { put(&mut world, 1 + k, "2006-08-05"); }
    println!("late {:?} each", t.elapsed() / 5);
}

#[test]
fn review_e3_lines_for_hledger() {
    let mut world = World::new();
    let lines = vec![line("1.253.115", "8333.33", 11), line("1.253.170", "1234.56", 13)];
    let totals = vec![total(11, 15, "8333.33", "1250.00"), total(13, 12, "1234.56", "148.15")];
    let mut food = invoice(L, "8842", S, "2026-05-06", lines, totals);
    food.rounding = nok("-0.04");
    food.payable = nok("10966.00");
    for entry in world.register(&food).unwrap() {
        println!("JJ2026-05-06 ({})", entry.entity);
        for p in entry.postings {
            println!("JJ  {}:{}  {} NOK ; {:?}", entry.entity, p.account.to_string().replace('.', ":"), p.amount.to_decimal(), p.vat.map(|v| (v.code, v.base.0, v.rate.0)));
        }
    }
}
