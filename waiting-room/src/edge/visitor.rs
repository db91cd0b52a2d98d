//! Who is at the other end of a connection, and what they send besides a head.

use crate::{
    entrance::form::{FORM_MAX_BYTES, JoinForm},
    gate::is_join,
};
use http::{HeaderValue, Method, header::CONTENT_TYPE, request::Parts};
use pingora_core::{Result, protocols::l4::socket::SocketAddr};
use pingora_proxy::Session;
use std::net::IpAddr;

/// The address at the other end.
pub(super) fn peer(address: Option<&SocketAddr>) -> Option<IpAddr> {
    Some(address?.as_inet()?.ip())
}

/// What a page's form says; nothing when it is longer than any of ours.
pub(super) async fn read_form(session: &mut Session) -> Result<Option<JoinForm>> {
    let mut text = Vec::new();
    while let Some(chunk) = session
        .read_request_body()
        .await
        .map_err(|error| error.into_down())?
    {
        text.extend_from_slice(&chunk);
        if text.len() > FORM_MAX_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(JoinForm::read(&text)))
}

/// Whether somebody joins by a page's form.
pub(super) fn sends_form(request: &Parts) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form = kind.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded"));
    is_form && request.method == Method::POST && is_join(request.uri.path())
}
