#![allow(clippy::unwrap_used)]

use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Program {
    #[command(flatten)]
    listen: ListenSettings,
}

/// What comes of these flags: where it listens, or why not.
fn listen(flags: &str) -> Result<SocketAddr, String> {
    let program = Program::try_parse_from(["x"].into_iter().chain(flags.split_whitespace())).unwrap();
    program.listen.checked_grpc_listen().map_err(|error| error.to_string())
}

const TLS_FLAGS: &str = "--tls-cert=c --tls-key=k";
const JWT_FLAGS: &str = "--auth=jwt --jwt-issuer=https://i.example --jwt-audience=pandaport --jwt-jwks-file=j";
const MTLS_FLAGS: &str = "--auth=mtls --tls-client-ca=a --policy-file=p";

#[test]
fn without_authentication_only_loopback_is_listened_on() {
    for address in ["127.0.0.1:50051", "127.8.8.8:0", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(listen(&format!("--grpc-listen={address}")).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:50051", "[::]:50051", "10.0.0.5:1", "[::ffff:10.0.0.5]:1"] {
        // Encryption alone is no reason to let anybody in.
        for more in ["", TLS_FLAGS, "--tls=by-proxy"] {
            let text = listen(&format!("--grpc-listen={address} {more}")).unwrap_err();
            assert!(text.starts_with("PANDAPORT_GRPC_LISTEN: "), "{text}");
            assert!(text.contains("PANDAPORT_AUTH=none"), "{text}");
        }
    }
}

#[test]
fn beyond_loopback_tokens_need_tls_or_somebody_who_takes_care_of_it() {
    let out = "--grpc-listen=0.0.0.0:50051";
    assert!(listen(JWT_FLAGS).is_ok());
    let text = listen(&format!("{out} {JWT_FLAGS}")).unwrap_err();
    assert!(text.contains("in the clear") && text.contains("PANDAPORT_TLS=by-proxy"), "{text}");
    assert!(listen(&format!("{out} {JWT_FLAGS} {TLS_FLAGS}")).is_ok());
    assert!(listen(&format!("{out} {JWT_FLAGS} --tls=by-proxy")).is_ok());
    assert!(listen(&format!("{out} {MTLS_FLAGS} {TLS_FLAGS}")).is_ok());
    let both =
        format!("{out} {TLS_FLAGS} {MTLS_FLAGS} {JWT_FLAGS}").replace("--auth=mtls", "").replace("=jwt ", "=jwt,mtls ");
    assert!(listen(&both).is_ok(), "{both}");
}

#[test]
fn what_is_missing_or_would_have_no_effect_is_named() {
    for (flags, setting) in [
        ("--tls-cert=c", "PANDAPORT_TLS_KEY"),
        ("--tls-key=k", "PANDAPORT_TLS_CERT"),
        ("--tls-cert=c --tls-key=k --tls-client-ca=a", "PANDAPORT_TLS_CLIENT_CA"),
        ("--tls-cert=c --tls-key=k --tls=by-proxy", "PANDAPORT_TLS"),
        ("--auth=mtls --tls-cert=c --tls-key=k --policy-file=p", "PANDAPORT_TLS_CLIENT_CA"),
        ("--auth=mtls --tls-client-ca=a --policy-file=p", "PANDAPORT_TLS_CERT"),
        ("--auth=mtls --tls-client-ca=a --policy-file=p --tls=by-proxy", "PANDAPORT_TLS_CERT"),
        ("--auth=mtls --tls-client-ca=a --tls-cert=c --tls-key=k", "PANDAPORT_POLICY_FILE"),
        ("--policy-file=p", "PANDAPORT_POLICY_FILE"),
        ("--jwt-issuer=i", "PANDAPORT_JWT_ISSUER"),
        ("--jwt-jwks-file=j", "PANDAPORT_JWT_JWKS_FILE"),
        ("--jwt-roles-claim=groups", "PANDAPORT_JWT_ROLES_CLAIM"),
        ("--auth=jwt --jwt-audience=a --jwt-jwks-file=j", "PANDAPORT_JWT_ISSUER"),
        ("--auth=jwt --jwt-issuer=i --jwt-jwks-file=j", "PANDAPORT_JWT_AUDIENCE"),
        ("--auth=jwt --jwt-issuer=i --jwt-audience=a", "PANDAPORT_JWT_JWKS_URL"),
        ("--auth=jwt --jwt-issuer=i --jwt-audience=a --jwt-jwks-file=j --jwt-jwks-url=u", "PANDAPORT_JWT_JWKS_URL"),
        ("--auth=jwt --jwt-issuer=i --jwt-audience=a --jwt-jwks-file=j --jwt-jwks-ca=c", "PANDAPORT_JWT_JWKS_CA"),
        ("--auth=jwt --jwt-issuer=i --jwt-audience=, --jwt-jwks-file=j", "PANDAPORT_JWT_AUDIENCE"),
    ] {
        let error = listen(flags).unwrap_err();
        assert!(error.starts_with(&format!("{setting}: ")), "{flags}: {error}");
    }
}

#[test]
fn an_address_is_an_ip_and_a_port() {
    for text in ["", "localhost:50051", "127.0.0.1", ":50051", "50051"] {
        assert!(address(text).is_err(), "{text:?}");
    }
}
