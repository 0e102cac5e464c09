//! Which characters people can see: what is shown of agents' text to somebody who decides by it.
//!
//! How the others are written instead depends on where they are shown, and is told there.

/// Whether a display might act on a character or show nothing for it.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero widths, marks of direction, separators of lines and paragraphs, embeddings,
            // overrides, isolates and the invisible operators.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Variation selectors, the byte order mark, interlinear annotations.
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags and the second block of variation selectors.
            | '\u{e0000}'..='\u{e0fff}'
        )
}
