//! How many reads of the product list and of one product there are a second with very many products: from what the edge
//! keeps, through an edge that keeps nothing, and from the shop itself.

use crate::{
    Verdict,
    cli::CatalogPlan,
    http::{self, Connection},
    nginx::Nginx,
    report::{median, print, rounded, say},
    scratch::Scratch,
    shelves::{Door, Shelves},
    shop::PRODUCT,
    wrk::{THREADS, Wrk},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use testbed::within;

/// How long the shop may take to know all products.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
const LIST: &str = "/products?sort=price&category=category-3";

pub async fn measure(plan: &CatalogPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("catalog")?;
    let shelves = Shelves::open(&scratch, plan.shoppers).await?;
    let aside = Scratch::new("catalog-past")?;
    let passing = Door::open(&aside, shelves.origin, plan.shoppers, false).await?;
    passing.leads_in().await?;
    say(&format!("putting up {} products ...", plan.products));
    put_up(&shelves, plan.products).await?;
    let detail = format!("/products/{PRODUCT}");
    let mut fields = vec![("bench", json!("catalog")), ("unit", json!("reads/s"))];
    for (name, path) in [("list", LIST), ("detail", detail.as_str())] {
        let bytes = shelves.door.body_bytes(path).await?;
        let nginx = Nginx::with_file(&scratch, bytes).await?;
        let sides = [
            ("kept", shelves.door.edge.public, &shelves.door),
            ("past the cache", passing.edge.public, &passing),
            ("shop alone", shelves.origin, &passing),
            ("nginx", nginx.address, &passing),
        ];
        let rates = rates(plan, &scratch, path, sides).await?;
        fields.extend(told(name, rates));
        let bytes_of = if name == "list" {
            "list_bytes"
        } else {
            "detail_bytes"
        };
        fields.push((bytes_of, json!(bytes)));
    }
    fields.extend([
        ("reference_is", json!("nginx, a file of as many bytes")),
        ("products", json!(plan.products)),
        ("connections", json!(plan.connections)),
        ("wrk_threads", json!(THREADS)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ]);
    print(&fields)?;
    Ok(Verdict::Passed)
}

/// Reads a second of each side in its turn, by those whom a door has let in; the median of the rounds.
async fn rates(
    plan: &CatalogPlan,
    scratch: &Scratch,
    path: &str,
    sides: [(&str, SocketAddr, &Door); 4],
) -> anyhow::Result<[f64; 4]> {
    let mut measured = [const { Vec::new() }; 4];
    for round in 1..=plan.rounds {
        for (rates, (side, address, door)) in measured.iter_mut().zip(&sides) {
            // The shop was loaded without the edge, which may have found it unwell.
            door.leads_in().await?;
            let wrk = Wrk::new(scratch, "Cookie", &door.cookies, plan.connections, plan.seconds)?;
            let read = wrk.load(&format!("http://{address}{path}")).await;
            let read = read.context(path.to_owned())?;
            say(&format!(
                "round {round} of {}: {side} {path}: {:.0}/s (p99 {} ms)",
                plan.rounds,
                read.rate(),
                read.p99_ms()
            ));
            rates.push(read.rate());
        }
    }
    Ok(measured.map(|rates| median(&rates)))
}

fn told(name: &str, [kept, past, shop, reference]: [f64; 4]) -> Vec<(&'static str, Value)> {
    let names = if name == "list" {
        [
            "list_kept",
            "list_past_the_cache",
            "list_shop_alone",
            "list_reference",
            "list_kept_ratio",
        ]
    } else {
        [
            "detail_kept",
            "detail_past_the_cache",
            "detail_shop_alone",
            "detail_reference",
            "detail_kept_ratio",
        ]
    };
    let figures = [kept, past, shop, reference].map(|rate| json!(rounded(rate, 0)));
    let ratio = json!(rounded(kept / reference, 3));
    names
        .into_iter()
        .zip(figures.into_iter().chain([ratio]))
        .collect()
}

/// Puts products into the database and waits until the shop lists them.
async fn put_up(shelves: &Shelves, products: u32) -> anyhow::Result<()> {
    let pool = shelves.shop.database().try_pool().await?;
    sqlx::query(
        "WITH made AS (
             INSERT INTO products (id, name, description, category, kind, price_minor, currency)
             SELECT 'product-' || number, 'Product ' || number, repeat('A sentence about it. ', 5),
                    'category-' || number % 20, CASE number % 2 WHEN 0 THEN 'ordinary' ELSE 'limited' END,
                    number % 9973 * 100, 'KRW'
               FROM generate_series(1, $1) AS number
             RETURNING id
         )
         INSERT INTO stock (product_id, on_hand) SELECT id, 100 FROM made",
    )
    .bind(i32::try_from(products)?)
    .execute(&pool)
    .await?;
    pool.close().await;
    let last = format!("/products/product-{products}");
    let request = http::request("GET", shelves.origin, &last, &[], "");
    let known = async || {
        let mut connection = Connection::open(shelves.origin).await.ok()?;
        (connection.exchange(&request).await.ok()?.status == 200).then_some(())
    };
    within(KNOWN_WITHIN, known)
        .await
        .context("the shop does not know all products")
}
