//! The API description is part of the specification: a change of it is a change of promise.

use super::*;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/openapi.json");

/// Set to anything, it rewrites specs/openapi.json instead of comparing.
const REWRITE: &str = "HOVEDBOK_WRITE_OPENAPI";

#[test]
fn the_kept_description_is_the_one_that_is_served() {
    let served = openapi_json();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(KEPT, &served).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert!(
        kept == served,
        "specs/openapi.json is not what is served; read the change, then set {REWRITE}=1 and run again"
    );
}

#[test]
fn every_operation_has_an_id_a_summary_and_its_problems_described() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(), ["3", "1"]);
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_string()), "{name}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = response["content"].as_object().unwrap();
                let problem = content.contains_key("application/problem+json");
                assert_eq!(problem, !status.starts_with('2'), "{name} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{name}: {parameter}"
                );
            }
        }
    }
    assert_eq!(ids.len(), 22, "{ids:?}");
}

#[test]
fn every_reference_leads_to_a_schema() {
    let text = openapi_json();
    let document: Value = serde_json::from_str(&text).unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let world = World::new();
    let (status, headers, body) = world.get("/openapi.json").await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "application/json"));
    assert_eq!(body, openapi_json().as_bytes());
}
