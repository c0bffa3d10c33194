//! Histories that once went wrong, and plain ones that show how a history reads.

use pandaport_import::{Brake, OnFiltered};

use super::bench::Bench;
use super::history::Field::*;
use super::history::Step::*;
use super::history::{Filter, Policy, Serial, Setup, Step, Sync as S, Trouble};
use super::stage::play;

fn holds(setup: Setup, steps: &[Step]) {
    let bench = Bench::new();
    if let Err(wrong) = bench.runtime.block_on(play(&bench, setup, steps)) {
        panic!("{wrong}");
    }
}

fn sync() -> Step {
    Sync(S::default())
}

fn full() -> Step {
    Sync(S { full: true, ..S::default() })
}

#[test]
fn a_quiet_year() {
    let setup = Setup { devices: 6, ..Setup::default() };
    let steps = [
        sync(),
        Change(0, Tag, 2),
        Change(1, Removed, 1),
        sync(),
        Leave(2),
        sync(),
        Return(2),
        EnrolAgain(3),
        sync(),
        Edit(1, Model, 3),
        Delete(4),
        full(),
        Insert(Serial::New(1), 2),
        Identify(5, Serial::New(1)),
        Wait(30 * 60),
        Sync(S { troubles: vec![Trouble::Lost { write: 1 }], ..S::default() }),
    ];
    holds(setup, &steps);
}

#[test]
fn rule_8_a_value_that_was_refused_is_not_ours_to_clear() {
    let setup = Setup { devices: 2, ..Setup::default() };
    let steps = [Insert(Serial::Of(1), 2), sync(), Refuse(true), Change(1, Tag, 4), sync(), Change(1, Tag, 0), sync()];
    holds(setup, &steps);
}

#[test]
fn rule_3_a_record_that_refuses_its_own_second_sending_was_created_not_adopted() {
    let setup = Setup { devices: 1, unique: true, lag: 20, ..Setup::default() };
    holds(setup, &[Sync(S { troubles: vec![Trouble::Lost { write: 1 }], ..S::default() })]);
}

#[test]
fn rule_4_after_a_refusal_only_what_differs_is_sent() {
    let setup = Setup { devices: 1, ..Setup::default() };
    let steps = [sync(), Refuse(true), Change(0, Tag, 4), sync(), Change(0, Tag, 2), sync()];
    holds(setup, &steps);
}

#[test]
fn rule_4_after_a_refusal_that_a_slice_had_no_time_to_look_into_only_what_differs_is_sent() {
    let setup = Setup { devices: 2, call_takes: 7, ..Setup::default() };
    holds(setup, &[Refuse(true), sync(), Change(0, Tag, 4), Enrol]);
}

#[test]
fn rule_4_of_a_record_that_was_edited_before_its_id_was_known_only_what_differs_is_sent() {
    let setup = Setup { devices: 1, names_records: false, ..Setup::default() };
    holds(setup, &[Sync(S { meanwhile: vec![Edit(0, Model, 2)], ..S::default() }), full()]);
}

#[test]
fn rule_13_what_was_deleted_is_made_anew_in_one_batch_with_what_is_new() {
    let setup = Setup { devices: 2, ..Setup::default() };
    holds(setup, &[sync(), Enrol, Delete(0), full()]);
}

#[test]
fn rule_10_how_long_a_device_is_absent_counts_from_the_read_that_missed_it() {
    let policy = Policy::Mark { unmark_value: false };
    let setup = Setup { devices: 2, policy, min_absence: 2, ..Setup::default() };
    // Something is out before anything is read, for a day; and the next sync comes right after that one.
    let late = S { troubles: vec![Trouble::Down { call: 1 }], meanwhile: vec![Wait(25 * 60)], ..S::default() };
    holds(setup, &[sync(), Leave(0), Sync(late), sync()]);
}

#[test]
fn rules_10_and_11_a_year_of_removals() {
    let policy = Policy::Mark { unmark_value: true };
    let brake = Brake { max_percent: 10, min_count: 2 };
    let setup = Setup { devices: 6, policy, brake, filter: Some(Filter::Tag), ..Setup::default() };
    let steps = [
        sync(),
        Leave(0),
        sync(),
        sync(),
        Change(1, Removed, 1),
        LeaveOut(2, true),
        Change(3, Tag, 0),
        sync(),
        Return(0),
        LeaveOut(2, false),
        sync(),
        Delete(3),
        Delete(3),
        full(),
        Change(4, Email, 0),
        Change(5, Email, 0),
        sync(),
        Sync(S { dry_run: true, ..S::default() }),
        Approve(S { meanwhile: vec![Change(3, Email, 0)], troubles: vec![Trouble::Lost { write: 1 }], ..S::default() }),
        Approve(S::default()),
        Leave(0),
        Leave(1),
        Leave(2),
        sync(),
        sync(),
        Return(1),
        Approve(S { again: true, ..S::default() }),
    ];
    for policy in [policy, Policy::Delete, Policy::Leave] {
        for on_filtered in [OnFiltered::AsRemoved, OnFiltered::Leave] {
            holds(Setup { policy, on_filtered, ..setup }, &steps);
        }
    }
}
