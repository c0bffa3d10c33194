//! Speed, measured on request only, in a release build:
//! `DEVICES=100000 cargo test --release -p pandaport-worker -- --ignored --nocapture no_change`.

use std::time::Instant;

use pandaport_store::syncs::{Mode, SyncState};

use super::harness::World;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test: it takes minutes"]
async fn a_sync_in_which_no_change_is_found() {
    let devices: u32 = std::env::var("DEVICES").ok().and_then(|it| it.parse().ok()).unwrap_or(20_000);
    let world = World::of(devices).await;
    for name in ["first import", "no change", "no change", "no change"] {
        let began = Instant::now();
        let sync = world.sync(Mode::Incremental).await;
        assert_eq!(sync.state, SyncState::Succeeded, "{sync:?}");
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{name}: {devices} devices in {seconds:.2} s, {:.0} devices/s", f64::from(devices) / seconds);
    }
}
