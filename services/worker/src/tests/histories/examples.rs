//! Histories that once went wrong, and plain ones that show how a history reads.

use super::bench::Bench;
use super::history::Field::*;
use super::history::Step::*;
use super::history::{Serial, Setup, Step, Sync as S, Trouble};
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
