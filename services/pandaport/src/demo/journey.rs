//! The journey itself, as a caller takes it: connect, map, sync, sync again, change something, sync once more.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use jiff::Timestamp;
use pandaport_api::v1::{
    AssetPandaSettings, ConfigureConnectionRequest, CreateMappingRequest, ExternalEntity, FieldChange, Identifier,
    KandjiSettings, ListSyncRecordsRequest, Mapping, RecordOutcome, Sync, SyncState, TriggerSyncRequest,
};

use super::sandbox::{Control, Seen};
use super::stage::Stage;
use crate::client::watch::{Follow, watch};
use crate::client::{Client, ClientArgs, by_name, catalog, connect};
use crate::console::{Console, Ink};
use crate::error::Error;
use crate::show;
use crate::show::table::{Kind, table};
use crate::show::text::{count, number, wrap};
use crate::show::value::value;

/// The field that identifies a device.
const IDENTIFIER: &str = "serial_number";
/// How many changed devices are shown.
const SHOWN: usize = 3;

/// A caller on its way.
pub(super) struct Journey<'a> {
    devices: u32,
    stage: &'a Stage,
    console: &'a mut Console,
    client: Client,
    control: Control,
    /// All that the stand-ins saw before they were last asked to forget.
    total: Seen,
}

impl<'a> Journey<'a> {
    pub(super) async fn new(devices: u32, stage: &'a Stage, console: &'a mut Console) -> Result<Self, Error> {
        let args = ClientArgs { endpoint: format!("http://{}", stage.grpc()), ..ClientArgs::default() };
        let client = connect(&args).await?;
        let control = Control::new(stage.control_url());
        Ok(Self { devices, stage, console, client, control, total: Seen::default() })
    }

    /// Goes all the way and answers with the mapping's id.
    pub(super) async fn walk(mut self) -> Result<String, Error> {
        let connection_id = self.connect().await?;
        let (mapping_id, first) = self.map(&connection_id).await?;
        self.first_sync(&first).await?;
        self.nothing_changed(&mapping_id).await?;
        self.something_changed(&mapping_id).await?;
        self.sum_up().await?;
        Ok(mapping_id)
    }

    async fn connect(&mut self) -> Result<String, Error> {
        self.title("Connect", "the credentials are tested, and saved only if they work")?;
        let ready = self.stage.ready();
        let request = ConfigureConnectionRequest {
            display_name: "Example Org".to_owned(),
            kandji: Some(KandjiSettings {
                base_url: ready.kandji_url.clone(),
                api_token: ready.credentials.kandji_token.clone(),
            }),
            asset_panda: Some(AssetPandaSettings {
                base_url: ready.asset_panda_url.clone(),
                access_key_id: ready.credentials.access_key_id.clone(),
                access_key_secret: ready.credentials.access_key_secret.clone(),
                // Not given: the test takes the only ones there are.
                account_id: String::new(),
                module_id: String::new(),
            }),
            verify: true,
            ..ConfigureConnectionRequest::default()
        };
        let answer = self.client.rpc().configure_connection(request).await;
        let answer = self.client.answer(answer)?;
        self.console.line(show::checks::checks(self.console, &answer.checks))?;
        expect(answer.saved, || "the connection should have passed its test".to_owned())?;
        let connection = answer.connection.context("the connection that was saved")?;
        Ok(connection.connection_id)
    }

    async fn map(&mut self, connection_id: &str) -> Result<(String, String), Error> {
        self.title("Map", "each Kandji field to the column of its name")?;
        let collection = catalog::collection(&mut self.client, connection_id, "ITAM").await?;
        let columns = catalog::columns(&mut self.client, connection_id, &collection.collection_id).await?;
        let fields = catalog::source_fields(&mut self.client).await?;
        let identifier = fields.iter().find(|it| it.key == IDENTIFIER).context("the field serial_number")?;
        let column = by_name::column(&columns, &identifier.display_name).map_err(|error| anyhow!(error))?;
        let pairs = by_name::pairs(&fields, &columns, IDENTIFIER, &[&column.column_id]);
        expect(pairs.len() + 1 == fields.len(), || {
            format!("all {} fields should have found a column, not {}", fields.len(), pairs.len() + 1)
        })?;
        let names: Vec<&str> = fields.iter().map(|it| it.display_name.as_str()).collect();
        let intro = format!(
            "Collection {} has {} columns; these {} are mapped, {} identifies a device:",
            collection.display_name,
            columns.len(),
            fields.len(),
            identifier.display_name
        );
        let request = CreateMappingRequest {
            connection_id: connection_id.to_owned(),
            mapping: Some(Mapping {
                display_name: "Kandji Device Import".to_owned(),
                external_entity: ExternalEntity::Devices.into(),
                collection_id: collection.collection_id.clone(),
                identifier: Some(Identifier {
                    source_field: IDENTIFIER.to_owned(),
                    column_id: column.column_id.clone(),
                }),
                fields: pairs,
                ..Mapping::default()
            }),
            ..CreateMappingRequest::default()
        };
        self.forget().await?;
        let answer = self.client.rpc().create_mapping(request).await;
        let answer = self.client.answer(answer)?;
        self.console.line(format!("  {intro}"))?;
        for line in wrap(&names, ", ", 92) {
            self.console.line(format!("    {}", self.console.ink(Ink::Dim, &line)))?;
        }
        let mapping = answer.mapping.context("the mapping that was created")?;
        let sync = answer.sync.context("the first sync of the mapping")?;
        Ok((mapping.mapping_id, sync.sync_id))
    }

    async fn first_sync(&mut self, sync_id: &str) -> Result<(), Error> {
        self.title("First sync", "it began when the mapping was saved")?;
        let (sync, seen) = self.follow(sync_id).await?;
        let counts = sync.counts.unwrap_or_default();
        expect(sync.state() == SyncState::Succeeded && counts.created == self.devices, || {
            format!(
                "the first sync should have created {}: {}",
                number(self.devices.into()),
                show::sync::sentence(&sync)
            )
        })?;
        let records = self.control.records().await?;
        expect(records == u64::from(self.devices), || format!("the collection holds {records} records"))?;
        self.told(&format!("{}, five records each.", count(seen.writes, "write", "writes")))
    }

    async fn nothing_changed(&mut self, mapping_id: &str) -> Result<(), Error> {
        self.title("Again", "nothing has changed in Kandji")?;
        let sync_id = self.trigger(mapping_id).await?;
        let (sync, seen) = self.follow(&sync_id).await?;
        let counts = sync.counts.unwrap_or_default();
        expect(sync.state() == SyncState::Succeeded && counts.unchanged == self.devices && seen.writes == 0, || {
            format!(
                "the second sync should have left everything as it was, with no write: {} {}",
                show::sync::sentence(&sync),
                count(seen.writes, "write", "writes")
            )
        })?;
        self.told("Nothing was written.")
    }

    async fn something_changed(&mut self, mapping_id: &str) -> Result<(), Error> {
        // At least one device, also of a small fleet.
        let percent = f64::max(1.0, 100.0 / f64::from(self.devices));
        let changed = self.control.change(percent).await?;
        let what = format!(
            "{} a new name and a new OS version in Kandji",
            count(changed.into(), "device gets", "devices get")
        );
        self.title("Change", &what)?;
        let sync_id = self.trigger(mapping_id).await?;
        let (sync, seen) = self.follow(&sync_id).await?;
        let counts = sync.counts.unwrap_or_default();
        expect(
            sync.state() == SyncState::Succeeded
                && changed > 0
                && counts.updated == changed
                && counts.unchanged == self.devices - changed
                && seen.writes == u64::from(changed.div_ceil(5)),
            || format!("the third sync should have written what changed: {}", show::sync::sentence(&sync)),
        )?;
        let records = self.records(&sync_id).await?;
        self.console.line(records)?;
        Ok(())
    }

    /// The first few devices that changed, old values and new.
    async fn records(&mut self, sync_id: &str) -> Result<String, Error> {
        let request = ListSyncRecordsRequest {
            sync_id: sync_id.to_owned(),
            outcomes: vec![RecordOutcome::Updated.into()],
            page_size: u32::try_from(SHOWN).unwrap_or_default(),
            page_token: String::new(),
        };
        let answer = self.client.rpc().list_sync_records(request).await;
        let records = self.client.answer(answer)?.records;
        expect(records.iter().all(|it| !it.changes.is_empty()), || "an update should name what it changed".to_owned())?;
        let mut rows = Vec::new();
        for record in &records {
            for (i, change) in record.changes.iter().enumerate() {
                let serial = if i == 0 { record.serial_number.clone() } else { String::new() };
                rows.push(change_row(serial, change));
            }
        }
        let columns = [("SERIAL", Kind::Id), ("FIELD", Kind::Id), ("OLD", Kind::Text), ("NEW", Kind::Text)];
        let width = self.console.width().map(|it| it.saturating_sub(2));
        Ok(indented(&table(width, &columns, &rows)))
    }

    async fn sum_up(&mut self) -> Result<(), Error> {
        self.forget().await?;
        let violations = self.control.violations().await?;
        let Seen { kandji, asset_panda, kandji_not_get, .. } = self.total;
        expect(kandji_not_get == 0 && violations == 0, || {
            format!("{kandji_not_get} requests to Kandji were no GET, and {violations} requests were out of order")
        })?;
        self.console.line(String::new())?;
        let tick = self.console.ink(Ink::Green, "✓");
        self.console.line(format!(
            "{tick} {} in Asset Panda, and current.\n  In all {} to Kandji, nothing but GET, and {} to Asset Panda.",
            count(self.devices.into(), "device is", "devices are"),
            count(kandji, "call", "calls"),
            number(asset_panda)
        ))?;
        Ok(())
    }

    async fn trigger(&mut self, mapping_id: &str) -> Result<String, Error> {
        let request = TriggerSyncRequest { mapping_id: mapping_id.to_owned(), ..TriggerSyncRequest::default() };
        let answer = self.client.rpc().trigger_sync(request).await;
        let sync = self.client.answer(answer)?.sync.context("the sync that was queued")?;
        Ok(sync.sync_id)
    }

    /// Follows a sync to its end and shows what came of it; answers with what the stand-ins saw of it.
    async fn follow(&mut self, sync_id: &str) -> Result<(Sync, Seen), Error> {
        let follow = Follow::people(self.console);
        let watched = watch(&mut self.client, self.console, sync_id, follow);
        let sync = tokio::time::timeout(Duration::from_secs(3_600), watched)
            .await
            .map_err(|_| anyhow!("the sync has not ended within an hour"))??;
        let width = self.console.width().map(|it| it.saturating_sub(2));
        self.console.line(indented(&show::sync::outcome(width, &sync, Timestamp::now())))?;
        let seen = self.forget().await?;
        Ok((sync, seen))
    }

    /// What the stand-ins have seen since this was last asked.
    async fn forget(&mut self) -> Result<Seen, Error> {
        let seen = self.control.seen().await?;
        self.control.forget().await?;
        self.total.kandji += seen.kandji;
        self.total.asset_panda += seen.asset_panda;
        self.total.writes += seen.writes;
        self.total.kandji_not_get += seen.kandji_not_get;
        Ok(seen)
    }

    fn title(&mut self, title: &str, what: &str) -> Result<(), Error> {
        let title = self.console.ink(Ink::Bold, title);
        let what = self.console.ink(Ink::Dim, what);
        Ok(self.console.line(format!("\n{title}  {what}"))?)
    }

    fn told(&mut self, text: &str) -> Result<(), Error> {
        let tick = self.console.ink(Ink::Green, "✓");
        Ok(self.console.line(format!("  {tick} {text}"))?)
    }
}

fn change_row(serial: String, it: &FieldChange) -> Vec<String> {
    vec![serial, it.source_field.clone(), value(it.old_value.as_ref()), value(it.new_value.as_ref())]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A step that does not come out as it should is the end of the demo, and of its good name.
fn expect(as_it_should: bool, otherwise: impl FnOnce() -> String) -> anyhow::Result<()> {
    ensure!(as_it_should, "{}", otherwise());
    Ok(())
}
