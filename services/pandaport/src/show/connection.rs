//! Connections and what they lead to.

use pandaport_api::v1::{AssetPandaModule, Collection, Column, Connection};

use super::name::short;
use super::table::{Kind, sheet, table};
use super::time::moment;

/// A table of connections.
#[must_use]
pub fn connections(width: Option<u16>, connections: &[Connection]) -> String {
    let rows: Vec<Vec<String>> = connections
        .iter()
        .map(|it| {
            vec![
                it.connection_id.clone(),
                it.display_name.clone(),
                state(it),
                kandji_url(it),
                moment(it.verify_time.as_ref()),
            ]
        })
        .collect();
    let columns = [
        ("CONNECTION", Kind::Id),
        ("NAME", Kind::Text),
        ("STATE", Kind::Id),
        ("KANDJI", Kind::Text),
        ("VERIFIED", Kind::Id),
    ];
    table(width, &columns, &rows)
}

/// One connection, a line for each of its properties.
#[must_use]
pub fn connection(width: Option<u16>, it: &Connection) -> String {
    let kandji = it.kandji.clone().unwrap_or_default();
    let asset_panda = it.asset_panda.clone().unwrap_or_default();
    let hint = |hint: &str| {
        if hint.is_empty() { "set".to_owned() } else { format!("ends in {hint}") }
    };
    let chosen = |id: String| {
        if id.is_empty() { "not chosen yet".to_owned() } else { id }
    };
    let lines = [
        ("Connection", it.connection_id.clone()),
        ("Name", it.display_name.clone()),
        ("State", state(it)),
        ("Verified", moment(it.verify_time.as_ref())),
        ("Kandji", kandji_url(it)),
        ("  entered as", kandji.base_url),
        ("  token", hint(&kandji.token_hint)),
        ("Asset Panda", asset_panda.base_url),
        ("  key", hint(&asset_panda.key_hint)),
        ("  account", chosen(asset_panda.account_id)),
        ("  module", chosen(asset_panda.module_id)),
        ("Created", moment(it.create_time.as_ref())),
        ("Changed", moment(it.update_time.as_ref())),
    ];
    sheet(width, &lines)
}

/// A table of the modules that a key can see.
#[must_use]
pub fn modules(width: Option<u16>, modules: &[AssetPandaModule]) -> String {
    let rows: Vec<Vec<String>> = modules
        .iter()
        .map(|it| vec![it.account_id.clone(), it.account_name.clone(), it.module_id.clone(), it.module_name.clone()])
        .collect();
    let columns = [("ACCOUNT", Kind::Id), ("NAME", Kind::Text), ("MODULE", Kind::Id), ("NAME", Kind::Text)];
    table(width, &columns, &rows)
}

/// A table of collections.
#[must_use]
pub fn collections(width: Option<u16>, collections: &[Collection]) -> String {
    let rows: Vec<Vec<String>> =
        collections.iter().map(|it| vec![it.collection_id.clone(), it.display_name.clone()]).collect();
    let columns = [("COLLECTION", Kind::Id), ("NAME", Kind::Text)];
    table(width, &columns, &rows)
}

/// A table of a collection's columns.
#[must_use]
pub fn columns(width: Option<u16>, columns: &[Column]) -> String {
    let rows: Vec<Vec<String>> = columns
        .iter()
        .map(|it| {
            vec![
                it.column_id.clone(),
                it.display_name.clone(),
                short(it.r#type().as_str_name(), "COLUMN_TYPE_").to_owned(),
                short(it.uniqueness().as_str_name(), "COLUMN_UNIQUENESS_").to_owned(),
                if it.writable { "yes" } else { "no" }.to_owned(),
                it.options.join(", "),
            ]
        })
        .collect();
    let head = [
        ("COLUMN", Kind::Id),
        ("NAME", Kind::Text),
        ("TYPE", Kind::Id),
        ("UNIQUE", Kind::Id),
        ("WRITABLE", Kind::Id),
        ("OPTIONS", Kind::Text),
    ];
    table(width, &head, &rows)
}

fn state(it: &Connection) -> String {
    let state = short(it.state().as_str_name(), "CONNECTION_STATE_");
    if it.state_reason.is_empty() { state.to_owned() } else { format!("{state} ({})", it.state_reason) }
}

fn kandji_url(it: &Connection) -> String {
    it.kandji.as_ref().map(|it| it.api_url.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{AssetPandaEndpoint, ColumnType, ColumnUniqueness, ConnectionState, KandjiEndpoint};

    use super::*;

    fn failing() -> Connection {
        Connection {
            connection_id: "0199aaaa-0000-7000-8000-000000000001".into(),
            display_name: "Example Org".into(),
            kandji: Some(KandjiEndpoint {
                base_url: "https://example.kandji.io".into(),
                api_url: "https://example.api.kandji.io".into(),
                token_hint: "a1b2".into(),
            }),
            asset_panda: Some(AssetPandaEndpoint {
                base_url: "https://api.assetpanda.app".into(),
                account_id: "01JACC0001".into(),
                module_id: String::new(),
                key_hint: String::new(),
            }),
            state: ConnectionState::Failing.into(),
            state_reason: "TOKEN_REFUSED".into(),
            ..Connection::default()
        }
    }

    #[test]
    fn a_connection_shows_its_ends_and_why_it_fails_but_no_secret() {
        insta::assert_snapshot!(connection(None, &failing()), @r#"
        Connection    0199aaaa-0000-7000-8000-000000000001
        Name          Example Org
        State         FAILING (TOKEN_REFUSED)
        Verified      -
        Kandji        https://example.api.kandji.io
          entered as  https://example.kandji.io
          token       ends in a1b2
        Asset Panda   https://api.assetpanda.app
          key         set
          account     01JACC0001
          module      not chosen yet
        Created       -
        Changed       -
        "#);
    }

    #[test]
    fn a_table_of_connections() {
        insta::assert_snapshot!(connections(None, &[failing()]), @r#"
        CONNECTION                            NAME         STATE                    KANDJI                         VERIFIED
        0199aaaa-0000-7000-8000-000000000001  Example Org  FAILING (TOKEN_REFUSED)  https://example.api.kandji.io  -
        "#);
    }

    #[test]
    fn columns_show_what_a_mapping_needs_to_know() {
        let serial = Column {
            column_id: "01HW_0_serial_text".into(),
            display_name: "Serial Number".into(),
            r#type: ColumnType::Text.into(),
            type_uri: "ap://system/datatype/text".into(),
            uniqueness: ColumnUniqueness::Unique.into(),
            writable: true,
            options: vec![],
        };
        let platform = Column {
            column_id: "01HW_1_platform_select".into(),
            display_name: "Platform".into(),
            r#type: ColumnType::Select.into(),
            uniqueness: ColumnUniqueness::NotUnique.into(),
            writable: false,
            options: vec!["Mac".into(), "iPad".into()],
            ..serial.clone()
        };
        insta::assert_snapshot!(columns(None, &[serial, platform]), @r#"
        COLUMN                  NAME           TYPE    UNIQUE      WRITABLE  OPTIONS
        01HW_0_serial_text      Serial Number  TEXT    UNIQUE      yes
        01HW_1_platform_select  Platform       SELECT  NOT_UNIQUE  no        Mac, iPad
        "#);
    }
}
