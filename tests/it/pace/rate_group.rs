//! Several runs of this machine keep one rate together.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;

#[test]
fn runs_of_a_group_keep_its_rate_together_and_each_gets_its_share() {
    let server = Server::start(|request| Reply::trusted(&request.id, 0, 1));
    let scene = Scene::with(&server);
    let names = ["north", "south", "east", "west"];
    // So many tasks that all four run side by side, however late a busy machine starts one.
    let tasks_each = 30;
    let runs: Vec<_> = names
        .iter()
        .map(|name| {
            let ids: Vec<String> =
                (0..tasks_each).map(|number| format!("{name}-{number}")).collect();
            let file = format!("{name}.txt");
            scene.write(&file, ids.join("\n"));
            scene.start(&["start", &file, "--rate", "20/s", "--rate-group", "city", "-q"])
        })
        .collect();
    for run in runs {
        run.ended().expect(0);
    }
    let requests = server.requests();
    assert_eq!(requests.len(), names.len() * tasks_each);
    let times: Vec<u64> = requests.iter().map(|request| request.micros).collect();
    let took = times[times.len() - 1] - times[0];
    // 119 slots of 50.7 ms lie between the first and the last, and each run alone would take 1.5 s. A busy
    // machine adds to that, and lets the first be late.
    assert!(took >= 5_000_000, "{took} µs");
    // While all four have tasks none of them goes without for long.
    let is_of = |name: &str, id: &str| id.starts_with(name);
    let first = |name| requests.iter().position(|request| is_of(name, &request.id)).unwrap();
    let last = |name| requests.iter().rposition(|request| is_of(name, &request.id)).unwrap();
    let all_began = names.map(first).into_iter().max().unwrap();
    let one_ended = names.map(last).into_iter().min().unwrap();
    for forty in requests[all_began.min(one_ended)..one_ended].chunks_exact(40) {
        for name in names {
            let count = forty.iter().filter(|request| is_of(name, &request.id)).count();
            assert!(count >= 1, "{name} has none of 40 in a row");
        }
    }
}

#[test]
fn a_group_needs_a_rate_and_a_name_that_is_a_file() {
    let scene = Scene::with(&Server::obliging());
    scene.write("tasks.txt", "gate-1");
    let call = ["start", "tasks.txt", "-n", "--rate-group"];
    let refused = scene.call(&[&call[..], &["city", "--rate", "none"]].concat()).expect(2);
    refused.says("`--rate-group` has no rate to share");
    scene.call(&[&call[..], &["../city"]].concat()).expect(2).says("a group's name has 1 to 64");
}
