//! Text from outside on its way to a terminal.

use std::borrow::Cow;

/// The text with control characters made visible: a device's name must not be able to move the cursor, colour the
/// screen or turn the writing direction.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters, and those that turn the writing direction.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 device`, `2 devices`, `1,250 devices`.
#[must_use]
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A number with its thousands set apart: `1,250`.
#[must_use]
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Words with a sign such as `, ` between them, in lines of at most `width` characters; a longer word has a line of its
/// own. The sign stays at the end of a line that is not the last.
#[must_use]
pub fn wrap(words: &[&str], sign: &str, width: usize) -> Vec<String> {
    let length = |it: &str| it.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let end = if i + 1 < words.len() { sign.trim_end() } else { "" };
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) + length(end) <= width => {
                line.push(' ');
                line.push_str(word);
                line.push_str(end);
            }
            _ => lines.push(format!("{word}{end}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_cannot_steer_the_terminal() {
        assert_eq!(clean("Ana's Mac"), "Ana's Mac");
        assert_eq!(clean("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(clean("two\nlines"), "two\\nlines");
        assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "device", "devices"), "1 device");
        assert_eq!(count(5, "device", "devices"), "5 devices");
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(
            wrap(&["one", "two", "three", "far too long", "x"], ", ", 10),
            ["one, two,", "three,", "far too long,", "x"]
        );
        assert!(wrap(&[], ", ", 10).is_empty());
    }
}
