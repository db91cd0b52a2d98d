//! What strangers' bytes meet first, and what must hold whatever they are: a function for each fuzz target
//! (`waiting-room/fuzz`), which panics where a promise is broken.
//!
//! It is there for tests and for the feature `fuzzing` alone. The tests put every kept input to it again: the seeds, and
//! what was once found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

mod config;
mod entrance;
mod request;
mod tokens;

pub use crate::edge::{
    direct_fuzzing::{answer, direct},
    fuzzing::{head, request},
};
pub use config::config;
pub use entrance::{invitation, proof};
pub use request::{cookies, path};
pub use tokens::{pass, ticket};

use waiting_room_domain::{Moment, SealKey, SealKeys};

/// A moment at which the genuine ones are valid.
const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

/// A ring whose first key has been changed.
fn ring() -> SealKeys {
    SealKeys::new(SealKey::new(2, &[2; 32]), vec![SealKey::new(1, &[1; 32])])
}

/// The next bytes; zeros where there are no more.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let (head, tail) = rest.split_at(rest.len().min(N));
    bytes[..head.len()].copy_from_slice(head);
    *rest = tail;
    bytes
}

/// A genuine text with changes: of each three bytes two say where, and the third what is done there to a byte.
fn changed(genuine: &str, changes: &[u8]) -> Vec<u8> {
    let mut text = genuine.as_bytes().to_vec();
    let (changes, rest) = changes.as_chunks::<3>();
    for [high, low, what] in changes.iter().take(8) {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (text.len() + 1);
        match what {
            0 => text.truncate(at),
            1 => text.insert(at, b'A'),
            2 if at < text.len() => drop(text.remove(at)),
            what if at < text.len() => text[at] ^= what,
            what => text.push(*what),
        }
    }
    if let [what] = rest {
        text.push(*what);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    type Target = (&'static str, fn(&[u8]));

    #[test]
    fn every_kept_input_keeps_every_promise() {
        let targets: [Target; 11] = [
            ("head", super::head),
            ("request", super::request),
            ("direct", super::direct),
            ("answer", super::answer),
            ("ticket", super::ticket),
            ("pass", super::pass),
            ("proof", super::proof),
            ("config", super::config),
            ("invitation", super::invitation),
            ("cookies", super::cookies),
            ("path", super::path),
        ];
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for (target, put) in targets {
            let mut inputs = Vec::new();
            for kept in ["seeds", "regressions"] {
                let files = fs::read_dir(fuzz.join(kept).join(target));
                inputs.extend(files.into_iter().flatten().map(|file| file.unwrap().path()));
            }
            assert!(!inputs.is_empty(), "{target} has seeds");
            for input in inputs {
                eprintln!("{}", input.display());
                put(&fs::read(input).unwrap());
            }
        }
    }
}
