//! The life of a service process: secrets in, telemetry out, a soft stop.
//!
//! Every `main` of the workspace is the same table of contents made from these parts.

mod exit;
mod problem;
mod secret;
mod shutdown;
mod telemetry;
mod tls;

pub use exit::{EXIT_USAGE, Exit, run};
pub use problem::ProblemResponse;
pub use secret::{SecretError, matches_bearer, read_secret};
pub use shutdown::Shutdown;
pub use telemetry::{install_metrics, install_tracing};
pub use tls::install_tls;
