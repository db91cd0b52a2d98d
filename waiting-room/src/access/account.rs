//! An account as its token shows it, and as origins are told about it.

use http::{HeaderName, HeaderValue};
use passes::AccessClaims;
use waiting_room_domain::{Mark, Moment, TokenMarks};

const ACCOUNT_HEADER: HeaderName = HeaderName::from_static("waiting-room-account");
const ISSUER_HEADER: HeaderName = HeaderName::from_static("waiting-room-issuer");
const ROLES_HEADER: HeaderName = HeaderName::from_static("waiting-room-roles");

/// The longest name of an account (OpenID Connect allows as many).
const SUBJECT_MAX_BYTES: usize = 255;
/// Roles that are told and looked at, and how long they are. What is more, or longer, counts as not there.
const ROLES_MAX: usize = 64;
const ROLE_MAX_BYTES: usize = 128;

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Account {
    /// Whose it is, in the issuer's words.
    pub subject: String,
    /// From then on the token is worth nothing.
    pub expires: Moment,
    /// By which the token can be revoked.
    pub marks: TokenMarks,
    roles: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Account {
    /// The account that a token of the issuer `issuer` speaks of; its roles stand in `roles_claim`. Nothing if its name is
    /// too long.
    pub fn of(claims: &AccessClaims, issuer: &str, roles_claim: &str) -> Option<Self> {
        if claims.sub.len() > SUBJECT_MAX_BYTES {
            return None;
        }
        let roles = claims.words(roles_claim).into_iter();
        let roles = roles.filter(|role| !role.is_empty() && role.len() <= ROLE_MAX_BYTES);
        let roles: Vec<String> = roles.take(ROLES_MAX).map(str::to_owned).collect();
        let told: Vec<String> = roles.iter().map(|role| encode(role)).collect();
        let mut headers = vec![
            (ACCOUNT_HEADER, HeaderValue::from_str(&encode(&claims.sub)).ok()?),
            (ISSUER_HEADER, HeaderValue::from_str(&encode(issuer)).ok()?),
        ];
        if !told.is_empty() {
            headers.push((ROLES_HEADER, HeaderValue::from_str(&told.join(",")).ok()?));
        }
        Some(Self {
            subject: claims.sub.clone(),
            expires: Moment::from_unix_ms(claims.exp.saturating_mul(1_000)),
            marks: TokenMarks {
                token: claims.id().map(Mark::of_token),
                family: claims.session().map(Mark::of_family),
                account: Mark::of_account(&claims.sub),
                issued: claims
                    .issued_at()
                    .map(|at| Moment::from_unix_ms(at.saturating_mul(1_000))),
            },
            roles,
            headers,
        })
    }

    /// Whether it has one of these roles, if any is asked for.
    pub fn has_one_of(&self, roles: &[String]) -> bool {
        roles.is_empty() || self.roles.iter().any(|role| roles.contains(role))
    }

    /// What origins are told about it.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

/// A name as a header can carry it: what is neither a letter, a digit nor one of a few harmless signs is
/// percent-encoded, the bytes of UTF-8 one by one.
fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:/+|=!$&*".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn account(claims: Value) -> Option<Account> {
        let claims: AccessClaims = serde_json::from_value(claims).unwrap();
        Account::of(&claims, "members", "roles")
    }

    fn told(account: &Account) -> Vec<(&str, &str)> {
        let headers = account.headers().iter();
        headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn an_origin_is_told_who_and_what() {
        let ann =
            account(json!({"sub": "auth0|ann@x.example", "exp": 5, "roles": ["editor", "admin"]})).unwrap();
        assert_eq!(
            told(&ann),
            [
                ("waiting-room-account", "auth0|ann@x.example"),
                ("waiting-room-issuer", "members"),
                ("waiting-room-roles", "editor,admin"),
            ]
        );
        assert_eq!(ann.expires, Moment::from_unix_ms(5_000));
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        let odd = json!({"sub": "a,b\r\nX: y %41 é", "exp": 5, "roles": ["a,admin", "", "x\0"]});
        let odd = account(odd).unwrap();
        assert_eq!(
            told(&odd),
            [
                ("waiting-room-account", "a%2Cb%0D%0AX:%20y%20%2541%20%C3%A9"),
                ("waiting-room-issuer", "members"),
                ("waiting-room-roles", "a%2Cadmin,x%00"),
            ]
        );
        assert!(!odd.has_one_of(&["admin".to_owned()]));
    }

    #[test]
    fn what_is_too_long_or_too_much_is_not_there() {
        assert!(account(json!({"sub": "x".repeat(256), "exp": 5})).is_none());
        let many: Vec<String> = (0..100).map(|role| role.to_string()).collect();
        let many = account(json!({"sub": "x", "exp": 5, "roles": many})).unwrap();
        assert!(many.has_one_of(&["63".to_owned()]) && !many.has_one_of(&["64".to_owned()]));
        let long = account(json!({"sub": "x", "exp": 5, "roles": ["r".repeat(129)]})).unwrap();
        assert_eq!(told(&long).len(), 2);
    }

    #[test]
    fn one_of_the_roles_is_enough() {
        let ann = account(json!({"sub": "ann", "exp": 5, "roles": "editor admin"})).unwrap();
        for (asked, expected) in [
            (&[][..], true),
            (&["admin"], true),
            (&["owner", "editor"], true),
            (&["owner"], false),
            (&["Admin"], false),
        ] {
            let asked: Vec<String> = asked.iter().map(|role| (*role).to_owned()).collect();
            assert_eq!(ann.has_one_of(&asked), expected, "{asked:?}");
        }
    }
}
