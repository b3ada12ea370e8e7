//! Claims that cancel out between two parties.

use super::*;

const N_ATTEST: u8 = 32;
const N_APPROVE: u8 = 33;
const N_ORDER: u8 = 34;

/// Pupils from elsewhere, outside VAT.
fn pupils(seller: u32, number: &str, buyer: u32, net: &str) -> Document {
    invoice(seller, number, buyer, "2026-05-21", vec![line("1.202.350", net, 0)], vec![total(0, 0, net, "0")])
}

fn net(one: &Document, other: &Document, amount: &str) -> Operation {
    let (one, other) = (one.id.clone(), other.id.clone());
    Operation::NetClaims { one, other, amount: nok(amount), date: date("2026-06-15") }
}

/// Stavanger owes Sandnes 250,000, Sandnes owes Stavanger 40,000, both approved.
fn owing() -> (World, Document, Document) {
    let mut world = World::new();
    let (large, small) = (pupils(N, "77", S, "250000.00"), pupils(S, "12", N, "40000.00"));
    world.register(&large).unwrap();
    world.register(&small).unwrap();
    world.approve(&large);
    let document = small.id.clone();
    world.send(Operation::Attest { document: document.clone() }, &[N_ATTEST]).unwrap();
    world.send(Operation::Approve { document }, &[N_APPROVE]).unwrap();
    (world, large, small)
}

#[test]
fn l41_e5_claims_of_two_municipalities_are_netted_and_the_rest_is_paid() {
    let (mut world, large, small) = owing();
    books(
        world.send(net(&large, &small, "40000.00"), &[S_ORDER, N_ORDER]),
        "964965226:2:35:650     40000.00 NOK
         964965226:2:13:650    -40000.00 NOK
         964965137:2:35:650     40000.00 NOK
         964965137:2:13:650    -40000.00 NOK",
    );
    let (left, gone) = (world.document(&large), world.document(&small));
    assert_eq!((left.status, left.open), (Status::Approved, nok("210000.00")));
    assert_eq!((gone.status, gone.open, gone.settled), (Status::Netted, Amount::ZERO, Amount::ZERO));
    assert!(gone.buyer_payment_voucher.is_some() && gone.seller_payment_voucher.is_some());
    let (document, amount) = (large.id.clone(), left.open);
    world.send(Operation::OrderPayment { document, amount }, &[S_ORDER]).unwrap();
    books(
        world.send(settle(&large, amount, "2026-06-20", 1), &[S_BANK]),
        "964965226:2:35:650    210000.00 NOK
         964965226:2:10:320   -210000.00 NOK
         964965137:2:10:320    210000.00 NOK
         964965137:2:13:650   -210000.00 NOK",
    );
    for (entity, chapter) in [(S, "2.35.650"), (S, "2.13.650"), (N, "2.35.650"), (N, "2.13.650")] {
        assert_eq!(world.balance(entity, chapter, "2026-06").closing(), Total(0), "{entity} {chapter}");
    }
    // What the bank sends back is open again, without what was netted.
    world.send(give_back(&large, amount, "2026-06-25", 2), &[S_BANK]).unwrap();
    assert_eq!(world.document(&large).open, nok("210000.00"));
    world.audit();
}

#[test]
fn l41_l7_l18_netting_wants_a_claim_each_way_and_the_word_of_both() {
    let (mut world, large, small) = owing();
    let both = [S_ORDER, N_ORDER];
    for signers in [&[S_ORDER][..], &[N_ORDER], &[S_EVERYTHING], &[S_SUBMIT, N_ORDER]] {
        assert_eq!(world.send(net(&large, &small, "40000.00"), signers).unwrap_err().rule(), "L7");
    }
    refused(
        world.send(net(&large, &small, "30000.00"), &both),
        "L41",
        "documents 964965137 77 2026-05-21 and 964965226 12 2026-05-21: 30 000,00 stated, 40 000,00 can be netted; net what the smaller has open",
    );
    let same_way = pupils(N, "78", S, "1.00");
    world.register(&same_way).unwrap();
    refused(
        world.send(net(&large, &same_way, "1.00"), &both),
        "L41",
        "documents 964965137 77 2026-05-21 and 964965137 78 2026-05-21: not the same two parties, each owing the other by one; net a claim with a claim back",
    );
    assert_eq!(world.send(net(&large, &large, "250000.00"), &both).unwrap_err().rule(), "L41");
    let unseen = pupils(S, "13", N, "1.00");
    world.register(&unseen).unwrap();
    let refusal = world.send(net(&large, &unseen, "1.00"), &both).unwrap_err();
    assert_eq!(refusal.rule(), "L18", "{refusal}");
    let late = Operation::NetClaims {
        one: large.id.clone(),
        other: small.id.clone(),
        amount: nok("40000.00"),
        date: date("2026-07-02"),
    };
    assert_eq!(world.send(late, &both).unwrap_err().rule(), "L9");
    let amount = world.document(&large).open;
    world.send(Operation::OrderPayment { document: large.id.clone(), amount }, &[S_ORDER]).unwrap();
    let refusal = world.send(net(&large, &small, "40000.00"), &both).unwrap_err();
    assert_eq!(refusal.rule(), "L18", "what the bank has in hand is not netted: {refusal}");
    world.audit();
}

#[test]
fn l13_what_bears_vat_is_paid_through_a_bank() {
    let (mut world, large, _) = owing();
    let lines = vec![line("1.222.260", "8000.00", 1)];
    let cleaned = invoice(S, "14", N, "2026-05-21", lines, vec![total(1, 25, "8000.00", "2000.00")]);
    world.register(&cleaned).unwrap();
    let document = cleaned.id.clone();
    world.send(Operation::Attest { document: document.clone() }, &[N_ATTEST]).unwrap();
    world.send(Operation::Approve { document }, &[N_APPROVE]).unwrap();
    refused(
        world.send(net(&large, &cleaned, "10000.00"), &[S_ORDER, N_ORDER]),
        "L13",
        "document 964965226 14 2026-05-21: it bears VAT, which wants payment through a bank; order its payment",
    );
}
