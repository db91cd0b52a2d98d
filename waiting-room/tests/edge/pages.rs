//! What browsers are shown: in their language, by a room's own template, with its files.

use crate::harness::{Edge, SOON, origin, program};
use reqwest::{Method, Response, StatusCode, header::SET_COOKIE};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};
use testbed::eventually;

/// A folder with a config and what the config names; removed with this value.
struct Folder(PathBuf);

impl Folder {
    /// A room that lets nobody in, with these lines of its own, and these files.
    fn new(origin: &str, edge: &str, room: &str, files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("waiting-room-pages-{}-{count}", std::process::id()));
        let config = format!(
            "[edge]\n{edge}\n[[origin]]\nname = \"shop\"\naddresses = [\"{origin}\"]\n\
             [[room]]\nid = \"demo\"\ntitle = \"<b>Drop</b>\"\nusers_per_minute = 0\nmax_active = 1\n{room}\n"
        );
        for (name, text) in files.iter().copied().chain([("config.toml", config.as_str())]) {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self(path)
    }

    fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    async fn edge(&self) -> Edge {
        Edge::start(program().arg("--config").arg(self.config())).await
    }

    /// What `--check` says, and its exit code.
    fn check(&self) -> (String, Option<i32>) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_waiting-room"));
        let output = program
            .arg("--config")
            .arg(self.config())
            .arg("--check")
            .output()
            .unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is to be read on a page; its head has every sentence that the script may need.
fn shown(page: &str) -> &str {
    page.split_once("<body>").unwrap().1
}

fn cookie(answer: &Response) -> String {
    let set = answer.headers()[SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_reader_is_spoken_to_in_the_language_asked_for() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let ask = async |path: &str, accepts: &str| {
        let request = edge
            .get(path)
            .header("Accept", "text/html")
            .header("Accept-Language", accepts);
        request.send().await.unwrap().text().await.unwrap()
    };
    for (path, accepts, expected) in [
        ("/", "ko-KR,ko;q=0.9,en;q=0.8", "내 앞 대기 인원"),
        ("/", "de, en;q=0.1", "Ahead of you"),
        ("/", "de", "Ahead of you"),
        ("/?lang=ko", "en", "내 앞 대기 인원"),
        ("/?lang=en", "ko", "Ahead of you"),
        ("/?lang=%22%3E%3Cscript%3E", "ko", "내 앞 대기 인원"),
    ] {
        let page = ask(path, accepts).await;
        assert!(shown(&page).contains(expected), "{path} for {accepts}: {page}");
        assert!(!page.contains("<script>"), "{page}");
    }
}

#[tokio::test]
async fn a_page_asks_for_nothing_that_its_policy_forbids() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let answer = edge.visit("/").await;
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = answer.text().await.unwrap();
    assert!(!page.contains("style=") && !page.contains(" onclick="), "{page}");
    for (before, kind) in [("href=\"", "text/css"), ("<script src=\"", "text/javascript")] {
        let rest = page
            .split_once(&format!("{before}/.waiting-room/assets/"))
            .unwrap()
            .1;
        let name = rest.split('"').next().unwrap();
        let file = edge
            .get(&format!("/.waiting-room/assets/{name}"))
            .send()
            .await
            .unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{name}");
        assert!(
            file.headers()["content-type"].to_str().unwrap().starts_with(kind),
            "{name}"
        );
        assert_eq!(file.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn who_leaves_and_comes_back_keeps_the_language() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let ticket = cookie(&edge.visit("/?lang=ko").await);
    let post = async |action: &str| {
        let request = edge.post(&format!("/.waiting-room/default/{action}?lang=ko"));
        request
            .header("Accept", "text/html")
            .header("Cookie", &ticket)
            .send()
            .await
            .unwrap()
    };
    let left = post("leave").await.text().await.unwrap();
    assert!(left.contains("대기가 취소되었습니다"), "{left}");
    let joined = post("join").await;
    assert_eq!(joined.status(), StatusCode::SEE_OTHER);
    assert_eq!(joined.headers()["location"], "/?lang=ko");
}

#[tokio::test]
async fn a_room_has_pages_of_its_own() {
    let template = "{% extends \"base.html\" %}{% block top %}<img src=\"{{ assets }}/logo.svg\" alt=\"{{ title }}\">{% endblock %}";
    let files = [
        ("own.html", template),
        ("text/de.toml", "language = \"Deutsch\"\nahead = \"Vor Ihnen\""),
        ("files/logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("files/.hidden.txt", "hidden"),
        ("secret.txt", "secret"),
    ];
    let room = "language = \"de\"\ntemplate = \"own.html\"\nassets = \"files\"";
    let shop = format!("http://{}", origin().await);
    let folder = Folder::new(&shop, "languages = \"text\"", room, &files);
    assert_eq!(folder.check().1, Some(0), "{}", folder.check().0);
    let edge = folder.edge().await;
    let page = edge.visit("/").await.text().await.unwrap();
    assert!(
        page.contains("<html lang=\"de\"") && page.contains("Vor Ihnen"),
        "{page}"
    );
    let logo = "<img src=\"/.waiting-room/demo/assets/logo.svg\" alt=\"&lt;b&gt;Drop&lt;&#x2f;b&gt;\">";
    assert!(page.contains(logo), "{page}");

    let file = async |name: &str| {
        edge.get(&format!("/.waiting-room/demo/assets/{name}"))
            .send()
            .await
            .unwrap()
    };
    let logo = file("logo.svg").await;
    assert_eq!(logo.status(), StatusCode::OK);
    assert_eq!(logo.headers()["content-type"], "image/svg+xml");
    assert!(
        logo.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("sandbox")
    );
    for name in [
        "",
        "none.svg",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        ".hidden.txt",
        "logo.svg%00",
        "/logo.svg",
    ] {
        let answer = file(name).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{name}");
        assert!(!answer.text().await.unwrap().contains("secret"), "{name}");
    }
}

#[tokio::test]
async fn mistakes_in_pages_are_found_before_the_start() {
    let files = [
        ("own.html", "<p>{{ title }}\n<p>{{ titel }}\n"),
        ("text/de.toml", "ahaed = \"Vor Ihnen\"\nminutes = \"{zahl} Min.\""),
        ("files/run.exe", ""),
    ];
    let room = "language = \"fr\"\ntemplate = \"own.html\"\nassets = \"files\"";
    let (said, code) = Folder::new("http://127.0.0.1:1", "languages = \"text\"", "", &files).check();
    assert_eq!(code, Some(64), "{said}");
    assert!(
        said.contains("de.toml: ahaed") && said.contains("de.toml: minutes"),
        "{said}"
    );
    let (said, code) = Folder::new("http://127.0.0.1:1", "", room, &files).check();
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("\"fr\"") && said.contains("run.exe"), "{said}");
    let (said, code) = Folder::new("http://127.0.0.1:1", "", "template = \"own.html\"", &files).check();
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("own.html:2"), "{said}");
}

#[tokio::test]
async fn a_page_follows_the_operator() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let visitor = edge.visit("/").await;
    let ticket = cookie(&visitor);
    let operate = async |method: Method, path: &str, body: Value| {
        let change = edge
            .operate(method, &format!("/rooms/default/{path}"))
            .json(&body);
        assert_eq!(change.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    };
    let look = async |cookie: &str| {
        let request = edge
            .get("/")
            .header("Accept", "text/html")
            .header("Cookie", cookie);
        request.send().await.unwrap().text().await.unwrap()
    };
    operate(Method::PUT, "message", json!({"text": "Back at <noon>"})).await;
    for (switch, who_waits, who_comes) in [
        ("paused", "Nobody is let in for a moment", "Ahead of you"),
        ("queue_all", "Nobody is let in for a moment", "Ahead of you"),
        (
            "maintenance",
            "You keep your place; it goes on by itself",
            "Nobody can line up right now",
        ),
        (
            "draining",
            "Everyone in it still gets their turn",
            "The line is closed",
        ),
        ("closed", "This drop is over", "This drop is over"),
        ("scheduled", "Your number", "Ahead of you"),
    ] {
        operate(Method::PUT, "switch", json!({ "switch": switch })).await;
        let seen = async || {
            let page = look(&ticket).await;
            shown(&page).contains(who_waits) && page.contains("Back at &lt;noon&gt;")
        };
        eventually(SOON, &format!("who waits sees {switch}"), seen).await;
        let page = look("").await;
        assert!(
            shown(&page).contains(who_comes) && page.contains("Back at &lt;noon&gt;"),
            "{switch}: {page}"
        );
    }
}

#[tokio::test]
async fn before_the_doors_a_page_tells_of_the_draw() {
    let drop = "[[room.drop]]\nprequeue_opens = 2020-01-01T10:00:00Z\ndoors_open = 2100-01-01T10:00:00Z\n\
                doors_close = 2100-01-01T11:00:00Z";
    let shop = format!("http://{}", origin().await);
    for (method, expected) in [
        ("shuffle", "how early you came does not matter"),
        ("fifo", "until they open"),
    ] {
        let folder = Folder::new(&shop, "", &format!("method = \"{method}\"\n{drop}"), &[]);
        let page = folder.edge().await.visit("/").await.text().await.unwrap();
        assert!(shown(&page).contains("You are in the pre-queue"), "{page}");
        assert!(
            shown(&page).contains(expected) && page.contains("datetime=\"2100-01-01T10:00:00Z\""),
            "{page}"
        );
        assert_eq!(
            shown(&page).contains("In the draw so far"),
            method == "shuffle",
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_cannot_join_is_told_why_on_a_page() {
    let drop = "[[room.drop]]\ndoors_open = 2020-01-01T10:00:00Z\ndoors_close = 2020-01-01T11:00:00Z";
    let shop = format!("http://{}", origin().await);
    let edge = Folder::new(&shop, "", drop, &[]).edge().await;
    let join = edge
        .post("/.waiting-room/demo/join?lang=ko")
        .header("Accept", "text/html");
    let answer = join.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/?lang=ko");
    let page = edge.visit("/?lang=ko").await.text().await.unwrap();
    assert!(page.contains("판매가 종료되었습니다"), "{page}");
}

#[tokio::test]
async fn the_draw_can_be_checked_on_a_page() {
    let drop = "[[room.drop]]\nprequeue_opens = 2020-01-01T10:00:00Z\ndoors_open = 2100-01-01T10:00:00Z\n\
                doors_close = 2100-01-01T11:00:00Z";
    let shop = format!("http://{}", origin().await);
    let edge = Folder::new(&shop, "", drop, &[]).edge().await;
    let page = edge.visit("/").await.text().await.unwrap();
    let link = "/.waiting-room/demo/fairness";
    assert!(page.contains(link), "{page}");
    let page = edge.visit(&format!("{link}?lang=ko")).await.text().await.unwrap();
    assert!(
        page.contains("공정하게 정해졌나요?") && page.contains("추첨을 확인하고 있습니다"),
        "{page}"
    );
    for script in ["fairness.js", "verify.js"] {
        let file = edge
            .get(&format!("/.waiting-room/assets/{script}"))
            .send()
            .await
            .unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{script}");
    }
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let page = edge.visit("/").await.text().await.unwrap();
    assert!(!page.contains("/fairness"), "{page}");
}
