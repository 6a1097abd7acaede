//! `ui --open`: the browser of the desktop gets a file, and its address is in no argument.

use crate::support::program::Scene;
use crate::support::service::wait_until;
use crate::ui::Served;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// An opener that notes what it is given.
const OPENER: &str = "#!/bin/sh
{ echo \"$# $1\"; stat -c %a \"$1\"; cat \"$1\"; } > \"$HOME/noted.new\"
mv \"$HOME/noted.new\" \"$HOME/noted\"
";

#[test]
fn the_browser_is_given_a_private_file_that_leads_to_the_page() {
    let mut scene = Scene::new();
    scene.write("bin/xdg-open", OPENER);
    let opener = scene.path("bin/xdg-open");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
    scene.set("PATH", &path);
    let served = Served::start(&scene, &["--open"]);
    wait_until("the browser", || scene.path("noted").exists());
    let noted = scene.read("noted");
    let mut lines = noted.lines();
    let (count, file) = lines.next().unwrap().split_once(' ').unwrap();
    assert_eq!((count, lines.next()), ("1", Some("600")), "{noted}");
    assert!(noted.contains(&format!("content=\"0; url={}\"", served.url)), "{noted}");
    // The address has not been used by that: a browser still enters with it.
    let host = served.host();
    let entered = served.ask(&format!("GET {}", served.entrance()), &[("host", &host)]);
    assert_eq!(entered.status, 200);
    assert!(Path::new(file).exists());
    served.process.signal(Signal::INT);
    served.process.ended().expect(0);
    assert!(!Path::new(file).exists(), "{file} is left");
}

#[test]
fn without_a_browser_the_address_is_still_served() {
    let mut scene = Scene::new();
    scene.write("bin/empty", "");
    let path = scene.path("bin").display().to_string();
    scene.set("PATH", &path);
    let mut served = Served::start(&scene, &["--open"]);
    served.process.wait_until_it_says("no browser was opened (xdg-open: ");
    let host = served.host();
    let entered = served.ask(&format!("GET {}", served.entrance()), &[("host", &host)]);
    assert_eq!(entered.status, 200);
}
