//! Whether the other end is somebody's browser, and what it speaks.

use contract::Language;

/// Whether an `Accept` header asks for a page rather than for JSON, as browsers do when a page is opened.
///
/// Programs get JSON unless they name `text/html`, so that `*/*` stays JSON.
pub fn prefers_html(accept: &str) -> bool {
    let wanted = accept.split(',').filter(|range| !is_refused(range));
    let mut known = wanted.filter_map(|range| match range.split(';').next().map(str::trim) {
        Some("text/html" | "application/xhtml+xml") => Some(true),
        Some("application/json" | "application/problem+json") => Some(false),
        _ => None,
    });
    known.next().unwrap_or(false)
}

/// The language of ours that an `Accept-Language` header likes best; English if it names none.
pub fn preferred_language(accepted: &str) -> Language {
    let mut best = (0.0, Language::En);
    for range in accepted.split(',') {
        let tag = range.split(';').next().unwrap_or_default().trim();
        let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let quality = quality(range).unwrap_or(1.0);
        if let Ok(language) = primary.parse()
            && quality > best.0
        {
            best = (quality, language);
        }
    }
    best.1
}

fn is_refused(range: &str) -> bool {
    quality(range).is_some_and(|quality| quality <= 0.0)
}

fn quality(range: &str) -> Option<f32> {
    let mut parameters = range.split(';').skip(1);
    let quality = parameters.find_map(|parameter| parameter.trim().strip_prefix("q="))?;
    quality.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        for (accept, html) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html;q=0, application/json", false),
            ("*/*", false),
            ("text/*", false),
            ("", false),
            (";;;q=,", false),
        ] {
            assert_eq!(prefers_html(accept), html, "{accept}");
        }
    }

    #[test]
    fn the_language_that_is_liked_best_is_spoken() {
        use Language::{En, Ko};
        for (accepted, language) in [
            ("ko", Ko),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Ko),
            ("en-US,en;q=0.9,ko;q=0.8", En),
            ("de, ko;q=0.5", Ko),
            ("en;q=0.4, KO;q=0.6", Ko),
            ("ko;q=0", En),
            ("*", En),
            ("", En),
            ("ko;q=x", Ko),
            (";,;q=", En),
        ] {
            assert_eq!(preferred_language(accepted), language, "{accepted}");
        }
    }
}
