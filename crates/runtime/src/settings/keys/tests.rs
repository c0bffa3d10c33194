#![allow(clippy::unwrap_used)]

use super::*;

/// 32 bytes, each another one.
fn key(first: u8) -> String {
    STANDARD.encode((first..first + 32).collect::<Vec<u8>>())
}

fn from_value(value: &str) -> Result<Option<EncryptionKeys>, RuntimeError> {
    EncryptionKeys::from_env(|name| (name == VALUE).then(|| value.into()))
}

#[test]
fn reads_one_key_or_a_list_in_order() {
    let (a, b) = (key(1), key(2));
    for text in [format!("{a},{b}"), format!("{a}\n{b}\n"), format!(" {a} ,\n {b}")] {
        let keys = from_value(&text).unwrap().unwrap();
        let read: Vec<&str> = keys.keys().iter().map(|it| it.expose_secret()).collect();
        assert_eq!(read, [a.as_str(), b.as_str()]);
    }
}

#[test]
fn neither_variable_is_no_key_and_both_are_refused() {
    assert!(EncryptionKeys::from_env(|_| None).unwrap().is_none());
    let error = EncryptionKeys::from_env(|_| Some("x".into())).unwrap_err();
    assert!(error.to_string().contains("not both"), "{error}");
}

#[test]
fn a_malformed_key_is_refused_without_showing_it() {
    let secret = "c2hvcnQgc2VjcmV0";
    for (text, problem) in [
        (String::new(), "is empty"),
        (" \n,".to_owned(), "is empty"),
        (secret.to_owned(), "key 1 of 1 has 12 bytes, not 32"),
        (format!("{},{secret}", key(1)), "key 2 of 2 has 12 bytes"),
        (format!("{secret}!"), "key 1 of 1 is not base64"),
        (STANDARD.encode([0; 32]), "one byte repeated"),
    ] {
        let error = from_value(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(problem), "{shown}");
        assert!(shown.contains("openssl rand -base64 32"), "{shown}");
        assert!(!shown.contains(secret), "{shown}");
        assert!(!shown.contains(&key(1)), "{shown}");
    }
}

#[test]
fn a_malformed_file_is_named_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "c2hvcnQgc2VjcmV0\n").unwrap();
    let lookup = |name: &str| (name == FILE).then(|| path.clone().into_os_string());

    let error = EncryptionKeys::from_env(lookup).unwrap_err().to_string();

    assert!(error.starts_with("PANDAPORT_ENCRYPTION_KEY_FILE: "), "{error}");
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert!(!error.contains("c2hvcnQ"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = EncryptionKeys::from_file(Path::new("absent/key")).unwrap_err();
    assert!(error.to_string().contains("absent/key"), "{error}");
}

#[test]
fn debug_and_the_effective_settings_hide_keys() {
    let keys = from_value(&key(1)).unwrap().unwrap();
    let mut effective = Effective::new();
    EncryptionKeys::describe(Some(&keys), &mut effective);
    let shown = format!("{keys:?} {effective}");
    assert!(!shown.contains(&key(1)), "{shown}");
    assert!(shown.contains("1 key, hidden"), "{shown}");
}

#[test]
fn a_new_key_file_is_for_its_owner_only_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = key_file_beside(&folder.path().join("pandaport.db"));
    assert!(path.ends_with("pandaport.db.key"));

    let made = create_key_file(&path).unwrap();

    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = EncryptionKeys::from_file(&path).unwrap();
    assert_eq!(open_to_others(&path), None);
    assert_eq!(read.keys()[0].expose_secret(), made.keys()[0].expose_secret());
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "precious").unwrap();
    assert!(create_key_file(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_key_file_that_others_may_read_is_told_with_the_command_that_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, key(1)).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warning = open_to_others(&path).unwrap();
        assert!(warning.ends_with(&format!("chmod 600 {}", path.display())), "{warning}");
    }
}
