//! READ, first part: which users are active. Only where User Active is mapped, and only if the token may ask.

use pandaport_import::{CheckReason, Finding, SourceField};
use pandaport_store::engine::CountDeltas;

use super::schema::notes_of;
use crate::checkpoint::Users;
use crate::halt::{Api, Halt};
use crate::plan::json;
use crate::run::Run;

/// How many pauses the users are worth, should they alone be out: some half a minute. All else does not need them.
const PAUSES: i64 = 3;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    // Done with in an earlier slice, which has noted how it went.
    if run.checkpoint.users == Users::Done {
        return Ok(());
    }
    if !run.spec.pairs.iter().any(|pair| pair.source_field == SourceField::UserActive) {
        run.checkpoint.users = Users::Done;
    }
    while run.checkpoint.users != Users::Done {
        run.in_time()?;
        let cursor = match &run.checkpoint.users {
            Users::Until(cursor) => Some(cursor.clone()),
            Users::Unread | Users::Done => None,
        };
        let page = match run.clients.kandji.users(cursor.as_deref()).await {
            Ok(page) => page,
            // A missing permission (some tenants answer 401 for it) or a tenant without this call leaves User Active
            // unknown: the column stays as it is. A token that is refused altogether shows at the devices, right after
            // this, and so does a host that is out.
            Err(error) => match Halt::from_call(Api::Kandji, &error) {
                halt @ (Halt::Failed(_) | Halt::Outage { .. }) => {
                    if matches!(halt, Halt::Outage { .. }) && run.slice.row.outage_pauses < PAUSES {
                        return Err(halt);
                    }
                    tracing::warn!(%error, "Kandji does not let the users be read: User Active is left as it is");
                    return leave_out(run, &error.to_string()).await;
                }
                halt => return Err(halt),
            },
        };
        let mut active = Vec::with_capacity(page.users.len());
        for user in page.users {
            let Some(is_active) = user.active else { continue };
            // Old device records name their user by the old integer id.
            active.extend(user.deprecated_id.map(|id| (id, is_active)));
            active.push((user.id, is_active));
        }
        run.checkpoint.users = page.next_cursor.map_or(Users::Done, Users::Until);
        let progress = run.progress(CountDeltas::default());
        if run.store.save_users(&run.slice, &active, &progress).await? {
            return Err(Halt::Cancelled);
        }
        run.got_on = true;
        run.note_answer();
    }
    note(run, None).await
}

async fn leave_out(run: &mut Run, why: &str) -> Result<(), Halt> {
    run.checkpoint.users = Users::Done;
    let at = run.spec.pairs.iter().position(|pair| pair.source_field == SourceField::UserActive).unwrap_or_default();
    let message = format!("GET /users can't be read, so that User Active is left as it is: {why}");
    let unread =
        Finding { field: format!("mapping.fields[{at}].source_field"), reason: CheckReason::UsersUnread, message };
    note(run, Some(unread)).await
}

/// Says with the mapping that its users could not be read, or no longer says so.
async fn note(run: &mut Run, unread: Option<Finding>) -> Result<(), Halt> {
    if run.slice.guard.dry_run {
        return Ok(());
    }
    let mut notes = notes_of(run)?;
    notes.retain(|it| it.reason != CheckReason::UsersUnread);
    notes.extend(unread);
    let notes = json(&notes);
    if notes != run.slice.row.notes {
        run.store.note_schema(&run.slice, &notes, None).await?;
        run.slice.row.notes = notes;
    }
    Ok(())
}
