//! What mails say.

use contract::Language;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

/// Names the kinds of mail and finds their texts: `templates/<language>/<name>.txt`, the first line of which is the
/// subject.
macro_rules! templates {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The kinds of mail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Template {
            $($(#[$doc])* $variant,)*
        }

        impl Template {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name as it stands in rows and of files.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn source(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::En) => include_str!(concat!("../templates/en/", $name, ".txt")),
                    (Self::$variant, Language::Ko) => include_str!(concat!("../templates/ko/", $name, ".txt")),)*
                }
            }
        }
    };
}

templates! {
    /// The code that ends a sign-up. `code`, `minutes`.
    SignUpCode => "sign-up-code",
    /// Somebody signed up with the address of a member. `url`.
    AlreadyMember => "already-member",
    /// Somebody gave a member's telephone number as their own. No parameters.
    PhoneInUse => "phone-in-use",
    /// The code that allows a new password. `code`, `minutes`.
    PasswordCode => "password-code",
    /// The password was changed. `url`.
    PasswordChanged => "password-changed",
    /// The code that ends a sign-in while somebody guesses at the password. `code`, `minutes`.
    SignInCode => "sign-in-code",
    /// The code that proves a new address. `code`, `minutes`.
    EmailCode => "email-code",
    /// The address was changed; sent to the old one. No parameters.
    EmailChanged => "email-changed",
    /// A draw offers the right to buy. `title`, `place`, `until`, `url`.
    DrawRight => "draw-right",
    /// The account was erased; sent to the address it had. No parameters.
    Erased => "erased",
    /// An order has come a step further. `state` (as in orders), `items`, `total`, `url`.
    OrderStep => "order-step",
}

/// A mail's subject and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Why a mail cannot be written: a parameter is missing, or there is no such template.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template's text and the parameters do not fit.
    #[error("fill in the mail template")]
    Fill(#[from] minijinja::Error),
    /// A row names a template of another version of this program.
    #[error("there is no such mail template")]
    Unknown,
}

impl std::str::FromStr for Template {
    type Err = RenderError;

    fn from_str(text: &str) -> Result<Self, RenderError> {
        let found = Self::ALL.iter().find(|template| template.as_str() == text);
        found.copied().ok_or(RenderError::Unknown)
    }
}

/// Fills a template in. The text is plain: nothing is escaped, and a parameter never becomes part of the template.
///
/// # Errors
/// When a parameter is missing.
pub fn render(template: Template, language: Language, parameters: &Value) -> Result<Text, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let filled = environment.render_str(template.source(language), parameters)?;
    let (subject, body) = filled.split_once('\n').unwrap_or((&filled, ""));
    Ok(Text {
        subject: subject.trim().to_owned(),
        body: body.trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_template_says_something_in_every_language() {
        let everything = json!({
            "code": "123456", "minutes": 30, "url": "https://shop.example/", "title": "Raffle", "place": 7,
            "until": "2027-03-02 10:00 UTC", "state": "paid", "items": "2 × Sneaker", "total": "258,000 KRW",
        });
        for &template in Template::ALL {
            for language in Language::ALL {
                let text = render(template, language, &everything).unwrap();
                assert!(
                    !text.subject.is_empty() && text.body.len() > 40,
                    "{template:?} {language:?}"
                );
                assert_eq!(template.as_str().parse::<Template>().unwrap(), template);
            }
        }
        assert!("no-such-template".parse::<Template>().is_err());
    }

    #[test]
    fn every_step_of_an_order_has_words_of_its_own() {
        for language in Language::ALL {
            let mut subjects = std::collections::BTreeSet::new();
            let states = [
                "held",
                "refused",
                "paid",
                "shipped",
                "delivered",
                "return_requested",
                "cancelled",
                "payment_failed",
                "payment_abandoned",
                "expired",
                "refund_due",
                "refunded",
                "of a later version",
            ];
            for state in states {
                let parameters =
                    json!({ "state": state, "items": "", "total": "", "url": "https://s.example/o" });
                let text = render(Template::OrderStep, language, &parameters).unwrap();
                assert!(
                    text.body.contains("https://s.example/o") && !text.body.contains("{%"),
                    "{text:?}"
                );
                assert!(subjects.insert(text.subject), "{state} {language:?}");
            }
        }
    }

    #[test]
    fn a_missing_parameter_is_an_error_and_a_parameter_is_only_text() {
        assert!(render(Template::SignUpCode, Language::En, &json!({ "minutes": 30 })).is_err());
        let odd = json!({ "code": "{{ minutes }}\n<b>", "minutes": 30 });
        let text = render(Template::SignUpCode, Language::En, &odd).unwrap();
        assert!(text.body.contains("{{ minutes }}\n<b>"), "{text:?}");
    }
}
