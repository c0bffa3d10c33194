//! A program under test: started as a child, killed at the end of the test, its log shown if the test failed.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::until;

/// How many lines of a log are shown when a test failed.
const LINES_SHOWN: usize = 80;

/// A running program, or one that has ended.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program of the workspace. Its output goes to `<name>.log` in `dir`, after what is there already.
    pub(crate) fn start(name: &str, mut command: Command, dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        let out = append(&log);
        let err = out.try_clone().expect("a file can be written through two handles");
        without_own_settings(&mut command);
        let child = command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written so far.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is a small number");
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.name));
    }

    /// `kill -9`: it gets no chance to put anything down.
    pub(crate) fn kill_hard(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(&what, within, async || self.child.try_wait().expect("a child can be asked")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process is killed just as well. Errors: it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = read(&self.log);
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- the last of {}'s log:\n{}\n---", self.name, lines[from..].join("\n"));
        }
    }
}

/// The environment of the test reaches a program, but for settings of Pandaport and of telemetry that are not the command's own.
pub(crate) fn without_own_settings(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        let key = key.to_string_lossy().into_owned();
        if key.starts_with("PANDAPORT_") || key.starts_with("OTEL_") || key == "RUST_LOG" {
            // What the test itself set on the command stays.
            if !command.get_envs().any(|(set, _)| set.to_string_lossy() == key) {
                command.env_remove(key);
            }
        }
    }
}

/// The program of that name: the one that was built with this test, or, to measure, one of those that `PROGRAMS` names the
/// folder of.
pub(crate) fn program(name: &str, built: &str) -> PathBuf {
    std::env::var_os("PROGRAMS").map_or_else(|| built.into(), |folder| Path::new(&folder).join(name))
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log can be made")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
