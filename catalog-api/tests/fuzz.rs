//! Made-up requests by the document, by a public tool: `make api-fuzz`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::Role;
use std::process::Command;
use support::TestShop;
use tokio::task::spawn_blocking;

/// What must hold of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

#[tokio::test]
#[ignore = "needs schemathesis and takes minutes: make api-fuzz"]
async fn made_up_requests_find_no_500_and_no_answer_that_is_not_documented() {
    let program = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS says where it is");
    let examples = std::env::var("EXAMPLES").unwrap_or_else(|_| "60".to_owned());
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let (_, token) = shop.around.member("admin", Role::Admin).await;
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(format!("http://{}/openapi.json", shop.around.api))
        .args(["--header", &format!("Waiting-Room-Pass: {}", shop.around.pass("ann"))])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", CHECKS, "--max-examples", &examples, "--request-timeout", "60"])
        // Events have no end.
        .args(["--exclude-path-regex", "/events$"])
        .args(["--continue-on-failure", "--no-color"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    let status = spawn_blocking(move || command.status())
        .await
        .unwrap()
        .expect("schemathesis runs");
    assert!(status.success(), "its findings are above");
}
