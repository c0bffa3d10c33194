//! The devices of a history, as Kandji lists them, and what an import of them must come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::{Field, Serial};

/// Asset Panda refuses rows with this tag while it is told to.
pub(super) const ODD_TAG: &str = "ODD";

/// A record's values, or what is sent of them, by the display name of the column.
pub(super) type Cells = BTreeMap<String, Value>;

/// A device, whether or not it is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Device {
    /// Its place among all.
    place: u8,
    /// How often it was enrolled.
    times: u8,
    pub(super) present: bool,
    pub(super) serial: String,
    model: String,
    pub(super) tag: String,
    email: String,
    name: String,
    check_in: i64,
    enrolled: i64,
    pub(super) removed: bool,
    /// Whether a filter leaves it out, if there is one.
    pub(super) outside: bool,
}

/// The first enrolment and the first check-in, as seconds since 1970.
const ENROLLED: i64 = 1_790_000_000;

impl Device {
    pub(super) fn new(place: u8) -> Self {
        Self {
            place,
            times: 0,
            present: true,
            serial: own_serial(place),
            model: "Model 1".into(),
            tag: if place.is_multiple_of(2) { format!("Tag {place}") } else { String::new() },
            email: format!("user{place}@example.com"),
            name: format!("Name {place}"),
            check_in: ENROLLED + 100,
            enrolled: ENROLLED + i64::from(place),
            removed: false,
            outside: false,
        }
    }

    pub(super) fn id(&self) -> String {
        format!("{:08x}-0000-4000-8000-{:012x}", u32::from(self.place) + 1, self.times)
    }

    pub(super) fn change(&mut self, field: Field, value: u8) {
        match field {
            Field::Model => self.model = text(field, value),
            Field::Tag => self.tag = text(field, value),
            Field::Email => self.email = text(field, value),
            Field::Name => self.name = text(field, value),
            Field::CheckIn => self.check_in = ENROLLED + 1_000 * i64::from(value + 1),
            Field::Removed => self.removed = value % 2 == 1,
        }
    }

    /// Another id, a later enrolment, the same machine.
    pub(super) fn enrol_again(&mut self) {
        self.times += 1;
        self.enrolled += 86_400;
        self.present = true;
    }

    /// As Kandji lists it.
    pub(super) fn json(&self) -> Value {
        let user = if self.email.is_empty() {
            json!("")
        } else {
            json!({"email": self.email, "name": "U", "id": format!("u{}", self.place), "is_archived": false})
        };
        json!({
            "device_id": self.id(), "device_name": self.name, "serial_number": self.serial, "model": self.model,
            "asset_tag": self.tag, "user": user, "is_removed": self.removed,
            "platform": if self.outside { "iPad" } else { PLATFORM }, "tags": if self.outside { json!([]) } else { json!([TAG]) },
            "last_check_in": time(self.check_in), "first_enrollment": time(ENROLLED),
            "last_enrollment": time(self.enrolled),
        })
    }

    /// What its record is to hold; null: the device has no value.
    pub(super) fn wanted(&self) -> Cells {
        let text = |value: &str| if value.is_empty() { Value::Null } else { json!(value) };
        BTreeMap::from([
            (SERIAL.into(), text(&self.serial)),
            (DEVICE_ID.into(), json!(self.id())),
            ("Model".into(), text(&self.model)),
            ("Asset Tag".into(), text(&self.tag)),
            ("User Email".into(), text(&self.email)),
            ("Is Removed".into(), json!(self.removed)),
            (PASSENGER.into(), json!(time(self.check_in))),
            (FILL_ONLY.into(), text(&self.name)),
            (CREATE_ONLY.into(), json!(time(ENROLLED))),
        ])
    }

    /// Of two devices with one serial number, the one of the higher rank has it (rule 12).
    pub(super) fn rank(&self) -> (i64, i64, String) {
        (self.enrolled, self.check_in, self.id())
    }
}

/// What a filter asks for.
pub(super) const PLATFORM: &str = "Mac";
pub(super) const TAG: &str = "ours";

/// The column of the removal policy's mark, which is not mapped, and what stands in it of a device that is gone, and of
/// one that is back.
pub(super) const STATUS: &str = "Status";
pub(super) const GONE: &str = "Gone";
pub(super) const BACK: &str = "In use";

pub(super) const SERIAL: &str = "Serial Number";
pub(super) const DEVICE_ID: &str = "Device ID";
pub(super) const PASSENGER: &str = "Last Check In";
pub(super) const FILL_ONLY: &str = "Device Name";
pub(super) const CREATE_ONLY: &str = "First Enrollment";

/// The value of this number in this column; number 0 is empty.
fn text(field: Field, value: u8) -> String {
    match (field, value) {
        (_, 0) => String::new(),
        (Field::Tag, 4) => ODD_TAG.into(),
        _ => format!("{field:?} {value}"),
    }
}

/// What a person writes into a record.
pub(super) fn edited(field: Field, value: u8) -> (String, Value) {
    let column = match field {
        Field::Model => "Model",
        Field::Tag => "Asset Tag",
        Field::Email => "User Email",
        Field::Name => FILL_ONLY,
        Field::CheckIn => PASSENGER,
        Field::Removed => "Is Removed",
    };
    let value = match field {
        Field::CheckIn => json!(time(ENROLLED + 1_000 * i64::from(value + 1))),
        Field::Removed => json!(value % 2 == 1),
        _ if value == 0 => Value::Null,
        _ => json!(text(field, value)),
    };
    (column.into(), value)
}

fn own_serial(place: u8) -> String {
    format!("SERIAL{place}")
}

/// The serial number that is meant, for the device or record at `place`.
pub(super) fn serial(fleet: &[Device], place: u8, meant: Serial) -> String {
    let of = |other: u8| match fleet.len() {
        0 => own_serial(other),
        count => fleet[usize::from(other) % count].serial.clone(),
    };
    match meant {
        Serial::Own => own_serial(place),
        Serial::Empty => String::new(),
        Serial::Of(other) => of(other),
        Serial::Near(other) => of(other).to_lowercase(),
        Serial::New(number) => format!("NEW{number}"),
    }
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// What makes two serial numbers nearly the same.
pub(super) fn key(serial: &str) -> String {
    serial.trim().to_lowercase()
}

/// The text of a record's cell; empty if there is none.
pub(super) fn cell<'a>(cells: &'a Cells, column: &str) -> &'a str {
    cells.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// Whether two values of a column mean the same; null and `""` are none.
pub(super) fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let known = |value: Option<&Value>| value.filter(|it| !it.is_null() && **it != "").cloned();
    let instant = |value: &Value| value.as_str().and_then(|it| it.parse::<jiff::Timestamp>().ok());
    match (known(one), known(other)) {
        (Some(one), Some(other)) => one == other || (instant(&one).is_some() && instant(&one) == instant(&other)),
        (one, other) => one.is_none() && other.is_none(),
    }
}
