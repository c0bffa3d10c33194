//! Names with a star in them.

use std::fmt;

/// A name of a caller, in which `*` stands for any characters but `/` and `:`, and `**` for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Within one step of a path.
    Star,
    /// Over steps.
    Stars,
}

impl Pattern {
    /// `None` for an empty text, and for three stars or more in a row, which nobody means.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains("***") {
            return None;
        }
        let mut parts = Vec::new();
        for (at, between) in text.split("**").enumerate() {
            if at > 0 {
                parts.push(Part::Stars);
            }
            for (at, text) in between.split('*').enumerate() {
                if at > 0 {
                    parts.push(Part::Star);
                }
                if !text.is_empty() {
                    parts.push(Part::Text(text.to_owned()));
                }
            }
        }
        Some(Self(parts))
    }

    /// Whether the whole name fits.
    pub(crate) fn fits(&self, name: &str) -> bool {
        // The places in `name` up to which the parts so far can reach: no part is tried twice from one place, so that no
        // pattern takes long.
        let mut reached = vec![0];
        for part in &self.0 {
            let mut next = Vec::new();
            for &from in &reached {
                let rest = &name[from..];
                match part {
                    Part::Text(text) if rest.starts_with(text.as_str()) => next.push(from + text.len()),
                    Part::Text(_) => {}
                    Part::Star | Part::Stars => {
                        let within = |it: char| *part == Part::Stars || !matches!(it, '/' | ':');
                        let end = rest.find(|it| !within(it)).unwrap_or(rest.len());
                        next.extend(rest[..end].char_indices().map(|(at, _)| from + at));
                        next.push(from + end);
                    }
                }
            }
            next.sort_unstable();
            next.dedup();
            reached = next;
        }
        reached.contains(&name.len())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            f.write_str(match part {
                Part::Text(text) => text,
                Part::Star => "*",
                Part::Stars => "**",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("system:serviceaccount:inventory:*", "system:serviceaccount:inventory:reporter", true)]
    #[case("system:serviceaccount:inventory:*", "system:serviceaccount:inventory:a:b", false)]
    #[case("system:serviceaccount:*:reporter", "system:serviceaccount:a:b:reporter", false)]
    #[case("spiffe://example.org/ns/*/sa/pandaport", "spiffe://example.org/ns/ops/sa/pandaport", true)]
    #[case("spiffe://example.org/ns/*/sa/pandaport", "spiffe://example.org/ns/a/sa/b/sa/pandaport", false)]
    #[case("spiffe://example.org/**", "spiffe://example.org/ns/a/sa/b", true)]
    #[case("spiffe://example.org/**", "spiffe://example.org.evil.example/a", false)]
    #[case("**", "anything at all: /", true)]
    #[case("*", "", true)]
    #[case("ann@example.com", "ann@example.com", true)]
    #[case("ann@example.com", "Ann@example.com", false)]
    #[case("ann@example.com", "ann@example.comx", false)]
    #[case("a*b*c", "aXbYbZc", true)]
    #[case("é*", "éa", true)]
    fn a_star_stays_within_a_step_and_two_do_not(#[case] pattern: &str, #[case] name: &str, #[case] fits: bool) {
        let parsed = Pattern::parse(pattern).unwrap();
        assert_eq!(parsed.fits(name), fits);
        assert_eq!(parsed.to_string(), pattern);
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_longer() {
        let pattern = Pattern::parse(&"*a".repeat(60)).unwrap();
        assert!(!pattern.fits(&"a".repeat(50)));
    }

    #[test]
    fn what_nobody_means_is_no_pattern() {
        assert_eq!(Pattern::parse(""), None);
        assert_eq!(Pattern::parse("a***"), None);
    }
}
