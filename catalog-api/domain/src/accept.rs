//! Whether the other end is somebody's browser.

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

fn is_refused(range: &str) -> bool {
    let quality = range
        .split(';')
        .skip(1)
        .find_map(|parameter| parameter.trim().strip_prefix("q="));
    quality
        .and_then(|quality| quality.parse::<f32>().ok())
        .is_some_and(|quality| quality <= 0.0)
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
}
