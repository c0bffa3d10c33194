//! The first thing that anyone runs.

use std::process::Command;

use crate::harness::journey::PATIENCE;
use crate::harness::process::Process;

#[tokio::test]
async fn the_demo_runs_to_its_end_and_shows_that_nothing_is_sent_when_nothing_changed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pandaport"));
    command.args(["demo", "--devices", "40"]);
    let mut demo = Process::start("demo", command, dir.path());

    let ended = demo.end(PATIENCE).await;

    let said = demo.log();
    assert!(ended.success(), "{ended}\n{said}");
    assert!(said.contains("40"), "the fleet is counted:\n{said}");
    assert!(said.to_lowercase().contains("nothing"), "the second sync sends nothing:\n{said}");
    assert!(said.contains("grpcurl"), "it says what to try next:\n{said}");
    let left = std::fs::read_dir(dir.path()).unwrap().flatten().map(|it| it.file_name());
    let left: Vec<_> = left.filter(|it| it != "demo.log").collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
}
