//! Speed, measured on request only: `cargo test -p pandaport-store --test suite -- --ignored --nocapture bench`.

use std::time::{Duration, Instant};

use pandaport_store::Micros;
use pandaport_store::engine::{Intent, LinkPut, Op, PageWrite, PlannedRow, Progress, SeenDevice, Slice, Step};

use crate::{START, Site, after, site};

const DEVICES: usize = 4_000;
/// As many as APPLY has in flight: eight batches of five.
const AT_ONCE: usize = 40;

/// What an import keeps, phase by phase, and what the next change of every device keeps.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn what_a_sync_keeps_of_its_devices() {
    let site = site().await;
    let mapping = site.mapping().await;
    let devices: Vec<String> = (0..DEVICES).map(|n| format!("device {n:06}")).collect();
    let sync = site.sync(&mapping, START).await;
    let slice = site.store.begin_slice(sync.sync_id, START, after(60)).await.unwrap().unwrap();

    let began = Instant::now();
    for page in devices.chunks(300) {
        let page = PageWrite { planned: page.iter().map(|it| planned(it)).collect(), ..PageWrite::default() };
        site.store.save_page(&slice, &page, &Progress::default()).await.unwrap();
    }
    told("read", began);
    let decided = |id: &str| Op::Plan {
        device_id: id.to_owned(),
        step: Step::Create,
        plan: values(1_000),
        changes: values(500),
        record_id: None,
    };
    time(&site, &slice, "decide", &devices, 300, |id| vec![decided(id)]).await;
    time(&site, &slice, "mark creates", &devices, AT_ONCE, |id| {
        vec![Op::PutIntent(Box::new(intent(id))), step(id, Step::CreateSent)]
    })
    .await;
    let confirmed =
        |id: &str| vec![Op::PutLink(Box::new(link(id))), done(id), Op::DropIntent { device_id: id.to_owned() }];
    time(&site, &slice, "confirm creates", &devices, AT_ONCE, confirmed).await;
    let mark =
        |id: &str| vec![Op::MarkDirty { device_id: id.to_owned(), cells: values(500) }, step(id, Step::UpdateSent)];
    time(&site, &slice, "mark updates", &devices, AT_ONCE, mark).await;
    time(&site, &slice, "confirm updates", &devices, AT_ONCE, |id| vec![Op::PutLink(Box::new(link(id))), done(id)])
        .await;

    let began = Instant::now();
    for page in devices.chunks(300) {
        let seen = page.iter().map(|it| seen(it)).collect();
        site.store.save_page(&slice, &PageWrite { seen, ..PageWrite::default() }, &Progress::default()).await.unwrap();
    }
    told("mark as seen", began);
}

async fn time(
    site: &Site,
    slice: &Slice,
    name: &str,
    devices: &[String],
    at_once: usize,
    ops: impl Fn(&str) -> Vec<Op>,
) {
    let began = Instant::now();
    for devices in devices.chunks(at_once) {
        let ops: Vec<Op> = devices.iter().flat_map(|id| ops(id)).collect();
        site.store.commit(slice, &ops, &Progress::default()).await.unwrap();
    }
    told(name, began);
}

fn told(name: &str, began: Instant) {
    let took: Duration = began.elapsed();
    eprintln!("{name}: {:.0} devices/s", DEVICES as f64 / took.as_secs_f64());
}

fn values(bytes: usize) -> String {
    format!("[\"{}\"]", "x".repeat(bytes))
}

fn seen(id: &str) -> SeenDevice {
    SeenDevice { device_id: id.to_owned(), last_enrollment: Some(START), last_check_in: Some(START), standing: 0 }
}

fn planned(id: &str) -> PlannedRow {
    PlannedRow {
        device: seen(id),
        identifier: Some(id.to_owned()),
        identifier_key: Some(id.to_owned()),
        serial_number: Some(id.to_owned()),
        fingerprint: [7; 16],
        wanted: Some(values(500)),
        look_up: false,
        done: None,
    }
}

fn step(id: &str, step: Step) -> Op {
    Op::Step { device_id: id.to_owned(), step }
}

fn done(id: &str) -> Op {
    Op::Done {
        device_id: id.to_owned(),
        outcome: "CREATED",
        reason: None,
        message: None,
        record_id: Some(id.to_owned()),
        changes: None,
    }
}

fn intent(id: &str) -> Intent {
    Intent {
        device_id: id.to_owned(),
        identifier: id.to_owned(),
        identifier_key: id.to_owned(),
        serial_number: Some(id.to_owned()),
        sent_time: START,
        next_look_time: after(5),
        payload: values(1_000),
    }
}

fn link(id: &str) -> LinkPut {
    LinkPut {
        device_id: id.to_owned(),
        fingerprint: vec![7; 16],
        last_enrollment: Some(START),
        last_check_in: Some(START),
        passenger_time: None::<Micros>,
        dirty: false,
        serial_number: Some(id.to_owned()),
        identifier: id.to_owned(),
        identifier_key: id.to_owned(),
        record_id: id.to_owned(),
        cells: values(500),
        forms: "{}".to_owned(),
        created_by_us: Some(true),
        confirmed_time: Some(START),
        seen: true,
    }
}
