//! Lists the characters that nobody sees, for every place that shows, reads or guards a text.
//!
//! The source is `Default_Ignorable_Code_Point` of Unicode 16 (`DerivedCoreProperties.txt`),
//! whose unassigned members are reserved for invisible characters, so the list is stable. The
//! page of the HTML report has the same list in its script; a test compares the two.

use std::ops::RangeInclusive;

/// The ranges of invisible characters, in ascending order.
const INVISIBLE: [RangeInclusive<char>; 18] = [
    // The soft hyphen, which shows only at the end of a line.
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    // Fillers of Hangul and vowels of Khmer that have no shape.
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    // Zero-width characters, and controls of the writing direction.
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    // Variation selectors.
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    // The last three, the interlinear annotations, do not have the property.
    '\u{fff0}'..='\u{fffb}',
    // Controls of Egyptian hieroglyphs do not have the property, either.
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    // Tags and further variation selectors.
    '\u{e0000}'..='\u{e0fff}',
];

/// Returns whether a character takes no room and shows nothing.
///
/// ```
/// use batchctl::text::is_invisible;
///
/// assert!(is_invisible('\u{ad}') && is_invisible('\u{200b}'));
/// assert!(!is_invisible(' ') && !is_invisible('a'));
/// ```
pub fn is_invisible(character: char) -> bool {
    // Nearly every character ends here.
    character >= '\u{ad}' && INVISIBLE.iter().any(|range| range.contains(&character))
}

/// Returns whether a character acts on the terminal or on its neighbours, or cannot be seen.
pub(crate) fn is_misleading(character: char) -> bool {
    const LINE_SEPARATOR: char = '\u{2028}';
    const PARAGRAPH_SEPARATOR: char = '\u{2029}';

    character.is_control()
        || is_invisible(character)
        || matches!(character, LINE_SEPARATOR | PARAGRAPH_SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthChar;

    #[test]
    fn the_ranges_are_in_order_and_apart() {
        for pair in INVISIBLE.windows(2) {
            assert!(pair[0].start() <= pair[0].end() && pair[0].end() < pair[1].start());
        }
    }

    #[test]
    fn invisible_characters_of_every_kind_are_listed() {
        let characters = [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200d}',
            '\u{202e}',
            '\u{2060}',
            '\u{2064}',
            '\u{2065}',
            '\u{2069}',
            '\u{206a}',
            '\u{206f}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e007f}',
            '\u{e0100}',
        ];
        for character in characters {
            assert!(is_invisible(character), "{character:?}");
        }
    }

    #[test]
    fn the_list_agrees_with_the_widths_of_another_copy_of_the_unicode_data() {
        // A filler of Hangul has a width, and so has whatever does not have the property.
        let excepted = |c: &char| matches!(c, '\u{115f}' | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}');
        let listed = INVISIBLE.iter().cloned().flatten().filter(|c| !excepted(c));
        let with_width: Vec<char> = listed.filter(|c| c.width() != Some(0)).collect();
        assert_eq!(with_width, [] as [char; 0]);
    }

    #[test]
    fn what_can_be_seen_is_not_listed() {
        for character in "aZ09 \u{a0}äß漢字\u{301}🎥\u{3000}–…".chars() {
            assert!(!is_invisible(character), "{character:?}");
        }
    }
}
