//! The files of a room's own pages, read once at the start. What is not among them does not exist, so no address
//! leads out of the folder.

use bytes::Bytes;
use std::{collections::HashMap, path::Path};

/// No file is longer than this.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// All files of a room together: they are kept in memory.
const TOTAL_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What can be sent, by the end of its name.
const TYPES: [(&str, &str); 14] = [
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
];

/// A file, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

/// The files of a room by their names.
#[derive(Debug, Default)]
pub(super) struct Assets(HashMap<String, Asset>);

impl Assets {
    /// Reads the files of a folder, not those of folders in it. Names that begin with a point are left out.
    ///
    /// # Errors
    /// Every mistake, one line each, with its file.
    pub(super) fn read(folder: &Path) -> Result<Self, Vec<String>> {
        let unreadable = |error: &std::io::Error| vec![format!("{}: {error}", folder.display())];
        let mut assets = Self::default();
        let mut mistakes = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
            let path = entry.map_err(|error| unreadable(&error))?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            match read_asset(&path, name) {
                Ok(asset) => drop(assets.0.insert(name.to_owned(), asset)),
                Err(mistake) => mistakes.push(format!("{}: {mistake}", path.display())),
            }
        }
        let total: usize = assets.0.values().map(|asset| asset.body.len()).sum();
        if total > TOTAL_MAX_BYTES {
            mistakes.push(format!(
                "{}: more than {TOTAL_MAX_BYTES} bytes in all",
                folder.display()
            ));
        }
        if mistakes.is_empty() {
            return Ok(assets);
        }
        mistakes.sort();
        Err(mistakes)
    }

    /// The file of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Asset> {
        self.0.get(name)
    }
}

fn read_asset(path: &Path, name: &str) -> Result<Asset, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("the name must be of letters, digits, points, hyphens and underscores".to_owned());
    }
    let end = name
        .rsplit_once('.')
        .map_or("", |(_, end)| end)
        .to_ascii_lowercase();
    let known = TYPES.iter().find(|(known, _)| *known == end);
    let (_, content_type) = known.ok_or_else(|| {
        let ends: Vec<&str> = TYPES.iter().map(|(end, _)| *end).collect();
        format!("is not a file that can be sent: {}", ends.join(", "))
    })?;
    let body = super::files::bytes(path, FILE_MAX_BYTES)?;
    Ok(Asset {
        content_type,
        body: body.into(),
    })
}
