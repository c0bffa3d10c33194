//! Which call needs which role. A call that is not in this table needs an admin, so that one that was forgotten is open to
//! nobody else; a test holds the table against the contract.

use pandaport_access::Role;
use pandaport_api::v1::control_plane_service_server::SERVICE_NAME;

/// One call of the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    /// Its name in the contract.
    pub(crate) name: &'static str,
    /// The least role that may call it.
    pub(crate) role: Role,
    /// Whether it changes something, and so stands in the audit log.
    pub(crate) changes: bool,
}

impl Rpc {
    /// Its name as metrics have it: `trigger_sync`.
    pub(crate) fn label(&self) -> String {
        let mut label = String::new();
        for letter in self.name.chars() {
            if letter.is_uppercase() && !label.is_empty() {
                label.push('_');
            }
            label.push(letter.to_ascii_lowercase());
        }
        label
    }
}

const fn reads(name: &'static str, role: Role) -> Rpc {
    Rpc { name, role, changes: false }
}

const fn changes(name: &'static str, role: Role) -> Rpc {
    Rpc { name, role, changes: true }
}

/// All calls, in the order of the contract.
pub(crate) const RPCS: &[Rpc] = &[
    changes("ConfigureConnection", Role::Admin),
    // It records its result as the connection's state.
    changes("TestConnection", Role::Operator),
    reads("GetConnection", Role::Viewer),
    reads("ListConnections", Role::Viewer),
    changes("DeleteConnection", Role::Admin),
    reads("ListAssetPandaModules", Role::Viewer),
    reads("ListSourceFields", Role::Viewer),
    reads("ListCollections", Role::Viewer),
    reads("ListColumns", Role::Viewer),
    reads("SuggestMapping", Role::Viewer),
    changes("CreateMapping", Role::Admin),
    changes("UpdateMapping", Role::Admin),
    changes("PauseMapping", Role::Operator),
    changes("ResumeMapping", Role::Operator),
    reads("GetMapping", Role::Viewer),
    reads("ListMappings", Role::Viewer),
    changes("DeleteMapping", Role::Admin),
    // What may be removed at all is the mapping's policy, which an admin has set; that this set of changes is meant is for
    // whoever runs it to say.
    changes("ApproveHeld", Role::Operator),
    changes("TriggerSync", Role::Operator),
    reads("GetSync", Role::Viewer),
    reads("ListSyncs", Role::Viewer),
    reads("WatchSync", Role::Viewer),
    changes("CancelSync", Role::Operator),
    reads("ListSyncRecords", Role::Viewer),
    reads("ListDevices", Role::Viewer),
    reads("ExplainDevice", Role::Viewer),
    reads("GetStatus", Role::Viewer),
    changes("ConfigureAlerts", Role::Admin),
    reads("GetAlerts", Role::Viewer),
    // It sends something out, and records what came of it.
    changes("TestAlerts", Role::Operator),
    reads("ListAuditEvents", Role::Admin),
];

/// What is not in the table.
static UNKNOWN: Rpc = reads("", Role::Admin);
/// Reflection tells of the contract and of nothing that is stored.
static REFLECTION: Rpc = reads("ServerReflectionInfo", Role::Viewer);

/// What a path needs; `None`: it is open to all.
pub(crate) fn of_path(path: &str) -> Option<&'static Rpc> {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    match service {
        "grpc.health.v1.Health" => None,
        "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => Some(&REFLECTION),
        SERVICE_NAME => Some(RPCS.iter().find(|rpc| rpc.name == method).unwrap_or(&UNKNOWN)),
        _ => Some(&UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::contract;

    #[test]
    fn every_call_of_the_contract_has_a_role_and_nothing_else_has() {
        let mut contract: Vec<String> = contract::service().methods().map(|method| method.name().to_owned()).collect();
        let mut table: Vec<String> = RPCS.iter().map(|rpc| rpc.name.to_owned()).collect();
        contract.sort();
        table.sort();
        assert_eq!(table, contract, "give each new call its role in RPCS of roles.rs");
    }

    #[test]
    fn what_only_reads_by_its_name_is_in_the_table_as_such() {
        for rpc in RPCS {
            let by_name =
                ["Get", "List", "Watch", "Explain", "Suggest"].iter().any(|begin| rpc.name.starts_with(begin));
            assert_eq!(rpc.changes, !by_name, "{}", rpc.name);
            assert!(!rpc.changes || rpc.role >= Role::Operator, "{}", rpc.name);
        }
    }

    #[test]
    fn health_is_open_reflection_needs_a_viewer_and_what_is_unknown_an_admin() {
        let role = |path| of_path(path).map(|rpc| rpc.role);
        assert_eq!(role("/grpc.health.v1.Health/Check"), None);
        assert_eq!(role("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), Some(Role::Viewer));
        assert_eq!(role("/pandaport.v1.ControlPlaneService/GetSync"), Some(Role::Viewer));
        for unknown in [
            "/pandaport.v1.ControlPlaneService/Made",
            "/pandaport.v1.ControlPlaneService",
            "/grpc.health.v1.Healthy/Check",
            "/GetSync",
            "//grpc.health.v1.Health2/Check",
            "",
        ] {
            assert_eq!(role(unknown), Some(Role::Admin), "{unknown}");
        }
    }
}
