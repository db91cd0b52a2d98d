//! The keys that sign members' access tokens.

use crate::{JwkSet, KeyError, PassKey, PassKeys};
use contract::MemberClaims;

/// What access tokens call themselves (RFC 9068): a pass cannot stand for one, nor one for a pass.
const TYPE: &str = "at+jwt";
const PURPOSE: &[u8] = b"catalog-api/member/ed25519";

/// A key ring: the first key signs, all of them are published.
#[derive(Debug)]
pub struct AccessKeys(PassKeys);

impl AccessKeys {
    /// The ring that belongs to these master secrets, each with the number that names it.
    ///
    /// # Errors
    /// When there is none.
    pub fn derive(masters: &[(u8, [u8; 32])]) -> Result<Self, KeyError> {
        let keys = masters
            .iter()
            .map(|(number, master)| PassKey::derive_for(PURPOSE, &number.to_string(), master));
        PassKeys::new(keys.collect::<Result<_, _>>()?).map(Self)
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign(&self, claims: &MemberClaims) -> Result<String, KeyError> {
        self.0.sign_as(TYPE, claims)
    }

    /// The public halves.
    pub fn jwks(&self) -> JwkSet {
        self.0.jwks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessError, Issuer, Verifier};
    use contract::{MEMBER_AUDIENCE, MEMBER_ISSUER, Role};

    fn claims() -> MemberClaims {
        MemberClaims {
            iss: MEMBER_ISSUER.to_owned(),
            aud: MEMBER_AUDIENCE.to_owned(),
            sub: "ann".to_owned(),
            sid: "sign-in".to_owned(),
            jti: "token".to_owned(),
            roles: Role::Operator.and_lesser().collect(),
            iat: 1,
            exp: 100,
        }
    }

    fn issuer(keys: &AccessKeys) -> Issuer {
        let issuer = Issuer::new(MEMBER_ISSUER.to_owned(), Some(MEMBER_AUDIENCE.to_owned()));
        assert_eq!(issuer.replace_keys(&keys.jwks()), keys.jwks().keys.len());
        issuer
    }

    #[test]
    fn whoever_verifies_issuers_tokens_verifies_these() {
        let keys = AccessKeys::derive(&[(1, [1; 32])]).unwrap();
        let token = keys.sign(&claims()).unwrap();
        let read = issuer(&keys).verify(&token, 99).unwrap();
        assert_eq!((read.sub.as_str(), read.session()), ("ann", Some("sign-in")));
        assert_eq!(read.words("roles"), ["user", "operator"]);
        assert_eq!(issuer(&keys).verify(&token, 100), Err(AccessError::NotNow));
    }

    #[test]
    fn a_new_key_first_leaves_old_tokens_valid_until_the_old_one_goes() {
        let old = AccessKeys::derive(&[(1, [1; 32])]).unwrap();
        let token = old.sign(&claims()).unwrap();
        let both = AccessKeys::derive(&[(2, [2; 32]), (1, [1; 32])]).unwrap();
        assert!(issuer(&both).verify(&token, 1).is_ok());
        let new = AccessKeys::derive(&[(2, [2; 32])]).unwrap();
        assert_eq!(issuer(&new).verify(&token, 1), Err(AccessError::UnknownKey));
    }

    #[test]
    fn neither_stands_for_a_pass_even_with_the_same_master() {
        let keys = AccessKeys::derive(&[(1, [1; 32])]).unwrap();
        let passes = PassKeys::new(vec![PassKey::derive("1", &[1; 32]).unwrap()]).unwrap();
        let token = keys.sign(&claims()).unwrap();
        assert!(Verifier::new(&passes.jwks()).verify(&token, 1).is_err());
        assert!(Verifier::new(&keys.jwks()).verify(&token, 1).is_err());
    }
}
