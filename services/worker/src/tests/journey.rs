//! The main job, and what must hold after it.

use pandaport_store::syncs::{Mode, SyncState};

use super::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_import_creates_every_device_and_the_next_sync_writes_nothing() {
    let world = World::of(310).await;
    let first = world.sync(Mode::Incremental).await;
    assert_eq!(first.state, SyncState::Succeeded, "{first:?}");
    assert_eq!((first.counts.read, first.counts.created), (310, 310), "{first:?}");
    let before = world.counters().await;
    for mode in [Mode::Incremental, Mode::Full] {
        let again = world.sync(mode).await;
        assert_eq!(again.state, SyncState::Succeeded, "{again:?}");
        assert_eq!((again.counts.read, again.counts.unchanged), (310, 310), "{mode}: {again:?}");
    }
    println!("{}\n{}", before, world.counters().await);
}
