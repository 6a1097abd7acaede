//! Guesses which id a text was before word processors, clipboards and keyboards changed it.
//!
//! Serves hints only: an id that was changed is never called on a guess.

use crate::input::id_cell;
use crate::task::TaskId;

/// Returns the id that the text becomes if everything that does not belong to ids is removed.
pub(crate) fn likely_id(text: &str) -> Option<String> {
    let is_wrapping = |c: char| is_quote(c) || ",;:.!+*|{}[]()<>（）［］【】｛｝".contains(c);
    let likely: String = without_list_mark(text)
        .trim_matches(|c| is_wrapping(c) || id_cell::is_blank(c))
        .chars()
        .filter(|c| !id_cell::is_blank(*c) && !is_quote(*c))
        .flat_map(lookalike)
        .flat_map(char::to_lowercase)
        .collect();
    TaskId::check(&likely).is_ok().then_some(likely)
}

/// Returns a text without the dash, the point or the number that began it as an item of a list.
///
/// A blank follows such a mark. Without one a dash may belong to the id.
fn without_list_mark(text: &str) -> &str {
    let text = text.trim_start_matches(id_cell::is_blank);
    let Some((mark, item)) = text.split_once(id_cell::is_blank) else { return text };
    let number = mark.strip_suffix(['.', ')']).unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_point = matches!(mark, "-" | "–" | "—" | "•" | "·" | "◦" | "▪" | "‣");
    if is_number || is_point { item } else { text }
}

/// Returns whether a character is a quotation mark or a prime of any language or keyboard.
pub(crate) fn is_quote(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | '`' | '´' | '¨' | '«' | '»' | 'ʹ'..='ʼ' | 'ˋ' | '‘'..='‟' | '′'..='‷'
            | '‹' | '›' | '❛'..='❞' | '⹂' | '〈'..='』' | '〝'..='〟' | '＂' | '＇' | '｀'
            | '｢' | '｣'
    )
}

/// Returns the ASCII characters that another one looks like, or itself.
fn lookalike(character: char) -> impl Iterator<Item = char> {
    let ligature = match character {
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' | 'ﬆ' => "st",
        _ => "",
    };
    let single = ligature.is_empty().then(|| single(character));
    ligature.chars().chain(single)
}

/// Returns the ASCII character that another one looks like, or itself.
fn single(character: char) -> char {
    match character {
        '‐'..='―'
        | '⁃'
        | '⁻'
        | '−'
        | '─'
        | '━'
        | '➖'
        | '⸺'
        | '⸻'
        | 'ー'
        | '﹘'
        | '﹣'
        | '－'
        | '¯'
        | '˗' => '-',
        '＿' | '‗' | '﹍'..='﹏' => '_',
        '０'..='９' | 'ａ'..='ｚ' | 'Ａ'..='Ｚ' => {
            // The full-width forms stand in the order of ASCII, at a fixed distance.
            let code = u32::from(character) - u32::from('！') + u32::from('!');
            char::from_u32(code).unwrap_or(character)
        }
        'а' | 'А' => 'a',
        'е' | 'Е' => 'e',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' => 'p',
        'с' | 'С' => 'c',
        'у' | 'У' => 'y',
        'х' | 'Х' => 'x',
        'і' | 'І' => 'i',
        'В' => 'b',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(likely_id(text).as_deref(), Some(expected), "{text:?}");
    }

    #[test]
    fn what_word_processors_put_around_an_id_is_removed() {
        for (before, after) in [
            ("“", "”"),
            ("„", "“"),
            ("‘", "’"),
            ("‚", "‘"),
            ("«", "»"),
            ("« ", " »"),
            ("‹", "›"),
            ("»", "«"),
            ("「", "」"),
            ("『", "』"),
            ("《", "》"),
            ("〝", "〟"),
            ("＂", "＂"),
            ("′", "′"),
            ("``", "''"),
            ("“", ""),
            ("", "’"),
            ("(", ")"),
            ("", "."),
        ] {
            check(&format!("{before}gate-1{after}"), "gate-1");
        }
    }

    #[test]
    fn what_word_processors_change_inside_an_id_is_changed_back() {
        check("ga\u{ad}te-1", "gate-1");
        check("gate\u{200b}-\u{2060}1", "gate-1");
        check("ga\u{34f}te\u{fe0f}-1\u{e0041}", "gate-1");
        for dash in "‐‑‒–—―−－﹘﹣⁃".chars() {
            check(&format!("gate{dash}1"), "gate-1");
        }
        check("gate’1x", "gate1x");
        check("proﬁle-1", "profile-1");
        check("Gate\u{a0}–\u{a0}1", "gate-1");
    }

    #[test]
    fn the_mark_of_a_list_is_no_part_of_an_id() {
        for mark in ["-", "*", "+", "•", "–", "1.", "12)", " -"] {
            check(&format!("{mark} gate-1"), "gate-1");
        }
        check("- \u{a0}“Gate-1”", "gate-1");
        // Without a blank it may belong to the id, and a number without its sign is none.
        check("–gate-1", "-gate-1");
        check("12 gate-1", "12gate-1");
    }

    #[test]
    fn a_text_that_becomes_no_id_gives_none() {
        for text in ["“”", "äbcd", "a–b", "", "\u{ad}"] {
            assert_eq!(likely_id(text), None, "{text:?}");
        }
    }
}
