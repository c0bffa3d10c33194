//! What a decision needs of Asset Panda and of other devices: as a sync would gather it, for one device.

use std::collections::HashMap;

use pandaport_import::{
    Cell, CellSpec, FoundRecord, MappingSpec, Mode, Projection, Projector, WriteRule, identifier_key, needs_look_up,
    passenger_due, record_values, same,
};
use pandaport_kandji::Device;
use pandaport_store::device_detail::{self, By, DeviceDetail};
use pandaport_store::engine::flag;
use pandaport_store::mappings::Mapping;
use pandaport_store::{MappingId, Micros};
use pandaport_upstream::{Clients, KandjiDevice, import_columns};

use super::link::Link;
use super::next::Evidence;
use crate::control_plane::ControlPlane;
use crate::errors::Result;

impl ControlPlane {
    /// What is to be known to decide on a device that Kandji lists; as an error, why it can't be.
    pub(super) async fn evidence(
        &self,
        clients: &Clients,
        mapping: &Mapping,
        spec: &MappingSpec,
        detail: Option<&DeviceDetail>,
        device: &Device,
        now: Micros,
    ) -> Result<Result<Evidence, String>> {
        let asset_panda = clients.scoped()?;
        let columns = match asset_panda.columns(&mapping.collection_id).await {
            Ok(columns) => import_columns(columns),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let nobody = HashMap::new();
        let projector = Projector::new(spec, &columns);
        let wanted = projector.project(&KandjiDevice { device, active_users: &nobody });
        let mut link = detail.map(Link::own).transpose()?.flatten();
        if link.is_none() {
            link = self.gone_with_serial(mapping.mapping_id, spec, device).await?;
        }
        // One that was rejected last time is looked up, too: its identifier may be the reason.
        let rejected = detail.is_some_and(|it| it.device.flags & flag::REJECTED != 0);
        let case = link.as_ref().map(Link::case);
        let looked_up = needs_look_up(projector.cells(), &wanted, case.as_ref(), Mode::Incremental)
            || (rejected && !wanted.is_unfit());
        let mut found = Vec::new();
        let mut more = false;
        if let (true, Some(identifier)) = (looked_up, wanted.identifier.as_str()) {
            let read: Vec<String> = projector.cells().iter().map(|cell| cell.column_id.clone()).collect();
            let column = &spec.identifier.column_id;
            match asset_panda.search(&mapping.collection_id, column, &[identifier.to_owned()], &read).await {
                Ok(outcome) => {
                    more = outcome.more.iter().any(|it| it == identifier);
                    found.extend(outcome.records.into_iter().map(|record| FoundRecord {
                        values: record_values(projector.cells(), &record.values),
                        record_id: record.id,
                        held_by: None,
                    }));
                }
                Err(error) => return Ok(Err(error.to_string())),
            }
            link = self.holders(mapping.mapping_id, device, &projector, &wanted, &mut found, link).await?;
        }
        let rivals = match wanted.identifier.as_str() {
            Some(identifier) => {
                let key = identifier_key(identifier);
                device_detail::rivals(&self.store, mapping.mapping_id, &device.device_id, &key).await?
            }
            None => Vec::new(),
        };
        let has_passengers = projector.cells().iter().any(|cell| cell.write_rule == WriteRule::Passenger);
        let written = detail.and_then(|it| it.passenger_time).map(Micros::timestamp);
        let passenger_due =
            has_passengers && passenger_due(now.timestamp(), written, spec.passenger_max_age, &device.device_id);
        Ok(Ok(Evidence { projector, wanted, link, found, more, looked_up, passenger_due, rivals }))
    }

    /// The link of a device with the same serial number that is gone, or left out as removed: re-enrolment (rule 12).
    async fn gone_with_serial(
        &self,
        mapping_id: MappingId,
        spec: &MappingSpec,
        device: &Device,
    ) -> Result<Option<Link>> {
        let Some(serial) = device.serial_number.value() else { return Ok(None) };
        let order: Vec<&str> = spec.column_order().collect();
        let of_serial = self.details(mapping_id, &order, By::SerialNumber(serial), false).await?;
        let gone = of_serial
            .iter()
            .map(|it| (it, &it.device))
            .find(|(_, it)| may_be_taken_over(it.absent_since, it.flags) && it.device_id != device.device_id);
        let gone = gone.map(|it| it.0);
        Ok(gone.map(Link::taken_over).transpose()?.flatten())
    }

    /// Notes which of the found records other present devices hold. One that a device which is gone, or left out as removed,
    /// holds passes over.
    async fn holders(
        &self,
        mapping_id: MappingId,
        device: &Device,
        projector: &Projector,
        wanted: &Projection,
        found: &mut [FoundRecord],
        mut link: Option<Link>,
    ) -> Result<Option<Link>> {
        let ids: Vec<&str> = found.iter().map(|it| it.record_id.as_str()).collect();
        let holders = device_detail::holders(&self.store, mapping_id, &device.device_id, &ids).await?;
        for record in found.iter_mut() {
            let Some(holder) = holders.iter().find(|it| it.record_id.as_deref() == Some(record.record_id.as_str()))
            else {
                continue;
            };
            if !may_be_taken_over(holder.absent_since, holder.flags) {
                record.held_by = Some(holder.device_id.clone());
            } else if link.is_none() && has_identifier(projector.cells(), wanted, record) {
                let order: Vec<&str> = projector.cells().iter().map(|cell| cell.column_id.as_str()).collect();
                let gone = self.details(mapping_id, &order, By::DeviceId(&holder.device_id), false).await?;
                link = gone.first().map(Link::taken_over).transpose()?.flatten();
            }
        }
        Ok(link)
    }
}

/// Whether a link passes to another device, as far as the last sync has seen its own (rule 12).
fn may_be_taken_over(absent_since: Option<Micros>, flags: i64) -> bool {
    absent_since.is_some() || flags & flag::OUT_AS_REMOVED != 0
}

fn has_identifier(cells: &[CellSpec], wanted: &Projection, record: &FoundRecord) -> bool {
    match (&wanted.cells[0], record.values.first()) {
        (Cell::Value(wanted), Some(Some(present))) => same(&cells[0].column_type, wanted, present),
        _ => false,
    }
}
