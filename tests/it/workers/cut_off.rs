//! Workers without their database: they send nothing, go on when it is back, and tell what they know
//! when it stays away.

use super::{Stage, configure};
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::relay::Relay;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;
use rustix::process::Signal;
use std::thread;
use std::time::Duration;

const HASTY: [&str; 6] = ["work", "-q", "-j", "8", "--store-timeout", "1s"];

#[test]
fn a_worker_that_is_paused_notices_that_the_database_is_lost_and_goes_on_when_it_is_back() {
    let Some(mut stage) = Stage::answering_in(5) else { return };
    stage.plan(80, &["--rate", "20/s", "--lease", "2s"]);
    let (patient, hasty) = (stage.worker(), stage.rehearsal.scene.start(&HASTY));
    stage.await_settled(5);
    stage.call(&["ctl", "pause"]).expect(0);
    stage.database.crash();
    hasty.ended().expect(74).says("cannot reach the database");
    stage.database.begin();
    stage.call(&["ctl", "rate", "none"]).expect(0);
    stage.call(&["ctl", "resume"]).expect(0);
    patient.ended().expect(0);
    stage.check(80);
}

#[test]
fn a_worker_that_is_held_by_the_service_notices_that_the_database_is_lost() {
    let Some(mut database) = Postgres::start() else { return };
    let server = Server::start(|request| {
        Reply::gateway(429, "APIGW.0308", &request.id).with_header("Retry-After", "300")
    });
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    scene.call(&["start", "--id", "gate-1", "--detach", "--timeout", "1s"]).expect(0);
    let worker = scene.start(&HASTY);
    let held = "SELECT count(*) FROM batchctl.rate WHERE hold_until_ns > 0";
    wait_until("a hold", || database.number(held) > 0);
    database.crash();
    worker.ended().expect(74).says("cannot reach the database");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_worker_that_is_cut_off_from_the_database_alone_sends_nothing_and_tells_what_it_knows() {
    let Some(stage) = Stage::answering_in(300) else { return };
    let relay = Relay::to(stage.database.port());
    stage.plan(200, &["--rate", "20/s", "--lease", "2s"]);
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    let arguments = [&HASTY[..], &["--store", &far]].concat();
    let worker = stage.rehearsal.scene.start(&arguments);
    stage.await_settled(10);
    relay.cut();
    // Until its lease is over. Nobody else is on the run.
    thread::sleep(Duration::from_secs(2));
    let sent = stage.rehearsal.service.requests();
    let ended = worker.ended().expect(74);
    assert_eq!(stage.rehearsal.service.requests(), sent);
    ended.says("could not be recorded, the first one: succeeded camera-");
    stage.call(&["ctl", "rate", "none"]).expect(0);
    stage.worker().ended().expect(0);
    stage.check(200);
}

#[test]
fn a_worker_that_was_cut_off_for_a_while_goes_on_with_the_others() {
    let Some(stage) = Stage::answering_in(20) else { return };
    let relay = Relay::to(stage.database.port());
    stage.plan(900, &["--rate", "60/s", "--lease", "2s"]);
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    let work = ["work", "--progress", "lines", "-j", "8", "--store", &far];
    let mut worker = stage.rehearsal.scene.start(&work);
    let other = stage.worker();
    stage.await_settled(40);
    relay.cut();
    worker.wait_until_it_says("cannot be used: nothing new is sent until it can");
    let taken = "SELECT count(*) FROM batchctl.takeover";
    wait_until("a takeover", || stage.database.number(taken) > 0);
    relay.mend();
    worker.wait_until_it_says("the database can be used again: going on");
    other.ended().expect(0);
    worker.ended().expect(0);
    stage.check(900);
}

#[test]
fn a_worker_that_wakes_after_its_run_was_removed_says_so() {
    let Some(stage) = Stage::answering_in(20) else { return };
    stage.plan(200, &["--rate", "40/s", "--lease", "2s"]);
    let worker = stage.worker();
    stage.await_settled(10);
    worker.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(3));
    stage.call(&["runs", "remove", "latest", "--unfinished"]).expect(0);
    let sent = stage.rehearsal.service.requests();
    worker.signal(Signal::CONT);
    worker.ended().expect(74).says("the run is no longer in the database");
    // Those that had been on the wire before it slept.
    assert!(stage.rehearsal.service.requests() <= sent + 8);
}

#[test]
fn a_worker_whose_statements_are_refused_for_good_ends_at_once() {
    let Some(stage) = Stage::answering_in(1) else { return };
    stage.plan(20, &[]);
    stage.database.sql("ALTER FUNCTION batchctl.allow(bigint, integer) RENAME TO disallow");
    let ended = stage.call(&["work", "-q", "--store-timeout", "1h"]).expect(74);
    ended.says("function allow(bigint, integer) does not exist");
    assert_eq!(stage.rehearsal.service.requests(), 0);
}

#[test]
fn a_wait_for_a_lock_that_the_server_ends_is_tried_again() {
    let Some(stage) = Stage::answering_in(1) else { return };
    stage.plan(200, &["--rate", "100/s", "--lease", "2s"]);
    stage.database.sql("ALTER DATABASE runs SET lock_timeout = '100ms'");
    let worker = stage.worker();
    stage.await_settled(20);
    let hold = "SET LOCAL lock_timeout = 0; LOCK TABLE batchctl.segment IN ACCESS EXCLUSIVE MODE";
    stage.database.sql(&format!("BEGIN; {hold}; SELECT pg_sleep(1); COMMIT"));
    worker.ended().expect(0);
    stage.check(200);
}

#[test]
fn a_worker_needs_only_the_rights_that_the_guide_names() {
    let Some(stage) = Stage::answering_in(1) else { return };
    stage.plan(20, &[]);
    stage.database.sql(
        "CREATE USER guest; GRANT USAGE ON SCHEMA batchctl TO guest; \
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA batchctl TO guest",
    );
    let store = format!("postgres://guest@127.0.0.1:{}/runs", stage.database.port());
    stage.call(&["work", "-q", "--store", &store]).expect(0);
    stage.check(20);
    let refused = stage.call(&["runs", "remove", "latest", "--store", &store]).expect(74);
    refused
        .says("ERROR: permission denied for table")
        .says("`GRANT SELECT, INSERT, UPDATE, DELETE");
}

/// Statements that make a database useless, and those that mend it.
const TROUBLES: [(&str, &str); 2] = [
    (
        "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON batchctl.segment EXECUTE FUNCTION public.full_disk()",
        "DROP TRIGGER full_disk ON batchctl.segment",
    ),
    (
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "ALTER SYSTEM SET default_transaction_read_only = off",
    ),
];

#[test]
fn a_database_that_is_full_or_read_only_is_away() {
    for (begin, end) in TROUBLES {
        let Some(stage) = Stage::answering_in(5) else { return };
        stage.plan(300, &["--rate", "60/s", "--lease", "3s"]);
        let (patient, hasty) = (stage.worker(), stage.rehearsal.scene.start(&HASTY));
        stage.await_settled(30);
        stage.database.sql(begin);
        stage.database.sql("SELECT pg_reload_conf()");
        hasty.ended().expect(74).says("cannot reach the database");
        let sent = stage.rehearsal.service.requests();
        thread::sleep(Duration::from_millis(300));
        assert_eq!(stage.rehearsal.service.requests(), sent, "nothing new leaves");
        stage.database.sql(end);
        stage.database.sql("SELECT pg_reload_conf()");
        stage.call(&["ctl", "rate", "none"]).expect(0);
        patient.ended().expect(0);
        stage.check(300);
    }
}

/// What is sent while a worker joins, with how many before it are of its command and not of the joining.
const JOINING: [(&str, u32); 4] = [
    ("nspname = 'batchctl'", 1),
    ("SELECT no FROM run WHERE split_part", 0),
    ("INSERT INTO worker", 0),
    ("t.text_limit FROM run r", 0),
];

#[test]
fn a_session_that_is_cut_while_a_run_is_planned_or_joined_is_made_again() {
    let Some(mut stage) = Stage::answering_in(5) else { return };
    let relay = Relay::to(stage.database.port());
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    stage.rehearsal.scene.set("BATCHCTL_STORE", &far);
    let mut planned = 0;
    let mut join = |how: &dyn Fn(&Relay)| {
        stage.plan_ids(&[format!("gate-{planned}")], &["--rate", "none"]);
        planned += 1;
        how(&relay);
        // A way that no run before has allowed for.
        let way = format!("{}ms", 100 + planned);
        stage.call(&["work", "-q", "--store-rtt", &way]).expect(0);
        assert!(relay.has_lost_one());
        // One that joined twice would count as lost.
        let workers = "SELECT count(*) FROM batchctl.worker";
        assert_eq!(stage.database.number(workers), planned);
    };
    for (statement, after) in JOINING {
        join(&|relay| relay.sever_at(statement, after));
    }
    join(&|relay| relay.lose_commit_after("INSERT INTO worker"));
    join(&|relay| relay.lose_commit_after("SET trip_us"));
    for how in [
        |relay: &Relay| relay.sever_at("INSERT INTO rate", 0),
        |relay: &Relay| relay.lose_commit_after("INSERT INTO rate"),
    ] {
        how(&relay);
        stage.plan_ids(&[format!("gate-{planned}")], &["--rate", "none"]);
        assert!(relay.has_lost_one());
        planned += 1;
        assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), planned);
        stage.call(&["work", "-q"]).expect(0);
    }
}

#[test]
fn whoever_did_something_knows_it_though_the_answer_was_lost() {
    let Some(mut stage) = Stage::answering_in(5) else { return };
    let relay = Relay::to(stage.database.port());
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    stage.rehearsal.scene.set("BATCHCTL_STORE", &far);
    let input = stage.rehearsal.input(&["gate-1", "gate-2"]);
    let plan = ["plan", "start", input.to_str().unwrap(), "--rate", "1/m", "--timeout", "1s"];
    stage.call(&plan).expect(0);
    relay.lose_commit_after("SET stopping = NULL");
    stage.call(&["apply", "latest", "--detach"]).expect(0);
    assert!(relay.has_lost_one());
    relay.lose_commit_after("SET text_limit");
    stage.call(&["ctl", "rate", "none"]).expect(0).prints("no rate limit");
    assert!(relay.has_lost_one());
    stage.worker().ended().expect(0);
    relay.lose_commit_after("DELETE FROM run");
    stage.call(&["runs", "remove", "latest"]).expect(0);
    assert!(relay.has_lost_one());
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), 0);
}
