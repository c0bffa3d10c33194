//! The journey by the commands of `pandaport`, as an operator or a script goes it.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::scene::Scene;

/// The commands, run where the scene's control plane is.
struct Shell<'a>(&'a Scene);

impl Shell<'_> {
    async fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pandaport"));
        command.args(words).env("PANDAPORT_ENDPOINT", format!("http://{}", self.0.up.grpc));
        command.current_dir(self.0.installation.path()).output().await.expect("the program starts")
    }

    /// The answer of a command that goes well.
    async fn says(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {}\n{out}{err}", output.status);
        out.into_owned()
    }

    /// The same in JSON.
    async fn json(&self, words: &[&str]) -> Value {
        let out = self.says(&[words, &["--json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
    }
}

fn keep(folder: &Path, name: &str, secret: &str) {
    std::fs::write(folder.join(name), format!("{secret}\n")).expect("a secret can be put into a file");
}

#[tokio::test]
async fn the_whole_journey_by_commands() {
    let scene = Scene::of(30).await;
    let ready = &scene.sandbox.ready;
    let shell = Shell(&scene);
    keep(scene.installation.path(), "kandji-token", &ready.kandji_token);
    keep(scene.installation.path(), "secret", &ready.access_key_secret);
    let configure = [
        "connections",
        "configure",
        "--name",
        "Sandbox",
        "--kandji-url",
        &ready.kandji_url,
        "--kandji-token-file",
        "kandji-token",
        "--asset-panda-url",
        &ready.asset_panda_url,
        "--asset-panda-key-id",
        &ready.access_key_id,
        "--asset-panda-secret-file",
        "secret",
    ];
    let said = shell.says(&configure).await;
    assert!(said.contains("VERIFIED") && said.contains("saved"), "{said}");

    let connections = shell.json(&["connections", "list"]).await;
    let connection_id = connections["connections"][0]["connectionId"].as_str().unwrap().to_owned();
    let said = shell.says(&["connections", "test", &connection_id]).await;
    assert!(said.contains("The token may list devices"), "{said}");
    let said = shell.says(&["collections", "list"]).await;
    assert!(said.contains("ITAM") && said.contains("All Text"), "{said}");
    assert!(shell.says(&["fields", "list"]).await.contains("serial_number"));

    let create = ["mappings", "create", "--collection", "ITAM", "--identifier", "serial_number=Serial Number"];
    let created = shell.json(&[&create[..], &["--all-fields-by-name", "--manual"]].concat()).await;
    assert_eq!(created["mapping"]["fields"].as_array().map(Vec::len), Some(25), "{created:#}");
    let mapping_id = created["mapping"]["mappingId"].as_str().unwrap();
    let sync_id = created["sync"]["syncId"].as_str().unwrap();
    let watched = shell.says(&["syncs", "watch", sync_id]).await;
    assert!(watched.contains("Succeeded: 30 read, 30 created"), "{watched}");
    scene.assert_every_value_is_right().await;

    let device = scene.sandbox.devices().await[2].clone();
    let (id, serial) = (device["device_id"].as_str().unwrap(), device["serial_number"].as_str().unwrap());
    scene.sandbox.edit_device(id, json!({"os_version": "99.1"})).await;
    let said = shell.says(&["syncs", "trigger", mapping_id, "--watch"]).await;
    assert!(said.contains("Succeeded: 30 read") && said.contains("1 updated"), "{said}");
    let syncs = shell.json(&["syncs", "list"]).await;
    let newest = &syncs["syncs"][0];
    assert_eq!((&newest["counts"]["updated"], &newest["counts"]["unchanged"]), (&json!(1), &json!(29)));
    let said = shell.says(&["syncs", "records", newest["syncId"].as_str().unwrap()]).await;
    assert!(said.contains(serial) && said.contains("99.1"), "{said}");
    assert!(shell.says(&["devices", "list", mapping_id]).await.contains(serial));

    let weekdays = ["--cron", "0 6 * * 1-5", "--time-zone", "America/Chicago"];
    let change = [&["mappings", "update", mapping_id, "--drop-field", "OS Version"], &weekdays[..]].concat();
    let said = shell.says(&change).await;
    let dropped = !said.lines().any(|line| line.starts_with("os_version "));
    assert!(dropped && said.contains("0 6 * * 1-5 America/Chicago"), "{said}");
    assert!(shell.says(&["mappings", "pause", mapping_id]).await.contains("PAUSED"));
    let resumed = shell.json(&["mappings", "resume", mapping_id]).await;
    assert_eq!(resumed["state"], "MAPPING_STATE_ACTIVE", "{resumed:#}");
    assert!(resumed["nextSyncTime"].is_string(), "{resumed:#}");
}

#[tokio::test]
async fn a_failed_sync_ends_the_watching_command_with_exit_code_3_and_a_refused_call_with_1() {
    let scene = Scene::of(10).await;
    let shell = Shell(&scene);
    let import = crate::harness::journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    scene.sandbox.faults(json!({"kandji": {"revoked": true}})).await;

    let failed = shell.run(&["syncs", "trigger", &import.mapping_id, "--watch"]).await;
    assert_eq!(failed.status.code(), Some(3), "{failed:?}");
    assert!(String::from_utf8_lossy(&failed.stdout).contains("TOKEN_REFUSED"), "{failed:?}");

    let refused = shell.run(&["syncs", "get", "01890000-0000-7000-8000-000000000000"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let nonsense = shell.run(&["syncs", "trigger"]).await;
    assert_eq!(nonsense.status.code(), Some(2), "{nonsense:?}");
}
