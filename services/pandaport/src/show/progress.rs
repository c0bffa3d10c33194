//! How far a sync has come, as one line that a bar or a log can show.

use jiff::Timestamp;
use pandaport_api::v1::{Sync, SyncPhase, SyncState};

use super::text::{clean, count, number};
use super::time::{clock, length, timestamp};

/// How far a sync has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing, in a few words.
    pub task: String,
    /// Devices dealt with.
    pub done: u64,
    /// Devices there are to deal with; `None` while that is not known.
    pub total: Option<u64>,
    /// What else is worth saying: rejections, what it waits for, when it will be done. May be empty.
    pub note: String,
}

impl Progress {
    /// What a sync's state says at `now`.
    #[must_use]
    pub fn of(sync: &Sync, now: Timestamp) -> Self {
        let counts = sync.counts.unwrap_or_default();
        let read = u64::from(counts.read);
        let settled: u64 = [
            counts.created,
            counts.adopted,
            counts.updated,
            counts.unchanged,
            counts.skipped,
            counts.rejected,
            counts.still_rejected,
        ]
        .into_iter()
        .map(u64::from)
        .sum();
        // Before the plan is made, unchanged devices are all that is settled: what counts is how many were read.
        let (done, total) = match sync.phase() {
            SyncPhase::Apply | SyncPhase::Remove => (settled.min(read), Some(read)),
            _ => (read, None),
        };
        Self { task: task(sync).to_owned(), done, total, note: note(sync, now) }
    }

    /// What stands beside a bar, or beside a mark that turns where no bar can be shown: the note, and in the second case
    /// how many devices there are so far.
    #[must_use]
    pub fn aside(&self) -> String {
        match (self.total, self.done) {
            (Some(_), _) | (None, 0) => self.note.clone(),
            (None, done) if self.note.is_empty() => count(done, "device", "devices"),
            (None, done) => format!("{}; {}", count(done, "device", "devices"), self.note),
        }
    }

    /// The line without a bar: `writing records: 250 of 500 devices; 2 rejected`.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut line = self.task.to_lowercase();
        match self.total {
            Some(total) => {
                line.push_str(&format!(": {} of {} devices", number(self.done), number(total)));
            }
            None if self.done > 0 => line.push_str(&format!(": {}", count(self.done, "device", "devices"))),
            None => {}
        }
        if !self.note.is_empty() {
            line.push_str("; ");
            line.push_str(&self.note);
        }
        line
    }
}

fn task(sync: &Sync) -> &'static str {
    match sync.state() {
        SyncState::Queued => return "Queued",
        SyncState::Waiting => return "Waiting",
        _ => {}
    }
    match sync.phase() {
        SyncPhase::Unspecified => "Starting",
        SyncPhase::Schema => "Checking columns",
        SyncPhase::Read => "Reading devices",
        SyncPhase::Resolve => "Looking up records",
        SyncPhase::Decide => "Working out changes",
        SyncPhase::Apply => "Writing records",
        SyncPhase::Remove => "Finishing",
    }
}

fn note(sync: &Sync, now: Timestamp) -> String {
    let mut notes = Vec::new();
    let counts = sync.counts.unwrap_or_default();
    let rejected = u64::from(counts.rejected) + u64::from(counts.still_rejected);
    if rejected > 0 {
        notes.push(format!("{} rejected", number(rejected)));
    }
    if let Some(wait) = &sync.wait {
        let until = wait.until.as_ref().and_then(timestamp);
        let until = until.map_or_else(String::new, |it| format!(", goes on at {}", clock(it)));
        let message = clean(wait.message.trim_end_matches('.')).into_owned();
        notes.push(format!("{message}{until}"));
    } else if sync.cancel_request_time.is_some() {
        notes.push("being cancelled".to_owned());
    } else if let Some(left) = left(sync, now) {
        notes.push(left);
    }
    notes.join(", ")
}

/// `about 2 min left`, where that is known and not over in a moment.
fn left(sync: &Sync, now: Timestamp) -> Option<String> {
    let finish = timestamp(sync.estimate.as_ref()?.finish_time.as_ref()?)?;
    let seconds = finish.duration_since(now).as_secs();
    // The estimate is a guess: seconds matter only near the end, and a guess of a moment says nothing.
    let rounded = match seconds {
        ..=2 => return None,
        3..60 => seconds,
        60..3600 => seconds / 60 * 60,
        _ => seconds / 600 * 600,
    };
    let rounded = std::time::Duration::from_secs(rounded.try_into().ok()?);
    Some(format!("about {} left", length(rounded)))
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{SyncCounts, SyncEstimate, SyncWait};

    use super::*;
    use crate::show::sync::tests::at;

    fn now() -> Timestamp {
        timestamp(&at(0)).expect("a valid time")
    }

    fn running(phase: SyncPhase, counts: SyncCounts) -> Sync {
        Sync { state: SyncState::Running.into(), phase: phase.into(), counts: Some(counts), ..Sync::default() }
    }

    #[test]
    fn a_sync_is_followed_from_phase_to_phase() {
        let counts = |read, unchanged, created| SyncCounts { read, unchanged, created, ..SyncCounts::default() };
        let writing = Sync {
            estimate: Some(SyncEstimate { calls_left: 200, finish_time: Some(at(150)) }),
            ..running(SyncPhase::Apply, counts(1_500, 500, 250))
        };
        let waiting = Sync {
            state: SyncState::Waiting.into(),
            wait: Some(SyncWait {
                reason: "BUDGET".into(),
                message: "No calls are left at Asset Panda.".into(),
                until: Some(at(60)),
            }),
            ..writing.clone()
        };
        let steps = [
            Sync { state: SyncState::Queued.into(), ..Sync::default() },
            running(SyncPhase::Schema, counts(0, 0, 0)),
            running(SyncPhase::Read, counts(598, 100, 0)),
            running(SyncPhase::Resolve, counts(1_500, 500, 0)),
            writing,
            waiting,
        ];
        let lines: Vec<String> = steps.iter().map(|it| Progress::of(it, now()).plain()).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        queued
        checking columns
        reading devices: 598 devices
        looking up records: 1,500 devices
        writing records: 750 of 1,500 devices; about 2 min left
        waiting: 750 of 1,500 devices; No calls are left at Asset Panda, goes on at 09:15:02
        "#);
    }

    #[test]
    fn a_bar_never_shows_more_than_all() {
        let counts = SyncCounts { read: 10, created: 8, rejected: 3, ..SyncCounts::default() };
        let progress = Progress::of(&running(SyncPhase::Apply, counts), now());
        assert_eq!((progress.done, progress.total), (10, Some(10)));
        assert_eq!(progress.note, "3 rejected");
    }
}
