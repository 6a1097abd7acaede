//! A value that can match nothing is refused, with those that exist and the nearest one.

use crate::support::program::Scene;
use crate::support::server::Server;

/// A machine on which one run of a job is kept.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.call(&["start", "--id", "gate-1", "--job", "nightly", "--rate", "none", "-q"]).expect(0);
    scene
}

#[test]
fn a_value_that_can_match_nothing_is_refused_with_the_nearest_one() {
    let server = Server::obliging();
    let scene = scene(&server);
    let check = |arguments: &[&str], said: &[&str]| {
        let ended = scene.call(arguments).expect(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        said.iter().fold(ended, |ended, said| ended.says(said));
    };
    let states = "running, stopped, changing, mixed, bad, unknown, succeeded, stopped_no_service,";
    check(&["tasks", "--id", "gate-1", "--state", "foo"], &["`foo` is not a state", states]);
    check(&["list", "--state", "start_faild"], &["did you mean `start_failed`?", states]);
    let job =
        ["no run of job `nihgtly` is kept", "did you mean `nightly`? runs are kept of nightly"];
    check(&["runs", "list", "--job", "nihgtly"], &job);
    check(&["explain", "gate-1", "--job", "nihgtly"], &job);
    check(&["report", "--job", "nihgtly"], &job);
    check(&["runs", "list", "--state", "kiled"], &["'killed'", "planned, running, finished"]);
    check(&["ctl", "status", "--target", "north"], &["has no targets", "leave out `--target`"]);
    check(&["list", "--name", ""], &["it is empty", "`*` is any name"]);
    for flag in ["--group", "--manufacturer", "--title"] {
        check(&["list", flag, " "], &["it is empty"]);
    }
    check(&["retry", "latest", "--error-code", ""], &["it is empty"]);
    check(&["retry", "latest", "--status", "42"], &["three digits"]);
    check(&["runs", "list", "--last", "0"], &["1 or more"]);
    check(&["explain", "gate-1", "--last", "0"], &["1 or more"]);
    check(&["runs", "prune", "--keep", "1", "--job", ""], &["a job's name has"]);
    assert_eq!(server.count(), 1, "{:?}", server.requests());
}

#[test]
fn where_nothing_is_kept_no_job_is_misspelt() {
    let scene = Scene::with(&Server::obliging());
    scene.call(&["runs", "list", "--job", "nightly", "--json"]).expect(0).prints("[]");
    scene.call(&["runs", "list", "--job", "nightly"]).expect(0);
}

#[test]
fn a_program_learns_that_a_job_has_not_run_yet() {
    let server = Server::obliging();
    scene(&server).call(&["runs", "list", "--job", "weekly", "--json"]).expect(0).prints("[]");
}
