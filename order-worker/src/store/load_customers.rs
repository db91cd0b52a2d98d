//! Reading what customers have of products that are limited.

use super::StoreError;
use contract::{ProductId, ShopperId};
use order_domain::batch::Snapshot;
use sqlx::{FromRow, PgConnection};
use std::collections::HashSet;

#[derive(FromRow)]
struct Row {
    product_id: String,
    shopper: String,
    units: i64,
}

/// What those who order, and the owners of the orders in the snapshot, have of its limited products.
pub(super) async fn read_customers(
    connection: &mut PgConnection,
    buyers: &[(ProductId, ShopperId)],
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let asked = limited(buyers, snapshot);
    if asked.is_empty() {
        return Ok(());
    }
    let (products, shoppers): (Vec<&str>, Vec<&str>) = asked
        .iter()
        .map(|(product, shopper)| (product.as_str(), shopper.as_str()))
        .unzip();
    // Who has no row yet is counted once from the orders that there are.
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT product_id, shopper,
                coalesce(units, (SELECT coalesce(sum(quantity), 0)::bigint
                                   FROM orders JOIN order_lines ON order_id = orders.id
                                  WHERE orders.shopper = asked.shopper
                                    AND order_lines.product_id = asked.product_id
                                    AND state IN ('held', 'paid', 'shipped', 'delivered', 'confirmed',
                                                  'return_requested'))) AS units
           FROM unnest($1::text[], $2::text[]) AS asked (product_id, shopper)
           LEFT JOIN customer_units USING (product_id, shopper)",
    )
    .bind(products)
    .bind(shoppers)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let product = row.product_id.parse().map_err(|_| StoreError::Unreadable {
            table: "customer_units",
        })?;
        let who = (product, ShopperId::from_stored(row.shopper));
        snapshot.customers.insert(who, row.units);
    }
    Ok(())
}

/// The pairs of customer and limited product, each once.
fn limited(buyers: &[(ProductId, ShopperId)], snapshot: &Snapshot) -> HashSet<(ProductId, ShopperId)> {
    let is_limited = |product: &ProductId| {
        let product = snapshot.products.get(product);
        product.is_some_and(|product| product.per_customer.is_some())
    };
    let buyers = buyers.iter().filter(|(product, _)| is_limited(product)).cloned();
    let mut asked: HashSet<(ProductId, ShopperId)> = buyers.collect();
    for order in snapshot.orders.values() {
        let lines = order.purchase().into_iter().flat_map(|purchase| &purchase.lines);
        let lines = lines.filter(|line| is_limited(&line.product_id));
        asked.extend(lines.map(|line| (line.product_id.clone(), order.shopper.clone())));
    }
    asked
}
