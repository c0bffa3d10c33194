//! READ, first part: which users are active. Only where User Active is mapped, and only if the token may ask.

use pandaport_import::SourceField;
use pandaport_store::engine::CountDeltas;

use crate::checkpoint::Users;
use crate::halt::{Api, Halt};
use crate::run::Run;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
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
            // A missing permission (some tenants answer 401 for it) leaves User Active unknown: the column stays as it
            // is. A token that is refused altogether shows at the devices, right after this.
            Err(error) if error.is_credentials() => {
                tracing::warn!(%error, "Kandji does not permit GET /users: User Active is left as it is");
                run.checkpoint.users = Users::Done;
                break;
            }
            Err(error) => return Err(Halt::from_call(Api::Kandji, &error)),
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
    Ok(())
}
