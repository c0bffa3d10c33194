//! The calls of the API.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, header};
use pandaport_outbound::{
    AllowedHosts, Answer, Call, Effect, ErrorKind, HostPolicy, Outbound, Permit, Retry, SendError,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use crate::assumptions::{MATCH_ANY, OPERATOR_CONTAINS, RECORD_ID_IN_WRITE, path};
use crate::base_url::policy;
use crate::record::FoundPage;
use crate::search::Search;
use crate::shape::{FromReply, Reply};
use crate::write::{RowReplies, assign};
use crate::{
    Account, BaseUrl, BaseUrlError, Batch, Collection, Column, Credentials, Module, NewRecord, Record, RecordChange,
    RowResult, SearchLimits, SearchOutcome,
};

/// The API as one key sees it. Cheap to clone.
#[derive(Clone)]
pub struct AssetPandaClient {
    shared: Arc<Shared>,
    limits: SearchLimits,
}

struct Shared {
    http: Outbound,
    base_url: BaseUrl,
    policy: HostPolicy,
    credentials: Credentials,
    permit: Arc<dyn Permit>,
}

/// The account and module that nearly every call is about. (The API calls this pair a tenant.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The account's id.
    pub account_id: String,
    /// The module's id.
    pub module_id: String,
}

/// The API within one account and module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ScopedClient {
    client: AssetPandaClient,
    scope: Scope,
}

impl AssetPandaClient {
    /// A client for the API at `base_url`; each attempt of a call asks `permit` first.
    ///
    /// # Errors
    /// If the key may not be sent to that address: see [`BaseUrl::check`].
    pub fn new(
        http: Outbound,
        base_url: Url,
        credentials: Credentials,
        permit: Arc<dyn Permit>,
        allowed: AllowedHosts,
    ) -> Result<Self, BaseUrlError> {
        let shared = Shared {
            http,
            base_url: BaseUrl::check(base_url, &allowed)?,
            policy: policy(&allowed),
            credentials,
            permit,
        };
        Ok(Self { shared: Arc::new(shared), limits: SearchLimits::default() })
    }

    /// The same client with other limits of search.
    #[must_use]
    pub fn with_search_limits(mut self, limits: SearchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The API within one account and module.
    #[must_use]
    pub fn at(&self, scope: Scope) -> ScopedClient {
        ScopedClient { client: self.clone(), scope }
    }

    /// The accounts that the key may see. The first call to make with a key:
    /// [`refused_credentials`](crate::refused_credentials) tells whether it failed because of the key.
    ///
    /// # Errors
    /// If the call failed or its answer is not such a list.
    pub async fn accounts(&self) -> Result<Vec<Account>, SendError> {
        self.get(path::ACCOUNTS, &[]).await
    }

    /// The modules of an account.
    ///
    /// # Errors
    /// If the call failed or its answer is not such a list.
    pub async fn modules(&self, account_id: &str) -> Result<Vec<Module>, SendError> {
        self.get(path::MODULES, &[("accountId", account_id)]).await
    }

    async fn get<T: FromReply>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, SendError> {
        read(&self.get_answer(path, None, query).await?)
    }

    async fn get_answer(&self, path: &str, id: Option<&str>, query: &[(&str, &str)]) -> Result<Answer, SendError> {
        let mut url = self.shared.base_url.endpoint(path, id);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(Method::GET, url, None, Retry::Idempotent).await
    }

    async fn send_json(&self, method: Method, path: &str, body: &Value, retry: Retry) -> Result<Answer, SendError> {
        let url = self.shared.base_url.endpoint(path, None);
        let body = Bytes::from(body.to_string());
        self.send(method, url, Some(body), retry).await
    }

    async fn send(&self, method: Method, url: Url, body: Option<Bytes>, retry: Retry) -> Result<Answer, SendError> {
        let json = || SecretString::from("application/json");
        let mut headers: Vec<(HeaderName, SecretString)> = vec![(header::ACCEPT, json())];
        headers.extend(self.shared.credentials.headers());
        if body.is_some() {
            headers.push((header::CONTENT_TYPE, json()));
        }
        let call = Call { method, url, policy: &self.shared.policy, headers, body, retry, permit: &self.shared.permit };
        self.shared.http.send(call).await
    }
}

impl fmt::Debug for AssetPandaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetPandaClient").field("base_url", &self.shared.base_url.to_string()).finish_non_exhaustive()
    }
}

impl ScopedClient {
    /// The account and module.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The collections in use: inactive and deleted ones are left out.
    ///
    /// # Errors
    /// If the call failed or its answer is not such a list.
    pub async fn collections(&self) -> Result<Vec<Collection>, SendError> {
        let query = self.query([]);
        self.client.get(path::COLLECTIONS, &query).await
    }

    /// The columns of a collection: deleted ones are left out.
    ///
    /// # Errors
    /// If the call failed or its answer is not such a list.
    pub async fn columns(&self, collection_id: &str) -> Result<Vec<Column>, SendError> {
        let query = self.query([("collectionId", collection_id)]);
        self.client.get(path::COLUMNS, &query).await
    }

    /// Looks up the records whose `column_id` holds one of `values`; of each, the values of `column_id` and of the
    /// columns in `read` are kept.
    ///
    /// Values go in groups of [`SearchLimits::filters`], one call after the other; a failure loses what earlier
    /// calls found, so give it one group at a time where calls are scarce. Blank values are not looked for.
    /// The API may match loosely and lag behind writes: see [`SearchOutcome`].
    ///
    /// # Errors
    /// If a call failed or its answer is not a search reply: nothing then counts as absent.
    pub async fn search(
        &self,
        collection_id: &str,
        column_id: &str,
        values: &[String],
        read: &[String],
    ) -> Result<SearchOutcome, SendError> {
        let mut search = Search::new(column_id, values, read, self.client.limits);
        while let Some(request) = search.next() {
            let body = self.body(collection_id, request.to_json(column_id));
            let answer = self.client.send_json(Method::POST, path::SEARCH, &body, Retry::Idempotent).await?;
            let page: FoundPage = self::read(&answer)?;
            search.accept(page);
        }
        Ok(search.finish())
    }

    /// One page of the collection's records, whatever they hold in `column_id`: to look at the data as it is.
    ///
    /// # Errors
    /// If the call failed or its answer is not a search reply.
    pub async fn sample(
        &self,
        collection_id: &str,
        column_id: &str,
        from: usize,
        size: usize,
    ) -> Result<FoundPage, SendError> {
        let filters = json!([{"field": column_id, "operator": OPERATOR_CONTAINS, "value": ""}]);
        let search = json!({"selection": {"matchType": MATCH_ANY, "filters": filters}});
        let body =
            self.body(collection_id, [("searchInput", search), ("pagination", json!({"from": from, "size": size}))]);
        let answer = self.client.send_json(Method::POST, path::SEARCH, &body, Retry::Idempotent).await?;
        read(&answer)
    }

    /// One record with all its values. `None`: the API says 404, so it is deleted (INF) or never was.
    ///
    /// # Errors
    /// If the call failed otherwise or its answer is not this record.
    pub async fn record(&self, collection_id: &str, record_id: &str) -> Result<Option<Record>, SendError> {
        // As a path segment these would ask for something else than a record.
        if matches!(record_id, "" | "." | "..") {
            let message = format!("'{record_id}' is not a record id");
            return Err(SendError::new(ErrorKind::Refused, Effect::NotSent, message));
        }
        let query = self.query([("collectionId", collection_id)]);
        let answer = match self.client.get_answer(path::RECORD, Some(record_id), &query).await {
            Err(error) if error.status == Some(404) => return Ok(None),
            answer => answer?,
        };
        let record: Record = read(&answer)?;
        if record.id != record_id {
            return Err(answer.unreadable(&format!("it is about another record, {}", record.id)));
        }
        Ok(Some(record))
    }

    /// Creates records; one attempt only. The results are in the order of the rows, one each.
    ///
    /// # Errors
    /// If the call as a whole failed: [`SendError::effect`] says whether any row may have been applied.
    pub async fn create(&self, collection_id: &str, rows: &Batch<NewRecord>) -> Result<Vec<RowResult>, SendError> {
        let records = rows.items().iter().map(NewRecord::to_json).collect();
        let sent = vec![None; rows.items().len()];
        self.write(Method::POST, collection_id, records, &sent, Retry::Never).await
    }

    /// Changes the named columns of records (PUT is taken to be partial: CODE). The results are in the order of
    /// the rows, one each.
    ///
    /// # Errors
    /// As [`ScopedClient::create`].
    pub async fn update(&self, collection_id: &str, rows: &Batch<RecordChange>) -> Result<Vec<RowResult>, SendError> {
        let records = rows.items().iter().map(RecordChange::to_json).collect();
        let sent: Vec<_> = rows.items().iter().map(|row| Some(row.record_id.as_str())).collect();
        self.write(Method::PUT, collection_id, records, &sent, Retry::Idempotent).await
    }

    /// Deletes records: `{tenant, collectionId, records: [{recordId}]}` (INF). The results are in the order of the
    /// ids, one each. After a repeated attempt a row that the first one deleted may come back refused.
    ///
    /// # Errors
    /// As [`ScopedClient::create`].
    pub async fn delete(&self, collection_id: &str, record_ids: &Batch<String>) -> Result<Vec<RowResult>, SendError> {
        let ids = record_ids.items();
        let records = ids.iter().map(|id| json!({RECORD_ID_IN_WRITE: id})).collect();
        let sent: Vec<_> = ids.iter().map(|id| Some(id.as_str())).collect();
        self.write(Method::DELETE, collection_id, records, &sent, Retry::Idempotent).await
    }

    async fn write(
        &self,
        method: Method,
        collection_id: &str,
        records: Vec<Value>,
        sent: &[Option<&str>],
        retry: Retry,
    ) -> Result<Vec<RowResult>, SendError> {
        let body = self.body(collection_id, [("records", Value::Array(records))]);
        let answer = self.client.send_json(method, path::RECORDS, &body, retry).await?;
        let replies: RowReplies = read(&answer)?;
        Ok(assign(replies, sent))
    }

    /// The pair of ids that every GET has (DOC), and `more`.
    fn query<'a, const N: usize>(&'a self, more: [(&'a str, &'a str); N]) -> Vec<(&'a str, &'a str)> {
        let mut query =
            vec![("accountId", self.scope.account_id.as_str()), ("moduleId", self.scope.module_id.as_str())];
        query.extend(more);
        query
    }

    /// The parts that every body has (DOC), and `more`.
    fn body<const N: usize>(&self, collection_id: &str, more: [(&str, Value); N]) -> Value {
        let tenant = json!({
            "accountId": self.scope.account_id,
            "moduleId": self.scope.module_id,
        });
        let mut body =
            Map::from_iter([("tenant".to_owned(), tenant), ("collectionId".to_owned(), collection_id.into())]);
        body.extend(more.map(|(key, value)| (key.to_owned(), value)));
        Value::Object(body)
    }
}

/// For writes, an answer that cannot be read has an unclear effect: [`Answer::json`] sees to it.
fn read<T: FromReply>(answer: &Answer) -> Result<T, SendError> {
    answer.json::<Reply<T>>().map(|Reply(read)| read)
}
