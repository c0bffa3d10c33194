//! A server that answers each request with the next line of its script, and a client to call it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pandaport_outbound::{
    Answer, Bytes, Call, Denied, HostPolicy, HttpSettings, Method, Outbound, Permit, RateSignal, Retry, SendError,
    Unlimited, Url, header,
};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "5ec2e700-dead-4bad-9a55-00c0ffee0001";

/// What the server does with one request, once it has read it.
#[derive(Clone)]
pub(crate) enum Line {
    /// Writes these bytes, and keeps the connection.
    Say(Vec<u8>),
    /// Writes these bytes, and closes the connection.
    SayAndClose(Vec<u8>),
    /// Resets the connection.
    Reset,
    /// Never answers.
    Hang,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Follows the script, one line per request; the last one repeats.
    pub(crate) async fn start(script: impl IntoIterator<Item = Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            heads: Arc::default(),
        };
        let script: Arc<[Line]> = script.into_iter().collect();
        let (requests, connections, heads) =
            (server.requests.clone(), server.connections.clone(), server.heads.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(stream, script.clone(), requests.clone(), heads.clone()));
            }
        });
        server
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The last request's line and headers.
    pub(crate) fn last_head(&self) -> String {
        self.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}/api/v1/things?serial=C02SECRETQUERY", self.address).parse().unwrap()
    }
}

async fn talk(mut stream: TcpStream, script: Arc<[Line]>, requests: Arc<AtomicUsize>, heads: Arc<Mutex<Vec<String>>>) {
    while let Some(head) = read_request(&mut stream).await {
        heads.lock().unwrap().push(head);
        let number = requests.fetch_add(1, Ordering::SeqCst);
        match script[number.min(script.len() - 1)].clone() {
            Line::Say(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Line::SayAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Line::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Line::Hang => std::future::pending().await,
        }
    }
}

/// One request with its body; the line and the headers of it.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text
        .to_lowercase()
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
    while bytes.len() < head + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some(text)
}

/// An answer with this status, extra header lines and body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Line {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    Line::Say([text.as_bytes(), b"\r\n", body].concat())
}

/// Short times, so that a failing call fails soon.
pub(crate) fn quick() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_millis(400),
        first_backoff: Duration::from_millis(5),
        ..HttpSettings::default()
    }
}

pub(crate) fn policy(address: SocketAddr) -> HostPolicy {
    HostPolicy::new(&[], address.to_string().parse().unwrap())
}

/// How a test call differs from a plain idempotent GET.
pub(crate) struct Ask {
    pub(crate) settings: HttpSettings,
    pub(crate) retry: Retry,
    pub(crate) permit: Arc<dyn Permit>,
    pub(crate) method: Method,
    pub(crate) body: Option<&'static str>,
}

impl Default for Ask {
    fn default() -> Self {
        Self { settings: quick(), retry: Retry::Idempotent, permit: unlimited(), method: Method::GET, body: None }
    }
}

impl Ask {
    pub(crate) async fn of(self, server: &Server) -> Result<Answer, SendError> {
        self.at(server.url(), &policy(server.address)).await
    }

    pub(crate) async fn at(self, url: Url, policy: &HostPolicy) -> Result<Answer, SendError> {
        let outbound = Outbound::new(self.settings).unwrap();
        outbound
            .send(Call {
                method: self.method,
                url,
                policy,
                headers: vec![(header::AUTHORIZATION, SecretString::from(format!("Bearer {TOKEN}")))],
                body: self.body.map(|body| Bytes::from_static(body.as_bytes())),
                retry: self.retry,
                permit: &self.permit,
            })
            .await
    }
}

/// Leave for everything.
pub(crate) fn unlimited() -> Arc<dyn Permit> {
    Arc::new(Unlimited)
}

/// Lets `left` attempts through, and remembers what it was told.
pub(crate) struct Counting {
    pub(crate) left: AtomicUsize,
    pub(crate) then: Denied,
    pub(crate) seen: Mutex<Vec<RateSignal>>,
}

impl Counting {
    pub(crate) fn new(left: usize, then: Denied) -> Self {
        Self { left: AtomicUsize::new(left), then, seen: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl Permit for Counting {
    async fn acquire(&self) -> Result<(), Denied> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| self.then.clone())
    }

    fn still_stands(&self) -> Result<(), Denied> {
        Ok(())
    }

    fn observe(&self, signal: &RateSignal) {
        self.seen.lock().unwrap().push(signal.clone());
    }
}
