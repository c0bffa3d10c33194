//! How the database goes about our statements, on an empty database: what it does there, it does from the first sync on.

use std::path::Path;

use rstest::rstest;

use crate::Database;

/// Tables that grow with fleets and with time: nothing but a sync's own end may walk one of them.
const GROWING: [&str; 9] =
    ["sync_records", "links", "link_values", "intents", "brake_items", "syncs", "alerts", "requests", "budget_lots"];

/// What a slice does for each batch must cost a batch. A statement that asks for the records at a step and walks all records
/// of its sync makes an import's time grow with the square of its size.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[tokio::test]
async fn records_at_a_step_are_found_without_a_walk_over_their_sync(#[case] database: Database) {
    let site = database.site().await;
    let mut asked = 0;
    for (place, statement) in statements() {
        if !statement.contains("sync_records") || !asks_by_step(&statement) {
            continue;
        }
        let Some(plan) = plan(&site.store, &statement).await else { continue };
        asked += 1;
        let walks = plan.iter().any(|line| line.ends_with("USING PRIMARY KEY (sync_id=?)"));
        assert!(!walks, "{place}: {statement}\n{plan:#?}");
    }
    assert!(asked >= 6, "only {asked} statements were found: do they look otherwise now?");
}

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[tokio::test]
async fn no_statement_walks_a_table_that_grows(#[case] database: Database) {
    let site = database.site().await;
    let mut asked = 0;
    for (place, statement) in statements() {
        let Some(plan) = plan(&site.store, &statement).await else { continue };
        asked += 1;
        let walked = plan.iter().find(|line| {
            let mut words = line.split(' ');
            // An index that holds only what is active is small.
            words.next() == Some("SCAN")
                && words.next().is_some_and(|table| GROWING.contains(&table))
                && !["syncs_lost", "syncs_one_active", "alerts_due"].iter().any(|index| line.ends_with(index))
        });
        assert_eq!(walked, None, "{place}: {statement}\n{plan:#?}");
    }
    assert!(asked >= 80, "only {asked} statements were found: do they look otherwise now?");
}

/// Whether it asks for the records at one step or some.
fn asks_by_step(statement: &str) -> bool {
    let condition = statement.split_once("WHERE").map_or("", |it| it.1);
    ["AND step = ", "AND r.step = ", "AND step IN ("].iter().any(|it| condition.contains(it))
}

/// The database's plan for a statement; `None` for a text that is only a part of one.
async fn plan(store: &pandaport_store::Store, statement: &str) -> Option<Vec<String>> {
    let pandaport_store::Pool::Sqlite { write, .. } = store.pool() else { unreachable!("only SQLite so far") };
    let mut explained = format!("EXPLAIN QUERY PLAN {statement}");
    while let Some((before, after)) = explained.split_once("IDS(") {
        let (parameter, behind) = after.split_once(')')?;
        explained = format!("{before}SELECT value FROM json_each({parameter}){behind}");
    }
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(explained)).fetch_all(write).await.ok()?;
    Some(rows.into_iter().map(|row| row.3).collect())
}

/// The statements in the sources of the store, with the file each stands in.
fn statements() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

fn collect(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for verb in ["SELECT ", "UPDATE ", "DELETE ", "INSERT "] {
            let opening = format!("\"{verb}");
            for (at, _) in source.match_indices(&opening) {
                let text = source[at + 1..].split_once('"').map_or("", |it| it.0);
                // A line that goes on with a backslash joins the next, as the compiler does it.
                let text: String = text.split("\\\n").map(str::trim_start).collect::<Vec<_>>().join("");
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), text));
            }
        }
    }
}
