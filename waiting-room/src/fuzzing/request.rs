//! What stands in a request: cookies, forms, addresses of proxies, paths.

use crate::{
    entrance::{client_address, form::JoinForm},
    gate::{find_cookie, path::plain},
};
use cookie::Cookie;
use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, HeaderName},
};
use std::net::{IpAddr, Ipv4Addr};

const NAME: &str = "waiting-room-ticket-demo";
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Looks for a cookie in the lines that the bytes are, reads the same lines as addresses of proxies, and all as a form.
/// What is found as a cookie any other reader of cookies finds, too.
pub fn cookies(bytes: &[u8]) {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok());
    let lines: Vec<HeaderValue> = lines.collect();
    if let Some(found) = find_cookie(lines.iter().map(HeaderValue::as_bytes), NAME) {
        assert!(!found.contains(&b';'));
        let read = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let mut read = read.flat_map(Cookie::split_parse).filter_map(Result::ok);
        let named =
            |cookie: &Cookie<'_>| cookie.name() == NAME && cookie.value().as_bytes() == found.trim_ascii();
        assert!(!found.is_ascii() || found.is_empty() || read.any(|cookie| named(&cookie)));
    }
    let first = [b"waiting-room-ticket-demo=genuine".as_slice()];
    let with_ours_first = first.into_iter().chain(lines.iter().map(HeaderValue::as_bytes));
    assert_eq!(find_cookie(with_ours_first, NAME), Some(&b"genuine"[..]));

    let forwarded = HeaderName::from_static("x-forwarded-for");
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, line.clone());
        headers.append(forwarded.clone(), line);
    }
    assert_eq!(
        client_address(PROXY, &headers, &[]),
        PROXY,
        "who is not trusted speaks for itself"
    );
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let client = client_address(PROXY, &headers, &trusted);
    assert_eq!(client, client.to_canonical());
    let form = JoinForm::read(bytes);
    assert!(form.proof.is_none_or(|text| !text.is_empty()));
}

/// Makes a path plain: what comes out has one spelling left, and means the same however it is spelled.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(path) = plain(text) else { return };
    assert!(
        path.starts_with('/') && (path == "/" || !path.ends_with('/')),
        "{path}"
    );
    let mut segments = path.split('/').skip(1);
    let plain_segment = |segment: &str| !matches!(segment, "" | "." | "..");
    assert!(path == "/" || segments.all(plain_segment), "{path}");
    let escaped: String = path
        .bytes()
        .map(|byte| {
            if byte == b'/' {
                "//".to_owned()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    assert_eq!(plain(&escaped).as_deref(), Ok(&*path), "{escaped}");
}
