//! Entities, keys, mandates and separation of duties.

use super::*;

fn attest(document: &Document) -> Operation {
    Operation::Attest { document: document.id.clone() }
}

fn approve(document: &Document) -> Operation {
    Operation::Approve { document: document.id.clone() }
}

fn new_entity() -> NewEntity {
    entity(938_626_367, EntityKind::Municipality, "Randaberg kommune", 650, Some("2026-07"))
}

#[test]
fn l17_enters_an_entity_once_by_the_registrar() {
    let mut world = World::new();
    let register = |entity: NewEntity| Operation::RegisterEntity(entity);
    refused(
        world.send(register(new_entity()), &[S_ADMIN]),
        "L7",
        "no signing key holds the register mandate for 938626367 on 2026-07-01; sign with a key that does, or have it granted",
    );
    let odd = NewEntity { sector: 651, ..new_entity() };
    refused(
        world.send(register(odd), &[REGISTRAR]),
        "L3",
        "sector 651 is not in force on 2026-07-01; use a code of that day's list",
    );
    let auditor = NewEntity { kind: EntityKind::Auditor, ..new_entity() };
    refused(
        world.send(register(auditor), &[REGISTRAR]),
        "L17",
        "entity 938626367 is an auditor and keeps no books here; register it without books",
    );
    assert_eq!(world.send(register(new_entity()), &[REGISTRAR]), Ok(vec![]));
    refused(
        world.send(register(new_entity()), &[REGISTRAR]),
        "L17",
        "entity 938626367 is already registered; nothing is left to do",
    );
}

#[test]
fn l7_refuses_unknown_and_revoked_keys_and_another_submitters_name() {
    let mut world = World::new();
    let words = format!(
        "key {} is not registered; have its entity's administrator grant it, or sign with another",
        key(99)
    );
    refused(world.send(Operation::RegisterDocument(cleaning()), &[99]), "L7", &words);
    // One unknown key beside a good one is refused too: nobody answers for it.
    refused(world.send(Operation::RegisterDocument(cleaning()), &[S_SUBMIT, 99]), "L7", &words);
    let foreign = PaymentId { submitter: org(N), number: [7; 16] };
    let transaction = Transaction { id: foreign, operation: Operation::RegisterDocument(cleaning()) };
    refused(
        world.submit(&sign(transaction, &[S_SUBMIT])),
        "L7",
        "payment id is in the name of 964965137, but no signing key belongs to it; sign with a key of 964965137 or submit in the signer's name",
    );
    assert_eq!(world.send(Operation::RevokeKey { key: key(S_SUBMIT) }, &[S_ADMIN]), Ok(vec![]));
    let words = format!("key {} is revoked; sign with another key", key(S_SUBMIT));
    refused(world.register(&cleaning()), "L7", &words);
    refused(world.send(Operation::RevokeKey { key: key(S_SUBMIT) }, &[S_ADMIN]), "L7", &words);
    let again = granted(S_SUBMIT, S, 0, &[(S, Role::Submit)]);
    refused(world.send(Operation::GrantKey(again), &[S_ADMIN]), "L7", &words);
}

#[test]
fn l7_a_mandate_is_for_one_entity_one_role_and_its_days() {
    let mut world = World::new();
    let words = "no signing key holds the submit mandate for 964965226 on 2026-07-01; sign with a key that does, or have it granted";
    refused(world.send(Operation::RegisterDocument(cleaning()), &[S_ATTEST]), "L7", words);
    refused(world.send(Operation::RegisterDocument(cleaning()), &[31]), "L7", words);
    let mut late = World::new().on("2031-01-01");
    let words = words.replace("2026-07-01", "2031-01-01");
    refused(late.register(&Document { date: date("2031-01-01"), ..cleaning() }), "L7", &words);
}

#[test]
fn l7_who_registered_does_not_attest_and_who_did_either_does_not_approve() {
    let mut world = World::new();
    // The person with every mandate registers, under one key.
    world.send(Operation::RegisterDocument(cleaning()), &[S_EVERYTHING]).unwrap();
    let words = "document 123456785 8841 2026-05-04: one holder may not both submit and attest it; have another person sign";
    refused(world.send(attest(&cleaning()), &[S_EVERYTHING]), "L7", words);
    // The other key of the same person is the same person.
    refused(world.send(attest(&cleaning()), &[S_ATTEST]), "L7", words);
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    refused(
        world.send(approve(&cleaning()), &[S_APPROVE]),
        "L18",
        "document 123456785 8841 2026-05-04 is registered; attested is needed for this step",
    );
    assert_eq!(world.send(attest(&cleaning()), &[S_ATTEST]), Ok(vec![]));
    refused(
        world.send(approve(&cleaning()), &[S_EVERYTHING]),
        "L7",
        "document 123456785 8841 2026-05-04: one holder may not both attest and approve it; have another person sign",
    );
    refused(
        world.send(attest(&cleaning()), &[S_ATTEST]),
        "L18",
        "document 123456785 8841 2026-05-04 is attested; registered is needed for this step",
    );
    // A second signature by somebody who may approve is enough.
    assert_eq!(world.send(approve(&cleaning()), &[S_EVERYTHING, S_APPROVE]), Ok(vec![]));
    let record = world.document(&cleaning());
    let index = |seed: u8| world.draft().index_of::<KeyRecord>(&key(seed));
    assert_eq!(Some(record.registered_by), index(S_SUBMIT));
    assert_eq!((record.attested_by, record.approved_by), (index(S_ATTEST), index(S_APPROVE)));
}

#[test]
fn l7_machines_of_one_entity_are_one_holder() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    let machine = granted(70, S, 0, &[(S, Role::Attest)]);
    world.send(Operation::GrantKey(machine), &[S_ADMIN]).unwrap();
    refused(
        world.send(attest(&cleaning()), &[70]),
        "L7",
        "document 123456785 8841 2026-05-04: one holder may not both submit and attest it; have another person sign",
    );
}

#[test]
fn l7_the_sellers_own_key_takes_no_step_for_the_buyer() {
    let mut world = World::new();
    let words = |role: &str| {
        format!(
            "document 123456785 8841 2026-05-04: a key of the seller 123456785 may not use the buyer's {role} mandate; have the buyer's own people sign"
        )
    };
    refused(world.send(Operation::RegisterDocument(cleaning()), &[L_FOR_S]), "L7", &words("submit"));
    world.register(&cleaning()).unwrap();
    refused(world.send(attest(&cleaning()), &[L_FOR_S]), "L7", &words("attest"));
    world.send(attest(&cleaning()), &[S_ATTEST]).unwrap();
    refused(world.send(approve(&cleaning()), &[L_FOR_S]), "L7", &words("approve"));
    world.send(approve(&cleaning()), &[S_APPROVE]).unwrap();
    let order = Operation::OrderPayment { document: cleaning().id, amount: cleaning().payable };
    refused(world.send(order.clone(), &[L_FOR_S]), "L7", &words("order"));
    world.send(order, &[S_ORDER]).unwrap();
    let paid = settle(&cleaning(), cleaning().payable, "2026-05-20", 1);
    refused(world.send(paid, &[L_FOR_S]), "L7", &words("bank"));
}

#[test]
fn l7_an_administrator_grants_for_its_own_entity_and_nothing_reserved() {
    let mut world = World::new();
    let grant = |key: NewKey| Operation::GrantKey(key);
    let wide = |entity: u32, role: &str| {
        format!(
            "{role} mandate for {entity}: an administrator grants only for its own entity, and neither register nor audit; have the chain's registrar sign"
        )
    };
    for (entity, role, name) in
        [(N, Role::Submit, "submit"), (S, Role::Audit, "audit"), (S, Role::Register, "register")]
    {
        let key = granted(70, S, 9, &[(entity, role)]);
        refused(world.send(grant(key), &[S_ADMIN]), "L7", &wide(entity, name));
    }
    refused(
        world.send(grant(granted(70, N, 9, &[(S, Role::Submit)])), &[S_ADMIN]),
        "L7",
        "no signing key holds the administer mandate for 964965137 on 2026-07-01; sign with a key that does, or have it granted",
    );
    refused(
        world.send(grant(granted(70, S, 9, &[(S, Role::Submit)])), &[S_SUBMIT]),
        "L7",
        "no signing key holds the administer mandate for 964965226 on 2026-07-01; sign with a key that does, or have it granted",
    );
    assert_eq!(world.send(grant(granted(70, S, 9, &[(S, Role::Attest)])), &[S_ADMIN]), Ok(vec![]));
    // A shared service's key, entered by its own entity, is given a mandate for Stavanger.
    assert_eq!(world.send(grant(granted(31, N, 1, &[(S, Role::Submit)])), &[S_ADMIN]), Ok(vec![]));
    let mandates = world.draft().find::<KeyRecord>(&key(31)).unwrap().granted.mandates.clone();
    assert_eq!(mandates.iter().map(|m| m.entity.number()).collect::<Vec<_>>(), [N, S]);
    assert_eq!(world.send(Operation::RegisterDocument(cleaning()), &[31]), Ok(world_entries()));
    let words = format!(
        "key {} is registered for holder 9 of 964965226; grant to that holder, or generate a new key pair",
        key(70)
    );
    refused(world.send(grant(granted(70, S, 8, &[(S, Role::Submit)])), &[S_ADMIN]), "L7", &words);
    refused(
        world.send(Operation::RevokeKey { key: key(32) }, &[S_ADMIN]),
        "L7",
        "no signing key holds the administer mandate for 964965137 on 2026-07-01; sign with a key that does, or have it granted",
    );
    assert_eq!(world.send(Operation::RevokeKey { key: key(31) }, &[REGISTRAR]), Ok(vec![]));
    let words = format!(
        "key {} is not registered; have its entity's administrator grant it, or sign with another",
        key(99)
    );
    refused(world.send(Operation::RevokeKey { key: key(99) }, &[REGISTRAR]), "L7", &words);
}

#[test]
fn l7_a_municipality_takes_back_what_it_gave_a_shared_services_key_but_not_its_auditors_mandate() {
    let mut world = World::new();
    let shared = granted(31, N, 1, &[(S, Role::Submit), (S, Role::Approve)]);
    assert_eq!(world.send(Operation::GrantKey(shared), &[S_ADMIN]), Ok(vec![]));
    assert_eq!(world.send(Operation::RevokeKey { key: key(31) }, &[S_ADMIN]), Ok(vec![]));
    let record = world.draft().find::<KeyRecord>(&key(31)).unwrap().clone();
    assert!(!record.revoked, "Sandnes still uses it");
    let left: Vec<_> = record.mandates().iter().map(|m| (m.entity.number(), m.role)).collect();
    assert_eq!(left, [(N, Role::Submit)]);
    let words = "no signing key holds the submit mandate for 964965226 on 2026-07-01; sign with a key that does, or have it granted";
    refused(world.send(Operation::RegisterDocument(cleaning()), &[31]), "L7", words);
    let nothing = "no signing key holds the administer mandate for 964965137 on 2026-07-01; sign with a key that does, or have it granted";
    refused(world.send(Operation::RevokeKey { key: key(31) }, &[S_ADMIN]), "L7", nothing);
    let auditor = "no signing key holds the administer mandate for 999999999 on 2026-07-01; sign with a key that does, or have it granted";
    refused(world.send(Operation::RevokeKey { key: key(AUDITOR) }, &[S_ADMIN]), "L7", auditor);
}

#[test]
fn l7_who_acts_for_the_seller_does_not_judge_its_invoice_with_a_key_of_the_buyer() {
    let mut world = World::new();
    // Stavanger's approver also keeps the supplier's accounts.
    let both = granted(S_APPROVE, S, 3, &[(L, Role::Submit)]);
    world.send(Operation::GrantKey(both), &[REGISTRAR]).unwrap();
    world.register(&cleaning()).unwrap();
    world.send(attest(&cleaning()), &[S_ATTEST]).unwrap();
    refused(
        world.send(approve(&cleaning()), &[S_APPROVE]),
        "L7",
        "document 123456785 8841 2026-05-04: a key of the seller 123456785 may not use the buyer's approve mandate; have the buyer's own people sign",
    );
    // Another supplier's invoice is none of that supplier's business.
    let other = Document { id: DocumentId { seller: org(P), ..cleaning().id }, ..cleaning() };
    world.register(&other).unwrap();
    world.approve(&other);
}

fn world_entries() -> Vec<JournalEntry> {
    World::new().register(&cleaning()).unwrap()
}

#[test]
fn l7_refuses_a_key_that_two_verifiers_could_read_in_two_ways() {
    let mut world = World::new();
    let weak = NewKey { key: PublicKey([0; 32]), ..granted(70, S, 9, &[(S, Role::Submit)]) };
    refused(
        world.send(Operation::GrantKey(weak), &[S_ADMIN]),
        "L7",
        "public key 0000000000000000000000000000000000000000000000000000000000000000 is not canonical, of small order or has a torsion part; generate a new key pair",
    );
}

#[test]
fn l21_refuses_mandates_without_number_or_with_turned_dates_and_l17_for_nobody() {
    let mut world = World::new();
    let grant = |key: NewKey| Operation::GrantKey(key);
    let words = |count: usize| {
        format!("key {} would hold {count} mandates; 1 to 64 are kept; use another key for the rest", key(70))
    };
    refused(world.send(grant(granted(70, S, 9, &[])), &[S_ADMIN]), "L21", &words(0));
    let mut many = granted(70, S, 9, &[]);
    for day in 0..65 {
        let from = Date::new(20_260_101 + day % 28 + day / 28 * 100).unwrap();
        many.mandates.push(Mandate { entity: org(S), role: Role::Submit, from, to: Date::MAX });
    }
    refused(world.send(grant(many), &[S_ADMIN]), "L21", &words(65));
    let mut turned = granted(70, S, 9, &[(S, Role::Submit)]);
    (turned.mandates[0].from, turned.mandates[0].to) = (date("2026-02-01"), date("2026-01-01"));
    refused(
        world.send(grant(turned), &[S_ADMIN]),
        "L21",
        "span 2026-02-01 to 2026-01-01 ends before it begins; turn the dates",
    );
    let nobody = granted(70, 938_626_367, 9, &[(S, Role::Submit)]);
    refused(
        world.send(grant(nobody), &[REGISTRAR]),
        "L17",
        "entity 938626367 is not registered; register it first",
    );
}
