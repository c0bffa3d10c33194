//! A backup that is restored late: what it believes is behind what was written since. As docs/operations.md has it.

use std::path::{Path, PathBuf};
use std::process::Command;

use pandaport_store::Store;
use pandaport_test_database::{is_postgres, run};
use rstest::rstest;
use serde_json::json;

use crate::harness::caller::{Caller, counts, incremental};
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, import};
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::truth::assert_settled;
use crate::harness::wait::until_so;

/// A backup of an installation's database.
struct Backup {
    file: PathBuf,
}

impl Backup {
    /// While its programs run.
    async fn of(installation: &Installation) -> Self {
        let file = installation.path().join("backup");
        if is_postgres() {
            let options = ["--format=custom", "--file"];
            succeeds(Command::new("pg_dump").args(options).arg(&file).arg(libpq(installation)));
        } else {
            let store = Store::connect(installation.database_url()).await.unwrap();
            run(&store, format!("VACUUM INTO '{}'", file.display())).await;
            store.close().await;
        }
        Self { file }
    }

    /// While none of them runs.
    async fn restore(&self, installation: &Installation) {
        if is_postgres() {
            let options = ["--clean", "--if-exists", "--single-transaction", "--dbname"];
            succeeds(Command::new("pg_restore").args(options).arg(libpq(installation)).arg(&self.file));
        } else {
            let database = installation.path().join("pandaport.db");
            for ending in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(Path::new(&format!("{}{ending}", database.display())));
            }
            std::fs::copy(&self.file, database).unwrap();
        }
    }
}

/// The URL without what only our driver reads.
fn libpq(installation: &Installation) -> String {
    installation.database_url().split('?').next().unwrap().to_owned()
}

fn succeeds(command: &mut Command) {
    let ended = command.output().expect("PostgreSQL's clients are installed");
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// What was at work when the backup was made has been silent for long by the time it is restored, and no sync has gone on.
async fn a_day_passes(installation: &Installation) {
    let store = Store::connect(installation.database_url()).await.unwrap();
    for sql in [
        "UPDATE processes SET beat_time = beat_time - 86400000000",
        "UPDATE workers SET beat_time = beat_time - 86400000000",
        "UPDATE syncs SET next_slice_time = next_slice_time - 86400000000",
        "UPDATE continuity SET beat_time = beat_time - 86400000000",
    ] {
        run(&store, sql).await;
    }
    store.close().await;
}

#[rstest]
#[case::with_a_word_to_migrate(true)]
#[case::without(false)]
#[tokio::test]
async fn a_backup_that_is_restored_late_makes_no_duplicate(#[case] told: bool) {
    let mut scene = Scene::of(60).await;
    let mapping_id = import(&scene.caller, &scene.sandbox, "serial_number").await.mapping_id;
    let deleted = scene.sandbox.records().await[0].clone();
    let backup = Backup::of(&scene.installation).await;

    // Devices come, change, and go; a record is deleted by hand and made anew; and a create is in flight at the end.
    scene.sandbox.add_device(json!({"count": 20})).await;
    assert!(scene.sandbox.change(40.0, 1).await > 0);
    scene.sandbox.delete_record(&deleted.id).await;
    assert_succeeded(&scene.full_sync(&mapping_id).await);
    in_flight(&scene, &mapping_id).await;
    scene.up.process.kill_hard();
    scene.sandbox.heal().await;

    backup.restore(&scene.installation).await;
    if told {
        a_day_passes(&scene.installation).await;
        let said = scene.installation.migrate_with(&["--restored"]).await;
        assert!(said.contains("0 active syncs will look"), "{said}");
    }
    scene.start_again().await;

    assert!(scene.sandbox.change(20.0, 2).await > 0);
    let device_id = deleted.values["Device ID"].as_str().expect("a device id");
    scene.sandbox.edit_device(device_id, json!({"os_version": "99.9"})).await;
    let sync = scene.sync(&mapping_id).await;
    assert_succeeded(&sync);
    let [read, created, adopted, ..] = counts(&sync);
    assert_eq!(read, 85);
    // Twenty that came, one whose record was made anew, and five of which it depends on how far their creates came.
    assert_eq!(created + adopted, 26, "what is there already is adopted: {sync:#?}");
    assert!(adopted >= 21, "{sync:#?}");
    assert_succeeded(&scene.full_sync(&mapping_id).await);
    scene.assert_every_value_is_right().await;
    assert_settled(&scene.caller, &scene.sandbox, &mapping_id).await;
}

/// Five devices more, and a create for them that nobody hears of again.
async fn in_flight(scene: &Scene, mapping_id: &str) {
    scene.sandbox.add_device(json!({"count": 5})).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 500}})).await;
    scene.sandbox.forget_calls().await;
    scene.caller.trigger(incremental(mapping_id)).await;
    until_so("a create on its way", PATIENCE, async || scene.sandbox.counters().await.creates() > 0).await;
}

#[rstest]
#[case::with_a_word_to_migrate(true)]
#[case::without(false)]
#[tokio::test]
async fn a_sync_that_a_backup_was_made_in_the_middle_of_looks_again_before_it_goes_on(#[case] told: bool) {
    let mut scene = Scene::with(200, |installation| installation.with("PANDAPORT_SLICE", "500ms")).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 200}})).await;
    let begun = crate::harness::journey::begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    until_so("creates", PATIENCE, async || scene.sandbox.counters().await.creates() >= 5).await;
    let backup = Backup::of(&scene.installation).await;
    // Everything is made, also what the backup has yet to make.
    assert_succeeded(&ended(&scene.caller, &begun.sync.sync_id).await);
    scene.up.process.kill_hard();
    scene.sandbox.heal().await;
    assert_eq!(scene.sandbox.records().await.len(), 200);

    backup.restore(&scene.installation).await;
    a_day_passes(&scene.installation).await;
    if told {
        let said = scene.installation.migrate_with(&["--restored"]).await;
        assert!(said.contains("1 active sync will look"), "{said}");
    }
    scene.start_again().await;

    let sync = ended(&scene.caller, &begun.sync.sync_id).await;
    assert_succeeded(&sync);
    assert!(counts(&sync)[2] > 100, "most were made since the backup, and are adopted: {sync:#?}");
    scene.assert_every_value_is_right().await;
    assert_settled(&scene.caller, &scene.sandbox, &begun.mapping_id).await;
}

async fn ended(caller: &Caller, sync_id: &str) -> pandaport_api::v1::Sync {
    caller.ended(sync_id, PATIENCE).await
}
