//! The contract as it describes itself: for what is done the same for every call, whatever its message.

use std::sync::LazyLock;

use pandaport_api::v1::control_plane_service_server::SERVICE_NAME;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage as _, ServiceDescriptor, Value};
use uuid::Uuid;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // A test decodes it, so that this never is the empty one.
    DescriptorPool::decode(pandaport_api::FILE_DESCRIPTOR_SET).unwrap_or_default()
});

/// Names of fields that are kept of a message, at most.
const MOST_FIELDS: usize = 64;
/// What a call is about, or makes it repeatable: kept by itself.
const APART: [&str; 4] = ["connection_id", "mapping_id", "sync_id", "request_id"];

/// The ids of what a call is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) connection_id: Option<Uuid>,
    pub(crate) mapping_id: Option<Uuid>,
    pub(crate) sync_id: Option<Uuid>,
}

impl Ids {
    /// These, and where there is none, `others`.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            connection_id: self.connection_id.or(others.connection_id),
            mapping_id: self.mapping_id.or(others.mapping_id),
            sync_id: self.sync_id.or(others.sync_id),
        }
    }
}

/// What a request says of itself, without what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) ids: Ids,
    pub(crate) request_id: String,
    /// The fields that are set, by their paths.
    pub(crate) fields: Vec<String>,
}

/// The service.
#[cfg(test)]
pub(crate) fn service() -> ServiceDescriptor {
    find_service().unwrap_or_else(|| panic!("{SERVICE_NAME} is not in the contract"))
}

fn find_service() -> Option<ServiceDescriptor> {
    POOL.get_service_by_name(SERVICE_NAME)
}

fn method(name: &str) -> Option<MethodDescriptor> {
    find_service()?.methods().find(|it| it.name() == name)
}

/// What the request of a method, encoded, says of itself.
pub(crate) fn said(method_name: &str, request: &[u8]) -> Said {
    let message = method(method_name).and_then(|it| DynamicMessage::decode(it.input(), request).ok());
    let Some(message) = message else { return Said::default() };
    let mut fields = Vec::new();
    // Where a mask says which fields are meant, the others have no effect.
    let mask = message.fields().find_map(|(field, value)| match value {
        Value::Message(it) if it.descriptor().full_name() == "google.protobuf.FieldMask" => {
            Some((field.name().to_owned(), paths(it)))
        }
        _ => None,
    });
    match mask {
        Some((_, paths)) => fields.extend(paths),
        None => name_fields("", &message, &mut fields),
    }
    fields.truncate(MOST_FIELDS);
    Said { ids: ids_of(&message), request_id: text(&message, "request_id"), fields }
}

/// The ids in the answer of a method, encoded.
pub(crate) fn ids_in_answer(method_name: &str, answer: &[u8]) -> Ids {
    let message = method(method_name).and_then(|it| DynamicMessage::decode(it.output(), answer).ok());
    let Some(message) = message else { return Ids::default() };
    ["sync", "mapping", "connection"].into_iter().fold(Ids::default(), |ids, name| {
        let inner = message.get_field_by_name(name).filter(|_| message.has_field_by_name(name));
        match inner.as_deref() {
            Some(Value::Message(inner)) => ids.or(ids_of(inner)),
            _ => ids,
        }
    })
}

fn ids_of(message: &DynamicMessage) -> Ids {
    let id = |name| Uuid::try_parse(&text(message, name)).ok();
    Ids { connection_id: id("connection_id"), mapping_id: id("mapping_id"), sync_id: id("sync_id") }
}

fn text(message: &DynamicMessage, name: &str) -> String {
    let value = message.get_field_by_name(name);
    value.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn paths(mask: &DynamicMessage) -> Vec<String> {
    let paths = mask.get_field_by_name("paths");
    let paths = paths.as_deref().and_then(Value::as_list).unwrap_or_default();
    // They are the caller's own texts, which nobody has checked yet.
    let plain =
        |it: &&str| it.len() <= 100 && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    paths.iter().filter_map(Value::as_str).filter(plain).map(str::to_owned).collect()
}

fn name_fields(before: &str, message: &DynamicMessage, fields: &mut Vec<String>) {
    for (field, value) in message.fields() {
        let name = field.name();
        if before.is_empty() && APART.contains(&name) {
            continue;
        }
        match value {
            Value::Message(inner) if !inner.descriptor().full_name().starts_with("google.protobuf.") => {
                name_fields(&format!("{before}{name}."), inner, fields);
            }
            _ => fields.push(format!("{before}{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_api::v1 as proto;
    use prost::Message as _;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_request_says_which_fields_it_sets_and_never_what_to() {
        let request = proto::ConfigureConnectionRequest {
            connection_id: ID.into(),
            kandji: Some(proto::KandjiSettings { base_url: "https://a.kandji.io".into(), api_token: "hush".into() }),
            verify: true,
            request_id: "once".into(),
            ..Default::default()
        };
        let said = said("ConfigureConnection", &request.encode_to_vec());
        assert_eq!(said.ids.connection_id, Uuid::try_parse(ID).ok());
        assert_eq!(said.request_id, "once");
        assert_eq!(said.fields, ["kandji.base_url", "kandji.api_token", "verify"]);
    }

    #[test]
    fn where_a_mask_says_what_is_meant_only_that_is_named() {
        let request = proto::UpdateMappingRequest {
            mapping_id: ID.into(),
            mapping: Some(proto::Mapping { display_name: "a".into(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["schedule".into(), "<script>".into()] }),
            ..Default::default()
        };
        let said = said("UpdateMapping", &request.encode_to_vec());
        assert_eq!((said.ids.mapping_id, said.fields), (Uuid::try_parse(ID).ok(), vec!["schedule".to_owned()]));
    }

    #[test]
    fn what_a_call_made_is_found_in_its_answer() {
        let other = "01890a5d-ac96-774b-bcce-b302099a8058";
        let answer = proto::CreateMappingResponse {
            mapping: Some(proto::Mapping { mapping_id: ID.into(), connection_id: other.into(), ..Default::default() }),
            sync: Some(proto::Sync { sync_id: other.into(), mapping_id: ID.into(), ..Default::default() }),
            ..Default::default()
        };
        let ids = ids_in_answer("CreateMapping", &answer.encode_to_vec());
        let (id, other) = (Uuid::try_parse(ID).ok(), Uuid::try_parse(other).ok());
        assert_eq!(ids, Ids { connection_id: other, mapping_id: id, sync_id: other });
    }

    #[test]
    fn what_can_not_be_read_says_nothing() {
        assert_eq!(said("TriggerSync", &[0xff]), Said::default());
        assert_eq!(said("Unheard", &[]), Said::default());
        assert_eq!(ids_in_answer("TriggerSync", &[0xff]), Ids::default());
    }
}
