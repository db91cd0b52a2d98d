//! A private nginx: one that answers the same bytes to everything, or one that asks another for them. It is what the
//! machine can do at best.

use crate::{scratch::Scratch, wrk::THREADS};
use anyhow::Context;
use std::{net::SocketAddr, path::PathBuf};
use testbed::{Process, free_address};

/// Connections to an upstream that each worker keeps open.
const KEPT_OPEN: u32 = 256;

/// A running nginx with its own configuration, folders and pid file.
pub struct Nginx {
    process: Process,
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts one that answers 200 with a JSON body of `bytes` bytes.
    pub async fn start(scratch: &Scratch, bytes: usize) -> anyhow::Result<Self> {
        let body = body(bytes);
        Self::with(scratch, "", &format!("return 200 '{body}';")).await
    }

    /// Starts one that answers 200 with a JSON body of `bytes` bytes from a file, which may be long.
    pub async fn with_file(scratch: &Scratch, bytes: usize) -> anyhow::Result<Self> {
        let name = format!("body-{bytes}.json");
        scratch.write(&name, body(bytes))?;
        let location = format!("root {}; try_files /{name} =404;", scratch.path().display());
        // An open file costs no look at its folder, as the answer in the other's config does not.
        Self::with(scratch, "open_file_cache max=16;", &location).await
    }

    /// Starts one that passes everything on to `upstream`, over connections that it keeps open.
    pub async fn in_front_of(scratch: &Scratch, upstream: SocketAddr) -> anyhow::Result<Self> {
        let servers = format!(
            "upstream shop {{ server {upstream}; keepalive {KEPT_OPEN}; keepalive_requests 1000000000; }}"
        );
        let passing = "proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection '';
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;";
        Self::with(scratch, &servers, passing).await
    }

    async fn with(scratch: &Scratch, servers: &str, location: &str) -> anyhow::Result<Self> {
        let address = free_address();
        // Several may run at once, each with files of its own.
        let folder = scratch.folder(&format!("nginx-{}", address.port()))?;
        let folder = folder.display().to_string();
        let config = format!("{folder}/nginx.conf");
        std::fs::write(&config, settings(&folder, address, servers, location)).context("write nginx.conf")?;
        let process = Process::program("nginx", &program()?)
            .args(["-p", &folder, "-e", &format!("{folder}/nginx-error.log"), "-c"])
            .arg(config)
            .ready_at(address, "/")
            .try_start()
            .await?;
        Ok(Self { process, address })
    }

    /// The id of its first process; the others are in its group.
    pub fn id(&self) -> u32 {
        self.process.id()
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

fn body(bytes: usize) -> String {
    let padding = bytes.saturating_sub(r#"{"padding":""}"#.len());
    format!(r#"{{"padding":"{}"}}"#, "x".repeat(padding))
}

/// As many workers as the load generator has threads, no log, connections that stay open for the whole run. Every
/// folder is ours: the packaged default is under /var.
fn settings(folder: &str, address: SocketAddr, servers: &str, location: &str) -> String {
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
    {servers}
    server {{
        listen {address};
        location / {{ {location} }}
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
        assert_eq!(body(100).len(), 100);
        assert_eq!(body(0), r#"{"padding":""}"#);
    }
}
