//! Many in one message: a line of JSON each. What a message costs the broker and its clients hardly depends on how much
//! is in it.

use contract::Event;

/// The most events that travel in one message.
const MANY: usize = 64;

/// Events of one routing key, as they travel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// What they have in common.
    pub routing_key: String,
    /// A line of JSON each, in their sequence.
    pub lines: String,
}

impl EventMessage {
    /// These events in as few messages as may be. Those of one key stay in their sequence.
    pub fn pack(events: &[Event]) -> Result<Vec<Self>, serde_json::Error> {
        let mut open: Vec<(Self, usize)> = Vec::new();
        for event in events {
            let (routing_key, line) = (event.routing_key(), serde_json::to_string(event)?);
            // The last one of a key is the one with room. There are few keys at a time.
            let mut of_key = open
                .iter_mut()
                .rev()
                .filter(|(message, _)| message.routing_key == routing_key);
            match of_key.next() {
                Some((message, count)) if *count < MANY => {
                    message.lines.push('\n');
                    message.lines.push_str(&line);
                    *count += 1;
                }
                _ => open.push((
                    Self {
                        routing_key,
                        lines: line,
                    },
                    1,
                )),
            }
        }
        Ok(open.into_iter().map(|(message, _)| message).collect())
    }
}

/// One message of these lines.
pub(crate) fn message(lines: &[&[u8]]) -> Vec<u8> {
    lines.join(&b'\n')
}

/// The lines of a message.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{OrderChanged, OrderId, OrderState, OrderView, ShopperId, StockChanged};

    /// Of orders and of the stock of three products.
    fn event(number: u64) -> Event {
        let shopper = ShopperId::of_session("s");
        if number.is_multiple_of(4) {
            let order = OrderView {
                state: OrderState::Held,
                ..OrderView::pending(OrderId::derive(&shopper, "k", number))
            };
            return Event::OrderChanged(OrderChanged { shopper, order });
        }
        Event::StockChanged(StockChanged {
            product_id: format!("p{}", number % 3).parse().unwrap(),
            on_hand: 1_000,
            held: 0,
            sold: 0,
            version: number.cast_signed(),
        })
    }

    #[test]
    fn those_of_a_key_stay_in_sequence_and_messages_are_bounded() {
        let all: Vec<Event> = (0..200).map(event).collect();
        let messages = EventMessage::pack(&all).unwrap();
        for key in ["stock", "order.held"] {
            let expected: Vec<&Event> = all.iter().filter(|event| event.routing_key() == key).collect();
            let mine: Vec<_> = messages
                .iter()
                .filter(|message| message.routing_key == key)
                .collect();
            let found: Vec<Event> = mine
                .iter()
                .flat_map(|message| lines(message.lines.as_bytes()))
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
            assert_eq!(mine.len(), expected.len().div_ceil(MANY));
        }
        assert_eq!(
            messages.len(),
            150_usize.div_ceil(MANY) + 1,
            "few keys, few messages"
        );
        assert_eq!(EventMessage::pack(&[]).unwrap(), []);
    }
}
