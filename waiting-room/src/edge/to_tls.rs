//! Where a visitor is sent who came without TLS.

use crate::reply::Reply;
use http::HeaderValue;
use waiting_room_domain::host_name;

/// Tells whoever asked for this that it is to be had by TLS. The head has been read strictly.
pub(super) fn elsewhere(head: &[u8], port: u16) -> Reply {
    let text = String::from_utf8_lossy(head);
    let target = text.split(' ').nth(1).unwrap_or("/");
    let path = if target.starts_with('/') { target } else { "/" };
    let host = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map_or("", |(_, value)| value.trim());
    let name = host_name(host);
    let place = match port {
        443 => format!("https://{name}{path}"),
        _ => format!("https://{name}:{port}{path}"),
    };
    let mut reply = Reply::no_content();
    reply.status = http::StatusCode::PERMANENT_REDIRECT;
    match HeaderValue::from_str(&place) {
        Ok(place) => reply.with(http::header::LOCATION, place),
        Err(_) => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_without_tls_is_sent_to_the_same_place() {
        for (head, port, place) in [
            ("GET /a?b HTTP/1.1\r\nHost: shop\r\n\r\n", 443, "https://shop/a?b"),
            (
                "GET / HTTP/1.1\r\nhost:shop:80\r\n\r\n",
                8443,
                "https://shop:8443/",
            ),
            (
                "GET http://shop/a HTTP/1.1\r\nHost: shop\r\n\r\n",
                443,
                "https://shop/",
            ),
            ("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", 443, "https://[::1]/"),
        ] {
            let reply = elsewhere(head.as_bytes(), port);
            let location = reply.headers.iter().find(|(name, _)| name == "location").unwrap();
            assert_eq!(location.1, place, "{head:?}");
        }
    }
}
