//! Made-up requests by the document, by a public tool: `make api-fuzz`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::Role;
use reqwest::Method;
use serde_json::json;
use std::process::Command;
use support::{TestShop, send};
use tokio::task::spawn_blocking;

/// What must hold of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

#[tokio::test]
#[ignore = "needs schemathesis and takes minutes: make api-fuzz"]
async fn made_up_requests_find_no_500_and_no_answer_that_is_not_documented() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 500).await;
    let (_, token) = shop.around.member("admin", Role::Admin).await;
    let known = Known::there(&shop, &token).await;
    for names in [String::new(), known.as_settings()] {
        let mut command = schemathesis(&shop, &token, &names);
        let status = spawn_blocking(move || command.status())
            .await
            .unwrap()
            .expect("schemathesis runs");
        assert!(status.success(), "its findings are above");
    }
}

/// A run with these settings of its own.
fn schemathesis(shop: &TestShop, token: &str, settings: &str) -> Command {
    let directory = env!("CARGO_TARGET_TMPDIR");
    std::fs::create_dir_all(directory).unwrap();
    let file = format!("{directory}/schemathesis.toml");
    std::fs::write(&file, settings).unwrap();
    let examples = std::env::var("EXAMPLES").unwrap_or_else(|_| "60".to_owned());
    let mut command = Command::new(std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS says where it is"));
    command
        .args(["--config-file", &file, "run"])
        .arg(format!("http://{}/openapi.json", shop.around.api))
        .args(["--header", &format!("Waiting-Room-Pass: {}", shop.around.pass("ann"))])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", CHECKS, "--max-examples", &examples, "--request-timeout", "60"])
        // Events have no end.
        .args(["--exclude-path-regex", "/events$"])
        .args(["--continue-on-failure", "--no-color"])
        .current_dir(directory);
    command
}

/// What is there, so that made-up requests come further than to "no such thing".
struct Known {
    order: String,
    address: String,
}

impl Known {
    /// An order and an address of whoever has this token; a draw is arranged by the requests themselves, or not.
    async fn there(shop: &TestShop, token: &str) -> Self {
        let order = shop.order("ann", "known", "sneaker", 1).bearer_auth(token);
        let order = send(order.header("Prefer", "wait=20")).await;
        let address = json!({
            "label": "Home", "recipient": "Ann Lee", "phone": "+82 10 1234 5678", "country": "KR",
            "postal_code": "04524", "city": "Seoul", "line1": "1 Sejong-daero", "is_default": true
        });
        let address = shop
            .request(Method::POST, "/members/me/addresses")
            .bearer_auth(token)
            .json(&address);
        let address = send(address).await;
        Self {
            order: order.order_id(),
            address: address.json()["id"].as_str().expect("an address").to_owned(),
        }
    }

    fn as_settings(&self) -> String {
        let Self { order, address } = self;
        [
            ("^/(admin/)?products/", "id", "sneaker"),
            ("^/cart/lines/", "product", "sneaker"),
            ("^/(admin/)?orders/", "id", order),
            ("^/members/me/addresses/", "id", address),
        ]
        .map(|(path, name, value)| {
            format!("[[operations]]\ninclude-path-regex = \"{path}\"\nparameters = {{ \"path.{name}\" = \"{value}\" }}\n")
        })
        .concat()
    }
}
