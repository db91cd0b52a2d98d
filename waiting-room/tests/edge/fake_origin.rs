//! An origin that answers what it is told to, counts what it is asked, and can be made to wait.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, StatusCode,
    header::{ETAG, IF_NONE_MATCH},
};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, sync::watch};

/// What a path answers; without one it says its target and how often that was asked for.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Instead of target and count.
    pub body: Option<String>,
}

/// Without a length it is sent in pieces.
impl Answer {
    pub fn with(headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            status: 200,
            headers: headers.collect(),
            body: None,
        }
    }

    pub fn failing(status: u16) -> Self {
        Self {
            status,
            ..Self::with(&[])
        }
    }
}

#[derive(Clone)]
pub struct Asked {
    pub target: String,
    pub method: String,
    pub headers: HeaderMap,
}

struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<HashSet<String>>,
}

#[derive(Clone)]
pub struct FakeOrigin {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeOrigin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            asked: Mutex::default(),
            held: watch::Sender::new(HashSet::new()),
        });
        let router = Router::new()
            .route("/health", axum::routing::get(async || "ok"))
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub fn answers(&self, path: &str, answer: Answer) {
        self.shared
            .answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), answer);
    }

    /// Lets nobody have an answer from this path until it is released.
    pub fn hold(&self, path: &str) {
        self.shared.held.send_modify(|held| {
            held.insert(path.to_owned());
        });
    }

    pub fn release(&self, path: &str) {
        self.shared.held.send_modify(|held| {
            held.remove(path);
        });
    }

    /// Everything that a path was asked, in order.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock().unwrap();
        let of_path = asked.iter().filter(|asked| path_of(&asked.target) == path);
        of_path.cloned().collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.asked(path).len()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let target = request.uri().to_string();
    let path = path_of(&target).to_owned();
    let asked = Asked {
        method: request.method().to_string(),
        headers: request.headers().clone(),
        target: target.clone(),
    };
    let count = {
        let mut all = shared.asked.lock().unwrap();
        all.push(asked);
        all.iter().filter(|asked| asked.target == target).count()
    };
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held.contains(&path)).await.unwrap();
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    let answer = answer.unwrap_or_else(|| Answer::with(&[]));
    let mut response = Response::builder();
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let tag = answer.headers.iter().find(|(name, _)| *name == ETAG.as_str());
    let known = request.headers().get(IF_NONE_MATCH);
    if known.is_some_and(|known| tag.is_some_and(|(_, tag)| known == tag.as_str())) {
        let unchanged = response.status(StatusCode::NOT_MODIFIED);
        return unchanged.body(Body::empty()).unwrap();
    }
    let body = answer.body.unwrap_or_else(|| format!("{target} #{count}"));
    response.status(answer.status).body(Body::from(body)).unwrap()
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap()
}
