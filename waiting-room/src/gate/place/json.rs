//! A place as the answer to a poll, which is asked for more often than all else together: the same bytes as by `serde`
//! (a test compares them), for a sixth of the work.

use super::{Place, StockBody, Wait};

/// Room for the document that a poll is answered with.
const BODY_BYTES: usize = 512;

impl Place<'_> {
    /// The place as JSON.
    pub(in crate::gate) fn to_json(&self) -> Vec<u8> {
        let mut json = Json(Vec::with_capacity(BODY_BYTES));
        json.put("{\"room\":\"");
        json.put(self.room);
        json.word("\",\"state\":", self.state);
        json.number(",\"number\":", self.number);
        json.text(",\"lane\":", self.lane);
        json.number(",\"ahead\":", self.ahead);
        json.number(",\"behind\":", self.behind);
        json.some_number(",\"among\":", self.among);
        json.wait(self.wait_seconds);
        json.number(",\"poll_after_ms\":", self.poll_after_ms);
        json.some_number(",\"claim_before_unix_ms\":", self.claim_before_unix_ms);
        json.word(",\"phase\":", self.phase);
        json.word(",\"switch\":", self.switch);
        json.number(",\"users_per_minute\":", self.users_per_minute.into());
        json.stock(self.stock);
        json.some_number(",\"doors_open_unix_ms\":", self.doors_open_unix_ms);
        json.number(",\"server_time_unix_ms\":", self.server_time_unix_ms);
        if self.holding {
            json.put(",\"holding\":true");
        }
        json.text(",\"message\":", self.message);
        json.text(",\"ticket\":", self.ticket);
        json.text(",\"receipt\":", self.receipt);
        json.put("}");
        json.0
    }
}

/// A document while it is written. Names come with what stands before and after them.
struct Json(Vec<u8>);

impl Json {
    fn put(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A word of ours, in which there is nothing to escape.
    fn word(&mut self, name: &str, word: &'static str) {
        for part in [name, "\"", word, "\""] {
            self.put(part);
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        self.put(name);
        self.put(itoa::Buffer::new().format(number));
    }

    fn some_number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    /// What somebody else wrote.
    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.put(name);
            // Text can always be written to memory.
            let _ = serde_json::to_writer(&mut self.0, text);
        }
    }

    fn wait(&mut self, wait: Option<Wait>) {
        let Some(Wait { low, high }) = wait else {
            return self.put(",\"wait_seconds\":null");
        };
        self.number(",\"wait_seconds\":{\"low\":", low);
        self.number(",\"high\":", high);
        self.put("}");
    }

    fn stock(&mut self, stock: Option<StockBody>) {
        if let Some(StockBody { left, reach }) = stock {
            self.number(",\"stock\":{\"left\":", left);
            self.word(",\"reach\":", reach);
            self.put("}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> Place<'static> {
        Place {
            room: "demo-2",
            state: "waiting",
            number: 7,
            lane: None,
            ahead: 0,
            behind: u64::MAX,
            among: None,
            wait_seconds: None,
            poll_after_ms: 1_000,
            claim_before_unix_ms: None,
            phase: "open",
            switch: "scheduled",
            users_per_minute: u32::MAX,
            stock: None,
            doors_open_unix_ms: None,
            server_time_unix_ms: 1_800_000_000_000,
            holding: false,
            message: None,
            ticket: None,
            receipt: None,
        }
    }

    fn is_as_by_serde(place: &Place<'_>) -> bool {
        place.to_json() == serde_json::to_vec(place).unwrap()
    }

    proptest! {
        /// Every field is there or not, apart from the others.
        #[test]
        fn it_is_written_as_by_serde(
            texts in proptest::array::uniform4(proptest::option::of(".{0,20}")),
            numbers in proptest::array::uniform3(proptest::option::of(any::<u64>())),
            wait in proptest::option::of((any::<u64>(), any::<u64>())),
            left in proptest::option::of(any::<u64>()),
            holding: bool,
        ) {
            let [lane, message, ticket, receipt] = texts.each_ref().map(Option::as_deref);
            let [among, claim_before_unix_ms, doors_open_unix_ms] = numbers;
            let place = Place {
                lane,
                message,
                ticket,
                receipt,
                among,
                claim_before_unix_ms,
                doors_open_unix_ms,
                wait_seconds: wait.map(|(low, high)| Wait { low, high }),
                stock: left.map(|left| StockBody { left, reach: "likely" }),
                holding,
                ..place()
            };
            prop_assert!(is_as_by_serde(&place), "{}", String::from_utf8_lossy(&place.to_json()));
        }
    }

    #[test]
    fn what_has_to_be_escaped_is() {
        let message = Some("\"\\\n\u{7f}\u{1}é");
        assert!(is_as_by_serde(&Place { message, ..place() }));
    }
}
