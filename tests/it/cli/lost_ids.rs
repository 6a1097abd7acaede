//! What is said of tasks whose ids are lost with a plan chunk: nothing passes over them silently.

use super::runs::flip_in;
use crate::support::program::Scene;
use crate::support::server::Server;

/// The hint after a run of what standard input named.
const AGAIN: &str = "` with the same standard input carries out the rows";

/// A run of 1,003 tasks from standard input, repaired without the ids of the first 1,000; the other
/// three have succeeded.
fn run_without_ids(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: String = (0..1_003).map(|n| format!("task-{n}\n")).collect();
    let arguments = ["stop", "-", "-y", "--max-duration", "1s", "--rate", "1/s"];
    scene.call_with_input(&arguments, ids.as_bytes()).expect(3);
    flip_in(&scene, "chunk", "no = 0");
    let repair = ["resume", "--repair", "-y", "--max-duration", "1h", "--rate", "none"];
    let ended = scene.call(&repair).expect(74).says(AGAIN);
    ended.says("standard input lines 1 to 1000").says("`batchctl stop - --after 2");
    scene
}

#[test]
fn a_retry_says_which_tasks_it_cannot_take_and_what_takes_them() {
    let server = Server::obliging();
    let scene = run_without_ids(&server);
    let before = server.count();
    let documents = &["retry", "-y", "-o", "results.csv"];
    for (arguments, status) in [
        (&["retry", "-y"][..], 74),
        (&["retry", "-y", "--quiet"], 74),
        (&["retry", "--dry-run"], 0),
        // Last, because its documents are those of a new run.
        (documents, 74),
    ] {
        let ended = scene.call(arguments).expect(status);
        ended.says("the ids of 1,000 tasks of run 2").says("are lost: none is retried").says(AGAIN);
    }
    assert_eq!(server.count(), before);
}

#[test]
fn a_run_of_which_only_lost_tasks_are_left_is_not_called_finished() {
    let server = Server::obliging();
    let scene = run_without_ids(&server);
    let ended = scene.call(&["resume", "-y"]).expect(74);
    let ended = ended.says("has nothing left to send: the ids of 1,000 tasks are lost");
    assert!(!ended.says(AGAIN).stderr.contains("every task has its outcome"));
}
