//! How the database goes about our statements. SQLite is asked on an empty database: what it does there, it does from the
//! first sync on. PostgreSQL plans by what it counted, and is asked both on an empty one and on one with a million links.

use std::path::Path;

use pandaport_store::{Pool, Store};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Row as _, SqlSafeStr as _};

use crate::{START, Site, site};

/// Tables that grow with fleets and with time: nothing but a sync's own end may walk one of them.
const GROWING: [&str; 9] =
    ["sync_records", "links", "link_values", "intents", "brake_items", "syncs", "alerts", "requests", "budget_lots"];
/// Those of them that have rows for each device.
const OF_DEVICES: [&str; 5] = ["sync_records", "links", "link_values", "intents", "brake_items"];
/// Indexes that hold only what is active, and so stay small.
const SMALL: [&str; 3] = ["syncs_lost", "syncs_one_active", "alerts_due"];

/// What a slice does for each batch must cost a batch. A statement that asks for the records at a step and walks all records
/// of its sync makes an import's time grow with the square of its size.
#[tokio::test]
async fn records_at_a_step_are_found_without_a_walk_over_their_sync() {
    let site = site().await;
    look_for_walks_over_a_sync(&site.store, |statement| site.database.folder().is_some() || is_for_a_batch(statement))
        .await;
}

#[tokio::test]
async fn no_statement_walks_a_table_that_grows() {
    let site = site().await;
    // What is walked is found out by size, where the database knows it.
    if let Pool::Postgres(pool) = site.store.pool() {
        fill(&site, pool).await;
        look_for_walks_over_a_sync(&site.store, |_| true).await;
    }
    let mut asked = 0;
    for (place, statement) in statements() {
        let Some(plan) = plan(&site.store, &statement).await else { continue };
        asked += 1;
        let walked = plan.iter().find(|it| {
            let (table, index) = (it.table.as_str(), it.index.as_deref());
            it.condition.is_none() && GROWING.contains(&table) && index.is_none_or(|it| !SMALL.contains(&it))
        });
        assert!(walked.is_none(), "{place}: {statement}\n{plan:#?}");
    }
    assert!(asked >= 80, "only {asked} statements were found: do they look otherwise now?");
    if matches!(site.store.pool(), Pool::Postgres(_)) {
        look_for_walks_of_batches(&site.store).await;
    }
}

/// A statement for many devices looks each of them up. PostgreSQL plans it for the size of the tables at that moment: it is
/// asked about full ones above.
#[tokio::test]
async fn the_devices_of_a_batch_are_found_by_their_keys() {
    let site = site().await;
    if matches!(site.store.pool(), Pool::Sqlite { .. }) {
        look_for_walks_of_batches(&site.store).await;
    }
}

async fn look_for_walks_of_batches(store: &Store) {
    // Or those at some steps, which are few.
    const KEYS: [&str; 7] = ["step", "device_id", "link_id", "identifier_key", "serial_number", "record_id", "user_id"];
    let mut asked = 0;
    for (place, statement) in statements() {
        if !(statement.contains("IDS(") || statement.contains("ROWS(")) {
            continue;
        }
        let Some(plan) = plan(store, &statement).await else { continue };
        asked += 1;
        let walk = plan.iter().find(|it| {
            let condition = it.condition.as_deref().unwrap_or_default();
            OF_DEVICES.contains(&it.table.as_str()) && !KEYS.iter().any(|key| condition.contains(key))
        });
        assert!(walk.is_none(), "{place}: {statement}\n{plan:#?}");
    }
    assert!(asked >= 25, "only {asked} statements were found: do they look otherwise now?");
}

async fn look_for_walks_over_a_sync(store: &Store, is_meant: impl Fn(&str) -> bool) {
    let mut asked = 0;
    for (place, statement) in statements() {
        if !statement.contains("sync_records") || !asks_by_step(&statement) || !is_meant(&statement) {
            continue;
        }
        let Some(plan) = plan(store, &statement).await else { continue };
        asked += 1;
        let walks = plan.iter().any(|it| {
            let condition = it.condition.as_deref().unwrap_or_default();
            condition.contains("sync_id")
                && !["step", "device_id", "identifier_key"].iter().any(|it| condition.contains(it))
        });
        assert!(!walks, "{place}: {statement}\n{plan:#?}");
    }
    assert!(asked >= 3, "only {asked} statements were found: do they look otherwise now?");
}

/// Whether it asks for the records at one step or some.
fn asks_by_step(statement: &str) -> bool {
    let condition = statement.split_once("WHERE").map_or("", |it| it.1);
    ["AND step = ", "AND r.step = ", "AND step IN ("].iter().any(|it| condition.contains(it))
}

/// Whether it is sent for each batch, and not once a slice or phase.
fn is_for_a_batch(statement: &str) -> bool {
    statement.contains(" LIMIT $")
}

/// How one table is gone through.
#[derive(Debug, Default)]
struct Access {
    table: String,
    index: Option<String>,
    /// What is looked up in the index; `None`: all of it is gone through.
    condition: Option<String>,
}

/// The database's plan for a statement; `None` for a text that is only a part of one.
async fn plan(store: &Store, statement: &str) -> Option<Vec<Access>> {
    let statement = store.sql(statement.to_owned().leak());
    match store.pool() {
        Pool::Sqlite { write, .. } => {
            let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.as_str()));
            let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(write).await.ok()?;
            Some(rows.iter().filter_map(|row| access(&row.3)).collect())
        }
        Pool::Postgres(pool) => {
            // How many rows are wanted, the planner would guess by the size of the table; it plans anew for each number.
            let mut statement = statement.as_str().to_owned();
            let last = (1..).find(|n| !statement.contains(&format!("${}", n + 1))).unwrap();
            statement = statement.replace(&format!("LIMIT ${last}"), "LIMIT 100");
            let plan = generic_plan(pool, &statement).await?;
            let mut found = Vec::new();
            accesses(&plan, &mut found);
            Some(found)
        }
    }
}

/// A line such as `SEARCH links USING INDEX links_x (mapping_id=? AND device_id=?)`.
fn access(line: &str) -> Option<Access> {
    let (verb, rest) = line.split_once(' ')?;
    let (how, condition) = match rest.split_once(" (") {
        Some((how, condition)) => (how, Some(condition.to_owned())),
        None => (rest, None),
    };
    let of_tables = ["SCAN", "SEARCH"].contains(&verb) && !how.starts_with("json_each") && !how.contains("VIRTUAL");
    of_tables.then(|| Access {
        table: how.split(' ').next().unwrap_or_default().to_owned(),
        index: how.contains("INDEX ").then(|| how.rsplit(' ').next().unwrap_or_default().to_owned()),
        condition: condition.filter(|_| verb == "SEARCH"),
    })
}

/// The plan that serves for all values: the server keeps it once a connection has sent a statement a few times.
async fn generic_plan(pool: &PgPool, statement: &str) -> Option<Value> {
    let mut tx = pool.begin().await.unwrap();
    tx.execute("SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    tx.execute(AssertSqlSafe(format!("PREPARE asked AS {statement}"))).await.ok()?;
    let parameters: i64 = sqlx::query_scalar(
        "SELECT CAST(cardinality(parameter_types) AS BIGINT) FROM pg_prepared_statements WHERE name = 'asked'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let nulls = vec!["NULL"; usize::try_from(parameters).unwrap()].join(", ");
    let values = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let explained = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE asked {values}")).into_sql_str();
    let plan: Value = tx.fetch_one(sqlx::raw_sql(explained)).await.unwrap().get(0);
    tx.execute("DEALLOCATE asked").await.unwrap();
    tx.rollback().await.unwrap();
    Some(plan[0]["Plan"].clone())
}

fn accesses(node: &Value, found: &mut Vec<Access>) {
    let text = |key: &str| node[key].as_str().map(str::to_owned);
    let (table, index) = (text("Relation Name"), text("Index Name"));
    match text("Node Type").as_deref() {
        Some("Seq Scan") => found.push(Access { table: table.unwrap_or_default(), ..Access::default() }),
        Some("Index Scan" | "Index Only Scan") => {
            found.push(Access { table: table.unwrap_or_default(), index, condition: text("Index Cond") });
        }
        // Its table is named by the node above, which has this one as its child.
        Some("Bitmap Heap Scan") => {
            let mut below = vec![&node["Plans"][0]];
            while let Some(bitmap) = below.pop() {
                below.extend(bitmap["Plans"].as_array().into_iter().flatten());
                if bitmap["Node Type"] == "Bitmap Index Scan" {
                    found.push(Access {
                        table: table.clone().unwrap_or_default(),
                        index: bitmap["Index Name"].as_str().map(str::to_owned),
                        condition: bitmap["Index Cond"].as_str().map(str::to_owned),
                    });
                }
            }
        }
        _ => {}
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        accesses(below, found);
    }
}

/// A hundred mappings with ten thousand devices each, and what a year of syncs leaves behind.
async fn fill(site: &Site, pool: &PgPool) {
    let connection = site.connection().await;
    for n in 0..100 {
        let mapping = site.mapping_of(&connection, &n.to_string()).await;
        site.sync(&mapping, START).await;
    }
    // Sorted, and without a look at each row's references where that is allowed: it is a million rows.
    let mut session = pool.acquire().await.unwrap();
    let _ = session.execute("SET session_replication_role = replica").await;
    for statement in [
        "INSERT INTO syncs (sync_id, tenant, mapping_id, revision, mode, dry_run, retry_rejected, trigger_kind, state, phase, next_slice_time,
             create_time, start_time, end_time)
         SELECT gen_random_uuid(), tenant, mapping_id, revision, mode, dry_run, retry_rejected, trigger_kind, 'SUCCEEDED', phase, n, n, n, n
         FROM syncs, generate_series(1, 500) n",
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, seen_time, flags)
         SELECT mapping_id, 'device ' || lpad(n::text, 6, '0'), tenant,
             lpad(to_hex(row_number() OVER ()), 32, '0')::uuid, '\\x00', n, 1
         FROM mappings, generate_series(1, 10000) n",
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, identifier_key, record_id)
         SELECT link_id, tenant, mapping_id, device_id, device_id, device_id, device_id, device_id
         FROM links",
        "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, fingerprint, step, outcome)
         SELECT s.sync_id, 'device ' || lpad(n::text, 6, '0'), s.tenant, s.mapping_id, n::text, n::text, '\\x00', CASE WHEN n % 10 = 0 THEN 0 ELSE 9 END, 'PLANNED'
         FROM (SELECT * FROM syncs WHERE state = 'QUEUED' ORDER BY sync_id LIMIT 20) s, generate_series(1, 10000) n",
        "INSERT INTO brake_items (sync_id, kind, device_id, tenant, record_id, step)
         SELECT s.sync_id, CASE WHEN n % 2 = 0 THEN 'REMOVAL' ELSE 'DELETED' END, 'device ' || lpad(n::text, 6, '0'), s.tenant,
             'device ' || lpad(n::text, 6, '0'), n % 5
         FROM (SELECT * FROM syncs WHERE state = 'QUEUED' ORDER BY sync_id LIMIT 20) s, generate_series(1, 1000) n",
        "INSERT INTO intents (mapping_id, device_id, tenant, sync_id, fence, identifier, identifier_key, sent_time, next_look_time, payload)
         SELECT mapping_id, 'device ' || lpad(n::text, 6, '0'), tenant, mapping_id, 1, n::text, n::text, n, n, '{}'
         FROM mappings, generate_series(1, 200) n",
        "INSERT INTO alerts (alert_id, tenant, mapping_id, kind, body, next_try_time, create_time, delivered_time)
         SELECT gen_random_uuid(), md5((n % 100)::text), m.mapping_id, 'HELD', '{}', n, n, CASE WHEN n > 1 THEN n END
         FROM mappings m, generate_series(1, 1000) n",
        "INSERT INTO requests (tenant, request_id, method, body_hash, response, create_time)
         SELECT md5((n % 100)::text), n::text, 'TriggerSync', '\\x00', '\\x00', n FROM generate_series(1, 20000) n",
        "INSERT INTO budget_lots (api, lot_id, granted_time, expire_time, size)
         SELECT md5((n % 100)::text), gen_random_uuid(), n, n, 5 FROM generate_series(1, 20000) n",
    ] {
        session.execute(statement).await.unwrap();
    }
    session.execute("ANALYZE").await.unwrap();
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
