//! Access tokens: signing, and reading them back.

use super::Revoked;
use contract::{MEMBER_AUDIENCE, MEMBER_ISSUER, MemberClaims, MemberId, Role};
use moka::sync::Cache;
use passes::{AccessClaims, AccessKeys, Issuer, JwkSet, KeyError};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// How long an access token is valid: so long a stolen one is of use while nobody notices.
pub const ACCESS_SECONDS: u64 = 15 * 60;
/// Tokens whose signature is remembered.
const REMEMBERED_MAX: u64 = 50_000;

/// Somebody who is signed in, as the token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// The member.
    pub id: MemberId,
    /// What the member may do.
    pub role: Role,
    /// The sign-in that the token belongs to.
    pub sign_in: Uuid,
}

/// Why a token does not say who somebody is. Not told in this detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours, forged, over, or not readable.
    #[error("the access token is not genuine, or over")]
    NotValid,
    /// Its sign-in has ended.
    #[error("the access token was taken back")]
    TakenBack,
}

/// Signs and reads access tokens.
pub struct Tokens {
    keys: Arc<AccessKeys>,
    issuer: Issuer,
    /// By the hash of the token, so that no token lies in memory for longer than its request.
    genuine: Cache<[u8; 32], Arc<AccessClaims>>,
    revoked: Arc<Revoked>,
}

impl Tokens {
    /// Tokens signed by these keys, but for those that are `revoked`.
    pub fn new(keys: Arc<AccessKeys>, revoked: Arc<Revoked>) -> Self {
        let issuer = Issuer::new(MEMBER_ISSUER.to_owned(), Some(MEMBER_AUDIENCE.to_owned()));
        issuer.replace_keys(&keys.jwks());
        let genuine = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_live(Duration::from_secs(ACCESS_SECONDS))
            .build();
        Self {
            keys,
            issuer,
            genuine,
            revoked,
        }
    }

    /// The keys that verify them, to be published.
    pub fn jwks(&self) -> JwkSet {
        self.keys.jwks()
    }

    /// A token for somebody who is signed in.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(&self, who: &SignedIn, now_unix_seconds: u64) -> Result<String, KeyError> {
        self.keys.sign(&MemberClaims {
            iss: MEMBER_ISSUER.to_owned(),
            aud: MEMBER_AUDIENCE.to_owned(),
            sub: who.id.to_string(),
            sid: who.sign_in.to_string(),
            jti: format!("{:032x}", u128::from_be_bytes(clock::random_bytes())),
            roles: who.role.and_lesser().collect(),
            iat: now_unix_seconds,
            exp: now_unix_seconds + ACCESS_SECONDS,
        })
    }

    /// Whom a token names at this time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(&self, token: &str, now_unix_seconds: u64) -> Result<SignedIn, TokenError> {
        let who = signed_in(&*self.genuine(token, now_unix_seconds)?).ok_or(TokenError::NotValid)?;
        if self.revoked.covers(who.sign_in) {
            return Err(TokenError::TakenBack);
        }
        Ok(who)
    }

    fn genuine(&self, token: &str, now_unix_seconds: u64) -> Result<Arc<AccessClaims>, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.genuine.get(&hash) {
            let valid = claims.is_valid_at(now_unix_seconds);
            return valid.then_some(claims).ok_or(TokenError::NotValid);
        }
        let claims = self
            .issuer
            .verify(token, now_unix_seconds)
            .map_err(|_| TokenError::NotValid)?;
        let claims = Arc::new(claims);
        self.genuine.insert(hash, Arc::clone(&claims));
        Ok(claims)
    }
}

fn signed_in(claims: &AccessClaims) -> Option<SignedIn> {
    let roles = claims
        .words("roles")
        .into_iter()
        .filter_map(|role| role.parse().ok());
    Some(SignedIn {
        id: claims.sub.parse().ok()?,
        role: roles.max()?,
        sign_in: claims.session()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tokens(revoked: &Arc<Revoked>) -> Tokens {
        Tokens::new(
            Arc::new(AccessKeys::derive(&[(1, [1; 32])]).unwrap()),
            Arc::clone(revoked),
        )
    }

    fn ann() -> SignedIn {
        SignedIn {
            id: MemberId::new(NOW, [1; 10]),
            role: Role::Operator,
            sign_in: Uuid::from_u128(7),
        }
    }

    #[test]
    fn a_token_names_who_is_signed_in_for_a_quarter_of_an_hour() {
        let tokens = tokens(&Arc::default());
        let token = tokens.sign(&ann(), NOW).unwrap();
        for _first_verified_then_remembered in 0..2 {
            assert_eq!(tokens.read(&token, NOW + 899), Ok(ann()));
            assert_eq!(tokens.read(&token, NOW + 900), Err(TokenError::NotValid));
        }
        assert_eq!(tokens.read("x.y.z", NOW), Err(TokenError::NotValid));
    }

    #[test]
    fn a_token_that_was_good_is_refused_once_its_sign_in_has_ended() {
        let revoked = Arc::<Revoked>::default();
        let tokens = tokens(&revoked);
        let token = tokens.sign(&ann(), NOW).unwrap();
        assert!(tokens.read(&token, NOW).is_ok());
        revoked.add([(ann().sign_in, NOW + 900)], NOW);
        assert_eq!(tokens.read(&token, NOW), Err(TokenError::TakenBack));
    }
}
