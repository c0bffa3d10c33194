//! Secrets come from files or standard input: a flag would stand in the shell's history and in the list of processes.

use std::io::Read as _;
use std::path::Path;

use crate::error::Error;

/// Reads a secret from a file, or from standard input where the path is `-`, without the line's end. The text is handed
/// on to the gRPC message, which can't hide it; it is never printed.
///
/// # Errors
/// [`Error::Input`] where the file can't be read or holds nothing.
pub(crate) fn read(what: &str, path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let (result, place) = if path == Path::new("-") {
        let result = std::io::stdin().read_to_string(&mut text);
        (result, "standard input".to_owned())
    } else {
        let result = std::fs::File::open(path).and_then(|mut it| it.read_to_string(&mut text));
        (result, path.display().to_string())
    };
    result.map_err(|error| Error::Input(format!("{what} can't be read from {place}: {error}")))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(Error::Input(format!("{place} is empty: it should hold {what}")));
    }
    if secret.lines().count() > 1 {
        return Err(Error::Input(format!("{place} has more than one line: it should hold {what} and nothing else")));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("it can be written");
        file
    }

    #[test]
    fn the_end_of_the_line_is_not_part_of_a_secret() {
        let file = file("s3cret\n");
        assert_eq!(read("the token", file.path()).expect("a secret"), "s3cret");
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused_without_showing_it() {
        let two = file("s3cret\nother\n");
        let error = read("the token", two.path()).expect_err("two lines");
        assert!(error.to_string().contains("more than one line"), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");

        let error = read("the token", file("\n").path()).expect_err("nothing");
        assert!(error.to_string().contains("is empty"), "{error}");

        let error = read("the token", Path::new("/does/not/exist")).expect_err("no file");
        assert!(error.to_string().contains("/does/not/exist"), "{error}");
    }
}
