//! What stands between the worker and the sandbox: it counts and keeps what is sent, loses answers, and says when the
//! process is to end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use futures::FutureExt as _;
use jiff::Timestamp;
use pandaport_sandbox::Ready;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::history::Trouble;
use super::ledger::Ledger;
use crate::Clock;

/// The hands of all clocks of a history.
pub(super) struct Hands {
    began: Instant,
    /// What the sandbox goes by.
    pub(super) millis: Arc<AtomicU64>,
}

/// When histories begin.
const BEGIN: i64 = 1_795_600_000;

impl Hands {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), millis: Arc::default() }
    }

    pub(super) fn turn(&self, by: Duration) {
        let millis = u64::try_from(by.as_micros().div_ceil(1_000)).unwrap();
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Milliseconds since the history began.
    pub(super) fn at(&self) -> u64 {
        self.millis.load(Ordering::Relaxed)
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(BEGIN * 1_000 + i64::try_from(self.at()).unwrap()).unwrap()
    }

    fn monotonic(&self) -> Instant {
        self.began + Duration::from_millis(self.at())
    }
}

/// Both APIs as the worker reaches them.
pub(super) struct Wire {
    pub(super) kandji_url: String,
    pub(super) asset_panda_url: String,
    shared: Arc<Shared>,
    serving: Vec<tokio::task::JoinHandle<()>>,
}

struct Shared {
    http: reqwest::Client,
    ready: Ready,
    hands: Arc<Hands>,
    call_takes: Duration,
    state: Mutex<Traffic>,
    /// One call after the other: a history is to go the same way each time.
    turn: tokio::sync::Mutex<()>,
    struck: Notify,
}

/// What has been sent, and what is to go wrong.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) ledger: Ledger,
    troubles: Vec<Trouble>,
    /// Calls since the sync began, to both APIs.
    calls: u8,
    writes: u8,
    commits: u8,
    /// Calls since the sync began, to Kandji and to Asset Panda.
    pub(super) by_api: [i64; 2],
    /// When Kandji first and last told something since the sync began.
    pub(super) told_at: Option<(u64, u64)>,
    /// Raised when a process ends: what it still has in flight reaches nobody.
    process: u32,
    /// Whose each connection is: what an ended process has left on its way may arrive when another is at work.
    connections: HashMap<SocketAddr, u32>,
    ended: bool,
    at_work: bool,
}

/// What becomes of a call.
enum Fate {
    Through,
    Lost,
    Refused(StatusCode),
    Ends { applied: bool },
}

#[derive(Clone)]
struct Side {
    shared: Arc<Shared>,
    kandji: bool,
}

impl Wire {
    pub(super) async fn new(http: reqwest::Client, ready: Ready, hands: Arc<Hands>, call_takes: u8) -> Self {
        let shared = Arc::new(Shared {
            http,
            ready,
            hands,
            call_takes: Duration::from_secs(call_takes.into()),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            struck: Notify::new(),
        });
        let mut urls = Vec::new();
        let mut serving = Vec::new();
        for kandji in [true, false] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            let router = Router::new().fallback(handle).with_state(Side { shared: shared.clone(), kandji });
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let state = shared.clone();
            let listener = listener.tap_io(move |stream: &mut TcpStream| {
                let mut state = state.state.lock().unwrap();
                let process = state.process;
                state.connections.extend(stream.peer_addr().map(|from| (from, process)));
            });
            serving.push(tokio::spawn(async move { axum::serve(listener, service).await.unwrap() }));
        }
        let asset_panda_url = urls.pop().unwrap();
        Self { kandji_url: urls.pop().unwrap(), asset_panda_url, shared, serving }
    }

    pub(super) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.shared.state.lock().unwrap()
    }

    /// A sync begins, and this befalls it.
    pub(super) fn arm(&self, troubles: &[Trouble]) {
        let mut state = self.traffic();
        state.troubles = troubles.to_vec();
        (state.calls, state.writes, state.commits, state.by_api) = (0, 0, 0, [0, 0]);
        state.told_at = None;
    }

    /// Whether a slice is being worked: only then anything goes wrong.
    pub(super) fn at_work(&self, at_work: bool) {
        self.traffic().at_work = at_work;
    }

    /// Ready when the process is to end.
    pub(super) async fn struck(&self) {
        self.shared.struck.notified().await;
    }

    /// Whether the process has ended, also where its slice came to its end before anybody heard of that.
    pub(super) fn has_ended(&self) -> bool {
        let ended = self.traffic().ended;
        if ended {
            let _ = self.shared.struck.notified().now_or_never();
        }
        ended
    }

    /// Another process takes the place of one that has ended, once the server is done with what that one sent.
    pub(super) async fn begin_process(&self) {
        if self.traffic().ended {
            self.accept_all().await;
        }
        let _turn = self.shared.turn.lock().await;
        let mut state = self.traffic();
        state.process += u32::from(state.ended);
        state.ended = false;
    }

    /// Connections are accepted in their order: once ours is, all that were there before are, and it is known whose they are.
    async fn accept_all(&self) {
        for url in [&self.kandji_url, &self.asset_panda_url] {
            let ours = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
            let from = ours.local_addr().unwrap();
            while !self.traffic().connections.contains_key(&from) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// What the database asks before each commit: whether it is to be kept.
    pub(super) fn commits(&self) -> impl FnMut() -> bool + Send + 'static {
        let shared = self.shared.clone();
        move || {
            let mut state = shared.state.lock().unwrap();
            if !state.at_work || state.ended {
                return !state.ended;
            }
            state.commits += 1;
            let at = state.commits;
            let strikes = |it: &Trouble| matches!(it, Trouble::KilledAtCommit { commit, .. } if *commit == at);
            let Some(place) = state.troubles.iter().position(strikes) else { return true };
            let Trouble::KilledAtCommit { kept, .. } = state.troubles.remove(place) else { return true };
            state.ended = true;
            shared.struck.notify_one();
            kept
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for serving in &self.serving {
            serving.abort();
        }
    }
}

impl Traffic {
    fn fate(&mut self, kandji: bool, is_write: bool) -> Fate {
        self.by_api[usize::from(!kandji)] += 1;
        self.calls += 1;
        self.writes += u8::from(is_write);
        let (calls, writes) = (self.calls, self.writes);
        let strikes = |it: &Trouble| match it {
            Trouble::Lost { write } => is_write && *write == writes,
            Trouble::Down { call } | Trouble::Busy { call } | Trouble::KilledAtCall { call, .. } => *call == calls,
            Trouble::KilledAtCommit { .. } => false,
        };
        let Some(place) = self.troubles.iter().position(strikes).filter(|_| self.at_work) else { return Fate::Through };
        match self.troubles.remove(place) {
            Trouble::Lost { .. } => Fate::Lost,
            Trouble::Down { .. } => Fate::Refused(StatusCode::SERVICE_UNAVAILABLE),
            Trouble::Busy { .. } => Fate::Refused(StatusCode::TOO_MANY_REQUESTS),
            Trouble::KilledAtCall { applied, .. } => Fate::Ends { applied },
            Trouble::KilledAtCommit { .. } => Fate::Through,
        }
    }
}

/// In a task of its own: what reached the server is handled to its end, whether or not the process still waits for it.
async fn handle(
    State(side): State<Side>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sent = Sent { from, method, uri, headers, body };
    let handled = tokio::spawn(async move { side.call(sent).await }).await;
    match handled.unwrap() {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

struct Sent {
    from: SocketAddr,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Side {
    /// What comes back; nothing to a process that has ended.
    async fn call(&self, sent: Sent) -> Option<Response> {
        let shared = &self.shared;
        let process = shared.state.lock().unwrap().connections[&sent.from];
        let _turn = shared.turn.lock().await;
        let is_write = !self.kandji && sent.uri.path() == "/collection-records";
        let fate = {
            let mut state = shared.state.lock().unwrap();
            (!state.ended && state.process == process).then(|| state.fate(self.kandji, is_write))
        }?;
        shared.hands.turn(shared.call_takes);
        let answer = match fate {
            Fate::Refused(status) => {
                if is_write {
                    shared.state.lock().unwrap().ledger.doubt_all();
                }
                return Some((status, "nothing was done").into_response());
            }
            Fate::Ends { applied: false } => None,
            _ => Some(shared.pass_on(self.kandji, &sent).await),
        };
        if self.kandji {
            let now = shared.hands.at();
            let mut state = shared.state.lock().unwrap();
            state.told_at = Some((state.told_at.map_or(now, |it| it.0), now));
        }
        if let (true, Some((_, answer))) = (is_write, &answer) {
            let records = shared.records().await;
            let mut state = shared.state.lock().unwrap();
            let troubled = state.ended || !matches!(fate, Fate::Through);
            let at = shared.hands.at();
            state.ledger.written(&sent.method, &parse(&sent.body), &parse(answer), records, troubled, at);
        }
        match (fate, answer) {
            (Fate::Through, Some(answer)) => Some(answer.into_response()),
            (Fate::Lost, _) => Some((StatusCode::GATEWAY_TIMEOUT, "the answer is lost").into_response()),
            _ => {
                shared.state.lock().unwrap().ended = true;
                shared.struck.notify_one();
                None
            }
        }
    }
}

impl Shared {
    async fn pass_on(&self, kandji: bool, sent: &Sent) -> (StatusCode, Bytes) {
        let to = if kandji { &self.ready.kandji_url } else { &self.ready.asset_panda_url };
        let mut headers = sent.headers.clone();
        headers.remove("host");
        headers.remove("accept-encoding");
        let call = self.http.request(sent.method.clone(), format!("{to}{}", sent.uri));
        let answer = call.headers(headers).body(sent.body.clone()).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    }

    async fn records(&self) -> Value {
        let url = format!("{}/records?names=true", self.ready.control_url);
        parse(&self.http.get(url).send().await.unwrap().bytes().await.unwrap())
    }
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}
