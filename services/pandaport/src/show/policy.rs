//! A mapping's filter, removal policy and brake, as far as they are not the defaults.

use super::text::clean;
use super::time::{duration, length};
use super::value::value;
use pandaport_api::v1::{Filter, Mapping, OnFiltered, RemovalAction};

/// A line for each.
pub(super) fn policies(it: &Mapping) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(filter) = &it.filter {
        let mut conditions = conditions(filter);
        if it.on_filtered() == OnFiltered::AsRemoved {
            conditions.push_str("; others as if they were gone");
        }
        lines.push(("Only", conditions));
    }
    if let Some(policy) = &it.removal_policy {
        let absent =
            policy.min_absence.as_ref().map_or_else(String::new, |it| format!(" after {}", length(duration(it))));
        match policy.action() {
            RemovalAction::Unspecified | RemovalAction::Leave => {}
            RemovalAction::Delete => lines.push(("When gone", format!("deleted if created by the import{absent}"))),
            RemovalAction::Mark => {
                let back = policy.unmark_value.as_ref().map_or_else(|| "cleared".to_owned(), |it| value(Some(it)));
                let mark = value(policy.mark_value.as_ref());
                let column = clean(&policy.mark_column_id);
                lines.push(("When gone", format!("{mark} into {column}{absent}; when back: {back}")));
            }
        }
    }
    if let Some(brake) = &it.brake
        && let (Some(percent), Some(count)) = (brake.max_percent, brake.min_count)
        && (percent, count) != (10, 10)
    {
        lines.push(("Brake", format!("more than {percent} % and at least {count}")));
    }
    lines
}

fn conditions(filter: &Filter) -> String {
    let lists = [("platform", &filter.platforms), ("blueprint", &filter.blueprint_ids), ("tag", &filter.tags_any)];
    let mut conditions: Vec<String> = lists
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| format!("{name} {}", clean(&values.join(" or "))))
        .collect();
    if filter.exclude_removed {
        conditions.push("not removed".to_owned());
    }
    conditions.join("; ")
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{Brake, RemovalPolicy};
    use prost_types::Value;
    use prost_types::value::Kind;

    use super::*;

    #[test]
    fn only_what_is_not_the_default_is_shown() {
        let plain = Mapping {
            removal_policy: Some(RemovalPolicy { action: RemovalAction::Leave.into(), ..Default::default() }),
            brake: Some(Brake { max_percent: Some(10), min_count: Some(10) }),
            ..Mapping::default()
        };
        assert_eq!(policies(&plain), []);
        let strict = Mapping {
            filter: Some(Filter {
                platforms: vec!["Mac".into(), "iPad".into()],
                exclude_removed: true,
                ..Filter::default()
            }),
            on_filtered: OnFiltered::AsRemoved.into(),
            removal_policy: Some(RemovalPolicy {
                action: RemovalAction::Mark.into(),
                mark_column_id: "c9".into(),
                mark_value: Some(Value { kind: Some(Kind::StringValue("Retired".into())) }),
                min_absence: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
                ..RemovalPolicy::default()
            }),
            brake: Some(Brake { max_percent: Some(5), min_count: Some(1) }),
            ..Mapping::default()
        };
        let lines: Vec<_> = policies(&strict).into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
        assert_eq!(
            lines,
            [
                "Only: platform Mac or iPad; not removed; others as if they were gone",
                "When gone: \"Retired\" into c9 after 1 h; when back: cleared",
                "Brake: more than 5 % and at least 1",
            ]
        );
    }
}
