//! An edge ends, or another takes over: whoever is there loses nothing.

use crate::{
    harness::{ConfigFile, Edge, SOON, TOKEN, client, origin, program},
    wire::Wire,
};
use axum::{Router, routing::post};
use reqwest::{Client, StatusCode};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use testbed::{Process, RedisNamespace, eventually, free_address, http_get};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

const KEYS: &str = "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Both sides hold the sockets for five seconds; then what is in flight ends.
const HANDED_OVER: Duration = Duration::from_secs(40);

/// Where an edge is, whichever process serves it.
struct Place {
    address: SocketAddr,
    admin: SocketAddr,
    socket: PathBuf,
}

impl Place {
    fn new() -> Self {
        let address = free_address();
        let name = format!("waiting-room-{}-{}", std::process::id(), address.port());
        Self {
            address,
            admin: free_address(),
            socket: std::env::temp_dir().join(name),
        }
    }

    /// A process that takes over from whatever is there.
    async fn serve(&self, config: &ConfigFile, redis: &RedisNamespace) -> Process {
        program()
            .arg("--config")
            .arg(config.path())
            .arg("--take-over")
            .env("WAITING_ROOM_UPGRADE_SOCKET", self.socket.display())
            .env("WAITING_ROOM_LISTEN", self.address)
            .env("WAITING_ROOM_ADMIN_LISTEN", self.admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", TOKEN)
            .env("WAITING_ROOM_KEYS", KEYS)
            .env("WAITING_ROOM_REDIS_URL", redis.url())
            .env("WAITING_ROOM_NAMESPACE", redis.prefix())
            .env("LOG_FORMAT", "text")
            .ready_at(self.admin, "/readyz")
            .start()
            .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// What shoppers met.
#[derive(Default)]
struct Met {
    answers: AtomicU64,
    wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Met {
    async fn ask(&self, request: reqwest::RequestBuilder, expected: StatusCode, what: &str) {
        let outcome = async {
            let answer = request.send().await?;
            let status = answer.status();
            answer.bytes().await.map(|_| status)
        };
        match outcome.await {
            Ok(status) if status == expected => {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
            other => self.wrong.lock().unwrap().push(format!("{what}: {other:?}")),
        }
    }
}

/// Polls, joins and shops until told to stop, each request after the other.
async fn shop(base: String, client: Client, ticket: String, pass: String, met: Arc<Met>) {
    let url = |path: &str| format!("{base}{path}");
    while !met.stop.load(Ordering::Relaxed) {
        let poll = client
            .get(url("/.waiting-room/demo/status"))
            .header("Waiting-Room-Ticket", &ticket);
        met.ask(poll, StatusCode::OK, "poll").await;
        let join = client.post(url("/.waiting-room/demo/join"));
        met.ask(join, StatusCode::CREATED, "join").await;
        let get = client.get(url("/shop")).header("Waiting-Room-Pass", &pass);
        met.ask(get, StatusCode::OK, "get").await;
        let order = client
            .post(url("/shop"))
            .header("Waiting-Room-Pass", &pass)
            .body("order");
        met.ask(order, StatusCode::OK, "post").await;
    }
}

async fn shoppers(place: &Place, met: &Arc<Met>, shopping: &mut JoinSet<()>) {
    let http = client();
    // The operators' listener is up a moment before the shoppers'.
    eventually(SOON, "the edge listens", async || {
        http.get(place.url("/.waiting-room/none")).send().await.is_ok()
    })
    .await;
    let join = http
        .post(place.url("/.waiting-room/demo/join"))
        .send()
        .await
        .unwrap();
    let joined: serde_json::Value = join.json().await.unwrap();
    let ticket = joined["ticket"].as_str().unwrap().to_owned();
    let mut pass = String::new();
    eventually(SOON, "a pass is claimed", async || {
        let claim = http
            .post(place.url("/.waiting-room/demo/claim"))
            .header("Waiting-Room-Ticket", &ticket);
        let claimed = claim.send().await.unwrap();
        let ok = claimed.status() == StatusCode::OK;
        if ok {
            let body: serde_json::Value = claimed.json().await.unwrap();
            pass = body["pass"].as_str().unwrap().to_owned();
        }
        ok
    })
    .await;
    for _ in 0..3 {
        // One that keeps its connection, and one that opens a new one each time.
        let new_each_time = Client::builder()
            .pool_max_idle_per_host(0)
            .timeout(SOON)
            .build()
            .unwrap();
        for client in [client(), new_each_time] {
            let base = place.url("");
            shopping.spawn(shop(base, client, ticket.clone(), pass.clone(), Arc::clone(met)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_two_edges_loses_no_request() {
    let redis = RedisNamespace::fresh();
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 100000\n",
        origin().await
    ));
    let places = [Place::new(), Place::new()];
    let mut running = Vec::new();
    for place in &places {
        running.push(place.serve(&config, &redis).await);
    }
    let (met, mut shopping) = (Arc::new(Met::default()), JoinSet::new());
    for place in &places {
        shoppers(place, &met, &mut shopping).await;
    }
    for (place, old) in places.iter().zip(&mut running) {
        let new = place.serve(&config, &redis).await;
        eventually(HANDED_OVER, "the old process has ended", async || {
            !old.is_running()
        })
        .await;
        assert!(old.ended_well(), "{}", old.output());
        *old = new;
        eventually(SOON, "the new one is ready", async || {
            matches!(http_get(place.admin, "/readyz").await, Ok((200, _)))
        })
        .await;
        let answered = met.answers.load(Ordering::Relaxed);
        eventually(SOON, "shopping goes on", async || {
            met.answers.load(Ordering::Relaxed) > answered + 100
        })
        .await;
    }
    met.stop.store(true, Ordering::Relaxed);
    while shopping.join_next().await.is_some() {}
    let answers = met.answers.load(Ordering::Relaxed);
    let wrong = std::mem::take(&mut *met.wrong.lock().unwrap());
    assert!(wrong.is_empty(), "besides {answers} requests: {wrong:?}");
    assert!(answers > 500, "{answers} requests are no load");
}

/// An origin whose `POST /slow` takes until it may go on.
struct SlowOrigin {
    address: SocketAddr,
    arrived: Arc<Notify>,
    go: Arc<Notify>,
}

impl SlowOrigin {
    async fn start() -> Self {
        let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, wait) = (Arc::clone(&arrived), Arc::clone(&go));
        let slow = async move || {
            told.notify_one();
            wait.notified().await;
            "done"
        };
        let router = Router::new().route("/slow", post(slow)).fallback(async || "shop");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, arrived, go }
    }
}

/// Whoever listens is told when to come back, and that it is over.
async fn assert_told_to_come_back(mut events: reqwest::Response) {
    let mut told = String::new();
    while let Some(bytes) = tokio::time::timeout(SOON, events.chunk()).await.unwrap().unwrap() {
        told.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    let last = told.trim_end().rsplit("\n\n").next().unwrap();
    assert!(
        last.contains("event: restart") && last.contains("retry: "),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_drains_sends_everybody_elsewhere_and_finishes_what_is_in_flight() {
    let SlowOrigin {
        address: slow_origin,
        arrived,
        go,
    } = SlowOrigin::start().await;
    let config = ConfigFile::new(&format!(
        "[edge]\ndrain_seconds = 3\ngrace_seconds = 10\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{slow_origin}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 100\n"
    ));
    let mut edge = Edge::with_config(&config).await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    let in_flight = tokio::spawn(
        edge.post("/slow")
            .header("Waiting-Room-Pass", &pass)
            .timeout(Duration::from_secs(30))
            .send(),
    );
    arrived.notified().await;
    let listen = edge
        .get("/.waiting-room/demo/events")
        .header("Waiting-Room-Ticket", &ticket);
    let events = listen.send().await.unwrap();
    let poll = format!(
        "GET /.waiting-room/demo/status HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Ticket: {ticket}\r\n\r\n"
    );
    let mut kept = Wire::open(edge.address).await;
    kept.send(poll.as_bytes()).await;
    assert!(kept.answer().await.unwrap().1.contains("connection: keep-alive"));

    edge.process.ask_to_stop();
    eventually(SOON, "it says so", async || {
        matches!(http_get(edge.admin, "/readyz").await, Ok((503, text)) if text.contains("draining"))
    })
    .await;
    // Who is connected is answered once more, and sent away; who comes is served as well.
    kept.send(poll.as_bytes()).await;
    let (status, head, _) = kept.answer().await.unwrap();
    assert!(status == 200 && head.contains("connection: close"), "{head}");
    assert!(kept.answer().await.is_none());
    let mut new = Wire::open(edge.address).await;
    new.send(format!("GET / HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Pass: {pass}\r\n\r\n").as_bytes())
        .await;
    let (status, head, _) = new.answer().await.unwrap();
    assert!(status == 200 && head.contains("connection: close"), "{head}");
    assert_told_to_come_back(events).await;
    // In the end nobody is let in any more, and what was asked is answered.
    eventually(SOON, "it stops listening", async || {
        tokio::net::TcpStream::connect(edge.address).await.is_err()
    })
    .await;
    assert!(edge.process.is_running(), "a request is in flight");
    go.notify_one();
    let answer = in_flight.await.unwrap().unwrap();
    assert_eq!(
        (answer.status(), answer.text().await.unwrap().as_str()),
        (StatusCode::OK, "done")
    );
    eventually(
        Duration::from_secs(5),
        "it ends as soon as nothing is left",
        async || !edge.process.is_running(),
    )
    .await;
    assert!(edge.process.ended_well(), "{}", edge.process.output());
}

#[tokio::test]
async fn an_edge_with_nothing_in_flight_ends_at_once() {
    let config = ConfigFile::new(&format!(
        "[edge]\ngrace_seconds = 60\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 60\nmax_active = 100\n",
        origin().await
    ));
    let mut edge = Edge::with_config(&config).await;
    let (ticket, _) = edge.join("demo").await;
    assert_eq!(edge.status("demo", &ticket).await["room"], "demo");
    // Less than the grace: `terminate` waits for fifteen seconds.
    assert!(edge.process.terminate().await, "{}", edge.process.output());
}

#[tokio::test]
async fn without_an_edge_to_take_over_from_one_starts_anew() {
    let socket = std::env::temp_dir().join(format!("waiting-room-{}-none", std::process::id()));
    let origin = origin().await;
    let edge = Edge::start(
        program()
            .args([
                "--origin".to_owned(),
                format!("http://{origin}"),
                "--take-over".to_owned(),
            ])
            .arg("--upgrade-socket")
            .arg(&socket),
    )
    .await;
    assert!(
        edge.process.output().contains("starting anew"),
        "{}",
        edge.process.output()
    );
    // A stranger at the socket changes nothing.
    {
        use std::io::Write;
        let mut stranger = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stranger.write_all(b"something").unwrap();
    }
    assert_eq!(edge.join("default").await.1["number"], 0);
    let _ = std::fs::remove_file(&socket);
}
