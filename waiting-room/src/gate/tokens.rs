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
    set_ticket: Line,
    set_receipt: Line,
    secure: bool,
}

/// A cookie as it stands in `Set-Cookie`, but for its value: whoever joins gets the same, and a hundred thousand may do so
/// in a second.
#[derive(Debug, Clone)]
struct Line {
    before: String,
    after: String,
}

impl Line {
    fn of(without_value: &Cookie<'_>) -> Self {
        let text = without_value.to_string();
        let (name, rest) = text.split_once('=').unwrap_or((text.as_str(), ""));
        Self {
            before: format!("{name}="),
            after: rest.to_owned(),
        }
    }

    /// The whole line. There is nothing to encode in a value of ours.
    fn with(&self, value: &str) -> HeaderValue {
        as_header([self.before.as_str(), value, &self.after].concat())
    }
}

/// A line of `Set-Cookie`. Every character of our names and values may stand in a header.
fn as_header(line: String) -> HeaderValue {
    HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
}

impl CookieNames {
    /// The cookies of a room, sent over HTTPS only if `secure`.
    pub fn of(room: &RoomConfig, secure: bool) -> Self {
        let ticket = format!("waiting-room-ticket-{}", room.id);
        let receipt = format!("waiting-room-receipt-{}", room.id);
        let mut set_receipt = cookie(&receipt, "", TICKET_AGE, secure);
        // It is for the page that reads it, by its script. It proves something, and opens nothing.
        set_receipt.set_path(format!("/.waiting-room/{}/fairness", room.id));
        set_receipt.set_http_only(false);
        Self {
            set_ticket: Line::of(&cookie(&ticket, "", TICKET_AGE, secure)),
            set_receipt: Line::of(&set_receipt),
            ticket,
            pass: format!("waiting-room-pass-{}", room.id),
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
    pub(super) fn set_place(&self, given: &Given) -> Vec<HeaderValue> {
        let mut cookies = vec![self.set_ticket.with(&given.sealed)];
        if let Some(receipt) = &given.receipt {
            let id = SessionId::from(given.ticket.id);
            let value = format!("{receipt}~{id}~{}", given.ticket.number);
            cookies.push(self.set_receipt.with(&value));
        }
        cookies
    }

    /// The cookie that keeps a pass for as long as it is valid.
    pub fn set_pass(&self, pass: &str, valid_for: Duration) -> HeaderValue {
        as_header(cookie(&self.pass, pass, valid_for, self.secure).to_string())
    }

    /// The cookies that make a browser forget ticket and pass.
    pub fn forget(&self) -> [HeaderValue; 2] {
        let forgotten = |name| as_header(cookie(name, "", Duration::ZERO, self.secure).to_string());
        [&self.ticket, &self.pass].map(|name| forgotten(name))
    }
}

fn cookie<'a>(name: &'a str, value: &'a str, age: Duration, secure: bool) -> Cookie<'a> {
    let age = CookieAge::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .max_age(age);
    cookie.same_site(SameSite::Lax).secure(secure).build()
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
    fn a_line_is_written_as_by_the_library() {
        for secure in [false, true] {
            let whole = cookie("t", "a~b-_", TICKET_AGE, secure).to_string();
            let line = Line::of(&cookie("t", "", TICKET_AGE, secure));
            assert_eq!(line.with("a~b-_"), whole);
        }
    }

    #[test]
    fn a_header_stands_above_a_cookie() {
        let line = Line::of(&cookie("t", "", TICKET_AGE, false));
        let names = CookieNames {
            ticket: "t".to_owned(),
            pass: "p".to_owned(),
            set_ticket: line.clone(),
            set_receipt: line,
            secure: false,
        };
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("t=cookie"));
        assert_eq!(names.ticket(&headers), Some(&b"cookie"[..]));
        headers.insert(TICKET_HEADER, HeaderValue::from_static("header"));
        assert_eq!(names.ticket(&headers), Some(&b"header"[..]));
    }
}
