//! What the phases of one slice share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pandaport_asset_panda::ScopedClient;
use pandaport_import::{CellSpec, MappingSpec, Mode, Projector};
use pandaport_store::engine::{CountDeltas, Op, Progress, Slice};
use pandaport_store::{Micros, Store, deleted};
use pandaport_upstream::Clients;

use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::halt::Halt;
use crate::plan::json;

/// A slice at work.
pub(crate) struct Run {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Arc<Deadline>,
    pub(crate) slice: Slice,
    pub(crate) clients: Clients,
    pub(crate) asset_panda: ScopedClient,
    pub(crate) spec: MappingSpec,
    pub(crate) mode: Mode,
    /// The time by which it is judged what is due: one for the whole sync, however long it takes and whoever works it.
    pub(crate) as_of: Micros,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) http_timeout: Duration,
    pub(crate) settle: Vec<Duration>,
    /// Devices that may be written in one sync only because their PASSENGER columns are due (rule 9).
    pub(crate) passenger_cap: u64,
    /// Whether this slice has kept anything: it may then end when its time is up.
    pub(crate) got_on: bool,
    /// Whether an API gave a good answer in this slice: an outage before that is over.
    pub(crate) answered: AtomicBool,
    /// What Asset Panda refused in this slice.
    pub(crate) refusals: Refusals,
}

impl Run {
    pub(crate) fn now(&self) -> Micros {
        self.clock.now().into()
    }

    /// Whether another piece of work may be taken up: not once the slice's time is up, unless the slice has got nothing
    /// done so far. However short slices are and however slow the machine is, each brings the sync forward.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.deadline.is_stopping() && (!self.got_on || !self.deadline.is_up())
    }

    /// [`Run::may_go_on`], as a reason to stop.
    pub(crate) fn in_time(&self) -> Result<(), Halt> {
        if self.may_go_on() { Ok(()) } else { Err(Halt::TimeUp) }
    }

    /// From here on it is only worked out what would be done, as in a dry run; or, again, in earnest (rule 14).
    pub(crate) fn rehearse(&mut self, rehearsal: bool) {
        self.slice.guard.dry_run = rehearsal;
        self.slice.guard.rehearsal = rehearsal;
    }

    /// The progress since the last write, and where the sync stands now.
    pub(crate) fn progress(&self, counts: CountDeltas) -> Progress {
        let calls = self.clients.calls.take();
        Progress {
            checkpoint: Some(json(&self.checkpoint)),
            counts,
            calls_kandji: calls.kandji,
            calls_asset_panda: calls.asset_panda,
            answered: self.has_answered(),
            ..Progress::default()
        }
    }

    /// Applies changes with the progress.
    pub(crate) async fn commit(&mut self, ops: &[Op], counts: CountDeltas) -> Result<(), Halt> {
        let progress = self.progress(counts);
        let cancel = self.store.commit(&self.slice, ops, &progress).await?;
        self.got_on = true;
        if cancel { Err(Halt::Cancelled) } else { Ok(()) }
    }

    /// Goes to another phase.
    pub(crate) async fn enter(&mut self, phase: &'static str, calls_left: Option<u64>) -> Result<(), Halt> {
        let progress = Progress { phase: Some(phase), calls_left, ..self.progress(CountDeltas::default()) };
        let cancel = self.store.checkpoint(self.slice.guard, &progress).await?;
        phase.clone_into(&mut self.slice.row.phase);
        if cancel { Err(Halt::Cancelled) } else { Ok(()) }
    }

    /// An API gave a good answer.
    pub(crate) fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether a device that was not read is absent for certain.
    pub(crate) fn knows_who_is_absent(&self) -> bool {
        self.checkpoint.incomplete.is_none() && self.checkpoint.unnamed == 0
    }

    /// Whether an API gave a good answer in this slice.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn projector(&self) -> Projector {
        Projector::new(&self.spec, &self.checkpoint.columns)
    }

    /// The columns whose values matter, identifier first.
    pub(crate) fn column_ids(cells: &[CellSpec]) -> Vec<String> {
        cells.iter().map(|cell| cell.column_id.clone()).collect()
    }

    /// Whether Asset Panda itself refuses a second record with the same identifier.
    pub(crate) fn identifier_is_unique(&self) -> bool {
        self.checkpoint
            .columns
            .iter()
            .any(|column| column.id == self.spec.identifier.column_id && column.unique == Some(true))
    }

    /// Puts the sync down until the next unclear create is to be looked up; goes on if that time has come.
    pub(crate) async fn wait_for_next_look(&self) -> Result<(), Halt> {
        let now = self.now();
        match self.store.next_look(self.slice.guard, self.slice.row.mapping_id).await? {
            // Never longer than for a create that is sent just now: the clock may have been set back meanwhile.
            Some(until) if until > now => Err(Halt::Settle {
                until: until.min(self.last_look_time(now)),
                message: "it is unclear whether some records were created; they are looked up before anything is sent again",
            }),
            _ => Ok(()),
        }
    }

    /// Rule 3: the marks of a mapping that was deleted are gone, and a search may not find yet what it has sent last. So where
    /// it wrote to this collection, nothing is looked up before the time is over after which it would have been certain itself.
    /// A dry run writes nothing, and a plan is looked at again before it is applied.
    pub(crate) async fn wait_for_who_was_here_before(&self) -> Result<(), Halt> {
        if self.slice.guard.dry_run {
            return Ok(());
        }
        let now = self.now();
        let deleted = deleted::settling_since(&self.store, self.slice.row.mapping_id).await?;
        match deleted.map(|time| self.last_look_time(time)).filter(|until| *until > now) {
            // Never longer than for one that is deleted just now: the clock may have been set back meanwhile.
            Some(until) => Err(Halt::Settle {
                until: until.min(self.last_look_time(now)),
                message: "another mapping wrote to this collection until it was deleted just now; records are looked up once \
                          a search can find what it sent last",
            }),
            None => Ok(()),
        }
    }

    /// When the last look for a create that was sent at this time is due.
    pub(crate) fn last_look_time(&self, sent: Micros) -> Micros {
        self.look_time(sent, self.settle.len().saturating_sub(1)).unwrap_or(sent)
    }

    /// When a look `looks` times after sending is due (rule 3); `None` past the last.
    pub(crate) fn look_time(&self, sent: Micros, looks: usize) -> Option<Micros> {
        self.settle.get(looks).map(|after| sent.plus(self.http_timeout).plus(*after))
    }
}

/// What Asset Panda refused in a slice, and whether the columns were seen to be the reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: AtomicU64,
    unfit: AtomicBool,
}

impl Refusals {
    /// Counts one more: whether the columns are to be read again for it.
    pub(crate) fn wants_a_look(&self) -> bool {
        let nth = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        nth.is_power_of_two() || self.unfit.load(Ordering::Relaxed)
    }

    pub(crate) fn looked(&self, columns_fit: bool) {
        self.unfit.store(!columns_fit, Ordering::Relaxed);
    }
}
