//! Somebody with a mailbox and a password.

use crate::support::{Answer, SOON, TestShop, send};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testbed::eventually_some;

pub const PASSWORD: &str = "correct horse battery";

/// Somebody who is signed in.
pub struct Person {
    pub email: String,
    pub access: String,
    pub refresh: String,
    pub device: String,
    pub id: String,
}

impl Person {
    /// Signs up, with the code from the mail.
    pub async fn signs_up(shop: &TestShop, name: &str) -> Self {
        let email = format!("{name}@x.example");
        let begun = post(shop, "/members", &sign_up(&email)).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        let code = code_for(shop, &email).await;
        let body = json!({ "sign_up": begun.json()["sign_up"], "code": code });
        let verified = post(shop, "/members/verify", &body).await;
        assert_eq!(verified.status, 201, "{verified:?}");
        Self::of(&email, &verified)
    }

    /// Signs in.
    pub async fn signs_in(shop: &TestShop, email: &str, password: &str) -> Self {
        let answer = sign_in(shop, email, password).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::of(email, &answer)
    }

    pub fn of(email: &str, answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            email: email.to_owned(),
            access: text("access_token"),
            refresh: text("refresh_token"),
            device: text("device_token"),
            id: body["member"]["id"].as_str().unwrap().to_owned(),
        }
    }

    pub fn asks(&self, shop: &TestShop, method: Method, path: &str) -> RequestBuilder {
        shop.request(method, path).bearer_auth(&self.access)
    }

    pub async fn gets(&self, shop: &TestShop, path: &str) -> Answer {
        send(self.asks(shop, Method::GET, path)).await
    }

    pub async fn sends(&self, shop: &TestShop, method: Method, path: &str, body: &Value) -> Answer {
        send(self.asks(shop, method, path).json(body)).await
    }
}

pub fn sign_up(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": "Somebody" })
}

pub async fn post(shop: &TestShop, path: &str, body: &Value) -> Answer {
    send(shop.request(Method::POST, path).json(body)).await
}

pub async fn sign_in(shop: &TestShop, email: &str, password: &str) -> Answer {
    post(
        shop,
        "/members/session",
        &json!({ "email": email, "password": password }),
    )
    .await
}

/// The code of the newest mail to this address that has one.
pub async fn code_for(shop: &TestShop, email: &str) -> String {
    nth_code_for(shop, email, 1).await
}

/// The code of the newest mail, once there are so many with one.
pub async fn nth_code_for(shop: &TestShop, email: &str, nth: usize) -> String {
    eventually_some(SOON, &format!("{nth} mails with a code"), async || {
        let mails = shop.around.mails.to(Some(email));
        let codes: Vec<String> = mails.iter().filter_map(|mail| code_in(&mail.subject)).collect();
        (codes.len() >= nth).then(|| codes[0].clone())
    })
    .await
}

/// Waits for a mail to this address whose subject has these words.
pub async fn mail_about(shop: &TestShop, email: &str, words: &str) {
    eventually_some(SOON, &format!("a mail about {words}"), async || {
        let mails = shop.around.mails.to(Some(email));
        mails
            .iter()
            .any(|mail| mail.subject.contains(words))
            .then_some(())
    })
    .await;
}

fn code_in(subject: &str) -> Option<String> {
    let (_, code) = subject.rsplit_once(": ")?;
    (code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())).then(|| code.to_owned())
}

/// A code that is not this one.
pub fn another(code: &str) -> String {
    if code == "000000" {
        "000001".to_owned()
    } else {
        "000000".to_owned()
    }
}
