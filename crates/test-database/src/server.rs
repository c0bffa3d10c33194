//! Databases on a PostgreSQL server. Each is a copy of a template, which is made once for each schema.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pandaport_store::Store;
use sha2::{Digest as _, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

static MIGRATIONS: Migrator = sqlx::migrate!("../store/migrations/postgres");

/// Names are a prefix, the time they were made at, and what tells them apart.
const TEST: &str = "pandaport_test";
const TEMPLATE: &str = "pandaport_template";
/// A test that takes longer was killed, and left its database behind.
const TEST_LASTS: Duration = Duration::from_secs(2 * 3600);
/// Templates of schemas that nobody works on any more are not kept for ever.
const TEMPLATE_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// The advisory lock of those who make a template.
const MAKING: i64 = 0x7061_6e64_7465_7374;
/// "The source database is being accessed by other users": by those who make it, or by the server's own vacuum.
const IN_USE: &str = "55006";

/// A database on a server, dropped with this.
pub(crate) struct Server {
    server: Url,
    name: String,
}

impl Server {
    /// A copy of the template, which is made if it is not there.
    pub(crate) async fn migrated(server: &str) -> Self {
        let server: Url = server.parse().unwrap();
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        sweep(&mut admin).await;
        let template = match template(&mut admin).await {
            Some(name) => name,
            None => make_template(&mut admin, &server).await,
        };
        Self::copy(server, admin, &template).await
    }

    /// One without tables.
    pub(crate) async fn empty(server: &str) -> Self {
        let server: Url = server.parse().unwrap();
        let admin = PgConnection::connect(server.as_str()).await.unwrap();
        Self::copy(server, admin, "template0").await
    }

    async fn copy(server: Url, mut admin: PgConnection, template: &str) -> Self {
        let name = format!("{TEST}_{}_{}", seconds(now()), uuid::Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        loop {
            match run(&mut admin, &create).await {
                Ok(()) => break,
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{create}: {error}"),
            }
        }
        admin.close().await.unwrap();
        Self { server, name }
    }

    /// Whether a text stands in any row of any table.
    pub(crate) async fn contains(&self, text: &str) -> bool {
        let mut session = PgConnection::connect(&self.url()).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut session)
            .await
            .unwrap();
        // As it is, and as it would be shown in a binary value.
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        for table in tables {
            let found: bool = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT EXISTS (SELECT 1 FROM {table} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0)"
            )))
            .bind(text)
            .bind(&hex)
            .fetch_one(&mut session)
            .await
            .unwrap();
            if found {
                return true;
            }
        }
        false
    }

    /// Whether a session is in a transaction and asks for nothing.
    pub(crate) async fn is_held(&self) -> bool {
        let mut session = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                            WHERE datname = current_database() AND state LIKE 'idle in transaction%')",
        )
        .fetch_one(&mut session)
        .await
        .unwrap()
    }

    /// The database's URL. A test's commits need not outlive the server: it does not wait for the disk.
    pub(crate) fn url(&self) -> String {
        let mut url = database_url(&self.server, &self.name);
        url.query_pairs_mut().append_pair("options[synchronous_commit]", "off");
        url.into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // On a thread of its own: the test's runtime can't be waited for in here. What can't be dropped is swept later.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut admin = PgConnection::connect(server.as_str()).await?;
                drop_database(&mut admin, &name).await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}

/// The template of this schema, if there is one.
async fn template(admin: &mut PgConnection) -> Option<String> {
    sqlx::query_scalar(
        "SELECT datname FROM pg_database WHERE datname > $1 AND datname LIKE $2 ORDER BY datname LIMIT 1",
    )
    .bind(oldest(TEMPLATE, TEMPLATE_LASTS))
    .bind(format!("{TEMPLATE}\\_%\\_{}", schema()))
    .fetch_optional(admin)
    .await
    .unwrap()
}

/// Makes the template. One process does it, the others wait.
async fn make_template(admin: &mut PgConnection, server: &Url) -> String {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MAKING).execute(&mut *admin).await.unwrap();
    let name = match template(admin).await {
        Some(name) => name,
        None => {
            // It gets its name when it is whole.
            let half_made = format!("{TEST}_{}_template", seconds(now()));
            drop_database(admin, &half_made).await.unwrap();
            run(admin, &format!("CREATE DATABASE {half_made} TEMPLATE template0")).await.unwrap();
            let store = Store::connect(database_url(server, &half_made).as_str()).await.unwrap();
            pandaport_queue::migrate(&store).await.unwrap();
            store.close().await;
            let name = format!("{TEMPLATE}_{}_{}", seconds(now()), schema());
            // The migration's own connections may take a moment to end.
            while run(admin, &format!("ALTER DATABASE {half_made} RENAME TO {name}")).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            name
        }
    };
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(MAKING).execute(&mut *admin).await.unwrap();
    name
}

/// Drops what tests that were killed, and schemas of the past, have left behind.
async fn sweep(admin: &mut PgConnection) {
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT datname FROM pg_database WHERE (datname LIKE $1 AND datname < $2) OR (datname LIKE $3 AND datname < $4)",
    )
    .bind(format!("{TEST}\\_%"))
    .bind(oldest(TEST, TEST_LASTS))
    .bind(format!("{TEMPLATE}\\_%"))
    .bind(oldest(TEMPLATE, TEMPLATE_LASTS))
    .fetch_all(&mut *admin)
    .await
    .unwrap();
    for name in left {
        // Another test may be at it, too.
        let _ = drop_database(admin, &name).await;
    }
}

async fn drop_database(admin: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    run(admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn run(admin: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    // Safe: made of names that are made here.
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(admin).await.map(|_| ())
}

/// Stands for the whole schema, the queue's tables among it.
fn schema() -> String {
    let mut hash = Sha256::new();
    for migration in MIGRATIONS.iter() {
        hash.update(migration.version.to_be_bytes());
        hash.update(&migration.checksum);
    }
    hash.update(riverqueue::migrate::MIGRATION_VERSION_LATEST.to_be_bytes());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn database_url(server: &Url, name: &str) -> Url {
    let mut url = server.clone();
    url.set_path(name);
    url
}

fn oldest(prefix: &str, lasts: Duration) -> String {
    format!("{prefix}_{}", seconds(now() - lasts))
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}
