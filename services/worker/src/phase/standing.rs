//! How a device stands beside its values, and what follows for READ (rules 8, 10).

use pandaport_import::{LeftOut, NotImported, OnFiltered, RemovalAction, Source, is_removed};
use pandaport_store::engine::flag;

/// Those of [`flag::OF_READ`] that hold for a device as Kandji lists it. One that the filter leaves out, and that is then
/// to be left as it is, is not REMOVED as well: the removal policy has nothing to do with it.
pub(super) fn standing<S: Source + ?Sized>(
    device: &S,
    not_imported: Option<&NotImported>,
    on_filtered: OnFiltered,
) -> i64 {
    let filtered = matches!(not_imported, Some(NotImported::Filtered(_)));
    let out_as_removed = matches!(not_imported, Some(NotImported::Filtered(LeftOut::Removed)));
    let removed = is_removed(device) && !(filtered && on_filtered == OnFiltered::Leave);
    let flags = [(filtered, flag::FILTERED), (removed, flag::REMOVED), (out_as_removed, flag::OUT_AS_REMOVED)];
    flags.iter().filter(|(holds, _)| *holds).fold(0, |all, (_, flag)| all | flag)
}

/// Whether a device must be decided on though its values are what they were. `flags` are those of its link, as the last
/// sync left them; `standing` is how it stands now.
pub(super) fn is_to_be_decided_on(flags: i64, standing: i64, action: &RemovalAction) -> bool {
    if flags & flag::LINKED == 0 {
        return true;
    }
    // The policy has done with it what it does, and would do the same again: a device that is not back.
    let settled = match action {
        _ if standing & flag::REMOVED == 0 => 0,
        RemovalAction::Mark { .. } => flag::MARKED,
        RemovalAction::Delete => flag::LEFT,
        RemovalAction::Leave => 0,
    };
    let news =
        flag::DIRTY | flag::REJECTED | flag::FILTERED | flag::MARKED | flag::MARKING | flag::MISSING | flag::LEFT;
    flags & news & !settled != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> RemovalAction {
        RemovalAction::Mark { column_id: "c".into(), value: true.into(), unmark_value: None }
    }

    #[test]
    fn rule_10_a_marked_device_is_left_alone_as_long_as_kandji_lists_it_as_removed() {
        let marked = flag::LINKED | flag::REMOVED | flag::MARKED;
        assert!(!is_to_be_decided_on(marked, flag::REMOVED, &mark()));
        assert!(is_to_be_decided_on(marked, 0, &mark()), "it is back: the mark is to go");
        assert!(is_to_be_decided_on(marked, flag::REMOVED, &RemovalAction::Leave), "nothing is due any more");
    }

    #[test]
    fn rule_10_a_record_that_was_left_is_left_alone_as_long_as_the_device_is_removed() {
        let left = flag::LINKED | flag::REMOVED | flag::LEFT;
        assert!(!is_to_be_decided_on(left, flag::REMOVED, &RemovalAction::Delete));
        assert!(is_to_be_decided_on(left, 0, &RemovalAction::Delete));
    }

    #[test]
    fn what_the_last_sync_left_open_is_decided_on() {
        for open in [flag::DIRTY, flag::REJECTED, flag::FILTERED, flag::MISSING] {
            assert!(is_to_be_decided_on(flag::LINKED | open, 0, &RemovalAction::Leave), "{open}");
        }
        assert!(!is_to_be_decided_on(flag::LINKED, 0, &RemovalAction::Leave));
        assert!(!is_to_be_decided_on(flag::LINKED | flag::REMOVED, flag::REMOVED, &RemovalAction::Leave));
        assert!(is_to_be_decided_on(0, 0, &RemovalAction::Leave), "it has no record");
    }
}
