//! The HTML page in a browser: it renders, it is searched and filtered, and nothing in it acts.

use crate::support::browser::Browser;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;

/// Some tasks that fail in two ways, with words that would act if anything let them.
fn hostile(request: &Request) -> Reply {
    let host = request.headers.get("host").cloned().unwrap_or_default();
    match request.id.rsplit('-').next() {
        Some("img") => {
            let message = format!("<img src=\"http://{host}/seen\" onerror=\"document.title=1\">");
            Reply::service(404, "VIAS.00010008", &message)
        }
        Some("script") => {
            let message = format!(
                "</script><script>fetch('http://{host}/seen');document.title='taken'</script><!--"
            );
            Reply::service(400, "<b>VIAS.00010005</b>", &message)
        }
        Some("busy") if request.attempt == 1 => {
            Reply::gateway(429, "APIGW.0308", "<i>slowly</i>").with_header("retry-after", "0")
        }
        _ => Reply::trusted(&request.id, 0, 2),
    }
}

/// A scene with the page of a run of `hostile`.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let plain = (0..300).map(|number| format!("cam-{number:04}\n"));
    let others = ["evil-1-img\n", "evil-2-img\n", "evil-3-script\n", "gate-busy\n"];
    let ids: String = others.into_iter().map(str::to_owned).chain(plain).collect();
    scene.write("<img src=x onerror=alert(1)>.txt", ids);
    let call = [
        "stop",
        "<img src=x onerror=alert(1)>.txt",
        "--rate",
        "none",
        "--reason",
        "<script>document.title='taken'</script>",
        "-o",
        "page.html",
    ];
    scene.call(&call).expect(1);
    scene
}

/// Returns the rows of the table that are in the document: their ids and texts.
fn rows(document: &str) -> Vec<&str> {
    let body = document.split("<tr aria-rowindex=").skip(1);
    body.map(|row| row.split("</tr>").next().unwrap()).collect()
}

fn found(document: &str) -> &str {
    let after = document.split("aria-live=\"polite\">").nth(1).unwrap();
    after.split("</output>").next().unwrap()
}

fn check(document: &str, expected: &str, ids: &[&str]) {
    assert_eq!(found(document), expected);
    let rows = rows(document);
    assert_eq!(rows.len(), ids.len(), "{rows:?}");
    for (row, id) in rows.iter().zip(ids) {
        assert!(row.contains(&format!(">{id}</button>")), "{row} is not {id}");
    }
}

#[test]
fn a_page_is_searched_filtered_and_sorted_by_its_address() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = scene(&server);
    let open = |fragment: &str| browser.document(&scene.path("page.html"), fragment);

    let all = open("");
    assert_eq!(found(&all), "304 tasks");
    let in_document = rows(&all).len();
    assert!((10..100).contains(&in_document), "{in_document} rows are in the document");

    let failed = ["evil-1-img", "evil-2-img", "evil-3-script"];
    check(&open("outcome=failed"), "3 of 304 tasks", &failed);
    check(&open("outcome=failed&q=seen+script"), "1 of 304 tasks", &failed[2..]);
    check(&open("group=F1"), "2 of 304 tasks", &failed[..2]);
    check(&open("q=VIAS.00010008"), "2 of 304 tasks", &failed[..2]);
    let backwards = ["evil-3-script", "evil-2-img", "evil-1-img"];
    check(&open("outcome=failed&sort=id&dir=desc"), "3 of 304 tasks", &backwards);
    check(&open("q=nowhere"), "0 of 304 tasks", &[]);
}

#[test]
fn a_task_tells_its_attempts() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = scene(&server);
    let document = browser.document(&scene.path("page.html"), "task=gate-busy");
    let dialog = document.split("<dialog").nth(1).unwrap();
    assert!(dialog.contains("open=\"\""), "{dialog}");
    for text in
        [">gate-busy</h2>", ">2 attempts</h3>", "&lt;i&gt;slowly&lt;/i&gt;", ">answered</td>"]
    {
        assert!(dialog.contains(text), "{text} is not in {dialog}");
    }
}

#[test]
fn nothing_in_a_page_acts_or_asks_for_anything() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = scene(&server);
    let before = server.count();
    for fragment in ["", "q=img", "outcome=failed", "task=evil-1-img", "task=evil-3-script"] {
        let document = browser.document(&scene.path("page.html"), fragment);
        assert!(document.contains("<title>stop: 301 of 304 tasks succeeded</title>"), "{fragment}");
        let text = document.replace("&lt;img", "");
        assert!(!text.contains("<img") && !text.contains("<b>"), "{fragment}");
        assert_eq!(text.matches("<script").count(), 2, "{fragment}");
    }
    assert_eq!(server.count(), before, "the page asked the server for something");
}
