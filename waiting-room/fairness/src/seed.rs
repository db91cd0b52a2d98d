//! The seed of a draw: of a secret that was committed to before anybody joined, of everybody who joined, and of a
//! public beacon that nobody knew when the joins ended.

use crate::{Head, Range, Seed};
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"waiting-room/seed/1";

crate::text::digest! {
    /// What the operator keeps to themselves until the joins are over. One for each draw.
    Secret
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

crate::text::digest! {
    /// The hash of a [`Secret`], published before the joins: the secret can no longer be chosen.
    Commitment
}
crate::text::shown!(Commitment);

/// The commitment to `secret`.
pub fn commitment(secret: &Secret) -> Commitment {
    Commitment(Sha256::digest(secret.0).into())
}

/// The seed of the draw of one lane: of the secret, of the log's head after the line that froze the joins, of the
/// range that is drawn, and of the beacon's signature if there is one.
pub fn seed(secret: &Secret, frozen: &Head, range: &Range, signature: Option<&[u8]>) -> Seed {
    let hash = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(secret.0)
        .chain_update(frozen.0)
        .chain_update([range.lane])
        .chain_update(range.from.to_be_bytes())
        .chain_update(range.to.to_be_bytes());
    let hash = match signature {
        Some(signature) => hash.chain_update(Sha256::digest(signature)),
        None => hash,
    };
    Seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range {
        lane: 0,
        from: 0,
        to: 40,
    };

    #[test]
    fn everything_that_goes_in_counts() {
        let (secret, head) = (Secret([1; 32]), Head([2; 32]));
        let kept = seed(&secret, &head, &RANGE, None);
        let seeds = [
            seed(&Secret([9; 32]), &head, &RANGE, None),
            seed(&secret, &Head([9; 32]), &RANGE, None),
            seed(&secret, &head, &Range { lane: 1, ..RANGE }, None),
            seed(&secret, &head, &Range { from: 1, ..RANGE }, None),
            seed(&secret, &head, &Range { to: 41, ..RANGE }, None),
            seed(&secret, &head, &RANGE, Some(&[])),
            seed(&secret, &head, &RANGE, Some(&[3])),
        ];
        assert!(seeds.iter().all(|other| *other != kept));
    }
}
