//! What is stored is what is read, in this version and from earlier ones.

use super::*;
use serde_json::json;

fn read(stored: &str) -> RunSettings {
    serde_json::from_str(stored).unwrap()
}

fn unusual() -> RunSettings {
    RunSettings {
        rate: RateSetting::Fixed("600/m".parse().unwrap()),
        // Nor this one.
        rate_group: None,
        concurrency: NonZeroUsize::new(3).unwrap(),
        timeout: Duration::from_millis(1_500),
        connect_timeout: Duration::from_secs(1),
        max_attempts: NonZeroU32::new(9).unwrap(),
        on_doubt: OnDoubt::Hold,
        ramp: Some(Duration::from_secs(30)),
        canary: NonZeroU64::new(5),
        max_failures: MaxFailures::Count(7),
        outage_timeout: Duration::from_secs(90),
        // Version 0.1.0 had no such setting.
        throttle_timeout: Duration::from_secs(600),
        max_duration: Some(Duration::from_secs(60)),
        finish_by: "06:00".parse().ok(),
        drain_timeout: Duration::from_secs(2),
        skip_unchanged: true,
        on_unknown: OnUnknown::Skip,
        wait: Some(Duration::from_secs(90)),
        sandbox: true,
        ..RunSettings::default()
    }
}

#[test]
fn settings_come_back_as_they_were_stored() {
    let auto = RateSetting::Auto { least: "30/h".parse().unwrap(), most: "600/m".parse().unwrap() };
    let auto = RunSettings { rate: auto, ..RunSettings::default() };
    let unlimited = RunSettings { rate: RateSetting::Unlimited, ..RunSettings::default() };
    let profile = RunSettings {
        profile: "staging".into(),
        credentials: Some(CredentialKind::TokenFile),
        ..RunSettings::default()
    };
    let patient = RunSettings {
        level: Level::Task,
        throttle_timeout: Duration::from_secs(90),
        rate_group: Some("night".into()),
        shard: "2/4".parse().ok(),
        ..RunSettings::default()
    };
    let in_waves = RunSettings {
        waves: "1,10%,100%".parse().ok(),
        wave_pause: Duration::from_secs(300),
        ..RunSettings::default()
    };
    let all = [RunSettings::default(), unusual(), auto, unlimited, profile, patient, in_waves];
    for settings in all {
        let stored = serde_json::to_string(&settings).unwrap();
        assert_eq!(read(&stored), settings);
    }
}

/// Settings that version 0.1.0 stored, word for word.
const OF_0_1_0: [&str; 3] = [
    include_str!("settings_tests/default.json"),
    include_str!("settings_tests/unusual.json"),
    include_str!("settings_tests/auto.json"),
];

#[test]
fn settings_of_earlier_versions_are_read_as_they_were_meant() {
    let auto = RateSetting::Auto { least: LOWEST, most: "50/s".parse().unwrap() };
    let expected =
        [RunSettings::default(), unusual(), RunSettings { rate: auto, ..RunSettings::default() }];
    for (stored, expected) in OF_0_1_0.into_iter().zip(expected) {
        assert_eq!(read(stored), expected, "{stored}");
        let mut stored: serde_json::Value = serde_json::from_str(stored).unwrap();
        stored["throttle_timeout_ms"] = 600_000.into();
        stored["rate_group"] = serde_json::Value::Null;
        stored["shard"] = serde_json::Value::Null;
        assert_eq!(serde_json::to_value(expected).unwrap(), stored);
    }
}

#[test]
fn a_rate_to_be_found_has_bounds_even_where_none_are_stored() {
    let read = read("{\"rate\": \"auto\"}");
    assert_eq!(read.rate, RateSetting::Auto { least: LOWEST, most: HIGHEST });
}

#[test]
fn what_is_not_stored_has_its_default() {
    assert_eq!(read("{}"), RunSettings::default());
    assert_eq!(read("{\"of_a_newer_version\": 1}"), RunSettings::default());
}

#[test]
fn a_value_that_no_version_stored_is_refused() {
    for stored in [
        json!("nonsense"),
        json!({ "rate": "fast" }),
        json!({ "concurrency": 0 }),
        json!({ "max_failures": "few" }),
        json!({ "on_doubt": "shrug" }),
    ] {
        assert!(serde_json::from_value::<RunSettings>(stored.clone()).is_err(), "{stored}");
    }
}

#[test]
fn lists_are_read_at_a_usual_rate_within_the_bounds_of_a_search() {
    let check = |least: &str, most: &str, expected: &str| {
        let (least, most) = (least.parse().unwrap(), most.parse().unwrap());
        let rate = RateSetting::Auto { least, most }.for_lists().unwrap();
        assert_eq!(rate.to_string(), expected);
    };
    check("1/s", "1000/s", "10/s");
    check("20/s", "1000/s", "20/s");
    check("1/s", "5/s", "5/s");
}
