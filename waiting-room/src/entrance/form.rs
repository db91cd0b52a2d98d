//! What a page's form brings to a join.

use super::{lanes::INVITATION_FIELD, proof::PROOF_FIELD};

/// A form of ours is no longer.
pub const FORM_MAX_BYTES: usize = 8 * 1024;

/// The fields that matter for a join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinForm {
    /// A proof of work.
    pub proof: Option<String>,
    /// An invitation.
    pub invitation: Option<String>,
}

impl JoinForm {
    /// Reads fields as a form (`application/x-www-form-urlencoded`) or the query of an address writes them. The first of a
    /// name counts; others do not matter.
    pub fn read(text: &[u8]) -> Self {
        let find = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(text);
            pairs
                .find(|(known, value)| known == name && !value.is_empty())
                .map(|(_, value)| value.into_owned())
        };
        Self {
            proof: find(PROOF_FIELD),
            invitation: find(INVITATION_FIELD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_decoded() {
        for (text, proof, invitation) in [
            ("", None, None),
            ("altcha=a%2Bb%3D&x=y", Some("a+b="), None),
            ("invitation=AQ_-&altcha=", None, Some("AQ_-")),
            ("invitation=1&invitation=2", None, Some("1")),
            ("altcha%3D=1&%ff=%zz", None, None),
        ] {
            let form = JoinForm::read(text.as_bytes());
            assert_eq!(
                (form.proof.as_deref(), form.invitation.as_deref()),
                (proof, invitation),
                "{text}"
            );
        }
    }
}
