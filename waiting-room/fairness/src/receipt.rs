//! The receipt: what a shopper keeps to show that the log has their ticket, at their number.

use crate::{
    merkle::{self, Leaf, Node, Root, Tree},
    text::{decimal, small},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, str::FromStr};

/// The most tickets that one line of the log stands for.
pub const GROUP_MAX: u32 = 8192;

/// Where a ticket is in the log, and the proof. Written `<lane>.<first>.<count>.<index>.<path in base64url>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The lane that was joined.
    pub lane: u8,
    /// The first number of the group that joined together.
    pub first: u64,
    /// How many joined together.
    pub count: u32,
    /// The ticket's place in the group, from 0.
    pub index: u32,
    /// The hashes from the ticket to the root that the log has.
    pub path: Vec<Node>,
}

/// The text is not a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receipt is malformed")]
pub struct ReceiptError;

impl Receipt {
    /// The receipt of the ticket at `index` of a group whose tree is `tree`.
    pub fn of(tree: &Tree, lane: u8, first: u64, count: u32, index: u32) -> Self {
        let path = tree.path(usize::try_from(index).unwrap_or(usize::MAX));
        Self {
            lane,
            first,
            count,
            index,
            path,
        }
    }

    /// The number of the ticket that this is about.
    pub fn number(&self) -> u64 {
        self.first.saturating_add(self.index.into())
    }

    /// Whether this proves that the ticket `id` is under `root`.
    pub fn proves(&self, id: &Leaf, root: &Root) -> bool {
        merkle::verify(root, id, self.index, self.count, &self.path)
    }

    /// The text that the shopper keeps.
    pub fn encode(&self) -> String {
        let path = URL_SAFE_NO_PAD.encode(self.path.as_flattened());
        let Self {
            lane,
            first,
            count,
            index,
            ..
        } = self;
        format!("{lane}.{first}.{count}.{index}.{path}")
    }

    /// The receipt that `text` is.
    ///
    /// # Errors
    /// Anything else. Never panics, whatever it is given.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let mut fields = text.splitn(5, '.');
        let mut field = || fields.next().ok_or(ReceiptError);
        let receipt = Self {
            lane: small(field()?).ok_or(ReceiptError)?,
            first: decimal(field()?).ok_or(ReceiptError)?,
            count: small(field()?).ok_or(ReceiptError)?,
            index: small(field()?).ok_or(ReceiptError)?,
            path: nodes(field()?).ok_or(ReceiptError)?,
        };
        let fits = receipt.index < receipt.count && receipt.count <= GROUP_MAX;
        let ends = receipt.first.checked_add(receipt.count.into()).is_some();
        if fits && ends {
            Ok(receipt)
        } else {
            Err(ReceiptError)
        }
    }
}

/// No path of a group is longer than fourteen hashes.
fn nodes(text: &str) -> Option<Vec<Node>> {
    let bytes = (text.len() <= 600).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
    let (nodes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && nodes.len() <= 14).then(|| nodes.to_vec())
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_receipt_proves_its_own_ticket_only() {
        let ids: Vec<Leaf> = (0..5).map(|byte| [byte; 12]).collect();
        let tree = Tree::new(&ids);
        let receipt = Receipt::of(&tree, 1, 100, 5, 4);
        let kept = Receipt::parse(&receipt.encode()).unwrap();
        assert_eq!((&kept, kept.number()), (&receipt, 104));
        assert!(kept.proves(&ids[4], &tree.root()));
        assert!(!kept.proves(&ids[3], &tree.root()));
        assert!(!kept.proves(&ids[4], &merkle::root(&ids[..4])));
    }

    #[test]
    fn a_group_of_one_needs_no_path() {
        let receipt = Receipt::of(&Tree::new(&[[1; 12]]), 0, 7, 1, 0);
        assert_eq!(receipt.encode(), "0.7.1.0.");
        assert_eq!("0.7.1.0.".parse(), Ok(receipt));
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        let path = "A".repeat(43);
        for bad in [
            "",
            "0.7.1.0",
            "0.7.1.1.",
            "0.7.0.0.",
            "256.7.1.0.",
            "0.07.1.0.",
            "0.+7.1.0.",
            "0.7.8193.0.",
            "0.18446744073709551615.1.0.",
            "0.7.1.0.A",
            "0.7.1.0.AAAA",
            "0.7.1.0.=",
            &format!("0.7.2.0.{path}."),
            &format!("0.7.2.0.{}", path.repeat(15)),
        ] {
            assert_eq!(Receipt::parse(bad), Err(ReceiptError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_or_means_itself(text in "[0-9]{1,2}\\.[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}\\.[A-Za-z0-9_-]{0,90}") {
            if let Ok(receipt) = Receipt::parse(&text) {
                prop_assert_eq!(receipt.encode(), text);
            }
        }
    }
}
