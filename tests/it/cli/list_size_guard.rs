//! The guard against the wrong list: a job's list that is far from the last good one is not sent.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;

/// Writes a list of so many tasks.
fn list(scene: &Scene, tasks: usize) {
    let lines: String = (0..tasks).map(|number| format!("task-{number:04}\n")).collect();
    scene.write("tasks.txt", lines);
}

const NIGHTLY: [&str; 7] = ["stop", "tasks.txt", "--job", "nightly", "--rate", "none", "--quiet"];

#[track_caller]
fn check(scene: &Scene, tasks: usize, flags: &[&str], status: i32) {
    list(scene, tasks);
    scene.call(&[&NIGHTLY[..], flags].concat()).expect(status);
}

#[test]
fn a_list_that_is_far_from_the_last_good_one_is_not_sent() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    check(&scene, 10, &[], 0);
    check(&scene, 15, &[], 0);
    let (runs, sent) = (scene.runs(), server.count());
    for (tasks, named) in [(7, "7 tasks"), (23, "23 tasks"), (1, "1 task")] {
        list(&scene, tasks);
        let refused = scene.call(&NIGHTLY).expect(3);
        let refused = refused.says(&format!("the input names {named}, ")).says("had 15 tasks");
        refused
            .says("more than 50%")
            .says("hint: if the list is right, let it pass")
            .says("`--max-delta none`");
    }
    assert_eq!((scene.runs(), server.count()), (runs, sent));
    // 8 and 22 are within half of 15.
    check(&scene, 8, &["--dry-run"], 0);
    check(&scene, 22, &["--dry-run"], 0);
    check(&scene, 100, &["--max-delta", "none"], 0);
    check(&scene, 90, &["--max-delta", "10"], 0);
    check(&scene, 101, &["--max-delta", "10"], 3);
}

#[test]
fn a_dry_run_says_so_too() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    check(&scene, 10, &[], 0);
    list(&scene, 3);
    let ended = scene.call(&[&NIGHTLY[..], &["-n"]].concat()).expect(3);
    ended.prints("3 batch tasks would be called").says("the input names 3 tasks");
    assert_eq!(server.count(), 10);
}

#[test]
fn only_good_runs_of_the_same_job_command_and_project_count() {
    let server = Server::start(|request| match &*request.id {
        "task-0000" if request.attempt > 1 => Reply::service(400, "VIAS.00010001", "no"),
        id => Reply::trusted(id, 0, 1),
    });
    let scene = Scene::with(&server);
    // Never compared: no job, another job, another command, another project, a rehearsal.
    for other in [
        &["stop", "tasks.txt", "--rate", "none"][..],
        &["stop", "tasks.txt", "--job", "other", "--rate", "none"],
        &["start", "tasks.txt", "--job", "nightly", "--rate", "none"],
    ] {
        list(&scene, 40);
        let ended = scene.call(other);
        assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
    }
    check(&scene, 40, &["--sandbox"], 0);
    check(&scene, 40, &["--project-id", "project-2"], 1);
    // The first of this kind that is not good, then a good one.
    check(&scene, 10, &[], 1);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
    scene.call(&NIGHTLY).expect(0);
    check(&scene, 10, &[], 3);
}

#[test]
fn a_limit_and_a_duplicate_do_not_make_a_list_shorter_or_longer() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    check(&scene, 10, &[], 0);
    check(&scene, 10, &["--limit", "1"], 0);
    let twice = "task-0001\n".repeat(30);
    scene.write("tasks.txt", format!("{twice}task-0002\ntask-0003\ntask-0004\ntask-0005\n"));
    scene.call(&NIGHTLY).expect(0);
}

#[test]
fn a_run_without_a_job_is_not_guarded() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    for tasks in [10, 1, 30] {
        list(&scene, tasks);
        scene.call(&["stop", "tasks.txt", "--rate", "none"]).expect(0);
    }
}
