//! A stand-in for a network between Pandaport and an API, whose connections go dead without anybody being told.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on in both directions, but for connections that went silent.
pub(crate) struct Relay {
    /// Where it listens, such as `http://127.0.0.1:40001`.
    pub(crate) url: String,
    /// How often the connections there were went silent.
    silences: Arc<watch::Sender<u64>>,
}

impl Relay {
    pub(crate) async fn to(api_url: &str) -> Self {
        let api = api_url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let silences = Arc::new(watch::Sender::new(0));
        let all = Arc::clone(&silences);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, api.clone(), all.subscribe()));
            }
        });
        Self { url, silences }
    }

    /// All connections there are stay open, and not a byte passes any more. New ones are well.
    pub(crate) fn go_silent(&self) {
        self.silences.send_modify(|times| *times += 1);
    }
}

async fn pass_on(mut client: TcpStream, api: String, mut silences: watch::Receiver<u64>) {
    let mut server = TcpStream::connect(api).await.expect("the API listens");
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Neither side learns of it: both sockets stay open, half of a connection each.
        _ = silences.changed() => tokio::time::sleep(Duration::from_secs(600)).await,
    }
}
