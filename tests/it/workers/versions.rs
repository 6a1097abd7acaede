//! Tables and certificates that are not what a worker knows: it says so, and sends nothing.

use super::Stage;
use crate::support::tls::certificate;

/// The tables of the first version.
const VERSION_1: &str = include_str!("../../../src/database/tests/version_1.sql");

#[test]
fn a_worker_of_another_version_says_both_and_sends_nothing() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(5, &[]);
    let known = stage.database.number("SELECT version FROM batchctl.about");
    let newer = known + 1;
    stage.database.sql(&format!("UPDATE batchctl.about SET version = {newer}"));
    let ended = stage.call(&["work"]).expect(74);
    ended.says(&format!("have version {newer}; this batchctl knows {known}"));
    assert_eq!(stage.rehearsal.service.requests(), 0);
}

#[test]
fn old_tables_are_brought_up_to_date_by_the_first_worker_that_needs_it() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(1, &[]);
    let known = stage.database.number("SELECT version FROM batchctl.about");
    stage.database.sql("DROP SCHEMA batchctl CASCADE");
    stage.database.sql(&format!("BEGIN; {VERSION_1} COMMIT"));
    stage.call(&["runs", "list"]).expect(0);
    assert_eq!(stage.database.number("SELECT version FROM batchctl.about"), 1);
    stage.plan(40, &["--rate", "none"]);
    assert_eq!(stage.database.number("SELECT version FROM batchctl.about"), known);
    stage.worker().ended().expect(0);
    stage.check(40);
}

#[test]
fn the_way_to_the_database_is_protected_or_nothing_is_sent() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(20, &["--rate", "none"]);
    let (own, foreign) = (certificate(), certificate());
    stage.database.protect(&own.chain, &own.key);
    stage.rehearsal.scene.write("own.pem", &own.authority);
    stage.rehearsal.scene.write("foreign.pem", &foreign.authority);
    let port = stage.database.port();
    let at = |host: &str, options: &str| format!("postgres://batch@{host}:{port}/runs?{options}");
    // The certificate is for `localhost`.
    for refused in
        [at("localhost", "sslrootcert=foreign.pem"), at("127.0.0.1", "sslrootcert=own.pem")]
    {
        let ended = stage.call(&["work", "--store", &refused]).expect(74);
        ended.says("cannot reach the database").says("`sslrootcert=FILE` in the address");
    }
    for mode in ["disable", "prefer", "require", "verify-ca"] {
        let elsewhere = at("db.example.com", &format!("sslmode={mode}"));
        let ended = stage.call(&["work", "--store", &elsewhere]).expect(2);
        ended.says("does not protect the way to another machine");
    }
    assert_eq!(stage.rehearsal.service.requests(), 0);
    let protected = at("localhost", "sslrootcert=own.pem");
    stage.call(&["work", "-q", "--store", &protected]).expect(0);
    let sessions = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    assert_eq!(stage.database.number(sessions), 0, "all have ended");
    stage.check(20);
}
