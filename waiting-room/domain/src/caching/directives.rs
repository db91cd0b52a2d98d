//! `Cache-Control`, as an origin writes it.

use std::time::Duration;

/// What stands for more seconds than anybody means: RFC 9111, 1.2.2.
const FOR_EVER_SECONDS: u64 = 1 << 31;

/// What `Cache-Control` of an answer says, as far as it matters to a shared cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// It is to be kept by nobody.
    pub no_store: bool,
    /// It is for one visitor.
    pub private: bool,
    /// It is to be asked for again before each use.
    pub no_cache: bool,
    /// Anybody may keep it.
    pub public: bool,
    /// Once stale it is not to be used, by anybody or by shared caches.
    pub must_revalidate: bool,
    /// How long it is fresh.
    pub max_age: Option<Duration>,
    /// The same for shared caches, before which the other does not count.
    pub s_maxage: Option<Duration>,
    /// How long it may be used stale while a fresh one is asked for.
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may be used stale when the origin fails.
    pub stale_if_error: Option<Duration>,
}

impl Directives {
    /// Reads every line of the header.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut read = Self::default();
        for line in lines {
            split_unquoted(line).for_each(|directive| read.take(directive));
        }
        read
    }

    /// A directive that names headers (`private="x"`) counts as one without: rather too little is kept than too much.
    fn take(&mut self, directive: &[u8]) {
        let mut parts = directive.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let value = parts.next();
        match name.as_slice() {
            b"no-store" => self.no_store = true,
            b"private" => self.private = true,
            b"no-cache" => self.no_cache = true,
            b"public" => self.public = true,
            b"must-revalidate" | b"proxy-revalidate" => self.must_revalidate = true,
            b"max-age" => shorter(&mut self.max_age, value),
            b"s-maxage" => shorter(&mut self.s_maxage, value),
            b"stale-while-revalidate" => shorter(&mut self.stale_while_revalidate, value),
            b"stale-if-error" => shorter(&mut self.stale_if_error, value),
            _ => {}
        }
    }
}

/// Of several the shortest counts, and what is no number is none: such an answer is stale at once.
fn shorter(known: &mut Option<Duration>, value: Option<&[u8]>) {
    let read = value.map_or(Duration::ZERO, seconds);
    *known = Some(known.map_or(read, |known| known.min(read)));
}

fn seconds(value: &[u8]) -> Duration {
    let value = value.trim_ascii();
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let digits = std::str::from_utf8(value).unwrap_or_default();
    let seconds = digits.parse::<u64>().unwrap_or(FOR_EVER_SECONDS);
    Duration::from_secs(seconds.min(FOR_EVER_SECONDS))
}

/// The parts between commas that stand in no quotes.
fn split_unquoted(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Directives {
        Directives::read(lines.iter().map(|line| line.as_bytes()))
    }

    /// What was read, in the order of the fields.
    fn told(lines: &[&str]) -> String {
        let read = read(lines);
        let flags = [
            ("no-store", read.no_store),
            ("private", read.private),
            ("no-cache", read.no_cache),
            ("public", read.public),
            ("revalidate", read.must_revalidate),
        ];
        let times = [
            ("max-age", read.max_age),
            ("s-maxage", read.s_maxage),
            ("swr", read.stale_while_revalidate),
            ("sie", read.stale_if_error),
        ];
        let flags = flags
            .iter()
            .filter(|(_, said)| *said)
            .map(|(name, _)| (*name).to_owned());
        let times = times
            .iter()
            .filter_map(|(name, time)| Some(format!("{name}={}", (*time)?.as_secs())));
        flags.chain(times).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_say_what_they_say() {
        for (lines, expected) in [
            (&[][..], ""),
            (&["max-age=5"], "max-age=5"),
            (&[" MAX-AGE = \"5\" ,public"], "public max-age=5"),
            (&["max-age=9", "max-age=4"], "max-age=4"),
            (&["max-age=soon"], "max-age=0"),
            (&["max-age=-1"], "max-age=0"),
            (&["max-age"], "max-age=0"),
            (&["max-age=99999999999999999999"], "max-age=2147483648"),
            (&["private=\"a, max-age=7\""], "private"),
            (&["x=\"a\\\", no-store\", no-cache"], "no-cache"),
            (&["No-Store"], "no-store"),
            (&["proxy-revalidate"], "revalidate"),
            (&["must-revalidate, unknown=1"], "revalidate"),
            (
                &["s-maxage=1, stale-while-revalidate=2, stale-if-error=3"],
                "s-maxage=1 swr=2 sie=3",
            ),
        ] {
            assert_eq!(told(lines), expected, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            Directives::read([line.as_slice()]);
        }

        #[test]
        fn whatever_stands_beside_it_no_store_is_seen(before in "[a-z=0-9]{0,9}", after in "[a-z=0-9\"]{0,9}") {
            let line = format!("{before}, no-store ,{after}");
            prop_assert!(read(&[&line]).no_store);
        }
    }
}
