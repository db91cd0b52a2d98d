//! What an origin is told of whom a request is forwarded for. Only what trusted proxies say is passed on.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, FORWARDED, HOST, UPGRADE},
};
use ipnet::IpNet;
use pingora_core::Result;
use pingora_http::RequestHeader;
use std::net::IpAddr;
use waiting_room_domain::{Forwarded, way};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST_ASKED_FOR: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Others that origins believe.
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FAMILY: &str = "x-forwarded-";
/// A longer host is none.
const HOST_BYTES_MAX: usize = 255;

/// Rewrites what `request`, still with the visitor's own `Host`, says of its way. `https` is how `peer` came to us.
pub(super) fn tell(
    request: &mut RequestHeader,
    peer: Option<IpAddr>,
    https: bool,
    trusted: &[IpNet],
) -> Result<()> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let is_believed = peer.is_some_and(|peer| is_trusted(&peer.to_canonical()));
    let told = peer.map(|peer| {
        let told = Forwarded {
            way: way(peer, named(&request.headers), is_trusted),
            https: proto(&request.headers).filter(|_| is_believed).unwrap_or(https),
            host: host(request, is_believed),
        };
        let host = told.host.and_then(|host| HeaderValue::from_str(host).ok());
        (told.text(), HeaderValue::from_static(told.proto()), host)
    });
    let theirs: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with(FAMILY) || [REAL_IP, FORWARDED].contains(name))
        // What is not rewritten here is a trusted proxy's to say.
        .filter(|name| !is_believed || [FOR, PROTO, HOST_ASKED_FOR, FORWARDED].contains(name))
        .cloned()
        .collect();
    for name in theirs {
        request.remove_header(&name);
    }
    let Some((text, proto, host)) = told else {
        return Ok(());
    };
    request.insert_header(FOR, text.x_for)?;
    request.insert_header(PROTO, proto)?;
    request.insert_header(FORWARDED, text.line)?;
    if let Some(host) = host {
        request.insert_header(HOST_ASKED_FOR, host)?;
    }
    Ok(())
}

/// A visitor who upgrades to HTTP/2 would talk to the origin past the gate. Only conversations go on: a WebSocket.
pub(super) fn keep_to_http1(request: &mut RequestHeader) -> Result<()> {
    request.remove_header(&HTTP2_SETTINGS);
    let upgrades = request.headers.get_all(UPGRADE).iter();
    let is_conversation = upgrades
        .map(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        .reduce(|all, one| all && one);
    if is_conversation == Some(false) {
        request.remove_header(&UPGRADE);
        request.insert_header(CONNECTION, "keep-alive")?;
    }
    Ok(())
}

/// The addresses under `X-Forwarded-For`, the last one first.
fn named(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines: Vec<&[u8]> = headers.get_all(FOR).iter().map(HeaderValue::as_bytes).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
}

fn proto(headers: &HeaderMap) -> Option<bool> {
    match headers.get(PROTO)?.as_bytes() {
        b"https" => Some(true),
        b"http" => Some(false),
        _ => None,
    }
}

fn host(request: &RequestHeader, is_believed: bool) -> Option<&str> {
    let text = |name: &HeaderName| request.headers.get(name)?.to_str().ok();
    let named = text(&HOST_ASKED_FOR).filter(|_| is_believed);
    let asked_for = named.or_else(|| text(&HOST)).or_else(|| request.uri.host())?;
    (asked_for.len() <= HOST_BYTES_MAX).then_some(asked_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(peer: &str, https: bool, headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header("Host", "shop.example").unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        tell(&mut request, peer.parse().ok(), https, &trusted).unwrap();
        request
    }

    fn value<'a>(request: &'a RequestHeader, name: &'static str) -> Vec<&'a str> {
        let values = request.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    const CLAIMS: [(&str, &str); 7] = [
        ("x-forwarded-for", "1.2.3.4, 198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example"),
        ("x-forwarded-port", "99"),
        ("x-real-ip", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4;by=secret"),
        ("forwarded", "for=5.6.7.8"),
    ];

    #[test]
    fn what_a_stranger_says_is_dropped() {
        let request = told("203.0.113.9", false, &CLAIMS);
        assert_eq!(value(&request, "x-forwarded-for"), ["203.0.113.9"]);
        assert_eq!(value(&request, "x-forwarded-proto"), ["http"]);
        assert_eq!(value(&request, "x-forwarded-host"), ["shop.example"]);
        assert_eq!(
            value(&request, "forwarded"),
            ["for=203.0.113.9;proto=http;host=\"shop.example\""]
        );
        assert!(value(&request, "x-forwarded-port").is_empty());
        assert!(value(&request, "x-real-ip").is_empty());
    }

    #[test]
    fn what_a_trusted_proxy_says_is_passed_on() {
        let request = told("10.0.0.1", false, &CLAIMS);
        assert_eq!(value(&request, "x-forwarded-for"), ["198.51.100.7, 10.0.0.1"]);
        assert_eq!(value(&request, "x-forwarded-proto"), ["https"]);
        assert_eq!(value(&request, "x-forwarded-host"), ["www.example"]);
        assert_eq!(
            value(&request, "forwarded"),
            ["for=198.51.100.7;proto=https;host=\"www.example\", for=10.0.0.1"]
        );
        assert_eq!(value(&request, "x-forwarded-port"), ["99"]);
    }

    #[test]
    fn how_the_visitor_came_is_told() {
        let request = told("203.0.113.9", true, &[]);
        assert_eq!(value(&request, "x-forwarded-proto"), ["https"]);
    }
}
