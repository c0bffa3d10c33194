//! Names of the contract's enum values without their enum's name: `SYNC_STATE_QUEUED` is shown, and taken, as `QUEUED`.

/// The name as people say it: `QUEUED` for `SYNC_STATE_QUEUED`.
#[must_use]
pub fn short<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The same in a sentence: `completed with rejections`.
#[must_use]
pub fn words(name: &str, prefix: &str) -> String {
    short(name, prefix).to_lowercase().replace('_', " ")
}

/// Looks a value up by its short or its full name, in any case, with `-` or `_`.
///
/// # Errors
/// A sentence that lists the names there are.
pub fn parse<T: Copy>(
    input: &str,
    prefix: &str,
    from_name: impl Fn(&str) -> Option<T>,
    choices: &[&str],
) -> Result<T, String> {
    let name = input.trim().to_uppercase().replace('-', "_");
    from_name(&name)
        .or_else(|| from_name(&format!("{prefix}{name}")))
        .ok_or_else(|| format!("not one of {}", choices.join(", ")))
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::SyncState;

    use super::*;

    #[test]
    fn enum_values_go_by_their_short_names() {
        let name = SyncState::CompletedWithRejections.as_str_name();
        assert_eq!(short(name, "SYNC_STATE_"), "COMPLETED_WITH_REJECTIONS");
        assert_eq!(words(name, "SYNC_STATE_"), "completed with rejections");
    }

    #[test]
    fn a_name_is_taken_in_any_usual_form() {
        let state = |it| parse(it, "SYNC_STATE_", SyncState::from_str_name, &["QUEUED"]);
        assert_eq!(state("queued"), Ok(SyncState::Queued));
        assert_eq!(state("SYNC_STATE_QUEUED"), Ok(SyncState::Queued));
        assert_eq!(state("completed-with-rejections"), Ok(SyncState::CompletedWithRejections));
        assert_eq!(state("done"), Err("not one of QUEUED".to_owned()));
    }
}
