//! The head of a request, whichever way it came in, and who sent it.

use super::form::JoinForm;
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The headers of a request.
pub trait Head {
    /// The values of a header, in their order. The name is in lower case.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;

    /// The first value of a header.
    fn value(&self, name: &'static str) -> Option<&[u8]> {
        self.values(name).next()
    }
}

impl Head for HeaderMap {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// Who sent a request, and what came along beside its head.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    /// Their address, as far as it is known.
    pub address: Option<IpAddr>,
    /// The form of a page, where one joins by it.
    pub form: JoinForm,
}

/// The address of a visitor: the peer's, unless the peer is a proxy that we trust to say whom it speaks for. Then it is
/// the last address under `X-Forwarded-For` that is none of a trusted proxy: what stands before it, anybody may have
/// written.
pub fn client_address(peer: IpAddr, head: &impl Head, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if trusted.is_empty() {
        return client;
    }
    let lines: Vec<&[u8]> = head.values("x-forwarded-for").collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    for hop in hops {
        if !is_trusted(&client) {
            break;
        }
        let Some(before) = read_address(hop) else { break };
        client = before;
    }
    client
}

/// An address, with or without a port.
fn read_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// Whom an address stands for: a household has a whole IPv6 network of 64 bits, and may use any address of it.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| {
            (
                http::header::HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_str(line).unwrap(),
            )
        });
        lines.collect()
    }

    #[test]
    fn only_trusted_proxies_say_whom_they_speak_for() {
        let trusted: [IpNet; 2] = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, lines, expected) in [
            ("203.0.113.1", &["198.51.100.7"][..], "203.0.113.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (
                "10.0.0.1",
                &["1.2.3.4", "198.51.100.7", "fd00::1"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:443"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
        ] {
            let client = client_address(peer.parse().unwrap(), &head(lines), &trusted);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
        let nobody = client_address("10.0.0.1".parse().unwrap(), &head(&["1.2.3.4"]), &[]);
        assert_eq!(nobody.to_string(), "10.0.0.1");
    }

    #[test]
    fn a_household_is_one_address_or_one_network() {
        let of = |text: &str| household(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
