//! What a visitor carries: a ticket and a pass for each room, in cookies (browsers) or headers (apps).

use super::place::Given;
use crate::{config::RoomConfig, entrance::Head};
use cookie::{Cookie, SameSite, time::Duration as CookieAge};
use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};
use memchr::memchr;
use std::time::Duration;
use waiting_room_domain::SessionId;

pub(super) const TICKET_HEADER_NAME: &str = "waiting-room-ticket";
/// The ticket, for those without cookies.
pub const TICKET_HEADER: HeaderName = HeaderName::from_static(TICKET_HEADER_NAME);
/// The pass, for those without cookies, and for origins.
pub const PASS_HEADER: HeaderName = HeaderName::from_static("waiting-room-pass");

/// A ticket is kept by the browser for this long; the line it is for is over long before.
const TICKET_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The names of a room's cookies.
#[derive(Debug, Clone)]
pub struct CookieNames {
    ticket: String,
    pass: String,
    receipt: String,
    /// The page that reads the receipt; it is sent nowhere else.
    fairness_path: String,
    secure: bool,
}

impl CookieNames {
    /// The cookies of a room, sent over HTTPS only if `secure`.
    pub fn of(room: &RoomConfig, secure: bool) -> Self {
        Self {
            ticket: format!("waiting-room-ticket-{}", room.id),
            pass: format!("waiting-room-pass-{}", room.id),
            receipt: format!("waiting-room-receipt-{}", room.id),
            fairness_path: format!("/.waiting-room/{}/fairness", room.id),
            secure,
        }
    }

    /// The ticket that a request carries: in its header, else in the cookies.
    pub fn ticket<'a>(&self, head: &'a impl Head) -> Option<&'a [u8]> {
        let header = head.value(TICKET_HEADER_NAME);
        header.or_else(|| find_cookie(head.values("cookie"), &self.ticket))
    }

    /// The pass that a request carries.
    pub fn pass<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let header = headers.get(PASS_HEADER).map(HeaderValue::as_bytes);
        let pass = header.or_else(|| find_cookie(cookie_lines(headers), &self.pass));
        pass.and_then(|pass| std::str::from_utf8(pass).ok())
    }

    /// The cookies that keep a place: the ticket, and the receipt with what it is checked by.
    pub(super) fn set_place(&self, given: &Given) -> Vec<Cookie<'static>> {
        let mut cookies = vec![self.cookie(&self.ticket, given.sealed.clone(), TICKET_AGE)];
        if let Some(receipt) = &given.receipt {
            let id = SessionId::from(given.ticket.id);
            let value = format!("{receipt}~{id}~{}", given.ticket.number);
            let mut cookie = self.cookie(&self.receipt, value, TICKET_AGE);
            cookie.set_path(self.fairness_path.clone());
            // The page's script reads it. It proves something, and opens nothing.
            cookie.set_http_only(false);
            cookies.push(cookie);
        }
        cookies
    }

    /// The cookie that keeps a pass for as long as it is valid.
    pub fn set_pass(&self, pass: String, valid_for: Duration) -> Cookie<'static> {
        self.cookie(&self.pass, pass, valid_for)
    }

    /// The cookies that make a browser forget ticket and pass.
    pub fn forget(&self) -> [Cookie<'static>; 2] {
        [&self.ticket, &self.pass].map(|name| self.cookie(name, String::new(), Duration::ZERO))
    }

    fn cookie(&self, name: &str, value: String, age: Duration) -> Cookie<'static> {
        let age = CookieAge::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let cookie = Cookie::build((name.to_owned(), value))
            .path("/")
            .http_only(true)
            .max_age(age);
        cookie.same_site(SameSite::Lax).secure(self.secure).build()
    }
}

fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes)
}

/// The value of a cookie. No name or value of ours has anything to decode in it.
pub(crate) fn find_cookie<'a>(mut lines: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    lines.find_map(|line| {
        let mut rest = line;
        loop {
            let end = memchr(b';', rest);
            let pair = &rest[..end.unwrap_or(rest.len())];
            if let Some(value) = value_of(pair, name) {
                return Some(value);
            }
            rest = &rest[end? + 1..];
        }
    })
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
    Some(value.strip_prefix(b"=")?.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_among_other_cookies() {
        for (line, expected) in [
            ("waiting-room-ticket-a=1", Some("1")),
            ("x=y; waiting-room-ticket-a=1; z", Some("1")),
            ("waiting-room-ticket-ab=2;waiting-room-ticket-a=1 ", Some("1")),
            ("waiting-room-ticket-a", None),
            ("not-waiting-room-ticket-a=1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::from_static("other=1"));
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
            let found = find_cookie(cookie_lines(&headers), "waiting-room-ticket-a");
            assert_eq!(found, expected.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn a_header_stands_above_a_cookie() {
        let names = CookieNames {
            ticket: "t".to_owned(),
            pass: "p".to_owned(),
            receipt: "r".to_owned(),
            fairness_path: "/".to_owned(),
            secure: false,
        };
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("t=cookie"));
        assert_eq!(names.ticket(&headers), Some(&b"cookie"[..]));
        headers.insert(TICKET_HEADER, HeaderValue::from_static("header"));
        assert_eq!(names.ticket(&headers), Some(&b"header"[..]));
    }
}
