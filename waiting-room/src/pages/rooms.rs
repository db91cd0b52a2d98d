//! What a room has of its own: the language of those who name none, a template, files.

use super::{assets::Assets, files, languages::Languages};
use crate::config::RoomConfig;
use minijinja::Environment;
use std::error::Error;

/// A template is not longer than this.
const TEMPLATE_MAX_BYTES: u64 = 256 * 1024;

/// A room's own pages.
#[derive(Debug, Default)]
pub(super) struct OwnPages {
    /// For readers who ask for none that there is.
    pub(super) language: usize,
    /// The name of its template.
    pub(super) template: Option<String>,
    pub(super) assets: Assets,
}

impl OwnPages {
    /// Reads what the config of a room names, and compiles its template.
    ///
    /// # Errors
    /// Every mistake, one line each.
    pub(super) fn read(
        room: &RoomConfig,
        languages: &Languages,
        environment: &mut Environment<'static>,
    ) -> Result<Self, Vec<String>> {
        let place = |what: &str| format!("room {:?}, {what}", room.id.as_str());
        let mut mistakes = Vec::new();
        let mut own = Self::default();
        if let Some(code) = &room.pages.language {
            match languages.find(code) {
                Some(language) => own.language = language,
                None => mistakes.push(place(&format!("language: there are no sentences for {code:?}"))),
            }
        }
        match read_template(room, environment) {
            Ok(template) => own.template = template,
            Err(mistake) => mistakes.push(place(&format!("template: {mistake}"))),
        }
        match room.pages.assets.as_deref().map(Assets::read).transpose() {
            Ok(assets) => own.assets = assets.unwrap_or_default(),
            Err(wrong) => mistakes.extend(wrong.iter().map(|mistake| place(&format!("assets: {mistake}")))),
        }
        if mistakes.is_empty() {
            Ok(own)
        } else {
            Err(mistakes)
        }
    }
}

fn read_template(
    room: &RoomConfig,
    environment: &mut Environment<'static>,
) -> Result<Option<String>, String> {
    let Some(path) = &room.pages.template else {
        return Ok(None);
    };
    let source =
        files::text(path, TEMPLATE_MAX_BYTES).map_err(|error| format!("{}: {error}", path.display()))?;
    // No built-in template has a slash in its name, so none can be taken for this one.
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{}/{file}", room.id);
    environment
        .add_template_owned(name.clone(), source)
        .map_err(|error| chain(&error))?;
    Ok(Some(name))
}

/// An error of a template with all that led to it: the first knows the place, the last the reason.
pub(super) fn chain(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
