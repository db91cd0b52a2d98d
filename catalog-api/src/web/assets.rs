//! Style, scripts and the mark of the pages.

use super::words;
use crate::api::{ApiProblem, Refusals, Segment};
use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Name, type, content.
const ASSETS: [(&str, &str, &str); 15] = [
    ("mark.svg", "image/svg+xml", include_str!("../../web/mark.svg")),
    ("shop.css", CSS, include_str!("../../web/shop.css")),
    ("shop.js", SCRIPT, include_str!("../../web/shop.js")),
    ("product.js", SCRIPT, include_str!("../../web/product.js")),
    ("cart.js", SCRIPT, include_str!("../../web/cart.js")),
    ("order.js", SCRIPT, include_str!("../../web/order.js")),
    ("draw.js", SCRIPT, include_str!("../../web/draw.js")),
    ("draw-check.js", SCRIPT, include_str!("../../web/draw-check.js")),
    // There is one verifier for browsers: that of the waiting room's own page.
    (
        "verify.js",
        SCRIPT,
        include_str!("../../../waiting-room/src/pages/assets/verify.js"),
    ),
    ("members.js", SCRIPT, include_str!("../../web/members.js")),
    ("sign-in.js", SCRIPT, include_str!("../../web/sign-in.js")),
    ("sign-up.js", SCRIPT, include_str!("../../web/sign-up.js")),
    ("account.js", SCRIPT, include_str!("../../web/account.js")),
    ("en.json", JSON, words::EN),
    ("ko.json", JSON, words::KO),
];

/// One asset. Pages name it with the version of all, so it may be kept for good.
#[utoipa::path(
    get,
    path = "/assets/{name}",
    operation_id = "readAsset",
    tag = "pages",
    params(("name" = String, Path, description = "The file.")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/css"), (String = "text/javascript"), (String = "image/svg+xml"), (String = "application/json")
        )),
        Refusals<(Segment,)>,
    )
)]
pub async fn asset(Segment(name): Segment) -> Result<Response, ApiProblem> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, content_type, content) = found.ok_or_else(ApiProblem::not_found)?;
    let headers = [
        (CONTENT_TYPE, *content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, *content).into_response())
}

/// Changes whenever an asset does.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let all: String = ASSETS.iter().map(|(.., content)| *content).collect();
        catalog_domain::Fingerprint::of(&all).as_str()[..12].to_owned()
    });
    &VERSION
}
