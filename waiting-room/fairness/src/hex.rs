//! Bytes in lower case hexadecimal: two digits each, one spelling.

use std::fmt;

/// Bytes that display in lower case hexadecimal.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Session names stand in a header of every request, so this does not format byte after byte.
        self.0.chunks(CHUNK).try_for_each(|chunk| {
            let mut spelled = [0; CHUNK * 2];
            for (pair, byte) in spelled.chunks_exact_mut(2).zip(chunk) {
                pair[0] = DIGITS[usize::from(byte >> 4)];
                pair[1] = DIGITS[usize::from(byte & 0xf)];
            }
            let spelled = std::str::from_utf8(&spelled[..chunk.len() * 2]);
            f.write_str(spelled.map_err(|_| fmt::Error)?)
        })
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Bytes spelled at once: most of what is spelled is a hash, or shorter.
const CHUNK: usize = 32;

/// The bytes that `text` spells; nothing if it spells none, or in another way.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(byte).collect()
}

/// [`bytes`] of a length that is known.
pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (spelled, pair) in bytes.iter_mut().zip(pairs) {
        *spelled = byte(pair)?;
    }
    Some(bytes)
}

fn byte([high, low]: &[u8; 2]) -> Option<u8> {
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(Hex(&[0, 255, 26]).to_string(), "00ff1a");
        let long: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&Hex(&long).to_string()), Some(long));
        assert_eq!(bytes("00ff1a"), Some(vec![0, 255, 26]));
        assert_eq!(array("00ff1a"), Some([0, 255, 26]));
        assert_eq!(array::<0>(""), Some([]));
        for bad in ["0", "0F", "0g", "+1", "é", "00ff1"] {
            assert_eq!((bytes(bad), array::<1>(bad)), (None, None), "{bad:?}");
        }
        assert_eq!(array::<2>("00ff1a"), None, "another length");
    }
}
