//! Every page in every language, and rooms with pages of their own.

use super::{functions::SCRIPT_SENTENCES, languages::ENGLISH, samples, *};
use serde_json::json;
use std::path::{Path, PathBuf};

const CONFIG: &str = r#"
    [[origin]]
    name = "shop"
    addresses = ["http://127.0.0.1:3000"]
    [[room]]
    id = "demo"
    title = "<script>alert(1)</script> & 'drop'"
    users_per_minute = 60
    max_active = 10
"#;

fn pages(config: &str) -> (Config, Pages) {
    let config = Config::from_toml(config).unwrap();
    let pages = Pages::of(&config).unwrap();
    (config, pages)
}

/// Every page of a room, with its name.
fn every(pages: &Pages, room: &RoomConfig, reader: &Reader) -> Vec<(String, String)> {
    let places = samples::places().into_iter();
    let mut all: Vec<(String, String)> = places
        .map(|(name, place)| (name.to_owned(), pages.place(reader, room, &place)))
        .collect();
    let shut = samples::shut().into_iter();
    all.extend(shut.map(|(name, shut)| {
        (
            name.to_owned(),
            pages.shut(reader, room, &shut, Some("Back <at> noon.")),
        )
    }));
    all.push(("fairness".to_owned(), pages.fairness(reader, room)));
    let missing = samples::missing().into_iter();
    all.extend(missing.map(|(name, missing)| (name.to_owned(), pages.missing(reader, room, &missing))));
    all.push(("left".to_owned(), pages.left(reader, room)));
    all.push(("unavailable".to_owned(), pages.unavailable(reader, Some(room))));
    all.push(("unknown_room".to_owned(), pages.unavailable(reader, None)));
    all
}

/// What is to be read on a page: without the sentences for the script.
fn shown(page: &str) -> String {
    match page.split_once(r#"id="words">"#) {
        Some((before, rest)) => format!("{before}{}", rest.split_once("</script>").unwrap().1),
        None => page.to_owned(),
    }
}

/// A folder that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("pages-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// A config whose room has this of its own.
    fn config(&self, edge: &str, room: &str) -> Result<(Config, Pages), Vec<String>> {
        let text = format!("[edge]\n{edge}\n{CONFIG}{room}\n");
        let file = self.0.join("config.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::from_file(&file).map_err(Mistakes::lines)?;
        let pages = Pages::of(&config).map_err(Mistakes::lines)?;
        Ok((config, pages))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_page_is_whole_in_every_language() {
    let (config, pages) = pages(CONFIG);
    for code in ["en", "ko"] {
        let query = format!("x=%22%3E%3Cscript%3E&lang={code}");
        let reader = Reader::asking(&query);
        for (name, page) in every(&pages, &config.rooms[0], &reader) {
            assert!(page.contains(&format!("<html lang=\"{code}\"")), "{name}: {page}");
            assert!(!page.contains("<script>"), "{name} in {code}: {page}");
            let body = page.split("<body>").nth(1).unwrap_or_default();
            assert!(!body.contains(['{', '}']), "{name} in {code}: {body}");
            assert!(
                page.contains("</html>") && page.contains("<h1"),
                "{name} in {code}: {page}"
            );
        }
    }
}

#[test]
fn every_page_differs_between_languages() {
    let (config, pages) = pages(CONFIG);
    let room = &config.rooms[0];
    let (english, korean) = (Reader::asking("lang=en"), Reader::asking("lang=ko"));
    let english = every(&pages, room, &english).into_iter();
    for ((name, english), (_, korean)) in english.zip(every(&pages, room, &korean)) {
        let heading = |page: &str| page.split("<h1").nth(1).unwrap().to_owned();
        assert_ne!(heading(&english), heading(&korean), "{name}");
        assert!(korean.contains("lang=\"ko\""), "{name}");
    }
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let (config, pages) = pages(CONFIG);
    let evil = "</script><script>alert(2)</script>";
    let place = json!({
        "room": "demo", "state": "waiting", "number": 1, "ahead": 1, "behind": 1, "wait_seconds": null,
        "poll_after_ms": 1_000, "phase": "open", "switch": evil, "message": evil, "server_time_unix_ms": 1,
        "stock": {"left": 3, "reach": evil},
    });
    let page = pages.place(&Reader::default(), &config.rooms[0], &place);
    assert!(!page.contains("<script>") && !page.contains(evil), "{page}");
    assert!(page.contains("&lt;script&gt;alert(2)"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[test]
fn a_page_says_what_is_going_on() {
    let (config, pages) = pages(&CONFIG.replace("<script>alert(1)</script> & 'drop'", "Drop"));
    let reader = Reader::asking("lang=en");
    let all = every(&pages, &config.rooms[0], &reader);
    let page = |name: &str| shown(&all.iter().find(|page| page.0 == name).unwrap().1);
    for (name, expected) in [
        ("waiting", "12 to 20 min"),
        ("waiting", "12,346"),
        ("waiting", "<title>1,204 ahead · Drop</title>"),
        ("waiting", "<noscript><meta http-equiv=\"refresh\" content=\"7\">"),
        ("next", "less than a minute"),
        ("unknown", "Not known right now"),
        ("draw", "how early you came does not matter."),
        ("draw", "8,211"),
        ("draw", "2027-03-01 10:00 UTC (in 20 min)"),
        ("prequeue", "until they open"),
        ("paused", "Nobody is let in for a moment"),
        ("maintenance", "The shop is being worked on"),
        ("draining", "Everyone in it still gets their turn"),
        ("holding", "catching up"),
        ("stock", "37 ahead of you, 12 left"),
        ("stock", "may be sold out before your turn"),
        ("beyond", "most likely go to those ahead"),
        ("sold_out", "Everything is sold out right now"),
        ("message", "Size 42 is sold out."),
        ("missed", "action=\"/.waiting-room/demo/join?lang=en\""),
        ("closed", "This drop is over"),
        ("early", "data-opens=\"1803894300000\""),
        ("maintenance_room", "http-equiv=\"refresh\" content=\"20\""),
        ("maintenance_room", "Back &lt;at&gt; noon."),
        ("left", "href=\"&#x2f;?lang=ko\""),
        ("unavailable", "http-equiv=\"refresh\" content=\"3\""),
    ] {
        assert!(
            page(name).contains(expected),
            "{expected} in {name}: {}",
            page(name)
        );
    }
    assert!(!page("draw").contains("12,346"), "a number that says nothing yet");
}

#[test]
fn a_page_with_all_that_it_loads_is_small() {
    let (config, pages) = pages(CONFIG);
    for (name, page) in every(&pages, &config.rooms[0], &Reader::asking("lang=ko")) {
        let bytes = page.len() + STYLESHEET.len() + SCRIPT.len();
        assert!(bytes < 20_000, "{name}: {bytes} bytes");
    }
}

#[test]
fn the_script_has_its_sentences() {
    for name in SCRIPT_SENTENCES {
        assert!(ENGLISH.contains(&format!("\n{name} = ")), "{name}");
    }
    let quoted = SCRIPT.split('"').skip(1).step_by(2);
    let named = quoted.filter(|text| !text.is_empty() && ENGLISH.contains(&format!("\n{text} = ")));
    // What shares its name with a sentence and is none: the ids of elements.
    let ids = [
        "number",
        "behind",
        "wait",
        "stock",
        "message",
        "progress",
        "doors_open",
    ];
    for name in named.filter(|name| !ids.contains(name)) {
        assert!(SCRIPT_SENTENCES.contains(&name), "the script uses {name}");
    }
}

#[test]
fn the_script_of_the_fairness_page_has_its_sentences() {
    let (script, template) = (
        include_str!("assets/fairness.js"),
        include_str!("templates/fairness.html"),
    );
    let names = ENGLISH
        .lines()
        .filter_map(|line| line.strip_prefix("fair_")?.split_once(" = "));
    for (name, _) in names {
        let used =
            script.contains(&format!("\"{name}\"")) || template.contains(&format!("say(\"fair_{name}\")"));
        assert!(used, "{name}");
    }
    for call in script.split("say(\"").skip(1) {
        let name = call.split('"').next().unwrap();
        assert!(ENGLISH.contains(&format!("\nfair_{name} = ")), "{name}");
    }
}

#[test]
fn every_note_has_a_sentence() {
    let notes = SCRIPT.split("note_").count();
    assert!(notes > 1);
    for note in [
        "holding",
        "maintenance",
        "paused",
        "draining",
        "draw",
        "prequeue",
        "sold_out",
        "beyond",
        "unlikely",
    ] {
        assert!(
            SCRIPT_SENTENCES.contains(&format!("note_{note}").as_str()),
            "{note}"
        );
        assert!(SCRIPT.contains(&format!("\"{note}\"")), "the script knows {note}");
    }
}

#[test]
fn a_room_brings_languages_a_template_and_files() {
    let own = "{% extends \"base.html\" %}\n{% block top %}<img src=\"{{ assets }}/logo.svg\" alt=\"{{ title }}\">{% endblock %}";
    let files = [
        ("de.toml", "in_line = \"Sie stehen an\""),
        ("own.html", own),
        ("logo.svg", "<svg/>"),
    ];
    let folder = Folder::new("own", &files);
    std::fs::create_dir_all(folder.path().join("files")).unwrap();
    std::fs::rename(
        folder.path().join("logo.svg"),
        folder.path().join("files/logo.svg"),
    )
    .unwrap();
    std::fs::create_dir_all(folder.path().join("text")).unwrap();
    std::fs::rename(folder.path().join("de.toml"), folder.path().join("text/de.toml")).unwrap();
    let room = "language = \"de\"\ntemplate = \"own.html\"\nassets = \"files\"";
    let (config, pages) = folder.config("languages = \"text\"", room).unwrap();
    let room = &config.rooms[0];
    let page = pages.place(&Reader::default(), room, &samples::places()[0].1);
    assert!(
        page.contains("<html lang=\"de\"") && page.contains("Sie stehen an"),
        "{page}"
    );
    assert!(
        page.contains("Leave the line"),
        "what is missing is English: {page}"
    );
    assert!(
        page.contains("src=\"/.waiting-room/demo/assets/logo.svg\" alt=\"&lt;script&gt;"),
        "{page}"
    );

    let logo = pages.room_asset(room, "logo.svg").unwrap();
    assert_eq!(&logo.body[..], b"<svg/>");
    for name in [
        "",
        "own.html",
        "../own.html",
        "..%2fown.html",
        "/etc/passwd",
        "logo.svg/",
        "./logo.svg",
    ] {
        assert!(pages.room_asset(room, name).is_none(), "{name}");
    }
}

#[test]
fn mistakes_in_files_are_reported_with_their_place() {
    let files = [
        ("de.toml", "no_such = \"x\"\nminutes = \"{wrong}\""),
        ("not a tag.toml", ""),
        ("page.exe", ""),
    ];
    let folder = Folder::new("mistakes", &files);
    let mistakes = folder.config("languages = \".\"", "").unwrap_err();
    for expected in ["de.toml: no_such", "de.toml: minutes", "not a tag.toml: the name"] {
        assert!(
            mistakes.iter().any(|line| line.contains(expected)),
            "{expected} in {mistakes:#?}"
        );
    }
    let mistakes = folder
        .config("", "language = \"xx\"\ntemplate = \"none.html\"\nassets = \".\"")
        .unwrap_err();
    for expected in [
        "\"xx\"",
        "none.html: ",
        "page.exe: is not a file that can be sent",
    ] {
        assert!(
            mistakes.iter().any(|line| line.contains(expected)),
            "{expected} in {mistakes:#?}"
        );
    }
}

#[test]
fn broken_templates_are_reported_with_their_line() {
    for (template, line) in [
        ("<p>\n{{ titel }}", "own.html:2"),
        ("<p>\n{{ say(\"no_such\") }}", "own.html:2"),
        ("<p>\n{{ say(\"people\", count=place.aheat) }}", "own.html:2"),
        ("<p>\n{{ say(\"people\") }}", "own.html:2"),
        ("<p>\n\n{% if %}", "own.html:3"),
        ("{% extends \"none.html\" %}", "own.html:1"),
        (
            "{% if page == \"left\" %}\n{{ place.ahead }}{% endif %}",
            "own.html:2",
        ),
    ] {
        let folder = Folder::new("broken", &[("own.html", template)]);
        let mistakes = folder.config("", "template = \"own.html\"").unwrap_err();
        assert!(
            mistakes[0].starts_with("room \"demo\", template: "),
            "{mistakes:?}"
        );
        assert!(mistakes[0].contains(line), "{line} in {mistakes:?}");
    }
}
