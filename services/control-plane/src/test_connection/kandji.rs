//! The checks of the Kandji end. Only GET requests, as everywhere.

use pandaport_kandji::{DevicePage, KandjiClient, PageEntry};
use pandaport_outbound::{ErrorKind, SendError};

use super::check::{Check, Checks, hint_for, host_of, probe};
use crate::errors::api_reason;
use crate::reason;

const REACHABLE: &str = "kandji_reachable";
const TOKEN: &str = "kandji_token";
const DEVICES: &str = "kandji_devices";
const DETAILS: &str = "kandji_device_details";
const USERS: &str = "kandji_users";

/// All of them, in their order.
pub(super) const NAMES: &[&str] = &[REACHABLE, TOKEN, DEVICES, DETAILS, USERS];

/// A device id that no customer has. Asked for its details, the API answers 404 to a token that it takes.
const NOBODYS_DEVICE: &str = "00000000-0000-4000-8000-000000000000";

const TOKEN_HINT: &str = "In Kandji, under Settings > Access > API tokens, make a token with the permissions GET /devices and \
                          GET /device-details, and enter it whole.";
const DEVICES_HINT: &str =
    "In Kandji, under Settings > Access > API tokens, give the token the permission Device list (GET /devices).";

pub(super) async fn run(kandji: &KandjiClient, region_guessed: bool) -> Checks {
    let mut checks = Checks::default();
    let (devices, latency) = probe(&host(kandji), kandji.devices(0, 1)).await;
    match devices {
        Ok(page) => {
            checks.push(Check::passed(REACHABLE, "Kandji's API answers.").took(latency));
            checks.push(Check::passed(TOKEN, "Kandji takes the token."));
            checks.push(devices_listed(&page).took(latency));
            let (details, users) = tokio::join!(details(kandji, &page), users(kandji));
            checks.push(details);
            checks.push(users);
        }
        Err(error) if error.is_credentials() => {
            checks.push(Check::passed(REACHABLE, "Kandji's API answers.").took(latency));
            refused(kandji, &error, &mut checks).await;
        }
        Err(error) if matches!(error.kind, ErrorKind::RateLimited | ErrorKind::BudgetEmpty) => {
            if error.kind == ErrorKind::RateLimited {
                checks.push(Check::passed(REACHABLE, "Kandji's API answers.").took(latency));
            }
            checks.skip_rest(&[REACHABLE, TOKEN], "Not known: no call is allowed now.");
            let hint = hint_for(&error, "");
            checks.push(Check::failed_by(DEVICES, reason::RATE_LIMITED, &error, hint).took(latency));
        }
        Err(error) => checks.push(unreachable(&error, region_guessed).took(latency)),
    }
    checks.skip_rest(NAMES, "Not looked at: an earlier check did not pass.");
    checks
}

fn host(kandji: &KandjiClient) -> String {
    host_of(&kandji.host().to_string()).to_owned()
}

fn devices_listed(page: &DevicePage) -> Check {
    match (page.total, page.entries.is_empty()) {
        (Some(total), _) => Check::passed(DEVICES, format!("The token may list devices; there are {total}.")),
        (None, false) => Check::passed(DEVICES, "The token may list devices."),
        (None, true) => Check::passed(DEVICES, "The token may list devices; there are none yet."),
    }
}

fn unreachable(error: &SendError, region_guessed: bool) -> Check {
    let mut hint = match error.kind {
        // An unknown customer is a 404 at Kandji's gateway.
        ErrorKind::NotFound => "The host knows no such customer: check the name and the region in kandji.base_url; the API URL \
                                stands in Kandji under Settings > Access > API tokens."
            .to_owned(),
        ErrorKind::NotJson | ErrorKind::Redirect | ErrorKind::Unreadable => {
            "Something answers there, but not Kandji's API: enter the API URL from Kandji's Settings > Access > API tokens \
             as kandji.base_url, such as https://yourcompany.api.kandji.io."
                .to_owned()
        }
        _ => hint_for(error, "kandji.base_url"),
    };
    if region_guessed {
        hint.push_str(
            " The region can't be read from an iru.com URL: enter the API URL from Kandji's Settings > Access > API tokens.",
        );
    }
    let reason = match api_reason(error) {
        "" => reason::NOT_AN_API,
        known => known,
    };
    Check::failed(REACHABLE, reason, error.to_string(), hint)
}

/// The device list was refused. A 401 may mean the token, or only this permission (Kandji does both): if the token is
/// taken anywhere, it is good.
async fn refused(kandji: &KandjiClient, error: &SendError, checks: &mut Checks) {
    let token_is_good = error.kind == ErrorKind::Forbidden || taken_elsewhere(kandji).await;
    if token_is_good {
        checks.push(Check::passed(TOKEN, "Kandji takes the token."));
        checks.push(Check::failed(DEVICES, reason::PERMISSION_MISSING, error.to_string(), DEVICES_HINT));
    } else {
        checks.push(Check::failed(TOKEN, reason::TOKEN_REFUSED, error.to_string(), TOKEN_HINT));
    }
}

async fn taken_elsewhere(kandji: &KandjiClient) -> bool {
    let taken = |answer: Result<(), SendError>| match answer {
        Ok(()) => true,
        Err(error) => matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound),
    };
    let host = host(kandji);
    let users = async { probe(&host, kandji.users(None)).await.0.map(|_| ()) };
    let details = async { probe(&host, kandji.device_details(NOBODYS_DEVICE)).await.0 };
    let (users, details) = tokio::join!(users, details);
    taken(users) || taken(details)
}

async fn details(kandji: &KandjiClient, page: &DevicePage) -> Check {
    let device_id = page.entries.iter().find_map(|entry| match entry {
        PageEntry::Device(device) => Some(device.device_id.as_str()),
        PageEntry::Unreadable(entry) => entry.device_id.as_deref(),
    });
    let Some(device_id) = device_id else {
        return Check::skipped(DETAILS, "There is no device whose details could be read.");
    };
    let hint = "Only fields from the details need it. In Kandji, give the token the permission Device details \
                (GET /device-details).";
    let (answer, latency) = probe(&host(kandji), kandji.device_details(device_id)).await;
    match answer {
        Ok(()) => Check::passed(DETAILS, "The token may read device details."),
        Err(error) if error.kind == ErrorKind::NotFound => {
            Check::skipped(DETAILS, "Not known: the device that was asked for is gone.")
        }
        Err(error) => optional(DETAILS, &error, hint),
    }
    .took(latency)
}

async fn users(kandji: &KandjiClient) -> Check {
    let hint = "Only the field User Active needs it; without it, that field is left alone. In Kandji, give the token the \
                permission Users (GET /users).";
    let (answer, latency) = probe(&host(kandji), kandji.users(None)).await;
    match answer {
        Ok(_) => Check::passed(USERS, "The token may list users."),
        Err(error) => optional(USERS, &error, hint),
    }
    .took(latency)
}

/// The token is known to be good: a refusal of something that an import can do without is a missing permission.
fn optional(name: &'static str, error: &SendError, hint: &str) -> Check {
    if error.is_credentials() {
        return Check::warning(name, reason::PERMISSION_MISSING, error.to_string(), hint);
    }
    Check::warning(name, api_reason(error), error.to_string(), hint_for(error, "kandji.base_url"))
}
