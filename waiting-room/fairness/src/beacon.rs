//! The public beacon: drand's quicknet, which publishes a signature every three seconds that nobody can foretell and
//! everybody can check.
//!
//! Its scheme is `bls-unchained-g1-rfc9380`: a BLS signature on BLS12-381, 48 bytes, of the hash of the round.

use crate::Beacon;
use blst::{BLST_ERROR, min_sig};
use sha2::{Digest, Sha256};

const SUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// A drand network of that scheme.
#[derive(Debug, PartialEq, Eq)]
pub struct Network {
    /// The hash of its description: its name in a log.
    pub chain: [u8; 32],
    /// What its signatures are checked with: a compressed point of G2.
    pub public_key: [u8; 96],
    /// When its first round was published, in Unix seconds.
    pub genesis: u64,
    /// Seconds from a round to the next.
    pub period: u64,
}

/// The network that the League of Entropy runs.
pub const QUICKNET: Network = Network {
    chain: *b"\x52\xdb\x9b\xa7\x0e\x0c\xc0\xf6\xea\xf7\x80\x3d\xd0\x74\x47\xa1\xf5\x47\x77\x35\xfd\x3f\x66\x17\x92\xba\x94\x60\x0c\x84\xe9\x71",
    public_key: *b"\
        \x83\xcf\x0f\x28\x96\xad\xee\x7e\xb8\xb5\xf0\x1f\xca\xd3\x91\x22\x12\xc4\x37\xe0\x07\x3e\x91\x1f\
        \xb9\x00\x22\xd3\xe7\x60\x18\x3c\x8c\x4b\x45\x0b\x6a\x0a\x6c\x3a\xc6\xa5\x77\x6a\x2d\x10\x64\x51\
        \x0d\x1f\xec\x75\x8c\x92\x1c\xc2\x2b\x0e\x17\xe6\x3a\xaf\x4b\xcb\x5e\xd6\x63\x04\xde\x9c\xf8\x09\
        \xbd\x27\x4c\xa7\x3b\xab\x4a\xf5\xa6\xe9\xc7\x6a\x4b\xc0\x9e\x76\xea\xe8\x99\x1e\xf5\xec\xe4\x5a",
    genesis: 1_692_803_367,
    period: 3,
};

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeaconError {
    /// A network whose key is not built in.
    #[error("the beacon's network is not known")]
    Network,
    /// Not this network's signature of this round.
    #[error("the beacon's signature does not verify")]
    Signature,
}

impl Network {
    /// The network of this name.
    ///
    /// # Errors
    /// [`BeaconError::Network`] if its key is not built in.
    pub fn named(chain: &[u8; 32]) -> Result<&'static Self, BeaconError> {
        static KNOWN: Network = QUICKNET;
        if KNOWN.chain == *chain {
            Ok(&KNOWN)
        } else {
            Err(BeaconError::Network)
        }
    }

    /// When a round is published, in Unix milliseconds. Rounds count from 1.
    pub fn published_at(&self, round: u64) -> u64 {
        let seconds = round.saturating_sub(1).saturating_mul(self.period);
        self.genesis.saturating_add(seconds).saturating_mul(1000)
    }

    /// The first round that is published later than this moment, in Unix milliseconds.
    pub fn round_after(&self, moment: u64) -> u64 {
        match moment.checked_sub(self.genesis * 1000) {
            Some(since) => since / (self.period * 1000) + 2,
            None => 1,
        }
    }
}

impl Beacon {
    /// Checks that `signature` is the network's own of this round.
    ///
    /// # Errors
    /// [`BeaconError`]. Never panics, whatever it is given.
    pub fn verify(&self, signature: &[u8]) -> Result<(), BeaconError> {
        let network = Network::named(&self.chain)?;
        let refused = |_: BLST_ERROR| BeaconError::Signature;
        let key = min_sig::PublicKey::key_validate(&network.public_key).map_err(refused)?;
        let signature = min_sig::Signature::uncompress(signature).map_err(refused)?;
        let message = Sha256::digest(self.round.to_be_bytes());
        match signature.verify(true, &message, SUITE, &[], &key, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            _ => Err(BeaconError::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::{array, bytes};
    use proptest::prelude::*;

    const ROUNDS: [(u64, &str); 3] = [
        (
            123,
            "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92",
        ),
        (
            1000,
            "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
        ),
        (
            657_413,
            "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b",
        ),
    ];

    fn round(round: u64) -> Beacon {
        Beacon {
            chain: QUICKNET.chain,
            round,
        }
    }

    #[test]
    fn what_was_recorded_verifies() {
        for (number, signature) in ROUNDS {
            let signature = bytes(signature).unwrap();
            assert_eq!(round(number).verify(&signature), Ok(()), "{number}");
            assert_eq!(round(number + 1).verify(&signature), Err(BeaconError::Signature));
        }
    }

    /// The name of a network is the hash of its description, so the key cannot have been mistaken.
    #[test]
    fn the_network_is_the_one_of_its_name() {
        let seed: [u8; 32] =
            array("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e").unwrap();
        let description = Sha256::new()
            .chain_update(u32::try_from(QUICKNET.period).unwrap().to_be_bytes())
            .chain_update(QUICKNET.genesis.to_be_bytes())
            .chain_update(QUICKNET.public_key)
            .chain_update(seed)
            .chain_update("quicknet");
        assert_eq!(<[u8; 32]>::from(description.finalize()), QUICKNET.chain);
        let unknown = Beacon {
            chain: [0; 32],
            round: 1,
        };
        assert_eq!(unknown.verify(&[]), Err(BeaconError::Network));
    }

    #[test]
    fn the_next_round_is_always_still_to_come() {
        assert_eq!(QUICKNET.round_after(0), 1);
        assert_eq!(QUICKNET.published_at(1), 1_692_803_367_000);
        assert_eq!(QUICKNET.round_after(1_692_803_366_999), 1);
        assert_eq!(QUICKNET.round_after(1_692_803_367_000), 2);
        assert_eq!(QUICKNET.round_after(1_692_803_369_999), 2);
        assert_eq!(QUICKNET.round_after(1_692_803_370_000), 3);
        assert_eq!(QUICKNET.published_at(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn garbage_proves_nothing(number: u64, signature in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(round(number).verify(&signature), Err(BeaconError::Signature));
        }

        #[test]
        fn one_changed_bit_proves_nothing(at in 0usize..48, bit in 0u8..8) {
            let mut signature = bytes(ROUNDS[1].1).unwrap();
            signature[at] ^= 1 << bit;
            prop_assert_eq!(round(1000).verify(&signature), Err(BeaconError::Signature));
        }
    }
}
