//! The checks of the Asset Panda end. Nothing is written.

use pandaport_asset_panda::{Account, AssetPandaClient, Module, Scope, refused_credentials};
use pandaport_outbound::{ErrorKind, SendError};

use super::check::{Check, Checks, hint_for, probe};
use crate::errors::api_reason;
use crate::reason;

const REACHABLE: &str = "asset_panda_reachable";
const KEY: &str = "asset_panda_key";
const ACCOUNT: &str = "asset_panda_account";
const MODULE: &str = "asset_panda_module";
const COLLECTIONS: &str = "asset_panda_collections";
const WRITE: &str = "asset_panda_write";

/// All of them, in their order.
pub(super) const NAMES: &[&str] = &[REACHABLE, KEY, ACCOUNT, MODULE, COLLECTIONS, WRITE];

/// The most choices that a hint lists; ListAssetPandaModules has them all.
const MOST_CHOICES: usize = 20;

const KEY_HINT: &str = "In Asset Panda, under Settings > API Configuration, make an API key, and enter its id and its secret \
                        whole.";
const URL: &str = "asset_panda.base_url";

/// Gives the checks, and the account and module if both are settled.
pub(super) async fn run(
    asset_panda: &AssetPandaClient,
    host: &str,
    account_id: Option<String>,
    module_id: Option<String>,
) -> (Checks, Option<Scope>) {
    let mut checks = Checks::default();
    let scope = settle(asset_panda, host, account_id, module_id, &mut checks).await;
    if let Some(scope) = &scope {
        checks.push(collections(asset_panda, host, scope).await);
    }
    checks.skip_rest(&NAMES[..NAMES.len() - 1], "Not looked at: an earlier check did not pass.");
    checks.push(Check::skipped(WRITE, "Not looked at: only a first sync can show whether the key may write."));
    (checks, scope)
}

async fn settle(
    asset_panda: &AssetPandaClient,
    host: &str,
    account_id: Option<String>,
    module_id: Option<String>,
    checks: &mut Checks,
) -> Option<Scope> {
    let (accounts, latency) = probe(host, asset_panda.accounts()).await;
    let accounts = match accounts {
        Ok(accounts) => accounts,
        Err(error) => {
            first_call_failed(&error, checks, latency);
            return None;
        }
    };
    checks.push(Check::passed(REACHABLE, "Asset Panda's API answers.").took(latency));
    checks.push(Check::passed(KEY, "Asset Panda takes the key."));

    let accounts = accounts.into_iter().map(|Account { id, name }| (id, name)).collect();
    let account_id = choose(ACCOUNT, "account", "asset_panda.account_id", account_id, accounts, checks)?;

    let (modules, latency) = probe(host, asset_panda.modules(&account_id)).await;
    let modules = match modules {
        Ok(modules) => modules.into_iter().map(|Module { id, name }| (id, name)).collect(),
        Err(error) => {
            checks.push(later_call_failed(MODULE, &error).took(latency));
            return None;
        }
    };
    let module_id = choose(MODULE, "module", "asset_panda.module_id", module_id, modules, checks)?;
    Some(Scope { account_id, module_id })
}

fn first_call_failed(error: &SendError, checks: &mut Checks, latency: std::time::Duration) {
    let answers = Check::passed(REACHABLE, "Asset Panda's API answers.").took(latency);
    if refused_credentials(error) {
        checks.push(answers);
        checks.push(Check::failed(KEY, reason::TOKEN_REFUSED, error.to_string(), KEY_HINT));
    } else if matches!(error.kind, ErrorKind::RateLimited | ErrorKind::BudgetEmpty) {
        checks.push(match error.kind {
            ErrorKind::RateLimited => answers,
            _ => Check::skipped(REACHABLE, "Not known: no call is allowed now."),
        });
        checks.push(Check::failed_by(KEY, reason::RATE_LIMITED, error, hint_for(error, URL)));
    } else {
        let reason = match api_reason(error) {
            "" => reason::NOT_AN_API,
            known => known,
        };
        checks.push(Check::failed(REACHABLE, reason, error.to_string(), hint_for(error, URL)).took(latency));
    }
}

/// The key is known to be good: a refusal is a missing permission.
fn later_call_failed(name: &'static str, error: &SendError) -> Check {
    if error.is_credentials() {
        let hint = "In Asset Panda, give the user of the API key access to this account and module.";
        return Check::failed(name, reason::PERMISSION_MISSING, error.to_string(), hint);
    }
    Check::failed_by(name, api_reason(error), error, hint_for(error, URL))
}

/// Checks what was chosen, or takes the only choice there is.
fn choose(
    name: &'static str,
    what: &str,
    field: &str,
    chosen: Option<String>,
    choices: Vec<(String, String)>,
    checks: &mut Checks,
) -> Option<String> {
    let list = || {
        let named: Vec<_> = choices.iter().take(MOST_CHOICES).map(|(id, name)| format!("{id} ({name})")).collect();
        let more = choices.len().saturating_sub(MOST_CHOICES);
        let more = if more > 0 { format!(", and {more} more: see ListAssetPandaModules") } else { String::new() };
        format!("Set {field} to one of: {}{more}.", named.join(", "))
    };
    if choices.is_empty() {
        let hint = format!("In Asset Panda, give the user of the API key access to the {what} for the devices.");
        checks.push(Check::failed(name, reason::PERMISSION_MISSING, format!("The key sees no {what}."), hint));
        return None;
    }
    match (chosen, choices.as_slice()) {
        (Some(chosen), _) => {
            if let Some((_, title)) = choices.iter().find(|(id, _)| *id == chosen) {
                checks.push(Check::passed(name, format!("The key sees the {what} \"{title}\".")));
                return Some(chosen);
            }
            let message = format!("The key does not see the {what} {chosen}.");
            checks.push(Check::failed(name, reason::PERMISSION_MISSING, message, list()));
            None
        }
        (None, [(id, title)]) => {
            checks.push(Check::passed(name, format!("The key sees one {what}, \"{title}\", and that is taken.")));
            Some(id.clone())
        }
        (None, _) => {
            checks.push(Check::failed(name, "", format!("The {what} is not chosen yet."), list()));
            None
        }
    }
}

async fn collections(asset_panda: &AssetPandaClient, host: &str, scope: &Scope) -> Check {
    let (collections, latency) = probe(host, asset_panda.at(scope.clone()).collections()).await;
    match collections {
        Ok(found) if found.is_empty() => Check::warning(
            COLLECTIONS,
            "",
            "The module has no collection yet.",
            "In Asset Panda, make a collection for the devices, with a unique column for their identifier.",
        ),
        Ok(found) => {
            Check::passed(COLLECTIONS, format!("The key may list the module's collections; there are {}.", found.len()))
        }
        Err(error) => later_call_failed(COLLECTIONS, &error),
    }
    .took(latency)
}
