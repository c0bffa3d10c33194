//! The forms in which Asset Panda gives our values back (DESIGN 4.13).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ColumnType;
use crate::compare::same;

/// One value of ours that came back in another form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// What we wrote.
    pub ours: Value,
    /// What came back.
    pub theirs: Value,
}

/// For each column of a record, by column id, the form seen when our value was last written again.
///
/// It is noted when a value that we had confirmed reads differently, so that we write it once more. If the very same
/// form is there in the next FULL sync, it is Asset Panda's form of our value and is accepted from then on. If our value
/// is there, the difference was somebody's edit, and the note is dropped. Most devices have none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Forms(BTreeMap<String, Form>);

impl Forms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `theirs` is how Asset Panda gives our value back: we wrote it again, and the same form was there again.
    pub(crate) fn accept(&self, column_id: &str, column: &ColumnType, ours: &Value, theirs: &Value) -> bool {
        self.0.get(column_id).is_some_and(|form| form.theirs == *theirs && same(column, &form.ours, ours))
    }

    pub(crate) fn note(&mut self, column_id: &str, ours: &Value, theirs: &Value) {
        self.0.insert(column_id.to_owned(), Form { ours: ours.clone(), theirs: theirs.clone() });
    }

    pub(crate) fn forget(&mut self, column_id: &str) {
        self.0.remove(column_id);
    }
}
