//! The config: whatever is written in it, the edge says what is wrong, or begins.

use crate::config::Config;

/// Reads a config. One that is valid is the same, and as valid, however TOML spells it.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Config::from_toml(text) {
        Ok(config) => {
            let table: toml::Table = toml::from_str(text).expect("a config is TOML");
            let again = toml::to_string(&table).expect("what was read can be written");
            assert_eq!(Config::from_toml(&again), Ok(config), "{again}");
        }
        Err(mistakes) => assert!(!mistakes.lines().is_empty()),
    }
}
