//! Takes a call's secrets out of any text that came from outside.

use std::sync::Arc;

use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};

const MARK: &str = "[redacted]";
/// Anything shorter is no secret, and would tear ordinary words apart.
const SHORTEST: usize = 4;

/// Knows the secrets of one call. Prints none of them.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    secrets: Arc<[SecretString]>,
}

impl Redactor {
    pub(crate) fn new(headers: &[(HeaderName, SecretString)]) -> Self {
        let mut secrets: Vec<String> = Vec::new();
        for (_, value) in headers {
            let value = value.expose_secret().trim();
            // "Bearer <token>": a server is likelier to quote the token alone.
            let token = value.rsplit(char::is_whitespace).next().unwrap_or_default();
            secrets.extend([value, token].map(str::to_owned));
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // Longest first, so that no part of a longer secret is left over.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets: secrets.into_iter().map(SecretString::from).collect() }
    }

    /// The text with every secret replaced, whatever its letter case.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| replace(&text, secret.expose_secret()))
    }
}

fn replace(text: &str, secret: &str) -> String {
    // ASCII lower case keeps every byte in its place, so that positions hold in the text itself.
    let (lower, needle) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for (start, _) in lower.match_indices(&needle) {
        clean += &text[end..start];
        clean += MARK;
        end = start + needle.len();
    }
    clean += &text[end..];
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        Redactor::new(&[(http::header::AUTHORIZATION, SecretString::from(value))])
    }

    #[test]
    fn the_token_goes_whatever_its_case_or_company() {
        let redactor = redactor("Bearer 0f1e2d3c-aaaa");
        for text in ["bad token 0f1e2d3c-aaaa!", "got Bearer 0F1E2D3C-AAAA ü", "x0f1e2d3c-aaaay0f1e2d3c-aaaa"] {
            let clean = redactor.clean(text);
            assert!(!clean.to_lowercase().contains("0f1e2d3c"), "{clean}");
            assert!(clean.contains(MARK), "{clean}");
        }
        assert_eq!(redactor.clean("nothing hére"), "nothing hére");
    }

    #[test]
    fn short_values_do_not_tear_text_apart() {
        assert_eq!(redactor("a").clean("a banana"), "a banana");
    }

    #[test]
    fn debug_shows_nothing() {
        assert!(!format!("{:?}", redactor("Bearer 0f1e2d3c-aaaa")).contains("0f1e"));
    }
}
