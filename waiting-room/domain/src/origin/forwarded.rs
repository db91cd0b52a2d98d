//! For whom a request is forwarded, as origins are told: RFC 7239 and the older `X-Forwarded-…`.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

/// Proxies on the way that are told of.
pub const FORWARDED_HOPS_MAX: usize = 16;

/// For whom a request is forwarded, and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// The visitor, then every trusted proxy on the way, as far as each of them vouches for the one before.
    pub way: Vec<IpAddr>,
    /// Whether the visitor came by HTTPS.
    pub https: bool,
    /// The host that was asked for.
    pub host: Option<&'a str>,
}

/// What an origin is told, as it stands in headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedText {
    /// The value of `X-Forwarded-For`.
    pub x_for: String,
    /// The value of `Forwarded`.
    pub line: String,
}

/// Room for the text of a visitor who comes without proxies in between.
const X_FOR_BYTES: usize = 48;
const LINE_BYTES: usize = 128;

/// The way of a request: `peer` is who sent it to us, `named` is what `X-Forwarded-For` names, the last one first. Only
/// a trusted proxy is believed who was before it, so the first of the way is one that nobody could have made up.
pub fn way<'a>(
    peer: IpAddr,
    named: impl Iterator<Item = &'a [u8]>,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Vec<IpAddr> {
    let mut way = vec![peer.to_canonical()];
    for name in named.take(FORWARDED_HOPS_MAX) {
        if !way.last().is_some_and(&is_trusted) {
            break;
        }
        let Some(before) = read_address(name) else { break };
        way.push(before);
    }
    way.reverse();
    way
}

impl Forwarded<'_> {
    /// The value of `X-Forwarded-Proto`.
    pub const fn proto(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The texts that name the way; each address is written once.
    pub fn text(&self) -> ForwardedText {
        let mut text = ForwardedText {
            x_for: String::with_capacity(X_FOR_BYTES),
            line: String::with_capacity(LINE_BYTES),
        };
        for (index, address) in self.way.iter().enumerate() {
            if index > 0 {
                text.x_for.push_str(", ");
                text.line.push_str(", ");
            }
            let begins = text.x_for.len();
            // Writing to a String cannot fail.
            let _ = write!(text.x_for, "{address}");
            let address_text = &text.x_for[begins..];
            let (before, after) = match address {
                IpAddr::V4(_) => ("for=", ""),
                IpAddr::V6(_) => ("for=\"[", "]\""),
            };
            for part in [before, address_text, after] {
                text.line.push_str(part);
            }
            if index == 0 {
                self.say_what_was_asked_for(&mut text.line);
            }
        }
        text
    }

    /// It is known of the first hop.
    fn say_what_was_asked_for(&self, line: &mut String) {
        line.push_str(";proto=");
        line.push_str(self.proto());
        if let Some(host) = self.host.filter(|host| is_quotable(host)) {
            for part in [";host=\"", host, "\""] {
                line.push_str(part);
            }
        }
    }
}

/// Whether it can stand between quotes as it is.
fn is_quotable(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// An address, with or without a port.
fn read_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_ours(address: &IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    fn way_of(peer: &str, line: &str) -> String {
        let way = way(
            peer.parse().unwrap(),
            line.rsplit(',').map(str::as_bytes),
            is_ours,
        );
        way.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_what_trusted_proxies_say_is_passed_on() {
        for (peer, line, expected) in [
            ("203.0.113.1", "198.51.100.7", "203.0.113.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7 10.0.0.1"),
            ("::ffff:10.0.0.1", "198.51.100.7:99", "198.51.100.7 10.0.0.1"),
            (
                "10.0.0.1",
                "1.2.3.4, 198.51.100.7, 10.0.0.2",
                "198.51.100.7 10.0.0.2 10.0.0.1",
            ),
            ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(way_of(peer, line), expected, "{peer} {line:?}");
        }
    }

    #[test]
    fn it_is_written_as_others_read_it() {
        let told = Forwarded {
            way: vec!["2001:db8::1".parse().unwrap(), "10.0.0.1".parse().unwrap()],
            https: true,
            host: Some("shop.example:8443"),
        };
        assert_eq!(
            told.text().line,
            "for=\"[2001:db8::1]\";proto=https;host=\"shop.example:8443\", for=10.0.0.1"
        );
        assert_eq!(told.text().x_for, "2001:db8::1, 10.0.0.1");
        let odd = Forwarded {
            host: Some("a\";for=1.2.3.4"),
            https: false,
            ..told
        };
        assert_eq!(odd.text().line, "for=\"[2001:db8::1]\";proto=http, for=10.0.0.1");
    }

    proptest! {
        /// Whatever a stranger writes, what is passed on begins with the stranger.
        #[test]
        fn a_stranger_cannot_be_somebody_else(line in proptest::collection::vec("[0-9.:a-f ]{0,20}", 0..30)) {
            let stranger: IpAddr = "203.0.113.9".parse().unwrap();
            prop_assert_eq!(way(stranger, line.iter().map(String::as_bytes), is_ours), vec![stranger]);
            // Behind a proxy of ours, which adds the stranger's address at the end.
            let named = [b"203.0.113.9".as_slice()].into_iter().chain(line.iter().map(String::as_bytes));
            let way = way("10.0.0.1".parse().unwrap(), named, is_ours);
            prop_assert_eq!(way[0], stranger);
        }
    }
}
