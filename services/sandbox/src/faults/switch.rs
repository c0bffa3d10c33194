//! How switches are read from JSON: strictly, one by one, so that every refusal names the path.

use serde_json::Value;

/// Why a set of switches was refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FaultError {
    /// There is no such switch.
    #[error("there is no switch `{path}`; here these exist: {known}")]
    Unknown {
        /// The full path of the key, such as `kandji.hangs`.
        path: String,
        /// The switches that do exist at that place.
        known: String,
    },
    /// The switch exists, but cannot take this value.
    #[error("`{path}` cannot be {value}: {message}")]
    Unfit {
        /// The full path of the switch.
        path: String,
        /// The value that was given, as JSON.
        value: String,
        /// What is wrong with it.
        message: String,
    },
    /// The text is not JSON.
    #[error("the switches are not JSON: {0}")]
    NotJson(String),
}

/// Something that can be set from JSON.
pub(crate) trait Switch {
    /// Sets what `value` names and leaves the rest alone. `path` is for refusals.
    fn set(&mut self, path: &str, value: Value) -> Result<(), FaultError>;

    /// What null does: the default again, and for what may be absent: nothing.
    fn unset(&mut self, default: Self)
    where
        Self: Sized,
    {
        *self = default;
    }

    /// Appends the paths of all switches in here.
    fn paths(_prefix: &str, _out: &mut Vec<String>) {}
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

pub(crate) fn unfit(path: &str, value: &Value, message: impl ToString) -> FaultError {
    FaultError::Unfit { path: path.to_owned(), value: value.to_string(), message: message.to_string() }
}

/// Types read whole, by their `Deserialize`.
macro_rules! leaf {
    ($($ty:ty),+ $(,)?) => { $(
        impl $crate::faults::switch::Switch for $ty {
            fn set(&mut self, path: &str, value: serde_json::Value) -> Result<(), $crate::faults::FaultError> {
                *self = serde_json::from_value(value.clone())
                    .map_err(|error| $crate::faults::switch::unfit(path, &value, error))?;
                Ok(())
            }
        }
    )+ };
}
pub(crate) use leaf;

leaf!(bool, u16, u32, u64, String);

impl<T: Switch + Default> Switch for Option<T> {
    fn unset(&mut self, _default: Self) {
        *self = None;
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), FaultError> {
        if value == Value::Bool(false) {
            *self = None;
            return Ok(());
        }
        // Naming it sets it anew: nothing of an earlier burst or trigger stays behind.
        let mut inner = T::default();
        inner.set(path, value)?;
        *self = Some(inner);
        Ok(())
    }

    fn paths(prefix: &str, out: &mut Vec<String>) {
        T::paths(prefix, out);
    }
}

impl<T: Switch + Default> Switch for Vec<T> {
    fn set(&mut self, path: &str, value: Value) -> Result<(), FaultError> {
        let Value::Array(items) = value else {
            return Err(unfit(path, &value, "a list is expected"));
        };
        self.clear();
        for (index, item) in items.into_iter().enumerate() {
            let mut entry = T::default();
            entry.set(&format!("{path}[{index}]"), item)?;
            self.push(entry);
        }
        Ok(())
    }

    fn paths(prefix: &str, out: &mut Vec<String>) {
        T::paths(&format!("{prefix}[]"), out);
    }
}

/// A struct of switches: each field has a doc comment and a default; `true` for the whole struct takes it
/// as it stands.
macro_rules! switches {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $ty:ty = $default:expr, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl $crate::faults::switch::Switch for $name {
            fn set(&mut self, path: &str, value: serde_json::Value) -> Result<(), $crate::faults::FaultError> {
                use $crate::faults::switch::{join, unfit};
                if value == serde_json::Value::Bool(true) {
                    return Ok(());
                }
                let serde_json::Value::Object(map) = value else {
                    return Err(unfit(path, &value, "an object is expected"));
                };
                for (key, value) in map {
                    let path = join(path, &key);
                    match key.as_str() {
                        $( stringify!($field) => {
                            if value.is_null() {
                                $crate::faults::switch::Switch::unset(&mut self.$field, $default);
                            } else {
                                $crate::faults::switch::Switch::set(&mut self.$field, &path, value)?;
                            }
                        } )+
                        _ => {
                            let known = [$( stringify!($field) ),+].join(", ");
                            return Err($crate::faults::FaultError::Unknown { path, known });
                        }
                    }
                }
                Ok(())
            }

            fn paths(prefix: &str, out: &mut Vec<String>) {
                $( {
                    let path = $crate::faults::switch::join(prefix, stringify!($field));
                    out.push(path.clone());
                    <$ty as $crate::faults::switch::Switch>::paths(&path, out);
                } )+
            }
        }
    };
}
pub(crate) use switches;
