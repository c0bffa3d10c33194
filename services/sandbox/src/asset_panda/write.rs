//! Creating, updating and deleting records: at most five a call, each row with its own result
//! (asset-panda-pro-api.md section 6).

use serde_json::{Map, Value, json};

use super::{Scope, refused, value};
use crate::answer::Answer;
use crate::faults::UniqueRefusal;
use crate::traffic::Operation;

/// The most rows in one call.
pub(super) const CAP: usize = 5;

/// A row that may be applied: where to, and the values it sets.
struct Change {
    at: Option<u32>,
    values: Vec<(usize, Value)>,
}

/// What came of one row.
type RowResult = Result<Option<String>, String>;

pub(super) fn write(scope: &mut Scope<'_>, operation: Operation, body: &Value) -> Answer {
    let Some(rows) = body["records"].as_array().filter(|rows| !rows.is_empty()) else {
        return refused(400, "records must be a list of at least one record");
    };
    if rows.len() > CAP {
        return refused(400, &format!("at most {CAP} records are allowed in one request"));
    }
    if scope.faults.unique_refusal == UniqueRefusal::Call
        && operation != Operation::Delete
        && let Some(message) = taken_in_call(scope, operation, rows)
    {
        return refused(400, &message);
    }
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        let result = match operation {
            Operation::Delete => delete(scope, row),
            Operation::Update => update(scope, row),
            _ => create(scope, row),
        };
        if result.is_err() {
            scope.collection.records.written.refused += 1;
        }
        results.push(result);
    }
    let mut shown: Vec<Value> = results
        .into_iter()
        .enumerate()
        .map(|(index, result)| match result {
            Ok(Some(id)) => json!({"index": index, "success": true, "recordId": id}),
            Ok(None) => json!({"index": index, "success": true}),
            Err(message) => json!({"index": index, "success": false, "errors": [message]}),
        })
        .collect();
    if scope.strikes.strikes("asset_panda.short_reply", scope.faults.short_reply.as_ref(), operation) {
        shown.pop();
    }
    Answer::json(200, &json!({"data": {"records": shown}}))
}

fn create(scope: &mut Scope<'_>, row: &Value) -> RowResult {
    let change = check(scope, Operation::Create, row)?;
    let missing = |(at, column): (usize, &crate::panda::Column)| {
        let set = change.values.iter().any(|(position, _)| *position == at);
        (column.is_required && !column.deleted && !set).then(|| format!("{} is required", column.display_name))
    };
    if let Some(message) = scope.collection.columns.iter().enumerate().find_map(missing) {
        return Err(message);
    }
    let mut values = vec![Value::Null; scope.collection.columns.len()];
    for (at, value) in change.values {
        values[at] = value;
    }
    let records = &mut scope.collection.records;
    let at = records.insert(&values, false, scope.visible_at);
    records.written.created += 1;
    Ok(scope.faults.record_id_in_create.then(|| records.id(at)))
}

fn update(scope: &mut Scope<'_>, row: &Value) -> RowResult {
    let change = check(scope, Operation::Update, row)?;
    let Some(at) = change.at else {
        return Err("recordId is required".to_owned());
    };
    let records = &mut scope.collection.records;
    let mut values = records.get(at).map(crate::panda::Record::values).unwrap_or_default();
    values.resize(scope.collection.columns.len(), Value::Null);
    for (position, value) in change.values {
        values[position] = value;
    }
    records.update(at, &values, scope.visible_at);
    records.written.updated += 1;
    Ok(Some(records.id(at)))
}

fn delete(scope: &mut Scope<'_>, row: &Value) -> RowResult {
    let at = found(scope, row)?;
    let records = &mut scope.collection.records;
    let id = records.id(at);
    records.delete(at, scope.visible_at);
    records.written.deleted += 1;
    Ok(Some(id))
}

/// The record that a row speaks of.
fn found(scope: &Scope<'_>, row: &Value) -> Result<u32, String> {
    let id = row["recordId"].as_str().ok_or("recordId is required")?;
    scope.collection.records.find(id).ok_or_else(|| "Record not found".to_owned())
}

/// Checks one row against the columns, the refusals asked for, and what is taken.
fn check(scope: &mut Scope<'_>, operation: Operation, row: &Value) -> Result<Change, String> {
    let at = match operation {
        Operation::Update => Some(found(scope, row)?),
        _ => None,
    };
    let row = row.as_object().ok_or("a record must be an object")?;
    let values = accepted(scope, row)?;
    refusal_asked_for(scope, operation, &values)?;
    match taken(scope, at, &values) {
        Some(message) => Err(message),
        None => Ok(Change { at, values }),
    }
}

fn accepted(scope: &Scope<'_>, row: &Map<String, Value>) -> Result<Vec<(usize, Value)>, String> {
    let mut values = Vec::with_capacity(row.len());
    for (key, sent) in row.iter().filter(|(key, _)| *key != "recordId") {
        let at = scope.collection.position(key).ok_or_else(|| format!("unknown column {key}"))?;
        let column = &scope.collection.columns[at];
        if let Some(message) = column.refuses_writes() {
            return Err(message);
        }
        values.push((at, value::accept(column, sent, scope.faults)?));
    }
    Ok(values)
}

fn refusal_asked_for(scope: &Scope<'_>, operation: Operation, values: &[(usize, Value)]) -> Result<(), String> {
    for (index, rule) in scope.faults.refuse_rows.iter().enumerate() {
        let hit = |(at, value): &(usize, Value)| {
            let column = &scope.collection.columns[*at];
            let named = column.id == rule.column || column.display_name == rule.column;
            let same = rule.value.as_ref().is_some_and(|wanted| wanted == value);
            let contains = rule.contains.as_deref().is_some_and(|part| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.contains(part)
            });
            named && (same || contains)
        };
        let path = format!("asset_panda.refuse_rows[{index}]");
        if operation.is(&rule.on) && values.iter().any(hit) && scope.strikes.counted(&path, 0, 1, rule.count) {
            return Err(rule.message.clone());
        }
    }
    Ok(())
}

/// The message for the first unique column whose value another record has.
fn taken(scope: &mut Scope<'_>, own: Option<u32>, values: &[(usize, Value)]) -> Option<String> {
    if !scope.faults.enforce_unique {
        return None;
    }
    for (at, value) in values {
        if !scope.collection.columns[*at].is_unique || value.is_null() {
            continue;
        }
        let others = scope.collection.records.equal(*at, value);
        if others.iter().any(|other| Some(*other) != own) {
            return Some(format!("{} must be unique", scope.collection.columns[*at].display_name));
        }
    }
    None
}

/// The message for the first row of a call whose value is taken, by a record or by a row before it.
fn taken_in_call(scope: &mut Scope<'_>, operation: Operation, rows: &[Value]) -> Option<String> {
    let mut seen: Vec<(usize, Value)> = Vec::new();
    for row in rows {
        let own = if operation == Operation::Update { found(scope, row).ok() } else { None };
        let values = row.as_object().and_then(|row| accepted(scope, row).ok()).unwrap_or_default();
        if let Some(message) = taken(scope, own, &values) {
            return Some(message);
        }
        for pair in values {
            let column = &scope.collection.columns[pair.0];
            if column.is_unique && !pair.1.is_null() && seen.contains(&pair) {
                return Some(format!("{} must be unique", column.display_name));
            }
            seen.push(pair);
        }
    }
    None
}
