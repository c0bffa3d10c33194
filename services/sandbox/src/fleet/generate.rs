//! Generated devices: each drawn on demand from the seed and its index, nothing stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::generated::Generated;
use super::hash::{Draw, mix, push_crockford, uuid_like};
use super::people::{BLOCK_DEVICES, BLOCK_USERS};
use super::pools::{BLUEPRINTS, IPADS, IPHONES, MACS, MIXED, Model, OTHERS, PLACES, TAGS};
use super::time::{Micros, NOW};

/// The largest fleet: ids leave room for 2,048 devices between two neighbours.
pub const MOST_DEVICES: u32 = 2_000_000;
/// How ids leave room between neighbours.
pub(super) const ID_SHIFT: u32 = 11;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

const AGENTS: &[&str] = &["5.8.2 (7411)", "5.8.2 (7411)", "5.8.1 (7390)", "5.6.0 (7002)"];

/// What a generated fleet is like. The same values give the same fleet, and a larger fleet of the same seed
/// begins with the smaller one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetSpec {
    /// How many devices; at most [`MOST_DEVICES`].
    pub devices: u32,
    /// Where all draws begin.
    pub seed: u64,
    /// Also Windows and Android devices.
    pub mixed_platforms: bool,
    /// How many of a hundred devices carry the serial number of the device before them.
    pub duplicate_serials_percent: u8,
    /// How many of a hundred devices have an empty serial number.
    pub empty_serials_percent: u8,
}

impl Default for FleetSpec {
    fn default() -> Self {
        Self { devices: 50, seed: 1, mixed_platforms: false, duplicate_serials_percent: 0, empty_serials_percent: 0 }
    }
}

impl Generated {
    /// The device at `index`, with what `changes` made of it and after so many further check-ins.
    pub(crate) fn draw(spec: &FleetSpec, index: u32, changes: &[Change], check_ins: u32) -> Self {
        let mut device = Self::fresh(spec, index);
        for change in changes.iter().filter(|change| change.touches(index.into())) {
            change.apply(&mut device, index);
        }
        if let Some(time) = &mut device.last_check_in {
            time.0 += 15 * MINUTE * i64::from(check_ins);
        }
        device
    }

    /// The platform of the device at `index`, without drawing the rest.
    pub(crate) fn platform_of(spec: &FleetSpec, index: u32) -> &'static str {
        model(Draw::of(spec.seed, index.into()), spec.mixed_platforms).platform
    }

    fn fresh(spec: &FleetSpec, index: u32) -> Self {
        let draw = Draw::of(spec.seed, index.into());
        let model = model(draw, spec.mixed_platforms);
        let (os_version, build) = *draw.pick(2, model.systems);
        let mac = model.platform == "Mac";
        let mobile = matches!(model.platform, "iPhone" | "iPad");
        let is_removed = draw.percent(3, 1);
        let never = mobile && draw.percent(4, 2);
        let long_ago = is_removed || draw.percent(5, 3);
        let last_check_in = (!never).then(|| {
            let ago = if long_ago {
                DAY * (40 + draw.below(6, 160).cast_signed())
            } else {
                MINUTE * draw.below(6, 1_440).cast_signed()
            };
            Micros(micros(draw, 7, NOW * 1_000_000 - ago))
        });
        let first = NOW * 1_000_000 - DAY * (30 + draw.below(8, 1_470).cast_signed());
        let first_enrollment = micros(draw, 9, first);
        let last_enrollment = if draw.percent(10, 15) {
            first_enrollment + DAY * draw.below(11, 29).cast_signed() + 7 * MINUTE
        } else {
            first_enrollment
        };
        let user = (model.platform != "AppleTV" && draw.percent(12, 75)).then(|| {
            let of_block = u32::try_from(draw.below(13, BLOCK_USERS.into())).unwrap_or(0);
            index / BLOCK_DEVICES * BLOCK_USERS + of_block
        });
        Self {
            device_id: device_id(spec.seed, index),
            device_name: device_name(spec, draw, model, index, user),
            model: Cow::Borrowed(model.model),
            serial_number: serial_number(spec, index),
            platform: model.platform,
            os_version: Cow::Borrowed(os_version),
            build: Cow::Borrowed(build),
            os_extra: if mac && draw.percent(14, 4) { "(a)" } else { "" },
            security_patch_level: if model.platform == "Android" { "2026-10-05" } else { "" },
            last_check_in,
            user,
            asset_tag: if draw.percent(15, 70) { format!("AP-{index:06}") } else { String::new() },
            blueprint: blueprint(draw, model.platform),
            mdm_enabled: !is_removed,
            agent_installed: (mac && !is_removed) || (mobile && draw.percent(16, 50)),
            is_missing: never || long_ago,
            is_removed,
            agent_version: Cow::Borrowed(match model.platform {
                "Mac" => *draw.pick(17, AGENTS),
                "Windows" => "1.0.00002.0002",
                _ => "",
            }),
            first_enrollment: Micros(first_enrollment),
            last_enrollment: Micros(last_enrollment),
            lost_mode: mobile && draw.percent(18, 2),
            full_software_version: if model.platform == "Windows" { "10.0.26100.6584" } else { "" },
            tags: tags(draw),
        }
    }
}

/// The id of the device at `index`: ids rise with the index, with room in front of the first.
pub(crate) fn device_id(seed: u64, index: u32) -> String {
    let draw = Draw::of(seed, index.into());
    let within = u32::try_from(draw.below(1, 1 << ID_SHIFT)).unwrap_or(0);
    uuid_like(((index + 1) << ID_SHIFT) | within, draw.bits(20), draw.bits(21))
}

/// The index that a generated id speaks of; whether it is that device's id is for the caller to check.
pub(crate) fn index_of(device_id: &str) -> Option<u32> {
    let prefix = u32::from_str_radix(device_id.get(..8)?, 16).ok()?;
    (prefix >> ID_SHIFT).checked_sub(1)
}

/// Serial numbers come from a permutation of 35 bits, so no two devices share one by chance.
fn serial_number(spec: &FleetSpec, index: u32) -> String {
    let draw = Draw::of(spec.seed, index.into());
    if draw.percent(30, spec.empty_serials_percent.into()) {
        return String::new();
    }
    if index > 0 && draw.percent(31, spec.duplicate_serials_percent.into()) {
        return serial_number(spec, index - 1);
    }
    let permuted = (u64::from(index) ^ mix(spec.seed)).wrapping_mul(0x2_545F_4915) & ((1 << 35) - 1);
    let mut out = String::from("EXMPL");
    push_crockford(&mut out, permuted, 7);
    out
}

fn model(draw: Draw, mixed: bool) -> &'static Model {
    let pool = match draw.below(40, 100) {
        0..60 => MACS,
        60..78 => IPHONES,
        78..93 => IPADS,
        93..96 if mixed => MIXED,
        _ => OTHERS,
    };
    draw.pick(41, pool)
}

fn device_name(spec: &FleetSpec, draw: Draw, model: &Model, index: u32, user: Option<u32>) -> String {
    match user {
        Some(user) if draw.percent(42, 80) => {
            let person = super::people::Person::generate(spec.seed, user);
            format!("{}’s {}", person.given, model.short)
        }
        _ if draw.percent(43, 3) => "No name".to_owned(),
        _ => format!("{}{index:02}", draw.pick(44, PLACES)),
    }
}

fn blueprint(draw: Draw, platform: &str) -> usize {
    match platform {
        "Mac" => usize::from(draw.percent(45, 40)),
        "iPad" => 4,
        "iPhone" => 2,
        "AppleTV" => 3,
        "Vision" => 5,
        _ => BLUEPRINTS.len() - 1,
    }
}

fn tags(draw: Draw) -> Vec<Cow<'static, str>> {
    let count = match draw.below(46, 20) {
        0..6 => 0,
        6..14 => 1,
        14..19 => 2,
        _ => TAGS.len() as u64,
    };
    let start = draw.below(47, TAGS.len() as u64);
    (0..count)
        .map(|step| {
            let at = usize::try_from((start + step) % TAGS.len() as u64).unwrap_or(0);
            Cow::Borrowed(TAGS[at])
        })
        .collect()
}

/// A time with microseconds, except for every twentieth, which falls on a whole second.
fn micros(draw: Draw, purpose: u64, time: i64) -> i64 {
    let second = draw.below(purpose + 100, 60).cast_signed() * 1_000_000;
    if draw.percent(purpose + 200, 5) {
        return time - second;
    }
    time - second - draw.below(purpose + 300, 1_000_000).cast_signed()
}
