//! Commands that cannot be acted on are set aside with the reason and hold up nobody.

use crate::shop::{PRICE, SOON, Shop, captured, envelope, place};
use broker::{DeadLetter, DeadLetters};
use contract::Command;
use lapin::{BasicProperties, options::BasicPublishOptions};
use testbed::eventually_some;

impl Shop {
    /// A message of these bytes.
    async fn send_bytes(&self, body: &[u8]) {
        let channel = self.namespace.connect().await.create_channel().await.unwrap();
        let queue = self.topology.order_queue(&"p0".parse().unwrap());
        let (options, properties) = (
            BasicPublishOptions::default(),
            BasicProperties::default().with_delivery_mode(2),
        );
        let published = channel
            .basic_publish("".into(), queue.into(), options, body, properties)
            .await;
        published.unwrap().await.unwrap();
        channel.close(200, "done".into()).await.unwrap();
    }

    async fn dead_letters(&self, number: usize) -> Vec<DeadLetter> {
        let letters = DeadLetters::new(&self.broker());
        eventually_some(SOON, "the dead letters", async || {
            let found = letters.list(100).await.unwrap();
            (found.len() >= number).then_some(found)
        })
        .await
    }

    /// What `order-worker dead` says.
    async fn dead(&self, arguments: &[&str]) -> String {
        self.command(&[&["dead"], arguments].concat()).await
    }
}

/// A command that the database refuses: PostgreSQL's text cannot contain this character.
fn poison(number: u32) -> Command {
    let Command::PlaceOrder(mut order) = place(number, &[("p0", 1)]) else {
        unreachable!()
    };
    order.fingerprint = "\0".to_owned();
    Command::PlaceOrder(order)
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_with_its_reason_and_its_neighbours_are_decided() {
    let shop = Shop::open(&[1_000]).await;
    // Before the worker starts, so that all stand in one batch.
    for number in 0..20 {
        shop.send(place(number, &[("p0", 1)])).await;
        if number % 7 == 3 {
            shop.send(poison(1_000 + number)).await;
        }
    }
    shop.send_bytes(b"{ no command").await;
    shop.send(captured(7_777, "a", PRICE)).await;
    let _worker = shop.worker().await;
    shop.check(&(0..20).collect::<Vec<_>>(), 20).await;

    let mut reasons: Vec<String> = shop
        .dead_letters(5)
        .await
        .into_iter()
        .map(|letter| letter.reason)
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert!(reasons[0].starts_with("undecodable: "), "{reasons:?}");
    assert_eq!(reasons[1], "unknown_order");
    assert!(
        reasons[2..]
            .iter()
            .all(|reason| reason.contains("invalid byte sequence")),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_commands_that_came_together_only_those_to_blame_are_set_aside() {
    let shop = Shop::open(&[1_000]).await;
    // Confirmed, so the queues are there for what is sent without a confirm.
    shop.send(place(2, &[("p0", 1)])).await;
    let line = |command| serde_json::to_string(&envelope(command)).unwrap();
    let first = line(place(0, &[("p0", 1)]));
    let last = line(place(1, &[("p0", 1)]));
    let message = [first, line(poison(7)), "{ no command".to_owned(), last].join("\n");
    shop.send_bytes(message.as_bytes()).await;
    let _worker = shop.worker().await;
    shop.check(&[0, 1, 2], 3).await;
    let letters = shop.dead_letters(2).await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    for letter in &letters {
        let lines = letter.body.split(|byte| *byte == b'\n').count();
        assert_eq!(lines, 1, "each stands alone: {letters:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_and_given_back_by_hand() {
    let shop = Shop::open(&[1]).await;
    let _worker = shop.worker().await;
    shop.publisher
        .publish(&envelope(captured(1, "a", PRICE)))
        .await
        .unwrap();
    shop.dead_letters(1).await;
    shop.send(place(1, &[("p0", 1)])).await;
    shop.until_state(1, "held").await;

    let name = shop.dead_letters(1).await.remove(0).name;
    let listed = format!("{name}\tunknown_order\tp0\t{{");
    for (arguments, says) in [
        (&["list"][..], listed.as_str()),
        (&["show", &name], "reason   unknown_order\nproduct  p0\nqueue  "),
        (&["show", "nobody"], "there is no dead letter nobody"),
        (&["replay", "nobody"], "there is no dead letter nobody"),
        (&["replay", &name], "1 given back to the orders"),
    ] {
        let said = shop.dead(arguments).await;
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    shop.until_state(1, "paid").await;
    assert_eq!(shop.units().await, (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_dropped_by_hand() {
    let shop = Shop::open(&[1]).await;
    let _worker = shop.worker().await;
    shop.send_bytes(b"{ no command").await;
    shop.send(captured(1, "a", PRICE)).await;
    let letters = shop.dead_letters(2).await;
    let garbage = letters
        .iter()
        .find(|letter| letter.reason.starts_with("undecodable"));
    assert_eq!(shop.dead(&["drop", &garbage.unwrap().name]).await, "1 dropped\n");
    let left = shop.dead_letters(1).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].reason, "unknown_order");
    assert_eq!(shop.dead(&["drop", "--oldest", "10"]).await, "1 dropped\n");
    assert_eq!(shop.dead(&["list"]).await, "");
}
