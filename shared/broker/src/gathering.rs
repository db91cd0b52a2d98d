//! Commands of one product that come while a message of that product is on its way: they gather, and go together as the
//! next one. A lone command waits for nothing, and a storm costs a few hundred messages a second instead of one each.

use crate::PublishError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The most that travel together. While the disk is slow, this many in the time of a confirm is all that a product can sell.
const MANY: usize = 256;

/// What has gathered, by routing key. A key is here while a message of it is on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathering(Arc<Mutex<HashMap<String, Vec<Waiting>>>>);

/// A command that waits for its turn.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// A line of JSON.
    pub(crate) line: Vec<u8>,
    tell: oneshot::Sender<Result<(), PublishError>>,
}

/// What will be known of a command.
pub(crate) type Outcome = oneshot::Receiver<Result<(), PublishError>>;

impl Gathering {
    /// Another command. Answers what will be known of it, and whether there is nobody yet who sends those of this key:
    /// then the caller has to see to it, by [`Self::next`] until that has nothing more.
    pub(crate) fn add(&self, key: &str, line: Vec<u8>) -> (Outcome, bool) {
        let (tell, told) = oneshot::channel();
        let waiting = Waiting { line, tell };
        let mut gathered = self.gathered();
        match gathered.get_mut(key) {
            Some(others) => {
                others.push(waiting);
                (told, false)
            }
            None => {
                gathered.insert(key.to_owned(), vec![waiting]);
                (told, true)
            }
        }
    }

    /// The next commands to send together, in their sequence; nothing when there are none, and then nobody sends those
    /// of this key any more. Those that nobody waits for any more are left out: nothing was promised of them.
    pub(crate) fn next(&self, key: &str) -> Option<Vec<Waiting>> {
        let mut gathered = self.gathered();
        let waiting = gathered.get_mut(key)?;
        waiting.retain(|command| !command.tell.is_closed());
        if waiting.is_empty() {
            gathered.remove(key);
            return None;
        }
        let many = waiting.len().min(MANY);
        Some(waiting.drain(..many).collect())
    }

    fn gathered(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Tells whoever waits.
    pub(crate) fn tell(self, outcome: Result<(), PublishError>) {
        // Whoever it is may have stopped waiting.
        let _ = self.tell.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(gathering: &Gathering, number: usize) -> (Outcome, bool) {
        gathering.add("p", number.to_string().into_bytes())
    }

    fn sent(gathering: &Gathering) -> Option<Vec<usize>> {
        let number = |waiting: Waiting| String::from_utf8(waiting.line).unwrap().parse().unwrap();
        Some(gathering.next("p")?.into_iter().map(number).collect())
    }

    #[test]
    fn a_lone_command_goes_at_once_and_what_comes_meanwhile_goes_together() {
        let gathering = Gathering::default();
        let (_one, to_be_sent) = add(&gathering, 1);
        assert!(to_be_sent);
        assert_eq!(sent(&gathering), Some(vec![1]));
        let others: Vec<_> = (2..=4).map(|number| add(&gathering, number)).collect();
        assert!(others.iter().all(|(_, to_be_sent)| !to_be_sent));
        assert!(
            gathering.add("q", b"9".to_vec()).1,
            "another product is another matter"
        );
        assert_eq!(sent(&gathering), Some(vec![2, 3, 4]));
        assert_eq!(sent(&gathering), None);
        assert!(add(&gathering, 5).1, "from the beginning");
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent_and_messages_are_bounded() {
        let gathering = Gathering::default();
        let mut waiting: Vec<_> = (0..3 * MANY).map(|number| add(&gathering, number).0).collect();
        drop(waiting.remove(7));
        let mut all = Vec::new();
        while let Some(lines) = sent(&gathering) {
            assert!(lines.len() <= MANY);
            all.extend(lines);
        }
        let expected: Vec<usize> = (0..3 * MANY).filter(|number| *number != 7).collect();
        assert_eq!(all, expected);
    }
}
