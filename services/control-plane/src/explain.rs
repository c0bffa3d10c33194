//! ExplainDevice: what Kandji says of a device, what was last written, what came of it last, and what comes next.
//!
//! Kandji is asked once or twice, Asset Panda for the columns and, where a sync would have to look, for the identifier.
//! If either is out, the answer is made of what is stored, and says so.

mod choose;
mod evidence;
mod kandji;
mod link;
mod next;
mod order;
mod view;

use pandaport_api::v1 as proto;
use pandaport_api::v1::explain_device_request::Device as Named;
use pandaport_import::{MappingSpec, SourceField, identifier_key};
use pandaport_kandji::{KandjiClient, PageEntry};
use pandaport_store::device_detail::{self, By, DeviceDetail};
use pandaport_store::engine::flag;
use pandaport_store::mappings::{self, Mapping, MappingState};
use pandaport_store::{MappingId, Micros, StoreError};

use self::choose::{Candidate, choose};
use self::kandji::{Live, with_serial};
use self::next::{Situation, next};
use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::devices::removed_is_gone;
use crate::errors::{CallError, Result};
use crate::limits::MAX_FOREIGN_ID;
use crate::reason;
use crate::validate::Violations;

impl ControlPlane {
    pub(crate) async fn explain_device(
        &self,
        caller: &Caller,
        request: proto::ExplainDeviceRequest,
    ) -> Result<proto::ExplainDeviceResponse> {
        let mut violations = Violations::default();
        let mapping_id = MappingId(violations.id("mapping_id", &request.mapping_id));
        let named = named(&mut violations, request.device);
        violations.check()?;
        let mapping = mappings::get(&self.store, &caller.tenant, mapping_id).await?;
        let spec = mappings::spec(&self.store, &caller.tenant, mapping_id, mapping.revision).await?;
        let spec: MappingSpec = serde_json::from_str(&spec).map_err(|error| StoreError::corrupt("mapping", error))?;
        let clients = self.upstream.open(&caller.tenant, mapping.connection_id.0, None).await?;
        let now = Micros::now();
        let Found { device_id, detail, live, others } = self.find(mapping_id, &spec, &clients.kandji, &named).await?;

        let evidence = match &live {
            Live::Listed(device) => self.evidence(&clients, &mapping, &spec, detail.as_ref(), device, now).await?,
            _ => Err(String::new()),
        };
        let next = next(&Situation { spec: &spec, detail: detail.as_ref(), live: &live, evidence, now });
        let last_record = device_detail::last_record(&self.store, &caller.tenant, mapping_id, &device_id).await?;
        clients.release().await;
        Ok(proto::ExplainDeviceResponse {
            kandji: Some(view::kandji(&live, now)),
            written: detail.as_ref().map(|it| view::written(it, &spec)).transpose()?.unwrap_or_default(),
            last_record: last_record.map(view::last_record).transpose()?,
            next: Some(view::next_step(next, broken(&mapping))),
            device: detail.map(|detail| {
                let told = crate::standing::told(&detail.device, &spec);
                convert::device(detail.device, told)
            }),
            other_device_ids: others,
        })
    }

    /// The one device that is meant, as it is stored and as Kandji lists it.
    async fn find(
        &self,
        mapping_id: MappingId,
        spec: &MappingSpec,
        kandji: &KandjiClient,
        named: &Named,
    ) -> Result<Found> {
        let stored = self.stored(mapping_id, spec, named).await?;
        // Where the list can be filtered by what is asked for, Kandji may know devices that no sync has seen.
        let listed = match (named, spec.identifier.source_field) {
            (Named::DeviceId(id), _) | (Named::Identifier(id), SourceField::DeviceId) => {
                return self.by_id(id.clone(), stored, named, kandji).await;
            }
            (Named::SerialNumber(serial), _) | (Named::Identifier(serial), SourceField::SerialNumber) => {
                with_serial(kandji, serial).await
            }
            _ => Ok(Vec::new()),
        };
        let (entries, not_known) = match listed {
            Ok(entries) => (entries, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let candidates = candidates(&stored, &entries, not_known.is_none());
        let Some(at) = choose(&candidates) else {
            return Err(match (candidates.is_empty(), not_known) {
                (true, Some(error)) => CallError::Kandji(error),
                (true, None) => unknown(named, spec),
                (false, _) => several(named, &candidates),
            });
        };
        let device_id = candidates[at].device_id.clone();
        let others = candidates.into_iter().map(|it| it.device_id).filter(|it| *it != device_id).collect();
        let detail = stored.into_iter().find(|it| it.device.device_id == device_id);
        let live = match not_known {
            Some(error) => Live::NotKnown(error),
            None => match Live::among(entries, &device_id) {
                // Its serial number may have changed: that it is not listed is certain only by its id.
                Live::NotListed => Live::by_id(kandji, &device_id).await,
                live => live,
            },
        };
        Ok(Found { device_id, detail, live, others })
    }

    async fn by_id(
        &self,
        device_id: String,
        stored: Vec<DeviceDetail>,
        named: &Named,
        kandji: &KandjiClient,
    ) -> Result<Found> {
        let detail = stored.into_iter().find(|it| it.device.device_id == device_id);
        let live = Live::by_id(kandji, &device_id).await;
        match (&detail, live) {
            (None, Live::NotKnown(error)) => Err(CallError::Kandji(error)),
            (None, Live::NotListed) => Err(CallError::NotFound {
                what: "device",
                id: format!("{}: neither Kandji lists it now, nor has a sync of this mapping kept it", shown(named)),
            }),
            (_, live) => Ok(Found { device_id, detail, live, others: Vec::new() }),
        }
    }

    async fn stored(&self, mapping_id: MappingId, spec: &MappingSpec, named: &Named) -> Result<Vec<DeviceDetail>> {
        let key;
        let by = match named {
            Named::DeviceId(id) => By::DeviceId(id),
            Named::SerialNumber(serial) => By::SerialNumber(serial),
            Named::Identifier(identifier) => {
                key = identifier_key(identifier);
                By::IdentifierKey(&key)
            }
        };
        let order: Vec<&str> = spec.column_order().collect();
        let mut stored = self.details(mapping_id, &order, by, removed_is_gone(spec)).await?;
        if let Named::Identifier(identifier) = named {
            stored.retain(|it| it.device.identifier.as_deref() == Some(identifier));
        }
        Ok(stored)
    }
}

/// The device that is meant.
struct Found {
    device_id: String,
    detail: Option<DeviceDetail>,
    live: Live,
    /// Others that the request fits.
    others: Vec<String>,
}

fn named(violations: &mut Violations, device: Option<Named>) -> Named {
    let (field, text) = match &device {
        Some(Named::DeviceId(text)) => ("device_id", text.as_str()),
        Some(Named::SerialNumber(text)) => ("serial_number", text.as_str()),
        Some(Named::Identifier(text)) => ("identifier", text.as_str()),
        None => {
            violations.malformed("device_id", "One of device_id, serial_number and identifier is required.");
            return Named::DeviceId(String::new());
        }
    };
    violations.required_text(field, text, MAX_FOREIGN_ID);
    device.unwrap_or_else(|| Named::DeviceId(String::new()))
}

/// All devices that the name fits, as the store and Kandji know them.
fn candidates(stored: &[DeviceDetail], entries: &[PageEntry], kandji_answered: bool) -> Vec<Candidate> {
    let listed: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match entry {
            PageEntry::Device(device) => Some(device.device_id.as_str()),
            PageEntry::Unreadable(entry) => entry.device_id.as_deref(),
        })
        .collect();
    let mut candidates: Vec<Candidate> = stored
        .iter()
        .map(|it| Candidate {
            device_id: it.device.device_id.clone(),
            // A list that was not asked, or not by what tells them apart, says nothing: the last sync does.
            listed: if kandji_answered && !listed.is_empty() {
                listed.contains(&it.device.device_id.as_str())
            } else {
                it.device.absent_since.is_none()
            },
            linked: it.device.flags & flag::LINKED != 0,
        })
        .collect();
    for device_id in listed {
        if candidates.iter().all(|it| it.device_id != device_id) {
            candidates.push(Candidate { device_id: device_id.to_owned(), listed: true, linked: false });
        }
    }
    candidates
}

fn shown(named: &Named) -> String {
    match named {
        Named::DeviceId(id) => format!("with id {id}"),
        Named::SerialNumber(serial) => format!("with serial number \"{serial}\""),
        Named::Identifier(identifier) => format!("with identifier \"{identifier}\""),
    }
}

fn unknown(named: &Named, spec: &MappingSpec) -> CallError {
    let asked = match (named, spec.identifier.source_field) {
        (Named::Identifier(_), field) if !matches!(field, SourceField::DeviceId | SourceField::SerialNumber) => {
            format!(
                "no sync of this mapping has kept it, and Kandji's list can't be asked for {}; try its id or serial number",
                field.display_name()
            )
        }
        _ => "neither Kandji lists it now, nor has a sync of this mapping kept it".to_owned(),
    };
    CallError::NotFound { what: "device", id: format!("{}: {asked}", shown(named)) }
}

fn several(named: &Named, candidates: &[Candidate]) -> CallError {
    let ids: Vec<&str> = candidates.iter().map(|it| it.device_id.as_str()).collect();
    CallError::Precondition {
        reason: reason::DEVICE_AMBIGUOUS,
        message: format!("{} devices {}: {}. Ask for one of them by its id.", ids.len(), shown(named), ids.join(", ")),
    }
}

fn broken(mapping: &Mapping) -> Option<&str> {
    (mapping.state == MappingState::Broken).then_some(mapping.state_reason.as_str())
}
