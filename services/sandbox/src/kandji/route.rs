//! The routes of the Kandji stand-in, with and without a trailing slash.

use crate::traffic::Operation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Devices,
    Device(&'a str),
    Details(&'a str),
    LostMode(&'a str),
    Activity(&'a str),
    Status(&'a str),
    Users,
    User(&'a str),
    Blueprints,
    Blueprint(&'a str),
    Tags,
    Licensing,
    AuditEvents,
    Prism,
    Unknown,
}

/// What a token needs to be ticked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Permission {
    Devices,
    Details,
    Users,
    Licensing,
    Other,
}

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Self {
        let Some(path) = path.strip_prefix("/api/v1/") else {
            return Self::Unknown;
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            ["devices"] => Self::Devices,
            ["devices", id] => Self::Device(id),
            ["devices", id, "details"] => Self::Details(id),
            ["devices", id, "details", "lostmode"] => Self::LostMode(id),
            ["devices", id, "activity"] => Self::Activity(id),
            ["devices", id, "status"] => Self::Status(id),
            ["users"] => Self::Users,
            ["users", id] => Self::User(id),
            ["blueprints"] => Self::Blueprints,
            ["blueprints", id] => Self::Blueprint(id),
            ["tags"] => Self::Tags,
            ["settings", "licensing"] => Self::Licensing,
            ["audit", "events"] => Self::AuditEvents,
            ["prism", "device_information"] => Self::Prism,
            _ => Self::Unknown,
        }
    }

    /// The path as counters name it.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Devices => "/api/v1/devices",
            Self::Device(_) => "/api/v1/devices/{device_id}",
            Self::Details(_) => "/api/v1/devices/{device_id}/details",
            Self::LostMode(_) => "/api/v1/devices/{device_id}/details/lostmode",
            Self::Activity(_) => "/api/v1/devices/{device_id}/activity",
            Self::Status(_) => "/api/v1/devices/{device_id}/status",
            Self::Users => "/api/v1/users",
            Self::User(_) => "/api/v1/users/{user_id}",
            Self::Blueprints => "/api/v1/blueprints",
            Self::Blueprint(_) => "/api/v1/blueprints/{blueprint_id}",
            Self::Tags => "/api/v1/tags",
            Self::Licensing => "/api/v1/settings/licensing",
            Self::AuditEvents => "/api/v1/audit/events",
            Self::Prism => "/api/v1/prism/device_information",
            Self::Unknown => "(unknown)",
        }
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Devices => Operation::Devices,
            Self::Device(_) => Operation::Device,
            Self::Details(_) | Self::LostMode(_) => Operation::Details,
            Self::Users => Operation::Users,
            Self::User(_) => Operation::User,
            Self::Licensing => Operation::Licensing,
            _ => Operation::Other,
        }
    }

    pub(super) fn permission(self) -> Permission {
        match self {
            Self::Devices | Self::Device(_) => Permission::Devices,
            Self::Details(_) | Self::LostMode(_) => Permission::Details,
            Self::Users | Self::User(_) => Permission::Users,
            Self::Licensing => Permission::Licensing,
            _ => Permission::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_a_trailing_slash() {
        assert_eq!(Route::parse("/api/v1/devices"), Route::Devices);
        assert_eq!(Route::parse("/api/v1/devices/"), Route::Devices);
        assert_eq!(Route::parse("/api/v1/devices/a/details/"), Route::Details("a"));
        assert_eq!(Route::parse("/api/v2/devices"), Route::Unknown);
        assert_eq!(Route::parse("/"), Route::Unknown);
    }
}
