//! Commands that come while a message to the same queue is on its way: they gather, and go together as the next one. A lone
//! command waits for nothing, and a storm costs a few hundred messages a second instead of one each, however many products
//! it is about.

use crate::PublishError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The most that travel together: as many as the worker decides in one transaction. While the disk is slow, this many in the
/// time of a confirm is all that a queue takes.
const MANY: usize = 256;

/// What has gathered, by queue. A queue is here while somebody sends to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathering(Arc<Mutex<HashMap<String, Vec<Waiting>>>>);

/// A command that waits for its turn.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// A line of JSON.
    pub(crate) line: Vec<u8>,
    tell: oneshot::Sender<Result<(), PublishError>>,
}

/// The duty to send what gathers for a queue, until there is nothing more. When it is dropped before (a panic, the end of the
/// program), those who wait are told that it was interrupted, and the next command begins anew.
#[derive(Debug)]
pub(crate) struct Sending {
    gathering: Gathering,
    queue: String,
    is_over: bool,
}

/// What will be known of a command.
pub(crate) type Outcome = oneshot::Receiver<Result<(), PublishError>>;

impl Gathering {
    /// Another command. Answers what will be known of it, and, if there is nobody yet who sends to this queue, the duty to.
    pub(crate) fn add(&self, queue: &str, line: Vec<u8>) -> (Outcome, Option<Sending>) {
        let (tell, told) = oneshot::channel();
        let waiting = Waiting { line, tell };
        let mut gathered = self.gathered();
        if let Some(others) = gathered.get_mut(queue) {
            others.push(waiting);
            return (told, None);
        }
        gathered.insert(queue.to_owned(), vec![waiting]);
        let sending = Sending {
            gathering: self.clone(),
            queue: queue.to_owned(),
            is_over: false,
        };
        (told, Some(sending))
    }

    fn gathered(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    /// To which queue.
    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    /// The next commands to send together, in their sequence; nothing when there are none, and then the duty is over.
    /// Those that nobody waits for any more are left out: nothing was promised of them.
    pub(crate) fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut gathered = self.gathering.gathered();
        let waiting = gathered.get_mut(&self.queue).filter(|_| !self.is_over)?;
        waiting.retain(|command| !command.tell.is_closed());
        if waiting.is_empty() {
            gathered.remove(&self.queue);
            self.is_over = true;
            return None;
        }
        let many = waiting.len().min(MANY);
        Some(waiting.drain(..many).collect())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_over {
            self.gathering.gathered().remove(&self.queue);
        }
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

    fn add(gathering: &Gathering, number: usize) -> (Outcome, Option<Sending>) {
        gathering.add("q", number.to_string().into_bytes())
    }

    fn sent(sending: &mut Sending) -> Option<Vec<usize>> {
        let number = |waiting: Waiting| String::from_utf8(waiting.line).unwrap().parse().unwrap();
        Some(sending.next()?.into_iter().map(number).collect())
    }

    #[test]
    fn a_lone_command_goes_at_once_and_what_comes_meanwhile_goes_together() {
        let gathering = Gathering::default();
        let (_one, sending) = add(&gathering, 1);
        let mut sending = sending.unwrap();
        assert_eq!(sent(&mut sending), Some(vec![1]));
        let others: Vec<_> = (2..=4).map(|number| add(&gathering, number)).collect();
        assert!(others.iter().all(|(_, sending)| sending.is_none()));
        let another = gathering.add("r", b"9".to_vec()).1;
        assert!(another.is_some(), "another queue is another matter");
        assert_eq!(sent(&mut sending), Some(vec![2, 3, 4]));
        assert_eq!(sent(&mut sending), None);
        let (_five, again) = add(&gathering, 5);
        drop(sending);
        assert_eq!(sent(&mut again.unwrap()), Some(vec![5]), "from the beginning");
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent_and_messages_are_bounded() {
        let gathering = Gathering::default();
        let (mut waiting, mut sending) = (Vec::new(), None);
        for number in 0..3 * MANY {
            let (outcome, first) = add(&gathering, number);
            waiting.push(outcome);
            sending = sending.or(first);
        }
        drop(waiting.remove(7));
        let (mut all, mut sending) = (Vec::new(), sending.unwrap());
        while let Some(lines) = sent(&mut sending) {
            assert!(lines.len() <= MANY);
            all.extend(lines);
        }
        let expected: Vec<usize> = (0..3 * MANY).filter(|number| *number != 7).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn when_whoever_sends_is_gone_those_who_wait_are_told_and_others_begin_anew() {
        let gathering = Gathering::default();
        let (mut one, sending) = add(&gathering, 1);
        let mut sending = sending.unwrap();
        let under_way = sending.next();
        let (mut two, _) = add(&gathering, 2);
        drop((under_way, sending));
        for outcome in [&mut one, &mut two] {
            assert_eq!(
                outcome.try_recv().unwrap_err(),
                oneshot::error::TryRecvError::Closed
            );
        }
        assert!(add(&gathering, 3).1.is_some());
    }
}
