//! Which problems an operation may answer with.
//!
//! What a handler takes says what it may be refused for: every extractor and every error that becomes a problem lists
//! its problems here by [`Refuses`], and an operation names those types. So a problem is written down where it is made.

use contract::{PROBLEM_CONTENT_TYPE, Problem};
use std::{collections::BTreeMap, marker::PhantomData};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

/// A problem: its status and its name, as in `urn:problem:<name>`.
pub type Kind = (u16, &'static str);

/// Something that may become a problem.
pub trait Refuses {
    /// Every problem that it may become.
    const KINDS: &'static [Kind];
}

/// The answers of an operation that takes `T`, a tuple of types that refuse, when one of them does:
/// `Refusals<(Shopper, JsonBytes)>`.
pub struct Refusals<T>(PhantomData<T>);

/// Several types that refuse.
pub trait RefuseTogether {
    /// The problems of all of them.
    fn kinds() -> Vec<Kind>;
}

impl<T: RefuseTogether> IntoResponses for Refusals<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for (status, name) in T::kinds() {
            let names = by_status.entry(status).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        by_status
            .into_iter()
            .map(|(status, names)| (status.to_string(), response(&names).into()))
            .collect()
    }
}

fn response(names: &[&str]) -> Response {
    let described = names.iter().map(|name| format!("`urn:problem:{name}`"));
    let schema = Ref::from_schema_name(Problem::name());
    ResponseBuilder::new()
        .description(described.collect::<Vec<_>>().join(" or "))
        .content(
            PROBLEM_CONTENT_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}

macro_rules! together {
    ($($name:ident)+) => {
        impl<$($name: Refuses),+> RefuseTogether for ($($name,)+) {
            fn kinds() -> Vec<Kind> {
                [$($name::KINDS),+].concat()
            }
        }
    };
}

together!(A);
together!(A B);
together!(A B C);
together!(A B C D);
together!(A B C D E);
together!(A B C D E F);
together!(A B C D E F G);
together!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use super::*;

    struct Pass;
    struct Body;

    impl Refuses for Pass {
        const KINDS: &'static [Kind] = &[(401, "pass-required")];
    }

    impl Refuses for Body {
        const KINDS: &'static [Kind] = &[(400, "malformed"), (401, "pass-required"), (400, "short")];
    }

    #[test]
    fn kinds_of_one_status_are_one_answer() {
        let responses = serde_json::to_value(Refusals::<(Pass, Body)>::responses()).unwrap();
        let described = |status: &str| responses[status]["description"].clone();
        assert_eq!(described("401"), "`urn:problem:pass-required`");
        assert_eq!(described("400"), "`urn:problem:malformed` or `urn:problem:short`");
        let schema = &responses["400"]["content"][PROBLEM_CONTENT_TYPE]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem");
    }
}
