//! The promises of this crate on a real RabbitMQ.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use broker::{
    Broker, Chosen, Consumer, DeadLetters, Delivery, EventMessage, EventSubscription, News, PublishError,
    Publisher, Topology,
};
use contract::{CancelOrder, Command, Envelope, Event, OrderId, ProductId, ShopperId, StockChanged};
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use std::time::Duration;
use testbed::{BrokerNamespace, Wire, eventually};
use tokio::time::timeout;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(30);

struct Test {
    namespace: BrokerNamespace,
    topology: Topology,
}

impl Test {
    fn new() -> Self {
        let namespace = BrokerNamespace::fresh();
        let topology = Topology::new(&format!("{}.", namespace.prefix()));
        namespace.own_queues(topology.queues());
        namespace.own_exchanges(topology.exchanges());
        Self { namespace, topology }
    }

    fn broker(&self) -> Broker {
        self.broker_at(self.namespace.url())
    }

    fn broker_at(&self, url: &str) -> Broker {
        Broker::new(url, self.topology.clone(), "test").unwrap()
    }

    /// A consumer of the queue in which this product's commands stand.
    fn consumer_of(&self, product: &str) -> Consumer {
        self.broker().consume([self.queue_of(product)], 100).remove(0)
    }

    fn queue_of(&self, product: &str) -> String {
        self.topology.order_queue(&product.parse().unwrap())
    }

    /// A product whose commands stand in the same queue, or in another one.
    fn product_like(&self, product: &str, in_the_same_queue: bool, after: usize) -> String {
        let named = (after..).map(|number| format!("p-{number}"));
        let mut fitting =
            named.filter(|other| (self.queue_of(other) == self.queue_of(product)) == in_the_same_queue);
        fitting.next().unwrap()
    }

    async fn set_aside(&self, body: &str) {
        let channel = self.namespace.connect().await.create_channel().await.unwrap();
        let (exchange, options) = (self.topology.dead_exchange(), BasicPublishOptions::default());
        let properties = BasicProperties::default().with_delivery_mode(2);
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let published = channel
            .basic_publish(exchange.into(), "p".into(), options, body.as_bytes(), properties)
            .await;
        published.unwrap().await.unwrap();
        channel.close(200, "done".into()).await.unwrap();
    }

    async fn delete_order_queues(&self) {
        let channel = self.namespace.connect().await.create_channel().await.unwrap();
        for queue in self.topology.order_queues() {
            channel
                .queue_delete(queue.into(), QueueDeleteOptions::default())
                .await
                .unwrap();
        }
        channel.close(200, "done".into()).await.unwrap();
    }
}

fn command(product: &str) -> Envelope {
    let order_id = OrderId::from_uuid(Uuid::from_bytes(clock::random_bytes()));
    Envelope {
        message_id: Uuid::from_bytes(clock::random_bytes()),
        routed_by: product.parse().unwrap(),
        command: Command::CancelOrder(CancelOrder {
            order_id,
            shopper: ShopperId::of_session("s"),
        }),
    }
}

fn event(version: i64) -> Event {
    let product_id: ProductId = "p".parse().unwrap();
    Event::StockChanged(StockChanged {
        product_id,
        on_hand: 1,
        held: 0,
        sold: 0,
        version,
    })
}

fn packed(events: &[Event]) -> Vec<EventMessage> {
    EventMessage::pack(events).unwrap()
}

/// The command of a delivery with one.
fn only(delivery: &Delivery) -> Envelope {
    let commands: Vec<_> = delivery.commands().collect();
    assert_eq!(commands.len(), 1);
    commands[0].envelope().unwrap()
}

async fn next(events: &mut EventSubscription) -> News {
    timeout(SOON, events.next()).await.expect("news")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_a_product_come_in_the_sequence_they_were_published() {
    let test = Test::new();
    let mut queue = test.consumer_of("p");
    let publisher = Publisher::start(&test.broker());
    let commands: Vec<Envelope> = (0..200).map(|_| command("p")).collect();
    for command in &commands {
        publisher.publish(command).await.unwrap();
    }
    for command in &commands {
        let delivery = timeout(SOON, queue.next()).await.expect("a delivery");
        assert_eq!(&only(&delivery), command);
        delivery.acknowledge_through().await;
    }
}

/// Whoever waits for several queues stops waiting for all of them when one has something: also while they are still subscribing.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_waiting_while_it_subscribes_leaves_no_other_consumer_behind() {
    let test = Test::new();
    let publisher = Publisher::start(&test.broker());
    let sent = command("p");
    publisher.publish(&sent).await.unwrap();
    let mut queue = test.consumer_of("p");
    let delivery = async {
        loop {
            // At another moment of subscribing each time.
            if let Ok(delivery) = timeout(Duration::from_millis(1), queue.next()).await {
                return delivery;
            }
        }
    };
    let delivery = timeout(SOON, delivery).await.expect("a delivery");
    assert_eq!(only(&delivery), sent);
    let channel = test.namespace.connect().await.create_channel().await.unwrap();
    let passive = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let declared = channel
        .queue_declare(test.queue_of("p").into(), passive, FieldTable::default())
        .await
        .unwrap();
    assert_eq!(declared.consumer_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_commands_travels_in_few_messages_and_in_sequence() {
    let test = Test::new();
    let mut queue = test.consumer_of("p");
    let publisher = Publisher::start(&test.broker());
    let mut products = vec!["p".to_owned()];
    products.extend((1..16).map(|number| test.product_like("p", true, 100 * number)));
    let commands: Vec<Envelope> = (0..500).map(|turn| command(&products[turn % 16])).collect();
    // Asked for in this sequence: each is taken in before the next one is.
    let all = futures::future::join_all(commands.iter().map(|command| publisher.publish(command))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let (mut found, mut messages) = (Vec::new(), 0);
    while found.len() < commands.len() {
        let delivery = timeout(SOON, queue.next()).await.expect("a delivery");
        found.extend(delivery.commands().map(|command| command.envelope().unwrap()));
        delivery.acknowledge_through().await;
        messages += 1;
    }
    assert_eq!(found, commands);
    assert!(messages < 50, "{messages} messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_comes_again_after_a_cut() {
    let test = Test::new();
    let (wire, url) = Wire::to_url(test.namespace.url());
    let publisher = Publisher::start(&test.broker());
    let sent = command("p");
    publisher.publish(&sent).await.unwrap();
    let mut queues = test.broker_at(&url).consume(test.topology.order_queues(), 10);
    let (first, which, _) =
        futures::future::select_all(queues.iter_mut().map(|queue| Box::pin(queue.next()))).await;
    assert_eq!(only(&first), sent);
    wire.cut();
    let mut queue = queues.swap_remove(which);
    let again = async {
        let (again, ()) = tokio::join!(queue.next(), async {
            // The consumer meets the cut wire before it is whole again.
            tokio::time::sleep(Duration::from_millis(300)).await;
            wire.heal();
        });
        again
    };
    let again = timeout(SOON, again).await.expect("a second delivery");
    assert_eq!(only(&again), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_queue_takes_is_an_error_and_only_that_one() {
    let test = Test::new();
    let publisher = Publisher::start(&test.broker());
    publisher.publish(&command("p")).await.unwrap();
    test.delete_order_queues().await;
    let (publish, tell) = (command("p"), packed(&[event(1)]));
    let (command, event) = tokio::join!(publisher.publish(&publish), publisher.publish_events(&tell));
    assert!(matches!(command, Err(PublishError::Unroutable)), "{command:?}");
    assert!(
        event.is_ok(),
        "an event that nobody waits for is no mistake: {event:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_publishing_fails_soon_and_works_again_afterwards() {
    let test = Test::new();
    let (wire, url) = Wire::to_url(test.namespace.url());
    let publisher = Publisher::start(&test.broker_at(&url));
    eventually(SOON, "it connects", async || publisher.is_connected()).await;
    wire.cut();
    eventually(SOON, "it notices", async || !publisher.is_connected()).await;
    let refused = publisher.publish(&command("p")).await;
    assert!(matches!(refused, Err(PublishError::NotConnected)), "{refused:?}");
    wire.heal();
    eventually(SOON, "it works again", async || {
        publisher.publish(&command("p")).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_connection_is_no_confirm() {
    let test = Test::new();
    let (wire, url) = Wire::to_url(test.namespace.url());
    let publisher = Publisher::start(&test.broker_at(&url));
    publisher.publish(&command("p")).await.unwrap();
    wire.freeze();
    let unknown = publisher.publish(&command("p")).await;
    assert!(matches!(unknown, Err(PublishError::TimedOut)), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_events_is_told_from_when_to_when_it_heard_everything() {
    let test = Test::new();
    let (wire, url) = Wire::to_url(test.namespace.url());
    let publisher = Publisher::start(&test.broker());
    let mut events = EventSubscription::new(&test.broker_at(&url));
    assert_eq!(next(&mut events).await, News::Subscribed);
    let all: Vec<Event> = (0..600).map(event).collect();
    publisher.publish_events(&packed(&all)).await.unwrap();
    for version in 0..600 {
        assert_eq!(next(&mut events).await, News::Event(Box::new(event(version))));
    }
    wire.cut();
    assert_eq!(next(&mut events).await, News::Interrupted);
    publisher.publish_events(&packed(&[event(1_000)])).await.unwrap();
    wire.heal();
    assert_eq!(
        next(&mut events).await,
        News::Subscribed,
        "and event 1000 was missed"
    );
    publisher.publish_events(&packed(&[event(1_001)])).await.unwrap();
    assert_eq!(next(&mut events).await, News::Event(Box::new(event(1_001))));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_stay_when_they_are_looked_at_and_leave_when_they_are_given_back() {
    let test = Test::new();
    let mut queue = test.consumer_of("p");
    let publisher = Publisher::start(&test.broker());
    let sent = command("p");
    publisher.publish(&sent).await.unwrap();
    let delivery = queue.next().await;
    publisher
        .set_aside(delivery.commands().next().unwrap(), "a reason")
        .await
        .unwrap();
    delivery.acknowledge_through().await;

    let letters = DeadLetters::new(&test.broker());
    for _ in 0..2 {
        let found = letters.list(10).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].reason, "a reason");
        assert_eq!(found[0].products, std::slice::from_ref(&sent.routed_by));
    }
    let nobody = Chosen::Named("nobody".to_owned());
    assert_eq!(letters.replay(&publisher, &nobody).await.unwrap(), 0);
    assert_eq!(letters.replay(&publisher, &Chosen::Oldest(10)).await.unwrap(), 1);
    assert_eq!(only(&timeout(SOON, queue.next()).await.unwrap()), sent);
    assert_eq!(letters.list(10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_letter_among_others_is_given_back_or_dropped_by_its_name() {
    let test = Test::new();
    let mut queue = test.consumer_of("p");
    let publisher = Publisher::start(&test.broker());
    for _ in 0..3 {
        publisher.publish(&command("p")).await.unwrap();
        let delivery = queue.next().await;
        publisher
            .set_aside(delivery.commands().next().unwrap(), "a reason")
            .await
            .unwrap();
        delivery.acknowledge_through().await;
    }
    let letters = DeadLetters::new(&test.broker());
    let names = async || -> Vec<String> {
        let found = letters.list(10).await.unwrap();
        found.into_iter().map(|letter| letter.name).collect()
    };
    let before = names().await;
    let named = |index: usize| Chosen::Named(before[index].clone());
    assert_eq!(letters.drop(&named(1)).await.unwrap(), 1);
    assert_eq!(letters.replay(&publisher, &named(2)).await.unwrap(), 1);
    let again = only(&timeout(SOON, queue.next()).await.unwrap());
    assert_eq!(again.message_id.to_string(), before[2]);
    assert_eq!(names().await, [before[0].clone()], "the others stay");
    assert_eq!(letters.drop(&named(1)).await.unwrap(), 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_came_together_go_back_each_to_the_queue_of_its_product() {
    let test = Test::new();
    let publisher = Publisher::start(&test.broker());
    let (one, other) = (command("p"), command(&test.product_like("p", false, 0)));
    publisher.publish(&one).await.unwrap();
    let (mut of_one, mut of_other) = (test.consumer_of("p"), test.consumer_of(other.routed_by.as_str()));
    of_one.next().await.acknowledge_through().await;
    // As RabbitMQ sets them aside, and with a key that says nothing of a queue.
    let lines = [&one, &other].map(|envelope| serde_json::to_string(envelope).unwrap());
    test.set_aside(&lines.join("\n")).await;
    test.set_aside("{ no command").await;

    let letters = DeadLetters::new(&test.broker());
    let found = letters.list(10).await.unwrap();
    let mut products = [one.routed_by.clone(), other.routed_by.clone()];
    products.sort();
    assert_eq!(found[0].products, products);
    assert_eq!(found[1].products, []);
    assert_eq!(letters.replay(&publisher, &Chosen::Oldest(10)).await.unwrap(), 2);
    assert_eq!(
        only(&timeout(SOON, of_other.next()).await.expect("a delivery")),
        other
    );
    assert_eq!(
        only(&timeout(SOON, of_one.next()).await.expect("a delivery")),
        one
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_given_out_too_often_becomes_a_dead_letter() {
    let test = Test::new();
    let publisher = Publisher::start(&test.broker());
    publisher.publish(&command("p")).await.unwrap();
    let letters = DeadLetters::new(&test.broker());
    eventually(SOON, "the delivery limit", async || {
        // Each of these consumers takes the command and goes away without having acknowledged it.
        let mut queues = test.broker().consume(test.topology.order_queues(), 1);
        let next = futures::future::select_all(queues.iter_mut().map(|queue| Box::pin(queue.next())));
        let _ = timeout(Duration::from_millis(500), next).await;
        drop(queues);
        letters
            .list(1)
            .await
            .unwrap()
            .iter()
            .any(|letter| letter.reason == "delivery_limit")
    })
    .await;
}
