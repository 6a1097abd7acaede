//! Links lead to the hosts of the file alone.

use super::*;

#[test]
fn a_link_is_followed_below_the_address_of_the_file_alone() {
    let base: Url = "https://shop.example.com/api".parse().unwrap();
    let target = |link: &str| {
        let link = absolute("https://shop.example.com/api/things?page=1", link);
        target_below(&base, &link.parse().unwrap())
    };
    for (link, expected) in [
        ("https://shop.example.com/api/things?page=2", Some("/things?page=2")),
        ("https://SHOP.example.com:443/api/things", Some("/things")),
        ("?page=2", Some("/things?page=2")),
        ("/api/other", Some("/other")),
        ("/other", None),
        ("/apix/things", None),
        ("http://shop.example.com/api/things", None),
        ("https://shop.example.com:8443/api/things", None),
        ("https://shop.example.com.evil.example/api/things", None),
        ("https://me@shop.example.com/api/things", None),
        ("//evil.example/api/things", None),
        ("https://shop.example.com/api/../things", None),
        ("javascript:alert(1)", None),
    ] {
        assert_eq!(target(link).as_deref(), expected, "{link}");
    }
}

#[test]
fn a_request_that_cannot_be_made_is_no_answer_of_the_service() {
    let Listed::Answer(answer) = never_made("the link leads elsewhere") else { unreachable!() };
    assert_eq!(answer.status(), None);
    let finding = crate::policy::classify_read(&answer);
    assert_eq!(finding.verdict, crate::policy::Verdict::Refused);
    let failure = finding.failure.unwrap();
    assert_eq!(
        (failure.kind.as_str(), &*failure.message),
        ("not_sent", "the link leads elsewhere")
    );
}
