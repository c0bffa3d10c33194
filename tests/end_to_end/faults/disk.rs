//! The disk under SQLite runs full in the middle of a sync.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::installation::{Installation, Serving};
use crate::harness::journey::PATIENCE;
use crate::harness::sandbox::Sandbox;
use crate::harness::trial::Trial;
use crate::harness::wait::until_so;

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing may be mounted.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).expect("a folder for the disk");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|it| it.status.success()).then(|| Self(at.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes up what is free.
    fn fill(&self) {
        let size = 64 * 1024;
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file on the disk");
        while std::io::Write::write_all(&mut ballast, &vec![0; size]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast can go");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the process on it may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The disk runs full while writes are on their way; it is told, and once there is room the sync goes on.
async fn run_full(disk: &Disk, installation: &Installation, up: &Serving, sandbox: &Sandbox, trial: &Trial) {
    let told = || installation.logs().matches("free some disk space").count();
    let before = told();
    until_so("writes on their way", PATIENCE, async || sandbox.counters().await.asset_panda_in_flight() >= 4).await;
    disk.fill();
    until_so("the full disk to be told", PATIENCE, async || told() > before).await;
    assert!(up.is_live().await, "it waits, and does not fall over");
    disk.make_room();
    trial.holds_and_is_settled(&up.caller(), sandbox).await;
}

#[tokio::test]
async fn a_full_disk_under_the_database_is_told_and_waited_out() {
    let sandbox = Sandbox::start(200).await;
    let installation = Installation::new(&sandbox);
    let Some(disk) = Disk::mount(&installation.path().join("disk")) else {
        eprintln!("NOT TRIED: a file system can't be mounted here");
        return;
    };
    let database = format!("sqlite://{}", disk.0.join("pandaport.db").display());
    let installation = installation.with("PANDAPORT_DATABASE_URL", &database);
    let slow = json!({"asset_panda": {"latency_ms": 150}});

    let mut up = installation.up().await;
    let first = Trial::of_first_import(&up.caller(), &sandbox, slow.clone()).await;
    run_full(&disk, &installation, &up, &sandbox, &first).await;

    // An orderly end gives the log's space back to the disk: else the next sync would find all the room it needs in it.
    up.process.send(Signal::SIGTERM);
    assert!(up.process.end(PATIENCE).await.success());
    let up = installation.up().await;
    let changes = Trial::of_changes(&up.caller(), &sandbox, &first.mapping_id, slow).await;
    run_full(&disk, &installation, &up, &sandbox, &changes).await;
}
