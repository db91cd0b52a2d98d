//! The pages of members.

use crate::support::{TestShop, send};
use reqwest::Method;

/// The values of an attribute, in the order of the page.
fn values<'a>(page: &'a str, tag: &str, attribute: &str) -> Vec<&'a str> {
    let (tag, attribute) = (format!("<{tag} "), format!("{attribute}=\""));
    let tags = page
        .split(tag.as_str())
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    let value = |tag: &'a str| tag.split_once(attribute.as_str())?.1.split('"').next();
    tags.filter_map(value).collect()
}

#[tokio::test]
async fn every_page_is_there_without_a_pass_and_every_field_has_a_label() {
    let shop = TestShop::without_worker().await;
    for (path, script) in [
        ("/sign-in", "sign-in"),
        ("/sign-up", "sign-up"),
        ("/account", "account"),
    ] {
        let page = send(shop.request(Method::GET, path).header("Accept", "text/html")).await;
        assert_eq!(
            (page.status, page.header("cache-control")),
            (200, Some("no-store")),
            "{path}"
        );
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        let labels = values(&page.text, "label", "for");
        let fields = [
            values(&page.text, "input", "id"),
            values(&page.text, "select", "id"),
        ]
        .concat();
        assert!(fields.len() >= 6, "{path}: {fields:?}");
        for field in fields {
            assert!(labels.contains(&field), "{path}: {field} has no label");
        }
        assert!(
            page.text.contains(&format!("id=\"{script}\"")),
            "what the shop's script goes by"
        );
        for asset in [script, "members"] {
            let asset = shop.get(&format!("/assets/{asset}.js")).await;
            assert_eq!(
                asset.header("content-type"),
                Some("text/javascript; charset=utf-8")
            );
        }
    }
}
