//! Mappings and their schedule.

use std::time::Duration;

use pandaport_store::engine::{Ending, Progress};
use pandaport_store::mappings::{
    self, DueMapping, MappingChange, MappingFilter, MappingState, NewMapping, NewRevision,
};
use pandaport_store::syncs::{self, Creation, Mode, TriggerKind};
use pandaport_store::{Conflict, CronSchedule, MappingId, Micros, Schedule, StoreError, Tenant, Tx};

use crate::{START, after, literal, site, succeeded};

#[tokio::test]
async fn a_collection_is_the_target_of_one_mapping() {
    let site = site().await;
    let connection = site.connection().await;
    let mapping = site.mapping_of(&connection, "one").await;
    assert_eq!((mapping.revision, mapping.interval_ms), (1, Some(3_600_000)));
    assert_eq!(mappings::spec(&site.store, &site.tenant, mapping.mapping_id, 1).await.unwrap(), r#"{"pairs":[]}"#);

    let mut tx = site.store.begin_write().await.unwrap();
    let taken = mappings::insert(&mut tx, &site.tenant, &site.new_mapping(&connection, "one"), START).await;
    assert!(matches!(taken, Err(StoreError::Conflict { what: Conflict::CollectionAlreadyMapped, .. })), "{taken:?}");
    let mut again = site.new_mapping(&connection, "two");
    again.mapping_id = mapping.mapping_id;
    let taken = mappings::insert(&mut tx, &site.tenant, &again, START).await;
    assert!(matches!(taken, Err(StoreError::Conflict { what: Conflict::AlreadyExists, .. })), "{taken:?}");
    let foreign =
        mappings::insert(&mut tx, &Tenant::new("other"), &site.new_mapping(&connection, "three"), START).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { what: "connection", .. })), "{foreign:?}");
}

#[tokio::test]
async fn the_schedule_makes_one_sync_for_all_it_missed_and_keeps_its_grid() {
    let site = site().await;
    let mapping = site.mapping().await;
    let hours = |count: u32| Duration::from_secs(3600) * count;
    let first = mapping.next_sync_time.unwrap();
    assert!(first > START && first.since(START) <= hours(1));
    assert!(mappings::due(&site.store, first.minus(hours(1)), 10).await.unwrap().is_empty());
    let now = first.plus(hours(4)).plus(Duration::from_secs(10));
    let due = mappings::due(&site.store, now, 10).await.unwrap();
    let [due] = due.as_slice() else { panic!("{due:?}") };

    let mut tx = site.store.begin_write().await.unwrap();
    let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, due, now).await.unwrap() else {
        panic!("none made")
    };
    assert_eq!((sync.trigger_kind, sync.mode, sync.create_time), (TriggerKind::Schedule, Mode::Incremental, now));
    assert!(mappings::claim_due(&mut tx, due, now).await.unwrap().is_none(), "claimed twice");
    let moved = mappings::get_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap();
    assert_eq!((moved.next_sync_time, moved.last_sync_id), (Some(first.plus(hours(5))), Some(sync.sync_id)));
    // Still at it when the next one is due: none is made, the schedule moves on.
    let claimed = mappings::claim_due(&mut tx, due, first.plus(hours(5))).await.unwrap();
    assert_eq!(claimed, Some(Creation::AlreadyActive(sync)));
    assert_eq!(
        mappings::get_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap().next_sync_time,
        Some(first.plus(hours(6)))
    );
}

/// Over all mappings, one at a time: how many next syncs were.
async fn bring_forward(tx: &mut Tx, now: Micros) -> u64 {
    let (mut moved, mut place) = (0, Some(mappings::FIRST));
    while let Some(after) = place {
        let brought = mappings::bring_forward(tx, after, 1, now).await.unwrap();
        moved += brought.moved;
        place = brought.goes_on_after;
    }
    moved
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_went_back_puts_no_sync_off() {
    let site = site().await;
    let (id, tenant) = (site.mapping().await.mapping_id, site.tenant.clone());
    let cron = CronSchedule::parse("0 6 * * *", "America/Chicago").unwrap();
    let other = site.connection().await;
    let daily = site.new_mapping(&other, "daily");
    let daily = NewMapping { schedule: Schedule::Cron(Box::new(cron)), ..daily };
    let mut tx = site.store.begin_write().await.unwrap();
    let daily = mappings::insert(&mut tx, &tenant, &daily, START).await.unwrap();
    // A process whose clock is a week ahead takes both, and then the clock is put right.
    for mapping_id in [id, daily.mapping_id] {
        let due = DueMapping { mapping_id, tenant: tenant.clone() };
        assert!(mappings::claim_due(&mut tx, &due, after(7 * 86_400)).await.unwrap().is_some());
    }
    assert_eq!(bring_forward(&mut tx, after(60)).await, 2);
    assert_eq!(bring_forward(&mut tx, after(60)).await, 0, "once is enough");
    let hourly = mappings::get_in(&mut tx, &tenant, id).await.unwrap().next_sync_time.unwrap();
    assert!(hourly > after(120) && hourly <= after(3_720), "{hourly}");
    let moved = mappings::get_in(&mut tx, &tenant, daily.mapping_id).await.unwrap();
    assert_eq!(moved.next_sync_time, daily.next_sync_time);
    // A process whose clock is only a little behind leaves what another one has just done.
    let due = DueMapping { mapping_id: id, tenant: tenant.clone() };
    assert!(mappings::claim_due(&mut tx, &due, hourly).await.unwrap().is_some());
    assert_eq!(bring_forward(&mut tx, hourly.minus(Duration::from_secs(5))).await, 0);
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_went_back_puts_no_full_sync_off() {
    let site = site().await;
    let mapping = site.mapping().await;
    let (id, every) = (mapping.mapping_id, mapping.full_sync_every());
    let due = DueMapping { mapping_id: id, tenant: site.tenant.clone() };
    // A process whose clock is a year ahead makes a FULL sync and completes it, and then the clock is put right.
    let ahead = after(365 * 86_400);
    let mut tx = site.store.begin_write().await.unwrap();
    let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, &due, ahead).await.unwrap() else {
        panic!("none made")
    };
    tx.commit().await.unwrap();
    assert_eq!(sync.mode, Mode::Full);
    let slice = site.store.begin_slice(sync.sync_id, ahead, ahead).await.unwrap().unwrap();
    let ending = succeeded();
    site.store.finish_sync(slice.guard, &Progress::default(), &ending, ahead).await.unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    assert_eq!(mappings::get_in(&mut tx, &site.tenant, id).await.unwrap().next_full_time, ahead.plus(every));
    bring_forward(&mut tx, after(60)).await;

    // A process whose clock is only a little behind leaves a time as another one has just set it.
    let next = mappings::get_in(&mut tx, &site.tenant, id).await.unwrap().next_full_time;
    bring_forward(&mut tx, after(55)).await;
    assert_eq!(mappings::get_in(&mut tx, &site.tenant, id).await.unwrap().next_full_time, next);
    // Its time counts from now: what is scheduled once that has passed is FULL, and not before.
    for (now, mode) in [(after(3_720), Mode::Incremental), (after(60).plus(every), Mode::Full)] {
        let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, &due, now).await.unwrap() else {
            panic!("none made at {now}")
        };
        assert_eq!(sync.mode, mode, "at {now}");
        syncs::cancel(&mut tx, &site.tenant, sync.sync_id, now).await.unwrap();
    }
}

#[tokio::test]
async fn a_sync_is_full_once_the_time_of_a_full_one_has_come() {
    let site = site().await;
    let mapping = site.mapping().await;
    let due = DueMapping { mapping_id: mapping.mapping_id, tenant: site.tenant.clone() };
    let mut tx = site.store.begin_write().await.unwrap();
    let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, &due, mapping.next_full_time).await.unwrap()
    else {
        panic!("none made")
    };
    assert_eq!(sync.mode, Mode::Full);
}

#[tokio::test]
async fn rule_13_a_full_sync_that_could_not_read_the_fleet_to_its_end_is_followed_by_the_next_in_a_day() {
    let site = site().await;
    let connection = site.connection().await;
    for (collection, every_hours, next_hours) in [("weekly", 7 * 24, 24), ("often", 2, 2)] {
        let new = NewMapping {
            full_sync_every: Duration::from_secs(every_hours * 3600),
            ..site.new_mapping(&connection, collection)
        };
        let mut tx = site.store.begin_write().await.unwrap();
        let mapping = mappings::insert(&mut tx, &site.tenant, &new, START).await.unwrap();
        tx.commit().await.unwrap();
        let due = DueMapping { mapping_id: mapping.mapping_id, tenant: site.tenant.clone() };
        let first = mapping.next_full_time;
        let hours = |hours: u64| first.plus(Duration::from_secs(hours * 3600));
        for (now, mode) in
            [(first, Mode::Full), (hours(next_hours - 1), Mode::Incremental), (hours(next_hours), Mode::Full)]
        {
            let mut tx = site.store.begin_write().await.unwrap();
            let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, &due, now).await.unwrap() else {
                panic!("none made at {now}")
            };
            tx.commit().await.unwrap();
            assert_eq!(sync.mode, mode, "{collection}, at {now}");
            let slice = site.store.begin_slice(sync.sync_id, now, now).await.unwrap().unwrap();
            let error = Some(("READ_INCOMPLETE".to_owned(), "the list moved on".to_owned()));
            let ending = Ending { error, read_complete: false, ..succeeded() };
            site.store.finish_sync(slice.guard, &Progress::default(), &ending, now).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_paused_mapping_is_not_due_and_a_broken_one_is() {
    let site = site().await;
    let id = site.mapping().await.mapping_id;
    let due = || async { mappings::due(&site.store, after(3600), 10).await.unwrap().len() };
    let mut tx = site.store.begin_write().await.unwrap();
    mappings::set_broken(&mut tx, &site.tenant, id, "COLUMN_UNKNOWN").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(due().await, 1);

    let mut tx = site.store.begin_write().await.unwrap();
    let paused = mappings::pause(&mut tx, &site.tenant, id, after(1)).await.unwrap();
    assert_eq!((paused.state, paused.version), (MappingState::Paused, 2));
    assert_eq!(mappings::pause(&mut tx, &site.tenant, id, after(2)).await.unwrap(), paused, "again changes nothing");
    mappings::set_broken(&mut tx, &site.tenant, id, "COLUMN_UNKNOWN").await.unwrap();
    let still = mappings::get_in(&mut tx, &site.tenant, id).await.unwrap();
    assert_eq!((still.state, still.state_reason.as_str()), (MappingState::Paused, "COLUMN_UNKNOWN"));
    let claimed =
        mappings::claim_due(&mut tx, &DueMapping { mapping_id: id, tenant: site.tenant.clone() }, after(3600)).await;
    assert!(claimed.unwrap().is_none());
    tx.commit().await.unwrap();
    assert_eq!(due().await, 0);

    // What was missed is due when it goes on, and what is known of its fit is not forgotten.
    let mut tx = site.store.begin_write().await.unwrap();
    let resumed = mappings::resume(&mut tx, &site.tenant, id, after(3600)).await.unwrap();
    assert_eq!(resumed.state, MappingState::Broken);
    tx.commit().await.unwrap();
    assert_eq!(due().await, 1);

    site.sql(format!(
        "UPDATE mappings SET state = 'ACTIVE', interval_ms = NULL, next_sync_time = NULL WHERE mapping_id = {}",
        literal(id.0)
    ))
    .await;
    assert_eq!(due().await, 0, "only when asked");
}

#[tokio::test]
async fn an_update_needs_the_version_it_was_made_for_and_makes_a_revision_only_if_there_is_a_new_one() {
    let site = site().await;
    let mapping = site.mapping().await;
    let id = mapping.mapping_id;
    let change = |display_name: &str, revision| MappingChange {
        display_name: display_name.into(),
        schedule: None,
        full_sync_every: Duration::from_secs(3600),
        full_next: false,
        revision,
        fits: true,
        forget_marks: false,
    };
    let mut tx = site.store.begin_write().await.unwrap();
    mappings::set_broken(&mut tx, &site.tenant, id, "COLUMN_UNKNOWN").await.unwrap();
    let named = mappings::update(&mut tx, &site.tenant, id, 1, &change("Named", None), after(1)).await.unwrap();
    assert_eq!((named.display_name.as_str(), named.revision, named.version), ("Named", 1, 2));
    assert_eq!((named.state, named.state_reason.as_str()), (MappingState::Active, ""));
    assert_eq!((named.next_sync_time, named.next_full_time), (mapping.next_sync_time, after(3601)));
    let stale = mappings::update(&mut tx, &site.tenant, id, 1, &change("Stale", None), after(2)).await;
    assert!(matches!(stale, Err(StoreError::Conflict { what: Conflict::VersionMoved, .. })), "{stale:?}");
    let new = NewRevision { spec: "{}".into(), columns: "[]".into() };
    let revised = mappings::update(&mut tx, &site.tenant, id, 2, &change("Named", Some(new)), after(3)).await.unwrap();
    assert_eq!((revised.revision, revised.version), (2, 3));
    tx.commit().await.unwrap();
    assert_eq!(mappings::spec(&site.store, &site.tenant, id, 1).await.unwrap(), r#"{"pairs":[]}"#);
    let second = mappings::revision(&site.store, &site.tenant, id, 2).await.unwrap();
    assert_eq!((second.spec.as_str(), second.columns.as_deref()), ("{}", Some("[]")));
}

#[tokio::test]
async fn rule_13_a_full_sync_of_before_a_change_does_not_put_off_the_one_that_the_change_asks_for() {
    let site = site().await;
    let mapping = site.mapping().await;
    let due = DueMapping { mapping_id: mapping.mapping_id, tenant: site.tenant.clone() };
    let next = async |now| {
        let mut tx = site.store.begin_write().await.unwrap();
        let Some(Creation::Created(sync)) = mappings::claim_due(&mut tx, &due, now).await.unwrap() else {
            panic!("none made at {now}")
        };
        tx.commit().await.unwrap();
        sync
    };
    let first = next(mapping.next_full_time).await;
    let hours = |hours: u64| mapping.next_full_time.plus(Duration::from_secs(hours * 3600));
    let change = MappingChange {
        display_name: "Macs".into(),
        schedule: None,
        full_sync_every: mapping.full_sync_every(),
        full_next: true,
        revision: Some(NewRevision { spec: "{}".into(), columns: "[]".into() }),
        fits: true,
        forget_marks: false,
    };
    let mut tx = site.store.begin_write().await.unwrap();
    mappings::update(&mut tx, &site.tenant, mapping.mapping_id, 1, &change, hours(1)).await.unwrap();
    tx.commit().await.unwrap();
    let mut active = first;
    for (hour, mode) in [(2, Mode::Full), (3, Mode::Incremental)] {
        let slice = site.store.begin_slice(active.sync_id, hours(hour), hours(hour)).await.unwrap().unwrap();
        let ending = succeeded();
        site.store.finish_sync(slice.guard, &Progress::default(), &ending, hours(hour)).await.unwrap();
        active = next(hours(hour)).await;
        assert_eq!(active.mode, mode, "after {hour} hours");
    }
}

#[tokio::test]
async fn mappings_are_listed_by_page_and_by_connection() {
    let site = site().await;
    let (one, two) = (site.connection().await, site.connection().await);
    let mut of_one = Vec::new();
    for collection in ["a", "b", "c"] {
        of_one.push(site.mapping_of(&one, collection).await.mapping_id);
    }
    site.mapping_of(&two, "d").await;
    of_one.sort();
    let list = async |connection, after: Option<MappingId>, limit| {
        let filter = MappingFilter { connection_id: connection, after, ..MappingFilter::default() };
        let page = mappings::list(&site.store, &site.tenant, &filter, limit).await.unwrap();
        page.into_iter().map(|mapping| mapping.mapping_id).collect::<Vec<_>>()
    };
    assert_eq!(list(Some(one.connection_id), None, 10).await, of_one);
    assert_eq!(list(Some(one.connection_id), Some(of_one[0]), 1).await, [of_one[1]]);
    assert_eq!(list(None, None, 10).await.len(), 4);
    let other = Tenant::new("other");
    assert!(mappings::list(&site.store, &other, &MappingFilter::default(), 10).await.unwrap().is_empty());
    assert!(mappings::get(&site.store, &other, of_one[0]).await.is_err());
    assert!(mappings::spec(&site.store, &other, of_one[0], 1).await.is_err());
}
