//! What generated devices and users are made of. All values are invented.

/// One kind of device.
pub(super) struct Model {
    pub(super) platform: &'static str,
    pub(super) model: &'static str,
    /// What a person's device of this model is called after their name.
    pub(super) short: &'static str,
    /// OS version and build, newest first.
    pub(super) systems: &'static [(&'static str, &'static str)],
}

const MACOS: &[(&str, &str)] = &[("26.1", "25B78"), ("26.0.1", "25A362"), ("15.7.2", "24G325"), ("14.8.1", "23J30")];
const IOS: &[(&str, &str)] = &[("26.1", "23B85"), ("18.7.1", "22H31"), ("17.7.2", "21H221")];
const TVOS: &[(&str, &str)] = &[("26.1", "23J579"), ("18.6", "22M84")];
const VISIONOS: &[(&str, &str)] = &[("26.1", "23N47")];
const WINDOWS: &[(&str, &str)] = &[("24H2", ""), ("23H2", "")];
const ANDROID: &[(&str, &str)] = &[("15", ""), ("14", "")];

pub(super) const MACS: &[Model] = &[
    mac("MacBook Pro (14-inch, 2024)", "MacBook Pro"),
    mac("MacBook Pro (16-inch, M4, 2024)", "MacBook Pro"),
    mac("MacBook Air (M2, 2022)", "MacBook Air"),
    mac("MacBook Air (15-inch, M4, 2025)", "MacBook Air"),
    mac("Mac mini (2023)", "Mac mini"),
    mac("Mac Studio (2025)", "Mac Studio"),
    mac("iMac (24-inch, 2024)", "iMac"),
    mac("Virtual Machine", "Mac"),
];
pub(super) const IPHONES: &[Model] = &[
    mobile("iPhone", "iPhone 16 Pro", "iPhone"),
    mobile("iPhone", "iPhone 13", "iPhone"),
    mobile("iPhone", "iPhone SE (3rd generation)", "iPhone"),
];
pub(super) const IPADS: &[Model] = &[
    mobile("iPad", "iPad (10th generation) (Wi-Fi)", "iPad"),
    mobile("iPad", "iPad Air 11-inch (M3) Wi-Fi + Cellular", "iPad"),
    mobile("iPad", "iPad Pro 13\" (M4) Wi-Fi", "iPad"),
];
pub(super) const OTHERS: &[Model] = &[
    Model {
        platform: "AppleTV",
        model: "Apple TV 4K (3rd generation) Wi-Fi + Ethernet",
        short: "Apple TV",
        systems: TVOS,
    },
    Model { platform: "Vision", model: "Apple Vision Pro", short: "Vision Pro", systems: VISIONOS },
];
pub(super) const MIXED: &[Model] = &[
    Model { platform: "Windows", model: "Surface Laptop 6 for Business", short: "Surface", systems: WINDOWS },
    Model { platform: "Android", model: "Pixel 9", short: "Pixel", systems: ANDROID },
];

const fn mac(model: &'static str, short: &'static str) -> Model {
    Model { platform: "Mac", model, short, systems: MACOS }
}

const fn mobile(platform: &'static str, model: &'static str, short: &'static str) -> Model {
    Model { platform, model, short, systems: IOS }
}

/// Given names with their form in a mail address.
pub(super) const GIVEN: &[(&str, &str)] = &[
    ("Ida", "ida"),
    ("Zoë", "zoe"),
    ("Øystein", "oystein"),
    ("Fay", "fay"),
    ("愛子", "aiko"),
    ("Juniper", "juniper"),
    ("Łucja", "lucja"),
    ("Test \"Tee\"", "tee"),
    ("नमूना", "namuna"),
    ("Quill", "quill"),
];

/// Family names with their form in a mail address.
pub(super) const FAMILY: &[(&str, &str)] = &[
    ("Testwell", "testwell"),
    ("O’Fieldwork", "fieldwork"),
    ("Ñandú-Müller", "nandu"),
    ("試験", "shiken"),
    ("Samplesson", "samplesson"),
    ("Placeholder", "placeholder"),
    ("Exemplář", "exemplar"),
    ("von Muster", "muster"),
    ("Fixture", "fixture"),
];

/// Names of devices that belong to a place, before their number.
pub(super) const PLACES: &[&str] =
    &["SHARED-MINI-", "Lobby Kiosk ", "Boardroom ", "CI Runner ", "Field ", "Prüfstand ", "会議室 ", "Lager 🏭 "];

/// Id and name; the same as in the example files.
pub(super) const BLUEPRINTS: &[(&str, &str)] = &[
    ("f6fadfa7-e5c1-4b62-9362-da5cc13da58a", "Engineering Macs"),
    ("2c63888f-28f0-4481-be6d-dce7a7ace732", "Sales – EMEA"),
    ("8a119b9e-16bc-4732-8f7b-7676d015b0dc", "Mobile Field"),
    ("bc67ba94-637d-4efa-a09e-467ada679f81", "Meeting Rooms"),
    ("fab36728-a78b-4b7e-8787-c0de2f960063", "Kiosk iPads"),
    ("a712755f-6cac-44d5-99d5-269512e74f7b", "Spatial Lab"),
    ("ac8efe12-1c59-49f1-ba2d-de83458bfed0", "Mixed Fleet"),
];

pub(super) const TAGS: &[&str] = &[
    "engineering",
    "build, release",
    "field",
    "Prüfstand",
    "日本語タグ",
    "cellular",
    "kiosk",
    "loaner",
    "HQ – 3rd floor",
    "a;b|c",
    "\"quoted\"",
];

pub(super) const DEPARTMENTS: &[Option<&str>] =
    &[Some("Engineering"), Some("Sales"), Some("設計"), None, Some("Field")];
