//! The part of a request target that makes the answer. What is no part of it the origin never sees, so that nothing
//! can be put into an answer that others get.

use std::borrow::Cow;

/// Which parameters of a query count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum QueryRule {
    /// All of them, in the order in which they stand.
    #[default]
    Whole,
    /// These; none, if there are none.
    Only(Vec<String>),
}

/// The path with the parameters that count, as the key has it and the origin is asked for it.
pub fn keyed_target<'a>(target: &'a [u8], rule: &QueryRule) -> Cow<'a, [u8]> {
    let QueryRule::Only(names) = rule else {
        return Cow::Borrowed(target);
    };
    let Some(mark) = target.iter().position(|byte| *byte == b'?') else {
        return Cow::Borrowed(target);
    };
    let (path, query) = (&target[..mark], &target[mark + 1..]);
    let counts = |parameter: &&[u8]| {
        let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
        names.iter().any(|known| known.as_bytes() == name)
    };
    let kept: Vec<&[u8]> = query.split(|byte| *byte == b'&').filter(counts).collect();
    if kept.is_empty() {
        return Cow::Borrowed(path);
    }
    Cow::Owned([path, b"?", &kept.join(&b'&')].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(names: &[&str]) -> QueryRule {
        QueryRule::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn parameters_that_do_not_count_are_left_out() {
        for (target, rule, expected) in [
            ("/p?b=2&a=1", QueryRule::Whole, "/p?b=2&a=1"),
            ("/p?b=2&a=1", only(&[]), "/p"),
            ("/p?", only(&["a"]), "/p"),
            ("/p", only(&["a"]), "/p"),
            ("/p?b=2&a=1&a=&a&ab=3", only(&["a"]), "/p?a=1&a=&a"),
            ("/p?b=2&a=1", only(&["a", "b"]), "/p?b=2&a=1"),
            ("/p?%61=1", only(&["a"]), "/p"),
            ("/p?a=1?b=2", only(&["a"]), "/p?a=1?b=2"),
        ] {
            let keyed = keyed_target(target.as_bytes(), &rule);
            assert_eq!(std::str::from_utf8(&keyed).unwrap(), expected, "{target}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_out_changes_nothing(target in "/[a-z]{0,3}(\\?([abc]=[0-9&]{0,3}&?){0,5})?", noise in "[d-z]=[0-9]{0,3}") {
            let rule = only(&["a", "b"]);
            let once = keyed_target(target.as_bytes(), &rule).into_owned();
            let joint = if target.contains('?') { "&" } else { "?" };
            let noisy = format!("{target}{joint}{noise}");
            prop_assert_eq!(&*keyed_target(noisy.as_bytes(), &rule), &*once);
            prop_assert_eq!(&*keyed_target(&once, &rule), &*once);
        }
    }
}
