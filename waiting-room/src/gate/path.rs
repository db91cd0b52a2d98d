//! Paths as an origin might read them. `/x/../shop`, `//shop` and `/%73hop` are `/shop` to some servers: whoever
//! could name a guarded page in a way that the gate does not recognise would walk around it.

/// A path whose meaning depends on who reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The path in its plainest form: percent-decoded, without empty segments. For deciding which room guards it;
/// the origin gets the path as it was sent.
pub(crate) fn plain(path: &str) -> Result<String, Ambiguous> {
    let mut plain = Vec::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment.as_bytes())?;
        let separators = segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
        if separators || segment == b"." || segment == b".." {
            return Err(Ambiguous);
        }
        plain.push(b'/');
        plain.extend(segment);
    }
    if plain.is_empty() {
        plain.push(b'/');
    }
    String::from_utf8(plain).map_err(|_| Ambiguous)
}

fn decode(segment: &[u8]) -> Result<Vec<u8>, Ambiguous> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex_digit(*high)? << 4 | hex_digit(*low)?
            }
            (b'%', _) => return Err(Ambiguous),
            (byte, _) => *byte,
        });
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Result<u8, Ambiguous> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
        .ok_or(Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_one_path() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("", Ok("/")),
            ("/shop", Ok("/shop")),
            ("//shop//cart/", Ok("/shop/cart")),
            ("/%73hop", Ok("/shop")),
            ("/caf%C3%A9", Ok("/café")),
            ("/x/../shop", Err(Ambiguous)),
            ("/x/%2e%2E/shop", Err(Ambiguous)),
            ("/./shop", Err(Ambiguous)),
            ("/x%2fshop", Err(Ambiguous)),
            ("/x%5cshop", Err(Ambiguous)),
            ("/x%00", Err(Ambiguous)),
            ("/x%", Err(Ambiguous)),
            ("/x%zz", Err(Ambiguous)),
            ("/%ff", Err(Ambiguous)),
        ] {
            assert_eq!(plain(path), expected.map(str::to_owned), "{path}");
        }
    }
}
