//! `/details` and `/details/lostmode`: the documented shape of each platform, filled from the device.

use serde_json::json;

use crate::answer::Answer;
use crate::faults::KandjiFaults;
use crate::fleet::Style;
use crate::json::Object;
use crate::world::World;

use super::not_found;

const MAC: &str = include_str!("../../examples/details-mac.json");
const IPHONE: &str = include_str!("../../examples/details-iphone.json");
const IPAD_LOST: &str = include_str!("../../examples/details-ipad-lost-mode.json");
const APPLE_TV: &str = include_str!("../../examples/details-appletv.json");
const WINDOWS: &str = include_str!("../../examples/details-windows.json");
const ANDROID: &str = include_str!("../../examples/details-android.json");
const LOST_MODE: &str = include_str!("../../examples/lostmode-200.json");

pub(super) fn details(world: &World, faults: &KandjiFaults, id: &str) -> Answer {
    let Some(device) = device(world, faults, id) else {
        return not_found();
    };
    let platform = device.text("platform");
    let template = match &*platform {
        "Mac" => MAC,
        "iPhone" => IPHONE,
        "AppleTV" => APPLE_TV,
        "Windows" => WINDOWS,
        "Android" => ANDROID,
        // No example of a Vision device is published; the iPad shape is assumed.
        _ => IPAD_LOST,
    };
    let mut details: Object = serde_json::from_str(template).unwrap_or_default();
    general(&mut details, &device);
    let serial = device.text("serial_number");
    match &*platform {
        "Windows" => windows(&mut details, &device),
        "Android" => details.edit("general", |general| {
            general.set("model_name", device.get("model"));
            general.set("serial_number", serial);
            general.set("security_patch_level", device.get("security_patch_level"));
        }),
        _ => apple(&mut details, &device),
    }
    details.set("tags", device.get("tags"));
    Answer::json(200, &details)
}

pub(super) fn lost_mode(world: &World, faults: &KandjiFaults, id: &str) -> Answer {
    let Some(device) = device(world, faults, id) else {
        return not_found();
    };
    if device.text("lost_mode_status") != "ENABLED" {
        return Answer::json(400, &json!(["Device is not in lost mode."]));
    }
    let mut body: Object = serde_json::from_str(LOST_MODE).unwrap_or_default();
    body.set("device_id", device.get("device_id"));
    Answer::json(200, &body)
}

fn device(world: &World, faults: &KandjiFaults, id: &str) -> Option<Object> {
    let fleet = world.fleet();
    let style = Style { mixed_keys: true, ..Style::of(faults) };
    fleet.find(id).map(|slot| fleet.object(slot, &style))
}

/// The keys that all platforms share.
fn general(details: &mut Object, device: &Object) {
    details.edit("general", |general| {
        for key in [
            "device_id",
            "device_name",
            "last_enrollment",
            "first_enrollment",
            "model",
            "platform",
            "os_version",
            "supplemental_build_version",
            "supplemental_os_version_extra",
            "asset_tag",
            "blueprint_name",
        ] {
            if general.get(key).is_some() {
                general.set(key, device.get(key));
            }
        }
        general.set("blueprint_uuid", device.get("blueprint_id"));
        let nobody = general.text("assigned_user").is_empty() && general.get("manufacturer").is_some();
        if device.object("user").is_some() || !nobody {
            general.set("assigned_user", device.get("user"));
        }
        if !general.text("system_version").is_empty() {
            let version = device.text("os_version");
            let build = device.text("supplemental_build_version");
            general.set("system_version", format!("{version} ({build})"));
        }
    });
}

fn apple(details: &mut Object, device: &Object) {
    let word = |key| if device.text(key) == "true" { "True" } else { "False" };
    let check_in = device.text("last_check_in");
    let mac = device.text("platform") == "Mac";
    details.edit("mdm", |mdm| {
        mdm.set("mdm_enabled", word("mdm_enabled"));
        mdm.set("install_date", device.get("first_enrollment"));
        mdm.set("last_check_in", check_in.replace('T', " ").replace('Z', "+00:00"));
    });
    details.edit("kandji_agent", |agent| {
        agent.set("agent_installed", if mac { word("agent_installed") } else { "False" });
        agent.set("last_check_in", &check_in);
        agent.set("agent_version", device.get("agent_version"));
    });
    details.edit("hardware_overview", |hardware| hardware.set("serial_number", device.get("serial_number")));
    details.edit("apple_business_manager", |manager| {
        if manager.get("serial_number").is_some() {
            manager.set("serial_number", device.get("serial_number"));
        }
    });
    if details.get("lost_mode").is_some() && device.text("lost_mode_status") != "ENABLED" {
        details.set("lost_mode", Object::default());
    }
}

fn windows(details: &mut Object, device: &Object) {
    details.edit("general", |general| {
        general.set("device_model", device.get("model"));
        general.set("os_version", device.get("full_software_version"));
    });
    details.edit("hardware_overview", |hardware| {
        hardware.set("smbios_serial_number", device.get("serial_number"));
    });
    details.edit("kandji_agent", |agent| {
        agent.set("is_agent_installed", device.get("agent_installed"));
        agent.set("last_check_in_datetime", device.get("last_check_in"));
        agent.set("version", device.get("agent_version"));
    });
}
