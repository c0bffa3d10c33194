//! Every field of every request has a limit that its comment states, and what is beyond it is refused with the field's path.
//! The fields are taken from the contract itself: a new one without a limit fails here.

use std::collections::BTreeMap;
use std::time::Duration;

use pandaport_api::v1 as proto;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::house::House;

const SERVICE: &str = "pandaport.v1.ControlPlaneService";
/// Messages that are an answer when they are whole, and a request's part otherwise: their fields say which are output.
const OUTPUT: &str = "Output.";

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The messages of the contract, each field with its comment.
struct Contract {
    messages: BTreeMap<String, (DescriptorProto, Vec<String>)>,
    methods: Vec<(String, String)>,
}

impl Contract {
    fn read() -> Self {
        let set = FileDescriptorSet::decode(pandaport_api::FILE_DESCRIPTOR_SET).unwrap();
        let mut contract = Self { messages: BTreeMap::new(), methods: Vec::new() };
        for file in set.file {
            let comment = |path: &[i32]| {
                let found = file.source_code_info.iter().flat_map(|it| &it.location).find(|it| it.path == path);
                let words = found.map(|it| it.leading_comments()).unwrap_or_default().split_whitespace();
                words.collect::<Vec<_>>().join(" ")
            };
            for (at, message) in file.message_type.iter().enumerate() {
                let fields = 0..message.field.len();
                let comments = fields.map(|nth| comment(&[4, at.try_into().unwrap(), 2, nth.try_into().unwrap()]));
                let name = format!(".{}.{}", file.package(), message.name());
                contract.messages.insert(name, (message.clone(), comments.collect()));
            }
            for service in file.service.iter().filter(|_| file.package() == "pandaport.v1") {
                let methods = service.method.iter().map(|it| (it.name().to_owned(), it.input_type().to_owned()));
                contract.methods.extend(methods);
            }
        }
        contract
    }
}

/// A field that a request may have, with what leads to it.
#[derive(Clone)]
struct Place {
    path: String,
    field: FieldDescriptorProto,
    /// The numbers of the messages around it, from the outside.
    around: Vec<i32>,
    comment: String,
}

impl Contract {
    fn places(&self, message: &str, path: &str, around: &[i32]) -> Vec<Place> {
        let (descriptor, comments) = &self.messages[message];
        let mut places = Vec::new();
        for (field, comment) in descriptor.field.iter().zip(comments) {
            if comment.starts_with(OUTPUT) {
                continue;
            }
            let path = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
            places.push(Place {
                path: path.clone(),
                field: field.clone(),
                around: around.to_vec(),
                comment: comment.clone(),
            });
            if field.r#type() == Type::Message && field.type_name().starts_with(".pandaport.") {
                let path = if field.label() == Label::Repeated { format!("{path}[0]") } else { path };
                places.extend(self.places(field.type_name(), &path, &[around, &[field.number()]].concat()));
            }
        }
        places
    }
}

fn delimited(number: i32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(number.try_into().unwrap(), prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

impl Place {
    /// A request with nothing but this, put into the messages around it.
    fn wire(&self, content: &[u8]) -> Vec<u8> {
        self.around.iter().rev().fold(content.to_vec(), |inner, number| delimited(*number, &inner))
    }

    fn text(&self, length: usize) -> Vec<u8> {
        self.wire(&delimited(self.field.number(), "é".repeat(length).as_bytes()))
    }

    fn is_list(&self) -> bool {
        self.field.label() == Label::Repeated
    }
}

/// The number after these words, such as `At most 1,000`.
fn after(comment: &str, words: &str) -> Option<usize> {
    let (_, rest) = comment.split_once(words)?;
    let digits: String =
        rest.chars().take_while(|it| it.is_ascii_digit() || *it == ',').filter(|it| *it != ',').collect();
    digits.parse().ok()
}

/// How many characters a text may have, by its comment.
fn characters(comment: &str) -> Option<usize> {
    let mut stated = ["each of at most ", "At most ", "at most ", " to "].iter().filter_map(|words| {
        let (_, rest) = comment.split_once(words)?;
        rest.trim_start_matches(|it: char| it.is_ascii_digit() || it == ',')
            .starts_with(" characters")
            .then_some(*words)
    });
    stated.next().and_then(|words| after(comment, words)).or_else(|| comment.contains("A UUID.").then_some(36))
}

/// How many items a list may have, by its comment.
fn items(comment: &str) -> Option<usize> {
    after(comment, "At most ").or_else(|| after(comment, "at most "))
}

struct Caller {
    house: House,
    grpc: Grpc<tonic::transport::Channel>,
    mapping_id: String,
}

impl Caller {
    async fn new() -> Self {
        let mut house = House::new().await;
        let (_, mapping, _) = house.mapped().await;
        let grpc = Grpc::new(house.channel.clone());
        Self { house, grpc, mapping_id: mapping.mapping_id }
    }

    /// What a request has besides the field that is tried, so that the field is looked at.
    fn besides(&self, method: &str) -> Vec<u8> {
        if method != "UpdateMapping" {
            return Vec::new();
        }
        let paths = ["display_name", "fields", "filter", "removal_policy", "schedule"].map(str::to_owned);
        let mark = proto::RemovalPolicy { action: proto::RemovalAction::Mark.into(), ..Default::default() };
        let mapping = proto::Mapping { removal_policy: Some(mark), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: paths.into() });
        let (mapping, mapping_id) = (Some(mapping), self.mapping_id.clone());
        proto::UpdateMappingRequest { mapping_id, mapping, update_mask, ..Default::default() }.encode_to_vec()
    }

    /// The violations of a call, by path.
    async fn violations(&mut self, method: &str, request: Vec<u8>) -> BTreeMap<String, String> {
        let mut bytes = self.besides(method);
        bytes.extend(request);
        self.grpc.ready().await.unwrap();
        let path = format!("/{SERVICE}/{method}").parse().unwrap();
        let answer = self.grpc.unary(Request::new(Bytes::from(bytes)), path, Raw).await;
        let Err(status) = answer else { return BTreeMap::new() };
        if status.code() != Code::InvalidArgument {
            return BTreeMap::new();
        }
        let found = status.get_details_bad_request().map(|it| it.field_violations).unwrap_or_default();
        found.into_iter().map(|it| (it.field, it.description)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_limit_that_a_comment_states_is_refused_with_its_path() {
    let contract = Contract::read();
    let mut caller = Caller::new().await;
    let (mut texts, mut lists) = (0, 0);
    let methods = contract.methods.clone();
    assert!(methods.len() >= 30, "{}", methods.len());
    for (method, input) in methods {
        for place in contract.places(&input, "", &[]) {
            let what = format!("{method}: {}", place.path);
            // Of the identifier and the collection of a mapping, an update says that they can't change.
            let fixed = ["mapping.identifier", "mapping.collection_id"].iter().any(|it| place.path.starts_with(it));
            if method == "UpdateMapping" && fixed {
                continue;
            }
            // A removal policy has a column and values only if it marks: field 1 of the policy, 2 for MARK.
            let mark = |place: &Place, bytes: Vec<u8>| {
                let action = place.wire(&[8, 2]);
                if place.path.contains("removal_policy") { [action, bytes].concat() } else { bytes }
            };
            if place.is_list() && place.field.r#type() != Type::Message {
                let most = items(&place.comment).unwrap_or_else(|| panic!("{what}: how many? {}", place.comment));
                let one = match place.field.r#type() {
                    Type::String => delimited(place.field.number(), b"x"),
                    _ => vec![u8::try_from(place.field.number() << 3).unwrap(), 1],
                };
                let found = caller.violations(&method, place.wire(&one.repeat(most + 1))).await;
                assert!(found.contains_key(&place.path), "{what}: {} items were taken: {found:?}", most + 1);
                let found = caller.violations(&method, place.wire(&one.repeat(most))).await;
                assert!(!found.contains_key(&place.path), "{what}: {most} items were refused: {found:?}");
                lists += 1;
            }
            if place.is_list() && place.field.r#type() == Type::Message {
                let most = items(&place.comment).unwrap_or_else(|| panic!("{what}: how many? {}", place.comment));
                let found = caller
                    .violations(&method, place.wire(&delimited(place.field.number(), b"").repeat(most + 1)))
                    .await;
                assert!(found.contains_key(&place.path), "{what}: {} items were taken", most + 1);
                lists += 1;
            }
            if place.field.r#type() == Type::String {
                let most = characters(&place.comment).unwrap_or_else(|| panic!("{what}: how long? {}", place.comment));
                let path = if place.is_list() { format!("{}[0]", place.path) } else { place.path.clone() };
                let found = caller.violations(&method, mark(&place, place.text(most + 1))).await;
                let said =
                    found.get(&path).unwrap_or_else(|| panic!("{what}: {} letters were taken: {found:?}", most + 1));
                assert!(said.len() < 1_000, "{what}: the message repeats what is too long");
                // As many as are allowed may be wrong for another reason, not for their number.
                let found = caller.violations(&method, mark(&place, place.text(most))).await;
                let said = found.get(&path).map(String::as_str).unwrap_or_default();
                assert!(!said.contains("At most"), "{what}: {most} letters were refused: {said}");
                texts += 1;
            }
            if place.field.type_name() == ".google.protobuf.Value" {
                let most = characters(&place.comment).unwrap_or_else(|| panic!("{what}: how long? {}", place.comment));
                let kind = Some(prost_types::value::Kind::StringValue("x".repeat(most)));
                let value = prost_types::Value { kind }.encode_to_vec();
                let bytes = mark(&place, place.wire(&delimited(place.field.number(), &value)));
                let found = caller.violations(&method, bytes).await;
                assert!(found.contains_key(&place.path), "{what}: a long value was taken: {found:?}");
                texts += 1;
            }
            if place.field.type_name() == ".google.protobuf.FieldMask" {
                assert!(items(&place.comment).is_some(), "{what}: how many paths?");
                let mask = |paths: Vec<String>| prost_types::FieldMask { paths }.encode_to_vec();
                for (paths, path) in [
                    (vec!["fields".to_owned(); 51], "update_mask.paths".to_owned()),
                    (vec!["x".repeat(101)], "update_mask.paths[5]".to_owned()),
                ] {
                    let bytes = place.wire(&delimited(place.field.number(), &mask(paths)));
                    let found = caller.violations(&method, bytes).await;
                    assert!(found.contains_key(&path), "{what}: {found:?}");
                }
                lists += 1;
            }
        }
    }
    assert!(texts > 60 && lists > 10, "{texts} texts and {lists} lists were tried");
    caller.house.shutdown.drain();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_larger_than_any_may_be_is_not_read() {
    let mut house = House::new().await;
    let request = proto::GetSyncRequest { sync_id: "x".repeat(3 * 1024 * 1024) };
    let refused = house.client.get_sync(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    let mut request = Request::new(proto::GetStatusRequest {});
    request.metadata_mut().insert("x-large", "x".repeat(64 * 1024).parse().unwrap());
    assert!(house.client.get_status(request).await.is_err(), "so large a header was taken");
    assert!(house.client.get_status(proto::GetStatusRequest {}).await.is_ok(), "the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_when_its_callers_time_is_over_and_leaves_nothing_half_done() {
    let mut house = House::new().await;
    house.faults(r#"{"kandji": {"latency_ms": 60000}}"#);
    let mut request = Request::new(proto::ConfigureConnectionRequest { verify: true, ..house.settings() });
    request.set_timeout(Duration::from_millis(700));
    let begun = std::time::Instant::now();
    let refused = house.client.configure_connection(request).await.unwrap_err();
    assert!(matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let listed = house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap().into_inner();
    assert!(listed.connections.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_what_a_server_takes_on_are_told_when_to_come_back() {
    let limits = pandaport_control_plane::CallLimits { calls: 1, watchers: 1 };
    let mut house = House::limited(limits).await;
    let (_, _, sync) = house.mapped().await;
    let watch = proto::WatchSyncRequest { sync_id: sync.sync_id };
    let mut first = house.client.watch_sync(watch.clone()).await.unwrap().into_inner();
    first.message().await.unwrap().unwrap();
    let refused = house.client.watch_sync(watch.clone()).await.unwrap_err();
    let (code, reason, _) = crate::house::refusal(&refused);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "TOO_MANY_CALLS"));
    assert!(refused.get_details_retry_info().is_some());
    // Who goes away leaves its place to another.
    drop(first);
    let again = std::time::Instant::now() + Duration::from_secs(10);
    while house.client.watch_sync(watch.clone()).await.is_err() {
        assert!(std::time::Instant::now() < again, "the place was never given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
