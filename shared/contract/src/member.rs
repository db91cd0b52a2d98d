//! What members are called by the services: roles, and the claims of their access tokens.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `iss` of every member's access token.
pub const MEMBER_ISSUER: &str = "catalog-api";
/// `aud` of every member's access token.
pub const MEMBER_AUDIENCE: &str = "shop";

/// What a member may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Shops.
    User,
    /// Looks after orders and drops.
    Operator,
    /// Changes the catalog, and who may do what.
    Admin,
}

/// Why a text is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of user, operator, admin")]
pub struct RoleError;

// === impl Role ===

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::User, Self::Operator, Self::Admin];

    /// The role as it stands in rows and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role and those before it: what a token lists, so that whoever reads it need not know the order.
    pub fn and_lesser(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |role| *role <= self)
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a member reads. Mails and pages are written in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

/// Why a text is not a language of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a language is one of en, ko")]
pub struct LanguageError;

// === impl Language ===

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::Ko];

    /// The language as it stands in rows and in `lang` attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, LanguageError> {
        Self::ALL
            .into_iter()
            .find(|language| language.as_str() == text)
            .ok_or(LanguageError)
    }
}

/// The claims of a member's access token: an EdDSA JWT of a quarter of an hour. catalog-api signs it; the edge, or any
/// service, verifies it by JWKS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberClaims {
    /// Always [`MEMBER_ISSUER`].
    pub iss: String,
    /// Always [`MEMBER_AUDIENCE`].
    pub aud: String,
    /// The member.
    pub sub: String,
    /// The sign-in that the token belongs to; what is revoked is all of one.
    pub sid: String,
    /// The token itself.
    pub jti: String,
    /// The member's role and the lesser ones.
    pub roles: Vec<Role>,
    /// When it was signed, Unix seconds.
    pub iat: u64,
    /// When it ends, Unix seconds.
    pub exp: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greater_role_lists_the_lesser_ones() {
        assert!(Role::User < Role::Operator && Role::Operator < Role::Admin);
        let roles: Vec<_> = Role::Operator.and_lesser().map(Role::as_str).collect();
        assert_eq!(roles, ["user", "operator"]);
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(RoleError));
    }
}
