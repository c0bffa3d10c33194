//! Syncs: as a sheet, as a table, and in a sentence.

use jiff::Timestamp;
use pandaport_api::v1::{Sync, SyncCounts, SyncPhase, SyncState};

use super::name::{short, words};
use super::table::{Kind, sheet, table};
use super::text::{clean, count, number};
use super::time::{length, moment, span};

/// Whether the sync has ended.
#[must_use]
pub fn is_final(state: SyncState) -> bool {
    matches!(
        state,
        SyncState::Succeeded
            | SyncState::CompletedWithRejections
            | SyncState::Held
            | SyncState::Failed
            | SyncState::Cancelled
    )
}

/// One sync, a line for each of its properties.
#[must_use]
pub fn sync(width: Option<u16>, it: &Sync, now: Timestamp) -> String {
    let calls = it.calls.unwrap_or_default();
    let mut state = short(it.state().as_str_name(), "SYNC_STATE_").to_owned();
    if !is_final(it.state()) && it.phase() != SyncPhase::Unspecified {
        state = format!("{state}, in {}", short(it.phase().as_str_name(), "SYNC_PHASE_"));
    }
    let mut lines = vec![
        ("Sync", it.sync_id.clone()),
        ("Mapping", it.mapping_id.clone()),
        ("State", state),
        ("Mode", mode(it)),
        ("Started by", words(it.trigger().as_str_name(), "SYNC_TRIGGER_")),
        ("Devices", counts(&it.counts.unwrap_or_default())),
        (
            "Calls",
            format!("{} to Kandji, {} to Asset Panda", number(calls.kandji.into()), number(calls.asset_panda.into())),
        ),
    ];
    if let Some(estimate) = &it.estimate {
        lines.push((
            "Left",
            format!(
                "{}, done at {}",
                count(estimate.calls_left.into(), "call", "calls"),
                moment(estimate.finish_time.as_ref())
            ),
        ));
    }
    if let Some(wait) = &it.wait {
        lines.push(("Waits", format!("until {}: {} ({})", moment(wait.until.as_ref()), wait.message, wait.reason)));
    }
    if let Some(error) = &it.error {
        lines.push(("Error", format!("{} ({})", error.message, error.reason)));
    }
    lines.push(("Queued", moment(it.create_time.as_ref())));
    lines.push(("Started", moment(it.start_time.as_ref())));
    lines.push(("Ended", moment(it.end_time.as_ref())));
    if let Some(took) = span(it.start_time.as_ref(), it.end_time.as_ref(), now) {
        lines.push(("Took", length(took)));
    }
    sheet(width, &lines)
}

/// A table of syncs.
#[must_use]
pub fn syncs(width: Option<u16>, syncs: &[Sync], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = syncs
        .iter()
        .map(|it| {
            let counts = it.counts.unwrap_or_default();
            let calls = it.calls.unwrap_or_default();
            vec![
                it.sync_id.clone(),
                short(it.state().as_str_name(), "SYNC_STATE_").to_owned(),
                mode(it),
                number(counts.read.into()),
                number((counts.created + counts.adopted + counts.updated).into()),
                number((counts.rejected + counts.still_rejected).into()),
                number(u64::from(calls.kandji) + u64::from(calls.asset_panda)),
                moment(it.create_time.as_ref()),
                span(it.start_time.as_ref(), it.end_time.as_ref(), now).map_or_else(|| "-".to_owned(), length),
            ]
        })
        .collect();
    let columns = [
        ("SYNC", Kind::Id),
        ("STATE", Kind::Id),
        ("MODE", Kind::Id),
        ("READ", Kind::Number),
        ("WRITTEN", Kind::Number),
        ("REJECTED", Kind::Number),
        ("CALLS", Kind::Number),
        ("QUEUED", Kind::Id),
        ("TOOK", Kind::Id),
    ];
    table(width, &columns, &rows)
}

/// What came of one sync, as a table of one row: what is rarely anything but 0 has a column only where it is.
#[must_use]
pub fn outcome(width: Option<u16>, it: &Sync, now: Timestamp) -> String {
    let counts = it.counts.unwrap_or_default();
    let calls = it.calls.unwrap_or_default();
    let took = span(it.start_time.as_ref(), it.end_time.as_ref(), now).map(length);
    let cells = [
        ("READ", counts.read, true),
        ("CREATED", counts.created, true),
        ("ADOPTED", counts.adopted, false),
        ("UPDATED", counts.updated, true),
        ("UNCHANGED", counts.unchanged, true),
        ("SKIPPED", counts.skipped, false),
        ("REJECTED", counts.rejected, true),
        ("STILL REJECTED", counts.still_rejected, false),
        ("REMOVED", counts.removed, false),
        ("DRIFTED", it.drifted, false),
        ("KANDJI CALLS", calls.kandji, true),
        ("ASSET PANDA CALLS", calls.asset_panda, true),
    ];
    let shown = cells.iter().filter(|(_, n, always)| *always || *n > 0);
    let mut columns: Vec<(&str, Kind)> = Vec::new();
    let mut row = Vec::new();
    for (name, n, _) in shown {
        columns.push((name, Kind::Number));
        row.push(number((*n).into()));
    }
    columns.push(("TOOK", Kind::Number));
    row.push(took.unwrap_or_else(|| "-".to_owned()));
    table(width, &columns, &[row])
}

/// How a sync ended, in a sentence: `Succeeded: 500 read, 500 created.`
#[must_use]
pub fn sentence(it: &Sync) -> String {
    let state = match it.state() {
        SyncState::Succeeded | SyncState::CompletedWithRejections if it.dry_run => {
            "Nothing was written; a sync would do this"
        }
        SyncState::Succeeded => "Succeeded",
        SyncState::CompletedWithRejections => "Completed, with rejections",
        SyncState::Held => "Done, but for what is held until it is approved",
        SyncState::Failed => "Failed",
        SyncState::Cancelled => "Cancelled",
        SyncState::Queued | SyncState::Running | SyncState::Waiting | SyncState::Unspecified => "Not ended yet",
    };
    let counts = counts(&it.counts.unwrap_or_default());
    match &it.error {
        Some(error) => format!("{state}: {} ({}) Devices: {counts}.", clean(&error.message), clean(&error.reason)),
        None => format!("{state}: {counts}."),
    }
}

/// The counts that are not 0, read first: `500 read, 3 created, 497 unchanged`.
fn counts(it: &SyncCounts) -> String {
    let mut parts = vec![format!("{} read", number(it.read.into()))];
    let rest = [
        (it.created, "created"),
        (it.adopted, "adopted"),
        (it.updated, "updated"),
        (it.unchanged, "unchanged"),
        (it.skipped, "skipped"),
        (it.rejected, "rejected"),
        (it.still_rejected, "still rejected"),
        (it.removed, "removed"),
    ];
    for (n, what) in rest {
        if n > 0 {
            parts.push(format!("{} {what}", number(n.into())));
        }
    }
    parts.join(", ")
}

fn mode(it: &Sync) -> String {
    let mode = short(it.mode().as_str_name(), "SYNC_MODE_");
    if it.dry_run { format!("{mode}, dry run") } else { mode.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use pandaport_api::v1::{ApiCalls, SyncError, SyncMode, SyncTrigger, SyncWait};

    use super::*;

    pub(crate) fn at(seconds: i64) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds: 1_795_166_042 + seconds, nanos: 0 }
    }

    pub(crate) fn first() -> Sync {
        Sync {
            sync_id: "0199aaaa-0000-7000-8000-000000000003".into(),
            mapping_id: "0199aaaa-0000-7000-8000-000000000002".into(),
            state: SyncState::Succeeded.into(),
            phase: SyncPhase::Remove.into(),
            mode: SyncMode::Incremental.into(),
            trigger: SyncTrigger::First.into(),
            counts: Some(SyncCounts { read: 1_250, created: 1_250, ..SyncCounts::default() }),
            calls: Some(ApiCalls { kandji: 6, asset_panda: 276 }),
            create_time: Some(at(0)),
            start_time: Some(at(1)),
            end_time: Some(at(66)),
            ..Sync::default()
        }
    }

    #[test]
    fn the_outcome_is_a_row_with_the_calls_made() {
        insta::assert_snapshot!(outcome(None, &first(), Timestamp::UNIX_EPOCH), @r#"
         READ  CREATED  UPDATED  UNCHANGED  REJECTED  KANDJI CALLS  ASSET PANDA CALLS       TOOK
        1,250    1,250        0          0         0             6                276  1 min 5 s
        "#);
    }

    #[test]
    fn what_is_rarely_there_shows_when_it_is() {
        let mut sync = first();
        sync.counts = Some(SyncCounts { read: 3, adopted: 1, still_rejected: 2, ..SyncCounts::default() });
        insta::assert_snapshot!(outcome(None, &sync, Timestamp::UNIX_EPOCH), @r#"
        READ  CREATED  ADOPTED  UPDATED  UNCHANGED  REJECTED  STILL REJECTED  KANDJI CALLS  ASSET PANDA CALLS       TOOK
           3        0        1        0          0         0               2             6                276  1 min 5 s
        "#);
    }

    #[test]
    fn a_sync_that_waits_says_what_for() {
        let sync_ = Sync {
            state: SyncState::Waiting.into(),
            phase: SyncPhase::Apply.into(),
            wait: Some(SyncWait {
                reason: "BUDGET".into(),
                message: "No calls are left at Asset Panda.".into(),
                until: Some(at(120)),
            }),
            end_time: None,
            ..first()
        };
        let now = Timestamp::from_second(at(91).seconds).unwrap_or_default();
        insta::assert_snapshot!(sync(None, &sync_, now), @r#"
        Sync        0199aaaa-0000-7000-8000-000000000003
        Mapping     0199aaaa-0000-7000-8000-000000000002
        State       WAITING, in APPLY
        Mode        INCREMENTAL
        Started by  first
        Devices     1,250 read, 1,250 created
        Calls       6 to Kandji, 276 to Asset Panda
        Waits       until 2026-11-20T09:16:02Z: No calls are left at Asset Panda. (BUDGET)
        Queued      2026-11-20T09:14:02Z
        Started     2026-11-20T09:14:03Z
        Ended       -
        Took        1 min 30 s
        "#);
    }

    #[test]
    fn a_table_of_syncs() {
        insta::assert_snapshot!(syncs(None, &[first()], Timestamp::UNIX_EPOCH), @r#"
        SYNC                                  STATE      MODE          READ  WRITTEN  REJECTED  CALLS  QUEUED                TOOK
        0199aaaa-0000-7000-8000-000000000003  SUCCEEDED  INCREMENTAL  1,250    1,250         0    282  2026-11-20T09:14:02Z  1 min 5 s
        "#);
    }

    #[test]
    fn the_end_is_told_in_a_sentence() {
        assert_eq!(sentence(&first()), "Succeeded: 1,250 read, 1,250 created.");
        let dry = Sync { dry_run: true, ..first() };
        assert_eq!(sentence(&dry), "Nothing was written; a sync would do this: 1,250 read, 1,250 created.");
        let failed = Sync {
            state: SyncState::Failed.into(),
            error: Some(SyncError { reason: "COLUMN_UNKNOWN".into(), message: "The column is gone.".into() }),
            ..first()
        };
        assert_eq!(
            sentence(&failed),
            "Failed: The column is gone. (COLUMN_UNKNOWN) Devices: 1,250 read, 1,250 created."
        );
    }
}
