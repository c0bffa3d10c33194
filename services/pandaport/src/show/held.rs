//! What the brake holds.

use pandaport_api::v1::{Held, HeldKind};

use super::name::words;
use super::table::{Kind, table};
use super::text::number;
use super::time::moment;

/// How much is held, in a sentence.
#[must_use]
pub fn sentence(held: &Held) -> String {
    let kinds =
        [("removals", held.removals), ("records to be made anew", held.deleted), ("values to be cleared", held.clears)];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{what}: {}", number(count.into())))
        .collect();
    format!("{}, since {}", parts.join(", "), moment(held.since.as_ref()))
}

/// The same with examples.
#[must_use]
pub fn held(width: Option<u16>, held: &Held) -> String {
    let rows: Vec<Vec<String>> = held
        .sample
        .iter()
        .map(|it| {
            let what = match it.kind() {
                HeldKind::Deleted => "make anew".to_owned(),
                kind => words(kind.as_str_name(), "HELD_KIND_"),
            };
            vec![what, it.serial_number.clone(), it.device_id.clone(), it.record_id.clone(), it.column_id.clone()]
        })
        .collect();
    let columns = [
        ("WHAT", Kind::Text),
        ("SERIAL NUMBER", Kind::Id),
        ("DEVICE", Kind::Id),
        ("RECORD", Kind::Id),
        ("COLUMN", Kind::Id),
    ];
    format!("Held: {}\n\n{}", sentence(held), table(width, &columns, &rows))
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::HeldChange;

    use super::*;

    #[test]
    fn what_is_held_comes_with_numbers_and_examples() {
        let change = |kind: HeldKind, column: &str| HeldChange {
            kind: kind.into(),
            device_id: "d-1".into(),
            serial_number: "C02A".into(),
            record_id: "r-1".into(),
            column_id: column.into(),
            ..HeldChange::default()
        };
        let it = Held {
            removals: 1_200,
            clears: 1,
            sample: vec![change(HeldKind::Removal, ""), change(HeldKind::Clear, "c9")],
            ..Held::default()
        };
        insta::assert_snapshot!(held(None, &it), @r"
        Held: removals: 1,200, values to be cleared: 1, since -

        WHAT     SERIAL NUMBER  DEVICE  RECORD  COLUMN
        removal  C02A           d-1     r-1
        clear    C02A           d-1     r-1     c9
        ");
    }
}
