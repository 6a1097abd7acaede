//! Files that hold or decide about secrets: odd ones, endless ones, and those that others may change.

use crate::support::program::{Ended, Scene};
use crate::support::server::Server;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const STOP: [&str; 3] = ["stop", "--id", "gate-1"];

fn scene(server: &Server) -> Scene {
    let mut scene = Scene::with(server);
    scene.unset("BATCHCTL_TOKEN");
    scene
}

fn set_mode(scene: &Scene, name: &str, mode: u32) {
    fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

fn pipe(scene: &Scene, name: &str) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.path(name), mode).unwrap();
}

/// Stops one task with more flags.
fn stop(scene: &Scene, flags: &[&str]) -> Ended {
    scene.call(&[&STOP[..], flags].concat())
}

#[test]
fn a_token_file_may_have_a_mark_white_space_and_further_line_ends() {
    let server = Server::obliging();
    let scene = scene(&server);
    let utf16 = |big: bool| {
        let mark = if big { vec![0xfe, 0xff] } else { vec![0xff, 0xfe] };
        let units = "token-1\r\n".encode_utf16();
        let bytes =
            units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        mark.into_iter().chain(bytes).collect::<Vec<u8>>()
    };
    let contents = [
        b"\xef\xbb\xbftoken-1\n".to_vec(),
        b"token-1\n\n".to_vec(),
        b"token-1 \r\n\r\n".to_vec(),
        b"\t token-1".to_vec(),
        utf16(true),
        utf16(false),
    ];
    for content in &contents {
        scene.write("token", content);
        set_mode(&scene, "token", 0o600);
        stop(&scene, &["--token-file", "token"]).expect(0);
        assert_eq!(server.requests().last().unwrap().headers["x-auth-token"], "token-1");
    }
    assert_eq!(server.count(), contents.len());
}

#[test]
fn what_is_wrong_in_a_secret_file_is_named_by_its_place() {
    let server = Server::obliging();
    let scene = scene(&server);
    let check = |content: &[u8], expected: &str| {
        scene.write("token", content);
        let ended = stop(&scene, &["--token-file", "token"]).expect(77).says(expected);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    };
    check(b"hunter2 hunter2", "character 8 is U+0020");
    check(b"hunter2\nhunter2", "character 8 is U+000A");
    check("hunter2\u{200b}hunter2".as_bytes(), "character 8 is U+200B");
    check(b"hunter2\xff", "character 8 is U+FFFD");
    check(b"\xef\xbb\xbf \n", "it is empty");
    assert_eq!(server.count(), 0);
}

#[test]
fn no_file_is_waited_for_or_read_without_end() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    pipe(&scene, "pipe");
    scene.write("large", vec![b'a'; (1 << 20) + 1]);
    scene.write("huge", vec![b'a'; (16 << 20) + 1]);
    for file in ["pipe", "large", "/dev/zero", "/"] {
        stop(&scene, &["--token-file", file]).expect(77).says(file);
        let user =
            ["--iam-user", "u", "--iam-domain", "d", "--iam-endpoint", "https://iam.invalid"];
        let password = ["--iam-password-file", file];
        stop(&scene, &[&user[..], &password].concat()).expect(77).says(file);
        scene.set("HUAWEICLOUD_SDK_CREDENTIALS_FILE", file);
        stop(&scene, &[]).expect(77);
        scene.unset("HUAWEICLOUD_SDK_CREDENTIALS_FILE");
    }
    for file in ["pipe", "huge", "/dev/zero", "/"] {
        stop(&scene, &["--ca-file", file]).expect(2).says(file);
    }
    scene.configure("");
    fs::remove_file(scene.path(".config/batchctl/config.toml")).unwrap();
    pipe(&scene, ".config/batchctl/config.toml");
    stop(&scene, &[]).expect(2).says("config.toml").says("it is a pipe");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_config_file_may_have_a_mark() {
    let scene = Scene::new();
    let utf16 = |text: &str| {
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(bytes).collect::<Vec<u8>>()
    };
    for content in [b"\xef\xbb\xbfsandbox = true\r\n".to_vec(), utf16("sandbox = true\r\n")] {
        scene.write(".config/batchctl/config.toml", content);
        stop(&scene, &[]).expect(0);
    }
}

/// Checks that a config file that others may change decides about no credentials.
#[track_caller]
fn check_distrusted(scene: &Scene, server: &Server, remedy: &str) {
    let before = server.count();
    for flags in [&[][..], &["--cron"]] {
        let ended = stop(scene, flags).expect(77).says("others may change").says(remedy);
        assert!(ended.stderr.contains("warning: "), "{}", ended.stderr);
    }
    assert!(!scene.path("called").exists(), "a command of others was run");
    assert_eq!(server.count(), before);
}

#[test]
fn a_config_file_that_others_can_change_decides_about_no_credentials() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    scene.write("token", "token-1");
    set_mode(&scene, "token", 0o600);
    scene.unset("BATCHCTL_ENDPOINT");
    let endpoint = format!("endpoint = '{}'", server.url());
    let config = ".config/batchctl/config.toml";
    for secret in ["token_command = 'touch called; echo t'", "token_file = 'token'"] {
        scene.configure(&format!("{endpoint}\n{secret}"));
        set_mode(&scene, ".config/batchctl", 0o700);
        for mode in [0o666, 0o620, 0o602] {
            set_mode(&scene, config, mode);
            check_distrusted(&scene, &server, "hint: chmod go-w '");
        }
        set_mode(&scene, config, 0o600);
        set_mode(&scene, ".config/batchctl", 0o777);
        check_distrusted(&scene, &server, "/.config/batchctl'");
        set_mode(&scene, ".config/batchctl", 0o700);
    }
    // An address of others would be sent the token of a variable.
    scene.configure(&endpoint);
    set_mode(&scene, config, 0o666);
    scene.set("BATCHCTL_TOKEN", "token-2");
    check_distrusted(&scene, &server, "hint: chmod go-w '");
    // What only sets the pace is warned of.
    scene.set("BATCHCTL_ENDPOINT", &server.url());
    scene.configure("rate = '5/s'");
    stop(&scene, &[]).expect(0).says("warning: others may change");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_kept_login_that_others_can_read_is_not_used() {
    let server = Server::obliging();
    let scene = scene(&server);
    let login = serde_json::json!({
        "token": "token-1", "expires_at": null, "endpoint": server.url(),
        "project_id": "project-1", "user": "night",
    });
    let name = ".local/state/batchctl/login-default.json";
    scene.write(name, login.to_string());
    set_mode(&scene, ".local/state/batchctl", 0o700);
    for mode in [0o644, 0o640, 0o602] {
        set_mode(&scene, name, mode);
        stop(&scene, &["--cron"]).expect(77).says("not yours alone").says("hint: chmod 600 '");
    }
    assert_eq!(server.count(), 0);
    set_mode(&scene, name, 0o600);
    stop(&scene, &[]).expect(0);
}

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_was_meant() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_MAX_FAILUERS", "1");
    scene.set("BATCHCLT_RATE", "1");
    scene.set("BATCHER_RATE", "1");
    for flags in [&[][..], &["--cron"]] {
        let ended = stop(&scene, flags).expect(0);
        let ended = ended.says("warning: there is no variable `BATCHCTL_MAX_FAILUERS`");
        let ended = ended.says("did you mean `BATCHCTL_MAX_FAILURES`").says("`BATCHCTL_RATE`");
        assert!(!ended.stderr.contains("BATCHER"), "{}", ended.stderr);
    }
}

/// Texts that somebody pastes where the name of a file is asked for.
fn pasted() -> [String; 4] {
    let token = "MIIFq9Zk3Lm+2xT7/".repeat(180);
    [token, "AKIDZ7Q2W9E4R5T6 s3cretKeyOfAnAccess0123456789".into(), "hunter2".into(), "hu2".into()]
}

#[track_caller]
fn check_unseen(ended: &Ended, secret: &str, names: &str) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for word in secret.split_whitespace() {
        let beginning = &word[..word.len().min(16)];
        assert!(!said.contains(beginning), "{said}");
    }
    assert!(said.contains(names), "`{names}` is not in {said}");
}

#[test]
fn a_secret_in_the_place_of_a_file_or_a_command_is_not_quoted() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    let user = ["--iam-user", "u", "--iam-domain", "d", "--iam-endpoint", "https://iam.invalid"];
    for secret in pasted() {
        let check = |flags: &[&str], code: i32, names: &str| {
            let ended = stop(&scene, flags).expect(code);
            check_unseen(&ended, &secret, names);
        };
        check(&["--token-file", &secret], 77, "`--token-file`");
        check(&["--token-command", &secret], 77, "token command");
        check(&[&user[..], &["--iam-password-file", &secret]].concat(), 77, "password-file`");
        check(&["--ca-file", &secret], 2, "`--ca-file`");
        let message = ["--notify", "failure", "--sandbox", "--notify-url-file"];
        check(&[&message[..], &[&secret]].concat(), 2, "`--notify-url-file`");
        check(&["--region", &format!("{secret}!")], 2, "--region");
        check(&["--project-id", &format!("{secret}!")], 2, "--project-id");
    }
    for secret in pasted() {
        scene.set("BATCHCTL_NOTIFY_URL", "https://hooks.invalid/x");
        let signed = ["--notify", "failure", "--sandbox", "--notify-shape", "feishu"];
        let ended = stop(&scene, &[&signed[..], &["--notify-secret-file", &secret]].concat());
        check_unseen(&ended.expect(2), &secret, "`--notify-secret-file`");
        scene.unset("BATCHCTL_NOTIFY_URL");
        scene.set("BATCHCTL_TOKEN_FILE", &secret);
        check_unseen(&stop(&scene, &[]).expect(77), &secret, "`--token-file`");
        check_unseen(&scene.call(&["config", "show"]).expect(0), &secret, "token_file is set");
        scene.unset("BATCHCTL_TOKEN_FILE");
        for key in [
            "token_file",
            "token_command",
            "iam_password_file",
            "notify_url_file",
            "notify_secret_file",
        ] {
            scene.configure(&format!("{key} = '{secret}'"));
            let shown = scene.call(&["config", "show", "--json", "--origin"]).expect(0);
            check_unseen(&shown, &secret, "[hidden]");
        }
        scene.configure(&format!("token_file = '{secret}'"));
        check_unseen(&stop(&scene, &[]).expect(77), &secret, "`--token-file`");
        scene.configure("");
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn a_path_that_leads_nowhere_is_named() {
    let scene = Scene::new();
    let region = ["--region", "r", "--project-id", "p"];
    for path in ["./tokn", "/dev/../dev/missing-token", "/dev/missing-token"] {
        stop(&scene, &[&region[..], &["--token-file", path]].concat()).expect(77).says(path);
    }
}

#[test]
fn a_pasted_secret_is_in_no_usage_error_and_in_no_run() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let [token, _, password, _] = pasted();
    for call in [&["auth", "login", &password][..], &["auth", "check", &token], &[&token]] {
        check_unseen(&scene.call(call).expect(2), call.last().unwrap(), "…");
    }
    scene.configure(&format!("{} = 1", &token[..7].repeat(4)));
    check_unseen(&scene.call(&["config", "show"]).expect(2), &token[..7].repeat(4), "no key");
    scene.configure("");
    // Not read in a rehearsal, whose run is kept with what was typed.
    let monitor = ["--sandbox", "--ping", "http://127.0.0.1:1/x"];
    scene.call(&[&STOP[..], &monitor, &["--ca-file", &password]].concat()).expect(0);
    // The token of the variable is not used, because the flag comes first.
    for secret in pasted() {
        scene.call(&[&STOP[..], &["--token-file", &secret]].concat()).expect(77);
    }
    for (path, content) in scene.all_files() {
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains(&password) && !text.contains(&token[..16]), "{}", path.display());
    }
}
