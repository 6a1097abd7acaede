//! Tables of other versions, of others, and of nobody yet.

use super::Scene;
use super::server::Server;
use super::{LONG, chunks, run};
use crate::database::link::{Link, PROCESS};
use crate::database::{DatabaseError, DatabaseRuns, TABLES, WhyOld};

/// Tables of an older version.
struct Old {
    version: i64,
    statements: &'static str,
    /// What counts five failed tasks.
    count_failures: &'static str,
}

const OLD: [Old; 2] = [
    Old {
        version: 1,
        statements: include_str!("version_1.sql"),
        count_failures: "UPDATE batchctl.run SET failed = 5",
    },
    Old {
        version: 2,
        statements: concat!(
            include_str!("version_1.sql"),
            include_str!("../version_2.sql"),
            include_str!("../functions.sql"),
            "DROP FUNCTION flush;"
        ),
        count_failures: "UPDATE batchctl.worker SET failed = 5 WHERE no = 2",
    },
];
const VERSION: &str = "SELECT version::bigint FROM batchctl.about";

#[tokio::test]
async fn tables_that_are_foreign_or_newer_or_not_ours_to_make_are_refused() {
    let Some(server) = Server::start() else { return };
    let address = server.database("newer").await;
    DatabaseRuns::create(address.clone()).await.unwrap();
    server.sql("newer", "UPDATE batchctl.about SET version = 4").await;
    let newer = DatabaseRuns::create(address).await.unwrap_err();
    assert!(newer.to_string().ends_with("have version 4; this batchctl knows 3"), "{newer}");
    let address = server.database("other").await;
    server.sql("other", "CREATE SCHEMA batchctl").await;
    for opened in [DatabaseRuns::create(address.clone()).await, DatabaseRuns::open(address).await] {
        assert!(matches!(opened.unwrap_err(), DatabaseError::Foreign { .. }));
    }
    server.database("locked").await;
    server.sql("locked", "CREATE USER guest").await;
    let guest = DatabaseRuns::create(server.address("guest", "locked")).await.unwrap_err();
    assert!(matches!(guest, DatabaseError::NoRights { .. }), "{guest:?}");
    // Somebody else makes the tables with the statements that are printed.
    server.sql("locked", &format!("BEGIN; {TABLES}; COMMIT")).await;
    server
        .sql(
            "locked",
            "GRANT USAGE ON SCHEMA batchctl TO guest; \
                          GRANT SELECT ON ALL TABLES IN SCHEMA batchctl TO guest",
        )
        .await;
    DatabaseRuns::open(server.address("guest", "locked")).await.unwrap();
    let away = DatabaseRuns::open(server.address("batch", "nowhere")).await.unwrap_err();
    assert!(!away.may_pass(), "{away:?}");
    let said = std::error::Error::source(&away).unwrap().to_string();
    assert_eq!(said, "FATAL: database \"nowhere\" does not exist");
    let nobody = DatabaseRuns::open(server.address("nobody", "locked")).await.unwrap_err();
    assert!(matches!(nobody, DatabaseError::NoEntry { .. }), "{nobody:?}");
}

#[tokio::test]
async fn a_session_that_other_connections_use_too_is_refused_with_the_pooler_as_the_reason() {
    let Some(server) = Server::start() else { return };
    let address = server.database("pooled").await;
    DatabaseRuns::create(address.clone()).await.unwrap();
    // What a later connection finds where a pooler gives it a session that has one already.
    server
        .sql("pooled", &format!("ALTER DATABASE pooled SET batchctl.process = '{}'", *PROCESS))
        .await;
    let shared = DatabaseRuns::open(address.clone()).await.unwrap_err();
    assert!(
        matches!(shared, DatabaseError::SharedSession { .. }) && !shared.may_pass(),
        "{shared}"
    );
    assert!(shared.hint().contains("pool_mode = session"), "{}", shared.hint());
    // The mark of another process stays where a session was used before.
    server.sql("pooled", "ALTER DATABASE pooled SET batchctl.process = 'other'").await;
    DatabaseRuns::open(address.clone()).await.unwrap();
    let mut link = Link::new(address).unwrap();
    let mut refused = async |statement: &str| {
        link.with(async |client| client.batch_execute(statement).await).await.unwrap_err()
    };
    let statements = ["DEALLOCATE s1", "PREPARE s2 AS SELECT 1; PREPARE s2 AS SELECT 1"];
    for statement in statements {
        let error = refused(statement).await;
        assert!(matches!(error, DatabaseError::SharedSession { .. }), "{error:?}");
    }
    for statement in ["SELECT nothing()", "SELECT * FROM nothing"] {
        let error = refused(statement).await;
        assert!(matches!(error, DatabaseError::Undefined { .. }), "{error:?}");
        assert!(error.hint().contains("pools transactions"), "{}", error.hint());
    }
}

#[tokio::test]
async fn planners_that_begin_at_once_make_the_tables_once() {
    let Some(server) = Server::start() else { return };
    let address = server.database("runs").await;
    let makers = (0..8).map(|_| DatabaseRuns::create(address.clone()));
    for made in futures::future::join_all(makers).await {
        made.unwrap();
    }
    assert_eq!(server.number("runs", "SELECT count(*) FROM batchctl.about").await, 1);
}

/// A database with tables of an older version, and a run on which five tasks have failed.
async fn old_tables(old: &Old) -> Option<Scene> {
    let server = Server::start()?;
    let address = server.database("runs").await;
    server.sql("runs", &format!("BEGIN; {} COMMIT", old.statements)).await;
    let mut runs = DatabaseRuns::open(address).await.unwrap();
    let run = runs.store(&[(run(LONG), chunks())]).await.unwrap()[0];
    let mut scene = Scene { server, runs, run };
    scene.worker().await;
    scene.worker().await;
    scene.server.sql("runs", old.count_failures).await;
    Some(scene)
}

#[tokio::test]
async fn old_tables_are_brought_up_to_date_once_their_workers_are_gone() {
    for old in &OLD {
        let Some(scene) = old_tables(old).await else { return };
        let address = scene.server.address("batch", "runs");
        let error = DatabaseRuns::create(address.clone()).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Old { why: WhyOld::Busy, .. }), "{error:?}");
        assert_eq!(scene.number(VERSION).await, old.version);
        // Reports need nothing newer.
        DatabaseRuns::open(address.clone()).await.unwrap();
        scene.server.sql("runs", "UPDATE batchctl.worker SET gone = now()").await;
        let makers = (0..4).map(|_| DatabaseRuns::create(address.clone()));
        for made in futures::future::join_all(makers).await {
            made.unwrap();
        }
        assert_eq!(scene.number(VERSION).await, 3);
        // What was counted before stays counted.
        let failed = "SELECT sum(failed)::bigint FROM batchctl.worker";
        assert_eq!(scene.number(failed).await, 5);
        let allowed = "SELECT left_over FROM batchctl.allow(1, 1)";
        scene.server.sql("runs", "ALTER DATABASE runs SET search_path = batchctl").await;
        assert_eq!(scene.number(allowed).await, -2);
    }
}

#[tokio::test]
async fn old_tables_of_another_user_are_told_of() {
    for old in &OLD {
        let Some(scene) = old_tables(old).await else { return };
        let guest = "CREATE USER guest; GRANT USAGE ON SCHEMA batchctl TO guest; \
                     GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA batchctl TO guest; \
                     UPDATE batchctl.worker SET gone = now()";
        scene.server.sql("runs", guest).await;
        let guest = scene.server.address("guest", "runs");
        let error = DatabaseRuns::create(guest).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Old { why: WhyOld::NoRights, .. }), "{error:?}");
        assert!(error.hint().contains("the owner of the tables"), "{}", error.hint());
        assert_eq!(scene.number(VERSION).await, old.version);
    }
}

/// Columns with their types, where they are kept, and functions with their bodies.
const SHAPE: &str = "
SELECT hashtext(string_agg(line, chr(10) ORDER BY line))::bigint FROM (
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema = 'batchctl'
    UNION ALL SELECT concat_ws(' ', c.relname, c.reloptions, attname, attstorage)
    FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
    WHERE relnamespace = 'batchctl'::regnamespace AND attnum > 0
    UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE pronamespace = 'batchctl'::regnamespace) shape";

#[tokio::test]
async fn tables_that_were_brought_up_to_date_are_those_that_are_made_new() {
    for old in &OLD {
        let Some(scene) = old_tables(old).await else { return };
        scene.server.sql("runs", "UPDATE batchctl.worker SET gone = now()").await;
        DatabaseRuns::create(scene.server.address("batch", "runs")).await.unwrap();
        DatabaseRuns::create(scene.server.database("fresh").await).await.unwrap();
        assert_eq!(scene.number(SHAPE).await, scene.server.number("fresh", SHAPE).await);
    }
}
