//! A name server whose answers a test changes.

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::UdpSocket;

/// A running name server: every name stands for the same addresses.
#[derive(Clone)]
pub struct NameServer {
    pub address: SocketAddr,
    /// Nothing when it fails.
    says: Arc<Mutex<Option<Vec<Ipv4Addr>>>>,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    pub async fn start(says: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            says: Arc::new(Mutex::new(Some(says.to_vec()))),
            asked: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            let mut query = vec![0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let answer = serving.answer(&query[..length]);
                let _ = socket.send_to(&answer, from).await;
            }
        });
        server
    }

    pub fn says(&self, addresses: &[Ipv4Addr]) {
        *self.says.lock().unwrap() = Some(addresses.to_vec());
    }

    pub fn fails(&self) {
        *self.says.lock().unwrap() = None;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let query = Message::from_vec(query).unwrap();
        let mut answer = query.clone();
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_available = true;
        match &*self.says.lock().unwrap() {
            None => answer.metadata.response_code = ResponseCode::ServFail,
            Some(addresses) => {
                let asked = query.queries.first().unwrap();
                let wants_v4 = asked.query_type() == RecordType::A;
                for address in addresses.iter().filter(|_| wants_v4) {
                    let data = RData::A(A(*address));
                    answer.add_answer(Record::from_rdata(asked.name().clone(), 300, data));
                }
            }
        }
        answer.to_vec().unwrap()
    }
}
