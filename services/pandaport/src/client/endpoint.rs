//! Where the control plane is, and the way there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pandaport_api::v1::control_plane_service_client::ControlPlaneServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::refusal::{Refusal, innermost};
use super::secret;
use crate::error::Error;

/// The longest answer that is taken: a page of 1,000 records with all columns, twice over.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Where these flags stand in `--help`: below those of the command itself.
const HEADING: &str = "Where to call";

/// Where the control plane is, and who calls.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// The control plane
    #[arg(
        long,
        global = true, help_heading = HEADING,
        env = "PANDAPORT_ENDPOINT",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub(crate) endpoint: String,
    /// A file with the caller's token, for a control plane that asks for one
    #[arg(long, global = true, help_heading = HEADING, env = "PANDAPORT_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A file with the certificate authority that the control plane's certificate is from (PEM), for https
    #[arg(long, global = true, help_heading = HEADING, env = "PANDAPORT_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The caller's certificate, for a control plane that asks for one (PEM)
    #[arg(
        long,
        global = true, help_heading = HEADING,
        env = "PANDAPORT_CLIENT_CERT",
        requires = "client_key",
        value_name = "FILE"
    )]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(
        long,
        global = true, help_heading = HEADING,
        env = "PANDAPORT_CLIENT_KEY",
        requires = "client_cert",
        value_name = "FILE"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

/// A control plane that answered.
#[derive(Debug, Clone)]
pub struct Client {
    rpc: ControlPlaneServiceClient<InterceptedService<Channel, Bearer>>,
    endpoint: String,
}

impl Client {
    /// The generated client: one method for each RPC.
    pub fn rpc(&mut self) -> &mut ControlPlaneServiceClient<InterceptedService<Channel, Bearer>> {
        &mut self.rpc
    }

    /// The error of a call, in words.
    #[must_use]
    pub fn refused(&self, status: &Status) -> Error {
        Refusal::new(&self.endpoint, status).into()
    }

    /// The answer of a call, or its error in words.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub fn answer<T>(&self, result: Result<tonic::Response<T>, Status>) -> Result<T, Error> {
        result.map(tonic::Response::into_inner).map_err(|status| self.refused(&status))
    }
}

/// Opens a connection to the control plane.
///
/// # Errors
/// [`Error::Input`] where the endpoint, the token or the certificate can't be used, [`Error::Call`] where nobody
/// answers.
pub async fn connect(args: &ClientArgs) -> Result<Client, Error> {
    let url = with_scheme(&args.endpoint)?;
    let wrong = |what: &dyn std::fmt::Display| {
        Error::Input(format!("the endpoint `{url}` can't be used: {what}. It looks like http://127.0.0.1:50051"))
    };
    let mut endpoint = Endpoint::from_shared(url.clone())
        .map_err(|error| wrong(&error))?
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    if let Some(tls) = tls(&url, args)? {
        endpoint = endpoint.tls_config(tls).map_err(|error| wrong(&innermost(&error)))?;
    }
    let token = match &args.token_file {
        Some(path) => Some(bearer(path)?),
        None => None,
    };
    let channel = endpoint.connect().await.map_err(|error| Refusal::unreached(&url, &error))?;
    let rpc =
        ControlPlaneServiceClient::with_interceptor(channel, Bearer(token)).max_decoding_message_size(MAX_ANSWER_BYTES);
    Ok(Client { rpc, endpoint: url })
}

/// How the connection is encrypted; `None`: it is not.
fn tls(url: &str, args: &ClientArgs) -> Result<Option<ClientTlsConfig>, Error> {
    if !url.starts_with("https://") {
        return match &args.client_cert {
            Some(_) => Err(Error::Input(format!(
                "a client certificate is shown over https only: write --endpoint https://{}",
                url.trim_start_matches("http://")
            ))),
            None => Ok(None),
        };
    }
    let Some(ca) = &args.ca else {
        return Err(Error::Input("an https endpoint needs --ca, the certificate authority to trust".to_owned()));
    };
    let read = |path: &PathBuf| {
        let pem = std::fs::read(path);
        pem.map_err(|error| Error::Input(format!("the file {} can't be read: {error}", path.display())))
    };
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    if let (Some(cert), Some(key)) = (&args.client_cert, &args.client_key) {
        tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    Ok(Some(tls))
}

/// The endpoint with its scheme. On this machine it is http where none is given; elsewhere a guess could send a token in
/// the clear.
fn with_scheme(endpoint: &str) -> Result<String, Error> {
    match endpoint.split_once("://") {
        Some(("http" | "https", _)) => Ok(endpoint.to_owned()),
        Some((scheme, rest)) => {
            Err(Error::Input(format!("the endpoint `{endpoint}` begins with {scheme}://: write http://{rest}")))
        }
        None if is_loopback(endpoint) => Ok(format!("http://{endpoint}")),
        None => Err(Error::Input(format!(
            "the endpoint `{endpoint}` has no scheme: write https://{endpoint} with --ca, or http://{endpoint}"
        ))),
    }
}

/// Whether `host:port`, or a host alone, is this machine.
fn is_loopback(authority: &str) -> bool {
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn bearer(path: &std::path::Path) -> Result<MetadataValue<Ascii>, Error> {
    let token = secret::read("the token", path)?;
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
        .parse()
        .map_err(|_| Error::Input(format!("the file {} holds no token", path.display())))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds the caller's token to each call.
#[derive(Clone, Debug)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://10.0.0.1:50051", "http://10.0.0.1:50051")]
    #[case("https://panda.example:443", "https://panda.example:443")]
    #[case("127.0.0.1:50051", "http://127.0.0.1:50051")]
    #[case("127.0.0.1", "http://127.0.0.1")]
    #[case("[::1]:50051", "http://[::1]:50051")]
    #[case("localhost:50051", "http://localhost:50051")]
    fn on_this_machine_the_scheme_may_be_left_out(#[case] given: &str, #[case] meant: &str) {
        assert_eq!(with_scheme(given).expect("an endpoint"), meant);
    }

    #[rstest]
    #[case("10.0.0.1:50051", "write https://10.0.0.1:50051 with --ca")]
    #[case("localhost.example:50051", "has no scheme")]
    #[case("grpc://127.0.0.1:50051", "write http://127.0.0.1:50051")]
    fn elsewhere_it_is_asked_for(#[case] given: &str, #[case] said: &str) {
        let error = with_scheme(given).expect_err("no endpoint").to_string();
        assert!(error.contains(said), "{error}");
    }
}
