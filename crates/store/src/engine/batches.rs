//! Which changes share a statement.
//!
//! A list of changes says what happens to each device, one device after the other. A statement for each would be a round
//! trip to the database for each, so those of one kind are taken together, across devices. What may overtake what:
//!
//! - Changes to one device's row in one table stay in their order.
//! - Changes to links stay in their order, whoever's they are: no two links may have one record, not even for a moment.
//! - What reads a link comes after what was to be done to that link before, and before what is to be done to it after.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant, take};

use super::Op;

/// Tables whose changes do not depend on each other.
#[derive(Clone, Copy)]
enum Lane {
    /// `sync_records`.
    Records,
    /// `links` and `link_values`.
    Links,
    /// `intents`.
    Intents,
    /// `brake_items`.
    Items,
}

const LANES: [Lane; 4] = [Lane::Records, Lane::Links, Lane::Intents, Lane::Items];

/// What a change touches.
struct Place<'a> {
    lane: Lane,
    device: &'a str,
    column: &'a str,
    /// It reads the device's link as well.
    reads_link: bool,
}

/// The changes in statements: each of one kind, and none with two changes to one row.
pub(super) fn batches<'a>(ops: impl Iterator<Item = &'a Op>) -> Vec<Vec<&'a Op>> {
    let mut waiting = Waiting::default();
    for op in ops {
        match place(op) {
            Some(place) => waiting.add(op, &place),
            None => {
                waiting.flush();
                waiting.out.push(vec![op]);
            }
        }
    }
    waiting.flush();
    waiting.out
}

#[derive(Default)]
struct Waiting<'a> {
    lanes: [Open<'a>; LANES.len()],
    out: Vec<Vec<&'a Op>>,
}

/// What can share a statement: of links that are put, those that say who created the record and those that keep what is known.
type Kind = (Discriminant<Op>, bool);

fn kind(op: &Op) -> Kind {
    (discriminant(op), matches!(op, Op::PutLink(it) if it.created_by_us.is_some()))
}

/// Statements of one lane that may still grow. None of them depends on another.
#[derive(Default)]
struct Open<'a> {
    statements: Vec<(Kind, Vec<&'a Op>)>,
    devices: HashSet<(&'a str, &'a str)>,
}

impl<'a> Waiting<'a> {
    fn add(&mut self, op: &'a Op, place: &Place<'a>) {
        let kind = kind(op);
        if place.reads_link && self.lanes[Lane::Links as usize].devices.contains(&(place.device, "")) {
            self.flush_lane(Lane::Links);
        }
        let open = &self.lanes[place.lane as usize];
        let is_ordered = matches!(place.lane, Lane::Links) && open.statements.last().is_some_and(|it| it.0 != kind);
        if is_ordered || open.devices.contains(&(place.device, place.column)) {
            self.flush_lane(place.lane);
        }
        let open = &mut self.lanes[place.lane as usize];
        open.devices.insert((place.device, place.column));
        match open.statements.iter_mut().find(|it| it.0 == kind) {
            Some((_, ops)) => ops.push(op),
            None => open.statements.push((kind, vec![op])),
        }
    }

    fn flush_lane(&mut self, lane: Lane) {
        // What waits there may be to read a link as it is now.
        if matches!(lane, Lane::Links) {
            self.flush_lane(Lane::Records);
        }
        let open = take(&mut self.lanes[lane as usize]);
        self.out.extend(open.statements.into_iter().map(|it| it.1));
    }

    fn flush(&mut self) {
        for lane in LANES {
            self.flush_lane(lane);
        }
    }
}

/// `None`: it touches more than one device, or more than can be said here, and stays where it is.
fn place(op: &Op) -> Option<Place<'_>> {
    let (lane, device) = match op {
        Op::Step { device_id, .. }
        | Op::Unsent { device_id, .. }
        | Op::Found { device_id, .. }
        | Op::Plan { device_id, .. }
        | Op::Note { device_id, .. }
        | Op::Done { device_id, .. }
        | Op::RejectUnchanged { device_id, .. }
        | Op::Drop { device_id }
        | Op::HoldPart { device_id, .. }
        | Op::Hold { device_id, .. } => (Lane::Records, device_id),
        Op::Conclude(it) => (Lane::Records, &it.device_id),
        Op::PutLink(it) => (Lane::Links, &it.device_id),
        Op::RejectLink(it) => (Lane::Links, &it.device_id),
        Op::KeepLink { device_id, .. }
        | Op::ClearRecord { device_id }
        | Op::DropLink { device_id }
        | Op::Flag { device_id, .. }
        | Op::RefuseRemoval { device_id, .. }
        | Op::MarkDirty { device_id, .. }
        | Op::MarkClean { device_id, .. } => (Lane::Links, device_id),
        Op::PutIntent(it) => (Lane::Intents, &it.device_id),
        Op::DropIntent { device_id } | Op::LookAgain { device_id, .. } => (Lane::Intents, device_id),
        Op::Weigh { item, .. } | Op::Weighed { item, .. } => (Lane::Items, &item.device_id),
        Op::MoveLink { .. } => return None,
    };
    let column = match op {
        Op::Weigh { item, .. } | Op::Weighed { item, .. } => item.column_id.as_str(),
        _ => "",
    };
    let reads_link = matches!(op, Op::RejectUnchanged { .. } | Op::Conclude(_));
    Some(Place { lane, device, column, reads_link })
}

/// The devices of a batch.
pub(super) fn devices<'a>(batch: &[&'a Op]) -> Vec<&'a str> {
    batch.iter().filter_map(|op| Some(place(op)?.device)).collect()
}

/// The rows of a batch as its statement takes them: what `ROWS($n: ..)` lists, in that order, of each of its changes.
macro_rules! rows {
    ($batch:expr, $change:pat => $row:expr) => {
        $crate::dialect::row_list($batch.iter().filter_map(|op| match op {
            $change => Some($row),
            _ => None,
        }))
    };
}

pub(super) use rows;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Conclusion, Item, ItemStep, Step};
    use crate::held::HeldKind;

    fn device(n: usize) -> String {
        n.to_string()
    }

    fn made(kind: usize, n: usize) -> Op {
        let device_id = device(n);
        let item = Item { kind: HeldKind::Clear, device_id: device_id.clone(), column_id: (kind % 2).to_string() };
        match kind {
            0 => Op::Step { device_id, step: Step::Create },
            1 => Op::Drop { device_id },
            2 => Op::DropLink { device_id },
            3 => Op::ClearRecord { device_id },
            4 => Op::DropIntent { device_id },
            5 => Op::Conclude(Box::new(Conclusion {
                device_id,
                outcome: "REMOVED",
                reason: None,
                message: None,
                changes: None,
            })),
            6 => Op::MoveLink { from: device_id, to: device(n + 1) },
            7 => Op::Weigh { item, record_id: None },
            _ => Op::Weighed { item, step: ItemStep::Done, attempts: 0 },
        }
    }

    /// Whether the result depends on which of the two comes first.
    fn depends(a: &Op, b: &Op) -> bool {
        let (Some(one), Some(other)) = (place(a), place(b)) else { return true };
        let same_device = one.device == other.device;
        let link_read = |reader: &Place<'_>, it: &Place<'_>| reader.reads_link && matches!(it.lane, Lane::Links);
        match (one.lane, other.lane) {
            (Lane::Links, Lane::Links) => same_device || kind(a) != kind(b),
            _ if link_read(&one, &other) || link_read(&other, &one) => same_device,
            (x, y) => x as usize == y as usize && same_device && one.column == other.column,
        }
    }

    proptest! {
        #[test]
        fn nothing_overtakes_what_it_depends_on(list in prop::collection::vec((0_usize..9, 0_usize..4), 0..40)) {
            let ops: Vec<Op> = list.iter().map(|(kind, device)| made(*kind, *device)).collect();
            let batches = batches(ops.iter());
            for batch in &batches {
                prop_assert!(batch.iter().all(|op| kind(op) == kind(batch[0])));
            }
            let place_of = |op: &Op| batches.iter().position(|batch| batch.iter().any(|it| std::ptr::eq(*it, op))).unwrap();
            prop_assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), ops.len());
            for (at, earlier) in ops.iter().enumerate() {
                for later in &ops[at + 1..] {
                    if depends(earlier, later) {
                        prop_assert!(place_of(earlier) < place_of(later), "{earlier:?} and {later:?} in {batches:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn changes_of_one_kind_to_many_devices_are_one_statement() {
        let ops: Vec<Op> = (0..5).flat_map(|n| [made(0, n), made(2, n), made(4, n)]).collect();
        let sizes: Vec<usize> = batches(ops.iter()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [5, 5, 5]);
        let removals: Vec<Op> = (0..5).flat_map(|n| [made(5, n), made(8, n), made(2, n)]).collect();
        assert_eq!(batches(removals.iter()).len(), 3);
    }
}
