//! The help: on one screen's width, with examples for every command.

use crate::support::program::Scene;

/// Returns every command that there is, word by word: each has its manual page.
fn commands(scene: &Scene) -> Vec<Vec<String>> {
    scene.call(&["man", "--dir", "man"]).expect(0);
    let pages = std::fs::read_dir(scene.path("man")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let words =
        |name: String| name.trim_end_matches(".1").split('-').skip(1).map(Into::into).collect();
    names.map(words).collect()
}

#[test]
fn help_fits_a_hundred_columns_and_gives_examples() {
    let scene = Scene::new();
    let commands = commands(&scene);
    assert!(commands.len() > 30, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let ended = scene.call(&[&words[..], &["--help"]].concat()).expect(0);
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command:?}");
        let (_, examples) = ended.stdout.split_once("\nExamples:\n").expect("examples");
        let examples = examples.lines().filter(|line| line.starts_with("  ")).count();
        assert!(examples >= 2, "{command:?}: {}", ended.stdout);
        assert!(!ended.stdout.contains('\u{1b}'), "{command:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn on_eighty_columns_no_line_is_broken_that_need_not_be() {
    let scene = Scene::new();
    for command in commands(&scene) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let call = [&words[..], &["--help"]].concat();
        let shown = |columns: &str| {
            let output = scene.command(&call).env("COLUMNS", columns).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let (narrow, wide) = (shown("80"), shown("100"));
        assert_eq!(narrow.lines().find(|line| line.chars().count() > 80), None, "{command:?}");
        let examples = |text: &str| {
            let rest = text.rsplit_once("\nExamples:\n").unwrap().1;
            rest.split("\n\n").next().unwrap().to_owned()
        };
        assert_eq!(examples(&narrow), examples(&wide), "an example is broken");
        // The lines of a paragraph are full: none has room for the first word of the next.
        let lines: Vec<&str> = narrow.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| is_prose(line))) {
            let word = pair[1].split(' ').next().unwrap();
            let room = 80 - pair[0].chars().count();
            assert!(word.chars().count() + 1 > room, "{command:?}: {pair:?}");
        }
    }
}

/// Returns whether a line is of a paragraph: no example, flag or blank line.
fn is_prose(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(' ')
}

#[test]
fn help_without_a_command_is_a_usage_error() {
    let scene = Scene::new();
    scene.call(&[]).expect(2).says("Usage: batchctl").says("Examples:");
    scene.call(&["runs"]).expect(2).says("Usage: batchctl runs");
}

#[test]
fn the_version_is_told() {
    let expected = format!("batchctl {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Scene::new().call(&["--version"]).expect(0).stdout, expected);
}

#[test]
fn exit_statuses_and_sources_of_values_are_in_the_help() {
    let ended = Scene::new().call(&["--help"]).expect(0);
    ended.prints("Exit status:").prints("Flag beats environment beats file beats default");
}
