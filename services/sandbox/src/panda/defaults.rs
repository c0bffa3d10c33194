//! What the sandbox's Asset Panda account holds at first.

use serde_json::json;

use super::model::{Collection, Column, Module, Panda, ulid_like};
use super::records::Records;

/// The 26 fields that Kandji devices have, with the column type that suits each.
const FIELDS: [(&str, &str); 26] = [
    ("Serial Number", "text"),
    ("Device ID", "text"),
    ("Device Name", "text"),
    ("Model", "text"),
    ("Platform", "text"),
    ("OS Version", "text"),
    ("Supplemental Build Version", "text"),
    ("Supplemental OS Version Extra", "text"),
    ("Asset Tag", "text"),
    ("Blueprint ID", "text"),
    ("Blueprint Name", "text"),
    ("Agent Installed", "boolean"),
    ("Agent Version", "text"),
    ("MDM Enabled", "boolean"),
    ("Is Missing", "boolean"),
    ("Is Removed", "boolean"),
    ("First Enrollment", "datetime"),
    ("Last Enrollment", "datetime"),
    ("Last Check In", "datetime"),
    ("Lost Mode Status", "text"),
    ("Tags", "text"),
    ("User ID", "text"),
    ("User Name", "text"),
    ("User Email", "text"),
    ("User Active", "boolean"),
    ("User Is Archived", "boolean"),
];

/// Columns that records can be told apart by.
const UNIQUE: [&str; 2] = ["Serial Number", "Device ID"];

/// One account with this many modules; the collections are in the first, so many of them to import into.
pub(crate) fn panda(modules: u32, itams: u32) -> Panda {
    let names = ["IT Assets", "Facilities", "Fleet"];
    let modules = (0..modules.max(1))
        .map(|n| Module {
            id: ulid_like(2, n.into()),
            display_name: names.get(n as usize).map_or_else(|| format!("Module {}", n + 1), |name| (*name).to_owned()),
        })
        .collect();
    let mut collections = vec![itam(0, "ITAM"), all_text(), retired()];
    collections.extend((2..=itams).map(|n| itam(FIRST_MORE + u64::from(n), &format!("ITAM {n}"))));
    Panda { account_id: ulid_like(1, 0), modules, collections }
}

/// Collections that there are more of have numbers from here on.
const FIRST_MORE: u64 = 100;

fn collection(number: u64, display_name: &str) -> Collection {
    Collection {
        id: ulid_like(3, number),
        display_name: display_name.to_owned(),
        is_active: true,
        deleted: false,
        columns: Vec::new(),
        records: Records::new(number),
    }
}

/// The collection to import into: a column for every field, and one for a removal policy to mark.
fn itam(number: u64, display_name: &str) -> Collection {
    let mut itam = collection(number, display_name);
    for (name, kind) in FIELDS {
        let mut column = Column::new(name, kind);
        column.is_unique = UNIQUE.contains(&name);
        itam.add_column(column);
    }
    itam.add_column(Column::new("Status", "text"));
    itam.add_column(Column::new("Notes", "text"));
    itam
}

/// Every field as text, and one column of every other sort to try things on.
fn all_text() -> Collection {
    let mut all = collection(1, "All Text");
    for (name, _) in FIELDS {
        let mut column = Column::new(name, "text");
        column.is_unique = UNIQUE.contains(&name);
        all.add_column(column);
    }
    let mut referenced = Column::new("Location-city", "text");
    referenced.references = Some(json!({
        "primary": true,
        "entityType": "collection",
        "entityId": ulid_like(3, 7),
        "columnId": format!("{}_0_city_text", ulid_like(3, 7)),
        "pullFromId": "82c527d7-e09b-46be-be4a-b51f6af43e0e",
    }));
    all.add_column(referenced);
    let mut deleted = Column::new("Old Number", "text");
    deleted.deleted = true;
    all.add_column(deleted);
    for (name, kind) in [
        ("Purchase Number", "number"),
        ("Price", "currency"),
        ("Enrolled On", "date"),
        ("Contact", "email"),
        ("Link", "url"),
        ("Owner", "person"),
    ] {
        all.add_column(Column::new(name, kind));
    }
    let mut select = Column::new("Kind", "select");
    select.options = ["Mac", "iPhone", "iPad", "AppleTV", "Yes", "No"].map(String::from).to_vec();
    all.add_column(select);
    let mut multi = Column::new("Labels", "multiselect");
    multi.options = ["engineering", "field", "kiosk", "build, release"].map(String::from).to_vec();
    all.add_column(multi);
    all
}

/// A collection that is not offered.
fn retired() -> Collection {
    let mut retired = collection(2, "Retired");
    retired.is_active = false;
    retired.add_column(Column::new("Serial Number", "text"));
    retired
}
