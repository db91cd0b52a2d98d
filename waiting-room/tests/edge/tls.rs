//! Shoppers who come by TLS and HTTP/2: everything works as it does without, and certificates change without a restart.

use crate::{
    fake_shop::FakeShop,
    harness::{ConfigFile, Edge, SOON, TOKEN, origin, program},
    wire::Wire,
};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Certificate, Client, Response, StatusCode, Version, redirect::Policy};
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use testbed::{Process, eventually, eventually_some, free_address};

/// A folder of certificates that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = free_address().port();
        let path = std::env::temp_dir().join(format!("waiting-room-tls-{}-{path}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a new certificate for `host` into the files of `name`, and answers it.
    fn certify(&self, name: &str, host: &str) -> Certificate {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).unwrap();
        self.write(&format!("{name}.pem"), &cert.pem());
        self.write(&format!("{name}.key"), &signing_key.serialize_pem());
        Certificate::from_pem(cert.pem().as_bytes()).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An edge that is reached by TLS.
pub struct Secure {
    pub tls: SocketAddr,
    plain: SocketAddr,
    admin: SocketAddr,
    process: Process,
    folder: Folder,
    pub certificate: Certificate,
    _config: ConfigFile,
}

impl Secure {
    pub async fn start(more: &str, users_per_minute: u32) -> Self {
        Self::in_front_of(origin().await, more, users_per_minute, "").await
    }

    /// One with `room` in the table of its room.
    async fn in_front_of(origin: SocketAddr, more: &str, users_per_minute: u32, room: &str) -> Self {
        let folder = Folder::new();
        let certificate = folder.certify("shop", "shop.example");
        folder.certify("other", "other.example");
        let (plain, tls, admin) = (free_address(), free_address(), free_address());
        let path = |name: &str| Path::display(&folder.0.join(name)).to_string();
        let config = ConfigFile::new(&format!(
            "[edge]\nlisten = \"{plain}\"\n[edge.tls]\nlisten = \"{tls}\"\n{more}\n\
             [[edge.tls.certificate]]\nchain = {:?}\nkey = {:?}\n\
             [[edge.tls.certificate]]\nchain = {:?}\nkey = {:?}\nnames = [\"other.example\"]\n\
             [[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\nhealth_path = \"/health\"\n\
             [[room]]\nid = \"demo\"\nusers_per_minute = {users_per_minute}\nmax_active = 100\n{room}\n",
            path("shop.pem"),
            path("shop.key"),
            path("other.pem"),
            path("other.key"),
        ));
        let process = program()
            .arg("--config")
            .arg(config.path())
            .env("WAITING_ROOM_ADMIN_LISTEN", admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", TOKEN)
            .ready_at(admin, "/readyz")
            .start()
            .await;
        let edge = Self {
            tls,
            plain,
            admin,
            process,
            folder,
            certificate,
            _config: config,
        };
        let client = edge.client("shop.example", &edge.certificate);
        eventually(SOON, "the edge listens", async || {
            client.get(edge.url("/.waiting-room/none")).send().await.is_ok()
        })
        .await;
        edge
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://shop.example:{}{path}", self.tls.port())
    }

    /// The file of a certificate.
    pub fn chain(&self, name: &str) -> PathBuf {
        self.folder.0.join(format!("{name}.pem"))
    }

    /// A client that trusts only this certificate.
    pub fn client(&self, host: &str, certificate: &Certificate) -> Client {
        process::install_tls();
        Client::builder()
            .tls_certs_only([certificate.clone()])
            .resolve(host, self.tls)
            .redirect(Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(SOON)
            .build()
            .unwrap()
    }
}

async fn event(answer: &mut Response) -> String {
    let mut read = String::new();
    while !read.contains("\n\n") {
        let bytes = tokio::time::timeout(SOON, answer.chunk()).await.unwrap().unwrap();
        read.push_str(std::str::from_utf8(&bytes.expect("an event")).unwrap());
    }
    read
}

#[tokio::test]
async fn joining_polling_listening_claiming_and_shopping_work_by_either_version() {
    for (version, more) in [(Version::HTTP_2, ""), (Version::HTTP_11, "http2 = false")] {
        joining_polling_listening_claiming_and_shopping_work_by(version, more).await;
    }
}

async fn joining_polling_listening_claiming_and_shopping_work_by(version: Version, more: &str) {
    let edge = Secure::start(&format!("hsts_seconds = 1000\n{more}"), 60_000).await;
    let client = edge.client("shop.example", &edge.certificate);
    let joined = client
        .post(edge.url("/.waiting-room/demo/join"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (joined.status(), joined.version()),
        (StatusCode::CREATED, version)
    );
    let place: Value = joined.json().await.unwrap();
    let ticket = place["ticket"].as_str().unwrap();
    let poll = async || {
        let poll = client
            .get(edge.url("/.waiting-room/demo/status"))
            .header("Waiting-Room-Ticket", ticket);
        let answer = poll.send().await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, version));
        answer.json::<Value>().await.unwrap()["state"] == "called"
    };
    eventually(SOON, "the ticket is called", poll).await;
    let listen = client
        .get(edge.url("/.waiting-room/demo/events"))
        .header("Waiting-Room-Ticket", ticket);
    let mut events = listen.send().await.unwrap();
    assert_eq!(events.version(), version);
    assert!(event(&mut events).await.contains("event: place"));
    let claim = client
        .post(edge.url("/.waiting-room/demo/claim"))
        .header("Waiting-Room-Ticket", ticket);
    let pass = claim.send().await.unwrap().json::<Value>().await.unwrap();
    let shop = client
        .post(edge.url("/shop"))
        .header("Waiting-Room-Pass", pass["pass"].as_str().unwrap())
        .body("what is wanted");
    let answer = shop.send().await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, version));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=1000");
    let echo: Value = answer.json().await.unwrap();
    assert_eq!(echo["headers"]["x-forwarded-proto"], "https", "{echo}");
    assert_eq!(echo["path"], "/shop");
}

#[tokio::test]
async fn http1_by_tls_answers_as_it_does_without_and_cookies_are_for_tls_alone() {
    let edge = Secure::start("http2 = false", 0).await;
    let client = edge.client("shop.example", &edge.certificate);
    let page = client
        .get(edge.url("/"))
        .header("Accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.version(), Version::HTTP_11);
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("Secure"), "{cookie}");
    let joined = client
        .post(edge.url("/.waiting-room/demo/join"))
        .send()
        .await
        .unwrap();
    let place: Value = joined.json().await.unwrap();
    let status = client
        .get(edge.url("/.waiting-room/demo/status"))
        .header("Waiting-Room-Ticket", place["ticket"].as_str().unwrap());
    let answer = status.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["number"], place["number"]);
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let mut edge = Secure::start("", 0).await;
    let works = async |host: &str, certificate: &Certificate| {
        let client = edge.client(host, certificate);
        let url = format!("https://{host}:{}/.waiting-room/none", edge.tls.port());
        client.get(url).send().await.is_ok()
    };
    let first = edge.certificate.clone();
    assert!(works("shop.example", &first).await);
    assert!(
        !works("other.example", &first).await,
        "another name has another certificate"
    );
    let other = edge.folder.certify("other", "other.example");
    eventually(SOON, "the other name's new certificate is shown", async || {
        works("other.example", &other).await
    })
    .await;

    // Neither nonsense nor a key that does not fit takes the place of what works.
    edge.folder.write("shop.pem", "nonsense");
    eventually(SOON, "the mistake is told", async || {
        edge.process.output().contains("the one before stays")
    })
    .await;
    assert!(works("shop.example", &first).await);
    let second = edge.folder.certify("shop", "shop.example");
    eventually(SOON, "the new certificate is shown", async || {
        works("shop.example", &second).await
    })
    .await;
    assert!(!works("shop.example", &first).await, "the old one is not");
    edge.folder
        .write("shop.key", &KeyPair::generate().unwrap().serialize_pem());
    let told_twice = async || edge.process.output().matches("the one before stays").count() >= 2;
    eventually(SOON, "the second mistake is told", told_twice).await;
    assert!(works("shop.example", &second).await);
    assert!(edge.process.is_running());
}

#[tokio::test]
async fn who_comes_without_tls_is_sent_on() {
    let edge = Secure::start("redirect = true", 0).await;
    for target in ["/a?b=c", "/.waiting-room/demo/status"] {
        let mut wire = Wire::open(edge.plain).await;
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n").as_bytes())
            .await;
        let (status, head, _) = wire.answer().await.unwrap();
        assert_eq!(status, 308);
        let place = format!("location: https://shop.example:{}{target}\r\n", edge.tls.port());
        assert!(head.contains(&place), "{head}");
    }
    // Nonsense before the handshake is a connection that ends, and no more.
    let mut wire = Wire::open(edge.tls).await;
    wire.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").await;
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut wire.0, &mut rest);
    let _ = tokio::time::timeout(SOON, read).await.expect("an end");
    assert!(!rest.starts_with(b"HTTP"), "no answer without TLS");
    let ready = testbed::http_get(edge.admin, "/readyz").await.unwrap();
    assert_eq!(ready.0, 200);
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_told_at_the_start() {
    let config = ConfigFile::new(
        "[edge.tls]\n[[edge.tls.certificate]]\nchain = \"/nowhere/a\"\nkey = \"/nowhere/b\"\n\
         [[origin]]\nname = \"shop\"\naddresses = [\"http://127.0.0.1:1\"]\n",
    );
    let address = free_address();
    let failed = program()
        .arg("--config")
        .arg(config.path())
        .env("WAITING_ROOM_LISTEN", address)
        .ready_at(address, "/")
        .try_start()
        .await;
    let error = format!("{:#}", failed.expect_err("it does not start"));
    assert!(error.contains("/nowhere/a"), "{error}");
}

#[tokio::test]
async fn without_tls_cookies_are_as_they_were() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let page = edge.visit("/").await;
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert!(!page.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn an_order_that_comes_by_http2_is_read_and_goes_on_whole() {
    let shop = FakeShop::open().await;
    shop.has_stock(0, 1, 9);
    let room = format!(
        "signals = {{ urls = [\"{}\"] }}\nstock = {{ product = \"boot\", orders = \"/orders\" }}\n",
        shop.url()
    );
    let edge = Secure::in_front_of(shop.address, "", 60_000, &room).await;
    let client = edge.client("shop.example", &edge.certificate);
    let pass = pass(&edge, &client).await;
    let order = async |product: &str| {
        let body = serde_json::json!({ "lines": [{ "product_id": product, "quantity": 1 }] }).to_string();
        let order = client
            .post(edge.url("/orders"))
            .header("Waiting-Room-Pass", &pass);
        let order = order.header("Waiting-Room-First-Try", "?1").body(body.clone());
        let answer = order.send().await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        (answer.status(), body)
    };
    let refused = async || order("boot").await.0 == StatusCode::CONFLICT;
    eventually(SOON, "the edge refuses", refused).await;
    let (status, body) = order("hat").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shop.orders().last(), Some(&body));
}

/// Somebody's who has joined, was called and came in.
async fn pass(edge: &Secure, client: &Client) -> String {
    let ask = async |path: &str, ticket: &str| -> Value {
        let address = edge.url(&format!("/.waiting-room/demo/{path}"));
        let request = client.post(address).header("Waiting-Room-Ticket", ticket);
        request.send().await.unwrap().json().await.unwrap()
    };
    let place = ask("join", "").await;
    let ticket = place["ticket"].as_str().unwrap();
    let claimed = async || {
        let claimed = ask("claim", ticket).await;
        claimed["pass"].as_str().map(str::to_owned)
    };
    eventually_some(SOON, "the turn comes", claimed).await
}
