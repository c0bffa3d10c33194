//! `docs/guarantees.md` and `docs/security.md` promise nothing that no test shows.

use std::path::{Path, PathBuf};

/// Everything under a folder that ends in `.rs`.
fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push_str(&std::fs::read_to_string(path).expect("a source"));
        }
    }
}

/// The names in the last column of a line of a table.
fn tests_of(line: &str) -> Vec<&str> {
    let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    last.split('`').skip(1).step_by(2).collect()
}

fn code(root: &Path) -> String {
    let mut code = String::new();
    for folder in ["proto", "crates", "services", "tests"] {
        sources(&root.join(folder), &mut code);
    }
    code
}

fn assert_tests_are_there(promises: &[&str], code: &str) {
    for promise in promises {
        let tests = tests_of(promise);
        assert!(!tests.is_empty(), "no test is named: {promise}");
        for test in tests {
            assert!(code.contains(&format!("fn {test}(")), "there is no test {test}: {promise}");
        }
    }
}

#[test]
fn every_threat_names_a_test_that_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/security.md")).expect("the page");
    let (_, table) = page.split_once("| threat | answer | test |").expect("the table of threats");
    let threats: Vec<&str> = table.lines().filter(|it| it.starts_with("| ")).collect();
    assert!(threats.len() >= 20, "{} threats", threats.len());
    assert_tests_are_there(&threats, &code(&root));
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/guarantees.md")).expect("the page");
    let rows = page.lines().filter(|it| it.starts_with('|'));
    let promises: Vec<&str> = rows.filter(|it| !it.starts_with("|---") && !it.starts_with("| promise |")).collect();
    assert!(promises.len() > 60, "{} promises", promises.len());
    assert_tests_are_there(&promises, &code(&root));
    for rule in 1..=16 {
        assert!(page.contains(&format!("(rule {rule})")), "nothing is said of rule {rule}");
    }
}
