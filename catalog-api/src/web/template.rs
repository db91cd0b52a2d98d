//! Pages with places to fill: `{{name}}`.

/// What is put into a place.
#[derive(Debug, Clone, Copy)]
pub enum Insert<'a> {
    /// Text, which stays text whatever is in it.
    Text(&'a str),
    /// Markup that was made here.
    Html(&'a str),
}

/// Fills every place of the template, reading it once: what was put in is never taken for a place. A place that has
/// no insert stays empty.
pub fn fill(template: &str, inserts: &[(&str, Insert<'_>)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(a, b)| Some((a, b.split_once("}}")?)))
    {
        filled.push_str(before);
        match inserts.iter().find(|(known, _)| *known == name) {
            Some((_, Insert::Text(text))) => push_escaped(&mut filled, text),
            Some((_, Insert::Html(html))) => filled.push_str(html),
            None => {}
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn push_escaped(to: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_markup_stays_markup() {
        let inserts = [("a", Insert::Text("<b>&\"'")), ("b", Insert::Html("<i>"))];
        for (template, expected) in [
            ("x{{a}}y", "x&lt;b&gt;&amp;&quot;&#39;y"),
            ("{{b}}{{b}}", "<i><i>"),
            ("{{none}}.", "."),
            ("{{open", "{{open"),
            ("plain", "plain"),
        ] {
            assert_eq!(fill(template, &inserts), expected, "{template}");
        }
    }

    #[test]
    fn an_insert_is_never_filled_again() {
        let inserts = [("a", Insert::Text("{{b}}")), ("b", Insert::Html("never"))];
        assert_eq!(fill("{{a}}", &inserts), "{{b}}");
    }
}
