//! Who reads a page, as far as the request tells.

use http::{
    header::{ACCEPT_LANGUAGE, HeaderValue},
    request::Parts,
};
use url::form_urlencoded;

/// Names the language in an address.
const LANG: &str = "lang";

/// What a request says about the languages of its reader.
#[derive(Debug, Clone, Default)]
pub struct Reader<'a> {
    pub(super) named: Option<String>,
    pub(super) accepts: Option<&'a str>,
    query: &'a str,
}

impl<'a> Reader<'a> {
    /// The reader who sent this request.
    pub fn of(request: &'a Parts) -> Self {
        let query = request.uri.query().unwrap_or_default();
        let accepts = request.headers.get(ACCEPT_LANGUAGE).map(HeaderValue::to_str);
        Self {
            accepts: accepts.and_then(Result::ok),
            ..Self::asking(query)
        }
    }

    /// A reader of whom only the value of `Accept-Language` is known.
    pub fn accepting(accepts: Option<&'a [u8]>) -> Self {
        Self {
            accepts: accepts.and_then(|accepts| std::str::from_utf8(accepts).ok()),
            ..Self::default()
        }
    }

    /// The address of a page for the same reader: a language that was named stays.
    pub fn back_to(&self, path: &str) -> String {
        match &self.named {
            Some(code) => format!("{path}{}", Self::default().query_in(code)),
            None => path.to_owned(),
        }
    }

    /// A reader of whom only the query is known.
    pub(super) fn asking(query: &'a str) -> Self {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let named = pairs.find_map(|(name, value)| (name == LANG).then(|| value.into_owned()));
        Self {
            named,
            accepts: None,
            query,
        }
    }

    /// The query that asks for the same page in another language. Without the path: what a visitor wrote there must
    /// not become an address that leads elsewhere.
    pub(super) fn query_in(&self, code: &str) -> String {
        let others = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| name != LANG);
        let mut query = form_urlencoded::Serializer::new("?".to_owned());
        query.extend_pairs(others).append_pair(LANG, code);
        query.finish().replacen("?&", "?", 1)
    }
}

/// The query that asks for a language, if the reader named one.
pub(super) fn asked(named: bool, code: &str) -> String {
    if named {
        format!("?{LANG}={code}")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_query_stays() {
        for (query, named, expected) in [
            ("", None, "?lang=ko"),
            ("item=3", None, "?item=3&lang=ko"),
            ("lang=en&item=3&b=%26", Some("en"), "?item=3&b=%26&lang=ko"),
            ("lang=%3Cscript%3E", Some("<script>"), "?lang=ko"),
            (
                "item=%22%3E%3Cscript%3E",
                None,
                "?item=%22%3E%3Cscript%3E&lang=ko",
            ),
        ] {
            let reader = Reader::asking(query);
            assert_eq!(reader.named.as_deref(), named, "{query}");
            assert_eq!(reader.query_in("ko"), expected, "{query}");
        }
    }
}
