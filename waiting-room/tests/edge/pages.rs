//! What browsers are shown: in their language, by a room's own template, with its files.

use crate::harness::{Edge, origin, program};
use reqwest::{Response, StatusCode, header::SET_COOKIE};
use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

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
        assert!(page.contains(expected), "{path} for {accepts}: {page}");
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
