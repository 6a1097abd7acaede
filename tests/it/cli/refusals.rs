//! Refusals whose cause is known, and what is said against it.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use serde_json::json;

fn refusing(status: u16, code: &'static str) -> Server {
    let body = json!({ "error_code": code, "error_msg": "No." }).to_string();
    Server::start(move |_| Reply::answer(status, body.clone()))
}

#[test]
fn a_quota_is_never_asked_for_twice_and_there_is_advice() {
    for (code, advice) in [
        ("VIAS.0010046", "open its console in this region once"),
        ("VIAS.0010047", "larger quota"),
        ("VIAS.0010048", "larger quota"),
        ("VIAS.00010050", "quota of pools"),
        ("VIAS.00010051", "with this name or key already"),
    ] {
        let server = refusing(500, code);
        let scene = Scene::with(&server);
        let ended = scene.call(&["start", "--id", "gate-1", "-o", "csv:-"]).expect(1);
        ended.prints(",failed,500,").prints(advice);
        assert_eq!(server.count(), 1, "{code}");
    }
}

#[test]
fn a_check_says_that_a_region_may_be_closed_to_a_sub_account() {
    let hint = "until its main account has opened the console of the service there once";
    for (status, code) in [(401, "VIAS.00010005"), (403, "VIAS.00010005"), (403, "APIGW.0302")] {
        let server = refusing(status, code);
        let scene = Scene::with(&server);
        scene.call(&["auth", "check"]).expect(77).prints(hint);
        scene.call(&["auth", "check", "--json"]).expect(77).prints(hint);
    }
    let server = refusing(401, "APIGW.0301");
    let ended = Scene::with(&server).call(&["auth", "check"]).expect(77);
    assert!(!ended.stdout.contains("hint"), "{}", ended.stdout);
}

#[test]
fn a_call_says_what_its_empty_body_is() {
    let server = Server::obliging();
    Scene::with(&server).call(&["start", "--id", "gate-1"]).expect(0);
    let [request] = &server.requests()[..] else { panic!("one call: {:?}", server.requests()) };
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["content-length"], "0");
}
