//! Text that people wrote, as far as it may be stored and shown.

/// Whether it is one line of 1 to `max` characters, no control characters, and not only blanks.
pub fn is_line(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && !text.contains('\n') && is_text(text, max)
}

/// Whether it has at most `max` characters, and of control characters only the end of a line.
pub fn is_text(text: &str, max: usize) -> bool {
    text.chars().count() <= max
        && text
            .chars()
            .all(|character| character == '\n' || !character.is_control())
}
