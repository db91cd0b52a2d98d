//! All languages that the pages can be read in, and which one a reader gets.

use super::language::Language;
use std::{path::Path, sync::Arc};

pub(super) const ENGLISH: &str = include_str!("text/en.toml");
pub(super) const KOREAN: &str = include_str!("text/ko.toml");

/// A file of sentences is not longer than this.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// The languages, English first.
#[derive(Debug, Clone)]
pub(super) struct Languages(Vec<Arc<Language>>);

impl Languages {
    /// The built-in languages, and those in `folder`: a file `<code>.toml` each. A file for a built-in language
    /// changes the sentences that it has.
    ///
    /// # Errors
    /// Every mistake, one line each, with its file.
    pub(super) fn read(folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let english = Language::read("en", ENGLISH, None)?;
        let korean = Language::read("ko", KOREAN, Some(&english))?;
        let mut languages = Self(vec![Arc::new(english), Arc::new(korean)]);
        let Some(folder) = folder else {
            return Ok(languages);
        };
        let unreadable =
            |error: &std::io::Error| vec![format!("edge.languages {}: {error}", folder.display())];
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
            let path = entry.map_err(|error| unreadable(&error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        // The order of a folder is nobody's; the languages' is English first, then by name. English as changed is
        // what the others fall back to.
        files.sort_by_key(|path| (path.file_stem().is_none_or(|stem| stem != "en"), path.clone()));
        let mistakes: Vec<String> = files
            .iter()
            .filter_map(|path| languages.add(path).err())
            .flatten()
            .collect();
        if mistakes.is_empty() {
            Ok(languages)
        } else {
            Err(mistakes)
        }
    }

    fn add(&mut self, path: &Path) -> Result<(), Vec<String>> {
        let place = |what: &str| format!("{}: {what}", path.display());
        let code = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if !is_tag(code) {
            return Err(vec![place(
                "the name must be a language tag, such as de.toml or pt-BR.toml",
            )]);
        }
        let text = super::files::text(path, FILE_MAX_BYTES).map_err(|error| vec![place(&error)])?;
        let known = self
            .0
            .iter()
            .position(|known| known.code.eq_ignore_ascii_case(code));
        let otherwise = &self.0[known.unwrap_or(0)];
        let language = Language::read(code, &text, Some(otherwise))
            .map_err(|mistakes| mistakes.iter().map(|mistake| place(mistake)).collect::<Vec<_>>())?;
        match known {
            Some(index) => self.0[index] = Arc::new(language),
            None => self.0.push(Arc::new(language)),
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Language>> {
        self.0.iter()
    }

    /// The language of this tag.
    pub(super) fn find(&self, code: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|known| known.code.eq_ignore_ascii_case(code))
    }

    /// The language for a reader: the one asked for by name, else the best by `Accept-Language`, else `default`.
    pub(super) fn choose(&self, named: Option<&str>, accept: Option<&str>, default: usize) -> usize {
        named
            .and_then(|code| self.fitting(code))
            .or_else(|| accept.and_then(|accept| self.accepted(accept, default)))
            .unwrap_or(default)
    }

    /// The first that fits of what is accepted (RFC 9110, 12.5.4), best first; `*` is `default`. There is a crate
    /// for this, but none whose order of equal weights and refusals (`q=0`) is the standard's.
    fn accepted(&self, accept: &str, default: usize) -> Option<usize> {
        let mut ranges: Vec<(&str, u16)> = accept.split(',').filter_map(read_range).collect();
        let refused: Vec<&str> = ranges
            .iter()
            .filter(|range| range.1 == 0)
            .map(|range| range.0)
            .collect();
        ranges.retain(|range| range.1 > 0);
        ranges.sort_by_key(|range| std::cmp::Reverse(range.1));
        let refuses = |index: usize| {
            refused
                .iter()
                .any(|code| self.0[index].code.eq_ignore_ascii_case(code))
        };
        let fits = |code: &str| match code {
            "*" => std::iter::once(default)
                .chain(0..self.0.len())
                .find(|index| !refuses(*index)),
            code => self.fitting(code).filter(|index| !refuses(*index)),
        };
        ranges.iter().find_map(|(code, _)| fits(code))
    }

    /// The language of this tag, or of a shorter one (`ko-KR` is content with `ko`), or a longer one (`pt` with
    /// `pt-BR`): the lookup of RFC 4647, and its filter.
    fn fitting(&self, code: &str) -> Option<usize> {
        let mut shorter = code;
        loop {
            if let Some(found) = self.find(shorter) {
                return Some(found);
            }
            match shorter.rsplit_once('-') {
                Some((before, _)) => shorter = before,
                None => break,
            }
        }
        let begins = |known: &Arc<Language>| {
            let (head, rest) = known.code.split_at_checked(code.len())?;
            (head.eq_ignore_ascii_case(code) && rest.starts_with('-')).then_some(())
        };
        self.0.iter().position(|known| begins(known).is_some())
    }
}

impl std::ops::Index<usize> for Languages {
    type Output = Arc<Language>;

    fn index(&self, index: usize) -> &Self::Output {
        &self.0[index]
    }
}

/// Letters and digits with hyphens between, as far as a file's name needs it.
fn is_tag(code: &str) -> bool {
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    code.len() >= 2 && code.split('-').all(part)
}

/// A range and its weight in thousandths; nothing if it is not as the standard has it.
fn read_range(range: &str) -> Option<(&str, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let code = parts.next().filter(|code| *code == "*" || is_tag(code))?;
    let weight = match parts.next() {
        None => 1_000,
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| read_weight(value.trim()))??
        }
    };
    Some((code, weight))
}

/// `0`, `1`, or up to three digits after the point, as thousandths.
fn read_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| plain)?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// English, Korean, German, Brazilian Portuguese.
    fn four() -> Languages {
        let mut languages = Languages::read(None).unwrap();
        for code in ["de", "pt-BR"] {
            let language = Language::read(code, "", Some(&languages[0])).unwrap();
            languages.0.push(Arc::new(language));
        }
        languages
    }

    #[test]
    fn a_reader_gets_the_language_that_fits_best() {
        for (named, accept, expected) in [
            (None, None, "en"),
            (None, Some("ko"), "ko"),
            (None, Some("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"), "ko"),
            (None, Some("fr, de;q=0.5, ko;q=0.8"), "ko"),
            (None, Some("de;q=0.5,ko;q=0.500"), "de"),
            (None, Some("KO-kr"), "ko"),
            (None, Some("pt"), "pt-BR"),
            (None, Some("pt-BR-x-a, en;q=0.9"), "pt-BR"),
            (None, Some("fr;q=1.0, *;q=0.1"), "en"),
            (None, Some("en;q=0, *"), "ko"),
            (None, Some("ko;q=0, ko-KR, de;q=0.1"), "de"),
            (None, Some("fr"), "en"),
            (None, Some("ko;q=2, de;q=x, pt;q=0.0001, ;;, en;q=0.1"), "en"),
            (None, Some(""), "en"),
            (Some("de"), Some("ko"), "de"),
            (Some("de-AT"), Some("ko"), "de"),
            (Some("xx"), Some("ko"), "ko"),
            (Some("<script>"), None, "en"),
            (Some("코"), Some("코, ko;q=0.1"), "ko"),
        ] {
            let languages = four();
            let chosen = languages.choose(named, accept, 0);
            assert_eq!(languages[chosen].code, expected, "{named:?} {accept:?}");
        }
        assert_eq!(
            four().choose(None, Some("fr"), 2),
            2,
            "the room's own language is the last resort"
        );
    }
}
