//! Reflection, health, and stopping.

use std::time::Duration;

use pandaport_api::v1 as proto;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::house::House;

macro_rules! reflects {
    ($house:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

        let ask = |what| ServerReflectionRequest { host: String::new(), message_request: Some(what) };
        let symbols = [
            "pandaport.v1.ControlPlaneService",
            "google.rpc.ErrorInfo",
            "google.rpc.BadRequest",
            "google.rpc.RetryInfo",
            "google.protobuf.Duration",
        ];
        let mut questions = vec![ask(MessageRequest::ListServices(String::new()))];
        questions.extend(symbols.map(|symbol| ask(MessageRequest::FileContainingSymbol(symbol.into()))));
        let mut client = ServerReflectionClient::new($house.channel.clone());
        let mut answers = client.server_reflection_info(tokio_stream::iter(questions)).await.unwrap().into_inner();
        let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        else {
            panic!("no list of services");
        };
        let names: Vec<_> = list.service.into_iter().map(|it| it.name).collect();
        assert!(names.contains(&"pandaport.v1.ControlPlaneService".to_owned()), "{names:?}");
        assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
        for symbol in symbols {
            let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}");
        }
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn any_client_can_read_the_contract_and_the_error_details() {
    let house = House::new().await;
    reflects!(house, v1);
    reflects!(house, v1alpha);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_readiness() {
    let house = House::new().await;
    let mut client = HealthClient::new(house.channel.clone());
    for service in ["", "pandaport.v1.ControlPlaneService"] {
        let answer = client.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    house.readiness.check("database", || async { Err("out".to_owned()) });
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_watches_with_unavailable_and_finishes_calls_in_flight() {
    let mut house = House::new().await;
    let (connection_id, _, first) = house.mapped().await;
    let request = proto::WatchSyncRequest { sync_id: first.sync_id };
    let mut watch = house.client.watch_sync(request).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    house.faults(r#"{"kandji": {"latency_ms": 500}}"#);
    let mut client = house.client.clone();
    let in_flight =
        tokio::spawn(async move { client.test_connection(proto::TestConnectionRequest { connection_id }).await });
    tokio::time::sleep(Duration::from_millis(200)).await;

    house.shutdown.drain();
    let ended = loop {
        match watch.message().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    let answer = in_flight.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.result(), proto::TestResult::Passed);
    drop((house.client, house.channel));
    tokio::time::timeout(Duration::from_secs(4), house.served).await.unwrap().unwrap().unwrap();
}
