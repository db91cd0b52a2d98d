//! Where members' orders go.

use crate::shop::{Shop, order_id, place};
use contract::{Command, MemberId, PlaceOrder, SealedAddress, ShopperId};
use sqlx::{query, query_as};
use uuid::Uuid;

async fn sign_up(shop: &Shop, member: u128, erased: bool) -> MemberId {
    let id = Uuid::from_u128(member);
    let account = if erased {
        "INSERT INTO members (id, erased_at) VALUES ($1, now())"
    } else {
        "INSERT INTO members (id, email, email_index, name, password)
         VALUES ($1, 'x', sha256(uuid_send($1)), 'x', 'x')"
    };
    query(account).bind(id).execute(&shop.pool).await.unwrap();
    MemberId::from_uuid(id)
}

fn to(address: &[u8], shopper: ShopperId, command: Command) -> Command {
    let Command::PlaceOrder(place) = command else {
        panic!("an order to place")
    };
    Command::PlaceOrder(PlaceOrder {
        shopper,
        address: Some(SealedAddress::new(address.to_vec())),
        ..place
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_kept_for_members_whose_order_was_taken() {
    let shop = Shop::open(&[3]).await;
    let (ann, gone) = (sign_up(&shop, 7, false).await, sign_up(&shop, 8, true).await);
    let member = ShopperId::of_member;
    let units = [("p0", 1)];
    for command in [
        to(b"ann's", member(ann), place(1, &units)),
        to(b"erased", member(gone), place(2, &units)),
        to(b"nobody's", ShopperId::of_session("s"), place(3, &units)),
        to(b"too late", member(ann), place(4, &units)),
        to(b"twice", member(ann), place(1, &units)),
    ] {
        shop.send(command).await;
    }
    let _worker = shop.worker().await;
    shop.until_decided(4).await;
    assert_eq!(
        (shop.states().await["held"], shop.states().await["refused"]),
        (3, 1)
    );
    let kept: Vec<(Uuid, Uuid, Vec<u8>)> = query_as("SELECT id, member_id, details FROM order_addresses")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(kept, [(order_id(1).as_uuid(), ann.as_uuid(), b"ann's".to_vec())]);
}
