//! The chain of hashes over the log: its head stands for every line before it.

use sha2::{Digest, Sha256};

crate::text::digest! {
    /// The hash of the whole log up to a line. Whoever notes it can tell later whether that part was rewritten.
    Head
}
crate::text::shown!(Head);

/// The log so far, as a hash and a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The hash of everything so far.
    pub head: Head,
    /// How many lines that is, without the title.
    pub length: u64,
}

impl Chain {
    /// The first line of a log's file. It is hashed first, so that two logs never have
    /// a head in common.
    pub fn title(room: &str, epoch: u32) -> String {
        format!("waiting-room/log/1 {room} {epoch}")
    }

    /// The empty log of a room's line.
    pub fn new(room: &str, epoch: u32) -> Self {
        Self::titled(&Self::title(room, epoch))
    }

    /// The empty log under a [`Chain::title`].
    pub fn titled(title: &str) -> Self {
        Self {
            head: Head(Sha256::digest(title).into()),
            length: 0,
        }
    }

    /// Adds a line, without the character that ends it.
    pub fn extend(&mut self, line: &str) {
        let hash = Sha256::new().chain_update(self.head.0).chain_update(line);
        self.head = Head(hash.finalize().into());
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> Head {
        let mut chain = Chain::new("demo", 1);
        lines.iter().for_each(|line| chain.extend(line));
        assert_eq!(chain.length, lines.len() as u64);
        chain.head
    }

    #[test]
    fn every_change_changes_the_head() {
        let kept = head(&["edge 1 a", "edge 2 b"]);
        for other in [
            head(&["edge 2 b", "edge 1 a"]),
            head(&["edge 1 a", "edge 2 c"]),
            head(&["edge 1 a"]),
            head(&["edge 1 a", "edge 2 b", "edge 3 c"]),
            head(&["edge 1 aedge 2 b"]),
        ] {
            assert_ne!(kept, other);
        }
        assert_ne!(Chain::new("demo", 1), Chain::new("demo", 2));
    }

    /// Frozen: a change of these makes every log look rewritten.
    #[test]
    fn the_hashes_are_as_ever() {
        let empty = "b1bb310eaff65b69345e27ed93d0278853b5f058db2ff6d9ab607941ea14ea4a";
        assert_eq!(head(&[]).to_string(), empty);
        let one = "b968bbcf7b1b67f8ced63a8a2ac8310bef464c2882eeefc5450114d5ba526e40";
        assert_eq!(head(&["edge 1 a"]).to_string(), one);
    }
}
