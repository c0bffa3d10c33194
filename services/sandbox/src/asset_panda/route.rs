//! The routes of the Asset Panda Pro stand-in (asset-panda-pro-api.md section 3).

use http::Method;

use crate::traffic::Operation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Accounts,
    Account(&'a str),
    Modules,
    Module(&'a str),
    Collections,
    Collection(&'a str),
    Columns,
    Categories,
    Record(&'a str),
    Search,
    Create,
    Update,
    Delete,
    Unknown,
}

impl<'a> Route<'a> {
    pub(super) fn parse(method: &Method, path: &'a str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method.as_str(), &segments[..]) {
            ("GET", ["accounts"]) => Self::Accounts,
            ("GET", ["account", id]) => Self::Account(id),
            ("GET", ["modules"]) => Self::Modules,
            ("GET", ["module", id]) => Self::Module(id),
            ("GET", ["collections"]) => Self::Collections,
            ("GET", ["collection", id]) => Self::Collection(id),
            ("GET", ["collection-columns"]) => Self::Columns,
            ("GET", ["categories"]) => Self::Categories,
            ("GET", ["collection-record", id]) => Self::Record(id),
            ("POST", ["collection-records", "search"]) => Self::Search,
            ("POST", ["collection-records"]) => Self::Create,
            ("PUT", ["collection-records"]) => Self::Update,
            ("DELETE", ["collection-records"]) => Self::Delete,
            _ => Self::Unknown,
        }
    }

    /// The path as counters name it.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Accounts => "/accounts",
            Self::Account(_) => "/account/{id}",
            Self::Modules => "/modules",
            Self::Module(_) => "/module/{id}",
            Self::Collections => "/collections",
            Self::Collection(_) => "/collection/{id}",
            Self::Columns => "/collection-columns",
            Self::Categories => "/categories",
            Self::Record(_) => "/collection-record/{id}",
            Self::Search => "/collection-records/search",
            Self::Create | Self::Update | Self::Delete => "/collection-records",
            Self::Unknown => "(unknown)",
        }
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Accounts | Self::Account(_) => Operation::Accounts,
            Self::Modules | Self::Module(_) => Operation::Modules,
            Self::Collections | Self::Collection(_) => Operation::Collections,
            Self::Columns => Operation::Columns,
            Self::Record(_) => Operation::Record,
            Self::Search => Operation::Search,
            Self::Create => Operation::Create,
            Self::Update => Operation::Update,
            Self::Delete => Operation::Delete,
            Self::Categories | Self::Unknown => Operation::Other,
        }
    }
}
