//! Requests that another site made a browser send.
//!
//! Browsers say in `Origin` whose page a changing request comes from, and pages cannot forge it. It must name the host that
//! was asked, or the shop's own address. Programs send none, and bring no cookies that they were not given.

use super::ApiProblem;
use axum::{
    extract::Request,
    http::{
        HeaderMap,
        header::{HOST, ORIGIN},
    },
};
use url::Url;

const HOST_ASKED_FOR: &str = "x-forwarded-host";
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses every changing request that says it comes from another site.
///
/// # Errors
/// 403 when it does.
pub fn refuse_foreign(request: &Request, public_url: &str) -> Result<(), ApiProblem> {
    let is_foreign =
        !request.method().is_safe() && whence(request.headers(), public_url) == Whence::Elsewhere;
    if is_foreign { Err(foreign()) } else { Ok(()) }
}

/// Whether a request that is believed because of a cookie comes from our own pages, provably.
///
/// # Errors
/// 403 when it does not say so.
pub fn prove(headers: &HeaderMap, public_url: &str) -> Result<(), ApiProblem> {
    match whence(headers, public_url) {
        Whence::Here => Ok(()),
        Whence::Elsewhere | Whence::Unsaid => Err(foreign()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Whence {
    Here,
    Elsewhere,
    Unsaid,
}

fn whence(headers: &HeaderMap, public_url: &str) -> Whence {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let hosts = [text(HOST_ASKED_FOR), text(HOST.as_str())];
    match (text(ORIGIN.as_str()), text(FETCH_SITE)) {
        (Some(origin), _) if is_ours(origin, &hosts, public_url) => Whence::Here,
        (Some(_), _) => Whence::Elsewhere,
        (None, Some("same-origin")) => Whence::Here,
        (None, Some("cross-site" | "same-site")) => Whence::Elsewhere,
        (None, _) => Whence::Unsaid,
    }
}

fn is_ours(origin: &str, hosts: &[Option<&str>], public_url: &str) -> bool {
    let Some(origin) = Url::parse(origin)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return false;
    };
    let public = Url::parse(public_url).is_ok_and(|url| url.origin() == origin.origin());
    public || hosts.iter().flatten().any(|host| names(&origin, host))
}

/// Whether a `Host` is that of the origin; the scheme's own port need not be written.
fn names(origin: &Url, host: &str) -> bool {
    let asked = Url::parse(&format!("{}://{host}/", origin.scheme()));
    asked.is_ok_and(|asked| asked.origin() == origin.origin())
}

fn foreign() -> ApiProblem {
    let detail = "This request comes from another site, or does not say where it comes from. \
                  Programs send their token in Authorization instead of a cookie.";
    ApiProblem::new(403, "foreign-origin", "Not from here", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_here() {
        for (pairs, expected) in [
            (&[][..], Whence::Unsaid),
            (&[("origin", "https://shop.example")], Whence::Here),
            (&[("origin", "https://shop.example:443")], Whence::Here),
            (&[("origin", "http://shop.example")], Whence::Elsewhere),
            (&[("origin", "https://shop.example.evil")], Whence::Elsewhere),
            (&[("origin", "null")], Whence::Elsewhere),
            (
                &[("origin", "http://localhost:17080"), ("host", "localhost:17080")],
                Whence::Here,
            ),
            (
                &[("origin", "http://localhost:17080"), ("host", "10.0.0.1:1")],
                Whence::Elsewhere,
            ),
            (
                &[
                    ("origin", "http://localhost:17080"),
                    ("host", "10.0.0.1:1"),
                    ("x-forwarded-host", "localhost:17080"),
                ],
                Whence::Here,
            ),
            (
                &[("origin", "http://evil"), ("host", "evil@localhost")],
                Whence::Elsewhere,
            ),
            (&[("sec-fetch-site", "same-origin")], Whence::Here),
            (&[("sec-fetch-site", "cross-site")], Whence::Elsewhere),
            (&[("sec-fetch-site", "none")], Whence::Unsaid),
            (
                &[("origin", "http://evil"), ("sec-fetch-site", "same-origin")],
                Whence::Elsewhere,
            ),
        ] {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = headers.collect();
            assert_eq!(whence(&headers, "https://shop.example"), expected, "{pairs:?}");
        }
    }
}
