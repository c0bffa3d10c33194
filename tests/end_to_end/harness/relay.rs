//! A stand-in for the network between Pandaport and an API or a database, whose connections go dead without anybody being
//! told, or are cut.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on in both directions, but for connections that were struck.
pub(crate) struct Relay {
    /// Where it listens, such as `127.0.0.1:40001`.
    pub(crate) address: String,
    network: Arc<watch::Sender<Network>>,
}

/// How the network is, and how often something struck it: connections that were there then do not recover.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    strikes: u64,
    now: Condition,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Well,
    /// New connections are as dead as those that there were.
    Frozen,
    /// Whoever connects is turned away.
    Cut,
}

impl Relay {
    /// `target` is `host:port`.
    pub(crate) async fn to(target: &str) -> Self {
        let target = target.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let network = Arc::new(watch::Sender::new(Network::default()));
        let seen = Arc::clone(&network);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, target.clone(), seen.subscribe()));
            }
        });
        Self { address, network }
    }

    /// One to the API at `url`; and its own URL.
    pub(crate) async fn to_api(url: &str) -> (Self, String) {
        let this = Self::to(url.trim_start_matches("http://")).await;
        let url = format!("http://{}", this.address);
        (this, url)
    }

    /// All connections there are stay open, and not a byte passes any more. New ones are well.
    pub(crate) fn go_silent(&self) {
        self.strike(Condition::Well);
    }

    /// The same, and new connections are no better.
    pub(crate) fn freeze(&self) {
        self.strike(Condition::Frozen);
    }

    /// All connections there are end, and nobody gets a new one.
    pub(crate) fn cut(&self) {
        self.strike(Condition::Cut);
    }

    /// New connections are well again.
    pub(crate) fn heal(&self) {
        self.network.send_modify(|network| network.now = Condition::Well);
    }

    fn strike(&self, now: Condition) {
        self.network.send_modify(|network| *network = Network { strikes: network.strikes + 1, now });
    }
}

async fn pass_on(mut client: TcpStream, target: String, mut network: watch::Receiver<Network>) {
    let Network { strikes, now } = *network.borrow();
    if now == Condition::Well {
        let mut server = TcpStream::connect(target).await.expect("the other side listens");
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = network.wait_for(|it| it.strikes > strikes) => {}
        }
        if network.borrow().now != Condition::Cut {
            // Neither side learns of it: both sockets stay open, half of a connection each.
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    } else if now == Condition::Frozen {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}
