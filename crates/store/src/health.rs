//! A mapping's health: what an administrator is told of when it changes, and the one place that changes it.
//!
//! The end of a sync says how its mapping stands, and so does an outage that lasts. Where that differs from what was
//! known, the mapping's health and the alert that tells of it are written in the same transaction: one for each change,
//! none for a sync that finds what the one before found.

use std::time::Duration;

use crate::alerts::{self, AlertKind, Body, Counts, Health};
use crate::dialect::on_tx;
use crate::engine::{Ending, Wait};
use crate::{MappingId, Micros, Result, SyncId, Tenant, Tx};

/// How long an API must be out before the mapping counts as failing. Its sync goes on trying for much longer.
pub const OUTAGE_TOLERATED: Duration = Duration::from_secs(3600);

/// How long a mapping's fleet may not have been read to its end, while syncs come through, before the mapping counts as
/// failing: nothing that is gone is noticed meanwhile.
pub const INCOMPLETE_TOLERATED: Duration = Duration::from_secs(24 * 3600);

const READ_INCOMPLETE: &str = "READ_INCOMPLETE";

/// Reasons of a sync that failed because what somebody asked for no longer fits: nothing is wrong with its mapping.
const ASKED_FOR_TOO_LATE: [&str; 2] = ["PLAN_MOVED", "HELD_MOVED"];

/// The recovery of a mapping whose fleet could not be read to its end.
const CAME_THROUGH_INCOMPLETE: &str = "The last sync came through, but could not read the fleet to its end: what it read is \
                                       written, and no device counts as gone.";

/// What the end of a sync says of its mapping; `None`: nothing, all stays as it was. `rejected` are the devices that the
/// sync rejected or found still rejected; `unread` if the fleet has not been read to its end for long.
fn after(ending: &Ending, rejected: i64, unread: bool) -> Option<Health> {
    if ending.broken.is_some() {
        return Some(Health::Failing);
    }
    let too_late = |(reason, _): &(String, String)| ASKED_FOR_TOO_LATE.contains(&reason.as_str());
    match ending.state {
        "FAILED" if ending.error.as_ref().is_some_and(too_late) => None,
        "FAILED" => Some(Health::Failing),
        "SUCCEEDED" | "COMPLETED_WITH_REJECTIONS" | "HELD" if unread => Some(Health::Failing),
        "HELD" => Some(Health::Held),
        "SUCCEEDED" | "COMPLETED_WITH_REJECTIONS" if rejected > 0 => Some(Health::Rejections),
        "SUCCEEDED" | "COMPLETED_WITH_REJECTIONS" => Some(Health::Healthy),
        // Cancelled: it says nothing of what would have come of it.
        _ => None,
    }
}

/// A sync that is no dry run ended.
pub(crate) async fn sync_ended(tx: &mut Tx, sync_id: SyncId, ending: &Ending, now: Micros) -> Result<()> {
    let stands = Stands::read(tx, sync_id).await?;
    let incomplete = ending.complete && !ending.read_complete;
    let unread = incomplete && stands.is_unread_for_long(tx, now).await?;
    let rejected = stands.counts.rejected + stands.counts.still_rejected;
    let Some(health) = after(ending, rejected, unread) else { return Ok(()) };
    if health == stands.health {
        return Ok(());
    }
    let (reason, message) = match health {
        Health::Failing if unread => (READ_INCOMPLETE.to_owned(), stands.unread(ending)),
        Health::Healthy if incomplete => (String::new(), CAME_THROUGH_INCOMPLETE.to_owned()),
        Health::Healthy => (String::new(), "The last sync did everything.".to_owned()),
        Health::Rejections => (String::new(), rejections(tx, sync_id, &stands.counts).await?),
        Health::Held => (String::new(), held(tx, stands.mapping_id).await?),
        Health::Failing => ending.error.clone().unwrap_or_default(),
    };
    change(tx, &stands, health, reason, message, now).await
}

/// A sync that is no dry run waits for an API that is out.
pub(crate) async fn sync_waits(tx: &mut Tx, sync_id: SyncId, wait: &Wait, now: Micros) -> Result<()> {
    let Some((since, _)) = wait.outage else { return Ok(()) };
    if now.since(since) < OUTAGE_TOLERATED {
        return Ok(());
    }
    let stands = Stands::read(tx, sync_id).await?;
    if stands.health == Health::Failing {
        return Ok(());
    }
    let message = format!("{} The sync has been waiting since {since} and goes on trying.", sentence(&wait.message));
    change(tx, &stands, Health::Failing, wait.reason.to_owned(), message, now).await
}

/// A sync and its mapping, as the transaction sees them.
#[derive(sqlx::FromRow)]
struct Stands {
    mapping_id: MappingId,
    tenant: Tenant,
    display_name: String,
    health: Health,
    create_time: Micros,
    last_complete_read_time: Option<Micros>,
    sync_id: SyncId,
    state: String,
    #[sqlx(flatten)]
    counts: Counts,
}

impl Stands {
    async fn read(tx: &mut Tx, sync_id: SyncId) -> Result<Self> {
        Ok(on_tx!(tx, conn => sqlx::query_as::<_, Self>(
            "SELECT m.mapping_id, m.tenant, m.display_name, m.health, m.create_time, m.last_complete_read_time, s.sync_id, s.state, s.count_read, s.count_created, \
             s.count_adopted, s.count_updated, s.count_unchanged, s.count_skipped, s.count_rejected, s.count_still_rejected, \
             s.count_removed FROM syncs s JOIN mappings m ON m.mapping_id = s.mapping_id WHERE s.sync_id = $1")
            .bind(sync_id).fetch_one(&mut *conn).await)?)
    }

    /// Whether no read has been complete for long, though another sync has come through since the last one that was: the
    /// first read that is cut short after a night, or after a long pause, is no news.
    async fn is_unread_for_long(&self, tx: &mut Tx, now: Micros) -> Result<bool> {
        if now.since(self.last_complete_read_time.unwrap_or(self.create_time)) < INCOMPLETE_TOLERATED {
            return Ok(false);
        }
        let before: Option<(Option<Micros>,)> = on_tx!(tx, conn => sqlx::query_as(
            "SELECT start_time FROM syncs WHERE tenant = $1 AND mapping_id = $2 AND sync_id <> $3 AND NOT dry_run \
             AND state IN ('SUCCEEDED', 'COMPLETED_WITH_REJECTIONS', 'HELD') ORDER BY sync_id DESC LIMIT 1")
            .bind(&self.tenant).bind(self.mapping_id).bind(self.sync_id).fetch_optional(&mut *conn).await)?;
        Ok(before.is_some_and(|(start_time,)| start_time > self.last_complete_read_time))
    }

    /// Why the mapping counts as failing though its syncs come through.
    fn unread(&self, ending: &Ending) -> String {
        let why = ending.error.as_ref().filter(|(reason, _)| reason == READ_INCOMPLETE);
        let why = why.map(|(_, message)| format!("{} ", sentence(message))).unwrap_or_default();
        let since = match self.last_complete_read_time {
            Some(time) => format!("since {time}"),
            None => "so far".to_owned(),
        };
        format!(
            "{why}No read of the fleet was complete {since}: what is read is written, but no device counts as gone."
        )
    }
}

async fn change(
    tx: &mut Tx,
    stands: &Stands,
    health: Health,
    reason: String,
    message: String,
    now: Micros,
) -> Result<()> {
    on_tx!(&mut *tx, conn => sqlx::query("UPDATE mappings SET health = $2 WHERE mapping_id = $1")
        .bind(stands.mapping_id).bind(health).execute(conn).await.map(|_| ()))?;
    let kind = match health {
        Health::Healthy => AlertKind::Recovered,
        Health::Rejections => AlertKind::Rejections,
        Health::Held => AlertKind::Held,
        Health::Failing => AlertKind::Failing,
    };
    let body = Body {
        mapping_id: Some(stands.mapping_id),
        mapping_name: Some(stands.display_name.clone()),
        health: Some(health),
        previous_health: Some(stands.health),
        sync_id: Some(stands.sync_id),
        sync_state: Some(stands.state.clone()),
        counts: Some(stands.counts),
        reason,
        message: sentence(&message),
        ..Body::new(&stands.tenant, kind, now)
    };
    alerts::write(tx, &stands.tenant, &body, now).await
}

/// How many devices are rejected, and for which reasons, the most frequent first.
async fn rejections(tx: &mut Tx, sync_id: SyncId, counts: &Counts) -> Result<String> {
    let reasons: Vec<(String, i64)> = on_tx!(tx, conn => sqlx::query_as(
        "SELECT COALESCE(reason, '') AS why, COUNT(*) AS devices FROM sync_records \
         WHERE sync_id = $1 AND outcome = 'REJECTED' GROUP BY reason ORDER BY devices DESC, why")
        .bind(sync_id).fetch_all(&mut *conn).await)?;
    let reasons: Vec<String> = reasons.into_iter().map(|(reason, devices)| format!("{devices} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let mut parts = Vec::new();
    if counts.rejected > 0 {
        parts.push(format!("{} rejected{reasons}", many(counts.rejected, "device was", "devices were")));
    }
    if counts.still_rejected > 0 {
        parts.push(format!("{} still rejected from before", many(counts.still_rejected, "device is", "devices are")));
    }
    Ok(format!("{}. ListDevices with the state REJECTED says what to do about each.", parts.join("; ")))
}

async fn held(tx: &mut Tx, mapping_id: MappingId) -> Result<String> {
    let (held,): (i64,) = on_tx!(tx, conn => sqlx::query_as("SELECT COUNT(*) FROM held_changes WHERE mapping_id = $1")
        .bind(mapping_id).fetch_one(&mut *conn).await)?;
    let held = many(held, "change", "changes");
    Ok(format!("The brake holds {held} back. GetMapping shows them; ApproveHeld lets them through."))
}

fn many(count: i64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A message with its full stop.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the end of a sync says of its mapping's health, over every ending there is.
    #[test]
    fn the_end_of_a_sync_says_how_its_mapping_stands() {
        let (no, plan, held) = (None, Some("PLAN_MOVED"), Some("HELD_MOVED"));
        for (state, error, broken, rejected, health) in [
            ("SUCCEEDED", no, false, 0, Some(Health::Healthy)),
            ("SUCCEEDED", Some("READ_INCOMPLETE"), false, 0, Some(Health::Healthy)),
            ("COMPLETED_WITH_REJECTIONS", no, false, 3, Some(Health::Rejections)),
            ("HELD", no, false, 0, Some(Health::Held)),
            ("HELD", no, false, 3, Some(Health::Held)),
            ("HELD", held, false, 0, Some(Health::Held)),
            ("FAILED", Some("TOKEN_REFUSED"), false, 0, Some(Health::Failing)),
            ("FAILED", Some("COLUMN_UNKNOWN"), true, 3, Some(Health::Failing)),
            ("FAILED", plan, false, 0, None),
            ("FAILED", held, false, 0, None),
            ("CANCELLED", no, false, 3, None),
        ] {
            let ending = Ending {
                state,
                error: error.map(|reason| (reason.to_owned(), "It is so".to_owned())),
                complete: false,
                read_complete: false,
                weighed: false,
                broken: broken.then(|| "A column is gone".to_owned()),
            };
            assert_eq!(after(&ending, rejected, false), health, "{state} {error:?} {broken} {rejected}");
            let came_through = ["SUCCEEDED", "COMPLETED_WITH_REJECTIONS", "HELD"].contains(&state);
            let unread = if came_through { Some(Health::Failing) } else { health };
            assert_eq!(after(&ending, rejected, true), unread, "{state} {error:?} {broken} {rejected}");
        }
    }

    #[test]
    fn messages_are_sentences() {
        assert_eq!(sentence("It is out"), "It is out.");
        assert_eq!(sentence("It is out. Try again."), "It is out. Try again.");
        assert_eq!(sentence(""), "");
    }
}
