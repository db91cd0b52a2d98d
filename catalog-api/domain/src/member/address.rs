//! Where parcels go.

use super::{Mistakes, Name, Phone, contact::line};
use crate::basket::Mistake;
use serde::{Deserialize, Serialize};

const LINE_MAX_CHARS: usize = 200;
const SHORT_MAX_CHARS: usize = 20;

/// An address as it is sent.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RawAddress {
    /// What the member calls it, e.g. `Home`.
    #[serde(default)]
    pub label: Option<String>,
    /// Who takes the parcel.
    pub recipient: String,
    /// Whom the carrier calls.
    pub phone: String,
    /// ISO 3166-1, two capitals.
    pub country: String,
    /// The postal code; not every country has them.
    #[serde(default)]
    pub postal_code: Option<String>,
    /// Town.
    pub city: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor.
    #[serde(default)]
    pub line2: Option<String>,
    /// Whether it is the one that is taken when none is named.
    #[serde(default)]
    pub is_default: bool,
}

/// An address that was checked. It is sealed as a whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Address {
    /// What the member calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Who takes the parcel.
    pub recipient: String,
    /// Whom the carrier calls.
    pub phone: String,
    /// ISO 3166-1, two capitals.
    pub country: String,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Town.
    pub city: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
}

/// Not the address: it belongs to a person, and must not get into a log.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address")
    }
}

impl RawAddress {
    /// Checks every field.
    ///
    /// # Errors
    /// Every mistake.
    pub fn check(self) -> Result<Address, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let label = optional(&mut mistakes, "label", self.label, SHORT_MAX_CHARS * 2);
        let recipient = mistakes.field("recipient", Name::parse(&self.recipient));
        let phone = mistakes.field("phone", Phone::parse(&self.phone));
        let country = mistakes.field("country", country(self.country));
        let postal_code = optional(&mut mistakes, "postal_code", self.postal_code, SHORT_MAX_CHARS);
        let city = mistakes.field("city", bounded(&self.city, LINE_MAX_CHARS));
        let line1 = mistakes.field("line1", bounded(&self.line1, LINE_MAX_CHARS));
        let line2 = optional(&mut mistakes, "line2", self.line2, LINE_MAX_CHARS);
        match (label, recipient, phone, country, postal_code, city, line1, line2) {
            (
                Some(label),
                Some(recipient),
                Some(phone),
                Some(country),
                Some(postal_code),
                Some(city),
                Some(line1),
                Some(line2),
            ) => Ok(Address {
                label,
                recipient: recipient.as_str().to_owned(),
                phone: phone.as_str().to_owned(),
                country,
                postal_code,
                city,
                line1,
                line2,
            }),
            _ => Err(mistakes.into_list()),
        }
    }
}

/// An empty field is no field.
fn optional(mistakes: &mut Mistakes, name: &str, text: Option<String>, max: usize) -> Option<Option<String>> {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => mistakes.field(name, bounded(&text, max)).map(Some),
        None => Some(None),
    }
}

fn bounded(text: &str, max: usize) -> Result<String, String> {
    line(text, max).ok_or_else(|| format!("must be 1 to {max} characters on one line"))
}

fn country(text: String) -> Result<String, &'static str> {
    let good = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    good.then_some(text)
        .ok_or("must be a country's two capitals (ISO 3166-1), such as KR")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mistake_is_named_and_empty_fields_are_left_out() {
        let raw = |value| serde_json::from_value::<RawAddress>(value).unwrap();
        let good = raw(json!({
            "recipient": "Ann Lee", "phone": "+82 10 1234 5678", "country": "KR", "city": "Seoul",
            "line1": "1 Sejong-daero", "line2": " ", "postal_code": "04524"
        }));
        let address = good.check().unwrap();
        assert_eq!(
            (address.line2.as_deref(), address.phone.as_str()),
            (None, "+821012345678")
        );
        assert_eq!(format!("{address:?}"), "Address");
        let bad = raw(json!({ "recipient": "", "phone": "1", "country": "kr", "city": "\n", "line1": "" }));
        let pointers: Vec<_> = bad
            .check()
            .unwrap_err()
            .into_iter()
            .map(|mistake| mistake.pointer)
            .collect();
        assert_eq!(pointers, ["/recipient", "/phone", "/country", "/city", "/line1"]);
    }
}
