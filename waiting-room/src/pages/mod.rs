//! The pages that shoppers see, in their language, plain or as a room's own template has them. They work without
//! JavaScript; with it the numbers move by themselves.

mod assets;
mod files;
mod functions;
mod language;
mod languages;
mod reader;
mod rooms;
mod samples;
mod shown;
#[cfg(test)]
mod tests;

pub use reader::Reader;
pub use shown::{Missing, Shut};

use crate::{
    config::{Config, Mistakes, RoomConfig},
    reply::Reply,
};
use fairness::hex::Hex;
use languages::Languages;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context, value::merge_maps};
use rooms::OwnPages;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shown::Shown;
use std::collections::HashMap;

/// The template that every page is, unless a room has its own.
const BASE: &str = "base.html";
const TEMPLATES: [(&str, &str); 17] = [
    (BASE, include_str!("templates/base.html")),
    ("moves.html", include_str!("templates/moves.html")),
    ("waiting.html", include_str!("templates/waiting.html")),
    ("missed.html", include_str!("templates/missed.html")),
    ("left.html", include_str!("templates/left.html")),
    ("early.html", include_str!("templates/early.html")),
    ("closed.html", include_str!("templates/closed.html")),
    ("sold_out.html", include_str!("templates/sold_out.html")),
    ("maintenance.html", include_str!("templates/maintenance.html")),
    ("draining.html", include_str!("templates/draining.html")),
    ("rejected.html", include_str!("templates/rejected.html")),
    ("fairness.html", include_str!("templates/fairness.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("not_invited.html", include_str!("templates/not_invited.html")),
    ("proof.html", include_str!("templates/proof.html")),
    ("too_often.html", include_str!("templates/too_often.html")),
    ("unavailable.html", include_str!("templates/unavailable.html")),
];
const STYLESHEET: &str = include_str!("assets/waiting.css");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SCRIPT: &str = include_str!("assets/waiting.js");

/// A file that all pages load.
pub fn asset(name: &str) -> Option<Reply> {
    match name {
        "waiting.css" => Some(Reply::file("text/css; charset=utf-8", STYLESHEET)),
        "waiting.js" => Some(Reply::file(JAVASCRIPT, SCRIPT)),
        "icon.svg" => Some(Reply::file("image/svg+xml", include_str!("assets/icon.svg"))),
        "fairness.js" => Some(Reply::file(JAVASCRIPT, include_str!("assets/fairness.js"))),
        "verify.js" => Some(Reply::file(JAVASCRIPT, include_str!("assets/verify.js"))),
        "proof.js" => Some(Reply::file(JAVASCRIPT, include_str!("assets/proof.js"))),
        "altcha.js" => Some(Reply::file(JAVASCRIPT, include_str!("assets/vendor/altcha.js"))),
        "altcha-worker.js" => Some(Reply::file(
            JAVASCRIPT,
            include_str!("assets/vendor/altcha-worker.js"),
        )),
        "altcha.css" => Some(Reply::file(
            "text/css; charset=utf-8",
            include_str!("assets/vendor/altcha.css"),
        )),
        _ => None,
    }
}

/// The pages, compiled, in all languages.
pub struct Pages {
    environment: Environment<'static>,
    languages: Languages,
    /// Each language as templates use it.
    spoken: Vec<Value>,
    rooms: HashMap<String, OwnPages>,
    /// Changes with the files, so that no browser keeps an old one under a new page.
    version: String,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("rooms", &self.rooms.keys())
            .finish_non_exhaustive()
    }
}

impl Pages {
    /// Reads the languages and the rooms' own pages, compiles everything, and renders every page of an own template
    /// once with sample values.
    ///
    /// # Errors
    /// Every mistake in a file of theirs.
    pub fn of(config: &Config) -> Result<Self, Mistakes> {
        let languages = Languages::read(config.languages.as_deref()).map_err(Mistakes::many)?;
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_trim_blocks(true);
        let mut mistakes = Vec::new();
        for (name, source) in TEMPLATES {
            if let Err(error) = environment.add_template(name, source) {
                mistakes.push(format!("the page {name}: {error}"));
            }
        }
        let mut rooms = HashMap::new();
        for room in &config.rooms {
            match OwnPages::read(room, &languages, &mut environment) {
                Ok(own) => drop(rooms.insert(room.id.to_string(), own)),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        let pages = Self {
            spoken: languages.iter().map(functions::of).collect(),
            environment,
            languages,
            rooms,
            version: version(),
        };
        mistakes.extend(config.rooms.iter().flat_map(|room| pages.mistakes_in(room)));
        if mistakes.is_empty() {
            Ok(pages)
        } else {
            Err(Mistakes::many(mistakes))
        }
    }

    /// What is wrong with a room's own template, seen by rendering every page of it.
    fn mistakes_in(&self, room: &RoomConfig) -> Option<String> {
        let template = self.rooms.get(room.id.as_str())?.template.as_deref()?;
        let language = self.language(&Reader::default(), Some(room));
        let error = samples::all().find_map(|sample| {
            self.try_render(template, &Reader::default(), language, Some(room), &sample)
                .err()
        })?;
        Some(format!(
            "room {:?}, template: {}",
            room.id.as_str(),
            rooms::chain(&error)
        ))
    }

    /// Somebody's place: the waiting page, or what became of the place. `place` is what apps get, too.
    pub fn place(&self, reader: &Reader, room: &RoomConfig, place: &impl Serialize) -> String {
        self.render(reader, Some(room), &Shown::place(&Value::from_serialize(place)))
    }

    /// The turn has passed.
    pub fn missed(&self, reader: &Reader, room: &RoomConfig) -> String {
        self.render(reader, Some(room), &Shown::plain("missed"))
    }

    /// Nobody can line up; `message` is what the operator says about it.
    pub fn shut(&self, reader: &Reader, room: &RoomConfig, shut: &Shut, message: Option<&str>) -> String {
        self.render(reader, Some(room), &Shown::shut(shut, message))
    }

    /// The visitor's browser checks the public log by itself.
    pub fn fairness(&self, reader: &Reader, room: &RoomConfig) -> String {
        self.render(reader, Some(room), &Shown::plain("fairness"))
    }

    /// The place was given up.
    pub fn left(&self, reader: &Reader, room: &RoomConfig) -> String {
        self.render(reader, Some(room), &Shown::plain("left"))
    }

    /// Something is missing for a place.
    pub fn missing(&self, reader: &Reader, room: &RoomConfig, missing: &Missing<'_>) -> String {
        self.render(reader, Some(room), &Shown::missing(missing))
    }

    /// Nothing can be done right now.
    pub fn unavailable(&self, reader: &Reader, room: Option<&RoomConfig>) -> String {
        self.render(reader, room, &Shown::unavailable())
    }

    /// A file of a room's own pages.
    pub fn room_asset(&self, room: &RoomConfig, name: &str) -> Option<Reply> {
        let asset = self.rooms.get(room.id.as_str())?.assets.get(name)?;
        Some(Reply::own_file(asset.content_type, asset.body.clone()))
    }

    fn language(&self, reader: &Reader, room: Option<&RoomConfig>) -> usize {
        let own = room.and_then(|room| self.rooms.get(room.id.as_str()));
        let default = own.map_or(0, |own| own.language);
        self.languages
            .choose(reader.named.as_deref(), reader.accepts, default)
    }

    /// A page by the room's own template; if that fails after all, by the built-in one.
    fn render(&self, reader: &Reader, room: Option<&RoomConfig>, shown: &Shown) -> String {
        let language = self.language(reader, room);
        let own = room.and_then(|room| self.rooms.get(room.id.as_str())?.template.as_deref());
        for template in own.into_iter().chain([BASE]) {
            match self.try_render(template, reader, language, room, shown) {
                Ok(page) => return page,
                Err(error) => {
                    tracing::error!(
                        template,
                        page = shown.page,
                        error = rooms::chain(&error),
                        "cannot render a page"
                    );
                }
            }
        }
        "<!doctype html><title>One moment</title><p>One moment, please. You keep your place.".to_owned()
    }

    fn try_render(
        &self,
        template: &str,
        reader: &Reader,
        language: usize,
        room: Option<&RoomConfig>,
        shown: &Shown,
    ) -> Result<String, minijinja::Error> {
        let code = &self.languages[language].code;
        let id = room.map_or("", |room| room.id.as_str());
        let title = room.map(|room| room.title.as_str());
        let path = room.map_or("/", |room| room.path.as_str());
        let common = context! {
            page => shown.page,
            room => id,
            title,
            path,
            name => shown.name(&self.languages[language], title),
            has_log => room.is_some_and(|room| room.keeps_log),
            actions => safe(format!("/.waiting-room/{id}")),
            assets => safe(format!("/.waiting-room/{id}/assets")),
            stylesheet => safe(format!("/.waiting-room/assets/waiting.css?{}", self.version)),
            script => safe(format!("/.waiting-room/assets/waiting.js?{}", self.version)),
            asked => reader::asked(reader.named.is_some(), code),
            languages => self.links(reader, if shown.page == "left" { path } else { "" }),
        };
        let shown = shown.values(&self.languages[language]);
        let spoken = self.spoken[language].clone();
        self.environment
            .get_template(template)?
            .render(merge_maps([common, shown, spoken]))
    }

    /// The same page in every language. `path` where the address of the page cannot be looked at again.
    fn links(&self, reader: &Reader, path: &str) -> Vec<Value> {
        let link = |language: &std::sync::Arc<language::Language>| {
            let href = format!("{path}{}", reader.query_in(&language.code));
            context! { code => language.code, name => language.sentence("language"), href }
        };
        self.languages.iter().map(link).collect()
    }
}

/// An address that is made of nothing but safe parts: a room's id has letters, digits and hyphens.
fn safe(address: String) -> Value {
    Value::from_safe_string(address)
}

fn version() -> String {
    let digest = Sha256::new()
        .chain_update(STYLESHEET)
        .chain_update(SCRIPT)
        .finalize();
    Hex(&digest[..4]).to_string()
}
