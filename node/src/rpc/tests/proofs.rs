//! A client that trusts genesis alone checks what it is given.

use ledger::block::{LEAF_BYTES_MAX, Leaf};
use ledger::checkpoint::CertifiedCheckpoint;
use ledger::finality::FinalizedBlock;
use ledger::postings::{ChainedPosting, verify_postings};
use ledger::receipt::Receipt;
use ledger::records::{AccountRecord, BudgetRecord, EntityRecord, PaymentRecord, PeriodRecord, SeriesRecord};
use ledger::state_proof::{ProvenRecord, StateProof, StateProofs};
use ledger::tiles::{self, Resource, Tile, TileReader};
use ledger::tree::{leaf_hash, verify_consistency, verify_inclusion};
use serde_json::json;

use super::*;

/// A world in which Stavanger opened its books.
async fn opened() -> (World, Value) {
    let world = World::new();
    let (status, answer) = world.post("", &json!({"transaction": base64(&world.opening())})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    (world, answer)
}

fn proven(world: &World, proof: &Value) -> ProvenRecord {
    StateProof::decode(&bytes(proof)).unwrap().verify(&world.trust, None).unwrap()
}

#[tokio::test]
async fn a_receipt_proves_offline_what_was_booked() {
    let (world, answer) = opened().await;
    let id = answer["id"].as_str().unwrap();
    let (status, headers, fresh) = world.get(&format!("/v1/transactions/{id}/receipt")).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/plain; charset=utf-8")
    );
    for text in [answer["receipt"].as_str().unwrap(), std::str::from_utf8(&fresh).unwrap()] {
        let posted = Receipt::parse(text).unwrap().verify(&world.trust, None).unwrap();
        assert_eq!(posted.index(), LeafIndex(2));
        assert_eq!(posted.transaction().unwrap().to_string(), id);
        assert_eq!(posted.booked().unwrap().entries[0].postings.len(), 2);
    }
}

#[tokio::test]
async fn a_payment_id_and_an_entity_are_proven() {
    let (world, answer) = opened().await;
    let payment = world.json(&format!("/v1/payments/{STAVANGER}/{}", "01".repeat(16))).await;
    assert_eq!((&payment["payment"]["transaction"], &payment["payment"]["leaf"]), (&answer["id"], &json!(2)));
    let record: PaymentRecord = proven(&world, &payment["proof"]).decode().unwrap();
    assert_eq!(record.transaction.to_string(), answer["id"].as_str().unwrap());
    let entity = world.json(&format!("/v1/entities/{STAVANGER}")).await;
    assert_eq!(
        (&entity["entity"]["name"], &entity["entity"]["opened"]),
        (&json!("Stavanger kommune"), &json!(true))
    );
    let record: EntityRecord = proven(&world, &entity["proof"]).decode().unwrap();
    assert!(record.opened);
}

#[tokio::test]
async fn no_account_and_no_posting_of_a_period_can_be_left_out() {
    let (world, _) = opened().await;
    let accounts = world.json(&format!("/v1/entities/{STAVANGER}/accounts?period=2026-01")).await;
    let proofs = StateProofs::decode(&bytes(&accounts["proofs"][0])).unwrap();
    let state = proofs.verify(&world.trust, None).unwrap();
    let (period, rest) = state.records().split_first().unwrap();
    let period: PeriodRecord = period.decode().unwrap();
    assert_eq!(period.accounts, rest.len() as u64);
    let shown: Vec<&str> =
        accounts["accounts"].as_array().unwrap().iter().map(|a| a["account"].as_str().unwrap()).collect();
    assert_eq!(shown, ["2.10.320", "2.5990.000"]);
    for (record, shown) in rest.iter().zip(shown) {
        let record: AccountRecord = record.decode().unwrap();
        assert_eq!(record.account.to_string(), shown);
        let page =
            world.json(&format!("/v1/entities/{STAVANGER}/accounts/{shown}/postings?period=2026-01")).await;
        assert!(page.get("next").is_none(), "{page}");
        let again: AccountRecord = proven(&world, &page["proof"]).decode().unwrap();
        assert_eq!(again, record);
        let postings: Vec<ChainedPosting> = page["postings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|posting| ledger::codec::decode(&bytes(&posting["bytes"]), LEAF_BYTES_MAX).unwrap())
            .collect();
        let sums = verify_postings(&record.chain, record.count, &postings).unwrap();
        assert_eq!(sums, (record.debit, record.credit));
        assert_eq!(
            page["postings"][0]["posting"]["amount"],
            if shown == "2.10.320" { "125000.00" } else { "-125000.00" }
        );
    }
}

#[tokio::test]
async fn no_appropriation_of_a_budget_can_be_left_out() {
    use ledger::transaction::{BudgetPart, EntryLine, Level};
    let world = World::new();
    let path = format!("/v1/entities/{STAVANGER}/budget?year=2027");
    assert_eq!(world.get(&path).await.0, 404);
    let line = |account, ore| EntryLine {
        account: ledger::account::Account::parse(account).unwrap(),
        amount: ledger::amount::Amount(ore),
        cost_centre: None,
        project: None,
    };
    let part = BudgetPart {
        entity: org(STAVANGER),
        year: 2027,
        version: 1,
        level: Level { function: true, art_group: false, cost_centre: false, project: false },
        decision: ledger::digest::Digest::of(&[b"vedtak"]),
        lines: vec![line("1.222.260", 15_000_000), line("1.800.870", -15_000_000)],
        last: true,
    };
    let adopted = world.sign(Operation::AdoptBudget(part), &[COUNCIL, APPROVER]);
    let (status, answer) = world.post("", &json!({"transaction": base64(&adopted)})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let budget = world.json(&path).await;
    assert_eq!((budget["version"].as_u64(), budget["open"].as_bool()), (Some(1), Some(false)));
    assert_eq!(budget["appropriations"][1]["function"], 222);
    assert_eq!(budget["appropriations"][1]["adopted"], "150000.00");
    let proofs = StateProofs::decode(&bytes(&budget["proofs"][0])).unwrap();
    let state = proofs.verify(&world.trust, None).unwrap();
    let (record, rest) = state.records().split_first().unwrap();
    assert_eq!(record.decode::<BudgetRecord>().unwrap().cells, rest.len() as u64);
}

#[tokio::test]
async fn a_journal_is_proven_to_its_last_voucher() {
    let (world, _) = opened().await;
    let page = world.json(&format!("/v1/entities/{STAVANGER}/journal?year=2026")).await;
    let series: SeriesRecord = proven(&world, &page["proof"]).decode().unwrap();
    assert_eq!((series.next, &page["next_number"]), (2, &json!(2)));
    assert_eq!(page["entries"][0]["voucher"], json!({"year": 2026, "number": 1}));
    let note = CertifiedCheckpoint::parse(page["checkpoint"].as_str().unwrap()).unwrap();
    let checkpoint = note.verify(&world.trust, None).unwrap();
    let leaf = &page["leaves"][0];
    let path: Vec<_> = leaf["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| ledger::digest::Digest::from_hex(hash.as_str().unwrap()).unwrap())
        .collect();
    let bytes = bytes(&leaf["bytes"]);
    let index = leaf["index"].as_u64().unwrap();
    verify_inclusion(&leaf_hash(&bytes), index, checkpoint.size(), &path, checkpoint.root()).unwrap();
    let Ok(Leaf::Transaction(booked)) = ledger::codec::decode(&bytes, LEAF_BYTES_MAX) else {
        panic!("no transaction")
    };
    assert_eq!(booked.entries[0].voucher.number, 1);
    let past = world.json(&format!("/v1/entities/{STAVANGER}/journal?year=2026&from=2&limit=5")).await;
    assert_eq!((&past["entries"], &past["leaves"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn the_log_can_be_mirrored_by_tiles() {
    let (world, _) = opened().await;
    let (_, _, note) = world.get("/v1/checkpoint").await;
    let note = CertifiedCheckpoint::parse(std::str::from_utf8(&note).unwrap()).unwrap();
    let checkpoint = note.verify(&world.trust, None).unwrap();
    let tile = Tile { level: 0, index: 0, width: checkpoint.size() as u16 };
    let (status, headers, hashes) = world.get(&format!("/v1/{}", Resource::Hashes(tile).path())).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/octet-stream")
    );
    let mut reader = TileReader::new(|level, index| ((level, index) == (0, 0)).then(|| hashes.to_vec()));
    assert_eq!(reader.root_at(checkpoint.size()).unwrap(), *checkpoint.root());
    let (_, _, bundle) = world.get(&format!("/v1/{}", Resource::Entries(tile).path())).await;
    let entries = tiles::entries(&bundle, tile.width).unwrap();
    for (entry, hash) in entries.iter().zip(hashes.chunks(32)) {
        assert_eq!(leaf_hash(entry).0, hash);
    }
    let consistency = world.json("/v1/proof/consistency?from=2&to=4").await;
    let path: Vec<_> = consistency["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| ledger::digest::Digest::from_hex(hash.as_str().unwrap()).unwrap())
        .collect();
    let old_root = reader.root_at(2).unwrap();
    verify_consistency(2, &old_root, 4, checkpoint.root(), &path).unwrap();
}

#[tokio::test]
async fn genesis_and_blocks_are_given_as_canonical_bytes() {
    let (world, answer) = opened().await;
    let (_, _, genesis) = world.get("/v1/genesis").await;
    assert_eq!(Genesis::decode(&genesis).unwrap().hash(), world.chain);
    let block = world.json("/v1/blocks/1").await;
    assert_eq!((&block["header"]["height"], &block["first_leaf"]), (&json!(1), &json!(2)));
    assert_eq!(block["transactions"], json!([answer["id"]]));
    let finalized: FinalizedBlock =
        ledger::codec::decode(&bytes(&block["finalized"]), ledger::codec::ENCODED_BYTES_MAX).unwrap();
    let set = world.trust.validators();
    assert_eq!(finalized.finalization().unwrap().verify(&world.chain, set), Ok(()));
    assert_eq!(finalized.block.header.hash().to_string(), block["hash"].as_str().unwrap());
}

#[tokio::test]
async fn a_receipt_is_refused_when_a_byte_of_it_is_changed() {
    let (world, answer) = opened().await;
    let text = answer["receipt"].as_str().unwrap().replace("index 2\n", "index 1\n");
    let refused = Receipt::parse(&text).and_then(|receipt| receipt.verify(&world.trust, None));
    assert!(refused.is_err());
    assert_eq!(last_leaf(&world).await, LeafIndex(3));
}
