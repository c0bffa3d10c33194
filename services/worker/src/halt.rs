//! Why a slice ends before its sync does, and what follows from each reason.

use std::time::Duration;

use pandaport_outbound::{ErrorKind, SendError};
use pandaport_store::StoreError;

/// Why a phase stops here.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The slice's time is up, or the process is stopping: go on at once, here or elsewhere.
    TimeUp,
    /// Another worker has the sync.
    FenceLost,
    /// The sync is to be cancelled.
    Cancelled,
    /// The database did not answer: nothing can be kept, so nothing more is done.
    Store(StoreError),
    /// No calls are allowed for now.
    Budget { api: Api, after: Duration },
    /// An API is out.
    Outage { api: Api, message: String },
    /// Nothing can be done before what may have been written can be found by a search.
    Settle { until: pandaport_store::Micros, message: &'static str },
    /// The sync can't go on, and waiting won't help.
    Failed(Failure),
}

/// A failure a person has to mend.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// What breaks the mapping (rule 15).
    pub(crate) broken: Option<String>,
    /// A 401 or 403 from the calls every sync needs: it counts against the connection.
    pub(crate) credentials_refused: bool,
}

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Kandji,
    AssetPanda,
}

impl Api {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kandji => "Kandji",
            Self::AssetPanda => "Asset Panda",
        }
    }

    /// What to do where a call is not permitted.
    fn right(self) -> &'static str {
        match self {
            Self::Kandji => "in Kandji, give the API token the permission for it",
            Self::AssetPanda => {
                "in Asset Panda, give the user of the API key the right to look up, create, edit and (where the removal \
                 policy deletes) delete records of this collection"
            }
        }
    }
}

/// How long to wait after a 429 that does not say how long.
const UNSAID_RATE_LIMIT_PAUSE: Duration = Duration::from_secs(60);

impl Halt {
    /// What the failure of a call that every sync needs, and TestConnection makes, means for the sync: the device list or
    /// the columns. Refused credentials count against the connection.
    pub(crate) fn from_needed_call(api: Api, error: &SendError) -> Self {
        let mut halt = Self::from_call(api, error);
        if let Self::Failed(failure) = &mut halt {
            let name = api.name();
            let said = error.to_string();
            let said = said.trim_end_matches('.');
            failure.credentials_refused = error.is_credentials();
            match error.kind {
                ErrorKind::Unauthorized => {
                    failure.message =
                        format!("{name} refused the credentials: {said}. Enter new ones with ConfigureConnection");
                }
                ErrorKind::Forbidden => {
                    failure.message = format!("{name} does not permit this call: {said}. TestConnection says which");
                }
                _ => {}
            }
        }
        halt
    }

    /// What a failed call means for the sync. A 401 or 403 says nothing of the connection: it may only mean that the token,
    /// or the key's user, lacks a permission that TestConnection cannot see.
    pub(crate) fn from_call(api: Api, error: &SendError) -> Self {
        let name = api.name();
        let said = error.to_string();
        let said = said.trim_end_matches('.');
        match error.kind {
            ErrorKind::DeadlinePassed => Self::TimeUp,
            ErrorKind::BudgetEmpty | ErrorKind::RateLimited => {
                Self::Budget { api, after: error.retry_after.unwrap_or(UNSAID_RATE_LIMIT_PAUSE) }
            }
            ErrorKind::Unavailable => {
                Self::Store(StoreError::Unavailable { message: error.message.clone(), disk_full: false })
            }
            ErrorKind::Unauthorized => Self::failed(
                "TOKEN_REFUSED",
                format!(
                    "{name} refused this call: {said}. If TestConnection finds the credentials good, {}",
                    api.right()
                ),
            ),
            ErrorKind::Forbidden => Self::failed(
                "PERMISSION_MISSING",
                format!(
                    "{name} does not permit this call: {said}. TestConnection cannot see this one: {}",
                    api.right()
                ),
            ),
            ErrorKind::HostNotAllowed => Self::failed("HOST_NOT_ALLOWED", error.to_string()),
            ErrorKind::NotFound => Self::failed(
                "NOT_AN_API",
                format!("{name} does not know this address: {said}. Check the base URL with TestConnection"),
            ),
            ErrorKind::Refused => Self::failed("REQUEST_REFUSED", format!("{name} refused the request: {said}")),
            _ => Self::Outage { api, message: error.to_string() },
        }
    }

    pub(crate) fn failed(reason: &'static str, message: String) -> Self {
        Self::Failed(Failure { reason, message, broken: None, credentials_refused: false })
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::FenceLost => Self::FenceLost,
            other => Self::Store(other),
        }
    }
}

/// The pause before an API that is out is asked again: 5 s, doubled each time, at most 5 minutes.
pub(crate) fn outage_pause(pauses_made: i64) -> Duration {
    let doublings = u32::try_from(pauses_made.clamp(0, 6)).unwrap_or(6);
    Duration::from_secs(5).saturating_mul(2_u32.saturating_pow(doublings)).min(Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes() {
        let pauses: Vec<u64> = (0..8).map(|made| outage_pause(made).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }
}
