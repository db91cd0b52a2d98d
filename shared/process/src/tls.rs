//! The cryptography behind TLS, the same for every client and server of a process.

use std::sync::Once;

/// Makes *ring* the process's provider for rustls. Libraries that speak TLS look for one when they are first used;
/// calling this again does nothing.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the program has installed one of its own, which then stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
