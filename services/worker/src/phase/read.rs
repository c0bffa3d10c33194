//! READ: the devices, page by page (rule 2). Each is projected and compared by fingerprint: equal ones get a
//! seen-mark, the others become PLANNED records.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use pandaport_import::{Identifier, NotImported, Projector, RejectReason, identifier_key, passenger_due};
use pandaport_kandji::{Crawl, CrawlState, Device, DevicePage, PageEntry, Taken, Unreadable};
use pandaport_outbound::SendError;
use pandaport_store::Micros;
use pandaport_store::engine::{
    AtOnce, CountDeltas, LeftOut, NarrowLink, Op, PageState, PageWrite, PlannedRow, Progress, Rejection, SeenDevice,
    Standing, flag,
};
use pandaport_upstream::{KandjiDevice, user_id};
use tokio::task::JoinSet;

use super::standing::{is_to_be_decided_on, standing};
use crate::halt::{Api, Halt};
use crate::plan::json;
use crate::run::Run;

/// Devices on a page: the most Kandji gives.
const PAGE: u32 = 300;

/// Pages that are kept in one transaction, if so many are there: each transaction costs a write to the disk.
const PAGES_AT_ONCE: usize = 4;

/// How often a quarantined device is sent again without a change (rule 5).
pub(super) const RETRY_QUARANTINED: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    super::users::run(run).await?;
    let last_known_size = run.slice.row.fleet_size.and_then(|it| u64::try_from(it).ok());
    let mut crawl = run.checkpoint.crawl.clone().unwrap_or_else(|| Crawl::new(PAGE, last_known_size));
    crawl_devices(run, &mut crawl).await?;
    run.checkpoint.crawl = None;
    let size = match crawl.state() {
        CrawlState::Incomplete { reason } => {
            tracing::warn!(
                reason,
                "the fleet was not read to the end: what was read is written, nothing counts as gone"
            );
            run.checkpoint.incomplete = Some(reason);
            None
        }
        CrawlState::Reading | CrawlState::Complete => Some(crawl.received()),
    };
    run.checkpoint.fleet_is_empty = size == Some(0);
    let progress = Progress { phase: Some("RESOLVE"), ..run.progress(CountDeltas::default()) };
    let now = (run.checkpoint.unnamed == 0).then(|| run.now());
    let cancel = run.store.finish_read(&run.slice, size, now, &progress).await?;
    "RESOLVE".clone_into(&mut run.slice.row.phase);
    if cancel { Err(Halt::Cancelled) } else { Ok(()) }
}

/// Asks for pages as soon as their offsets are known, and takes them in their order, as many at once as are there.
async fn crawl_devices(run: &mut Run, crawl: &mut Crawl) -> Result<(), Halt> {
    let projector = run.projector();
    let mut asked: JoinSet<(u64, Result<DevicePage, SendError>)> = JoinSet::new();
    let mut in_flight: HashSet<u64> = HashSet::new();
    let mut held: BTreeMap<u64, DevicePage> = BTreeMap::new();
    loop {
        let mut entries = Vec::new();
        for _ in 0..PAGES_AT_ONCE {
            let wanted = crawl.wanted();
            held.retain(|offset, _| wanted.contains(offset));
            let Some((offset, page)) = wanted.first().and_then(|offset| held.remove_entry(offset)) else { break };
            let ids: Vec<&str> = page.entries.iter().map(PageEntry::identity).collect();
            if let Taken::Fresh { skip } = crawl.accept(offset, &ids, page.total) {
                entries.extend(page.entries.into_iter().skip(skip));
            }
        }
        // What comes next is asked for before what is there is worked on.
        if run.may_go_on() {
            for offset in crawl.wanted() {
                if held.contains_key(&offset) || !in_flight.insert(offset) {
                    continue;
                }
                let kandji = run.clients.kandji.clone();
                asked.spawn(async move { (offset, kandji.devices(offset, PAGE).await) });
            }
        }
        if !entries.is_empty() {
            take(run, crawl, &projector, &entries).await?;
            continue;
        }
        if !matches!(crawl.state(), CrawlState::Reading) {
            return Ok(());
        }
        let Some(answer) = asked.join_next().await else { return Err(Halt::TimeUp) };
        let (offset, page) = answer.map_err(|error| Halt::Outage { api: Api::Kandji, message: error.to_string() })?;
        in_flight.remove(&offset);
        held.insert(offset, page.map_err(|error| Halt::from_needed_call(Api::Kandji, &error))?);
    }
}

/// Sorts devices that were read into what is as it was and what is to be decided on, and keeps that with the place in
/// the crawl.
async fn take(run: &mut Run, crawl: &Crawl, projector: &Projector, entries: &[PageEntry]) -> Result<(), Halt> {
    let ids: Vec<&str> = entries.iter().map(PageEntry::identity).collect();
    let users: Vec<&str> = if maps_user_active(run) {
        entries.iter().filter_map(|entry| if let PageEntry::Device(it) = entry { user_id(it) } else { None }).collect()
    } else {
        Vec::new()
    };
    let known = run.store.page_state(run.slice.guard, run.slice.row.mapping_id, &ids, &users).await?;
    let mut taking = PageTaking {
        run,
        projector,
        known: &known,
        write: PageWrite::default(),
        counts: CountDeltas::default(),
        passengers: 0,
        unnamed: 0,
        on_page: HashSet::new(),
    };
    for entry in entries {
        taking.entry(entry);
    }
    let PageTaking { write, counts, passengers, unnamed, .. } = taking;
    run.checkpoint.passengers += passengers;
    run.checkpoint.unnamed += unnamed;
    run.checkpoint.crawl = Some(crawl.clone());
    let progress = run.progress(counts);
    let cancel = run.store.save_page(&run.slice, &write, &progress).await?;
    run.got_on = true;
    run.note_answer();
    if cancel { Err(Halt::Cancelled) } else { Ok(()) }
}

fn maps_user_active(run: &Run) -> bool {
    run.spec.pairs.iter().any(|pair| pair.source_field == pandaport_import::SourceField::UserActive)
}

/// One page being sorted into what is as it was and what is to be decided on.
struct PageTaking<'a> {
    run: &'a Run,
    projector: &'a Projector,
    known: &'a PageState,
    write: PageWrite,
    counts: CountDeltas,
    passengers: u64,
    unnamed: u64,
    on_page: HashSet<&'a str>,
}

impl<'a> PageTaking<'a> {
    fn entry(&mut self, entry: &'a PageEntry) {
        let id = entry.identity();
        let link = self.known.links.get(id);
        let seen_already = link.is_some_and(|it| it.seen_sync == Some(self.run.slice.guard.sync_id));
        if seen_already || self.known.taken.contains(id) || !self.on_page.insert(id) {
            return;
        }
        self.counts.read += 1;
        match entry {
            PageEntry::Device(device) => self.device(device, link),
            PageEntry::Unreadable(unreadable) => self.unreadable(unreadable, link),
        }
    }

    fn device(&mut self, device: &Device, link: Option<&NarrowLink>) {
        let source = KandjiDevice { device, active_users: &self.known.users };
        let flags = link.map_or(0, |it| it.flags);
        let not_imported = self.run.spec.not_imported(&source, flags & flag::LINKED != 0);
        let seen = SeenDevice {
            device_id: device.device_id.clone(),
            last_enrollment: device.last_enrollment.value().copied().map(Micros::from),
            last_check_in: device.last_check_in.value().copied().map(Micros::from),
            standing: standing(&source, not_imported.as_ref(), self.run.spec.on_filtered),
        };
        if link.is_some() || self.run.slice.guard.dry_run {
            self.write.seen.push(seen.clone());
        }
        if let Some(why) = not_imported {
            return self.leave_out(device, seen, link, &why);
        }
        if flags & flag::OF_READ != seen.standing {
            self.write.standings.push(Standing {
                device: seen.clone(),
                flags: (flags & !flag::OF_READ) | seen.standing,
                fingerprint: link.map_or_else(|| vec![0; 16], |it| it.fingerprint.clone()),
                left_out: None,
            });
        }
        let print = self.projector.fingerprint(&source);
        let same = link.is_some_and(|link| link.fingerprint == print.fingerprint);
        if let (true, Some(link)) = (same, link) {
            match self.leave_alone(link, seen.standing) {
                Some(Left::Unchanged) => return self.counts.unchanged += 1,
                Some(Left::StillRejected) => return self.counts.still_rejected += 1,
                None => {}
            }
        }
        let identifier = identifier_of(&print.identifier);
        let wanted = self.projector.project(&source);
        let unfit = wanted.cells.iter().any(|cell| matches!(cell, pandaport_import::Cell::Unfit(_)));
        self.write.planned.push(PlannedRow {
            device: seen,
            look_up: identifier.is_some() && !unfit,
            identifier_key: identifier.as_deref().map(identifier_key),
            identifier,
            serial_number: device.serial_number.value().cloned(),
            fingerprint: print.fingerprint,
            wanted: Some(json(&wanted)),
            done: None,
        });
    }

    /// A device that is not imported is only counted. Its link says so, and the sync in which that is news tells of it.
    fn leave_out(&mut self, device: &Device, seen: SeenDevice, link: Option<&NarrowLink>, why: &NotImported) {
        self.counts.skipped += 1;
        let fingerprint = why.fingerprint();
        let before = link.map_or(0, |it| it.flags);
        let told = link.is_some_and(|it| it.fingerprint == fingerprint);
        // It is no longer rejected, and no longer in quarantine, for what was to be written before. A removal that was
        // refused since stays so.
        let over = if told { flag::OF_READ } else { flag::OF_READ | flag::QUARANTINED | flag::REJECTED };
        let flags = (before & !over) | seen.standing;
        if told && before == flags {
            return;
        }
        let source = KandjiDevice { device, active_users: &self.known.users };
        let identifier = identifier_of(&self.projector.fingerprint(&source).identifier);
        let identifier_key = identifier.as_deref().map(identifier_key);
        let serial_number = device.serial_number.value().cloned();
        self.write.standings.push(Standing {
            device: seen.clone(),
            flags,
            fingerprint: fingerprint.to_vec(),
            left_out: (!told).then(|| LeftOut {
                serial_number: serial_number.clone(),
                identifier: identifier.clone(),
                identifier_key: identifier_key.clone(),
                reason: why.reason(),
                message: why.to_string(),
            }),
        });
        if !told {
            self.write.planned.push(PlannedRow {
                device: seen,
                identifier,
                identifier_key,
                serial_number,
                fingerprint,
                wanted: None,
                look_up: false,
                done: Some(AtOnce { outcome: "SKIPPED", reason: why.reason(), message: why.to_string() }),
            });
        }
    }

    /// Whether a device with the values it had is to be left alone.
    fn leave_alone(&mut self, link: &NarrowLink, standing: i64) -> Option<Left> {
        let run = self.run;
        let full = run.mode == pandaport_import::Mode::Full;
        if link.flags & flag::QUARANTINED != 0 {
            let refused = self.known.refused.get(&link.device_id);
            let due = refused.is_none_or(|refused| run.as_of.since(*refused) >= RETRY_QUARANTINED);
            return if full || due || run.slice.row.retry_rejected { None } else { Some(Left::StillRejected) };
        }
        if full || is_to_be_decided_on(link.flags, standing, &run.spec.removal_policy.action) {
            return None;
        }
        if self.passenger_due(link) { None } else { Some(Left::Unchanged) }
    }

    /// Rule 9: PASSENGER columns alone cause a write only once in a while, and only so many in one sync.
    fn passenger_due(&mut self, link: &NarrowLink) -> bool {
        let run = self.run;
        let has_passengers =
            run.spec.pairs.iter().any(|pair| pair.write_rule == pandaport_import::WriteRule::Passenger);
        if !has_passengers || run.checkpoint.passengers + self.passengers >= run.passenger_cap {
            return false;
        }
        let last = link.passenger_time.map(Micros::timestamp);
        let due = passenger_due(run.as_of.timestamp(), last, run.spec.passenger_max_age, &link.device_id);
        self.passengers += u64::from(due);
        due
    }

    fn unreadable(&mut self, entry: &Unreadable, link: Option<&NarrowLink>) {
        let seen = SeenDevice {
            device_id: entry.identity.clone(),
            last_enrollment: None,
            last_check_in: None,
            // Whether it is removed or left out cannot be read either: what is known stays.
            standing: link.map_or(0, |it| it.flags & flag::OF_READ),
        };
        if link.is_some() || self.run.slice.guard.dry_run {
            self.write.seen.push(seen.clone());
        }
        self.counts.rejected += 1;
        let mut message = entry.reason.clone();
        if entry.device_id.is_none() {
            self.unnamed += 1;
            message.push_str("; it may be any device's, so none counts as gone while it is listed");
        }
        let reason = RejectReason::Unreadable.as_str();
        self.write.rejections.push(Op::RejectLink(Box::new(Rejection {
            device_id: entry.identity.clone(),
            // A device that can be read again is decided on anew: REJECTED is looked at in each sync.
            fingerprint: vec![0; 16],
            last_enrollment: None,
            last_check_in: None,
            serial_number: entry.serial_number.clone(),
            identifier: None,
            identifier_key: None,
            quarantined: false,
            reason,
            message: message.clone(),
            time: self.run.now(),
        })));
        self.write.planned.push(PlannedRow {
            device: seen,
            identifier: None,
            identifier_key: None,
            serial_number: entry.serial_number.clone(),
            fingerprint: [0; 16],
            wanted: None,
            look_up: false,
            done: Some(AtOnce { outcome: "REJECTED", reason, message }),
        });
    }
}

fn identifier_of(identifier: &Identifier<'_>) -> Option<String> {
    identifier.as_str().map(ToOwned::to_owned)
}

enum Left {
    Unchanged,
    StillRejected,
}
