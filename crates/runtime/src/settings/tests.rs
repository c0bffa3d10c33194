#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    common: CommonSettings,
    #[command(flatten)]
    listen: ListenSettings,
    #[command(flatten)]
    worker: WorkerSettings,
}

/// As if the environment had none of our variables.
fn parse(arguments: &[&str]) -> Result<Program, clap::Error> {
    let mut command = Program::command();
    let names: Vec<String> = command.get_arguments().map(|it| it.get_id().to_string()).collect();
    for name in names {
        command = command.mut_arg(name, |it| it.env(None));
    }
    let matches = command.try_get_matches_from([&["pandaport"], arguments].concat())?;
    <Program as clap::FromArgMatches>::from_arg_matches(&matches)
}

#[test]
fn defaults_are_those_of_the_design() {
    let program = parse(&[]).unwrap();
    let mut effective = Effective::new();
    program.common.describe(&mut effective);
    program.listen.describe(&mut effective);
    program.worker.describe(&mut effective);
    assert_eq!(
        effective.to_string(),
        "PANDAPORT_DATABASE_URL=sqlite://pandaport.db\n\
         PANDAPORT_ALLOWED_HOSTS=\n\
         PANDAPORT_KANDJI_BUDGET=10000/1h,50/1s\n\
         PANDAPORT_KANDJI_SHARE=80%\n\
         PANDAPORT_ASSET_PANDA_BUDGET=400/3m\n\
         PANDAPORT_EGRESS_GROUP=default\n\
         PANDAPORT_HTTP_TIMEOUT=8s\n\
         PANDAPORT_SHUTDOWN_GRACE=10s\n\
         RUST_LOG=(default)\n\
         OTEL_EXPORTER_OTLP_ENDPOINT=(not set)\n\
         PANDAPORT_GRPC_LISTEN=127.0.0.1:50051\n\
         PANDAPORT_AUTH=none\n\
         PANDAPORT_TLS=required\n\
         PANDAPORT_TLS_CERT=(not set)\n\
         PANDAPORT_TLS_KEY=(not set)\n\
         PANDAPORT_TLS_CLIENT_CA=(not set)\n\
         PANDAPORT_JWT_ISSUER=(not set)\n\
         PANDAPORT_JWT_AUDIENCE=(not set)\n\
         PANDAPORT_JWT_JWKS_URL=(not set)\n\
         PANDAPORT_JWT_JWKS_FILE=(not set)\n\
         PANDAPORT_JWT_JWKS_CA=(not set)\n\
         PANDAPORT_JWT_JWKS_TOKEN_FILE=(not set)\n\
         PANDAPORT_JWT_TENANT_CLAIM=pandaport_tenant\n\
         PANDAPORT_JWT_ROLES_CLAIM=pandaport_roles\n\
         PANDAPORT_POLICY_FILE=(not set)\n\
         PANDAPORT_WORKER_SLOTS=8\n\
         PANDAPORT_TENANT_SLOTS=4\n\
         PANDAPORT_SLICE=30s\n\
         PANDAPORT_SETTLE=5s,30s,2m\n\
         PANDAPORT_OUTAGE_LIMIT=1d\n\
         PANDAPORT_HISTORY_RETENTION=90d\n\
         PANDAPORT_AUDIT_RETENTION=366d\n"
    );
    let process = &program.common.process;
    assert_eq!(process.admin_listen().port(), 9464);
    assert_eq!(process.worker_admin_listen().port(), 9465);
    assert_eq!(program.worker.job_timeout(program.common.outbound.http_timeout), Duration::from_secs(30 + 16 + 5));
}

#[test]
fn every_setting_is_known_and_described() {
    let command = Program::command();
    let of_arguments: BTreeSet<String> =
        command.get_arguments().filter_map(|it| it.get_env()?.to_str().map(str::to_owned)).collect();
    let ours = of_arguments.iter().filter(|name| name.starts_with("PANDAPORT_"));
    for name in ours {
        assert!(KNOWN.contains(&name.as_str()), "{name} is not KNOWN");
    }

    // On a server, which has more of them than a file.
    let program = parse(&["--database-url=postgres://db.example/pandaport"]).unwrap();
    let mut effective = Effective::new();
    program.common.describe(&mut effective);
    program.listen.describe(&mut effective);
    program.worker.describe(&mut effective);
    // Its default differs by program, which describes it itself.
    effective.add("PANDAPORT_ADMIN_LISTEN", program.common.process.admin_listen());
    let described: BTreeSet<String> = effective.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(of_arguments, described);
}

#[test]
fn flags_are_read_strictly() {
    let program = parse(&["--slice", "200ms", "--worker-slots=2", "--kandji-budget=off"]).unwrap();
    assert_eq!(program.worker.slice.get(), Duration::from_millis(200));
    assert_eq!(program.worker.worker_slots, 2);
    assert!(program.common.outbound.kandji_budget.is_off());

    for wrong in [
        "--slice=0s",
        "--slice=30",
        "--worker-slots=0",
        "--tenant-slots=many",
        "--http-timeout=0ms",
        "--kandji-share=0",
        "--auth=basic",
        "--tls=off",
        "--audit-retention=29d",
        "--admin-listen=here",
        "--egress-group=",
        "--database-connections=1",
        "--database-statement-timeout=0s",
    ] {
        assert!(parse(&[wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn the_encryption_key_is_no_flag_and_a_password_is_not_in_the_help() {
    let error = parse(&["--encryption-key=x"]).unwrap_err();
    assert_eq!(error.kind(), clap::error::ErrorKind::UnknownArgument);
    for argument in Program::command().get_arguments() {
        if argument.get_id() == "database_url" {
            assert!(argument.is_hide_env_values_set());
        }
    }
}
