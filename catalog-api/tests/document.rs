//! The OpenAPI document describes what is served: every address, every method, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use support::{TestShop, send};

/// A method that no address takes, so that its answer lists those that it does take.
const UNUSUAL: &str = "TRACE";

#[tokio::test]
async fn the_document_is_one_and_says_which_methods_an_address_takes() {
    let shop = TestShop::without_worker().await;
    let document = shop.get("/openapi.json").await;
    assert_eq!(document.status, 200);
    let spec = oas3::from_json(&document.text).expect("it is an OpenAPI 3.1 document");
    let paths = spec.paths.as_ref().expect("it has paths");
    assert!(paths.len() > 10, "{paths:?}");
    for (path, item) in paths {
        let documented: BTreeSet<String> = item
            .methods()
            .into_iter()
            .map(|(method, _)| method.to_string())
            .collect();
        let address = path.split('/').map(filled).collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(UNUSUAL.as_bytes()).unwrap();
        let answer = send(shop.request(method, &address)).await;
        assert_eq!(answer.problem(), "method-not-allowed", "{path}");
        // Whoever may read may ask for the head alone.
        let taken = answer.header("allow").unwrap().split(',').map(str::to_owned);
        let taken: BTreeSet<String> = taken.filter(|method| method != "HEAD").collect();
        assert_eq!(taken, documented, "{path}");
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let shop = TestShop::without_worker().await;
    let document = shop.get("/openapi.json").await.json();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is taken");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
        }
    }
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in references {
        let found = document.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference}");
    }
}

#[test]
fn nothing_that_shoppers_reach_is_routed_past_the_document() {
    let source = include_str!("../src/api/mod.rs");
    let (for_shoppers, _) = source.split_once("pub fn metrics_router").unwrap();
    assert!(for_shoppers.contains(".routes(") && !for_shoppers.contains(".route("));
}

/// Something in place of a variable part of an address.
fn filled(part: &str) -> &str {
    if part.starts_with('{') { "some" } else { part }
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.insert(reference.clone());
            }
            fields
                .values()
                .for_each(|value| collect_references(value, references));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect_references(value, references)),
        _ => {}
    }
}
