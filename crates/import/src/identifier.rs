//! The value that says which record belongs to which device.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc_quick};

/// A device's identifier, in the form it is written and searched in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier<'a> {
    /// Kandji did not send the field.
    Unknown,
    /// The device has none. Only white space is none, too.
    Empty,
    /// The value. If it does not fit its column, the value of the source.
    Value(Cow<'a, str>),
}

impl Identifier<'_> {
    /// The value, if there is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown | Self::Empty => None,
        }
    }

    /// The same, owned.
    pub fn into_owned(self) -> Identifier<'static> {
        match self {
            Self::Unknown => Identifier::Unknown,
            Self::Empty => Identifier::Empty,
            Self::Value(value) => Identifier::Value(Cow::Owned(value.into_owned())),
        }
    }
}

/// What two identifiers have in common that are equal but for case, surrounding space or Unicode form. Two texts with
/// one key that are not equal are a near match (DESIGN 4.12).
pub fn identifier_key(identifier: &str) -> String {
    let trimmed = identifier.trim();
    if trimmed.is_ascii() {
        return trimmed.to_ascii_lowercase();
    }
    // Lower case may bring decomposed letters forth (the Turkish dotted I), so the Unicode form comes last.
    let lower = trimmed.to_lowercase();
    if is_nfc_quick(lower.chars()) == unicode_normalization::IsNormalized::Yes { lower } else { lower.nfc().collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("C02ABC123", "c02abc123")]
    #[case("C02ABC123", " C02ABC123\t")]
    #[case("Größe", "GRÖẞE")]
    #[case("M\u{fc}ller", "Mu\u{308}ller")]
    #[case("\u{c5}ngstr\u{f6}m", "\u{212b}NGSTRO\u{308}M")]
    fn these_have_one_key(#[case] a: &str, #[case] b: &str) {
        assert_eq!(identifier_key(a), identifier_key(b));
    }

    #[rstest]
    #[case("C02ABC123", "C02ABC124")]
    #[case("C02 ABC", "C02ABC")]
    #[case("O", "0")]
    fn these_have_not(#[case] a: &str, #[case] b: &str) {
        assert_ne!(identifier_key(a), identifier_key(b));
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,12}") {
            let key = identifier_key(&text);
            prop_assert_eq!(identifier_key(&key), key.clone());
            let upper_key = identifier_key(&format!(" {text} "));
            prop_assert_eq!(upper_key, key);
        }
    }
}
