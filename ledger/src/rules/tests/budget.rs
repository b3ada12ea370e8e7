//! Budgets: what councils appropriate, and what that binds.

use super::*;
use crate::records::{AppropriationRecord, BudgetRecord};
use crate::rules::tests::hand::correction;
use crate::transaction::{BudgetPart, Coded, Duty, EntryLine, Level, Override, Reason};

/// Keys of the controller, and of the one who signs legal duties.
const S_BUDGET: u8 = 17;
const S_LAWYER: u8 = 18;
const BOTH: [u8; 2] = [S_BUDGET, S_APPROVE];
const BY_FUNCTION: Level = Level { function: true, art_group: false, cost_centre: false, project: false };

fn world() -> World {
    let mut world = World::new();
    for (seed, holder, role) in [(S_BUDGET, 8, Role::Budget), (S_LAWYER, 9, Role::Override)] {
        let key = Operation::GrantKey(granted(seed, S, holder, &[(S, role)]));
        world.send(key, &[S_ADMIN]).unwrap();
    }
    world
}

fn part(version: u32, lines: &[(&str, &str)], last: bool) -> BudgetPart {
    let line = |(text, amount): &(&str, &str)| EntryLine {
        account: account(text),
        amount: nok(amount),
        cost_centre: None,
        project: None,
    };
    let (level, decision) = (BY_FUNCTION, Digest([version as u8; 32]));
    BudgetPart {
        entity: org(S),
        year: 2026,
        version,
        level,
        decision,
        lines: lines.iter().map(line).collect(),
        last,
    }
}

fn adopt(world: &mut World, part: BudgetPart) -> Result<Vec<JournalEntry>, Refusal> {
    world.send(Operation::AdoptBudget(part), &BOTH)
}

/// 110 000 for function 222, which E2's 100 000 net fits into once.
fn adopted(world: &mut World) {
    adopt(world, part(1, &[("1.222.260", "90000.00")], false)).unwrap();
    adopt(world, part(1, &[("1.222.120", "20000.00"), ("1.800.870", "-110000.00")], true)).unwrap();
}

fn attested(world: &mut World, document: &Document) {
    world.register(document).unwrap();
    world.send(Operation::Attest { document: document.id.clone() }, &[S_ATTEST]).unwrap();
}

fn approve(document: &Document, duty: Option<Duty>) -> Operation {
    let coded = Coded { document: document.clone(), recoded: None };
    let duty = duty.map(|duty| Override { duty, content: Digest([6; 32]) });
    Operation::ApproveCovered { coded, duty }
}

fn numbered(number: &str) -> Document {
    let mut document = cleaning();
    document.id.number = InvoiceNumber::new(number).unwrap();
    document
}

/// Adopted in force and booked, of the limited appropriation of function 222.
fn of_222(world: &World) -> (i128, i128, u32) {
    let version = world.all::<BudgetRecord>()[0].version;
    let all = world.all::<AppropriationRecord>();
    let one = all.iter().find(|record| record.cell.limited && record.cell.function == Some(222)).unwrap();
    (one.in_force(version).0, one.actual.0, one.overrides)
}

#[test]
fn l8_an_approval_is_refused_beyond_the_appropriation_and_lifted_by_a_signed_legal_duty() {
    let mut world = world();
    adopted(&mut world);
    attested(&mut world, &cleaning());
    assert_eq!(of_222(&world), (11_000_000, 10_000_000, 0), "compensated VAT takes nothing");
    refused(
        world.send(Operation::Approve { document: cleaning().id }, &[S_APPROVE]),
        "L8",
        "document 123456785 8841 2026-05-04: the budget of 2026 binds its approval; approve it with its lines",
    );
    refused(
        world.send(approve(&cleaning(), Some(Duty::Contract)), &[S_APPROVE, S_LAWYER]),
        "L8",
        "document 123456785 8841 2026-05-04: the budget covers it; approve it without a legal duty",
    );
    assert_eq!(world.send(approve(&cleaning(), None), &[S_APPROVE]), Ok(vec![]));
    assert_eq!(world.document(&cleaning()).status, Status::Approved);
    let second = numbered("8842");
    attested(&mut world, &second);
    refused(
        world.send(approve(&second, None), &[S_APPROVE]),
        "L8",
        "964965226 in 2026, operating expense, function 222: 110 000,00 is appropriated, 200 000,00 is booked; have the council amend the budget, or have a legal duty signed",
    );
    assert_eq!(world.send(approve(&second, Some(Duty::Contract)), &[S_APPROVE]).unwrap_err().rule(), "L7");
    assert_eq!(world.send(approve(&second, None), &[S_ATTEST]).unwrap_err().rule(), "L7");
    assert_eq!(world.send(approve(&second, Some(Duty::Contract)), &[S_APPROVE, S_LAWYER]), Ok(vec![]));
    assert_eq!(of_222(&world), (11_000_000, 20_000_000, 1));
    let amount = world.document(&second).open;
    let order = Operation::OrderPayment { document: second.id.clone(), amount };
    assert_eq!(world.send(order, &[S_ORDER]), Ok(vec![]));
    world.audit();
}

#[test]
fn l8_what_is_booked_follows_recoding_cancelling_crediting_and_entries_by_hand() {
    let mut world = world();
    adopted(&mut world);
    world.register(&cleaning()).unwrap();
    let lines = vec![line("1.221.260", "100000.00", 1)];
    let coded = Coded { document: cleaning(), recoded: None };
    let correction = correction("2026-06-30", Reason::Account);
    let recode = Operation::Recode { coded, lines: lines.clone(), correction };
    world.send(recode, &[S_SUBMIT, S_APPROVE]).unwrap();
    assert_eq!(of_222(&world).1, 0);
    let coded = Coded { document: cleaning(), recoded: Some(lines) };
    world.send(Operation::Cancel { coded, correction }, &[S_SUBMIT, S_APPROVE, L_SUBMIT]).unwrap();
    for record in world.all::<AppropriationRecord>() {
        assert_eq!(record.actual, Total(0), "{}", record.cell);
    }
    // VAT that stays a cost is spent; a credit note gives back.
    let mut cost = one_line("1", "1000.00");
    cost.lines[0].regime = Regime::Cost;
    world.register(&cost).unwrap();
    assert_eq!(of_222(&world).1, 125_000);
    let mut note = credit("K1", &cost, cost.lines.clone(), cost.vat_totals.clone());
    note.lines[0].regime = Regime::Cost;
    world.register(&note).unwrap();
    assert_eq!(of_222(&world).1, 0);
    // Every line is somewhere, and they are counted.
    let budget = &world.all::<BudgetRecord>()[0];
    assert_eq!(budget.cells, world.all::<AppropriationRecord>().len() as u64);
    world.audit();
}

fn one_line(number: &str, net: &str) -> Document {
    let vat = Amount(nok(net).0 / 4).to_decimal();
    invoice(L, number, S, "2026-05-04", vec![line("1.222.260", net, 1)], vec![total(1, 25, net, &vat)])
}

#[test]
fn l44_a_budget_is_in_balance_when_complete_and_amended_version_by_version() {
    let mut world = world();
    adopt(&mut world, part(1, &[("1.222.260", "90000.00")], false)).unwrap();
    refused(
        adopt(&mut world, part(1, &[("1.800.870", "-80000.00"), ("0.222.230", "5.00")], true)),
        "L44",
        "964965226 in 2026: operating lines sum to 10 000,00, investment lines to 5,00; both must be zero when the version is complete",
    );
    let mut other = part(1, &[("1.800.870", "-90000.00")], true);
    other.decision = Digest([9; 32]);
    refused(
        adopt(&mut world, other),
        "L44",
        "964965226 in 2026: version 1 under this decision, expected version 1; complete what was begun, with the same decision in all parts",
    );
    // What is not complete does not bind.
    attested(&mut world, &cleaning());
    assert_eq!(world.send(approve(&cleaning(), None), &[S_APPROVE]).unwrap_err().rule(), "L8");
    world.send(Operation::Approve { document: cleaning().id }, &[S_APPROVE]).unwrap();
    adopt(&mut world, part(1, &[("1.800.870", "-90000.00")], true)).unwrap();
    let second = numbered("8842");
    attested(&mut world, &second);
    assert_eq!(world.send(approve(&second, None), &[S_APPROVE]).unwrap_err().rule(), "L8");
    let mut level = part(2, &[("1.222.260", "1.00")], false);
    level.level.project = true;
    refused(
        adopt(&mut world, level),
        "L44",
        "964965226 appropriates 2026 by another level; keep the level that the year began with",
    );
    assert_eq!(adopt(&mut world, part(3, &[("1.222.260", "1.00")], false)).unwrap_err().rule(), "L44");
    let more = [("1.222.260", "110000.00"), ("1.221.260", "-110000.00")];
    adopt(&mut world, part(2, &more[..1], false)).unwrap();
    assert_eq!(of_222(&world), (9_000_000, 20_000_000, 0), "an amendment counts once it is complete");
    adopt(&mut world, part(2, &more[1..], true)).unwrap();
    assert_eq!(of_222(&world), (20_000_000, 20_000_000, 0));
    assert_eq!(world.send(approve(&second, None), &[S_APPROVE]), Ok(vec![]));
    world.audit();
}

#[test]
fn l44_l7_l3_l9_who_adopts_what_when() {
    let mut world = world();
    let good = || part(1, &[("1.222.260", "1.00"), ("1.800.870", "-1.00")], true);
    let send = |world: &mut World, part: BudgetPart, seeds: &[u8]| {
        world.send(Operation::AdoptBudget(part), seeds).unwrap_err().rule()
    };
    assert_eq!(send(&mut world, good(), &[S_BUDGET]), "L7");
    assert_eq!(send(&mut world, good(), &[S_SUBMIT, S_APPROVE]), "L7");
    assert_eq!(send(&mut world, part(1, &[("2.10.320", "1.00")], false), &BOTH), "L44");
    assert_eq!(send(&mut world, part(1, &[("1.222.999", "1.00")], false), &BOTH), "L3");
    assert_eq!(send(&mut world, part(1, &[], false), &BOTH), "L21");
    assert_eq!(send(&mut world, BudgetPart { year: 2025, ..good() }, &BOTH), "L9");
    assert_eq!(send(&mut world, BudgetPart { year: 0, ..good() }, &BOTH), "L9");
    assert_eq!(send(&mut world, BudgetPart { entity: org(P), ..good() }, &BOTH), "L17");
    assert_eq!(send(&mut world, BudgetPart { entity: org(L), ..good() }, &BOTH), "L44");
    world.register(&cleaning()).unwrap();
    refused(
        adopt(&mut world, good()),
        "L44",
        "964965226 has vouchers of 2026 already; a year's first budget comes before its vouchers, amend the next year's",
    );
    assert!(adopt(&mut world, BudgetPart { year: 2027, ..good() }).is_ok(), "next year's, in time");
}

#[test]
fn l8_what_is_recoded_after_its_approval_is_approved_again_on_its_new_appropriation() {
    let mut world = world();
    adopted(&mut world);
    attested(&mut world, &cleaning());
    world.send(approve(&cleaning(), None), &[S_APPROVE]).unwrap();
    let lines = vec![line("1.221.260", "100000.00", 1)];
    let coded = Coded { document: cleaning(), recoded: None };
    let moved = correction("2026-06-30", Reason::Account);
    let recode = Operation::Recode { coded, lines: lines.clone(), correction: moved };
    world.send(recode, &[S_SUBMIT, S_APPROVE]).unwrap();
    let record = world.document(&cleaning());
    assert_eq!((record.status, record.approved_by), (Status::Attested, None));
    let order = Operation::OrderPayment { document: cleaning().id, amount: record.open };
    assert_eq!(world.send(order.clone(), &[S_ORDER]).unwrap_err().rule(), "L18");
    let again = |duty: Option<Duty>| Operation::ApproveCovered {
        coded: Coded { document: cleaning(), recoded: Some(lines.clone()) },
        duty: duty.map(|duty| Override { duty, content: Digest([6; 32]) }),
    };
    refused(
        world.send(again(None), &[S_APPROVE]),
        "L8",
        "964965226 in 2026, operating expense, function 221: 0,00 is appropriated, 100 000,00 is booked; have the council amend the budget, or have a legal duty signed",
    );
    world.send(again(Some(Duty::Statute)), &[S_APPROVE, S_LAWYER]).unwrap();
    assert_eq!(world.send(order, &[S_ORDER]), Ok(vec![]));
    world.audit();
}
