//! Keys as they are written down.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Bytes of every key here.
pub const KEY_BYTES: usize = 32;

/// Why a text is not a key, or a ring of keys. It never says what the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// There is no key.
    #[error("must hold at least one key")]
    NoKey,
    /// A line that is not a number and a key.
    #[error("line {0} must be a number from 1 to 255, a space, and 32 bytes in base64")]
    Line(usize),
    /// Two keys of one number.
    #[error("the key number {0} is there twice")]
    Twice(u8),
    /// Not 32 bytes in base64.
    #[error("must be 32 bytes in base64, e.g. from `openssl rand -base64 32`")]
    Key,
}

/// One key: 32 bytes in base64.
pub fn parse_key(text: &str) -> Result<[u8; KEY_BYTES], KeyTextError> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyTextError::Key)?;
    bytes.try_into().map_err(|_| KeyTextError::Key)
}

/// Keys with their numbers, one a line. Lines that are empty or begin with `#` are left out.
pub fn parse_ring(text: &str) -> Result<Vec<(u8, [u8; KEY_BYTES])>, KeyTextError> {
    let mut keys: Vec<(u8, [u8; KEY_BYTES])> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (id, key) = parse_line(line).ok_or(KeyTextError::Line(number + 1))?;
        if keys.iter().any(|(known, _)| *known == id) {
            return Err(KeyTextError::Twice(id));
        }
        keys.push((id, key));
    }
    if keys.is_empty() {
        return Err(KeyTextError::NoKey);
    }
    Ok(keys)
}

fn parse_line(line: &str) -> Option<(u8, [u8; KEY_BYTES])> {
    let (id, key) = line.split_once(char::is_whitespace)?;
    let id = id.parse().ok().filter(|id| *id > 0)?;
    Some((id, parse_key(key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_ring_is_one_key_a_line() {
        let ring = parse_ring(&format!("# the newest first\n2 {ONE}\n\n 1  {ONE} \n")).unwrap();
        assert_eq!(ring.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(ring[0].1[31], 31);
        for (text, expected) in [
            (String::new(), KeyTextError::NoKey),
            ("# nothing".to_owned(), KeyTextError::NoKey),
            (format!("1 {ONE}\n1 {ONE}"), KeyTextError::Twice(1)),
            (format!("0 {ONE}"), KeyTextError::Line(1)),
            (format!("1 {ONE}\n256 {ONE}"), KeyTextError::Line(2)),
            ("1 AAEC".to_owned(), KeyTextError::Line(1)),
            (ONE.to_owned(), KeyTextError::Line(1)),
        ] {
            assert_eq!(parse_ring(&text), Err(expected), "{text}");
        }
        assert_eq!(parse_key("short"), Err(KeyTextError::Key));
    }
}
