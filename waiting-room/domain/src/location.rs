//! Where a request goes: the host that it names, and what a path lies below.

/// Whether `root` is `path` or lies above it: `/shop` covers `/shop` and `/shop/cart`, not `/shopping`.
pub fn covers(root: &str, path: &[u8]) -> bool {
    let root = root.trim_end_matches('/').as_bytes();
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether a rule for `own` host, or for any, is about a request to `host` (without port).
pub fn fits_host(own: Option<&str>, host: &str) -> bool {
    own.is_none_or(|own| own.eq_ignore_ascii_case(host))
}

/// The name in a `Host` header: without the port.
pub fn host_name(named: &str) -> &str {
    match named.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_ends_at_a_slash() {
        for (root, path, expected) in [
            ("/", "/", true),
            ("/", "/any/thing", true),
            ("/shop", "/shop", true),
            ("/shop", "/shop/cart", true),
            ("/shop/", "/shop", true),
            ("/shop/", "/shop/cart", true),
            ("/shop", "/shopping", false),
            ("/shop", "/", false),
            ("/shop", "/x/shop", false),
            ("/shop", "/%73hop", false),
        ] {
            assert_eq!(covers(root, path.as_bytes()), expected, "{root} {path}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (named, name) in [
            ("shop.example", "shop.example"),
            ("shop.example:8443", "shop.example"),
            ("shop.example:", "shop.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_name(named), name);
        }
    }

    #[test]
    fn hosts_are_compared_as_names_are() {
        assert!(fits_host(None, "any"));
        assert!(fits_host(Some("shop.example"), "SHOP.example"));
        assert!(!fits_host(Some("shop.example"), "other.example"));
    }
}
