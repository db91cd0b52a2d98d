//! The hash tree of a group of joins, as RFC 9162 (Certificate Transparency) defines it: one root stands in the log
//! for up to thousands of tickets, and each ticket's path proves that it is one of them.

use sha2::{Digest, Sha256};

/// What is hashed for a ticket: its twelve random bytes.
pub type Leaf = [u8; 12];

/// A hash of the tree.
pub type Node = [u8; 32];

crate::text::digest! {
    /// The hash that stands for all tickets of a group.
    Root
}
crate::text::shown!(Root);

/// The tree over a group of tickets, built once for the paths of all of them.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The hashes of the leaves, then of each level above, up to the root alone. A node without a sibling stands
    /// unchanged on the level above, which makes the same tree as the RFC's split at the largest power of two.
    levels: Vec<Vec<Node>>,
}

impl Tree {
    /// The tree over `leaves`, in their order.
    pub fn new(leaves: &[Leaf]) -> Self {
        let mut levels = vec![leaves.iter().map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let level = below.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                alone => alone[0],
            });
            levels.push(level.collect());
        }
        Self { levels }
    }

    /// The root; of an empty tree, the hash of nothing.
    pub fn root(&self) -> Root {
        let top = self.levels.last().and_then(|level| level.first());
        Root(top.copied().unwrap_or_else(|| Sha256::digest([]).into()))
    }

    /// The siblings on the way from the leaf at `index` to the root; empty if there is no such leaf.
    pub fn path(&self, index: usize) -> Vec<Node> {
        let mut path = Vec::with_capacity(self.levels.len());
        for (height, level) in self.levels.iter().enumerate() {
            path.extend(level.get((index >> height) ^ 1));
        }
        if index < self.levels[0].len() {
            path
        } else {
            Vec::new()
        }
    }
}

/// The root over `leaves`.
pub fn root(leaves: &[Leaf]) -> Root {
    Tree::new(leaves).root()
}

/// The path of one leaf; whoever needs several builds a [`Tree`].
pub fn path(leaves: &[Leaf], index: usize) -> Vec<Node> {
    Tree::new(leaves).path(index)
}

/// Whether `path` proves that `id` is the leaf at `index` of the `count` under `root`.
pub fn verify(root: &Root, id: &Leaf, index: u32, count: u32, path: &[Node]) -> bool {
    index < count && climb(id, index, count - 1, path) == Some(root.0)
}

/// RFC 9162, section 2.1.3.2.
fn climb(id: &Leaf, mut index: u32, mut last: u32, path: &[Node]) -> Option<Node> {
    let mut hash = leaf(id);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            hash = node(sibling, &hash);
            // Levels that the node climbs alone.
            let alone = if index.is_multiple_of(2) {
                index.trailing_zeros()
            } else {
                0
            };
            (index, last) = (index >> alone, last >> alone);
        } else {
            hash = node(&hash, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

fn leaf(id: &Leaf) -> Node {
    Sha256::new().chain_update([0]).chain_update(id).finalize().into()
}

fn node(left: &Node, right: &Node) -> Node {
    let hash = Sha256::new().chain_update([1]).chain_update(left);
    hash.chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::{Hex, array};
    use proptest::prelude::*;

    fn leaves(count: u32) -> Vec<Leaf> {
        (0..count)
            .map(|number| {
                let mut id = [7; 12];
                id[..4].copy_from_slice(&number.to_be_bytes());
                id
            })
            .collect()
    }

    /// The RFC's own definition, by recursion.
    fn defined(leaves: &[Leaf]) -> Node {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => leaf(one),
            more => {
                let split = 1 << (more.len() - 1).ilog2();
                node(&defined(&more[..split]), &defined(&more[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_what_the_rfc_defines() {
        for count in 0..200 {
            assert_eq!(root(&leaves(count)).0, defined(&leaves(count)), "{count}");
        }
    }

    /// Frozen: a change of these makes every receipt in every browser worthless.
    #[test]
    fn roots_are_as_ever() {
        let vectors = include_str!("../test-vectors/merkle.txt");
        let mut seen = 0;
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let [count, index, id, root, path] = fields[..] else {
                panic!("five fields a line: {line}")
            };
            let (count, index) = (count.parse().unwrap(), index.parse::<u32>().unwrap());
            let tree = Tree::new(&leaves(count));
            assert_eq!(tree.root(), Root::parse(root).unwrap(), "{line}");
            let hashes = tree.path(index as usize);
            assert_eq!(Hex(&hashes.concat()).to_string(), path, "{line}");
            assert!(verify(&tree.root(), &array(id).unwrap(), index, count, &hashes));
            seen += 1;
        }
        assert!(seen > 10);
    }

    #[test]
    fn every_ticket_of_every_group_has_its_proof() {
        for count in 1..130 {
            let (leaves, tree) = (leaves(count), Tree::new(&leaves(count)));
            for index in 0..count {
                let path = tree.path(index as usize);
                let id = &leaves[index as usize];
                assert!(
                    verify(&tree.root(), id, index, count, &path),
                    "{index} of {count}"
                );
                let other = (index + 1) % count;
                assert!(count == 1 || !verify(&tree.root(), id, other, count, &path));
            }
            assert!(tree.path(count as usize).is_empty());
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_proven(count in 1u32..300, at: u32, stranger: Leaf, flip: u8, bit in 0u8..8) {
            let (leaves, index) = (leaves(count), at % count);
            let tree = Tree::new(&leaves);
            let (id, path) = (leaves[index as usize], tree.path(index as usize));
            prop_assume!(stranger != id);
            prop_assert!(!verify(&tree.root(), &stranger, index, count, &path));
            prop_assert!(!verify(&tree.root(), &id, count, count, &path));
            let longer = [path.clone(), vec![[0; 32]]].concat();
            prop_assert!(!verify(&tree.root(), &id, index, count, &longer));
            if let Some((last, shorter)) = path.split_last() {
                prop_assert!(!verify(&tree.root(), &id, index, count, shorter));
                let mut wrong = *last;
                wrong[usize::from(flip % 32)] ^= 1 << bit;
                prop_assert!(!verify(&tree.root(), &id, index, count, &[shorter, &[wrong]].concat()));
            }
        }
    }
}
