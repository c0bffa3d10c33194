//! Jobs and their slices within one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pandaport_queue::{Behind, JobContext, ServeConfig, SliceEnd, SyncJob, Urgency};
use pandaport_store::{Micros, Tx};
use pandaport_test_database::{is_postgres, run, scalar};
use tokio::sync::mpsc;

use crate::{PATIENCE, behind, config, eventually, next, site, sync_id};

#[tokio::test]
async fn a_job_is_there_when_its_transaction_commits_and_gone_with_a_rollback() {
    let site = site().await;
    let (kept, undone) = (sync_id(), sync_id());
    let (seen, mut jobs) = mpsc::unbounded_channel();
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |job: SyncJob, _| {
            seen.send(job.sync_id).unwrap();
            async { SliceEnd::Done }
        })
        .await
        .unwrap();

    let mut tx = site.store.begin_write().await.unwrap();
    site.queue.enqueue(&mut tx, &behind(undone)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(jobs.try_recv().is_err(), "served before it was committed");
    tx.rollback().await.unwrap();

    site.enqueue(kept).await;
    assert_eq!(next(&mut jobs).await, kept);
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
    assert!(jobs.try_recv().is_err(), "served what was rolled back, or served twice");
}

#[tokio::test]
async fn a_fresh_job_starts_at_once_and_knows_its_trace() {
    let site = site().await;
    let (seen, mut jobs) = mpsc::unbounded_channel();
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |job: SyncJob, context: JobContext| {
            seen.send((job, context.traceparent)).unwrap();
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    let mut slowest = Duration::ZERO;
    for n in 0..10 {
        let traceparent = (n % 2 == 0).then(|| format!("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b{n}-01"));
        let behind = Behind { traceparent: traceparent.clone(), ..behind(sync_id()) };
        let begin = Instant::now();
        let mut tx = site.store.begin_write().await.unwrap();
        site.queue.enqueue(&mut tx, &behind).await.unwrap();
        tx.commit().await.unwrap();
        let (job, trace) = next(&mut jobs).await;
        slowest = slowest.max(begin.elapsed());
        assert_eq!((job.v, job.sync_id, trace), (1, behind.sync_id, traceparent));
    }
    eprintln!("slowest start: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

#[tokio::test]
async fn a_slice_that_is_not_the_last_is_followed_by_the_next_one() {
    let site = site().await;
    let (seen, mut slices) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |_: SyncJob, _| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            seen.send(Instant::now()).unwrap();
            async move { if n < 10 { SliceEnd::Again(Duration::ZERO) } else { SliceEnd::Done } }
        })
        .await
        .unwrap();
    site.enqueue(sync_id()).await;
    let mut last = next(&mut slices).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let slice = next(&mut slices).await;
        slowest = slowest.max(slice - last);
        last = slice;
    }
    eprintln!("slowest resumption: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
    assert!(slices.try_recv().is_err());
}

/// All of a process's writes share one connection, first come, first served.
#[tokio::test]
async fn writers_that_never_pause_do_not_starve_the_queue() {
    let site = site().await;
    let (seen, mut slices) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |_: SyncJob, _| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            seen.send(Instant::now()).unwrap();
            async move { if n < 5 { SliceEnd::Again(Duration::ZERO) } else { SliceEnd::Done } }
        })
        .await
        .unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let store = site.store.clone();
            tokio::spawn(async move {
                loop {
                    let tx = store.begin_write().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    let mut last = Instant::now();
    site.enqueue(sync_id()).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..6 {
        let slice = next(&mut slices).await;
        slowest = slowest.max(slice - last);
        last = slice;
    }
    eprintln!("slowest slice beside busy writers: {slowest:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

/// Up to 5 s River makes the job available at once; beyond, its leader must wake it.
#[tokio::test]
async fn a_paused_job_goes_on_when_its_pause_is_over() {
    for pause in [Duration::from_millis(700), Duration::from_secs(7)] {
        let site = site().await;
        let (seen, mut slices) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let serving = site
            .queue
            .serve(config(), site.shutdown.clone(), move |_: SyncJob, _| {
                let n = count.fetch_add(1, Ordering::SeqCst);
                seen.send(Instant::now()).unwrap();
                async move { if n == 0 { SliceEnd::Again(pause) } else { SliceEnd::Done } }
            })
            .await
            .unwrap();
        site.enqueue(sync_id()).await;
        let first = next(&mut slices).await;
        let paused = next(&mut slices).await - first;
        eprintln!("asked for {pause:?}, got {paused:?}");
        assert!(paused >= pause && paused < pause + Duration::from_secs(2), "asked for {pause:?}, got {paused:?}");
        site.shutdown.cancel();
        serving.stopped().await.unwrap();
    }
}

#[tokio::test]
async fn a_slice_that_panics_is_tried_again() {
    let site = site().await;
    let (seen, mut slices) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |job: SyncJob, _| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            seen.send(job.sync_id).unwrap();
            assert!(n > 0, "a panic before the first await");
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    let id = sync_id();
    site.enqueue(id).await;
    assert_eq!((next(&mut slices).await, next(&mut slices).await), (id, id));
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_tells_the_slice_and_its_job_stays() {
    let site = site().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |_: SyncJob, context: JobContext| {
            let seen = seen.clone();
            async move {
                seen.send("begun").unwrap();
                context.stop.cancelled().await;
                seen.send("told").unwrap();
                SliceEnd::Again(Duration::ZERO)
            }
        })
        .await
        .unwrap();
    site.enqueue(sync_id()).await;
    assert_eq!(next(&mut events).await, "begun");
    site.shutdown.cancel();
    let begin = Instant::now();
    serving.stopped().await.unwrap();
    assert_eq!(next(&mut events).await, "told");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(site.queue.depth(Micros::now()).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_slice_that_does_not_stop_is_dropped_after_the_grace_and_its_job_stays() {
    let site = site().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let config = ServeConfig { grace: Duration::from_millis(200), ..config() };
    let serving = site
        .queue
        .serve(config, site.shutdown.clone(), move |_: SyncJob, _| {
            seen.send(()).unwrap();
            std::future::pending()
        })
        .await
        .unwrap();
    site.enqueue(sync_id()).await;
    next(&mut events).await;
    site.shutdown.cancel();
    let begin = Instant::now();
    serving.stopped().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(site.queue.depth(Micros::now()).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_slice_that_overruns_its_time_is_dropped_and_tried_again() {
    let site = site().await;
    let (seen, mut slices) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let config = ServeConfig { job_timeout: Duration::from_millis(500), ..config() };
    let serving = site
        .queue
        .serve(config, site.shutdown.clone(), move |_: SyncJob, _| {
            let n = count.fetch_add(1, Ordering::SeqCst);
            seen.send(Instant::now()).unwrap();
            async move {
                if n == 0 {
                    std::future::pending::<()>().await;
                }
                SliceEnd::Done
            }
        })
        .await
        .unwrap();
    site.enqueue(sync_id()).await;
    let first = next(&mut slices).await;
    let second = next(&mut slices).await;
    assert!(second - first < Duration::from_secs(8), "{:?}", second - first);
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

#[tokio::test]
async fn whoever_waits_is_served_before_the_schedule() {
    let site = site().await;
    let (scheduled, asked) = (sync_id(), sync_id());
    let mut tx = site.store.begin_write().await.unwrap();
    let of_schedule = Behind { urgency: Urgency::Scheduled, ..behind(scheduled) };
    site.queue.enqueue(&mut tx, &of_schedule).await.unwrap();
    site.queue.enqueue(&mut tx, &behind(asked)).await.unwrap();
    tx.commit().await.unwrap();
    let (seen, mut jobs) = mpsc::unbounded_channel();
    let serving = site
        .queue
        .serve(ServeConfig { slots: 1, ..config() }, site.shutdown.clone(), move |job: SyncJob, _| {
            seen.send(job.sync_id).unwrap();
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    assert_eq!((next(&mut jobs).await, next(&mut jobs).await), (asked, scheduled));
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

#[tokio::test]
async fn rule_7_a_fresh_job_is_there_at_once_though_the_one_before_waits_for_its_time() {
    let site = site().await;
    let sync = sync_id();
    let waiting = async || site.queue.depth(Micros::now()).await.unwrap().waiting;
    site.enqueue(sync).await;
    // As a short pause leaves it when the clock goes back an hour after that.
    let in_an_hour = match site.store.pool() {
        pandaport_store::Pool::Sqlite { .. } => "strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 hour')",
        pandaport_store::Pool::Postgres(_) => "now() + INTERVAL '1 hour'",
    };
    pandaport_test_database::run(&site.store, format!("UPDATE river_job SET scheduled_at = {in_an_hour}")).await;
    assert_eq!(waiting().await, 0);
    let mut tx = site.store.begin_write().await.unwrap();
    let past = Micros::now().minus(Duration::from_millis(1));
    let afresh = Behind { not_before: Some(past), ..behind(sync) };
    assert!(site.queue.enqueue_again(&mut tx, &afresh, Duration::from_secs(600)).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(waiting().await, 1, "no leader has to look at it first");
}

#[tokio::test]
async fn a_cancelled_job_is_not_served_and_a_waiting_one_is_not_doubled() {
    let site = site().await;
    let (cancelled, doubled, in_line, later) = (sync_id(), sync_id(), sync_id(), sync_id());
    let mut tx = site.store.begin_write().await.unwrap();
    site.queue.enqueue(&mut tx, &behind(cancelled)).await.unwrap();
    site.queue.enqueue(&mut tx, &behind(doubled)).await.unwrap();
    let again =
        async |tx: &mut Tx, sync| site.queue.enqueue_again(tx, &behind(sync), Duration::from_secs(600)).await.unwrap();
    assert!(!again(&mut tx, doubled).await, "its job only waits for a place");
    let soon = Micros::now().plus(Duration::from_secs(500));
    site.queue.enqueue(&mut tx, &Behind { not_before: Some(soon), ..behind(in_line) }).await.unwrap();
    assert!(!again(&mut tx, in_line).await, "its job is offered again soon");
    let in_an_hour = Micros::now().plus(Duration::from_secs(3600));
    site.queue.enqueue(&mut tx, &Behind { not_before: Some(in_an_hour), ..behind(later) }).await.unwrap();
    assert!(again(&mut tx, later).await, "a clock put it off");
    site.queue.cancel(&mut tx, cancelled).await.unwrap();
    tx.commit().await.unwrap();
    let depth = site.queue.depth(Micros::now()).await.unwrap();
    assert_eq!((depth.waiting, depth.running), (2, 0));
    assert!(depth.age < PATIENCE);

    let (seen, mut jobs) = mpsc::unbounded_channel();
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |job: SyncJob, _| {
            seen.send(job.sync_id).unwrap();
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    let served = [next(&mut jobs).await, next(&mut jobs).await];
    assert!(served.contains(&doubled) && served.contains(&later), "{served:?}");
    site.drained().await;
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
    assert!(jobs.try_recv().is_err());
}

#[tokio::test]
async fn a_job_of_a_newer_program_is_left_alone() {
    let site = site().await;
    let sync_id = sync_id();
    site.enqueue(sync_id).await;
    let newer = format!(r#"'{{"v":2,"sync_id":"{sync_id}"}}'"#);
    let newer = if is_postgres() { newer } else { format!("jsonb({newer})") };
    run(&site.store, format!("UPDATE river_job SET args = {newer}")).await;
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let serving = site
        .queue
        .serve(config(), site.shutdown.clone(), move |_: SyncJob, _| {
            count.fetch_add(1, Ordering::SeqCst);
            async { SliceEnd::Done }
        })
        .await
        .unwrap();
    let put_back =
        async || scalar::<i64>(&site.store, "SELECT COUNT(*) FROM river_job WHERE state = 'scheduled'").await == 1;
    eventually(put_back).await;
    assert_eq!(served.load(Ordering::SeqCst), 0);
    site.shutdown.cancel();
    serving.stopped().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let site = site().await;
    run(&site.store, "INSERT INTO river_migration (line, version) VALUES ('main', 999)").await;
    let refused = pandaport_queue::check_schema(&site.store).await.unwrap_err().to_string();
    assert!(refused.contains("999") && refused.contains("newer program"), "{refused}");
    assert!(pandaport_queue::migrate(&site.store).await.is_err());
}
