//! Everything that is read with GET.

use serde_json::{Value, json};

use super::route::Route;
use super::{refused, search};
use crate::answer::Answer;
use crate::faults::AssetPandaFaults;
use crate::panda::Panda;
use crate::world::World;

pub(super) fn answer(
    world: &World,
    faults: &AssetPandaFaults,
    route: Route<'_>,
    parameters: &[(String, String)],
) -> Answer {
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let panda = world.panda();
    let account = json!({"id": panda.account_id, "name": "Example Org"});
    let tenant = panda.is_tenant(parameter("accountId"), parameter("moduleId"));
    // The other modules are there, and empty.
    let empty = panda.account_id == parameter("accountId")
        && panda.modules.iter().any(|module| module.id == parameter("moduleId"));
    match route {
        Route::Accounts => list(faults, vec![account]),
        Route::Account(id) if id == panda.account_id => one(account),
        Route::Modules if parameter("accountId") == panda.account_id => list(faults, modules(&panda)),
        Route::Module(id) => modules(&panda)
            .into_iter()
            .find(|module| module["id"] == id)
            .map_or_else(|| refused(404, "Module not found"), one),
        Route::Collections if tenant => {
            let shown = panda.collections.iter().map(|collection| collection.to_json());
            list(faults, shown.collect())
        }
        Route::Collections | Route::Categories if empty => list(faults, Vec::new()),
        Route::Collection(id) if tenant => match panda.collection(id) {
            Some(collection) => one(collection.to_json()),
            None => refused(404, "Collection not found"),
        },
        Route::Columns if tenant => columns(&panda, parameter("collectionId"), faults),
        Route::Record(id) if tenant => record(&panda, parameter("collectionId"), id, faults),
        Route::Account(_) | Route::Modules => refused(404, "Account not found"),
        Route::Collections | Route::Collection(_) | Route::Columns | Route::Record(_) | Route::Categories => {
            refused(404, "Tenant not found")
        }
        _ => refused(404, "Not found"),
    }
}

fn modules(panda: &Panda) -> Vec<Value> {
    let shown = panda.modules.iter().map(|module| json!({"id": module.id, "displayName": module.display_name}));
    shown.collect()
}

fn columns(panda: &Panda, collection: &str, faults: &AssetPandaFaults) -> Answer {
    let Some(collection) = panda.collection(collection) else {
        return refused(404, "Collection not found");
    };
    let shown = collection.columns.iter().map(|column| column.to_json(faults.flags_present));
    let columns = json!({"columns": {"all": shown.collect::<Vec<_>>()}});
    if faults.bare_lists { Answer::json(200, &columns) } else { one(columns) }
}

fn record(panda: &Panda, collection: &str, id: &str, faults: &AssetPandaFaults) -> Answer {
    let found = panda.collection(collection).and_then(|collection| {
        let at = collection.records.find(id)?;
        let row = collection.records.get(at)?.row();
        Some(search::shown(collection, at, row, faults))
    });
    found.map_or_else(|| refused(404, "Record not found"), one)
}

fn one(data: Value) -> Answer {
    Answer::json(200, &json!({ "data": data }))
}

fn list(faults: &AssetPandaFaults, items: Vec<Value>) -> Answer {
    if faults.bare_lists { Answer::json(200, &items) } else { Answer::json(200, &json!({ "data": items })) }
}
