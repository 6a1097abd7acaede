//! The pages in a browser: they fill, follow, filter and stay where the reader is; nothing acts.

use crate::support::browser::Browser;
use crate::support::devtools::Visit;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::ui::Served;

fn hostile(request: &Request) -> Reply {
    let message = "</script><img src=x onerror=\"document.title='taken'\">";
    match request.id.starts_with("bad") {
        true => Reply::service(404, "<b>VIAS.00010008</b>", message),
        false => Reply::trusted(&request.id, 0, 2),
    }
}

fn tasks(count: usize) -> String {
    (0..count)
        .map(|number| format!("{}-{number}\n", if number % 3 == 1 { "bad" } else { "gate" }))
        .collect()
}

/// Opens the list, and there the only run.
fn open_run(visit: &mut Visit) {
    visit.wait("document.querySelector('.runs a')");
    visit.evaluate("document.querySelector('.runs a').focus()");
    visit.press("Enter");
    visit.wait("location.pathname.startsWith('/runs/') && document.readyState === 'complete'");
}

#[test]
fn a_run_is_opened_from_the_list_with_the_keyboard_and_followed_to_its_end() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", tasks(30));
    let served = Served::start(&scene, &[]);
    let mut visit = browser.visit(&served.url, &[]);
    // The token is not in the address any more.
    visit.wait("location.pathname === '/' && location.search === ''");
    let call = [
        "start",
        "tasks.txt",
        "--rate",
        "1/h",
        "--max-failures",
        "100%",
        "--reason",
        "<img src=x>",
    ];
    let run = scene.start(&call);
    visit.wait("document.querySelector('.runs .running')");
    open_run(&mut visit);
    visit.wait("document.querySelector('#live').textContent.includes('1 of 30 tasks settled')");
    visit.wait("document.querySelector('output').textContent === '30 tasks'");

    // Focus, and what is unfolded, stay while the page changes around them.
    visit.evaluate("document.querySelector('.filters input').focus()");
    visit.evaluate("document.querySelector('details').open = true");
    scene.call(&["ctl", "rate", "2/s"]).expect(0);
    visit.wait("document.querySelectorAll('#latest li').length >= 3");
    assert_eq!(visit.evaluate("document.activeElement.name"), "q");
    assert_eq!(visit.evaluate("document.querySelector('details').open"), true);
    scene.call(&["ctl", "rate", "none"]).expect(0);
    run.ended().expect(1);
    visit.wait("document.body.dataset.live === 'end'");
    visit.wait("document.querySelector('h1').textContent === 'start: 20 of 30 tasks succeeded'");

    // The page that was followed is the written one now, and is filtered as that.
    visit.evaluate("location.hash = 'outcome=failed&q=bad-4'");
    visit.wait("document.querySelector('output').textContent === '1 of 30 tasks'");
    visit.evaluate("document.querySelector('tbody button').focus()");
    visit.press("Enter");
    visit.wait("document.querySelector('dialog').open");
    let said = visit.evaluate("document.querySelector('dialog').textContent");
    assert!(said.as_str().unwrap().contains("</script><img src=x"), "{said}");
    assert_eq!(visit.evaluate("document.images.length"), 0);
    assert_eq!(visit.evaluate("document.title"), "start: 20 of 30 tasks succeeded");
}

#[test]
fn a_call_on_the_wire_is_under_way_everywhere_until_its_process_has_ended() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(|request| match request.id.as_str() {
        "gate-1" => Reply::trusted(&request.id, 0, 1),
        _ => Reply::silence(),
    });
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
    let served = Served::start(&scene, &[]);
    let mut visit = browser.visit(&served.url, &[]);
    let run = scene.start(&["start", "tasks.txt", "-j", "1"]);
    server.wait_for(2);
    visit.wait("document.querySelector('.runs .running')");
    open_run(&mut visit);
    let tile = |class: &str| {
        format!(
            "document.querySelector('.outcomes .{class}')?.textContent.replace(/\\s+/g, ' ').trim()"
        )
    };
    let row =
        "[...document.querySelectorAll('tbody .pill')].map((cell) => cell.textContent).join(' ')";
    visit.wait(&format!("{} === '…under way11 on the wire'", tile("under_way")));
    visit.wait(&format!("{row} === '✓succeeded …under way ○not attempted'"));
    assert_eq!(visit.evaluate(&format!("{} ?? 'none'", tile("ambiguous"))), "none");
    assert_eq!(visit.evaluate("document.querySelectorAll('.bar .under_way').length"), 1);
    let chosen =
        "document.querySelector('select[name=outcome]').textContent.includes('… under way (1)')";
    assert_eq!(visit.evaluate(chosen), true);
    let text = scene.call(&["report"]).expect(0).stdout;
    assert!(
        text.contains("  on the wire         1   no answer to their last call so far\n"),
        "{text}"
    );
    assert!(!text.contains("ambiguous"), "{text}");
    let markdown = scene.call(&["report", "-o", "md:-"]).expect(0).stdout;
    assert!(markdown.contains("| on the wire | 1 |\n| **selected** | **3** |"), "{markdown}");
    run.kill();
    visit.wait(&format!("{row} === '✓succeeded ?ambiguous ○not attempted'"));
    visit.wait(&format!("{} === undefined", tile("under_way")));
}

#[test]
fn the_list_is_searched_and_filtered_and_its_address_keeps_that() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = Scene::with(&server);
    scene.write("good.txt", "gate-1\n");
    for (job, reason) in [("nightly", "first"), ("nightly", "second"), ("weekly", "<img src=x>")] {
        scene.call(&["start", "good.txt", "--job", job, "--reason", reason]).expect(0);
    }
    let served = Served::start(&scene, &[]);
    let mut visit = browser.visit(&served.url, &[]);
    let rows = "document.querySelectorAll('.runs tbody tr').length";
    visit.wait(&format!("{rows} === 3"));
    let choose = |what: &str, value: &str| {
        format!(
            "(() => {{ const field = document.querySelector('[name={what}]'); field.value = '{value}'; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        )
    };
    visit.evaluate(&choose("job", "nightly"));
    visit.wait(&format!("{rows} === 2"));
    visit.evaluate(&choose("q", "second"));
    visit.wait(&format!("{rows} === 1"));
    assert_eq!(visit.evaluate("location.hash"), "#q=second&job=nightly");
    // The page that is left must not be taken for the next one, which looks the same.
    visit.evaluate("window.isLeft = true; location.reload()");
    visit.wait(&format!(
        "!window.isLeft && {rows} === 1 && document.querySelector('[name=job]').value === 'nightly'"
    ));
    visit.evaluate(&choose("q", "nowhere"));
    visit.wait(&format!("{rows} === 0"));
    assert_eq!(visit.evaluate("document.images.length"), 0);
}

#[test]
fn a_page_of_another_site_reads_nothing() {
    let Some(browser) = Browser::find() else { return };
    let scene = Scene::new();
    let served = Served::start(&scene, &[]);
    // Other pages of the same machine are of the same site, so that the cookie goes with their requests.
    let other = Server::start(|_| Reply::trusted("page", 0, 0));
    let mut visit = browser.visit(&served.url, &[]);
    visit.wait("location.pathname === '/' && location.search === ''");
    visit.call("Page.navigate", &serde_json::json!({ "url": other.url() }));
    visit.wait(&format!(
        "location.port !== '{}' && document.readyState === 'complete'",
        served.port
    ));
    let ask = |mode: &str| {
        format!(
            "fetch('http://127.0.0.1:{}/', {{ credentials: 'include', mode: '{mode}' }})\
             .then((answer) => answer.type, (error) => 'refused')",
            served.port
        )
    };
    assert_eq!(visit.evaluate(&ask("cors")), "refused");
    // Such an answer cannot be read, and the header about origins keeps even that away.
    assert_eq!(visit.evaluate(&ask("no-cors")), "refused");
}

#[test]
fn a_phone_needs_no_sideways_scrolling_and_the_dark_is_dark() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(hostile);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", tasks(30));
    scene.call(&["start", "tasks.txt", "--rate", "none", "--max-failures", "100%"]).expect(1);
    let served = Served::start(&scene, &[]);
    let mut visit = browser.visit(&served.url, &[]);
    visit.wait("location.pathname === '/' && document.querySelector('.runs a')");
    let phone = serde_json::json!({
        "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true,
    });
    visit.call("Emulation.setDeviceMetricsOverride", &phone);
    let fits = "document.documentElement.scrollWidth <= 360";
    visit.wait(fits);
    let dark =
        serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    visit.call("Emulation.setEmulatedMedia", &dark);
    let ground = visit.evaluate("getComputedStyle(document.body).backgroundColor");
    assert_eq!(ground, "rgb(21, 24, 27)");
    open_run(&mut visit);
    let wide = "[...document.querySelectorAll('*')].filter((it) => \
        it.getBoundingClientRect().right > 360).map((it) => it.tagName + '.' + it.className).join()";
    let wide = visit.evaluate(wide);
    assert_eq!(visit.evaluate(fits), true, "{wide}");
    // Every control has a name, and every part a heading.
    let unnamed = "[...document.querySelectorAll('button, select, input')].filter((it) => \
        !(it.textContent.trim() || it.getAttribute('aria-label') || it.labels?.length)).length";
    assert_eq!(visit.evaluate(unnamed), 0);
}
