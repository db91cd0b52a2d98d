//! What a connection of HTTP/2 may do, frame by frame.

use crate::{harness::SOON, tls::Secure};
use reqwest::StatusCode;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const NO_ERROR: u32 = 0;
const ENHANCE_YOUR_CALM: u32 = 11;

struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

/// A connection whose client writes its frames itself.
struct Frames(TlsStream<TcpStream>);

impl Frames {
    async fn open(edge: &Secure) -> Self {
        process::install_tls();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(edge.chain("shop")).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(edge.tls).await.unwrap();
        let name = ServerName::try_from("shop.example").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let mut frames = Self(stream.unwrap());
        let greeting = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
            &frame(SETTINGS, 0, 0, &[]),
        ];
        frames.send(&greeting.concat()).await;
        frames
    }

    /// What is written to a connection that has ended is lost; what counts is what is answered.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(SOON, self.0.read_exact(&mut head)).await;
        read.expect("a frame or an end").ok()?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, payload })
    }

    /// With which error the connection is ended, and how many streams were answered before.
    async fn end(&mut self) -> (u32, usize) {
        let (mut answered, mut reason) = (0, None);
        while let Some(frame) = self.next().await {
            answered += usize::from(frame.kind <= HEADERS && frame.flags & END_STREAM != 0);
            match frame.kind {
                GOAWAY => reason = Some(number(&frame.payload[4..8])),
                // The server waits for it, to know that its goodbye was heard.
                PING if frame.flags & ACK == 0 => {
                    self.send(&self::frame(PING, ACK, 0, &frame.payload)).await;
                }
                _ => {}
            }
        }
        (reason.expect("a connection that ends says why"), answered)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags], stream.to_be_bytes().as_slice(), payload].concat()
}

/// `GET /` of the n-th stream: three entries of the static table, and the host.
fn request(nth: u32) -> Vec<u8> {
    let host = b"shop.example";
    let block = [[0x82, 0x87, 0x84, 0x41, 12].as_slice(), host].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, 2 * nth + 1, &block)
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

#[tokio::test]
async fn a_connection_is_told_how_many_streams_it_may_have() {
    let edge = Secure::start("[edge.clients]\nstreams_max = 7", 0).await;
    let mut frames = Frames::open(&edge).await;
    let settings = frames.next().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    let (settings, _) = settings.payload.as_chunks::<6>();
    let streams = settings
        .iter()
        .find(|[a, b, ..]| u16::from_be_bytes([*a, *b]) == MAX_CONCURRENT_STREAMS);
    assert_eq!(streams.map(|setting| number(&setting[2..])), Some(7));
}

#[tokio::test]
async fn a_connection_ends_after_its_requests_and_each_of_them_is_answered() {
    let edge = Secure::start("[edge.clients]\nrequests_per_connection = 3", 0).await;
    let mut frames = Frames::open(&edge).await;
    frames.send(&(0..3).flat_map(request).collect::<Vec<u8>>()).await;
    assert_eq!(frames.end().await, (NO_ERROR, 3));
}

#[tokio::test]
async fn who_opens_and_resets_streams_is_sent_away_and_others_are_served() {
    let edge = Secure::start("", 0).await;
    let mut frames = Frames::open(&edge).await;
    let cancel = 8_u32.to_be_bytes();
    let storm = (0..2_000).flat_map(|nth| [request(nth), frame(RESET, 0, 2 * nth + 1, &cancel)].concat());
    frames.send(&storm.collect::<Vec<u8>>()).await;
    let (reason, _) = frames.end().await;
    assert_eq!(reason, ENHANCE_YOUR_CALM);
    let client = edge.client("shop.example", &edge.certificate);
    let answer = client.get(edge.url("/.waiting-room/demo")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let edge = Secure::start("[edge.clients]\nhead_bytes = 4096", 0).await;
    let client = edge.client("shop.example", &edge.certificate);
    let large = client.get(edge.url("/")).header("x-large", "a".repeat(6_000));
    assert_eq!(
        large.send().await.unwrap().status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}
