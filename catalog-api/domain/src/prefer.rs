//! `Prefer: wait=N` (RFC 7240): how long a shopper would rather wait for the decision than ask again.
//!
//! A preference is a wish, never a mistake: whatever cannot be understood is passed over.

use crate::limits::WAIT_MAX;
use std::time::Duration;

/// The wait that the values of all `Prefer` headers of a request ask for, cut at [`WAIT_MAX`].
///
/// Of several `wait` preferences the first counts, as the RFC says.
pub fn preferred_wait<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Duration> {
    let mut preferences = values.into_iter().flat_map(|value| split_unquoted(value, ','));
    let wait = preferences.find_map(wait_value)?;
    let seconds: u64 = wait.parse().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// The digits of a `wait` preference, else nothing. Its parameters, if any, are none that we know.
fn wait_value(preference: &str) -> Option<&str> {
    let named = split_unquoted(preference, ';').next()?;
    let (name, value) = named.split_once('=')?;
    let value = value.trim();
    let value = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    name.trim()
        .eq_ignore_ascii_case("wait")
        .then_some(if digits { value } else { "0" })
}

/// The parts of `text` between separators that do not stand in a quoted string.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        if escaped {
            escaped = false;
            return false;
        }
        match character {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return character == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_wait_counts_and_is_bounded() {
        let seconds = |values: &[&str]| preferred_wait(values.iter().copied()).map(|wait| wait.as_secs());
        for (values, expected) in [
            (&["wait=10"][..], Some(10)),
            (&["Wait = 10"], Some(10)),
            (&["wait=\"10\""], Some(10)),
            (&["respond-async, wait=5"], Some(5)),
            (&["respond-async", "wait=5"], Some(5)),
            (&["wait=5; because=\"a, b\""], Some(5)),
            (&["foo=\"x, wait=3\", wait=7"], Some(7)),
            (&["foo=\"a\\\", wait=3\", wait=7"], Some(7)),
            (&["wait=7, wait=9"], Some(7)),
            (&["wait=99999"], Some(30)),
            (&["wait=18446744073709551616"], None),
            (&["wait=0"], None),
            (&["wait=-1"], None),
            (&["wait=+1"], None),
            (&["wait=1.5"], None),
            (&["wait=ten, wait=5"], None),
            (&["wait"], None),
            (&["waiting=5"], None),
            (&["\"wait=5"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(seconds(values), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_passed_over(value in ".{0,100}") {
            let wait = preferred_wait([value.as_str()]);
            prop_assert!(wait.is_none_or(|wait| wait <= WAIT_MAX && !wait.is_zero()));
        }
    }
}
