//! An issuer of identities: a key pair, its JWK set at an address, tokens, and those that it takes back.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

pub const ISSUER: &str = "https://id.example/";

/// A running issuer.
pub struct Issuer {
    pub address: SocketAddr,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    revoked: Revoked,
}

/// What was revoked so far; nothing while it does not answer.
type Revoked = Arc<Mutex<Option<Vec<Value>>>>;

impl Issuer {
    pub async fn start() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        let keys =
            json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "x": x, "y": y}]});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let revoked = Revoked::default();
        *revoked.lock().unwrap() = Some(Vec::new());
        let router = Router::new()
            .route("/jwks.json", get(async move || Json(keys.clone())))
            .route("/revocations", get(revocations))
            .with_state(Arc::clone(&revoked));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            pair,
            random,
            revoked,
        }
    }

    pub fn jwks_url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub fn revocations_url(&self) -> String {
        format!("http://{}/revocations", self.address)
    }

    /// Says from now on that this is revoked, too.
    pub fn revoke(&self, what: Value) {
        self.revoked.lock().unwrap().as_mut().unwrap().push(what);
    }

    /// Does not say any more what is revoked.
    pub fn falls_silent(&self) {
        *self.revoked.lock().unwrap() = None;
    }

    /// Says again what is revoked.
    pub fn speaks_again(&self, revoked: Vec<Value>) {
        *self.revoked.lock().unwrap() = Some(revoked);
    }

    /// A token of an account with further claims.
    pub fn token_with(&self, subject: &str, more: &Value) -> String {
        let mut claims = json!({"iss": ISSUER, "sub": subject, "exp": 4_102_444_800u64});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.sign(&claims)
    }

    /// A token of an account, valid for a long time.
    pub fn token(&self, subject: &str) -> String {
        self.sign(&json!({"iss": ISSUER, "sub": subject, "exp": 4_102_444_800u64}))
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// What was revoked since the place that is asked for.
async fn revocations(
    State(revoked): State<Revoked>,
    Query(asked): Query<HashMap<String, usize>>,
) -> Response {
    let Some(revoked) = revoked.lock().unwrap().clone() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let since = asked.get("since").copied().unwrap_or(0);
    if since > revoked.len() {
        return StatusCode::GONE.into_response();
    }
    Json(json!({ "revoked": revoked[since..], "next": revoked.len().to_string() })).into_response()
}
