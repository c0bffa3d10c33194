//! The command line of `pandaport`.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::{
    AlertsCommand, AuditCommand, CollectionsCommand, ColumnsCommand, Common, ConnectionsCommand, DevicesCommand,
    FieldsCommand, MappingsCommand, SyncsCommand, status,
};
use crate::console::Console;
use crate::demo::{self, DemoArgs};
use crate::error::Error;
use crate::migrate::{self, MigrateArgs};
use crate::program;
use crate::up::{self, UpArgs};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a call was refused or a process could not go on; 2 something on the command line or in the \
settings can't be used; 3 done, but what came of it is not good (a failed test, a failed sync).

Every setting is also an environment variable; `--help` of a command names them.";

/// Imports Apple devices from Kandji into an Asset Panda Pro collection.
#[derive(Debug, Parser)]
#[command(name = "pandaport", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Pandaport in one process, on a SQLite file
    Up(Box<UpArgs>),
    /// See the whole journey on this machine, with stand-ins for Kandji and Asset Panda
    Demo(DemoArgs),
    /// Bring the database to this version; `up` and `demo` do it by themselves
    Migrate(MigrateArgs),
    /// Connect Kandji to Asset Panda
    Connections(Group<ConnectionsCommand>),
    /// Say which fields go into which columns
    Mappings(Group<MappingsCommand>),
    /// Start and follow syncs
    Syncs(Group<SyncsCommand>),
    /// See where devices stand
    Devices(Group<DevicesCommand>),
    /// Be told when a mapping fails, rejects devices, is held or has recovered
    Alerts(Group<AlertsCommand>),
    /// See who changed what, when and from where
    Audit(Group<AuditCommand>),
    /// See how the installation does: versions, workers, the queue
    Status(Common),
    /// See the collections of a connection
    Collections(Group<CollectionsCommand>),
    /// See the columns of a collection
    Columns(Group<ColumnsCommand>),
    /// See the Kandji fields that can be mapped
    Fields(Group<FieldsCommand>),
    /// Print completions for a shell, such as `pandaport completions bash`
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// A group of client commands with the flags that they share.
#[derive(Debug, clap::Args)]
struct Group<C: Subcommand> {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: C,
}

/// The `main` of `pandaport`.
#[must_use]
pub fn main() -> ExitCode {
    program::run(Cli::parse, |cli| {
        if let Command::Completions { shell } = cli.command {
            return completions(shell);
        }
        program::block_on(run(cli.command))
    })
}

async fn run(command: Command) -> Result<(), Error> {
    let console = &mut Console::stdout();
    match command {
        Command::Up(args) => Box::pin(up::up(*args, console)).await,
        Command::Demo(args) => Box::pin(demo::demo(args, console)).await,
        Command::Migrate(args) => Box::pin(migrate::migrate(args, console)).await,
        Command::Connections(it) => it.command.run(&it.common, console).await,
        Command::Mappings(it) => it.command.run(&it.common, console).await,
        Command::Syncs(it) => it.command.run(&it.common, console).await,
        Command::Devices(it) => it.command.run(&it.common, console).await,
        Command::Alerts(it) => it.command.run(&it.common, console).await,
        Command::Audit(it) => it.command.run(&it.common, console).await,
        Command::Status(common) => status(&common, console).await,
        Command::Collections(it) => it.command.run(&it.common, console).await,
        Command::Columns(it) => it.command.run(&it.common, console).await,
        Command::Fields(it) => it.command.run(&it.common, console).await,
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pandaport", &mut script);
    Ok(Console::stdout().raw(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_that_a_group_shares_may_stand_anywhere_behind_it() {
        for line in [["pandaport", "syncs", "--json", "list"], ["pandaport", "syncs", "list", "--json"]] {
            let cli = Cli::try_parse_from(line).expect("a good line");
            let Command::Syncs(group) = cli.command else { panic!("not the syncs") };
            assert!(group.common.json);
        }
    }

    #[test]
    fn a_secret_can_not_be_given_on_the_command_line() {
        let mut command = Cli::command();
        command.build();
        let mut flags = Vec::new();
        let mut groups = vec![command];
        while let Some(group) = groups.pop() {
            flags.extend(group.get_arguments().map(|it| it.get_id().to_string()));
            groups.extend(group.get_subcommands().cloned());
        }
        for flag in flags {
            let secret = ["token", "secret", "password", "key"].iter().any(|it| flag.contains(it));
            // A page's token is an opaque place in a list, and a key's id is a name; these two keys are files.
            let named = ["page_token", "asset_panda_key_id", "tls_key", "client_key"].contains(&flag.as_str());
            let harmless = flag.ends_with("_file") || named;
            assert!(!secret || harmless, "--{flag} would stand in the shell's history");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let line = [
            "pandaport",
            "mappings",
            "create",
            "--collection=ITAM",
            "--identifier=serial_number=c1",
            "--every=1h",
            "--manual",
        ];
        let error = Cli::try_parse_from(line).expect_err("either by itself or on demand");
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_state_that_does_not_exist_is_answered_with_those_that_do() {
        let error = Cli::try_parse_from(["pandaport", "syncs", "list", "--state", "done"]).expect_err("no such state");
        assert!(error.to_string().contains("COMPLETED_WITH_REJECTIONS"), "{error}");
    }
}
