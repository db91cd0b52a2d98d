//! What a visitor is told beside an answer, whoever gave it and whichever way it went.

use crate::gate::{PASS_HEADER, Passage};
use http::{
    HeaderName, HeaderValue,
    header::{SET_COOKIE, STRICT_TRANSPORT_SECURITY},
};

/// To come by TLS the next time (`hsts`, for who came by it), their quotas, and what they come in with. `shows_pass` says
/// that they keep their pass themselves, and sent it in its header.
pub(super) fn beside(
    passage: &Passage,
    shows_pass: bool,
    hsts: Option<&HeaderValue>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut told: Vec<_> = hsts
        .map(|hsts| (STRICT_TRANSPORT_SECURITY, hsts.clone()))
        .into_iter()
        .chain(passage.limits.iter().cloned())
        .collect();
    let Some(admitted) = &passage.admitted else {
        return told;
    };
    told.extend(passage.cookies.iter().map(|cookie| (SET_COOKIE, cookie.clone())));
    if admitted.is_new && shows_pass {
        told.push((PASS_HEADER, admitted.pass.clone()));
    }
    told
}

/// Whether it takes the place of whatever the origin says under this name.
pub(super) fn replaces(name: &HeaderName) -> bool {
    *name == STRICT_TRANSPORT_SECURITY || *name == PASS_HEADER
}
