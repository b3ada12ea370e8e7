//! What a payment system is answered, and how it is refused.

use serde_json::json;

use super::*;
use crate::rpc::problem::PROBLEM_JSON;

#[tokio::test]
async fn a_posted_transaction_is_answered_with_a_receipt_and_a_retry_with_the_same() {
    let world = World::new();
    let opening = world.opening();
    let (status, first) = world.post("", &json!({"transaction": base64(&opening)})).await;
    assert_eq!((status, &first["status"]), (StatusCode::OK, &json!("posted")), "{first}");
    assert_eq!((&first["leaf"], &first["height"]), (&json!(2), &json!(1)));
    let (status, retried) = world.post("?wait=receipt", &json!({"transaction": base64(&opening)})).await;
    assert_eq!((status, &retried), (StatusCode::OK, &first));
    let id = first["id"].as_str().unwrap();
    assert_eq!(world.json(&format!("/v1/transactions/{id}")).await, first);
}

#[tokio::test]
async fn l7_a_refusal_names_the_rule_the_values_and_the_remedy() {
    let world = World::new();
    let operation = Operation::ClosePeriod { entity: org(STAVANGER), period: Period::new(202_601).unwrap() };
    let close = world.sign(operation, &[SUBMITTER]);
    let (status, problem) = world.post("", &json!({"transaction": base64(&close)})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = problem["detail"].as_str().unwrap();
    for part in ["administer", "964965226", "2026-03-04", "; sign with a key that does"] {
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(
        problem,
        json!({
            "type": "urn:hovedbok:rule:L7",
            "title": "keys, mandates and separate hands",
            "status": 422,
            "detail": detail,
            "rule": "L7",
            "instance": "/v1/transactions",
        })
    );
    let (_, _, metrics) = world.get("/metrics").await;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    assert!(metrics.contains("hovedbok_refusals_total{rule=\"L7\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn l6_a_payment_id_used_for_another_transaction_is_a_conflict() {
    let world = World::new();
    let (status, _) = world.post("", &json!({"transaction": base64(&world.opening())})).await;
    assert_eq!(status, StatusCode::OK);
    let operation = Operation::ClosePeriod { entity: org(STAVANGER), period: Period::new(202_601).unwrap() };
    let other = world.sign_as(1, operation, &[ADMINISTRATOR]);
    let (status, problem) = world.post("", &json!({"transaction": base64(&other)})).await;
    assert_eq!((status, &problem["rule"]), (StatusCode::CONFLICT, &json!("L6")));
    assert!(problem["detail"].as_str().unwrap().ends_with("choose a new id"), "{problem}");
}

#[tokio::test]
async fn l0_a_forged_signature_is_refused_by_name_of_the_key() {
    let world = World::new();
    let mut forged = world.opening();
    forged.signatures[0].signature.0[7] ^= 1;
    let (status, problem) = world.post("", &json!({"transaction": base64(&forged)})).await;
    assert_eq!((status, &problem["rule"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("L0")));
    assert!(problem["detail"].as_str().unwrap().starts_with("signature by key"), "{problem}");
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one_in_its_order() {
    let world = World::new();
    let close =
        |month| Operation::ClosePeriod { entity: org(STAVANGER), period: Period::new(month).unwrap() };
    let batch = [
        base64(&world.opening()),
        "AAAA".to_string(),
        base64(&world.sign(close(202_603), &[ADMINISTRATOR])),
        base64(&world.sign(close(202_601), &[ADMINISTRATOR])),
    ];
    let (status, answer) = world.post("", &json!({"transactions": batch})).await;
    assert_eq!(status, StatusCode::OK);
    let results = answer["transactions"].as_array().unwrap();
    let statuses: Vec<&str> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["posted", "refused", "refused", "posted"], "{answer}");
    assert_eq!(
        (&results[1]["problem"]["rule"], &results[1]["problem"]["status"]),
        (&json!("L0"), &json!(400))
    );
    assert_eq!(
        (&results[2]["problem"]["rule"], &results[2]["problem"]["status"]),
        (&json!("L19"), &json!(422))
    );
    assert!(results[1].get("id").is_none() && results[2].get("receipt").is_none(), "{answer}");
    for posted in [&results[0], &results[3]] {
        assert!(posted["receipt"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    }
}

#[tokio::test]
async fn what_waits_for_a_block_is_answered_as_pooled() {
    let world = World::new();
    let opening = world.opening();
    let (status, answer) = world.post("?wait=pool", &json!({"transaction": base64(&opening)})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::ACCEPTED, &json!("pooled")), "{answer}");
    let id = answer["id"].as_str().unwrap();
    assert_eq!(world.json(&format!("/v1/transactions/{id}")).await["status"], "pooled");
    let (status, headers, body) = world.get(&format!("/v1/transactions/{id}/receipt")).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::NOT_FOUND, PROBLEM_JSON));
    assert_eq!(problem(&body)["instance"], format!("/v1/transactions/{id}/receipt"));
}

#[tokio::test]
async fn what_is_not_posted_within_the_time_is_answered_as_unknown_and_found_later() {
    let world = World::new();
    world.committee.send(Committee::Rests).unwrap();
    tokio::task::yield_now().await;
    let opening = world.opening();
    let (status, answer) = world.post("", &json!({"transaction": base64(&opening)})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::ACCEPTED, &json!("unknown")), "{answer}");
    let id = answer["id"].as_str().unwrap();
    let (status, _, _) = world.get(&format!("/v1/transactions/{id}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    world.committee.send(Committee::Works).unwrap();
    let (status, posted) = world.post("", &json!({"transaction": base64(&opening)})).await;
    assert_eq!((status, &posted["id"], &posted["status"]), (StatusCode::OK, &answer["id"], &json!("posted")));
}

#[tokio::test]
async fn a_node_without_room_says_when_to_come_back() {
    let world = World::with_submissions(1);
    world.committee.send(Committee::Rests).unwrap();
    tokio::task::yield_now().await;
    let close =
        |month| Operation::ClosePeriod { entity: org(STAVANGER), period: Period::new(month).unwrap() };
    let stuck = world.sign(close(202_601), &[ADMINISTRATOR]);
    drop(world.rpc.node.submit(stuck, true).unwrap());
    let waiting = world.sign(close(202_601), &[ADMINISTRATOR]);
    let request = Request::post("/v1/transactions")
        .header("content-type", "application/json")
        .body(Body::from(json!({"transactions": [base64(&waiting), base64(&waiting)]}).to_string()));
    let (status, headers, body) = world.call(request.unwrap()).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(problem(&body)["detail"], "the node has all the work it can take; send again in a second");
}

#[tokio::test]
async fn a_body_that_is_not_of_its_form_is_refused_with_the_reason() {
    let world = World::new();
    for (body, reason) in [
        ("", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        (r#"["AA=="]"#, "expected a JSON object"),
        ("{", "EOF while parsing"),
        ("{}", "give either \"transaction\" or \"transactions\""),
        (r#"{"transaction":null}"#, "invalid type: null"),
        (r#"{"transaction":"AA==","extra":1}"#, "unknown field `extra`"),
        (r#"{"transaction":"AA==","transaction":"AA=="}"#, "duplicate field `transaction`"),
        (r#"{"transaction":"AA==","transactions":[]}"#, "give either"),
        (r#"{"transactions":[]}"#, "a batch has 1 to 1000"),
        (r#"{"transaction":"A"}"#, "write the bytes in base64"),
        (r#"{"transaction":"AA=="} x"#, "trailing characters"),
    ] {
        let request =
            Request::post("/v1/transactions").header("content-type", "application/json; charset=utf-8");
        let (status, headers, answer) = world.call(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(
            (status, headers["content-type"].to_str().unwrap()),
            (StatusCode::BAD_REQUEST, PROBLEM_JSON),
            "{body}"
        );
        let detail = problem(&answer)["detail"].as_str().unwrap().to_string();
        assert!(detail.contains(reason), "{body}: {detail}");
    }
}

#[tokio::test]
async fn damaged_bodies_and_paths_get_an_answer_of_their_own_kind_and_nothing_is_booked() {
    let world = World::new();
    // Nothing is posted, so that what still reads as a transaction is answered at once.
    world.committee.send_replace(Committee::Rests);
    let whole = json!({"transactions": [base64(&world.opening())]}).to_string();
    let paths =
        ["/v1/entities/964965226", "/v1/tile/0/000.p/2", "/v1/proof/consistency?from=1&to=2", "/v1/blocks/0"];
    let mut state = 7u64;
    let mut noise = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..600 {
        let mut bytes =
            if round % 3 == 0 { paths[noise(4)].as_bytes().to_vec() } else { whole.clone().into_bytes() };
        for _ in 0..=noise(3) {
            let place = noise(bytes.len());
            match noise(3) {
                0 => bytes[place] = noise(256) as u8,
                1 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, b"{}[],:\"\\0/%?"[noise(12)]),
            }
        }
        let request = if round % 3 == 0 {
            let path = String::from_utf8_lossy(&bytes).into_owned();
            let Ok(request) = Request::get(path).body(Body::empty()) else { continue };
            request
        } else {
            let request =
                Request::post("/v1/transactions?wait=pool").header("content-type", "application/json");
            request.body(Body::from(bytes)).unwrap()
        };
        let (status, headers, body) = world.call(request).await;
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
        if !status.is_success() {
            assert_eq!(headers["content-type"].to_str().unwrap(), PROBLEM_JSON);
            assert_eq!(problem(&body)["status"], status.as_u16());
        }
    }
}

#[tokio::test]
async fn every_answer_outside_2xx_is_a_problem_document() {
    let world = World::new();
    let large = "x".repeat(request::BODY_BYTES_MAX + 1);
    let post = |body: &str| {
        Request::post("/v1/transactions")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
    };
    let get = |path: &str| Request::get(path).body(Body::empty());
    let none = "00".repeat(32);
    for (request, expected) in [
        (get("/"), 404),
        (get("/v1/nothing"), 404),
        (Request::delete("/v1/transactions").body(Body::empty()), 405),
        (Request::post("/v1/checkpoint").body(Body::empty()), 405),
        (post(&large), 413),
        (Request::post("/v1/transactions").body(Body::from("{}")), 415),
        (Request::post("/v1/transactions").header("content-type", "text/plain").body(Body::from("{}")), 415),
        (
            Request::post("/v1/transactions?wait=never")
                .header("content-type", "application/json")
                .body(Body::from("{}")),
            400,
        ),
        (get("/v1/transactions/00"), 400),
        (get(&format!("/v1/transactions/{none}")), 404),
        (get(&format!("/v1/payments/{STAVANGER}/{}", "ab".repeat(16))), 404),
        (get("/v1/payments/964965227/00112233445566778899aabbccddeeff"), 404),
        (get("/v1/payments/96496522/00112233445566778899aabbccddeeff"), 400),
        (get(&format!("/v1/documents/{STAVANGER}/1/2026-02-30")), 404),
        (get(&format!("/v1/documents/{STAVANGER}/1/2026-02-32")), 400),
        (get(&format!("/v1/payments/{STAVANGER}/00112233445566778899AABBCCDDEEFF")), 400),
        (get("/v1/entities/923609016"), 404),
        (get(&format!("/v1/entities/{STAVANGER}/accounts")), 400),
        (get(&format!("/v1/entities/{STAVANGER}/accounts?period=2026-13")), 400),
        (get(&format!("/v1/entities/{STAVANGER}/accounts?period=2026-02")), 404),
        (get(&format!("/v1/entities/{STAVANGER}/accounts/1.22.260/postings?period=2026-01")), 400),
        (get(&format!("/v1/entities/{STAVANGER}/accounts/1.222.260/postings?period=2026-01")), 404),
        (get(&format!("/v1/entities/{STAVANGER}/journal?year=2026&limit=0")), 400),
        (get(&format!("/v1/entities/{STAVANGER}/journal?year=70000")), 400),
        (get(&format!("/v1/entities/{STAVANGER}/journal?year=2026")), 404),
        (get(&format!("/v1/documents/{STAVANGER}/%00/2026-03-04")), 400),
        (get(&format!("/v1/documents/{STAVANGER}/%ff/2026-03-04")), 400),
        (get(&format!("/v1/documents/{STAVANGER}/A%2F1/2026-03-04")), 404),
        (get("/v1/proof/consistency?from=2&to=1"), 404),
        (get("/v1/proof/consistency?from=2&to=x"), 400),
        (get("/v1/proof/consistency?from=0&to=99"), 404),
        (get("/v1/tile/0/000"), 404),
        (get("/v1/tile/63/000.p/1"), 404),
        (get("/v1/tile/0/1"), 400),
        (get("/v1/blocks/1"), 404),
        (get("/v1/blocks/-1"), 400),
        (get("/v1/events?from=5"), 404),
    ] {
        let request = request.unwrap();
        let name = format!("{} {}", request.method(), request.uri());
        let path = request.uri().path().to_string();
        let (status, headers, body) = world.call(request).await;
        assert_eq!(status, expected, "{name}: {}", String::from_utf8_lossy(&body));
        assert_eq!(headers["content-type"], PROBLEM_JSON, "{name}");
        let problem = problem(&body);
        assert_eq!((&problem["status"], &problem["instance"]), (&json!(expected), &json!(path)), "{name}");
        for field in ["type", "title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {problem}");
        }
        if expected == 405 {
            assert!(headers.contains_key("allow"), "{name}");
        }
    }
}

#[tokio::test]
async fn an_operator_sees_where_the_node_stands() {
    let world = World::new();
    let (status, _) = world.post("", &json!({"transaction": base64(&world.opening())})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(world.json("/health").await, json!({"status": "alive"}));
    let ready = world.json("/ready").await;
    assert_eq!(
        (&ready["height"], &ready["checkpoint_size"], &ready["votes"]),
        (&json!(1), &json!(4), &json!(false))
    );
    let (_, headers, metrics) = world.get("/metrics").await;
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for line in [
        "hovedbok_height 1",
        "hovedbok_checkpoint_size 4",
        "hovedbok_transactions_posted 1",
        "hovedbok_peers_connected 3",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}
