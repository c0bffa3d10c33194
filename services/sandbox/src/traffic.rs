//! What was asked: counters by route, call times for windows, a log without secrets, violations.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

/// How many requests the log keeps.
const LOG_LENGTH: usize = 5_000;

/// Which stand-in was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Api {
    Kandji,
    AssetPanda,
}

/// What a call is, as fault switches select it with `on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    // Kandji
    Devices,
    Device,
    Details,
    Users,
    User,
    Licensing,
    // Asset Panda Pro
    Accounts,
    Modules,
    Collections,
    Columns,
    Search,
    Record,
    Create,
    Update,
    Delete,
    // both
    Other,
}

impl Operation {
    const ALL: [(Self, &'static str); 16] = [
        (Self::Devices, "devices"),
        (Self::Device, "device"),
        (Self::Details, "details"),
        (Self::Users, "users"),
        (Self::User, "user"),
        (Self::Licensing, "licensing"),
        (Self::Accounts, "accounts"),
        (Self::Modules, "modules"),
        (Self::Collections, "collections"),
        (Self::Columns, "columns"),
        (Self::Search, "search"),
        (Self::Record, "record"),
        (Self::Create, "create"),
        (Self::Update, "update"),
        (Self::Delete, "delete"),
        (Self::Other, "other"),
    ];

    /// Everything `on` may say.
    pub(crate) fn selectors() -> impl Iterator<Item = &'static str> {
        ["any", "write"].into_iter().chain(Self::ALL.iter().map(|(_, name)| *name))
    }

    pub(crate) fn is_selector(text: &str) -> bool {
        Self::selectors().any(|selector| selector == text)
    }

    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }

    /// Whether this call is one of those `on` selects.
    pub(crate) fn is(self, on: &str) -> bool {
        match on {
            "any" => true,
            "write" => self.is_write(),
            name => Self::ALL.contains(&(self, name)),
        }
    }
}

/// Everything that was asked of both stand-ins since the start or the last reset.
#[derive(Debug)]
pub(crate) struct Traffic {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Raised by a reset, so that a call which began before it is not counted after it.
    era: u64,
    next_id: u64,
    routes: BTreeMap<RouteKey, u64>,
    /// Microseconds since the start at which the calls of each API came in.
    arrivals: [Vec<u64>; 2],
    in_flight: [u64; 2],
    most_in_flight: [u64; 2],
    log: VecDeque<Entry>,
    violations: Vec<Violation>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RouteKey {
    api: Api,
    method: String,
    template: &'static str,
    /// 0: no answer was given.
    status: u16,
}

#[derive(Clone, Debug, Serialize)]
struct Entry {
    id: u64,
    at_ms: u64,
    api: Api,
    method: String,
    /// Path and query.
    path: String,
    /// Absent while the call is under way; 0: the connection ended without an answer.
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
}

/// Something no client of these APIs should do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Violation {
    pub(crate) api: Api,
    pub(crate) kind: &'static str,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A call under way. Dropping it unanswered counts it with status 0.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    traffic: &'a Traffic,
    era: u64,
    id: u64,
    api: Api,
    method: String,
    template: &'static str,
    status: u16,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), inner: Mutex::default() }
    }

    /// Takes note of a call as it comes in.
    pub(crate) fn arrive(&self, api: Api, method: &str, template: &'static str, path: &str) -> Call<'_> {
        let mut inner = self.inner();
        // Read with the lock held: arrivals stand in the order of their times.
        let at = self.start.elapsed();
        let id = inner.next_id;
        inner.next_id += 1;
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        inner.arrivals[api as usize].push(micros);
        inner.in_flight[api as usize] += 1;
        inner.most_in_flight[api as usize] = inner.most_in_flight[api as usize].max(inner.in_flight[api as usize]);
        if inner.log.len() == LOG_LENGTH {
            inner.log.pop_front();
        }
        inner.log.push_back(Entry {
            id,
            at_ms: micros / 1_000,
            api,
            method: method.to_owned(),
            path: path.to_owned(),
            status: None,
            rows: None,
        });
        Call { traffic: self, era: inner.era, id, api, method: method.to_owned(), template, status: 0 }
    }

    /// Takes note of something that should not happen.
    pub(crate) fn violation(&self, violation: Violation) {
        tracing::warn!(kind = violation.kind, method = violation.method, path = violation.path, "violation");
        self.inner().violations.push(violation);
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.inner().violations.clone()
    }

    /// Forgets everything so far.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner();
        let in_flight = inner.in_flight;
        *inner = Inner {
            era: inner.era + 1,
            next_id: inner.next_id,
            in_flight,
            most_in_flight: in_flight,
            ..Inner::default()
        };
    }

    /// Calls so far, by API, route and status; `windows_ms`: the most calls in any window of that length.
    pub(crate) fn counters(&self, windows_ms: &[u64]) -> Value {
        let inner = self.inner();
        let of = |api: Api| {
            let mut by_path: BTreeMap<String, u64> = BTreeMap::new();
            let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
            let mut routes = Vec::new();
            for (key, calls) in inner.routes.iter().filter(|(key, _)| key.api == api) {
                let path = format!("{} {}", key.method, key.template);
                *by_path.entry(path).or_default() += calls;
                *by_status.entry(key.status.to_string()).or_default() += calls;
                routes.push(json!({"method": key.method, "path": key.template, "status": key.status, "calls": calls}));
            }
            let arrivals = &inner.arrivals[api as usize];
            let windows: BTreeMap<String, usize> =
                windows_ms.iter().map(|ms| (ms.to_string(), most_in_window(arrivals, ms * 1_000))).collect();
            json!({
                "calls": arrivals.len(),
                "in_flight": inner.in_flight[api as usize],
                "most_in_flight": inner.most_in_flight[api as usize],
                "by_path": by_path,
                "by_status": by_status,
                "by_route": routes,
                "max_in_window_ms": windows,
                "first_at_ms": arrivals.first().map(|at| at / 1_000),
                "last_at_ms": arrivals.last().map(|at| at / 1_000),
            })
        };
        json!({"kandji": of(Api::Kandji), "asset_panda": of(Api::AssetPanda)})
    }

    /// The last requests, oldest first, at most `limit`.
    pub(crate) fn log(&self, limit: usize) -> Value {
        let inner = self.inner();
        let skip = inner.log.len().saturating_sub(limit);
        json!({ "requests": inner.log.iter().skip(skip).collect::<Vec<_>>() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// The call is answered.
    pub(crate) fn answered(mut self, status: u16) {
        self.status = status;
    }

    /// Says in the log how many rows the call carried.
    pub(crate) fn carries(&self, rows: usize) {
        let mut inner = self.traffic.inner();
        if let Some(entry) = inner.entry(self.id) {
            entry.rows = Some(rows);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut inner = self.traffic.inner();
        let flying = &mut inner.in_flight[self.api as usize];
        *flying = flying.saturating_sub(1);
        if inner.era != self.era {
            return;
        }
        let key = RouteKey {
            api: self.api,
            method: std::mem::take(&mut self.method),
            template: self.template,
            status: self.status,
        };
        *inner.routes.entry(key).or_default() += 1;
        let status = self.status;
        if let Some(entry) = inner.entry(self.id) {
            entry.status = Some(status);
        }
    }
}

impl Inner {
    /// A request in the log, if it is still there: ids rise by one from front to back.
    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        let first = self.log.front()?.id;
        self.log.get_mut(usize::try_from(id.checked_sub(first)?).ok()?)
    }
}

/// The most of `times` (rising) that lie in any window of `length`; a window holds its start, not its end.
fn most_in_window(times: &[u64], length: u64) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, &at) in times.iter().enumerate() {
        while at - times[first] >= length.max(1) {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_in_a_window_is_found_wherever_the_window_lies() {
        assert_eq!(most_in_window(&[], 10), 0);
        assert_eq!(most_in_window(&[0, 9, 10, 11, 18], 10), 4);
        assert_eq!(most_in_window(&[0, 10, 20], 10), 1);
    }

    #[test]
    fn a_call_that_ends_without_an_answer_counts_with_status_zero() {
        let traffic = Traffic::new();
        drop(traffic.arrive(Api::Kandji, "GET", "/a", "/a?b=c"));
        traffic.arrive(Api::Kandji, "GET", "/a", "/a").answered(200);
        let counters = traffic.counters(&[]);
        assert_eq!(counters["kandji"]["by_status"], json!({"0": 1, "200": 1}));
        assert_eq!(counters["kandji"]["by_path"], json!({"GET /a": 2}));
    }

    #[test]
    fn a_reset_forgets_calls_that_began_before_it() {
        let traffic = Traffic::new();
        let call = traffic.arrive(Api::AssetPanda, "GET", "/a", "/a");
        traffic.reset();
        call.answered(200);
        assert_eq!(traffic.counters(&[])["asset_panda"]["calls"], 0);
        assert_eq!(traffic.counters(&[])["asset_panda"]["by_status"], json!({}));
        assert_eq!(traffic.counters(&[])["asset_panda"]["in_flight"], 0);
    }
}
