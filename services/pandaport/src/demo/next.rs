//! What to try after the demo.

use std::net::SocketAddr;

const SERVICE: &str = "pandaport.v1.ControlPlaneService";

/// Where nothing is running any more.
pub(super) fn without_keep() -> String {
    format!(
        "\nNext: with --keep all of it stays, for calls like these:\n{}",
        lines(&SocketAddr::from(([127, 0, 0, 1], 50051)).to_string(), None)
    )
}

/// Where everything still runs: lines that work as they are. `program` is how this one was called.
pub(super) fn with_keep(program: &str, grpc: SocketAddr, control_url: &str, mapping_id: &str) -> String {
    let usual = grpc.port() == 50051;
    let endpoint = if usual { String::new() } else { format!(" --endpoint http://{grpc}") };
    format!(
        "\nAll of it is still running. Try:\n{}\n  \
         {program} syncs list{endpoint}\n  \
         curl -d '{{\"percent\": 5}}' {control_url}/fleet/change\n  \
         {program} syncs trigger {mapping_id} --watch{endpoint}\n\
         Ctrl-C stops it and removes what it stored.",
        lines(&grpc.to_string(), Some(mapping_id))
    )
}

fn lines(address: &str, mapping_id: Option<&str>) -> String {
    let mut lines = vec![
        format!("  grpcurl -plaintext {address} list {SERVICE}"),
        format!("  grpcurl -plaintext {address} describe pandaport.v1.Mapping"),
        format!("  grpcurl -plaintext {address} {SERVICE}/ListMappings"),
        format!("  grpcurl -plaintext -d '{{\"page_size\": 3}}' {address} {SERVICE}/ListSyncs"),
    ];
    if let Some(id) = mapping_id {
        lines.push(format!("  grpcurl -plaintext -d '{{\"mapping_id\": \"{id}\"}}' {address} {SERVICE}/TriggerSync"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_another_port_every_line_says_so() {
        let at = SocketAddr::from(([127, 0, 0, 1], 40_001));
        insta::assert_snapshot!(with_keep("target/debug/pandaport", at, "http://127.0.0.1:40002", "m-1"), @r#"
        All of it is still running. Try:
          grpcurl -plaintext 127.0.0.1:40001 list pandaport.v1.ControlPlaneService
          grpcurl -plaintext 127.0.0.1:40001 describe pandaport.v1.Mapping
          grpcurl -plaintext 127.0.0.1:40001 pandaport.v1.ControlPlaneService/ListMappings
          grpcurl -plaintext -d '{"page_size": 3}' 127.0.0.1:40001 pandaport.v1.ControlPlaneService/ListSyncs
          grpcurl -plaintext -d '{"mapping_id": "m-1"}' 127.0.0.1:40001 pandaport.v1.ControlPlaneService/TriggerSync
          target/debug/pandaport syncs list --endpoint http://127.0.0.1:40001
          curl -d '{"percent": 5}' http://127.0.0.1:40002/fleet/change
          target/debug/pandaport syncs trigger m-1 --watch --endpoint http://127.0.0.1:40001
        Ctrl-C stops it and removes what it stored.
        "#);
    }
}
