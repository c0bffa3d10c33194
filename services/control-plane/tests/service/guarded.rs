//! A control plane that takes tokens, and whoever may call it.

use pandaport_access::{Access, AccessSettings, KeysFrom, TokenSettings};
use pandaport_test_identity::{SigningKey, claims, jwks};
use serde_json::json;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::house::{Client, Door, House};

/// A control plane whose own client is the admin of the tenant `acme`.
pub(crate) struct Guarded {
    pub(crate) house: House,
    key: SigningKey,
    _folder: tempfile::TempDir,
}

impl Guarded {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::new("k");
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, jwks(&[&key])).unwrap();
        let tokens = TokenSettings {
            issuer: "https://issuer.example".to_owned(),
            audiences: vec!["pandaport".to_owned()],
            keys: KeysFrom::File(file),
            tenant_claim: "pandaport_tenant".to_owned(),
            roles_claim: "pandaport_roles".to_owned(),
        };
        let access = Access::new(AccessSettings { tokens: Some(tokens), ..AccessSettings::default() }).unwrap();
        let token = Some(token(&key, "ann", "acme", "admin"));
        let house = House::behind(Door { access, tls: None, client_tls: None, token }).await;
        Self { house, key, _folder: folder }
    }

    pub(crate) fn token(&self, name: &str, tenant: &str, role: &str) -> String {
        token(&self.key, name, tenant, role)
    }

    pub(crate) fn client(&self, name: &str, tenant: &str, role: &str) -> Client {
        self.house.client_with(&self.token(name, tenant, role))
    }

    /// Calls any method of the service by its name, with a message as it comes. Of a stream, the first message is enough.
    pub(crate) async fn call(&self, token: Option<&str>, method: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = Grpc::new(self.house.channel.clone());
        grpc.ready().await.unwrap();
        let mut request = Request::new(message);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let path = format!("/pandaport.v1.ControlPlaneService/{method}").parse().unwrap();
        let mut answers = grpc.server_streaming(request, path, Bytes).await?.into_inner();
        Ok(answers.message().await?.unwrap_or_default())
    }
}

fn token(key: &SigningKey, name: &str, tenant: &str, role: &str) -> String {
    let mut claims = claims(name);
    claims["pandaport_tenant"] = json!(tenant);
    claims["pandaport_roles"] = json!([role]);
    key.token(&claims)
}

/// Messages as they are on the wire.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(to, &item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = prost::bytes::Buf::remaining(from);
        Ok(Some(prost::bytes::Buf::copy_to_bytes(from, length).to_vec()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
