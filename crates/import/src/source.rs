//! What a device looks like to the import: one value for each source field.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::SourceField;

/// The value of one field of one device, borrowed from the device where possible.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceValue<'a> {
    /// The key was absent, or may not be read: the column is left alone (DESIGN 4.8).
    Unknown,
    /// `""`, null, or an empty list: the device has no such value.
    Empty,
    /// Text, as it came.
    Text(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// Tags, in any order.
    List(Vec<Cow<'a, str>>),
}

impl<'a> SourceValue<'a> {
    /// Text borrowed from the device; `""` is [`SourceValue::Empty`].
    pub fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(Cow::Borrowed(text)) }
    }

    /// Tags borrowed from the device; none at all is [`SourceValue::Empty`].
    pub fn list(tags: &'a [String]) -> Self {
        if tags.is_empty() {
            Self::Empty
        } else {
            Self::List(tags.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect())
        }
    }
}

/// A device as the import reads it. Whoever knows Kandji implements this; the import does not.
pub trait Source {
    /// Kandji's own id of the device, never empty.
    fn device_id(&self) -> &str;

    /// The value of a field. Called once for each mapped pair, so it should be cheap.
    fn value(&self, field: SourceField) -> SourceValue<'_>;
}
