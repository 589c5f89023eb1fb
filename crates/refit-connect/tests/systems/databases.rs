//! The rows of queries, from files of SQLite's and from a PostgreSQL server that is started for the test.

use super::postgres::Postgres;
use jiff::Timestamp;
use refit_connect::systems::{AskError, Database, Place, Secret};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use std::path::{Path, PathBuf};

/// The pages of a query, as values.
fn pages(database: &Database, sql: &str, since: Timestamp) -> Result<Vec<Vec<Value>>, AskError> {
    let mut pages = Vec::new();
    database.read(sql, since, &mut |text| {
        let page: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let count = page.len();
        pages.push(page);
        Ok(count)
    })?;
    Ok(pages)
}

fn rows(database: &Database, sql: &str) -> Result<Vec<Value>, AskError> {
    pages(database, sql, Timestamp::UNIX_EPOCH).map(|pages| pages.concat())
}

fn sqlite(folder: &Path, statements: &'static str) -> PathBuf {
    let path = folder.join("inventory.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    path
}

const DEVICES: &str = "
    create table devices (id integer primary key, serial text, price real, picture blob, retired boolean, changed text);
    insert into devices values (1, 'C02XK1ADA', 1299.5, x'00ff', 0, '2026-11-20T08:00:00Z'), (2, null, null, null, 1, '2026-11-22T08:00:00Z');";

#[test]
fn rows_of_a_file_have_the_types_of_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new(Place::Sqlite(sqlite(folder.path(), DEVICES)));
    let all = rows(&database, "select * from devices order by id -- all of them").unwrap();
    let first = json!({ "id": 1, "serial": "C02XK1ADA", "price": 1299.5, "picture": "00ff", "retired": 0, "changed": "2026-11-20T08:00:00Z" });
    assert_eq!(all[0], first);
    assert_eq!(all[1]["serial"], Value::Null);
    let changed = "with recent as (select * from devices where changed >= :since) select id from recent;";
    let since = "2026-11-21T00:00:00Z".parse().unwrap();
    assert_eq!(pages(&database, changed, since).unwrap(), [[json!({ "id": 2 })]]);
    assert_eq!(pages(&database, "select id from devices where id > 7", since).unwrap(), [Vec::<Value>::new()]);
}

#[test]
fn a_file_is_neither_written_nor_made_nor_left_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = sqlite(folder.path(), DEVICES);
    let before = std::fs::read(&path).unwrap();
    let database = Database::new(Place::Sqlite(path.clone()));
    for sql in
        ["delete from devices", "select 1); delete from devices; select * from (select 1", "selct * from devices", ""]
    {
        let error = rows(&database, sql).unwrap_err();
        assert!(matches!(error, AskError::Database { .. }), "{error}");
        assert!(error.to_string().contains("inventory.db: "), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let nowhere = folder.path().join("nothing.db");
    assert!(rows(&Database::new(Place::Sqlite(nowhere.clone())), "select 1 as a").is_err());
    assert!(!nowhere.exists());
}

fn at(postgres: &Postgres, password: &str) -> Database {
    Database::new(Place::Postgres {
        address: postgres.address("inventory"),
        user: Some("reader".to_owned()),
        password: Some(Secret::new(password)),
        hosts: Vec::new(),
    })
}

const TABLES: &str = "
    create table devices (
        id bigserial primary key, serial text, changed timestamptz not null, cost numeric(10, 2), tags text[], facts jsonb,
        retired boolean, picture bytea
    );
    insert into devices (serial, changed, cost, tags, facts, retired, picture)
        select 'S' || n, timestamptz '2026-11-20 08:00:00+00' + n * interval '1 minute', 1299.50, array['a', 'b'],
            '{\"site\": \"Rome\"}', false, '\\x00ff'
        from generate_series(1, 2500) n;
    insert into devices (serial, changed) values (null, '2026-12-24 00:00:00+01');
    create role reader login password 'swordfish';
    grant select on devices to reader;
    create table salaries (amount numeric);";

#[test]
fn rows_of_a_server_come_in_pages_with_all_types_and_nothing_is_written() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("inventory", TABLES);
    let database = at(&postgres, "swordfish");
    let sql = "select * from devices where changed >= :since order by id";
    let all = pages(&database, sql, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 501]);
    let first = json!({
        "id": 1, "serial": "S1", "changed": "2026-11-20T08:01:00+00:00", "cost": 1299.50, "tags": ["a", "b"],
        "facts": { "site": "Rome" }, "retired": false, "picture": "\\x00ff",
    });
    assert_eq!(all[0][0], first);
    assert_eq!(all[2][500]["serial"], Value::Null);
    let since = "2026-12-23T00:00:00Z".parse().unwrap();
    assert_eq!(pages(&database, sql, since).unwrap().concat().len(), 1);

    for (sql, said) in [
        ("select * from salaries", "permission denied for table salaries"),
        (
            "select serail from devices",
            "column \"serail\" does not exist (Perhaps you meant to reference the column \"devices.serial\".)",
        ),
        ("delete from devices returning *", "syntax error"),
        ("select nextval('devices_id_seq') as id", "permission denied"),
        ("select 1; delete from devices", "one statement"),
    ] {
        let error = rows(&database, sql).unwrap_err().to_string();
        assert!(error.starts_with("postgres://127.0.0.1:") && error.contains(said), "{sql}: {error}");
    }
    // Also whoever may write writes nothing.
    let owner = Database::new(Place::Postgres {
        address: postgres.address("inventory"),
        user: Some("postgres".to_owned()),
        password: Some(Secret::new(Postgres::PASSWORD)),
        hosts: Vec::new(),
    });
    let error = rows(&owner, "select nextval('devices_id_seq') as id").unwrap_err().to_string();
    assert!(error.contains("read-only transaction"), "{error}");
}

#[test]
fn a_server_that_does_not_know_us_is_not_there_or_is_another_says_so() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("inventory", TABLES);
    let error = rows(&at(&postgres, "hush"), "select 1 as a").unwrap_err().to_string();
    assert!(error.contains("password authentication failed for user \"reader\"") && !error.contains("hush"), "{error}");
    let elsewhere = |address: &str, hosts: &[&str]| {
        let place = Place::Postgres {
            address: address.to_owned(),
            user: Some("reader".to_owned()),
            password: Some(Secret::new("swordfish")),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        rows(&Database::new(place), "select 1 as a").unwrap_err()
    };
    let error = elsewhere("postgres://127.0.0.1:1/inventory", &[]).to_string();
    assert!(error.contains("127.0.0.1:1/inventory") && error.to_lowercase().contains("refused"), "{error}");
    let address = postgres.address("inventory");
    assert!(matches!(elsewhere(&address, &["postgres://db.example"]), AskError::Elsewhere { .. }));
    assert_eq!(rows(&at(&postgres, "swordfish"), "select 1 as a").unwrap(), [json!({ "a": 1 })]);
    for (parameters, runners) in
        [("?host=db.example", None), ("?%68ost=db.example", None), ("?sslmode=disable", Some(&address))]
    {
        let hosts: Vec<&str> = runners.map(String::as_str).into_iter().collect();
        let error = elsewhere(&format!("{address}{parameters}"), &hosts).to_string();
        assert!(error.contains("of parameters an address may have"), "{error}");
    }
    let trusting = format!("{address}?sslmode=require");
    let error = elsewhere(&trusting, &[&trusting]).to_string();
    assert!(error.contains("TLS"), "the server of the test has none: {error}");
    for none in ["http://127.0.0.1/inventory", "postgres://reader:swordfish@127.0.0.1/inventory"] {
        let error = elsewhere(none, &[]).to_string();
        assert!(error.contains("an address such as") && !error.contains("swordfish"), "{error}");
    }
}
