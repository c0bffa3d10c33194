//! An installation that moves from a SQLite file to a PostgreSQL server, in the middle of a sync.

use pandaport_test_database::is_postgres;
use serde_json::json;

use crate::harness::installation::Installation;
use crate::harness::journey::PATIENCE;
use crate::harness::sandbox::Sandbox;
use crate::harness::trial::{Against, Trial};
use crate::harness::wait::until_so;

#[tokio::test]
async fn an_installation_that_moves_to_a_server_in_the_middle_of_a_sync_goes_on_there() {
    if !is_postgres() {
        return;
    }
    let sandbox = Sandbox::start(200).await;
    let old = Installation::in_file(&sandbox);
    let mut up = old.up().await;
    let slow = json!({"asset_panda": {"latency_ms": 200}});
    let trial = Trial::against(Against::Changes, &up.caller(), &sandbox, slow).await;
    sandbox.forget_calls().await;
    until_so("batches on their way", PATIENCE, async || sandbox.counters().await.writes() >= 3).await;
    // Killed, not stopped: what was in flight is unclear on both ends.
    up.process.kill_hard();

    let key = old.path().join("pandaport.db.key").display().to_string();
    let new =
        Installation::new(&sandbox).without("PANDAPORT_ENCRYPTION_KEY").with("PANDAPORT_ENCRYPTION_KEY_FILE", &key);
    let said = old.migrate_with(&["--from", old.database_url(), "--to", new.database_url()]).await;
    assert!(said.contains("checksums of all tables agree") && said.contains("1 active sync goes on"), "{said}");

    // The file can't be taken for the installation any more.
    assert!(old.path().join("pandaport.db.moved").exists() && !old.path().join("pandaport.db").exists());
    let up = new.up().await;
    trial.holds_and_is_settled(&up.caller(), &sandbox).await;
}
