//! How many calls there are at a time where few files may be open.

use crate::support::documents::report;
use crate::support::program::Ended;
use crate::support::program::Scene;

const TASKS: u64 = 400;

/// Stops 400 tasks of the embedded sandbox, 200 at a time, in a shell with this limit.
fn stop_under(limit: &str) -> Ended {
    let scene = Scene::new();
    let ids: Vec<String> = (0..TASKS).map(|number| format!("gate-{number:03}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    let call = r#"exec "$0" stop tasks.txt --sandbox --rate none -j 200 --yes --json"#;
    scene.start_in_shell(&format!("ulimit {limit}; {call}")).ended()
}

/// Checks that every task succeeded with its first call: none found no descriptor.
#[track_caller]
fn check_undisturbed(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = report(&ended.stdout);
    assert_eq!(report["tasks"]["succeeded"], TASKS, "{}", ended.stderr);
    assert_eq!(report["calls"]["attempts"], TASKS, "{report}");
}

#[test]
fn a_soft_limit_is_raised_as_far_as_a_run_needs() {
    let ended = stop_under("-Sn 100");
    check_undisturbed(&ended);
    assert!(!ended.stderr.contains("files may be open"), "{}", ended.stderr);
}

#[test]
fn calls_that_do_not_fit_into_the_hard_limit_are_not_tried() {
    let ended = stop_under("-n 128");
    check_undisturbed(&ended);
    let told = "warning: only 128 files may be open: 25 calls at a time instead of 200\n\
                hint: raise the hard limit: `ulimit -n 564`, or `LimitNOFILE=`";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_limit_below_one_call_is_refused_before_anything_is_sent() {
    for limit in [12, 24, 31] {
        let ended = stop_under(&format!("-n {limit}"));
        assert_eq!((ended.code, &*ended.stdout), (Some(74), ""), "{}", ended.stderr);
        let told = format!(
            "error: only {limit} files may be open, and a run needs 32 at least\n\
             hint: raise the hard limit: `ulimit -n 1024`, or `LimitNOFILE=`\n"
        );
        assert_eq!(ended.stderr, told);
    }
}

#[test]
fn the_lowest_limit_that_is_accepted_suffices() {
    check_undisturbed(&stop_under("-n 32"));
}
