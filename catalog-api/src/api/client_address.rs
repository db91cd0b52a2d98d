//! Where a request comes from.
//!
//! The edge says whom it forwards a request for, and proves that it is the edge by a secret that both know. From anybody
//! else, what stands in the headers is worth nothing, and the other end of the connection is taken.

use super::{ApiProblem, Shop};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use subtle::ConstantTimeEq;

const SECRET: &str = "waiting-room-edge-secret";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of the connection; every request carries it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The visitor's network address.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<Arc<Shop>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
        let said = forwarded_for(&parts.headers, shop.edge_secret.as_ref());
        Ok(Self(said.unwrap_or(peer)))
    }
}

/// The edge puts the visitor first.
fn forwarded_for(headers: &HeaderMap, secret: Option<&SecretString>) -> Option<IpAddr> {
    let shown = headers.get(SECRET)?.as_bytes();
    let is_edge = bool::from(shown.ct_eq(secret?.expose_secret().as_bytes()));
    let addresses = headers.get(FORWARDED_FOR)?.to_str().ok()?;
    let first = addresses.split(',').next()?.trim();
    is_edge.then(|| first.parse().ok()).flatten()
}

impl From<Infallible> for ApiProblem {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_edge_is_believed() {
        let secret = SecretString::from("the secret");
        for (pairs, secret, expected) in [
            (&[("x-forwarded-for", "9.9.9.9")][..], Some(&secret), None),
            (&[(SECRET, "the secret")], Some(&secret), None),
            (
                &[(SECRET, "the secret"), ("x-forwarded-for", "9.9.9.9, 10.0.0.1")],
                Some(&secret),
                Some("9.9.9.9"),
            ),
            (
                &[(SECRET, "the secret"), ("x-forwarded-for", "2001:db8::1")],
                Some(&secret),
                Some("2001:db8::1"),
            ),
            (
                &[(SECRET, "the secret"), ("x-forwarded-for", "nonsense")],
                Some(&secret),
                None,
            ),
            (
                &[(SECRET, "another"), ("x-forwarded-for", "9.9.9.9")],
                Some(&secret),
                None,
            ),
            (&[(SECRET, ""), ("x-forwarded-for", "9.9.9.9")], None, None),
        ] {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<Vec<(axum::http::HeaderName, _)>>()
                .into_iter()
                .collect();
            let expected = expected.map(|text: &str| text.parse().unwrap());
            assert_eq!(forwarded_for(&headers, secret), expected, "{pairs:?}");
        }
    }
}
