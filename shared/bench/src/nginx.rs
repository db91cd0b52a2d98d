//! A private nginx that answers the same bytes to everything: what the machine can do at best.

use crate::{scratch::Scratch, wrk::THREADS};
use anyhow::Context;
use std::{net::SocketAddr, path::PathBuf};
use testbed::{Process, free_address};

/// A running nginx with its own configuration, folders and pid file.
pub struct Nginx {
    _process: Process,
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts one that answers 200 with a JSON body of `bytes` bytes.
    pub async fn start(scratch: &Scratch, bytes: usize) -> anyhow::Result<Self> {
        let address = free_address();
        let folder = scratch.path().display().to_string();
        let settings = settings(&folder, address, bytes);
        let config = scratch.write("nginx.conf", settings)?;
        let process = Process::program("nginx", &program()?)
            .args(["-p", &folder, "-e", &format!("{folder}/nginx-error.log"), "-c"])
            .arg(config)
            .ready_at(address, "/")
            .try_start()
            .await?;
        Ok(Self {
            _process: process,
            address,
        })
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    programs
        .find(|program| program.is_file())
        .context("there is no nginx (Debian: apt-get install nginx-light)")
}

/// As many workers as the load generator has threads, no log, connections that stay open for the whole run. Every
/// folder is ours: the packaged default is under /var.
fn settings(folder: &str, address: SocketAddr, bytes: usize) -> String {
    let body = format!(
        r#"{{"padding":"{}"}}"#,
        "x".repeat(bytes.saturating_sub(r#"{"padding":""}"#.len()))
    );
    format!(
        "daemon off;
worker_processes {THREADS};
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
    server {{
        listen {address};
        location / {{ return 200 '{body}'; }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_asked_length() {
        let text = settings("/f", "127.0.0.1:1".parse().unwrap(), 100);
        let body = text.split('\'').nth(1).unwrap();
        assert_eq!(body.len(), 100);
    }
}
