#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::SourceField;
use crate::support::{Device, column};
use crate::{IdentifierPair, Pair};

fn pair(source_field: SourceField, column_id: &str) -> Pair {
    Pair {
        source_field,
        column_id: column_id.into(),
        write_rule: WriteRule::default_for(source_field),
        tag_separator: None,
        date_format: None,
    }
}

fn columns() -> Vec<Column> {
    let mut columns = vec![
        column("serial", ColumnType::Text),
        column("model", ColumnType::Select),
        column("tag", ColumnType::Number),
        column("missing", ColumnType::Boolean),
        column("enrolled", ColumnType::Date),
        column("enrolled_at", ColumnType::Datetime),
        column("tags", ColumnType::Text),
        column("tags_too", ColumnType::MultiSelect),
        column("seen", ColumnType::Datetime),
    ];
    columns[1].options = Some(vec!["Mac".into(), "iPad".into()]);
    columns
}

fn spec() -> MappingSpec {
    MappingSpec::new(
        IdentifierPair { source_field: SourceField::SerialNumber, column_id: "serial".into() },
        vec![
            pair(SourceField::Model, "model"),
            pair(SourceField::AssetTag, "tag"),
            pair(SourceField::IsMissing, "missing"),
            pair(SourceField::LastEnrollment, "enrolled"),
            Pair { date_format: Some("%d.%m.%Y".into()), ..pair(SourceField::LastEnrollment, "enrolled_at") },
            pair(SourceField::Tags, "tags"),
            pair(SourceField::Tags, "tags_too"),
            pair(SourceField::LastCheckIn, "seen"),
        ],
    )
}

fn text(text: &'static str) -> SourceValue<'static> {
    SourceValue::text(text)
}

fn time(text: &str) -> SourceValue<'static> {
    SourceValue::Time(text.parse().unwrap())
}

fn device() -> Device {
    Device::default()
        .with(SourceField::SerialNumber, text("C02"))
        .with(SourceField::Model, text("Mac"))
        .with(SourceField::AssetTag, text("0042"))
        .with(SourceField::LastEnrollment, time("2026-11-20T09:14:02.5Z"))
        .with(SourceField::LastCheckIn, time("2026-11-21T00:00:00Z"))
        .with(SourceField::Tags, SourceValue::List(vec!["b".into(), "a".into()]))
}

#[test]
fn a_device_is_projected_onto_its_columns() {
    let projection = Projector::new(&spec(), &columns()).project(&device());
    assert_eq!(projection.identifier.as_str(), Some("C02"));
    assert_eq!(
        projection.cells,
        [
            Cell::Value(json!("C02")),
            Cell::Value(json!("Mac")),
            Cell::Value(json!(42)),
            Cell::Unknown,
            Cell::Value(json!("2026-11-20")),
            Cell::Value(json!("20.11.2026")),
            Cell::Value(json!("a, b")),
            Cell::Value(json!(["a", "b"])),
            Cell::Value(json!("2026-11-21T00:00:00Z")),
        ]
    );
}

#[test]
fn an_unfit_value_names_field_value_column_and_why() {
    let device = device().with(SourceField::Model, text("Toaster"));
    let projection = Projector::new(&spec(), &columns()).project(&device);
    assert!(projection.is_unfit());
    let message =
        "Model \"Toaster\" cannot be written into the select column \"model name\": it is not an option of the column";
    assert_eq!(projection.cells[1], Cell::Unfit(message.into()));
}

#[test]
fn an_identifier_is_what_is_written() {
    let mut columns = columns();
    let projector = Projector::new(&spec(), &columns);
    for (value, expected) in [
        (SourceValue::Unknown, Identifier::Unknown),
        (SourceValue::Empty, Identifier::Empty),
        (SourceValue::Text(" \t".into()), Identifier::Empty),
        (text(" C02 "), Identifier::Value(" C02 ".into())),
    ] {
        let device = device().with(SourceField::SerialNumber, value);
        assert_eq!(projector.project(&device).identifier, expected);
        assert_eq!(projector.fingerprint(&device).identifier, expected);
    }
    columns[0].column_type = ColumnType::Number;
    let numeric = Projector::new(&spec(), &columns);
    let device = device().with(SourceField::SerialNumber, text("007"));
    assert_eq!(numeric.fingerprint(&device).identifier.as_str(), Some("7"));
}

#[test]
fn a_fingerprint_is_stable_across_processes() {
    let fingerprint = Projector::new(&spec(), &columns()).fingerprint(&device()).fingerprint;
    // If this changes, every device of every installation is compared anew after the update.
    assert_eq!(format!("{:032x}", u128::from_be_bytes(fingerprint)), STABLE);
}

const STABLE: &str = "0bce9ca0ee7bbfe5586df0610ec9623f";

#[test]
fn a_fingerprint_covers_the_mapping_and_the_column_types() {
    let base = Projector::new(&spec(), &columns()).fingerprint(&device()).fingerprint;
    let mut specs = vec![spec(), spec(), spec(), spec()];
    specs[0].pairs.pop();
    specs[1].pairs[0].write_rule = WriteRule::FillOnly;
    specs[2].pairs[5].tag_separator = Some("|".into());
    specs[3].pairs.swap(0, 1);
    for other in specs {
        assert_ne!(Projector::new(&other, &columns()).fingerprint(&device()).fingerprint, base, "{other:?}");
    }
    let mut other = columns();
    other[6].column_type = ColumnType::Other("odd".into());
    assert_ne!(Projector::new(&spec(), &other).fingerprint(&device()).fingerprint, base);
    // What a column accepts is covered as well: what was refused because of it is tried again.
    let refusals: [fn(&mut Column); 3] = [
        |column| column.required = Some(true),
        |column| column.unique = Some(true),
        |column| column.options = Some(vec!["Mac".into()]),
    ];
    for change in refusals {
        let mut other = columns();
        change(&mut other[6]);
        assert_ne!(Projector::new(&spec(), &other).fingerprint(&device()).fingerprint, base);
    }
    // What does not change a value is not covered.
    let mut same = columns();
    same[6].name = "Renamed".into();
    let older = MappingSpec { passenger_max_age: std::time::Duration::from_secs(1), ..spec() };
    assert_eq!(Projector::new(&older, &same).fingerprint(&device()).fingerprint, base);
}

#[test]
fn a_projection_survives_json() {
    let projector = Projector::new(&spec(), &columns());
    let unfit = device().with(SourceField::Model, text("Toaster")).with(SourceField::AssetTag, SourceValue::Empty);
    let projection = projector.project(&unfit);
    let json = serde_json::to_string(&projection).unwrap();
    assert_eq!(serde_json::from_str::<Projection>(&json).unwrap(), projection);
}

#[test]
fn a_records_values_are_put_in_cell_order() {
    let projector = Projector::new(&spec(), &columns());
    let record = BTreeMap::from([("model".to_owned(), json!("Mac")), ("other".to_owned(), json!(1))]);
    let values = record_values(projector.cells(), &record);
    assert_eq!(values.len(), 9);
    assert_eq!(values[1], Some(json!("Mac")));
    assert_eq!(values[0], None);
}

fn texts() -> impl Strategy<Value = SourceValue<'static>> {
    prop::sample::select(vec!["", " ", "7", "007", "7.5", "Mac", "mac", "iPad", "2026-11-20", "a, b"])
        .prop_map(|text| SourceValue::Text(text.into()))
}

fn lists() -> impl Strategy<Value = SourceValue<'static>> {
    let tag = prop::sample::select(vec!["a", "b", "a, b", "[\"a, b\"]", ", ", ","]);
    prop::collection::vec(tag, 0..4).prop_map(|tags| SourceValue::List(tags.into_iter().map(Cow::Borrowed).collect()))
}

fn values(field: SourceField) -> BoxedStrategy<SourceValue<'static>> {
    use crate::ValueType;
    let known = match field.value_type() {
        ValueType::Text => texts().boxed(),
        ValueType::Boolean => any::<bool>().prop_map(SourceValue::Bool).boxed(),
        ValueType::Time => (0_i64..4)
            .prop_map(|half_days| {
                let time = Timestamp::from_millisecond(1_795_166_042_150 + half_days * 43_200_000);
                SourceValue::Time(time.unwrap())
            })
            .boxed(),
        ValueType::List => lists().boxed(),
    };
    prop_oneof![1 => Just(SourceValue::Unknown), 1 => Just(SourceValue::Empty), 6 => known].boxed()
}

const MAPPED: [SourceField; 7] = [
    SourceField::SerialNumber,
    SourceField::Model,
    SourceField::AssetTag,
    SourceField::IsMissing,
    SourceField::LastEnrollment,
    SourceField::Tags,
    SourceField::LastCheckIn,
];

fn devices() -> impl Strategy<Value = Device> {
    MAPPED.map(values).prop_map(|values| Device(MAPPED.into_iter().zip(values).collect()))
}

/// A device, and the same with one field changed: near misses are where a fingerprint could fail.
fn two_devices() -> impl Strategy<Value = (Device, Device)> {
    let neighbours = (devices(), prop::sample::select(MAPPED.to_vec()))
        .prop_flat_map(|(device, field)| (Just(device), Just(field), values(field)))
        .prop_map(|(device, field, value)| (device.clone(), device.with(field, value)));
    prop_oneof![neighbours, (devices(), devices())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_short_way_gives_the_same_as_the_long_one(device in devices()) {
        let projector = Projector::new(&spec(), &columns());
        let (short, long) = (projector.fingerprint(&device), projector.project(&device));
        prop_assert_eq!(short.fingerprint, long.fingerprint);
        prop_assert_eq!(short.identifier, long.identifier);
    }

    #[test]
    fn fingerprints_are_equal_exactly_if_the_cells_but_passengers_are((a, b) in two_devices()) {
        let projector = Projector::new(&spec(), &columns());
        let (a, b) = (projector.project(&a), projector.project(&b));
        let covered = |projection: &Projection| projection.cells[..8].to_vec();
        prop_assert_eq!(a.fingerprint == b.fingerprint, covered(&a) == covered(&b));
    }

    #[test]
    fn values_do_not_run_into_each_other(a in "[ab]{0,3}", b in "[ab]{0,3}", c in "[ab]{0,3}", d in "[ab]{0,3}") {
        let mut spec = spec();
        spec.pairs = vec![pair(SourceField::Platform, "tags"), pair(SourceField::OsVersion, "tags2")];
        let projector = Projector::new(&spec, &columns());
        let device = |first: &str, second: &str| Device::default()
            .with(SourceField::Platform, SourceValue::Text(first.to_owned().into()))
            .with(SourceField::OsVersion, SourceValue::Text(second.to_owned().into()));
        let equal = projector.fingerprint(&device(&a, &b)).fingerprint == projector.fingerprint(&device(&c, &d)).fingerprint;
        prop_assert_eq!(equal, (a, b) == (c, d));
    }
}
