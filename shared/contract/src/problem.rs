//! The problem document (RFC 9457) that every HTTP surface answers errors with.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The media type of a problem document.
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// An error as the visitor sees it. What we know beyond that belongs in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable name of the kind of problem, `urn:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Further members, e.g. `errors` or `order`.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schema(additional_properties))]
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem of the kind `urn:problem:<name>`.
    pub fn new(status: u16, name: &str, title: &str) -> Self {
        Self {
            kind: format!("urn:problem:{name}"),
            title: title.to_owned(),
            status,
            detail: None,
            more: Map::new(),
        }
    }

    /// With what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_members_stand_beside_the_standard_ones() {
        let problem = Problem::new(409, "sold-out", "Sold out")
            .detail("No unit is left.")
            .with("left", 0);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:problem:sold-out", "title": "Sold out", "status": 409,
                "detail": "No unit is left.", "left": 0
            })
        );
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
