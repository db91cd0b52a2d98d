//! Reading files whose size is bounded.

use std::{fs, path::Path};

/// A file that is not longer than `max_bytes`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    if about.len() > max_bytes {
        return Err(format!("is longer than {max_bytes} bytes"));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The same as text.
///
/// # Errors
/// The same, or that it is not UTF-8.
pub(super) fn text(path: &Path, max_bytes: u64) -> Result<String, String> {
    String::from_utf8(bytes(path, max_bytes)?).map_err(|_| "is not UTF-8".to_owned())
}
