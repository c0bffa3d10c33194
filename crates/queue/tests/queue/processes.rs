//! Several processes on one database, and what is left of one that was killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pandaport_queue::{Queue, ServeConfig, SliceEnd, SyncJob};
use pandaport_store::{Pool, Store};
use pandaport_test_database::{TestDatabase, run, scalar};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{behind, config, eventually, next, site, sync_id};

#[tokio::test]
async fn processes_that_migrate_at_once_find_one_schema() {
    let database = TestDatabase::empty().await;
    let directory = tempfile::tempdir().unwrap();
    let migrating = || child("processes::child_migrates", database.url(), directory.path());
    for mut child in [migrating(), migrating(), migrating(), migrating()] {
        assert!(child.wait().unwrap().success());
    }
    pandaport_queue::check_schema(&database.open().await).await.unwrap();
}

/// While a migration waits for a table, everybody else waits behind it. It gives way, and others go on, however long it takes
/// until it has its turn.
#[tokio::test]
async fn a_migration_gives_way_to_those_at_work() {
    let database = TestDatabase::new().await;
    let store = database.open().await;
    let Pool::Postgres(pool) = store.pool() else { return };
    // As the schema was before the last migration.
    for sql in [
        "ALTER TABLE syncs DROP COLUMN stretch",
        "DROP TABLE continuity",
        "DROP TABLE leftovers",
        "DROP TABLE slot_waits",
        "DELETE FROM _sqlx_migrations WHERE version >= 10",
    ] {
        run(&store, sql).await;
    }
    let mut long = pool.begin().await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM syncs").execute(&mut *long).await.unwrap();
    let migrating = tokio::spawn({
        let store = store.clone();
        async move { pandaport_queue::migrate(&store).await }
    });
    let waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'syncs'::regclass";
    eventually(async || scalar::<i64>(&store, waits).await > 0).await;
    let begin = Instant::now();
    run(&store, "UPDATE syncs SET phase = phase").await;
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    assert!(!migrating.is_finished());
    long.commit().await.unwrap();
    migrating.await.unwrap().unwrap();
    pandaport_queue::check_schema(&store).await.unwrap();
}

/// The program is killed in the middle of a slice; the next one is alone on the file, as `up` is.
#[tokio::test]
async fn after_a_kill_a_program_alone_goes_on_at_once() {
    let site = site().await;
    let id = sync_id();
    site.enqueue(id).await;
    kill_in_slice(site.database.url()).await;

    let begin = Instant::now();
    let mut tx = site.store.begin_write().await.unwrap();
    site.queue.start_over(&mut tx).await.unwrap();
    site.queue.enqueue(&mut tx, &behind(id)).await.unwrap();
    tx.commit().await.unwrap();
    // Paused longer than River keeps without its leader: this program must lead by then.
    let pause = Duration::from_secs(7);
    let (seen, mut slices) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |job: SyncJob, _| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            seen.send(job.sync_id).unwrap();
            async move { if n == 0 { SliceEnd::Again(pause) } else { SliceEnd::Done } }
        })
        .await
        .unwrap();
    assert_eq!(next(&mut slices).await, id);
    let resumed = begin.elapsed();
    assert_eq!(next(&mut slices).await, id);
    let again = begin.elapsed() - resumed;
    eprintln!("resumed after {resumed:?}, and again after {again:?}");
    assert!(resumed < Duration::from_secs(3), "{resumed:?}");
    assert!(again < pause + Duration::from_secs(2), "{again:?}");
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
    assert!(slices.try_recv().is_err(), "the killed program's own job was still there");
}

/// One worker of several is killed: nobody can start over, the rescue does it.
#[tokio::test]
async fn a_killed_workers_job_is_rescued() {
    let site = site().await;
    let id = sync_id();
    site.enqueue(id).await;
    kill_in_slice(site.database.url()).await;
    let begin = Instant::now();
    let (seen, mut slices) = mpsc::unbounded_channel();
    let config = ServeConfig { job_timeout: Duration::from_secs(2), rescue_every: Duration::from_secs(1), ..config() };
    let serving = site
        .queue
        .serve(config, site.shutdown.clone(), move |job: SyncJob, _| {
            seen.send(job.sync_id).unwrap();
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    assert_eq!(next(&mut slices).await, id);
    eprintln!("rescued after {:?}", begin.elapsed());
    // The killed one may have led: its lease is 15 s, bids are 5 s apart, the rescuer runs within 2 s.
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

/// Runs a worker as a process of its own and kills it in the middle of a slice.
async fn kill_in_slice(database: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut child = child("processes::child_serves", database, directory.path());
    let mark = directory.path().join("begun");
    eventually(async || mark.exists()).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// This very program, running one of the ignored tests below as a process of its own.
fn child(test: &str, database: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test])
        .env("TEST_DIRECTORY", directory)
        .env("TEST_DATABASE", database)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The database of a child, and where it leaves marks.
async fn given_to_child() -> Option<(Store, std::path::PathBuf)> {
    let directory = std::env::var_os("TEST_DIRECTORY")?;
    let store = Store::create(&std::env::var("TEST_DATABASE").unwrap()).await.unwrap();
    pandaport_queue::migrate(&store).await.unwrap();
    pandaport_queue::check_schema(&store).await.unwrap();
    Some((store, directory.into()))
}

#[tokio::test]
#[ignore = "run by others as a process of its own"]
async fn child_migrates() {
    given_to_child().await;
}

#[tokio::test]
#[ignore = "run by others as a process of its own"]
async fn child_serves() {
    let Some((store, directory)) = given_to_child().await else { return };
    let queue = Queue::new(&store).unwrap();
    let serving = queue
        .serve(config(), CancellationToken::new(), move |_: SyncJob, _| {
            let mark = directory.join("begun");
            async move {
                // It is killed in the middle of a slice, as the leader.
                tokio::time::sleep(Duration::from_millis(500)).await;
                std::fs::write(mark, "").unwrap();
                std::future::pending().await
            }
        })
        .await
        .unwrap();
    serving.stopped().await.unwrap();
}
