//! Absent, empty, or there: three things an importer must never mix up.

/// A field of an answer. An absent key means that we do not know; an empty one, that there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Presence<T> {
    /// The key is not there: unknown.
    #[default]
    Absent,
    /// `""`, null, or an empty list.
    Empty,
    /// A value.
    Value(T),
}

impl<T> Presence<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Empty => None,
        }
    }

    /// The same, by reference.
    pub fn as_ref(&self) -> Presence<&T> {
        match self {
            Self::Absent => Presence::Absent,
            Self::Empty => Presence::Empty,
            Self::Value(value) => Presence::Value(value),
        }
    }

    /// Goes into the value: absent and empty stay what they are. For the fields of a user who may not be there.
    pub fn and_then<U>(self, inner: impl FnOnce(T) -> Presence<U>) -> Presence<U> {
        match self {
            Self::Absent => Presence::Absent,
            Self::Empty => Presence::Empty,
            Self::Value(value) => inner(value),
        }
    }
}
