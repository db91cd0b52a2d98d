//! Tickets and passes: nothing but what was signed opens anything.

use super::{NOW, changed, ring, take};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::{PASS_AUDIENCE, PASS_ISSUER, PassClaims};
use hmac::{Hmac, KeyInit, Mac};
use passes::{Issuer, PassKey, PassKeys, Verifier};
use serde_json::json;
use sha2::Sha256;
use std::sync::LazyLock;
use waiting_room_domain::{Epoch, LaneId, Moment, RoomTag, SealKey, SealKeys, Ticket, TicketKeys};

/// Opens tickets: what nobody sealed opens for nobody, and what was sealed has one spelling.
pub fn ticket(mut bytes: &[u8]) {
    let keys = TicketKeys::new(ring());
    if let Ok(opened) = keys.open(bytes) {
        let retired = TicketKeys::new(SealKeys::new(SealKey::new(1, &[1; 32]), Vec::new()));
        let spellings = [keys.seal(&opened), retired.seal(&opened)];
        assert!(spellings.iter().any(|text| text.as_bytes() == bytes));
    }
    let genuine = Ticket {
        room: RoomTag::from(&"demo".parse().unwrap()),
        lane: LaneId(take::<1>(&mut bytes)[0]),
        epoch: Epoch(u32::from_be_bytes(take(&mut bytes))),
        number: u64::from_be_bytes(take(&mut bytes)),
        issued_at: Moment::from_unix_ms(u64::from_be_bytes(take(&mut bytes))),
        id: take(&mut bytes),
    };
    let sealed = keys.seal(&genuine);
    assert_eq!(keys.open(sealed.as_bytes()), Ok(genuine));
    let other = changed(&sealed, bytes);
    assert!(other == sealed.as_bytes() || keys.open(&other).is_err());
}

struct Passes {
    verifier: Verifier,
    /// An issuer of access tokens who publishes the same key.
    issuer: Issuer,
    claims: PassClaims,
    genuine: String,
    /// The published half of the key.
    public: Vec<u8>,
}

static PASSES: LazyLock<Passes> = LazyLock::new(|| {
    let keys = PassKeys::new(vec![PassKey::derive("1", &[1; 32]).unwrap()]).unwrap();
    let claims = PassClaims {
        iss: PASS_ISSUER.to_owned(),
        aud: PASS_AUDIENCE.to_owned(),
        room: "demo".to_owned(),
        epoch: 1,
        sid: "000102030405060708090a0b".to_owned(),
        sst: NOW.unix_ms(),
        iat: NOW.unix_seconds(),
        exp: NOW.unix_seconds() + 60,
    };
    let issuer = Issuer::new(PASS_ISSUER.to_owned(), None);
    issuer.replace_keys(&keys.jwks());
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    let public = jwks["keys"][0]["x"].as_str().unwrap();
    Passes {
        verifier: Verifier::new(&keys.jwks()),
        issuer,
        genuine: keys.sign(&claims).unwrap(),
        claims,
        public: URL_SAFE_NO_PAD.decode(public).unwrap(),
    }
});

/// Verifies passes: as they come, a genuine one with changes, and ones that name an algorithm of their own choice.
pub fn pass(bytes: &[u8]) {
    let passes = &*PASSES;
    assert!(
        passes
            .verifier
            .verify(&passes.genuine, NOW.unix_seconds())
            .is_ok()
    );
    let changed = changed(&passes.genuine, bytes);
    let confused = confused(passes, bytes);
    for token in [bytes, &changed, confused.as_bytes()] {
        let Ok(token) = std::str::from_utf8(token) else {
            continue;
        };
        let verified = passes.verifier.verify(token, NOW.unix_seconds());
        assert_eq!(verified.is_ok(), token == passes.genuine, "{token}");
        let access = passes.issuer.verify(token, NOW.unix_seconds());
        assert!(access.is_err(), "a pass is no access token: {token}");
    }
}

/// A token whose maker knows the published key, and chooses how it is to be verified.
fn confused(passes: &Passes, mut bytes: &[u8]) -> String {
    const ALGORITHMS: [&str; 8] = [
        "none", "HS256", "HS384", "RS256", "PS256", "ES256", "EdDSA", "Ed25519",
    ];
    let [algorithm, kid, signed_with] = take(&mut bytes);
    let algorithm = ALGORITHMS[usize::from(algorithm) % ALGORITHMS.len()];
    let kid = ["1", "2", "../1"][usize::from(kid) % 3];
    let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT", "jwk": { "kty": "oct", "k": "AA" } });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let payload = serde_json::to_string(&passes.claims).unwrap();
    let signed = format!("{}.{}", part(header.to_string()), part(payload));
    let signature = match signed_with % 3 {
        0 => String::new(),
        1 => {
            let mac = Hmac::<Sha256>::new_from_slice(&passes.public).unwrap();
            URL_SAFE_NO_PAD.encode(mac.chain_update(&signed).finalize().into_bytes())
        }
        _ => URL_SAFE_NO_PAD.encode(bytes),
    };
    format!("{signed}.{signature}")
}
